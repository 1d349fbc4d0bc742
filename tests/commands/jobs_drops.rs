//! What becomes of drops: their rows, their rejects, their duplicates, and manifests.

use serde_json::{Value, json};

use crate::site::{Site, touch, wait};

const GOOD: &str = "id,name,amount\n1,a,1\n2,b,2\n";

fn folder(job: &Value) -> String {
    let part = |name: &str| job[name].as_str().unwrap();
    format!("_results/{}/{}", part("key"), part("id"))
}

/// State, accepted, rejected and reason.
fn outcome(job: &Value) -> (&str, u64, u64, &str) {
    (
        job["state"].as_str().unwrap(),
        job["accepted"].as_u64().unwrap(),
        job["rejected"].as_u64().unwrap(),
        job["reason"].as_str().unwrap_or(""),
    )
}

#[test]
fn rejected_rows_are_mended_and_dropped() {
    let site = Site::new("max_reject_ratio = 0.9");
    let daemon = site.daemon();
    site.place(
        "r/a.csv",
        "id,name,amount\n1,\"a, b\",1.5\n2,,x\n3,\"broken\n4,\"say \"\"hi\"\"\",2\n,n,1\n6,only two\n",
    );
    let (code, job) = site.ended("r/a.csv");
    assert_eq!((code, outcome(&job)), (1, ("JobComplete", 2, 4, "")));
    assert_eq!(job["files"][0]["records"], 6);
    assert_eq!(job["failed_rows"], format!("{}/failed.csv", folder(&job)));
    let failed = site.text(&format!("{}/failed.csv", folder(&job)));
    assert_eq!(
        failed,
        "weir_line,weir_field,weir_code,weir_message,id,name,amount\n\
         3,amount,wrong_type,\"a number is wanted, a text was seen\",2,,x\n\
         6,id,null_key,null stands in a primary key,,n,1\n\
         7,,csv_columns,\"the record has 2 cells, and there are 3 columns\",6,only two\n"
    );
    assert_eq!(
        site.text(&format!("{}/failed.txt", folder(&job))),
        "4\ttext stands behind a closing quote\t3,\"broken\n"
    );
    // Dropped as it is, the same three come back, with the lines of the new file.
    site.place("r/again.csv", &failed);
    let (_, again) = site.ended("r/again.csv");
    assert_eq!(outcome(&again).0, "Failed", "all of them: {again:#}");
    let returned = site.text(&format!("{}/failed.csv", folder(&again)));
    let lines = failed.replace("\n3,", "\n2,").replace("\n6,", "\n3,");
    let lines = lines
        .replace("\n7,", "\n4,")
        .replace("has 2 cells", "has 6 cells");
    assert_eq!(returned, lines.replace("are 3 columns", "are 7 columns"));
    // Mended, those rows land and no others.
    let mended = failed
        .replace(",2,,x\n", ",2,,2.5\n")
        .replace(",,n,1\n", ",5,n,1\n")
        .replace(",6,only two\n", ",6,only two,6\n");
    site.place("r/mended.csv", mended);
    assert_eq!(
        outcome(&site.complete("r/mended.csv")),
        ("JobComplete", 3, 0, "")
    );
    daemon.stop();
    assert_eq!(site.proven(), [9, 5, 4]);
}

#[test]
fn what_a_failed_job_gave_back_is_gone_once_its_rows_landed() {
    let site = Site::new("max_rejects = 1\non_duplicate = \"skip\"");
    let rows = "id,name,amount\n1,a,1\n2,b,x\n3,c,3\n4,d,y\n5,e,5\n";
    let daemon = site.daemon();
    site.place("r/a.csv", rows);
    let (_, failed) = site.ended("r/a.csv");
    assert_eq!(failed["state"], "Failed", "{failed:#}");
    let given_back = format!("{}/failed.csv", folder(&failed));
    assert!(site.has(&given_back));
    daemon.stop();
    // The same rows land under another name, and the first job, tried again, has nothing to give back.
    let settings = std::fs::read_to_string(site.path("streams/r.toml")).unwrap();
    site.write("streams/r.toml", settings.replace("max_rejects = 1\n", ""));
    let daemon = site.daemon();
    site.place("r/b.csv", rows);
    let (_, landed) = site.ended("r/b.csv");
    assert_eq!(outcome(&landed), ("JobComplete", 3, 2, ""));
    site.json(&["jobs", "retry", "r/a.csv"]);
    let (_, again) = site.ended("r/a.csv");
    assert_eq!(
        (&again["state"], &again["accepted"], &again["failed_rows"]),
        (&json!("JobComplete"), &json!(0), &Value::Null),
        "{again:#}"
    );
    assert!(!site.has(&given_back));
    daemon.stop();
    assert_eq!(site.proven(), [5, 3, 2]);
}

