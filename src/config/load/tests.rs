mod registry;
mod versions;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::config::{Category, Config, PartitionBy, Problems, Start, TopicSelect, load};

const SETTINGS: &str = r#"
[instance]
id = "test"
[kafka]
brokers = "127.0.0.1:9092"
[lake]
url = "file:///tmp/lake/"
"#;

const STREAM: &str = r#"
source = "ecomm"
object = "orders"
category = "engagement"
schema = { subject = "orders" }
primary_key = ["order_id"]
event_time = "created_at"
partition_by = ["day(created_at)"]
[topics]
names = ["orders"]
format = "json"
"#;

const SCHEMA: &str = r#"{"type": "record", "name": "Order", "fields": [
    {"name": "order_id", "type": "string"},
    {"name": "amount", "type": "double"},
    {"name": "note", "type": ["null", "string"], "default": null},
    {"name": "created_at", "type": {"type": "long", "logicalType": "timestamp-micros"}}
]}"#;

/// A configuration in a folder of its own.
struct Folder(TempDir);

impl Folder {
    fn new(settings: &str, streams: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folder = Self(dir);
        folder.write("weir.toml", settings);
        folder.write("schemas/orders/1.avsc", SCHEMA);
        for (name, text) in streams {
            folder.write(&format!("streams/{name}.toml"), text);
        }
        folder
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("weir.toml")
    }

    fn load(&self, env: &[(&str, &str)]) -> Result<Config, Problems> {
        let env: BTreeMap<String, String> = env
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        load(&self.path(), &env)
    }

    /// The problems without the folder's path.
    fn problems(&self, env: &[(&str, &str)]) -> Vec<String> {
        let prefix = format!("{}/", self.0.path().display());
        let problems = self.load(env).expect_err("the configuration has faults");
        problems
            .iter()
            .map(|p| p.to_string().replace(&prefix, ""))
            .collect()
    }

    /// The version that a start goes by, and the one that it goes on without.
    fn refused(&self) -> (u32, Option<u32>, Vec<String>) {
        let config = self.load(&[]).unwrap();
        let refused = config.refused["orders"].clone();
        let version = config.streams[0].schema.version;
        (version, refused.version, refused.reasons)
    }
}

/// The one problem of `stream`, from its line on.
fn stream_problem(from: &str, to: &str) -> Vec<String> {
    assert!(STREAM.contains(from), "{from}");
    Folder::new(SETTINGS, &[("orders", &STREAM.replace(from, to))]).problems(&[])
}

#[test]
fn the_sample_is_right() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/weir.toml");
    let config = load(&path, &BTreeMap::new()).unwrap();
    assert_eq!(config.instance, "weir-0");
    assert_eq!(config.lake.url.as_str(), "file:///var/lib/weir/lake");
    assert_eq!(config.memory_budget, 256 << 20);
    let [stream] = config.streams.as_slice() else {
        panic!("one stream, not {}", config.streams.len());
    };
    assert_eq!(stream.name, "orders");
    assert_eq!(stream.category, Category::Engagement);
    assert_eq!(stream.flush.max_age, Duration::from_secs(10));
    assert_eq!(
        stream.partition_by,
        [PartitionBy::Day("created_at".to_owned())]
    );
    assert!(stream.schema.root.fields[0].is_key);
    assert!(!stream.schema.root.fields[1].is_key);
}

#[test]
fn defaults_hold_where_nothing_is_said() {
    let folder = Folder::new(SETTINGS, &[("orders", STREAM)]);
    let config = folder.load(&[]).unwrap();
    assert_eq!(config.kafka.unwrap().group, "weir");
    assert_eq!(config.lake.url.path(), "/tmp/lake");
    assert!(config.lake.fsync);
    assert_eq!(config.http_listen.to_string(), "127.0.0.1:9464");
    assert_eq!(config.shutdown_grace, Duration::from_secs(25));
    let topics = config.streams[0].topics.clone().unwrap();
    assert_eq!(topics.start, Start::Earliest);
    assert_eq!(topics.max_message_bytes, 16 << 20);
    assert_eq!(topics.max_records_per_message, 100_000);
}

