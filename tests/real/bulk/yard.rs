//! A place with a lake and a bucket, on local disk or on S3, and instances that watch it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use object_store::ObjectStoreExt;
use object_store::path::Path as Key;
use serde_json::{Value, json};
use weir::model::job::JobId;

use crate::instance::Weir;
use crate::services::process::Process;
use crate::services::s3::{BUCKET, KEYS, S3};
use crate::services::shelf::Shelf;
use crate::services::{free_ports, python, wait_for};

/// The stream, and the folder of its drops.
pub const STREAM: &str = "drops";

/// Everything of one test. Whatever runs ends with it.
#[derive(Debug)]
pub struct Yard {
    /// The schema, in Avro's JSON.
    pub schema: String,
    /// The stream's key.
    pub key: &'static str,
    /// `[bulk]` of the stream: lines of TOML.
    pub bulk: String,
    /// Of `weir.toml`: whole sections.
    pub more: String,
    /// `bulk.poll`.
    pub poll: String,
    server: Option<S3>,
    /// The bucket, where it is held in memory.
    shelf: Option<Shelf>,
    folder: tempfile::TempDir,
}

impl Yard {
    /// On local disk.
    pub fn local(schema: &str, key: &'static str, bulk: &str) -> Yard {
        Yard {
            schema: schema.to_owned(),
            key,
            bulk: bulk.to_owned(),
            more: String::new(),
            poll: "500ms".to_owned(),
            server: None,
            shelf: None,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// On S3.
    pub fn s3(schema: &str, key: &'static str, bulk: &str) -> Yard {
        let mut yard = Yard::local(schema, key, bulk);
        yard.server = Some(S3::start(yard.folder.path()));
        yard
    }

    /// A lake on local disk, and a bucket on S3 that is held in memory.
    pub fn shelf(schema: &str, key: &'static str, bulk: &str) -> Yard {
        let mut yard = Yard::local(schema, key, bulk);
        yard.shelf = Some(Shelf::start());
        yard
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where the bucket's files are; also those of the S3 server.
    pub fn bucket(&self) -> PathBuf {
        match &self.server {
            None => self.folder().join("drop"),
            Some(_) => self.folder().join("s3").join(BUCKET).join("drop"),
        }
    }

    /// Where the tables are; also those of the S3 server.
    pub fn lake(&self) -> PathBuf {
        match &self.server {
            None => self.folder().join("lake"),
            Some(_) => self.folder().join("s3").join(BUCKET).join("lake"),
        }
    }

    /// Drops a file whole.
    pub fn drop(&self, name: &str, bytes: impl Into<Vec<u8>>) {
        let bytes = bytes.into();
        if let Some(shelf) = &self.shelf {
            return shelf.put(&format!("drop/{STREAM}/{name}"), bytes);
        }
        match &self.server {
            None => {
                let beside = self.folder().join("being-written");
                std::fs::write(&beside, bytes).unwrap();
                self.move_in(&beside, name);
            }
            Some(_) => self.put(name, bytes),
        }
    }

    /// Drops a file that is there already.
    pub fn move_in(&self, from: &Path, name: &str) {
        if self.server.is_some() {
            return self.put(name, std::fs::read(from).unwrap());
        }
        let to = self.bucket().join(STREAM).join(name);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::rename(from, to).unwrap();
    }

    fn put(&self, name: &str, bytes: Vec<u8>) {
        let store = self.store("drop");
        let key = Key::from(format!("{STREAM}/{name}"));
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime
            .block_on(store.objects().put(&key, bytes.into()))
            .unwrap();
    }

    fn store(&self, prefix: &str) -> weir::store::Store {
        let url = url::Url::parse(&format!("s3://{BUCKET}/{prefix}")).unwrap();
        let options = self.options().into_iter();
        let options = options.map(|(name, value)| (name, weir::config::Secret(value)));
        weir::store::open(&url, &options.collect(), false).unwrap()
    }

    fn bucket_url(&self) -> String {
        match (&self.server, &self.shelf) {
            (None, None) => format!("file://{}", self.bucket().display()),
            _ => format!("s3://{BUCKET}/drop"),
        }
    }

    fn options(&self) -> BTreeMap<String, String> {
        let endpoint = match (&self.server, &self.shelf) {
            (Some(server), _) => server.endpoint(),
            (_, Some(shelf)) => shelf.endpoint(),
            (None, None) => return BTreeMap::new(),
        };
        [
            ("endpoint", endpoint),
            ("access_key_id", KEYS.0.to_owned()),
            ("secret_access_key", KEYS.1.to_owned()),
            ("region", "us-east-1".to_owned()),
            ("allow_http", "true".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
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
        Weir::new(Process::start(name, &mut command, &log), port)
    }

    /// A command of weir: exit code, and what it printed; where that is nothing, its errors.
    pub fn ask(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.command("asking", 0).args(arguments).output().unwrap();
        let printed = match output.stdout.is_empty() {
            true => &output.stderr,
            false => &output.stdout,
        };
        let text = String::from_utf8_lossy(printed).into_owned();
        (output.status.code(), text)
    }

    /// What `weir verify` proves of the stream: the records of each job.
    pub fn verify(&self) -> BTreeMap<String, i64> {
        let (code, text) = self.ask(&["verify", STREAM, "--format", "json"]);
        let report: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        assert_eq!(code, Some(0), "{report:#}");
        let sources = report["streams"][0]["sources"].as_array().unwrap();
        let read = sources.iter().map(|source| {
            let id = source["source_id"].as_str().unwrap().to_owned();
            (id, source["read"].as_i64().unwrap())
        });
        read.fold(BTreeMap::new(), |mut all, (id, read)| {
            *all.entry(id).or_default() += read;
            all
        })
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

    fn configure(&self, name: &str, port: u16) -> PathBuf {
        let folder = self.folder().join(format!("config-{name}"));
        let write = |path: &str, text: &str| {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            path
        };
        let lake = match &self.server {
            None => format!("file://{}", self.lake().display()),
            Some(_) => format!("s3://{BUCKET}/lake"),
        };
        let bucket = self.bucket_url();
        let options = self.options().into_iter();
        let options: String = options
            .map(|(name, value)| format!("{name} = \"{value}\"\n"))
            .collect();
        let lake_options = match &self.server {
            None => String::new(),
            Some(_) => format!("[lake.options]\n{options}"),
        };
        write("schemas/drop/1.avsc", &self.schema);
        let (key, bulk) = (self.key, &self.bulk);
        write(
            &format!("streams/{STREAM}.toml"),
            &format!(
                "source = \"test\"\nobject = \"drop\"\ncategory = \"other\"\n\
                 schema = {{ subject = \"drop\" }}\nprimary_key = [\"{key}\"]\n[bulk]\n{bulk}\n"
            ),
        );
        write(
            "weir.toml",
            &format!(
                "[instance]\nid = \"{name}\"\n[lake]\nurl = \"{lake}\"\nfsync = false\n{lake_options}\
                 [bulk]\nurl = \"{bucket}\"\npoll = \"{}\"\nsettle = \"500ms\"\n[bulk.options]\n{options}\
                 [http]\nlisten = \"127.0.0.1:{port}\"\n[log]\nlevel = \"info,weir::jobs=debug\"\n{}",
                self.poll, self.more
            ),
        )
    }

    /// Every `job.json` in the bucket, by its key.
    pub fn jobs(&self) -> BTreeMap<String, Value> {
        if let Some(shelf) = &self.shelf {
            let all = shelf.under("drop/_results/").into_iter();
            let jobs = all.filter(|(key, _)| key.ends_with("/job.json"));
            return jobs
                .map(|(key, text)| (key, serde_json::from_slice(&text).unwrap()))
                .collect();
        }
        let mut found = BTreeMap::new();
        let results = self.bucket().join("_results");
        collect(&results, &results, &mut found);
        found
    }

    /// Drops objects that are no CSV of the stream's.
    pub fn plant(&self, names: impl Iterator<Item = String>) {
        for name in names {
            if let Some(shelf) = &self.shelf {
                shelf.put(&format!("drop/{STREAM}/{name}"), "no\n");
                continue;
            }
            let path = self.bucket().join(STREAM).join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "no\n").unwrap();
        }
    }

    /// Writes for each object that is there the result of a job that failed.
    pub fn fail_all(&self) {
        let (url, options) = (self.bucket_url(), self.options().into_iter());
        let bucket = weir::bucket::Bucket::open(
            &weir::config::Bucket {
                url: url::Url::parse(&url).unwrap(),
                options: options
                    .map(|(name, value)| (name, weir::config::Secret(value)))
                    .collect(),
                poll: Duration::from_secs(1),
                settle: Duration::from_secs(1),
            },
            None,
        )
        .unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let mut cursor = None;
            loop {
                let mut listing = bucket.list(&format!("{STREAM}/"), cursor);
                while let Some(piece) = listing.next().await.unwrap() {
                    for object in piece.objects {
                        let id = JobId::of(STREAM, &object.key, &object.identity(), 0);
                        let job = json!({
                            "id": id, "stream": STREAM, "operation": "append", "state": "Failed",
                            "files": [], "accepted": 0, "rejected": 0, "skipped": 0,
                            "created_at": "2026-01-01T00:00:00Z", "started_at": null,
                            "finished_at": "2100-01-01T00:00:00Z", "reason": "long ago",
                            "failed_rows": null
                        });
                        let key = weir::bucket::names::job_document(&object.key, &id);
                        if let Some(shelf) = &self.shelf {
                            shelf.put(&format!("drop/{key}"), job.to_string());
                            continue;
                        }
                        let path = self.bucket().join(key);
                        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                        std::fs::write(path, job.to_string()).unwrap();
                    }
                }
                cursor = listing.cursor();
                if cursor.is_none() {
                    break;
                }
            }
        });
    }

    /// Waits until `done` holds of the `job.json`s.
    pub fn wait_jobs(
        &self,
        what: &str,
        limit: Duration,
        instances: &mut [&mut Weir],
        done: impl Fn(&BTreeMap<String, Value>) -> bool,
    ) -> BTreeMap<String, Value> {
        wait_for(what, limit, || {
            instances.iter_mut().for_each(|weir| weir.assert_alive());
            let jobs = self.jobs();
            done(&jobs).then_some(jobs)
        })
    }

    /// What a script of `tests/real` prints as JSON.
    pub fn python(&self, script: &str, arguments: &[&str]) -> Value {
        let arguments: Vec<String> = arguments.iter().map(|&a| a.to_owned()).collect();
        let output = python(script, &arguments);
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{script}: {e}: {text}{errors}"))
    }

    /// The DLO's folder, for readers of local tables.
    pub fn table(&self) -> String {
        let table = self.lake().join(format!("{STREAM}__dll"));
        table.display().to_string()
    }
}

fn collect(root: &Path, folder: &Path, found: &mut BTreeMap<String, Value>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, found);
        } else if path.file_name().is_some_and(|name| name == "job.json") {
            // One that is being replaced is read again at the next look.
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            if let Ok(job) = serde_json::from_str(&text) {
                let key = path.strip_prefix(root).unwrap().display().to_string();
                found.insert(key, job);
            }
        }
    }
}

/// True once so many jobs ended.
pub fn ended(jobs: &BTreeMap<String, Value>) -> usize {
    let finals = ["JobComplete", "Failed", "Aborted"];
    let is_final = |job: &&Value| finals.iter().any(|state| job["state"] == *state);
    jobs.values().filter(is_final).count()
}
