//! Ids and GUIDs of records.

use super::*;

#[tokio::test]
async fn an_id_is_asked_for_once_however_many_wait() {
    let mock = Mock::start().await;
    let slow = said(200, json!({"schema": TEXT, "schemaType": "AVRO"}));
    mock.says("/schemas/ids/7", &[slow.after(Duration::from_millis(50))]);
    let versions = json!([{"subject": "b", "version": 2}, {"subject": "a", "version": 1}]);
    mock.says("/schemas/ids/7/versions", &[said(200, versions)]);
    let client = client(&mock.settings());
    assert_eq!(client.lookup(7, client.clock.tick()), Lookup::Pending);
    let waiting = (0..50).map(|_| client.answer(7));
    let answers = futures::future::join_all(waiting).await;
    for answer in answers {
        let schema = known(answer);
        assert_eq!((&*schema.text, schema.id), (TEXT, Some(7)));
        let subjects: Vec<String> = schema.subjects.iter().map(ToString::to_string).collect();
        assert_eq!(subjects, ["a/1", "b/2"]);
    }
    assert_eq!(mock.asked("/schemas/ids/7"), 1);
    assert!(matches!(
        client.lookup(7, Tick::default()),
        Lookup::Known(_)
    ));
    assert_eq!(
        (client.requests("ok"), mock.asked("/schemas/ids/7/versions")),
        (2, 1)
    );
}

#[tokio::test]
async fn a_registry_that_cannot_tell_the_subjects_is_none_the_worse() {
    let mock = Mock::start().await;
    mock.schema(1, TEXT);
    let client = client(&mock.settings());
    assert_eq!(known(client.answer(1).await).subjects, []);
    assert_eq!(client.registry.trouble(), None);
}

#[tokio::test]
async fn an_unknown_id_is_believed_when_the_registry_says_so_twice() {
    let mock = Mock::start().await;
    let found = said(200, json!({"schema": TEXT}));
    mock.says("/schemas/ids/1", &[not_there(40_403), found]);
    mock.says("/schemas/ids/2", &[not_there(40_403)]);
    let client = client(&mock.settings());
    assert_eq!(&*known(client.answer(1).await).text, TEXT);
    assert_eq!(
        unknown(client.answer(2).await),
        "the registry does not know the schema of id 2"
    );
    assert_eq!(mock.asked("/schemas/ids/2"), 2);
    assert_eq!(client.requests("not_found"), 3);
}

#[tokio::test]
async fn a_not_known_counts_only_for_messages_seen_before_it_was_asked_for() {
    let mock = Mock::start().await;
    mock.says("/schemas/ids/5", &[not_there(40_403)]);
    let client = client(&mock.settings());
    let before = client.clock.tick();
    unknown(client.answer(5).await);
    // Those that waited with it, and those before them, share the verdict without a request.
    assert!(matches!(client.lookup(5, before), Lookup::Unknown(_)));
    let asked = mock.asked("/schemas/ids/5");
    // The producer registers it, and only then sends.
    mock.schema(5, TEXT);
    let seen = client.clock.tick();
    assert_eq!(client.lookup(5, seen), Lookup::Pending);
    known(
        client
            .within(client.registry.answer(WriterKey::Id(5), seen))
            .await,
    );
    assert_eq!(mock.asked("/schemas/ids/5"), asked + 1);
}

#[tokio::test]
async fn a_not_known_is_kept_for_a_bounded_time() {
    let mock = Mock::start().await;
    mock.says("/schemas/ids/5", &[not_there(40_403)]);
    let metrics = Metrics::new().unwrap();
    let clock = Clock::system();
    let pace = Pace {
        negative: Duration::from_millis(100),
        ..PACE
    };
    let registry = Registry::with_pace(&mock.settings(), &metrics, clock.clone(), pace).unwrap();
    let seen = clock.tick();
    unknown(registry.answer(WriterKey::Id(5), seen).await);
    clock.sleep(Duration::from_millis(150)).await;
    assert_eq!(registry.lookup(WriterKey::Id(5), seen), Lookup::Pending);
}

#[tokio::test]
async fn a_guid_is_asked_for_as_such() {
    let mock = Mock::start().await;
    let guid = uuid::Uuid::parse_str("89791762-2336-4186-9674-299b90a802e2").unwrap();
    let path = format!("/schemas/guids/{guid}");
    mock.says(&path, &[said(200, json!({"schema": TEXT, "guid": guid}))]);
    let client = client(&mock.settings());
    let key = WriterKey::Guid(*guid.as_bytes());
    let answer = client.registry.answer(key, client.clock.tick());
    assert_eq!(&*known(client.within(answer).await).text, TEXT);
    assert_eq!(mock.asked(&path), 1);
}

#[tokio::test]
async fn a_registry_without_guids_is_no_verdict() {
    let mock = Mock::start().await;
    let client = client(&mock.settings());
    let key = WriterKey::Guid([1; 16]);
    assert_eq!(
        client.registry.lookup(key, client.clock.tick()),
        Lookup::Pending
    );
    let trouble = client.trouble().await;
    assert!(
        trouble.contains("404 without a registry's error code"),
        "{trouble}"
    );
    assert_eq!(
        client.registry.lookup(key, client.clock.tick()),
        Lookup::Pending
    );
}

