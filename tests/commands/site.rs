//! A configuration with a bucket beside its lake, and a daemon over both.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::house::Done;

/// The longest time in which anything is expected to happen.
const SOON: Duration = Duration::from_secs(90);

const SCHEMA: &str = r#"{"type": "record", "name": "R", "fields": [
    {"name": "id", "type": "long"},
    {"name": "name", "type": ["null", "string"], "default": null},
    {"name": "amount", "type": "double"}]}"#;

/// The stream `r`, whose files have the columns id, name and amount.
pub(crate) struct Site(TempDir);

impl Site {
    /// `bulk` are further keys of the stream's `[bulk]`. A file must hold still for a moment.
    pub(crate) fn new(bulk: &str) -> Self {
        Self::settling(bulk, "300ms")
    }

    pub(crate) fn settling(bulk: &str, settle: &str) -> Self {
        let site = Self(tempfile::tempdir().unwrap());
        let url = |name: &str| format!("file://{}", site.path(name).display());
        site.write(
            "weir.toml",
            format!(
                "[instance]\nid = \"weir-test\"\n[lake]\nurl = \"{}\"\nfsync = false\n\
                 [bulk]\nurl = \"{}\"\npoll = \"200ms\"\nsettle = \"{settle}\"\n\
                 [http]\nlisten = \"127.0.0.1:0\"\n",
                url("lake"),
                url("drop")
            ),
        );
        site.write("schemas/r/1.avsc", SCHEMA);
        site.write(
            "streams/r.toml",
            format!(
                "source = \"s\"\nobject = \"o\"\ncategory = \"other\"\nschema = {{ subject = \"r\" }}\nprimary_key = [\"id\"]\n[bulk]\n{bulk}\n"
            ),
        );
        site
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Moves a file to `key` of the bucket.
    pub(crate) fn place(&self, key: &str, text: impl AsRef<[u8]>) {
        self.write("incoming", text);
        let path = self.path("drop").join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::rename(self.path("incoming"), path).unwrap();
    }

    /// The file at `key` of the bucket.
    pub(crate) fn bytes(&self, key: &str) -> Vec<u8> {
        let path = self.path("drop").join(key);
        std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    pub(crate) fn text(&self, key: &str) -> String {
        String::from_utf8(self.bytes(key)).unwrap()
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.path("drop").join(key).exists()
    }

    /// The binary with these settings, and none of those of whoever runs the tests.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        for (key, _) in std::env::vars().filter(|(key, _)| key.starts_with("WEIR_")) {
            command.env_remove(key);
        }
        command.arg("--config").arg(self.path("weir.toml"));
        command
    }

    /// Runs a command to its end, which must come soon.
    pub(crate) fn run(&self, arguments: &[&str]) -> Done {
        let mut command = self.command();
        let (out, err) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        let mut child = command
            .args(arguments)
            .stdout(out.try_clone().unwrap())
            .stderr(err.try_clone().unwrap())
            .spawn()
            .unwrap();
        let code = wait(&format!("{arguments:?} ends"), || child.try_wait().unwrap());
        let read = |mut file: std::fs::File| {
            use std::io::{Read, Seek};
            file.rewind().unwrap();
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            text
        };
        Done {
            code: code.code().unwrap(),
            stdout: read(out),
            stderr: read(err),
        }
    }

    /// The same with `--format json`.
    pub(crate) fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let arguments = [arguments, &["--format", "json"]].concat();
        let done = self.run(&arguments);
        let document = serde_json::from_str(&done.stdout)
            .unwrap_or_else(|e| panic!("{e}: {}{}", done.stdout, done.stderr));
        (done.code, document)
    }

    /// A command that must be refused with 1: what it says.
    pub(crate) fn refused(&self, arguments: &[&str]) -> String {
        let done = self.run(arguments);
        assert_eq!((done.code, done.stdout.as_str()), (1, ""), "{done:?}");
        done.stderr
    }

    /// Waits for the end of a job: the exit code and the job.
    pub(crate) fn ended(&self, job_or_key: &str) -> (i32, Value) {
        let (code, shown) = self.json(&["jobs", "show", job_or_key, "--watch"]);
        (code, shown["job"].clone())
    }

    /// Waits for a job that must be complete without rejects.
    pub(crate) fn complete(&self, job_or_key: &str) -> Value {
        let (code, job) = self.ended(job_or_key);
        assert_eq!((code, &job["state"]), (0, &json!("JobComplete")), "{job:#}");
        job
    }

    /// All jobs, the newest first.
    pub(crate) fn jobs(&self) -> Vec<Value> {
        let (code, shown) = self.json(&["jobs", "list", "--limit", "1000"]);
        assert_eq!((code, &shown["more"]), (0, &json!(false)));
        shown["jobs"].as_array().unwrap().clone()
    }

    /// What the proof says was read, accepted and rejected.
    pub(crate) fn proven(&self) -> [i64; 3] {
        let (code, report) = self.json(&["verify", "r"]);
        assert_eq!(code, 0, "{report:#}");
        let sources = report["streams"][0]["sources"].as_array().unwrap().clone();
        let sum = |name: &str| sources.iter().map(|s| s[name].as_i64().unwrap()).sum();
        ["read", "accepted", "rejected"].map(sum)
    }

    pub(crate) fn daemon(&self) -> Daemon {
        self.daemon_with("log", &[])
    }

    /// Runs a daemon until it dies at a fail point of a debug build, see `src/fail_point.rs`.
    #[cfg(debug_assertions)]
    pub(crate) fn dies_at(&self, point: &str) {
        let mut daemon = self.daemon_with("log", &[("WEIR_FAIL_POINT", point)]);
        wait(&format!("it dies at {point}"), || {
            daemon.child.try_wait().unwrap()
        });
    }

    /// A daemon that writes to `log`, with further settings from its environment.
    pub(crate) fn daemon_with(&self, log: &str, settings: &[(&str, &str)]) -> Daemon {
        let log = self.path(log);
        let errors = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        let child = self
            .command()
            .envs(settings.iter().copied())
            .arg("run")
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .unwrap();
        Daemon { child, log }
    }
}

/// A daemon that runs until it is dropped.
pub(crate) struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Stops it in order.
    pub(crate) fn stop(mut self) {
        self.signal("-TERM");
        let status = wait("the daemon ends", || self.child.try_wait().unwrap());
        assert_eq!(status.code(), Some(0), "{}", self.log());
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status();
        assert!(sent.unwrap().success());
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the daemon's log:\n{}", self.log());
        }
    }
}

/// Waits until `there` is something, which must be soon.
pub(crate) fn wait<T>(what: &str, mut there: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = there() {
            return found;
        }
        assert!(began.elapsed() < SOON, "{what}: not in time");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A `job.json` as a job that is shown: what is told besides is left out.
pub(crate) fn as_document(job: &Value) -> Value {
    let mut document = job.clone();
    let members = document.as_object_mut().unwrap();
    members.retain(|name, _| !matches!(name.as_str(), "key" | "told_by" | "asked"));
    document
}

/// `job.json` of a job that is shown, whose key needs no encoding.
pub(crate) fn document_of(job: &Value) -> String {
    let part = |name: &str| job[name].as_str().unwrap().to_owned();
    format!("_results/{}/{}/job.json", part("key"), part("id"))
}

/// Sets a file's time of change to `seconds` from now.
pub(crate) fn touch(path: &Path, seconds: u64) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    let later = std::time::SystemTime::now() + Duration::from_secs(seconds);
    file.set_modified(later).unwrap();
}
