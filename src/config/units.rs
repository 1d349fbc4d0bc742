//! Durations and sizes as people write them.
//!
//! Owns: `10s`, `5m`, `500ms`, `128MiB`, `1GB`. Does not own: which key takes which.

use std::time::Duration;

/// Units of time, longest suffix first, in milliseconds.
const TIMES: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// Units of size, longest suffix first, in bytes.
const SIZES: [(&str, u64); 7] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

/// Reads a duration such as `10s` or `500ms`; whole numbers only, above zero.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let millis = scaled(text, &TIMES)
        .ok_or("is no duration; write a whole number with ms, s, m, h or d, as in \"10s\"")?;
    if millis == 0 {
        return Err("must be above zero".to_owned());
    }
    Ok(Duration::from_millis(millis))
}

/// Reads a size such as `128MiB` or `1GB`; whole numbers only, above zero.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let bytes = scaled(text, &SIZES).ok_or(
        "is no size; write a whole number with B, kB, MB, GB, KiB, MiB or GiB, as in \"128MiB\"",
    )?;
    if bytes == 0 {
        return Err("must be above zero".to_owned());
    }
    Ok(bytes)
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start_matches(' ');
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests;
