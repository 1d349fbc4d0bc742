//! Each framing but the registry's own for Avro (`avro`): what is written by others lands, and what is
//! framed otherwise is a reject.

use serde_json::{Value, json};

use crate::avro::{SUBJECT, schema};
use crate::plan::{seed, tell};
use crate::services::python_command;
use crate::services::registry::Registry;
use crate::world::{STREAM, Settings, World};

const RECORDS: u64 = 4000;

/// A world whose stream is `topics` (lines of TOML), with the registry named.
fn world(topics: &str, schema: &str, registry: Option<&Registry>) -> World {
    let registry = registry.map(|r| format!("[registry]\nurl = \"{}\"\n", r.url()));
    let world = World::local(Settings {
        topics: format!("names = [\"{STREAM}\"]\n{topics}"),
        schema: schema.to_owned(),
        more: registry.unwrap_or_default(),
        ..Settings::default()
    });
    world.topics(&["create", STREAM, "4"]);
    world
}

/// Lands what the topic holds, and holds it against the log.
fn land(world: &World, told: &str, options: &[&str]) {
    let weir = world.weir("weir-1", None);
    let mut crew = [weir];
    world.wait_settled(&mut crew, &world.ends(STREAM));
    let [weir] = crew;
    weir.stop();
    let counts = world.check(options);
    assert_eq!(counts["positions"], json!(RECORDS), "{counts:#}");
    assert!(counts["accepted"].as_u64() < Some(RECORDS), "{counts:#}");
    tell(&format!("{told}: {counts}"));
}

/// Fills the topic with Avro in a framing.
fn produce(world: &World, framing: &str, ids: &Value) {
    let seed = seed(framing).to_string();
    let (records, brokers) = (RECORDS.to_string(), world.kafka.brokers());
    let ids = ids.to_string();
    let words = [
        ["--brokers", &brokers],
        ["--topic", STREAM],
        ["--ids", &ids],
        ["--with", "fastavro"],
        ["--framing", framing],
        ["--records", &records],
        ["--seed", &seed],
        ["--poison", "0.03"],
    ];
    let words: Vec<String> = words.concat().into_iter().map(str::to_owned).collect();
    let output = python_command("avro/produce_avro.py", &words)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}

fn with_framing(mut ids: Value, framing: &str) -> Value {
    ids["framing"] = json!(framing);
    ids
}

#[test]
fn the_id_in_a_header() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::start(folder.path());
    let mut ids = json!({});
    for version in ["1", "2", "3"] {
        ids[version] = json!(registry.register(SUBJECT, &schema(version), &[]));
    }
    let reader = format!("{{ registry = \"{SUBJECT}\" }}");
    let world = world(
        "format = \"avro\"\nframing = \"header\"",
        &reader,
        Some(&registry),
    );
    produce(&world, "header", &ids);
    let ids = with_framing(ids, "header").to_string();
    land(&world, "header", &["--avro", &ids]);
}

/// The versions of the subject in the schema folders of the instance and of who asks.
fn put_versions(world: &World, subject: &str) {
    for name in ["weir-1", "asking"] {
        let schemas = world.folder().join(format!("config-{name}/schemas"));
        let folder = schemas.join(subject);
        std::fs::create_dir_all(&folder).unwrap();
        for version in ["1", "2", "3"] {
            let text = schema(version).to_string();
            std::fs::write(folder.join(format!("{version}.avsc")), text).unwrap();
        }
    }
}

#[test]
fn single_object_encoding() {
    let world = world(
        "format = \"avro\"\nframing = \"single-object\"",
        "{ subject = \"framed\", version = 3 }",
        None,
    );
    put_versions(&world, "framed");
    produce(&world, "single-object", &json!({}));
    let ids = with_framing(json!({}), "single-object").to_string();
    land(&world, "single-object", &["--avro", &ids]);
}

#[test]
fn bare_avro_of_a_declared_writer() {
    let world = world(
        "format = \"avro\"\nframing = \"none\"\nwriter = { subject = \"framed\", version = 2 }",
        "{ subject = \"framed\", version = 3 }",
        None,
    );
    put_versions(&world, "framed");
    produce(&world, "none", &json!({}));
    let ids = with_framing(json!({}), "none").to_string();
    land(&world, "none", &["--avro", &ids]);
}

#[test]
fn json_behind_the_registrys_framing() {
    let world = World::local(Settings {
        topics: format!("names = [\"{STREAM}\"]\nformat = \"json\"\nframing = \"registry\""),
        ..Settings::default()
    });
    world.topics(&["create", STREAM, "4"]);
    let records = RECORDS.to_string();
    let options = ["--records", &records, "--frame", "7", "--poison", "0.03"];
    world.produce(seed("json"), &options);
    land(&world, "json", &["--framed", "5"]);
    let (code, rejects) = world.ask(&["rejects", "show", STREAM, "--format", "json"]);
    assert_eq!(code, Some(0), "{rejects}");
    assert!(rejects.contains("\"id 7\""), "{rejects}");
}
