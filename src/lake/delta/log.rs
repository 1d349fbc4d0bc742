//! A table's log as JSON: which versions there are, and what weir's own part of them says.
//!
//! Owns: listing and reading `_delta_log/*.json` for positions and commit records.
//! Does not own: Delta's state (delta_kernel).

use std::collections::HashMap;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::lake::layout;
use crate::model::ledger::CommitRecord;
use crate::store::store_error;

/// Commits that are read side by side.
const READ_AHEAD: usize = 16;

/// What weir needs of one commit.
#[derive(Debug, Clone)]
pub struct LogEntry {
    /// The version.
    pub version: u64,
    /// `txn` actions: application id → version.
    pub positions: HashMap<String, i64>,
    /// `commitInfo.weir`; `None` for a commit of another program.
    pub record: Option<CommitRecord>,
}

#[derive(Deserialize)]
struct Line {
    txn: Option<Txn>,
    #[serde(rename = "commitInfo")]
    commit_info: Option<CommitInfo>,
}

#[derive(Deserialize)]
struct Txn {
    #[serde(rename = "appId")]
    app_id: String,
    version: i64,
}

#[derive(Deserialize)]
struct CommitInfo {
    weir: Option<serde_json::Value>,
}

/// The commits of versions above `after` (all with `None`), ascending.
pub async fn entries_since(
    objects: &Arc<dyn ObjectStore>,
    table: &str,
    after: Option<u64>,
) -> Result<Vec<LogEntry>> {
    let folder = Path::from(format!("{table}/_delta_log"));
    let listed = match after {
        Some(after) => {
            let last = Path::from(format!("{table}/{}", layout::commit(after)));
            objects.list_with_offset(Some(&folder), &last)
        }
        None => objects.list(Some(&folder)),
    };
    let mut versions: Vec<u64> = listed
        .try_filter_map(|meta| async move {
            Ok(meta.location.filename().and_then(layout::commit_version))
        })
        .try_collect()
        .await
        .map_err(|e| store_error("list the table's log", e))?;
    versions.retain(|v| after.is_none_or(|after| *v > after));
    let Some(newest) = versions.iter().max().copied() else {
        return Ok(Vec::new());
    };
    // A listing is no snapshot: it may show a commit and miss the one before it. Passing over one
    // would lose its positions for good, so every version up to the newest is read by its name.
    let first = after.map_or(0, |after| after + 1);
    futures::stream::iter(first..=newest)
        .map(|version| read(objects, table, version))
        .buffered(READ_AHEAD)
        .try_collect()
        .await
}

async fn read(objects: &Arc<dyn ObjectStore>, table: &str, version: u64) -> Result<LogEntry> {
    let path = Path::from(format!("{table}/{}", layout::commit(version)));
    let bytes = async { objects.get(&path).await?.bytes().await }
        .await
        .map_err(|e| match e {
            object_store::Error::NotFound { .. } => Error::refused(format!(
                "commit {version} of {table} is gone from the log, and with it positions that nothing else tells; restore the file"
            ))
            .because(e),
            e => store_error("read the table's log", e),
        })?;
    parse(version, &bytes)
}

/// Reads the lines of one commit.
pub fn parse(version: u64, bytes: &[u8]) -> Result<LogEntry> {
    let mut entry = LogEntry {
        version,
        positions: HashMap::new(),
        record: None,
    };
    let unreadable = |e: serde_json::Error| {
        Error::refused(format!(
            "commit {version} of the table's log is not readable"
        ))
        .because(e)
    };
    for line in bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
        let line: Line = serde_json::from_slice(line).map_err(unreadable)?;
        if let Some(txn) = line.txn {
            entry.positions.insert(txn.app_id, txn.version);
        }
        if let Some(weir) = line.commit_info.and_then(|i| i.weir) {
            let record = match weir {
                serde_json::Value::String(text) => serde_json::from_str(&text),
                value => serde_json::from_value(value),
            };
            entry.record = Some(record.map_err(unreadable)?);
        }
    }
    Ok(entry)
}
