//! `weir verify`: what is shown, and the exit codes.

use serde_json::{Value, json};

use crate::house::{NOWHERE, configure, weir};
use crate::lake::{Batch, Lake};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clean_lake_is_proven_without_a_broker() {
    let lake = Lake::with_batches(3).await;
    let done = weir(&configure(&lake, NOWHERE), &["verify"]);
    assert_eq!(done.code, 0, "{done:?}");
    insta::assert_snapshot!(done.stdout, @r"
    stream s: proven, 588 positions read, each accounted for once
     source      partition   from    to   read   accepted   rejected   skipped   holes   lost
    ──────────────────────────────────────────────────────────────────────────────────────────
     kafka:c:t           0    100   400    294        276         15         9       6      0
     kafka:c:t           1    100   400    294        276         15         9       6      0
    ");
    assert_eq!(done.stderr, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_is_the_documented_one() {
    let lake = Lake::with_batches(2).await;
    let config = configure(&lake, NOWHERE);
    let done = weir(&config, &["verify", "s", "--format", "json"]);
    assert_eq!(done.code, 0, "{done:?}");
    let shown: Value = serde_json::from_str(&done.stdout).unwrap();
    let source = |partition| {
        json!({"source_id": "kafka:c:t", "partition": partition, "from": 100, "to": 300,
            "read": 196, "holes": 4, "lost": 0, "accepted": 184, "rejected": 10, "skipped": 6})
    };
    assert_eq!(
        shown,
        json!({"ok": true, "streams": [
            {"stream": "s", "ok": true, "sources": [source(0), source(1)], "findings": []}
        ]})
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_finding_is_a_line_and_the_code_is_1() {
    let lake = Lake::with_batches(2).await;
    let file = lake.data_files()[1].clone();
    std::fs::remove_file(lake.data(&file)).unwrap();
    let config = configure(&lake, NOWHERE);
    let done = weir(&config, &["verify"]);
    assert_eq!(done.code, 1, "{done:?}");
    insta::assert_snapshot!(done.stdout.replace(&file, "FILE"), @r"
    stream s: NOT proven, 15 findings
     source      partition   from    to   read   accepted   rejected   skipped   holes   lost
    ──────────────────────────────────────────────────────────────────────────────────────────
     kafka:c:t           0    100   300    196        184         10         6       4      0
     kafka:c:t           1    100   300    196        184         10         6       4      0
    missing_file: s__dll/FILE: the log names the file and it is not in the store
    missing_row: s__dll kafka:c:t:0 [200, 205): commit 3: the positions were read and have no row in either table
    missing_row: s__dll kafka:c:t:0 [206, 220): commit 3: the positions were read and have no row in either table
    missing_row: s__dll kafka:c:t:0 [222, 230): commit 3: the positions were read and have no row in either table
    missing_row: s__dll kafka:c:t:0 [232, 240): commit 3: the positions were read and have no row in either table
    missing_row: s__dll kafka:c:t:0 [241, 250): commit 3: the positions were read and have no row in either table
    missing_row: s__dll kafka:c:t:0 [251, 260): commit 3: the positions were read and have no row in either table
    missing_row: s__dll kafka:c:t:0 [262, 299): commit 3: the positions were read and have no row in either table
    missing_row: s__dll kafka:c:t:1 [200, 205): commit 3: the positions were read and have no row in either table
    missing_row: s__dll kafka:c:t:1 [206, 220): commit 3: the positions were read and have no row in either table
    missing_row: s__dll kafka:c:t:1 [222, 230): commit 3: the positions were read and have no row in either table
    missing_row: s__dll kafka:c:t:1 [232, 240): commit 3: the positions were read and have no row in either table
    missing_row: s__dll kafka:c:t:1 [241, 250): commit 3: the positions were read and have no row in either table
    missing_row: s__dll kafka:c:t:1 [251, 260): commit 3: the positions were read and have no row in either table
    missing_row: s__dll kafka:c:t:1 [262, 299): commit 3: the positions were read and have no row in either table
    ");
    let done = weir(&config, &["verify", "--format", "json"]);
    assert_eq!(done.code, 1, "{done:?}");
    let shown: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(shown["ok"], false);
    assert_eq!(shown["streams"][0]["findings"][0]["kind"], "missing_file");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_without_tables_is_a_finding() {
    let lake = Lake::with_batches(0).await;
    let config = configure(&lake, NOWHERE);
    std::fs::remove_dir_all(lake.path("s__dll")).unwrap();
    std::fs::remove_dir_all(lake.path("s__rejects")).unwrap();
    let done = weir(&config, &["verify"]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(
        done.stdout
            .contains("unreadable: s__dll: there is no table here"),
        "{done:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_stream_is_usage_and_the_nearest_is_named() {
    let lake = Lake::with_batches(0).await;
    let config = configure(&lake, NOWHERE);
    std::fs::copy(
        lake.path("config/streams/s.toml"),
        lake.path("config/streams/invoices.toml"),
    )
    .unwrap();
    let text = std::fs::read_to_string(lake.path("config/streams/invoices.toml")).unwrap();
    std::fs::write(
        lake.path("config/streams/invoices.toml"),
        text.replace("\"t\"", "\"i\""),
    )
    .unwrap();
    let done = weir(&config, &["verify", "invoice"]);
    assert_eq!(done.code, 2, "{done:?}");
    assert_eq!(
        done.stderr,
        "weir: there is no stream invoice; did you mean invoices?\n"
    );
    assert_eq!(done.stdout, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_away_is_no_finding() {
    let lake = Lake::with_batches(1).await;
    let config = configure(&lake, NOWHERE);
    let text = std::fs::read_to_string(&config).unwrap();
    let url = lake.store.url().as_str().trim_end_matches('/').to_owned();
    let away = format!(
        "{}\n[lake.options]\nendpoint = \"http://{NOWHERE}\"\nallow_http = \"true\"\n\
         access_key_id = \"a\"\nsecret_access_key = \"b\"\nregion = \"r\"\n",
        text.replace(&url, "s3://bucket/lake")
    );
    std::fs::write(&config, away).unwrap();
    let done = weir(&config, &["verify"]);
    assert_eq!(done.code, 3, "{done:?}");
    assert_eq!(done.stdout, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn losses_are_shown() {
    let lake = Lake::with_batches(1).await;
    let mut batch = Batch::at(200);
    batch.lost = 10;
    lake.land(&batch).await;
    let config = configure(&lake, NOWHERE);
    let done = weir(&config, &["verify", "--format", "json"]);
    assert_eq!(done.code, 0, "{done:?}");
    let shown: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(shown["streams"][0]["sources"][0]["lost"], 10);
}
