//! A new version of a schema: the table's columns follow with its first rows.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray};
use arrow::datatypes::Int32Type;
use serde_json::Value;

use crate::broker::Broker;
use crate::running::Running;
use crate::table;
use crate::weir::Folder;

pub(crate) fn schema(fields: &str) -> String {
    format!(r#"{{"type": "record", "name": "E", "fields": [{fields}]}}"#)
}

/// Name and nullability of the columns that the newest `metaData` of the log says.
pub(crate) fn columns(folder: &Folder) -> BTreeMap<String, bool> {
    let actions = table::actions(&folder.path("lake/events__dll"));
    let newest = actions.iter().rfind(|a| a["metaData"].is_object()).unwrap();
    let text = newest["metaData"]["schemaString"].as_str().unwrap();
    let schema: Value = serde_json::from_str(text).unwrap();
    let fields = schema["fields"].as_array().unwrap();
    fields
        .iter()
        .map(|f| {
            (
                f["name"].as_str().unwrap().to_owned(),
                f["nullable"].as_bool().unwrap(),
            )
        })
        .filter(|(name, _)| !name.starts_with("_weir_"))
        .collect()
}

#[test]
fn columns_are_added_and_relaxed_with_the_first_rows_of_a_version() {
    let broker = Broker::start(&[("events", 1)]);
    let folder = Folder::events(&broker.address(), &["events"]);
    let one = r#"{"name": "a", "type": "int"}, {"name": "b", "type": "int"}, {"name": "c", "type": "int"}"#;
    folder.write("schemas/events/1.avsc", &schema(one));
    let run = |value: &str, end: i64| {
        broker.send("events", 0, [value.as_bytes().to_vec()]);
        let mut daemon = Running::start(&folder);
        daemon.wait_settled("events", &[(0, end)]);
        assert!(daemon.stop().success());
    };
    run(r#"{"a": 1, "b": 1, "c": 1}"#, 1);
    let required = ["a", "b", "c"].map(|name| (name.to_owned(), false));
    assert_eq!(columns(&folder), BTreeMap::from(required));

    // b and c may be null, d has a default
    let two = r#"{"name": "a", "type": "int"}, {"name": "b", "type": ["null", "int"]},
        {"name": "c", "type": ["null", "int"]}, {"name": "d", "type": "string", "default": "none"}"#;
    folder.write("schemas/events/2.avsc", &schema(two));
    let (code, out, err) = folder.run(&["schema", "check"]);
    assert_eq!(code, 0, "{out}{err}");
    run(r#"{"a": 2}"#, 2);
    let followed = [("a", false), ("b", true), ("c", true), ("d", true)];
    let followed = followed.map(|(name, nullable)| (name.to_owned(), nullable));
    assert_eq!(columns(&folder), BTreeMap::from(followed.clone()));
    // c may be left out now that it need not be there
    let three = two.replace(r#"{"name": "c", "type": ["null", "int"]}, "#, "");
    folder.write("schemas/events/3.avsc", &schema(&three));
    run(r#"{"a": 3, "d": "some"}"#, 3);
    assert_eq!(columns(&folder), BTreeMap::from(followed));

    let mut rows = BTreeMap::new();
    for batch in table::rows(&folder.path("lake/events__dll")) {
        let ints = |name: &str| {
            batch
                .column_by_name(name)
                .map(|c| c.as_primitive::<Int32Type>())
        };
        for row in 0..batch.num_rows() {
            let of = |name: &str| ints(name).and_then(|c| c.is_valid(row).then(|| c.value(row)));
            let d = batch
                .column_by_name("d")
                .map(|c| c.as_string::<i32>().value(row).to_owned());
            rows.insert(of("a"), (of("b"), of("c"), d));
        }
    }
    let want = [
        (Some(1), (Some(1), Some(1), None)),
        (Some(2), (None, None, Some("none".to_owned()))),
        (Some(3), (None, None, Some("some".to_owned()))),
    ];
    assert_eq!(rows, BTreeMap::from(want));
    let (code, out, err) = folder.run(&["verify"]);
    assert_eq!(code, 0, "{out}{err}");
}

#[test]
fn what_the_table_cannot_follow_is_told_before_and_after() {
    let broker = Broker::start(&[("events", 1)]);
    let folder = Folder::events(&broker.address(), &["events"]);
    let a = r#"{"name": "a", "type": "int"}"#;
    folder.write("schemas/events/1.avsc", &schema(a));
    let nested = |members: &str| {
        schema(&format!(
            r#"{a}, {{"name": "r", "type": ["null", {{"type": "record", "name": "N", "fields": [{members}]}}], "default": null}}"#
        ))
    };
    let x = r#"{"name": "x", "type": "int"}"#;
    folder.write("schemas/events/2.avsc", &nested(x));
    broker.send("events", 0, [br#"{"a": 1, "r": {"x": 1}}"#.to_vec()]);
    let mut daemon = Running::start(&folder);
    daemon.wait_settled("events", &[(0, 1)]);
    assert!(daemon.stop().success());
    // a nested field cannot be added yet, and both the check and the daemon say so
    let y = r#"{"name": "y", "type": "int", "default": 0}"#;
    folder.write("schemas/events/3.avsc", &nested(&format!("{x}, {y}")));
    let refusal = "r: is struct<x: integer not null> there and would become struct<x: integer not null, y: integer not null>";
    let (code, out, _) = folder.run(&["schema", "check"]);
    assert_eq!(code, 1);
    assert!(out.contains(refusal), "{out}");
    // without the earlier files there is only the table to say so
    std::fs::remove_file(folder.path("schemas/events/1.avsc")).unwrap();
    std::fs::remove_file(folder.path("schemas/events/2.avsc")).unwrap();
    let mut daemon = Running::start(&folder);
    daemon.wait("the reason", |daemon| {
        daemon.get("/readyz")?.contains(refusal).then_some(())
    });
    assert!(daemon.stop().success());
}
