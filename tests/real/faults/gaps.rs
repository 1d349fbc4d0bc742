//! Offsets that are gone: below the log's start, above its end, or another topic's.

use std::path::Path;

use serde_json::json;

use super::{landed, settings, settle};
use crate::delta_log::commits;
use crate::instance::Weir;
use crate::plan::seed;
use crate::services::wait_for;
use crate::world::{SOON, STREAM, Settings, World};

/// What the topic was given, for what it does not hold any more.
struct Deliveries(String);

impl Deliveries {
    fn of(world: &World, name: &str) -> Deliveries {
        Deliveries(world.folder().join(name).display().to_string())
    }

    fn produce(&self, world: &World, seed: u64, records: &str, first: &str) {
        let options = ["--partitions", "2", "--records", records, "--first", first];
        world.produce(
            seed,
            &[&options[..], &["--poison", "0.05", "--log", &self.0]].concat(),
        );
    }

    fn option(&self) -> String {
        format!("{STREAM}={}", self.0)
    }
}

/// The table's next offset of partition 0.
fn position(world: &World) -> i64 {
    let of_0 = |c: crate::delta_log::Commit| c.moves().get(&0).copied();
    commits(world)
        .into_iter()
        .filter_map(of_0)
        .next_back()
        .unwrap()
}

fn wait_state(weir: &mut Weir, partition: i64, state: &str) {
    wait_for(&format!("partition {partition} is {state}"), SOON, || {
        weir.assert_alive();
        let list = weir.partitions();
        let one = list.iter().find(|p| p["partition"] == json!(partition))?;
        (one["state"] == json!(state)).then_some(())
    });
}

/// A running instance falls behind, and retention takes what it has not read.
#[test]
fn a_retention_gap_stops_the_partition_until_an_operator_passes_over_it() {
    let world = World::local(Settings::default());
    let seed = seed("gaps::a_retention_gap_stops");
    world.topics(&["create", STREAM, "2"]);
    let deliveries = Deliveries::of(&world, "deliveries");
    deliveries.produce(&world, seed, "2000", "0");
    let mut weir = world.weir("a", None);
    settle(&world, &mut weir);
    weir.process.signal("STOP");
    deliveries.produce(&world, seed + 1, "2000", "2000");
    world.topics(&["cut", STREAM, "0", "1300"]);
    weir.process.signal("CONT");

    let gap = ["retention took the offsets [1000, 1300)", "events [0]"];
    weir.wait_reason(&gap);
    wait_state(&mut weir, 1, "running");
    wait_for("the other partition goes on", SOON, || {
        (weir.positions().get(&1) == Some(&2000)).then_some(())
    });
    assert_eq!(
        position(&world),
        1000,
        "something of a stopped partition landed"
    );
    assert_eq!(
        weir.metric("weir_gap_records_total", &["partition=\"0\""]),
        300.0
    );
    weir.stop();
    // A new start finds the same.
    let mut weir = world.weir("b", None);
    weir.wait_reason(&gap);
    weir.stop();
    world.check(&["--open-end", "--log", &deliveries.option()]);

    let (code, text) = world.ask(&[
        "positions",
        "set",
        STREAM,
        "events:0",
        "1300",
        "--reason",
        "retention was too short",
    ]);
    assert_eq!(code, Some(0), "{text}");
    let mut weir = world.weir("c", None);
    settle(&world, &mut weir);
    weir.stop();
    let counts = world.check(&["--log", &deliveries.option()]);
    assert_eq!(counts["lost"], json!(300), "{counts:#}");
}

/// With `on_gap = "record"` a gap is a counted loss, found at a start.
#[test]
fn a_retention_gap_is_recorded_where_that_is_asked_for() {
    let world = World::local(settings("on_gap = \"record\""));
    let seed = seed("gaps::a_retention_gap_is_recorded");
    world.topics(&["create", STREAM, "2"]);
    let deliveries = Deliveries::of(&world, "deliveries");
    deliveries.produce(&world, seed, "2000", "0");
    let mut weir = world.weir("a", None);
    settle(&world, &mut weir);
    weir.stop();
    deliveries.produce(&world, seed + 1, "2000", "2000");
    world.topics(&["cut", STREAM, "0", "1250"]);
    let mut weir = world.weir("b", None);
    settle(&world, &mut weir);
    assert_eq!(
        weir.metric("weir_gap_records_total", &["partition=\"0\""]),
        250.0
    );
    weir.wait_ready();
    weir.stop();
    let counts = world.check(&["--log", &deliveries.option()]);
    assert_eq!(counts["lost"], json!(250), "{counts:#}");
}

