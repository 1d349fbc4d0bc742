//! `weir schema what-if`: real records under a new version, without a trace in the group.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use serde_json::{Value, json};

use crate::broker::Broker;
use crate::running::Running;
use crate::weir::Folder;

const A: &str = r#"{"name": "a", "type": "int"}"#;
const B: &str = r#"{"name": "b", "type": ["null", "string"], "default": null}"#;

fn schema(fields: &[&str]) -> String {
    let fields = fields.join(", ");
    format!(r#"{{"type": "record", "name": "E", "fields": [{fields}]}}"#)
}

/// A topic of two partitions and eight messages, of which the first version rejects four.
fn filled() -> (Broker, Folder) {
    let broker = Broker::start(&[("events", 2)]);
    let folder = Folder::events(&broker.address(), &["events"]);
    folder.write("schemas/events/1.avsc", &schema(&[A, B]));
    let texts = |texts: [&str; 4]| texts.map(|t| t.as_bytes().to_vec());
    let left = [
        r#"{"a": 1, "b": "x"}"#,
        r#"{"a": 2}"#,
        "{",
        r#"{"a": 3, "c": true}"#,
    ];
    let right = [
        r#"{"a": 4, "b": null}"#,
        r#"{"a": "5"}"#,
        r#"{"a": 6, "c": "no"}"#,
        r#"{"a": 7, "b": "y"}"#,
    ];
    broker.send("events", 0, texts(left));
    broker.send("events", 1, texts(right));
    (broker, folder)
}

fn group(verdicts: &Value, code: &str) -> Value {
    let groups = verdicts["groups"].as_array().unwrap();
    let of_code = groups.iter().filter(|g| g["code"] == code);
    json!(of_code.collect::<Vec<_>>())
}

#[test]
fn a_version_that_grows_mends_and_spoils_nothing() {
    let (broker, folder) = filled();
    let c = r#"{"name": "c", "type": ["null", "boolean"], "default": null}"#;
    folder.write("new.avsc", &schema(&[A, B, c]));
    let new = folder.path("new.avsc");
    let what_if = ["schema", "what-if", "events", new.to_str().unwrap()];
    let (code, told) = folder.json(&what_if);
    assert_eq!(code, 0, "{told:#}");
    assert_eq!(told["ok"], true);
    assert_eq!(
        (&told["in_force"], &told["new"]),
        (&json!("events/1"), &json!("events/2"))
    );
    let column = json!({ "name": "c", "delta": "boolean", "change": "added" });
    assert_eq!(
        told["registration"],
        json!({ "accepted": true, "level": "BACKWARD", "reasons": [], "table": null, "columns": [column] })
    );
    let records = &told["records"];
    assert_eq!(records["complete"], true);
    assert_eq!(records["messages"], 8);
    assert_eq!(records["in_force"], json!({ "accepted": 4, "rejected": 4 }));
    assert_eq!(records["new"], json!({ "accepted": 5, "rejected": 3 }));
    assert_eq!(
        (&records["worse"], &records["better"]),
        (&json!(0), &json!(1))
    );
    let partition =
        json!({ "topic": "events", "partition": 1, "from": 0, "to": 4, "read_to": 4, "gone": 0 });
    assert_eq!(records["partitions"][1], partition);
    let wrong = group(records, "wrong_type");
    assert_eq!(wrong[0]["field"], "a", "{wrong:#}");
    assert_eq!(
        (&wrong[0]["in_force"], &wrong[0]["new"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(wrong[1]["field"], "c");
    assert_eq!(
        (&wrong[1]["in_force"], &wrong[1]["new"]),
        (&json!(0), &json!(1))
    );
    assert_eq!(wrong[1]["newly"], 0);
    let example = json!({ "source": "events", "partition": 1, "offset": 2, "index": 0 });
    assert_eq!(wrong[1]["example"], example);
    // not a value of a record
    assert!(!told.to_string().contains("\"no\""), "{told:#}");
    let (code, out, err) = folder.run(&what_if);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("column c boolean: is added"), "{out}");
    assert!(
        out.contains("0 that pass now would be rejected; 1 that are rejected now would pass"),
        "{out}"
    );
    no_trace(&broker);
}

/// The group of the settings has committed nothing.
fn no_trace(broker: &Broker) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", broker.address())
        .set("group.id", "weir")
        .create()
        .unwrap();
    let mut asked = TopicPartitionList::new();
    asked.add_partition_range("events", 0, 1);
    let committed = consumer
        .committed_offsets(asked, Duration::from_secs(10))
        .unwrap();
    let offsets = committed.elements();
    assert!(offsets.iter().all(|e| e.offset() == Offset::Invalid));
}

#[test]
fn a_version_that_narrows_is_refused_and_spoils() {
    let (_broker, folder) = filled();
    let b = r#"{"name": "b", "type": "string"}"#;
    folder.write("new.avsc", &schema(&[A, b]));
    let new = folder.path("new.avsc");
    let (code, told) = folder.json(&["schema", "what-if", "events", new.to_str().unwrap()]);
    assert_eq!(code, 1, "{told:#}");
    assert_eq!(told["ok"], false);
    let reason =
        "events version 2 cannot read data of version 1: b: null is written and cannot be read";
    assert_eq!(told["registration"]["reasons"], json!([reason]));
    let records = &told["records"];
    assert_eq!(records["worse"], 2);
    assert_eq!(records["new"], json!({ "accepted": 2, "rejected": 6 }));
    let missing = group(records, "missing_field");
    assert_eq!(missing[0]["newly"], 1, "{missing:#}");
    assert_eq!(missing[0]["example"]["offset"], 1, "{missing:#}");
}

#[test]
fn a_version_that_cannot_be_judged_by_is_told_with_its_paths() {
    let (_broker, folder) = filled();
    let new = folder.path("new.avsc");
    let what_if = ["schema", "what-if", "events", new.to_str().unwrap()];
    for (text, reason) in [
        (
            schema(&[A, r#"{"name": "u", "type": ["int", "string"]}"#]),
            "u: a union of several types has no column; make a field of each",
        ),
        (
            schema(&[B]),
            "a: is named by `primary_key` and would be gone",
        ),
        ("{".to_owned(), "is no JSON"),
    ] {
        folder.write("new.avsc", &text);
        let (code, told) = folder.json(&what_if);
        assert_eq!(code, 1, "{told:#}");
        assert_eq!(told["records"], Value::Null);
        let reasons = told["registration"]["reasons"].to_string();
        assert!(reasons.contains(reason), "{reasons}");
        let (code, out, _) = folder.run(&what_if);
        assert_eq!(code, 1);
        assert!(out.contains("no record can be judged by it"), "{out}");
    }
}

#[test]
fn stored_rejects_are_judged_again() {
    let (broker, folder) = filled();
    let huge = format!(r#"{{"a": 8, "c": "{}"}}"#, "x".repeat(1000));
    broker.send("events", 1, [huge.into_bytes()]);
    let settings = folder.read("weir.toml");
    folder.write(
        "weir.toml",
        &settings.replace("max_raw = \"16MiB\"", "max_raw = \"500B\""),
    );
    let mut daemon = Running::start(&folder);
    daemon.wait_settled("events", &[(0, 4), (1, 5)]);
    assert!(daemon.stop().success());
    let c = r#"{"name": "c", "type": ["null", "string"], "default": null}"#;
    folder.write("new.avsc", &schema(&[A, B, c]));
    let new = folder.path("new.avsc");
    // the broker is not asked
    folder.write(
        "weir.toml",
        &folder
            .read("weir.toml")
            .replace(&broker.address(), "127.0.0.1:1"),
    );
    drop(broker);
    let what_if = ["schema", "what-if", "events", new.to_str().unwrap()];
    let (code, told) = folder.json(&[&what_if[..], &["--from-rejects"]].concat());
    assert_eq!(code, 0, "{told:#}");
    assert!(told["registration"]["table"].is_u64(), "{told:#}");
    let records = &told["records"];
    assert_eq!(records["source"], "rejects");
    assert_eq!(records["messages"], 5);
    assert_eq!(records["not_judged"], json!({ "truncated": 1 }));
    assert_eq!(records["in_force"], json!({ "accepted": 0, "rejected": 4 }));
    assert_eq!(records["new"], json!({ "accepted": 1, "rejected": 3 }));
    assert_eq!(records["better"], 1);
    // the broker is away
    let (code, _, err) = folder.run(&what_if);
    assert_eq!(code, 3, "{err}");
}

/// Of an envelope's record its own bytes are stored, of what is no envelope the message's.
#[test]
fn records_of_envelopes_are_judged_one_by_one() {
    let broker = Broker::start(&[("events", 1)]);
    let folder = Folder::events(&broker.address(), &["events"]);
    let stream = folder.read("streams/events.toml");
    let envelope = stream.replace("\"json\"", "\"json-envelope\"");
    folder.write("streams/events.toml", &envelope);
    folder.write("schemas/events/1.avsc", &schema(&[A]));
    let messages = [
        r#"{"data": [{"a": 1}, {"a": "x"}, {"a": 2, "b": "y"}]}"#,
        r#"{"data": [], "b": 1}"#,
        r#"{"data": []}"#,
        r#"{"data": [{"a": 3}"#,
    ];
    broker.send("events", 0, messages.map(|m| m.as_bytes().to_vec()));
    folder.write("new.avsc", &schema(&[A, B]));
    let new = folder.path("new.avsc");
    let what_if = ["schema", "what-if", "events", new.to_str().unwrap()];
    let (code, told) = folder.json(&what_if);
    assert_eq!(code, 0, "{told:#}");
    let records = &told["records"];
    assert_eq!(records["skipped"], json!({ "empty_envelope": 1 }));
    assert_eq!(records["in_force"], json!({ "accepted": 1, "rejected": 4 }));
    assert_eq!(records["new"], json!({ "accepted": 2, "rejected": 3 }));
    let unknown = group(records, "unknown_field");
    assert_eq!(unknown[0]["example"]["index"], 2, "{unknown:#}");

    let mut daemon = Running::start(&folder);
    daemon.wait_settled("events", &[(0, 4)]);
    assert!(daemon.stop().success());
    let (code, told) = folder.json(&[&what_if[..], &["--from-rejects"]].concat());
    assert_eq!(code, 0, "{told:#}");
    let stored = &told["records"];
    assert_eq!(stored["in_force"], json!({ "accepted": 0, "rejected": 4 }));
    assert_eq!(stored["new"], json!({ "accepted": 1, "rejected": 3 }));
    let groups = |of: &Value| {
        let groups = of["groups"].as_array().unwrap().iter();
        let mut told: Vec<String> = groups.map(ToString::to_string).collect();
        told.sort();
        told
    };
    assert_eq!(groups(stored), groups(records));
}

#[test]
fn an_interrupted_look_tells_what_it_saw() {
    let (broker, folder) = filled();
    folder.write("new.avsc", &schema(&[A, B]));
    let new = folder.path("new.avsc");
    broker.slow(Duration::from_secs(1));
    let child = folder
        .command()
        .args(["--format", "json", "schema", "what-if", "events"])
        .arg(&new)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while !takes_interrupts(child.id()) {
        assert!(began.elapsed() < Duration::from_secs(30), "it takes none");
        std::thread::sleep(Duration::from_millis(5));
    }
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &pid]).status();
    assert!(sent.unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["records"]["complete"], false, "{told:#}");
    assert_eq!(told["records"]["messages"], 0, "{told:#}");
    assert_eq!(told["records"]["partitions"][0]["to"], 4, "{told:#}");
    assert_eq!(told["records"]["partitions"][0]["read_to"], 0, "{told:#}");
}

/// True if the process has a handler for SIGINT.
fn takes_interrupts(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let caught = status.lines().find_map(|l| l.strip_prefix("SigCgt:"));
    let mask = u64::from_str_radix(caught.unwrap().trim(), 16).unwrap();
    mask & 1 << (2 - 1) != 0
}

#[test]
fn usage_is_checked_first() {
    let (_broker, folder) = filled();
    let new = folder.path("new.avsc");
    let new = new.to_str().unwrap();
    for (arguments, words) in [
        (vec!["events", new], "cannot be read"),
        (vec!["evnts", new], "did you mean events?"),
        (vec!["events", new, "--last", "1x"], "is no duration"),
        (
            vec!["events", new, "--last", "1h", "--from-rejects"],
            "cannot be used with",
        ),
    ] {
        let (code, _, err) = folder.run(&[&["schema", "what-if"], &arguments[..]].concat());
        assert_eq!(code, 2, "{err}");
        assert!(err.contains(words), "{err}");
    }
}
