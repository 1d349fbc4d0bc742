//! The ledger of a table, read in order: the commit records in the Delta log, and below them the
//! segments into which older commits were folded.
//!
//! Owns: what is where, reading it in bounded memory, and folding ([`fold::fold`]).
//! Does not own: what the records must obey (`lake::verify`), Delta's state (`lake::state`).

pub mod commit;
pub mod fold;
pub mod segment;
pub mod traces;

use std::sync::Arc;

use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::error::{Error, Result};
use crate::lake::failure::Failure;
use crate::lake::layout;
use crate::lake::ledger::commit::LoggedCommit;
use crate::lake::ledger::segment::Segment;
use crate::store::store_error;

/// Commits that are read side by side.
const READ_AHEAD: usize = 16;

/// Where the parts of a table's ledger are.
#[derive(Debug, Clone)]
pub struct Ledger {
    objects: Arc<dyn ObjectStore>,
    table: String,
    /// First and last version of each segment, ascending.
    segments: Vec<(u64, u64)>,
    /// Versions of the commits above the segments, ascending.
    commits: Vec<u64>,
    /// Versions of commits that are in the log and in a segment, ascending.
    twofold: Vec<u64>,
}

/// The next part of the ledger.
#[derive(Debug, Clone)]
pub enum Entry {
    /// Folded commits.
    Segment(Segment),
    /// A commit.
    Commit(Box<LoggedCommit>),
    /// Commits that are neither in the log nor in a segment: `from..=to`.
    Gone {
        /// First version.
        from: u64,
        /// Last version.
        to: u64,
    },
    /// A part that cannot be read.
    Broken {
        /// Its path, relative to the table.
        path: String,
        /// Why.
        message: String,
    },
}

enum Part {
    Segment(u64, u64),
    Commit(u64),
    Gone(u64, u64),
}

impl Part {
    /// Its last version.
    fn last(&self) -> u64 {
        match self {
            Part::Segment(_, to) | Part::Gone(_, to) | Part::Commit(to) => *to,
        }
    }
}

impl Ledger {
    /// Lists the parts of `table`'s ledger.
    ///
    /// # Errors
    /// The store cannot be reached. A table that is not there has no parts.
    pub async fn open(objects: &Arc<dyn ObjectStore>, table: &str) -> Result<Self> {
        // The log first: what is folded between the two listings is then in both.
        let mut commits = list(objects, &format!("{table}/_delta_log"), |name| {
            layout::commit_version(name)
        })
        .await?;
        let mut segments = list(
            objects,
            &format!("{table}/{}", layout::LEDGER_FOLDER),
            layout::ledger_segment_versions,
        )
        .await?;
        segments.sort_unstable();
        commits.sort_unstable();
        let folded = segments.last().map(|(_, to)| *to);
        // A fold that was broken off leaves commits that are in its segment already.
        let (twofold, commits): (Vec<u64>, Vec<u64>) = commits
            .into_iter()
            .partition(|version| folded.is_some_and(|to| *version <= to));
        Ok(Self {
            objects: objects.clone(),
            table: table.to_owned(),
            segments,
            commits,
            twofold,
        })
    }

    /// The newest version; `None` for a table that is not there.
    pub fn newest(&self) -> Option<u64> {
        let folded = self.segments.last().map(|(_, to)| *to);
        self.commits.last().copied().or(folded)
    }

    /// Versions of the commits that are in the log, up to and with `newest`, ascending.
    pub fn logged(&self, newest: u64) -> impl Iterator<Item = u64> {
        let all = self.twofold.iter().chain(&self.commits);
        all.copied().filter(move |version| *version <= newest)
    }

    /// The ledger up to and with version `newest`, in order. Holds a few commits at a time.
    pub fn entries(&self, newest: u64) -> BoxStream<'static, Result<Entry>> {
        let (objects, table) = (self.objects.clone(), self.table.clone());
        stream::iter(self.parts(newest))
            .map(move |part| read(objects.clone(), table.clone(), part))
            .buffered(READ_AHEAD)
            .boxed()
    }

    /// The ledger from the part on that holds version `after + 1`, in order.
    pub fn entries_above(&self, after: u64) -> BoxStream<'static, Result<Entry>> {
        let (objects, table) = (self.objects.clone(), self.table.clone());
        let mut parts = self.parts(u64::MAX);
        parts.retain(|part| part.last() > after);
        stream::iter(parts)
            .map(move |part| read(objects.clone(), table.clone(), part))
            .buffered(READ_AHEAD)
            .boxed()
    }

    /// The same, newest first; a segment is one entry.
    pub fn entries_backward(&self) -> BoxStream<'static, Result<Entry>> {
        let (objects, table) = (self.objects.clone(), self.table.clone());
        let mut parts = self.parts(u64::MAX);
        parts.reverse();
        stream::iter(parts)
            .map(move |part| read(objects.clone(), table.clone(), part))
            .buffered(READ_AHEAD)
            .boxed()
    }

    fn parts(&self, newest: u64) -> Vec<Part> {
        let mut parts = Vec::with_capacity(self.segments.len() + self.commits.len());
        let mut next = 0;
        let segments = self.segments.iter().map(|(from, to)| (*from, *to, true));
        let commits = self.commits.iter().map(|v| (*v, *v, false));
        for (from, to, folded) in segments.chain(commits).filter(|(_, to, _)| *to <= newest) {
            if from > next {
                parts.push(Part::Gone(next, from - 1));
            }
            parts.push(if folded {
                Part::Segment(from, to)
            } else {
                Part::Commit(from)
            });
            next = next.max(to + 1);
        }
        parts
    }
}

/// Whether there is a table of that name, or what is left of its ledger.
///
/// # Errors
/// The store cannot be reached.
pub async fn is_there(objects: &Arc<dyn ObjectStore>, table: &str) -> Result<bool> {
    Ok(Ledger::open(objects, table).await?.newest().is_some())
}

async fn list<T>(
    objects: &Arc<dyn ObjectStore>,
    folder: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>> {
    let folder = Path::from(folder);
    let parse = &parse;
    objects
        .list(Some(&folder))
        .try_filter_map(|meta| async move { Ok(meta.location.filename().and_then(parse)) })
        .try_collect()
        .await
        .map_err(|e| store_error("list the table's log", e))
}

async fn read(objects: Arc<dyn ObjectStore>, table: String, part: Part) -> Result<Entry> {
    let (path, version) = match part {
        Part::Gone(from, to) => return Ok(Entry::Gone { from, to }),
        Part::Segment(from, to) => (layout::ledger_segment(from, to), None),
        Part::Commit(version) => (layout::commit(version), Some(version)),
    };
    let bytes = match get(&objects, &format!("{table}/{path}")).await {
        Ok(bytes) => bytes,
        Err(Failure::Away(error)) => return Err(error),
        Err(Failure::Missing(_)) => {
            return Err(Error::unreachable(format!(
                "{table}/{path} went away while the ledger was read; the log was folded meanwhile, run it again"
            )));
        }
        Err(Failure::Broken(message)) => return Ok(Entry::Broken { path, message }),
    };
    let entry = match version {
        Some(version) => commit::parse(version, &bytes).map(|c| Entry::Commit(Box::new(c))),
        None => segment::parse(&bytes).map(Entry::Segment),
    };
    Ok(entry.unwrap_or_else(|message| Entry::Broken { path, message }))
}

/// The bytes of one object.
pub(crate) async fn get(
    objects: &Arc<dyn ObjectStore>,
    path: &str,
) -> Result<bytes::Bytes, Failure> {
    Ok(objects.get(&Path::from(path)).await?.bytes().await?)
}
