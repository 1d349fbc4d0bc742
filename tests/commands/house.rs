//! A configuration beside a lake, and the binary run on it.

use std::path::PathBuf;
use std::process::{Command, Output};

use crate::lake::Lake;

/// What came of a command.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs weir with these arguments on the configuration at `config`.
pub(crate) fn weir(config: &std::path::Path, arguments: &[&str]) -> Done {
    let output: Output = Command::new(env!("CARGO_BIN_EXE_weir"))
        .arg("--config")
        .arg(config)
        .args(arguments)
        .output()
        .unwrap();
    Done {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Settings for the stream `s` of `lake`, with topic `t` of a broker at `brokers`.
pub(crate) fn configure(lake: &Lake, brokers: &str) -> PathBuf {
    let url = lake.store.url().as_str().trim_end_matches('/').to_owned();
    let settings = format!(
        "[kafka]\nbrokers = \"{brokers}\"\ngroup = \"g\"\n[lake]\nurl = \"{url}\"\nfsync = false\n"
    );
    let stream = "source = \"x\"\nobject = \"s\"\ncategory = \"other\"\n\
                  schema = { subject = \"s\" }\nprimary_key = [\"n\"]\n[topics]\nnames = [\"t\"]\nformat = \"json\"\n";
    let schema = r#"{"type": "record", "name": "s", "fields": [{"name": "n", "type": "long"}]}"#;
    for (name, text) in [
        ("config/weir.toml", settings.as_str()),
        ("config/streams/s.toml", stream),
        ("config/schemas/s/1.avsc", schema),
    ] {
        let path = lake.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    lake.path("config/weir.toml")
}

/// An address at which nothing listens.
pub(crate) const NOWHERE: &str = "127.0.0.1:1";
