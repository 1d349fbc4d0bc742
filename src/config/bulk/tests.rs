use std::collections::BTreeMap;

use crate::config::dialect::LineEnd;
use crate::config::{Config, OnDuplicate, Problems, load};

const SCHEMA: &str =
    r#"{"type": "record", "name": "R", "fields": [{"name": "n", "type": "long"}]}"#;

/// What a configuration with these sections in the stream is read as.
fn read(stream: &str) -> Result<Config, Problems> {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let lake = folder.path().join("lake");
    write(
        "weir.toml",
        &format!("[lake]\nurl = \"file://{}\"\n", lake.display()),
    );
    write("schemas/r/1.avsc", SCHEMA);
    write(
        "streams/s.toml",
        &format!(
            "source = \"e\"\nobject = \"o\"\ncategory = \"other\"\nschema = {{ subject = \"r\" }}\nprimary_key = [\"n\"]\n{stream}\n"
        ),
    );
    load(&folder.path().join("weir.toml"), &BTreeMap::new())
}

#[test]
fn defaults_are_those_of_the_interface() {
    let config = read("[bulk]").map_err(|p| p.to_string()).unwrap();
    let stream = &config.streams[0];
    assert!(stream.topics.is_none());
    let bulk = stream.bulk.clone().unwrap();
    assert_eq!(bulk.on_duplicate, OnDuplicate::Load);
    assert_eq!((bulk.max_reject_ratio, bulk.max_rejects), (0.5, 1_000_000));
    assert!(!bulk.escape_formulas);
    assert_eq!(bulk.dialect.line_end, LineEnd::Auto);
    assert_eq!(bulk.dialect.max_record_bytes, 1 << 20);
}

#[test]
fn every_key_is_read() {
    let stream = r##"[bulk]
on_duplicate = "skip"
max_reject_ratio = 0
max_rejects = 7
escape_formulas = true
[bulk.dialect]
delimiter = ";"
quote = "'"
escape = "\\"
quotes = "lenient"
line_end = "lf"
encoding = "latin1"
null = ["NA", "-"]
header = false
columns = ["n"]
skip_lines = 0
comment = "#"
trim = true
decimal = ","
date_format = "%d.%m.%Y"
timestamp_format = "%d.%m.%Y %H:%M:%S"
max_record_bytes = "2MiB""##;
    let config = read(stream).map_err(|p| p.to_string()).unwrap();
    let bulk = config.streams[0].bulk.clone().unwrap();
    assert_eq!(bulk.on_duplicate, OnDuplicate::Skip);
    assert_eq!((bulk.max_reject_ratio, bulk.max_rejects), (0.0, 7));
    assert!(bulk.escape_formulas);
    let dialect = &bulk.dialect;
    assert_eq!(
        (&*dialect.delimiter, dialect.quote, dialect.escape),
        (";", Some(b'\''), Some(b'\\'))
    );
    assert!(dialect.lenient && dialect.trim);
    assert_eq!(dialect.line_end, LineEnd::Lf);
    assert_eq!(dialect.null, ["NA", "-"]);
    assert_eq!(dialect.columns.as_deref(), Some(&["n".to_owned()][..]));
    assert_eq!(
        (dialect.comment.as_deref(), dialect.decimal),
        (Some("#"), b',')
    );
    assert!(dialect.date_format.is_some() && dialect.timestamp_format.is_some());
    assert_eq!(dialect.max_record_bytes, 2 << 20);
}

#[test]
fn what_is_wrong_names_its_key() {
    for (stream, told) in [
        ("", "topics: is required, or [bulk]"),
        ("[bulk]\nprefix = \"x/\"", "bulk.prefix: is not supported"),
        (
            "[bulk]\nmax_reject_ratio = 1.5",
            "bulk.max_reject_ratio: must be a number from 0 to 1",
        ),
        (
            "[bulk]\nmax_rejects = 0",
            "bulk.max_rejects: must be a whole number above zero",
        ),
        ("[bulk]\non_duplicate = \"burn\"", "bulk.on_duplicate: "),
        (
            "[bulk.dialect]\ndelimiter = \"\"",
            "bulk.dialect.delimiter: ",
        ),
        (
            "[bulk.dialect]\nquotez = \"'\"",
            "unknown key; did you mean `bulk.dialect.quote",
        ),
    ] {
        let problems = read(stream).expect_err(stream).to_string();
        assert!(
            problems.contains(told),
            "{stream}\n{problems}\nshould tell: {told}"
        );
    }
}