#[test]
fn the_same_content_lands_once_under_a_name() {
    for (policy, third) in [("load", 2), ("skip", 0)] {
        let site = Site::new(&format!("on_duplicate = \"{policy}\""));
        let daemon = site.daemon();
        site.place("r/a.csv", GOOD);
        let first = site.complete("r/a.csv");
        let id = first["id"].as_str().unwrap();
        // Touched, and with the same content in its place: the same drop.
        touch(&site.path("drop/r/a.csv"), 60);
        let touched = wait("the touched file is another job", || {
            let job = site.complete("r/a.csv");
            (job["id"] != *id).then_some(job)
        });
        let reason = format!("the same content landed under this name as job {id}");
        assert_eq!(outcome(&touched), ("JobComplete", 0, 0, reason.as_str()));
        assert_eq!(touched["failed_rows"], Value::Null);
        site.place("r/b.csv", GOOD);
        let other = site.complete("r/b.csv");
        let reason = match policy {
            "load" => format!("loaded, though r/a.csv has the same content (job {id})"),
            _ => format!(
                "r/a.csv has the same content and landed as job {id}; `bulk.on_duplicate` is skip"
            ),
        };
        assert_eq!(outcome(&other), ("JobComplete", third, 0, reason.as_str()));
        // Another content under its name is loaded.
        site.place("r/a.csv", "id,name,amount\n3,c,3\n");
        let new = wait("the new content is another job", || {
            let job = site.complete("r/a.csv");
            (job["accepted"] == 1).then_some(job)
        });
        assert_eq!(outcome(&new), ("JobComplete", 1, 0, ""));
        daemon.stop();
        let rows = 3 + i64::try_from(third).unwrap();
        assert_eq!(site.proven(), [rows, rows, 0]);
    }
}

#[test]
fn too_many_rejects_fail_a_job_and_are_given_back() {
    let site = Site::new("max_rejects = 2");
    let daemon = site.daemon();
    site.place(
        "r/many.csv",
        "id,name,amount\n9,,1\nx,,1\ny,,1\n2,,2\nz,,1\n3,,3\n",
    );
    let (code, job) = site.ended("r/many.csv");
    assert_eq!(code, 1);
    let (state, _, rejected, reason) = outcome(&job);
    assert_eq!((state, rejected), ("Failed", 3));
    assert_eq!(
        reason,
        "more than 2 records are rejected (`bulk.max_rejects`), the last of them record 4; nothing landed"
    );
    let failed = site.text(&format!("{}/failed.csv", folder(&job)));
    let words = "id,wrong_type,\"a integer is wanted, a text was seen\"";
    let words = words.replace("a integer", "an integer");
    assert_eq!(
        failed,
        format!(
            "weir_line,weir_field,weir_code,weir_message,id,name,amount\n3,{words},x,,1\n4,{words},y,,1\n6,{words},z,,1\n"
        )
    );
    site.place("r/share.csv", "id,name,amount\nx,,1\n1,,1\ny,,1\n");
    let (code, job) = site.ended("r/share.csv");
    assert_eq!(
        (code, outcome(&job)),
        (
            1,
            (
                "Failed",
                1,
                2,
                "2 of 3 records are rejected, more than bulk.max_reject_ratio = 0.5 allows; nothing landed"
            )
        )
    );
    assert_eq!(
        site.text(job["failed_rows"].as_str().unwrap()),
        format!(
            "weir_line,weir_field,weir_code,weir_message,id,name,amount\n2,{words},x,,1\n4,{words},y,,1\n"
        )
    );
    // Half of them is allowed.
    site.place("r/half.csv", "id,name,amount\nx,,1\n1,,1\n");
    assert_eq!(
        outcome(&site.ended("r/half.csv").1),
        ("JobComplete", 1, 1, "")
    );
    daemon.stop();
    assert_eq!(site.proven(), [2, 1, 1]);
}

