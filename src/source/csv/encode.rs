//! Text into the encoding of a file.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

use crate::source::csv::Head;

/// Writes in the encoding of one file.
#[derive(Debug, Clone, Copy)]
pub struct Encoder(&'static Encoding);

impl Encoder {
    /// The encoding of a file with this head.
    pub fn of(head: &Head) -> Self {
        Self(Encoding::for_label(head.encoding.as_bytes()).unwrap_or(UTF_8))
    }

    /// Appends `text` to `out`. What the encoding does not have becomes a numeric reference.
    pub fn put(self, text: &str, out: &mut Vec<u8>) {
        if self.0 == UTF_8 {
            out.extend_from_slice(text.as_bytes());
        } else if self.0 == UTF_16LE {
            text.encode_utf16()
                .for_each(|unit| out.extend_from_slice(&unit.to_le_bytes()));
        } else if self.0 == UTF_16BE {
            text.encode_utf16()
                .for_each(|unit| out.extend_from_slice(&unit.to_be_bytes()));
        } else {
            out.extend_from_slice(&self.0.encode(text).0);
        }
    }
}
