use super::parse;

/// The faults of a record with these fields; empty if it parses.
fn faults(fields: &str) -> Vec<String> {
    let text = format!(r#"{{"type": "record", "name": "R", "fields": [{fields}]}}"#);
    parse("r", 1, &text, false).err().unwrap_or_default()
}

fn ints(count: usize) -> String {
    let fields: Vec<String> = (0..count)
        .map(|i| format!(r#"{{"name": "f{i}", "type": "int"}}"#))
        .collect();
    fields.join(",")
}

fn arrays(depth: usize) -> String {
    let open = r#"{"type": "array", "items": "#.repeat(depth);
    format!(
        r#"{{"name": "a", "type": {open}"int"{}}}"#,
        "}".repeat(depth)
    )
}

#[test]
fn fields_are_limited() {
    assert_eq!(faults(&ints(10_000)), Vec::<String>::new());
    assert_eq!(
        faults(&ints(10_001)),
        ["the root: unfolds to more than 10,000 fields"]
    );
}

#[test]
fn nesting_is_limited() {
    assert_eq!(faults(&arrays(63)), Vec::<String>::new());
    assert_eq!(faults(&arrays(64)), ["the root: nests more than 64 levels"]);
}

#[test]
fn a_short_text_cannot_unfold_without_end() {
    // each type holds the one before twice: 2^40 fields
    let mut fields = vec![r#"{"name": "f0", "type": {"type": "record", "name": "N0", "fields": [{"name": "a", "type": "int"}]}}"#.to_owned()];
    for i in 1..40 {
        let before = i - 1;
        fields.push(format!(
            r#"{{"name": "f{i}", "type": {{"type": "record", "name": "N{i}", "fields": [{{"name": "a", "type": "N{before}"}}, {{"name": "b", "type": "N{before}"}}]}}}}"#
        ));
    }
    assert_eq!(
        faults(&fields.join(",")),
        ["the root: unfolds to more than 10,000 fields"]
    );
}

#[test]
fn what_has_no_column_is_refused_by_its_path() {
    let cases = [
        (r#""null""#, "a: null alone"),
        (r#"["null", "int", "string"]"#, "a: a union of several"),
        (r#"["null", "R"]"#, "a: R holds itself"),
        (r#"{"type": "map", "values": "R"}"#, "a{}: R holds itself"),
        (
            r#"{"type": "fixed", "name": "D", "size": 12, "logicalType": "duration"}"#,
            "a: duration",
        ),
        (
            r#"{"type": "bytes", "logicalType": "big-decimal"}"#,
            "a: big-decimal",
        ),
        (
            r#"{"type": "bytes", "logicalType": "decimal", "precision": 39}"#,
            "a: a decimal",
        ),
        (
            r#"{"type": "long", "logicalType": "timestamp-nanos"}"#,
            "a: nanoseconds",
        ),
    ];
    for (ty, start) in cases {
        let found = faults(&format!(r#"{{"name": "a", "type": {ty}}}"#));
        let [one] = found.as_slice() else {
            panic!("{ty}: {found:?}")
        };
        assert!(one.starts_with(start), "{one}");
    }
    let precise = r#"{"type": "bytes", "logicalType": "decimal", "precision": 38}"#;
    assert!(faults(&format!(r#"{{"name": "a", "type": {precise}}}"#)).is_empty());
}

/// Whatever a text holds: a schema whose columns can be named, or a refusal; never a panic.
#[test]
fn no_text_is_too_bad_to_be_judged() {
    let text = r#"{"type": "record", "name": "R", "fields": [
        {"name": "a", "type": ["null", "int"], "default": null},
        {"name": "b", "type": {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}, "default": "\u0001"},
        {"name": "c", "type": {"type": "array", "items": {"type": "enum", "name": "E", "symbols": ["X"]}}},
        {"name": "d", "type": {"type": "map", "values": {"type": "fixed", "name": "F", "size": 2}}}]}"#;
    let mut lands = 0;
    for at in 0..text.len() {
        for other in ["", "\"", "{", "]", ",", "9", "-", "null", "R", "E"] {
            let bad = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            match parse("r", 1, &bad, true) {
                Ok(schema) => {
                    lands += 1;
                    for column in crate::schema::arrow::arrow_fields(&schema.root) {
                        assert_ne!(crate::schema::names::delta(column.data_type()), "");
                    }
                }
                Err(faults) => assert!(faults.iter().all(|f| !f.is_empty()), "{bad}"),
            }
        }
    }
    assert!(lands > 100, "{lands}");
}
