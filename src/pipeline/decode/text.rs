//! Values in text: numbers, dates, times, timestamps, uuids — exact, or a fault.
//!
//! Shared by every format that carries values as text. Dates are days since 1970-01-01 of the
//! proleptic Gregorian calendar, years 0001–9999.

use crate::model::reject::RejectCode;

/// A code and the rule that was broken.
pub type Parsed<T> = Result<T, (RejectCode, &'static str)>;

/// The first and the last day of the years 0001–9999.
pub const DAYS: (i64, i64) = (-719_162, 2_932_896);

/// The digits of a fraction of a second that a type holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// 3
    Millis,
    /// 6
    Micros,
    /// 9
    Nanos,
}

impl Unit {
    fn digits(self) -> usize {
        match self {
            Unit::Millis => 3,
            Unit::Micros => 6,
            Unit::Nanos => 9,
        }
    }

    /// Units in a second.
    pub fn per_second(self) -> i64 {
        match self {
            Unit::Millis => 1_000,
            Unit::Micros => 1_000_000,
            Unit::Nanos => 1_000_000_000,
        }
    }
}

const FORMAT: RejectCode = RejectCode::InvalidFormat;
const RANGE: RejectCode = RejectCode::OutOfRange;
const BEYOND_UNIT: (RejectCode, &str) = (
    RejectCode::Inexact,
    "has digits beyond the type's unit that are no zeros",
);

/// An integer literal (`-?digits`) that fits an `i64`; `None` beyond.
pub fn integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let mut value: i64 = 0;
    for d in digits {
        value = value
            .checked_mul(10)?
            .checked_sub(i64::from(d.wrapping_sub(b'0')))?;
    }
    if negative {
        Some(value)
    } else {
        value.checked_neg()
    }
}

/// The double nearest to a JSON number.
pub fn double(text: &[u8], is_integer: bool) -> Parsed<f64> {
    let value: f64 = as_str(text)
        .parse()
        .map_err(|_| (RejectCode::WrongType, "is no number"))?;
    check_float(text, is_integer, value, value.is_finite(), 15)?;
    Ok(value)
}

/// The float nearest to a JSON number.
pub fn float(text: &[u8], is_integer: bool) -> Parsed<f32> {
    let value: f32 = as_str(text)
        .parse()
        .map_err(|_| (RejectCode::WrongType, "is no number"))?;
    check_float(text, is_integer, f64::from(value), value.is_finite(), 7)?;
    Ok(value)
}

fn check_float(text: &[u8], is_integer: bool, value: f64, finite: bool, sure: usize) -> Parsed<()> {
    if !finite {
        return Err((RANGE, "is beyond the type's range"));
    }
    let mantissa = text
        .iter()
        .take_while(|b| !matches!(b, b'e' | b'E'))
        .any(|b| (b'1'..=b'9').contains(b));
    if value == 0.0 && mantissa {
        return Err((RejectCode::Inexact, "would become zero"));
    }
    if is_integer && text.len() > sure {
        let digits = text.strip_prefix(b"-").unwrap_or(text);
        if format!("{:.0}", value.abs()).as_bytes() != digits {
            return Err((RejectCode::Inexact, "is an integer that the type rounds"));
        }
    }
    Ok(())
}

