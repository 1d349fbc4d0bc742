//! Where an id is registered by now.

use super::*;

const PATH: &str = "/schemas/ids/1/versions";

fn of(subjects: &[&str]) -> Said {
    let versions = subjects.iter().map(|s| json!({"subject": s, "version": 1}));
    said(200, versions.collect::<Value>())
}

async fn told(client: &Client, seen: Tick) -> Vec<String> {
    let answer = client.registry.subjects_answer(1, seen);
    let subjects = client.within(answer).await;
    subjects.iter().map(ToString::to_string).collect()
}

fn known_subjects(client: &Client) -> Vec<String> {
    let schema = known(client.lookup(1, Tick::default()));
    schema.subjects.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_subject_that_came_later_is_found_and_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let mock = Mock::start().await;
    mock.schema(1, TEXT);
    mock.says(PATH, &[of(&["a"])]);
    let settings = Settings {
        cache: Some(folder.path().to_path_buf()),
        ..mock.settings()
    };
    known(client(&settings).answer(1).await);
    mock.says(PATH, &[of(&["b", "a"]).after(Duration::from_millis(50))]);
    let later = client(&settings);
    known(later.answer(1).await);
    assert_eq!(known_subjects(&later), ["a/1"]);
    let seen = later.clock.tick();
    assert_eq!(later.registry.subjects(1, seen), Subjects::Pending);
    // Meanwhile the id is known as before.
    assert_eq!(known_subjects(&later), ["a/1"]);
    let waiting = futures::future::join_all((0..50).map(|_| told(&later, seen)));
    for subjects in waiting.await {
        assert_eq!(subjects, ["a/1", "b/1"]);
    }
    // Once for the first client, and once for all that waited.
    assert_eq!((mock.asked("/schemas/ids/1"), mock.asked(PATH)), (1, 2));
    assert_eq!(known_subjects(&later), ["a/1", "b/1"]);
    mock.always(Some(said(500, "")));
    let offline = client(&settings);
    known(offline.answer(1).await);
    assert_eq!(known_subjects(&offline), ["a/1", "b/1"]);
}

#[tokio::test]
async fn an_answer_counts_for_what_was_seen_before_it_was_asked_for() {
    let mock = Mock::start().await;
    mock.says(PATH, &[of(&["a"])]);
    let client = client(&mock.settings());
    let before = client.clock.tick();
    assert_eq!(told(&client, before).await, ["a/1"]);
    assert!(matches!(
        client.registry.subjects(1, before),
        Subjects::Known(_)
    ));
    let asked = mock.asked(PATH);
    mock.says(PATH, &[of(&["a", "b"])]);
    let seen = client.clock.tick();
    assert_eq!(client.registry.subjects(1, seen), Subjects::Pending);
    assert_eq!(told(&client, seen).await, ["a/1", "b/1"]);
    assert!(mock.asked(PATH) > asked);
}

#[tokio::test]
async fn an_answer_is_kept_for_a_bounded_time() {
    let mock = Mock::start().await;
    mock.says(PATH, &[of(&["a"])]);
    let metrics = Metrics::new().unwrap();
    let clock = Clock::system();
    let pace = Pace {
        negative: Duration::from_millis(100),
        ..PACE
    };
    let registry = Registry::with_pace(&mock.settings(), &metrics, clock.clone(), pace).unwrap();
    let seen = clock.tick();
    registry.subjects_answer(1, seen).await;
    clock.sleep(Duration::from_millis(150)).await;
    assert_eq!(registry.subjects(1, seen), Subjects::Pending);
}

#[tokio::test]
async fn an_answer_with_nothing_new_is_asked_for_once_more() {
    let mock = Mock::start().await;
    mock.schema(1, TEXT);
    mock.says(PATH, &[of(&["a"]), of(&["a"]), of(&["a", "b"])]);
    let client = client(&mock.settings());
    known(client.answer(1).await);
    // A follower of the registry's leader heard of `b` only between the two.
    assert_eq!(told(&client, client.clock.tick()).await, ["a/1", "b/1"]);
    assert_eq!(mock.asked(PATH), 3);
}

#[tokio::test]
async fn nothing_is_told_of_an_id_that_is_gone_or_by_a_registry_that_cannot_tell() {
    for gone in [not_there(40_403), said_of_jersey(json!({}))] {
        let mock = Mock::start().await;
        mock.schema(1, TEXT);
        mock.says(PATH, &[of(&["a"]), gone]);
        let client = client(&mock.settings());
        known(client.answer(1).await);
        assert!(told(&client, client.clock.tick()).await.is_empty());
        // What was registered then was registered.
        assert_eq!(known_subjects(&client), ["a/1"]);
    }
}

#[tokio::test]
async fn an_outage_is_waited_out_and_the_id_flows_on() {
    let mock = Mock::start().await;
    mock.schema(1, TEXT);
    mock.says(PATH, &[of(&["a"])]);
    let client = client(&mock.settings());
    known(client.answer(1).await);
    mock.always(Some(said(503, "")));
    let seen = client.clock.tick();
    assert_eq!(client.registry.subjects(1, seen), Subjects::Pending);
    client.trouble().await;
    assert_eq!(client.registry.subjects(1, seen), Subjects::Pending);
    assert_eq!(known_subjects(&client), ["a/1"]);
    mock.always(None);
    assert_eq!(told(&client, seen).await, ["a/1"]);
    assert_eq!(client.registry.trouble(), None);
}
