//! The commit protocol, simulated: the real judgement and the real committer over a broker, a
//! store, two logs and a clock in memory, everything drawn from one seed.
//!
//! `WEIR_SIM_SEEDS=1000000` runs so many seeds, `WEIR_SIM_SEED=n` the one; a failure names its seed.

#![allow(clippy::expect_used, clippy::unwrap_used, unreachable_pub)]

#[path = "simulation/bugs.rs"]
mod bugs;
#[path = "simulation/instance.rs"]
mod instance;
#[path = "simulation/laws.rs"]
mod laws;
#[path = "simulation/operator.rs"]
mod operator;
#[path = "simulation/run.rs"]
mod run;
#[path = "simulation/table.rs"]
mod table;
#[path = "simulation/vacuum.rs"]
mod vacuum;
#[path = "simulation/world.rs"]
mod world;

use bugs::Bug;
use run::{Seen, run};

/// Within so many seeds each planted bug has to be found.
const SEEDS_OF_A_BUG: u64 = 10_000;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is no number: {text}")),
    )
}

#[test]
fn the_protocol_keeps_the_laws() {
    let seeds = match number("WEIR_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("WEIR_SIM_SEEDS").unwrap_or(4_000),
    };
    for seed in seeds {
        if let Err(what) = run(seed, Bug::None) {
            panic!("seed {seed}: {what}; replay it with WEIR_SIM_SEED={seed}");
        }
    }
}

#[test]
fn each_planted_bug_is_found() {
    let mut missed = Vec::new();
    for bug in Bug::PLANTED {
        let found = (0..SEEDS_OF_A_BUG).find_map(|seed| Some((seed, run(seed, bug).err()?)));
        match found {
            Some((seed, what)) => println!("{bug:?}: seed {seed}: {what}"),
            None => missed.push(bug),
        }
    }
    assert!(
        missed.is_empty(),
        "not found in {SEEDS_OF_A_BUG} seeds: {missed:?}"
    );
}

#[test]
fn a_seed_is_one_history() {
    for seed in 0..20 {
        let twice = [run(seed, Bug::None), run(seed, Bug::None)];
        assert_eq!(twice[0], twice[1], "seed {seed}");
    }
}

#[test]
fn the_mishaps_happen() {
    let mut sum = Seen::new();
    for seed in 0..600 {
        let seen = run(seed, Bug::None).unwrap_or_else(|what| panic!("seed {seed}: {what}"));
        for (what, times) in seen {
            *sum.entry(what).or_default() += times;
        }
    }
    println!("in 600 seeds: {sum:?}");
    let all = [
        "already committed",
        "called off",
        "committed",
        "crash",
        "fenced",
        "file vacuumed",
        "follow",
        "follow conflict",
        "follow unanswered",
        "follow without files",
        "freeze",
        "gave up",
        "job done",
        "late follow landed",
        "late put landed",
        "position set",
        "schema behind",
        "schema raised",
        "schema taken up",
        "topic accepted",
        "upload again",
    ];
    assert_eq!(sum.keys().copied().collect::<Vec<_>>(), all);
    assert!(
        sum.values().all(|times| *times >= 20),
        "too seldom: {sum:?}"
    );
}
