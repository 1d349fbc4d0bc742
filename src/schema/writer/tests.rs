use super::*;

fn fault(text: &str) -> String {
    WriterSchema::parse(text, &[]).unwrap_err().join("; ")
}

#[test]
fn every_type_is_read() {
    let text = r#"{"type": "record", "name": "a.R", "fields": [
        {"name": "n", "type": "null"},
        {"name": "u", "type": ["null", "int", {"type": "enum", "name": "E", "symbols": ["X"]}, "b.F"]},
        {"name": "me", "type": ["null", "R"]},
        {"name": "list", "type": {"type": "array", "items": {"type": "map", "values": "a.E"}}},
        {"name": "length", "type": {"type": "fixed", "name": "D", "size": 12, "logicalType": "duration"}},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "odd", "type": {"type": "int", "logicalType": "uuid"}},
        {"name": "inner", "type": {"type": {"type": "long", "logicalType": "time-micros"}}},
        {"name": "money", "type": {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}},
        {"name": "none", "type": {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 5}}
    ]}"#;
    let referred = r#"{"type": "fixed", "name": "F", "namespace": "b", "size": 2}"#;
    let writer = WriterSchema::parse(text, &[referred, referred]).unwrap();
    let Form::Record { name, fields } = &writer.at(writer.root()).form else {
        panic!("a record");
    };
    assert_eq!(name, "a.R");
    let described: Vec<String> = fields.iter().map(|f| writer.describe(f.1)).collect();
    assert_eq!(
        described,
        [
            "null",
            "null or int or enum a.E or fixed(2) b.F",
            "null or record a.R",
            "array",
            "fixed(12) a.D (duration)",
            "int (date)",
            "int",
            "long (time-micros)",
            "bytes (decimal 4,2)",
            "bytes",
        ]
    );
    // null, seven of at least a byte, a duration
    assert_eq!(writer.at(writer.root()).least, 20);
}

