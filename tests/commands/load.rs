//! `weir load`: files as jobs, their results, and that nothing lands twice.

use std::path::{Path, PathBuf};
#[cfg(debug_assertions)]
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::house::{Done, weir};
#[cfg(debug_assertions)]
use crate::site::wait;

const SCHEMA: &str = r#"{"type": "record", "name": "R", "fields": [
    {"name": "id", "type": "long"},
    {"name": "name", "type": ["null", "string"], "default": null},
    {"name": "amount", "type": "double"}]}"#;

/// A configuration of one stream, and files beside it.
struct House(TempDir);

impl House {
    fn new(bulk: &str) -> Self {
        let house = Self(tempfile::tempdir().unwrap());
        let lake = house.path("lake");
        house.write(
            "weir.toml",
            format!(
                "[lake]\nurl = \"file://{}\"\nfsync = false\n",
                lake.display()
            ),
        );
        house.write("schemas/r/1.avsc", SCHEMA);
        house.write(
            "streams/r.toml",
            format!(
                "source = \"s\"\nobject = \"o\"\ncategory = \"other\"\nschema = {{ subject = \"r\" }}\nprimary_key = [\"id\"]\n[bulk]\n{bulk}\n"
            ),
        );
        house
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Done {
        weir(&self.path("weir.toml"), arguments)
    }

    /// Loads a file: the exit code and its job.
    fn load(&self, file: &str) -> (i32, Value) {
        let file = self.path(file).display().to_string();
        let done = self.run(&["load", "r", &file, "--format", "json"]);
        let document: Value = serde_json::from_str(&done.stdout)
            .unwrap_or_else(|e| panic!("{e}: {}{}", done.stdout, done.stderr));
        assert_eq!(document["ok"], json!(done.code == 0), "{document:#}");
        (done.code, document["jobs"][0].clone())
    }

    /// What the proof says was read, accepted and rejected.
    fn proven(&self) -> [i64; 3] {
        let done = self.run(&["verify", "r", "--format", "json"]);
        assert_eq!(done.code, 0, "{}", done.stdout);
        let report: Value = serde_json::from_str(&done.stdout).unwrap();
        let sources = report["streams"][0]["sources"].as_array().unwrap().clone();
        let sum = |name: &str| sources.iter().map(|s| s[name].as_i64().unwrap()).sum();
        ["read", "accepted", "rejected"].map(sum)
    }
}

fn folder(job: &Value) -> PathBuf {
    Path::new(job["failed_rows"].as_str().unwrap())
        .parent()
        .unwrap()
        .to_owned()
}

const MIXED: &str =
    "id,name,amount\n1,\"a, b\",1.5\n2,,x\n3,\"broken\n4,\"say \"\"hi\"\"\",2\n,n,1\n6,only two\n";

#[test]
fn good_rows_land_and_bad_ones_come_back_to_be_mended() {
    let house = House::new("max_reject_ratio = 0.9");
    house.write("a.csv", MIXED);
    let (code, job) = house.load("a.csv");
    assert_eq!((code, &job["state"]), (1, &json!("JobComplete")), "{job:#}");
    assert_eq!([&job["accepted"], &job["rejected"]], [&json!(2), &json!(4)]);
    assert_eq!(job["files"][0]["records"], 6);
    assert_eq!(house.proven(), [6, 2, 4]);
    let folder = folder(&job);
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    assert_eq!(
        read("failed.csv"),
        "weir_line,weir_field,weir_code,weir_message,id,name,amount\n\
         3,amount,wrong_type,\"a number is wanted, a text was seen\",2,,x\n\
         6,id,null_key,null stands in a primary key,,n,1\n\
         7,,csv_columns,\"the record has 2 cells, and there are 3 columns\",6,only two\n"
    );
    assert_eq!(
        read("failed.txt"),
        "4\ttext stands behind a closing quote\t3,\"broken\n"
    );
    let told: Value = serde_json::from_str(&read("job.json")).unwrap();
    assert_eq!(told, job);

    // The rejects table has the line, and the bytes as sent.
    let done = house.run(&["rejects", "show", "r", "--format", "json"]);
    let rejects: Value = serde_json::from_str(&done.stdout).unwrap();
    let lines: Vec<i64> = rejects["rejects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["line"].as_i64().unwrap())
        .collect();
    let mut sorted = lines.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, [3, 4, 6, 7], "{lines:?}");

    // Mended, those rows land and no others.
    let mended = read("failed.csv")
        .replace(",2,,x\n", ",2,,2.5\n")
        .replace(",,n,1\n", ",5,n,1\n");
    house.write(
        "mended.csv",
        mended.replace(",6,only two\n", ",6,only two,6\n"),
    );
    let (code, job) = house.load("mended.csv");
    assert_eq!((code, &job["accepted"]), (0, &json!(3)), "{job:#}");
    assert_eq!(house.proven(), [9, 5, 4]);
}

#[test]
fn nothing_lands_twice() {
    for (policy, third) in [("load", 2), ("skip", 0)] {
        let house = House::new(&format!("on_duplicate = \"{policy}\""));
        let text = "id,name,amount\n1,a,1\n2,b,2\n";
        house.write("a.csv", text);
        assert_eq!(house.load("a.csv").1["accepted"], 2);
        // As it is; touched; under another name; another content under its name.
        let (code, job) = house.load("a.csv");
        assert_eq!((code, &job["accepted"]), (0, &json!(2)), "{job:#}");
        assert!(
            job["reason"]
                .as_str()
                .unwrap()
                .contains("this very file landed before"),
            "{job:#}"
        );
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(60);
        let file = std::fs::File::options()
            .write(true)
            .open(house.path("a.csv"))
            .unwrap();
        file.set_modified(later).unwrap();
        let (code, job) = house.load("a.csv");
        assert_eq!((code, &job["accepted"]), (0, &json!(0)), "{job:#}");
        assert!(
            job["reason"]
                .as_str()
                .unwrap()
                .contains("landed under this name"),
            "{job:#}"
        );
        house.write("b.csv", text);
        let (code, job) = house.load("b.csv");
        assert_eq!((code, &job["accepted"]), (0, &json!(third)), "{job:#}");
        assert!(
            job["reason"].as_str().unwrap().contains("same content"),
            "{job:#}"
        );
        house.write("a.csv", "id,name,amount\n3,c,3\n");
        assert_eq!(house.load("a.csv").1["accepted"], 1);
        let rows = 3 + third;
        assert_eq!(house.proven(), [rows, rows, 0]);
    }
}

#[cfg(debug_assertions)]
#[test]
fn a_file_that_landed_is_told_of_as_the_ledger_does() {
    let house = House::new("max_reject_ratio = 0.9");
    house.write("a.csv", MIXED);
    let told = |job: &Value| {
        let counts = ["accepted", "rejected"].map(|name| job[name].as_u64().unwrap());
        assert_eq!(job["files"][0]["records"], 6, "{job:#}");
        (counts, job["reason"].as_str().unwrap_or("").to_owned())
    };
    // A crash behind the commit: the rows that were given back may not be all there.
    let crashed = Command::new(env!("CARGO_BIN_EXE_weir"))
        .arg("--config")
        .arg(house.path("weir.toml"))
        .args(["load", "r"])
        .arg(house.path("a.csv"))
        .env("WEIR_FAIL_POINT", "after_job:1")
        .output()
        .unwrap();
    assert_eq!(crashed.status.code(), None, "{crashed:?}");
    let again = "this very file landed before, at version 1 of the table; nothing is loaded twice";
    for _ in 0..2 {
        let (code, job) = house.load("a.csv");
        let id = job["id"].as_str().unwrap();
        let reason = format!(
            "{again}; its rejected rows are in the rejects table, where _weir_source_id is bulk:{id}"
        );
        assert_eq!((code, told(&job)), (1, ([2, 4], reason)));
        assert_eq!(job["failed_rows"], Value::Null);
        let folder = house.path(&format!("_results/a.csv/{id}"));
        let left: Vec<_> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["job.json"]);
        let document = std::fs::read_to_string(folder.join("job.json")).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&document).unwrap(), job);
        assert_eq!(house.proven(), [6, 2, 4]);
    }
    // What came back of a run that came to its end is there yet.
    house.write("b.csv", MIXED.replace("say", "cry"));
    let (_, first) = house.load("b.csv");
    let failed = std::fs::read(first["failed_rows"].as_str().unwrap()).unwrap();
    let (code, job) = house.load("b.csv");
    let again = again.replace("version 1", "version 2");
    assert_eq!((code, told(&job)), (1, ([2, 4], again)));
    assert_eq!(job["failed_rows"], first["failed_rows"]);
    let kept = std::fs::read(job["failed_rows"].as_str().unwrap()).unwrap();
    assert_eq!(kept, failed);
    assert_eq!(house.proven(), [12, 4, 8]);
}

