//! A configuration in a folder of its own, and the binary run with it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// A copy of the repository's `config/`, with its lake in the same folder.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        for path in ["weir.toml", "streams/orders.toml", "schemas/orders/1.avsc"] {
            let text = std::fs::read_to_string(config.join(path)).unwrap();
            let lake = folder.path("lake");
            folder.write(
                path,
                &text.replace("/var/lib/weir/lake", lake.to_str().unwrap()),
            );
        }
        folder
    }

    /// The same with these streams in place of the sample, each named as its topic, with the
    /// subject `events`, whose field `a` is the key. Batches are cut soon.
    pub(crate) fn events(broker: &str, streams: &[&str]) -> Self {
        let folder = Self::new();
        std::fs::remove_file(folder.path("streams/orders.toml")).unwrap();
        let settings = folder
            .read("weir.toml")
            .replace("127.0.0.1:9092", broker)
            .replace("max_age = \"10s\"", "max_age = \"500ms\"")
            .replace(
                "[kafka.properties]\n",
                "[kafka.properties]\n\"session.timeout.ms\" = \"3000\"\n\"heartbeat.interval.ms\" = \"500\"\n",
            );
        folder.write("weir.toml", &settings);
        for stream in streams {
            let text = format!(
                "source = \"tests\"\nobject = \"events\"\ncategory = \"other\"\n\
                 schema = {{ subject = \"events\" }}\nprimary_key = [\"a\"]\n\
                 [topics]\nnames = [\"{stream}\"]\nformat = \"json\"\n"
            );
            folder.write(&format!("streams/{stream}.toml"), &text);
        }
        folder
    }

    /// Another instance's configuration: the same, with schemas of its own.
    pub(crate) fn beside(&self) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let mut files = vec!["weir.toml".to_owned()];
        for entry in std::fs::read_dir(self.path("streams")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            files.push(format!("streams/{name}"));
        }
        for file in files {
            folder.write(&file, &self.read(&file).replace("weir-0", "weir-1"));
        }
        folder
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// The binary with this configuration, and none of the settings of whoever runs the tests.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        for (key, _) in std::env::vars().filter(|(key, _)| key.starts_with("WEIR_")) {
            command.env_remove(key);
        }
        command.arg("--config").arg(self.path("weir.toml"));
        command
    }

    /// Exit code, stdout, stderr.
    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let Output {
            status,
            stdout,
            stderr,
        } = self.command().args(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }

    /// As [`Folder::run`] with `--format json`, stdout read.
    pub(crate) fn json(&self, arguments: &[&str]) -> (i32, serde_json::Value) {
        let arguments = [&["--format", "json"], arguments].concat();
        let (code, out, err) = self.run(&arguments);
        let document = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}"));
        (code, document)
    }
}
