//! A file from the world outside: what lands is what pandas reads of it.

use std::time::Duration;

use serde_json::json;

use super::yard::{STREAM, Yard, ended};
use crate::plan::tell;

/// The columns that may be missing.
const SCHEMA: &str = r#"{"type": "record", "name": "Flight", "fields": [
    {"name": "year", "type": "int"}, {"name": "month", "type": "int"}, {"name": "day", "type": "int"},
    {"name": "dep_time", "type": ["null", "int"]}, {"name": "sched_dep_time", "type": "int"},
    {"name": "dep_delay", "type": ["null", "int"]}, {"name": "arr_time", "type": ["null", "int"]},
    {"name": "sched_arr_time", "type": "int"}, {"name": "arr_delay", "type": ["null", "int"]},
    {"name": "carrier", "type": "string"}, {"name": "flight", "type": "int"},
    {"name": "tailnum", "type": ["null", "string"]}, {"name": "origin", "type": "string"},
    {"name": "dest", "type": "string"}, {"name": "air_time", "type": ["null", "int"]},
    {"name": "distance", "type": "long"}, {"name": "hour", "type": "int"}, {"name": "minute", "type": "int"},
    {"name": "time_hour", "type": {"type": "long", "logicalType": "timestamp-micros"}}]}"#;

const ROWS: u64 = 336_776;

/// Drops the flights, and holds what landed against pandas; the rejected lines.
fn lands(yard: &Yard, mode: &str) -> u64 {
    let file = yard.folder().join("flights.csv");
    let path = file.display().to_string();
    yard.python("flights.py", &["write", &path]);
    let kept = yard.folder().join("kept.csv");
    std::fs::copy(&file, &kept).unwrap();
    let mut weir = yard.weir("weir", None);
    weir.wait_ready();
    yard.move_in(&file, "flights.csv");
    let jobs = yard.wait_jobs(
        "the job ends",
        Duration::from_secs(180),
        &mut [&mut weir],
        |jobs| ended(jobs) == 1,
    );
    weir.stop();
    let (_, job) = jobs.iter().next().unwrap();
    assert_eq!(job["state"], "JobComplete", "{job:#}");
    assert_eq!(job["files"][0]["records"], json!(ROWS), "{job:#}");
    let rejects = yard.lake().join(format!("{STREAM}__rejects"));
    let failed = match job["failed_rows"].as_str() {
        Some(key) => yard.bucket().join(key).display().to_string(),
        None => "-".to_owned(),
    };
    let (kept, rejects) = (kept.display().to_string(), rejects.display().to_string());
    let counts = yard.python(
        "flights.py",
        &["check", &kept, mode, &yard.table(), &rejects, &failed],
    );
    tell(&format!("flights, {mode}: {counts}"));
    assert_eq!(job["accepted"], counts["rows"]);
    assert_eq!(job["rejected"], counts["rejected"]);
    let rejected = counts["rejected"].as_u64().unwrap();
    assert_eq!(counts["rows"].as_u64().unwrap() + rejected, ROWS);
    assert_eq!(
        yard.verify().values().sum::<i64>(),
        i64::try_from(ROWS).unwrap()
    );
    rejected
}

const NULLS: &str = "[bulk.dialect]\nnull = [\"NA\"]";

#[test]
fn flights_land_as_pandas_reads_them() {
    assert_eq!(lands(&Yard::local(SCHEMA, "year", NULLS), "na"), 0);
    assert_eq!(lands(&Yard::local(SCHEMA, "year", ""), "plain"), 9430);
}

#[test]
fn flights_land_through_s3() {
    assert_eq!(lands(&Yard::s3(SCHEMA, "year", ""), "plain"), 9430);
    assert_eq!(lands(&Yard::s3(SCHEMA, "year", NULLS), "na"), 0);
}
