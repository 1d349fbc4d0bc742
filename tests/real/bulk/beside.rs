//! Files and topics at once: one table of both, and a large file beside a topic that must not wait.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::instance::Weir;
use crate::plan::{bulk_bytes, seed, tell};
use crate::services::{python, wait_for};
use crate::world::{SOON, STREAM, Settings, World};

/// The bucket of a world, and the part of `weir.toml` that names it.
fn bucket(world: &World) -> (std::path::PathBuf, String) {
    let folder = world.folder().join("drop");
    std::fs::create_dir_all(&folder).unwrap();
    let section = format!(
        "[bulk]\nurl = \"file://{}\"\npoll = \"500ms\"\nsettle = \"500ms\"\n",
        folder.display()
    );
    (folder, section)
}

fn jobs(weir: &Weir) -> Vec<Value> {
    let (_, text) = weir.get("/api/v1/jobs").unwrap_or_default();
    let jobs: Value = serde_json::from_str(&text).unwrap_or_default();
    jobs["jobs"].as_array().cloned().unwrap_or_default()
}

#[test]
fn a_history_by_files_and_a_topic_make_one_table() {
    let mut world = World::local(Settings::default());
    let (drop, section) = bucket(&world);
    world.settings.more = section;
    world.settings.topics += "\n[bulk]\n";
    let mut history = "id,number,category,amount,country,created_at,active,note\n".to_owned();
    for number in 0..5000 {
        let category = if number % 100 == 99 { "boat" } else { "book" };
        writeln!(
            history,
            "h{number},{number},{category},1.5,DEU,2026-01-01T00:00:00Z,true,\"a, b\""
        )
        .unwrap();
    }
    std::fs::create_dir_all(drop.join(STREAM)).unwrap();
    std::fs::write(drop.join("history"), history).unwrap();
    world.topics(&["create", STREAM, "4"]);
    world.produce(seed("history_and_topic"), &["--records", "20000"]);
    let mut weir = world.weir("weir", None);
    weir.wait_ready();
    std::fs::rename(drop.join("history"), drop.join(STREAM).join("history.csv")).unwrap();
    world.wait_settled(std::slice::from_mut(&mut weir), &world.ends(STREAM));
    wait_for("the history lands", SOON, || {
        let jobs = jobs(&weir);
        let is_done = jobs.iter().any(|job| job["state"] == "JobComplete");
        is_done.then_some(())
    });
    let job = jobs(&weir).remove(0);
    assert_eq!(
        (&job["accepted"], &job["rejected"]),
        (&json!(4950), &json!(50)),
        "{job:#}"
    );
    weir.stop();
    let (code, proof) = world.verify();
    assert_eq!(code, Some(0), "{proof:#}");
    let sources = proof["streams"][0]["sources"].as_array().unwrap();
    let sum = |begin: &str, name: &str| -> i64 {
        let of = sources
            .iter()
            .filter(|s| s["source_id"].as_str().unwrap().starts_with(begin));
        of.map(|s| s[name].as_i64().unwrap()).sum()
    };
    let ends: i64 = world.ends(STREAM).values().sum();
    assert_eq!(sum("kafka:", "to") - sum("kafka:", "from"), ends);
    assert_eq!((sum("bulk:", "read"), sum("bulk:", "rejected")), (5000, 50));
    let rows = u64::try_from(sum("", "accepted")).unwrap();
    for (reader, counts) in world.readers(&["id", "_weir_offset"]) {
        let expected = [("rows", rows), ("id", rows), ("_weir_offset", rows)];
        let expected = expected.map(|(name, n)| (name.to_owned(), n));
        assert_eq!(counts, expected.into(), "{reader}");
    }
    tell(&format!(
        "history and topic: {rows} rows of {} sources, proven",
        sources.len()
    ));
}

const LARGE: &str = "source = \"test\"\nobject = \"large\"\ncategory = \"other\"\n\
     schema = { subject = \"large\" }\nprimary_key = [\"id\"]\n[bulk]\n";

/// Events a second, and for how long at least.
const RATE: u32 = 2000;

/// Waits until each of the topic's partitions is read: what is sent before waits for the group.
fn wait_read(weir: &Weir, partitions: usize) {
    wait_for("every partition is read", SOON, || {
        let (_, text) = weir.get(&format!("/api/v1/streams/{STREAM}"))?;
        let stream: Value = serde_json::from_str(&text).ok()?;
        let list = stream["partitions"].as_array()?;
        let read = list.iter().filter(|p| p["state"] == "running").count();
        (read == partitions).then_some(())
    });
}

/// The delays of a topic, with a large file beside it or without; seconds.
fn delays(large: bool) -> Value {
    let mut world = World::local(Settings {
        max_age: "1s",
        max_rows: 1_000_000,
        ..Settings::default()
    });
    let (drop, section) = bucket(&world);
    world.settings.more = section;
    let made = world.folder().join("made");
    let arguments = [
        made.display().to_string(),
        bulk_bytes().to_string(),
        "7".to_owned(),
    ];
    assert!(python("../long/csv_events.py", &arguments).status.success());
    let schema = std::fs::read_to_string(made.join("events.avsc")).unwrap();
    world.settings.files = vec![
        ("streams/large.toml".to_owned(), LARGE.to_owned()),
        ("schemas/large/1.avsc".to_owned(), schema),
    ];
    world.topics(&["create", STREAM, "4"]);
    let mut weir = world.weir("weir", None);
    weir.wait_ready();
    wait_read(&weir, 4);
    // As long as the file takes, and at least long enough for a percentile.
    let seconds = 20 + bulk_bytes() / 50_000_000;
    let brokers = world.kafka.brokers();
    let arguments = [
        "send",
        &brokers,
        STREAM,
        &RATE.to_string(),
        &seconds.to_string(),
    ];
    let arguments = arguments.map(str::to_owned);
    std::fs::create_dir_all(drop.join("large")).unwrap();
    if large {
        std::fs::rename(made.join("events.csv"), drop.join("large/events.csv")).unwrap();
    }
    let sent = python("delay.py", &arguments);
    let text = String::from_utf8_lossy(&sent.stdout).into_owned();
    let sent: Value = serde_json::from_str(&text)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&sent.stderr)));
    let state = jobs(&weir).first().map(|job| job["state"].clone());
    world.wait_settled(std::slice::from_mut(&mut weir), &world.ends(STREAM));
    let peak = weir.resident_kib().1;
    if large {
        wait_for("the file lands", Duration::from_secs(600), || {
            jobs(&weir)
                .iter()
                .any(|job| job["state"] == "JobComplete")
                .then_some(())
        });
    }
    weir.stop();
    let table = world.lake_folder().join(format!("{STREAM}__dll"));
    let told = python(
        "delay.py",
        &["tell".to_owned(), table.display().to_string()],
    );
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    let told: Value = serde_json::from_str(&text)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&told.stderr)));
    assert_eq!(told["rows"], sent["sent"]);
    tell(&format!(
        "delay, large file {large}: {told}; the job was {state:?} when the last event was sent; peak {peak} KiB"
    ));
    told
}

#[test]
fn a_large_file_does_not_hold_up_a_topic() {
    let alone = delays(false);
    let beside = delays(true);
    let p99 = |told: &Value| told["p99"].as_f64().unwrap();
    // One max_age above.
    assert!(
        p99(&beside) <= p99(&alone) + 1.0,
        "alone {alone}, beside {beside}"
    );
}