#[test]
fn files_without_records_are_complete() {
    let site = Site::new("");
    let daemon = site.daemon();
    for (key, text, reason) in [
        (
            "r/empty.csv",
            "",
            "the file ends before its header: there is nothing in it",
        ),
        (
            "r/alone.csv",
            "id,name,amount\n",
            "there is no record behind the header",
        ),
        (
            "r/bom.csv",
            "\u{feff}id,name,amount",
            "there is no record behind the header",
        ),
        (
            "r/blank.csv",
            "id,name,amount\n\n\r\n",
            "there is no record behind the header",
        ),
    ] {
        site.place(key, text);
        assert_eq!(
            outcome(&site.complete(key)),
            ("JobComplete", 0, 0, reason),
            "{key}"
        );
    }
    daemon.stop();
    assert_eq!(site.proven(), [0, 0, 0]);
}

#[test]
fn formulas_are_escaped_on_request() {
    let row = "=1+1,+a,@x\n";
    for (key, given) in [("false", "=1+1,+a,@x\n"), ("true", "'=1+1,'+a,'@x\n")] {
        let site = Site::new(&format!("escape_formulas = {key}\nmax_reject_ratio = 1.0"));
        let daemon = site.daemon();
        site.place("r/a.csv", format!("id,name,amount\n{row}1,a,1\n"));
        let (_, job) = site.ended("r/a.csv");
        assert_eq!(outcome(&job), ("JobComplete", 1, 1, ""));
        let failed = site.text(job["failed_rows"].as_str().unwrap());
        assert!(failed.ends_with(&format!(",{given}")), "{failed}");
        daemon.stop();
    }
}

#[test]
fn a_manifest_waits_for_its_files_and_lands_them_in_one_commit() {
    let site = Site::new("after = \"delete\"");
    let daemon = site.daemon();
    let manifest = json!({"operation": "append", "files": ["b.csv", "days/c.csv"], "dialect": {"delimiter": ";"}});
    site.place("r/all.job.json", manifest.to_string());
    site.place("r/b.csv", "id;name;amount\n1;a;1\n2;b;x\n");
    let open = wait("the manifest is open", || {
        let (_, shown) = site.json(&["jobs", "show", "r/all.job.json"]);
        (shown["job"]["reason"] == "waits for r/days/c.csv").then(|| shown["job"].clone())
    });
    assert_eq!(
        (&open["state"], &open["files"]),
        (&json!("Open"), &json!([]))
    );
    site.place("r/days/c.csv", "amount;id\n3;3\n");
    let (code, job) = site.ended("r/all.job.json");
    assert_eq!((code, outcome(&job)), (1, ("JobComplete", 2, 1, "")));
    assert_eq!(job["id"], open["id"]);
    let file = |key: &str, size: u64, accepted: u64, rejected: u64| {
        json!({"key": key, "etag": null, "size": size, "records": accepted + rejected,
            "accepted": accepted, "rejected": rejected, "skipped": 0})
    };
    assert_eq!(
        job["files"],
        json!([file("r/b.csv", 27, 1, 1), file("r/days/c.csv", 14, 1, 0)])
    );
    assert_eq!(
        site.text(job["failed_rows"].as_str().unwrap()),
        "weir_line;weir_field;weir_code;weir_message;id;name;amount\n\
         3;amount;wrong_type;a number is wanted, a text was seen;2;b;x\n"
    );
    wait("its files are deleted", || {
        let left = ["r/all.job.json", "r/b.csv", "r/days/c.csv"];
        (!left.iter().any(|key| site.has(key))).then_some(())
    });
    daemon.stop();
    assert_eq!(site.jobs(), [job], "its files are no jobs of their own");
    let (_, report) = site.json(&["verify", "r"]);
    assert_eq!(report["streams"][0]["sources"].as_array().unwrap().len(), 2);
    assert_eq!(site.proven(), [3, 2, 1]);
}

