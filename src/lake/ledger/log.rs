//! A table's log as JSON: which versions there are, and reading commits by their names.
//!
//! Owns: listing and reading `_delta_log/*.json`, and telling a commit of the log from one that was
//! put where a folded one had been. Does not own: the form of a commit (`ledger::commit`), the
//! segments (`ledger`), Delta's state (delta_kernel).
//!
//! Commits leave the log in ascending order (`ledger::fold`). So while a version is in the log, none
//! above it has ever left, and what was read of those is what was committed. A writer that slept
//! through a fold finds its version free once more and puts it there: whoever reads that one finds
//! the version below it gone.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::error::{Error, Result};
use crate::lake::failure::Failure;
use crate::lake::layout;
use crate::lake::ledger::commit::{self, LoggedCommit};
use crate::lake::ledger::{READ_AHEAD, get};
use crate::store::store_error;

/// The newest version above `after`; `None` if there is none.
pub(crate) async fn newest(
    objects: &Arc<dyn ObjectStore>,
    table: &str,
    after: u64,
) -> Result<Option<u64>> {
    if is_newest(objects, table, after).await? {
        return Ok(None);
    }
    let folder = Path::from(format!("{table}/_delta_log"));
    let last = path(table, after);
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

/// Whether `version` is seen to be the newest by a few names: a listing goes through the whole log on
/// local disk, and most looks find nothing new. The next version but one is asked for too, so that a
/// commit that is lost does not hide those behind it.
async fn is_newest(objects: &Arc<dyn ObjectStore>, table: &str, version: u64) -> Result<bool> {
    for above in [version.saturating_add(1), version.saturating_add(2)] {
        if is_logged(objects, table, above).await? {
            return Ok(false);
        }
    }
    is_logged(objects, table, version).await
}

/// Whether `version` is in the log, so that none above it has left.
pub(crate) async fn is_logged(
    objects: &Arc<dyn ObjectStore>,
    table: &str,
    version: u64,
) -> Result<bool> {
    match objects.head(&path(table, version)).await {
        Ok(_) => Ok(true),
        Err(object_store::Error::NotFound { .. }) => Ok(false),
        Err(e) => Err(store_error("read the table's log", e)),
    }
}

/// Why commits could not be read by their names.
#[derive(Debug)]
pub(crate) enum Unread {
    /// This version is not in the log: folded, or lost.
    Gone(u64),
    /// Anything else.
    Failed(Error),
}

/// The commits `after + 1 ..= to`.
///
/// A listing is no snapshot: it may show a commit and miss the one before it. Passing over one
/// would lose its positions for good, so every version is read by its name.
pub(crate) async fn commits(
    objects: &Arc<dyn ObjectStore>,
    table: &str,
    after: u64,
    to: u64,
) -> Result<Vec<LoggedCommit>, Unread> {
    let commits: Vec<LoggedCommit> = futures::stream::iter(after + 1..=to)
        .map(|version| read(objects, table, version))
        .buffered(READ_AHEAD)
        .try_collect()
        .await?;
    // Behind the reads: see above.
    let stand = commits.is_empty() || is_logged(objects, table, after).await?;
    if stand {
        Ok(commits)
    } else {
        Err(Unread::Gone(after))
    }
}

async fn read(
    objects: &Arc<dyn ObjectStore>,
    table: &str,
    version: u64,
) -> Result<LoggedCommit, Unread> {
    let path = format!("{table}/{}", layout::commit(version));
    let bytes = get(objects, &path).await.map_err(|e| match e {
        Failure::Missing(_) => Unread::Gone(version),
        Failure::Away(error) => Unread::Failed(error),
        Failure::Broken(text) => Unread::Failed(Error::refused(format!("{path}: {text}"))),
    })?;
    commit::parse(version, &bytes)
        .map_err(|text| Unread::Failed(Error::refused(format!("{path} is not readable: {text}"))))
}

impl From<Error> for Unread {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

fn path(table: &str, version: u64) -> Path {
    Path::from(format!("{table}/{}", layout::commit(version)))
}
