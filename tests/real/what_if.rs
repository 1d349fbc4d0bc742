//! What a new schema version would do, told before, is what comes of really landing by it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::avro;
use crate::instance::Weir;
use crate::plan::seed;
use crate::services::in_repository;
use crate::services::registry::Registry;
use crate::world::{Lake, STREAM, Settings, World};

const RECORDS: u64 = 200_000;

/// By code and field.
type Rejects = BTreeMap<(String, String), u64>;

/// What landed, by weir's own proof and list: accepted, rejected, skipped, and rejects.
fn landed(world: &World) -> ([u64; 3], Rejects) {
    let (code, proof) = world.verify();
    assert_eq!(code, Some(0), "{proof:#}");
    let sources = proof["streams"][0]["sources"].as_array().unwrap().clone();
    let sum = |name: &str| sources.iter().map(|s| s[name].as_u64().unwrap()).sum();
    let counts = ["accepted", "rejected", "skipped"].map(sum);
    let (code, text) = world.ask(&["rejects", "list", STREAM, "--format", "json"]);
    assert_eq!(code, Some(0), "{text}");
    let list: Value = serde_json::from_str(&text).unwrap();
    (counts, by_code(&list, "count"))
}

fn by_code(document: &Value, count: &str) -> Rejects {
    let groups = document["groups"].as_array().unwrap().iter();
    let all = groups.map(|g| {
        let field = g["field"].as_str().unwrap_or_default().to_owned();
        let code = g["code"].as_str().unwrap().to_owned();
        ((code, field), g[count].as_u64().unwrap())
    });
    all.filter(|(_, count)| *count > 0).collect()
}

/// The same as the version told it before.
fn told(records: &Value, version: &str) -> ([u64; 3], Rejects) {
    let of = |name: &str| records[version][name].as_u64().unwrap();
    let skipped = records["skipped"]["tombstone"].as_u64().unwrap_or(0);
    let counts = [of("accepted"), of("rejected"), skipped];
    (counts, by_code(records, version))
}

/// The event's schema, of which one field takes more, one less, and one is added.
fn changed() -> String {
    let text = std::fs::read_to_string(in_repository("tests/real/event.avsc")).unwrap();
    let mut schema: Value = serde_json::from_str(&text).unwrap();
    let fields = schema["fields"].as_array_mut().unwrap();
    let of = |name: &str| fields.iter().position(|f| f["name"] == name).unwrap();
    let (category, country) = (of("category"), of("country"));
    fields[category]["type"]["symbols"]
        .as_array_mut()
        .unwrap()
        .push(json!("zeppelin"));
    let symbols = [
        "AUT", "BEL", "CHE", "DEU", "ESP", "FRA", "ITA", "NLD", "POL",
    ];
    fields[country]["type"] = json!({ "type": "enum", "name": "Country", "symbols": symbols });
    let colour = json!({ "name": "colour", "type": ["null", "string"], "default": null });
    fields.push(colour);
    schema.to_string()
}

fn what_if(world: &World, changed: &str, more: &[&str]) -> (Option<i32>, Value) {
    let new = world.folder().join("new.avsc");
    std::fs::write(&new, changed).unwrap();
    let new = new.display().to_string();
    let arguments = ["schema", "what-if", STREAM, &new, "--format", "json"];
    let (code, text) = world.ask(&[&arguments[..], more].concat());
    let document = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    (code, document)
}

/// Lands the whole topic in a lake of its own, by an instance of this name.
fn land(world: &mut World, name: &str) -> ([u64; 3], Rejects) {
    world.lake = Lake::Local(world.folder().join(format!("lake-{name}")));
    let mut instances = vec![world.weir(name, None)];
    world.wait_settled(&mut instances, &world.ends(STREAM));
    instances.into_iter().for_each(Weir::stop);
    landed(world)
}

