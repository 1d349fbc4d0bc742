//! A test's world: a folder, a cluster, a lake, instances of weir, and the checker.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::instance::Weir;
use crate::services::kafka::Kafka;
use crate::services::process::Process;
use crate::services::proxy::Proxy;
use crate::services::s3::{BUCKET, KEYS, S3};
use crate::services::{free_ports, in_repository, python, python_command, wait_for};

/// The stream, and the topic that most tests feed it from.
pub const STREAM: &str = "events";

/// The longest time in which anything is expected to happen.
pub const SOON: Duration = Duration::from_secs(120);

/// Where the tables are.
#[derive(Debug)]
pub enum Lake {
    /// A folder.
    Local(PathBuf),
    /// A bucket.
    S3 {
        /// The server.
        server: S3,
        /// What a test put between it and weir.
        proxy: Option<Proxy>,
    },
}

/// Settings of a test that differ from the usual.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Of `[topics]`: lines of TOML.
    pub topics: String,
    /// `schema` of the stream.
    pub schema: String,
    /// Of `weir.toml`: whole sections.
    pub more: String,
    /// `flush.max_rows`.
    pub max_rows: u32,
    /// `flush.max_age`.
    pub max_age: &'static str,
    /// Of `[lake.options]`, on S3 only: lines of TOML.
    pub lake_options: &'static str,
    /// Of `[kafka.properties]`: lines of TOML.
    pub kafka_properties: &'static str,
    /// Further files of the configuration: path and text.
    pub files: Vec<(String, String)>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            topics: format!("names = [\"{STREAM}\"]\nformat = \"json\""),
            schema: format!("{{ subject = \"{STREAM}\" }}"),
            more: String::new(),
            max_rows: 2000,
            max_age: "500ms",
            lake_options: "",
            kafka_properties: "",
            files: Vec::new(),
        }
    }
}

/// Everything of one test. Whatever runs ends with it.
#[derive(Debug)]
pub struct World {
    /// The cluster.
    pub kafka: Kafka,
    /// The lake.
    pub lake: Lake,
    /// What instances are configured with from now on.
    pub settings: Settings,
    folder: tempfile::TempDir,
}

impl World {
    /// A cluster of one node and a lake in a folder.
    pub fn local(settings: Settings) -> World {
        World::of_nodes(1, settings)
    }

    /// A cluster of so many nodes and a lake in a folder.
    pub fn of_nodes(nodes: usize, settings: Settings) -> World {
        let folder = tempfile::tempdir().unwrap();
        let kafka = Kafka::start(folder.path(), nodes);
        World {
            kafka,
            lake: Lake::Local(folder.path().join("lake")),
            folder,
            settings,
        }
    }

    /// A cluster of one node and a lake on S3.
    pub fn s3(settings: Settings) -> World {
        let mut world = World::local(settings);
        let server = S3::start(world.folder.path());
        world.lake = Lake::S3 {
            server,
            proxy: None,
        };
        world
    }

