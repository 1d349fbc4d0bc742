//! An instance sleeps through its session. Another takes over and commits; the sleeper wakes with
//! work in its hands, is fenced, and goes on with what it owns then.

use std::collections::BTreeSet;

use crate::delta_log::{Commit, commits};
use crate::instance::Weir;
use crate::plan::{seed, tell};
use crate::services::process::Process;
use crate::services::wait_for;
use crate::world::{SOON, STREAM, Settings, World};

/// Rows wait long enough to be found in the sleeper's hands.
fn settings() -> Settings {
    Settings {
        max_age: "1s",
        ..Settings::default()
    }
}

/// `sleeper` is or will be frozen. With `in_hand` it holds a batch that it is about to commit then;
/// without, it may find out that its partitions are gone before it tries.
fn is_fenced(world: &World, name: &str, mut sleeper: Weir, in_hand: bool) {
    let seed = seed(name);
    let mut producer = fill(world, seed);
    if !in_hand {
        wait_for("rows are open", SOON, || {
            let open = sleeper.metric("weir_memory_bytes", &["stage=\"open\""]);
            (open > 0.0 && last_version(world) > 3).then_some(())
        });
        sleeper.process.signal("STOP");
    }
    let frozen = || sleeper.process.is_frozen().then_some(());
    wait_for("the sleeper is frozen", SOON, frozen);
    let slept_at = last_version(world);
    let other = world.weir("other", None);
    // It moves every partition, those of the sleeper too.
    wait_for("the other takes over", SOON, || {
        let by_other = commits(world).into_iter().filter(|c| c.instance == "other");
        let moved: BTreeSet<i64> = by_other.flat_map(|c| c.moves().into_keys()).collect();
        (moved.len() == 4).then_some(())
    });
    assert!(
        commits(world)
            .iter()
            .all(|c| c.instance != "sleeper" || c.version <= slept_at),
        "a frozen instance commits"
    );
    let woken_at = last_version(world);
    sleeper.process.signal("CONT");
    wait_for("the sleeper is fenced", SOON, || {
        sleeper.assert_alive();
        let fenced = sleeper.metric("weir_commits_total", &["outcome=\"fenced\""]);
        (!in_hand || fenced > 0.0).then_some(())
    });
    let goes_on =
        |c: &Commit| c.instance == "sleeper" && c.version > woken_at && !c.moves().is_empty();
    wait_for("the sleeper goes on with what it owns", SOON, || {
        assert!(producer.ended().is_none(), "the producer ended too early");
        commits(world).iter().find(|&c| goes_on(c)).map(drop)
    });
    assert!(producer.stop(SOON).success(), "the producer failed");
    let mut both = [sleeper, other];
    world.wait_settled(&mut both, &world.ends(STREAM));
    let fenced = fenced_batches(&both[0]);
    assert!(
        !in_hand || !fenced.is_empty(),
        "its log names no fenced batch"
    );
    both.into_iter().for_each(Weir::stop);
    let in_log: BTreeSet<String> = commits(world).into_iter().map(|c| c.batch).collect();
    let late: Vec<&String> = fenced.intersection(&in_log).collect();
    assert!(late.is_empty(), "fenced batches are in the log: {late:?}");
    let counts = world.check(&[]);
    tell(&format!(
        "{name}: seed {seed}: {} fenced batches, {} positions",
        fenced.len(),
        counts["positions"]
    ));
}

fn last_version(world: &World) -> u64 {
    commits(world).last().map_or(0, |c| c.version)
}

/// The batches that the instance's log calls fenced.
fn fenced_batches(weir: &Weir) -> BTreeSet<String> {
    let printed = weir.process.printed();
    let lines = printed.lines().filter(|line| line.contains("batch fenced"));
    let batches = lines.filter_map(|line| line.split("batch=").nth(1)?.split(' ').next());
    batches.map(str::to_owned).collect()
}

/// A topic of four partitions that is being filled for as long as the test needs.
fn fill(world: &World, seed: u64) -> Process {
    world.topics(&["create", STREAM, "4"]);
    let options = ["--records", "1000000", "--rate", "1500", "--poison", "0.02"];
    world.producing(seed, &options)
}

/// Whatever it is doing: fetching, with open rows, most likely.
#[test]
fn that_sleeps_anywhere_is_fenced() {
    let world = World::local(settings());
    let sleeper = world.weir("sleeper", None);
    is_fenced(&world, "zombie::that_sleeps_anywhere", sleeper, false);
}

/// Between its uploads and its look at the table: the look tells.
#[test]
fn that_sleeps_before_it_looks_is_fenced() {
    sleeps_at("after_upload", &World::local(settings()));
}

/// Between its look and its put: the conditional put fails, and the next look tells.
#[test]
fn that_sleeps_before_its_put_is_fenced() {
    sleeps_at("before_put", &World::local(settings()));
}

/// The same where the condition is the S3 server's to keep.
#[test]
fn that_sleeps_before_its_put_is_fenced_on_s3() {
    sleeps_at("before_put", &World::s3(settings()));
}

fn sleeps_at(step: &str, world: &World) {
    let sleeper = world.weir("sleeper", Some(&format!("{step}:4:freeze")));
    is_fenced(
        world,
        &format!("zombie::that_sleeps at {step}"),
        sleeper,
        true,
    );
}
