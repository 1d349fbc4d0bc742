//! Texts and numbers as the values of a column: exact, or a fault.
//!
//! Owns: the rules that JSON and CSV share. Does not own: how a format tells a value's kind.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::model::reject::RejectCode;
use crate::pipeline::decode::columns;
use crate::pipeline::decode::json::fault::{Stop, fault};
use crate::pipeline::decode::json::plan::Kind;
use crate::pipeline::decode::scan::Number;
use crate::pipeline::decode::text::{self, Parsed, Unit};

/// The value as it lands: Delta's timestamps are in microseconds.
#[inline(always)]
pub(in crate::pipeline::decode) fn landed(value: i64, kind: &Kind) -> i64 {
    match kind {
        Kind::Instant(Unit::Millis) | Kind::LocalTime(Unit::Millis) => value * 1000,
        _ => value,
    }
}

/// A text as a value of a kind that lands as text or bytes.
#[inline(always)]
pub(in crate::pipeline::decode) fn text_value(
    kind: &Kind,
    text: &[u8],
    offsets: &mut Vec<i32>,
    data: &mut Vec<u8>,
    met_unknown: &mut bool,
) -> Result<(), Stop> {
    match kind {
        Kind::Symbol(symbols) if !symbols.hold(text) => {
            *met_unknown = true;
            Err(fault(
                RejectCode::UnknownSymbol,
                "the text is no symbol of the enum",
            ))
        }
        Kind::Uuid if !text::is_uuid(text) => Err(fault(
            RejectCode::InvalidFormat,
            "the text is no uuid of 8-4-4-4-12 hexadecimal digits",
        )),
        Kind::Bytes => base64(text, None, offsets, data),
        Kind::Fixed(size) => base64(text, Some(*size), offsets, data),
        _ => push_bytes(offsets, data, text),
    }
}

/// A text as a decimal.
pub(in crate::pipeline::decode) fn decimal(
    text: &[u8],
    precision: u8,
    scale: i8,
) -> Result<i128, Stop> {
    if !text::is_number(text) {
        return Err(fault(
            RejectCode::InvalidFormat,
            "the text is no decimal of JSON's number form",
        ));
    }
    ruled(text::decimal(text, precision, scale))
}

/// Null in a field that requires a value.
#[cold]
pub(in crate::pipeline::decode) fn null(is_key: bool) -> Stop {
    if is_key {
        fault(RejectCode::NullKey, "null stands in a primary key")
    } else {
        fault(RejectCode::NullValue, "null stands in a required field")
    }
}

/// A number as a long.
#[inline(always)]
pub(in crate::pipeline::decode) fn long(n: &Number<'_>) -> Result<i64, Stop> {
    if !n.is_integer {
        return Err(fault(
            RejectCode::WrongType,
            "an integer literal is wanted, a number with fraction or exponent was seen",
        ));
    }
    n.as_i64()
        .or_else(|| text::integer(n.text))
        .ok_or_else(|| fault(RejectCode::OutOfRange, "the integer is beyond a long"))
}

/// A long as an int.
#[inline(always)]
pub(in crate::pipeline::decode) fn int(n: i64) -> Result<i32, Stop> {
    i32::try_from(n).map_err(|_| fault(RejectCode::OutOfRange, "the integer is beyond an int"))
}

/// A number as a double.
#[inline(always)]
pub(in crate::pipeline::decode) fn double(n: &Number<'_>) -> Result<f64, Stop> {
    n.as_f64()
        .map_or_else(|| ruled(text::double(n.text, n.is_integer)), Ok)
}

/// A number as a float.
#[inline(always)]
pub(in crate::pipeline::decode) fn float(n: &Number<'_>) -> Result<f32, Stop> {
    n.as_f32()
        .map_or_else(|| ruled(text::float(n.text, n.is_integer)), Ok)
}

/// A value, or the rule that its text breaks.
#[inline]
pub(in crate::pipeline::decode) fn ruled<T>(parsed: Parsed<T>) -> Result<T, Stop> {
    parsed.map_err(|(code, rule)| fault(code, format!("the value {rule}")))
}

#[inline(always)]
pub(in crate::pipeline::decode) fn push_bytes(
    offsets: &mut Vec<i32>,
    data: &mut Vec<u8>,
    bytes: &[u8],
) -> Result<(), Stop> {
    data.extend_from_slice(bytes);
    offsets.push(offset(data.len())?);
    Ok(())
}

pub(in crate::pipeline::decode) fn base64(
    text: &[u8],
    size: Option<usize>,
    offsets: &mut Vec<i32>,
    data: &mut Vec<u8>,
) -> Result<(), Stop> {
    let from = data.len();
    data.resize(from + text.len() / 4 * 3 + 3, 0);
    let decoded = STANDARD.decode_slice(text, &mut data[from..]);
    let length = decoded.map_err(|_| {
        fault(
            RejectCode::InvalidFormat,
            "the text is no base64 with padding (RFC 4648 section 4)",
        )
    })?;
    if size.is_some_and(|size| size != length) {
        return Err(fault(
            RejectCode::InvalidFormat,
            "the bytes have not the fixed's length",
        ));
    }
    data.truncate(from + length);
    offsets.push(offset(data.len())?);
    Ok(())
}

#[inline]
pub(in crate::pipeline::decode) fn offset(length: usize) -> Result<i32, Stop> {
    columns::offset(length)
        .ok_or_else(|| fault(RejectCode::TooLarge, "the value does not fit a column"))
}
