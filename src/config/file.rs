//! `weir.toml`: one function for each section.
//!
//! Owns: defaults and rules of the daemon's settings. Does not own: streams (`config::stream`).

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use crate::config::section::Section;
use crate::config::{
    Bucket, Compatibility, Flush, Kafka, Lake, Log, Schemas, Secret, kafka_properties,
};
use crate::schema::registry;

/// What `weir.toml` says, with stand-ins where a problem was reported.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) instance: String,
    pub(crate) kafka: Option<Kafka>,
    pub(crate) lake: Option<Lake>,
    pub(crate) bucket: Option<Bucket>,
    pub(crate) schemas: Schemas,
    pub(crate) registry: Option<registry::Settings>,
    pub(crate) flush: Flush,
    pub(crate) memory_budget: u64,
    pub(crate) max_raw: u64,
    pub(crate) http_listen: SocketAddr,
    pub(crate) shutdown_grace: Duration,
    pub(crate) log: Log,
}

const MIB: u64 = 1 << 20;
/// Below it the process itself would not fit beside one batch.
const LEAST_BUDGET: u64 = 32 * MIB;

/// Reads the whole file; `folder` is where it stands.
pub(crate) fn settings(
    root: &Section<'_>,
    folder: &Path,
    env: &BTreeMap<String, String>,
) -> Settings {
    let http = root.section("http");
    let default_listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 9464));
    let lake = lake(&root.section("lake"));
    let registry = root
        .has("registry")
        .then(|| {
            let section = root.section("registry");
            crate::config::registry::settings(&section, folder, lake.as_ref())
        })
        .flatten();
    let settings = Settings {
        instance: instance(&root.section("instance"), env),
        kafka: root.has("kafka").then(|| kafka(&root.section("kafka"))),
        lake,
        bucket: root
            .has("bulk")
            .then(|| bucket(&root.section("bulk")))
            .flatten(),
        registry,
        schemas: schemas(&root.section("schemas"), folder),
        flush: flush(
            &root.section("flush"),
            Flush {
                max_age: Duration::from_secs(10),
                max_rows: 1_000_000,
                max_bytes: 128 * MIB,
            },
        ),
        memory_budget: root.section("memory").size("budget", 256 * MIB),
        max_raw: root.section("rejects").size("max_raw", 16 * MIB),
        http_listen: http
            .parsed("listen", |text| {
                text.parse()
                    .map_err(|_| "is no address with a port, as in \"127.0.0.1:9464\"")
            })
            .unwrap_or(default_listen),
        shutdown_grace: root
            .section("shutdown")
            .duration("grace", Duration::from_secs(25)),
        log: log(&root.section("log")),
    };
    if settings.memory_budget < LEAST_BUDGET {
        root.section("memory")
            .problem("budget", "must be 32MiB or more");
    }
    settings
}

fn instance(section: &Section<'_>, env: &BTreeMap<String, String>) -> String {
    if section.has("id") {
        return section
            .required_text("id")
            .map_or_else(String::new, |id| id.text);
    }
    let host = env
        .get("HOSTNAME")
        .cloned()
        .or_else(|| std::fs::read_to_string("/etc/hostname").ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "weir".to_owned());
    format!("{host}-{}", random_suffix())
}

/// Eight hexadecimal digits that tell instances on one host apart.
#[allow(
    clippy::disallowed_methods,
    reason = "the name of an instance is made once, before anything that is simulated"
)]
fn random_suffix() -> String {
    let mut id = uuid::Uuid::new_v4().simple().to_string();
    id.truncate(8);
    id
}

fn kafka(section: &Section<'_>) -> Kafka {
    let brokers = section.required_text("brokers");
    let group = match section.has("group") {
        true => section
            .required_text("group")
            .map_or_else(String::new, |g| g.text),
        false => "weir".to_owned(),
    };
    let below = section.section("properties");
    let mut properties = BTreeMap::new();
    for (name, value) in below.free_texts() {
        match kafka_properties::refusal(&name) {
            Some(reason) => {
                below.problem_at(&value.at, &name, format!("must not be set: {reason}"));
            }
            None => {
                properties.insert(name, Secret(value.text));
            }
        }
    }
    Kafka {
        brokers: brokers.map_or_else(String::new, |b| b.text),
        group,
        properties,
    }
}

