//! `weir positions`, against a broker and beside a running instance: what an operator does about a
//! partition that stopped.

use serde_json::{Value, json};

use crate::broker::Broker;
use crate::running::Running;
use crate::weir::Folder;

const SCHEMA: &str =
    r#"{"type": "record", "name": "E", "fields": [{"name": "a", "type": "long"}]}"#;

/// The stream `events` of the topic of that name.
fn folder(broker: &Broker, flush: &str) -> Folder {
    let folder = Folder::events(&broker.address(), &["events"]);
    folder.write("schemas/events/1.avsc", SCHEMA);
    let stream = folder.read("streams/events.toml");
    folder.write(
        "streams/events.toml",
        &format!("{stream}[flush]\n{flush}\n"),
    );
    folder
}

/// Puts the address of `broker` into the settings.
fn point_to(folder: &Folder, broker: &Broker) {
    let settings: Vec<String> = folder
        .read("weir.toml")
        .lines()
        .map(|line| match line.starts_with("brokers = ") {
            true => format!("brokers = \"{}\"", broker.address()),
            false => line.to_owned(),
        })
        .collect();
    folder.write("weir.toml", &settings.join("\n"));
}

fn send(broker: &Broker, partition: i32, count: usize) {
    broker.send(
        "events",
        partition,
        (0..count).map(|n| format!("{{\"a\":{n}}}").into_bytes()),
    );
}

/// Runs an instance until it has landed the log up to these ends.
fn land(folder: &Folder, ends: &[(i64, i64)]) {
    let mut daemon = Running::start(folder);
    daemon.wait_settled("events", ends);
    assert!(daemon.stop().success());
}

/// Source, partition, position and state of each, as `positions show` tells them.
fn shown(folder: &Folder) -> Vec<Value> {
    let (code, document) = folder.json(&["positions", "show", "events"]);
    assert_eq!(code, 0, "{document:#}");
    document["streams"][0]["positions"]
        .as_array()
        .unwrap()
        .clone()
}

fn states(folder: &Folder) -> Vec<(i64, String)> {
    let shown = shown(folder).into_iter();
    shown
        .map(|p| {
            (
                p["position"].as_i64().unwrap(),
                p["state"].as_str().unwrap().to_owned(),
            )
        })
        .collect()
}

/// Waits until every partition of the stream is in this state; the reasons.
fn wait_state(daemon: &mut Running, state: &str, partitions: usize) -> Vec<String> {
    daemon.wait(&format!("all {state}"), |daemon| {
        let told = daemon.json("/api/v1/streams/events")?;
        let all = told["partitions"].as_array()?;
        let there = all.len() == partitions && all.iter().all(|p| p["state"] == state);
        let reasons = all
            .iter()
            .map(|p| p["reason"].as_str().unwrap_or_default().to_owned());
        there.then(|| reasons.collect())
    })
}

fn proof(folder: &Folder) -> Value {
    let (code, document) = folder.json(&["verify"]);
    assert_eq!(code, 0, "{document:#}");
    document["streams"][0]["sources"].clone()
}

/// Replaces a text in every commit of the DLO.
fn rewrite(folder: &Folder, from: &str, to: &str) {
    let mut found = false;
    for entry in std::fs::read_dir(folder.path("lake/events__dll/_delta_log")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "json") {
            let text = std::fs::read_to_string(&path).unwrap();
            found |= text.contains(from);
            std::fs::write(&path, text.replace(from, to)).unwrap();
        }
    }
    assert!(found, "no commit holds {from}");
}

#[test]
fn positions_are_shown_with_and_without_a_broker() {
    let broker = Broker::start(&[("events", 2)]);
    let folder = folder(&broker, "max_age = \"300ms\"");
    let (code, out, _) = folder.run(&["positions", "show"]);
    assert_eq!(
        (code, out.as_str()),
        (0, "stream events has no position yet\n")
    );
    send(&broker, 0, 30);
    land(&folder, &[(0, 30), (1, 0)]);
    send(&broker, 0, 5);
    let first = &shown(&folder)[0];
    assert_eq!(first["topic"], "events");
    assert_eq!(first["position"], 30);
    assert_eq!(
        (&first["log_start"], &first["log_end"]),
        (&json!(0), &json!(35))
    );
    assert_eq!((&first["lag"], &first["state"]), (&json!(5), &json!("ok")));
    assert!(first["topic_id"].is_string(), "{first}");
    let (code, out, err) = folder.run(&["positions", "show"]);
    assert_eq!(code, 0, "{err}");
    assert!(
        out.contains("events           0         30           0        35     5   ok"),
        "{out}"
    );
    let (code, out, _) = folder.run(&["verify", "--against-log"]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("against the log:"), "{out}");

    let (code, offline) = folder.json(&["positions", "show", "--offline"]);
    assert_eq!(code, 0);
    assert_eq!(offline["cluster"], Value::Null);
    let first = &offline["streams"][0]["positions"][0];
    assert_eq!(
        (&first["position"], &first["state"]),
        (&json!(30), &Value::Null)
    );
    drop(broker);
    // Side by side, since each waits for the broker.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (code, _, err) = folder.run(&["positions", "show"]);
            assert_eq!(code, 0, "{err}");
            assert!(err.contains("the table's side only is shown"), "{err}");
        });
        for needs_broker in [
            &["positions", "accept", "events", "events"][..],
            &[
                "positions",
                "set",
                "events",
                "events:0",
                "31",
                "--reason",
                "x",
            ],
            &["verify", "--against-log"],
        ] {
            let folder = &folder;
            scope.spawn(move || {
                let (code, out, err) = folder.run(needs_broker);
                assert_eq!((code, out.as_str()), (3, ""), "{err}");
            });
        }
    });
}

