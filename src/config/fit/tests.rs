use std::time::Duration;

use super::*;
use crate::config::{Category, Flush, UnknownFields};
use crate::schema::parse::parse;

fn schema(version: u32, fields: &str) -> Schema {
    let text = format!(r#"{{"type": "record", "name": "R", "fields": [{fields}]}}"#);
    parse("r", version, &text, false).unwrap()
}

const ID: &str = r#"{"name": "id", "type": "long"}"#;
const AT: &str = r#"{"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}}"#;
const KIND: &str = r#"{"name": "kind", "type": "string"}"#;

fn stream() -> Stream {
    Stream {
        name: "s".to_owned(),
        source: "s".to_owned(),
        object: "o".to_owned(),
        category: Category::Engagement,
        schema: Arc::new(schema(1, &format!("{ID}, {AT}, {KIND}"))),
        origin: crate::config::Origin::Folder {
            subject: "a".to_owned(),
            version: None,
        },
        nanos_as_long: false,
        names: [("kind".to_owned(), "the kind".to_owned())].into(),
        primary_key: vec!["id".to_owned()],
        event_time: Some("at".to_owned()),
        partition_by: vec![
            PartitionBy::Day("at".to_owned()),
            PartitionBy::Field("kind".to_owned()),
        ],
        unknown_fields: UnknownFields::Reject,
        topics: None,
        bulk: None,
        flush: Flush {
            max_age: Duration::from_secs(1),
            max_rows: 1,
            max_bytes: 1,
        },
    }
}

#[test]
fn a_newer_version_has_the_names_and_key_marks_of_the_stream() {
    let more = format!(r#"{ID}, {AT}, {KIND}, {{"name": "x", "type": ["null", "int"]}}"#);
    let stream = stream().at_version(&schema(2, &more)).unwrap();
    let fields = &stream.schema.root.fields;
    assert_eq!((stream.schema.version, fields.len()), (2, 4));
    assert!(fields[0].is_key && !fields[3].is_key);
    assert_eq!(fields[2].external, "the kind");
}

#[test]
fn what_the_stream_names_has_to_stay_as_it_needs_it() {
    let faults = |fields: &str| stream().at_version(&schema(2, fields)).unwrap_err();
    assert_eq!(
        faults(&format!("{AT}, {KIND}")),
        ["id: is named by `primary_key` and would be gone"]
    );
    let nullable = r#"{"name": "id", "type": ["null", "long"]}"#;
    assert_eq!(
        faults(&format!("{nullable}, {AT}, {KIND}")),
        ["id: must be a required field, not null, to be a key"]
    );
    let day = r#"{"name": "at_day", "type": "string"}"#;
    assert_eq!(
        faults(&format!("{ID}, {AT}, {KIND}, {day}")),
        ["at: would add the column at_day, which is a field already"]
    );
    assert_eq!(
        faults(ID),
        [
            "at: is named by `event_time` and would be gone",
            "at: is named by `partition_by` and would be gone",
            "kind: is named by `partition_by` and would be gone",
            "kind: is named by `names` and would be gone",
        ]
    );
}
