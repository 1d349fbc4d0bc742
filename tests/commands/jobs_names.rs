//! Names of drops, and which of them are taken when.

use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::site::{Site, wait};

const GOOD: &str = "id,name,amount\n1,a,1\n2,b,2\n";
const MIXED: &str = "id,name,amount\n3,c,3\n4,d,x\n";

/// Keys, and what they are below `_results/`.
const ODD: [(&str, &str); 9] = [
    ("r/a\nb.csv", "r/a%0Ab.csv"),
    ("r/tab\t\u{7f}\u{85}.csv", "r/tab%09%7F%C2%85.csv"),
    ("r/grün 😀.csv", "r/grün 😀.csv"),
    ("r/%2e%2e.csv", "r/%252e%252e.csv"),
    ("r/100%.csv", "r/100%25.csv"),
    ("r/[a]*?.csv", "r/[a]*?.csv"),
    ("r/a#b?c=d&e.csv", "r/a#b?c=d&e.csv"),
    ("r/a\\b'\"c.csv", "r/a\\b'\"c.csv"),
    ("r/deep/er/a.csv/b.CSV", "r/deep/er/a.csv/b.CSV"),
];

#[test]
fn any_name_is_a_drop_and_its_result_is_found() {
    let site = Site::new("after = \"delete\"");
    let daemon = site.daemon();
    for (at, (key, encoded)) in ODD.into_iter().enumerate() {
        // Different contents, so that none is another's duplicate.
        let text = format!("id,name,amount\n{at},a,1\n{at},b,x\n");
        site.place(key, text);
        let (code, job) = site.ended(key);
        assert_eq!((code, &job["state"]), (1, &json!("JobComplete")), "{job:#}");
        assert_eq!((&job["key"], &job["accepted"]), (&json!(key), &json!(1)));
        assert_eq!(job["files"][0]["key"], key);
        let folder = format!("_results/{encoded}/{}", job["id"].as_str().unwrap());
        assert!(site.has(&format!("{folder}/job.json")), "{folder}");
        assert_eq!(job["failed_rows"], format!("{folder}/failed.csv"));
        assert_eq!(
            site.text(&format!("{folder}/failed.csv")),
            format!(
                "weir_line,weir_field,weir_code,weir_message,id,name,amount\n\
                 3,amount,wrong_type,\"a number is wanted, a text was seen\",{at},b,x\n"
            )
        );
        // What was loaded is deleted, whatever its name.
        wait("the drop is deleted", || (!site.has(key)).then_some(()));
    }
    daemon.stop();
    let mut listed: Vec<String> = site
        .jobs()
        .iter()
        .map(|job| job["key"].as_str().unwrap().to_owned())
        .collect();
    listed.sort();
    let mut keys = ODD.map(|(key, _)| key.to_owned());
    keys.sort();
    assert_eq!(listed, keys);
    assert_eq!(site.proven(), [18, 9, 9]);
}

#[test]
fn a_manifest_of_any_name_joins_files_of_any_name() {
    let site = Site::new("");
    let daemon = site.daemon();
    site.place(
        "r/all\n%.job.json",
        json!({"files": ["a\n.csv", "#.csv"]}).to_string(),
    );
    site.place("r/a\n.csv", GOOD);
    site.place("r/#.csv", MIXED);
    let (code, job) = site.ended("r/all\n%.job.json");
    assert_eq!((code, &job["state"]), (1, &json!("JobComplete")), "{job:#}");
    assert_eq!((&job["accepted"], &job["rejected"]), (&json!(3), &json!(1)));
    // Others are taken beside it.
    site.place("r/c.csv", "id,name,amount\n9,a,1\n");
    site.complete("r/c.csv");
    daemon.stop();
    assert_eq!(site.proven(), [5, 4, 1]);
    assert_eq!(site.jobs().len(), 2);
}

