//! `weir jobs show`: what people are told of a job.

use serde_json::{Value, json};

use crate::site::{Site, wait};

fn shown(site: &Site, key: &str) -> String {
    let done = site.run(&["jobs", "show", key]);
    assert_eq!(done.code, 0, "{done:?}");
    done.stdout
}

/// The lines that begin with `word`, without it.
fn lines<'a>(shown: &'a str, word: &str) -> Vec<&'a str> {
    let lines = shown.lines().filter_map(|line| line.strip_prefix(word));
    lines.map(str::trim_start).collect()
}

#[test]
fn all_that_was_rejected_is_named() {
    let site = Site::new("max_reject_ratio = 1.0");
    let daemon = site.daemon();
    let bad_lines = "id,name,amount\n1,a,1\n2,\"b\"?,2\n";
    let both = "id,name,amount\n1,a,x\n2,\"b\"?,2\n";
    site.place("r/lines.csv", bad_lines);
    let (_, job) = site.ended("r/lines.csv");
    assert_eq!(job["failed_rows"], Value::Null);
    let folder = |job: &Value| {
        let part = |name: &str| job[name].as_str().unwrap().to_owned();
        format!("_results/{}/{}", part("key"), part("id"))
    };
    let text = shown(&site, "r/lines.csv");
    assert_eq!(lines(&text, "to mend"), Vec::<&str>::new(), "{text}");
    assert_eq!(
        lines(&text, "rejected lines:"),
        [format!("{}/failed.txt", folder(&job))],
        "{text}"
    );

    let manifest = json!({"files": ["b.csv", "c.csv", "d.csv"]});
    site.place("r/all.job.json", manifest.to_string());
    for (key, text) in [
        ("r/b.csv", both),
        ("r/c.csv", "id,name,amount\n7,g,1\n"),
        ("r/d.csv", both),
    ] {
        site.place(key, text);
    }
    let (_, job) = site.ended("r/all.job.json");
    daemon.stop();
    let text = shown(&site, "r/all.job.json");
    let folder = folder(&job);
    assert_eq!(
        lines(&text, "to mend and drop again:"),
        [
            format!("{folder}/failed.csv"),
            format!("{folder}/failed-2.csv")
        ],
        "{text}"
    );
    assert_eq!(
        lines(&text, "rejected lines:"),
        [
            format!("{folder}/failed.txt"),
            format!("{folder}/failed-2.txt")
        ],
        "{text}"
    );
    // A load names both as well.
    site.write("both.csv", both);
    let file = site.path("both.csv").display().to_string();
    let done = site.run(&["load", "r", &file]);
    assert_eq!(done.code, 1, "{done:?}");
    for name in ["failed.csv\n", "failed.txt\n"] {
        assert!(done.stdout.contains(name), "{done:?}");
    }
}

