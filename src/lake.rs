//! The lake: what weir asks of a table format, and the protocol that lands a batch exactly once.
//!
//! Owns: [`LakeTable`] (the contract), `lake::protocol` (the pure judgement of a batch),
//! `lake::follow` (how the rejects table follows), `lake::delta` (Delta through `delta_kernel`),
//! `lake::layout` (every path), `lake::verify`.
//! Does not own: when a batch is cut, or who retries (`pipeline`).

pub mod claims;
pub mod columns;
pub mod delta;
pub mod failure;
pub mod follow;
pub mod jobs;
pub mod layout;
pub mod ledger;
pub mod progress;
pub mod protocol;
pub mod rejects;
pub mod sources;
pub mod state;
pub mod verify;

use std::collections::HashMap;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::Error;
use crate::lake::protocol::has_position;
use crate::model::ledger::{CommitRecord, JobRecord, RejectsFile};
use crate::model::position::{SourceId, SourcePartition};

/// A data file that is uploaded and not yet in the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataFile {
    /// Path relative to the table's root.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Rows.
    pub rows: u64,
    /// Partition column → value as Delta writes it; `None` is null. In the table's order.
    pub partition_values: Vec<(String, Option<String>)>,
    /// Delta's statistics JSON (`numRecords`, `minValues`, `maxValues`, `nullCount`).
    pub stats: String,
    /// Milliseconds since the epoch.
    pub modified_ms: i64,
}

/// What one commit to a DLO holds. Nothing of it is visible before, all of it after.
#[derive(Debug, Clone)]
pub struct Commit {
    /// Goes into `commitInfo.weir`.
    pub record: CommitRecord,
    /// Accepted rows.
    pub files: Vec<DataFile>,
    /// `txn` actions: application id → version (the next offset).
    pub positions: Vec<(String, i64)>,
    /// Columns that the rows have and an older table may lack; added nullable in this commit.
    pub schema: Option<SchemaRef>,
}

/// What a table says at one version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// The version.
    pub version: u64,
    /// Every `txn` action: application id → version.
    pub positions: HashMap<String, i64>,
}

/// What a look takes from one commit, be it in the log or folded into a segment of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// The version.
    pub version: u64,
    /// The batch's id; `None` for a commit of another program, and for the table's first.
    pub batch: Option<Uuid>,
    /// The instance that made it, where the log still tells.
    pub instance: Option<String>,
    /// The rejects files that the commit names.
    pub rejects: Vec<RejectsFile>,
    /// The bulk job that it landed.
    pub job: Option<JobRecord>,
}

/// What the ledger last said of source partitions, beside their positions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traces {
    /// The topic's id of each source, by its newest range that has one.
    pub topic_ids: HashMap<SourceId, String>,
    /// Leader epoch of the last message that was read of each partition, where its newest range
    /// tells it.
    pub leader_epochs: HashMap<SourcePartition, i32>,
}

/// The answer to one conditional put. Only `Committed` is a verdict; every other answer, errors
/// included, is settled by looking at the log ([`LakeTable::view`], [`LakeTable::commits_since`]).
#[derive(Debug)]
pub enum Answer {
    /// The commit is version `.0`.
    Committed(u64),
    /// That version exists already; it may be ours (a put whose answer was lost and retried).
    Conflict,
    /// The put may or may not have happened, or may still happen.
    Unknown(Error),
}

/// A DLO, or the contract that any table format keeps for one.
///
/// Contract, held by the suite in `tests/lake_contract.rs` for every implementation:
/// - `view` is at least as new as every commit that was acknowledged before it was called.
/// - `try_commit(at, ..)` creates version `at` only if it does not exist: of any number of racing
///   calls for one version at most one is `Committed`.
/// - a commit is visible whole or not at all.
/// - `commits_since(v, n)` gives each version in `(v, newest]` once, in order and without a hole,
///   the first `n` of them; also those that were folded meanwhile. Its newest is at least as new as
///   every view that was returned before it was called.
#[async_trait]
pub trait LakeTable: Send + Sync + std::fmt::Debug {
    /// The newest version of the table.
    async fn view(&self) -> Result<View, Error>;

    /// The first `most` commits of the versions in `(after, newest]`, ascending.
    async fn commits_since(&self, after: u64, most: usize) -> Result<Vec<Logged>, Error>;

    /// Tries to put `commit` as version `at`, which is one above a view that was looked at.
    async fn try_commit(&self, at: u64, commit: &Commit) -> Answer;

    /// Rolls the rejects table forward to everything that this table's commits name.
    /// Returns the version of this table that the rejects table now follows to.
    async fn follow_rejects(&self) -> Result<u64, Error>;

    /// What the ledger last said of `partitions`, which have positions. With `ids` it looks back
    /// until it has found the topic id of each source; leader epochs may be missing of partitions
    /// that stood still for long.
    async fn traces(&self, partitions: &[SourcePartition], ids: bool) -> Result<Traces, Error>;

    /// Whether the table can follow to rows of `columns`: why not, a sentence for each column. What
    /// of its protocol they need is added.
    async fn admit(&self, columns: &SchemaRef) -> Result<Vec<String>, Error>;

    /// Makes the text of a schema version known in the table (created if absent) before the first
    /// commit that uses it.
    async fn publish_schema(&self, version: u32, text: &str) -> Result<(), Error>;

    /// The text of a schema version that the table knows.
    async fn schema_text(&self, version: u32) -> Result<Option<String>, Error>;

    /// Upkeep that is off the commit path: checkpoint, checksum, folding. Errors are the caller's to
    /// log.
    async fn upkeep(&self) -> Result<(), Error>;
}

/// A batch ready to be committed: what it claims, and the files that are uploaded for it.
#[derive(Debug, Clone)]
pub struct ReadyBatch {
    /// The batch's id.
    pub batch: Uuid,
    /// The commit that would land it.
    pub commit: Commit,
    /// Rejects files, uploaded; also named in the record.
    pub rejects: Vec<RejectsFile>,
}

impl ReadyBatch {
    /// The batch that lands `record` with `files`: its id, rejects files, and the positions of the
    /// sources that have one are those that the record tells.
    pub fn new(record: CommitRecord, files: Vec<DataFile>) -> Self {
        let ranges = record.ranges.iter();
        let moved = ranges.filter(|r| has_position(&r.source_id));
        let positions = moved.map(|r| (r.source_partition().app_id(), r.to));
        Self {
            batch: record.batch,
            rejects: record.rejects.clone(),
            commit: Commit {
                positions: positions.collect(),
                record,
                files,
                schema: None,
            },
        }
    }
}
