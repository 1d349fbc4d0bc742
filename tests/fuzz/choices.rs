//! Bytes as choices: what is drawn follows from them alone, and no bytes are the plainest choice.

/// A run of choices.
pub struct Choices<'a> {
    bytes: &'a [u8],
    at: usize,
    /// What the bytes go on with; zeros if there is none.
    seed: Option<u64>,
}

impl<'a> Choices<'a> {
    /// Zeros once the bytes are used up.
    pub fn of(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            seed: None,
        }
    }

    /// Without end.
    pub fn seeded(seed: u64) -> Self {
        Self {
            bytes: &[],
            at: 0,
            seed: Some(seed),
        }
    }

    /// Nothing but zeros is left.
    pub fn is_spent(&self) -> bool {
        self.seed.is_none() && self.at >= self.bytes.len()
    }

    pub fn byte(&mut self) -> u8 {
        self.at += 1;
        match (self.bytes.get(self.at - 1), &mut self.seed) {
            (Some(byte), _) => *byte,
            (None, Some(seed)) => (split_mix(seed) >> 32) as u8,
            (None, None) => 0,
        }
    }

    pub fn number(&mut self) -> u64 {
        u64::from_le_bytes([(); 8].map(|()| self.byte()))
    }

    /// One of `0..count`.
    pub fn below(&mut self, count: usize) -> usize {
        match count {
            0 | 1 => 0,
            2..=256 => usize::from(self.byte()) * count / 256,
            _ => self.number() as usize % count,
        }
    }

    /// True so many times of 256; never once the choices are spent.
    pub fn chance(&mut self, of_256: u16) -> bool {
        u16::from(self.byte()) + of_256 >= 256
    }

    pub fn pick<'t, T: ?Sized>(&mut self, from: &[&'t T]) -> &'t T {
        from[self.below(from.len())]
    }

    pub fn bytes(&mut self, most: usize) -> Vec<u8> {
        let count = self.below(most + 1);
        (0..count).map(|_| self.byte()).collect()
    }
}

/// Steele, Lea and Flood's generator.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A few changes of a text of bytes: none once the choices are spent.
pub fn edit(bytes: &mut Vec<u8>, choices: &mut Choices<'_>) {
    for _ in 0..choices.below(4) {
        let at = choices.below(bytes.len() + 1);
        let in_range = at < bytes.len();
        match choices.below(8) {
            0 if in_range => bytes[at] ^= 1 << choices.below(8),
            1 if in_range => bytes[at] = choices.byte(),
            2 if in_range => drop(bytes.remove(at)),
            3 => bytes.truncate(at),
            4 => bytes.push(choices.byte()),
            5 if in_range => {
                let end = (at + 1 + choices.below(16)).min(bytes.len());
                let again = bytes[at..end].to_vec();
                bytes.splice(end..end, again);
            }
            6 if in_range => {
                bytes[at] = choices.pick(&[&0, &1, &2, &0x7f, &0x80, &0xff]).to_owned()
            }
            _ => bytes.insert(at, choices.byte()),
        }
    }
}
