//! What is accepted is exactly what was written, by another reader: `serde_json`'s raw values,
//! and numbers whose value is known before they are written down.

use std::fmt::Write as _;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::*;

fn columns_of(fields: &str, message: &str) -> Vec<arrow::array::ArrayRef> {
    let schema = schema(fields);
    let mut columns = Columns::new(&schema);
    let mut judged = Judged::default();
    JsonDecoder::new(&schema, options(false)).decode(message.as_bytes(), &mut columns, &mut judged);
    assert!(judged.rejects.is_empty(), "{message}: {:?}", judged.rejects);
    columns.finish()
}

/// A text as a JSON string; `how` decides for each character whether it is escaped.
fn written(text: &str, how: u64) -> String {
    let mut out = String::from("\"");
    for (place, c) in text.chars().enumerate() {
        let must = matches!(c, '"' | '\\') || u32::from(c) < 0x20;
        if must || how >> (place % 64) & 1 == 1 {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}").unwrap();
            }
        } else {
            out.push(c);
        }
    }
    out.push('"');
    out
}

/// `unscaled × 10^-scale`, with its point moved by `shift` places and an exponent that moves it
/// back, and `zeros` behind it.
fn number(unscaled: i128, scale: usize, shift: i32, zeros: usize) -> String {
    let sign = if unscaled < 0 { "-" } else { "" };
    let mut digits = unscaled.unsigned_abs().to_string();
    let mut point = digits.len() as i32 - scale as i32 + shift;
    if point <= 0 {
        digits.insert_str(0, &"0".repeat((1 - point) as usize));
        point = 1;
    }
    while (digits.len() as i32) < point {
        digits.push('0');
    }
    let (whole, fraction) = digits.split_at(point as usize);
    // a leading zero stands alone only
    let trimmed = whole.trim_start_matches('0');
    let whole = if trimmed.is_empty() { "0" } else { trimmed };
    let mut out = format!("{sign}{whole}");
    if !fraction.is_empty() || zeros > 0 {
        write!(out, ".{fraction}{}", "0".repeat(zeros.max(1))).unwrap();
    }
    if shift != 0 {
        write!(out, "e{}", -shift).unwrap();
    }
    out
}

#[derive(Debug, Deserialize)]
struct Read<'a> {
    i: i32,
    l: i64,
    #[serde(borrow)]
    d: &'a RawValue,
    #[serde(borrow)]
    f: &'a RawValue,
    s: String,
    list: Vec<Option<i64>>,
    map: BTreeMap<String, String>,
}

const FIELDS: &str = r#"{"name":"i","type":"int"},{"name":"l","type":"long"},{"name":"d","type":"double"},
    {"name":"f","type":"float"},{"name":"s","type":"string"},
    {"name":"list","type":{"type":"array","items":["null","long"]}},
    {"name":"map","type":{"type":"map","values":"string"}}"#;

