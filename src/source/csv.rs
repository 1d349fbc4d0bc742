//! CSV files: bytes into slices of records.
//!
//! Owns: unpacking, encodings, one tokenizer a file, and what a file's first lines tell. What a
//! slice holds is a function of the file and its dialect, not of the pieces in which bytes come.
//! Memory is that of a slice and a record, whatever the file's size.
//! Does not own: where bytes come from ([`chunks::Chunks`]), what a cell means
//! (`pipeline::decode::csv`).
//!
//! | rule | is |
//! | --- | --- |
//! | a physical line | ends with the line end, wherever that stands, in quotes too |
//! | a record | ends with a physical line that no open quote reaches beyond |
//! | a record that breaks the quoting, or ends beyond `max_record_bytes` | is rejected as its first physical line: `csv_syntax`; reading goes on with the next one |
//! | a physical line beyond `max_record_bytes` | is rejected: `too_large`; its beginning is kept |
//! | a comment, a blank line | is no record; where there is one column a blank line is a null |

pub mod chunks;
pub mod encode;
mod file;
mod lines;
mod rules;
mod scanner;
pub mod slice;
mod text;
mod unpack;

pub use file::{CsvFile, Head, RETURNED, Sizes};
pub use unpack::Packing;

use crate::error::Error;

/// Why a file cannot be read on.
#[derive(Debug)]
pub enum Trouble {
    /// Its bytes did not come.
    Source(Error),
    /// The file is at fault; the reason, for its sender.
    File(String),
}

/// `Result` with [`Trouble`].
pub type Read<T> = Result<T, Trouble>;

#[cfg(test)]
mod tests;
