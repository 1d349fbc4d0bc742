//! The DLO's log as it lies in the lake's folder: who committed what.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::world::{STREAM, World};

/// A commit of weir's.
#[derive(Debug)]
pub struct Commit {
    /// Its version.
    pub version: u64,
    /// The instance that made it.
    pub instance: String,
    /// The batch.
    pub batch: String,
    /// Why the batch was cut.
    pub cut: Option<String>,
    /// The schema version of its rows; `None` without rows.
    pub schema: Option<u64>,
    /// Its ranges, as they stand there.
    pub ranges: Vec<Value>,
}

impl Commit {
    /// The next offset of each partition that it moves.
    pub fn moves(&self) -> BTreeMap<i64, i64> {
        let moved = self.ranges.iter().filter(|r| r["from"] != r["to"]);
        moved
            .map(|r| (r["partition"].as_i64().unwrap(), r["to"].as_i64().unwrap()))
            .collect()
    }
}

/// The commits of the DLO's log, in order.
pub fn commits(world: &World) -> Vec<Commit> {
    let folder = world
        .lake_folder()
        .join(format!("{STREAM}__dll/_delta_log"));
    let mut found = Vec::new();
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    for path in entries.map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Some(version) = name.strip_suffix(".json").and_then(|n| n.parse().ok()) else {
            continue;
        };
        let text = std::fs::read_to_string(&path).unwrap();
        let actions = text.lines().map(|line| serde_json::from_str(line).unwrap());
        found.extend(actions.filter_map(|action: Value| commit(version, &action)));
    }
    found.sort_by_key(|commit| commit.version);
    found
}

fn commit(version: u64, action: &Value) -> Option<Commit> {
    let mut record = action.get("commitInfo")?.get("weir")?.clone();
    if let Some(text) = record.as_str() {
        record = serde_json::from_str(text).unwrap();
    }
    Some(Commit {
        version,
        instance: record["instance"].as_str().unwrap_or_default().to_owned(),
        batch: record["batch"].as_str().unwrap().to_owned(),
        cut: record["cut"].as_str().map(str::to_owned),
        schema: record["schema"].as_u64(),
        ranges: record["ranges"].as_array().cloned().unwrap_or_default(),
    })
}
