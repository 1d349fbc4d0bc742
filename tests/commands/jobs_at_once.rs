//! Jobs of one file or content that two instances have in hand at once.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::site::{Daemon, Site, wait};

const GOOD: &str = "id,name,amount\n1,a,1\n2,b,2\n";

/// To fall asleep with the first job read and judged, right before its commit.
const SLEEPS: (&str, &str) = ("WEIR_FAIL_POINT", "before_put:1:freeze");

fn sleeper(site: &Site) -> Daemon {
    site.daemon_with("sleeper.log", &[SLEEPS])
}

fn other(site: &Site) -> Daemon {
    site.daemon_with("other.log", &[("WEIR__INSTANCE__ID", "weir-other")])
}

fn sleeps(sleeper: &Daemon) {
    wait("it sleeps", || {
        sleeper
            .log()
            .contains("freezing at the armed fail point")
            .then_some(())
    });
}

fn shown(job: &Value) -> (&str, u64, &str) {
    (
        job["state"].as_str().unwrap(),
        job["accepted"].as_u64().unwrap(),
        job["reason"].as_str().unwrap_or(""),
    )
}

#[test]
fn of_two_manifests_at_once_that_share_a_file_one_lands() {
    let site = Site::new("");
    let slow = sleeper(&site);
    site.place("r/one.job.json", json!({"files": ["a.csv"]}).to_string());
    site.place("r/a.csv", GOOD);
    sleeps(&slow);
    let quick = other(&site);
    site.place(
        "r/two.job.json",
        json!({"files": ["a.csv", "b.csv"]}).to_string(),
    );
    site.place("r/b.csv", "id,name,amount\n3,c,3\n");
    let two = site.complete("r/two.job.json");
    assert_eq!(shown(&two), ("JobComplete", 3, ""));
    slow.signal("-CONT");
    let (code, one) = site.ended("r/one.job.json");
    let reason = format!(
        "r/a.csv landed before, as job {} of r/two.job.json",
        two["id"].as_str().unwrap()
    );
    assert_eq!((code, shown(&one)), (1, ("Failed", 2, reason.as_str())));
    slow.stop();
    quick.stop();
    assert_eq!(site.proven(), [3, 3, 0]);
}

#[test]
fn the_same_content_at_once_under_two_names_is_flagged_once() {
    let site = Site::new("");
    let slow = sleeper(&site);
    site.place("r/a.csv", GOOD);
    sleeps(&slow);
    let quick = other(&site);
    site.place("r/b.csv", GOOD);
    let b = site.complete("r/b.csv");
    assert_eq!(shown(&b), ("JobComplete", 2, ""));
    slow.signal("-CONT");
    let a = site.complete("r/a.csv");
    let id = b["id"].as_str().unwrap();
    let reason = format!("loaded, though r/b.csv has the same content (job {id})");
    assert_eq!(shown(&a), ("JobComplete", 2, reason.as_str()));
    slow.stop();
    quick.stop();
    assert_eq!(site.proven(), [4, 4, 0]);
}

/// The records that a daemon says it has landed.
fn landed(daemon: &Daemon) -> u64 {
    let log = daemon.log();
    let (_, address) = log.split_once("address=").unwrap();
    let mut stream = TcpStream::connect(address.split(' ').next().unwrap()).unwrap();
    let request = b"GET /metrics HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n";
    stream.write_all(request).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let rows = answer.lines().filter_map(|line| {
        let line = line.strip_prefix("weir_records_total{")?;
        let (labels, rows) = line.split_once("} ")?;
        labels.contains("\"accepted\"").then_some(rows)
    });
    rows.map(|rows| rows.parse::<u64>().unwrap()).sum()
}

#[test]
fn a_job_that_two_instances_have_in_hand_is_landed_and_counted_once() {
    let site = Site::new("");
    // One that looks at its claims seldom, and so goes on before it finds that it lost one.
    let settings = [SLEEPS, ("WEIR__BULK__POLL", "10s")];
    let slow = site.daemon_with("sleeper.log", &settings);
    site.place("r/a.csv", GOOD);
    sleeps(&slow);
    // Its claim is lost, and what it had staged.
    std::fs::remove_dir_all(site.path("lake/r__dll/_weir/jobs")).unwrap();
    let quick = other(&site);
    assert_eq!(shown(&site.complete("r/a.csv")), ("JobComplete", 2, ""));
    slow.signal("-CONT");
    wait("the sleeper brings it to its end too", || {
        slow.log().contains("job ended").then_some(())
    });
    assert_eq!((landed(&quick), landed(&slow)), (2, 0));
    assert_eq!(shown(&site.complete("r/a.csv")), ("JobComplete", 2, ""));
    slow.stop();
    quick.stop();
    assert_eq!(site.proven(), [2, 2, 0]);
}
