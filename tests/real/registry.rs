//! The registry's client and the commands that use it, against a registry that is not ours.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use url::Url;
use weir::clock::Clock;
use weir::metrics::Metrics;
use weir::schema::registry::{
    Auth, Failure, Lookup, Registered, Registry as Client, Settings, Wanted, WriterKey,
};
use weir::schema::writer::WriterSchema;

use crate::services::registry::Registry;

fn money() -> Value {
    json!({"type": "record", "name": "shop.Money", "fields": [{"name": "cents", "type": "long"}]})
}

/// Refers to `shop.Money`.
fn order(more: Option<Value>) -> Value {
    let mut fields = vec![
        json!({"name": "order_id", "type": "string"}),
        json!({"name": "price", "type": "shop.Money"}),
    ];
    fields.extend(more);
    json!({"type": "record", "name": "shop.Order", "fields": fields})
}

const TO_MONEY: &[(&str, &str, u32)] = &[("shop.Money", "money", 1)];

fn settings(registry: &Registry, folder: &std::path::Path) -> Settings {
    Settings {
        urls: vec![Url::parse(&registry.url()).unwrap()],
        auth: Auth::None,
        ca: None,
        identity: None,
        timeout: Duration::from_secs(5),
        cache: Some(folder.join("copies")),
    }
}

fn client(settings: &Settings) -> (Client, Clock) {
    let clock = Clock::system();
    let client = Client::start(settings, &Metrics::new().unwrap(), clock.clone());
    (client.unwrap(), clock)
}

fn known(lookup: Lookup) -> std::sync::Arc<Registered> {
    match lookup {
        Lookup::Known(schema) => schema,
        other => panic!("known, not {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_registered_is_read_and_outlives_the_registry() {
    let folder = tempfile::tempdir().unwrap();
    let mut registry = Registry::start(folder.path());
    registry.register("money", &money(), &[]);
    let id = registry.register("orders-value", &order(None), TO_MONEY);
    let settings = settings(&registry, folder.path());
    let (client, clock) = client(&settings);

    let schema = known(client.answer(WriterKey::Id(id), clock.tick()).await);
    let subjects: Vec<String> = schema.subjects.iter().map(ToString::to_string).collect();
    assert_eq!(subjects, ["orders-value/1"]);
    assert_eq!(schema.references.len(), 1);
    let references: Vec<&str> = schema.references.iter().map(|r| &**r).collect();
    WriterSchema::parse(&schema.text, &references).expect("a writer's schema");

    let missing = client.answer(WriterKey::Id(4_000_000), clock.tick()).await;
    assert!(matches!(missing, Lookup::Unknown(_)), "{missing:?}");
    assert_eq!(client.trouble(), None);

    registry.set_level("orders-value", "BACKWARD");
    assert_eq!(
        client.level(Some("orders-value")).await.unwrap(),
        "BACKWARD"
    );
    assert_eq!(client.level(Some("money")).await.unwrap(), "NONE");
    let wide = order(Some(
        json!({"name": "note", "type": "string", "default": ""}),
    ));
    let later = registry.register("orders-value", &wide, TO_MONEY);
    assert_eq!(client.versions("orders-value").await.unwrap(), [1, 2]);
    let latest = client
        .version("orders-value", Wanted::Latest)
        .await
        .unwrap();
    assert_eq!((latest.version, latest.schema.id), (2, Some(later)));
    let nobody = client.version("nobody", Wanted::Latest).await;
    assert!(matches!(nobody, Err(Failure::Unknown(_))), "{nobody:?}");

    registry.stop();
    assert_eq!(
        client.lookup(WriterKey::Id(later), clock.tick()),
        Lookup::Pending
    );
    known(client.lookup(WriterKey::Id(id), clock.tick()));
    let (restarted, ticks) = self::client(&settings);
    assert_eq!(
        known(restarted.answer(WriterKey::Id(id), ticks.tick()).await),
        schema
    );
    registry.restart();
    // What waited since before the registry came back gets its answer.
    let answer = client.answer(WriterKey::Id(later), clock.tick());
    known(
        clock
            .timeout(Duration::from_secs(60), answer)
            .await
            .expect("in time"),
    );
    assert_eq!(client.trouble(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_without_guids_and_other_types_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::start(folder.path());
    let (client, clock) = client(&settings(&registry, folder.path()));
    let schema = json!({"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"});
    let body = json!({"schemaType": "JSON", "schema": schema.to_string()});
    let (_, answer) = registry
        .asked("POST", "/subjects/j/versions", Some(&body))
        .unwrap();
    let id = u32::try_from(answer["id"].as_u64().unwrap()).unwrap();
    match client.answer(WriterKey::Id(id), clock.tick()).await {
        Lookup::Unknown(why) => assert!(why.contains("of the type JSON"), "{why}"),
        other => panic!("unknown, not {other:?}"),
    }
    let guid = WriterKey::Guid([7; 16]);
    let answer = client.answer(guid, clock.tick());
    assert_eq!(clock.timeout(Duration::from_secs(3), answer).await, None);
    assert!(client.trouble().is_some());
}

/// The binary: `weir schema show` of a stream whose schema is `schema`.
fn shown(folder: &std::path::Path, url: &str, schema: &str) -> (Option<i32>, Value, String) {
    let write = |path: &str, text: String| {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let lake = folder.join("lake");
    write(
        "weir.toml",
        format!(
            "[kafka]\nbrokers = \"127.0.0.1:1\"\n[lake]\nurl = \"file://{}\"\n[registry]\nurl = \"{url}\"\n",
            lake.display()
        ),
    );
    write(
        "streams/orders.toml",
        format!(
            "source = \"shop\"\nobject = \"orders\"\ncategory = \"other\"\nschema = {schema}\n\
             primary_key = [\"order_id\"]\n[topics]\nnames = [\"orders\"]\nformat = \"json\"\n"
        ),
    );
    let output = Command::new(env!("CARGO_BIN_EXE_weir"))
        .arg("--config")
        .arg(folder.join("weir.toml"))
        .args(["--format", "json", "schema", "show", "orders"])
        .output()
        .unwrap();
    let document = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), document, errors)
}

#[test]
fn a_stream_s_schema_comes_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut registry = Registry::start(folder.path());
    registry.register("money", &money(), &[]);
    registry.register("orders-value", &order(None), TO_MONEY);
    let note = json!({"name": "note", "type": ["null", "string"], "default": null});
    registry.register("orders-value", &order(Some(note)), TO_MONEY);
    let (folder, url) = (folder.path(), registry.url());
    let pinned = "{ registry = \"orders-value\", version = 1 }";
    let (code, document, errors) = shown(folder, &url, pinned);
    assert_eq!(
        (code, &document["version"]),
        (Some(0), &json!(1)),
        "{errors}"
    );
    let latest = "{ registry = \"orders-value\" }";
    let (code, document, errors) = shown(folder, &url, latest);
    assert_eq!(
        (code, &document["version"]),
        (Some(0), &json!(2)),
        "{errors}"
    );
    assert!(
        document["columns"].to_string().contains("cents"),
        "{document:#}"
    );
    let (code, _, errors) = shown(folder, &url, "{ registry = \"nobody\" }");
    assert_eq!(code, Some(2));
    assert!(errors.contains("has no subject nobody"), "{errors}");

    registry.stop();
    assert_eq!(shown(folder, &url, latest).1["version"], json!(2));
    std::fs::remove_dir_all(folder.join("lake/_weir")).unwrap();
    let (code, _, errors) = shown(folder, &url, pinned);
    assert_eq!(code, Some(3), "{errors}");
}