#[test]
fn what_set_passes_over_is_lost_and_a_running_instance_reads_again() {
    let broker = Broker::start(&[("events", 2)]);
    let folder = folder(&broker, "max_age = \"1h\"\nmax_rows = 10000");
    send(&broker, 0, 5_000);
    send(&broker, 1, 20);
    let mut daemon = Running::start(&folder);
    // The first partition is read from 0 on, and held back until there are 10,000 rows.
    wait_state(&mut daemon, "running", 2);
    let (code, done) = folder.json(&[
        "positions",
        "set",
        "events",
        "events:0",
        "10",
        "--reason",
        "ten bad ones",
    ]);
    assert_eq!(code, 0, "{done:#}");
    assert_eq!(done["reason"], "ten bad ones");
    let range = &done["ranges"][0];
    assert_eq!(range["partition"], 0);
    assert_eq!(
        (&range["from"], &range["to"], &range["lost"]),
        (&json!(0), &json!(10), &json!(10))
    );
    send(&broker, 0, 20_000);
    daemon.wait("a fenced batch", |daemon| {
        let metrics = daemon.get("/metrics")?;
        let fenced = metrics
            .lines()
            .find(|l| l.starts_with("weir_commits_total") && l.contains("\"fenced\""))?;
        (!fenced.ends_with(" 0")).then_some(())
    });
    // From 10 on there are more than 10,000 again.
    daemon.wait("a landed batch", |_| {
        let first = shown(&folder)[0]["position"].as_i64().unwrap();
        (first > 10_000).then_some(())
    });
    assert!(daemon.stop().success());
    let sources = proof(&folder);
    let told = |at: usize, name: &str| sources[at][name].as_i64().unwrap();
    assert_eq!(
        (told(0, "lost"), told(0, "read"), told(0, "accepted")),
        (10, 24_990, 24_990),
        "{sources:#}"
    );
    assert_eq!(
        (told(1, "lost"), told(1, "read"), told(1, "accepted")),
        (0, 20, 20),
        "{sources:#}"
    );
    let commits = std::fs::read_dir(folder.path("lake/events__dll/_delta_log")).unwrap();
    let operator: Vec<String> = commits
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "json"))
        .map(|p| std::fs::read_to_string(p).unwrap())
        .filter(|text| text.contains("\"role\":\"operator\""))
        .collect();
    assert_eq!(operator.len(), 1);
    assert!(operator[0].contains("ten bad ones"), "{operator:?}");

    for (arguments, code, word) in [
        (["events", "events:0", "25000"], 1, "forward only"),
        (["events", "events:0", "5"], 1, "forward only"),
        (
            ["events", "events:0", "25001"],
            1,
            "beyond the log's end 25000",
        ),
        (["events", "events:7", "5"], 1, "no position of partition 7"),
        (["events", "events:x", "5"], 2, "x is no partition"),
        (["events", "others", "5"], 2, "does not feed stream events"),
        (["event", "events", "5"], 2, "did you mean events?"),
    ] {
        let set = [&["positions", "set"], &arguments[..], &["--reason", "x"]].concat();
        let (got, out, err) = folder.run(&set);
        assert_eq!((got, out.as_str()), (code, ""), "{arguments:?}: {err}");
        assert!(err.contains(word), "{arguments:?}: {err}");
    }
    let (code, _, err) = folder.run(&["positions", "set", "events", "events:0", "25001"]);
    assert_eq!(code, 2, "a reason is asked for: {err}");
}

