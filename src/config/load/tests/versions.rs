//! Which version of a folder's subject a start goes by.

use super::*;

#[test]
fn versions_are_held_to_the_level() {
    let folder = Folder::new(SETTINGS, &[("orders", STREAM)]);
    let narrowed = SCHEMA.replace("\"double\"", "\"float\"");
    folder.write("schemas/orders/2.avsc", &narrowed);
    assert_eq!(
        folder.refused(),
        (
            1,
            Some(2),
            vec!["orders version 2 cannot read data of version 1: amount: is written as double and read as float".to_owned()]
        )
    );
    folder.write(
        "weir.toml",
        &format!("{SETTINGS}[schemas]\ncompatibility = \"NONE\"\n"),
    );
    let config = folder.load(&[]).unwrap();
    assert_eq!(config.streams[0].schema.version, 2);
}

#[test]
fn each_level_compares_what_it_says() {
    let with =
        |fields: &str| SCHEMA.replacen("\"fields\": [", &format!("\"fields\": [{fields}"), 1);
    let required = with(r#"{"name":"more","type":"int"},"#);
    let defaulted = with(r#"{"name":"more","type":"int","default":0},"#);
    let optional = with(r#"{"name":"more","type":["null","int"],"default":null},"#);
    assert_ne!(required, SCHEMA);
    // versions 1, 2 and 3, and the levels that refuse them
    let cases: [([&str; 3], &[&str]); 4] = [
        ([SCHEMA, &optional, SCHEMA], &[]),
        (
            [SCHEMA, &required, &required],
            &["BACKWARD", "BACKWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE"],
        ),
        (
            [&required, SCHEMA, SCHEMA],
            &["FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE"],
        ),
        // each step holds, the first and the last do not
        (
            [SCHEMA, &defaulted, &required],
            &["BACKWARD_TRANSITIVE", "FULL_TRANSITIVE"],
        ),
    ];
    let levels = [
        "NONE",
        "BACKWARD",
        "BACKWARD_TRANSITIVE",
        "FORWARD",
        "FORWARD_TRANSITIVE",
        "FULL",
        "FULL_TRANSITIVE",
    ];
    for (versions, refusing) in cases {
        for level in levels {
            let settings = format!("{SETTINGS}[schemas]\ncompatibility = \"{level}\"\n");
            let folder = Folder::new(&settings, &[("orders", STREAM)]);
            for (i, text) in versions.iter().enumerate() {
                folder.write(&format!("schemas/orders/{}.avsc", i + 1), text);
            }
            let refused = !folder.load(&[]).unwrap().refused.is_empty();
            assert_eq!(refused, refusing.contains(&level), "{level}: {versions:?}");
        }
    }
}

#[test]
fn what_the_table_cannot_follow_is_told_beforehand() {
    let folder = Folder::new(SETTINGS, &[("orders", STREAM)]);
    folder.write(
        "schemas/orders/1.avsc",
        &SCHEMA.replace("\"double\"", "\"float\""),
    );
    folder.write("schemas/orders/2.avsc", SCHEMA);
    // BACKWARD holds: a double reads what was written as float
    assert_eq!(
        folder.refused(),
        (
            1,
            Some(2),
            vec!["a table of orders version 1 cannot follow version 2: amount: is float there and would become double; type changes, widenings too, are refused for now; if nothing landed with version 1, take its file away or pin `schema.version`".to_owned()]
        )
    );
    // It may be the schema of a writer only: a pin says so.
    let pinned = STREAM.replace("\"orders\" }", "\"orders\", version = 2 }");
    folder.write("streams/orders.toml", &pinned);
    assert_eq!(folder.load(&[]).unwrap().streams[0].schema.version, 2);
    folder.write("streams/orders.toml", STREAM);
    std::fs::remove_file(folder.0.path().join("schemas/orders/1.avsc")).unwrap();
    assert_eq!(folder.load(&[]).unwrap().streams[0].schema.version, 2);
}

#[test]
fn a_start_goes_by_the_newest_version_that_holds_with_all_before_it() {
    let folder = Folder::new(SETTINGS, &[("orders", STREAM)]);
    let path = |file: &str| folder.0.path().join("schemas/orders").join(file);
    let optional = SCHEMA.replacen(
        "\"fields\": [",
        r#""fields": [{"name":"more","type":["null","int"],"default":null},"#,
        1,
    );
    folder.write("schemas/orders/2.avsc", &optional);
    folder.write("schemas/orders/3.avsc", &optional[..40]);
    folder.write("schemas/orders/4.avsc", &optional);
    let (version, refused, reasons) = folder.refused();
    assert_eq!((version, refused, reasons.len()), (2, Some(3), 1));
    let start = format!("{}: the root: is no JSON: ", path("3.avsc").display());
    assert!(reasons[0].starts_with(&start), "{reasons:?}");
    // Mended, the one above it is next.
    folder.write("schemas/orders/3.avsc", &optional);
    folder.write("schemas/orders/v5.avsc", &optional);
    let stray = format!(
        "{}: the file's name must be a version from 1, as in 1.avsc",
        path("v5.avsc").display()
    );
    assert_eq!(folder.refused(), (4, None, vec![stray]));
}

#[test]
fn a_table_that_can_follow_to_the_newest_need_not_follow_to_one_between() {
    let folder = Folder::new(SETTINGS, &[("orders", STREAM)]);
    let amount = r#"{"name": "amount", "type": "double"},"#;
    let without = SCHEMA.replace(amount, "");
    folder.write("schemas/orders/2.avsc", &without);
    let (version, refused, reasons) = folder.refused();
    assert_eq!((version, refused), (1, Some(2)), "{reasons:?}");
    assert!(
        reasons[0].contains("amount: is required there"),
        "{reasons:?}"
    );
    let again = amount.replace(r#""double""#, r#""double", "default": 0.0"#);
    folder.write("schemas/orders/3.avsc", &SCHEMA.replace(amount, &again));
    let config = folder.load(&[]).unwrap();
    assert_eq!(config.streams[0].schema.version, 3);
    assert!(config.refused.is_empty(), "{:?}", config.refused);
}

#[test]
fn without_a_version_that_holds_there_is_no_start() {
    let folder = Folder::new(SETTINGS, &[("orders", STREAM)]);
    folder.write("schemas/orders/2.avsc", SCHEMA);
    folder.write("schemas/orders/1.avsc", "{");
    let problems = folder.problems(&[]);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].contains("1.avsc: the root: is no JSON"),
        "{problems:?}"
    );
    for version in [1, 2] {
        std::fs::remove_file(
            folder
                .0
                .path()
                .join(format!("schemas/orders/{version}.avsc")),
        )
        .unwrap();
    }
    let problems = folder.problems(&[]);
    assert!(
        problems[0].ends_with("orders: holds no version; write 1.avsc"),
        "{problems:?}"
    );
}

#[test]
fn a_pin_wants_what_is_before_it_to_hold_and_no_more() {
    let stream = STREAM.replace("subject = \"orders\"", "subject = \"orders\", version = 2");
    let folder = Folder::new(SETTINGS, &[("orders", &stream)]);
    folder.write("schemas/orders/2.avsc", SCHEMA);
    folder.write("schemas/orders/3.avsc", "{");
    let config = folder.load(&[]).unwrap();
    assert_eq!(config.streams[0].schema.version, 2);
    assert!(config.refused.is_empty());
    folder.write(
        "schemas/orders/2.avsc",
        &SCHEMA.replace("\"double\"", "\"float\""),
    );
    assert_eq!(
        folder.problems(&[]),
        [
            "streams/orders.toml:5: schema.subject: orders version 2 cannot read data of version 1: amount: is written as double and read as float"
        ]
    );
}

#[test]
fn a_version_without_what_the_stream_names_is_refused_as_well() {
    let folder = Folder::new(SETTINGS, &[("orders", STREAM)]);
    let nullable = SCHEMA.replace(
        r#""order_id", "type": "string""#,
        r#""order_id", "type": ["null", "string"]"#,
    );
    assert_ne!(nullable, SCHEMA);
    folder.write("schemas/orders/2.avsc", &nullable);
    let (version, refused, reasons) = folder.refused();
    assert_eq!((version, refused), (1, Some(2)));
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    let rule =
        "orders.toml:6: primary_key: \"order_id\" must be a required field, not null, to be a key";
    assert!(reasons[0].ends_with(rule), "{reasons:?}");
    // What has nothing to do with a version is a problem as ever, and so is all beside it.
    folder.write("streams/orders.toml", &STREAM.replace("engagement", "more"));
    let problems = folder.problems(&[]);
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("category"), "{problems:?}");
}
