//! The demo's folder: settings, stream and schema as a user would write them, and a dropped file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::cli::demo::history;
use crate::config::{self, Config};
use crate::error::{Error, Result};

const SCHEMA: &str = include_str!("../../../config/schemas/orders/1.avsc");

const STREAM: &str = r#"source = "demo"
object = "orders"
category = "engagement"
schema = { subject = "orders" }
primary_key = ["order_id"]
event_time = "created_at"

[topics]
names = ["orders"]
format = "json"

[bulk]
prefix = "orders/"
"#;

/// Where the CSV file is dropped, in the demo's folder.
const DROP: &str = "drop/orders/history.csv";

/// The folder of the demo, as an absolute path. One that holds a lake is refused: the broker is a
/// new one each time, and its topic another one than that of an earlier demo.
pub(super) fn folder(asked: Option<&Path>) -> Result<PathBuf> {
    let Some(asked) = asked else {
        return Ok(std::env::temp_dir().join(format!("weir-demo-{}", std::process::id())));
    };
    let dir = std::path::absolute(asked)
        .map_err(|e| Error::config(format!("{} is no folder", asked.display())).because(e))?;
    if dir.join("lake").exists() || dir.join("config").exists() {
        return Err(Error::config(format!(
            "{} holds a demo or a configuration already; name a new folder, or remove that one",
            dir.display()
        )));
    }
    Ok(dir)
}

fn url_of(dir: &Path, name: &str) -> Result<String> {
    let url = url::Url::from_directory_path(dir.join(name))
        .map_err(|()| Error::config(format!("{} is no folder name", dir.display())))?;
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Writes the settings, with a CSV file dropped, and reads them back; `env` may move what HTTP listens on.
pub(super) fn write(dir: &Path, brokers: &str, env: &BTreeMap<String, String>) -> Result<Config> {
    let [lake, drop] = [url_of(dir, "lake")?, url_of(dir, "drop")?];
    let settings = format!(
        "[instance]\nid = \"weir-demo\"\n\n[kafka]\nbrokers = \"{brokers}\"\ngroup = \"weir-demo\"\n\n\
         [lake]\nurl = \"{lake}\"\n\n[bulk]\nurl = \"{drop}\"\npoll = \"1s\"\nsettle = \"1s\"\n\n[flush]\nmax_age = \"1s\"\n"
    );
    for (name, text) in [
        ("config/weir.toml", settings.as_str()),
        ("config/streams/orders.toml", STREAM),
        ("config/schemas/orders/1.avsc", SCHEMA),
        (DROP, &history::file()),
    ] {
        let path = dir.join(name);
        path.parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| std::fs::write(&path, text))
            .map_err(|e| Error::config(format!("cannot write {}", path.display())).because(e))?;
    }
    let mut env = env.clone();
    env.retain(|name, _| name.starts_with("WEIR__HTTP__"));
    Ok(config::load(&dir.join("config/weir.toml"), &env)?)
}
