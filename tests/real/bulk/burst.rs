//! Many files at once, for several instances, of which one dies and one sleeps through its lease.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::yard::{STREAM, Yard, ended};
use crate::plan::{bulk_files, seed, tell};
use crate::services::wait_for;

const SCHEMA: &str = r#"{"type": "record", "name": "Row", "fields": [
    {"name": "id", "type": "long"},
    {"name": "file", "type": "int"},
    {"name": "note", "type": ["null", "string"], "default": null}]}"#;

/// A file of its own content: `records` rows, every eleventh of which has no id.
fn file(number: usize, records: usize) -> (Vec<u8>, u64, u64) {
    let mut text = "id,file,note\n".to_owned();
    let (mut good, mut bad) = (0, 0);
    for record in 0..records {
        if record % 11 == 10 {
            text.push_str(&format!("x,{number},\"bad, row\"\n"));
            bad += 1;
        } else {
            text.push_str(&format!("{},{number},row\n", number * 100_000 + record));
            good += 1;
        }
    }
    (text.into_bytes(), good, bad)
}

/// What was dropped.
struct Dropped {
    /// Content → its good and bad rows.
    contents: BTreeMap<usize, (u64, u64)>,
    /// Name → content.
    names: BTreeMap<String, usize>,
    /// Names that were dropped again with the same content.
    again: BTreeSet<String>,
}

/// Files, a tenth of them under two names, and a tenth dropped twice.
fn burst(yard: &Yard, rng: &mut SmallRng, files: usize) -> Dropped {
    let mut dropped = Dropped {
        contents: BTreeMap::new(),
        names: BTreeMap::new(),
        again: BTreeSet::new(),
    };
    let mut drops = Vec::new();
    for number in 0..files * 9 / 10 {
        let (bytes, good, bad) = file(number, rng.random_range(1..400));
        dropped.contents.insert(number, (good, bad));
        let name = format!("{}/{number}.csv", number % 7);
        drops.push((name, number, bytes.clone()));
        if number % 9 == 0 {
            drops.push((format!("copies/{number}.csv"), number, bytes));
        }
    }
    drops.shuffle(rng);
    for (name, number, bytes) in &drops {
        yard.drop(name, bytes.clone());
        dropped.names.insert(name.clone(), *number);
    }
    for (name, _, bytes) in drops.iter().step_by(10) {
        yard.drop(name, bytes.clone());
        dropped.again.insert(name.clone());
    }
    dropped
}

/// Each content landed as often as the policy says, with all its good rows, once each.
fn holds(yard: &Yard, dropped: &Dropped, policy: &str) {
    let found = yard.python("bulk_rows.py", &[&yard.table(), "file", "id"]);
    let mut by_content: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    for (name, number) in &dropped.names {
        by_content.entry(*number).or_default().insert(name.clone());
    }
    for (number, (good, _)) in &dropped.contents {
        let names = &by_content[number];
        let landed: Vec<(&String, &Value)> = names
            .iter()
            .filter_map(|name| Some((name, found.get(format!("{STREAM}/{name}"))?)))
            .collect();
        let expected = match (policy, good) {
            (_, 0) => 0,
            ("skip", _) => 1,
            _ => names.len(),
        };
        assert_eq!(
            landed.len(),
            expected,
            "content {number} of {names:?}: {landed:?}"
        );
        for (name, rows) in landed {
            assert_eq!(rows["rows"], json!(good), "{name}");
            assert_eq!(rows["distinct"], json!(good), "{name}");
            assert_eq!(rows["values"], json!([number]), "{name}");
        }
    }
    let sources = found.as_object().unwrap().len();
    let proven = yard.verify();
    let records: i64 = proven.values().sum();
    let expected: u64 = by_content
        .iter()
        .map(|(number, names)| {
            let (good, bad) = dropped.contents[number];
            let times = if policy == "skip" {
                1
            } else {
                names.len() as u64
            };
            // Half of them bad or more, and nothing landed.
            (good + bad) * times
        })
        .sum();
    assert_eq!(u64::try_from(records).unwrap(), expected);
    tell(&format!(
        "burst: {sources} files, {records} records, proven"
    ));
}

