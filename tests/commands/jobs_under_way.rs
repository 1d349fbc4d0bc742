//! Drops that change while they are read, and instances that go away meanwhile.

use std::io::Write;

use serde_json::{Value, json};

use crate::site::{Site, wait};

/// Records of [`big`].
pub(crate) const BIG: u64 = 1_000_000;

/// A packed file that takes some seconds to read.
pub(crate) fn big() -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writeln!(packed, "id,name,amount").unwrap();
    for id in 0..BIG {
        writeln!(packed, "{id},\"a name, with a comma\",{id}.25").unwrap();
    }
    packed.finish().unwrap()
}

/// Waits until the job of `key` is being read.
fn begun(site: &Site, key: &str) -> Value {
    wait("the job is under way", || {
        let (_, shown) = site.json(&["jobs", "show", key]);
        (shown["job"]["state"] == "InProgress").then(|| shown["job"].clone())
    })
}

#[test]
fn a_drop_that_is_deleted_while_it_is_read_lands_nothing() {
    let site = Site::new("");
    let _daemon = site.daemon();
    site.place("r/big.csv.gz", big());
    let job = begun(&site, "r/big.csv.gz");
    std::fs::remove_file(site.path("drop/r/big.csv.gz")).unwrap();
    let (code, ended) = site.ended(job["id"].as_str().unwrap());
    assert_eq!(
        (code, &ended["state"], &ended["reason"]),
        (
            1,
            &json!("Failed"),
            &json!("r/big.csv.gz was deleted while it was read")
        )
    );
    assert_eq!(site.proven(), [0, 0, 0]);
}

#[test]
fn a_drop_that_changes_while_it_is_read_is_another_job() {
    let site = Site::new("");
    let _daemon = site.daemon();
    site.place("r/big.csv.gz", big());
    let job = begun(&site, "r/big.csv.gz");
    let mut small = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    small.write_all(b"id,name,amount\n7,g,7\n").unwrap();
    site.place("r/big.csv.gz", small.finish().unwrap());
    let (code, ended) = site.ended(job["id"].as_str().unwrap());
    assert_eq!(
        (code, &ended["state"], &ended["reason"]),
        (
            1,
            &json!("Failed"),
            &json!("r/big.csv.gz changed while it was read; what is there now is a job of its own")
        )
    );
    let new = site.complete("r/big.csv.gz");
    assert_eq!((&new["accepted"], &new["rejected"]), (&json!(1), &json!(0)));
    assert_eq!(site.proven(), [1, 1, 0]);
    assert_eq!(site.jobs().len(), 2);
}

#[test]
fn a_job_goes_on_after_a_stop_and_after_a_crash() {
    let site = Site::new("");
    site.place("r/big.csv.gz", big());
    let daemon = site.daemon();
    let job = begun(&site, "r/big.csv.gz");
    daemon.stop();
    let (_, shown) = site.json(&["jobs", "show", "r/big.csv.gz"]);
    assert_eq!(
        shown["job"]["state"], "UploadComplete",
        "nobody works on it: {shown:#}"
    );
    let daemon = site.daemon();
    begun(&site, "r/big.csv.gz");
    daemon.kill();
    let (_, shown) = site.json(&["jobs", "show", "r/big.csv.gz"]);
    assert_eq!(shown["job"]["state"], "InProgress", "{shown:#}");
    let daemon = site.daemon();
    let ended = site.complete("r/big.csv.gz");
    assert_eq!(
        [&ended["id"], &ended["created_at"]],
        [&job["id"], &job["created_at"]]
    );
    assert_eq!(ended["accepted"], BIG);
    let all = i64::try_from(BIG).unwrap();
    assert_eq!(site.proven(), [all, all, 0]);
    daemon.stop();
}

#[test]
fn a_bucket_that_is_away_is_told_and_waited_for() {
    let site = Site::new("");
    let daemon = site.daemon();
    site.place("r/a.csv", "id,name,amount\n1,a,1\n");
    site.complete("r/a.csv");
    std::fs::rename(site.path("drop"), site.path("away")).unwrap();
    wait("it is told", || {
        daemon
            .log()
            .contains("drops cannot be looked for")
            .then_some(())
    });
    std::fs::rename(site.path("away"), site.path("drop")).unwrap();
    site.place("r/b.csv", "id,name,amount\n2,b,2\n");
    site.complete("r/b.csv");
    assert_eq!(site.proven(), [2, 2, 0]);
    daemon.stop();
}
