//! What brokers do to a topic: logs that begin later or end earlier than the table's position, other
//! topics under the same name, late partitions, holes. `gaps`: offsets that are gone; `logs`: what a
//! log holds beside messages; `starts`: where a partition begins.

#[path = "faults/gaps.rs"]
mod gaps;
#[path = "faults/logs.rs"]
mod logs;
#[path = "faults/starts.rs"]
mod starts;

use crate::instance::Weir;
use crate::world::{STREAM, Settings, World};

/// Settings with these lines in `[topics]`.
fn settings(topics: &str) -> Settings {
    let usual = Settings::default().topics;
    Settings {
        topics: format!("{usual}\n{topics}\n"),
        ..Settings::default()
    }
}

/// Fills the topic and has an instance land all of it.
fn landed(world: &World, seed: u64, options: &[&str]) -> Weir {
    world.produce(seed, options);
    let mut weir = world.weir("a", None);
    settle(world, &mut weir);
    weir
}

fn settle(world: &World, weir: &mut Weir) {
    world.wait_settled(std::slice::from_mut(weir), &world.ends(STREAM));
}
