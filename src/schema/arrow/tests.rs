//! Every type of the Avro 1.12 specification: what it becomes in Arrow and in Delta, or why it is
//! refused.

use arrow::datatypes::Schema as ArrowSchema;
use delta_kernel::engine::arrow_conversion::TryFromArrow;
use delta_kernel::schema::StructType;

use super::{UNIT_KEY, arrow_fields};
use crate::schema::names;
use crate::schema::parse::parse;

/// The schema's text with one field `a` of this type.
fn with(ty: &str) -> String {
    format!(r#"{{"type": "record", "name": "R", "fields": [{{"name": "a", "type": {ty}}}]}}"#)
}

/// Avro, then its name, Arrow's and Delta's, and the unit in the field's metadata.
const LANDS: &[(&str, &str, &str, &str, &str)] = &[
    // primitive
    (r#""boolean""#, "boolean", "Boolean", "boolean", ""),
    (r#""int""#, "int", "Int32", "integer", ""),
    (r#""long""#, "long", "Int64", "long", ""),
    (r#""float""#, "float", "Float32", "float", ""),
    (r#""double""#, "double", "Float64", "double", ""),
    (r#""bytes""#, "bytes", "Binary", "binary", ""),
    (r#""string""#, "string", "Utf8", "string", ""),
    (r#"{"type": "int"}"#, "int", "Int32", "integer", ""),
    // complex
    (
        r#"{"type": "record", "name": "ns.N", "fields": [{"name": "x", "type": "int"}, {"name": "y", "type": ["null", "string"]}]}"#,
        "record ns.N",
        r#"Struct("x": non-null Int32, "y": Utf8)"#,
        "struct<x: integer not null, y: string>",
        "",
    ),
    (
        r#"{"type": "enum", "name": "E", "symbols": ["A", "B"]}"#,
        "enum E",
        "Utf8",
        "string",
        "",
    ),
    (
        r#"{"type": "array", "items": "long"}"#,
        "array<long>",
        "List(non-null Int64, field: 'element')",
        "array<long not null>",
        "",
    ),
    (
        r#"{"type": "array", "items": {"type": "array", "items": ["null", "int"]}}"#,
        "array<array<int or null>>",
        "List(non-null List(Int32, field: 'element'), field: 'element')",
        "array<array<integer> not null>",
        "",
    ),
    (
        r#"{"type": "map", "values": ["double", "null"]}"#,
        "map<double or null>",
        r#"Map("key_value": non-null Struct("key": non-null Utf8, "value": Float64), unsorted)"#,
        "map<string, double>",
        "",
    ),
    (r#"["null", "int"]"#, "int or null", "Int32", "integer", ""),
    (r#"["int", "null"]"#, "int or null", "Int32", "integer", ""),
    (r#"["int"]"#, "int", "Int32", "integer", ""),
    (
        r#"{"type": "fixed", "name": "F", "size": 3}"#,
        "fixed(3) F",
        "Binary",
        "binary",
        "",
    ),
    // logical
    (
        r#"{"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 38}"#,
        "bytes (decimal 38,38)",
        "Decimal128(38, 38)",
        "decimal(38,38)",
        "",
    ),
    (
        r#"{"type": "bytes", "logicalType": "decimal", "precision": 1}"#,
        "bytes (decimal 1,0)",
        "Decimal128(1, 0)",
        "decimal(1,0)",
        "",
    ),
    (
        r#"{"type": "fixed", "name": "F", "size": 8, "logicalType": "decimal", "precision": 18, "scale": 4}"#,
        "fixed(8) (decimal 18,4)",
        "Decimal128(18, 4)",
        "decimal(18,4)",
        "",
    ),
    (
        r#"{"type": "string", "logicalType": "uuid"}"#,
        "string (uuid)",
        "Utf8",
        "string",
        "",
    ),
    (
        r#"{"type": "fixed", "name": "F", "size": 16, "logicalType": "uuid"}"#,
        "fixed(16) (uuid)",
        "Utf8",
        "string",
        "",
    ),
    (
        r#"{"type": "int", "logicalType": "date"}"#,
        "int (date)",
        "Date32",
        "date",
        "",
    ),
    (
        r#"{"type": "int", "logicalType": "time-millis"}"#,
        "int (time-millis)",
        "Int64",
        "long",
        "time-millis",
    ),
    (
        r#"{"type": "long", "logicalType": "time-micros"}"#,
        "long (time-micros)",
        "Int64",
        "long",
        "time-micros",
    ),
    (
        r#"{"type": "long", "logicalType": "timestamp-millis"}"#,
        "long (timestamp-millis)",
        r#"Timestamp(µs, "UTC")"#,
        "timestamp",
        "",
    ),
    (
        r#"{"type": "long", "logicalType": "timestamp-micros"}"#,
        "long (timestamp-micros)",
        r#"Timestamp(µs, "UTC")"#,
        "timestamp",
        "",
    ),
    (
        r#"{"type": "long", "logicalType": "local-timestamp-millis"}"#,
        "long (local-timestamp-millis)",
        "Timestamp(µs)",
        "timestamp_ntz",
        "",
    ),
    (
        r#"{"type": "long", "logicalType": "local-timestamp-micros"}"#,
        "long (local-timestamp-micros)",
        "Timestamp(µs)",
        "timestamp_ntz",
        "",
    ),
    // A logical type that is unknown, or is on a type that it does not belong to, is no logical
    // type (specification, "Logical Types"): what is below it lands.
    (
        r#"{"type": "string", "logicalType": "colour"}"#,
        "string",
        "Utf8",
        "string",
        "",
    ),
    (
        r#"{"type": "int", "logicalType": "timestamp-millis"}"#,
        "int",
        "Int32",
        "integer",
        "",
    ),
    (
        r#"{"type": "bytes", "logicalType": "decimal", "precision": 2, "scale": 3}"#,
        "bytes",
        "Binary",
        "binary",
        "",
    ),
    (
        r#"{"type": "fixed", "name": "F", "size": 11, "logicalType": "duration"}"#,
        "fixed(11) F",
        "Binary",
        "binary",
        "",
    ),
];

/// With `nanos = "long"` only.
const LANDS_AS_LONG: &[(&str, &str)] = &[
    (
        r#"{"type": "long", "logicalType": "timestamp-nanos"}"#,
        "timestamp-nanos",
    ),
    (
        r#"{"type": "long", "logicalType": "local-timestamp-nanos"}"#,
        "local-timestamp-nanos",
    ),
];

#[test]
fn every_type_lands_as_the_table_says() {
    for (avro, name, arrow, delta, unit) in LANDS {
        let schema = parse("r", 1, &with(avro), false).unwrap_or_else(|e| panic!("{avro}: {e:?}"));
        let field = &schema.root.fields[0];
        let column = &arrow_fields(&schema.root)[0];
        assert_eq!(names::avro(&field.value), *name, "{avro}");
        assert_eq!(column.data_type().to_string(), *arrow, "{avro}");
        assert_eq!(names::delta(column.data_type()), *delta, "{avro}");
        assert_eq!(column.is_nullable(), name.ends_with(" or null"), "{avro}");
        let told = column.metadata().get(UNIT_KEY).map_or("", String::as_str);
        assert_eq!(told, *unit, "{avro}");
    }
    for (avro, unit) in LANDS_AS_LONG {
        let schema = parse("r", 1, &with(avro), true).unwrap();
        let column = &arrow_fields(&schema.root)[0];
        assert_eq!(names::delta(column.data_type()), "long");
        assert_eq!(column.metadata()[UNIT_KEY], *unit);
    }
}

/// Avro's and Delta's names of a type, as `docs/schemas.md` pairs them.
#[test]
fn the_documented_types_are_those_that_land() {
    let page = include_str!("../../../docs/schemas.md");
    let section = page
        .split("\n## ")
        .find(|s| s.starts_with("What a type"))
        .unwrap();
    let documented: Vec<(&str, &str)> = section
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split(" | ");
            let avro = cells.next()?.strip_suffix('`')?;
            Some((avro, cells.next()?.trim_matches('`')))
        })
        .collect();
    let examples = [
        r#""boolean""#,
        r#""int""#,
        r#""long""#,
        r#""float""#,
        r#""double""#,
        r#""bytes""#,
        r#""string""#,
        r#"{"type": "record", "name": "N", "fields": [{"name": "x", "type": "int"}]}"#,
        r#"{"type": "enum", "name": "E", "symbols": ["A"]}"#,
        r#"{"type": "array", "items": "int"}"#,
        r#"{"type": "map", "values": ["null", "int"]}"#,
        r#"{"type": "fixed", "name": "F", "size": 3}"#,
        r#"{"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}"#,
        r#"{"type": "fixed", "name": "F", "size": 8, "logicalType": "decimal", "precision": 18, "scale": 4}"#,
        r#"{"type": "string", "logicalType": "uuid"}"#,
        r#"{"type": "fixed", "name": "F", "size": 16, "logicalType": "uuid"}"#,
        r#"{"type": "int", "logicalType": "date"}"#,
        r#"{"type": "int", "logicalType": "time-millis"}"#,
        r#"{"type": "long", "logicalType": "time-micros"}"#,
        r#"{"type": "long", "logicalType": "timestamp-millis"}"#,
        r#"{"type": "long", "logicalType": "timestamp-micros"}"#,
        r#"{"type": "long", "logicalType": "local-timestamp-millis"}"#,
        r#"{"type": "long", "logicalType": "local-timestamp-micros"}"#,
        r#"{"type": "long", "logicalType": "timestamp-nanos"}"#,
        r#"{"type": "long", "logicalType": "local-timestamp-nanos"}"#,
    ];
    let lands: Vec<(String, String)> = examples
        .iter()
        .map(|ty| {
            let schema = parse("r", 1, &with(ty), true).unwrap();
            let column = &arrow_fields(&schema.root)[0];
            let avro = names::avro(&schema.root.fields[0].value);
            (avro, names::delta(column.data_type()))
        })
        .collect();
    let lands: Vec<(&str, &str)> = lands
        .iter()
        .map(|(a, d)| (a.as_str(), d.as_str()))
        .collect();
    assert_eq!(documented, lands);
}

/// The names are those that the Delta library itself gives to the same columns.
#[test]
fn delta_names_are_those_of_the_protocol() {
    for (avro, ..) in LANDS {
        let schema = parse("r", 1, &with(avro), false).unwrap();
        let columns = ArrowSchema::new(arrow_fields(&schema.root));
        let delta = StructType::try_from_arrow(&columns).unwrap();
        let told = serde_json::to_value(&delta).unwrap();
        let ty = &told["fields"][0]["type"];
        assert_eq!(
            protocol_name(ty),
            names::delta(columns.field(0).data_type())
        );
    }
}

/// A type of Delta's `schemaString` in the words of [`names::delta`].
fn protocol_name(ty: &serde_json::Value) -> String {
    let or_null = |ty: &serde_json::Value, nullable: &serde_json::Value| {
        let name = protocol_name(ty);
        match nullable.as_bool().unwrap() {
            true => name,
            false => format!("{name} not null"),
        }
    };
    if let Some(name) = ty.as_str() {
        return name.to_owned();
    }
    match ty["type"].as_str().unwrap() {
        "array" => format!(
            "array<{}>",
            or_null(&ty["elementType"], &ty["containsNull"])
        ),
        "map" => format!(
            "map<{}, {}>",
            protocol_name(&ty["keyType"]),
            or_null(&ty["valueType"], &ty["valueContainsNull"])
        ),
        "struct" => {
            let members: Vec<String> = ty["fields"]
                .as_array()
                .unwrap()
                .iter()
                .map(|f| {
                    let name = f["name"].as_str().unwrap();
                    format!("{name}: {}", or_null(&f["type"], &f["nullable"]))
                })
                .collect();
            format!("struct<{}>", members.join(", "))
        }
        other => panic!("{other}"),
    }
}

#[test]
fn every_other_type_is_refused_by_its_path() {
    let nanos = r#"{"type": "long", "logicalType": "timestamp-nanos"}"#;
    let nested = |inner: &str| {
        format!(
            r#"{{"type": "record", "name": "N", "fields": [{{"name": "b", "type": {{"type": "map", "values": {{"type": "array", "items": {inner}}}}}}}]}}"#
        )
    };
    let deep = nested(r#"{"type": "fixed", "name": "D", "size": 12, "logicalType": "duration"}"#);
    let cases = [
        (r#""null""#, "a: null alone holds nothing"),
        (r#"["null"]"#, "a: null alone holds nothing"),
        (r#"["int", "string"]"#, "a: a union of several types"),
        (
            r#"["null", "int", "string"]"#,
            "a: a union of several types",
        ),
        (
            r#"{"type": "array", "items": ["int", "string"]}"#,
            "a[]: a union of several types",
        ),
        (
            r#"{"type": "bytes", "logicalType": "big-decimal"}"#,
            "a: big-decimal has no fixed scale",
        ),
        (
            r#"{"type": "bytes", "logicalType": "decimal", "precision": 39}"#,
            "a: a decimal must have 1 to 38 digits",
        ),
        (
            r#"{"type": "bytes", "logicalType": "uuid"}"#,
            "a: uuid must be on string or fixed(16)",
        ),
        (
            r#"{"type": "fixed", "name": "D", "size": 12, "logicalType": "duration"}"#,
            "a: duration has no column",
        ),
        (&deep, "a.b{}[]: duration has no column"),
        (nanos, "a: nanoseconds have no column"),
        (
            r#"{"type": "long", "logicalType": "local-timestamp-nanos"}"#,
            "a: nanoseconds have no column",
        ),
        (r#"["null", "R"]"#, "a: R holds itself"),
        (r#"{"type": "array", "items": "R"}"#, "a[]: R holds itself"),
        (
            r#"{"type": "record", "name": "N", "fields": [{"name": "n", "type": ["null", "N"]}]}"#,
            "a.n: N holds itself",
        ),
        (
            r#"{"type": "record", "name": "N", "fields": []}"#,
            "a: a record must have a field",
        ),
        // no Avro at all
        (
            r#"{"type": "enum", "name": "E", "symbols": ["A", "A"]}"#,
            "a: the symbol A stands twice",
        ),
        (
            r#"{"type": "fixed", "name": "F"}"#,
            "a: \"size\" is missing",
        ),
        (r#""Unknown""#, "a: the type \"Unknown\" is not known"),
        (r#"["int", "int"]"#, "a: a union holds \"int\" twice"),
    ];
    for (ty, start) in cases {
        let faults = parse("r", 1, &with(ty), false).expect_err(ty);
        assert_eq!(faults.len(), 1, "{ty}: {faults:?}");
        assert!(faults[0].starts_with(start), "{ty}: {faults:?}");
    }
    for text in [
        r#""string""#,
        r#"{"type": "array", "items": "int"}"#,
        r#"["null", "int"]"#,
    ] {
        let faults = parse("r", 1, text, false).expect_err(text);
        assert_eq!(faults, ["must be a record at its top"]);
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let text = r#"{"type": "record", "name": "R", "fields": [
        {"name": "a", "type": ["int", "string"]},
        {"name": "b", "type": {"type": "int", "logicalType": "date"}, "default": 99999999},
        {"name": "c", "type": {"type": "bytes", "logicalType": "big-decimal"}},
        {"name": "A", "type": "int"}]}"#;
    let faults = parse("r", 1, text, false).unwrap_err();
    let paths: Vec<&str> = faults
        .iter()
        .map(|f| f.split(':').next().unwrap())
        .collect();
    assert_eq!(paths, ["a", "b", "c", "A"], "{faults:?}");
}

#[test]
fn a_named_type_may_stand_twice() {
    let text = r#"{"type": "record", "name": "R", "fields": [
        {"name": "a", "type": {"type": "fixed", "name": "F", "size": 2}},
        {"name": "b", "type": ["null", "F"]}]}"#;
    let schema = parse("r", 1, text, false).unwrap();
    let columns = arrow_fields(&schema.root);
    assert_eq!(columns[0].data_type(), columns[1].data_type());
    assert!(columns[1].is_nullable());
}

#[test]
fn a_hostile_text_is_refused() {
    // the reader of the text gives up before the stack does
    let deep = format!(
        r#"{}"int"{}"#,
        r#"{"type": "array", "items": "#.repeat(1000),
        "}".repeat(1000)
    );
    assert!(parse("r", 1, &with(&deep), false).is_err());
    let huge = r#"{"type": "fixed", "name": "F", "size": 9223372036854775807}"#;
    assert_eq!(
        parse("r", 1, &with(huge), false),
        Err(vec!["a: a fixed has more than 16 MiB".to_owned()])
    );
    let twice = r#"{"type": "record", "name": "N", "fields": [
        {"name": "x", "type": {"type": "fixed", "name": "F", "size": 1}},
        {"name": "y", "type": {"type": "fixed", "name": "F", "size": 2}}]}"#;
    assert_eq!(
        parse("r", 1, &with(twice), false),
        Err(vec!["a.y: the type F is defined twice".to_owned()])
    );
    let itself = r#"{"type": "record", "name": "R", "fields": [{"name": "x", "type": "int"}]}"#;
    assert_eq!(
        parse("r", 1, &with(itself), false),
        Err(vec!["a: the type R is defined twice".to_owned()])
    );
}
