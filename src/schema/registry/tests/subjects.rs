//! Subjects and their versions.

use super::*;

fn version(id: u32, version: u32, text: &str) -> Said {
    let body = json!({"subject": "s", "id": id, "version": version, "schema": text});
    said(200, body)
}

#[tokio::test]
async fn versions_are_read_by_number_and_as_the_latest() {
    let mock = Mock::start().await;
    mock.says("/subjects/s/versions", &[said(200, "[3,1,2]")]);
    mock.says("/subjects/s/versions/2", &[version(12, 2, "two")]);
    mock.says("/subjects/s/versions/latest", &[version(13, 3, "three")]);
    let registry = client(&mock.settings()).registry;
    assert_eq!(registry.versions("s").await.unwrap(), [1, 2, 3]);
    let two = registry.version("s", Wanted::Number(2)).await.unwrap();
    assert_eq!((two.version, two.schema.id), (2, Some(12)));
    let latest = registry.version("s", Wanted::Latest).await.unwrap();
    assert_eq!((latest.version, &*latest.schema.text), (3, "three"));
    assert_eq!(latest.schema.subjects[0].to_string(), "s/3");
}

#[tokio::test]
async fn what_is_not_there_is_told_apart() {
    let mock = Mock::start().await;
    mock.says("/subjects/s/versions/9", &[not_there(40_402)]);
    mock.says("/subjects/s/versions/latest", &[not_there(40_401)]);
    mock.says("/subjects/s/versions", &[not_there(40_401)]);
    let registry = client(&mock.settings()).registry;
    let told = |failure: Failure| match failure {
        Failure::Unknown(message) => message,
        other => panic!("unknown, not {other:?}"),
    };
    assert_eq!(
        told(registry.version("s", Wanted::Number(9)).await.unwrap_err()),
        "the registry has no version 9 of the subject s"
    );
    let message = "the registry has no subject s";
    assert_eq!(
        told(registry.version("s", Wanted::Latest).await.unwrap_err()),
        message
    );
    assert_eq!(told(registry.versions("s").await.unwrap_err()), message);
}

#[tokio::test]
async fn copies_answer_for_numbers_and_remember_the_latest() {
    let folder = tempfile::tempdir().unwrap();
    let mock = Mock::start().await;
    mock.says("/subjects/s/versions/latest", &[version(13, 3, "three")]);
    let settings = Settings {
        cache: Some(folder.path().to_path_buf()),
        ..mock.settings()
    };
    let registry = client(&settings).registry;
    let latest = registry.version("s", Wanted::Latest).await.unwrap();
    mock.always(Some(said(500, "")));
    let again = client(&settings).registry;
    // A number never changes; what is the latest may have.
    assert_eq!(again.version("s", Wanted::Number(3)).await.unwrap(), latest);
    assert!(matches!(
        again.version("s", Wanted::Latest).await.unwrap_err(),
        Failure::Away(_)
    ));
    assert_eq!(again.kept_version("s", Wanted::Latest), Some(latest));
    assert_eq!(again.kept_version("s", Wanted::Number(2)), None);
    assert_eq!(again.kept_version("t", Wanted::Latest), None);
}

#[tokio::test]
async fn the_level_is_the_subject_s_or_the_registry_s() {
    let mock = Mock::start().await;
    let level = |level: &str| said(200, json!({"compatibilityLevel": level}));
    mock.says("/config/own?defaultToGlobal=true", &[level("FULL")]);
    mock.says("/config/old?defaultToGlobal=true", &[not_there(40_408)]);
    mock.says("/config", &[level("NONE")]);
    let registry = client(&mock.settings()).registry;
    assert_eq!(registry.level(Some("own")).await.unwrap(), "FULL");
    assert_eq!(registry.level(Some("old")).await.unwrap(), "NONE");
    assert_eq!(registry.level(None).await.unwrap(), "NONE");
}

#[tokio::test]
async fn a_registry_below_a_path_is_asked_there() {
    let mock = Mock::start().await;
    mock.says("/apis/ccompat/v7/subjects/s/versions", &[said(200, "[1]")]);
    for path in ["/apis/ccompat/v7", "/apis/ccompat/v7/"] {
        let settings = Settings {
            urls: vec![mock.url().join(path).unwrap()],
            ..mock.settings()
        };
        assert_eq!(client(&settings).registry.versions("s").await.unwrap(), [1]);
    }
}
