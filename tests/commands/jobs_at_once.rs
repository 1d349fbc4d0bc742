//! Jobs of one file or content that two instances have in hand at once.

use serde_json::{Value, json};

use crate::site::{Daemon, Site, wait};

const GOOD: &str = "id,name,amount\n1,a,1\n2,b,2\n";

/// An instance that falls asleep with its first job read and judged, right before the job's commit.
fn sleeper(site: &Site) -> Daemon {
    site.daemon_with("sleeper.log", &[("WEIR_FAIL_POINT", "before_put:1:freeze")])
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
