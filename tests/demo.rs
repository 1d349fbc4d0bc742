//! The main job from outside: the real binary, a broker inside it, tables on local disk.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Output};

#[test]
fn demo_lands_every_event_once() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("demo");
    let output = demo(&dir, &["--events", "3000", "--format", "json"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    // Of 3,000 events one in a hundred is bad, and of those one in ten is a tombstone; of the 700 rows
    // of a CSV file one in fifty is.
    let stream = &shown["streams"][0];
    assert_eq!(stream["read"], 3700, "{shown}");
    assert_eq!(stream["accepted"], 2970 + 686, "{shown}");
    assert_eq!(stream["rejected"], 27 + 14, "{shown}");
    assert_eq!(stream["skipped"], 3, "{shown}");
    let jobs = shown["jobs"].as_array().unwrap();
    assert_eq!(jobs.len(), 1, "{shown}");
    let job = &jobs[0];
    assert_eq!(job["state"], "JobComplete", "{shown}");
    assert_eq!(job["files"][0]["key"], "orders/history.csv", "{shown}");
    assert_eq!(
        (&job["accepted"], &job["rejected"]),
        (&686.into(), &14.into())
    );
    let results = dir.join("drop").join(job["failed_rows"].as_str().unwrap());
    let results = results.parent().unwrap();
    let text = |name: &str| std::fs::read_to_string(results.join(name)).unwrap();
    let told: serde_json::Value = serde_json::from_str(&text("job.json")).unwrap();
    assert_eq!(told, *job);
    // Two rows of each of six ways to be wrong, and two lines that are no CSV.
    assert_eq!(text("failed.csv").lines().count(), 1 + 12);
    assert_eq!(text("failed.txt").lines().count(), 2);
    let codes: Vec<(&str, u64)> = shown["rejects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (r["code"].as_str().unwrap(), r["count"].as_u64().unwrap()))
        .collect();
    let count = |n: u64| codes.iter().filter(|(_, count)| *count == n).count();
    assert_eq!(
        (codes.len(), count(3), count(5), count(2)),
        (11, 4, 5, 2),
        "{codes:?}"
    );
    assert_eq!(shown["ok"], true, "{shown}");
    let proof = &shown["verify"]["streams"][0];
    assert_eq!(proof["ok"], true, "{shown}");
    assert_eq!(proof["sources"].as_array().unwrap().len(), 5, "{shown}");
    assert_eq!(proof["findings"].as_array().unwrap().len(), 0, "{shown}");
    assert!(dir.join("lake/orders__dll/_delta_log").is_dir());

    // The broker of another demo is another one: its lake is not mixed with this one.
    let again = demo(&dir, &["--events", "10"]);
    assert_eq!(again.status.code(), Some(2), "{again:?}");
}

#[test]
fn demo_shows_what_landed_and_how_to_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("demo");
    let output = demo(&dir, &["--events", "1000"]);
    assert!(output.status.success(), "{output:?}");
    let shown = String::from_utf8(output.stdout).unwrap();
    for part in [
        "orders   1700       1676",
        "orders/history.csv   JobComplete       700        686         14",
        "to mend and drop again: /",
        "/failed.csv\n",
        "rejected lines: /",
        "/failed.txt\n",
        "unknown_symbol",
        "weir verify: stream orders: proven, 1700 positions read",
        "pl.scan_delta(",
        "duckdb.sql(",
    ] {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
    // What it wrote is a configuration like any other.
    let verify = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["verify", "--config"])
        .arg(dir.join("config/weir.toml"))
        .output()
        .unwrap();
    assert!(verify.status.success(), "{verify:?}");
}

#[test]
fn more_events_than_the_broker_keeps_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("demo");
    let output = demo(&dir, &["--events", "100000"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(!dir.exists());
}

fn demo(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_weir"))
        .arg("demo")
        .args(arguments)
        .arg("--dir")
        .arg(dir)
        .output()
        .unwrap()
}
