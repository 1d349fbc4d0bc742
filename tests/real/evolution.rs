//! A schema grows twice while data flows, with two instances that learn of it at different times;
//! one of them is killed. No value of a new field is lost, nothing is cut without need.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::delta_log::commits;
use crate::instance::Weir;
use crate::plan::{records, seed, tell};
use crate::services::process::Process;
use crate::services::wait_for;
use crate::world::{SOON, STREAM, Settings, World};

/// For so many seconds records of one version are written.
const STAGE_SECONDS: u64 = 10;

/// The producers of two stages overlap for so long.
const OVERLAP: Duration = Duration::from_secs(2);

/// Writes the records of a stage, as of the schema version of the same number.
fn stage(world: &World, seed: u64, version: u64) -> Process {
    let records = records() / 3;
    let options = [
        ("--records", records),
        ("--first", (version - 1) * records),
        ("--rate", records / STAGE_SECONDS),
        ("--version", version),
    ];
    let mut words = vec!["--poison".to_owned(), "0.01".to_owned()];
    for (name, value) in options {
        words.extend([name.to_owned(), value.to_string()]);
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    world.producing(seed + version, &words)
}

fn wait_partitions(weir: &mut Weir, count: usize) {
    wait_for("its share of the partitions", SOON, || {
        weir.assert_alive();
        (weir.partitions().len() == count).then_some(())
    });
}

/// The version that an instance is at.
fn version_of(weir: &Weir) -> Option<u64> {
    let (_, body) = weir.get(&format!("/api/v1/streams/{STREAM}"))?;
    let body: Value = serde_json::from_str(&body).ok()?;
    body["schema"]["version"].as_u64()
}

/// Waits until rows of the version are in the table.
fn wait_in_force(world: &World, version: u64) {
    wait_for(&format!("version {version} in force"), SOON, || {
        let newest = commits(world).iter().filter_map(|c| c.schema).max();
        (newest >= Some(version)).then_some(())
    });
}

#[test]
fn a_schema_grows_twice_under_load() {
    let seed = seed("a schema grows");
    // One instance learns of a version by its folder, the other by the table.
    let world = World::local(Settings {
        more: "[schemas]\npoll = \"1h\"\n".to_owned(),
        max_age: "1s",
        max_rows: 1_000_000,
        ..Settings::default()
    });
    world.topics(&["create", STREAM, "4"]);
    let (mut one, mut two) = (world.weir("weir-1", None), world.weir("weir-2", None));
    wait_partitions(&mut one, 2);
    wait_partitions(&mut two, 2);
    let mut first = stage(&world, seed, 1);
    std::thread::sleep(Duration::from_secs(STAGE_SECONDS) - OVERLAP);

    // The first instance learns of the second version; the second has it from the table.
    world.put_schema("weir-1", 2);
    one.process.signal("HUP");
    wait_in_force(&world, 2);
    let mut second = stage(&world, seed, 2);
    assert!(first.wait(SOON).success());
    wait_for("the other one at version 2", SOON, || {
        (version_of(&two) == Some(2)).then_some(())
    });
    std::thread::sleep(OVERLAP);

    // A version that is refused changes nothing, and is told.
    let folder = world
        .folder()
        .join(format!("config-weir-2/schemas/{STREAM}"));
    std::fs::write(
        folder.join("3.avsc"),
        r#"{"type": "record", "name": "Event", "fields": []}"#,
    )
    .unwrap();
    two.process.signal("HUP");
    wait_for("the refusal", SOON, || {
        (two.metric("weir_schema_refused", &[STREAM]) == 1.0).then_some(())
    });
    assert!(two.ready().0, "{:?}", two.ready());

    // Now it is the second one that learns first, and the first one that dies.
    world.put_schema("weir-2", 2);
    world.put_schema("weir-2", 3);
    two.process.signal("HUP");
    wait_in_force(&world, 3);
    let mut third = stage(&world, seed, 3);
    assert!(second.wait(SOON).success());
    std::thread::sleep(OVERLAP);
    one.process.kill();
    assert!(third.wait(SOON).success());

    let ends = world.ends(STREAM);
    let mut crew = [two];
    world.wait_settled(&mut crew, &ends);
    assert_eq!(version_of(&crew[0]), Some(3));
    assert_eq!(crew[0].metric("weir_schema_refused", &[STREAM]), 0.0);
    let [two] = crew;
    two.stop();
    let counts = world.check(&[]);
    told_by_readers(&world, counts["accepted"].as_u64().unwrap());
    cut_for_a_reason(&world);
}

/// Every reader sees the new columns, and the same values in them.
fn told_by_readers(world: &World, rows: u64) {
    let seen = world.readers(&["added_2", "added_3"]);
    assert_eq!(seen.len(), 3, "{seen:?}");
    for (reader, counts) in &seen {
        assert_eq!(counts, &seen["deltalake"], "{reader}");
        assert_eq!(counts["rows"], rows, "{reader}");
        // Of three stages of one size two and one have them, and one in a hundred is no row.
        let share = |column: &str| counts[column] as f64 / rows as f64;
        assert!((share("added_2") - 2.0 / 3.0).abs() < 0.01, "{seen:?}");
        assert!((share("added_3") - 1.0 / 3.0).abs() < 0.01, "{seen:?}");
    }
}

/// Each lane cuts once for each version, and else by age, or where partitions move.
fn cut_for_a_reason(world: &World) {
    let mut cuts: BTreeMap<String, usize> = BTreeMap::new();
    let mut newest = 0;
    for commit in commits(world) {
        if let (Some(cut), Some(schema)) = (commit.cut, commit.schema) {
            *cuts.entry(cut).or_default() += 1;
            assert!(schema >= newest, "{schema} behind {newest}");
            newest = schema;
        }
    }
    tell(&format!("a schema grows: cuts {cuts:?}"));
    let lanes = std::thread::available_parallelism().unwrap().get();
    let of = |cut: &str| cuts.get(cut).copied().unwrap_or(0);
    assert!(of("schema") <= 2 * lanes, "{cuts:?}");
    let moves = ["age", "schema", "revoke", "shutdown"];
    assert!(
        cuts.keys().all(|cut| moves.contains(&cut.as_str())),
        "{cuts:?}"
    );
}
