use std::time::Duration;

use super::{duration, size};

#[test]
fn durations_are_read_to_the_unit() {
    assert_eq!(duration("10s"), Ok(Duration::from_secs(10)));
    assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
    assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
    assert_eq!(duration("1 h"), Ok(Duration::from_secs(3600)));
}

#[test]
fn sizes_tell_binary_from_decimal() {
    assert_eq!(size("128MiB"), Ok(128 << 20));
    assert_eq!(size("1GB"), Ok(1_000_000_000));
    assert_eq!(size("7B"), Ok(7));
}

#[test]
fn what_is_no_unit_is_refused() {
    for text in [
        "",
        "10",
        "s",
        "-1s",
        "1.5s",
        "10S",
        "0s",
        "99999999999999999999s",
    ] {
        assert!(duration(text).is_err(), "{text}");
    }
    for text in [
        "",
        "10",
        "MiB",
        "-1B",
        "1.5GB",
        "1mb",
        "0B",
        "18446744073709551615GiB",
    ] {
        assert!(size(text).is_err(), "{text}");
    }
}