#[test]
fn five_faults_are_named_at_once() {
    let settings = "\
[kafka]
brokerz = \"127.0.0.1:9092\"
[kafka.properties]
\"enable.auto.commit\" = \"true\"
[lake]
url = \"file:///tmp/lake\"
[flush]
max_age = \"ten\"
";
    let stream = STREAM
        .replace("event_time = \"created_at\"\n", "")
        .replace("[\"order_id\"]", "[\"order_idd\"]");
    let folder = Folder::new(settings, &[("orders", &stream)]);
    let problems = folder.problems(&[]);
    let expected = [
        "weir.toml:2: kafka.brokerz: unknown key; did you mean `kafka.brokers`?",
        "weir.toml:4: enable.auto.commit",
        "weir.toml:8: flush.max_age: \"ten\" is no duration",
        "streams/orders.toml: event_time: is required for the category engagement",
        "streams/orders.toml:6: primary_key: \"order_idd\" is no field of the schema; did you mean `order_id`?",
    ];
    for text in expected {
        let parts: Vec<&str> = text.splitn(2, ": ").collect();
        assert!(
            problems
                .iter()
                .any(|p| p.starts_with(parts[0]) && p.contains(parts[1])),
            "{text}\nis not in\n{}",
            problems.join("\n")
        );
    }
}

#[test]
fn secrets_are_never_shown() {
    let canary = "canary-7f3a";
    let folder = Folder::new(
        &format!(
            "{SETTINGS}[lake.options]\nsecret_access_key = \"${{env:CANARY}}\"\n\
             [kafka.properties]\n\"sasl.password\" = \"${{env:CANARY}}\"\n"
        ),
        &[("orders", STREAM)],
    );
    let config = folder.load(&[("CANARY", canary)]).unwrap();
    let properties = &config.kafka.as_ref().unwrap().properties;
    assert_eq!(properties["sasl.password"].0, canary);
    assert!(!format!("{config:?}").contains(canary));

    // a secret in the wrong place, whatever the key's type
    for key in ["max_age", "max_rows", "max_bytes"] {
        let settings = format!("{SETTINGS}[flush]\n{key} = \"${{env:CANARY}}\"\n");
        let folder = Folder::new(&settings, &[("orders", STREAM)]);
        let problems = folder.problems(&[("CANARY", canary)]);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(!problems[0].contains(canary), "{problems:?}");
    }
    for name in ["WEIR__LAKE__URL", "WEIR__LOG__LEVEL", "WEIR__HTTP__LISTEN"] {
        let value = format!("{canary}=[=");
        let problems = folder.problems(&[("CANARY", "x"), (name, &value)]);
        assert!(!problems.is_empty());
        assert!(!problems.join("\n").contains(canary), "{problems:?}");
    }
}

#[test]
fn the_environment_goes_before_the_file() {
    let folder = Folder::new(SETTINGS, &[("orders", STREAM)]);
    let config = folder
        .load(&[
            ("WEIR__KAFKA__BROKERS", "broker:1"),
            ("WEIR__KAFKA__PROPERTIES__SASL_PASSWORD", "x"),
            ("WEIR__LAKE__FSYNC", "false"),
            ("WEIR__FLUSH__MAX_ROWS", "7"),
            ("WEIR_CONFIG", "elsewhere"),
        ])
        .unwrap();
    let kafka = config.kafka.unwrap();
    assert_eq!(kafka.brokers, "broker:1");
    assert_eq!(kafka.properties["sasl.password"].0, "x");
    assert!(!config.lake.fsync);
    assert_eq!(config.streams[0].flush.max_rows, 7);
}

#[test]
fn an_override_of_no_key_is_a_problem() {
    let folder = Folder::new(SETTINGS, &[("orders", STREAM)]);
    let problems = folder.problems(&[("WEIR__KAFKA__BROKER", "x")]);
    assert_eq!(
        problems,
        [
            "environment variable WEIR__KAFKA__BROKER: kafka.broker: unknown key; did you mean `kafka.brokers`?"
        ]
    );
}