#[test]
fn whoever_watches_is_told_what_a_job_waits_for() {
    let site = Site::new("");
    let daemon = site.daemon();
    site.place(
        "r/all.job.json",
        json!({"files": ["b.csv", "c.csv"]}).to_string(),
    );
    let open = |reason: &str| {
        wait(reason, || {
            let (_, shown) = site.json(&["jobs", "show", "r/all.job.json"]);
            (shown["job"]["reason"] == *reason).then(|| shown["job"].clone())
        })
    };
    let first = open("waits for r/b.csv");
    // It was found when it was, whoever waits for its files now.
    daemon.stop();
    let daemon = site.daemon();
    let (out, told) = (site.path("out"), site.path("told"));
    let mut watching = site
        .command()
        .args(["jobs", "show", "r/all.job.json", "--watch"])
        .stdout(std::fs::File::create(&out).unwrap())
        .stderr(std::fs::File::create(&told).unwrap())
        .spawn()
        .unwrap();
    let is_told = |lines: &str| {
        wait(lines, || {
            let text = std::fs::read_to_string(&told).unwrap();
            (text == lines).then_some(())
        });
    };
    is_told("waits for r/b.csv\n");
    site.place("r/b.csv", "id,name,amount\n1,a,1\n");
    let second = open("waits for r/c.csv");
    assert_eq!(first["created_at"], second["created_at"]);
    is_told("waits for r/b.csv\nwaits for r/c.csv\n");
    site.place("r/c.csv", "id,name,amount\n2,b,2\n");
    let status = wait("whoever watches is done", || watching.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
    is_told("waits for r/b.csv\nwaits for r/c.csv\n");
    assert!(!std::fs::read_to_string(&out).unwrap().contains("waits for"));
    let job = site.complete("r/all.job.json");
    assert_eq!(job["created_at"], first["created_at"]);
    daemon.stop();

    // A file that landed by it is told with it.
    let (_, part) = site.json(&["jobs", "show", "r/b.csv"]);
    let part = &part["job"];
    assert_eq!(part["state"], "JobComplete");
    assert_eq!(
        part["reason"],
        format!(
            "landed as part of r/all.job.json, job {}",
            job["id"].as_str().unwrap()
        )
    );
    assert_eq!(part["files"].as_array().unwrap().len(), 1, "{part:#}");
    assert_eq!(part["accepted"], 1);
    let text = shown(&site, "r/b.csv");
    assert_eq!(lines(&text, "state"), ["JobComplete"], "{text}");
}

#[test]
fn a_file_that_nobody_takes_is_told_with_its_manifest() {
    let site = Site::new("");
    let daemon = site.daemon();
    site.place(
        "r/all.job.json",
        json!({"files": ["days/b.csv", "c.csv"]}).to_string(),
    );
    wait("the manifest is open", || {
        let (_, shown) = site.json(&["jobs", "show", "r/all.job.json"]);
        (shown["job"]["state"] == "Open").then_some(())
    });
    site.place("r/days/b.csv", "id,name,amount\n1,a,1\n");
    assert_eq!(site.json(&["jobs", "abort", "r/all.job.json"]).0, 0);
    let (code, job) = site.ended("r/all.job.json");
    assert_eq!((code, &job["state"]), (1, &json!("Aborted")));
    daemon.stop();
    let text = shown(&site, "r/days/b.csv");
    let words = format!(
        "the manifest r/all.job.json names it (job {}, Aborted)",
        job["id"].as_str().unwrap()
    );
    assert_eq!(lines(&text, "reason"), [words.as_str()], "{text}");
    // Whoever waits for it is told the same.
    std::thread::scope(|scope| {
        let watched = scope.spawn(|| site.run(&["jobs", "show", "r/days/b.csv", "--watch"]));
        std::thread::sleep(std::time::Duration::from_secs(3));
        std::fs::remove_file(site.path("drop/r/days/b.csv")).unwrap();
        let done = watched.join().unwrap();
        assert_eq!(done.code, 1, "{done:?}");
        let gone = "weir: r/days/b.csv went away or changed before the job was begun";
        assert_eq!(done.stderr, format!("{words}\n{gone}\n"));
    });
}

#[test]
fn what_a_failed_job_accepted_is_told_as_not_landed() {
    let site = Site::new("max_rejects = 1\nmax_reject_ratio = 1.0");
    let daemon = site.daemon();
    site.place("r/a.csv", "id,name,amount\n1,a,1\n2,b,x\n3,c,x\n");
    let (code, job) = site.ended("r/a.csv");
    assert_eq!((code, &job["state"]), (1, &json!("Failed")), "{job:#}");
    assert_eq!(job["accepted"], 1);
    daemon.stop();
    for shown in [shown(&site, "r/a.csv"), site.run(&["jobs", "list"]).stdout] {
        assert!(shown.contains(" 1 (none landed) "), "{shown}");
    }
}

#[test]
fn what_only_the_ledger_tells_is_told_as_such() {
    let site = Site::new("");
    let daemon = site.daemon();
    site.place("r/a.csv", "id,name,amount\n1,a,1\n");
    site.complete("r/a.csv");
    daemon.stop();
    site.write("here.csv", "id,name,amount\n2,a,1\n");
    let file = site.path("here.csv").display().to_string();
    assert_eq!(site.run(&["load", "r", &file]).code, 0);
    std::fs::remove_dir_all(site.path("drop/_results")).unwrap();
    for (key, words) in [
        ("r/a.csv", "its job.json is lost"),
        (file.as_str(), "job.json is where `weir load` put it"),
    ] {
        let text = shown(&site, key);
        let state = format!("JobComplete (by the ledger; {words})");
        assert_eq!(lines(&text, "state"), [state], "{text}");
        let row = text.lines().last().unwrap();
        let cells: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(cells, [key, "1", "1", "0"], "no size: {text}");
    }
}
