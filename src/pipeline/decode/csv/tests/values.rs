//! Cells on both sides of each line of the values' table.

use super::*;

const DECIMAL: &str = r#"{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}"#;
const DATE: &str = r#"{"type":"int","logicalType":"date"}"#;
const MILLIS: &str = r#"{"type":"long","logicalType":"timestamp-millis"}"#;
const MICROS: &str = r#"{"type":"long","logicalType":"timestamp-micros"}"#;
const LOCAL: &str = r#"{"type":"long","logicalType":"local-timestamp-micros"}"#;
const TIME: &str = r#"{"type":"int","logicalType":"time-millis"}"#;
const UUID: &str = r#"{"type":"string","logicalType":"uuid"}"#;
const FIXED: &str = r#"{"type":"fixed","name":"F","size":2}"#;
const CHOICE: &str = r#"{"type":"enum","name":"E","symbols":["A","B"]}"#;
const LIST: &str = r#"{"type":"array","items":"int"}"#;
const MAP: &str = r#"{"type":"map","values":["null","int"]}"#;
const RECORD: &str = r#"{"type":"record","name":"N","fields":[{"name":"x","type":"int"},{"name":"y","type":["null","string"]}]}"#;

fn check(dialect: &Dialect, cases: &[(&str, &str, &str)]) {
    for (ty, cell, expected) in cases {
        assert_eq!(judge(ty, cell, dialect), *expected, "{ty} {cell:?}");
    }
}

