//! Where a partition begins, whatever happens before its first record.

use serde_json::json;

use super::{settings, settle};
use crate::delta_log::commits;
use crate::plan::seed;
use crate::services::wait_for;
use crate::world::{SOON, STREAM, World};

/// "Latest" is settled once: what comes while nobody is up belongs to the stream.
#[test]
fn latest_is_kept_through_a_crash_before_the_first_record() {
    let world = World::local(settings("start = \"latest\""));
    let seed = seed("starts::latest_is_kept");
    world.topics(&["create", STREAM, "2"]);
    world.produce(seed, &["--partitions", "2", "--records", "1000"]);
    let mut weir = world.weir("a", Some("after_start:1"));
    let status = weir.process.wait(SOON);
    assert!(!status.success(), "it lived on behind the fail point");
    assert_eq!(commits(&world).len(), 1, "more than the starting points");
    world.produce(
        seed + 1,
        &["--partitions", "2", "--records", "600", "--first", "1000"],
    );
    let mut weir = world.weir("b", None);
    settle(&world, &mut weir);
    weir.stop();
    let counts = world.check(&[]);
    assert_eq!(counts["positions"], json!(600), "{counts:#}");
}

/// "Latest" is for the partitions of the beginning; later ones are read from their first record.
#[test]
fn partitions_that_are_added_later_are_read_from_their_beginning() {
    let world = World::local(settings("start = \"latest\""));
    let seed = seed("starts::partitions_that_are_added_later");
    world.topics(&["create", STREAM, "2"]);
    world.produce(seed, &["--partitions", "2", "--records", "1000"]);
    let mut weir = world.weir("a", None);
    wait_for("the starting points are there", SOON, || {
        commits(&world).pop()
    });
    // Filled before anyone can have noticed that they are there.
    world.topics(&["grow", STREAM, "5"]);
    world.produce(
        seed + 1,
        &["--partitions", "5", "--records", "1500", "--first", "1000"],
    );
    settle(&world, &mut weir);
    weir.stop();
    let counts = world.check(&[]);
    assert_eq!(counts["positions"], json!(1500), "{counts:#}");
}

/// The same while nobody is up.
#[test]
fn partitions_that_are_added_while_nobody_is_up_are_read_from_their_beginning() {
    let world = World::local(settings("start = \"latest\""));
    let seed = seed("starts::partitions_added_while_nobody_is_up");
    world.topics(&["create", STREAM, "2"]);
    let mut weir = world.weir("a", None);
    weir.wait_ready();
    wait_for("the starting points are there", SOON, || {
        commits(&world).pop()
    });
    weir.stop();
    world.topics(&["grow", STREAM, "3"]);
    world.produce(
        seed,
        &["--partitions", "3", "--records", "900", "--poison", "0.05"],
    );
    let mut weir = world.weir("b", None);
    settle(&world, &mut weir);
    weir.stop();
    assert_eq!(world.check(&[])["positions"], json!(900));
}
