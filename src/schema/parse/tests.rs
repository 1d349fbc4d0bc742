use std::time::Duration;

use super::parse;
use crate::clock::Clock;

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
        ["f10000: the schema has more than 10,000 fields"]
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

/// A stream's own schema may come from a registry that anybody writes to: whatever it holds is
/// refused at once, with its place.
#[test]
fn hostile_texts_are_refused_in_bounded_time() {
    let field = |ty: &str| format!(r#"{{"name": "a", "type": {ty}}}"#);
    let many = |count: usize, one: &dyn Fn(usize) -> String| {
        let all: Vec<String> = (0..count).map(one).collect();
        all.join(",")
    };
    let mut records = "\"int\"".to_owned();
    for level in (0..1_000).rev() {
        records = format!(
            r#"{{"type": "record", "name": "N{level}", "fields": [{{"name": "f", "type": {records}}}]}}"#
        );
    }
    let deep = format!(
        "a{}: the schema nests more than 128 levels",
        ".f".repeat(127)
    );
    let names = many(60_000, &|n| format!(r#""A{n}""#));
    let symbols = many(10_001, &|n| format!(r#""S{n}""#));
    let aliased = format!(
        r#"{{"type": "record", "name": "N", "aliases": [{}], "fields": [{}]}}"#,
        many(30_000, &|n| format!(r#""A{n}""#)),
        many(9_000, &|n| format!(r#"{{"name": "f{n}", "type": "int"}}"#)),
    );
    let unfolding = many(40, &|n| {
        match n {
        0 => r#"{"name": "f0", "type": {"type": "record", "name": "N0", "fields": [{"name": "a", "type": "int"}]}}"#.to_owned(),
        n => format!(
            r#"{{"name": "f{n}", "type": {{"type": "record", "name": "N{n}", "fields": [{{"name": "a", "type": "N{0}"}}, {{"name": "b", "type": "N{0}"}}]}}}}"#,
            n - 1
        ),
    }
    });
    let cases = [
        (
            ints(30_000),
            "f10000: the schema has more than 10,000 fields",
        ),
        (field(&records), deep.as_str()),
        (
            arrays(100_000),
            "the root: the schema has more than 1 MiB of text",
        ),
        (field("\"R\""), "a: R holds itself, which has no column"),
        (
            field(r#"{"type": "array", "items": ["null", "R"]}"#),
            "a[]: R holds itself, which has no column",
        ),
        (
            field(r#"{"type": "fixed", "name": "F", "size": 9000000000000000000}"#),
            "a: a fixed has more than 16 MiB",
        ),
        (
            field(r#"{"type": "fixed", "name": "F", "size": 16777217}"#),
            "a: a fixed has more than 16 MiB",
        ),
        (
            field(r#"{"type": "fixed", "name": "R", "size": 1}"#),
            "a: the type R is defined twice",
        ),
        (
            many(2, &|_| field("\"int\"")),
            "a: the field is declared twice",
        ),
        (
            field("\"int\"") + "," + &field("\"int\"").replace("\"a\"", "\"A\""),
            "A: differs only in case from another field",
        ),
        (
            field("\"int\"").replace("\"a\"", "\"a b\""),
            "the root: \"a b\" is no name of a field",
        ),
        (
            field(r#"{"type": "fixed", "name": "é", "size": 1}"#),
            "a: \"é\" is no name of a type",
        ),
        (
            field(r#"{"type": "enum", "name": "E", "symbols": ["X", "-"]}"#),
            "a: \"-\" is no symbol's name",
        ),
        (
            field(&format!(
                r#"{{"type": "enum", "name": "E", "symbols": [{symbols}]}}"#
            )),
            "a: an enum has more than 10,000 symbols",
        ),
        (
            field(&format!("[{names}]")),
            "a: the type \"A0\" is not known",
        ),
        (
            field(&aliased),
            "a: 30000 aliases are too many for a type of 554838 bytes of text (more than 8 MiB together)",
        ),
        (unfolding, "the root: unfolds to more than 10,000 fields"),
    ];
    let clock = Clock::system();
    for (fields, want) in cases {
        let began = clock.tick();
        assert_eq!(faults(&fields), [want]);
        let took = clock.tick().since(began);
        assert!(took < Duration::from_secs(5), "{want}: {took:?}");
    }
}

/// The largest that is not refused is not dear either.
#[test]
fn a_text_at_the_limits_is_read_in_bounded_time() {
    let aliases: Vec<String> = (0..20).map(|n| format!(r#""A{n}""#)).collect();
    let text = format!(
        r#"{{"type": "record", "name": "R", "aliases": [{}], "fields": [{}]}}"#,
        aliases.join(","),
        ints(10_000)
    );
    let clock = Clock::system();
    let began = clock.tick();
    assert_eq!(
        parse("r", 1, &text, false).map(|s| s.root.fields.len()),
        Ok(10_000)
    );
    let took = clock.tick().since(began);
    assert!(took < Duration::from_secs(10), "{took:?}");
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

/// The Avro crate passes over what it does not understand; a column must not be lost by that, nor a
/// schema land that no writer can have.
#[test]
fn what_the_specification_does_not_allow_is_refused() {
    let record =
        |fields: &str| format!(r#"{{"type": "record", "name": "R", "fields": [{fields}]}}"#);
    let cases = [
        (
            record(r#"7, {"name": "a", "type": "int"}"#),
            "the root: \"fields\" is no such thing: invalid type",
        ),
        (
            record(r#"{"name": "a", "name": "b", "type": "int"}"#),
            "the root: \"fields\" is no such thing: duplicate field",
        ),
        (
            record(
                r#"{"name": "a", "type": {"type": "enum", "name": "E", "aliases": ["F"], "symbols": ["X"]}},
                   {"name": "b", "type": "F"}"#,
            ),
            "b: the type \"F\" is not known",
        ),
        (
            record(r#"{"name": "a", "type": {"type": "fixed", "name": "F", "size": 16777217}}"#),
            "a: a fixed has more than 16 MiB",
        ),
        (
            r#"{"type": "record", "name": ".R", "fields": [{"name": "a", "type": "int"}]}"#
                .to_owned(),
            "the root: \".R\" is no name of a type",
        ),
    ];
    for (text, want) in cases {
        let found = parse("r", 1, &text, false).unwrap_err();
        assert!(found[0].starts_with(want), "{text}: {found:?}");
    }
}

/// The Avro crate panics over a default that is none of its type where the type has such attributes.
#[test]
fn a_bad_default_is_told_whatever_stands_beside_it() {
    for attribute in ["scale", "precision", "size"] {
        for value in ["1.5", "\"x\"", "[]"] {
            let ty = format!(r#"{{"type": "array", "items": "int", "{attribute}": {value}}}"#);
            let found = faults(&format!(r#"{{"name": "a", "type": {ty}, "default": 1}}"#));
            assert_eq!(found, ["a: the default is no array"], "{attribute} {value}");
        }
    }
    let own = r#"{"name": "a", "type": "int", "weir.default": "x"}"#;
    assert!(
        faults(own).is_empty(),
        "an attribute of a stranger is no default"
    );
}
