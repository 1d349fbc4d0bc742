//! What a look takes from a table's commits, be they in the log or folded.
//!
//! Owns: where they are read. Does not own: the reading (`lake::ledger`).

use std::sync::Arc;

use futures::StreamExt;
use object_store::ObjectStore;

use crate::error::{Error, Result};
use crate::lake::Logged;
use crate::lake::ledger::commit::LoggedCommit;
use crate::lake::ledger::log::{self, Unread};
use crate::lake::ledger::{Entry, Ledger, OPENINGS_MAX, folded_meanwhile};

/// A version that neither the log nor the ledger's segments hold, and that no checkpoint covers.
pub(super) fn gone(table: &str, version: u64) -> Error {
    Error::refused(format!(
        "commit {version} of {table} is gone from the log, and with it positions that nothing else tells; restore the file"
    ))
}

/// The first `most` commits of `(after, newest]`, from the log, or from the segments into which
/// they were folded. The log is known to reach to `known`.
pub(super) async fn logged(
    objects: &Arc<dyn ObjectStore>,
    table: &str,
    after: u64,
    most: usize,
    known: u64,
) -> Result<Vec<Logged>> {
    let known = known.max(after);
    let newest = log::newest(objects, table, known).await?;
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    let to = newest.unwrap_or(known).min(after.saturating_add(most));
    if to == after {
        return Ok(Vec::new());
    }
    match log::commits(objects, table, after, to).await {
        Ok(commits) => return Ok(commits.into_iter().map(of_commit).collect()),
        Err(Unread::Failed(error)) => return Err(error),
        Err(Unread::Gone(_)) => {}
    }
    for _ in 0..OPENINGS_MAX {
        if let Some(found) = folded(objects, table, after, to).await? {
            return Ok(found);
        }
    }
    Err(folded_meanwhile(table))
}

/// The commits `after + 1 ..= to`, where the older of them were folded; `None` if commits left the
/// log while it was read.
async fn folded(
    objects: &Arc<dyn ObjectStore>,
    table: &str,
    after: u64,
    to: u64,
) -> Result<Option<Vec<Logged>>> {
    let ledger = Ledger::open(objects, table).await?;
    let mut entries = ledger.entries_above(after);
    let mut found: Vec<Logged> = Vec::new();
    while let Some(entry) = entries.next().await {
        match entry? {
            Entry::Segment(segment) => found.extend(segment.logged()),
            Entry::Commit(commit) => found.push(of_commit(*commit)),
            Entry::Left { .. } => return Ok(None),
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
    if !ledger.still_stands().await? {
        return Ok(None);
    }
    found.retain(|commit| (after + 1..=to).contains(&commit.version));
    Ok(Some(found))
}

fn of_commit(commit: LoggedCommit) -> Logged {
    let version = commit.version;
    match commit.record {
        Some(record) => Logged {
            version,
            batch: Some(record.batch),
            instance: Some(record.instance),
            rejects: record.rejects,
            job: record.job,
        },
        None => Logged {
            version,
            batch: None,
            instance: None,
            rejects: Vec::new(),
            job: None,
        },
    }
}
