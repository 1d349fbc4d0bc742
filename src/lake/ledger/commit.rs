//! One commit of the Delta log, with what the ledger and the proof need of it.
//!
//! Owns: the JSON form of a commit's lines. Does not own: Delta's state (`lake::state`).

use serde::{Deserialize, Serialize};

use crate::lake::state::decoded;
use crate::model::ledger::CommitRecord;

/// What one commit holds.
#[derive(Debug, Clone, Default)]
pub struct LoggedCommit {
    /// The version.
    pub version: u64,
    /// `commitInfo.weir`; `None` for a commit of another program, and for the table's first.
    pub record: Option<CommitRecord>,
    /// `txn` actions, in order.
    pub positions: Vec<(String, i64)>,
    /// `add` actions, in order.
    pub files: Vec<LoggedFile>,
    /// Paths of `remove` actions.
    pub removed: Vec<String>,
    /// True if it changes the table's columns, properties or protocol.
    pub changes_table: bool,
}

/// A data file as a commit names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedFile {
    /// Relative to the table, decoded.
    pub path: String,
    /// Bytes.
    pub size: i64,
    /// `numRecords` of its statistics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<i64>,
}

#[derive(Deserialize)]
struct Line {
    txn: Option<Txn>,
    add: Option<Add>,
    remove: Option<Remove>,
    #[serde(rename = "metaData")]
    metadata: Option<serde::de::IgnoredAny>,
    protocol: Option<serde::de::IgnoredAny>,
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
struct Add {
    path: String,
    size: i64,
    stats: Option<String>,
}

#[derive(Deserialize)]
struct Stats {
    #[serde(rename = "numRecords")]
    rows: Option<i64>,
}

#[derive(Deserialize)]
struct Remove {
    path: String,
}

#[derive(Deserialize)]
struct CommitInfo {
    weir: Option<serde_json::Value>,
}

/// Reads the lines of commit `version`.
///
/// # Errors
/// Says what is not readable.
pub fn parse(version: u64, bytes: &[u8]) -> Result<LoggedCommit, String> {
    let mut commit = LoggedCommit {
        version,
        ..LoggedCommit::default()
    };
    let lines = bytes.split(|b| *b == b'\n');
    for (at, line) in lines
        .enumerate()
        .filter(|(_, l)| !l.trim_ascii().is_empty())
    {
        let unreadable = |e: serde_json::Error| format!("line {}: {e}", at + 1);
        let line: Line = serde_json::from_slice(line).map_err(unreadable)?;
        if let Some(txn) = line.txn {
            commit.positions.push((txn.app_id, txn.version));
        }
        if let Some(add) = line.add {
            let stats: Option<Stats> = add.stats.and_then(|s| serde_json::from_str(&s).ok());
            commit.files.push(LoggedFile {
                path: decoded(&add.path),
                size: add.size,
                rows: stats.and_then(|s| s.rows),
            });
        }
        if let Some(remove) = line.remove {
            commit.removed.push(decoded(&remove.path));
        }
        commit.changes_table |= line.metadata.is_some() || line.protocol.is_some();
        if let Some(weir) = line.commit_info.and_then(|i| i.weir) {
            let record = match weir {
                serde_json::Value::String(text) => serde_json::from_str(&text),
                value => serde_json::from_value(value),
            };
            commit.record = Some(record.map_err(unreadable)?);
        }
    }
    Ok(commit)
}
