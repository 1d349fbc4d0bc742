use super::*;

/// Schemas, and the fingerprint that fastavro and Apache's Java give them, little-endian.
const KNOWN: [(&str, &str); 15] = [
    (r#""null""#, "8a8f25cce724dd63"),
    (r#""boolean""#, "64f7d4a478fc429f"),
    (r#""int""#, "8f5c393f1ad57572"),
    (r#""long""#, "b71df49344e154d0"),
    (r#""float""#, "90d7a83ecb027c4d"),
    (r#""double""#, "7e95ab32c035758e"),
    (r#""bytes""#, "651920c3da16c04f"),
    (r#""string""#, "c70345637248018f"),
    (r#"{"type": {"type": "int"}}"#, "8f5c393f1ad57572"),
    (r#"["int", "null"]"#, "e8b81da71ff28670"),
    (r#"{"type": "array", "items": "long"}"#, "715e2ea28bc91654"),
    (
        r#"{"type": "map", "values": {"type": "string"}}"#,
        "724586925d96ce86",
    ),
    (
        r#"{"type": "record", "name": "Test", "fields": [
            {"name": "f", "type": "long", "order": "descending", "default": 1, "doc": "x"}]}"#,
        "ed94e5f5e6eb588e",
    ),
    (
        r#"{"type": "record", "name": "Node", "namespace": "a.b", "doc": "d", "aliases": ["N"],
            "fields": [
            {"name": "label", "type": {"type": "string", "avro.java.string": "String"}},
            {"name": "children", "type": {"type": "array", "items": "Node"}}]}"#,
        "638fee531d047775",
    ),
    (
        r#"{"type": "record", "name": "R", "namespace": "n", "fields": [
            {"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["A", "B"], "default": "A"}},
            {"name": "f", "type": {"type": "fixed", "name": "m.F", "size": 16}},
            {"name": "g", "type": ["null", "E", "m.F"], "default": null},
            {"name": "d", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
            {"name": "t", "type": {"type": "long", "logicalType": "timestamp-micros"}}]}"#,
        "d557baec907ff154",
    ),
];

#[test]
fn fingerprints_are_those_of_others() {
    for (text, hex) in KNOWN {
        let value = fingerprint(text, &[]).unwrap();
        let bytes: String = value
            .to_le_bytes()
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert_eq!(bytes, hex, "{text}");
    }
}

#[test]
fn what_is_referred_to_counts_as_if_it_stood_there() {
    let whole = r#"{"type": "record", "name": "n.R", "fields": [
        {"name": "a", "type": {"type": "enum", "name": "n.E", "symbols": ["A"]}},
        {"name": "b", "type": "n.E"}]}"#;
    let parts = r#"{"type": "record", "name": "n.R", "fields": [
        {"name": "a", "type": "E"}, {"name": "b", "type": "n.E"}]}"#;
    let reference = r#"{"type": "enum", "name": "n.E", "symbols": ["A"]}"#;
    assert_eq!(
        fingerprint(parts, &[reference.into()]),
        fingerprint(whole, &[])
    );
}

#[test]
fn what_is_no_schema_has_none() {
    for text in [
        "",
        "7",
        "{}",
        r#"{"type": "record", "name": "R"}"#,
        r#"{"type": "fixed", "name": "F", "size": -1}"#,
        r#"{"type": "enum", "name": "E", "symbols": [1]}"#,
    ] {
        assert!(fingerprint(text, &[]).is_err(), "{text}");
    }
    let deep = format!(
        "{}\"int\"{}",
        r#"{"type":"array","items":"#.repeat(1000),
        "}".repeat(1000)
    );
    assert!(fingerprint(&deep, &[]).is_err());
}
