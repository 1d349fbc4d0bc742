//! Each rule of resolution and of bytes, on both sides of its line.

use super::*;

/// The verdict on one field `a`, without its braces and path.
fn judge(writer: &str, reader: &str, datum: &[u8]) -> String {
    let verdict = Pair::new(&one(writer), &one(reader)).judge(datum);
    let value = verdict
        .strip_prefix(r#"{"a":"#)
        .and_then(|v| v.strip_suffix('}'));
    value.unwrap_or(verdict.trim_end_matches("@a")).to_owned()
}

fn same(ty: &str, datum: &[u8]) -> String {
    judge(ty, ty, datum)
}

#[test]
fn primitive_values() {
    let cases: &[(&str, &[u8], &str)] = &[
        ("boolean", &[1], "true"),
        ("boolean", &[0], "false"),
        ("boolean", &[7], "invalid_avro"),
        ("boolean", &[], "invalid_avro"),
        ("int", &[1], "-1"),
        ("int", &[0xff, 0xff, 0xff, 0xff, 0x0f], "-2147483648"),
        ("int", &[0xfe, 0xff, 0xff, 0xff, 0x0f], "2147483647"),
        ("int", &[0x80, 0x80, 0x80, 0x80, 0x10], "invalid_avro"),
        ("int", &[0x80, 0x80, 0x80, 0x80, 0x80, 0x00], "invalid_avro"),
        ("int", &[0x80, 0x80, 0x80, 0x80, 0x00], "0"),
        (
            "long",
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
            "-9223372036854775808",
        ),
        (
            "long",
            &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
            "9223372036854775807",
        ),
        (
            "long",
            &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 3],
            "invalid_avro",
        ),
        (
            "long",
            &[
                0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0,
            ],
            "invalid_avro",
        ),
        ("long", &[0x80; 20], "invalid_avro"),
        ("long", &[2, 0], "trailing_bytes"),
        ("float", &[0, 0, 0xc0, 0x3f], "1.5"),
        ("float", &[0, 0, 0xc0], "invalid_avro"),
        ("double", &[0, 0, 0, 0, 0, 0, 0xf8, 0x3f], "1.5"),
        ("string", b"\x04\xc3\xa4", "\"ä\""),
        ("string", b"\x04\xc3\x28", "invalid_utf8"),
        ("string", b"\x04\xed\xa0", "invalid_utf8"),
        ("string", b"\x06a", "invalid_avro"),
        ("string", b"\x01", "invalid_avro"),
        ("bytes", b"\x04\xc3\x28", "\"c328\""),
    ];
    for (ty, datum, want) in cases {
        let ty = format!("\"{ty}\"");
        assert_eq!(same(&ty, datum), *want, "{ty}: {datum:02x?}");
    }
}

