use super::faults;
use crate::schema::Schema;
use crate::schema::parse::parse;

fn schema(fields: &str) -> Schema {
    let text = format!(r#"{{"type": "record", "name": "R", "fields": [{fields}]}}"#);
    parse("r", 1, &text, false).unwrap()
}

/// The faults of reading `writer` with `reader`, both the types of one field `a`.
fn of_types(reader: &str, writer: &str) -> Vec<String> {
    let field = |ty: &str| schema(&format!(r#"{{"name": "a", "type": {ty}}}"#));
    faults(&field(reader), &field(writer))
}

/// Of these pairs (reader, writer), all are readable.
fn readable(pairs: &[(&str, &str)]) {
    for (reader, writer) in pairs {
        let found = of_types(reader, writer);
        assert!(found.is_empty(), "{writer} read as {reader}: {found:?}");
    }
}

/// Of these (reader, writer, the fault), none is readable.
fn unreadable(cases: &[(&str, &str, &str)]) {
    for (reader, writer, fault) in cases {
        let found = of_types(reader, writer);
        assert_eq!(found, [*fault], "{writer} read as {reader}");
    }
}

#[test]
fn primitive_types_and_their_promotions() {
    let types = [
        "boolean", "int", "long", "float", "double", "bytes", "string",
    ];
    let promotions = [
        ("int", "long"),
        ("int", "float"),
        ("int", "double"),
        ("long", "float"),
        ("long", "double"),
        ("float", "double"),
        ("string", "bytes"),
        ("bytes", "string"),
    ];
    for writer in types {
        for reader in types {
            let found = of_types(&format!("{reader:?}"), &format!("{writer:?}"));
            let can = reader == writer || promotions.contains(&(writer, reader));
            assert_eq!(
                found.is_empty(),
                can,
                "{writer} read as {reader}: {found:?}"
            );
        }
    }
}

#[test]
fn fields_by_name_alias_and_default() {
    let a = r#"{"name": "a", "type": "int"}"#;
    let b = r#"{"name": "b", "type": "int"}"#;
    let b_default = r#"{"name": "b", "type": "int", "default": 0}"#;
    let nullable_b = r#"{"name": "b", "type": ["null", "int"]}"#;
    let z_as_a = r#"{"name": "z", "type": "int", "aliases": ["a"]}"#;
    let z_as_a_string = r#"{"name": "z", "type": "string", "aliases": ["a"]}"#;
    let both = |one: &str, two: &str| format!("{one}, {two}");
    let (a_b, b_a) = (both(a, b), both(b, a));
    let cases = [
        (a, a, ""),
        (&a_b, &b_a, ""),
        (a, &a_b, ""),
        (&a_b, a, "b: is not written and has no default"),
        (&both(a, b_default), a, ""),
        // null is a value, not a default
        (
            &both(a, nullable_b),
            a,
            "b: is not written and has no default",
        ),
        (z_as_a, a, ""),
        (a, z_as_a, "a: is not written and has no default"),
        (z_as_a_string, a, "z: is written as int and read as string"),
        // the name goes before the alias
        (
            z_as_a,
            &both(a, r#"{"name": "z", "type": "string"}"#),
            "z: is written as string and read as int",
        ),
    ];
    for (reader, writer, fault) in cases {
        let found = faults(&schema(reader), &schema(writer)).join("; ");
        assert_eq!(found, fault, "{writer} read as {reader}");
    }
}

#[test]
fn null_and_unions() {
    readable(&[
        (r#"["null", "int"]"#, r#""int""#),
        (r#"["null", "int"]"#, r#"["int", "null"]"#),
        (r#"["null", "long"]"#, r#"["null", "int"]"#),
        (r#"["null", "double"]"#, r#""float""#),
        (r#""int""#, r#"["int"]"#),
    ]);
    let written = "a: null is written and cannot be read";
    unreadable(&[
        (r#""int""#, r#"["null", "int"]"#, written),
        (
            r#"["null", "int"]"#,
            r#"["null", "string"]"#,
            "a: is written as string and read as int",
        ),
        (
            r#"{"type": "array", "items": "int"}"#,
            r#"{"type": "array", "items": ["null", "int"]}"#,
            "a[]: null is written and cannot be read",
        ),
        (
            r#"{"type": "map", "values": "int"}"#,
            r#"{"type": "map", "values": ["null", "int"]}"#,
            "a{}: null is written and cannot be read",
        ),
    ]);
}

#[test]
fn enums_by_name_and_symbol() {
    let of = |name: &str, symbols: &str, more: &str| {
        format!(r#"{{"type": "enum", "name": "{name}", "symbols": [{symbols}]{more}}}"#)
    };
    let (x, xy, yx) = (
        of("E", r#""X""#, ""),
        of("E", r#""X", "Y""#, ""),
        of("E", r#""Y", "X""#, ""),
    );
    let with_default = of("E", r#""X""#, r#", "default": "X""#);
    let other = of("F", r#""X""#, "");
    let elsewhere = of("ns.E", r#""X""#, "");
    let alias = of("F", r#""X""#, r#", "aliases": ["E"]"#);
    readable(&[
        (&xy, &x),
        (&xy, &yx),
        (&with_default, &xy),
        (&elsewhere, &x),
        (&alias, &x),
    ]);
    unreadable(&[
        (&x, &xy, "a: the symbol Y is written and cannot be read"),
        (&other, &x, "a: the type E became F"),
        (&x, &alias, "a: the type F became E"),
        (
            r#""string""#,
            &x,
            "a: is written as enum E and read as string",
        ),
    ]);
}

#[test]
fn fixed_by_name_and_size() {
    let of = |name: &str, size: usize, more: &str| {
        format!(r#"{{"type": "fixed", "name": "{name}", "size": {size}{more}}}"#)
    };
    let (f2, f3, g2) = (of("F", 2, ""), of("F", 3, ""), of("G", 2, ""));
    let alias = of("G", 2, r#", "aliases": ["F"]"#);
    readable(&[(&f2, &f2), (&of("ns.F", 2, ""), &f2), (&alias, &f2)]);
    unreadable(&[
        (&f3, &f2, "a: is written with 2 bytes and read with 3"),
        (&g2, &f2, "a: the type F became G"),
        (
            r#""bytes""#,
            &f2,
            "a: is written as fixed(2) F and read as bytes",
        ),
    ]);
}

#[test]
fn records_arrays_and_maps_within() {
    let record = |name: &str, ty: &str| {
        format!(
            r#"{{"type": "record", "name": "{name}", "fields": [{{"name": "x", "type": {ty}}}]}}"#
        )
    };
    let (int, long, other) = (
        record("N", r#""int""#),
        record("N", r#""long""#),
        record("M", r#""int""#),
    );
    let list = |items: &str| format!(r#"{{"type": "array", "items": {items}}}"#);
    let map = |values: &str| format!(r#"{{"type": "map", "values": {values}}}"#);
    readable(&[
        (&long, &int),
        (&list(&long), &list(&int)),
        (&map(&list(r#""double""#)), &map(&list(r#""long""#))),
    ]);
    unreadable(&[
        (&int, &long, "a.x: is written as long and read as int"),
        (&other, &int, "a: the type N became M"),
        (
            &map(&list(&int)),
            &map(&list(&long)),
            "a{}[].x: is written as long and read as int",
        ),
        (
            &list(r#""int""#),
            &map(r#""int""#),
            "a: is written as map<int> and read as array<int>",
        ),
    ]);
}

#[test]
fn logical_types_are_told_apart() {
    let of = |ty: &str, logical: &str| format!(r#"{{"type": "{ty}", "logicalType": "{logical}"}}"#);
    let decimal = |more: &str| format!(r#"{{"type": "bytes", "logicalType": "decimal", {more}}}"#);
    let (date, millis, micros) = (
        of("int", "date"),
        of("long", "timestamp-millis"),
        of("long", "timestamp-micros"),
    );
    let uuid = of("string", "uuid");
    let (d10, d12, d10_3) = (
        decimal(r#""precision": 10, "scale": 2"#),
        decimal(r#""precision": 12, "scale": 2"#),
        decimal(r#""precision": 10, "scale": 3"#),
    );
    readable(&[(&date, &date), (&d10, &d10), (r#""string""#, &uuid)]);
    unreadable(&[
        (
            r#""int""#,
            &date,
            "a: is written as int (date) and read as int",
        ),
        (
            &date,
            r#""int""#,
            "a: is written as int and read as int (date)",
        ),
        (
            &micros,
            &millis,
            "a: is written as long (timestamp-millis) and read as long (timestamp-micros)",
        ),
        (
            &of("long", "local-timestamp-millis"),
            &millis,
            "a: is written as long (timestamp-millis) and read as long (local-timestamp-millis)",
        ),
        (
            &d12,
            &d10,
            "a: is written as bytes (decimal 10,2) and read as bytes (decimal 12,2)",
        ),
        (
            &d10_3,
            &d10,
            "a: is written as bytes (decimal 10,2) and read as bytes (decimal 10,3)",
        ),
        // not every text is a uuid
        (
            &uuid,
            r#""string""#,
            "a: is written as string and read as string (uuid)",
        ),
    ]);
}

#[test]
fn a_uuid_on_fixed_has_a_name_and_a_decimal_s_is_laid_aside() {
    let on_fixed = |name: &str, more: &str| {
        format!(r#"{{"type": "fixed", "name": "{name}", "size": 16, "logicalType": {more}}}"#)
    };
    let uuid = |name: &str| on_fixed(name, r#""uuid""#);
    let decimal = |name: &str| on_fixed(name, r#""decimal", "precision": 9"#);
    readable(&[
        (&uuid("U"), &uuid("U")),
        (&on_fixed("V", r#""uuid", "aliases": ["U"]"#), &uuid("U")),
        (&decimal("E"), &decimal("D")),
    ]);
    unreadable(&[(&uuid("V"), &uuid("U"), "a: the type U became V")]);
}

#[test]
fn the_root_has_a_name_too() {
    let root = |name: &str, more: &str| {
        let text = format!(
            r#"{{"type": "record", "name": "{name}", "fields": [{{"name": "a", "type": "int"}}]{more}}}"#
        );
        parse("r", 1, &text, false).unwrap()
    };
    let old = root("ns.Old", "");
    assert_eq!(faults(&root("other.Old", ""), &old), [""; 0]);
    assert_eq!(
        faults(&root("New", r#", "aliases": ["ns.Old"]"#), &old),
        [""; 0]
    );
    assert_eq!(
        faults(&root("New", ""), &old),
        ["the root: the type ns.Old became New"]
    );
}

#[test]
fn every_fault_is_told() {
    let reader = schema(
        r#"{"name": "a", "type": "int"}, {"name": "b", "type": "int"}, {"name": "c", "type": "int"}"#,
    );
    let writer =
        schema(r#"{"name": "a", "type": ["null", "string"]}, {"name": "c", "type": "long"}"#);
    assert_eq!(
        faults(&reader, &writer),
        [
            "a: null is written and cannot be read",
            "a: is written as string and read as int",
            "b: is not written and has no default",
            "c: is written as long and read as int",
        ]
    );
}