#[test]
fn nulls_and_texts() {
    let usual = dialect(|_| ());
    check(
        &usual,
        &[
            (r#""string""#, "", "null_value"),
            (r#""string""#, "\"\"", "= "),
            (r#"["null","string"]"#, "", "null"),
            (r#"["null","string"]"#, "\"\"", "= "),
            (r#"["null","string"]"#, "NA", "= NA"),
            (r#"["null","int"]"#, "", "null"),
            (r#"["null","int"]"#, "\"\"", "wrong_type"),
            (r#""int""#, "NA", "wrong_type"),
            (r#""int""#, "null", "wrong_type"),
            (r#""string""#, " a ", "=  a "),
            (r#""string""#, "\"a \"\"b\"\"\nc\"", "= a \"b\"\nc"),
            (r#""string""#, "a\0b", "= a\0b"),
        ],
    );
    let tokens = dialect(|k| k.null = vec!["NA".to_owned(), "\\N".to_owned()]);
    check(
        &tokens,
        &[
            (r#"["null","string"]"#, "NA", "null"),
            (r#"["null","string"]"#, "\\N", "null"),
            (r#"["null","string"]"#, "\"NA\"", "= NA"),
            (r#"["null","string"]"#, "na", "= na"),
            (r#"["null","string"]"#, "N", "= N"),
            (r#"["null","string"]"#, "NAN", "= NAN"),
            (r#"["null","int"]"#, "NA", "null"),
            (r#""int""#, "NA", "null_value"),
            (r#"["null","int"]"#, "", "null"),
        ],
    );
    let escaped = dialect(|k| k.escape = "\\".to_owned());
    check(
        &escaped,
        &[(r#""string""#, r#""a\"b\\c\n""#, r#"= a"b\c\n"#)],
    );
}

#[test]
fn numbers() {
    let usual = dialect(|_| ());
    check(
        &usual,
        &[
            (r#""int""#, "2147483647", "= 2147483647"),
            (r#""int""#, "\"12\"", "= 12"),
            (r#""int""#, "2147483648", "out_of_range"),
            (r#""int""#, "-0", "= 0"),
            (r#""int""#, "abc", "wrong_type"),
            (r#""int""#, "1.0", "wrong_type"),
            (r#""int""#, "1e0", "wrong_type"),
            (r#""int""#, "01", "wrong_type"),
            (r#""int""#, "+1", "wrong_type"),
            (r#""int""#, " 1", "wrong_type"),
            (r#""int""#, "1 ", "wrong_type"),
            (r#""int""#, "-", "wrong_type"),
            (r#""long""#, "9223372036854775807", "= 9223372036854775807"),
            (r#""long""#, "9223372036854775808", "out_of_range"),
            (
                r#""long""#,
                "-9223372036854775808",
                "= -9223372036854775808",
            ),
            (r#""long""#, "-999999999999999999", "= -999999999999999999"),
            (r#""long""#, "0", "= 0"),
            (r#""long""#, "-01", "wrong_type"),
            (r#""long""#, "1-", "wrong_type"),
            (r#""long""#, "\u{661}", "wrong_type"),
            (r#""double""#, "1.5", "= 1.5"),
            (r#""double""#, "1", "= 1.0"),
            (r#""double""#, "1e400", "out_of_range"),
            (r#""double""#, "1e-999", "inexact"),
            (r#""double""#, "9007199254740993", "inexact"),
            (r#""double""#, "NaN", "wrong_type"),
            (r#""double""#, ".5", "wrong_type"),
            (r#""double""#, "\"1,5\"", "wrong_type"),
            (r#""float""#, "16777217", "inexact"),
            (r#""float""#, "0.5", "= 0.5"),
            (r#""boolean""#, "true", "= true"),
            (r#""boolean""#, "FALSE", "= false"),
            (r#""boolean""#, "1", "wrong_type"),
            (DECIMAL, "99.99", "= 99.99"),
            (DECIMAL, "1e1", "= 10.00"),
            (DECIMAL, "100.00", "out_of_range"),
            (DECIMAL, "1.234", "inexact"),
            (DECIMAL, "x", "invalid_format"),
            (DECIMAL, "\"\"", "invalid_format"),
        ],
    );
    let comma = dialect(|k| {
        k.decimal = ",".to_owned();
        k.delimiter = ";".to_owned();
    });
    check(
        &comma,
        &[
            (r#""double""#, "1,5", "= 1.5"),
            (r#""double""#, "1.5", "wrong_type"),
            (r#""double""#, "1.234,5", "wrong_type"),
            (r#""float""#, "-0,5", "= -0.5"),
            (r#""int""#, "1,0", "wrong_type"),
            (DECIMAL, "9,99", "= 9.99"),
            (DECIMAL, "9.99", "invalid_format"),
            (LIST, "[1,2]", "= [1, 2]"),
        ],
    );
}

#[test]
fn other_types() {
    let usual = dialect(|_| ());
    check(
        &usual,
        &[
            (r#""bytes""#, "AAE=", "= 0001"),
            (r#""bytes""#, "AAE", "invalid_format"),
            (FIXED, "AAE=", "= 0001"),
            (FIXED, "AA==", "invalid_format"),
            (CHOICE, "B", "= B"),
            (CHOICE, "b", "unknown_symbol"),
            (
                UUID,
                "00000000-0000-0000-0000-00000000000A",
                "= 00000000-0000-0000-0000-00000000000A",
            ),
            (UUID, "00000000", "invalid_format"),
            (DATE, "2024-02-29", "= 2024-02-29"),
            (DATE, "2023-02-29", "invalid_format"),
            (DATE, "0000-01-01", "out_of_range"),
            (DATE, "19000", "invalid_format"),
            (TIME, "01:00:00.5", "= 3600500"),
            (TIME, "3600500", "invalid_format"),
            (TIME, "24:00:00", "invalid_format"),
            (
                MILLIS,
                "1970-01-01T00:00:01.5Z",
                "= 1970-01-01T00:00:01.500Z",
            ),
            (
                MILLIS,
                "1970-01-01 02:00:00+02:00",
                "= 1970-01-01T00:00:00Z",
            ),
            (MILLIS, "1970-01-01T00:00:00.0001Z", "inexact"),
            (MILLIS, "1970-01-01T00:00:60Z", "invalid_format"),
            (MILLIS, "1970-01-01T00:00:00", "invalid_format"),
            (MILLIS, "0", "invalid_format"),
            (
                LOCAL,
                "1970-01-01T00:00:00.000001",
                "= 1970-01-01T00:00:00.000001",
            ),
            (LOCAL, "1970-01-01T00:00:00Z", "invalid_format"),
        ],
    );
}

#[test]
fn forms_of_dates_and_timestamps() {
    let plain = dialect(|k| {
        k.date_format = "%d.%m.%Y".to_owned();
        k.timestamp_format = "%d.%m.%Y %H:%M:%S%.f".to_owned();
    });
    check(
        &plain,
        &[
            (DATE, "29.02.2024", "= 2024-02-29"),
            (DATE, "2024-02-29", "= 2024-02-29"),
            (DATE, "29.02.2023", "invalid_format"),
            (DATE, "01.01.0000", "out_of_range"),
            (DATE, "0000-01-01", "out_of_range"),
            (
                MILLIS,
                "01.01.1970 00:00:01.5",
                "= 1970-01-01T00:00:01.500Z",
            ),
            (MILLIS, "01.01.1970 00:00:01.0005", "inexact"),
            (
                MICROS,
                "01.01.1970 00:00:01.0005",
                "= 1970-01-01T00:00:01.000500Z",
            ),
            (
                MICROS,
                "31.12.1969 23:59:59.999999",
                "= 1969-12-31T23:59:59.999999Z",
            ),
            (MICROS, "01.01.1970 00:00:60", "invalid_format"),
            (MICROS, "01.01.0000 00:00:00", "out_of_range"),
            (MICROS, "1970-01-01T00:00:01Z", "= 1970-01-01T00:00:01Z"),
            (MICROS, "1970-01-01T00:00:01.1234567Z", "inexact"),
            (LOCAL, "01.01.1970 00:00:01", "= 1970-01-01T00:00:01"),
            (TIME, "01.01.1970 00:00:01", "invalid_format"),
        ],
    );
    let zoned = dialect(|k| k.timestamp_format = "%d.%m.%Y %H:%M %z".to_owned());
    check(
        &zoned,
        &[
            (MICROS, "01.01.1970 02:00 +0200", "= 1970-01-01T00:00:00Z"),
            (MICROS, "01.01.1970 02:00", "invalid_format"),
            (LOCAL, "01.01.1970 02:00 +0200", "invalid_format"),
            (LOCAL, "1970-01-01T00:00:01", "= 1970-01-01T00:00:01"),
        ],
    );
}

#[test]
fn json_in_cells() {
    let usual = dialect(|_| ());
    check(
        &usual,
        &[
            (LIST, "[1]", "= [1]"),
            (LIST, "\"[1,2]\"", "= [1, 2]"),
            (LIST, "[]", "= []"),
            (LIST, "", "null_value"),
            (LIST, "\"\"", "invalid_json"),
            (LIST, "null", "null_value"),
            (LIST, "1", "wrong_type"),
            (LIST, "\"[1,\"\"a\"\"]\"", "wrong_type@a[1]"),
            (LIST, "\"[\"\"a\"\",]\"", "invalid_json"),
            (LIST, "[1] 2", "invalid_json"),
            (LIST, "[1", "invalid_json"),
            (MAP, "\"{\"\"k\"\":null}\"", "= {k: }"),
            (
                MAP,
                "\"{\"\"k\"\":1,\"\"k\"\":2}\"",
                "duplicate_field@a[\"k\"]",
            ),
            (RECORD, "\"{\"\"x\"\":1}\"", "= {x: 1, y: }"),
            (RECORD, "\"{\"\"y\"\":\"\"b\"\"}\"", "missing_field@a.x"),
            (RECORD, "\"{\"\"x\"\":1,\"\"w\"\":2}\"", "unknown_field@a.w"),
        ],
    );
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert_eq!(judge(LIST, &deep(64), &usual), "too_deep");
    assert_eq!(judge(LIST, &deep(63), &usual), "wrong_type@a[0]");
}

#[test]
fn keys() {
    let mut schema = schema(r#"{"name":"a","type":"int"}"#);
    Arc::make_mut(&mut schema.root).fields[0].is_key = true;
    assert_eq!(
        verdicts("a\n\n1\n", &schema, &dialect(|_| ())),
        ["2: null_key@a: null stands in a primary key", "ok"]
    );
}