#[test]
fn a_reference_that_leads_nowhere_is_named() {
    let settings = format!("{SETTINGS}[lake.options]\nkey = \"${{env:NOT_THERE}}\"\n");
    let problems = Folder::new(&settings, &[("orders", STREAM)]).problems(&[]);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0]
            .starts_with("weir.toml:9: lake.options.key: names the environment variable NOT_THERE")
    );
}

#[test]
fn a_secret_comes_from_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("secret");
    std::fs::write(&file, "hush\n").unwrap();
    let settings = format!(
        "{SETTINGS}[lake.options]\nkey = \"${{file:{}}}\"\ntext = \"$${{env:X}}\"\n",
        file.display()
    );
    let config = Folder::new(&settings, &[("orders", STREAM)])
        .load(&[])
        .unwrap();
    assert_eq!(config.lake.options["key"].0, "hush");
    assert_eq!(config.lake.options["text"].0, "${env:X}");
}

#[test]
fn syntax_errors_have_a_line() {
    let settings = format!("{SETTINGS}[log\nlevel = \"info\"\n");
    let problems = Folder::new(&settings, &[("orders", STREAM)]).problems(&[]);
    assert!(
        problems[0].starts_with("weir.toml:8: is no TOML: "),
        "{problems:?}"
    );
}

#[test]
fn one_topic_feeds_one_stream() {
    let same = Folder::new(SETTINGS, &[("a", STREAM), ("b", STREAM)]).problems(&[]);
    assert!(
        same[0].contains("the topic orders would feed the stream a too"),
        "{same:?}"
    );
    let pattern = STREAM.replace("names = [\"orders\"]", "pattern = \"^ord\"");
    let matched = Folder::new(SETTINGS, &[("a", STREAM), ("b", &pattern)]).problems(&[]);
    assert!(
        matched[0].contains("topics.pattern: the topic orders"),
        "{matched:?}"
    );
    let eu = pattern.replace("^ord", "^ord.+-eu$");
    let both = Folder::new(SETTINGS, &[("a", &pattern), ("b", &eu)]).problems(&[]);
    assert!(
        both[0].contains("topics.pattern: a topic named ord--eu would feed the stream a too")
            || both[0]
                .contains("topics.pattern: a topic named orda-eu would feed the stream a too"),
        "{both:?}"
    );
    let config = Folder::new(SETTINGS, &[("a", STREAM), ("b", &eu)])
        .load(&[])
        .unwrap();
    let topics = config.streams[1].topics.clone().unwrap();
    assert_eq!(topics.select, TopicSelect::Pattern("^ord.+-eu$".to_owned()));
}

#[test]
fn rules_of_a_stream_name_their_key() {
    let cases = [
        (
            "[\"order_id\"]",
            "[\"note\"]",
            "primary_key: \"note\" must be a required field",
        ),
        (
            "[\"order_id\"]",
            "[\"amount\"]",
            "primary_key: \"amount\" cannot be a key",
        ),
        ("[\"order_id\"]", "[]", "primary_key: must name a field"),
        (
            "= \"created_at\"",
            "= \"order_id\"",
            "event_time: \"order_id\" must be a date or a timestamp",
        ),
        (
            "day(created_at)",
            "created_at",
            "partition_by: \"created_at\" must be a boolean",
        ),
        (
            "day(created_at)",
            "day(order_id)",
            "partition_by: \"day(order_id)\" must be of a timestamp",
        ),
        (
            "day(created_at)",
            "month(x)",
            "partition_by: \"month(x)\" is neither a field nor day(field)",
        ),
        (
            "= \"json\"",
            "= \"avro\"",
            "topics.framing: is required with format \"avro\"",
        ),
        (
            "= \"json\"",
            "= \"jsn\"",
            "topics.format: \"jsn\" is none of json, json-envelope, avro; did you mean \"json\"?",
        ),
        (
            "[\"orders\"]",
            "[\"a b\"]",
            "topics.names: \"a b\" is no topic's name",
        ),
        (
            "names = [\"orders\"]",
            "pattern = \"orders\"",
            "topics.pattern: \"orders\" must begin with `^`",
        ),
        (
            "[topics]",
            "[bulk]\nprefix = \"x\"\n[topics]",
            "bulk.prefix: needs [bulk] in weir.toml",
        ),
        (
            "[topics]",
            "[names]\norder_id = \"amount\"\n[topics]",
            "names.order_id: gives the fields",
        ),
        (
            "engagement",
            "engagment",
            "category: \"engagment\" is none of profile, engagement, other",
        ),
        (
            "subject = \"orders\"",
            "subject = \"nothing\"",
            "schema.subject: ",
        ),
        (
            "format = \"json\"",
            "format = \"json\"\nmax_message_bytes = \"1GB\"",
            "topics.max_message_bytes: must be at most a quarter",
        ),
        (
            "format = \"json\"",
            "format = \"json\"\nstart = \"yesterday\"",
            "topics.start: \"yesterday\" is none of",
        ),
    ];
    for (from, to, expected) in cases {
        let problems = stream_problem(from, to);
        assert_eq!(problems.len(), 1, "{to}: {problems:?}");
        assert!(
            problems[0].starts_with("streams/orders.toml:"),
            "{problems:?}"
        );
        assert!(problems[0].contains(expected), "{expected}: {problems:?}");
    }
}

