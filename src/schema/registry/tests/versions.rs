//! A subject as a source of versions.

use super::*;
use crate::error::Kind;
use crate::schema::fingerprint::fingerprint;
use crate::schema::fingerprints::{Fingerprints, Home};
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
    let gone = client.within(async {
        loop {
            match source.versions(1).await.unwrap_err().kind() {
                // It is left alone for a while.
                Kind::Unreachable => client.clock.sleep(Duration::from_millis(5)).await,
                other => return other,
            }
        }
    });
    assert_eq!(gone.await, Kind::Config);
    assert_eq!(client.registry.trouble(), None);
}

#[tokio::test]
async fn fingerprints_are_those_of_the_subject_s_versions() {
    let mock = Mock::start().await;
    mock.always(Some(said(503, "")));
    mock.says("/subjects/s/versions", &[said(200, "[1,2]")]);
    let text = r#"{"type": "record", "name": "A", "fields": [{"name": "b", "type": "B"}]}"#;
    let refers = json!([{"name": "B", "subject": "b", "version": 1}]);
    let one = json!({"id": 1, "version": 1, "schema": text, "references": refers});
    mock.says("/subjects/s/versions/1", &[said(200, one)]);
    let other = json!({"id": 2, "version": 2, "schema": "{}", "schemaType": "JSON"});
    mock.says("/subjects/s/versions/2", &[said(200, other)]);
    let b = r#"{"type": "fixed", "name": "B", "size": 3}"#;
    let referred = json!({"version": 1, "schema": b});
    mock.says(
        "/subjects/b/versions/1?deleted=true",
        &[said(200, referred)],
    );
    let client = client(&mock.settings());
    let home = Home::Registry(client.registry.clone());
    let clock = client.clock.clone();
    let fingerprints = Fingerprints::new(home, "s".to_owned(), clock.clone()).unwrap();

    let wanted = fingerprint(text, &[b.into()]).unwrap();
    assert_eq!(fingerprints.lookup(wanted, clock.tick()), Lookup::Pending);
    client.trouble().await;
    assert_eq!(fingerprints.lookup(wanted, clock.tick()), Lookup::Pending);
    mock.always(None);
    let answer = fingerprints.answer(wanted, clock.tick());
    assert_eq!(known(client.within(answer).await).id, Some(1));
    // A look is one request, whatever number of messages waits for it.
    let looks = mock.asked("/subjects/s/versions");
    let seen = clock.tick();
    let waiting = (0..20).map(|_| fingerprints.answer(7, seen));
    let answers = client.within(futures::future::join_all(waiting)).await;
    assert!(answers.iter().all(|a| matches!(a, Lookup::Unknown(_))));
    assert_eq!(mock.asked("/subjects/s/versions"), looks + 1);
    let once = ["/subjects/s/versions/1", "/subjects/s/versions/2"];
    assert_eq!(once.map(|path| mock.asked(path)), [1, 1]);
}
