//! Three nodes: leaders die under load, and come back.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::instance::Weir;
use crate::plan::{seed, tell};
use crate::services::wait_for;
use crate::world::{SOON, STREAM, Settings, World};

/// What the instances together have settled.
fn settled(crew: &[Weir]) -> BTreeMap<i32, i64> {
    let mut best = BTreeMap::new();
    for (partition, position) in crew.iter().flat_map(Weir::positions) {
        let at = best.entry(partition).or_insert(position);
        *at = position.max(*at);
    }
    best
}

/// Waits until every partition is settled further than its log reaches now.
fn wait_progress(world: &World, crew: &[Weir]) {
    let ends = world.ends(STREAM);
    wait_for("every partition goes on", SOON, || {
        let now = settled(crew);
        let on = (0..4).all(|p| now.get(&p) > ends.get(&p));
        on.then_some(())
    });
}

#[test]
fn leaders_die_under_load() {
    let mut world = World::of_nodes(3, Settings::default());
    let seed = seed("cluster::leaders_die_under_load");
    world.topics(&["create", STREAM, "4"]);
    let options = ["--records", "1000000", "--rate", "1000", "--poison", "0.02"];
    let mut producer = world.producing(seed, &options);
    let crew = [world.weir("a", None), world.weir("b", None)];
    wait_for("both read", SOON, || {
        let parts = |w: &Weir| w.positions().len();
        (parts(&crew[0]) == 2 && parts(&crew[1]) == 2).then_some(())
    });
    wait_progress(&world, &crew);
    let mut gaps = Vec::new();
    for partition in [0, 1] {
        let node = world.leader(STREAM, partition);
        let died = Instant::now();
        // Once by force, once as an operator would.
        if partition == 0 {
            world.kafka.kill(node);
        } else {
            world.kafka.stop(node);
        }
        wait_progress(&world, &crew);
        gaps.push(died.elapsed());
        world.kafka.restart(node);
        wait_progress(&world, &crew);
    }
    assert!(producer.ended().is_none(), "the producer ended too early");
    assert!(producer.stop(SOON).success(), "the producer failed");
    let mut crew = crew;
    world.wait_settled(&mut crew, &world.ends(STREAM));
    crew.into_iter().for_each(Weir::stop);
    let counts = world.check(&[]);
    tell(&format!(
        "cluster::leaders_die_under_load: seed {seed}: {} positions; every partition goes on after {gaps:.1?}",
        counts["positions"]
    ));
}