#[test]
fn a_day_column_must_not_be_a_field() {
    let folder = Folder::new(SETTINGS, &[("orders", STREAM)]);
    folder.write(
        "schemas/orders/1.avsc",
        &SCHEMA.replace("\"note\"", "\"created_at_day\""),
    );
    let problems = folder.problems(&[]);
    assert!(
        problems[0].contains("would add the column created_at_day"),
        "{problems:?}"
    );
}

#[test]
fn topics_need_a_broker() {
    let settings = SETTINGS.replace("[kafka]\nbrokers = \"127.0.0.1:9092\"\n", "");
    let problems = Folder::new(&settings, &[("orders", STREAM)]).problems(&[]);
    assert!(
        problems[0].contains("needs [kafka] in weir.toml"),
        "{problems:?}"
    );
}

#[test]
fn a_stream_has_its_own_flush_and_names() {
    let stream = format!("{STREAM}[flush]\nmax_rows = 5\n[names]\norder_id = \"Order ID\"\n");
    let config = Folder::new(SETTINGS, &[("orders", &stream)])
        .load(&[])
        .unwrap();
    let stream = &config.streams[0];
    assert_eq!(stream.flush.max_rows, 5);
    assert_eq!(stream.flush.max_bytes, 128 << 20);
    assert_eq!(stream.schema.root.fields[0].external, "Order ID");
    assert_eq!(stream.schema.root.fields[1].external, "amount");
}

#[test]
fn lake_urls_are_held_to_their_form() {
    for url in [
        "lake",
        "ftp://x/y",
        "s3:///x",
        "file://host/x",
        "file:///",
        "s3://u:p@b/x",
    ] {
        let settings = SETTINGS.replace("file:///tmp/lake/", url);
        let problems = Folder::new(&settings, &[("orders", STREAM)]).problems(&[]);
        assert_eq!(problems.len(), 1, "{url}: {problems:?}");
        assert!(
            problems[0].starts_with("weir.toml:7: lake.url: "),
            "{problems:?}"
        );
    }
}

