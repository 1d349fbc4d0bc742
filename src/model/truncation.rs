//! How a reject tells that not all of its bytes are kept.
//!
//! Owns: the words behind its rule, written and known again. Does not own: how many are kept
//! (`rejects.max_raw`).

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// A record of which the beginning is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truncation {
    kept: usize,
    whole: usize,
    sha256: String,
}

impl Truncation {
    /// Of a record of `whole` bytes, with this digest in hexadecimal, the first `kept` stay.
    pub fn new(kept: usize, whole: usize, sha256: String) -> Self {
        Self {
            kept,
            whole,
            sha256,
        }
    }

    /// Of `record` the first `kept` bytes stay.
    pub fn of(record: &[u8], kept: usize) -> Self {
        let mut sha256 = String::with_capacity(64);
        for byte in Sha256::digest(record) {
            // a String takes everything
            let _ = write!(sha256, "{byte:02x}");
        }
        Self {
            kept,
            whole: record.len(),
            sha256,
        }
    }

    /// The rule, and what is kept.
    pub fn told(&self, rule: &str) -> String {
        let Self {
            kept,
            whole,
            sha256,
        } = self;
        format!("{rule}; the first {kept} of {whole} bytes are kept, sha256 {sha256}")
    }

    /// What `message` tells of a reject of which `kept` bytes are there; `None` if they are all.
    pub fn in_message(message: &str, kept: usize) -> Option<Self> {
        let (_, told) = message.rsplit_once("; the first ")?;
        let (sizes, sha256) = told.split_once(" bytes are kept, sha256 ")?;
        let (told, whole) = sizes.split_once(" of ")?;
        let is_digest = sha256.len() == 64 && sha256.bytes().all(|b| b.is_ascii_hexdigit());
        (told.parse() == Ok(kept) && is_digest).then_some(Self {
            kept,
            whole: whole.parse().ok()?,
            sha256: sha256.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Truncation;

    #[test]
    fn what_was_told_is_known_again() {
        let cut = Truncation::of(b"0123456789", 4);
        let told = cut.told("the rule; with a semicolon");
        assert_eq!(
            told,
            "the rule; with a semicolon; the first 4 of 10 bytes are kept, sha256 \
             84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882"
        );
        assert_eq!(Truncation::in_message(&told, 4), Some(cut));
        assert_eq!(Truncation::in_message(&told, 10), None);
        for whole in [
            "",
            "the rule",
            "; the first 4 of 10 bytes are kept, sha256 x",
        ] {
            assert_eq!(Truncation::in_message(whole, 4), None, "{whole}");
        }
    }
}
