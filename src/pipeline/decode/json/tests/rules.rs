//! Each rule on values, on both sides of its line: the verdict, and what lands.

use arrow::util::display::array_value_to_string;

use super::*;

const DECIMAL: &str = r#"{"type":"bytes","logicalType":"decimal","precision":38,"scale":10}"#;
const SMALL_DECIMAL: &str =
    r#"{"type":"fixed","name":"D","size":3,"logicalType":"decimal","precision":5,"scale":2}"#;
const DATE: &str = r#"{"type":"int","logicalType":"date"}"#;
const TIME_MILLIS: &str = r#"{"type":"int","logicalType":"time-millis"}"#;
const TIME_MICROS: &str = r#"{"type":"long","logicalType":"time-micros"}"#;
const MILLIS: &str = r#"{"type":"long","logicalType":"timestamp-millis"}"#;
const MICROS: &str = r#"{"type":"long","logicalType":"timestamp-micros"}"#;
const NANOS: &str = r#"{"type":"long","logicalType":"timestamp-nanos"}"#;
const LOCAL_MILLIS: &str = r#"{"type":"long","logicalType":"local-timestamp-millis"}"#;
const LOCAL_MICROS: &str = r#"{"type":"long","logicalType":"local-timestamp-micros"}"#;
const UUID: &str = r#"{"type":"string","logicalType":"uuid"}"#;
const UUID_FIXED: &str = r#"{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}"#;
const FIXED: &str = r#"{"type":"fixed","name":"F","size":2}"#;
const ENUM: &str = r#"{"type":"enum","name":"E","symbols":["A","B"],"default":"A"}"#;
const LIST: &str = r#"{"type":"array","items":["null","int"]}"#;
const MAP: &str = r#"{"type":"map","values":"int"}"#;
const RECORD: &str = r#"{"type":"record","name":"N","fields":[{"name":"x","type":"int"}]}"#;

