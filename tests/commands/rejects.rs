//! `weir rejects`: grouped, one by one, and safe to look at.

use serde_json::Value;

use crate::house::{Done, NOWHERE, configure, weir};
use crate::lake::Lake;

fn rejects(lake: &Lake, arguments: &[&str]) -> Done {
    let config = configure(lake, NOWHERE);
    let mut all = vec!["rejects"];
    all.extend(arguments);
    weir(&config, &all)
}

fn shown(done: &Done) -> Vec<Value> {
    assert_eq!(done.code, 0, "{done:?}");
    let document: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(document["stream"], "s");
    document["rejects"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejects_are_grouped() {
    let lake = Lake::with_batches(3).await;
    let done = rejects(&lake, &["list", "s"]);
    assert_eq!(done.code, 0, "{done:?}");
    insta::assert_snapshot!(done.stdout, @r"
     count   code         field   first                  last                   example    rule
    ────────────────────────────────────────────────────────────────────────────────────────────────────────────
        30   wrong_type           2023-11-14T22:13:20Z   2023-11-14T22:13:20Z   t:1 @399   an integer is wanted
    30 rejects
    ");
    let done = rejects(&lake, &["list", "s", "--format", "json"]);
    let document: Value = serde_json::from_str(&done.stdout).unwrap();
    // Five rejects a partition and batch.
    assert_eq!(document["total"], 30);
    let group = &document["groups"][0];
    assert_eq!(group["code"], "wrong_type");
    assert_eq!(group["count"], 30);
    assert_eq!(group["first"], "2023-11-14T22:13:20Z");
    assert_eq!(group["example"]["offset"], 399);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_table_has_no_rejects() {
    let lake = Lake::with_batches(0).await;
    let done = rejects(&lake, &["list", "s"]);
    assert_eq!(
        (done.code, done.stdout.as_str()),
        (0, "no rejects\n"),
        "{done:?}"
    );
    assert_eq!(
        shown(&rejects(&lake, &["show", "s", "--format", "json"])),
        [Value::Null; 0]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn single_rejects_are_found_by_place() {
    let lake = Lake::with_batches(3).await;
    let at = [
        "show",
        "s",
        "--partition",
        "1",
        "--offset",
        "240",
        "--format",
        "json",
    ];
    let found = shown(&rejects(&lake, &at));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["partition"], 1);
    assert_eq!(found[0]["offset"], 240);
    assert_eq!(found[0]["source_id"], "kafka:c:t");
    assert_eq!(found[0]["raw"], "G1szMW0=");
    assert_eq!(found[0]["raw_text"], "\u{1b}[31m");
    for nothing in [
        ["--offset", "241"],
        ["--field", "x"],
        ["--code", "null_key"],
    ] {
        let found = shown(&rejects(
            &lake,
            &["show", "s", nothing[0], nothing[1], "--format", "json"],
        ));
        assert!(found.is_empty(), "{found:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limit_is_kept_and_the_newest_commit_comes_first() {
    let lake = Lake::with_batches(3).await;
    let found = shown(&rejects(
        &lake,
        &["show", "s", "--limit", "12", "--format", "json"],
    ));
    let offsets: Vec<i64> = found
        .iter()
        .map(|r| r["offset"].as_i64().unwrap())
        .collect();
    assert_eq!(
        offsets,
        [305, 340, 360, 361, 399, 305, 340, 360, 361, 399, 205, 240]
    );
    assert_eq!(
        shown(&rejects(&lake, &["show", "s", "--format", "json"])).len(),
        20
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_do_not_reach_the_terminal() {
    let lake = Lake::with_batches(1).await;
    let done = rejects(&lake, &["show", "s", "--partition", "0", "--offset", "105"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(!done.stdout.contains('\u{1b}'), "{done:?}");
    insta::assert_snapshot!(done.stdout, @r"
    t:0 @105  wrong_type
      rule      an integer is wanted
      schema    s/1
      time      read 2023-11-14T22:13:20Z
      raw       \u{1b}[31m
    ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_code_is_usage_and_the_nearest_is_named() {
    let lake = Lake::with_batches(0).await;
    let done = rejects(&lake, &["show", "s", "--code", "null_kee"]);
    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.stderr.contains("did you mean null_key?"), "{done:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_is_not_there_or_broken_is_told() {
    let lake = Lake::with_batches(2).await;
    let file = lake.rejects_files()[0].clone();
    std::fs::remove_file(lake.rejects(&file)).unwrap();
    let done = rejects(&lake, &["list", "s"]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.stderr.contains(&file), "{done:?}");
    std::fs::remove_dir_all(lake.path("s__rejects")).unwrap();
    let done = rejects(&lake, &["list", "s"]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.stderr.contains("s__rejects"), "{done:?}");
}