#[test]
fn the_same_content_loaded_at_once_under_two_names_is_flagged_or_skipped() {
    for (policy, rows) in [("load", 2), ("skip", 0)] {
        let house = House::new(&format!("on_duplicate = \"{policy}\""));
        for name in ["a.csv", "b.csv"] {
            house.write(name, "id,name,amount\n1,a,1\n2,b,2\n");
        }
        let told = std::fs::File::create(house.path("told")).unwrap();
        let mut slow = Command::new(env!("CARGO_BIN_EXE_weir"))
            .arg("--config")
            .arg(house.path("weir.toml"))
            .args(["load", "r", "--format", "json"])
            .arg(house.path("a.csv"))
            .env("WEIR_FAIL_POINT", "before_put:1:freeze")
            .stdout(told)
            .spawn()
            .unwrap();
        let id = slow.id().to_string();
        wait("it sleeps right before its commit", || {
            let state = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
            state.contains(") T ").then_some(())
        });
        assert_eq!(house.load("b.csv").1["accepted"], 2);
        let woken = Command::new("kill").args(["-CONT", &id]).status();
        assert!(woken.unwrap().success());
        assert_eq!(slow.wait().unwrap().code(), Some(0));
        let told = std::fs::read_to_string(house.path("told")).unwrap();
        let told: Value = serde_json::from_str(&told).unwrap();
        let job = &told["jobs"][0];
        assert_eq!(job["accepted"], rows, "{job:#}");
        let reason = job["reason"].as_str().unwrap();
        assert!(reason.contains("b.csv has the same content"), "{job:#}");
        assert_eq!(house.proven(), [2 + rows, 2 + rows, 0]);
    }
}

