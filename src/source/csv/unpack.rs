//! Gzip and zstd, told by the file's name.
//!
//! Owns: all members and frames, and that a stream that ends early or is broken is the file's fault.

use std::io::{self, BufRead, Read as _};

use bytes::{Buf, Bytes};
use flate2::bufread::MultiGzDecoder;

use crate::error::Error;
use crate::source::csv::chunks::Chunks;
use crate::source::csv::{Read, Trouble};

/// How a file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    Plain,
    /// RFC 1952, any number of members.
    Gzip,
    /// RFC 8878, any number of frames; windows up to 128 MiB.
    Zstd,
}

impl Packing {
    /// What the name of a file says.
    pub fn of(name: &str) -> Self {
        let lower = name.to_ascii_lowercase();
        match lower.rsplit_once('.') {
            Some((_, "gz")) => Packing::Gzip,
            Some((_, "zst")) => Packing::Zstd,
            _ => Packing::Plain,
        }
    }

    fn ending(self) -> &'static str {
        match self {
            Packing::Plain => "",
            Packing::Gzip => ".gz",
            Packing::Zstd => ".zst",
        }
    }

    /// False if no file that is packed so begins with `bytes`.
    fn can_begin(self, bytes: &[u8]) -> bool {
        let begins = |mark: &[u8]| bytes.iter().zip(mark).all(|(byte, of)| byte == of);
        match self {
            Packing::Plain => true,
            Packing::Gzip => begins(b"\x1f\x8b"),
            // A frame, or one that is passed over.
            Packing::Zstd => {
                let passed = (0x50..=0x5f).map(|first| [first, 0x2a, 0x4d, 0x18]);
                begins(b"\x28\xb5\x2f\xfd") || passed.into_iter().any(|mark| begins(&mark))
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Packing::Plain => "plain",
            Packing::Gzip => "gzip",
            Packing::Zstd => "zstd",
        }
    }
}

/// The bytes of a file as they were before it was packed.
pub(super) struct Unpacked {
    packing: Packing,
    reader: Reader,
}

enum Reader {
    Plain(Pieces),
    Packed(Box<dyn io::Read + Send>),
}

impl std::fmt::Debug for Unpacked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Unpacked({:?})", self.packing)
    }
}

impl Unpacked {
    pub(super) fn new(chunks: Box<dyn Chunks>, packing: Packing) -> Read<Self> {
        let mut pieces = Pieces {
            chunks,
            piece: Bytes::new(),
        };
        let told = |e| told(packing, e);
        let first = pieces.fill_buf().map_err(told)?;
        let is_empty = first.is_empty();
        if !is_empty && !packing.can_begin(first) {
            return Err(Trouble::File(format!(
                "it ends in {} and is not {}",
                packing.ending(),
                packing.name()
            )));
        }
        let reader = match packing {
            // no bytes are no records, however they are packed
            _ if is_empty => Reader::Packed(Box::new(io::empty())),
            Packing::Plain => Reader::Plain(pieces),
            Packing::Gzip => Reader::Packed(Box::new(MultiGzDecoder::new(pieces))),
            Packing::Zstd => {
                let decoder = zstd::stream::read::Decoder::with_buffer(pieces).map_err(told)?;
                Reader::Packed(Box::new(decoder))
            }
        };
        Ok(Self { packing, reader })
    }

    /// True if the file was not packed.
    pub(super) fn is_plain(&self) -> bool {
        self.packing == Packing::Plain
    }

    /// Appends at most `count` bytes, and at least one unless there are no more; returns how many.
    pub(super) fn read(&mut self, into: &mut Vec<u8>, count: usize) -> Read<usize> {
        let from = into.len();
        let reader = match &mut self.reader {
            Reader::Plain(pieces) => {
                return pieces
                    .append(into, count)
                    .map_err(|e| told(self.packing, e));
            }
            Reader::Packed(reader) => reader,
        };
        into.resize(from + count, 0);
        let mut done = from;
        let ended = loop {
            match reader.read(&mut into[done..]) {
                Ok(0) => break Ok(()),
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => break Err(told(self.packing, e)),
            }
            if done == into.len() {
                break Ok(());
            }
        };
        into.truncate(done);
        ended.map(|()| done - from)
    }

    /// Passes the first `count` bytes over.
    pub(super) fn skip(&mut self, count: u64) -> Read<()> {
        let mut left = count;
        let mut buffer = Vec::new();
        while left > 0 {
            buffer.clear();
            let piece = left.min(1 << 16);
            // at most 64 KiB
            let read = self.read(&mut buffer, usize::try_from(piece).unwrap_or(1))?;
            if read == 0 {
                return Err(Trouble::File(
                    "the file is shorter than it was when it was read before".to_owned(),
                ));
            }
            left -= read as u64;
        }
        Ok(())
    }
}

/// What went wrong: the source's own error, or the file's fault.
fn told(packing: Packing, error: io::Error) -> Trouble {
    let kind = error.kind();
    let text = error.to_string();
    let own = error.into_inner().and_then(|e| e.downcast::<Error>().ok());
    match own {
        Some(error) => Trouble::Source(*error),
        None if kind == io::ErrorKind::UnexpectedEof => Trouble::File(format!(
            "the {} stream ends early: the file is truncated",
            packing.name()
        )),
        None => Trouble::File(format!("the {} stream is broken: {text}", packing.name())),
    }
}

/// Pieces as a reader.
struct Pieces {
    chunks: Box<dyn Chunks>,
    piece: Bytes,
}

impl Pieces {
    /// Appends at most `count` bytes, and fewer only where there are no more; returns how many.
    fn append(&mut self, into: &mut Vec<u8>, count: usize) -> io::Result<usize> {
        let mut left = count;
        while left > 0 {
            let piece = self.fill_buf()?;
            let length = piece.len().min(left);
            if length == 0 {
                break;
            }
            into.extend_from_slice(&piece[..length]);
            self.consume(length);
            left -= length;
        }
        Ok(count - left)
    }
}

impl BufRead for Pieces {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.piece.is_empty() {
            match self.chunks.next_chunk().map_err(io::Error::other)? {
                Some(piece) => self.piece = piece,
                None => break,
            }
        }
        Ok(&self.piece)
    }

    fn consume(&mut self, amount: usize) {
        self.piece.advance(amount);
    }
}

impl io::Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let piece = self.fill_buf()?;
        let count = piece.len().min(into.len());
        into[..count].copy_from_slice(&piece[..count]);
        self.consume(count);
        Ok(count)
    }
}
