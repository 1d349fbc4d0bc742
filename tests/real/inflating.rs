//! Batches that inflate a thousandfold, by each codec: what is within the limits lands, what is beyond
//! is a reject or waits, and memory is bounded by what is fetched at once.

use serde_json::json;

use crate::instance::Weir;
use crate::plan::tell;
use crate::services::{python, wait_for};
use crate::world::{SOON, STREAM, Settings, World};

const BUDGET_MIB: u64 = 128;
/// What the process may hold beside the budget, of messages that are as long as `max_message_bytes`:
/// twenty of them, in what each thread has at hand and what the allocator keeps for a moment.
const BESIDE_MIB: u64 = 20 * 16;

fn world(kafka_properties: &'static str) -> World {
    let world = World::local(Settings {
        more: format!("[memory]\nbudget = \"{BUDGET_MIB}MiB\"\n[rejects]\nmax_raw = \"20MiB\"\n"),
        kafka_properties,
        ..Settings::default()
    });
    world.topics(&["create", STREAM, "1"]);
    world
}

/// Fills the topic with messages of so many MiB, so many of them in a batch; see `inflate.py`.
fn inflate(world: &World, codec: &str, batch: usize, mib: &[u32]) {
    let mut arguments = vec![world.kafka.brokers(), STREAM.to_owned(), codec.to_owned()];
    arguments.push(batch.to_string());
    arguments.extend(mib.iter().map(u32::to_string));
    let output = python("inflate.py", &arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "inflate.py: {errors}");
}

/// Lands what the topic holds: the most memory that it took, in MiB, and what landed.
fn land(world: &World) -> (u64, serde_json::Value) {
    let mut crew = [world.weir("weir-1", None)];
    world.wait_settled(&mut crew, &world.ends(STREAM));
    let [weir] = crew;
    let (_, most_kib) = weir.resident_kib();
    weir.stop();
    (most_kib / 1024, world.check(&[]))
}

#[test]
fn each_codec_lands_and_what_is_too_large_is_a_reject() {
    let world = world("");
    let mut whole = 0;
    for codec in ["zstd", "gzip", "lz4", "snappy"] {
        let sizes = [15, 15, 15, 17];
        inflate(&world, codec, 1, &sizes);
        whole += u64::from(sizes.iter().sum::<u32>());
    }
    let (most, counts) = land(&world);
    tell(&format!(
        "{whole} MiB by four codecs: {counts}, memory at most {most} MiB"
    ));
    assert_eq!(
        (&counts["accepted"], &counts["too_large"]),
        (&json!(12), &json!(4))
    );
    assert!(most <= BUDGET_MIB + whole + BESIDE_MIB, "{most} MiB");
}

#[test]
fn memory_is_bounded_by_what_is_fetched_at_once() {
    // A broker gives at least one batch, and here no more than three: some 1.4 KB for 15 MiB.
    let world = world("\"max.partition.fetch.bytes\" = \"4096\"");
    let sizes = [15; 30];
    inflate(&world, "zstd", 1, &sizes);
    let (most, counts) = land(&world);
    tell(&format!(
        "450 MiB in 30 batches: {counts}, memory at most {most} MiB"
    ));
    assert_eq!(counts["accepted"], json!(30));
    assert!(most <= BUDGET_MIB + 3 * 15 + BESIDE_MIB, "{most} MiB");
}

#[test]
fn a_batch_that_inflates_beyond_the_limit_is_waited_for() {
    let mut world = world("\"receive.message.max.bytes\" = \"67108864\"");
    inflate(&world, "zstd", 1, &[1]);
    // 90 MiB at once.
    inflate(&world, "zstd", 6, &[15; 6]);
    let mut weir = world.weir("weir-1", None);
    wait_for("the trouble is told", SOON, || {
        weir.assert_alive();
        told(&weir).then_some(())
    });
    world.wait_settled(std::slice::from_mut(&mut weir), &[(0, 1)].into());
    assert_eq!(weir.positions()[&0], 1);
    weir.stop();
    world.settings.kafka_properties = "";
    let (_, counts) = land(&world);
    assert_eq!(counts["accepted"], json!(7), "{counts:#}");
}

/// True once it tells that a batch cannot be read.
fn told(weir: &Weir) -> bool {
    weir.metric("weir_kafka_errors_total", &["BadCompression"]) > 0.0
}
