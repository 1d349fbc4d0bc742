//! Whether a field's default is a value of its type that can land.
//!
//! Owns: Avro's JSON encoding of defaults, held against the rules on values. `apache-avro` lets
//! pass what only the type's details refuse: lengths, code points, digits, ranges.
//! Does not own: filling in a default (`pipeline::decode`).

use serde_json::Value as Json;

use crate::schema::{Record, Type, Value};

/// 0001-01-01 and 9999-12-31 in days since 1970-01-01.
const FIRST_DAY: i64 = -719_162;
const LAST_DAY: i64 = 2_932_896;
/// Microseconds of a day.
const DAY_MICROS: i64 = 86_400_000_000;

/// Why `default` is no value of `value`, as the end of a sentence; `None` if it is one.
pub(crate) fn fault(value: &Value, default: &Json) -> Option<String> {
    if default.is_null() {
        return (!value.nullable).then(|| "null, which the type does not allow".to_owned());
    }
    match &value.ty {
        Type::Record(record) => members(record, default),
        Type::Array(items) => match default.as_array() {
            Some(given) => given.iter().find_map(|item| fault(items, item)),
            None => Some("no array".to_owned()),
        },
        Type::Map(values) => match default.as_object() {
            Some(given) => given.values().find_map(|item| fault(values, item)),
            None => Some("no object".to_owned()),
        },
        ty => scalar(ty, default).map(str::to_owned),
    }
}

fn members(record: &Record, default: &Json) -> Option<String> {
    let Some(given) = default.as_object() else {
        return Some("no object".to_owned());
    };
    record.fields.iter().find_map(
        |field| match given.get(&field.name).or(field.default.as_ref()) {
            Some(member) => fault(&field.value, member),
            None => Some(format!("an object without {}", field.name)),
        },
    )
}

fn scalar(ty: &Type, default: &Json) -> Option<&'static str> {
    match ty {
        Type::Boolean if default.is_boolean() => None,
        Type::Boolean => Some("no boolean"),
        Type::Float => match default.as_f64() {
            // an overflow would land as infinity
            Some(number) if (number as f32).is_finite() => None,
            _ => Some("no number that a float holds"),
        },
        Type::Double if default.is_number() => None,
        Type::Double => Some("no number"),
        Type::String | Type::Uuid | Type::UuidFixed { .. } | Type::Enum(_) => text(ty, default),
        Type::Bytes | Type::Fixed { .. } | Type::Decimal { .. } => binary(ty, default),
        _ => integer(ty, default),
    }
}

fn integer(ty: &Type, default: &Json) -> Option<&'static str> {
    let Some(number) = default.as_i64() else {
        return Some("no integer that the type holds");
    };
    let micros = (FIRST_DAY * DAY_MICROS, (LAST_DAY + 1) * DAY_MICROS - 1);
    let millis = (micros.0 / 1000, micros.1 / 1000);
    let (from, to) = match ty {
        Type::Int => (i64::from(i32::MIN), i64::from(i32::MAX)),
        Type::Date => (FIRST_DAY, LAST_DAY),
        Type::TimeMillis => (0, DAY_MICROS / 1000 - 1),
        Type::TimeMicros => (0, DAY_MICROS - 1),
        Type::TimestampMillis | Type::LocalTimestampMillis => millis,
        Type::TimestampMicros | Type::LocalTimestampMicros => micros,
        _ => (i64::MIN, i64::MAX),
    };
    (number < from || number > to).then_some("out of the type's range")
}

fn text(ty: &Type, default: &Json) -> Option<&'static str> {
    let Some(text) = default.as_str() else {
        return Some("no string");
    };
    match ty {
        Type::Enum(symbols) if !symbols.symbols.iter().any(|s| s == text) => {
            Some("none of the enum's symbols")
        }
        Type::Uuid if !is_uuid(text) => Some("no uuid of the form 8-4-4-4-12"),
        // the bytes of a fixed(16), which land as the uuid's text
        Type::UuidFixed { .. } if bytes(text).is_none_or(|b| b.len() != 16) => {
            Some("not of 16 bytes")
        }
        _ => None,
    }
}

fn binary(ty: &Type, default: &Json) -> Option<&'static str> {
    let Some(bytes) = default.as_str().and_then(bytes) else {
        return Some("no string of bytes, each a character up to \\u00ff");
    };
    let size = match ty {
        Type::Fixed { size, .. } => Some(*size),
        Type::Decimal { fixed, .. } => *fixed,
        _ => None,
    };
    if size.is_some_and(|size| size != bytes.len()) {
        return Some("not of the fixed's length");
    }
    match ty {
        Type::Decimal { precision, .. } if !fits(&bytes, *precision) => {
            Some("beyond the decimal's precision")
        }
        _ => None,
    }
}

/// The bytes that a default's text means: one for each character.
fn bytes(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|c| u8::try_from(c).ok()).collect()
}

/// Whether the big-endian two's-complement number has at most `precision` digits.
fn fits(bytes: &[u8], precision: u8) -> bool {
    let limit = 10_u128.checked_pow(u32::from(precision));
    two_complement(bytes)
        .zip(limit)
        .is_some_and(|(number, limit)| number.unsigned_abs() < limit)
}

/// A big-endian two's-complement number; `None` of no bytes, or of more than 128 bits.
pub(crate) fn two_complement(bytes: &[u8]) -> Option<i128> {
    let first = bytes.first()?;
    let fill = if first & 0x80 == 0 { 0 } else { 0xff };
    let (sign, low) = bytes.split_at(bytes.len().saturating_sub(16));
    let continues = |b: &u8| (b & 0x80 == 0) == (fill == 0);
    if sign.iter().any(|b| *b != fill) || !low.first().is_some_and(continues) {
        return None;
    }
    let start: i128 = if fill == 0 { 0 } else { -1 };
    Some(low.iter().fold(start, |n, b| (n << 8) | i128::from(*b)))
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests;
