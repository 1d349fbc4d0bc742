//! `weir check`: every line of the list, and the exit codes.

use serde_json::Value;

use crate::broker::Broker;
use crate::weir::Folder;

/// The sample configuration, with its broker there.
fn folder(broker: &Broker) -> Folder {
    let folder = Folder::new();
    let settings = folder.read("weir.toml");
    folder.write(
        "weir.toml",
        &settings.replace("127.0.0.1:9092", &broker.address()),
    );
    folder
}

/// Exit code, and each line: name, ok, message.
fn check(folder: &Folder, arguments: &[&str]) -> (i32, Vec<(String, bool, String)>) {
    let (code, document) = folder.json(&[&["check"], arguments].concat());
    let checks = document["checks"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let lines: Vec<_> = checks
        .map(|c| {
            (
                text(&c["name"]),
                c["ok"].as_bool().unwrap(),
                text(&c["message"]),
            )
        })
        .collect();
    assert_eq!(
        document["ok"],
        lines.iter().all(|(_, ok, _)| *ok),
        "{document:#}"
    );
    (code, lines)
}

fn names(lines: &[(String, bool, String)]) -> Vec<&str> {
    lines.iter().map(|(name, ..)| name.as_str()).collect()
}

/// The names of lines that are not ok, with their messages.
fn faults(lines: &[(String, bool, String)]) -> Vec<(&str, &str)> {
    let faults = lines.iter().filter(|(_, ok, _)| !ok);
    faults
        .map(|(name, _, message)| (name.as_str(), message.as_str()))
        .collect()
}

#[test]
fn all_is_well() {
    let broker = Broker::start(&[("orders", 4)]);
    let folder = folder(&broker);
    let (code, lines) = check(&folder, &[]);
    assert_eq!((code, faults(&lines)), (0, vec![]));
    assert_eq!(
        names(&lines),
        [
            "configuration",
            "stream orders",
            "lake",
            "table orders__dll",
            "broker",
            "topic orders"
        ]
    );
    assert!(lines[3].2.contains("weir run creates it"), "{lines:?}");
    assert!(lines[4].2.contains("cluster mockCluster"), "{lines:?}");
    assert_eq!(lines[5].2, "4 partitions");
    // A look creates nothing.
    assert!(!folder.path("lake/orders__dll").exists());
    let (code, out, _) = folder.run(&["check"]);
    assert_eq!(code, 0);
    assert!(out.contains(" ok   topic orders"), "{out}");
}

#[test]
fn offline_needs_neither_broker_nor_lake() {
    let folder = Folder::new();
    let (code, lines) = check(&folder, &["--offline"]);
    assert_eq!(code, 0);
    assert_eq!(names(&lines), ["configuration", "stream orders"]);
    assert!(!folder.path("lake").exists());
}

#[test]
fn a_topic_that_is_not_there_is_a_fault_and_the_nearest_is_named() {
    let broker = Broker::start(&[("orderz", 4)]);
    let folder = folder(&broker);
    let (code, lines) = check(&folder, &[]);
    assert_eq!(code, 1);
    let faults = faults(&lines);
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert_eq!(faults[0].0, "topic orders");
    assert!(faults[0].1.contains("there is orderz"), "{faults:?}");
}

#[test]
fn a_pattern_tells_what_it_matches() {
    let broker = Broker::start(&[("orders-eu", 4), ("orders-us", 2), ("other", 1)]);
    let folder = folder(&broker);
    let stream = folder.read("streams/orders.toml");
    let with = |pattern: &str| {
        let lines: Vec<String> = stream
            .lines()
            .map(
                |line| match line.starts_with("names") && line.contains("\"orders\"") {
                    true => format!("pattern = \"{pattern}\""),
                    false => line.to_owned(),
                },
            )
            .collect();
        folder.write("streams/orders.toml", &lines.join("\n"));
        check(&folder, &[])
    };
    let (code, lines) = with("^orders-.*");
    assert_eq!(code, 0, "{lines:?}");
    let found = &lines.last().unwrap().2;
    assert_eq!(found, "2 topics, 6 partitions: orders-eu, orders-us");
    let (code, lines) = with("^invoices-.*");
    assert_eq!(code, 1);
    assert_eq!(
        faults(&lines),
        [("topics ^invoices-.*", "match no topic that may be seen")]
    );
}

#[test]
fn every_fault_is_told_at_once_and_what_has_to_be_mended_decides() {
    let folder = Folder::new();
    let settings = folder
        .read("weir.toml")
        .replace("127.0.0.1:9092", "127.0.0.1:1");
    folder.write("weir.toml", &settings);
    let (code, lines) = check(&folder, &[]);
    assert_eq!(code, 3, "{lines:?}");
    assert_eq!(faults(&lines).len(), 1);
    assert_eq!(faults(&lines)[0].0, "broker");
    // A lake whose place is a file cannot be waited for either way; both lines are there.
    std::fs::remove_dir_all(folder.path("lake")).unwrap();
    folder.write("lake", "a file");
    let (_, lines) = check(&folder, &[]);
    let names: Vec<&str> = faults(&lines).iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["lake", "broker"]);
    // A fault of the settings goes before both, and nothing is asked.
    folder.write("weir.toml", &settings.replace("brokers", "broker"));
    let (code, out, _) = folder.run(&["check"]);
    assert_eq!(code, 2);
    assert!(out.contains("did you mean `kafka.brokers`?"), "{out}");
}