proptest! {
    #[test]
    fn records_are_what_serde_json_reads(
        i in any::<i32>(),
        l in any::<i64>(),
        d in any::<f64>().prop_filter("finite", |d| d.is_finite()),
        f in any::<f32>().prop_filter("finite", |f| f.is_finite()),
        s in any::<String>(),
        list in proptest::collection::vec(any::<Option<i64>>(), 0..4),
        map in proptest::collection::btree_map(any::<String>(), any::<String>(), 0..4),
        how in any::<u64>(),
        order in Just(vec![0, 1, 2, 3, 4, 5, 6]).prop_shuffle(),
        space in "[ \n\r\t]{0,2}",
    ) {
        let list: Vec<String> = list.iter().map(|n| n.map_or("null".to_owned(), |n| n.to_string())).collect();
        let map: Vec<String> = map
            .iter()
            .map(|(k, v)| format!("{}:{space}{}", written(k, how), written(v, !how)))
            .collect();
        let members = [
            format!("\"i\":{space}{i}"),
            format!("\"l\"{space}:{l}"),
            format!("\"d\":{d:?}"),
            format!("\"f\":{f:e}"),
            format!("\"s\":{}", written(&s, how)),
            format!("\"list\":[{space}{}]", list.join(",")),
            format!("\"map\":{{{}}}", map.join(&format!("{space},"))),
        ];
        let shuffled: Vec<&str> = order.iter().map(|at| members[*at].as_str()).collect();
        let message = format!("{space}{{{}}}{space}", shuffled.join(","));
        let read: Read<'_> = serde_json::from_str(&message).unwrap();
        let got = columns_of(FIELDS, &message);
        prop_assert_eq!(got[0].as_primitive::<Int32Type>().value(0), read.i);
        prop_assert_eq!(got[1].as_primitive::<Int64Type>().value(0), read.l);
        let double: f64 = read.d.get().parse().unwrap();
        prop_assert_eq!(got[2].as_primitive::<Float64Type>().value(0).to_bits(), double.to_bits());
        prop_assert_eq!(double.to_bits(), d.to_bits());
        let float: f32 = read.f.get().parse().unwrap();
        prop_assert_eq!(got[3].as_primitive::<Float32Type>().value(0).to_bits(), float.to_bits());
        prop_assert_eq!(got[4].as_string::<i32>().value(0), &read.s);
        let items = got[5].as_list::<i32>().value(0);
        let items: Vec<Option<i64>> = items.as_primitive::<Int64Type>().iter().collect();
        prop_assert_eq!(items, read.list);
        let entries = got[6].as_map();
        let pairs: BTreeMap<String, String> = (0..entries.keys().len())
            .map(|at| {
                let text = |array: &dyn Array| array.as_string::<i32>().value(at).to_owned();
                (text(entries.keys()), text(entries.values()))
            })
            .collect();
        prop_assert_eq!(pairs, read.map);
    }

    /// However a decimal is written, its value is the one that was meant, or it does not fit.
    #[test]
    fn decimals_are_exact_to_the_last_digit(
        unscaled in (0u32..38).prop_flat_map(|digits| {
            let bound = 10i128.pow(digits + 1);
            (1 - bound)..bound
        }),
        scale in 0usize..=38,
        shift in -45i32..45,
        zeros in 0usize..4,
        as_text in any::<bool>(),
    ) {
        let text = number(unscaled, scale, shift, zeros);
        let value = if as_text { format!("\"{text}\"") } else { text.clone() };
        let field = format!(
            r#"{{"name":"a","type":{{"type":"bytes","logicalType":"decimal","precision":38,"scale":{scale}}}}}"#
        );
        let got = columns_of(&field, &format!(r#"{{"a":{value}}}"#));
        prop_assert_eq!(got[0].as_primitive::<Decimal128Type>().value(0), unscaled, "{}", text);
    }

    /// One digit more than the scale is never rounded away.
    #[test]
    fn a_digit_too_many_is_inexact(
        unscaled in any::<i64>(),
        digit in 1u8..=9,
        scale in 0usize..=10,
    ) {
        let more = i128::from(unscaled) * 10 + if unscaled < 0 { -i128::from(digit) } else { i128::from(digit) };
        let text = number(more, scale + 1, 0, 0);
        let ty = format!(r#"{{"type":"bytes","logicalType":"decimal","precision":38,"scale":{scale}}}"#);
        prop_assert_eq!(judge(&ty, &text), "inexact", "{}", text);
    }

    /// An integer lands as it is, or is beyond the type; nothing between.
    #[test]
    fn integers_are_exact_or_out_of_range(n in any::<i128>(), digits in 0u32..38) {
        let n = n % 10i128.pow(digits + 1);
        let want = |fits: bool| if fits { "ok" } else { "out_of_range" };
        prop_assert_eq!(judge(r#""int""#, &n.to_string()), want(i32::try_from(n).is_ok()), "{}", n);
        prop_assert_eq!(judge(r#""long""#, &n.to_string()), want(i64::try_from(n).is_ok()), "{}", n);
        // a double takes an integer literal only as it is
        let exact = (n as f64) as i128 == n;
        prop_assert_eq!(judge(r#""double""#, &n.to_string()) == "ok", exact, "{}", n);
    }
}
