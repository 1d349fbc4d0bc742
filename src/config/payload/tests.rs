use std::collections::BTreeMap;

use crate::config::{Config, Framing, PayloadFormat, Problems, load};

const SCHEMA: &str =
    r#"{"type": "record", "name": "R", "fields": [{"name": "n", "type": "long"}]}"#;

/// What a configuration with these lines in `[topics]` is read as.
fn read(registry: bool, topics: &str) -> Result<Config, Problems> {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let registry = match registry {
        true => "[registry]\nurl = \"http://127.0.0.1:1\"\n",
        false => "",
    };
    let lake = folder.path().join("lake");
    write(
        "weir.toml",
        &format!(
            "[kafka]\nbrokers = \"127.0.0.1:9\"\n[lake]\nurl = \"file://{}\"\n{registry}",
            lake.display()
        ),
    );
    write("schemas/r/1.avsc", SCHEMA);
    write(
        "schemas/w/1.avsc",
        r#"{"type": "record", "name": "R", "fields": [{"name": "n", "type": "int"}, {"name": "m", "type": {"type": "array", "items": ["null", "int", "string"]}}]}"#,
    );
    write(
        "schemas/w/2.avsc",
        r#"{"type": "record", "name": "R", "fields": [{"name": "n", "type": "string"}]}"#,
    );
    write("schemas/w/3.avsc", r#"{"type": "record", "name": "R"}"#);
    write(
        "streams/s.toml",
        &format!(
            "source = \"e\"\nobject = \"o\"\ncategory = \"other\"\nschema = {{ subject = \"r\" }}\nprimary_key = [\"n\"]\n[topics]\nnames = [\"t\"]\n{topics}\n"
        ),
    );
    load(&folder.path().join("weir.toml"), &BTreeMap::new())
}

fn refused(registry: bool, topics: &str) -> String {
    let problems = read(registry, topics).expect_err(topics);
    problems.to_string()
}

#[test]
fn formats_and_framings_that_go_together() {
    let payload = |topics: &str| {
        let config = read(true, topics).map_err(|p| p.to_string()).unwrap();
        let topics = config.streams[0].topics.clone().unwrap();
        (
            topics.format,
            topics.framing,
            topics.writer.map(|w| w.name.to_string()),
        )
    };
    use Framing as F;
    use PayloadFormat as P;
    assert_eq!(payload("format = \"json\""), (P::Json, F::None, None));
    for (name, framing) in [
        ("registry", F::Registry),
        ("header", F::Header),
        ("none", F::None),
    ] {
        let topics = format!("format = \"json-envelope\"\nframing = {name:?}");
        assert_eq!(payload(&topics), (P::JsonEnvelope, framing, None));
    }
    for (name, framing) in [
        ("registry", F::Registry),
        ("header", F::Header),
        ("single-object", F::SingleObject),
    ] {
        let topics = format!("format = \"avro\"\nframing = {name:?}");
        assert_eq!(payload(&topics), (P::Avro, framing, None));
    }
    let bare = "format = \"avro\"\nframing = \"none\"\nwriter = { subject = \"w\", version = 1 }";
    assert_eq!(payload(bare), (P::Avro, F::None, Some("w/1".to_owned())));
}

#[test]
fn what_does_not_go_together_is_told() {
    let avro = "format = \"avro\"\n";
    for (registry, topics, told) in [
        (true, "format = \"protobuf\"".to_owned(), "protobuf"),
        (
            true,
            avro.to_owned(),
            "topics.framing: is required with format \"avro\"",
        ),
        (
            true,
            format!("{avro}framing = \"none\""),
            "topics.writer: is required with framing \"none\"",
        ),
        (
            false,
            format!("{avro}framing = \"registry\""),
            "topics.framing: needs [registry] in weir.toml",
        ),
        (
            false,
            format!("{avro}framing = \"header\""),
            "topics.framing: needs [registry]",
        ),
        (
            false,
            "format = \"json\"\nframing = \"single-object\"".to_owned(),
            "single-object encoding holds Avro",
        ),
        (
            false,
            "format = \"json\"\nwriter = { subject = \"w\", version = 1 }".to_owned(),
            "topics.writer: goes with format \"avro\"",
        ),
        (
            false,
            format!("{avro}framing = \"none\"\nwriter = {{ subject = \"w\" }}"),
            "topics.writer.version: is required as a number",
        ),
        (
            false,
            format!("{avro}framing = \"none\"\nwriter = {{ subject = \"w\", version = 9 }}"),
            "9.avsc: cannot be read",
        ),
        (
            false,
            format!("{avro}framing = \"none\"\nwriter = {{ subject = \"w\", version = 3 }}"),
            "topics.writer.version: w/3: ",
        ),
        (
            false,
            format!("{avro}framing = \"none\"\nwriter = {{ registry = \"w\", version = 1 }}"),
            "topics.writer.registry: needs [registry]",
        ),
        (
            false,
            format!("{avro}framing = \"none\"\nwriter = {{ subject = \"w\", version = 2 }}"),
            "topics.writer: records of w/2 cannot be read with r version 1: n: ",
        ),
        (
            false,
            format!("{avro}framing = \"none\"\nwriter = {{ subject = \"w\", versoin = 2 }}"),
            "topics.writer.versoin: unknown key; did you mean `topics.writer.version`?",
        ),
    ] {
        let problems = refused(registry, &topics);
        assert!(
            problems.contains(told),
            "{topics}\n{problems}\nshould tell: {told}"
        );
    }
}
