//! A subject as a source of versions.

use super::*;
use crate::error::Kind;
use crate::schema::registry::versions::RegistryVersions;
use crate::schema::versions::VersionSource;

fn schema(id: u32, version: u32, fields: &str) -> Said {
    let text = format!(r#"{{"type": "record", "name": "A", "fields": [{fields}]}}"#);
    said(200, json!({"id": id, "version": version, "schema": text}))
}

#[tokio::test]
async fn what_is_above_the_version_in_force_is_read() {
    let mock = Mock::start().await;
    mock.says("/subjects/s/versions", &[said(200, "[1,2,3]")]);
    let field = r#"{"name": "a", "type": "int"}"#;
    mock.says("/subjects/s/versions/2", &[schema(2, 2, field)]);
    let union = r#"{"name": "a", "type": ["int", "string"]}"#;
    mock.says("/subjects/s/versions/3", &[schema(3, 3, union)]);
    let client = client(&mock.settings());
    let source = RegistryVersions {
        registry: client.registry.clone(),
        subject: "s".to_owned(),
        nanos_as_long: false,
    };
    let found = source.versions(1).await.unwrap();
    let numbers: Vec<u32> = found.iter().map(|f| f.version).collect();
    assert_eq!(numbers, [2, 3]);
    assert_eq!(found[0].schema.as_ref().unwrap().version, 2);
    let faults = found[1].schema.as_ref().unwrap_err();
    assert!(
        faults[0].starts_with("s version 3 of the registry: a:"),
        "{faults:?}"
    );
    assert_eq!(mock.asked("/subjects/s/versions/1"), 0);

    assert!(source.versions(3).await.unwrap().is_empty());
    mock.says("/subjects/s/versions/2", &[said(500, "")]);
    assert_eq!(
        source.versions(1).await.unwrap_err().kind(),
        Kind::Unreachable
    );
    assert!(client.registry.trouble().is_some());
    mock.says("/subjects/s/versions", &[not_there(40_401)]);
    assert_eq!(source.versions(1).await.unwrap_err().kind(), Kind::Config);
    assert_eq!(client.registry.trouble(), None);
}
