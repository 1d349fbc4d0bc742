//! The framings: the first byte says which one and whether there is a header, the second how many of
//! the bytes behind are its value; the rest is the message's value.

use weir::config::Framing;
use weir::model::reject::RejectCode;
use weir::pipeline::decode::framing::{Writer, parse};
use weir::schema::registry::WriterKey;

use super::{Outcome, head};

pub fn run(input: &[u8]) -> Outcome {
    let ([kind, length], rest) = head(input);
    let framings = [
        Framing::None,
        Framing::Registry,
        Framing::Header,
        Framing::SingleObject,
    ];
    let framing = framings[usize::from(kind) % 4];
    let (header, value) = rest.split_at(usize::from(length).min(rest.len()));
    let header = (kind & 4 != 0).then_some(header);
    let plain = plain(framing, value, header);
    let outcome = match &plain {
        Some(_) => Outcome::Accepted,
        None => Outcome::Rejected,
    };
    match parse(framing, value, header) {
        Ok((writer, payload)) => {
            let told = format!("{framing:?} {header:?} {value:?}");
            assert_eq!(Some((writer, &value[payload..])), plain, "{told}");
        }
        Err(fault) => {
            assert_eq!(plain, None, "{fault:?}: {framing:?} {header:?} {value:?}");
            assert_eq!(
                (fault.code, fault.field),
                (RejectCode::InvalidFraming, None)
            );
            assert!(!fault.message.is_empty() && fault.message.len() < 200);
        }
    }
    outcome
}

/// The writer and the payload, by the layouts' own words.
fn plain<'v>(
    framing: Framing,
    value: &'v [u8],
    header: Option<&[u8]>,
) -> Option<(Writer, &'v [u8])> {
    match framing {
        Framing::None => Some((Writer::Declared, value)),
        Framing::Registry => {
            let (key, length) = key(value)?;
            Some((Writer::Key(key), &value[length..]))
        }
        Framing::Header => {
            let (key, length) = key(header?)?;
            (header?.len() == length).then_some((Writer::Key(key), value))
        }
        Framing::SingleObject => {
            if value.len() < 10 || value[0] != 0xc3 || value[1] != 0x01 {
                return None;
            }
            // little-endian: the last byte weighs most
            let weigh = |sum: u64, byte: &u8| sum * 256 + u64::from(*byte);
            let fingerprint = value[2..10].iter().rev().fold(0, weigh);
            Some((Writer::Fingerprint(fingerprint), &value[10..]))
        }
    }
}

/// 0 and a big-endian id of four bytes, or 1 and the sixteen bytes of a GUID.
fn key(bytes: &[u8]) -> Option<(WriterKey, usize)> {
    match bytes.first()? {
        0 if bytes.len() >= 5 => {
            let id = bytes[1..5].iter().fold(0, |id, b| id * 256 + u32::from(*b));
            Some((WriterKey::Id(id), 5))
        }
        1 if bytes.len() >= 17 => {
            let guid = std::array::from_fn(|at| bytes[1 + at]);
            Some((WriterKey::Guid(guid), 17))
        }
        _ => None,
    }
}
