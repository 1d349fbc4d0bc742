//! Checkpoints and checksums, off the commit path.
//!
//! Owns: when they are due, and that only one task of the process writes them.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::Result;
use crate::lake::delta::{DeltaTable, blocking};
use crate::lake::failure::kernel_error;

/// How many versions are passed between two checkpoints, and between two checksums; a checkpoint
/// has a checksum too.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cadence {
    pub(super) checkpoint: u64,
    pub(super) checksum: u64,
}

impl Default for Cadence {
    fn default() -> Self {
        Self {
            checkpoint: 100,
            checksum: 16,
        }
    }
}

impl DeltaTable {
    /// See [`LakeTable::upkeep`](crate::lake::LakeTable::upkeep).
    pub(super) async fn keep_up(&self) -> Result<()> {
        let Ok(_alone) = self.upkeep.try_lock() else {
            return Ok(());
        };
        for side in [&self.data, &self.rejects] {
            let snapshot = side.held.lock().clone();
            let version = snapshot.version();
            // Other instances commit too, so that a given version may never be held here.
            let due = |last: &AtomicU64, every: u64| {
                version / every > last.load(Ordering::SeqCst) / every
            };
            let checkpoint = due(&side.checkpointed, self.cadence.checkpoint);
            if !checkpoint && !due(&side.checksummed, self.cadence.checksum) {
                continue;
            }
            let engine = side.engine.clone();
            let kept = blocking(move || {
                let mut snapshot = snapshot;
                if checkpoint {
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
            if checkpoint {
                side.checkpointed.store(version, Ordering::SeqCst);
            }
            side.checksummed.store(version, Ordering::SeqCst);
            let mut held = side.held.lock();
            if held.version() == kept.version() {
                *held = kept;
            }
        }
        Ok(())
    }
}