#[tokio::test]
async fn another_type_than_avro_is_told_as_such_and_not_asked_again() {
    let mock = Mock::start().await;
    let schema = json!({"schema": "{}", "schemaType": "JSON"});
    mock.says("/schemas/ids/3", &[said(200, schema)]);
    let client = client(&mock.settings());
    let message = "the schema of id 3 is of the type JSON, which is not Avro";
    assert_eq!(unknown(client.answer(3).await), message);
    assert_eq!(unknown(client.lookup(3, client.clock.tick())), message);
    assert_eq!(mock.asked("/schemas/ids/3"), 1);
}

#[tokio::test]
async fn an_answer_without_end_is_refused() {
    let mock = Mock::start().await;
    mock.says("/schemas/ids/3", &[said(200, "x".repeat((4 << 20) + 1))]);
    let client = client(&mock.settings());
    let message = unknown(client.answer(3).await);
    assert_eq!(message, "the schema of id 3 is longer than 4 MiB");
}

#[tokio::test]
async fn references_are_followed_in_order_and_once() {
    let mock = Mock::start().await;
    let refers = |to: &[(&str, u32)]| -> Value {
        to.iter()
            .map(|(subject, version)| json!({"name": "x", "subject": subject, "version": version}))
            .collect()
    };
    let root = json!({"schema": "root", "references": refers(&[("a", 1), ("b/c", 2)])});
    mock.says("/schemas/ids/1", &[said(200, root)]);
    let named =
        |text: &str, to: Value| said(200, json!({"schema": text, "version": 1, "references": to}));
    let a = "/subjects/a/versions/1?deleted=true";
    mock.says(a, &[named("a", refers(&[("common", 3)]))]);
    let b = "/subjects/b%2Fc/versions/2?deleted=true";
    mock.says(b, &[named("b", refers(&[("common", 3)]))]);
    let common = "/subjects/common/versions/3?deleted=true";
    mock.says(common, &[named("common", Value::Null)]);
    let client = client(&mock.settings());
    let schema = known(client.answer(1).await);
    let texts: Vec<&str> = schema.references.iter().map(|t| &**t).collect();
    assert_eq!(texts, ["common", "a", "b"]);
    assert_eq!(mock.asked(common), 1);
}

#[tokio::test]
async fn a_reference_that_is_gone_is_told_and_a_circle_ends() {
    let mock = Mock::start().await;
    let refers = |to: &str| json!([{"name": "x", "subject": to, "version": 1}]);
    let root = |to: &str| said(200, json!({"schema": "root", "references": refers(to)}));
    mock.says("/schemas/ids/1", &[root("gone")]);
    let gone = "/subjects/gone/versions/1?deleted=true";
    mock.says(gone, &[not_there(40_401)]);
    mock.says("/schemas/ids/2", &[root("self")]);
    let own = "/subjects/self/versions/1?deleted=true";
    mock.says(
        own,
        &[said(
            200,
            json!({"schema": "self", "references": refers("self")}),
        )],
    );
    let client = client(&mock.settings());
    assert_eq!(
        unknown(client.answer(1).await),
        "the schema of id 1 refers to gone/1, which the registry does not know"
    );
    let schema = known(client.answer(2).await);
    assert_eq!(schema.references, ["self".into()]);
}

#[tokio::test]
async fn what_is_known_is_on_disk_for_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let mock = Mock::start().await;
    let schema =
        json!({"schema": TEXT, "references": [{"name": "x", "subject": "r", "version": 1}]});
    mock.says("/schemas/ids/1", &[said(200, schema)]);
    let referred = json!({"schema": "referred", "version": 1});
    mock.says(
        "/subjects/r/versions/1?deleted=true",
        &[said(200, referred)],
    );
    let settings = Settings {
        cache: Some(folder.path().to_path_buf()),
        ..mock.settings()
    };
    let first = known(client(&settings).answer(1).await);
    mock.always(Some(said(500, "")));
    let again = client(&settings);
    assert_eq!(known(again.answer(1).await), first);
    assert_eq!(again.requests("failed"), 0);

    // Another registry has other ids.
    let other = Mock::start().await;
    other.schema(1, "other");
    let elsewhere = Settings {
        urls: vec![other.url()],
        ..settings.clone()
    };
    assert_eq!(&*known(client(&elsewhere).answer(1).await).text, "other");

    // A file that was torn is as good as none.
    let file =
        walk(folder.path()).find(|f| std::fs::read_to_string(f).unwrap().contains("referred"));
    std::fs::write(file.unwrap(), "{\"form\": 1, \"na").unwrap();
    mock.always(None);
    assert_eq!(known(client(&settings).answer(1).await), first);
}

fn walk(folder: &std::path::Path) -> impl Iterator<Item = std::path::PathBuf> {
    let mut open = vec![folder.to_path_buf()];
    let mut files = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => open.push(path),
                false => files.push(path),
            }
        }
    }
    files.into_iter()
}
