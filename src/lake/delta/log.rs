//! A table's log as JSON: which versions there are, and reading commits by their names.
//!
//! Owns: listing and reading `_delta_log/*.json`. Does not own: the form of a commit
//! (`lake::ledger::commit`), Delta's state (delta_kernel).

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStore;
use object_store::path::Path;

use crate::error::{Error, Result};
use crate::lake::failure::Failure;
use crate::lake::ledger::commit::{self, LoggedCommit};
use crate::lake::ledger::{self, Entry, Ledger};
use crate::lake::{Logged, layout};
use crate::store::store_error;

/// Commits that are read side by side.
const READ_AHEAD: usize = 16;

/// The newest version above `after` that a listing shows; `None` if there is none.
pub(super) async fn newest(
    objects: &Arc<dyn ObjectStore>,
    table: &str,
    after: u64,
) -> Result<Option<u64>> {
    let folder = Path::from(format!("{table}/_delta_log"));
    let last = Path::from(format!("{table}/{}", layout::commit(after)));
    objects
        .list_with_offset(Some(&folder), &last)
        .try_filter_map(|meta| async move {
            Ok(meta.location.filename().and_then(layout::commit_version))
        })
        .try_fold(None, |newest, version| async move {
            Ok(newest.max(Some(version)))
        })
        .await
        .map(|newest| newest.filter(|version| *version > after))
        .map_err(|e| store_error("list the table's log", e))
}

/// Why commits could not be read by their names.
#[derive(Debug)]
pub(super) enum Unread {
    /// This version is not in the log: folded, or lost.
    Gone(u64),
    /// Anything else.
    Failed(Error),
}

/// The commits `after + 1 ..= to`.
///
/// A listing is no snapshot: it may show a commit and miss the one before it. Passing over one
/// would lose its positions for good, so every version is read by its name.
pub(super) async fn commits(
    objects: &Arc<dyn ObjectStore>,
    table: &str,
    after: u64,
    to: u64,
) -> Result<Vec<LoggedCommit>, Unread> {
    futures::stream::iter(after + 1..=to)
        .map(|version| read(objects, table, version))
        .buffered(READ_AHEAD)
        .try_collect()
        .await
}

async fn read(
    objects: &Arc<dyn ObjectStore>,
    table: &str,
    version: u64,
) -> Result<LoggedCommit, Unread> {
    let path = format!("{table}/{}", layout::commit(version));
    let bytes = ledger::get(objects, &path).await.map_err(|e| match e {
        Failure::Missing(_) => Unread::Gone(version),
        Failure::Away(error) => Unread::Failed(error),
        Failure::Broken(text) => Unread::Failed(Error::refused(format!("{path}: {text}"))),
    })?;
    commit::parse(version, &bytes)
        .map_err(|text| Unread::Failed(Error::refused(format!("{path} is not readable: {text}"))))
}

/// A version that neither the log nor the ledger's segments hold, and that no checkpoint covers.
pub(super) fn gone(table: &str, version: u64) -> Error {
    Error::refused(format!(
        "commit {version} of {table} is gone from the log, and with it positions that nothing else tells; restore the file"
    ))
}

/// The first `most` commits of `(after, newest]`, from the log, or from the segments into which
/// they were folded.
pub(super) async fn logged(
    objects: &Arc<dyn ObjectStore>,
    table: &str,
    after: u64,
    most: usize,
) -> Result<Vec<Logged>> {
    let Some(newest) = newest(objects, table, after).await? else {
        return Ok(Vec::new());
    };
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    let to = newest.min(after.saturating_add(most));
    match commits(objects, table, after, to).await {
        Ok(commits) => Ok(commits.into_iter().map(of_commit).collect()),
        Err(Unread::Failed(error)) => Err(error),
        Err(Unread::Gone(_)) => folded(objects, table, after, to).await,
    }
}

/// The commits `after + 1 ..= to`, where the older of them were folded.
async fn folded(
    objects: &Arc<dyn ObjectStore>,
    table: &str,
    after: u64,
    to: u64,
) -> Result<Vec<Logged>> {
    let ledger = Ledger::open(objects, table).await?;
    let mut entries = ledger.entries_above(after);
    let mut found: Vec<Logged> = Vec::new();
    while let Some(entry) = entries.next().await {
        match entry? {
            Entry::Segment(segment) => found.extend(segment.logged()),
            Entry::Commit(commit) => found.push(of_commit(*commit)),
            Entry::Gone { from, .. } if from > to => break,
            Entry::Gone { from, .. } => return Err(gone(table, from.max(after + 1))),
            Entry::Broken { path, message } => {
                return Err(Error::refused(format!(
                    "{table}/{path} is not readable: {message}"
                )));
            }
        }
        if found.last().is_some_and(|last| last.version >= to) {
            break;
        }
    }
    found.retain(|commit| (after + 1..=to).contains(&commit.version));
    Ok(found)
}

fn of_commit(commit: LoggedCommit) -> Logged {
    let (batch, rejects, job) = match commit.record {
        Some(record) => (Some(record.batch), record.rejects, record.job),
        None => (None, Vec::new(), None),
    };
    Logged {
        version: commit.version,
        batch,
        rejects,
        job,
    }
}
