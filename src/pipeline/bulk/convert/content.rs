//! A file's content hash: SHA-256 of its bytes as they are stored.
//!
//! Owns: which bytes it is of. Of a file that is not packed it follows behind the records that were
//! cut, so that it can be taken up again where they end; of one that is packed it follows the
//! reader, which begins at the file's beginning again.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::digest::common::hazmat::{SerializableState, SerializedState};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::model::job::hex;
use crate::source::csv::chunks::Chunks;

/// SHA-256's inner state over the stored bytes before a position, in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HashState(String);

impl HashState {
    fn of(hash: &Sha256) -> Self {
        Self(hex(&hash.serialize()))
    }

    fn hash(&self) -> Result<Sha256> {
        let unread = || Error::internal("the hash of a file that was read in part is unreadable");
        let digit = |mark: u8| char::from(mark).to_digit(16);
        let byte = |pair: &[u8]| match pair {
            [high, low] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
            _ => None,
        };
        let bytes: Option<Vec<u8>> = self.0.as_bytes().chunks(2).map(byte).collect();
        let state = bytes.and_then(|bytes| SerializedState::<Sha256>::try_from(&*bytes).ok());
        Sha256::deserialize(&state.ok_or_else(unread)?).map_err(|_| unread())
    }
}

/// What was read of a file's bytes.
#[derive(Debug)]
pub(super) struct Content {
    hash: Sha256,
    /// Bytes that were read, as they are stored.
    read: u64,
    /// Those of them that are not hashed yet, where it follows behind the records.
    waiting: Option<VecDeque<Bytes>>,
    /// Bytes that are hashed.
    hashed: u64,
    is_whole: bool,
}

impl Content {
    /// The content of a packed file.
    pub(super) fn packed() -> Self {
        Self {
            hash: Sha256::new(),
            read: 0,
            waiting: None,
            hashed: 0,
            is_whole: false,
        }
    }

    /// The content of a file that is not packed, from its byte `from` on; `before` is the state there.
    pub(super) fn plain(from: u64, before: Option<&HashState>) -> Result<Self> {
        Ok(Self {
            hash: before.map_or_else(|| Ok(Sha256::new()), HashState::hash)?,
            read: from,
            waiting: Some(VecDeque::new()),
            hashed: from,
            is_whole: false,
        })
    }

    /// Bytes of the file that were read, as they are stored.
    pub(super) fn bytes(&self) -> u64 {
        self.read
    }

    /// The records up to byte `to` were cut.
    pub(super) fn follow(&mut self, to: u64) {
        let Some(waiting) = &mut self.waiting else {
            return;
        };
        while let Some(chunk) = waiting.front_mut().filter(|_| self.hashed < to) {
            let left = usize::try_from(to - self.hashed).unwrap_or(usize::MAX);
            let piece = left.min(chunk.len());
            self.hash.update(&chunk[..piece]);
            self.hashed += piece as u64;
            chunk.advance(piece);
            if chunk.is_empty() {
                waiting.pop_front();
            }
        }
    }

    /// The state where [`Content::follow`] was last told of.
    pub(super) fn state(&self) -> Option<HashState> {
        self.waiting.as_ref().map(|_| HashState::of(&self.hash))
    }

    /// The hash of the whole, if all of it was read.
    pub(super) fn sha256(&mut self) -> Option<String> {
        self.follow(u64::MAX);
        self.is_whole.then(|| hex(&self.hash.clone().finalize()))
    }

    fn saw(&mut self, chunk: &Bytes) {
        self.read += chunk.len() as u64;
        match &mut self.waiting {
            Some(waiting) if !chunk.is_empty() => waiting.push_back(chunk.clone()),
            Some(_) => {}
            None => self.hash.update(chunk),
        }
    }
}

/// Bytes that are seen as they pass.
pub(super) struct Seen {
    pub(super) chunks: Box<dyn Chunks>,
    pub(super) content: Arc<Mutex<Content>>,
}

impl Chunks for Seen {
    fn next_chunk(&mut self) -> Result<Option<Bytes>> {
        let chunk = self.chunks.next_chunk()?;
        let mut content = self.content.lock();
        match &chunk {
            Some(bytes) => content.saw(bytes),
            None => content.is_whole = true,
        }
        Ok(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_goes_on_from_its_state() {
        let bytes: Vec<u8> = (0..1000_u32).map(|n| (n * 7) as u8).collect();
        let whole = hex(&Sha256::digest(&bytes));
        for at in [0, 1, 63, 64, 65, 500, 1000] {
            let mut content = Content::plain(0, None).unwrap();
            content.saw(&Bytes::copy_from_slice(&bytes[..700]));
            content.saw(&Bytes::copy_from_slice(&bytes[700..]));
            content.follow(at as u64);
            let state = content.state().unwrap();
            let text = serde_json::to_string(&state).unwrap();
            let state: HashState = serde_json::from_str(&text).unwrap();
            let mut content = Content::plain(at as u64, Some(&state)).unwrap();
            content.saw(&Bytes::copy_from_slice(&bytes[at..]));
            assert_eq!(content.sha256(), None);
            content.is_whole = true;
            assert_eq!(content.sha256().as_ref(), Some(&whole), "{at}");
        }
        for text in ["", "xx", "00"] {
            assert!(Content::plain(0, Some(&HashState(text.to_owned()))).is_err());
        }
    }
}
