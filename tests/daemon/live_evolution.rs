//! A new version of a schema is taken up while data flows, without a restart.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::AsArray;
use arrow::datatypes::Int32Type;
use serde_json::{Value, json};

use crate::broker::Broker;
use crate::evolution::{columns, schema};
use crate::registry::Registry;
use crate::running::Running;
use crate::table;
use crate::weir::Folder;

const A: &str = r#"{"name": "a", "type": "int"}"#;

/// Version 1 has `a`; version `n` adds `x2` to `x<n>`.
fn version(n: u32) -> String {
    let more = (2..=n)
        .map(|n| format!(r#", {{"name": "x{n}", "type": ["null", "int"], "default": null}}"#));
    schema(&format!("{A}{}", more.collect::<String>()))
}

/// A folder whose instance looks for versions only when something makes it.
fn folder(broker: &Broker) -> Folder {
    let folder = Folder::events(&broker.address(), &["events"]);
    let settings = folder.read("weir.toml");
    assert!(settings.contains("poll = \"30s\""));
    folder.write(
        "weir.toml",
        &settings.replace("poll = \"30s\"", "poll = \"1h\""),
    );
    folder.write("schemas/events/1.avsc", &version(1));
    folder
}

/// Messages with `a` from `from` on, and what else they hold.
fn messages(from: usize, count: usize, more: &str) -> Vec<Vec<u8>> {
    let numbers = from..from + count;
    numbers
        .map(|a| format!(r#"{{"a": {a}{more}}}"#).into_bytes())
        .collect()
}

fn wait_version(daemon: &mut Running, version: u32) {
    daemon.wait(&format!("version {version}"), |daemon| {
        let told = daemon.json("/api/v1/streams/events")?;
        (told["schema"]["version"] == version).then_some(())
    });
}

fn wait_warning(daemon: &mut Running, what: &str) -> String {
    daemon.wait(what, |daemon| {
        let told = daemon.json("/readyz")?;
        let warning = told["warnings"][0].as_str()?.to_owned();
        warning.contains(what).then_some(warning)
    })
}

fn wait_no_warning(daemon: &mut Running) {
    daemon.wait("no warning", |daemon| {
        let told = daemon.json("/readyz")?;
        (told["warnings"].as_array()?.is_empty()).then_some(())
    });
}

fn gauge(daemon: &Running) -> Option<String> {
    let text = daemon.get("/metrics")?;
    let line = text
        .lines()
        .find(|l| l.starts_with("weir_schema_refused{stream=\"events\"}"))?;
    Some(line.rsplit(' ').next()?.to_owned())
}

fn rejected(daemon: &Running) -> Value {
    daemon.json("/api/v1/streams/events").unwrap()["rejected"].clone()
}

/// How many commits with rows there are for each reason of a cut.
fn cuts(folder: &Folder) -> BTreeMap<String, usize> {
    let mut cuts = BTreeMap::new();
    for action in table::actions(&folder.path("lake/events__dll")) {
        let weir = &action["commitInfo"]["weir"];
        if let (Some(cut), false) = (weir["cut"].as_str(), weir["schema"].is_null()) {
            *cuts.entry(cut.to_owned()).or_default() += 1;
        }
    }
    cuts
}

/// The values of a column in all rows; rows of files without it count as null.
fn values(folder: &Folder, column: &str) -> Vec<Option<i32>> {
    let mut values = Vec::new();
    for batch in table::rows(&folder.path("lake/events__dll")) {
        match batch.column_by_name(column) {
            Some(column) => values.extend(column.as_primitive::<Int32Type>().iter()),
            None => values.extend(vec![None; batch.num_rows()]),
        }
    }
    values.sort();
    values
}

#[test]
fn a_field_that_a_version_in_the_folder_has_is_never_unknown() {
    let broker = Broker::start(&[("events", 2)]);
    let folder = folder(&broker);
    let mut daemon = Running::start(&folder);
    broker.send("events", 0, messages(0, 100, ""));
    broker.send("events", 1, messages(0, 100, ""));
    daemon.wait_settled("events", &[(0, 100), (1, 100)]);
    // twice, with a field that no version has in between
    for n in [2, 3] {
        let stray = messages(0, 1, r#", "stray": 1"#);
        broker.send("events", 0, stray);
        folder.write(&format!("schemas/events/{n}.avsc"), &version(n));
        let more = format!(r#", "x{n}": {n}"#);
        for partition in [0, 1] {
            broker.send("events", partition, messages(100, 50, &more));
        }
        let end = 100 + i64::from(n - 1) * 50;
        daemon.wait_settled("events", &[(0, end + i64::from(n) - 1), (1, end)]);
        wait_version(&mut daemon, n);
    }
    assert_eq!(rejected(&daemon), 2, "the strays: {}", daemon.log());
    assert!(daemon.stop().success());
    let nullable = [("a", false), ("x2", true), ("x3", true)];
    let nullable = nullable.map(|(name, nullable)| (name.to_owned(), nullable));
    assert_eq!(columns(&folder), BTreeMap::from(nullable));
    for n in [2, 3] {
        let found = values(&folder, &format!("x{n}"));
        let there = found.iter().flatten().count();
        assert_eq!((found.len(), there), (400, 100), "x{n}");
    }
    let cuts = cuts(&folder);
    let of = |cut: &str| cuts.get(cut).copied().unwrap_or(0);
    let lanes = std::thread::available_parallelism().unwrap().get();
    assert!(of("schema") <= 2 * lanes, "{cuts:?}");
    assert_eq!(
        cuts.keys()
            .filter(|c| !matches!(c.as_str(), "age" | "schema" | "shutdown"))
            .count(),
        0,
        "{cuts:?}"
    );
    let (code, out, err) = folder.run(&["verify"]);
    assert_eq!(code, 0, "{out}{err}");
}

#[test]
fn what_is_passed_over_is_looked_for_first() {
    let broker = Broker::start(&[("events", 1)]);
    let folder = folder(&broker);
    let stream = folder.read("streams/events.toml");
    let ignoring = format!("unknown_fields = \"ignore\"\n{stream}");
    folder.write("streams/events.toml", &ignoring);
    let mut daemon = Running::start(&folder);
    broker.send("events", 0, messages(0, 10, r#", "stray": 1"#));
    daemon.wait_settled("events", &[(0, 10)]);
    folder.write("schemas/events/2.avsc", &version(2));
    broker.send("events", 0, messages(10, 10, r#", "stray": 1, "x2": 7"#));
    daemon.wait_settled("events", &[(0, 20)]);
    assert!(daemon.stop().success());
    let found = values(&folder, "x2");
    assert_eq!((found.len(), found.iter().flatten().count()), (20, 10));
}

/// A registry with one version of `events-value`, on a thread that ends with the process: its URL,
/// and what takes it away.
fn registry() -> (String, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let away = Arc::<AtomicBool>::default();
    let is_away = away.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let first = lines.next().unwrap().unwrap();
            let _ = lines.find(|line| line.as_ref().is_ok_and(String::is_empty));
            let path = first.split(' ').nth(1).unwrap();
            let (status, body) = match path {
                _ if is_away.load(Ordering::SeqCst) => (503, String::new()),
                "/subjects/events-value/versions" => (200, "[1]".to_owned()),
                "/subjects/events-value/versions/latest" => {
                    let body = json!({ "version": 1, "id": 1, "schema": version(1) });
                    (200, body.to_string())
                }
                _ => (404, r#"{"error_code": 40401}"#.to_owned()),
            };
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
        }
    });
    (url, away)
}

#[test]
fn a_partition_that_waits_for_a_look_holds_up_no_other() {
    let broker = Broker::start(&[("events", 2)]);
    let folder = folder(&broker);
    let (url, away) = registry();
    let settings = folder.read("weir.toml");
    folder.write(
        "weir.toml",
        &format!("{settings}\n[registry]\nurl = \"{url}\"\n"),
    );
    let stream = folder.read("streams/events.toml");
    folder.write(
        "streams/events.toml",
        &stream.replace("subject = \"events\"", "registry = \"events-value\""),
    );
    let mut daemon = Running::start(&folder);
    for partition in [0, 1] {
        broker.send("events", partition, messages(0, 10, ""));
    }
    daemon.wait_settled("events", &[(0, 10), (1, 10)]);
    away.store(true, Ordering::SeqCst);
    broker.send("events", 0, messages(10, 1, r#", "stray": 1"#));
    let told = daemon.wait("a partition that waits", |daemon| {
        broker.send("events", 0, messages(11, 1, ""));
        let told = daemon.json("/api/v1/streams/events")?;
        let partition = told["partitions"][0].clone();
        (partition["state"] == "waiting").then_some(partition)
    });
    let reason = told["reason"].as_str().unwrap();
    for word in ["offset 10 holds", "cannot be looked for", "answers 503"] {
        assert!(reason.contains(word), "{reason}");
    }
    broker.send("events", 1, messages(10, 10, ""));
    daemon.wait_settled("events", &[(1, 20)]);
    assert_eq!(rejected(&daemon), 0, "nobody could say that it is unknown");
    away.store(false, Ordering::SeqCst);
    daemon.wait("the partition goes on", |daemon| {
        let told = daemon.json("/api/v1/streams/events")?;
        let partition = &told["partitions"][0];
        let ends = partition["position"] == partition["end"] && partition["position"] != 10;
        (partition["state"] == "running" && ends).then_some(())
    });
    assert_eq!(rejected(&daemon), 1);
    assert!(daemon.stop().success());
    let (code, out, err) = folder.run(&["verify"]);
    assert_eq!(code, 0, "{out}{err}");
}

#[test]
fn a_version_is_found_at_an_interval_and_on_sighup() {
    let broker = Broker::start(&[("events", 1)]);
    let folder = folder(&broker);
    let mut daemon = Running::start(&folder);
    wait_version(&mut daemon, 1);
    folder.write("schemas/events/2.avsc", &version(2));
    daemon.signal("-HUP");
    wait_version(&mut daemon, 2);
    assert!(daemon.stop().success());

    let settings = folder
        .read("weir.toml")
        .replace("poll = \"1h\"", "poll = \"200ms\"");
    folder.write("weir.toml", &settings);
    let mut daemon = Running::start(&folder);
    wait_version(&mut daemon, 2);
    folder.write("schemas/events/3.avsc", &version(3));
    wait_version(&mut daemon, 3);
    assert!(daemon.stop().success());
}

#[test]
fn a_refused_version_leaves_the_flow_untouched_and_is_told() {
    let broker = Broker::start(&[("events", 1)]);
    let folder = folder(&broker);
    let mut daemon = Running::start(&folder);
    broker.send("events", 0, messages(0, 10, ""));
    daemon.wait_settled("events", &[(0, 10)]);
    assert_eq!(gauge(&daemon).as_deref(), Some("0"));
    let cases = [
        (
            r#"{"name": "a", "type": "long"}"#,
            "a: is integer there and would become long",
        ),
        (
            r#"{"name": "a", "type": "string"}"#,
            "a: is written as int and read as string",
        ),
        (
            r#"{"name": "b", "type": "int", "default": 0}"#,
            "a: is named by `primary_key` and would be gone",
        ),
        (
            r#"{"name": "a", "type": ["null", "int"]}"#,
            "a: must be a required field, not null, to be a key",
        ),
        (
            &format!(r#"{A}, {{"name": "b", "type": "int"}}"#),
            "b: is not written and has no default",
        ),
        (
            &format!(r#"{A}, {{"name": "A", "type": ["null", "int"], "default": null}}"#),
            "A: differs only in case from another field",
        ),
    ];
    let mut end = 10;
    for (fields, rule) in cases {
        folder.write("schemas/events/2.avsc", &schema(fields));
        daemon.signal("-HUP");
        let warning = wait_warning(&mut daemon, rule);
        assert!(
            warning.starts_with("events: schema version 2 is refused, and version 1 goes on: "),
            "{warning}"
        );
        assert_eq!(gauge(&daemon).as_deref(), Some("1"));
        let told = daemon.json("/api/v1/streams/events").unwrap();
        assert_eq!(told["schema"]["version"], 1);
        assert_eq!(told["schema"]["refused"]["version"], 2);
        assert_eq!(daemon.json("/readyz").unwrap()["ready"], true);
        assert!(daemon.log().contains(rule), "{}", daemon.log());
        let (code, out, _) = folder.run(&["check", "--offline"]);
        assert_eq!(code, 1, "{out}");
        let found = "version 2 is refused, and weir run would go on without it: ";
        assert!(out.contains(found), "{out}");
        broker.send("events", 0, messages(0, 5, ""));
        end += 5;
        daemon.wait_settled("events", &[(0, end)]);
    }
    // one that is mended is taken up
    folder.write("schemas/events/2.avsc", &version(2));
    daemon.signal("-HUP");
    wait_version(&mut daemon, 2);
    wait_no_warning(&mut daemon);
    assert_eq!(gauge(&daemon).as_deref(), Some("0"));
    assert_eq!(rejected(&daemon), 0);
    assert!(daemon.stop().success());
    let cuts = cuts(&folder);
    assert!(!cuts.contains_key("schema"), "nothing was open: {cuts:?}");
}

#[test]
fn a_restart_goes_on_without_a_refused_version() {
    let broker = Broker::start(&[("events", 1)]);
    let folder = folder(&broker);
    let mut daemon = Running::start(&folder);
    broker.send("events", 0, messages(0, 10, ""));
    daemon.wait_settled("events", &[(0, 10)]);
    assert!(daemon.stop().success());
    let mut end = 10;
    // By the level, by the text, by what the stream names, and by the table.
    for (text, rule) in [
        (
            schema(r#"{"name": "a", "type": "string"}"#),
            "a: is written as int and read as string",
        ),
        (version(2)[..20].to_owned(), "2.avsc: the root: is no JSON"),
        (
            schema(r#"{"name": "a", "type": ["null", "int"]}"#),
            "a: must be a required field",
        ),
        (
            schema(r#"{"name": "a", "type": "long"}"#),
            "a: is integer there and would become long",
        ),
    ] {
        folder.write("schemas/events/2.avsc", &text);
        let mut daemon = Running::start(&folder);
        let warning = wait_warning(&mut daemon, rule);
        let start = "events: schema version 2 is refused, and version 1 goes on: ";
        assert!(warning.starts_with(start), "{warning}");
        assert_eq!(gauge(&daemon).as_deref(), Some("1"));
        let told = daemon.json("/api/v1/streams/events").unwrap();
        assert_eq!(told["schema"]["version"], 1);
        assert_eq!(told["schema"]["refused"]["version"], 2);
        assert!(daemon.log().contains(rule), "{}", daemon.log());
        broker.send("events", 0, messages(0, 5, ""));
        end += 5;
        daemon.wait_settled("events", &[(0, end)]);
        assert_eq!(rejected(&daemon), 0);
        assert!(daemon.stop().success());
    }
    // Without any version that holds there is nothing to go on with.
    folder.write("schemas/events/1.avsc", "{");
    let (code, _, err) = folder.run(&["run"]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("1.avsc: the root: is no JSON"), "{err}");
}

#[test]
fn a_subject_of_the_registry_is_the_registry_s_to_hold_to_its_level() {
    let broker = Broker::start(&[("events", 1)]);
    let folder = folder(&broker);
    let registry = Registry::start();
    let settings = folder.read("weir.toml");
    let section = format!("[registry]\nurl = \"{}\"\n", registry.url);
    folder.write("weir.toml", &format!("{settings}\n{section}"));
    let stream = folder.read("streams/events.toml");
    let named = stream.replace(
        "{ subject = \"events\" }",
        "{ registry = \"events-value\" }",
    );
    folder.write("streams/events.toml", &named);
    let (one, three) = (version(1), r#""int""#);
    // BACKWARD would not have it.
    let two = schema(&format!(r#"{A}, {{"name": "b", "type": "int"}}"#));
    registry.put("events-value", "NONE", &[&one]);
    let mut daemon = Running::start(&folder);
    broker.send("events", 0, messages(0, 10, ""));
    daemon.wait_settled("events", &[(0, 10)]);
    registry.put("events-value", "NONE", &[&one, &two]);
    daemon.signal("-HUP");
    wait_version(&mut daemon, 2);
    registry.put("events-value", "NONE", &[&one, &two, three]);
    daemon.signal("-HUP");
    let rule = "events-value version 3 of the registry: must be a record at its top";
    wait_warning(&mut daemon, rule);
    broker.send("events", 0, messages(10, 10, r#", "b": 1"#));
    daemon.wait_settled("events", &[(0, 20)]);
    assert!(daemon.stop().success());
    // A restart beside it is no other.
    let mut daemon = Running::start(&folder);
    let warning = wait_warning(&mut daemon, rule);
    let start = "events: schema version 3 is refused, and version 2 goes on: ";
    assert!(warning.starts_with(start), "{warning}");
    broker.send("events", 0, messages(20, 10, r#", "b": 1"#));
    daemon.wait_settled("events", &[(0, 30)]);
    assert_eq!(rejected(&daemon), 0);
    assert!(daemon.stop().success());
    let (code, out, _) = folder.run(&["check"]);
    assert_eq!(code, 1, "{out}");
    assert!(
        out.contains("version 3 is refused, and weir run would go on without it"),
        "{out}"
    );
}

#[test]
fn a_file_that_is_half_written_is_no_version() {
    let broker = Broker::start(&[("events", 1)]);
    let folder = folder(&broker);
    let mut daemon = Running::start(&folder);
    broker.send("events", 0, messages(0, 10, ""));
    daemon.wait_settled("events", &[(0, 10)]);
    let whole = version(2);
    for cut in [0, 1, whole.len() / 2, whole.len() - 1] {
        folder.write("schemas/events/2.avsc", &whole[..cut]);
        daemon.signal("-HUP");
        wait_warning(&mut daemon, "2.avsc");
        assert_eq!(gauge(&daemon).as_deref(), Some("1"));
        let told = daemon.json("/api/v1/streams/events").unwrap();
        assert_eq!(told["schema"]["version"], 1);
    }
    broker.send("events", 0, messages(10, 10, ""));
    daemon.wait_settled("events", &[(0, 20)]);
    folder.write("schemas/events/2.avsc", &whole);
    broker.send("events", 0, messages(20, 10, r#", "x2": 1"#));
    daemon.wait_settled("events", &[(0, 30)]);
    wait_no_warning(&mut daemon);
    assert_eq!(rejected(&daemon), 0);
    assert!(daemon.stop().success());
}

#[test]
fn a_version_is_never_another_schema_than_the_table_knows() {
    let broker = Broker::start(&[("events", 1)]);
    let folder = folder(&broker);
    folder.write("schemas/events/2.avsc", &version(2));
    let mut daemon = Running::start(&folder);
    broker.send("events", 0, messages(0, 10, r#", "x2": 1"#));
    daemon.wait_settled("events", &[(0, 10)]);
    assert!(daemon.stop().success());
    // the folder's second version is another one now
    let other = version(3).replace("x3", "y");
    folder.write("schemas/events/2.avsc", &other);
    let mut daemon = Running::start(&folder);
    wait_warning(&mut daemon, "a version never changes");
    broker.send("events", 0, messages(0, 10, r#", "x2": 1"#));
    daemon.wait_settled("events", &[(0, 20)]);
    assert_eq!(rejected(&daemon), 0);
    // and then the whole folder is behind the table
    std::fs::remove_file(folder.path("schemas/events/2.avsc")).unwrap();
    assert!(daemon.stop().success());
    let mut daemon = Running::start(&folder);
    wait_version(&mut daemon, 2);
    let (_, out, err) = folder.run(&["check"]);
    let told = "schema version 2 is in force, and goes before 1, which is configured";
    assert!(out.contains(told), "{out}{err}");
    broker.send("events", 0, messages(0, 10, r#", "x2": 1"#));
    daemon.wait_settled("events", &[(0, 30)]);
    assert_eq!(rejected(&daemon), 0);
    assert!(daemon.stop().success());
    assert_eq!(values(&folder, "x2"), vec![Some(1); 30]);
}

#[test]
fn two_instances_learn_of_a_version_at_different_times() {
    let broker = Broker::start(&[("events", 2)]);
    let early = folder(&broker);
    let late = early.beside();
    late.write("schemas/events/1.avsc", &version(1));
    let lake = early.path("lake");
    let mut daemons = [Running::start(&early), Running::start(&late)];
    // each has a partition
    for daemon in &mut daemons {
        daemon.wait("a partition", |daemon| {
            let told = daemon.json("/api/v1/streams/events")?;
            (told["partitions"].as_array()?.len() == 1).then_some(())
        });
    }
    let settled = |daemons: &mut [Running], end: i64| {
        for _ in 0..2 {
            for number in [0, 1] {
                let (first, rest) = daemons.split_first_mut().unwrap();
                first.wait(&format!("{number} at {end}"), |first| {
                    let all = std::iter::once(first).chain(rest.iter());
                    let mut there = all.filter_map(|daemon| {
                        let told = daemon.json("/api/v1/streams/events")?;
                        let partitions = told["partitions"].as_array()?.clone();
                        let at = partitions.into_iter().find(|p| p["partition"] == number)?;
                        at["position"].as_i64()
                    });
                    there.any(|at| at == end).then_some(())
                });
            }
        }
    };
    let send = |from: usize, more: &str| {
        for partition in [0, 1] {
            broker.send("events", partition, messages(from, 50, more));
        }
    };
    send(0, "");
    settled(&mut daemons, 50);
    // one takes a version up, and its first rows bring it into force
    early.write("schemas/events/2.avsc", &version(2));
    daemons[0].signal("-HUP");
    wait_version(&mut daemons[0], 2);
    send(50, "");
    settled(&mut daemons, 100);
    let in_force = |version: i64| {
        let actions = table::actions(&lake.join("events__dll"));
        let raised = actions
            .iter()
            .filter(|a| a["txn"]["appId"] == "weir:schema");
        raised.filter_map(|a| a["txn"]["version"].as_i64()).max() == Some(version)
    };
    assert!(in_force(2));
    // the other one knows of it from the table alone
    send(100, r#", "x2": 2"#);
    settled(&mut daemons, 150);
    wait_version(&mut daemons[1], 2);
    // now it is the other one that learns first, and dies
    late.write("schemas/events/2.avsc", &version(2));
    late.write("schemas/events/3.avsc", &version(3));
    daemons[1].signal("-HUP");
    wait_version(&mut daemons[1], 3);
    send(150, "");
    settled(&mut daemons, 200);
    assert!(in_force(3));
    let [first, second] = daemons;
    drop(second);
    send(200, r#", "x3": 3"#);
    let mut daemons = [first];
    settled(&mut daemons, 250);
    wait_version(&mut daemons[0], 3);
    let [first] = daemons;
    assert!(first.stop().success());
    let rejects = table::files(&lake.join("events__rejects"));
    assert_eq!(rejects, [""; 0]);
    for (column, count) in [("x2", 100), ("x3", 100)] {
        let found = values(&early, column);
        assert_eq!((found.len(), found.iter().flatten().count()), (500, count));
    }
    let cuts = cuts(&early);
    let more = cuts
        .keys()
        .filter(|cut| !matches!(cut.as_str(), "age" | "schema" | "revoke" | "shutdown"));
    assert_eq!(more.count(), 0, "{cuts:?}");
    let (code, out, err) = early.run(&["verify"]);
    assert_eq!(code, 0, "{out}{err}");
}