#[test]
fn a_table_that_does_not_fit_is_a_fault() {
    let broker = Broker::start(&[("orders", 1)]);
    let folder = folder(&broker);
    let mut daemon = crate::running::Running::start(&folder);
    daemon.wait("the table", |_| {
        folder
            .path("lake/orders__rejects/_delta_log")
            .exists()
            .then_some(())
    });
    assert!(daemon.stop().success());
    let (code, lines) = check(&folder, &[]);
    assert_eq!(code, 0, "{lines:?}");
    assert!(lines[3].2.contains("rows fit"), "{lines:?}");
    let stream = folder.read("streams/orders.toml");
    let unpartitioned: Vec<&str> = stream
        .lines()
        .filter(|line| !line.starts_with("partition_by"))
        .collect();
    folder.write("streams/orders.toml", &unpartitioned.join("\n"));
    let (code, lines) = check(&folder, &[]);
    assert_eq!(code, 1, "{lines:?}");
    assert_eq!(faults(&lines)[0].0, "table orders__dll");
    assert!(
        faults(&lines)[0].1.contains("is partitioned by"),
        "{lines:?}"
    );
}

#[test]
fn a_registry_that_is_away_is_told_and_ends_with_3() {
    let broker = Broker::start(&[("orders", 4)]);
    let folder = folder(&broker);
    // Nobody listens there: the port was free, and is not given out again soon.
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let settings = folder.read("weir.toml");
    let section = format!("[registry]\nurl = \"http://127.0.0.1:{port}\"\n");
    folder.write("weir.toml", &format!("{settings}\n{section}"));
    let (code, lines) = check(&folder, &[]);
    assert_eq!(code, 3, "{lines:?}");
    let found = faults(&lines);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, "registry");
    assert!(found[0].1.contains("cannot be reached"), "{found:?}");

    // A schema that has to come from there holds up the rest of the list.
    let stream = folder.read("streams/orders.toml");
    let stream = stream.replace(
        "{ subject = \"orders\" }",
        "{ registry = \"orders-value\" }",
    );
    folder.write("streams/orders.toml", &stream);
    for arguments in [&[][..], &["--offline"]] {
        let (code, lines) = check(&folder, arguments);
        assert_eq!(code, 3, "{lines:?}");
        assert_eq!(names(&lines), ["registry"]);
    }
    // The daemon waits for it.
    let mut daemon = folder.command().arg("run").spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(daemon.try_wait().unwrap().is_none());
    daemon.kill().unwrap();
    daemon.wait().unwrap();
}