#[test]
fn documented_defaults_are_the_defaults() {
    let page = include_str!("../../../docs/configuration.md");
    let shown = |settings: &str, stream: &str| {
        let folder = Folder::new(settings, &[("orders", stream)]);
        let config = format!("{:?}", folder.load(&[]).unwrap());
        config.replace(&folder.0.path().display().to_string(), "")
    };
    let mut held = 0;
    let settings = format!(
        "{SETTINGS}[registry]\nurl = \"http://127.0.0.1:8081\"\n[bulk]\nurl = \"file:///tmp/drop\"\n"
    );
    let settings = settings.as_str();
    for (heading, text) in [("weir.toml\n", settings), ("Streams\n", STREAM)] {
        let section = page.split("\n## ").find(|s| s.starts_with(heading));
        for line in section.unwrap().lines() {
            let cells: Vec<&str> = line.split(" | ").collect();
            let key = cells[0]
                .strip_prefix("| `")
                .and_then(|k| k.strip_suffix('`'));
            let default = cells
                .get(1)
                .and_then(|d| d.strip_prefix('`')?.strip_suffix('`'));
            let (Some(key), Some(default)) = (key, default) else {
                continue;
            };
            let plain = matches!(default, "true" | "false")
                || default.starts_with(['"', '['])
                || default
                    .chars()
                    .all(|c| c.is_ascii_digit() || matches!(c, '_' | '.'));
            let value = if plain {
                default.to_owned()
            } else {
                format!("{default:?}")
            };
            // What a section is for is there once the section is.
            let with_bulk = format!("{text}[bulk]\n");
            let text = match heading == "Streams\n" && key.starts_with("bulk.") {
                true => with_bulk.as_str(),
                false => text,
            };
            let set = match key.rsplit_once('.') {
                None => format!("{key} = {value}\n{text}"),
                Some((table, name)) => {
                    let header = format!("[{table}]\n");
                    let line = format!("{header}{name} = {value}\n");
                    match text.contains(&header) {
                        true => text.replacen(&header, &line, 1),
                        false => format!("{text}{line}"),
                    }
                }
            };
            // a key that the text sets already says nothing of its default
            let once = format!("{}{} = ", "\n", key.rsplit('.').next().unwrap());
            if set.matches(&once).count() != 1 {
                continue;
            }
            held += 1;
            match heading {
                "Streams\n" => assert_eq!(shown(settings, &set), shown(settings, text), "{key}"),
                _ => assert_eq!(shown(&set, STREAM), shown(settings, STREAM), "{key}"),
            }
        }
    }
    assert!(held >= 15, "{held}");
}

#[test]
fn an_override_is_told_by_its_variable_and_never_shown() {
    let folder = Folder::new(SETTINGS, &[("orders", STREAM)]);
    let canary = "canary-7f3a";
    let cases = [
        ("WEIR__FLUSH__MAX_ROWS", "flush.max_rows"),
        ("WEIR__FLUSH__MAX_AGE", "flush.max_age"),
        ("WEIR__MEMORY__BUDGET", "memory.budget"),
        ("WEIR__LAKE__FSYNC", "lake.fsync"),
        ("WEIR__SCHEMAS__COMPATIBILITY", "schemas.compatibility"),
        ("WEIR__HTTP__LISTEN", "http.listen"),
    ];
    for (variable, key) in cases {
        let problems = folder.problems(&[(variable, canary)]);
        let start = format!("environment variable {variable}: {key}: ");
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with(&start), "{problems:?}");
        assert!(!problems[0].contains(canary), "{problems:?}");
    }
    for variable in ["WEIR__STREAMS__ORDERS__SOURCE", "WEIR__KAFKA", "WEIR__"] {
        let problems = folder.problems(&[(variable, canary)]);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(
            problems[0].starts_with("environment variable "),
            "{problems:?}"
        );
        assert!(!problems[0].contains(canary), "{problems:?}");
    }
}

#[test]
fn properties_that_would_break_a_promise_are_refused_with_the_reason() {
    for (name, reason) in crate::config::kafka_properties::refused() {
        let settings = format!("{SETTINGS}[kafka.properties]\n\"{name}\" = \"x\"\n");
        let problems = Folder::new(&settings, &[("orders", STREAM)]).problems(&[]);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(
            problems[0].starts_with("weir.toml:9: kafka.properties.")
                && problems[0].contains(reason),
            "{problems:?}"
        );
    }
}

/// Whatever a file holds: problems, never a panic.
#[test]
fn no_text_is_too_bad_to_be_judged() {
    let folder = Folder::new(SETTINGS, &[("orders", STREAM)]);
    let mut judged = 0;
    for (file, text) in [("weir.toml", SETTINGS), ("streams/orders.toml", STREAM)] {
        for (at, c) in text.char_indices() {
            let other = ["", "\"", "[", "=", "\n", "é", "${"][at % 7];
            let rest = &text[at + c.len_utf8()..];
            folder.write(file, &format!("{}{other}{rest}", &text[..at]));
            judged += 1;
            if let Err(problems) = folder.load(&[]) {
                assert!(problems.iter().all(|p| !p.message.is_empty()), "{problems}");
            }
        }
        folder.write(file, text);
    }
    assert!(judged > 300 && folder.load(&[]).is_ok());
}
