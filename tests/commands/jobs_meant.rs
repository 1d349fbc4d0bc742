//! `weir jobs`: which job a key means, and what is said where it means none.

use serde_json::{Value, json};

use crate::site::Site;

fn rows(id: u32) -> String {
    format!("id,name,amount\n{id},a,1\n")
}

fn newest(site: &Site, key: &str) -> (Value, Value) {
    let (code, shown) = site.json(&["jobs", "show", key]);
    assert_eq!(code, 0, "{shown:#}");
    (shown["job"].clone(), shown["jobs_of_key"].clone())
}

#[test]
fn the_newest_job_of_a_key_is_meant_also_where_only_the_ledger_tells() {
    let site = Site::new("");
    let daemon = site.daemon();
    let mut ids = Vec::new();
    for id in 1..=3 {
        site.place("r/a.csv", rows(id));
        ids.push(site.complete("r/a.csv")["id"].clone());
    }
    daemon.stop();
    std::fs::remove_dir_all(site.path("drop/_results")).unwrap();
    let (job, count) = newest(&site, "r/a.csv");
    assert_eq!((&job["id"], &count), (&ids[2], &json!(3)), "{job:#}");
    assert_eq!(job["told_by"], "ledger");

    // Each load of a changed file likewise.
    let file = site.path("here.csv").display().to_string();
    for id in 1..=3 {
        site.write("here.csv", rows(10 + id));
        let (code, loaded) = site.json(&["load", "r", &file]);
        assert_eq!(code, 0, "{loaded:#}");
        let (job, count) = newest(&site, &file);
        assert_eq!(job["id"], loaded["jobs"][0]["id"], "{id}");
        assert_eq!(count, id);
    }
}

#[test]
fn a_reload_is_the_newest_from_when_it_is_asked_for() {
    let site = Site::new("");
    let daemon = site.daemon();
    site.place("r/a.csv", rows(1));
    let first = site.complete("r/a.csv");
    site.place("r/b.csv", rows(2));
    site.complete("r/b.csv");
    daemon.stop();
    let done = site.run(&["jobs", "retry", "r/a.csv", "--reload"]);
    assert_eq!(done.code, 0, "{done:?}");
    let (job, count) = newest(&site, "r/a.csv");
    assert_ne!(job["id"], first["id"]);
    assert_eq!(
        (&job["state"], &job["asked"], &count),
        (&json!("UploadComplete"), &json!("retry"), &json!(2))
    );
    let id = job["id"].as_str().unwrap();
    let words = format!("watch it with `weir jobs show {id} --watch`\n");
    assert!(done.stdout.ends_with(&words), "{done:?}");
    assert_eq!(site.jobs()[0], job);
    // Asked for again, there is nothing to ask for.
    let told = site.refused(&["jobs", "retry", "r/a.csv", "--reload"]);
    assert_eq!(
        told,
        format!("weir: the job {id} has not ended: it is UploadComplete\n")
    );
    // Whoever waits for the key waits for it.
    let daemon = site.daemon();
    let again = site.complete("r/a.csv");
    assert_eq!((&again["id"], &again["asked"]), (&job["id"], &Value::Null));
    daemon.stop();
    assert_eq!(site.proven(), [3, 3, 0]);
}

#[test]
fn a_key_that_is_none_is_told_with_what_may_be_meant() {
    let site = Site::new("prefix = \"returns/\"");
    let daemon = site.daemon();
    site.place("returns/slow.csv", rows(1));
    site.complete("returns/slow.csv");
    daemon.stop();
    let url = format!("file://{}", site.path("drop").display());
    let path = site.path("drop/returns/x.csv").display().to_string();
    for (key, hint) in [
        ("slow.csv", "did you mean returns/slow.csv?"),
        ("returns/slo.csv", "did you mean returns/slow.csv?"),
        ("drop/returns/x.csv", "did you mean returns/x.csv?"),
        (path.as_str(), "did you mean returns/x.csv?"),
        (
            "return/unlike.csv",
            "no stream takes return/; did you mean returns/?",
        ),
        (
            "elsewhere/x.csv",
            "no stream takes elsewhere/; the prefixes are returns/",
        ),
        (
            "returns/unlike.csv",
            "weir jobs list shows the jobs that there are",
        ),
    ] {
        let done = site.run(&["jobs", "show", key]);
        assert_eq!((done.code, done.stdout.as_str()), (2, ""), "{done:?}");
        let words = format!(
            "weir: there is no job {key}, and no drop of that key; keys are relative to {url}; {hint}\n"
        );
        assert_eq!(done.stderr, words);
    }
    for arguments in [["show", ""], ["abort", ""], ["retry", ""]] {
        let done = site.run(&[&["jobs"], &arguments[..]].concat());
        assert_eq!(done.code, 2, "{done:?}");
        assert!(done.stderr.contains("a value is required for"), "{done:?}");
    }
}

#[test]
fn streams_that_take_no_files_have_no_jobs_however_many_they_are() {
    let site = Site::new("");
    let topics = "source = \"s\"\nobject = \"o\"\ncategory = \"other\"\nschema = { subject = \"r\" }\n\
                  primary_key = [\"id\"]\n[topics]\nnames = [\"t-NAME\"]\nformat = \"json\"\n";
    let settings = std::fs::read_to_string(site.path("weir.toml")).unwrap();
    let kafka = "[kafka]\nbrokers = \"127.0.0.1:1\"\ngroup = \"g\"\n";
    site.write("weir.toml", format!("{settings}{kafka}"));
    for name in ["r", "q"] {
        site.write(
            &format!("streams/{name}.toml"),
            topics.replace("NAME", name),
        );
        let done = site.run(&["jobs", "list"]);
        let words = "no jobs: no stream has [bulk], which is what takes files\n";
        assert_eq!((done.code, done.stdout.as_str()), (0, words), "{done:?}");
        let (code, shown) = site.json(&["jobs", "list"]);
        assert_eq!((code, shown), (0, json!({"jobs": [], "more": false})));
        let done = site.run(&["jobs", "list", "--stream", "r"]);
        assert_eq!(done.code, 2, "{done:?}");
        assert!(done.stderr.contains("it takes no files"), "{done:?}");
    }
}
