//! One large file, with instances that die again and again after progress was staged.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::yard::{STREAM, Yard, ended};
use crate::plan::{bulk_bytes, kills, seed, tell};
use crate::services::{python, wait_for, within};

/// Most memory that an instance may have had, in KiB.
const PEAK_KIB: u64 = 400 * 1000 * 1000 / 1024;

/// Writes the file and the list of its bad rows into the yard's folder; what is in it.
fn write(yard: &Yard, seed: u64) -> Value {
    let folder = yard.folder().join("made");
    let arguments = [
        folder.display().to_string(),
        bulk_bytes().to_string(),
        seed.to_string(),
    ];
    let output = python("../long/csv_events.py", &arguments);
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// The folder of a job's parts, beside its claims.
fn parts_folder(job: &std::path::Path) -> Option<std::path::PathBuf> {
    let mut folders = std::fs::read_dir(job)
        .ok()?
        .map(|entry| entry.unwrap().path());
    folders.find(|folder| folder.is_dir() && !folder.ends_with("claims"))
}

/// Parts that are staged of the job under way.
fn staged(yard: &Yard) -> usize {
    let jobs = yard.lake().join(format!("{STREAM}__dll/_weir/jobs"));
    let Some(job) = std::fs::read_dir(jobs)
        .ok()
        .and_then(|mut jobs| jobs.next())
    else {
        return 0;
    };
    let parts = parts_folder(&job.unwrap().path()).map(std::fs::read_dir);
    let parts = parts.and_then(Result::ok);
    let names = parts.into_iter().flatten();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".json")).count()
}

/// Commits of the table.
fn commits(yard: &Yard) -> usize {
    let log = yard.lake().join(format!("{STREAM}__dll/_delta_log"));
    let names = std::fs::read_dir(log).into_iter().flatten();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".json")).count()
}

#[test]
fn a_large_file_lands_once_whoever_dies() {
    let seed = seed("bulk_large");
    let mut rng = SmallRng::seed_from_u64(seed);
    // The schema is the generator's; the yard gets it once it is written.
    let mut yard = Yard::local("", "id", "");
    yard.more = format!(
        "[memory]\nbudget = \"{}\"\n",
        match bulk_bytes() {
            // So that a small file has several parts too.
            0..1_000_000_000 => "32MiB",
            _ => "256MiB",
        }
    );
    let made = write(&yard, seed);
    yard.schema = std::fs::read_to_string(yard.folder().join("made/events.avsc")).unwrap();
    tell(&format!("large: {made}"));
    let mut peak = 0;
    let mut redone = Vec::new();
    let limit = Duration::from_secs(60 + bulk_bytes() / 1_000_000);
    yard.move_in(&yard.folder().join("made/events.csv"), "events.csv");
    let mut last = yard.weir("weir", None);
    last.wait_ready();
    for kill in 0..kills() {
        let before = staged(&yard);
        let grows = within(limit, || {
            last.assert_alive();
            (staged(&yard) > before || ended(&yard.jobs()) > 0).then_some(())
        });
        assert!(grows.is_some(), "no progress behind part {before}");
        if ended(&yard.jobs()) > 0 {
            break;
        }
        // Somewhere within the next part.
        let wait = rng.random_range(0..600);
        let _ = within(Duration::from_millis(wait), || None::<()>);
        let (parts, records) = (staged(&yard), judged(&last));
        peak = peak.max(last.resident_kib().1);
        last.process.kill();
        if commits(&yard) > 1 {
            // It came to its end a moment before: then all of it is visible.
            let whole = yard.verify().into_values().sum::<i64>();
            assert_eq!(json!(whole), made["records"], "half a file is visible");
        }
        let staged_to = staged_records(&yard);
        redone.push(records.saturating_sub(staged_to));
        tell(&format!(
            "large: kill {kill} behind part {parts}, {staged_to} of {records} judged records staged"
        ));
        last = yard.weir("weir", None);
        last.wait_ready();
    }
    let jobs = yard.wait_jobs("the job ends", limit, &mut [&mut last], |jobs| {
        ended(jobs) == 1
    });
    peak = peak.max(last.resident_kib().1);
    let (_, job) = jobs.iter().next().unwrap();
    assert_eq!(job["state"], "JobComplete", "{job:#}");
    assert_eq!(job["files"][0]["records"], made["records"], "{job:#}");
    assert_eq!(job["rejected"], made["bad"], "{job:#}");
    tell(&format!(
        "large: peak {peak} KiB, {} kills, records judged again: {redone:?} of {}",
        redone.len(),
        made["records"]
    ));
    assert!(peak <= PEAK_KIB, "the peak was {peak} KiB");
    mends(&yard, &mut last, &made);
    last.stop();
}

/// Records that the running instance says it has judged.
fn judged(weir: &crate::instance::Weir) -> u64 {
    let (_, text) = weir.get("/api/v1/jobs").unwrap_or_default();
    let jobs: Value = serde_json::from_str(&text).unwrap_or_default();
    jobs["jobs"][0]["files"][0]["records"].as_u64().unwrap_or(0)
}

/// Records that are staged.
fn staged_records(yard: &Yard) -> u64 {
    let jobs = yard.lake().join(format!("{STREAM}__dll/_weir/jobs"));
    let job = std::fs::read_dir(jobs)
        .ok()
        .and_then(|mut jobs| jobs.next());
    let folder = job.and_then(|job| parts_folder(&job.unwrap().path()));
    let Some(folder) = folder else {
        return 0;
    };
    let parts = staged(yard);
    let Some(last) = parts.checked_sub(1) else {
        return 0;
    };
    let text = std::fs::read_to_string(folder.join(format!("{last:06}.json"))).unwrap();
    let part: Value = serde_json::from_str(&text).unwrap();
    part["to"]["record"].as_u64().unwrap()
}

/// What came back is what was planted, and lands once it is mended and dropped.
fn mends(yard: &Yard, weir: &mut crate::instance::Weir, made: &Value) {
    let results = yard.bucket().join(format!("_results/{STREAM}/events.csv"));
    let result = std::fs::read_dir(results)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let made_folder = yard.folder().join("made").display().to_string();
    let mended = yard.folder().join("mended.csv");
    let told = yard.python(
        "planted.py",
        &[
            "mend",
            &made_folder,
            &result.display().to_string(),
            &mended.display().to_string(),
        ],
    );
    yard.move_in(&mended, "mended.csv");
    let jobs = yard.wait_jobs(
        "the mended rows land",
        Duration::from_secs(120),
        &mut [weir],
        |jobs| ended(jobs) == 2,
    );
    let job = jobs
        .values()
        .find(|job| job["files"][0]["key"] == json!(format!("{STREAM}/mended.csv")));
    let job = job.unwrap();
    assert_eq!(
        (&job["state"], &job["rejected"]),
        (&json!("JobComplete"), &json!(0)),
        "{job:#}"
    );
    assert_eq!(job["accepted"], told["mended"], "{job:#}");
    let rows = yard.python(
        "planted.py",
        &["rows", &yard.table(), &made["records"].to_string()],
    );
    tell(&format!("large: {told}, {rows}"));
    let proven: i64 = wait_for("it is proven", Duration::from_secs(60), || {
        Some(yard.verify().values().sum())
    });
    let records = made["records"].as_i64().unwrap() + told["mended"].as_i64().unwrap();
    assert_eq!(proven, records);
}