/// What the value becomes, as Arrow shows it; or the reject's code and field.
fn landed(field_type: &str, value: &str) -> String {
    let text =
        format!(r#"{{"type":"record","name":"R","fields":[{{"name":"a","type":{field_type}}}]}}"#);
    let schema = parse("r", 1, &text, true).unwrap();
    let mut decoder = JsonDecoder::new(&schema, options(false));
    let mut columns = Columns::new(&schema);
    let mut judged = Judged::default();
    decoder.decode(
        format!(r#"{{"a":{value}}}"#).as_bytes(),
        &mut columns,
        &mut judged,
    );
    match judged.rejects.as_slice() {
        [] => array_value_to_string(&columns.finish()[0], 0).unwrap(),
        [one] => match one.fault.field.as_deref() {
            Some("a") => one.fault.code.to_string(),
            field => format!("{}@{}", one.fault.code, field.unwrap_or("the record")),
        },
        more => panic!("{} rejects of one record", more.len()),
    }
}

fn check(field_type: &str, cases: &[(&str, &str)]) {
    for (value, want) in cases {
        let shown = &value[..value.len().min(60)];
        assert_eq!(landed(field_type, value), *want, "{field_type} {shown}");
    }
}

#[test]
fn integers() {
    let digits = "9".repeat(10_000);
    check(
        r#""int""#,
        &[
            ("-2147483648", "-2147483648"),
            ("-2147483649", "out_of_range"),
            ("2147483647", "2147483647"),
            ("4294967296", "out_of_range"),
            ("9223372036854775808", "out_of_range"),
            (&digits, "out_of_range"),
            ("-0", "0"),
            ("1.0", "wrong_type"),
            ("1.5", "wrong_type"),
            ("1e0", "wrong_type"),
            ("1E2", "wrong_type"),
            (r#""1""#, "wrong_type"),
            ("true", "wrong_type"),
            ("[1]", "wrong_type"),
            (r#"{"int":1}"#, "wrong_type"),
        ],
    );
    check(
        r#""long""#,
        &[
            ("9223372036854775807", "9223372036854775807"),
            ("9223372036854775808", "out_of_range"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("-9223372036854775809", "out_of_range"),
            ("18446744073709551616", "out_of_range"),
            ("9007199254740993", "9007199254740993"),
            ("-0", "0"),
            ("1.0", "wrong_type"),
            (r#""9""#, "wrong_type"),
        ],
    );
}

#[test]
fn floats() {
    let huge = format!("1{}", "0".repeat(400));
    check(
        r#""double""#,
        &[
            ("0.1", "0.1"),
            ("-0.0", "-0.0"),
            ("1e308", "1e308"),
            ("1.7976931348623157e308", "1.7976931348623157e308"),
            ("1.7976931348623159e308", "out_of_range"),
            ("1e400", "out_of_range"),
            ("-1e400", "out_of_range"),
            (&huge, "out_of_range"),
            ("5e-324", "5e-324"),
            ("2e-324", "inexact"),
            ("-1e-999", "inexact"),
            ("0e-999", "0.0"),
            ("0.000", "0.0"),
            ("9007199254740992", "9007199254740992.0"),
            ("9007199254740993", "inexact"),
            ("-9007199254740993", "inexact"),
            // no integer literal: to the nearest
            ("9007199254740993.0", "9007199254740992.0"),
            ("9007199254740993e0", "9007199254740992.0"),
            ("10000000000000000000000", "1e22"),
            ("100000000000000000000000", "inexact"),
            (r#""1.5""#, "wrong_type"),
            (r#""NaN""#, "wrong_type"),
            ("NaN", "invalid_json@the record"),
            ("Infinity", "invalid_json@the record"),
            ("-Infinity", "invalid_json@the record"),
            ("true", "wrong_type"),
        ],
    );
    check(
        r#""float""#,
        &[
            ("0.1", "0.1"),
            ("3.4028235e38", "3.4028235e38"),
            ("3.5e38", "out_of_range"),
            ("1e-45", "1e-45"),
            ("1e-46", "inexact"),
            ("16777216", "16777216.0"),
            ("16777217", "inexact"),
            ("16777217.0", "16777216.0"),
        ],
    );
}

#[test]
fn booleans_and_texts() {
    check(
        r#""boolean""#,
        &[
            ("true", "true"),
            ("false", "false"),
            ("1", "wrong_type"),
            (r#""true""#, "wrong_type"),
            ("True", "invalid_json@the record"),
            ("truefalse", "invalid_json@the record"),
        ],
    );
    check(
        r#""string""#,
        &[
            (r#""""#, ""),
            (r#""a\u0000b""#, "a\0b"),
            (r#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
            (r#""\ud83d\ude00""#, "\u{1f600}"),
            ("\"\u{1f600}\"", "\u{1f600}"),
            (r#""\ud83d""#, "invalid_json@the record"),
            (r#""\ude00""#, "invalid_json@the record"),
            (r#""\ude00\ud83d""#, "invalid_json@the record"),
            (r#""\ud83dx""#, "invalid_json@the record"),
            (r#""\ud83d\n""#, "invalid_json@the record"),
            (r#""\u12G4""#, "invalid_json@the record"),
            (r#""\x""#, "invalid_json@the record"),
            ("\"a\nb\"", "invalid_json@the record"),
            ("\"a\u{7f}b\"", "a\u{7f}b"),
            ("'a'", "invalid_json@the record"),
            ("1", "wrong_type"),
            (r#"{"string":"x"}"#, "wrong_type"),
        ],
    );
}

#[test]
fn bytes_symbols_and_ids() {
    check(
        r#""bytes""#,
        &[
            (r#""""#, ""),
            (r#""AP+AAA==""#, "00ff8000"),
            (r#""AP\/+""#, "00fffe"),
            (r#""AP_-""#, "invalid_format"),
            (r#""AAE""#, "invalid_format"),
            (r#""AAF=""#, "invalid_format"),
            (r#""AA E=""#, "invalid_format"),
            (r#""=""#, "invalid_format"),
            ("1", "wrong_type"),
            ("[0,1]", "wrong_type"),
        ],
    );
    check(
        FIXED,
        &[
            (r#""AAE=""#, "0001"),
            (r#""AA==""#, "invalid_format"),
            (r#""AAEC""#, "invalid_format"),
            (r#""""#, "invalid_format"),
        ],
    );
    check(
        ENUM,
        &[
            (r#""B""#, "B"),
            (r#""\u0042""#, "B"),
            // its default is for writers only
            (r#""C""#, "unknown_symbol"),
            (r#""b""#, "unknown_symbol"),
            (r#""""#, "unknown_symbol"),
            ("1", "wrong_type"),
        ],
    );
    for uuid in [UUID, UUID_FIXED] {
        check(
            uuid,
            &[
                (
                    r#""F81d4fae-7dec-11d0-a765-00a0c91e6bf6""#,
                    "F81d4fae-7dec-11d0-a765-00a0c91e6bf6",
                ),
                (r#""f81d4fae7dec11d0a76500a0c91e6bf6""#, "invalid_format"),
                (
                    r#""{f81d4fae-7dec-11d0-a765-00a0c91e6bf6}""#,
                    "invalid_format",
                ),
                (
                    r#""g81d4fae-7dec-11d0-a765-00a0c91e6bf6""#,
                    "invalid_format",
                ),
                (r#""f81d4fae-7dec-11d0-a765-00a0c91e6bf""#, "invalid_format"),
                ("0", "wrong_type"),
            ],
        );
    }
}

#[test]
fn decimals() {
    let zeros = format!("1.5{}", "0".repeat(10_000));
    check(
        DECIMAL,
        &[
            ("1", "1.0000000000"),
            ("-0", "0.0000000000"),
            ("0.0000000001", "0.0000000001"),
            ("0.00000000001", "inexact"),
            (
                "9999999999999999999999999999.9999999999",
                "9999999999999999999999999999.9999999999",
            ),
            (
                "-9999999999999999999999999999.9999999999",
                "-9999999999999999999999999999.9999999999",
            ),
            ("10000000000000000000000000000", "out_of_range"),
            ("99999999999999999999999999999.99999999999", "inexact"),
            ("1e27", "1000000000000000000000000000.0000000000"),
            ("1e28", "out_of_range"),
            ("1E-10", "0.0000000001"),
            ("1e-11", "inexact"),
            ("10e-11", "0.0000000001"),
            ("1.50e+1", "15.0000000000"),
            ("0e99999999999", "0.0000000000"),
            ("1e-99999999999999999999", "inexact"),
            (&zeros, "1.5000000000"),
            (r#""1.5""#, "1.5000000000"),
            (r#""-1e2""#, "-100.0000000000"),
            (r#""+1""#, "invalid_format"),
            (r#"" 1""#, "invalid_format"),
            (r#""1 ""#, "invalid_format"),
            (r#""01""#, "invalid_format"),
            (r#""1.""#, "invalid_format"),
            (r#"".5""#, "invalid_format"),
            (r#""1e""#, "invalid_format"),
            (r#""0x1""#, "invalid_format"),
            (r#""1,5""#, "invalid_format"),
            (r#""""#, "invalid_format"),
            (r#""NaN""#, "invalid_format"),
            (r#""\u0031""#, "1.0000000000"),
            ("true", "wrong_type"),
            ("[1]", "wrong_type"),
        ],
    );
    check(
        SMALL_DECIMAL,
        &[
            ("999.99", "999.99"),
            ("-999.99", "-999.99"),
            ("1000", "out_of_range"),
            ("999.990", "999.99"),
            ("999.995", "inexact"),
        ],
    );
}

#[test]
fn dates_and_times_of_day() {
    check(
        DATE,
        &[
            (r#""0001-01-01""#, "0001-01-01"),
            (r#""9999-12-31""#, "9999-12-31"),
            (r#""0000-12-31""#, "out_of_range"),
            (r#""10000-01-01""#, "invalid_format"),
            (r#""2000-02-29""#, "2000-02-29"),
            (r#""1900-02-29""#, "invalid_format"),
            (r#""2024-13-01""#, "invalid_format"),
            (r#""2024-04-31""#, "invalid_format"),
            (r#""2024-1-01""#, "invalid_format"),
            (r#""2024-01-01T00:00:00Z""#, "invalid_format"),
            (r#""20240101""#, "invalid_format"),
            (r#""-001-01-01""#, "invalid_format"),
            ("-719162", "0001-01-01"),
            ("-719163", "out_of_range"),
            ("2932896", "9999-12-31"),
            ("2932897", "out_of_range"),
            ("99999999999999", "out_of_range"),
            ("0.0", "wrong_type"),
            ("true", "wrong_type"),
        ],
    );
    check(
        TIME_MILLIS,
        &[
            (r#""00:00:00""#, "0"),
            (r#""23:59:59.999""#, "86399999"),
            (r#""23:59:59.9990""#, "86399999"),
            (r#""23:59:59.9991""#, "inexact"),
            (r#""23:59:60""#, "invalid_format"),
            (r#""24:00:00""#, "invalid_format"),
            (r#""12:60:00""#, "invalid_format"),
            (r#""12:00""#, "invalid_format"),
            (r#""12:00:00.""#, "invalid_format"),
            (r#""12:00:00Z""#, "invalid_format"),
            (r#""1:00:00""#, "invalid_format"),
            ("0", "0"),
            ("86399999", "86399999"),
            ("86400000", "out_of_range"),
            ("-1", "out_of_range"),
            ("1.0", "wrong_type"),
        ],
    );
    check(
        TIME_MICROS,
        &[
            (r#""23:59:59.999999""#, "86399999999"),
            (r#""23:59:59.9999999""#, "inexact"),
            ("86399999999", "86399999999"),
            ("86400000000", "out_of_range"),
        ],
    );
}

#[test]
fn instants() {
    check(
        MILLIS,
        &[
            (r#""1970-01-01T00:00:00Z""#, "1970-01-01T00:00:00Z"),
            (r#""2024-01-01t00:00:00.5z""#, "2024-01-01T00:00:00.500Z"),
            (r#""2024-01-01 01:30:00+01:30""#, "2024-01-01T00:00:00Z"),
            (
                r#""2023-12-31T23:59:59.999-00:00""#,
                "2023-12-31T23:59:59.999Z",
            ),
            (
                r#""2024-01-01T00:00:00.1230000000Z""#,
                "2024-01-01T00:00:00.123Z",
            ),
            (r#""2024-01-01T00:00:00.1234Z""#, "inexact"),
            (r#""2024-01-01T00:00:00""#, "invalid_format"),
            (r#""2024-01-01T00:00Z""#, "invalid_format"),
            (r#""2024-01-01T00:00:00+0130""#, "invalid_format"),
            (r#""2024-01-01T00:00:00+01""#, "invalid_format"),
            (r#""2024-01-01T00:00:00+24:00""#, "invalid_format"),
            (r#""2024-01-01T00:00:00+01:60""#, "invalid_format"),
            (r#""2024-01-01T00:00:00 Z""#, "invalid_format"),
            (r#""2016-12-31T23:59:60Z""#, "invalid_format"),
            (r#""2024-01-01""#, "invalid_format"),
            (r#""2024-01-01_00:00:00Z""#, "invalid_format"),
            (r#""1704067200""#, "invalid_format"),
            (r#""0001-01-01T00:00:00Z""#, "0001-01-01T00:00:00Z"),
            (r#""0001-01-01T00:00:00+00:01""#, "out_of_range"),
            (r#""9999-12-31T23:59:59.999Z""#, "9999-12-31T23:59:59.999Z"),
            (r#""9999-12-31T23:59:59-00:01""#, "out_of_range"),
            (r#""0000-12-31T23:59:59-01:00""#, "out_of_range"),
            ("-62135596800000", "0001-01-01T00:00:00Z"),
            ("-62135596800001", "out_of_range"),
            ("253402300799999", "9999-12-31T23:59:59.999Z"),
            ("253402300800000", "out_of_range"),
            ("9223372036854775807", "out_of_range"),
            ("9223372036854775808", "out_of_range"),
            ("1.5", "wrong_type"),
            ("true", "wrong_type"),
        ],
    );
    check(
        MICROS,
        &[
            (
                r#""2024-01-01T00:00:00.000001Z""#,
                "2024-01-01T00:00:00.000001Z",
            ),
            (r#""2024-01-01T00:00:00.0000001Z""#, "inexact"),
            ("-62135596800000000", "0001-01-01T00:00:00Z"),
            ("-62135596800000001", "out_of_range"),
            ("253402300799999999", "9999-12-31T23:59:59.999999Z"),
            ("253402300800000000", "out_of_range"),
        ],
    );
    check(
        NANOS,
        &[
            (r#""1970-01-01T00:00:00.000000001Z""#, "1"),
            (r#""1970-01-01T00:00:00.0000000001Z""#, "inexact"),
            (r#""2262-04-11T23:47:16.854775807Z""#, "9223372036854775807"),
            (r#""2262-04-11T23:47:16.854775808Z""#, "out_of_range"),
            (
                r#""1677-09-21T00:12:43.145224192Z""#,
                "-9223372036854775808",
            ),
            (r#""1677-09-21T00:12:43.145224191Z""#, "out_of_range"),
            ("-9223372036854775808", "-9223372036854775808"),
        ],
    );
    check(
        LOCAL_MILLIS,
        &[
            (r#""2024-01-01T00:00:00.001""#, "2024-01-01T00:00:00.001"),
            (r#""2024-01-01 00:00:00""#, "2024-01-01T00:00:00"),
            (r#""2024-01-01T00:00:00Z""#, "invalid_format"),
            (r#""2024-01-01T00:00:00+01:00""#, "invalid_format"),
            (r#""2024-01-01T00:00:00.0001""#, "inexact"),
            ("253402300799999", "9999-12-31T23:59:59.999"),
            ("253402300800000", "out_of_range"),
        ],
    );
    check(
        LOCAL_MICROS,
        &[
            (
                r#""2024-01-01T00:00:00.000001""#,
                "2024-01-01T00:00:00.000001",
            ),
            (r#""2024-01-01T00:00:00.0000001""#, "inexact"),
        ],
    );
}

#[test]
fn nested_values() {
    check(
        LIST,
        &[
            ("[]", "[]"),
            ("[1,null,-2]", "[1, , -2]"),
            ("[1,\"2\"]", "wrong_type@a[1]"),
            ("[1,2147483648]", "out_of_range@a[1]"),
            ("[1,]", "invalid_json@the record"),
            ("{}", "wrong_type"),
            (r#"{"array":[1]}"#, "wrong_type"),
            ("1", "wrong_type"),
        ],
    );
    check(
        MAP,
        &[
            ("{}", "{}"),
            (r#"{"k":1,"":2}"#, "{k: 1, : 2}"),
            (r#"{"k":1,"\u006b":2}"#, "duplicate_field@a[\"k\"]"),
            (r#"{"k":1,"l":2,"k":"x"}"#, "duplicate_field@a[\"k\"]"),
            (r#"{"k":null}"#, "null_value@a[\"k\"]"),
            (r#"{"k":{"int":1}}"#, "wrong_type@a[\"k\"]"),
            ("[]", "wrong_type"),
        ],
    );
    check(
        RECORD,
        &[
            (r#"{"x":1}"#, "{x: 1}"),
            ("{}", "missing_field@a.x"),
            (r#"{"x":null}"#, "null_value@a.x"),
            (r#"{"x":1,"y":2}"#, "unknown_field@a.y"),
            (r#"{"x":1,"y z":2}"#, "unknown_field@a[\"y z\"]"),
            (r#"{"x":1,"x":1}"#, "duplicate_field@a.x"),
            ("[1]", "wrong_type"),
            ("null", "null_value"),
        ],
    );
}

#[test]
fn null_by_the_place_where_it_stands() {
    let text = r#"{"type":"record","name":"R","fields":[
        {"name":"id","type":"string"},{"name":"n","type":"int"},{"name":"o","type":["int","null"]}]}"#;
    let mut schema = parse("r", 1, text, false).unwrap();
    let root = std::sync::Arc::get_mut(&mut schema.root).unwrap();
    root.fields[0].is_key = true;
    let cases = [
        (r#"{"id":"a","n":1,"o":null}"#, "ok"),
        (r#"{"id":"a","n":1}"#, "ok"),
        (r#"{"id":null,"n":1}"#, "null_key@id"),
        (r#"{"id":"a","n":null}"#, "null_value@n"),
        (r#"{"n":1}"#, "missing_field@id"),
        (r#"{"id":"a","n":1,"o":nul}"#, "invalid_json"),
    ];
    for (message, want) in cases {
        let got = verdict_of(&schema, options(false), message.as_bytes());
        assert_eq!(got, want, "{message}");
    }
}

#[test]
fn an_absent_field_takes_its_default() {
    let schema = schema(
        r#"{"name":"i","type":"int","default":-7},
           {"name":"o","type":["null","int"],"default":null},
           {"name":"p","type":["int","null"],"default":5},
           {"name":"n","type":["null","int"]},
           {"name":"t","type":{"type":"long","logicalType":"timestamp-millis"},"default":1},
           {"name":"d","type":{"type":"bytes","logicalType":"decimal","precision":4,"scale":2},"default":"\u0001\u0000"},
           {"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"]},"default":"B"},
           {"name":"b","type":"bytes","default":"\u00ff"},
           {"name":"l","type":{"type":"array","items":"int"},"default":[1,2]},
           {"name":"m","type":{"type":"map","values":"string"},"default":{"k":"v"}},
           {"name":"r","type":{"type":"record","name":"N","fields":[{"name":"x","type":"int"},{"name":"y","type":"int","default":3}]},"default":{"x":1}}"#,
    );
    let mut decoder = JsonDecoder::new(&schema, options(false));
    let mut columns = Columns::new(&schema);
    let mut judged = Judged::default();
    decoder.decode(b"{}", &mut columns, &mut judged);
    assert!(judged.rejects.is_empty(), "{:?}", judged.rejects);
    let shown: Vec<String> = columns
        .finish()
        .iter()
        .map(|column| array_value_to_string(column, 0).unwrap())
        .collect();
    let want = [
        "-7",
        "",
        "5",
        "",
        "1970-01-01T00:00:00.001Z",
        "2.56",
        "B",
        "ff",
        "[1, 2]",
        "{k: v}",
        "{x: 1, y: 3}",
    ];
    assert_eq!(shown, want);
}

#[test]
fn a_field_has_one_name_outside() {
    let mut schema = schema(r#"{"name":"order_id","type":"int"}"#);
    let root = std::sync::Arc::get_mut(&mut schema.root).unwrap();
    root.fields[0].external = "Order ID".to_owned();
    let cases = [
        (r#"{"Order ID":1}"#, "ok"),
        (r#"{"Order\u0020ID":1}"#, "ok"),
        (r#"{"order_id":1}"#, "unknown_field@order_id"),
        (r#"{"Order ID":"1"}"#, "wrong_type@[\"Order ID\"]"),
        ("{}", "missing_field@[\"Order ID\"]"),
    ];
    for (message, want) in cases {
        let got = verdict_of(&schema, options(false), message.as_bytes());
        assert_eq!(got, want, "{message}");
    }
}

/// Avro's JSON wraps a value of a union in an object that names its type: never passed over as an
/// unknown field, with the record's defaults in its place.
#[test]
fn unions_are_plain() {
    let schema = schema(
        r#"{"name":"r","type":["null",{"type":"record","name":"ns.N","fields":[{"name":"x","type":"int","default":0}]}]},
           {"name":"s","type":["null","string"]},{"name":"l","type":["null",{"type":"array","items":"int"}]},
           {"name":"n","type":{"type":"record","name":"M","fields":[{"name":"x","type":"int","default":0}]},"default":{}}"#,
    );
    let ignoring = JsonOptions {
        unknown_fields: UnknownFields::Ignore,
        ..options(false)
    };
    let cases = [
        (r#"{"r":{"x":1}}"#, "ok", "ok"),
        (r#"{"r":{"ns.N":{"x":1}}}"#, "wrong_type@r", "wrong_type@r"),
        (r#"{"r":{"N":{"x":1}}}"#, "unknown_field@r.N", "ok"),
        (r#"{"s":{"string":"x"}}"#, "wrong_type@s", "wrong_type@s"),
        (r#"{"l":{"array":[1]}}"#, "wrong_type@l", "wrong_type@l"),
        // no union, so that its name is a field's like any other
        (r#"{"n":{"M":{"x":1}}}"#, "unknown_field@n.M", "ok"),
    ];
    for (message, rejecting, ignored) in cases {
        let got = verdict_of(&schema, options(false), message.as_bytes());
        assert_eq!(got, rejecting, "{message}");
        let got = verdict_of(&schema, ignoring, message.as_bytes());
        assert_eq!(got, ignored, "{message}");
    }
}
