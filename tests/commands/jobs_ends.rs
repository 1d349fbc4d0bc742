//! How a job ends once its first worker died: the ledger decides, and nothing of another version or of
//! another table counts.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::site::{Site, document_of};

const MIXED: &str = "id,name,amount\n3,c,3\n4,d,x\n";

/// State, accepted and rejected records.
fn outcome(job: &Value) -> (&str, u64, u64) {
    let count = |name: &str| job[name].as_u64().unwrap();
    (
        job["state"].as_str().unwrap(),
        count("accepted"),
        count("rejected"),
    )
}

/// The job of `key`, and asks for its end as `weir jobs abort` does while it is under way.
fn abort(site: &Site, key: &str) -> Value {
    let (_, shown) = site.json(&["jobs", "show", key]);
    let job = shown["job"].clone();
    let id = job["id"].as_str().unwrap();
    site.write(&format!("lake/r__dll/_weir/jobs/{id}/abort.json"), "{}\n");
    job
}

#[test]
fn a_file_of_a_manifest_that_changes_between_two_tries_is_read_anew() {
    let site = Site::new("");
    let manifest = json!({"operation": "append", "files": ["a.csv", "b.csv"]});
    site.place("r/m.job.json", manifest.to_string());
    site.place("r/a.csv", "id,name,amount\n1,old,1\n2,old,2\n");
    site.place("r/b.csv", "id,name,amount\n9,b,9\n");
    // The first file is read to its end, and staged.
    site.dies_at("after_part:2");
    site.place("r/a.csv", "id,name,amount\n1,new,1\n2,new,2\n3,new,3\n");
    let daemon = site.daemon();
    let job = site.complete("r/m.job.json");
    assert_eq!(job["files"][0]["accepted"], 3, "{job:#}");
    assert_eq!(site.proven(), [4, 4, 0]);
    daemon.stop();
}

#[test]
fn what_landed_is_not_aborted_any_more() {
    let site = Site::new("");
    site.place("r/a.csv", MIXED);
    site.dies_at("after_job:1");
    abort(&site, "r/a.csv");
    let daemon = site.daemon();
    let (code, job) = site.ended("r/a.csv");
    daemon.stop();
    assert_eq!((code, outcome(&job)), (1, ("JobComplete", 1, 1)), "{job:#}");
    let document: Value = serde_json::from_str(&site.text(&document_of(&job))).unwrap();
    assert_eq!(outcome(&document), ("JobComplete", 1, 1));
    assert!(
        site.text(job["failed_rows"].as_str().unwrap())
            .ends_with("4,d,x\n")
    );
    assert_eq!(site.proven(), [2, 1, 1]);
}

#[test]
fn an_aborted_job_gives_back_what_was_staged_before() {
    let site = Site::new("");
    site.place("r/a.csv", MIXED);
    site.place("r/m.job.json", r#"{"files": ["b.csv"]}"#);
    site.dies_at("before_job:1");
    let begun = ["r/a.csv", "r/m.job.json"].map(|key| abort(&site, key));
    let daemon = site.daemon();
    for key in ["r/a.csv", "r/m.job.json"] {
        let (code, job) = site.ended(key);
        assert_eq!((code, &job["state"]), (1, &json!("Aborted")), "{job:#}");
    }
    daemon.stop();
    let (_, shown) = site.json(&["jobs", "show", begun[0]["id"].as_str().unwrap()]);
    let job = &shown["job"];
    assert_eq!(outcome(job), ("Aborted", 1, 1), "{job:#}");
    assert!(
        site.text(job["failed_rows"].as_str().unwrap())
            .ends_with("4,d,x\n")
    );
}

#[test]
fn a_result_that_the_ledger_contradicts_is_written_anew() {
    let site = Site::new("");
    site.place("r/a.csv", MIXED);
    site.dies_at("after_job:1");
    // As if another instance had ended the job while the one that landed it slept before its put.
    let (_, shown) = site.json(&["jobs", "show", "r/a.csv"]);
    let path = document_of(&shown["job"]);
    let mut document: Value = serde_json::from_str(&site.text(&path)).unwrap();
    document["state"] = json!("Failed");
    document["finished_at"] = json!("2100-01-01T00:00:00Z");
    site.write(&format!("drop/{path}"), document.to_string());
    let daemon = site.daemon();
    crate::site::wait("the result is right", || {
        let document: Value = serde_json::from_str(&site.text(&path)).ok()?;
        (outcome(&document) == ("JobComplete", 1, 1)).then_some(())
    });
    daemon.stop();
    assert_eq!(site.proven(), [2, 1, 1]);
}

#[test]
fn a_result_of_another_lake_is_not_believed() {
    let site = Site::new("");
    site.place("r/a.csv", MIXED);
    let daemon = site.daemon();
    site.ended("r/a.csv");
    daemon.stop();
    std::fs::remove_dir_all(site.path("lake")).unwrap();
    let daemon = site.daemon();
    crate::site::wait("it lands in the new lake", || {
        let (code, report) = site.json(&["verify", "r"]);
        let sources = report["streams"][0]["sources"].as_array()?;
        (code == 0 && !sources.is_empty()).then_some(())
    });
    daemon.stop();
    assert_eq!(site.proven(), [2, 1, 1]);
}

#[test]
fn files_wait_for_a_manifest_that_does_not_hold_still_yet() {
    let site = Site::settling("", "2s");
    let daemon = site.daemon();
    site.place("r/z.csv", "id,name,amount\n26,z,1\n");
    site.complete("r/z.csv");
    // Written in place, and the file moved to it: the file alone would be taken at once.
    site.write("drop/r/m.job.json", r#"{"files": ["a.csv"]}"#);
    site.place("r/a.csv", MIXED);
    let (_, job) = site.ended("r/m.job.json");
    assert_eq!(outcome(&job), ("JobComplete", 1, 1), "{job:#}");
    daemon.stop();
    assert_eq!(site.jobs().len(), 2);
    assert_eq!(site.proven(), [3, 2, 1]);
}

#[test]
fn a_newer_drop_that_a_crash_put_aside_is_taken() {
    let site = Site::new("after = \"delete\"");
    site.place("r/a.csv", MIXED);
    site.dies_at("before_clear:1");
    // As if it had died in the middle of deleting the drop, in whose place a newer one had come.
    let digest = Sha256::digest("r/a.csv");
    let name: String = digest[..8].iter().map(|b| format!("{b:02x}")).collect();
    std::fs::remove_file(site.path("drop/r/a.csv")).unwrap();
    site.place(&format!("r/.weir-{name}"), "id,name,amount\n7,g,7\n");
    let daemon = site.daemon();
    crate::site::wait("the newer one lands", || {
        let (code, report) = site.json(&["verify", "r"]);
        let sources = report["streams"][0]["sources"].as_array()?;
        (code == 0 && sources.len() == 2).then_some(())
    });
    daemon.stop();
    assert_eq!(site.proven(), [3, 2, 1]);
}
