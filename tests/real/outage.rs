//! A part goes away, fails, or answers too late, and comes back: nothing is lost or doubled, memory
//! stays flat, `/readyz` tells while it lasts and no longer.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::instance::Weir;
use crate::plan::{outage, seed, tell};
use crate::services::proxy::{Fault, Request};
use crate::world::{STREAM, Settings, World};

/// By so much an outage may raise the most memory that the process ever had. What it holds back
/// is in the budget, which a catch-up fills as well.
const FLAT_KIB: u64 = 40 * 1024;

/// Records that come in a second of an outage.
const RATE: u64 = 4000;

fn settings() -> Settings {
    Settings {
        more: "[memory]\nbudget = \"64MiB\"\n".to_owned(),
        // A store that hangs is found out in seconds.
        lake_options: "timeout = \"2s\"",
        ..Settings::default()
    }
}

/// What is produced while a part is away: records behind the first 60,000, at [`RATE`] for so long.
fn load(lasting: Duration) -> Vec<String> {
    let count = (RATE * lasting.as_secs()).to_string();
    let rate = RATE.to_string();
    let options = [
        "--records",
        &count,
        "--rate",
        &rate,
        "--first",
        "60000",
        "--poison",
        "0.02",
    ];
    options.map(str::to_owned).to_vec()
}

/// An instance that has caught up, and what it needed for that.
struct Calm {
    weir: Weir,
    peak_kib: u64,
    name: &'static str,
    seed: u64,
}

fn calm(world: &World, name: &'static str) -> Calm {
    let seed = seed(name);
    world.topics(&["create", STREAM, "4"]);
    world.produce(seed, &["--records", "60000", "--poison", "0.02"]);
    let mut weir = world.weir("a", None);
    world.wait_settled(std::slice::from_mut(&mut weir), &world.ends(STREAM));
    weir.wait_ready();
    let (_, peak_kib) = weir.resident_kib();
    Calm {
        weir,
        peak_kib,
        name,
        seed,
    }
}

impl Calm {
    /// Records come in while `strike` takes a part away and until `mend` has brought it back;
    /// meanwhile `/readyz` gives a reason with these words.
    fn ride(
        mut self,
        world: &mut World,
        reason: &[&str],
        strike: impl FnOnce(&mut World),
        mend: impl FnOnce(&mut World),
    ) {
        let load = load(outage() + Duration::from_secs(10));
        let load: Vec<&str> = load.iter().map(String::as_str).collect();
        let mut producer = world.producing(self.seed + 1, &load);
        let struck = Instant::now();
        strike(world);
        let told = self.weir.wait_reason(reason);
        let told_after = struck.elapsed();
        while struck.elapsed() < outage() {
            self.weir.assert_alive();
            std::thread::sleep(Duration::from_millis(100));
        }
        assert!(
            !self.weir.ready().0,
            "ready in the middle of it; it said: {told}"
        );
        mend(world);
        let mended = Instant::now();
        self.weir.wait_ready();
        let ready_after = mended.elapsed();
        let status = producer.wait(Duration::from_secs(300));
        assert!(status.success(), "{}", producer.printed());
        world.wait_settled(std::slice::from_mut(&mut self.weir), &world.ends(STREAM));
        let (_, peak_kib) = self.weir.resident_kib();
        self.weir.stop();
        let counts = world.check(&[]);
        tell(&format!(
            "{}: seed {}: away {:?}, told after {told_after:.1?} ({told}), ready {ready_after:.1?} \
             after the end, {} positions, memory at most {} MiB before and {} MiB after",
            self.name,
            self.seed,
            outage(),
            counts["positions"],
            self.peak_kib / 1024,
            peak_kib / 1024
        ));
        let grown = peak_kib.saturating_sub(self.peak_kib);
        assert!(grown <= FLAT_KIB, "memory grew by {grown} KiB");
    }
}

#[test]
fn the_broker_goes_away() {
    let mut world = World::local(settings());
    calm(&world, "outage::the_broker_goes_away").ride(
        &mut world,
        &["no broker can be reached"],
        |world| world.kafka.stop(0),
        |world| world.kafka.restart(0),
    );
}

#[test]
fn the_store_goes_away() {
    let mut world = World::s3(settings());
    calm(&world, "outage::the_store_goes_away").ride(
        &mut world,
        &["lake"],
        |world| world.s3_server().kill(),
        |world| world.s3_server().restart(),
    );
}

#[test]
fn the_store_answers_503() {
    let mut world = World::s3_behind_proxy(settings());
    calm(&world, "outage::the_store_answers_503").ride(
        &mut world,
        &["lake"],
        |world| world.proxy().set(|_| Fault::Unavailable),
        |world| world.proxy().heal(),
    );
}

/// Every commit to the DLO is done by the server, and its sender does not learn it: for some the
/// answer is an error, for some a broken connection, for some it comes when nobody waits any more.
/// Other requests fail now and then, before or after they are done.
#[test]
fn commits_are_done_and_not_answered() {
    let world = World::s3_behind_proxy(settings());
    let calm = calm(&world, "outage::commits_are_done_and_not_answered");
    let mut rng = SmallRng::seed_from_u64(calm.seed);
    let mut commits = 0;
    world
        .proxy()
        .set(move |request| befalls(request, &mut commits, &mut rng));
    let load = load(outage());
    let load: Vec<&str> = load.iter().map(String::as_str).collect();
    world.produce(calm.seed + 1, &load);
    let Calm {
        mut weir,
        name,
        seed,
        ..
    } = calm;
    world.wait_settled(std::slice::from_mut(&mut weir), &world.ends(STREAM));
    world.proxy().heal();
    weir.wait_ready();
    weir.stop();
    let counts = world.check(&[]);
    let mut befallen = BTreeMap::<_, usize>::new();
    for (request, fault) in world.proxy().befallen() {
        *befallen.entry((request.is_commit(), fault)).or_default() += 1;
    }
    tell(&format!(
        "{name}: seed {seed}: {} positions; (of a commit, what): times: {befallen:?}",
        counts["positions"]
    ));
    for fault in UNANSWERED {
        assert!(
            befallen.contains_key(&(true, fault)),
            "no commit was {fault:?}: {befallen:?}"
        );
    }
}

/// Longer than `timeout` in the settings.
const TOO_LATE: Duration = Duration::from_secs(3);

const UNANSWERED: [Fault; 4] = [
    Fault::DoneAndFailed,
    Fault::DoneAndCut,
    Fault::DoneAndLate(TOO_LATE),
    Fault::Late(TOO_LATE),
];

/// Commits are few, and each kind is to befall one: they take turns.
fn befalls(request: &Request, commits: &mut usize, rng: &mut SmallRng) -> Fault {
    if request.is_commit() {
        *commits += 1;
        return UNANSWERED[*commits % UNANSWERED.len()];
    }
    match rng.random_range(0..20) {
        0 => Fault::Unavailable,
        1 => Fault::DoneAndFailed,
        2 => Fault::DoneAndCut,
        _ => Fault::None,
    }
}
