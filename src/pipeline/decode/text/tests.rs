use jiff::Timestamp;
use jiff::civil::Date;
use proptest::prelude::*;

use super::*;

const UNITS: [Unit; 3] = [Unit::Millis, Unit::Micros, Unit::Nanos];

#[test]
fn every_day_of_the_calendar() {
    let mut date = Date::new(1, 1, 1).unwrap();
    for want in DAYS.0..=DAYS.1 {
        let got = days_of(date.year() as u32, date.month() as u32, date.day() as u32);
        assert_eq!(got, Ok(want), "{date}");
        if want < DAYS.1 {
            date = date.tomorrow().unwrap();
        }
    }
    assert_eq!(date.to_string(), "9999-12-31");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// The short way of the usual form says what the long way says, or nothing.
    #[test]
    fn usual_timestamps_are_timestamps(
        text in r"[0-9]{4}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{0,10})?(Z|z|[+-][0-9]{2}:[0-9]{2}|[0-9:])",
        unit in proptest::sample::select(&UNITS[..]),
    ) {
        if let Some(value) = usual_timestamp(text.as_bytes(), unit) {
            prop_assert_eq!(any_timestamp(text.as_bytes(), unit), Ok(value), "{}", text);
        }
    }

    /// Another library reads the same instant.
    #[test]
    fn timestamps_are_those_of_jiff(
        second in -62_000_000_000_i64..253_000_000_000,
        nanos in 0_i32..1_000_000_000,
        digits in 0_usize..=9,
    ) {
        let nanos = nanos - nanos % 10_i32.pow(9 - digits as u32);
        // Jiff counts a negative second's nanoseconds downward.
        let at = Timestamp::from_nanosecond(i128::from(second) * 1_000_000_000 + i128::from(nanos));
        let text = format!("{:.*}", digits, at.unwrap());
        for unit in UNITS {
            let want = i128::from(second) * i128::from(unit.per_second())
                + i128::from(nanos) / i128::from(1_000_000_000 / unit.per_second());
            let exact = i128::from(nanos) % i128::from(1_000_000_000 / unit.per_second()) == 0;
            let got = timestamp(text.as_bytes(), unit);
            match (exact, i64::try_from(want)) {
                (false, _) => prop_assert_eq!(got.unwrap_err().0, RejectCode::Inexact, "{}", text),
                (true, Err(_)) => prop_assert_eq!(got.unwrap_err().0, RejectCode::OutOfRange),
                (true, Ok(want)) => prop_assert_eq!(got, Ok(want), "{}", text),
            }
        }
    }
}
