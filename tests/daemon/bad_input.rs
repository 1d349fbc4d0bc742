//! What a producer should never send: one reject each, with its bytes, within the memory budget.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int32Type, Int64Type};
use sha2::{Digest, Sha256};

use crate::broker::Broker;
use crate::running::Running;
use crate::table;
use crate::weir::Folder;

const MIB: usize = 1 << 20;

/// The budget of `config/weir.toml`, and what the process itself may take beside it.
const MEMORY: u64 = (256 + 150) * MIB as u64;

const SCHEMA: &str = r#"{"type": "record", "name": "E", "fields": [
    {"name": "a", "type": "int"},
    {"name": "x", "type": ["null", "double"], "default": null},
    {"name": "text", "type": ["null", "string"], "default": null}]}"#;

/// Streams of that schema, each named as its topic.
fn folder(broker: &Broker, streams: &[&str]) -> Folder {
    let folder = Folder::events(&broker.address(), streams);
    folder.write("schemas/events/1.avsc", SCHEMA);
    folder
}

#[derive(Debug)]
struct Reject {
    code: String,
    field: Option<String>,
    message: String,
    raw: Vec<u8>,
}

/// The rejects of a stream, by partition and offset.
fn rejects(folder: &Folder, stream: &str) -> BTreeMap<(i32, i64), Reject> {
    let mut found = BTreeMap::new();
    for batch in table::rows(&folder.path(&format!("lake/{stream}__rejects"))) {
        let column = |name: &str| batch.column_by_name(name).unwrap().clone();
        let text = |name: &str, row: usize| {
            let column = column(name);
            let texts = column.as_string::<i32>();
            texts.is_valid(row).then(|| texts.value(row).to_owned())
        };
        for row in 0..batch.num_rows() {
            let at = (
                column("_weir_partition")
                    .as_primitive::<Int32Type>()
                    .value(row),
                column("_weir_offset")
                    .as_primitive::<Int64Type>()
                    .value(row),
            );
            let reject = Reject {
                code: text("code", row).unwrap(),
                field: text("field", row),
                message: text("message", row).unwrap(),
                raw: column("raw").as_binary::<i32>().value(row).to_vec(),
            };
            assert!(found.insert(at, reject).is_none(), "{at:?} is there twice");
        }
    }
    found
}

#[test]
fn each_monster_is_one_reject_with_its_bytes() {
    let broker = Broker::start(&[("events", 2)]);
    let folder = folder(&broker, &["events"]);
    let huge = [
        b"{\"a\":1,\"text\":\"".to_vec(),
        vec![b'x'; 30 * MIB],
        b"\"}".to_vec(),
    ]
    .concat();
    let monsters: Vec<(Vec<u8>, &str, Option<&str>)> = vec![
        (vec![b'['; 100_000], "too_deep", None),
        (b"[{\"\":".repeat(50_000), "too_deep", None),
        (vec![b' '; 2 * MIB], "invalid_json", None),
        (b"\xff\xfe\xfd\x80 not text".to_vec(), "invalid_utf8", None),
        (
            b"{\"a\":1,\"text\":\"\xc3(\"}".to_vec(),
            "invalid_utf8",
            None,
        ),
        (b"1e400".to_vec(), "wrong_type", None),
        (b"{\"a\":1,\"x\":1e400}".to_vec(), "out_of_range", Some("x")),
        (b"{\"a\":1,\"a\":2}".to_vec(), "duplicate_field", Some("a")),
        (b"{\"a\":2147483648}".to_vec(), "out_of_range", Some("a")),
        (vec![b'9'; MIB], "wrong_type", None),
        (b"".to_vec(), "invalid_json", None),
        (vec![0; 1000], "invalid_json", None),
    ];
    let good = b"{\"a\":1,\"x\":1e300}".to_vec();
    // a good one before and behind; the largest where it pushes nothing else out of the broker
    let mut values: Vec<Vec<u8>> = vec![good.clone()];
    for (monster, ..) in &monsters {
        values.push(monster.clone());
        values.push(good.clone());
    }
    let count = values.len() as i64;
    broker.send("events", 0, values);
    broker.send("events", 1, [huge.clone()]);
    let mut daemon = Running::start(&folder);
    daemon.wait_settled("events", &[(0, count), (1, 1)]);
    let peak = daemon.peak_rss();
    assert!(daemon.stop().success());
    assert!(peak < MEMORY, "{} MiB at its peak", peak / MIB as u64);

    let mut found = rejects(&folder, "events");
    let largest = found.remove(&(1, 0)).unwrap();
    assert_eq!((largest.code.as_str(), largest.field), ("too_large", None));
    assert_eq!(largest.raw.len(), 16 * MIB);
    assert!(largest.raw == huge[..16 * MIB], "the beginning is kept");
    let mut digest = String::new();
    for byte in Sha256::digest(&huge) {
        write!(digest, "{byte:02x}").unwrap();
    }
    let kept = format!("the first {} of {} bytes are kept", 16 * MIB, huge.len());
    assert!(largest.message.contains(&kept), "{}", largest.message);
    assert!(largest.message.contains(&digest), "{}", largest.message);

    assert_eq!(found.len(), monsters.len());
    for (number, (monster, code, field)) in monsters.iter().enumerate() {
        let reject = &found[&(0, number as i64 * 2 + 1)];
        let told = (reject.code.as_str(), reject.field.as_deref());
        assert_eq!(
            told,
            (*code, *field),
            "monster {number}: {}",
            reject.message
        );
        assert!(reject.raw == *monster, "monster {number}: its bytes");
    }
    let landed: usize = table::rows(&folder.path("lake/events__dll"))
        .iter()
        .map(arrow::record_batch::RecordBatch::num_rows)
        .sum();
    assert_eq!(landed, monsters.len() + 1);
    let (code, out, err) = folder.run(&["verify"]);
    assert_eq!(code, 0, "{out}{err}");
}

