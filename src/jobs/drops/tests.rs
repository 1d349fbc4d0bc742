use std::sync::Arc;

use super::*;
use crate::config::dialect::DialectKeys;
use crate::config::{After, OnDuplicate};

fn read(text: &str) -> Manifest {
    let keys = DialectKeys::default();
    let bulk = Bulk {
        prefix: "orders/".to_owned(),
        after: After::Keep,
        on_duplicate: OnDuplicate::Load,
        max_reject_ratio: 0.5,
        max_rejects: 1,
        escape_formulas: false,
        dialect: Arc::new(Dialect::new(&keys).unwrap()),
        dialect_keys: keys,
    };
    Manifest::read("orders/2026/all.job.json", text.as_bytes(), &bulk)
}

#[test]
fn files_are_named_from_the_manifests_folder() {
    let manifest = read(r#"{"operation": "append", "files": ["a.csv", "days/b.csv.gz"]}"#);
    assert_eq!(manifest.fault, None);
    let keys: Vec<&str> = manifest.files.iter().map(|key| &**key).collect();
    assert_eq!(keys, ["orders/2026/a.csv", "orders/2026/days/b.csv.gz"]);
    assert!(manifest.dialect.is_none());
}

#[test]
fn a_dialect_changes_the_keys_that_it_names() {
    let manifest = read(
        r#"{"files": ["a.csv"], "dialect": {"delimiter": ";", "null": ["NA"], "max_record_bytes": "2MiB"}}"#,
    );
    assert_eq!(manifest.fault, None);
    let dialect = manifest.dialect.unwrap();
    assert_eq!(dialect.delimiter, ";");
    assert_eq!(dialect.null, ["NA"]);
    assert_eq!(dialect.max_record_bytes, 2 << 20);
    assert_eq!(dialect.quote, Some(b'"'));
}

#[test]
fn what_is_wrong_is_said() {
    for (text, words) in [
        ("{", "not readable"),
        (r#"{"files": ["a.csv"], "file": 1}"#, "unknown field `file`"),
        (r#"{"operation": "append"}"#, "missing field `files`"),
        (r#"{"files": []}"#, "names no file"),
        (
            r#"{"operation": "upsert", "files": ["a.csv"]}"#,
            "upsert needs a stream",
        ),
        (
            r#"{"operation": "delete", "files": ["a.csv"]}"#,
            "delete needs a stream",
        ),
        (
            r#"{"operation": "move", "files": ["a.csv"]}"#,
            "no operation \"move\"",
        ),
        (r#"{"files": ["../a.csv"]}"#, "no file beside it"),
        (r#"{"files": ["/a.csv"]}"#, "no file beside it"),
        (r#"{"files": ["a//b.csv"]}"#, "no file beside it"),
        (r#"{"files": ["a.txt"]}"#, "no CSV file"),
        (r#"{"files": [".a.csv"]}"#, "no CSV file"),
        (r#"{"files": ["a.csv", "a.csv"]}"#, "twice"),
        (
            r#"{"files": ["a.csv"], "dialect": {"delimeter": ";"}}"#,
            "delimeter",
        ),
        (
            r#"{"files": ["a.csv"], "dialect": {"delimiter": ""}}"#,
            "delimiter",
        ),
        (r#"{"files": ["a.csv"], "dialect": {"trim": 1}}"#, "dialect"),
    ] {
        let fault = read(text)
            .fault
            .unwrap_or_else(|| panic!("{text} is taken"));
        assert!(fault.contains(words), "{text}: {fault}");
    }
    // Its files are known all the same, and are no jobs of their own.
    let keyed = read(r#"{"operation": "upsert", "files": ["a.csv"]}"#);
    assert_eq!(keyed.files.len(), 1);
}