#[test]
fn a_recreated_topic_is_accepted_as_a_new_source() {
    let broker = Broker::start(&[("events", 2)]);
    let folder = folder(&broker, "max_age = \"300ms\"");
    send(&broker, 0, 30);
    send(&broker, 1, 20);
    land(&folder, &[(0, 30), (1, 20)]);
    let (code, _, err) = folder.run(&["positions", "accept", "events", "events"]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("nothing to accept"), "{err}");

    // The mock cluster recreates no topic; that the ledger tells another id is the same.
    let id = shown(&folder)[0]["topic_id"].as_str().unwrap().to_owned();
    rewrite(&folder, &id, "AAAAAAAAAAAAAAAAAAAAAA");
    let recreated = |at| (at, "recreated".to_owned());
    assert_eq!(states(&folder), [recreated(30), recreated(20)]);
    let (code, found) = folder.json(&["verify", "--against-log"]);
    assert_eq!(code, 1, "{found:#}");
    assert_eq!(found["streams"][0]["findings"][0]["kind"], "moved_back");
    let (code, _, err) = folder.run(&[
        "positions",
        "set",
        "events",
        "events:1",
        "20",
        "--reason",
        "x",
    ]);
    assert_eq!(code, 1);
    assert!(err.contains("accept"), "{err}");

    let mut daemon = Running::start(&folder);
    let reasons = wait_state(&mut daemon, "stopped", 2);
    assert!(
        reasons[0].contains("weir positions accept events events"),
        "{reasons:?}"
    );
    let (code, done) = folder.json(&["positions", "accept", "events", "events"]);
    assert_eq!(code, 0, "{done:#}");
    daemon.wait_settled("events", &[(0, 30), (1, 20)]);
    assert!(daemon.stop().success());

    let sources = proof(&folder);
    let told: Vec<(&str, i64)> = sources
        .as_array()
        .unwrap()
        .iter()
        .map(|s| {
            (
                s["source_id"].as_str().unwrap(),
                s["read"].as_i64().unwrap(),
            )
        })
        .map(|(source, read)| {
            (
                if source.ends_with(":events#2") {
                    "#2"
                } else {
                    ""
                },
                read,
            )
        })
        .collect();
    assert_eq!(told, [("", 30), ("", 20), ("#2", 30), ("#2", 20)]);
    let state = |at, state: &str| (at, state.to_owned());
    assert_eq!(
        states(&folder),
        [
            state(30, "superseded"),
            state(20, "superseded"),
            state(30, "ok"),
            state(20, "ok")
        ]
    );
    let (code, found) = folder.json(&["verify", "--against-log"]);
    assert_eq!(code, 0, "{found:#}");
    let (code, _, err) = folder.run(&["positions", "accept", "events", "events"]);
    assert_eq!(code, 1, "{err}");
}

#[test]
fn a_topic_of_another_cluster_is_accepted_from_its_start() {
    let before = Broker::start(&[("events", 1)]);
    let folder = folder(&before, "max_age = \"300ms\"");
    send(&before, 0, 30);
    land(&folder, &[(0, 30)]);
    let now = Broker::start(&[("events", 1)]);
    point_to(&folder, &now);
    send(&now, 0, 7);
    assert_eq!(states(&folder), [(30, "other_cluster".to_owned())]);
    let (code, found) = folder.json(&["verify", "--against-log"]);
    assert_eq!(code, 1, "{found:#}");
    assert_eq!(found["streams"][0]["findings"][0]["kind"], "unreadable");
    let mut daemon = Running::start(&folder);
    let reasons = wait_state(&mut daemon, "stopped", 1);
    assert!(
        reasons[0].contains("weir positions accept events events"),
        "{reasons:?}"
    );
    let (code, out, err) = folder.run(&["positions", "accept", "events", "events"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("goes on from there by itself"), "{out}");
    daemon.wait_settled("events", &[(0, 7)]);
    assert!(daemon.stop().success());
    let sources = proof(&folder);
    assert_eq!(sources.as_array().unwrap().len(), 2);
    let mut states = states(&folder);
    states.sort();
    assert_eq!(
        states,
        [(7, "ok".to_owned()), (30, "superseded".to_owned())]
    );
}

#[test]
fn a_truncated_log_is_accepted_at_its_end() {
    let before = Broker::start(&[("events", 1)]);
    let folder = folder(&before, "max_age = \"300ms\"");
    send(&before, 0, 30);
    land(&folder, &[(0, 30)]);
    let cluster = |folder: &Folder| {
        let (_, document) = folder.json(&["positions", "show"]);
        document["cluster"].as_str().unwrap().to_owned()
    };
    let old_cluster = cluster(&folder);
    let old_id = shown(&folder)[0]["topic_id"].clone();
    // The mock cluster truncates no log; a shorter one, of a cluster and topic that the table takes
    // for the same, is all that weir could see of it.
    let now = Broker::start(&[("events", 1)]);
    point_to(&folder, &now);
    send(&now, 0, 12);
    rewrite(&folder, &old_cluster, &cluster(&folder));
    rewrite(&folder, &format!(",\"topic_id\":{old_id}"), "");
    assert_eq!(states(&folder), [(30, "beyond_end".to_owned())]);
    let (code, found) = folder.json(&["verify", "--against-log"]);
    assert_eq!(code, 1);
    let findings = found["streams"][0]["findings"].as_array().unwrap();
    let beyond = findings.iter().find(|f| f["kind"] == "moved_back").unwrap();
    assert_eq!((&beyond["from"], &beyond["to"]), (&json!(12), &json!(30)));
    let mut daemon = Running::start(&folder);
    wait_state(&mut daemon, "stopped", 1);
    let (code, done) = folder.json(&["positions", "accept", "events", "events"]);
    assert_eq!(code, 0, "{done:#}");
    send(&now, 0, 5);
    daemon.wait_settled("events", &[(0, 17)]);
    assert!(daemon.stop().success());
    assert_eq!(
        states(&folder),
        [(30, "superseded".to_owned()), (17, "ok".to_owned())]
    );
}
