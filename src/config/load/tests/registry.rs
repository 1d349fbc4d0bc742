//! `[registry]`, and schemas that come from there.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;
use crate::config::{Ask, Origin, Secret, Subject, load_with, subjects};
use crate::error::{Error, Kind};
use crate::schema::registry::Auth;

/// A registry with one subject, on a thread that ends with the process.
struct Registry {
    url: String,
    away: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
}

fn registry() -> Registry {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let registry = Registry {
        url: format!("http://{}", listener.local_addr().unwrap()),
        away: Arc::default(),
        asked: Arc::default(),
    };
    let (away, asked) = (registry.away.clone(), registry.asked.clone());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
                head.extend_from_slice(&byte);
            }
            asked.fetch_add(1, Ordering::Relaxed);
            let head = String::from_utf8(head).unwrap();
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            let (status, body) = match away.load(Ordering::Relaxed) {
                true => (503, String::new()),
                false => answer(&path),
            };
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
        }
    });
    registry
}

const OTHER: &str =
    r#"{"type": "record", "name": "shop.Order", "fields": [{"name": "other", "type": "int"}]}"#;

/// Version 3 refers to another subject for a type.
fn answer(path: &str) -> (u16, String) {
    let refers = SCHEMA.replace(
        "{\"name\": \"amount\", \"type\": \"double\"}",
        "{\"name\": \"amount\", \"type\": \"shop.Money\"}",
    );
    let money = r#"{"type": "record", "name": "shop.Money", "fields": [{"name": "cents", "type": "long"}]}"#;
    let version = |id: u32, version: u32, text: &str, references: serde_json::Value| {
        let body = serde_json::json!({"subject": "orders-value", "id": id, "version": version,
            "schema": text, "references": references});
        (200, body.to_string())
    };
    let narrowed = SCHEMA.replace("\"double\"", "\"float\"");
    let level = |level: &str| {
        let body = serde_json::json!({ "compatibilityLevel": level });
        (200, body.to_string())
    };
    let to_money = serde_json::json!([{"name": "shop.Money", "subject": "money", "version": 1}]);
    match path {
        "/subjects/orders-value/versions/2" => version(12, 2, SCHEMA, serde_json::json!([])),
        "/subjects/orders-value/versions/3" | "/subjects/orders-value/versions/latest" => {
            version(13, 3, &refers, to_money)
        }
        "/subjects/orders-value/versions" => (200, "[3, 2]".to_owned()),
        "/config/orders-value?defaultToGlobal=true" => level("BACKWARD"),
        // Version 2 is one of a writer whose data no column holds.
        "/subjects/mixed/versions" => (200, "[1, 2, 3, 4]".to_owned()),
        "/subjects/mixed/versions/1" => version(21, 1, SCHEMA, serde_json::json!([])),
        "/subjects/mixed/versions/2" => version(22, 2, r#""int""#, serde_json::json!([])),
        "/subjects/mixed/versions/3" => version(23, 3, &narrowed, serde_json::json!([])),
        "/subjects/mixed/versions/4" => version(24, 4, SCHEMA, serde_json::json!([])),
        "/config/mixed?defaultToGlobal=true" => level("FORWARD_TRANSITIVE"),
        "/subjects/free/versions" => (200, "[1, 2]".to_owned()),
        "/subjects/free/versions/1" => version(31, 1, SCHEMA, serde_json::json!([])),
        "/subjects/free/versions/2" => version(32, 2, &narrowed, serde_json::json!([])),
        "/config/free?defaultToGlobal=true" => level("NONE"),
        "/subjects/odd/versions" => (200, "[1]".to_owned()),
        "/subjects/odd/versions/1" => version(31, 1, SCHEMA, serde_json::json!([])),
        "/config/odd?defaultToGlobal=true" => level("STRICT"),
        "/subjects/money/versions/1?deleted=true" => version(9, 1, money, serde_json::Value::Null),
        "/subjects/union/versions/latest" => version(14, 1, r#""int""#, serde_json::Value::Null),
        "/subjects/grown/versions/1" => version(21, 1, SCHEMA, serde_json::Value::Null),
        // Without the key, and of a type that no column can be of.
        "/subjects/grown/versions/3" => version(23, 3, OTHER, serde_json::Value::Null),
        "/subjects/grown/versions/4" | "/subjects/grown/versions/latest" => {
            version(24, 4, r#""int""#, serde_json::Value::Null)
        }
        "/subjects/keyless/versions/1" => version(31, 1, SCHEMA, serde_json::Value::Null),
        "/subjects/keyless/versions/latest" => version(32, 2, OTHER, serde_json::Value::Null),
        "/subjects/orders-value/versions/4" => (404, r#"{"error_code": 40402}"#.to_owned()),
        _ => (404, r#"{"error_code": 40401}"#.to_owned()),
    }
}

/// A configuration whose stream's schema is `schema`.
fn folder(registry: &Registry, schema: &str) -> Folder {
    let settings = format!(
        "{SETTINGS}[registry]\nurl = \"{}\"\ncache = \"copies\"\n",
        registry.url
    );
    let stream = STREAM.replace("{ subject = \"orders\" }", schema);
    Folder::new(&settings, &[("orders", &stream)])
}

fn load_offline(folder: &Folder) -> Result<Config, Problems> {
    load_with(&folder.path(), &BTreeMap::new(), Ask::Never)
}

#[test]
fn a_schema_is_pinned_or_the_latest_with_what_it_refers_to() {
    let registry = registry();
    let pinned = folder(&registry, "{ registry = \"orders-value\", version = 2 }");
    let config = pinned.load(&[]).unwrap();
    let schema = &config.streams[0].schema;
    assert_eq!(
        (schema.subject.as_str(), schema.version),
        ("orders-value", 2)
    );
    assert!(schema.root.fields[0].is_key);
    assert_eq!(
        config.streams[0].origin,
        Origin::Registry {
            subject: "orders-value".to_owned(),
            version: Some(2)
        }
    );
    for latest in ["", ", version = \"latest\""] {
        let latest = folder(
            &registry,
            &format!("{{ registry = \"orders-value\"{latest} }}"),
        );
        let schema = latest.load(&[]).unwrap().streams[0].schema.clone();
        assert_eq!(schema.version, 3);
        assert!(schema.text.contains("cents"), "{}", schema.text);
    }
}

#[test]
fn what_the_registry_does_not_have_is_a_problem_with_its_line() {
    let registry = registry();
    let cases = [
        (
            "{ registry = \"orders-value\", version = 4 }",
            "streams/orders.toml:5: schema.registry: the registry has no version 4 of the subject orders-value",
        ),
        (
            "{ registry = \"nobody\" }",
            "streams/orders.toml:5: schema.registry: the registry has no subject nobody",
        ),
        (
            "{ registry = \"union\" }",
            "streams/orders.toml:5: schema.registry: union version 1 of the registry: must be a record at its top",
        ),
    ];
    for (schema, problem) in cases {
        let folder = folder(&registry, schema);
        let problems = folder.load(&[]).unwrap_err();
        assert_eq!(Error::from(problems).kind(), Kind::Config);
        assert_eq!(folder.problems(&[]), [problem]);
    }
}

#[test]
fn a_registry_that_is_away_is_an_outage_unless_there_is_a_copy() {
    let registry = registry();
    for schema in [
        "{ registry = \"orders-value\" }",
        "{ registry = \"orders-value\", version = 2 }",
    ] {
        let folder = folder(&registry, schema);
        registry.away.store(true, Ordering::Relaxed);
        let problems = folder.load(&[]).unwrap_err();
        assert!(problems.are_outages());
        let error = Error::from(problems);
        assert_eq!(error.kind(), Kind::Unreachable);
        assert!(error.to_string().contains("answers 503"), "{error}");

        registry.away.store(false, Ordering::Relaxed);
        let there = folder.load(&[]).unwrap();
        registry.away.store(true, Ordering::Relaxed);
        let copy = folder.load(&[]).unwrap();
        assert_eq!(copy.streams[0].schema, there.streams[0].schema);
        // A number never changes: its copy needs no word.
        let told = usize::from(!schema.contains("version"));
        assert_eq!((there.notes.len(), copy.notes.len()), (0, told));
        assert!(copy.notes.iter().all(|n| n.contains("answers 503")));
        registry.away.store(false, Ordering::Relaxed);
    }
}

#[test]
fn a_start_goes_by_the_version_before_one_that_the_stream_cannot_be_at() {
    let registry = registry();
    for (subject, latest, word) in [
        ("grown", 4, "must be a record at its top"),
        ("keyless", 2, "\"order_id\" is no field of the schema"),
    ] {
        let folder = folder(&registry, &format!("{{ registry = \"{subject}\" }}"));
        let config = folder.load(&[]).unwrap();
        assert_eq!(config.streams[0].schema.version, 1, "{subject}");
        let refused = &config.refused["orders"];
        assert_eq!(refused.version, Some(latest));
        assert!(refused.reasons[0].contains(word), "{refused:?}");
        // The copies tell the same.
        let copy = load_offline(&folder).unwrap();
        assert_eq!(copy.streams[0].schema, config.streams[0].schema);
        assert_eq!(copy.refused, config.refused);
        let pinned = format!("{{ registry = \"{subject}\", version = {latest} }}");
        folder.write(
            "streams/orders.toml",
            &STREAM.replace("{ subject = \"orders\" }", &pinned),
        );
        assert!(folder.problems(&[])[0].contains(word));
    }
    // What is wrong whatever the schema is asks for no other version.
    let folder = folder(&registry, "{ registry = \"keyless\" }");
    let stream = STREAM.replace("{ subject = \"orders\" }", "{ registry = \"keyless\" }");
    folder.write(
        "streams/orders.toml",
        &stream.replace("engagement", "another"),
    );
    let asked = registry.asked.load(Ordering::Relaxed);
    assert!(folder.problems(&[]).len() > 1);
    assert_eq!(registry.asked.load(Ordering::Relaxed), asked + 1);
}

#[test]
fn offline_nobody_is_asked() {
    let registry = registry();
    let folder = folder(&registry, "{ registry = \"orders-value\" }");
    let problems = load_offline(&folder).unwrap_err();
    assert!(problems.are_outages());
    assert!(problems.to_string().contains("not asked offline"));
    assert_eq!(registry.asked.load(Ordering::Relaxed), 0);
    folder.load(&[]).unwrap();
    let asked = registry.asked.load(Ordering::Relaxed);
    assert_eq!(load_offline(&folder).unwrap().streams[0].schema.version, 3);
    assert_eq!(registry.asked.load(Ordering::Relaxed), asked);
}

#[test]
fn a_registry_that_is_away_is_asked_once_for_all_streams() {
    let registry = registry();
    registry.away.store(true, Ordering::Relaxed);
    let folder = folder(&registry, "{ registry = \"orders-value\" }");
    for name in ["b", "c"] {
        let stream = STREAM
            .replace(
                "{ subject = \"orders\" }",
                "{ registry = \"orders-value\" }",
            )
            .replace("[\"orders\"]", &format!("[\"{name}\"]"));
        folder.write(&format!("streams/{name}.toml"), &stream);
    }
    assert_eq!(folder.load(&[]).unwrap_err().count(), 3);
    assert_eq!(registry.asked.load(Ordering::Relaxed), 1);
}

/// The subject that the stream names, judged.
fn judged(registry: &Registry, subject: &str) -> Subject {
    let folder = folder(registry, &format!("{{ registry = \"{subject}\" }}"));
    let mut subjects = subjects(&folder.path(), &BTreeMap::new()).unwrap();
    assert_eq!(subjects.len(), 1);
    subjects.remove(0)
}

#[test]
fn all_versions_of_a_subject_are_judged_by_the_registry_s_level() {
    let registry = registry();
    let orders = judged(&registry, "orders-value");
    assert_eq!(
        (orders.level.as_deref(), &orders.versions[..]),
        (Some("BACKWARD"), &[2, 3][..])
    );
    assert_eq!(
        orders.faults,
        [
            "orders-value version 3 cannot read data of version 2: amount: is written as double and read as record shop.Money"
        ]
    );
    // Version 4 is beside all before it but the one that cannot be read.
    let mixed = judged(&registry, "mixed");
    assert_eq!(
        (mixed.level.as_deref(), &mixed.versions[..]),
        (Some("FORWARD_TRANSITIVE"), &[1, 2, 3, 4][..])
    );
    assert_eq!(
        mixed.faults,
        [
            "mixed version 2 of the registry: must be a record at its top",
            "mixed version 3 cannot read data of version 4: amount: is written as double and read as float",
        ]
    );
    // By the configured level it would be refused.
    let free = judged(&registry, "free");
    assert_eq!(
        (free.level.as_deref(), free.faults),
        (Some("NONE"), Vec::new())
    );
    let odd = judged(&registry, "odd");
    assert_eq!(
        odd.faults,
        ["odd: the registry's level STRICT is none that weir knows"]
    );
}

#[test]
fn a_subject_that_is_not_there_is_a_finding_and_an_outage_is_none() {
    let registry = registry();
    let nobody = judged(&registry, "nobody");
    assert_eq!(nobody.faults, ["the registry has no subject nobody"]);
    assert_eq!((nobody.level, nobody.versions), (None, Vec::new()));
    let folder = folder(&registry, "{ registry = \"orders-value\" }");
    folder.load(&[]).unwrap();
    registry.away.store(true, Ordering::Relaxed);
    // A copy does not tell which versions there are.
    let away = subjects(&folder.path(), &BTreeMap::new()).unwrap_err();
    assert!(away.are_outages());
    assert!(away.to_string().contains("answers 503"), "{away}");
}

#[test]
fn a_folder_s_version_can_be_pinned() {
    let pinned = STREAM.replace("\"orders\" }", "\"orders\", version = 1 }");
    let folder = Folder::new(SETTINGS, &[("orders", &pinned)]);
    folder.write("schemas/orders/2.avsc", SCHEMA);
    assert_eq!(folder.load(&[]).unwrap().streams[0].schema.version, 1);
    let missing = pinned.replace("version = 1", "version = 7");
    folder.write("streams/orders.toml", &missing);
    assert_eq!(
        folder.problems(&[]),
        ["streams/orders.toml:5: schema.subject: orders has no version 7"]
    );
}

#[test]
fn the_section_is_held_to_its_rules() {
    let cases = [
        ("", "registry.url: is required"),
        (
            "url = \"ftp://a\"",
            "registry.url: \"ftp://a\" must begin with http",
        ),
        ("url = []", "registry.url: must name a registry"),
        (
            "url = [\"http://a\", \"nothing\"]",
            "registry.url: \"nothing\" is no URL",
        ),
        (
            "url = \"http://a/?x=1\"",
            "registry.url: \"http://a/?x=1\" must have no query",
        ),
        (
            "url = \"https://a\"\nusername = \"u\"",
            "registry.username: needs",
        ),
        (
            "url = \"https://a\"\npassword = \"p\"",
            "registry.password: needs",
        ),
        (
            "url = \"https://a\"\nusername = \"u\"\npassword = \"p\"\ntoken = \"t\"",
            "registry.token: must not stand beside",
        ),
        (
            "url = \"http://a\"\ntoken = \"t\"",
            "registry.url: would send the credentials in the clear",
        ),
        (
            "url = \"https://a\"\nca = \"none.pem\"",
            "registry.ca: \"none.pem\" cannot be read",
        ),
        (
            "url = \"https://a\"\nca = \"weir.toml\"",
            "`registry.ca` holds no certificate",
        ),
        (
            "url = \"https://a\"\ncert = \"weir.toml\"",
            "registry.cert: needs",
        ),
        (
            "url = \"https://a\"\ncert = \"weir.toml\"\nkey = \"weir.toml\"",
            "hold no certificate with its key",
        ),
        ("url = \"https://a\"\ntimeout = \"0s\"", "registry.timeout:"),
    ];
    for (section, problem) in cases {
        let settings = format!("{SETTINGS}[registry]\n{section}\n");
        let problems = Folder::new(&settings, &[("orders", STREAM)]).problems(&[]);
        assert_eq!(problems.len(), 1, "{section}: {problems:?}");
        assert!(problems[0].contains(problem), "{section}: {problems:?}");
    }
    let streams = [
        (
            "{ registry = \"a\", subject = \"b\" }",
            "schema.subject: must not stand beside",
        ),
        (
            "{ registry = \"a\" }",
            "schema.registry: needs [registry] in weir.toml",
        ),
        (
            "{ subject = \"orders\", version = 0 }",
            "schema.version: must be a whole number",
        ),
        (
            "{ subject = \"orders\", version = \"newest\" }",
            "schema.version: must be a whole number",
        ),
        (
            "{ subject = \"orders\", version = 4294967296 }",
            "schema.version: is beyond",
        ),
    ];
    for (schema, problem) in streams {
        let problems = stream_problem("{ subject = \"orders\" }", schema).concat();
        assert!(problems.contains(problem), "{schema}: {problems}");
    }
}

#[test]
fn credentials_are_read_and_never_shown() {
    let secret = "planted-secret";
    let clear = "url = \"http://127.0.0.1:1, http://localhost:2\"\nusername = \"u\"\npassword = \"${env:P}\"\n";
    let over_http = "url = \"http://registry\"\nallow_http = true\ntoken = \"${env:P}\"\n";
    let auths = [
        Auth::Basic {
            username: "u".to_owned(),
            password: Secret(secret.to_owned()),
        },
        Auth::Bearer(Secret(secret.to_owned())),
    ];
    for (section, auth) in [clear, over_http].into_iter().zip(auths) {
        let settings = format!("{SETTINGS}[registry]\n{section}");
        let folder = Folder::new(&settings, &[("orders", STREAM)]);
        let config = folder.load(&[("P", secret)]).unwrap();
        assert!(!format!("{config:?}").contains(secret));
        assert_eq!(config.registry.unwrap().auth, auth);
    }
    // The whole of a URL with credentials in it stays unsaid where it came from outside.
    let settings = format!("{SETTINGS}[registry]\nurl = \"${{env:U}}\"\n");
    let folder = Folder::new(&settings, &[("orders", STREAM)]);
    let problems = folder
        .problems(&[("U", "http://u:planted-secret@a")])
        .concat();
    assert!(problems.contains("holds credentials"), "{problems}");
    assert!(!problems.contains(secret), "{problems}");
}

#[test]
fn copies_are_beside_a_local_lake_where_no_folder_is_named() {
    let cache = |lake: &str| {
        let settings = SETTINGS.replace("file:///tmp/lake/", lake);
        let settings = format!("{settings}[registry]\nurl = \"http://a\"\n");
        let folder = Folder::new(&settings, &[("orders", STREAM)]);
        folder.load(&[]).unwrap().registry.unwrap().cache
    };
    let beside = Some(PathBuf::from("/tmp/lake/_weir/registry"));
    assert_eq!(cache("file:///tmp/lake"), beside);
    assert_eq!(cache("s3://bucket/lake"), None);
}