/// The unscaled value of a decimal from a text of JSON's number form.
pub fn decimal(text: &[u8], precision: u8, scale: i8) -> Parsed<i128> {
    let (negative, rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let (mantissa, exponent) = match rest.iter().position(|b| matches!(b, b'e' | b'E')) {
        Some(at) => (&rest[..at], exponent(&rest[at + 1..])),
        None => (rest, 0),
    };
    let point = mantissa.iter().position(|b| *b == b'.');
    let (whole, fraction) = match point {
        Some(at) => (&mantissa[..at], &mantissa[at + 1..]),
        None => (mantissa, &[][..]),
    };
    // value = digits × 10^(exponent - fraction digits); wanted: digits × 10^shift.
    let digits = || whole.iter().chain(fraction);
    let shift = exponent - fraction.len() as i64 + i64::from(scale);
    let count = (whole.len() + fraction.len()) as i64;
    let leading = digits().take_while(|d| **d == b'0').count() as i64;
    if leading == count {
        return Ok(0);
    }
    let trailing = digits().rev().take_while(|d| **d == b'0').count() as i64;
    if shift + trailing < 0 {
        return Err((
            RejectCode::Inexact,
            "has more digits behind the point than the scale",
        ));
    }
    if count - leading + shift > i64::from(precision) {
        return Err((RANGE, "has more digits than the precision"));
    }
    let keep = (count + shift.min(0)) as usize;
    let mut value: i128 = 0;
    for d in digits().take(keep) {
        value = value * 10 + i128::from(d - b'0');
    }
    for _ in 0..shift.max(0) {
        value *= 10;
    }
    Ok(if negative { -value } else { value })
}

/// An exponent, held within what no precision reaches.
fn exponent(text: &[u8]) -> i64 {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let value = digits
        .iter()
        .fold(0_i64, |v, d| (v * 10 + i64::from(d - b'0')).min(1 << 40));
    if negative { -value } else { value }
}

/// True if `text` has the form of a JSON number.
pub fn is_number(text: &[u8]) -> bool {
    let mut cursor = super::scan::Cursor::new(text);
    matches!(text.first(), Some(b'-' | b'0'..=b'9'))
        && cursor.number().is_ok()
        && cursor.at == text.len()
}

/// `yyyy-mm-dd` as days.
pub fn date(text: &[u8]) -> Parsed<i32> {
    if text.len() != 10 {
        return Err((FORMAT, "is not of the form yyyy-mm-dd"));
    }
    i32::try_from(days(text)?).map_err(|_| (RANGE, "is beyond the years 0001 to 9999"))
}

/// Days within the years 0001–9999.
pub fn check_days(days: i64) -> Parsed<i32> {
    if (DAYS.0..=DAYS.1).contains(&days) {
        i32::try_from(days).map_err(|_| (RANGE, "is beyond the years 0001 to 9999"))
    } else {
        Err((RANGE, "is beyond the years 0001 to 9999"))
    }
}

/// An instant in `unit`s within the years 0001–9999.
pub fn check_instant(value: i64, unit: Unit) -> Parsed<i64> {
    let days = value.div_euclid(unit.per_second() * 86_400);
    check_days(days).map(|_| value)
}

/// A time of day in `unit`s, at or above zero and below a day.
pub fn check_time(value: i64, unit: Unit) -> Parsed<i64> {
    if (0..unit.per_second() * 86_400).contains(&value) {
        Ok(value)
    } else {
        Err((RANGE, "is no time of day"))
    }
}

/// `HH:MM:SS[.f]` in `unit`s since midnight.
pub fn time(text: &[u8], unit: Unit) -> Parsed<i64> {
    let (value, rest) = time_of_day(text, unit)?;
    if rest.is_empty() {
        Ok(value)
    } else {
        Err((FORMAT, "is not of the form HH:MM:SS"))
    }
}

/// RFC 3339 with a zone, in `unit`s since the epoch.
pub fn timestamp(text: &[u8], unit: Unit) -> Parsed<i64> {
    usual_timestamp(text, unit).map_or_else(|| any_timestamp(text, unit), Ok)
}

/// `yyyy-mm-ddTHH:MM:SS[.f]Z`, where nothing is wrong with it.
#[inline]
fn usual_timestamp(text: &[u8], unit: Unit) -> Option<i64> {
    let (head, rest) = text.split_first_chunk::<19>()?;
    let [
        y1,
        y2,
        y3,
        y4,
        b'-',
        o1,
        o2,
        b'-',
        d1,
        d2,
        b'T',
        h1,
        h2,
        b':',
        m1,
        m2,
        b':',
        s1,
        s2,
    ] = *head
    else {
        return None;
    };
    let mut all_digits = true;
    let mut two = |a: u8, b: u8| {
        let (a, b) = (a.wrapping_sub(b'0'), b.wrapping_sub(b'0'));
        all_digits &= a <= 9 && b <= 9;
        u32::from(a) * 10 + u32::from(b)
    };
    let year = two(y1, y2) * 100 + two(y3, y4);
    let (month, day) = (two(o1, o2), two(d1, d2));
    let (hours, minutes, seconds) = (two(h1, h2), two(m1, m2), two(s1, s2));
    if !all_digits || hours > 23 || minutes > 59 || seconds > 59 {
        return None;
    }
    let of_day = i64::from(hours * 3600 + minutes * 60 + seconds);
    let days = days_of(year, month, day).ok()?;
    let whole = (days * 86_400 + of_day).checked_mul(unit.per_second())?;
    match rest {
        [b'Z'] => Some(whole),
        [b'.', fraction @ .., b'Z'] => whole.checked_add(fraction_of(fraction, unit)?),
        _ => None,
    }
}

/// 1 to as many digits as `unit` has, in `unit`s.
#[inline]
fn fraction_of(digits: &[u8], unit: Unit) -> Option<i64> {
    if digits.is_empty() || digits.len() > unit.digits() {
        return None;
    }
    let mut value = 0;
    for d in digits {
        let d = d.wrapping_sub(b'0');
        if d > 9 {
            return None;
        }
        value = value * 10 + i64::from(d);
    }
    Some(value * TENS[unit.digits() - digits.len()])
}

const TENS: [i64; 9] = [
    1,
    10,
    100,
    1_000,
    10_000,
    100_000,
    1_000_000,
    10_000_000,
    100_000_000,
];

fn any_timestamp(text: &[u8], unit: Unit) -> Parsed<i64> {
    let (days, time, rest) = date_time(text, unit)?;
    let offset = match rest {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let hours = two(*h1, *h2)?;
            let minutes = two(*m1, *m2)?;
            if hours > 23 || minutes > 59 {
                return Err((FORMAT, "has no valid zone"));
            }
            let seconds = i64::from(hours * 3600 + minutes * 60);
            if *sign == b'-' { -seconds } else { seconds }
        }
        _ => {
            return Err((
                FORMAT,
                "has no zone; RFC 3339 with Z or an offset is wanted",
            ));
        }
    };
    instant(days, time, offset, unit)
}

