//! A landed lake is broken in one way, by another program, and `weir verify` names it.

use std::path::{Path, PathBuf};
use std::process::Command;

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

/// A lake with more than a hundred commits, so that its log has a checkpoint.
fn landed() -> World {
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
    crew.into_iter().for_each(Weir::stop);
    world.check(&[]);
    world
}

#[test]
fn a_proof_holds_and_each_planting_is_named() {
    let mut world = landed();
    let clean = proof(&world);
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
    assert_eq!(proof(&world), clean, "the lake itself was touched");
}

/// The sums of each partition, of a lake that is as it should be.
fn proof(world: &World) -> Value {
    let (code, report) = world.verify();
    assert_eq!(code, Some(0), "{report:#}");
    assert_eq!(report["ok"], json!(true));
    let sources = report["streams"][0]["sources"].clone();
    let read = sources
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["read"].as_i64().unwrap());
    assert_eq!(read.sum::<i64>(), 4000, "{sources:#}");
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
    let world = landed();
    let before = proof(&world);
    let url = url::Url::from_directory_path(world.lake_folder()).unwrap();
    let store = weir::store::open(&url, &Default::default(), false).unwrap();
    let log = world
        .lake_folder()
        .join(format!("{STREAM}__dll/_delta_log"));
    let written = tokio::runtime::Runtime::new()
        .unwrap()
        .block_on(weir::lake::ledger::fold::fold(&store, STREAM, 80))
        .unwrap();
    assert_eq!(written, [(0, 80)]);
    assert!(!log.join(format!("{:020}.json", 80)).exists());
    assert!(log.join(format!("{:020}.json", 81)).exists());
    assert_eq!(proof(&world), before);
    // And an instance goes on upon it.
    world.produce(
        1,
        &["--partitions", "2", "--records", "500", "--first", "4000"],
    );
    let mut crew = vec![world.weir("b", None)];
    world.wait_settled(&mut crew, &world.ends(STREAM));
    crew.into_iter().for_each(Weir::stop);
    let (code, report) = world.verify();
    assert_eq!(code, Some(0), "{report:#}");
}
