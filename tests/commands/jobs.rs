//! `weir jobs`: what it shows of drops, and what it can ask of the daemon.

use serde_json::{Value, json};

use crate::house::NOWHERE;
use crate::site::{Site, as_document, document_of, wait};

const GOOD: &str = "id,name,amount\n1,a,1\n2,b,2\n";
const MIXED: &str = "id,name,amount\n3,c,3\n4,d,x\n";
const BROKEN: &str = "id,nam,amount\n5,e,5\n";

fn states(jobs: &[Value]) -> Vec<(&str, &str)> {
    jobs.iter()
        .map(|job| (job["key"].as_str().unwrap(), job["state"].as_str().unwrap()))
        .collect()
}

#[test]
fn jobs_are_listed_and_shown() {
    let site = Site::new("");
    let daemon = site.daemon();
    site.place("r/good.csv", GOOD);
    assert_eq!(site.ended("r/good.csv").0, 0);
    site.place("r/mixed.csv", MIXED);
    assert_eq!(site.ended("r/mixed.csv").0, 1, "a row is rejected");
    site.place("r/broken.csv", BROKEN);
    let (code, broken) = site.ended("r/broken.csv");
    assert_eq!(code, 1);
    daemon.stop();

    let jobs = site.jobs();
    assert_eq!(
        states(&jobs),
        [
            ("r/broken.csv", "Failed"),
            ("r/mixed.csv", "JobComplete"),
            ("r/good.csv", "JobComplete"),
        ]
    );
    assert_eq!(jobs[0], broken);
    for job in &jobs {
        assert_eq!(
            (&job["told_by"], &job["asked"]),
            (&json!("result"), &Value::Null)
        );
        let document: Value = serde_json::from_str(&site.text(&document_of(job))).unwrap();
        assert_eq!(document, as_document(job));
    }
    let mixed = &jobs[1];
    assert_eq!(
        [&mixed["accepted"], &mixed["rejected"], &mixed["skipped"]],
        [&json!(1), &json!(1), &json!(0)]
    );
    assert_eq!(
        mixed["files"],
        json!([{"key": "r/mixed.csv", "etag": null, "size": MIXED.len(), "records": 2,
            "accepted": 1, "rejected": 1, "skipped": 0}])
    );

    let list = |arguments: &[&str]| -> Value {
        let (code, shown) = site.json(&[&["jobs", "list"], arguments].concat());
        assert_eq!(code, 0);
        shown
    };
    assert_eq!(
        list(&["--limit", "1"]),
        json!({"jobs": [broken], "more": true})
    );
    assert_eq!(
        list(&["--state", "Failed"]),
        json!({"jobs": [broken], "more": false})
    );
    let complete = list(&["--state", "jobcomplete", "--stream", "r", "--limit", "1"]);
    assert_eq!(complete, json!({"jobs": [mixed], "more": true}));
    assert_eq!(
        list(&["--state", "Open"]),
        json!({"jobs": [], "more": false})
    );

    // By the id, and without waiting: to be shown is no fault.
    let id = broken["id"].as_str().unwrap();
    let (code, shown) = site.json(&["jobs", "show", id]);
    assert_eq!((code, shown), (0, json!({"job": broken, "jobs_of_key": 1})));
    for (arguments, words) in [
        (&["show", "r/no.csv"][..], "there is no job r/no.csv"),
        (
            &["abort", "0123456789abcdef0123456789abcdef"],
            "there is no job",
        ),
        (&["list", "--stream", "s"], "there is no stream s"),
        (&["list", "--state", "Done"], "invalid value 'Done'"),
    ] {
        let done = site.run(&[&["jobs"], arguments].concat());
        assert_eq!(done.code, 2, "{done:?}");
        assert!(done.stderr.contains(words), "{done:?}");
    }
}

