//! Bulk: drops become jobs, and jobs rows, once each.
//!
//! Owns: the jobs of each stream that takes files, from the look at the bucket to the result. `watch`
//! finds drops and decides who works on what, `work` brings one job to its end (`reading`, `landing`,
//! `results`). Does not own: the bucket (`bucket`), what is kept of a job under way (`lake::claims`,
//! `lake::progress`), reading and judging (`pipeline::bulk`).
//!
//! ```text
//!  bucket ──▶ watch ──claim──▶ work: read ─▶ judge ─▶ upload ─▶ stage ─┐
//!    ▲          ▲                      └────────── next part ──────────┤
//!    │          │ ledger, claims                                       ▼
//!    └──── result: job.json, failed.csv ◀──── one commit names all ◀── end
//! ```

pub mod board;
pub mod drops;
pub mod known;
mod landing;
mod lease;
mod look;
pub mod parts;
mod queue;
mod reading;
pub mod results;
mod start;
mod watch;
pub mod work;

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use crate::bucket::Bucket;
use crate::clock::Clock;
use crate::config::Bulk;
use crate::jobs::board::JobBoard;
use crate::lake::LakeTable;
use crate::lake::claims::Claims;
use crate::lake::jobs::LandedJobs;
use crate::metrics::Metrics;
use crate::pipeline::budget::Budget;
use crate::pipeline::commit::Committer;
use crate::pipeline::evolution::Evolution;
use crate::pipeline::flow::Flow;
use crate::pipeline::upload::Uploader;
use crate::shutdown::Shutdown;
use crate::store::Store;

/// Least bytes that the open files of a job may hold.
const LEAST_SHARE: u64 = 4 << 20;

/// What the jobs of one stream need.
#[derive(Debug)]
pub struct StreamJobs {
    /// The stream, and the schema version in force.
    pub flow: Arc<Flow>,
    /// Its rules for files.
    pub bulk: Bulk,
    /// Its table.
    pub table: Arc<dyn LakeTable>,
    /// Who commits.
    pub committer: Arc<Committer>,
    /// Which schema version is in force.
    pub evolution: Arc<Evolution>,
    /// Where files go.
    pub uploader: Uploader,
    /// The lake.
    pub store: Store,
    /// Where drops are.
    pub bucket: Bucket,
    /// The jobs in the table's ledger.
    pub landed: tokio::sync::Mutex<LandedJobs>,
    /// The jobs under way.
    pub claims: Claims,
    /// Tells this process from others of the instance's name.
    pub process: String,
    /// The instance's name.
    pub instance: String,
    /// Room for jobs, shared by all streams.
    pub slots: Slots,
    /// The memory of the process.
    pub budget: Budget,
    /// Threads that judge the records of one job.
    pub workers: usize,
    /// What HTTP tells of jobs.
    pub board: JobBoard,
    /// Metrics.
    pub metrics: Metrics,
    /// Clock.
    pub clock: Clock,
}

impl StreamJobs {
    /// The stream's name.
    pub fn stream(&self) -> &str {
        self.flow.name()
    }

    /// Now, as RFC 3339 in UTC.
    fn now(&self) -> String {
        self.clock.now().to_string()
    }

    /// Bytes that the open files of a job may hold; as many are on their way.
    fn share(&self) -> u64 {
        (self.slots.share / (2 * self.slots.jobs)).max(LEAST_SHARE)
    }
}

/// Room for jobs, of all streams together.
#[derive(Debug, Clone)]
pub struct Slots {
    room: Arc<Semaphore>,
    jobs: u64,
    /// Bytes of all jobs together.
    share: u64,
}

/// A job's place; given back on drop.
#[derive(Debug)]
struct Slot(#[allow(dead_code, reason = "held")] OwnedSemaphorePermit);

impl Slots {
    /// Room for `jobs` at a time, which hold `share` bytes together.
    pub fn new(jobs: usize, share: u64) -> Self {
        Self {
            room: Arc::new(Semaphore::new(jobs)),
            jobs: jobs.max(1) as u64,
            share,
        }
    }

    /// A place, once there is one; streams that wait are served in their order.
    async fn take(&self) -> Option<Slot> {
        let permit = self.room.clone().acquire_owned().await;
        permit.ok().map(Slot)
    }
}

/// Starts the jobs of a stream; the task ends once a stop is asked for and each job under way is left
/// as far as it was staged.
pub fn spawn(shared: StreamJobs, shutdown: Shutdown) -> JoinHandle<()> {
    tokio::spawn(watch::Watch::new(Arc::new(shared)).run(shutdown))
}
