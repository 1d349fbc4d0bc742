//! An instance that dies, or sleeps through its lease, at each step of a job. Another brings the job to
//! its end, and what it tells is what the ledger and the tables hold.

use std::process::Command;
use std::time::Duration;

use serde_json::json;

use super::yard::{STREAM, Yard, ended};
use crate::plan::tell;
use crate::services::wait_for;

const SCHEMA: &str = r#"{"type": "record", "name": "Row", "fields": [
    {"name": "id", "type": "long"}, {"name": "file", "type": "int"},
    {"name": "note", "type": "string"}]}"#;

/// In the order of a job's way; `src/fail_point.rs` says where they are.
const STEPS: [&str; 6] = [
    "before_upload",
    "after_part",
    "before_job",
    "before_put",
    "after_job",
    "before_clear",
];

const RECORDS: usize = 30_000;

/// A file of several parts, every hundredth of whose rows is bad; what is to come back of it.
fn file() -> (String, String) {
    let mut text = "id,file,note\n".to_owned();
    let mut failed = "weir_line,weir_field,weir_code,weir_message,id,file,note\n".to_owned();
    for record in 0..RECORDS {
        // Notes that no packing makes small, so that the parts are several.
        let note: String = (0..12)
            .map(|word| {
                format!(
                    "{:016x}",
                    (record * 12 + word + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
                )
            })
            .collect();
        if record % 100 == 99 {
            let row = format!("{record},many,\"{note}\nnext\"\n");
            let line = record + 2 + record / 100;
            failed.push_str(&format!(
                "{line},file,wrong_type,\"an integer is wanted, a text was seen\",{row}"
            ));
            text.push_str(&row);
        } else {
            text.push_str(&format!("{record},7,{note}\n"));
        }
    }
    (text, failed)
}

fn survives(step: &str, freezes: bool, packed: bool) {
    let mut yard = Yard::local(SCHEMA, "id", "");
    yard.more = "[memory]\nbudget = \"32MiB\"\n".to_owned();
    let (text, failed) = file();
    let name = match packed {
        true => "rows.csv.gz",
        false => "rows.csv",
    };
    let made = yard.folder().join("rows.csv");
    std::fs::write(&made, text).unwrap();
    if packed {
        assert!(Command::new("gzip").arg(&made).status().unwrap().success());
    }
    let point = match freezes {
        true => format!("{step}:1:freeze"),
        false => format!("{step}:1"),
    };
    let mut first = yard.weir("first", Some(&point));
    first.wait_ready();
    yard.move_in(&yard.folder().join(name), name);
    let limit = Duration::from_secs(90);
    wait_for("the step is reached", limit, || {
        let is_there = match freezes {
            true => first.process.is_frozen(),
            false => first.process.ended().is_some(),
        };
        is_there.then_some(())
    });
    let mut second = yard.weir("second", None);
    second.wait_ready();
    let is_told = |jobs: &std::collections::BTreeMap<String, serde_json::Value>| ended(jobs) == 1;
    let is_cleared = |yard: &Yard| {
        let live = yard.lake().join(format!("{STREAM}__dll/_weir/jobs"));
        let left = std::fs::read_dir(live).map_or(0, |jobs| {
            jobs.filter(|job| {
                let claims = job.as_ref().unwrap().path().join("claims");
                std::fs::read_dir(claims).is_ok_and(|mut claims| claims.next().is_some())
            })
            .count()
        });
        left == 0
    };
    yard.wait_jobs("the job ends", limit, &mut [&mut second], is_told);
    if freezes {
        first.process.signal("CONT");
        first.wait_ready();
    }
    wait_for("no traces are left", limit, || {
        is_cleared(&yard).then_some(())
    });
    if freezes {
        first.stop();
    }
    second.stop();
    let jobs = yard.jobs();
    let (_, job) = jobs.iter().next().unwrap();
    let bad = RECORDS / 100;
    assert_eq!(
        (
            &job["state"],
            &job["accepted"],
            &job["rejected"],
            &job["reason"]
        ),
        (
            &json!("JobComplete"),
            &json!(RECORDS - bad),
            &json!(bad),
            &json!(null)
        ),
        "{point} {name}: {job:#}"
    );
    let key = job["failed_rows"]
        .as_str()
        .unwrap_or_else(|| panic!("{point}: {job:#}"));
    let given_back = std::fs::read_to_string(yard.bucket().join(key)).unwrap();
    assert!(
        given_back == failed,
        "{point} {name}: {}",
        &given_back[..400]
    );
    assert_eq!(
        yard.verify().values().sum::<i64>(),
        i64::try_from(RECORDS).unwrap()
    );
    let rows = yard.python("bulk_rows.py", &[&yard.table(), "file", "id"]);
    let rows = &rows[format!("{STREAM}/{name}")];
    assert_eq!(rows["rows"], json!(RECORDS - bad), "{point} {name}");
    assert_eq!(rows["distinct"], json!(RECORDS - bad), "{point} {name}");
}

#[test]
fn a_job_survives_the_death_of_its_worker_at_each_step() {
    for step in STEPS {
        for packed in [false, true] {
            survives(step, false, packed);
        }
        tell(&format!("died at {step}"));
    }
}

#[test]
fn a_job_survives_a_worker_that_sleeps_at_each_step() {
    for step in STEPS {
        survives(step, true, step == "after_part");
        tell(&format!("slept at {step}"));
    }
}
