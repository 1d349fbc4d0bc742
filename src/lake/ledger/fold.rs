//! Folding: older commits become a segment, and only then leave the log.
//!
//! Owns: the order of its steps, so that at no time a commit is in neither place.
//! Does not own: when it is worth it (`delta::upkeep`).

use std::sync::Arc;

use futures::StreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};

use crate::error::{Error, Result};
use crate::lake::ledger::segment::{self, Folding, Segment};
use crate::lake::ledger::{Entry, Ledger, get};
use crate::lake::state::TableState;
use crate::lake::{failure::Failure, layout};
use crate::model::position::APP_ID_DATA;
use crate::store::{Store, store_error};

/// Commits of a segment.
pub(crate) const COMMITS_MAX: usize = 1000;

/// Ranges, holes and skips of a segment, from which on it ends.
const WEIGHT_MAX: usize = 100_000;

/// Which segments are written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Segments {
    /// All, and what is left of the commits in one more.
    All,
    /// Only such that no later commit would be a part of: instances that fold at once, each as far
    /// as it has come, then write the same ones.
    Whole {
        /// Commits of a segment.
        commits: usize,
        /// Segments at most.
        most: usize,
    },
}

/// Folds the commits of `stream`'s DLO up to and with version `up_to`. Returns first and last
/// version of each segment that was written.
///
/// # Errors
/// Refused if a reader of the table would miss the commits: there is no checkpoint at or above
/// `up_to`, or the rejects table has not followed so far. The store cannot be reached.
pub async fn fold(store: &Store, stream: &str, up_to: u64) -> Result<Vec<(u64, u64)>> {
    fold_into(store, stream, up_to, Segments::All).await
}

/// [`fold`], into `segments`. Returns none if another instance folds at the same time, and has
/// removed commits already.
pub(crate) async fn fold_into(
    store: &Store,
    stream: &str,
    up_to: u64,
    segments: Segments,
) -> Result<Vec<(u64, u64)>> {
    let objects = store.objects();
    let table = layout::data_table(stream);
    let ledger = Ledger::open(&objects, &table).await?;
    if ledger.newest().is_none_or(|newest| newest <= up_to) {
        return Err(Error::refused(format!(
            "{table} has no commit above {up_to}; the newest commit is never folded"
        )));
    }
    may_leave(store, stream, up_to).await?;
    let (size, most) = match segments {
        Segments::All => (COMMITS_MAX, usize::MAX),
        Segments::Whole { commits, most } => (commits, most),
    };
    let mut written = Vec::new();
    let mut folding = Folding::default();
    let mut entries = ledger.entries_from(ledger.folded().map_or(0, |to| to + 1), up_to);
    while written.len() < most
        && let Some(entry) = entries.next().await
    {
        match entry? {
            Entry::Segment(_) => {}
            Entry::Commit(commit) => folding.push(*commit),
            Entry::Left { .. } => return Ok(Vec::new()),
            Entry::Gone { from, to } => {
                return Err(Error::refused(format!(
                    "commits {from} to {to} of {table} are gone; restore them before anything is folded"
                )));
            }
            Entry::Broken { path, message } => {
                return Err(Error::refused(format!(
                    "{table}/{path} is not readable, so nothing is folded: {message}"
                )));
            }
        }
        if folding.commits() >= size || folding.weight() >= WEIGHT_MAX {
            let full = std::mem::take(&mut folding);
            written.extend(write(store, &table, full.finish()).await?);
        }
    }
    if matches!(segments, Segments::All) {
        written.extend(write(store, &table, folding.finish()).await?);
    }
    // What a fold that broke off has left stands in an older segment.
    let folded = written.last().map(|(_, to)| *to).or(ledger.folded());
    if let Some(folded) = folded {
        remove(&objects, &table, ledger.logged(folded.min(up_to))).await?;
    }
    Ok(written)
}

/// Removes commits from the log of `table`. Ascending, one after the other: what is left of a fold
/// that breaks off is still the log's newer part, and a version that is in the log says that none
/// above it has left (`ledger::log`).
///
/// # Errors
/// The store does not answer.
pub(crate) async fn remove(
    objects: &Arc<dyn ObjectStore>,
    table: &str,
    commits: impl Iterator<Item = u64>,
) -> Result<()> {
    for version in commits {
        let path = Path::from(format!("{table}/{}", layout::commit(version)));
        match objects.delete(&path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(e) => return Err(store_error("remove a folded commit", e)),
        }
    }
    Ok(())
}

/// Whether Delta readers and the rejects table can do without the commits.
async fn may_leave(store: &Store, stream: &str, up_to: u64) -> Result<()> {
    let table = layout::data_table(stream);
    let unreadable = |failure: Failure| match failure {
        Failure::Away(error) => error,
        Failure::Missing(text) | Failure::Broken(text) => {
            Error::refused(format!("the tables of {stream} are not readable: {text}"))
        }
    };
    let data = TableState::load(store, &table, None)
        .await
        .map_err(unreadable)?;
    if data.checkpoint().is_none_or(|at| at < up_to) {
        return Err(Error::refused(format!(
            "{table} has no checkpoint at or above version {up_to}; write one first"
        )));
    }
    let rejects = TableState::load(store, &layout::rejects_table(stream), None)
        .await
        .map_err(unreadable)?
        .positions()
        .await
        .map_err(unreadable)?;
    let followed = rejects.get(APP_ID_DATA).copied();
    let followed = followed.and_then(|at| u64::try_from(at).ok()).unwrap_or(0);
    if followed >= up_to {
        return Ok(());
    }
    // It need not follow through commits that name no rejects. Those that were folded or leave the
    // log right now were asked about before.
    let ledger = Ledger::open(&store.objects(), &table).await?;
    let mut entries = ledger.entries_from(followed + 1, up_to);
    while let Some(entry) = entries.next().await {
        if let Entry::Commit(commit) = entry?
            && commit.record.is_some_and(|r| !r.rejects.is_empty())
        {
            return Err(Error::refused(format!(
                "the rejects table of {stream} has not followed commit {}; let it follow first",
                commit.version
            )));
        }
    }
    Ok(())
}

/// Writes a segment, and reads it back.
async fn write(store: &Store, table: &str, segment: Option<Segment>) -> Result<Option<(u64, u64)>> {
    let Some(segment) = segment else {
        return Ok(None);
    };
    let objects = store.objects();
    let path = format!(
        "{table}/{}",
        layout::ledger_segment(segment.from, segment.to)
    );
    let text = serde_json::to_vec(&segment)
        .map_err(|e| Error::internal("a ledger segment cannot be written").because(e))?;
    let create = PutOptions::from(PutMode::Create);
    match objects
        .put_opts(&Path::from(path.as_str()), text.into(), create)
        .await
    {
        // Whoever else wrote it: what is there is compared.
        Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => {}
        Err(e) => return Err(store_error("write a ledger segment", e)),
    }
    let there = match get(&objects, &path).await {
        Ok(bytes) => segment::parse(&bytes),
        Err(Failure::Away(error)) => return Err(error),
        Err(Failure::Missing(text) | Failure::Broken(text)) => Err(text),
    };
    match there {
        Ok(there) if there == segment => Ok(Some((segment.from, segment.to))),
        Ok(_) => Err(Error::refused(format!(
            "{path} is there with other contents; no commit was removed"
        ))),
        Err(text) => Err(Error::refused(format!(
            "{path} cannot be read back; no commit was removed: {text}"
        ))),
    }
}
