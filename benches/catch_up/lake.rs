//! What landed: the files that the Delta logs name.

use std::fs;
use std::path::Path;

use serde_json::Value;

/// A data file.
pub struct File {
    /// Its stream.
    pub stream: String,
    /// Its rows.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
}

/// The files of all tables under `lake`, rejects included, by table and commit.
pub fn files(lake: &Path) -> Vec<File> {
    let mut logs: Vec<_> = fs::read_dir(lake)
        .unwrap()
        .flat_map(|table| fs::read_dir(table.unwrap().path().join("_delta_log")).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .collect();
    logs.sort();
    let mut files = Vec::new();
    for log in logs {
        let table = log.parent().and_then(Path::parent).unwrap();
        for line in fs::read_to_string(&log).unwrap().lines() {
            let action: Value = serde_json::from_str(line).unwrap();
            let Some(add) = action.get("add") else {
                continue;
            };
            let stats = add["stats"].as_str().unwrap_or("{}");
            let stats: Value = serde_json::from_str(stats).unwrap();
            files.push(File {
                stream: table.file_name().unwrap().display().to_string(),
                rows: stats["numRecords"].as_u64().unwrap(),
                bytes: add["size"].as_u64().unwrap(),
            });
        }
    }
    files
}
