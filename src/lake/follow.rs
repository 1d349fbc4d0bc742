//! How the rejects table follows the DLO: which files it lacks, as a pure function, and the loop
//! around it.
//!
//! Owns: the decision (no I/O, no clock), and the order of look, decide, put and look again, so that
//! the simulation runs the same that the daemon runs. Does not own: the reads and the puts
//! ([`Following`]).
//!
//! The rejects table's one `txn` says up to which version of the DLO it holds what the DLO's commits
//! name. Commits without rejects need no commit of their own there, so a process remembers how far
//! it has looked (`known`) beyond that `txn`.
//!
//! | commits of the DLO above both | step |
//! | --- | --- |
//! | none, or none that names a file | [`Step::Rest`] |
//! | none that names a file, but the `txn` is far behind | [`Step::Add`] without files |
//! | some name files | [`Step::Add`], up to a bound of files |
//!
//! The rejects table is looked at first, and its commit is put for the next version after that look:
//! if it lands, nobody else added anything in between.

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;

use crate::error::{Error, Result};
use crate::lake::{Answer, Logged, View};
use crate::model::ledger::RejectsFile;
use crate::model::position::APP_ID_DATA;

#[cfg(test)]
mod tests;

/// Conflicts in a row after which it is left to the next call.
const CONFLICTS_MAX: u32 = 32;

/// How much is done at a time.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Commits of the DLO that one look takes.
    pub commits: usize,
    /// Files of one rejects commit; more only if one commit of the DLO names more.
    pub files: usize,
    /// Versions without rejects after which the `txn` is brought forward by an empty commit, so that
    /// a start does not look through all of them again.
    pub trail: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            commits: 500,
            files: 1000,
            trail: 200,
        }
    }
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing: up to version `data` of the DLO no file is missing.
    Rest {
        /// A version of the DLO.
        data: u64,
    },
    /// Put these files as version `at` of the rejects table, if that does not exist.
    Add {
        /// One above the version that was looked at.
        at: u64,
        /// In the order of the DLO's commits.
        files: Vec<RejectsFile>,
        /// The DLO's version that the table has followed to then.
        data: u64,
    },
}

/// The form of [`next`], so that the simulation can put faulty ones in its place.
pub type Next = fn(&View, u64, &[Logged], &Limits) -> Step;

/// What is next for a rejects table that is as `rejects` says.
///
/// `commits` are the DLO's, from the first above both `known` and the table's `txn` on; they have to
/// be read *after* `rejects`.
pub fn next(rejects: &View, known: u64, commits: &[Logged], limits: &Limits) -> Step {
    let followed = followed(rejects);
    let mut data = followed.max(known);
    let mut files: Vec<RejectsFile> = Vec::new();
    for commit in commits {
        if !files.is_empty() && files.len() + commit.rejects.len() > limits.files {
            break;
        }
        files.extend(commit.rejects.iter().cloned());
        data = commit.version;
    }
    if files.is_empty() && data.saturating_sub(followed) < limits.trail {
        return Step::Rest { data };
    }
    Step::Add {
        at: rejects.version + 1,
        files,
        data,
    }
}

/// The DLO's version that a rejects table says it has followed to.
pub fn followed(rejects: &View) -> u64 {
    let data = rejects.positions.get(APP_ID_DATA).copied();
    data.and_then(|data| u64::try_from(data).ok()).unwrap_or(0)
}

/// What following asks of the two tables.
#[async_trait]
pub trait Following: Sync {
    /// The newest view of the rejects table.
    async fn rejects_view(&self) -> Result<View>;

    /// As `LakeTable::commits_since`, of the DLO.
    async fn data_commits_since(&self, after: u64, most: usize) -> Result<Vec<Logged>>;

    /// Tries to put `files` as version `at` of the rejects table, with `data` as its `txn`.
    async fn try_add(&self, at: u64, files: &[RejectsFile], data: u64) -> Answer;
}

/// Brings the rejects table up to the newest version of the DLO; returns that version. `known` is
/// how far this process has looked before.
///
/// # Errors
/// The lake did not answer, or what it did about a put is not known: the next call settles it.
pub async fn follow(
    tables: &impl Following,
    known: &AtomicU64,
    next: Next,
    limits: &Limits,
) -> Result<u64> {
    let mut conflicts = 0;
    loop {
        let rejects = tables.rejects_view().await?;
        let looked = known.load(Ordering::SeqCst);
        let behind = looked.max(followed(&rejects));
        let commits = tables.data_commits_since(behind, limits.commits).await?;
        let newest = commits.last().map_or(behind, |commit| commit.version);
        let data = match next(&rejects, looked, &commits, limits) {
            Step::Rest { data } => data,
            Step::Add { at, files, data } => match tables.try_add(at, &files, data).await {
                Answer::Committed(_) => data,
                Answer::Conflict if conflicts < CONFLICTS_MAX => {
                    conflicts += 1;
                    continue;
                }
                Answer::Conflict => {
                    return Err(Error::unreachable(
                        "the rejects table could not be followed: its next version is always taken",
                    ));
                }
                Answer::Unknown(error) => return Err(error),
            },
        };
        known.fetch_max(data, Ordering::SeqCst);
        if data == newest && commits.len() < limits.commits {
            return Ok(data);
        }
    }
}
