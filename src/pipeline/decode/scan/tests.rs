use proptest::prelude::*;

use super::*;
use crate::pipeline::decode::text;

fn number(text: &str) -> Number<'_> {
    Cursor::new(text.as_bytes())
        .number()
        .expect("it is a number")
}

#[test]
fn the_short_way_ends_where_it_would_round() {
    let cases = [
        ("9007199254740992", Some(9_007_199_254_740_992.0)),
        ("9007199254740993", None),
        ("0.1", Some(0.1)),
        ("-0.0", Some(-0.0)),
        ("1e1", None),
        ("123456789012345678901", None),
        ("0.0000000000000000001", None),
        ("0.000000000000000001", Some(1e-18)),
    ];
    for (text, want) in cases {
        let got = number(text).as_f64().map(f64::to_bits);
        assert_eq!(got, want.map(f64::to_bits), "{text}");
    }
    assert_eq!(number("16777217").as_f32(), None);
    assert_eq!(number("9223372036854775807").as_i64(), Some(i64::MAX));
    assert_eq!(number("9223372036854775808").as_i64(), None);
    assert_eq!(number("1.0").as_i64(), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// What the short way says of a number is what the standard library says.
    #[test]
    fn numbers_are_exact(text in r"-?(0|[1-9][0-9]{0,21})(\.[0-9]{1,24})?([eE][+-]?[0-9]{1,3})?") {
        let n = number(&text);
        prop_assert_eq!(n.text, text.as_bytes());
        prop_assert_eq!(n.is_integer, !text.contains(['.', 'e', 'E']));
        if let Some(value) = n.as_i64() {
            prop_assert_eq!(text.parse(), Ok(value));
        }
        if let Some(value) = n.as_f64() {
            prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits());
            prop_assert_eq!(text::double(n.text, n.is_integer), Ok(value));
        }
        if let Some(value) = n.as_f32() {
            prop_assert_eq!(text.parse::<f32>().unwrap().to_bits(), value.to_bits());
            prop_assert_eq!(text::float(n.text, n.is_integer), Ok(value));
        }
    }

    /// The plain part of a string, found a word at a time.
    #[test]
    fn plain_length_ends_at_the_first_that_is_not_plain(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let want = bytes.iter().position(|b| *b < 0x20 || matches!(b, b'"' | b'\\'));
        prop_assert_eq!(plain_length(&bytes), want.unwrap_or(bytes.len()));
    }
}