/// RFC 3339 without a zone, in `unit`s since 1970-01-01T00:00:00 local.
pub fn local_timestamp(text: &[u8], unit: Unit) -> Parsed<i64> {
    let (days, time, rest) = date_time(text, unit)?;
    if !rest.is_empty() {
        return Err((
            FORMAT,
            "is not of the form yyyy-mm-ddTHH:MM:SS, without a zone",
        ));
    }
    instant(days, time, 0, unit)
}

/// Seconds since the epoch and nanoseconds in the second, in `unit`s.
pub fn of_seconds(seconds: i64, nanos: i32, unit: Unit) -> Parsed<i64> {
    let part = 1_000_000_000 / unit.per_second();
    let nanos = i64::from(nanos);
    if nanos % part != 0 {
        return Err(BEYOND_UNIT);
    }
    let whole = i128::from(seconds) * i128::from(unit.per_second()) + i128::from(nanos / part);
    let value = i64::try_from(whole).map_err(|_| (RANGE, "is beyond the type's range"))?;
    check_instant(value, unit)
}

fn instant(days: i64, time: i64, offset: i64, unit: Unit) -> Parsed<i64> {
    let per = unit.per_second();
    // The day's beginning may be below what the sum is not: the first nanoseconds of an i64.
    let value = i128::from(days) * i128::from(86_400 * per) + i128::from(time - offset * per);
    let value = i64::try_from(value).map_err(|_| (RANGE, "is beyond the type's range"))?;
    check_instant(value, unit)
}