#[test]
fn files_of_a_manifest_are_known_by_key_and_content_as_others_are() {
    for policy in ["load", "skip"] {
        let site = Site::new(&format!("on_duplicate = \"{policy}\""));
        let daemon = site.daemon();
        let manifest = |files: &[&str]| json!({ "files": files }).to_string();
        site.place("r/one.job.json", manifest(&["a.csv", "b.csv"]));
        site.place("r/a.csv", GOOD);
        site.place("r/b.csv", "id,name,amount\n3,c,3\n");
        let one = site.complete("r/one.job.json");
        let of_one = format!("{} of r/one.job.json", one["id"].as_str().unwrap());
        // A new identity of the same file, by itself.
        std::fs::remove_file(site.path("drop/r/one.job.json")).unwrap();
        site.place("r/c.csv", "id,name,amount\n4,d,4\n");
        site.complete("r/c.csv");
        touch(&site.path("drop/r/a.csv"), 60);
        let touched = wait("the touched file is a job", || {
            let job = site.complete("r/a.csv");
            (job["id"] != one["id"]).then_some(job)
        });
        let reason = format!("the same content landed under this name as job {of_one}");
        assert_eq!(outcome(&touched), ("JobComplete", 0, 0, reason.as_str()));
        // In another manifest.
        std::fs::remove_file(site.path("drop/r/b.csv")).unwrap();
        site.place("r/two.job.json", manifest(&["d.csv", "b.csv"]));
        site.place("r/d.csv", "id,name,amount\n5,e,5\n");
        site.place("r/b.csv", "id,name,amount\n3,c,3\n");
        let (code, two) = site.ended("r/two.job.json");
        let reason = format!("r/b.csv landed before with the same content, as job {of_one}");
        assert_eq!((code, outcome(&two)), (1, ("Failed", 2, 0, &*reason)));
        // Under another name, by itself and in a manifest.
        site.place("r/e.csv", "id,name,amount\n3,c,3\n");
        let e = site.complete("r/e.csv");
        site.place("r/three.job.json", manifest(&["f.csv", "g.csv"]));
        site.place("r/f.csv", "id,name,amount\n6,f,6\n");
        site.place("r/g.csv", "id,name,amount\n3,c,3\n");
        let (_, three) = site.ended("r/three.job.json");
        if policy == "load" {
            let reason = format!("loaded, though r/b.csv has the same content (job {of_one})");
            assert_eq!(outcome(&e), ("JobComplete", 1, 0, reason.as_str()));
            let reason =
                format!("loaded, though r/g.csv has the content of r/b.csv (job {of_one})");
            assert_eq!(outcome(&three), ("JobComplete", 2, 0, reason.as_str()));
        } else {
            let skips = "`bulk.on_duplicate` is skip";
            let reason =
                format!("r/b.csv has the same content and landed as job {of_one}; {skips}");
            assert_eq!(outcome(&e), ("JobComplete", 0, 0, reason.as_str()));
            let reason = format!(
                "r/g.csv has the content of r/b.csv, which landed as job {of_one}; {skips}, and a job lands whole or not at all"
            );
            assert_eq!(outcome(&three), ("Failed", 2, 0, reason.as_str()));
        }
        let rows = if policy == "load" { 7 } else { 4 };
        assert_eq!(site.proven(), [rows, rows, 0]);
        // All of it once more, on request.
        let (_, asked) = site.json(&["jobs", "retry", "r/two.job.json", "--reload"]);
        let again = site.complete(asked["job"].as_str().unwrap());
        let reason = "an operator asked to load it again";
        assert_eq!(outcome(&again), ("JobComplete", 2, 0, reason));
        daemon.stop();
        assert_eq!(site.proven(), [rows + 2, rows + 2, 0]);
    }
}

#[test]
fn a_manifest_that_waits_is_aborted_and_tried_again() {
    let site = Site::new("");
    let daemon = site.daemon();
    let manifest = json!({"files": ["b.csv", "c.csv"]}).to_string();
    site.place("r/all.job.json", manifest);
    site.place("r/b.csv", GOOD);
    let show = || site.json(&["jobs", "show", "r/all.job.json"]).1["job"].clone();
    let open = wait("the manifest is open", || {
        let job = show();
        (job["reason"] == "waits for r/c.csv").then_some(job)
    });
    assert_eq!(open["state"], "Open");
    assert_eq!(site.json(&["jobs", "abort", "r/all.job.json"]).0, 0);
    let (code, job) = site.ended("r/all.job.json");
    let reason = "an operator ended it";
    assert_eq!((code, outcome(&job)), (1, ("Aborted", 0, 0, reason)));
    assert_eq!(job["id"], open["id"]);
    // Its files have come, and nobody takes them.
    site.place("r/c.csv", "id,nam,amount\n3,c,3\n");
    site.place("r/d.csv", "id,name,amount\n4,d,4\n");
    site.complete("r/d.csv");
    assert_eq!(show(), job);
    // Tried again it is read: its second file is wrong, and the first does not land either.
    assert_eq!(site.json(&["jobs", "retry", "r/all.job.json"]).0, 0);
    let (code, failed) = site.ended("r/all.job.json");
    assert_eq!(
        (code, outcome(&failed)),
        (
            1,
            (
                "Failed",
                2,
                0,
                "r/c.csv: the header does not fit the schema: column 2, \"nam\", is no field of the schema; did you mean \"name\"?"
            )
        )
    );
    assert_eq!(site.proven(), [1, 1, 0]);
    // With that file mended, and by another process, it is complete; and once more on request.
    daemon.stop();
    site.place("r/c.csv", "id,name,amount\n3,c,3\n");
    assert_eq!(site.json(&["jobs", "retry", "r/all.job.json"]).0, 0);
    let daemon = site.daemon();
    assert_eq!(
        outcome(&site.complete("r/all.job.json")),
        ("JobComplete", 3, 0, "")
    );
    daemon.stop();
    let (_, asked) = site.json(&["jobs", "retry", "r/all.job.json", "--reload"]);
    let daemon = site.daemon();
    let again = site.complete(asked["job"].as_str().unwrap());
    let reason = "an operator asked to load it again";
    assert_eq!(outcome(&again), ("JobComplete", 3, 0, reason));
    daemon.stop();
    assert_eq!(site.proven(), [7, 7, 0]);
}

