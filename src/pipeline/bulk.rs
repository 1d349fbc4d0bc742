//! Bulk: a dropped file becomes rows in one commit, whole or not at all.
//!
//! Owns: the course of one job from its first byte to its commit and its result. `convert` reads and
//! judges, `limits` ends a job that has too many rejects, `failed` gives the rejected rows back,
//! `land` makes it visible. Does not own: where files come from and where results go (the caller),
//! CSV itself (`source::csv`, `decode::csv`), the commit protocol (`commit`).

mod convert;
pub mod failed;
pub mod land;
mod limits;

use std::sync::Arc;

use crate::error::Result;
use crate::model::job::{Identity, JobCounts, JobId};
use crate::source::csv::Packing;
use crate::source::csv::chunks::Chunks;

pub use convert::{Conversion, Converted, Outcome, convert};

/// A file that was dropped.
pub struct Dropped {
    /// The job that it is.
    pub job: JobId,
    /// Its key, or path.
    pub key: Arc<str>,
    /// What tells this content from another.
    pub identity: Identity,
    /// How it is packed.
    pub packing: Packing,
    /// When it was last changed, milliseconds since the epoch.
    pub modified_ms: i64,
    /// Its bytes.
    pub chunks: Box<dyn Chunks>,
}

impl std::fmt::Debug for Dropped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dropped")
            .field("job", &self.job)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// How reading a file ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It was read to its end.
    Read,
    /// It has no record, for this reason.
    Nothing(String),
    /// The job fails, for this reason.
    Failed(String),
}

/// Progress of a job.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the file that were read, as it is stored.
    pub bytes: u64,
    /// Records that were judged.
    pub records: u64,
    /// What became of them.
    pub counts: JobCounts,
}

/// Where a job's rejected rows go.
pub trait FailedRows: Send {
    /// Appends bytes to `failed.csv`.
    ///
    /// # Errors
    /// They cannot be written.
    fn csv(&mut self, bytes: &[u8]) -> Result<()>;

    /// Appends bytes to `failed.txt`.
    ///
    /// # Errors
    /// They cannot be written.
    fn text(&mut self, bytes: &[u8]) -> Result<()>;
}