    /// The same, and weir reaches the server through a proxy.
    pub fn s3_behind_proxy(settings: Settings) -> World {
        let mut world = World::s3(settings);
        if let Lake::S3 { server, proxy } = &mut world.lake {
            *proxy = Some(Proxy::start(server.port()));
        }
        world
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The S3 server.
    pub fn s3_server(&mut self) -> &mut S3 {
        match &mut self.lake {
            Lake::S3 { server, .. } => server,
            Lake::Local(_) => panic!("the lake is a folder"),
        }
    }

    /// The proxy in front of it.
    pub fn proxy(&self) -> &Proxy {
        match &self.lake {
            Lake::S3 {
                proxy: Some(proxy), ..
            } => proxy,
            _ => panic!("nothing is in front of the lake"),
        }
    }

    /// Does `verb` to topics; see `topics.py`.
    pub fn topics(&self, verb: &[&str]) -> String {
        let mut arguments = vec![self.kafka.brokers()];
        arguments.extend(verb.iter().map(|&word| word.to_owned()));
        let output = python("topics.py", &arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "topics.py {verb:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The next offset after the last message of each partition.
    pub fn ends(&self, topic: &str) -> BTreeMap<i32, i64> {
        let bounds: BTreeMap<i32, (i64, i64)> =
            serde_json::from_str(&self.topics(&["ends", topic])).unwrap();
        bounds.into_iter().map(|(p, (_, high))| (p, high)).collect()
    }

    /// The messages that a topic holds.
    pub fn held(&self, topic: &str) -> u64 {
        self.topics(&["held", topic]).trim().parse().unwrap()
    }

    /// The node that leads a partition.
    pub fn leader(&self, topic: &str, partition: i32) -> usize {
        let number = partition.to_string();
        let id: usize = self
            .topics(&["leader", topic, &number])
            .trim()
            .parse()
            .unwrap();
        id - 1
    }

    /// Fills the usual topic and waits for it; see `produce.py`.
    pub fn produce(&self, seed: u64, options: &[&str]) {
        let output = self.produce_command(seed, options).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "produce.py: {text}{errors}");
    }

    /// Fills the usual topic meanwhile.
    pub fn producing(&self, seed: u64, options: &[&str]) -> Process {
        let mut command = self.produce_command(seed, options);
        Process::start(
            "produce.py",
            &mut command,
            &self.folder().join("produce.log"),
        )
    }

    fn produce_command(&self, seed: u64, options: &[&str]) -> Command {
        let mut arguments = vec!["--brokers".to_owned(), self.kafka.brokers()];
        arguments.extend(["--topic", STREAM, "--seed"].map(str::to_owned));
        arguments.push(seed.to_string());
        arguments.extend(options.iter().map(|&word| word.to_owned()));
        python_command("produce.py", &arguments)
    }

    /// Puts a version of the schema into an instance's folder, whole at once: the event's fields and
    /// `added_2` to `added_<version>`.
    pub fn put_schema(&self, instance: &str, version: u32) {
        let schema = std::fs::read_to_string(in_repository("tests/real/event.avsc")).unwrap();
        let mut schema: Value = serde_json::from_str(&schema).unwrap();
        for added in 2..=version {
            let field = json!({
                "name": format!("added_{added}"), "type": ["null", "string"], "default": null
            });
            schema["fields"].as_array_mut().unwrap().push(field);
        }
        let folder = self
            .folder()
            .join(format!("config-{instance}/schemas/{STREAM}"));
        let beside = folder.join("new");
        std::fs::write(&beside, schema.to_string()).unwrap();
        std::fs::rename(&beside, folder.join(format!("{version}.avsc"))).unwrap();
    }

    /// Starts an instance; `fail_point` is a `WEIR_FAIL_POINT`.
    pub fn weir(&self, name: &str, fail_point: Option<&str>) -> Weir {
        let port = free_ports(1)[0];
        let mut command = self.command(name, port);
        command.arg("run");
        if let Some(point) = fail_point {
            command.env("WEIR_FAIL_POINT", point);
        }
        let log = self.folder().join(format!("{name}.log"));
        let process = Process::start(name, &mut command, &log);
        Weir::new(process, port)
    }

    /// A command of weir with the world's configuration: exit code, and what it printed; where
    /// that is nothing, its errors.
    pub fn ask(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.command("asking", 0).args(arguments).output().unwrap();
        let printed = if output.stdout.is_empty() {
            &output.stderr
        } else {
            &output.stdout
        };
        let text = String::from_utf8_lossy(printed).into_owned();
        (output.status.code(), text)
    }

    fn command(&self, name: &str, port: u16) -> Command {
        let config = self.configure(name, port);
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        command.arg("--config").arg(config);
        // A setting of whoever runs the tests is none of the test's.
        for (key, _) in std::env::vars().filter(|(key, _)| key.starts_with("WEIR_")) {
            command.env_remove(key);
        }
        command
    }

    /// Writes the configuration of an instance.
    fn configure(&self, name: &str, port: u16) -> PathBuf {
        let folder = self.folder().join(format!("config-{name}"));
        let write = |path: &str, text: &str| {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            path
        };
        let schema = in_repository("tests/real/event.avsc");
        let schema = std::fs::read_to_string(schema).unwrap();
        write(&format!("schemas/{STREAM}/1.avsc"), &schema);
        let stream = format!(
            "source = \"tests\"\nobject = \"events\"\ncategory = \"engagement\"\n\
             schema = {}\nprimary_key = [\"id\"]\n\
             event_time = \"created_at\"\n[topics]\n{}\n",
            self.settings.schema, self.settings.topics
        );
        write(&format!("streams/{STREAM}.toml"), &stream);
        let Settings {
            more,
            max_rows,
            max_age,
            kafka_properties,
            ..
        } = &self.settings;
        let options = match &self.lake {
            Lake::Local(_) => String::new(),
            Lake::S3 { server, proxy } => format!(
                "[lake.options]\nendpoint = \"{}\"\nallow_http = \"true\"\n\
                 region = \"us-east-1\"\naccess_key_id = \"{}\"\nsecret_access_key = \"{}\"\n{}\n",
                proxy.as_ref().map_or(server.endpoint(), Proxy::endpoint),
                KEYS.0,
                KEYS.1,
                self.settings.lake_options
            ),
        };
        let daemon = format!(
            "[instance]\nid = \"{name}\"\n\
             [kafka]\nbrokers = \"{}\"\ngroup = \"weir\"\n\
             [kafka.properties]\n\"session.timeout.ms\" = \"3000\"\n\
             \"heartbeat.interval.ms\" = \"500\"\n\
             \"topic.metadata.refresh.interval.ms\" = \"2000\"\n{kafka_properties}\n\
             [lake]\nurl = \"{}\"\n{options}\
             [flush]\nmax_age = \"{max_age}\"\nmax_rows = {max_rows}\n\
             [http]\nlisten = \"127.0.0.1:{port}\"\n{more}",
            self.kafka.brokers(),
            self.lake_url()
        );
        for (path, text) in &self.settings.files {
            write(path, text);
        }
        write("weir.toml", &daemon)
    }

    /// From now on the lake is at `folder`, a copy of it.
    pub fn read_lake_at(&mut self, folder: &Path) {
        self.lake = Lake::Local(folder.to_owned());
    }

    /// The lake's folder on this machine; the S3 server's objects are plain files.
    pub fn lake_folder(&self) -> PathBuf {
        match &self.lake {
            Lake::Local(folder) => folder.clone(),
            Lake::S3 { .. } => self.folder().join("s3").join(BUCKET).join("tables"),
        }
    }

    fn lake_url(&self) -> String {
        match &self.lake {
            Lake::Local(folder) => format!("file://{}", folder.display()),
            Lake::S3 { .. } => format!("s3://{BUCKET}/tables"),
        }
    }

    /// `weir verify` over the stream: the exit code and the report.
    pub fn verify(&self) -> (Option<i32>, Value) {
        let (code, text) = self.ask(&["verify", STREAM, "--format", "json"]);
        let report = serde_json::from_str(&text);
        (
            code,
            report.unwrap_or_else(|e| panic!("weir verify: {e}: {text}")),
        )
    }

    /// Waits until `instances` together have settled every partition up to `ends`.
    pub fn wait_settled(&self, instances: &mut [Weir], ends: &BTreeMap<i32, i64>) {
        let what = format!("all of {ends:?} is settled");
        wait_for(&what, SOON, || {
            let mut settled = BTreeMap::new();
            for weir in instances.iter_mut() {
                if let Some(status) = weir.process.ended() {
                    panic!("an instance ended with {status}");
                }
                for (partition, position) in weir.positions() {
                    let best = settled.entry(partition).or_insert(position);
                    *best = position.max(*best);
                }
            }
            let there = |(p, end): (&i32, &i64)| settled.get(p).is_some_and(|at| at >= end);
            ends.iter().all(there).then_some(())
        });
    }

    /// Holds the lake against the log of the usual topic, see `check.py`, and has `weir verify` say
    /// the same. Returns the checker's counts.
    pub fn check(&self, options: &[&str]) -> Value {
        let report = self.report(options);
        assert_eq!(report["ok"], json!(true), "{report:#}");
        let counts = &report["counts"];
        let (code, proof) = self.verify();
        assert_eq!((code, &proof["ok"]), (Some(0), &json!(true)), "{proof:#}");
        let sources = proof["streams"][0]["sources"].as_array().unwrap();
        let sum = |name: &str| -> i64 { sources.iter().map(|s| s[name].as_i64().unwrap()).sum() };
        let counted = |name: &str| counts[name].as_i64().unwrap_or(0);
        assert_eq!(
            sum("to") - sum("from"),
            counted("positions"),
            "{proof:#} {counts:#}"
        );
        assert_eq!(
            sum("accepted"),
            counted(&format!("{STREAM}__dll")),
            "{proof:#} {counts:#}"
        );
        assert_eq!(
            sum("rejected"),
            counted(&format!("{STREAM}__rejects")),
            "{proof:#} {counts:#}"
        );
        counts.clone()
    }

    /// The rows of the DLO, and how many hold a value of each of `columns`, as one reader after the
    /// other sees them (`readers.py`).
    pub fn readers(&self, columns: &[&str]) -> BTreeMap<String, BTreeMap<String, u64>> {
        let table = self.lake_folder().join(format!("{STREAM}__dll"));
        let mut arguments = vec![table.display().to_string()];
        arguments.extend(columns.iter().map(|&column| column.to_owned()));
        let output = python("readers.py", &arguments);
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("readers.py: {e}: {text}{errors}"))
    }

    /// What the checker says.
    pub fn report(&self, options: &[&str]) -> Value {
        let url = self.lake_url();
        let lake = url.strip_prefix("file://").unwrap_or(&url);
        let mut arguments = vec!["--lake".to_owned(), lake.to_owned()];
        if let Lake::S3 { server, .. } = &self.lake {
            let (key, secret) = KEYS;
            let access = json!({ "endpoint": server.endpoint(), "key": key, "secret": secret });
            arguments.extend(["--s3".to_owned(), access.to_string()]);
        }
        arguments.extend(["--brokers".to_owned(), self.kafka.brokers()]);
        let words = ["--stream", STREAM, "--topic", STREAM];
        arguments.extend(words.iter().chain(options).map(|&word| word.to_owned()));
        let output = python("check.py", &arguments);
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("check.py: {e}: {text}{errors}"))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.folder.disable_cleanup(true);
            eprintln!("logs and tables are kept in {}", self.folder().display());
        }
    }
}
