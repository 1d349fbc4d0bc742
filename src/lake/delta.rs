//! A DLO as a Delta table, with its rejects table beside it, through `delta_kernel`.
//!
//! Owns: [`DeltaTable`], in rooms: `open` (loading, creating), `side` (what is held of a table),
//! `put` (the conditional put of a commit), `rejects` (the rejects table as one that follows), `upkeep`
//! (checkpoints, checksums, the log's length), `features`, `texts` (schema versions), `log` (looks),
//! `actions` (the log's JSON), `stats`.
//! Does not own: the judgement (`lake::protocol`), when the rejects table follows (`lake::follow`).

mod actions;
mod features;
mod log;
mod open;
mod put;
mod rejects;
mod side;
pub mod stats;
mod texts;
mod upkeep;

use std::sync::atomic::AtomicU64;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use delta_kernel::transaction::UpdateTableOperation;

use crate::error::{Error, Result};
use crate::lake::delta::side::Side;
use crate::lake::delta::upkeep::Cadence;
use crate::lake::ledger::traces;
use crate::lake::{Answer, Commit, LakeTable, Logged, Traces, View, follow};
use crate::model::position::SourcePartition;
use crate::store::Store;

const ENGINE_INFO: &str = concat!("weir/", env!("CARGO_PKG_VERSION"));

/// The DLO and the rejects table of one stream.
pub struct DeltaTable {
    store: Store,
    stream: String,
    instance: String,
    data: Side,
    rejects: Side,
    followed: AtomicU64,
    cadence: Cadence,
    upkeep: tokio::sync::Mutex<()>,
}

/// What a DLO looks like when it is created.
#[derive(Debug, Clone)]
pub struct TableSpec {
    /// Every column: the schema's fields, derived partition columns, provenance.
    pub schema: SchemaRef,
    /// Partition columns, in order.
    pub partition_columns: Vec<String>,
}

impl DeltaTable {
    /// Writes a checkpoint and a checksum each time that so many versions were passed.
    #[must_use]
    pub fn with_upkeep_every(mut self, checkpoint: u64, checksum: u64) -> Self {
        self.cadence.checkpoint = checkpoint;
        self.cadence.checksum = checksum;
        self
    }

    /// Folds the log each time that so many commits have come together below the newest `keep`.
    #[must_use]
    pub fn with_fold_every(mut self, commits: usize, keep: u64) -> Self {
        self.cadence.fold = commits;
        self.cadence.keep = keep;
        self
    }
}

#[async_trait]
impl LakeTable for DeltaTable {
    async fn view(&self) -> Result<View> {
        self.data.refresh().await
    }

    async fn commits_since(&self, after: u64, most: usize) -> Result<Vec<Logged>> {
        let side = &self.data;
        log::logged(&side.objects, &side.name, after, most, side.known()).await
    }

    async fn try_commit(&self, at: u64, commit: &Commit) -> Answer {
        self.data
            .put(at, commit.clone(), UpdateTableOperation::Write)
            .await
    }

    async fn follow_rejects(&self) -> Result<u64> {
        follow::follow(
            self,
            &self.followed,
            follow::next,
            &follow::Limits::default(),
        )
        .await
    }

    async fn traces(&self, partitions: &[SourcePartition], ids: bool) -> Result<Traces> {
        traces::traces(&self.data.objects, &self.data.name, partitions, ids).await
    }

    async fn admit(&self, columns: &SchemaRef) -> Result<Vec<String>> {
        self.make_room(columns).await
    }

    async fn publish_schema(&self, version: u32, text: &str) -> Result<()> {
        self.put_text(version, text).await
    }

    async fn schema_text(&self, version: u32) -> Result<Option<String>> {
        self.get_text(version).await
    }

    async fn upkeep(&self) -> Result<()> {
        self.keep_up().await
    }
}

impl std::fmt::Debug for DeltaTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeltaTable")
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}

/// Runs `work`, which blocks on the store, beside the runtime's workers.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| Error::internal("a table operation died").because(e))?
}