#[test]
fn what_is_no_drop_is_never_taken() {
    let site = Site::new("");
    let daemon = site.daemon();
    for key in [
        "r/a.csv.tmp",
        "r/a.CSV.PART",
        "r/a.tmp",
        "r/.a.csv",
        "r/.hidden/a.csv",
        "r/a.txt",
        "r/a.csv.bz2",
        "r/a.json",
        "r/noname",
        "other/a.csv",
        "a.csv",
        "_results/r/first.txt/a.csv",
    ] {
        site.place(key, GOOD);
    }
    std::fs::create_dir_all(site.path("drop/r/folder.csv")).unwrap();
    std::os::unix::fs::symlink("nowhere", site.path("drop/r/dangling.csv")).unwrap();
    // Two files that come later are taken, one behind the other.
    for key in ["r/first.csv", "r/second.csv"] {
        site.place(key, format!("id,name,amount\n1,{key},1\n"));
        site.complete(key);
    }
    daemon.stop();
    assert_eq!(site.jobs().len(), 2);
    assert_eq!(site.proven(), [2, 2, 0]);
    // Once it has its name, it is one.
    std::fs::rename(site.path("drop/r/a.csv.tmp"), site.path("drop/r/a.csv")).unwrap();
    let daemon = site.daemon();
    site.complete("r/a.csv");
    daemon.stop();
    assert_eq!(site.proven(), [4, 4, 0]);
}

#[test]
fn a_file_that_grows_is_taken_once_it_holds_still() {
    let site = Site::settling("", "1500ms");
    let _daemon = site.daemon();
    // The folder is there once the daemon watches it.
    site.place("r/first.csv", "id,name,amount\n0,a,1\n");
    site.complete("r/first.csv");
    let path = site.path("drop/r/grows.csv");
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(b"id,name,amount\n").unwrap();
    let began = Instant::now();
    let mut rows = 0;
    while began.elapsed() < Duration::from_secs(4) {
        rows += 1;
        writeln!(file, "{rows},a,1").unwrap();
        let (_, shown) = site.json(&["jobs", "show", "r/grows.csv"]);
        assert_eq!(shown["job"]["told_by"], "drop", "{shown:#}");
        std::thread::sleep(Duration::from_millis(200));
    }
    let job = site.complete("r/grows.csv");
    assert_eq!(job["accepted"], rows);
    assert_eq!(site.jobs().len(), 2);
}

#[test]
fn a_file_that_is_moved_into_place_is_taken_at_once() {
    let site = Site::settling("", "1h");
    let daemon = site.daemon();
    wait("the daemon watches the folder", || {
        site.has("r").then_some(())
    });
    // The watch is set behind the folder: a move before it would be settled for an hour.
    wait("a moved file is seen", || {
        site.place("r/moved.csv", GOOD);
        std::thread::sleep(Duration::from_millis(500));
        let (_, shown) = site.json(&["jobs", "show", "r/moved.csv"]);
        (shown["job"]["told_by"] != "drop").then_some(())
    });
    site.complete("r/moved.csv");
    let began = Instant::now();
    site.place("r/second.csv", MIXED);
    assert_eq!(site.ended("r/second.csv").0, 1);
    assert!(began.elapsed() < Duration::from_secs(60));
    // One that was written in place is waited for.
    site.write("drop/r/written.csv", GOOD);
    site.place("r/third.csv", "id,name,amount\n7,c,3\n");
    site.complete("r/third.csv");
    let (_, shown) = site.json(&["jobs", "show", "r/written.csv"]);
    assert_eq!(shown["job"]["told_by"], "drop");
    daemon.stop();
}

#[test]
fn a_drop_whose_results_would_have_paths_that_are_too_long_is_told_and_passed_over() {
    let site = Site::new("");
    // There is room for a short name and its results, and none for a long one and its.
    let mut deep = "r".to_owned();
    let root = site.path("drop").as_os_str().len() + 1;
    while root + deep.len() < 3850 {
        let left = 3880 - root - deep.len() - 1;
        deep = format!("{deep}/{}", "x".repeat(left.min(200)));
    }
    let (file, manifest) = (
        format!("{deep}/a.csv"),
        format!("{deep}/{}.job.json", "y".repeat(170)),
    );
    let daemon = site.daemon();
    site.place(&manifest, r#"{"files": ["a.csv"]}"#);
    site.place(&file, GOOD);
    let words = "a drop is passed over";
    wait("the manifest is told", || {
        daemon.log().contains(words).then_some(())
    });
    // What it may name waits; others land.
    site.place("r/b.csv", MIXED);
    assert_eq!(site.ended("r/b.csv").1["state"], "JobComplete");
    assert!(!site.has(&format!("_results/{deep}")));
    assert_eq!(daemon.log().matches(words).count(), 1, "{}", daemon.log());
    std::fs::remove_file(site.path("drop").join(&manifest)).unwrap();
    site.complete(&file);
    daemon.stop();
    assert_eq!(site.proven(), [4, 3, 1]);
}
