mod corpus;
mod exact;
mod order;
mod rules;

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, Int32Type};
use proptest::prelude::*;

use super::*;
use crate::schema::parse::parse;

fn schema(fields: &str) -> Schema {
    let text = format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#);
    parse("r", 1, &text, false).unwrap()
}

fn options(envelope: bool) -> JsonOptions {
    JsonOptions {
        unknown_fields: UnknownFields::Reject,
        envelope,
        max_message_bytes: 1 << 20,
        max_records_per_message: 3,
    }
}

/// `ok`, or `code` or `code@field` of the one reject.
fn verdict_of(schema: &Schema, options: JsonOptions, message: &[u8]) -> String {
    let mut decoder = JsonDecoder::new(schema, options);
    let mut columns = Columns::new(schema);
    let mut judged = Judged::default();
    // A row before and one after show that a roll-back leaves the others whole.
    decoder.decode(message, &mut columns, &mut judged);
    let first = format!("{:?}", judged.rejects);
    let rows = columns.rows();
    decoder.decode(message, &mut columns, &mut judged);
    assert_eq!(first, format!("{:?}", judged.rejects));
    assert_eq!(columns.rows(), rows * 2);
    for column in columns.finish() {
        assert_eq!(column.len(), rows * 2);
    }
    match judged.rejects.as_slice() {
        [] => "ok".to_owned(),
        [one] => match &one.fault.field {
            Some(field) => format!("{}@{field}", one.fault.code),
            None => one.fault.code.to_string(),
        },
        more => format!("{} rejects", more.len()),
    }
}