#[test]
fn what_is_no_schema_is_refused_with_its_path() {
    let record = |fields: &str| format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#);
    let field = |ty: &str| record(&format!(r#"{{"name":"f","type":{ty}}}"#));
    let cases = [
        ("", "the root: is no JSON: EOF"),
        ("7", "the root: is no schema: a name"),
        (r#""thing""#, "the root: the type \"thing\" is not known"),
        (
            r#"{"type":"record","name":"R"}"#,
            "the root: \"fields\" is missing",
        ),
        (&field("[]"), "f: a union must have a branch"),
        (&field(r#"["int","int"]"#), "f: a union holds \"int\" twice"),
        (
            &field(r#"["int",["null"]]"#),
            "f: a union stands within a union",
        ),
        (&field(r#"{"type":"array"}"#), "f: \"items\" is missing"),
        (
            &field(r#"{"type":"array","items":"R2"}"#),
            "f[]: the type \"R2\" is not known",
        ),
        (&field(r#"{"type":"map","values":7}"#), "f{}: is no schema"),
        (
            &field(r#"{"type":"record","name":"R","fields":[]}"#),
            "f: the type R is defined twice",
        ),
        (
            &field(r#"{"type":"fixed","name":"F","size":-1}"#),
            "f: \"size\" is no such thing",
        ),
        (
            &field(r#"{"type":"fixed","name":"F","size":9e18}"#),
            "f: \"size\" is no such thing",
        ),
        (
            &field(r#"{"type":"fixed","name":"F","size":9000000000}"#),
            "f: a fixed has more than 16 MiB",
        ),
        (
            &field(r#"{"type":"fixed","name":"long","size":1}"#),
            "f: long is the name of a primitive type",
        ),
        (
            &field(r#"{"type":"enum","name":"E","symbols":["A","A"]}"#),
            "f: the symbol A stands twice",
        ),
        (
            &field(r#"{"type":"enum","name":"E","symbols":["a-b"]}"#),
            "f: \"a-b\" is no symbol's name",
        ),
        (
            &field(r#"{"type":"enum","name":"1E","symbols":[]}"#),
            "f: \"1E\" is no name of a type",
        ),
        (
            &field(r#"{"type":"int","type":"long"}"#),
            "f: is no schema: duplicate field `type`",
        ),
        (
            &record(r#"{"name":"a b","type":"int"}"#),
            "the root: \"a b\" is no name of a field",
        ),
        (
            &record(r#"{"name":"f","type":"int"},{"name":"f","type":"int"}"#),
            "f: the field is declared twice",
        ),
    ];
    for (text, want) in cases {
        let found = fault(text);
        assert!(found.starts_with(want), "{text}: {found}");
    }
}

/// What a stranger may send to a registry: each is refused, with its place, at once.
#[test]
fn hostile_schemas_are_refused() {
    let nested = |levels: usize, open: &str, close: &str| {
        format!("{}\"int\"{}", open.repeat(levels), close.repeat(levels))
    };
    let arrays = nested(1_000, r#"{"type":"array","items":"#, "}");
    let found = fault(&arrays);
    assert!(
        found.ends_with("[]: the schema nests more than 128 levels"),
        "{found}"
    );
    let unions = nested(1_000, "[", "]");
    assert!(fault(&unions).contains("nests more than 128 levels"));
    let types = nested(30_000, r#"{"type":"#, "}");
    assert!(fault(&types).contains("nests more than 128 levels"));
    let mut records = "\"int\"".to_owned();
    for level in (0..1_000).rev() {
        records = format!(
            r#"{{"type":"record","name":"R{level}","fields":[{{"name":"f{level}","type":{records}}}]}}"#
        );
    }
    let found = fault(&records);
    assert!(found.starts_with("f0.f1.f2."), "{found}");
    assert!(
        found.ends_with(".f127: the schema nests more than 128 levels"),
        "{found}"
    );
    let fields: Vec<String> = (0..10_001)
        .map(|n| format!(r#"{{"name":"f{n}","type":"int"}}"#))
        .collect();
    let wide = format!(
        r#"{{"type":"record","name":"R","fields":[{}]}}"#,
        fields.join(",")
    );
    assert_eq!(
        fault(&wide),
        "f10000: the schema has more than 10,000 fields"
    );
    let long = format!(
        r#"{{"type":"record","name":"R","doc":"{}","fields":[]}}"#,
        "x".repeat(1 << 20)
    );
    assert_eq!(
        fault(&long),
        "the root: the schema has more than 1 MiB of text"
    );
    let name = format!(
        r#"{{"type":"record","name":"{}","fields":[]}}"#,
        "x".repeat(1 << 19)
    );
    assert!(fault(&name).len() < 400);
    let brackets = "[".repeat(900_000);
    assert!(fault(&brackets).starts_with("the root: is no JSON"));
}

#[test]
fn a_fault_of_a_reference_is_told_as_one() {
    let found = WriterSchema::parse(r#""a.B""#, &["{"]).unwrap_err();
    assert!(found[0].starts_with("a referenced schema: the root: is no JSON"));
}

/// Both sides read one text alike, so that data of a schema are rows of it.
#[test]
fn a_logical_type_around_another_does_not_count() {
    let text = r#"{"type": "record", "name": "R", "fields": [
        {"name": "a", "type": {"type": {"type": "long", "logicalType": "timestamp-micros"}, "logicalType": "time-micros"}},
        {"name": "b", "type": {"type": {"type": "string"}, "logicalType": "uuid"}},
        {"name": "c", "type": {"type": "fixed", "name": "F", "size": 16}},
        {"name": "d", "type": {"type": {"type": "F"}, "logicalType": "uuid"}}]}"#;
    let writer = WriterSchema::parse(text, &[]).unwrap();
    let Form::Record { fields, .. } = &writer.at(writer.root()).form else {
        panic!("a record");
    };
    let described: Vec<String> = fields.iter().map(|f| writer.describe(f.1)).collect();
    let want = [
        "long (timestamp-micros)",
        "string (uuid)",
        "fixed(16) F",
        "fixed(16) F",
    ];
    assert_eq!(described, want);
    let reader = crate::schema::parse::parse("r", 1, text, false).unwrap();
    assert!(crate::schema::resolve::resolve(&writer, &reader).is_ok());
}

/// A level of columns takes two of the text where it may be null.
#[test]
fn what_a_reader_may_nest_a_writer_may() {
    let nested = |levels: usize, open: &str, close: &str| {
        let ty = format!("{}\"int\"{}", open.repeat(levels), close.repeat(levels));
        format!(r#"{{"type":"record","name":"R","fields":[{{"name":"a","type":{ty}}}]}}"#)
    };
    for text in [
        nested(63, r#"{"type":"array","items":"#, "}"),
        nested(61, r#"["null",{"type":"array","items":"#, "}]"),
    ] {
        let reader = crate::schema::parse::parse("r", 1, &text, false).unwrap();
        let writer = WriterSchema::parse(&text, &[]).unwrap();
        assert!(crate::schema::resolve::resolve(&writer, &reader).is_ok());
    }
}