#[test]
fn manifests_that_cannot_be_followed_fail_with_a_reason() {
    let site = Site::new("");
    let daemon = site.daemon();
    for (at, (manifest, reason)) in [
        (
            json!({"operation": "upsert", "files": ["a.csv"]}),
            "the manifest: the operation upsert needs a stream whose rows are kept by their key, and this one appends",
        ),
        (
            json!({"operation": "delete", "files": ["a.csv"]}),
            "the manifest: the operation delete needs a stream whose rows are kept by their key, and this one appends",
        ),
        (json!({"files": []}), "the manifest: it names no file"),
        (
            json!({"files": ["../a.csv"]}),
            "the manifest: \"../a.csv\" is no file beside it or below: names are relative to the manifest's folder",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let key = format!("r/{at}.job.json");
        site.place(&key, manifest.to_string());
        let (code, job) = site.ended(&key);
        assert_eq!((code, outcome(&job)), (1, ("Failed", 0, 0, reason)));
        assert_eq!(job["failed_rows"], Value::Null);
    }
    // The file that one of them names is no job; another beside it is.
    site.place("r/a.csv", GOOD);
    site.place("r/b.csv", GOOD);
    site.complete("r/b.csv");
    let (_, shown) = site.json(&["jobs", "show", "r/a.csv"]);
    assert_eq!(shown["job"]["told_by"], "drop");
    // Mended, the manifest is a new job.
    site.place("r/0.job.json", json!({"files": ["a.csv"]}).to_string());
    let job = wait("the mended manifest lands", || {
        let (_, job) = site.ended("r/0.job.json");
        (job["state"] == "JobComplete").then_some(job)
    });
    assert_eq!(outcome(&job).1, 2);
    daemon.stop();
    assert_eq!(site.proven(), [4, 4, 0]);
}

#[test]
fn a_complete_drop_is_deleted_where_that_is_wanted_and_a_failed_one_never() {
    let site = Site::new("after = \"delete\"");
    let daemon = site.daemon();
    site.place("r/bad.csv", "id,nam,amount\n1,a,1\n");
    assert_eq!(site.ended("r/bad.csv").0, 1);
    site.place("r/a.csv", GOOD);
    let first = site.complete("r/a.csv");
    wait("the drop is deleted", || {
        (!site.has("r/a.csv")).then_some(())
    });
    assert!(site.has("r/bad.csv"));
    // Dropped again, it is the same content under the same name.
    site.place("r/a.csv", GOOD);
    wait("the second drop is deleted", || {
        (!site.has("r/a.csv")).then_some(())
    });
    let again = site.complete("r/a.csv");
    let reason = format!(
        "the same content landed under this name as job {}",
        first["id"].as_str().unwrap()
    );
    assert_eq!(outcome(&again), ("JobComplete", 0, 0, reason.as_str()));
    // What is not there any more cannot be loaded again.
    let told = site.refused(&["jobs", "retry", "r/a.csv", "--reload"]);
    assert_eq!(told, "weir: r/a.csv is not in the bucket; drop it again\n");
    daemon.stop();
    assert_eq!(site.proven(), [2, 2, 0]);
}
