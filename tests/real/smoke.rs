//! Every part starts, and a topic with every kind of poison lands.

use serde_json::json;

use crate::instance::Weir;
use crate::world::{STREAM, Settings, World};

fn lands(world: &World) {
    world.topics(&["create", STREAM, "3"]);
    let poisoned = ["--partitions", "3", "--records", "5000", "--poison", "0.1"];
    world.produce(1, &[&poisoned[..], &["--tombstones", "0.02"]].concat());
    let mut instances = vec![world.weir("a", None)];
    world.wait_settled(&mut instances, &world.ends(STREAM));
    instances.into_iter().for_each(Weir::stop);
    let counts = world.check(&[]);
    assert_eq!(counts["positions"], json!(5000), "{counts:#}");
    for code in ["accepted", "skip:tombstone", "invalid_json", "null_key"] {
        assert!(counts[code].as_i64() > Some(0), "no {code}: {counts:#}");
    }
}

#[test]
fn a_topic_lands_in_a_folder() {
    lands(&World::local(Settings::default()));
}

#[test]
fn a_topic_lands_on_s3() {
    lands(&World::s3(Settings::default()));
}