fn lake(section: &Section<'_>) -> Option<Lake> {
    let fsync = section.boolean("fsync", true);
    let (url, options) = store(section)?;
    Some(Lake {
        url,
        options,
        fsync,
    })
}

fn bucket(section: &Section<'_>) -> Option<Bucket> {
    let (poll, settle) = (
        section.duration("poll", Duration::from_secs(5)),
        section.duration("settle", Duration::from_secs(5)),
    );
    let (url, options) = store(section)?;
    Some(Bucket {
        url,
        options,
        poll,
        settle,
    })
}

/// `url` and `[options]` of an object store.
fn store(section: &Section<'_>) -> Option<(Url, BTreeMap<String, Secret>)> {
    let options = section.section("options").free_texts().into_iter();
    let options = options
        .map(|(name, value)| (name, Secret(value.text)))
        .collect();
    section.required_text("url")?;
    Some((section.parsed("url", store_url)?, options))
}

/// A URL of a store, without the slash at its end. The message holds nothing of the URL.
fn store_url(text: &str) -> Result<Url, &'static str> {
    let mut url = Url::parse(text)
        .map_err(|_| "is no URL, as in \"file:///var/lib/weir/lake\" or \"s3://bucket/lake\"")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds credentials; put them into the options beside it");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must have no query and no fragment");
    }
    let has_host = url.host_str().is_some_and(|host| !host.is_empty());
    match (url.scheme(), has_host) {
        ("file", false) => {}
        ("file", true) => return Err("must begin with file:/// and an absolute path"),
        ("s3" | "gs" | "az", true) => {}
        ("s3" | "gs" | "az", false) => return Err("must name a bucket"),
        _ => return Err("must begin with file://, s3://, gs:// or az://"),
    }
    let path = url.path().trim_end_matches('/').to_owned();
    if path.is_empty() && url.scheme() == "file" {
        return Err("must name a folder");
    }
    url.set_path(&path);
    Ok(url)
}

/// The levels by the registry's words.
pub(crate) const COMPATIBILITY: [(&str, Compatibility); 7] = [
    ("NONE", Compatibility::None),
    ("BACKWARD", Compatibility::Backward),
    ("BACKWARD_TRANSITIVE", Compatibility::BackwardTransitive),
    ("FORWARD", Compatibility::Forward),
    ("FORWARD_TRANSITIVE", Compatibility::ForwardTransitive),
    ("FULL", Compatibility::Full),
    ("FULL_TRANSITIVE", Compatibility::FullTransitive),
];

fn schemas(section: &Section<'_>, folder: &Path) -> Schemas {
    let dir = match section.has("dir") {
        true => section
            .required_text("dir")
            .map_or_else(PathBuf::new, |dir| PathBuf::from(dir.text)),
        false => PathBuf::from("schemas"),
    };
    Schemas {
        dir: folder.join(dir),
        compatibility: section
            .choice("compatibility", &COMPATIBILITY)
            .unwrap_or(Compatibility::Backward),
        poll: section.duration("poll", Duration::from_secs(30)),
    }
}

/// `[flush]`, of the daemon or of a stream, over `default`.
pub(crate) fn flush(section: &Section<'_>, default: Flush) -> Flush {
    Flush {
        max_age: section.duration("max_age", default.max_age),
        max_rows: section.count("max_rows", default.max_rows),
        max_bytes: section.size("max_bytes", default.max_bytes),
    }
}

fn log(section: &Section<'_>) -> Log {
    let level = section.parsed("level", |text| {
        tracing_subscriber::EnvFilter::try_new(text)
            .map(|_| text.to_owned())
            .map_err(|_| "is no filter, as in \"info\" or \"info,weir::source=debug\"")
    });
    Log {
        level: level.unwrap_or_else(|| "info".to_owned()),
        json: section
            .choice("format", &[("text", false), ("json", true)])
            .unwrap_or(false),
    }
}