#[test]
fn a_job_that_fails_lands_nothing() {
    let house = House::new("max_rejects = 2\n[bulk.dialect]\nnull = [\"NA\"]");
    for (name, bytes, reason) in [
        (
            "head.csv",
            "id,nam,amount\n1,a,1\n".into(),
            "did you mean \"name\"?",
        ),
        (
            "less.csv",
            "id,name\n1,a\n".into(),
            "there is no column \"amount\"",
        ),
        (
            "many.csv",
            "id,name,amount\nx,,1\n1,,1\ny,,1\nz,,1\n2,,2\n".into(),
            "more than 2 records are rejected",
        ),
        (
            "share.csv",
            "id,name,amount\nx,,1\n1,,1\ny,,1\n".into(),
            "2 of 3 records are rejected",
        ),
        (
            "packed.csv.gz",
            vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1],
            "",
        ),
    ] as [(&str, Vec<u8>, &str); 5]
    {
        house.write(name, bytes);
        let (code, job) = house.load(name);
        assert_eq!((code, &job["state"]), (1, &json!("Failed")), "{job:#}");
        assert!(job["reason"].as_str().unwrap().contains(reason), "{job:#}");
    }
    assert_eq!(house.proven(), [0, 0, 0]);
    for (name, text) in [("empty.csv", ""), ("alone.csv", "id,name,amount\n")] {
        house.write(name, text);
        let (code, job) = house.load(name);
        assert_eq!((code, &job["state"]), (0, &json!("JobComplete")), "{job:#}");
        assert!(job["reason"].is_string(), "{job:#}");
    }
    // A null token, and the same rows as they are.
    house.write("null.csv", "amount,id,name\n1,1,NA\n1,2,\"NA\"\n");
    assert_eq!(house.load("null.csv").1["accepted"], 2);
    assert_eq!(house.proven(), [2, 2, 0]);
}

#[test]
fn what_cannot_be_loaded_is_told() {
    let house = House::new("");
    let missing = house.path("no.csv").display().to_string();
    let done = house.run(&["load", "r", &missing]);
    assert_eq!(done.code, 2, "{}", done.stderr);
    assert!(
        done.stderr.contains("no.csv cannot be read"),
        "{}",
        done.stderr
    );
    let done = house.run(&["load", "s", &missing]);
    assert_eq!(done.code, 2);
    assert!(
        done.stderr.contains("there is no stream s"),
        "{}",
        done.stderr
    );
    let done = house.run(&["run"]);
    assert_eq!(done.code, 2, "{}", done.stderr);
    assert!(
        done.stderr.contains("no stream has topics"),
        "{}",
        done.stderr
    );
}

#[test]
fn what_a_new_schema_would_do_to_a_file_is_told() {
    let house = House::new("");
    house.write(
        "a.csv",
        "id,name,amount\n1,a,1\n2,,2\n3,c,x\n4,\"q\"r\n5,,5\n",
    );
    let required = SCHEMA.replace(
        r#""type": ["null", "string"], "default": null"#,
        r#""type": "string", "default": """#,
    );
    house.write("new.avsc", &required);
    let [new, file] = ["new.avsc", "a.csv"].map(|name| house.path(name).display().to_string());
    let ask = |new: &str| {
        let words = [
            "schema", "what-if", "r", new, "--file", &file, "--format", "json",
        ];
        house.run(&words)
    };
    let done = ask(&new);
    assert_eq!(done.code, 1, "{}", done.stderr);
    let told: Value = serde_json::from_str(&done.stdout).unwrap();
    let records = &told["records"];
    assert_eq!(records["source"], "file");
    assert_eq!(
        (&records["messages"], &records["in_force"], &records["new"]),
        (
            &json!(5),
            &json!({"accepted": 3, "rejected": 2}),
            &json!({"accepted": 1, "rejected": 4})
        ),
        "{records:#}"
    );
    assert_eq!(
        (&records["worse"], &records["better"]),
        (&json!(2), &json!(0))
    );
    let group = &records["groups"][0];
    assert_eq!(
        (&group["code"], &group["field"]),
        (&json!("null_value"), &json!("name"))
    );
    assert_eq!(group["example"]["offset"], 1, "{group:#}");
    // Nothing was touched.
    assert!(!house.path("lake/r__dll").exists());
    house.write("new.avsc", required.replace("amount", "price"));
    let done = ask(&new);
    assert_eq!(done.code, 1);
    assert!(
        done.stderr.contains("its header does not fit"),
        "{}",
        done.stderr
    );
}
