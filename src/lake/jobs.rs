//! The bulk jobs that landed in a table, by its ledger.
//!
//! Owns: which jobs there are, by id, by key and content, and by content; kept up with the log. Does
//! not own: what a drop that is there already becomes (`pipeline::bulk`).

use std::collections::HashMap;
use std::sync::Arc;

use futures::StreamExt;
use object_store::ObjectStore;

use crate::error::{Error, Result};
use crate::lake::layout;
use crate::lake::ledger::{Entry, Ledger};
use crate::model::ledger::JobRecord;
use crate::store::Store;

/// A job that landed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LandedJob {
    /// The table's version that made it visible.
    pub version: u64,
    /// What the ledger says of it.
    pub job: JobRecord,
}

/// The jobs of one table up to a version.
#[derive(Debug, Default)]
pub struct LandedJobs {
    by_id: HashMap<String, LandedJob>,
    /// Content hash → ids, in the order in which they landed.
    by_content: HashMap<String, Vec<String>>,
    /// The last version that was looked at.
    newest: Option<u64>,
}

impl LandedJobs {
    /// The job of that id.
    pub fn by_id(&self, id: &str) -> Option<&LandedJob> {
        self.by_id.get(id)
    }

    /// The first job of that content under the same key.
    pub fn same_drop(&self, key: &str, sha256: &str) -> Option<&LandedJob> {
        self.of_content(sha256).find(|landed| landed.job.key == key)
    }

    /// The first job of that content, under whatever key.
    pub fn same_content(&self, sha256: &str) -> Option<&LandedJob> {
        self.of_content(sha256).next()
    }

    fn of_content(&self, sha256: &str) -> impl Iterator<Item = &LandedJob> {
        let ids = self.by_content.get(sha256).into_iter().flatten();
        ids.filter_map(|id| self.by_id.get(id))
    }

    /// The last version of the table that was looked at.
    pub fn newest(&self) -> Option<u64> {
        self.newest
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Takes in what landed since the last look.
    ///
    /// # Errors
    /// The store cannot be reached, or a part of the ledger is lost or not readable: what landed is
    /// then not known.
    pub async fn look(&mut self, store: &Store, stream: &str) -> Result<()> {
        self.look_in(&store.objects(), &layout::data_table(stream))
            .await
    }

    async fn look_in(&mut self, objects: &Arc<dyn ObjectStore>, table: &str) -> Result<()> {
        let ledger = Ledger::open(objects, table).await?;
        let mut entries = match self.newest {
            None => ledger.entries(u64::MAX),
            Some(newest) => ledger.entries_above(newest),
        };
        while let Some(entry) = entries.next().await {
            match entry? {
                Entry::Segment(segment) => {
                    for commit in segment.commits {
                        self.take(commit.version, commit.job);
                    }
                }
                Entry::Commit(commit) => {
                    let job = commit.record.and_then(|record| record.job);
                    self.take(commit.version, job);
                }
                Entry::Gone { from, to } => {
                    return Err(Error::refused(format!(
                        "commits {from} to {to} of {table} are gone, and with them the jobs that they landed; restore the files"
                    )));
                }
                Entry::Broken { path, message } => {
                    return Err(Error::refused(format!(
                        "{table}/{path} is not readable: {message}"
                    )));
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, version: u64, job: Option<JobRecord>) {
        if self.newest.is_some_and(|newest| version <= newest) {
            return;
        }
        self.newest = Some(version);
        let Some(job) = job else { return };
        let of_content = self.by_content.entry(job.sha256.clone()).or_default();
        of_content.push(job.id.clone());
        self.by_id
            .insert(job.id.clone(), LandedJob { version, job });
    }
}

#[cfg(test)]
mod tests;