/// Ids and times have another value each time, of one length.
fn steady(text: &str, jobs: &[Value]) -> String {
    let mut text = text.to_owned();
    for (at, job) in jobs.iter().enumerate() {
        text = text.replace(job["id"].as_str().unwrap(), &format!("{at:032}"));
    }
    let mut steady = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest
        .find("20")
        .filter(|at| rest.get(at + 19..at + 20) == Some("Z"))
    {
        steady.push_str(&rest[..at]);
        steady.push_str("<the time of it all>");
        rest = &rest[at + 20..];
    }
    steady + rest
}

#[test]
fn jobs_are_shown_to_people() {
    let site = Site::new("");
    let daemon = site.daemon();
    site.place("r/mixed.csv", MIXED);
    site.ended("r/mixed.csv");
    site.place("r/broken\n.csv", BROKEN);
    site.ended("r/broken\n.csv");
    daemon.stop();
    let jobs = site.jobs();
    let shown = |arguments: &[&str]| {
        let done = site.run(&[&["jobs"], arguments].concat());
        assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{done:?}");
        steady(&done.stdout, &jobs)
    };
    insta::assert_snapshot!(shown(&["list"]), @r"
     job                                stream   state         accepted   rejected   created                drop
    ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
     00000000000000000000000000000000   r        Failed               0          0   <the time of it all>   r/broken\n.csv
     00000000000000000000000000000001   r        JobComplete          1          1   <the time of it all>   r/mixed.csv
    ");
    insta::assert_snapshot!(shown(&["show", "r/broken\n.csv"]), @r#"
    job       00000000000000000000000000000000
    stream    r
    drop      r/broken\n.csv
    state     Failed
    reason    the header does not fit the schema: column 2, "nam", is no field of the schema; did you mean "name"?
    created   <the time of it all>
    started   <the time of it all>
    finished  <the time of it all>
     file             bytes   records   accepted   rejected
    ────────────────────────────────────────────────────────
     r/broken\n.csv      20         0          0          0
    "#);
    insta::assert_snapshot!(shown(&["show", "r/mixed.csv"]), @r"
    job       00000000000000000000000000000001
    stream    r
    drop      r/mixed.csv
    state     JobComplete
    created   <the time of it all>
    started   <the time of it all>
    finished  <the time of it all>
    to mend and drop again: _results/r/mixed.csv/00000000000000000000000000000001/failed.csv
     file          bytes   records   accepted   rejected
    ─────────────────────────────────────────────────────
     r/mixed.csv      27         2          1          1
    ");
    insta::assert_snapshot!(shown(&["list", "--state", "Aborted"]), @"no jobs");
}

#[test]
fn without_results_the_ledger_tells_and_nothing_is_loaded_again() {
    let site = Site::new("");
    let daemon = site.daemon();
    for (key, text) in [("r/a.csv", GOOD), ("r/b.csv", MIXED), ("r/c.csv", BROKEN)] {
        site.place(key, text);
        site.ended(key);
    }
    daemon.stop();
    let proven = site.proven();
    assert_eq!(proven, [4, 3, 1]);
    std::fs::remove_dir_all(site.path("drop/_results")).unwrap();
    // With them the times are lost, and that a job failed.
    let jobs = site.jobs();
    assert_eq!(
        states(&jobs),
        [("r/b.csv", "JobComplete"), ("r/a.csv", "JobComplete")]
    );
    let file = json!({"key": "r/b.csv", "etag": null, "size": 0, "records": 2, "accepted": 1,
        "rejected": 1, "skipped": 0});
    assert_eq!(
        jobs[0],
        json!({"id": jobs[0]["id"], "stream": "r", "key": "r/b.csv", "operation": "append",
            "state": "JobComplete", "files": [file], "accepted": 1, "rejected": 1, "skipped": 0,
            "created_at": null, "started_at": null, "finished_at": null, "reason": null,
            "failed_rows": null, "told_by": "ledger", "asked": null})
    );
    assert_eq!(site.ended("r/a.csv").0, 0);
    assert_eq!(site.ended(jobs[0]["id"].as_str().unwrap()).0, 1);
    let (code, broken) = site.json(&["jobs", "show", "r/c.csv"]);
    assert_eq!(code, 0);
    assert_eq!(
        [&broken["job"]["state"], &broken["job"]["told_by"]],
        [&json!("UploadComplete"), &json!("drop")]
    );

    // A restart reads again what landed nothing, and no more; without the jobs' folder, too.
    for _ in 0..2 {
        let daemon = site.daemon();
        let (code, broken) = site.ended("r/c.csv");
        assert_eq!((code, &broken["state"]), (1, &json!("Failed")));
        site.place("r/last.csv", "id,name,amount\n");
        site.complete("r/last.csv");
        daemon.stop();
        assert_eq!(site.proven(), proven);
        let told: Vec<Value> = site
            .jobs()
            .iter()
            .map(|job| job["told_by"].clone())
            .collect();
        assert_eq!(told, ["result", "result", "ledger", "ledger"], "{told:?}");
        std::fs::remove_dir_all(site.path("drop/_results")).unwrap();
        std::fs::remove_dir_all(site.path("lake/r__dll/_weir/jobs")).ok();
        std::fs::remove_file(site.path("drop/r/last.csv")).unwrap();
    }
}

#[test]
fn a_job_is_aborted_and_tried_again() {
    let site = Site::new("");
    // Nobody works on it yet: the next one that starts ends it.
    site.place("r/a.csv", GOOD);
    let (code, asked) = site.json(&["jobs", "abort", "r/a.csv"]);
    assert_eq!(code, 0);
    let id = asked["job"].as_str().unwrap();
    assert_eq!(
        asked,
        json!({"job": id, "stream": "r", "key": "r/a.csv", "asked": "abort"})
    );
    let (_, shown) = site.json(&["jobs", "show", "r/a.csv"]);
    assert_eq!(
        [&shown["job"]["state"], &shown["job"]["asked"]],
        [&json!("UploadComplete"), &json!("abort")]
    );
    let _daemon = site.daemon();
    let (code, job) = site.ended("r/a.csv");
    assert_eq!(
        (code, &job["state"], &job["reason"], &job["id"]),
        (
            1,
            &json!("Aborted"),
            &json!("an operator ended it"),
            &json!(id)
        )
    );
    assert_eq!(site.proven(), [0, 0, 0]);
    let told = site.refused(&["jobs", "abort", id]);
    assert_eq!(
        told,
        format!("weir: the job {id} is at its end: it is Aborted\n")
    );

    let (code, asked) = site.json(&["jobs", "retry", id]);
    assert_eq!(
        (code, &asked["job"], &asked["asked"]),
        (0, &json!(id), &json!("retry"))
    );
    assert_eq!(site.complete("r/a.csv")["id"], *id);
    assert_eq!(site.proven(), [2, 2, 0]);
    let told = site.refused(&["jobs", "abort", "r/a.csv"]);
    assert!(
        told.contains("landed at version") && told.contains("not taken back"),
        "{told}"
    );
    let told = site.refused(&["jobs", "retry", "r/a.csv"]);
    assert!(
        told.contains("--reload loads all of its rows once more"),
        "{told}"
    );
}

#[test]
fn a_failed_job_is_tried_again_only_with_its_own_drop() {
    let site = Site::new("");
    let daemon = site.daemon();
    site.place("r/a.csv", BROKEN);
    let (_, failed) = site.ended("r/a.csv");
    let id = failed["id"].as_str().unwrap();
    assert_eq!(
        failed["reason"],
        "the header does not fit the schema: column 2, \"nam\", is no field of the schema; did you mean \"name\"?"
    );
    // As it is, it fails again.
    site.json(&["jobs", "retry", id]);
    let (_, again) = site.ended(id);
    assert_eq!(
        (&again["state"], &again["reason"]),
        (&json!("Failed"), &failed["reason"])
    );
    assert_ne!(again["finished_at"], failed["finished_at"]);
    // Also by the next process, where none ran when it was asked for.
    daemon.stop();
    assert_eq!(site.json(&["jobs", "retry", id]).0, 0);
    let daemon = site.daemon();
    let (_, later) = site.ended(id);
    assert_eq!(later["state"], "Failed");
    assert_ne!(later["finished_at"], again["finished_at"]);
    // Mended, it is another job.
    site.place("r/a.csv", GOOD);
    let mended = site.complete("r/a.csv");
    assert_ne!(mended["id"], *id);
    let told = site.refused(&["jobs", "retry", id]);
    let words = format!(
        "weir: r/a.csv changed since: what is there now is a job of its own, {}\n",
        mended["id"].as_str().unwrap()
    );
    assert_eq!(told, words);
    let (_, shown) = site.json(&["jobs", "show", "r/a.csv"]);
    assert_eq!(shown, json!({"job": mended, "jobs_of_key": 2}));
    std::fs::remove_file(site.path("drop/r/a.csv")).unwrap();
    let told = site.refused(&["jobs", "retry", id]);
    assert_eq!(told, "weir: r/a.csv is not in the bucket; drop it again\n");
    daemon.stop();
}

#[test]
fn what_landed_is_loaded_again_on_request_only() {
    let site = Site::new("on_duplicate = \"skip\"");
    let daemon = site.daemon();
    site.place("r/a.csv", MIXED);
    let (_, first) = site.ended("r/a.csv");
    let mut ids = vec![first["id"].clone()];
    for times in 2..=3 {
        let (code, asked) = site.json(&["jobs", "retry", "r/a.csv", "--reload"]);
        assert_eq!(code, 0);
        let id = asked["job"].as_str().unwrap();
        assert!(!ids.contains(&asked["job"]), "{asked}");
        let (_, job) = site.ended(id);
        assert_eq!(
            (&job["state"], &job["reason"], &job["accepted"]),
            (
                &json!("JobComplete"),
                &json!("an operator asked to load it again"),
                &json!(1)
            )
        );
        assert_eq!(site.proven(), [2 * times, times, times]);
        ids.push(asked["job"].clone());
    }
    daemon.stop();
    // Each is a job of its own, and a restart loads none of them again.
    let daemon = site.daemon();
    site.place("r/b.csv", GOOD);
    site.complete("r/b.csv");
    assert_eq!(site.proven(), [8, 5, 3]);
    assert_eq!(site.jobs().len(), 4);
    let (_, shown) = site.json(&["jobs", "show", "r/a.csv"]);
    assert_eq!(
        (&shown["jobs_of_key"], &shown["job"]["id"]),
        (&json!(3), &ids[2])
    );
    daemon.stop();
}

#[test]
fn a_job_under_way_is_aborted() {
    let site = Site::new("");
    let _daemon = site.daemon();
    site.place("r/big.csv.gz", crate::jobs_under_way::big());
    let job = wait("the job is under way", || {
        let (_, shown) = site.json(&["jobs", "show", "r/big.csv.gz"]);
        (shown["job"]["state"] == "InProgress").then(|| shown["job"].clone())
    });
    assert_eq!(site.json(&["jobs", "abort", "r/big.csv.gz"]).0, 0);
    let (code, ended) = site.ended(job["id"].as_str().unwrap());
    assert_eq!((code, &ended["state"]), (1, &json!("Aborted")), "{ended:#}");
    assert_eq!(site.proven(), [0, 0, 0]);
    // Nothing is left of it.
    wait("its folder is cleared", || {
        let folder = site.path("lake/r__dll/_weir/jobs");
        let left = walk(&folder);
        left.is_empty().then_some(())
    });
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| match entry.path().is_dir() {
            true => walk(&entry.path()),
            false => vec![entry.path()],
        })
        .collect()
}

#[test]
fn a_job_whose_claims_outlived_it_keeps_its_result() {
    let site = Site::new("");
    let daemon = site.daemon();
    site.place("r/a.csv", MIXED);
    let (_, job) = site.ended("r/a.csv");
    daemon.stop();
    // As if the process had gone away while it cleared up.
    let document = document_of(&job);
    let id = job["id"].as_str().unwrap();
    let left_behind = |has_result: bool| {
        let claims = format!("lake/r__dll/_weir/jobs/{id}/claims");
        site.write(
            &format!("{claims}/00000001.json"),
            r#"{"instance": "i", "process": "p", "key": "r/a.csv"}"#,
        );
        site.write(&format!("{claims}/00000001.released"), "");
        if !has_result {
            std::fs::remove_dir_all(site.path("drop/_results")).unwrap();
        }
        let daemon = site.daemon();
        wait("its claims are cleared", || {
            walk(&site.path("lake/r__dll/_weir/jobs"))
                .is_empty()
                .then_some(())
        });
        daemon.stop();
        serde_json::from_str::<Value>(&site.text(&document)).unwrap()
    };
    assert_eq!(left_behind(true), as_document(&job));
    let told = left_behind(false);
    for member in ["state", "accepted", "rejected", "files"] {
        assert_eq!(told[member], job[member], "{member}");
    }
    assert_eq!(site.proven(), [2, 1, 1]);
}

#[test]
fn the_bucket_is_checked() {
    let site = Site::new("");
    let (code, shown) = site.json(&["check"]);
    assert_eq!(code, 0, "{shown:#}");
    let checks = shown["checks"].as_array().unwrap();
    let bucket = checks.iter().find(|check| check["name"] == "bucket");
    let words = format!(
        "file://{} can be listed and written",
        site.path("drop").display()
    );
    assert_eq!(
        bucket,
        Some(&json!({"name": "bucket", "ok": true, "message": words}))
    );
    assert!(
        walk(&site.path("drop")).is_empty(),
        "nothing is left behind"
    );
    let settings = std::fs::read_to_string(site.path("weir.toml")).unwrap();
    let url = format!("file://{}", site.path("drop").display());
    let away = format!(
        "{}\n[bulk.options]\nendpoint = \"http://{NOWHERE}\"\nallow_http = \"true\"\n\
         access_key_id = \"a\"\nsecret_access_key = \"b\"\nregion = \"r\"\n",
        settings.replace(&url, "s3://bucket/drop")
    );
    site.write("weir.toml", away);
    let (code, shown) = site.json(&["check"]);
    assert_eq!((code, &shown["ok"]), (3, &json!(false)), "{shown:#}");
    let done = site.run(&["jobs", "list"]);
    assert_eq!((done.code, done.stdout.as_str()), (3, ""), "{done:?}");
}

#[test]
fn jobs_of_local_loads_are_known_by_the_ledger() {
    let site = Site::new("");
    site.write("here.csv", GOOD);
    let file = site.path("here.csv").display().to_string();
    assert_eq!(site.run(&["load", "r", &file]).code, 0);
    let jobs = site.jobs();
    assert_eq!(states(&jobs), [(file.as_str(), "JobComplete")]);
    assert_eq!(jobs[0]["told_by"], "ledger");
    assert_eq!(site.complete(&file), jobs[0]);
    // A stream needs no bucket for it.
    let settings = std::fs::read_to_string(site.path("weir.toml")).unwrap();
    let (before, behind) = settings.split_once("[bulk]").unwrap();
    let (_, behind) = behind.split_once("[http]").unwrap();
    site.write("weir.toml", format!("{before}[http]{behind}"));
    assert_eq!(site.jobs(), jobs);
    let done = site.run(&["jobs", "retry", &file, "--reload"]);
    assert_eq!(done.code, 2, "{done:?}");
    assert!(
        done.stderr.contains("there is no [bulk] in weir.toml"),
        "{done:?}"
    );
}
