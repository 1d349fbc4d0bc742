//! A topic of framed Avro in three schema versions, from two serializers of others, with poison; two
//! instances, kills, and a registry that goes away twice. Nothing is lost, nothing doubled, no good
//! record is rejected, and only what needs the registry waits for it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::instance::Weir;
use crate::plan::{outage, records, seed, tell};
use crate::services::process::Process;
use crate::services::registry::Registry;
use crate::services::{in_repository, python_command, wait_for};
use crate::world::{SOON, STREAM, Settings, World};

/// The subject of the topic's values, by the TopicName strategy.
pub const SUBJECT: &str = "events-value";

/// What is written besides the outages takes about so long.
const REST: Duration = Duration::from_secs(40);

/// The schema of a version.
pub fn schema(name: &str) -> Value {
    let path = in_repository(&format!("tests/real/avro/event-{name}.avsc"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Registers the versions, and what no record of the topic may be of; tells the ids.
pub fn register(registry: &Registry) -> BTreeMap<&'static str, u32> {
    let mut ids = BTreeMap::new();
    for version in ["1", "2", "3"] {
        ids.insert(version, registry.register(SUBJECT, &schema(version), &[]));
    }
    // By the name that the RecordName strategy gives: the topic may hold it, and nobody can read it.
    let other = registry.register("weir.tests.Event", &schema("other"), &[]);
    ids.insert("other", other);
    // It could be read, and is registered for another topic.
    let mut foreign = schema("2");
    foreign["doc"] = json!("of payments");
    let foreign = registry.register("payments-value", &foreign, &[]);
    ids.insert("foreign", foreign);
    ids
}

/// A producer of half of the records; `ready` once it has begun.
fn producing(
    world: &World,
    (registry, ids): (&Registry, &str),
    serializer: &str,
    first: u64,
    seed: u64,
    rate: f64,
) -> Process {
    let ready = world.folder().join(format!("{serializer}.ready"));
    let words = [
        ("--brokers", world.kafka.brokers()),
        ("--topic", STREAM.to_owned()),
        ("--registry", registry.url()),
        ("--ids", ids.to_owned()),
        ("--with", serializer.to_owned()),
        ("--records", (records() / 2).to_string()),
        ("--first", first.to_string()),
        ("--seed", seed.to_string()),
        ("--rate", rate.to_string()),
        ("--ready", ready.display().to_string()),
    ];
    let words: Vec<String> = words
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value])
        .collect();
    let mut command = python_command("avro/produce_avro.py", &words);
    let log = world.folder().join(format!("{serializer}.log"));
    let mut process = Process::start(serializer, &mut command, &log);
    process.wait_until("begins", SOON, || ready.exists());
    process
}

/// What all instances together tell of the partitions: the furthest position, and the states.
fn partitions(crew: &[Weir]) -> BTreeMap<i64, (i64, Value)> {
    let mut told = BTreeMap::new();
    for partition in crew.iter().flat_map(Weir::partitions) {
        let position = partition["position"].as_i64().unwrap_or(-1);
        told.insert(
            partition["partition"].as_i64().unwrap(),
            (position, partition),
        );
    }
    told
}

fn is_waiting(partition: &Value) -> bool {
    partition["state"] == json!("waiting")
        && partition["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains("needs the schema of id"))
}

struct Run<'a> {
    world: &'a World,
    crew: Vec<Weir>,
    named: usize,
}

impl Run<'_> {
    fn join(&mut self) {
        self.named += 1;
        let weir = self.world.weir(&format!("weir-{}", self.named), None);
        self.crew.push(weir);
    }

    /// One dies, and another takes its place.
    fn replace(&mut self) {
        self.crew.remove(0).process.kill();
        self.join();
    }

    /// Waits until partitions 2 and 3, which hold nothing that nobody knows, are `further` on.
    fn wait_flowing(&self, what: &str) {
        let before = partitions(&self.crew);
        wait_for(what, SOON, || {
            let now = partitions(&self.crew);
            let further = |p: &i64| {
                let was = before.get(p).map_or(0, |(at, _)| *at);
                now.get(p).is_some_and(|(at, _)| *at > was)
            };
            [2, 3].iter().all(further).then_some(())
        });
    }

    /// Waits until partitions 0 and 1 wait for the registry.
    fn wait_waiting(&self, what: &str) {
        wait_for(what, SOON, || {
            let now = partitions(&self.crew);
            let waits = |p: &i64| now.get(p).is_some_and(|(_, told)| is_waiting(told));
            [0, 1].iter().all(waits).then_some(())
        });
    }
}