#[test]
fn a_poisoned_topic_costs_little_and_hurts_no_other() {
    const POISON: i64 = 60_000;
    let broker = Broker::start(&[("poisoned", 1), ("healthy", 1)]);
    let folder = folder(&broker, &["poisoned", "healthy"]);
    let poison = (0..POISON).map(|n| format!("{{\"a\":\"{n}\"}}").into_bytes());
    broker.send("poisoned", 0, poison);
    let mut daemon = Running::start(&folder);
    broker.send(
        "healthy",
        0,
        (0..1000).map(|n| format!("{{\"a\":{n}}}").into_bytes()),
    );
    daemon.wait_settled("healthy", &[(0, 1000)]);
    daemon.wait_settled("poisoned", &[(0, POISON)]);
    let peak = daemon.peak_rss();
    let metrics = daemon.get("/metrics").unwrap();
    assert!(daemon.stop().success());
    assert!(peak < MEMORY, "{} MiB at its peak", peak / MIB as u64);
    let rejected =
        format!("weir_rejects_total{{code=\"wrong_type\",stream=\"poisoned\"}} {POISON}\n");
    assert!(metrics.contains(&rejected), "{metrics}");
    // batched: files by age, not by reject
    let files = table::files(&folder.path("lake/poisoned__rejects"));
    assert!(files.len() < 20, "{} files", files.len());
    let found = rejects(&folder, "poisoned");
    assert_eq!(found.len() as i64, POISON);
    assert!(found.iter().all(|((_, offset), reject)| {
        reject.raw == format!("{{\"a\":\"{offset}\"}}").as_bytes()
    }));
    assert_eq!(rejects(&folder, "healthy").len(), 0);
    let (code, out, err) = folder.run(&["verify"]);
    assert_eq!(code, 0, "{out}{err}");
}

#[test]
fn a_table_of_another_schema_holds_its_stream_only() {
    let broker = Broker::start(&[("events", 1), ("others", 1)]);
    let folder = folder(&broker, &["events", "others"]);
    broker.send("events", 0, [b"{\"a\":1}".to_vec()]);
    let mut daemon = Running::start(&folder);
    daemon.wait_settled("events", &[(0, 1)]);
    assert!(daemon.stop().success());
    // settings that the table's schema does not fit, as if they had always been so
    folder.write("schemas/events/1.avsc", &SCHEMA.replace("\"a\"", "\"b\""));
    let stream = folder.read("streams/events.toml");
    folder.write("streams/events.toml", &stream.replace("[\"a\"]", "[\"b\"]"));
    folder.write("schemas/others/1.avsc", SCHEMA);
    folder.write(
        "streams/others.toml",
        &folder
            .read("streams/others.toml")
            .replace("subject = \"events\"", "subject = \"others\""),
    );
    broker.send("others", 0, [b"{\"a\":1}".to_vec()]);
    let mut daemon = Running::start(&folder);
    daemon.wait_settled("others", &[(0, 1)]);
    let told = daemon.wait("the reason", |daemon| {
        let told = daemon.get("/readyz")?;
        told.contains("the table is at schema version 1")
            .then_some(told)
    });
    assert!(told.contains("b: is named by `primary_key`"), "{told}");
    assert!(daemon.stop().success());
    assert_eq!(rejects(&folder, "events").len(), 0);
}
