use std::collections::BTreeMap;

use crate::config::dialect::LineEnd;
use crate::config::{After, Config, OnDuplicate, Problems, load};

const SCHEMA: &str =
    r#"{"type": "record", "name": "R", "fields": [{"name": "n", "type": "long"}]}"#;

/// What a configuration with these sections in the stream is read as.
fn read(stream: &str) -> Result<Config, Problems> {
    read_with("", &[stream])
}

/// The same with these settings and several streams.
fn read_with(settings: &str, streams: &[&str]) -> Result<Config, Problems> {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let lake = folder.path().join("lake");
    write(
        "weir.toml",
        &format!("[lake]\nurl = \"file://{}\"\n{settings}", lake.display()),
    );
    write("schemas/r/1.avsc", SCHEMA);
    for (number, stream) in streams.iter().enumerate() {
        write(
            &format!("streams/s{number}.toml"),
            &format!(
                "source = \"e\"\nobject = \"o\"\ncategory = \"other\"\nschema = {{ subject = \"r\" }}\nprimary_key = [\"n\"]\n{stream}\n"
            ),
        );
    }
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
        (
            "[bulk]\nprefix = \"x/\"",
            "bulk.prefix: needs [bulk] in weir.toml",
        ),
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

const BUCKET: &str = "[bulk]\nurl = \"file:///tmp/drop\"\n";

#[test]
fn a_bucket_has_defaults_and_feeds_each_stream_from_its_prefix() {
    let config = read_with(
        BUCKET,
        &["[bulk]", "[bulk]\nprefix = \"a/b\"\nafter = \"delete\""],
    );
    let config = config.map_err(|p| p.to_string()).unwrap();
    let bucket = config.bucket.unwrap();
    assert_eq!(bucket.url.as_str(), "file:///tmp/drop");
    assert_eq!((bucket.poll.as_secs(), bucket.settle.as_secs()), (5, 5));
    let bulk = |at: usize| config.streams[at].bulk.clone().unwrap();
    assert_eq!((&*bulk(0).prefix, bulk(0).after), ("s0/", After::Keep));
    assert_eq!((&*bulk(1).prefix, bulk(1).after), ("a/b/", After::Delete));
}

#[test]
fn what_is_wrong_with_a_bucket_names_its_key() {
    for (settings, streams, told) in [
        ("[bulk]\n", &["[bulk]"][..], "bulk.url: is required"),
        (
            "[bulk]\nurl = \"http://x\"\n",
            &["[bulk]"],
            "must begin with file://",
        ),
        (
            "[bulk]\nurl = \"file:///d\"\npoll = \"0s\"\n",
            &["[bulk]"],
            "bulk.poll: \"0s\" must be above zero",
        ),
        (
            BUCKET,
            &["[bulk]\nprefix = \"/x\""],
            "must not begin with a slash",
        ),
        (
            BUCKET,
            &["[bulk]\nprefix = \"/\""],
            "must not begin with a slash",
        ),
        (
            BUCKET,
            &["[bulk]\nprefix = \"a//b\""],
            "nor hold two in a row",
        ),
        (
            BUCKET,
            &["[bulk]\nprefix = \"a/../b\""],
            "begins with a dot",
        ),
        (
            BUCKET,
            &["[bulk]\nprefix = \"_results/x\""],
            "where results go",
        ),
        (BUCKET, &["[bulk]\nafter = \"move\""], "bulk.after: "),
        (
            BUCKET,
            &["[bulk]\nprefix = \"a\"", "[bulk]\nprefix = \"a/b\""],
            "one key feeds one stream",
        ),
        (
            BUCKET,
            &["[bulk]\nprefix = \"\"", "[bulk]"],
            "one key feeds one stream",
        ),
    ] {
        let problems = read_with(settings, streams).expect_err(told).to_string();
        assert!(
            problems.contains(told),
            "{settings}{streams:?}\n{problems}\nshould tell: {told}"
        );
    }
    // `a` is no folder above `ab`.
    let beside = ["[bulk]\nprefix = \"a\"", "[bulk]\nprefix = \"ab\""];
    assert!(read_with(BUCKET, &beside).is_ok());
}

#[test]
fn columns_without_a_header_are_held_to_the_schema() {
    let read = |stream: &str, columns: &str| {
        let dialect = format!("[bulk.dialect]\nheader = false\ncolumns = {columns}");
        let read = read(&format!("{stream}\n[bulk]\n{dialect}"));
        read.map(|_| ()).map_err(|problems| {
            let told = problems.iter().map(|p| format!("{} {}", p.key, p.message));
            told.collect::<Vec<_>>()
        })
    };
    assert_eq!(read("", "[\"n\"]"), Ok(()));
    assert_eq!(
        read("", "[\"N\", \"other\"]"),
        Err(vec![
            "bulk.dialect.columns does not name \"n\", which the schema requires".to_owned(),
            "bulk.dialect.columns names \"N\", which is no field of the schema; did you mean \"n\"?"
                .to_owned(),
            "bulk.dialect.columns names \"other\", which is no field of the schema".to_owned(),
        ])
    );
    // As it is outside.
    let outside = "[names]\nn = \"The N\"";
    assert_eq!(read(outside, "[\"The N\"]"), Ok(()));
    assert!(read(outside, "[\"n\"]").is_err());
    let ignore = "unknown_fields = \"ignore\"";
    assert_eq!(read(ignore, "[\"n\", \"other\"]"), Ok(()));
}

#[test]
fn a_number_may_be_0_where_that_means_something() {
    let of = |key: &str| {
        let read = read(&format!("[bulk.dialect]\n{key}"));
        read.map(|_| ()).map_err(|problems| {
            problems
                .iter()
                .map(|p| p.message.clone())
                .collect::<String>()
        })
    };
    assert_eq!(of("skip_lines = 0"), Ok(()));
    assert_eq!(of("skip_lines = -1"), Err("must be 0 or more".to_owned()));
    let words = "does not tell date, hour and minute; as in \"%Y-%m-%d %H:%M:%S\"";
    assert_eq!(of("timestamp_format = \"%Q\""), Err(words.to_owned()));
}

#[test]
fn columns_may_be_for_a_version_that_is_not_in_force_yet() {
    let columns =
        "unknown_fields = \"reject\"\n[bulk]\n[bulk.dialect]\nheader = false\ncolumns = [\"n\"]";
    let config = read(columns).map_err(|p| p.to_string()).unwrap();
    let other = r#"{"type": "record", "name": "R", "fields": [
        {"name": "n", "type": "long"}, {"name": "m", "type": "long"}]}"#;
    let schema = crate::schema::parse::parse("r", 2, other, false).unwrap();
    let stream = config.streams[0].at_version(&schema).unwrap();
    assert_eq!(stream.schema.version, 2);
}
