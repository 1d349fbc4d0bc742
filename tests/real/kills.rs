//! Instances of one group are killed at random times and at each named step of flush and commit,
//! join, and leave, while a topic with poison is being filled. Nothing is lost, nothing doubled.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::json;

use crate::delta_log::commits;
use crate::instance::Weir;
use crate::plan::{kills, records, seed, tell};
use crate::services::process::Process;
use crate::services::wait_for;
use crate::world::{SOON, STREAM, Settings, World};

/// The steps at which an instance dies by its own hand; `src/fail_point.rs` says where they are.
const STEPS: [&str; 6] = [
    "before_upload",
    "after_upload",
    "before_put",
    "after_commit",
    "before_rejects",
    "before_ack",
];

/// Each is followed by a rebalance of a few seconds, for which the producer has to last.
const SECONDS_A_KILL: f64 = 6.0;

#[derive(Debug, Clone, Copy)]
enum Death {
    /// At a step.
    At(&'static str),
    /// By `kill -9`, whenever.
    Anywhere,
}

/// One run: the instances that are up, what feeds them, and what was done to them.
struct Run<'a> {
    world: &'a World,
    rng: SmallRng,
    crew: Vec<Weir>,
    named: usize,
    producer: Process,
    /// Number of the next event that the producer does not make.
    next: u64,
    told: BTreeMap<&'static str, usize>,
}

fn run(world: &World, name: &str) {
    let seed = seed(name);
    let (records, kills, begin) = (records(), kills(), Instant::now());
    world.topics(&["create", STREAM, "4"]);
    // A backlog, so that batches are cut by rows too; the rest comes while instances die.
    let backlog = records * 3 / 10;
    let mix = ["--poison", "0.01", "--tombstones", "0.002"];
    let count = backlog.to_string();
    world.produce(seed, &[&mix[..], &["--records", &count]].concat());
    let (rest, rate) = (
        records - backlog,
        records as f64 * 0.7 / kills as f64 / SECONDS_A_KILL,
    );
    let options = [
        "--records",
        &rest.to_string(),
        "--first",
        &count,
        "--rate",
        &rate.to_string(),
    ];
    let mut run = Run {
        world,
        rng: SmallRng::seed_from_u64(seed),
        crew: Vec::new(),
        named: 0,
        producer: world.producing(seed + 1, &[&mix[..], &options].concat()),
        next: records,
        told: BTreeMap::new(),
    };
    run.join(None);
    run.join(None);
    for death in run.deaths(kills) {
        run.kill(death);
        run.come_and_go();
    }
    run.finish(name, seed, begin);
}

impl Run<'_> {
    /// Each step as often as any other, and as many at random times; in some order.
    fn deaths(&mut self, kills: usize) -> Vec<Death> {
        let turns = STEPS.iter().map(|step| Death::At(step));
        let mut deaths: Vec<Death> = turns
            .cycle()
            .take(kills.div_ceil(2).max(STEPS.len()))
            .collect();
        deaths.resize(kills.max(deaths.len()), Death::Anywhere);
        deaths.shuffle(&mut self.rng);
        deaths
    }

    fn count(&mut self, what: &'static str) {
        *self.told.entry(what).or_default() += 1;
    }

    fn join(&mut self, fail_point: Option<&str>) {
        self.named += 1;
        let weir = self.world.weir(&format!("weir-{}", self.named), fail_point);
        self.crew.push(weir);
        self.count("joined");
    }

    fn pause(&mut self, most: Duration) {
        let time = self.rng.random_range(Duration::ZERO..most);
        std::thread::sleep(time);
    }

    /// One of the crew, the newest of which may be armed.
    fn any_but_the_newest(&mut self) -> Weir {
        let at = self.rng.random_range(0..self.crew.len() - 1);
        self.crew.remove(at)
    }

    fn kill(&mut self, death: Death) {
        match death {
            Death::Anywhere => {
                self.pause(Duration::from_secs(3));
                self.join(None);
                self.any_but_the_newest().process.kill();
                self.count("killed anywhere");
            }
            Death::At(step) => {
                let n = self.rng.random_range(1..=4);
                self.join(Some(&format!("{step}:{n}")));
                // The doomed one takes the place of another, by a kill less or by a clean leave.
                self.any_but_the_newest().stop();
                self.count("left");
                self.wait_dead(step);
                self.join(None);
                self.count(step);
            }
        }
    }

    /// Waits until the newest died at `step`, and feeds it as long as it lives.
    fn wait_dead(&mut self, step: &str) {
        let mut doomed = self.crew.pop().unwrap();
        let fed = Instant::now();
        while doomed.process.ended().is_none() {
            assert!(fed.elapsed() < SOON, "nobody passed {step}");
            self.feed();
            std::thread::sleep(Duration::from_millis(50));
        }
        let printed = doomed.process.printed();
        assert!(
            printed.contains("aborting at the armed fail point"),
            "it died before it came to {step}"
        );
    }

    /// Once the producer has made all that was asked for, more is made.
    fn feed(&mut self) {
        let Some(status) = self.producer.ended() else {
            return;
        };
        assert!(
            status.success(),
            "the producer failed:\n{}",
            self.producer.printed()
        );
        let (first, records) = (self.next.to_string(), 2000);
        let options = [
            "--poison",
            "0.01",
            "--first",
            &first,
            "--records",
            "2000",
            "--rate",
            "2000",
        ];
        self.producer = self.world.producing(self.next, &options);
        self.next += records;
    }

    /// Sometimes one joins, sometimes one leaves; two are up behind it.
    fn come_and_go(&mut self) {
        if self.rng.random_bool(0.3) {
            self.join(None);
        }
        while self.crew.len() > 2 {
            self.pause(Duration::from_secs(1));
            self.any_but_the_newest().stop();
            self.count("left");
        }
        while self.crew.len() < 2 {
            self.join(None);
        }
        for weir in &mut self.crew {
            weir.assert_alive();
        }
    }

    fn finish(mut self, name: &str, seed: u64, begin: Instant) {
        let status = self.producer.wait(Duration::from_secs(600));
        assert!(
            status.success(),
            "the producer failed:\n{}",
            self.producer.printed()
        );
        let mut crew = std::mem::take(&mut self.crew);
        self.world.wait_settled(&mut crew, &self.world.ends(STREAM));
        wait_for("the group is at rest", SOON, || {
            crew.iter().all(|w| w.ready().0).then_some(())
        });
        crew.into_iter().for_each(Weir::stop);
        let (landed, commits) = (begin.elapsed().as_secs(), commits(self.world).len());
        let counts = self.world.check(&[]);
        assert_eq!(counts["positions"], json!(self.next), "{counts:#}");
        let told = &self.told;
        tell(&format!(
            "{name}: seed {seed}: {} records, {commits} commits, {landed} s, checked in {} s; {told:?}",
            self.next,
            begin.elapsed().as_secs() - landed,
        ));
    }
}

#[test]
fn on_local_disk() {
    run(&World::local(Settings::default()), "kills::on_local_disk");
}

#[test]
fn on_s3() {
    run(&World::s3(Settings::default()), "kills::on_s3");
}
