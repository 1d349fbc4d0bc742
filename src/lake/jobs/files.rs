//! What jobs landed, and when.
//!
//! Owns: the files of a job by the ranges of its commit, for whoever has lost its result. Does not own:
//! which jobs there are (`lake::jobs`).

use std::collections::HashMap;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStore;
use object_store::path::Path;

use crate::error::Result;
use crate::lake::jobs::LandedJob;
use crate::lake::layout;
use crate::lake::ledger::{Entry, Ledger, OPENINGS_MAX, folded_meanwhile};
use crate::model::job::{JobCounts, JobFile};
use crate::model::ledger::RangeRecord;
use crate::model::position::SourceId;
use crate::store::{Store, store_error};

/// Files by the ids of their jobs.
type Files = HashMap<String, Vec<JobFile>>;

/// What the jobs `landed` landed, by their ids: the files of each, with their records.
///
/// # Errors
/// The store cannot be reached.
pub async fn files_of(store: &Store, stream: &str, landed: &[&LandedJob]) -> Result<Files> {
    files_in(&store.objects(), &layout::data_table(stream), landed).await
}

async fn files_in(
    objects: &Arc<dyn ObjectStore>,
    table: &str,
    landed: &[&LandedJob],
) -> Result<Files> {
    if landed.is_empty() {
        return Ok(Files::new());
    }
    for _ in 0..OPENINGS_MAX {
        let ledger = Ledger::open(objects, table).await?;
        if let Some(files) = read(&ledger, landed).await? {
            return Ok(files);
        }
    }
    Err(folded_meanwhile(table))
}

/// `None` if the log was folded meanwhile.
async fn read(ledger: &Ledger, landed: &[&LandedJob]) -> Result<Option<Files>> {
    let versions: Vec<u64> = landed.iter().map(|landed| landed.version).collect();
    let sources: HashMap<SourceId, String> = landed
        .iter()
        .map(|landed| (SourceId::bulk(&landed.id()), landed.id()))
        .collect();
    let mut files = Files::new();
    let mut entries = ledger.entries_of(&versions);
    while let Some(entry) = entries.next().await {
        let ranges = match entry? {
            Entry::Segment(segment) => segment.ranges,
            Entry::Commit(commit) => commit.record.map_or_else(Vec::new, |record| record.ranges),
            Entry::Left { .. } => return Ok(None),
            // The look that found the jobs has told it.
            Entry::Gone { .. } | Entry::Broken { .. } => continue,
        };
        for range in ranges {
            if let Some(id) = sources.get(&range.source_id) {
                files.entry(id.clone()).or_default().push(file(range));
            }
        }
    }
    Ok(Some(files))
}

/// A file by the range of its records; the ledger has no size of it.
fn file(range: RangeRecord) -> JobFile {
    let number = |n: i64| u64::try_from(n).unwrap_or(0);
    JobFile {
        key: range.source,
        etag: None,
        size: 0,
        records: number(range.read),
        counts: JobCounts {
            accepted: number(range.accepted),
            rejected: number(range.rejected),
            skipped: number(range.skipped),
        },
    }
}

/// When the commits that are still in the log were made, by their versions: nanoseconds since the epoch,
/// as the store tells.
///
/// # Errors
/// The store cannot be reached.
pub async fn times(store: &Store, stream: &str) -> Result<HashMap<u64, i128>> {
    let folder = Path::from(format!("{}/_delta_log", layout::data_table(stream)));
    let objects = store.objects();
    let listed = objects
        .list(Some(&folder))
        .try_filter_map(|meta| async move {
            let version = meta.location.filename().and_then(layout::commit_version);
            let time = meta.last_modified.timestamp_nanos_opt().map(i128::from);
            Ok(version.zip(time))
        });
    let times = listed.try_collect().await;
    times.map_err(|e| store_error("list the table's log", e))
}

#[cfg(test)]
mod tests;
