//! Values in text, each as the cell that it becomes: numbers, dates, times, uuids, base64.
//!
//! Cells are JSON: floats by their bits, decimals as text, bytes hexadecimal, times as numbers.

use serde_json::{Value as Json, json};
use weir::model::reject::RejectCode;

pub type Told<T> = Result<T, RejectCode>;

const FORMAT: RejectCode = RejectCode::InvalidFormat;
const RANGE: RejectCode = RejectCode::OutOfRange;
const INEXACT: RejectCode = RejectCode::Inexact;

/// 0001-01-01 and the day behind 9999-12-31, in days since 1970-01-01.
const DAYS: (i128, i128) = (-719_162, 2_932_897);

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

pub fn float_cell(value: f32) -> Json {
    match value.is_nan() {
        true => json!("nan"),
        false => json!(hex(&value.to_be_bytes())),
    }
}

pub fn double_cell(value: f64) -> Json {
    match value.is_nan() {
        true => json!("nan"),
        false => json!(hex(&value.to_be_bytes())),
    }
}

/// The uuid's text of 16 bytes.
pub fn uuid_cell(bytes: &[u8]) -> Json {
    let hex = hex(bytes);
    let cut = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &hex[part]);
    json!(cut.join("-"))
}

pub fn is_uuid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    lengths == [8, 4, 4, 4, 12] && parts.concat().chars().all(|c| c.is_ascii_hexdigit())
}

/// True of a JSON number without fraction and exponent.
pub fn is_integer(number: &str) -> bool {
    !number.contains(['.', 'e', 'E'])
}

pub fn long(number: &str) -> Told<i64> {
    number.parse().map_err(|_| RANGE)
}

/// A non-zero digit stands before the exponent.
fn is_nonzero(number: &str) -> bool {
    let mantissa = number.split(['e', 'E']).next().unwrap_or_default();
    mantissa.contains(|c| ('1'..='9').contains(&c))
}

fn exact(number: &str, shown: &str) -> bool {
    !is_integer(number) || number.trim_start_matches('-') == shown
}

pub fn double(number: &str) -> Told<f64> {
    let value: f64 = number.parse().map_err(|_| RejectCode::WrongType)?;
    match () {
        () if value.is_infinite() => Err(RANGE),
        () if value == 0.0 && is_nonzero(number) => Err(INEXACT),
        () if !exact(number, &format!("{:.0}", value.abs())) => Err(INEXACT),
        () => Ok(value),
    }
}

pub fn float(number: &str) -> Told<f32> {
    let value: f32 = number.parse().map_err(|_| RejectCode::WrongType)?;
    match () {
        () if value.is_infinite() => Err(RANGE),
        () if value == 0.0 && is_nonzero(number) => Err(INEXACT),
        () if !exact(number, &format!("{:.0}", value.abs())) => Err(INEXACT),
        () => Ok(value),
    }
}

/// The unscaled value of a JSON number, digit by digit.
pub fn decimal(number: &str, precision: u64, scale: u64) -> Told<String> {
    let (sign, rest) = match number.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", number),
    };
    let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let kept = digits.trim_end_matches('0');
    if kept.is_empty() {
        return Ok("0".to_owned());
    }
    let zeros = (digits.len() - kept.len()) as i128 - fraction.len() as i128;
    // an exponent of so many digits is beyond every precision
    let beyond = if exponent.starts_with('-') {
        i128::from(i64::MIN)
    } else {
        i128::from(i64::MAX)
    };
    let exponent: i128 = exponent.parse().unwrap_or(beyond);
    let shift = exponent + zeros + i128::from(scale);
    if shift < 0 {
        return Err(INEXACT);
    }
    if kept.len() as i128 + shift > i128::from(precision) {
        return Err(RANGE);
    }
    Ok(format!("{sign}{kept}{}", "0".repeat(shift as usize)))
}

/// The unscaled value of big-endian two's complement, in base 256.
pub fn binary_decimal(bytes: &[u8], precision: u64) -> Told<String> {
    let negative = *bytes.first().ok_or(FORMAT)? >= 0x80;
    let mut magnitude: Vec<u8> = bytes
        .iter()
        .map(|b| if negative { !b } else { *b })
        .collect();
    if negative {
        for byte in magnitude.iter_mut().rev() {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                break;
            }
        }
        if magnitude.iter().all(|b| *b == 0) {
            magnitude.insert(0, 1);
        }
    }
    let mut digits = vec![0_u8];
    for byte in magnitude {
        let mut carry = u32::from(byte);
        for digit in &mut digits {
            let value = u32::from(*digit) * 256 + carry;
            *digit = (value % 10) as u8;
            carry = value / 10;
        }
        while carry > 0 {
            digits.push((carry % 10) as u8);
            carry /= 10;
        }
    }
    while digits.len() > 1 && digits.last() == Some(&0) {
        digits.pop();
    }
    if digits.len() as u64 > precision {
        return Err(RANGE);
    }
    let text: String = digits.iter().rev().map(|d| char::from(b'0' + d)).collect();
    Ok(if negative { format!("-{text}") } else { text })
}

fn within(value: i128, from: i128, to: i128) -> Told<i64> {
    match (from..to).contains(&value) {
        true => i64::try_from(value).map_err(|_| RANGE),
        false => Err(RANGE),
    }
}

pub fn check_date(days: i64) -> Told<i64> {
    within(i128::from(days), DAYS.0, DAYS.1)
}

pub fn check_time(value: i64, per_second: i64) -> Told<i64> {
    within(i128::from(value), 0, 86_400 * i128::from(per_second))
}

pub fn check_instant(value: i128, per_second: i64) -> Told<i64> {
    let day = 86_400 * i128::from(per_second);
    within(value, DAYS.0 * day, DAYS.1 * day)
}