#[test]
fn versions_are_mixed_and_the_registry_goes_away() {
    let seed = seed("avro");
    let begin = Instant::now();
    let folder = tempfile::tempdir().unwrap();
    let mut registry = Registry::start(folder.path());
    let ids = register(&registry);
    let told = serde_json::to_string(&ids).unwrap();
    let world = World::local(Settings {
        topics: format!("names = [\"{STREAM}\"]\nformat = \"avro\"\nframing = \"registry\""),
        schema: format!("{{ registry = \"{SUBJECT}\", version = 3 }}"),
        more: format!(
            "[registry]\nurl = \"{}\"\ntimeout = \"2s\"\n",
            registry.url()
        ),
        max_age: "1s",
        max_rows: 100_000,
        ..Settings::default()
    });
    world.topics(&["create", STREAM, "4"]);
    let rate = records() as f64 / 2.0 / (REST + 2 * outage()).as_secs_f64();
    let of = (&registry, &*told);
    let mut fastavro = producing(&world, of, "fastavro", 0, seed, rate);
    let mut confluent = producing(&world, of, "confluent", records() / 2, seed + 1, rate);
    let mut run = Run {
        world: &world,
        crew: Vec::new(),
        named: 0,
    };
    run.join();
    run.join();
    run.wait_flowing("the first records land");
    run.replace();
    run.wait_flowing("they land behind a kill");

    // Away, and only then there are records of the third version.
    registry.stop();
    let away = Instant::now();
    fastavro.signal("USR1");
    confluent.signal("USR1");
    run.wait_waiting("what needs an id waits");
    run.wait_flowing("what needs none flows on");
    assert!(run.crew.iter().any(|w| {
        w.ready()
            .1
            .iter()
            .any(|why| why.contains("needs the schema of id"))
    }));
    run.replace();
    run.wait_waiting("what needs an id waits, whoever has it");
    run.wait_flowing("what needs none flows on, whoever has it");
    std::thread::sleep(outage().saturating_sub(away.elapsed()));
    registry.restart();
    wait_for("nothing waits any more", SOON, || {
        let now = partitions(&run.crew);
        let ran = now.values().all(|(_, told)| !is_waiting(told));
        (ran && now.len() == 4).then_some(())
    });
    run.wait_flowing("all is well again");

    // Away once more, and an instance starts meanwhile: it has the ids from the copies.
    registry.stop();
    let away = Instant::now();
    run.replace();
    run.wait_flowing("known ids flow on in a new instance");
    std::thread::sleep(outage().saturating_sub(away.elapsed()));
    registry.restart();
    run.replace();

    for producer in [&mut fastavro, &mut confluent] {
        let status = producer.wait(Duration::from_secs(600));
        assert!(status.success(), "{}", producer.printed());
    }
    let mut crew = run.crew;
    world.wait_settled(&mut crew, &world.ends(STREAM));
    let landed = begin.elapsed().as_secs();
    crew.into_iter().for_each(Weir::stop);
    let counts = world.check(&["--avro", &told]);
    assert_eq!(counts["positions"], json!(records() / 2 * 2), "{counts:#}");
    tell(&format!("avro: seed {seed}: {landed} s; {counts}"));
}

/// Writes records of the first two versions by fastavro, with poison, and waits for it.
pub fn produce_mixed(world: &World, ids: &BTreeMap<&'static str, u32>, count: u64, seed: u64) {
    let options = ["--poison", "0.05", "--records", &count.to_string()];
    produce_with(world, &json!(ids), seed, &options);
}

/// Writes records of one version by fastavro, and waits for it.
fn produce(world: &World, ids: &Value, version: &str, first: u64, count: u64, seed: u64) {
    let [first, count] = [first, count].map(|n| n.to_string());
    let numbers = ["--first", &first, "--records", &count];
    let options = ["--version", version, "--poison", "0"];
    produce_with(world, ids, seed, &[options, numbers].concat());
}

fn produce_with(world: &World, ids: &Value, seed: u64, options: &[&str]) {
    let (brokers, ids, seed) = (world.kafka.brokers(), ids.to_string(), seed.to_string());
    let words = [
        ["--brokers", &brokers],
        ["--topic", STREAM],
        ["--ids", &ids],
        ["--with", "fastavro"],
        ["--seed", &seed],
    ];
    let words = [&words.concat()[..], options].concat();
    let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
    let output = python_command("avro/produce_avro.py", &words)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}

/// The stream follows the subject, and would look for itself in an hour: what is written by a version
/// right after that was registered has to find it there.
#[test]
fn a_version_that_is_registered_is_there_for_its_first_record() {
    let seed = seed("avro follows");
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::start(folder.path());
    let mut ids = json!({ "2": registry.register(SUBJECT, &schema("2"), &[]) });
    let world = World::local(Settings {
        topics: format!("names = [\"{STREAM}\"]\nformat = \"avro\"\nframing = \"registry\""),
        schema: format!("{{ registry = \"{SUBJECT}\" }}"),
        more: format!(
            "[registry]\nurl = \"{}\"\n[schemas]\npoll = \"1h\"\n",
            registry.url()
        ),
        ..Settings::default()
    });
    world.topics(&["create", STREAM, "4"]);
    let mut crew = [world.weir("weir-1", None), world.weir("weir-2", None)];
    produce(&world, &ids, "2", 0, 4000, seed);
    world.wait_settled(&mut crew, &world.ends(STREAM));
    ids["3"] = json!(registry.register(SUBJECT, &schema("3"), &[]));
    produce(&world, &ids, "3", 4000, 4000, seed + 1);
    // Older ones go on, by a producer that was not restarted.
    produce(&world, &ids, "2", 8000, 1000, seed + 2);
    world.wait_settled(&mut crew, &world.ends(STREAM));
    crew.into_iter().for_each(Weir::stop);
    ids["follows"] = json!(true);
    let counts = world.check(&["--avro", &ids.to_string()]);
    assert_eq!(counts["accepted"], json!(9000), "{counts:#}");
    let seen = world.readers(&["attrs", "counts"]);
    for (reader, counts) in seen {
        // No value of a new field is lost; who was at the new version by then gave the older
        // records its defaults.
        assert!(
            (4000..=5000).contains(&counts["attrs"]),
            "{reader}: {counts:?}"
        );
        assert_eq!(counts["attrs"], counts["counts"], "{reader}: {counts:?}");
    }
}