fn date_time(text: &[u8], unit: Unit) -> Parsed<(i64, i64, &[u8])> {
    let form = (FORMAT, "is not RFC 3339");
    let (date, rest) = text.split_at_checked(10).ok_or(form)?;
    let [b'T' | b't' | b' ', rest @ ..] = rest else {
        return Err(form);
    };
    let days = days(date)?;
    let (time, rest) = time_of_day(rest, unit)?;
    Ok((days, time, rest))
}

fn two(a: u8, b: u8) -> Parsed<u32> {
    if a.is_ascii_digit() && b.is_ascii_digit() {
        Ok(u32::from(a - b'0') * 10 + u32::from(b - b'0'))
    } else {
        Err((FORMAT, "has a letter where a digit belongs"))
    }
}

fn days(text: &[u8]) -> Parsed<i64> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text else {
        return Err((FORMAT, "is not of the form yyyy-mm-dd"));
    };
    days_of(
        two(y1, y2)? * 100 + two(y3, y4)?,
        two(m1, m2)?,
        two(d1, d2)?,
    )
}

/// Days from 1970-01-01 to a date of the years 0001 to 9999.
#[inline]
fn days_of(year: u32, month: u32, day: u32) -> Parsed<i64> {
    const LAST: [u32; 13] = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    /// Days of the months before, from March on, so that the leap day is last.
    const BEFORE: [u32; 13] = [0, 306, 337, 0, 31, 61, 92, 122, 153, 184, 214, 245, 275];
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let last = match LAST.get(month as usize) {
        None | Some(0) => return Err((FORMAT, "has no such month")),
        Some(last) => last + u32::from(leap && month == 2),
    };
    if day < 1 || day > last {
        return Err((FORMAT, "has no such day"));
    }
    if year == 0 {
        return Err((RANGE, "is beyond the years 0001 to 9999"));
    }
    let from_march = year - u32::from(month <= 2);
    let leaps = from_march / 4 - from_march / 100 + from_march / 400;
    let since_march_of_0 = from_march * 365 + leaps + BEFORE[month as usize] + day - 1;
    Ok(i64::from(since_march_of_0) - 719_468)
}

fn time_of_day(text: &[u8], unit: Unit) -> Parsed<(i64, &[u8])> {
    let [h1, h2, b':', m1, m2, b':', s1, s2, rest @ ..] = text else {
        return Err((FORMAT, "is not of the form HH:MM:SS"));
    };
    let (hours, minutes, seconds) = (two(*h1, *h2)?, two(*m1, *m2)?, two(*s1, *s2)?);
    if hours > 23 || minutes > 59 || seconds > 59 {
        return Err((FORMAT, "is no time of day"));
    }
    let mut value = i64::from(hours * 3600 + minutes * 60 + seconds) * unit.per_second();
    let mut rest = rest;
    if let [b'.', fraction @ ..] = rest {
        let count = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
        if count == 0 {
            return Err((FORMAT, "has a point without digits"));
        }
        let mut scale = unit.per_second() / 10;
        for (place, digit) in fraction[..count].iter().enumerate() {
            let digit = i64::from(digit - b'0');
            if place < unit.digits() {
                value += digit * scale;
                scale /= 10;
            } else if digit != 0 {
                return Err(BEYOND_UNIT);
            }
        }
        rest = &fraction[count..];
    }
    Ok((value, rest))
}

/// True for 8-4-4-4-12 hexadecimal digits of either case.
pub fn is_uuid(text: &[u8]) -> bool {
    text.len() == 36
        && text.iter().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => *b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

fn as_str(text: &[u8]) -> &str {
    std::str::from_utf8(text).unwrap_or_default()
}

#[cfg(test)]
mod tests;
