//! The ledger of a table, read in order: the commit records in the Delta log, and below them the
//! segments into which older commits were folded.
//!
//! Owns: what is where, reading it in bounded memory, and folding ([`fold::fold`]).
//! Does not own: what the records must obey (`lake::verify`), Delta's state (`lake::state`).
//!
//! The log may be folded while it is read: a commit that was listed is then in a segment
//! ([`Entry::Left`]), and the reader opens the ledger again.

mod chain;
pub mod commit;
pub mod fold;
pub(crate) mod log;
pub mod segment;
pub mod traces;

use std::collections::HashMap;
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

/// How often a reader opens the ledger, if it is folded each time.
pub(crate) const OPENINGS_MAX: u32 = 4;

/// Where the parts of a table's ledger are.
#[derive(Debug, Clone)]
pub struct Ledger {
    objects: Arc<dyn ObjectStore>,
    table: String,
    /// First and last version of each segment that counts, ascending.
    segments: Vec<(u64, u64)>,
    /// Versions of the commits above the segments, ascending.
    commits: Vec<u64>,
    /// Versions of commits that are in the log and in a segment, ascending.
    twofold: Vec<u64>,
    /// Commits that were read already.
    held: Arc<HashMap<u64, LoggedCommit>>,
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
    /// A commit that left the log since the ledger was opened: into a segment, if it is a DLO's.
    Left {
        /// The version.
        version: u64,
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

    fn holds(&self, version: u64) -> bool {
        match self {
            Part::Segment(from, to) | Part::Gone(from, to) => (*from..=*to).contains(&version),
            Part::Commit(at) => *at == version,
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
        let segments = segments(objects, table).await?;
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
            held: Arc::default(),
        })
    }

    /// Reads the newest `most` commits of the log, to hold them: they are there whenever they are
    /// come to. Returns false if the log was folded meanwhile.
    ///
    /// # Errors
    /// The store cannot be reached.
    pub async fn hold(&mut self, most: usize) -> Result<bool> {
        let from = self.commits.len().saturating_sub(most);
        let newest: Vec<Part> = self
            .commits
            .iter()
            .skip(from)
            .copied()
            .map(Part::Commit)
            .collect();
        let mut entries = self.read(newest);
        let mut held = HashMap::new();
        while let Some(entry) = entries.next().await {
            match entry? {
                Entry::Commit(commit) => _ = held.insert(commit.version, *commit),
                Entry::Left { .. } => return Ok(false),
                // Told when it is come to.
                Entry::Broken { .. } | Entry::Segment(_) | Entry::Gone { .. } => {}
            }
        }
        self.held = Arc::new(held);
        self.still_stands().await
    }

    /// True if nothing was folded since the ledger was opened. Asked after commits were read, it
    /// says that they are those that were listed (`ledger::log`).
    ///
    /// # Errors
    /// The store cannot be reached.
    pub async fn still_stands(&self) -> Result<bool> {
        let segments = segments(&self.objects, &self.table).await?;
        Ok(segments.last() == self.segments.last())
    }

    /// The last version that is in a segment.
    pub fn folded(&self) -> Option<u64> {
        self.segments.last().map(|(_, to)| *to)
    }

    /// The newest version; `None` for a table that is not there.
    pub fn newest(&self) -> Option<u64> {
        self.commits.last().copied().or(self.folded())
    }

    /// Versions of the commits that are in the log, up to and with `newest`, ascending.
    pub fn logged(&self, newest: u64) -> impl Iterator<Item = u64> {
        let all = self.twofold.iter().chain(&self.commits);
        all.copied().filter(move |version| *version <= newest)
    }

    /// The ledger up to and with version `newest`, in order. Holds a few commits at a time.
    pub fn entries(&self, newest: u64) -> BoxStream<'static, Result<Entry>> {
        self.read(self.parts(newest))
    }

    /// The ledger from the part on that holds version `after + 1`, in order.
    pub fn entries_above(&self, after: u64) -> BoxStream<'static, Result<Entry>> {
        self.entries_from(after.saturating_add(1), u64::MAX)
    }

    /// The parts that hold versions `from..=newest`, in order.
    pub fn entries_from(&self, from: u64, newest: u64) -> BoxStream<'static, Result<Entry>> {
        let mut parts = self.parts(newest);
        parts.retain(|part| part.last() >= from);
        self.read(parts)
    }

    /// The parts that hold these versions, in order.
    pub fn entries_of(&self, versions: &[u64]) -> BoxStream<'static, Result<Entry>> {
        let mut parts = self.parts(u64::MAX);
        parts.retain(|part| versions.iter().any(|version| part.holds(*version)));
        self.read(parts)
    }

    /// All of it, newest first; a segment is one entry.
    pub fn entries_backward(&self) -> BoxStream<'static, Result<Entry>> {
        let mut parts = self.parts(u64::MAX);
        parts.reverse();
        self.read(parts)
    }

    fn read(&self, parts: Vec<Part>) -> BoxStream<'static, Result<Entry>> {
        let (objects, table, held) = (self.objects.clone(), self.table.clone(), self.held.clone());
        stream::iter(parts)
            .map(move |part| read(objects.clone(), table.clone(), held.clone(), part))
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

/// That the log was folded each time that it was read.
pub(crate) fn folded_meanwhile(table: &str) -> Error {
    Error::unreachable(format!(
        "the log of {table} was folded again and again while it was read; run it again"
    ))
}

/// The segments of `table` that count.
async fn segments(objects: &Arc<dyn ObjectStore>, table: &str) -> Result<Vec<(u64, u64)>> {
    let folder = format!("{table}/{}", layout::LEDGER_FOLDER);
    let all = list(objects, &folder, layout::ledger_segment_versions).await?;
    Ok(chain::chain(all))
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

async fn read(
    objects: Arc<dyn ObjectStore>,
    table: String,
    held: Arc<HashMap<u64, LoggedCommit>>,
    part: Part,
) -> Result<Entry> {
    let (path, version) = match part {
        Part::Gone(from, to) => return Ok(Entry::Gone { from, to }),
        Part::Segment(from, to) => (layout::ledger_segment(from, to), None),
        Part::Commit(version) => (layout::commit(version), Some(version)),
    };
    if let Some(commit) = version.and_then(|version| held.get(&version)) {
        return Ok(Entry::Commit(Box::new(commit.clone())));
    }
    let bytes = match (get(&objects, &format!("{table}/{path}")).await, version) {
        (Ok(bytes), _) => bytes,
        (Err(Failure::Away(error)), _) => return Err(error),
        (Err(Failure::Missing(_)), Some(version)) => return Ok(Entry::Left { version }),
        (Err(Failure::Missing(message) | Failure::Broken(message)), _) => {
            return Ok(Entry::Broken { path, message });
        }
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

#[cfg(test)]
mod tests;