#[test]
fn what_was_told_is_what_lands() {
    let mut world = World::local(Settings {
        more: "[schemas]\ncompatibility = \"NONE\"\n".to_owned(),
        max_rows: 50_000,
        ..Settings::default()
    });
    let seed = seed("what_if::what_was_told_is_what_lands");
    world.topics(&["create", STREAM, "4"]);
    let records = RECORDS.to_string();
    let options = ["--records", &records, "--poison", "0.05"];
    let transactions = ["--transaction", "1000", "--abort", "0.02"];
    let options = [&options[..], &["--tombstones", "0.01"], &transactions].concat();
    world.produce(seed, &options);

    let (code, told_before) = what_if(&world, &changed(), &[]);
    let records = &told_before["records"];
    assert_eq!(code, Some(1), "{told_before:#}");
    assert_eq!(records["complete"], true, "{told_before:#}");
    let worse = records["worse"].as_u64().unwrap();
    let better = records["better"].as_u64().unwrap();
    assert!(worse > 10_000 && better > 100, "{records:#}");
    // Nothing is left of it in the cluster.
    assert_eq!(world.topics(&["groups", "-"]).trim(), "[]");

    // The last hour is all there is, and the last millisecond is over.
    let (_, hour) = what_if(&world, &changed(), &["--last", "1h"]);
    assert_eq!(&hour["records"], records);
    let (_, nothing) = what_if(&world, &changed(), &["--last", "1ms"]);
    assert_eq!(nothing["records"]["messages"], 0, "{nothing:#}");

    assert_eq!(told(records, "in_force"), land(&mut world, "old"));
    // Of the stored rejects those pass that the new version mends.
    let (_, stored) = what_if(&world, &changed(), &["--from-rejects"]);
    assert_eq!(stored["records"]["in_force"]["accepted"], 0, "{stored:#}");
    assert_eq!(stored["records"]["better"], better, "{stored:#}");
    assert_eq!(
        stored["records"]["messages"],
        records["in_force"]["rejected"]
    );

    let schemas = world.folder().join(format!("config-new/schemas/{STREAM}"));
    std::fs::create_dir_all(&schemas).unwrap();
    std::fs::write(schemas.join("2.avsc"), changed()).unwrap();
    assert_eq!(told(records, "new"), land(&mut world, "new"));
}

/// The subject of the reader of Avro, in the folder of everybody who asks.
const READER: &str = "reader";

fn put_reader(world: &World, versions: &[&str]) {
    for name in ["asking", "old", "new"] {
        let schemas = world.folder().join(format!("config-{name}/schemas"));
        let folder = schemas.join(READER);
        std::fs::create_dir_all(&folder).unwrap();
        for (at, text) in versions.iter().enumerate() {
            std::fs::write(folder.join(format!("{}.avsc", at + 1)), text).unwrap();
        }
    }
}

#[test]
fn of_framed_avro_too() {
    let seed = seed("what_if::of_framed_avro_too");
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::start(folder.path());
    let ids = avro::register(&registry);
    let reader = |version| format!("{{ subject = \"{READER}\", version = {version} }}");
    let mut world = World::local(Settings {
        topics: format!("names = [\"{STREAM}\"]\nformat = \"avro\"\nframing = \"registry\""),
        schema: reader(1),
        more: format!(
            "[registry]\nurl = \"{}\"\n[schemas]\ncompatibility = \"NONE\"\n",
            registry.url()
        ),
        ..Settings::default()
    });
    world.topics(&["create", STREAM, "4"]);
    let before = avro::schema("3");
    // Symbols that writers have are missing, and a writer without the new field cannot be read.
    let mut changed = before.clone();
    let fields = changed["fields"].as_array_mut().unwrap();
    for field in fields.iter_mut() {
        match field["name"].as_str().unwrap() {
            "category" => drop(field["type"]["symbols"].as_array_mut().unwrap().pop()),
            "token" => drop(field.as_object_mut().unwrap().remove("default")),
            _ => {}
        }
    }
    let changed = changed.to_string();
    put_reader(&world, &[&before.to_string(), &changed]);
    avro::produce_mixed(&world, &ids, 20_000, seed);

    let (code, told_before) = what_if(&world, &changed, &[]);
    let records = &told_before["records"];
    assert_eq!(code, Some(1), "{told_before:#}");
    let worse = records["worse"].as_u64().unwrap();
    assert!(worse > 5000, "{records:#}");
    let old = land(&mut world, "old");
    assert_eq!(told(records, "in_force"), old);
    let (_, stored) = what_if(&world, &changed, &["--from-rejects"]);
    assert_eq!(
        stored["records"]["messages"], records["in_force"]["rejected"],
        "{stored:#}"
    );
    assert_eq!(stored["records"]["better"], 0, "{stored:#}");
    world.settings.schema = reader(2);
    let new = land(&mut world, "new");
    assert_eq!(told(records, "new"), new);
}