#[test]
fn lengths_beyond_the_datum() {
    let ends = ["invalid_avro"; 3];
    for length in [i64::MAX, 400 << 20, i64::from(i32::MAX)] {
        let datum = [long(length), vec![1, 2, 3]].concat();
        let list = r#"{"type":"array","items":"int"}"#;
        let map = r#"{"type":"map","values":"int"}"#;
        let found = [
            same(r#""bytes""#, &datum),
            same(list, &datum),
            same(map, &datum),
        ];
        assert_eq!(found, ends, "{length}");
    }
    assert_eq!(same(r#""string""#, &long(i64::MIN)), "invalid_avro");
}

#[test]
fn logical_values() {
    let of = |ty: &str, logical: &str| format!(r#"{{"type":"{ty}","logicalType":"{logical}"}}"#);
    let decimal = r#"{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}"#;
    let fixed =
        r#"{"type":"fixed","name":"D","size":3,"logicalType":"decimal","precision":4,"scale":2}"#;
    let uuid = "123e4567-e89b-12d3-a456-42661417400Z";
    let cases = [
        (of("int", "date"), long(-719_162), "\"0001-01-01\""),
        (of("int", "date"), long(-719_163), "out_of_range"),
        (of("int", "date"), long(2_932_896), "\"9999-12-31\""),
        (of("int", "date"), long(2_932_897), "out_of_range"),
        (of("int", "time-millis"), long(86_399_999), "86399999"),
        (of("int", "time-millis"), long(86_400_000), "out_of_range"),
        (of("long", "time-micros"), long(-1), "out_of_range"),
        (
            of("long", "timestamp-millis"),
            long(1),
            "\"1970-01-01T00:00:00.001Z\"",
        ),
        (
            of("long", "timestamp-millis"),
            long(253_402_300_800_000),
            "out_of_range",
        ),
        (
            of("long", "timestamp-micros"),
            long(-62_135_596_800_000_001),
            "out_of_range",
        ),
        (
            of("long", "local-timestamp-micros"),
            long(1),
            "\"1970-01-01T00:00:00.000001\"",
        ),
        (of("long", "timestamp-nanos"), long(7), "7"),
        (
            of("string", "uuid"),
            text(&uuid.replace('Z', "F")),
            "\"123e4567-e89b-12d3-a456-42661417400F\"",
        ),
        (of("string", "uuid"), text(uuid), "invalid_format"),
        (decimal.to_owned(), vec![4, 0x27, 0x0f], "99.99"),
        (decimal.to_owned(), vec![4, 0x27, 0x10], "out_of_range"),
        (decimal.to_owned(), vec![4, 0xd8, 0xf1], "-99.99"),
        (
            decimal.to_owned(),
            vec![8, 0xff, 0xff, 0xd8, 0xf0],
            "out_of_range",
        ),
        (
            decimal.to_owned(),
            [long(20), vec![0; 19], vec![1]].concat(),
            "0.01",
        ),
        (
            decimal.to_owned(),
            [long(20), vec![1; 20]].concat(),
            "out_of_range",
        ),
        (decimal.to_owned(), vec![0], "invalid_format"),
        (fixed.to_owned(), vec![0xff, 0xff, 0xff], "-0.01"),
        (fixed.to_owned(), vec![0x7f, 0xff, 0xff], "out_of_range"),
        (
            r#"{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}"#.to_owned(),
            vec![0xab; 16],
            "\"abababab-abab-abab-abab-abababababab\"",
        ),
        (
            r#"{"type":"fixed","name":"F","size":2}"#.to_owned(),
            vec![1, 2],
            "\"0102\"",
        ),
    ];
    for (ty, datum, want) in cases {
        assert_eq!(same(&ty, &datum), want, "{ty}: {datum:02x?}");
    }
}

#[test]
fn promotions_are_exact_or_rejected() {
    let big = (1_i64 << 53) + 1;
    let cases = [
        ("int", "long", long(-7), "-7"),
        ("int", "double", long(i64::from(i32::MIN)), "-2147483648.0"),
        ("int", "float", long(1 << 24), "16777216.0"),
        ("int", "float", long((1 << 24) + 1), "inexact"),
        ("int", "long", long(1 << 31), "invalid_avro"),
        ("long", "double", long(1 << 53), "9007199254740992.0"),
        ("long", "double", long(big), "inexact"),
        ("long", "double", long(i64::MAX), "inexact"),
        ("long", "double", long(i64::MIN), "-9223372036854775808.0"),
        ("long", "float", long(1 << 24), "16777216.0"),
        ("long", "float", long(3 + (1 << 40)), "inexact"),
        ("float", "double", vec![0, 0, 0xc0, 0x3f], "1.5"),
        ("string", "bytes", text("ä"), "\"c3a4\""),
        ("bytes", "string", text("ä"), "\"ä\""),
        ("bytes", "string", vec![2, 0xff], "invalid_utf8"),
        ("string", "bytes", vec![2, 0xff], "invalid_utf8"),
    ];
    for (writer, reader, datum, want) in cases {
        let quoted = |ty: &str| format!("\"{ty}\"");
        let found = judge(&quoted(writer), &quoted(reader), &datum);
        let plain = |text: &str| {
            text.parse::<f64>()
                .map_or(text.to_owned(), |n| format!("{n:?}"))
        };
        let want = if writer == "int" && reader == "long" {
            want.to_owned()
        } else {
            plain(want)
        };
        let found = if found.contains('e') || found.contains('.') {
            plain(&found)
        } else {
            found
        };
        assert_eq!(found, want, "{writer} read as {reader}: {datum:02x?}");
    }
}

#[test]
fn branches_are_judged_where_they_occur() {
    let null_or = r#"["null","int"]"#;
    let cases: &[(&str, &str, &[u8], &str)] = &[
        (null_or, null_or, &[0], "null"),
        (null_or, null_or, &[2, 2], "1"),
        (null_or, null_or, &[4, 2], "invalid_avro"),
        (null_or, null_or, &[1, 2], "invalid_avro"),
        (r#"["int","null"]"#, null_or, &[2], "null"),
        (r#""int""#, null_or, &[2], "1"),
        (r#""null""#, null_or, &[], "null"),
        (null_or, r#""long""#, &[2, 2], "1"),
        (null_or, r#""long""#, &[0], "null_value"),
        (r#"["int"]"#, r#""int""#, &[0, 2], "1"),
        (r#"["string","int"]"#, r#""long""#, &[2, 2], "1"),
        (r#"["string","int"]"#, r#""long""#, &[0, 0], "wrong_type"),
        // the datum's own flaw goes before what the reader cannot hold
        (
            r#"["string","int"]"#,
            r#""long""#,
            &[0, 4, 0xff, 0xff],
            "invalid_utf8",
        ),
        (
            r#"["string","int"]"#,
            r#""long""#,
            &[0, 0, 0],
            "trailing_bytes",
        ),
        (r#"["string","int"]"#, r#""long""#, &[0, 2], "invalid_avro"),
    ];
    for (writer, reader, datum, want) in cases {
        assert_eq!(
            judge(writer, reader, datum),
            *want,
            "{writer} as {reader}: {datum:02x?}"
        );
    }
}

#[test]
fn symbols_by_name_and_default() {
    let of = |symbols: &str, more: &str| {
        format!(r#"{{"type":"enum","name":"E","symbols":[{symbols}]{more}}}"#)
    };
    let (xyz, zy) = (of(r#""X","Y","Z""#, ""), of(r#""Z","Y""#, ""));
    let default = of(r#""Z","Y""#, r#","default":"Z""#);
    assert_eq!(judge(&xyz, &zy, &[2]), "\"Y\"");
    assert_eq!(judge(&xyz, &zy, &[4]), "\"Z\"");
    assert_eq!(judge(&xyz, &zy, &[0]), "unknown_symbol");
    assert_eq!(judge(&xyz, &default, &[0]), "\"Z\"");
    // a default is for symbols that are written, not for an index of none
    assert_eq!(judge(&xyz, &default, &[6]), "invalid_avro");
    assert_eq!(judge(&xyz, &default, &[1]), "invalid_avro");
}

#[test]
fn fields_by_name_alias_order_and_default() {
    let writer = record(
        r#"{"name":"c","type":"int"},{"name":"old","type":"string"},{"name":"a","type":"int"}"#,
    );
    let reader = record(
        r#"{"name":"a","type":"long"},{"name":"new","type":"string","aliases":["older","old"]},
        {"name":"c","type":["null","int"]},{"name":"d","type":"int","default":7},
        {"name":"e","type":["null","int"],"default":null},
        {"name":"f","type":{"type":"fixed","name":"U","size":16,"logicalType":"uuid"},"default":"0123456789abcdef"},
        {"name":"g","type":{"type":"bytes","logicalType":"decimal","precision":4,"scale":2},"default":"\u00ff"}"#,
    );
    let datum = [long(1), text("x"), long(3)].concat();
    assert_eq!(
        Pair::new(&writer, &reader).judge(&datum),
        r#"{"a":3,"new":"x","c":1,"d":7,"e":null,"f":"30313233-3435-3637-3839-616263646566","g":-0.01}"#
    );
}

#[test]
fn one_written_field_is_read_once() {
    let reader = record(
        r#"{"name":"a","type":"int"},{"name":"z","type":"int","aliases":["a"],"default":0}"#,
    );
    assert_eq!(
        Pair::new(&one(r#""int""#), &reader).judge(&[2]),
        r#"{"a":1,"z":0}"#
    );
}

#[test]
fn a_uuid_on_fixed_is_read_by_an_alias_of_its_name() {
    let uuid =
        |name: &str| format!(r#"{{"type":"fixed","size":16,"logicalType":"uuid","name":{name}}}"#);
    assert_eq!(
        judge(
            &uuid(r#""U""#),
            &uuid(r#""V","aliases":["U"]"#),
            &[0xab; 16]
        ),
        "\"abababab-abab-abab-abab-abababababab\""
    );
}

#[test]
fn unknown_fields_by_policy() {
    let me = r#"{"name":"me","type":["null","R"]}"#;
    let x = r#"{"name":"x","type":{"type":"array","items":["null","long","string"]}}"#;
    let writer = record(&format!(r#"{me},{x},{{"name":"a","type":"int"}}"#));
    let reader = one(r#""int""#);
    // a block of two items that says that it has so many bytes
    let block = |bytes: i64| {
        [
            long(-2),
            long(bytes),
            long(1),
            long(5),
            long(2),
            text("é"),
            long(0),
        ]
        .concat()
    };
    let datum = |bytes: i64| {
        let leaf = [long(0), long(0), long(9)].concat();
        [long(1), leaf, block(bytes), long(6)].concat()
    };
    let mut reject = Pair::new(&writer, &reader);
    let mut ignore = Pair::with(&writer, &reader, UnknownFields::Ignore);
    assert_eq!(reject.judge(&datum(6)), "unknown_field@me");
    assert_eq!(ignore.judge(&datum(6)), r#"{"a":6}"#);
    for bytes in [5, 7, 300, -1] {
        assert_eq!(reject.judge(&datum(bytes)), "invalid_avro@x");
        assert_eq!(ignore.judge(&datum(bytes)), "invalid_avro@x");
    }
    let mut bad = datum(6);
    let at = bad.iter().position(|b| *b == 0xc3).unwrap();
    bad[at] = 0xff;
    assert_eq!(reject.judge(&bad), "invalid_utf8@x[1]");
    assert_eq!(ignore.judge(&bad), "invalid_utf8@x[1]");
}

#[test]
fn paths_of_nested_fields() {
    let inner = |ty: &str| {
        one(&format!(
            r#"{{"type":"map","values":{{"type":"array","items":{{"type":"record","name":"I","fields":[{{"name":"x","type":{ty}}}]}}}}}}"#
        ))
    };
    let mut pair = Pair::new(&inner(r#"["null","string"]"#), &inner(r#""string""#));
    let datum = [
        long(2),
        text("k"),
        long(0),
        text("a b"),
        long(2),
        long(1),
        text("v"),
        long(0),
        long(0),
        long(0),
    ]
    .concat();
    assert_eq!(pair.judge(&datum), r#"null_value@a["a b"][1].x"#);
    let good = [
        long(1),
        text("k"),
        long(1),
        long(1),
        text("v"),
        long(0),
        long(0),
    ]
    .concat();
    assert_eq!(pair.judge(&good), r#"{"a":{"k":[{"x":"v"}]}}"#);
}

#[test]
fn repeated_keys_of_a_map() {
    let map = r#"{"type":"map","values":["null","int"]}"#;
    let reader = r#"{"type":"map","values":"int"}"#;
    let entries = |keys: &[&str]| {
        let entry = |key: &&str| [text(key), long(1), long(7)].concat();
        [
            long(keys.len() as i64),
            keys.iter().flat_map(entry).collect(),
            long(0),
        ]
        .concat()
    };
    assert_eq!(
        judge(map, reader, &entries(&["k", "l"])),
        r#"{"k":7,"l":7}"#
    );
    let twice = |datum: &[u8]| Pair::new(&one(map), &one(reader)).judge(datum);
    assert_eq!(
        twice(&entries(&["k", "l", "k"])),
        r#"duplicate_field@a["k"]"#
    );
    let names: Vec<String> = (0..1000).map(|n| format!("k{n}")).collect();
    let mut many: Vec<&str> = names.iter().map(String::as_str).collect();
    assert!(judge(map, reader, &entries(&many)).starts_with('{'));
    many.push("k999");
    assert_eq!(twice(&entries(&many)), r#"duplicate_field@a["k999"]"#);
    // in two blocks; and before the value behind it, or behind the fault before it
    let two = [
        long(1),
        text("k"),
        long(1),
        long(7),
        long(1),
        text("k"),
        long(1),
        long(7),
        long(0),
    ]
    .concat();
    assert_eq!(twice(&two), r#"duplicate_field@a["k"]"#);
    let null = [
        long(2),
        text("k"),
        long(1),
        long(7),
        text("k"),
        long(0),
        long(0),
    ]
    .concat();
    assert_eq!(twice(&null), r#"duplicate_field@a["k"]"#);
    let null_first = [long(2), text("k"), long(0), text("k"), long(0), long(0)].concat();
    assert_eq!(twice(&null_first), r#"null_value@a["k"]"#);
}

#[test]
fn items_that_take_no_bytes_are_bounded_together() {
    let nulls = r#"{"type":"array","items":"null"}"#;
    let many = format!(r#"{{"name":"x","type":{{"type":"array","items":{nulls}}}}}"#);
    let writer = record(&format!(r#"{many},{{"name":"a","type":"int"}}"#));
    let reader = one(r#""int""#);
    let mut pair = Pair::with(&writer, &reader, UnknownFields::Ignore);
    let lists = |count: i64, lists: usize| {
        let list = [long(count), long(0)].concat();
        [long(lists as i64), list.repeat(lists), long(0), long(3)].concat()
    };
    assert_eq!(pair.judge(&lists(1000, 1000)), r#"{"a":3}"#);
    assert_eq!(pair.judge(&lists(1 << 21, 1)), "too_large@x[0]");
    assert_eq!(pair.judge(&lists(i64::MAX, 1)), "too_large@x[0]");
    assert_eq!(pair.judge(&lists(400_000, 3)), "too_large@x[2]");
}

#[test]
fn a_short_datum_makes_no_large_row() {
    let item = |fields: &str| {
        one(&format!(
            r#"{{"type":"array","items":{{"type":"record","name":"I","fields":[{fields}]}}}}"#
        ))
    };
    let long_text = "x".repeat(10_000);
    let writer = item(r#"{"name":"b","type":"boolean"}"#);
    let reader = item(&format!(
        r#"{{"name":"b","type":"boolean"}},{{"name":"s","type":"string","default":"{long_text}"}}"#
    ));
    let mut pair = Pair::new(&writer, &reader);
    let datum = |count: usize| [long(count as i64), vec![1; count], long(0)].concat();
    assert!(pair.judge(&datum(2)).starts_with('{'));
    assert_eq!(pair.judge(&datum(100_000)), "too_large@a");
}

#[test]
fn depth_is_bounded_whatever_the_writer_says() {
    let me = record(
        r#"{"name":"me","type":["null","R"]},{"name":"list","type":{"type":"array","items":"R"}}"#,
    );
    let reader = record(r#"{"name":"a","type":"int","default":1}"#);
    let mut pair = Pair::with(&me, &reader, UnknownFields::Ignore);
    // each level is a byte; the arrays of all of them follow
    let chain = |levels: usize| [vec![2; levels - 1], vec![0], vec![0; levels]].concat();
    assert_eq!(pair.judge(&chain(63)), r#"{"a":1}"#);
    // the arrays of the 64th record would be on level 65
    let deep = pair.judge(&chain(64));
    assert!(deep.starts_with("too_deep@me.me."), "{deep}");
    assert!(pair.judge(&chain(200_000)).starts_with("too_deep@me.me."));
    let endless = record(r#"{"name":"me","type":"R"}"#);
    let mut pair = Pair::with(&endless, &reader, UnknownFields::Ignore);
    assert!(pair.judge(&[]).starts_with("too_deep@me.me."));
}

#[test]
fn nulls_of_keys_have_their_own_code() {
    let schema = |ty: &str| one(ty);
    let mut reader = parse("r", 1, &schema(r#""int""#), false).unwrap();
    let root = Arc::make_mut(&mut reader.root);
    root.fields[0].is_key = true;
    let writer = WriterSchema::parse(&schema(r#"["null","int"]"#), &[]).unwrap();
    let plan = Arc::new(resolve(&writer, &reader).unwrap());
    let decoder = AvroDecoder::new(plan, options(UnknownFields::Reject));
    let mut pair = Pair {
        schema: reader,
        decoder,
    };
    assert_eq!(pair.judge(&[0]), "null_key@a");
    assert_eq!(pair.judge(&[2, 2]), r#"{"a":1}"#);
}

#[test]
fn a_datum_beyond_the_limit_is_too_large() {
    let mut pair = Pair::new(&one(r#""bytes""#), &one(r#""bytes""#));
    let decoder = &mut pair.decoder;
    decoder.options.max_datum_bytes = 3;
    assert_eq!(pair.judge(&[4, 1, 2]), r#"{"a":"0102"}"#);
    assert_eq!(pair.judge(&[6, 1, 2, 3]), "too_large");
}

#[test]
fn a_root_may_be_a_union() {
    let writer = format!(r#"["null", {}]"#, one(r#""int""#));
    let mut pair = Pair::new(&writer, &one(r#""int""#));
    assert_eq!(pair.judge(&[2, 2]), r#"{"a":1}"#);
    assert_eq!(pair.judge(&[0]), "null_value");
}

#[test]
fn a_branch_tells_the_path_of_what_does_not_match() {
    let inner = |ty: &str| {
        format!(r#"{{"type":"record","name":"I","fields":[{{"name":"x","type":{ty}}}]}}"#)
    };
    let null_or = |ty: &str| format!(r#"["null",{ty}]"#);
    let (text, int) = (r#""string""#, r#""int""#);
    let list = |ty: &str| format!(r#"{{"type":"array","items":{ty}}}"#);
    let of = |writer: &str, reader: &str| {
        Pair::new(
            &one(&null_or(&inner(writer))),
            &one(&null_or(&inner(reader))),
        )
    };
    assert_eq!(of(text, int).judge(&[2, 0]), "wrong_type@a.x");
    assert_eq!(of(&list(text), &list(int)).judge(&[2, 0]), "wrong_type@a");
    assert_eq!(of(text, int).judge(&[0]), r#"{"a":null}"#);
}
