//! Numbers on a command line.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// A whole number.
pub(super) fn whole<T: FromStr>(text: &str) -> Result<T, String> {
    let number = text.parse();
    number.map_err(|_| "a whole number is wanted".to_owned())
}

/// A whole number within `range`.
pub(super) fn within<T: FromStr + PartialOrd + Display>(
    text: &str,
    range: &RangeInclusive<T>,
) -> Result<T, String> {
    let number = whole(text)?;
    match range.contains(&number) {
        true => Ok(number),
        false => Err(format!(
            "a number from {} to {} is wanted",
            range.start(),
            range.end()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_told_in_words() {
        assert_eq!(whole::<i64>("-5"), Ok(-5));
        for text in ["abc", "", "1.5", "-1"] {
            let words = Err("a whole number is wanted".to_owned());
            assert_eq!(whole::<u64>(text), words, "{text}");
        }
        assert_eq!(within::<u64>("7", &(1..=7)), Ok(7));
        let words = Err("a number from 1 to 7 is wanted".to_owned());
        assert_eq!(within::<u64>("8", &(1..=7)), words);
    }
}
