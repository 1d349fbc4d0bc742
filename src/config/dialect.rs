//! How CSV files are written: `[bulk.dialect]`, with defaults and what cannot go together.
//!
//! Owns: the settings, checked as a whole, every problem at once. Does not own: reading files
//! (`source::csv`), what a value means (`pipeline::decode::csv`).

mod check;
mod formats;

use encoding_rs::Encoding;
use serde::{Deserialize, Serialize};

use crate::config::units;

pub use formats::{DateFormat, TimestampFormat};

/// The keys of a dialect as they are written, nothing checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(
    missing_docs,
    reason = "the keys of the configuration, told in its documentation"
)]
pub struct DialectKeys {
    pub delimiter: String,
    pub quote: String,
    pub escape: String,
    pub quotes: String,
    pub line_end: String,
    pub encoding: String,
    pub null: Vec<String>,
    pub header: bool,
    pub columns: Vec<String>,
    pub skip_lines: u64,
    pub comment: String,
    pub trim: bool,
    pub decimal: String,
    pub date_format: String,
    pub timestamp_format: String,
    /// In bytes.
    #[serde(deserialize_with = "size")]
    pub max_record_bytes: u64,
}

/// A size in bytes, as a number or as people write it.
fn size<'a, D: serde::Deserializer<'a>>(from: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a number of bytes, or a size such as \"1MiB\"")]
    enum Size {
        Bytes(u64),
        Text(String),
    }
    match Size::deserialize(from)? {
        Size::Bytes(bytes) => Ok(bytes),
        Size::Text(text) => units::size(&text).map_err(serde::de::Error::custom),
    }
}

impl DialectKeys {
    /// The same keys but those that `others` names, an object of JSON.
    ///
    /// # Errors
    /// One of them is no key of a dialect, or has another type.
    pub fn with(
        &self,
        others: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<Self, String> {
        let mut keys = serde_json::to_value(self).map_err(|e| e.to_string())?;
        if let Some(keys) = keys.as_object_mut() {
            keys.extend(others.clone());
        }
        serde_json::from_value(keys).map_err(|e| e.to_string())
    }
}

impl Default for DialectKeys {
    fn default() -> Self {
        Self {
            delimiter: ",".to_owned(),
            quote: "\"".to_owned(),
            escape: String::new(),
            quotes: "strict".to_owned(),
            line_end: "auto".to_owned(),
            encoding: "utf-8".to_owned(),
            null: Vec::new(),
            header: true,
            columns: Vec::new(),
            skip_lines: 0,
            comment: String::new(),
            trim: false,
            decimal: ".".to_owned(),
            date_format: String::new(),
            timestamp_format: String::new(),
            max_record_bytes: 1 << 20,
        }
    }
}

/// A key whose value is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialectProblem {
    /// The key.
    pub key: &'static str,
    /// What is wrong and what would be right; lower case, no full stop.
    pub message: String,
}

/// A dialect that can be read.
#[derive(Debug, Clone)]
pub struct Dialect {
    /// What stands between cells; never empty.
    pub delimiter: String,
    /// An ASCII character; `None` where cells are never quoted.
    pub quote: Option<u8>,
    /// The ASCII character before a quote or itself within quotes; `None`: the quote is doubled.
    pub escape: Option<u8>,
    /// True if a quote inside an unquoted cell is a character.
    pub lenient: bool,
    /// What ends a line.
    pub line_end: LineEnd,
    /// How characters are written.
    pub encoding: TextEncoding,
    /// Unquoted cells that are null, beside the empty one.
    pub null: Vec<String>,
    /// The columns of files without a header; `None` where the file has one.
    pub columns: Option<Vec<String>>,
    /// Physical lines before the header.
    pub skip_lines: u64,
    /// What a line that is no record begins with.
    pub comment: Option<String>,
    /// True if blanks around cells are no part of them.
    pub trim: bool,
    /// `.` or `,`
    pub decimal: u8,
    /// A form of dates, beside ISO.
    pub date_format: Option<DateFormat>,
    /// A form of timestamps, beside RFC 3339.
    pub timestamp_format: Option<TimestampFormat>,
    /// A longer record is a reject; counted as UTF-8, without the line's end.
    pub max_record_bytes: usize,
}

/// What ends a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineEnd {
    /// LF and CRLF; or CR, in a file that begins with CR and without LF.
    Auto,
    /// LF; CR is a character.
    Lf,
    /// CRLF; either alone is a character.
    Crlf,
    /// CR; LF is a character.
    Cr,
    /// This text; CR and LF are characters.
    Text(String),
}

/// How characters are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextEncoding {
    /// UTF-8.
    Utf8,
    /// UTF-16; the file's byte order mark says in which order.
    Utf16,
    /// Another one, in which a character means the same wherever it stands.
    Other(&'static Encoding),
}

impl Dialect {
    /// The dialect that `keys` describe, or every problem with them.
    pub fn new(keys: &DialectKeys) -> Result<Self, Vec<DialectProblem>> {
        check::dialect(keys)
    }

    /// The characters that `trim` takes away around a cell.
    pub fn blanks(&self) -> &'static [u8] {
        match (self.trim, self.delimiter.contains('\t')) {
            (false, _) => b"",
            (true, true) => b" ",
            (true, false) => b" \t",
        }
    }
}

#[cfg(test)]
mod tests;
