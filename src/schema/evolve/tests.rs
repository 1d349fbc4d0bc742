use arrow::datatypes::Fields;

use super::refusals;
use crate::schema::arrow::arrow_fields;
use crate::schema::parse::parse;

fn columns(fields: &str) -> Fields {
    let text = format!(r#"{{"type": "record", "name": "R", "fields": [{fields}]}}"#);
    arrow_fields(&parse("r", 1, &text, true).unwrap().root).into()
}

/// The columns of one field of this type.
fn column(ty: &str) -> Fields {
    columns(&format!(r#"{{"name": "a", "type": {ty}}}"#))
}

#[test]
fn columns_are_added_and_relaxed() {
    let one = columns(r#"{"name": "a", "type": "int"}"#);
    let nullable = columns(r#"{"name": "a", "type": ["null", "int"]}"#);
    let two =
        columns(r#"{"name": "b", "type": "string", "default": ""}, {"name": "a", "type": "int"}"#);
    for (have, want) in [
        (&one, &one),
        (&one, &nullable),
        (&nullable, &one),
        (&one, &two),
    ] {
        assert_eq!(refusals(have, want), [""; 0], "{have:?} to {want:?}");
    }
}

#[test]
fn a_required_column_is_not_left_out() {
    let wide =
        columns(r#"{"name": "a", "type": "int"}, {"name": "b", "type": "string", "default": ""}"#);
    let a = column(r#""int""#);
    let expected = "b: is required there and would not be written any more; let it be null in one version before a later one leaves it out";
    assert_eq!(refusals(&wide, &a), [expected]);
    let relaxed =
        columns(r#"{"name": "a", "type": "int"}, {"name": "b", "type": ["null", "string"]}"#);
    assert_eq!(refusals(&wide, &relaxed), [""; 0]);
    assert_eq!(refusals(&relaxed, &a), [""; 0]);
}

#[test]
fn what_lands_the_same_may_change_its_name_in_avro() {
    let pairs = [
        (
            r#""string""#,
            r#"{"type": "string", "logicalType": "uuid"}"#,
        ),
        (r#""bytes""#, r#"{"type": "fixed", "name": "F", "size": 2}"#),
        (
            r#"{"type": "long", "logicalType": "timestamp-millis"}"#,
            r#"{"type": "long", "logicalType": "timestamp-micros"}"#,
        ),
    ];
    for (have, want) in pairs {
        assert_eq!(refusals(&column(have), &column(want)), [""; 0]);
    }
}

#[test]
fn type_changes_are_refused_at_any_depth() {
    let decimal = |precision: u8| {
        format!(
            r#"{{"type": "bytes", "logicalType": "decimal", "precision": {precision}, "scale": 2}}"#
        )
    };
    let record =
        |members: &str| format!(r#"{{"type": "record", "name": "N", "fields": [{members}]}}"#);
    let x = r#"{"name": "x", "type": "int"}"#;
    let (ten, twelve) = (decimal(10), decimal(12));
    let (plain, renamed) = (record(x), record(r#"{"name": "y", "type": "int"}"#));
    let more = record(&format!(r#"{x}, {{"name": "y", "type": ["null", "int"]}}"#));
    let list = |items: &str| format!(r#"{{"type": "array", "items": {items}}}"#);
    let map = |values: &str| format!(r#"{{"type": "map", "values": {values}}}"#);
    let cases = [
        (r#""int""#, r#""long""#, "integer", "long"),
        (r#""float""#, r#""double""#, "float", "double"),
        (r#""string""#, r#""bytes""#, "string", "binary"),
        (&ten, &twelve, "decimal(10,2)", "decimal(12,2)"),
        (
            r#"{"type": "long", "logicalType": "timestamp-millis"}"#,
            r#"{"type": "long", "logicalType": "local-timestamp-millis"}"#,
            "timestamp",
            "timestamp_ntz",
        ),
        (
            &plain,
            &renamed,
            "struct<x: integer not null>",
            "struct<y: integer not null>",
        ),
        (
            &plain,
            &more,
            "struct<x: integer not null>",
            "struct<x: integer not null, y: integer>",
        ),
        (
            &list(r#""int""#),
            &list(r#"["null", "int"]"#),
            "array<integer not null>",
            "array<integer>",
        ),
        (
            &map(r#""int""#),
            &map(r#""long""#),
            "map<string, integer not null>",
            "map<string, long not null>",
        ),
    ];
    for (have, want, was, becomes) in cases {
        let found = refusals(&column(have), &column(want));
        let expected = format!(
            "a: is {was} there and would become {becomes}; type changes, widenings too, are refused for now"
        );
        assert_eq!(found, [expected]);
    }
}

#[test]
fn a_column_is_not_told_from_another_by_case() {
    let found = refusals(
        &columns(r#"{"name": "Amount", "type": "int"}"#),
        &columns(r#"{"name": "amount", "type": "int"}"#),
    );
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("amount: differs only in case from the column Amount"));
}
