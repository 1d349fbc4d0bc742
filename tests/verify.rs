//! `lake::verify` over real tables on local disk: a clean lake is proven, and each planting is
//! found and named.

#![allow(clippy::disallowed_methods, clippy::expect_used, clippy::unwrap_used)]

#[path = "verify/lake.rs"]
mod lake;

use std::collections::BTreeSet;

use lake::{Batch, Lake, PARTITIONS};
use serde_json::{Value, json};
use weir::lake::ledger::fold::fold;
use weir::lake::verify::StreamReport;

fn kinds(report: &StreamReport) -> BTreeSet<&'static str> {
    report.findings.iter().map(|f| f.kind.as_str()).collect()
}

fn assert_clean(report: &StreamReport) {
    assert!(report.ok, "{:#?}", report.findings);
    assert!(report.findings.is_empty());
}

/// The findings of `kind`.
fn of<'a>(report: &'a StreamReport, kind: &str) -> Vec<&'a weir::lake::verify::Finding> {
    assert!(!report.ok);
    let found: Vec<_> = report
        .findings
        .iter()
        .filter(|f| f.kind.as_str() == kind)
        .collect();
    assert!(!found.is_empty(), "no {kind} in {:#?}", report.findings);
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clean_lake_is_proven() {
    let lake = Lake::with_batches(6).await;
    let report = lake.verify().await;
    assert_clean(&report);
    assert_eq!(report.sources.len(), PARTITIONS as usize);
    for source in &report.sources {
        assert_eq!((source.from, source.to), (100, 700));
        // Of each 100 positions: 2 holes, 3 tombstones, 5 rejects, one message of 3 records.
        assert_eq!((source.read, source.holes, source.lost), (588, 12, 0));
        assert_eq!(source.skipped, 18);
        assert_eq!(source.rejected, 30);
        assert_eq!(source.accepted, 588 - 18 - 30 + 12);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_report_has_the_documented_form() {
    let lake = Lake::with_batches(2).await;
    let file = lake.data_files()[0].clone();
    std::fs::remove_file(lake.data(&file)).unwrap();
    let report = weir::lake::verify::Report::new(vec![lake.verify().await]);
    let shown = serde_json::to_value(&report).unwrap();
    assert_eq!(shown["ok"], false);
    let stream = &shown["streams"][0];
    assert_eq!(stream["stream"], "s");
    assert_eq!(
        stream["sources"][0],
        json!({"source_id": "kafka:c:t", "partition": 0, "from": 100, "to": 300, "read": 196,
            "holes": 4, "lost": 0, "accepted": 184, "rejected": 10, "skipped": 6})
    );
    let finding = &stream["findings"][0];
    let keys: Vec<&str> = finding
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let mut named = vec![
        "kind",
        "table",
        "source_id",
        "partition",
        "from",
        "to",
        "file",
        "message",
    ];
    named.sort_unstable();
    assert_eq!(keys, named);
    assert_eq!(finding["kind"], "missing_file");
    assert_eq!(finding["file"], file);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_data_file_is_named_with_its_positions() {
    let lake = Lake::with_batches(4).await;
    let file = lake.data_files()[1].clone();
    std::fs::remove_file(lake.data(&file)).unwrap();
    let report = lake.verify().await;
    let missing = of(&report, "missing_file");
    assert_eq!(missing[0].file.as_deref(), Some(file.as_str()));
    assert_eq!(missing[0].table, "s__dll");
    let rows = of(&report, "missing_row");
    assert!(
        rows.iter()
            .all(|f| f.from >= Some(200) && f.to <= Some(300)),
        "{rows:#?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_data_file_is_unreadable() {
    for damage in ["cut", "footer"] {
        let lake = Lake::with_batches(2).await;
        let file = lake.data_files()[0].clone();
        let mut bytes = std::fs::read(lake.data(&file)).unwrap();
        match damage {
            "cut" => bytes.truncate(bytes.len() / 2),
            _ => {
                let at = bytes.len() - 40;
                bytes[at..].fill(0);
            }
        }
        std::fs::write(lake.data(&file), bytes).unwrap();
        let report = lake.verify().await;
        let found = of(&report, "unreadable");
        assert_eq!(found[0].file.as_deref(), Some(file.as_str()), "{damage}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_doubled_add_is_found_in_its_own_and_in_a_later_commit() {
    for later in [false, true] {
        let lake = Lake::with_batches(4).await;
        let file = lake.data_files()[1].clone();
        let from = lake.version_of(&file);
        let add = lake
            .lines("s__dll", from)
            .into_iter()
            .find(|l| l.get("add").is_some())
            .unwrap();
        let at = if later { from + 2 } else { from };
        let mut lines = lake.lines("s__dll", at);
        lines.push(add);
        lake.rewrite("s__dll", at, &lines);
        let report = lake.verify().await;
        let found = of(&report, "duplicate_add");
        assert_eq!(found[0].file.as_deref(), Some(file.as_str()));
        assert_eq!(kinds(&report), BTreeSet::from(["duplicate_add"]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_a_data_file_under_another_name_is_found() {
    let lake = Lake::with_batches(4).await;
    let file = lake.data_files()[1].clone();
    std::fs::copy(lake.data(&file), lake.data("copy.parquet")).unwrap();
    let at = lake.version_of(&file);
    let mut lines = lake.lines("s__dll", at);
    let mut add = lines
        .iter()
        .find(|l| l.get("add").is_some())
        .unwrap()
        .clone();
    add["add"]["path"] = json!("copy.parquet");
    lines.push(add.clone());
    lake.rewrite("s__dll", at, &lines);
    let report = lake.verify().await;
    let found = of(&report, "duplicate_row");
    assert!(
        found
            .iter()
            .all(|f| f.file.as_deref() == Some("copy.parquet"))
    );

    let lake = Lake::with_batches(4).await;
    let file = lake.data_files()[1].clone();
    std::fs::copy(lake.data(&file), lake.data("copy.parquet")).unwrap();
    lake.rewrite(
        "s__dll",
        lake.newest("s__dll") + 1,
        &[add_of(&lake, &file, "copy.parquet")],
    );
    let report = lake.verify().await;
    let found = of(&report, "count_mismatch");
    assert_eq!(found[0].file.as_deref(), Some("copy.parquet"));
}

/// The `add` action of `file`, for another path.
fn add_of(lake: &Lake, file: &str, path: &str) -> Value {
    let mut add = lake
        .lines("s__dll", lake.version_of(file))
        .into_iter()
        .find(|l| l.get("add").is_some())
        .unwrap();
    add["add"]["path"] = json!(path);
    add
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_range_left_out_of_a_commit_is_found() {
    for last in [false, true] {
        let lake = Lake::with_batches(4).await;
        let at = if last { lake.newest("s__dll") } else { 3 };
        let mut lines = lake.lines("s__dll", at);
        let ranges = weir(&mut lines)["ranges"].as_array_mut().unwrap();
        let gone = ranges.remove(1);
        lake.rewrite("s__dll", at, &lines);
        let report = lake.verify().await;
        let found = of(&report, "gap");
        assert_eq!(found[0].partition, Some(1));
        assert_eq!(found[0].from, gone["from"].as_i64());
        assert_eq!(found[0].to, gone["to"].as_i64());
        let rows = of(&report, "count_mismatch");
        assert!(rows.iter().all(|f| f.partition == Some(1)), "{rows:#?}");
    }
}

/// `commitInfo.weir` of a commit's lines.
fn weir(lines: &mut [Value]) -> &mut Value {
    lines
        .iter_mut()
        .find_map(|l| l.get_mut("commitInfo"))
        .map(|info| &mut info["weir"])
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_range_that_is_there_twice_is_an_overlap() {
    let lake = Lake::with_batches(3).await;
    let mut lines = lake.lines("s__dll", 2);
    let ranges = weir(&mut lines)["ranges"].as_array_mut().unwrap();
    let again = ranges[0].clone();
    ranges.push(again);
    lake.rewrite("s__dll", 2, &lines);
    let report = lake.verify().await;
    assert_eq!(of(&report, "overlap")[0].partition, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_starting_point_left_out_is_found() {
    let lake = Lake::with_batches(3).await;
    let mut lines = lake.lines("s__dll", 1);
    weir(&mut lines)["ranges"].as_array_mut().unwrap().remove(0);
    lines.retain(|l| l["txn"]["appId"] != "kafka:c:t:0");
    lake.rewrite("s__dll", 1, &lines);
    let report = lake.verify().await;
    assert_eq!(of(&report, "gap")[0].partition, Some(0));
    assert_eq!(kinds(&report), BTreeSet::from(["gap"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_that_do_not_add_up_are_found() {
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 4] = [
        ("accepted", |r| r["accepted"] = json!(1)),
        ("rejected", |r| r["rejected"] = json!(6)),
        ("holes", |r| r["holes"] = json!(3)),
        ("lost", |r| {
            r["lost"] = json!(1);
            r["read"] = json!(97);
        }),
    ];
    for (what, change) in changes {
        let lake = Lake::with_batches(3).await;
        let mut lines = lake.lines("s__dll", 2);
        change(&mut weir(&mut lines)["ranges"][0]);
        lake.rewrite("s__dll", 2, &lines);
        let report = lake.verify().await;
        let found = of(&report, "count_mismatch");
        assert_eq!(found[0].partition, Some(0), "{what}");
        assert_eq!(
            (found[0].from, found[0].to),
            (Some(100), Some(200)),
            "{what}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_rejects_file_is_named() {
    let lake = Lake::with_batches(3).await;
    let file = lake.rejects_files()[1].clone();
    std::fs::remove_file(lake.rejects(&file)).unwrap();
    let report = lake.verify().await;
    let found = of(&report, "missing_file");
    assert_eq!(found[0].table, "s__rejects");
    assert_eq!(found[0].file.as_deref(), Some(file.as_str()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emptied_rejects_commit_is_found_with_and_without_its_position() {
    for keep_position in [true, false] {
        let lake = Lake::with_batches(3).await;
        let at = lake.newest("s__rejects");
        let mut lines = lake.lines("s__rejects", at);
        lines.retain(|l| l.get("add").is_none() && (keep_position || l.get("txn").is_none()));
        lake.rewrite("s__rejects", at, &lines);
        let report = lake.verify().await;
        let found = of(&report, "missing_file");
        assert!(found.iter().all(|f| f.table == "s__rejects"));
        let named = found
            .iter()
            .any(|f| f.file.as_deref() == lake.rejects_files().last().map(String::as_str));
        assert_eq!(named, keep_position, "{found:#?}");
        assert_eq!(kinds(&report), BTreeSet::from(["missing_file"]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejects_table_that_follows_by_its_position_alone_is_fine() {
    let lake = Lake::with_batches(2).await;
    let before = lake.newest("s__rejects");
    lake.land_nothing(210).await;
    assert_eq!(lake.newest("s__rejects"), before + 1);
    assert_clean(&lake.verify().await);
    lake.land(&Batch::at(300)).await;
    assert_clean(&lake.verify().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejects_table_that_trails_is_fine_and_one_that_has_more_is_not() {
    let lake = Lake::with_batches(3).await;
    lake.land_without_following(&Batch::at(400)).await;
    assert_clean(&lake.verify().await);

    let file = lake.rejects_files()[0].clone();
    std::fs::copy(lake.rejects(&file), lake.rejects("more.parquet")).unwrap();
    let at = lake.newest("s__rejects");
    let mut lines = lake.lines("s__rejects", at);
    let mut add = lines
        .iter()
        .find(|l| l.get("add").is_some())
        .unwrap()
        .clone();
    add["add"]["path"] = json!("more.parquet");
    lines.push(add);
    lake.rewrite("s__rejects", at, &lines);
    let report = lake.verify().await;
    let found = of(&report, "count_mismatch");
    assert_eq!(found[0].file.as_deref(), Some("more.parquet"));
    assert_eq!(found[0].table, "s__rejects");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_moved_back_is_found() {
    // In the last commit, in an older one, and by a commit of its own.
    for at in [4, 2, 5] {
        let lake = Lake::with_batches(3).await;
        let mut lines = match at {
            5 => vec![json!({"txn": {"appId": "kafka:c:t:1", "version": 150, "lastUpdated": 0}})],
            at => lake.lines("s__dll", at),
        };
        for line in &mut lines {
            if line["txn"]["appId"] == "kafka:c:t:1" {
                line["txn"]["version"] = json!(150);
            }
        }
        lake.rewrite("s__dll", at, &lines);
        let report = lake.verify().await;
        let found = of(&report, "moved_back");
        assert_eq!(found.len(), 1, "{at}: {found:#?}");
        assert_eq!(found[0].partition, Some(1));
        assert_eq!(found[0].from, Some(150));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreadable_or_missing_log_is_a_finding() {
    let lake = Lake::with_batches(3).await;
    std::fs::write(lake.commit("s__dll", 2), "{").unwrap();
    let report = lake.verify().await;
    let found = of(&report, "unreadable");
    assert!(
        found
            .iter()
            .any(|f| f.file.as_deref() == Some("_delta_log/00000000000000000002.json"))
    );

    let lake = Lake::with_batches(3).await;
    std::fs::remove_file(lake.commit("s__dll", 2)).unwrap();
    let report = lake.verify().await;
    let found = of(&report, "missing_file");
    assert_eq!(
        found[0].file.as_deref(),
        Some("_delta_log/00000000000000000002.json")
    );

    let lake = Lake::with_batches(1).await;
    std::fs::remove_dir_all(lake.path("s__dll")).unwrap();
    let report = lake.verify().await;
    assert!(
        of(&report, "unreadable")
            .iter()
            .any(|f| f.table == "s__dll")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn losses_that_are_written_down_are_no_missing_rows() {
    let lake = Lake::with_batches(1).await;
    let mut batch = Batch::at(200);
    batch.lost = 10;
    lake.land(&batch).await;
    let report = lake.verify().await;
    assert_clean(&report);
    assert_eq!(report.sources[0].lost, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folded_log_is_proven_and_its_plantings_found() {
    let lake = Lake::with_batches(105).await;
    let before = lake.verify().await;
    assert_clean(&before);
    let written = fold(&lake.store, "s", 60).await.unwrap();
    assert_eq!(written, vec![(0, 60)]);
    assert!(!lake.commit("s__dll", 60).exists());
    assert!(lake.commit("s__dll", 61).exists());
    let after = lake.verify().await;
    assert_clean(&after);
    assert_eq!(after.sources, before.sources);

    // Once more, upon the segment that is there.
    assert_eq!(fold(&lake.store, "s", 80).await.unwrap(), vec![(61, 80)]);
    let again = lake.verify().await;
    assert_clean(&again);
    assert_eq!(again.sources, before.sources);

    let file = lake.rejects_files()[5].clone();
    let moved = lake.path("aside.parquet");
    std::fs::rename(lake.rejects(&file), &moved).unwrap();
    let report = lake.verify().await;
    assert_eq!(
        of(&report, "missing_file")[0].file.as_deref(),
        Some(file.as_str())
    );
    std::fs::rename(&moved, lake.rejects(&file)).unwrap();
    assert_clean(&lake.verify().await);

    let segment = lake.path("s__dll/_weir/ledger/0-60.json");
    let text = std::fs::read_to_string(&segment).unwrap();
    let mut changed: Value = serde_json::from_str(&text).unwrap();
    let range = changed["ranges"]
        .as_array_mut()
        .unwrap()
        .last_mut()
        .unwrap();
    range["accepted"] = json!(range["accepted"].as_i64().unwrap() + 1);
    std::fs::write(&segment, changed.to_string()).unwrap();
    of(&lake.verify().await, "count_mismatch");

    std::fs::remove_file(&segment).unwrap();
    let report = lake.verify().await;
    of(&report, "missing_file");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fold_that_a_reader_would_miss_is_refused() {
    let lake = Lake::with_batches(5).await;
    let error = fold(&lake.store, "s", 3).await.unwrap_err();
    assert_eq!(error.kind(), weir::error::Kind::Refused);
    assert!(error.to_string().contains("checkpoint"), "{error}");
    assert!(lake.commit("s__dll", 0).exists());
    assert!(!lake.path("s__dll/_weir/ledger").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fold_that_broke_off_is_read_once_and_finished() {
    let lake = Lake::with_batches(105).await;
    let before = lake.verify().await;
    let kept: Vec<Vec<u8>> = (0..=60)
        .map(|v| std::fs::read(lake.commit("s__dll", v)).unwrap())
        .collect();
    fold(&lake.store, "s", 60).await.unwrap();
    for (version, bytes) in (0..).zip(kept).skip(30) {
        std::fs::write(lake.commit("s__dll", version), bytes).unwrap();
    }
    let between = lake.verify().await;
    assert_clean(&between);
    assert_eq!(between.sources, before.sources);
    assert_eq!(fold(&lake.store, "s", 70).await.unwrap(), vec![(61, 70)]);
    assert!(!lake.commit("s__dll", 45).exists());
    assert_clean(&lake.verify().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_were_compacted_are_read_in_a_second_pass() {
    let lake = Lake::with_batches(6).await;
    let before = lake.verify().await;
    let files = lake.data_files();
    lake.compact(&files[1..4], None).await;
    let after = lake.verify().await;
    assert_clean(&after);
    assert_eq!(after.sources, before.sources);

    let lake = Lake::with_batches(6).await;
    lake.compact(&lake.data_files()[1..4], Some(17)).await;
    let report = lake.verify().await;
    assert_eq!(kinds(&report), BTreeSet::from(["missing_row"]));
    assert_eq!(of(&report, "missing_row").len(), 1);
}