fn judge(field_type: &str, value: &str) -> String {
    let schema = schema(&format!(r#"{{"name":"a","type":{field_type}}}"#));
    verdict_of(
        &schema,
        options(false),
        format!(r#"{{"a":{value}}}"#).as_bytes(),
    )
    .trim_end_matches("@a")
    .to_owned()
}

#[test]
fn values_on_both_sides_of_each_line() {
    let decimal = r#"{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}"#;
    let date = r#"{"type":"int","logicalType":"date"}"#;
    let millis = r#"{"type":"long","logicalType":"timestamp-millis"}"#;
    let local = r#"{"type":"long","logicalType":"local-timestamp-micros"}"#;
    let time = r#"{"type":"int","logicalType":"time-millis"}"#;
    let uuid = r#"{"type":"string","logicalType":"uuid"}"#;
    let fixed = r#"{"type":"fixed","name":"F","size":2}"#;
    let choice = r#"{"type":"enum","name":"E","symbols":["A","B"]}"#;
    let cases = [
        (r#""int""#, "2147483647", "ok"),
        (r#""int""#, "2147483648", "out_of_range"),
        (r#""int""#, "-0", "ok"),
        (r#""int""#, "1.0", "wrong_type"),
        (r#""int""#, "1e0", "wrong_type"),
        (r#""int""#, r#""1""#, "wrong_type"),
        (r#""int""#, "true", "wrong_type"),
        (r#""int""#, "01", "invalid_json"),
        (r#""int""#, "null", "null_value"),
        (r#"["null","int"]"#, "null", "ok"),
        (r#"["null","int"]"#, r#"{"int":1}"#, "wrong_type"),
        (r#""long""#, "9223372036854775807", "ok"),
        (r#""long""#, "-9223372036854775808", "ok"),
        (r#""long""#, "9223372036854775808", "out_of_range"),
        (r#""double""#, "1e308", "ok"),
        (r#""double""#, "1e400", "out_of_range"),
        (r#""double""#, "1e-999", "inexact"),
        (r#""double""#, "0e-999", "ok"),
        (r#""double""#, "9007199254740992", "ok"),
        (r#""double""#, "9007199254740993", "inexact"),
        (r#""double""#, "NaN", "invalid_json"),
        (r#""float""#, "16777216", "ok"),
        (r#""float""#, "16777217", "inexact"),
        (r#""float""#, "0.1", "ok"),
        (r#""boolean""#, "true", "ok"),
        (r#""boolean""#, "1", "wrong_type"),
        (r#""boolean""#, "tru", "invalid_json"),
        (r#""string""#, r#""\ud83d\ude00""#, "ok"),
        (r#""string""#, r#""\ud83d""#, "invalid_json"),
        (r#""string""#, "\"a\u{1}\"", "invalid_json"),
        (r#""bytes""#, r#""AAE=""#, "ok"),
        (r#""bytes""#, r#""AAE""#, "invalid_format"),
        (fixed, r#""AAE=""#, "ok"),
        (fixed, r#""AA==""#, "invalid_format"),
        (choice, r#""B""#, "ok"),
        (choice, r#""C""#, "unknown_symbol"),
        (decimal, "99.99", "ok"),
        (decimal, r#""99.990""#, "ok"),
        (decimal, "1e1", "ok"),
        (decimal, "100.00", "out_of_range"),
        (decimal, "1.234", "inexact"),
        (decimal, "0.000", "ok"),
        (decimal, r#""x""#, "invalid_format"),
        (decimal, "1e99999999999999999999", "out_of_range"),
        (date, r#""2024-02-29""#, "ok"),
        (date, r#""2023-02-29""#, "invalid_format"),
        (date, r#""0000-01-01""#, "out_of_range"),
        (date, "2932896", "ok"),
        (date, "2932897", "out_of_range"),
        (millis, r#""2024-01-01T00:00:00.123Z""#, "ok"),
        (millis, r#""2024-01-01 00:00:00.1230+05:30""#, "ok"),
        (millis, r#""2024-01-01T00:00:00.1234Z""#, "inexact"),
        (millis, r#""2024-01-01T00:00:00""#, "invalid_format"),
        (millis, r#""2024-01-01T00:00:60Z""#, "invalid_format"),
        (millis, r#""0001-01-01T00:00:00+01:00""#, "out_of_range"),
        (millis, "253402300799999", "ok"),
        (millis, "253402300800000", "out_of_range"),
        (local, r#""2024-01-01T00:00:00.000001""#, "ok"),
        (local, r#""2024-01-01T00:00:00Z""#, "invalid_format"),
        (time, r#""23:59:59.999""#, "ok"),
        (time, r#""24:00:00""#, "invalid_format"),
        (time, "86400000", "out_of_range"),
        (uuid, r#""F81d4fae-7dec-11d0-a765-00a0c91e6bf6""#, "ok"),
        (
            uuid,
            r#""f81d4fae7dec11d0a76500a0c91e6bf6""#,
            "invalid_format",
        ),
    ];
    for (ty, value, want) in cases {
        assert_eq!(judge(ty, value), want, "{ty} {value}");
    }
}

#[test]
fn whole_message_goes_first() {
    let schema = schema(r#"{"name":"a","type":"int"},{"name":"b","type":"int","default":7}"#);
    let deep = vec![b'['; 100_000];
    let long = format!(r#"{{"a":{}}}"#, " ".repeat(1 << 20));
    let cases: [(&[u8], &str); 16] = [
        (br#"{"a":1,"b":2}"#, "ok"),
        (br#" {"b":2 , "a":1} "#, "ok"),
        (br#"{"a":1}"#, "ok"),
        (br#"{"b":1}"#, "missing_field@a"),
        (br#"{"a":1,"a":2}"#, "duplicate_field@a"),
        (br#"{"\u0061":1,"a":2}"#, "duplicate_field@a"),
        (br#"{"a":1,"x y":2}"#, "unknown_field@[\"x y\"]"),
        (br#"{"a":"1","b":}"#, "invalid_json"),
        (br#"{"a":1} {}"#, "invalid_json"),
        (b"\xef\xbb\xbf{\"a\":1}", "invalid_json"),
        (b"", "invalid_json"),
        (b"[1]", "wrong_type"),
        (b"{\"a\":\"\xff\"}", "invalid_utf8"),
        (br#"{"a":1,}"#, "invalid_json"),
        (&deep, "too_deep"),
        (long.as_bytes(), "too_large"),
    ];
    for (message, want) in cases {
        assert_eq!(
            verdict_of(&schema, options(false), message),
            want,
            "{}",
            String::from_utf8_lossy(&message[..message.len().min(60)])
        );
    }
}

#[test]
fn nested_paths_and_rollback() {
    let schema = schema(
        r#"{"name":"r","type":{"type":"record","name":"S","fields":[{"name":"l","type":{"type":"array","items":"int"}}]}},
           {"name":"m","type":{"type":"map","values":["null","string"]},"default":{"k":"v"}}"#,
    );
    let cases = [
        (r#"{"r":{"l":[1,2]},"m":{"x":null}}"#, "ok"),
        (r#"{"r":{"l":[]}}"#, "ok"),
        (r#"{"r":{"l":[1,"2"]}}"#, "wrong_type@r.l[1]"),
        (r#"{"r":{}}"#, "missing_field@r.l"),
        (r#"{"r":{"l":[1]},"m":{"a b":1}}"#, r#"wrong_type@m["a b"]"#),
        (
            r#"{"r":{"l":[1]},"m":{"a":"","a":""}}"#,
            r#"duplicate_field@m["a"]"#,
        ),
    ];
    for (message, want) in cases {
        assert_eq!(
            verdict_of(&schema, options(false), message.as_bytes()),
            want,
            "{message}"
        );
    }
}

#[test]
fn what_a_newer_version_may_know_is_told() {
    let choice = r#"{"type":"enum","name":"E","symbols":["A","B"]}"#;
    let schema = schema(&format!(
        r#"{{"name":"a","type":"int"}},{{"name":"e","type":{choice},"default":"A"}}"#
    ));
    let met = |unknown_fields, message: &str| {
        let options = JsonOptions {
            unknown_fields,
            ..options(false)
        };
        let (mut columns, mut judged) = (Columns::new(&schema), Judged::default());
        let mut decoder = JsonDecoder::new(&schema, options);
        decoder.decode(br#"{"a":1,"x":1}"#, &mut columns, &mut judged);
        assert!(judged.met_unknown);
        decoder.decode(message.as_bytes(), &mut columns, &mut judged);
        judged.met_unknown
    };
    for unknown_fields in [UnknownFields::Reject, UnknownFields::Ignore] {
        for message in [r#"{"x":1,"a":1}"#, r#"{"a":1,"e":"C"}"#] {
            assert!(met(unknown_fields, message), "{message}");
        }
        for message in [r#"{"a":1,"e":"B"}"#, r#"{"a":"1"}"#, r#"{"e":"A"}"#, "{"] {
            assert!(!met(unknown_fields, message), "{message}");
        }
    }
}

#[test]
fn envelopes_judge_each_element_alone() {
    let schema = schema(r#"{"name":"a","type":"int"}"#);
    let mut decoder = JsonDecoder::new(&schema, options(true));
    let mut columns = Columns::new(&schema);
    let mut judged = Judged::default();
    let message = br#"{"data":[{"a":1}, {"a":"x"},{"a":3}]}"#;
    decoder.decode(message, &mut columns, &mut judged);
    assert_eq!(judged.accepted, [0, 2]);
    assert_eq!(judged.rejects[0].index, 1);
    assert_eq!(&message[judged.rejects[0].raw.clone()], br#"{"a":"x"}"#);
    assert_eq!(columns.rows(), 2);
    decoder.decode(br#"{"data":[]}"#, &mut columns, &mut judged);
    assert_eq!(judged.skipped, Some(SkipCode::EmptyEnvelope));
    let cases = [
        (r#"{"data":[{"a":1}"#, "invalid_json"),
        (r#"{"data":[{"a":1}],"x":1}"#, "invalid_envelope"),
        (r#"{"x":1}"#, "invalid_envelope"),
        (r#"{"data":{}}"#, "invalid_envelope"),
        (r#"{"data":[1]}"#, "wrong_type"),
        (r#"{"data":[{"a":1},{"a":1},{"a":1},{"a":1}]}"#, "too_large"),
    ];
    for (message, want) in cases {
        assert_eq!(
            verdict_of(&schema, options(true), message.as_bytes()),
            want,
            "{message}"
        );
    }
}

#[test]
fn many_keys_take_no_more_time_than_few() {
    let schema = schema(r#"{"name":"m","type":{"type":"map","values":"int"}}"#);
    let options = JsonOptions {
        max_message_bytes: 1 << 24,
        ..options(false)
    };
    // If each key were held against all before it, this would take minutes.
    let members: Vec<String> = (0..300_000).map(|n| format!("\"k{n}\":{n}")).collect();
    let mut message = format!("{{\"m\":{{{}}}}}", members.join(","));
    assert_eq!(verdict_of(&schema, options, message.as_bytes()), "ok");
    message.truncate(message.len() - 2);
    message.push_str(r#","k7":1}}"#);
    assert_eq!(
        verdict_of(&schema, options, message.as_bytes()),
        r#"duplicate_field@m["k7"]"#
    );
}

/// A member of a message: its name, its value, and what is wrong with it in its field.
type Member = (&'static str, &'static str, Option<&'static str>);

/// `a` is an int, `b` a string or null, `c` a double in the key, `d` an enum with a default.
const MEMBERS: [Member; 11] = [
    ("a", "17", None),
    ("a", "\"17\"", Some("wrong_type@a")),
    ("b", "\"x\\n\"", None),
    ("b", "null", None),
    ("b", "[{}]", Some("wrong_type@b")),
    ("c", "1.25", None),
    ("c", "null", Some("null_key@c")),
    ("d", "\"on\"", None),
    ("d", "\"none\"", Some("unknown_symbol@d")),
    ("x", "[1,{\"a\":2}]", Some("unknown_field@x")),
    ("\\u0061", "18", None),
];

/// The verdict by the rules' own words: fields as they stand, then what is absent.
fn slow_verdict(members: &[Member], ignore_unknown: bool) -> String {
    let mut seen: Vec<&str> = Vec::new();
    for (name, _, fault) in members {
        let name = if name.starts_with('\\') { "a" } else { name };
        if name == "x" {
            if !ignore_unknown {
                return "unknown_field@x".to_owned();
            }
            continue;
        }
        if seen.contains(&name) {
            return format!("duplicate_field@{name}");
        }
        seen.push(name);
        if let Some(fault) = fault {
            return (*fault).to_owned();
        }
    }
    for required in ["a", "c"] {
        if !seen.contains(&required) {
            return format!("missing_field@{required}");
        }
    }
    "ok".to_owned()
}

proptest! {
    /// What is accepted as JSON is what serde_json accepts, duplicate keys apart.
    #[test]
    fn syntax_agrees_with_serde_json(text in r#"[\[\]{}",:0-9eE.+\- truefalsn\\u]{0,24}"#) {
        let schema = schema(r#"{"name":"zz","type":["null","int"],"default":null}"#);
        let got = verdict_of(&schema, options(false), text.as_bytes());
        let is_json = serde_json::from_str::<BTreeMap<String, serde_json::Value>>(&text).is_ok()
            || serde_json::from_str::<Box<serde_json::value::RawValue>>(&text).is_ok();
        prop_assert_eq!(got != "invalid_json", is_json, "{} {}", text, got);
    }

    /// Fields in any order, twice, unknown, with escapes in their names and white space around.
    #[test]
    fn fields_are_judged_as_they_stand(
        members in prop::collection::vec(prop::sample::select(&MEMBERS[..]), 0..8),
        ignore_unknown: bool,
        space in prop::sample::select(&["", " ", "\r\n\t "][..]),
    ) {
        let mut schema = schema(
            r#"{"name":"a","type":"int"},{"name":"b","type":["null","string"]},{"name":"c","type":"double"},
               {"name":"d","type":{"type":"enum","name":"E","symbols":["off","on"]},"default":"off"}"#,
        );
        std::sync::Arc::make_mut(&mut schema.root).fields[2].is_key = true;
        let options = JsonOptions {
            unknown_fields: if ignore_unknown { UnknownFields::Ignore } else { UnknownFields::Reject },
            ..options(false)
        };
        let texts: Vec<String> = members
            .iter()
            .map(|(name, value, _)| format!("{space}\"{name}\"{space}:{space}{value}{space}"))
            .collect();
        let message = format!("{space}{{{space}{}}}{space}", texts.join(","));
        let want = slow_verdict(&members, ignore_unknown);
        prop_assert_eq!(verdict_of(&schema, options, message.as_bytes()), want.clone(), "{}", &message);
        if want == "ok" {
            let is = |name: &str| members.iter().rev().find(|m| m.0 == name).map(|m| m.1);
            let a = is("a").or(is("\\u0061")).map(|a| a.parse().unwrap());
            let b = is("b").and_then(|b| serde_json::from_str(b).unwrap());
            let mut columns = Columns::new(&schema);
            JsonDecoder::new(&schema, options).decode(message.as_bytes(), &mut columns, &mut Judged::default());
            let arrays = columns.finish();
            prop_assert_eq!(arrays[0].as_primitive::<Int32Type>().iter().next(), Some(a));
            let text: Option<&str> = arrays[1].as_string::<i32>().iter().next().flatten();
            prop_assert_eq!(text.map(str::to_owned), b);
            prop_assert_eq!(arrays[2].as_primitive::<Float64Type>().value(0), 1.25);
            let d = if is("d").is_some() { "on" } else { "off" };
            prop_assert_eq!(arrays[3].as_string::<i32>().value(0), d);
        }
    }
}
