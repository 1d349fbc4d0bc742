//! Forms of dates and timestamps by `strftime`, tried on a sample when they are set.

use jiff::civil::{Date, DateTime};
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::{Offset, TimeZone};

/// A form of dates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DateFormat(String);

/// A form of timestamps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimestampFormat {
    format: String,
    has_zone: bool,
}

impl DateFormat {
    /// The form that `format` describes, or why it describes none.
    pub(super) fn new(format: &str) -> Result<Self, String> {
        let parsed = sample(format)?;
        parsed
            .to_date()
            .map_err(|_| "does not tell year, month and day; as in \"%d.%m.%Y\"".to_owned())?;
        Ok(Self(format.to_owned()))
    }

    /// The date that `text` tells; `None` if it has another form.
    pub fn parse(&self, text: &[u8]) -> Option<Date> {
        strtime::parse(self.0.as_str(), text).ok()?.to_date().ok()
    }
}

impl TimestampFormat {
    /// The form that `format` describes, or why it describes none.
    pub(super) fn new(format: &str) -> Result<Self, String> {
        let parsed = sample(format)?;
        let whole = if parsed.timestamp().is_some() {
            true
        } else {
            parsed.hour().is_some() && parsed.minute().is_some() && parsed.to_datetime().is_ok()
        };
        if !whole {
            return Err(
                "does not tell date, hour and minute; as in \"%Y-%m-%d %H:%M:%S\"".to_owned(),
            );
        }
        if parsed.iana_time_zone().is_some() {
            return Err(
                "has the name of a time zone; only offsets from UTC are read, as %z".to_owned(),
            );
        }
        Ok(Self {
            format: format.to_owned(),
            has_zone: parsed.offset().is_some() || parsed.timestamp().is_some(),
        })
    }

    /// True if the text tells an instant by itself.
    pub fn has_zone(&self) -> bool {
        self.has_zone
    }

    /// Seconds since 1970-01-01 (of UTC where the form has a zone) and nanoseconds in the second;
    /// `None` if `text` has another form, or tells second 60.
    pub fn parse(&self, text: &[u8]) -> Option<(i64, i32)> {
        let parsed = strtime::parse(self.format.as_str(), text).ok()?;
        if parsed.second() == Some(59) && self.is_leap(&parsed, text) {
            return None;
        }
        if let Some(instant) = parsed.timestamp() {
            let whole = instant.as_nanosecond();
            let second = i64::try_from(whole.div_euclid(1_000_000_000)).ok()?;
            return Some((second, whole.rem_euclid(1_000_000_000) as i32));
        }
        let local = parsed.to_datetime().ok()?;
        let offset = parsed.offset().map_or(0, |o| i64::from(o.seconds()));
        Some((seconds(local) - offset, local.subsec_nanosecond()))
    }

    /// The library reads second 60 as 59. It was 60 if a `60` of the text can be `59` and nothing
    /// else changes.
    fn is_leap(&self, parsed: &BrokenDownTime, text: &[u8]) -> bool {
        let told = |t: &BrokenDownTime| {
            let local = t.to_datetime().ok();
            (local, t.offset(), t.timestamp())
        };
        memchr::memmem::find_iter(text, b"60").any(|at| {
            let mut other = text.to_vec();
            other[at..at + 2].copy_from_slice(b"59");
            strtime::parse(self.format.as_str(), &other).is_ok_and(|o| told(&o) == told(parsed))
        })
    }
}

/// Seconds from 1970-01-01T00:00:00 to a local time, as if every day had 86,400.
fn seconds(local: DateTime) -> i64 {
    let days = local.date().duration_since(Date::constant(1970, 1, 1));
    let time = local.time();
    days.as_secs()
        + i64::from(time.hour()) * 3600
        + i64::from(time.minute()) * 60
        + i64::from(time.second())
}

/// A moment written and read again by `format`.
fn sample(format: &str) -> Result<BrokenDownTime, String> {
    let moment = DateTime::constant(2001, 12, 30, 21, 43, 56, 0)
        .to_zoned_datetime(TimeZone::fixed(Offset::UTC))
        .map_err(|e| e.to_string())?;
    let text =
        strtime::format(format, &moment).map_err(|e| format!("is no strftime format: {e}"))?;
    strtime::parse(format, &text).map_err(|e| format!("cannot be read back: {e}"))
}
