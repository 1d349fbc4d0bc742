//! What stands in front of a payload, or in its message's headers, to name the writer's schema.
//!
//! Owns: the framings, each as the stream declares it and never guessed. Pure. Does not own: what a
//! key or fingerprint stands for (`schema::registry`, `schema::fingerprint`).

use std::ffi::CStr;
use std::fmt;

use crate::config::Framing;
use crate::model::reject::{Fault, RejectCode};
use crate::schema::registry::WriterKey;

/// The header in which Confluent's serializers put the key of the value's schema. The last one of
/// that name counts.
pub const VALUE_HEADER: &CStr = c"__value_schema_id";

/// Of the registry's framing: what the first byte says of those behind it.
const MAGIC_ID: u8 = 0;
const MAGIC_GUID: u8 = 1;
/// What single-object encoding begins with (specification, "Single-object encoding").
const SINGLE_OBJECT: [u8; 2] = [0xc3, 0x01];

/// What a message says of its writer's schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Writer {
    /// Nothing: the stream declares it.
    Declared,
    /// A key of the registry.
    Key(WriterKey),
    /// The CRC-64-AVRO of the schema's canonical form.
    Fingerprint(u64),
}

impl fmt::Display for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Writer::Declared => f.write_str("the declared writer"),
            Writer::Key(key) => key.fmt(f),
            Writer::Fingerprint(fingerprint) => write!(f, "fingerprint {fingerprint:016x}"),
        }
    }
}

/// Takes a value apart: the writer, and where the payload begins. `header` is the value of the last
/// header [`VALUE_HEADER`], if the message has one.
///
/// # Errors
/// `invalid_framing`, with what was found in place of the framing.
pub fn parse(
    framing: Framing,
    value: &[u8],
    header: Option<&[u8]>,
) -> Result<(Writer, usize), Fault> {
    match framing {
        Framing::None => Ok((Writer::Declared, 0)),
        Framing::Registry => {
            let (key, length) = key(value, "the value")?;
            Ok((Writer::Key(key), length))
        }
        Framing::Header => {
            let place = format!("the header {}", VALUE_HEADER.to_string_lossy());
            let header = header.ok_or_else(|| invalid(format!("{place} is not there")))?;
            let (key, length) = key(header, &place)?;
            match header.len() - length {
                0 => Ok((Writer::Key(key), 0)),
                more => Err(invalid(format!(
                    "{place} has {more} bytes behind the schema's key"
                ))),
            }
        }
        Framing::SingleObject => single_object(value),
    }
}

/// A key of the registry at the beginning of `bytes`, and its length.
fn key(bytes: &[u8], place: &str) -> Result<(WriterKey, usize), Fault> {
    let short = |what: &str, needed: usize| {
        invalid(format!(
            "{place} has {} bytes, where the magic byte and {what} take {needed}",
            bytes.len()
        ))
    };
    match bytes.split_first() {
        None => Err(invalid(format!(
            "{place} is empty, where a magic byte was to be"
        ))),
        Some((&MAGIC_ID, rest)) => {
            let id = rest.first_chunk().ok_or_else(|| short("an id", 5))?;
            Ok((WriterKey::Id(u32::from_be_bytes(*id)), 5))
        }
        Some((&MAGIC_GUID, rest)) => {
            let guid = rest.first_chunk().ok_or_else(|| short("a GUID", 17))?;
            Ok((WriterKey::Guid(*guid), 17))
        }
        Some((other, _)) => Err(invalid(format!(
            "{place} begins with the byte {other:#04x}{}, where the magic byte 0x00 or 0x01 was to be",
            resembles(bytes)
        ))),
    }
}

fn single_object(value: &[u8]) -> Result<(Writer, usize), Fault> {
    const LENGTH: usize = 10;
    let Some(rest) = value.strip_prefix(&SINGLE_OBJECT) else {
        return Err(invalid(match value {
            [] => "the value is empty, where the marker 0xc3 0x01 was to be".to_owned(),
            [one] => format!(
                "the value is the one byte {one:#04x}, where the marker 0xc3 0x01 was to be"
            ),
            [one, two, ..] => format!(
                "the value begins with {one:#04x} {two:#04x}{}, where the marker 0xc3 0x01 was to be",
                resembles(value)
            ),
        }));
    };
    let fingerprint = rest.first_chunk().ok_or_else(|| {
        invalid(format!(
            "the value has {} bytes, where the marker and a fingerprint take {LENGTH}",
            value.len()
        ))
    })?;
    Ok((
        Writer::Fingerprint(u64::from_le_bytes(*fingerprint)),
        LENGTH,
    ))
}

/// A hint for whoever set the framing; nothing is decided by it.
fn resembles(bytes: &[u8]) -> &'static str {
    match bytes {
        [b'{' | b'[', ..] => " (which begins a JSON text)",
        [b'O', b'b', b'j', 1, ..] => " (which begins an Avro file)",
        [0xc3, 0x01, ..] => " (which begins single-object encoding)",
        [MAGIC_ID, ..] => " (which begins registry framing)",
        _ => "",
    }
}

fn invalid(message: String) -> Fault {
    Fault {
        code: RejectCode::InvalidFraming,
        field: None,
        message,
    }
}

#[cfg(test)]
mod tests;
