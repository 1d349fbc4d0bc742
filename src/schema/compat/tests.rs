use super::faults;
use crate::schema::Schema;
use crate::schema::parse::parse;

fn schema(fields: &str) -> Schema {
    let text = format!(r#"{{"type": "record", "name": "R", "fields": [{fields}]}}"#);
    parse("r", 1, &text, false).unwrap()
}

#[test]
fn each_rule_on_both_sides_of_its_line() {
    let int = r#"{"name": "a", "type": "int"}"#;
    let long = r#"{"name": "a", "type": "long"}"#;
    let null = r#"{"name": "a", "type": ["null", "int"]}"#;
    let with_default =
        r#"{"name": "a", "type": "int"}, {"name": "b", "type": "int", "default": 0}"#;
    let without = r#"{"name": "a", "type": "int"}, {"name": "b", "type": "int"}"#;
    let alias = r#"{"name": "z", "type": "int", "aliases": ["a"]}"#;
    let few = r#"{"name": "a", "type": {"type": "enum", "name": "E", "symbols": ["X"]}}"#;
    let many = r#"{"name": "a", "type": {"type": "enum", "name": "E", "symbols": ["X", "Y"]}}"#;
    let cases = [
        (int, int, true),
        (long, int, true),
        (int, long, false),
        (null, int, true),
        (int, null, false),
        (with_default, int, true),
        (without, int, false),
        (int, without, true),
        (alias, int, true),
        (int, alias, false),
        (many, few, true),
        (few, many, false),
    ];
    for (reader, writer, readable) in cases {
        let found = faults(&schema(reader), &schema(writer));
        assert_eq!(
            found.is_empty(),
            readable,
            "{writer} read as {reader}: {found:?}"
        );
    }
}