/// Where copies are loaded, each but the first that landed says what it doubles, whoever landed it.
fn flagged(yard: &Yard, dropped: &Dropped) {
    let mut landed: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for job in yard.jobs().values() {
        if job["state"] != "JobComplete" || job["accepted"] == 0 {
            continue;
        }
        let key = job["files"][0]["key"].as_str().unwrap();
        let name = key.strip_prefix(&format!("{STREAM}/")).unwrap();
        let reason = job["reason"].as_str().unwrap_or_default().to_owned();
        let number = dropped.names[name];
        landed.entry(number).or_default().push(reason);
    }
    let mut doubled = 0;
    for (number, reasons) in &landed {
        let names = dropped.names.values().filter(|of| *of == number).count();
        assert_eq!(reasons.len(), names, "content {number}: {reasons:?}");
        let (flagged, plain): (Vec<_>, Vec<_>) = reasons
            .iter()
            .partition(|r| r.starts_with("loaded, though "));
        assert_eq!(flagged.len(), names - 1, "content {number}: {reasons:?}");
        assert!(plain.iter().all(|r| r.is_empty()), "{reasons:?}");
        doubled += flagged.len();
    }
    assert_eq!(landed.len(), dropped.contents.len());
    tell(&format!("burst: {doubled} copies flagged"));
}

fn runs(policy: &str) {
    let seed = seed(&format!("bulk_burst_{policy}"));
    let mut rng = SmallRng::seed_from_u64(seed);
    let files = bulk_files();
    let yard = Yard::local(
        SCHEMA,
        "id",
        &format!("on_duplicate = \"{policy}\"\nmax_reject_ratio = 1.0"),
    );
    let mut first = yard.weir("first", None);
    let mut sleeper = yard.weir("sleeper", None);
    let victim = yard.weir("victim", None);
    first.wait_ready();
    sleeper.wait_ready();
    let dropped = burst(&yard, &mut rng, files);
    let done = |count: usize| {
        let yard = &yard;
        move || (ended(&yard.jobs()) >= count).then_some(())
    };
    wait_for(
        "some jobs are done",
        Duration::from_secs(120),
        done(files / 10),
    );
    victim.process.kill();
    sleeper.process.signal("STOP");
    tell(&format!(
        "burst: {} jobs done, one killed, one asleep",
        ended(&yard.jobs())
    ));
    // What the two hold is taken over once their leases have run out. A name that was dropped twice is
    // two jobs, or one if only the second was seen; the first fails if it was just being read.
    let jobs = |jobs: &BTreeMap<String, Value>| {
        let keys: BTreeSet<&str> = jobs
            .values()
            .filter(|job| job["state"] == "JobComplete")
            .filter_map(|job| job["files"][0]["key"].as_str())
            .collect();
        keys.len() == dropped.names.len() && ended(jobs) == jobs.len()
    };
    yard.wait_jobs(
        "every job is done",
        Duration::from_secs(300),
        &mut [&mut first],
        jobs,
    );
    sleeper.process.signal("CONT");
    wait_for("no job is left under way", Duration::from_secs(120), || {
        let live = yard.lake().join(format!("{STREAM}__dll/_weir/jobs"));
        let left = walk(&live);
        left.is_empty().then_some(())
    });
    sleeper.wait_ready();
    sleeper.stop();
    first.stop();
    holds(&yard, &dropped, policy);
    if policy == "load" {
        flagged(&yard, &dropped);
    }
    let before = yard.verify();
    std::fs::remove_dir_all(yard.bucket().join("_results")).unwrap();
    let _ = std::fs::remove_dir_all(yard.lake().join(format!("{STREAM}__dll/_weir/jobs")));
    let mut again = yard.weir("again", None);
    let mut beside = yard.weir("beside", None);
    again.wait_ready();
    beside.wait_ready();
    // A new drop behind all others shows that these were seen.
    let (bytes, _, _) = file(99_999, 3);
    yard.drop("last.csv", bytes);
    yard.wait_jobs(
        "the last drop lands",
        Duration::from_secs(120),
        &mut [&mut again, &mut beside],
        |jobs| {
            let last = jobs.iter().find(|(key, _)| key.contains("last.csv"));
            last.is_some_and(|(_, job)| job["state"] == "JobComplete") && ended(jobs) == jobs.len()
        },
    );
    again.stop();
    beside.stop();
    let mut after = yard.verify();
    after.retain(|id, _| !before.contains_key(id));
    assert_eq!(after.values().sum::<i64>(), 3, "{after:?}");
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(walk(&path)),
            false => files.push(path),
        }
    }
    files
}

#[test]
fn each_file_of_a_burst_lands_once_whoever_dies() {
    runs("load");
}

#[test]
fn a_content_of_a_burst_lands_once_where_copies_are_skipped() {
    runs("skip");
}
