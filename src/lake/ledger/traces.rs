//! What the ledger last said of some partitions, read backwards.
//!
//! Owns: how far back is looked. Does not own: what follows from it (`pipeline::assignment`).

use std::collections::HashSet;
use std::sync::Arc;

use futures::StreamExt;
use object_store::ObjectStore;

use crate::error::{Error, Result};
use crate::lake::Traces;
use crate::lake::ledger::{Entry, Ledger, OPENINGS_MAX, folded_meanwhile};
use crate::model::ledger::RangeRecord;
use crate::model::position::{SourceId, SourcePartition};

#[cfg(test)]
mod tests;

/// Parts of the ledger that are looked at for leader epochs. They only help to notice a truncated
/// log, and stand in the newest commits of any partition that moves.
const EPOCH_PARTS: usize = 200;

/// The newest traces of `partitions` in the ledger of `table`; see
/// [`LakeTable::traces`](crate::lake::LakeTable::traces).
///
/// # Errors
/// The store cannot be reached, or a part of the ledger that has to be read is not readable.
pub async fn traces(
    objects: &Arc<dyn ObjectStore>,
    table: &str,
    partitions: &[SourcePartition],
    ids: bool,
) -> Result<Traces> {
    for _ in 0..OPENINGS_MAX {
        let mut search = Search::new(partitions, ids);
        if search.run(objects, table).await? {
            return Ok(search.traces);
        }
    }
    Err(folded_meanwhile(table))
}

struct Search {
    traces: Traces,
    sources: HashSet<SourceId>,
    partitions: HashSet<SourcePartition>,
    parts: usize,
}

impl Search {
    fn new(partitions: &[SourcePartition], ids: bool) -> Self {
        let sources = match ids {
            true => partitions.iter().map(|p| p.source_id.clone()).collect(),
            false => HashSet::new(),
        };
        Self {
            traces: Traces::default(),
            sources,
            partitions: partitions.iter().cloned().collect(),
            parts: 0,
        }
    }

    /// Looks back; returns false if commits left the log meanwhile.
    async fn run(&mut self, objects: &Arc<dyn ObjectStore>, table: &str) -> Result<bool> {
        let ledger = Ledger::open(objects, table).await?;
        let mut entries = ledger.entries_backward();
        while !self.is_done()
            && let Some(entry) = entries.next().await
        {
            self.parts += 1;
            match entry? {
                Entry::Commit(commit) => {
                    let ranges = commit.record.iter().flat_map(|r| r.ranges.iter().rev());
                    ranges.for_each(|range| self.see(range));
                }
                Entry::Segment(segment) => segment.ranges.iter().rev().for_each(|r| self.see(r)),
                Entry::Gone { .. } => {}
                Entry::Left { .. } => return Ok(false),
                Entry::Broken { path, message } => {
                    return Err(Error::refused(format!(
                        "{table}/{path} is not readable, so a recreated topic could not be told: {message}"
                    )));
                }
            }
        }
        Ok(true)
    }

    fn is_done(&self) -> bool {
        self.sources.is_empty() && (self.partitions.is_empty() || self.parts >= EPOCH_PARTS)
    }

    fn see(&mut self, range: &RangeRecord) {
        if let Some(id) = &range.topic_id
            && self.sources.remove(&range.source_id)
        {
            let source = range.source_id.clone();
            self.traces.topic_ids.insert(source, id.clone());
        }
        let partition = range.source_partition();
        if self.partitions.remove(&partition)
            && let Some(epoch) = range.leader_epoch
        {
            self.traces.leader_epochs.insert(partition, epoch);
        }
    }
}
