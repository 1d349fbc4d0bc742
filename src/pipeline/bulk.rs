//! Bulk: a dropped file becomes rows in one commit, whole or not at all.
//!
//! Owns: the course of one job from its first byte to its commit and its result. `convert` reads and
//! judges, `limits` ends a job that has too many rejects, `failed` gives the rejected rows back,
//! `duplicates` holds it against what landed, `land` makes it visible. Does not own: where files come from and where results go (the caller),
//! CSV itself (`source::csv`, `decode::csv`), the commit protocol (`commit`).

mod convert;
pub mod duplicates;
pub mod failed;
pub mod land;
mod limits;

use std::sync::Arc;

use crate::error::Result;
use crate::model::job::{JobCounts, JobId};
use crate::source::csv::chunks::Chunks;
use crate::source::csv::slice::Position;
use crate::source::csv::{Head, Packing};

pub use convert::{Conversion, HashState, Outcome, Part, convert};

/// One file of a job.
pub struct Dropped {
    /// The job.
    pub job: JobId,
    /// Its key, or path.
    pub key: Arc<str>,
    /// The file's place in its job, from 0: what `_weir_partition` says.
    pub place: i32,
    /// How it is packed.
    pub packing: Packing,
    /// When it was last changed, milliseconds since the epoch.
    pub modified_ms: i64,
    /// Its bytes.
    pub chunks: Box<dyn Chunks>,
    /// What the job judged before: earlier files, and this one up to where it is gone on with. Limits
    /// go on from there.
    pub before: JobCounts,
    /// True for the job's last file, at whose end the share of rejects is judged.
    pub is_last: bool,
    /// True if the job's `failed.csv` has its header already.
    pub has_header: bool,
    /// Where to go on; `None` to begin at the file's beginning.
    pub resume: Option<Resume>,
}

/// Where a file is gone on with, as its last [`Part`] told. The chunks begin at the position's byte;
/// those of a packed file at the file's beginning.
#[derive(Debug, Clone)]
pub struct Resume {
    /// What the file's first lines told.
    pub head: Head,
    /// The place.
    pub position: Position,
    /// The content hash up to there; `None` for a packed file.
    pub hash: Option<HashState>,
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

/// Progress of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the file that were read, as it is stored; those before the place it was gone on with too.
    pub bytes: u64,
    /// Records that this call judged.
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