/// The log of a partition loses its end, as after an unclean election: the position is above it.
#[test]
fn a_position_above_the_logs_end_stops_the_partition() {
    // Even where gaps are recorded.
    let mut world = World::local(settings("on_gap = \"record\""));
    let seed = seed("gaps::a_position_above_the_logs_end");
    world.topics(&["create", STREAM, "2"]);
    let deliveries = Deliveries::of(&world, "deliveries");
    deliveries.produce(&world, seed, "2000", "0");
    let mut weir = world.weir("a", None);
    settle(&world, &mut weir);
    weir.stop();
    truncate(&mut world);
    assert_eq!(world.ends(STREAM)[&0], 0, "the log was not truncated");
    let mut weir = world.weir("b", None);
    weir.wait_reason(&["events [0]", "above the log's end"]);
    wait_state(&mut weir, 1, "running");
    assert_eq!(
        position(&world),
        1000,
        "something of a stopped partition landed"
    );
    weir.stop();
}

/// The same, and then the log grows past the position with other messages: only the leader's epoch
/// tells.
#[test]
fn a_log_that_was_rewritten_stops_the_partition() {
    let mut world = World::local(Settings::default());
    let seed = seed("gaps::a_log_that_was_rewritten");
    world.topics(&["create", STREAM, "2"]);
    Deliveries::of(&world, "deliveries").produce(&world, seed, "2000", "0");
    let mut weir = world.weir("a", None);
    settle(&world, &mut weir);
    weir.stop();
    truncate(&mut world);
    Deliveries::of(&world, "others").produce(&world, seed + 1, "3000", "2000");
    assert_eq!(world.ends(STREAM)[&0], 1500);
    let mut weir = world.weir("b", None);
    weir.wait_reason(&["events [0]", "truncated"]);
    wait_state(&mut weir, 1, "running");
    assert_eq!(position(&world), 1000, "another log's messages landed");
    // The way out, beside the running instance: 100 of the other log's messages are wanted.
    let (code, text) = world.ask(&[
        "positions",
        "set",
        STREAM,
        "events:0",
        "1400",
        "--reason",
        "read by other means",
    ]);
    assert_eq!(code, Some(0), "{text}");
    settle(&world, &mut weir);
    weir.wait_ready();
    weir.stop();
    let (code, proof) = world.verify();
    assert_eq!(code, Some(0), "{proof:#}");
    let of_0 = &proof["streams"][0]["sources"][0];
    assert_eq!(
        (&of_0["to"], &of_0["lost"]),
        (&json!(1500), &json!(400)),
        "{proof:#}"
    );
}

/// Takes the messages of partition 0 away; topic and partition stay what they are.
fn truncate(world: &mut World) {
    world.kafka.stop(0);
    let folder = world.kafka.data(0).join(format!("{STREAM}-0"));
    empty(&folder);
    world.kafka.restart(0);
}

fn empty(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap() != "partition.metadata" {
            std::fs::remove_file(path).unwrap();
        }
    }
}

/// Another topic under the name: its offsets mean other messages, and there are more of them.
#[test]
fn a_recreated_topic_stops_until_it_is_accepted() {
    let world = World::local(Settings::default());
    let seed = seed("gaps::a_recreated_topic");
    world.topics(&["create", STREAM, "2"]);
    let (old, new) = (Deliveries::of(&world, "old"), Deliveries::of(&world, "new"));
    old.produce(&world, seed, "2000", "0");
    let mut weir = world.weir("a", None);
    settle(&world, &mut weir);
    world.topics(&["delete", STREAM]);
    world.topics(&["create", STREAM, "2"]);
    new.produce(&world, seed + 1, "3000", "2000");
    // A running instance finds out.
    weir.wait_reason(&["recreated", STREAM]);
    weir.stop();
    // A new start too.
    let mut weir = world.weir("b", None);
    weir.wait_reason(&["recreated", STREAM]);
    weir.stop();
    assert_eq!(
        position(&world),
        1000,
        "another topic's messages landed under the old positions"
    );

    let (code, text) = world.ask(&["positions", "accept", STREAM, STREAM]);
    assert_eq!(code, Some(0), "{text}");
    let mut weir = world.weir("c", None);
    settle(&world, &mut weir);
    weir.stop();
    let counts = world.check(&["--earlier", &old.option()]);
    assert_eq!(counts["positions"], json!(5000), "{counts:#}");
}

/// Nothing of this is in the way of a topic that only goes on.
#[test]
fn a_topic_that_only_goes_on_is_read_on() {
    let world = World::local(Settings::default());
    world.topics(&["create", STREAM, "2"]);
    let weir = landed(&world, 1, &["--partitions", "2", "--records", "1000"]);
    weir.stop();
    world.produce(
        2,
        &["--partitions", "2", "--records", "1000", "--first", "1000"],
    );
    let mut weir = world.weir("b", None);
    settle(&world, &mut weir);
    weir.stop();
    assert_eq!(world.check(&[])["positions"], json!(2000));
}
