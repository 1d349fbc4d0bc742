//! The ledger: what each commit to a DLO says of the positions that it settles.
//!
//! Every batch makes a DLO commit whose `commitInfo.weir` is a [`CommitRecord`]. The laws that the
//! records obey, and that `weir verify` proves, are in `docs/delivery.md`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::model::position::{SourceId, SourcePartition};

#[cfg(test)]
mod tests;

/// The only form of the record so far.
pub const RECORD_VERSION: u32 = 1;

/// Who made the commit, and so what it may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A batch, or starting points.
    Data,
    /// `weir positions`.
    Operator,
    /// Maintenance: no ranges.
    Maintain,
    /// A commit to the rejects table: no ranges.
    Rejects,
}

/// Why a batch was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cut {
    /// The oldest record reached `flush.max_age`.
    Age,
    /// `flush.max_rows`.
    Rows,
    /// `flush.max_bytes`.
    Bytes,
    /// The memory budget.
    Memory,
    /// Too many partition values open at once.
    Partitions,
    /// Too many hole and skip ranges.
    Ranges,
    /// A partition was revoked.
    Revoke,
    /// A newer schema version.
    Schema,
    /// The end of a bulk job, or starting points.
    End,
    /// The process stops.
    Shutdown,
}

impl Cut {
    /// Every reason, for metrics.
    pub const ALL: [Cut; 10] = [
        Cut::Age,
        Cut::Rows,
        Cut::Bytes,
        Cut::Memory,
        Cut::Partitions,
        Cut::Ranges,
        Cut::Revoke,
        Cut::Schema,
        Cut::End,
        Cut::Shutdown,
    ];

    /// The word in the ledger and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Cut::Age => "age",
            Cut::Rows => "rows",
            Cut::Bytes => "bytes",
            Cut::Memory => "memory",
            Cut::Partitions => "partitions",
            Cut::Ranges => "ranges",
            Cut::Revoke => "revoke",
            Cut::Schema => "schema",
            Cut::End => "end",
            Cut::Shutdown => "shutdown",
        }
    }
}

/// What a commit says of one source partition: positions `[from, to)` are settled.
///
/// `to - from = read + holes + lost`; each position read is in a skip range or is one or more
/// records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeRecord {
    /// Topic, or key of the dropped file.
    pub source: String,
    /// See [`SourceId`].
    pub source_id: SourceId,
    /// The partition.
    pub partition: i32,
    /// First position.
    pub from: i64,
    /// The next to read after it.
    pub to: i64,
    /// Positions that held a message.
    pub read: i64,
    /// Positions that the log does not hold (compaction, transaction markers).
    pub holes: i64,
    /// Positions that retention took or an operator passed over, by choice.
    pub lost: i64,
    /// Rows in the DLO.
    pub accepted: i64,
    /// Rows in the rejects table.
    pub rejected: i64,
    /// Positions read that are no record, by rule.
    pub skipped: i64,
    /// The holes, half-open, ascending, not touching.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hole_ranges: Vec<[i64; 2]>,
    /// The skips by code, half-open, ascending, not touching.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub skip_ranges: BTreeMap<String, Vec<[i64; 2]>>,
    /// Kafka's topic id, where the broker tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic_id: Option<String>,
    /// The leader epoch of the last message read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader_epoch: Option<i32>,
}

impl RangeRecord {
    /// The empty range `[at, at)`: a starting point.
    pub fn starting_point(source: &str, partition: &SourcePartition, at: i64) -> Self {
        Self {
            source: source.to_owned(),
            source_id: partition.source_id.clone(),
            partition: partition.partition,
            from: at,
            to: at,
            read: 0,
            holes: 0,
            lost: 0,
            accepted: 0,
            rejected: 0,
            skipped: 0,
            hole_ranges: Vec::new(),
            skip_ranges: BTreeMap::new(),
            topic_id: None,
            leader_epoch: None,
        }
    }

    /// The partition that the range is of.
    pub fn source_partition(&self) -> SourcePartition {
        SourcePartition {
            source_id: self.source_id.clone(),
            partition: self.partition,
        }
    }

    /// Joins `next`, which begins where `self` ends, into `self`.
    pub fn join(&mut self, next: RangeRecord) {
        debug_assert_eq!(self.to, next.from, "ranges join");
        self.to = next.to;
        self.read += next.read;
        self.holes += next.holes;
        self.lost += next.lost;
        self.accepted += next.accepted;
        self.rejected += next.rejected;
        self.skipped += next.skipped;
        for [from, to] in next.hole_ranges {
            crate::model::position::push_range(&mut self.hole_ranges, from, to);
        }
        for (code, ranges) in next.skip_ranges {
            let mine = self.skip_ranges.entry(code).or_default();
            for [from, to] in ranges {
                crate::model::position::push_range(mine, from, to);
            }
        }
        self.topic_id = next.topic_id.or(self.topic_id.take());
        // Of the last message that was read, where that is the last position: not behind a loss.
        if next.from < next.to {
            self.leader_epoch = next.leader_epoch;
        }
    }
}

/// A file of the rejects table that a DLO commit names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectsFile {
    /// Path relative to the rejects table, as in its `add` action.
    pub path: String,
    /// Bytes.
    pub size: i64,
    /// Rows.
    pub rows: i64,
}

/// The bulk job that a commit lands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRecord {
    /// Job id.
    pub id: String,
    /// Key of the drop.
    pub key: String,
    /// ETag, or size and mtime.
    pub identity: String,
    /// Content hash, hexadecimal.
    pub sha256: String,
    /// Of a manifest, its files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileRecord>,
}

/// A file of a manifest, as the drop that it would be by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "WrittenFile")]
pub struct FileRecord {
    /// The id that it would have as a job of its own.
    pub id: String,
    /// Its key; empty where the record is of the older form, which has only the id.
    pub key: String,
    /// Content hash, hexadecimal; none of a file without records, which doubles nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// The forms of a [`FileRecord`].
#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenFile {
    Id(String),
    Whole {
        id: String,
        key: String,
        sha256: Option<String>,
    },
}

impl From<WrittenFile> for FileRecord {
    fn from(written: WrittenFile) -> Self {
        let (id, key, sha256) = match written {
            WrittenFile::Id(id) => (id, String::new(), None),
            WrittenFile::Whole { id, key, sha256 } => (id, key, sha256),
        };
        Self { id, key, sha256 }
    }
}

/// The object under `weir` in a commit's `commitInfo`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitRecord {
    /// [`RECORD_VERSION`].
    pub version: u32,
    /// Who made the commit.
    pub role: Role,
    /// The batch's id; a batch is in the log at most once.
    pub batch: Uuid,
    /// The instance that made it.
    pub instance: String,
    /// Why the batch was cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<Cut>,
    /// The schema version that the rows were decoded with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<u32>,
    /// One entry for each source partition of the batch.
    #[serde(default)]
    pub ranges: Vec<RangeRecord>,
    /// The batch's rejects files, uploaded before the commit.
    #[serde(default)]
    pub rejects: Vec<RejectsFile>,
    /// The bulk job that the commit lands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobRecord>,
    /// Why an operator did it (`role` `operator`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
