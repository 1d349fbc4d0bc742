//! A landed lake is broken in one way, by another program, and `weir verify` names it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::instance::Weir;
use crate::plan::seed;
use crate::services::python;
use crate::world::{STREAM, Settings, World};

/// What `plant.py` can do, and what a proof calls it.
const PLANTINGS: [(&str, &str); 6] = [
    ("data_file_deleted", "missing_file"),
    ("add_doubled", "duplicate_add"),
    ("range_left_out", "gap"),
    ("rejects_file_removed", "missing_file"),
    ("last_rejects_commit_emptied", "missing_file"),
    ("position_moved_back", "moved_back"),
];

/// A lake whose log has a checkpoint, and how many records it holds. How many commits they make
/// depends on the machine, so that more are sent until one of the commits has brought it.
fn landed() -> (World, u64) {
    let world = World::local(Settings {
        max_age: "100ms",
        ..Settings::default()
    });
    world.topics(&["create", STREAM, "2"]);
    let mut crew = vec![world.weir("a", None)];
    let options = [
        "--partitions",
        "2",
        "--records",
        "4000",
        "--poison",
        "0.1",
        "--rate",
        "200",
    ];
    world.produce(seed("plantings"), &options);
    world.wait_settled(&mut crew, &world.ends(STREAM));
    let mut records = 4000;
    let deadline = Instant::now() + Duration::from_secs(120);
    while !has_checkpoint(&log_folder(&world)) {
        assert!(Instant::now() < deadline, "no checkpoint was written");
        let first = records.to_string();
        let options = ["--partitions", "2", "--records", "100", "--first", &first];
        world.produce(1, &[&options[..], &["--rate", "100"]].concat());
        world.wait_settled(&mut crew, &world.ends(STREAM));
        records += 100;
    }
    crew.into_iter().for_each(Weir::stop);
    world.check(&[]);
    (world, records)
}

fn log_folder(world: &World) -> PathBuf {
    world
        .lake_folder()
        .join(format!("{STREAM}__dll/_delta_log"))
}

fn has_checkpoint(log: &Path) -> bool {
    let names = std::fs::read_dir(log)
        .unwrap()
        .map(|e| e.unwrap().file_name());
    let mut names = names.map(|name| name.into_string().unwrap());
    names.any(|name| name.ends_with(".checkpoint.parquet"))
}

#[test]
fn a_proof_holds_and_each_planting_is_named() {
    let (mut world, records) = landed();
    let clean = proof(&world, records);
    let lake = world.lake_folder();
    for (planting, kind) in PLANTINGS {
        let copy = copied(&lake, planting);
        let planted = plant(&copy, planting);
        world.read_lake_at(&copy);
        let (code, report) = world.verify();
        assert_eq!(code, Some(1), "{planting}: {report:#}");
        assert_eq!(report["ok"], json!(false), "{planting}");
        let findings = report["streams"][0]["findings"].as_array().unwrap();
        let names_it = |f: &Value| {
            let fields = planted.as_object().unwrap();
            f["kind"] == json!(kind) && fields.iter().all(|(name, value)| f[name] == *value)
        };
        assert!(
            findings.iter().any(names_it),
            "{planting}: {planted} is not in {findings:#?}"
        );
    }
    world.read_lake_at(&lake);
    assert_eq!(proof(&world, records), clean, "the lake itself was touched");
}

/// The sums of each partition, of a lake that is as it should be.
fn proof(world: &World, records: u64) -> Value {
    let (code, report) = world.verify();
    assert_eq!(code, Some(0), "{report:#}");
    assert_eq!(report["ok"], json!(true));
    let sources = report["streams"][0]["sources"].clone();
    let read = sources
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["read"].as_u64().unwrap());
    assert_eq!(read.sum::<u64>(), records, "{sources:#}");
    sources
}

fn copied(lake: &Path, name: &str) -> PathBuf {
    let copy = lake.with_file_name(name);
    let status = Command::new("cp")
        .arg("-a")
        .args([lake, &copy])
        .status()
        .unwrap();
    assert!(status.success());
    copy
}

fn plant(lake: &Path, planting: &str) -> Value {
    let arguments = [&lake.display().to_string(), STREAM, planting].map(str::to_owned);
    let output = python("plant.py", &arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "plant.py {planting}: {errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The older half of the log leaves it for the ledger's segments, and the proof is the same.
#[test]
fn a_proof_closes_over_a_folded_log() {
    let (world, records) = landed();
    let before = proof(&world, records);
    let url = url::Url::from_directory_path(world.lake_folder()).unwrap();
    let store = weir::store::open(&url, &Default::default(), false).unwrap();
    let log = log_folder(&world);
    let written = tokio::runtime::Runtime::new()
        .unwrap()
        .block_on(weir::lake::ledger::fold::fold(&store, STREAM, 80))
        .unwrap();
    assert_eq!(written, [(0, 80)]);
    assert!(!log.join(format!("{:020}.json", 80)).exists());
    assert!(log.join(format!("{:020}.json", 81)).exists());
    assert_eq!(proof(&world, records), before);
    // And an instance goes on upon it.
    let first = records.to_string();
    let options = ["--partitions", "2", "--records", "500", "--first", &first];
    world.produce(1, &options);
    let mut crew = vec![world.weir("b", None)];
    world.wait_settled(&mut crew, &world.ends(STREAM));
    crew.into_iter().for_each(Weir::stop);
    let (code, report) = world.verify();
    assert_eq!(code, Some(0), "{report:#}");
}
