//! Checkpoints, checksums and the length of the log, off the commit path.
//!
//! Owns: when they are due, that only one task of the process is at it, and which files of a log
//! nobody needs any more. Does not own: how commits are folded (`ledger::fold`).
//!
//! Both tables keep their newest commits, at least [`Cadence::keep`]; once [`Cadence::fold`] more
//! have come together, below a checkpoint, these leave the log. The DLO's are folded into segments
//! first; what the rejects table's say is in its checkpoint, and in the DLO's ledger. Several
//! instances may be at it at once: what they write is the same, and what is removed twice is gone.

use std::sync::atomic::{AtomicU64, Ordering};

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::error::Result;
use crate::lake::delta::side::Side;
use crate::lake::delta::{DeltaTable, blocking};
use crate::lake::failure::kernel_error;
use crate::lake::layout;
use crate::lake::ledger::fold::{self, Segments};
use crate::store::store_error;

/// When each is due.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cadence {
    /// Versions between two checkpoints.
    pub(super) checkpoint: u64,
    /// Versions between two checksums; a checkpoint has a checksum too.
    pub(super) checksum: u64,
    /// Commits that leave the log together: those of a segment.
    pub(super) fold: usize,
    /// The newest commits, which stay: other instances, and readers of the table that have listed
    /// the log already, come to them yet.
    pub(super) keep: u64,
}

impl Default for Cadence {
    fn default() -> Self {
        Self {
            checkpoint: 100,
            checksum: 16,
            fold: fold::COMMITS_MAX,
            keep: 300,
        }
    }
}

/// Segments that one call writes at most: a log that was never folded is shortened step by step.
const SEGMENTS_MAX: usize = 2;

impl DeltaTable {
    /// See [`LakeTable::upkeep`](crate::lake::LakeTable::upkeep).
    pub(super) async fn keep_up(&self) -> Result<()> {
        let Ok(_alone) = self.upkeep.try_lock() else {
            return Ok(());
        };
        let data = self.keep_side(&self.data).await;
        let rejects = self.keep_side(&self.rejects).await;
        data.and(rejects)
    }

    async fn keep_side(&self, side: &Side) -> Result<()> {
        let version = side.held.lock().version();
        // Other instances commit too, so that a given version may never be held here.
        let due =
            |last: &AtomicU64, every: u64| version / every > last.load(Ordering::SeqCst) / every;
        if due(&side.checkpointed, self.cadence.checkpoint) {
            side.write_checkpoint(self.cadence.checkpoint).await?;
            self.shorten(side).await?;
        } else if due(&side.checksummed, self.cadence.checksum) {
            side.write_checksum().await?;
        }
        Ok(())
    }

    /// Takes older commits out of the log of `side`, if enough of them can be done without.
    async fn shorten(&self, side: &Side) -> Result<()> {
        let log = Log::list(side).await?;
        let Some(up_to) = log.covered(self.cadence.keep) else {
            return Ok(());
        };
        let leaving = log.commits.partition_point(|version| *version <= up_to);
        if leaving < self.cadence.fold {
            return Ok(());
        }
        let segments = Segments::Whole {
            commits: self.cadence.fold,
            most: SEGMENTS_MAX,
        };
        let begins = if std::ptr::eq(side, &self.data) {
            let folded = fold::fold_into(&self.store, &self.stream, up_to, segments).await?;
            folded.last().map(|(_, to)| *to)
        } else {
            let snapshot = side.newest_snapshot().await?;
            let covered = snapshot.log_segment().checkpoint_version;
            if covered.is_none_or(|at| at < up_to) {
                return Ok(());
            }
            let commits = log.commits.iter().take(leaving).copied();
            fold::remove(&side.objects, &side.name, commits).await?;
            Some(up_to)
        };
        let Some(begins) = begins else {
            return Ok(());
        };
        tracing::info!(
            table = side.name,
            up_to = begins,
            "older commits left the log"
        );
        // Each needs commits that have left, to say more than its own version.
        for (version, path) in log.derived.iter().filter(|(version, _)| *version < begins) {
            match side.objects.delete(path).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(e) => {
                    return Err(store_error(&format!("remove a checkpoint of {version}"), e));
                }
            }
        }
        Ok(())
    }
}

impl Side {
    /// Writes a checkpoint with its checksum, unless another instance has just done so.
    async fn write_checkpoint(&self, every: u64) -> Result<()> {
        // Not what is held: its older commits may have left the log.
        let snapshot = self.newest_snapshot().await?;
        let version = snapshot.version();
        let there = snapshot.log_segment().checkpoint_version.unwrap_or(0);
        let engine = self.engine.clone();
        let kept = blocking(move || {
            let mut snapshot = snapshot;
            if there / every < version / every {
                let (_, after) = snapshot
                    .checkpoint(engine.as_ref(), None)
                    .map_err(|e| kernel_error("write a checkpoint", e))?;
                snapshot = after;
            }
            let (_, after) = snapshot
                .write_checksum(engine.as_ref())
                .map_err(|e| kernel_error("write a checksum", e))?;
            Ok(after)
        })
        .await?;
        self.hold(kept);
        self.checkpointed.store(version, Ordering::SeqCst);
        self.checksummed.store(version, Ordering::SeqCst);
        Ok(())
    }

    async fn write_checksum(&self) -> Result<()> {
        let snapshot = self.held.lock().clone();
        let version = snapshot.version();
        let engine = self.engine.clone();
        let kept = blocking(move || {
            let (_, after) = snapshot
                .write_checksum(engine.as_ref())
                .map_err(|e| kernel_error("write a checksum", e))?;
            Ok(after)
        })
        .await?;
        self.checksummed.store(version, Ordering::SeqCst);
        let mut held = self.held.lock();
        if held.version() == kept.version() {
            *held = kept;
        }
        Ok(())
    }
}

/// What is in a log.
struct Log {
    /// Versions, ascending.
    commits: Vec<u64>,
    /// Versions of whole checkpoints.
    checkpoints: Vec<u64>,
    /// Checkpoints and checksums.
    derived: Vec<(u64, Path)>,
}

impl Log {
    async fn list(side: &Side) -> Result<Self> {
        let folder = Path::from(format!("{}/_delta_log", side.name));
        let paths: Vec<Path> = side
            .objects
            .list(Some(&folder))
            .map_ok(|meta| meta.location)
            .try_collect()
            .await
            .map_err(|e| store_error("list the table's log", e))?;
        let names = || paths.iter().filter_map(Path::filename);
        let mut commits: Vec<u64> = names().filter_map(layout::commit_version).collect();
        commits.sort_unstable();
        Ok(Self {
            commits,
            checkpoints: names().filter_map(layout::checkpoint_version).collect(),
            derived: paths
                .iter()
                .filter_map(|path| {
                    let version = path.filename().and_then(layout::derived_version)?;
                    Some((version, path.clone()))
                })
                .collect(),
        })
    }

    /// The newest checkpoint below the newest `keep` commits.
    fn covered(&self, keep: u64) -> Option<u64> {
        let stays = self.commits.last()?.checked_sub(keep)?;
        let old = self.checkpoints.iter().filter(|version| **version <= stays);
        old.max().copied()
    }
}
