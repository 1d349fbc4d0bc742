//! Whether a map's key stands twice.
//!
//! Owns: the search; what it needs is kept from map to map, so that it costs no allocation.

use std::hash::{BuildHasher, RandomState};

/// Keys up to which each is compared with those before it.
const FEW: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Keys {
    /// For each slot the place of a key and one; 0 is free. Its length is a power of two.
    slots: Vec<u32>,
    hash: RandomState,
}

impl Keys {
    /// The place of the first key that equals one before it. `offsets` are those of the keys in
    /// `data`, one more than there are keys.
    pub(super) fn repeated(&mut self, offsets: &[i32], data: &[u8]) -> Option<usize> {
        let key = |at: usize| &data[offsets[at] as usize..offsets[at + 1] as usize];
        let count = offsets.len().saturating_sub(1);
        if count <= FEW {
            return (1..count).find(|at| (0..*at).any(|before| key(before) == key(*at)));
        }
        let size = (count * 2).next_power_of_two();
        self.slots.clear();
        self.slots.resize(size, 0);
        for at in 0..count {
            let mut slot = self.hash.hash_one(key(at)) as usize & (size - 1);
            while self.slots[slot] != 0 {
                if key(self.slots[slot] as usize - 1) == key(at) {
                    return Some(at);
                }
                slot = (slot + 1) & (size - 1);
            }
            // a column holds fewer keys than an i32 counts
            self.slots[slot] = at as u32 + 1;
        }
        None
    }
}
