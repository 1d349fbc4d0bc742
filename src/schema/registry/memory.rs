//! What was asked for, by key, within bounds.
//!
//! Owns: the entries and which one goes when there are too many. Does not own: the asking.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::clock::Tick;
use crate::schema::registry::{Registered, WriterKey};

/// Most keys that are held.
const KEYS: usize = 16_384;
/// Most bytes of text that are held.
const BYTES: usize = 64 << 20;

/// What is known of a key.
#[derive(Debug, Clone)]
pub(super) enum Entry {
    /// It is being asked for.
    Asking,
    /// It is this.
    Known(Arc<Registered>),
    /// The registry does not know it; asked at that time.
    Unknown(Arc<str>, Tick),
    /// The registry has it, and it can never be read.
    Refused(Arc<str>),
}

/// The entries.
#[derive(Debug, Default)]
pub(super) struct Memory {
    entries: HashMap<WriterKey, Entry>,
    /// Keys that are not being asked for, oldest answer first.
    order: VecDeque<WriterKey>,
    bytes: usize,
}

impl Memory {
    pub(super) fn get(&self, key: WriterKey) -> Option<&Entry> {
        self.entries.get(&key)
    }

    /// True if `key` is not being asked for yet: from now on it is.
    pub(super) fn begin(&mut self, key: WriterKey) -> bool {
        if let Some(Entry::Asking) = self.entries.get(&key) {
            return false;
        }
        self.take(key);
        self.entries.insert(key, Entry::Asking);
        true
    }

    /// The answer to `key`. The oldest answers go where there are too many.
    pub(super) fn answer(&mut self, key: WriterKey, entry: Entry) {
        self.take(key);
        self.bytes += size(&entry);
        self.entries.insert(key, entry);
        self.order.push_back(key);
        while self.order.len() > KEYS || (self.bytes > BYTES && self.order.len() > 1) {
            let Some(oldest) = self.order.front().copied() else {
                return;
            };
            self.take(oldest);
        }
    }

    fn take(&mut self, key: WriterKey) {
        let Some(entry) = self.entries.remove(&key) else {
            return;
        };
        self.bytes = self.bytes.saturating_sub(size(&entry));
        if !matches!(entry, Entry::Asking)
            && let Some(at) = self.order.iter().position(|k| *k == key)
        {
            self.order.remove(at);
        }
    }
}

fn size(entry: &Entry) -> usize {
    match entry {
        Entry::Asking => 0,
        Entry::Known(schema) => {
            schema.text.len() + schema.references.iter().map(|t| t.len()).sum::<usize>()
        }
        Entry::Unknown(reason, _) | Entry::Refused(reason) => reason.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(bytes: usize) -> Entry {
        Entry::Known(Arc::new(Registered {
            id: None,
            text: "x".repeat(bytes).into(),
            references: Vec::new(),
            subjects: Vec::new(),
        }))
    }

    #[test]
    fn the_oldest_goes_first_and_what_is_asked_for_stays() {
        let mut memory = Memory::default();
        assert!(memory.begin(WriterKey::Id(0)));
        assert!(!memory.begin(WriterKey::Id(0)));
        for id in 1..=u32::try_from(KEYS).unwrap() + 1 {
            memory.answer(WriterKey::Id(id), known(1));
        }
        assert!(matches!(memory.get(WriterKey::Id(0)), Some(Entry::Asking)));
        assert!(memory.get(WriterKey::Id(1)).is_none());
        assert!(memory.get(WriterKey::Id(2)).is_some());
        assert_eq!((memory.order.len(), memory.bytes), (KEYS, KEYS));
        memory.answer(WriterKey::Id(9), known(BYTES));
        assert_eq!(memory.bytes, BYTES);
        assert_eq!(memory.order.len(), 1);
    }

    #[test]
    fn an_answer_replaces_the_one_before() {
        let mut memory = Memory::default();
        memory.answer(
            WriterKey::Id(1),
            Entry::Unknown("no".into(), Tick::default()),
        );
        assert!(memory.begin(WriterKey::Id(1)));
        memory.answer(WriterKey::Id(1), known(5));
        assert_eq!((memory.order.len(), memory.bytes), (1, 5));
    }
}
