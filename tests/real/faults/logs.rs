//! What a log holds beside messages, and what it holds no more: transactions and compaction.

use serde_json::json;

use super::settle;
use crate::plan::seed;
use crate::services::wait_for;
use crate::world::{SOON, STREAM, Settings, World};

/// Aborted transactions are holes, so are the markers; at the end of the log too.
#[test]
fn aborted_transactions_leave_no_rows() {
    let world = World::local(Settings::default());
    let seed = seed("logs::aborted_transactions");
    world.topics(&["create", STREAM, "2"]);
    let mix = [
        "--partitions",
        "2",
        "--poison",
        "0.05",
        "--tombstones",
        "0.05",
    ];
    let transactions = ["--records", "4000", "--transaction", "40", "--abort", "0.4"];
    world.produce(seed, &[&mix[..], &transactions].concat());
    let mut weir = world.weir("a", None);
    settle(&world, &mut weir);
    wait_for("no lag behind markers", SOON, || {
        (weir.metric("weir_lag_records", &[]) == 0.0).then_some(())
    });
    // Live, too: each look at the log finds open transactions.
    let more = [
        "--records",
        "4000",
        "--first",
        "4000",
        "--transaction",
        "40",
        "--abort",
        "0.4",
    ];
    world.produce(seed + 1, &[&mix[..], &more, &["--rate", "1500"]].concat());
    settle(&world, &mut weir);
    weir.stop();
    let counts = world.check(&[]);
    let of = |name: &str| counts[name].as_i64().unwrap_or(0);
    assert!(
        of("holes") > 2000 && of("skip:tombstone") > 100,
        "{counts:#}"
    );
    assert!(counts.get("aborted").is_none(), "{counts:#}");
}

/// A compacted topic with tombstones: what compaction took before it was read is a hole.
#[test]
fn a_compacted_topic_lands_with_its_holes() {
    let world = World::local(Settings::default());
    let seed = seed("logs::a_compacted_topic");
    world.topics(&[
        "create",
        STREAM,
        "2",
        "cleanup.policy=compact",
        "segment.ms=500",
        "min.cleanable.dirty.ratio=0.01",
        "delete.retention.ms=600000",
    ]);
    let deliveries = world.folder().join("deliveries").display().to_string();
    let mix = [
        "--partitions",
        "2",
        "--poison",
        "0.05",
        "--tombstones",
        "0.1",
        "--keys",
        "60",
    ];
    let count = ["--records", "5000", "--rate", "1000", "--log", &deliveries];
    world.produce(seed, &[&mix[..], &count].concat());
    wait_for("compaction took something", SOON, || {
        (world.held(STREAM) < 3000).then_some(())
    });
    let mut weir = world.weir("a", None);
    settle(&world, &mut weir);
    weir.stop();
    let log = format!("{STREAM}={deliveries}");
    let counts = world.check(&["--log", &log]);
    assert_eq!(counts["positions"], json!(5000), "{counts:#}");
    let of = |name: &str| counts[name].as_i64().unwrap_or(0);
    assert!(
        of("holes") >= 2000 && of("skip:tombstone") > 0,
        "{counts:#}"
    );
}