/// Reads from the left; what is wrong first counts.
struct Left<'a>(&'a [u8]);

impl Left<'_> {
    fn next(&mut self) -> Told<u8> {
        let (first, rest) = self.0.split_first().ok_or(FORMAT)?;
        self.0 = rest;
        Ok(*first)
    }

    fn token(&mut self, token: u8) -> Told<()> {
        match self.next()? == token {
            true => Ok(()),
            false => Err(FORMAT),
        }
    }

    fn number(&mut self, digits: usize) -> Told<i128> {
        let mut number = 0;
        for _ in 0..digits {
            let digit = self.next()?;
            if !digit.is_ascii_digit() {
                return Err(FORMAT);
            }
            number = number * 10 + i128::from(digit - b'0');
        }
        Ok(number)
    }

    fn date(&mut self) -> Told<i128> {
        let year = self.number(4)?;
        self.token(b'-')?;
        let month = self.number(2)?;
        self.token(b'-')?;
        let day = self.number(2)?;
        if !(1..=12).contains(&month) || day < 1 || day > days_of_month(year, month) {
            return Err(FORMAT);
        }
        if year == 0 {
            return Err(RANGE);
        }
        let days_of_year = |year| if is_leap(year) { 366 } else { 365 };
        let years: i128 = match year >= 1970 {
            true => (1970..year).map(days_of_year).sum(),
            false => -(year..1970).map(days_of_year).sum::<i128>(),
        };
        let months: i128 = (1..month).map(|m| days_of_month(year, m)).sum();
        Ok(years + months + day - 1)
    }

    /// `HH:MM:SS[.f]` in the unit of so many digits of a second.
    fn time(&mut self, digits: usize) -> Told<i128> {
        if self.0.len() < 8 || self.0[2] != b':' || self.0[5] != b':' {
            return Err(FORMAT);
        }
        let hours = self.number(2)?;
        self.token(b':')?;
        let minutes = self.number(2)?;
        self.token(b':')?;
        let seconds = self.number(2)?;
        if hours > 23 || minutes > 59 || seconds > 59 {
            return Err(FORMAT);
        }
        let mut value = (hours * 60 + minutes) * 60 + seconds;
        let mut fraction = Vec::new();
        if let [b'.', rest @ ..] = self.0 {
            fraction = rest.to_vec();
            let count = rest.iter().take_while(|b| b.is_ascii_digit()).count();
            if count == 0 {
                return Err(FORMAT);
            }
            fraction.truncate(count);
            self.0 = &rest[count..];
        }
        if fraction.iter().skip(digits).any(|d| *d != b'0') {
            return Err(INEXACT);
        }
        fraction.resize(digits, b'0');
        for digit in fraction {
            value = value * 10 + i128::from(digit - b'0');
        }
        Ok(value)
    }

    /// Seconds to take away.
    fn zone(&mut self) -> Told<i128> {
        let sign = match self.next()? {
            b'Z' | b'z' => return self.end(0),
            b'+' => 1,
            b'-' => -1,
            _ => return Err(FORMAT),
        };
        let hours = self.number(2)?;
        self.token(b':')?;
        let minutes = self.number(2)?;
        if hours > 23 || minutes > 59 {
            return Err(FORMAT);
        }
        self.end(sign * (hours * 60 + minutes) * 60)
    }

    fn end<T>(&self, value: T) -> Told<T> {
        match self.0.is_empty() {
            true => Ok(value),
            false => Err(FORMAT),
        }
    }
}

fn is_leap(year: i128) -> bool {
    year % 400 == 0 || (year % 4 == 0 && year % 100 != 0)
}

fn days_of_month(year: i128, month: i128) -> i128 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

pub fn date(text: &str) -> Told<i64> {
    if text.len() != 10 {
        return Err(FORMAT);
    }
    let mut left = Left(text.as_bytes());
    let days = left.date()?;
    left.end(days as i64)
}

fn digits(per_second: i64) -> usize {
    per_second.to_string().len() - 1
}

pub fn time(text: &str, per_second: i64) -> Told<i64> {
    let mut left = Left(text.as_bytes());
    let value = left.time(digits(per_second))?;
    left.end(value as i64)
}

/// RFC 3339, with a zone or without one.
pub fn timestamp(text: &str, per_second: i64, zoned: bool) -> Told<i64> {
    let mut left = Left(text.as_bytes());
    // the separator tells the form, so that it goes before the date
    if !matches!(text.as_bytes().get(10), Some(b'T' | b't' | b' ')) {
        return Err(FORMAT);
    }
    let days = left.date()?;
    left.next()?;
    let time = left.time(digits(per_second))?;
    let offset = match zoned {
        true => left.zone()?,
        false => left.end(0)?,
    };
    let per = i128::from(per_second);
    check_instant(days * 86_400 * per + time - offset * per, per_second)
}

/// RFC 4648 section 4, with padding, the bits behind the last byte zero.
pub fn base64(text: &str) -> Told<Vec<u8>> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.trim_end_matches('=');
    let padding = text.len() - digits.len();
    if !text.len().is_multiple_of(4) || padding > 2 {
        return Err(FORMAT);
    }
    let mut bits = String::new();
    for c in digits.chars() {
        let value = ALPHABET.find(c).ok_or(FORMAT)?;
        bits += &format!("{value:06b}");
    }
    let (whole, left) = bits.split_at(bits.len() / 8 * 8);
    if left.len() != padding * 2 || left.contains('1') {
        return Err(FORMAT);
    }
    let byte = |bits: &[u8]| bits.iter().fold(0, |b, bit| b << 1 | (bit - b'0'));
    Ok(whole.as_bytes().chunks(8).map(byte).collect())
}
