use super::*;
use crate::schema::parse::parse;

fn record(fields: &str) -> String {
    format!(r#"{{"type": "record", "name": "R", "fields": [{fields}]}}"#)
}

fn one(ty: &str) -> String {
    record(&format!(r#"{{"name": "a", "type": {ty}}}"#))
}

/// The pair's faults: `code@path: message`.
fn faults(writer: &str, reader: &str) -> Vec<String> {
    let writer = WriterSchema::parse(writer, &[]).unwrap();
    let reader = parse("r", 1, reader, false).unwrap();
    let found = resolve(&writer, &reader).err().unwrap_or_default();
    let told = |f: &Fault| {
        format!(
            "{}@{}: {}",
            f.code,
            f.field.as_deref().unwrap_or(""),
            f.message
        )
    };
    found.iter().map(told).collect()
}

#[test]
fn what_no_record_can_hold_is_a_fault_of_the_pair() {
    let cases = [
        (
            one(r#""string""#),
            one(r#""int""#),
            "wrong_type@a: is written as string and read as int",
        ),
        (
            one(r#""long""#),
            one(r#""int""#),
            "wrong_type@a: is written as long and read as int",
        ),
        (
            one(r#""null""#),
            one(r#""int""#),
            "null_value@a: null stands in a required field",
        ),
        (
            one(r#"{"type":"array","items":"string"}"#),
            one(r#"{"type":"array","items":"int"}"#),
            "wrong_type@a[]: is written as string and read as int",
        ),
        (
            record(""),
            one(r#""int""#),
            "missing_field@a: is not written and has no default",
        ),
        (
            one(r#"{"type":"fixed","name":"F","size":2}"#),
            one(r#"{"type":"fixed","name":"F","size":3}"#),
            "wrong_type@a: is written with 2 bytes and read with 3",
        ),
        (
            one(r#"{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}"#),
            one(r#"{"type":"fixed","name":"V","size":16,"logicalType":"uuid"}"#),
            "wrong_type@a: is written as type U and read as V",
        ),
        (
            one(r#"{"type":"fixed","name":"F","size":2}"#),
            one(r#"{"type":"fixed","name":"G","size":2}"#),
            "wrong_type@a: is written as type F and read as G",
        ),
        (
            one(r#"{"type":"fixed","name":"F","size":12,"logicalType":"duration"}"#),
            one(r#"{"type":"fixed","name":"F","size":12}"#),
            "wrong_type@a: is written as fixed(12) F (duration) and read as fixed(12) F",
        ),
        (
            one(r#"["string", "bytes"]"#),
            one(r#"{"type":"int","logicalType":"date"}"#),
            "wrong_type@a: is written as string and read as int (date)|wrong_type@a: is written as bytes and read as int (date)",
        ),
        (
            r#"{"type":"record","name":"S","fields":[]}"#.to_owned(),
            one(r#""int""#),
            "wrong_type@: is written as type S and read as R",
        ),
        (
            r#""int""#.to_owned(),
            one(r#""int""#),
            "wrong_type@: is written as int and read as record R",
        ),
    ];
    for (writer, reader, want) in cases {
        assert_eq!(
            faults(&writer, &reader).join("|"),
            want,
            "{writer} read as {reader}"
        );
    }
}

#[test]
fn what_some_records_can_hold_is_none() {
    let enums = |symbols: &str| {
        one(&format!(
            r#"{{"type":"enum","name":"E","symbols":[{symbols}]}}"#
        ))
    };
    let list = |items: &str| one(&format!(r#"{{"type":"array","items":{items}}}"#));
    for (writer, reader) in [
        (one(r#"["null", "string"]"#), one(r#"["null", "int"]"#)),
        (one(r#"["string", "int"]"#), one(r#""long""#)),
        (enums(r#""X""#), enums(r#""Y""#)),
        // an empty one can be read
        (list(r#"["null", "string"]"#), list(r#""int""#)),
        (one(r#""null""#), one(r#"["null", "int"]"#)),
    ] {
        assert_eq!(
            faults(&writer, &reader),
            [""; 0],
            "{writer} read as {reader}"
        );
    }
}

#[test]
fn unknown_fields_are_told_by_path() {
    let inner = |fields: &str| {
        format!(r#"{{"type":"array","items":{{"type":"record","name":"I","fields":[{fields}]}}}}"#)
    };
    let x = r#"{"name":"x","type":"int"}"#;
    let x_y = r#"{"name":"x","type":"int"},{"name":"y","type":"int"}"#;
    let writer = record(&format!(
        r#"{{"name":"b","type":"int"}},{{"name":"a","type":{}}}"#,
        inner(x_y)
    ));
    let reader = one(&inner(x));
    let plan = resolve(
        &WriterSchema::parse(&writer, &[]).unwrap(),
        &parse("r", 1, &reader, false).unwrap(),
    );
    assert_eq!(plan.unwrap().unknown_fields(), ["b", "a[].y"]);
}

/// Two records of one last name in a union, on each of many levels, ask for a plan of 2^n parts.
#[test]
fn a_pair_that_unfolds_without_end_is_refused() {
    let (mut writer, mut reader) = (r#""int""#.to_owned(), r#""int""#.to_owned());
    for level in 0..25 {
        let one = |space: &str, ty: &str| {
            format!(
                r#"{{"type":"record","name":"{space}.R{level}","fields":[{{"name":"f","type":{ty}}}]}}"#
            )
        };
        let first = one("a", &writer);
        let last = match level {
            0 => one("b", r#""int""#),
            _ => one("b", &format!(r#"["a.R{0}", "b.R{0}"]"#, level - 1)),
        };
        writer = format!("[{first}, {last}]");
        reader = one("a", &reader);
    }
    let found = faults(&one(&writer), &one(&reader));
    assert_eq!(
        found,
        ["too_large@: the schemas together unfold to more than 100,000 parts"]
    );
}
