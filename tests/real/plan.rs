//! What a run is given from outside, and what it tells: its seed and its figures.

use std::io::Write;
use std::str::FromStr;
use std::time::Duration;

/// `WEIR_TEST_SEED`, or a seed of its own; told at once, since a failure is repeated by it.
pub fn seed(test: &str) -> u64 {
    let seed = setting("WEIR_TEST_SEED").unwrap_or_else(|| u64::from(rand::random::<u32>()));
    tell(&format!("{test}: WEIR_TEST_SEED={seed}"));
    seed
}

/// Records of a run with kills: `WEIR_TEST_RECORDS`.
pub fn records() -> u64 {
    setting("WEIR_TEST_RECORDS").unwrap_or(100_000)
}

/// Kills of such a run: `WEIR_TEST_KILLS`.
pub fn kills() -> usize {
    setting("WEIR_TEST_KILLS").unwrap_or(10)
}

/// How long a part stays away: `WEIR_TEST_OUTAGE` seconds.
pub fn outage() -> Duration {
    Duration::from_secs(setting("WEIR_TEST_OUTAGE").unwrap_or(10))
}

/// Files of a burst: `WEIR_TEST_FILES`.
pub fn bulk_files() -> usize {
    setting("WEIR_TEST_FILES").unwrap_or(60)
}

/// Bytes of a large file: `WEIR_TEST_BYTES`.
pub fn bulk_bytes() -> u64 {
    setting("WEIR_TEST_BYTES").unwrap_or(60_000_000)
}

/// Old objects beside a new drop: `WEIR_TEST_OBJECTS`.
pub fn bulk_objects() -> usize {
    setting("WEIR_TEST_OBJECTS").unwrap_or(600)
}

/// Says a line past the capture of test output: seeds and figures are told in any case.
pub fn tell(line: &str) {
    // Nobody to tell is no fault of the test.
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn setting<T: FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    let number = text.parse().ok();
    assert!(number.is_some(), "{name} is no number: {text}");
    number
}
