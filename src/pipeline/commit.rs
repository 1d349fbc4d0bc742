//! Lands ready batches and starting points: the loop around the pure judgement.
//!
//! Owns: the order of look, judge, put and look again; the waiting between them; what a stop does
//! to a batch on its way. Does not own: the verdicts (`lake::protocol`), the uploads, what becomes
//! of a fenced batch, the rejects table (the caller follows it after a commit), metrics.
//!
//! ```text
//!         ┌──────────────────────── wait (jittered) ◀──────────────────────┐
//!         ▼                                                                │ conflict, unknown
//!  look: view, then ──▶ judge ──▶ commit ──▶ publish schema ──▶ put if absent ──▶ committed
//!  commits since the      ├────▶ already committed
//!  first version seen     └────▶ fenced, schema behind
//! ```
//!
//! A put whose answer is unknown may still land later. It is for one version only, and a further
//! put is for the same version or for a later one, after a look that covers the earlier one: so a
//! batch id is in the log at most once.

mod backoff;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tracing::{info, warn};
use uuid::Uuid;

use crate::clock::{Clock, Micros};
use crate::error::{Error, Result};
use crate::fail_point;
use crate::lake::protocol::{
    Claim, Judge, Moved, Verdict, has_position, judge, resolve_start, schema_in_force,
};
use crate::lake::{Answer, Commit, LakeTable, Logged, ReadyBatch, View};
use crate::model::ledger::{CommitRecord, JobRecord};
use crate::model::position::{APP_ID_SCHEMA, SourcePartition};
use crate::pipeline::commit::backoff::{Backoff, Jitter};
use crate::shutdown::{Phase, Shutdown};

#[cfg(test)]
mod tests;

/// Uploads older than this are not committed but uploaded again: half of the retention (7 days)
/// after which a vacuum takes files that no commit names.
pub const UPLOAD_AGE_MAX: Duration = Duration::from_secs(7 * 24 * 3600 / 2);

/// Failures in a row that no waiting will cure (any kind but `Unreachable`) before the batch is
/// given up.
const REFUSALS_MAX: u32 = 8;

/// What became of a batch.
#[derive(Debug)]
pub enum Landing {
    /// This call's put made it visible.
    Committed {
        /// The table's version.
        version: u64,
        /// Puts that found their version taken before.
        conflicts: u32,
    },
    /// It was in the log; a put whose answer was lost, or another instance's of the same job.
    AlreadyCommitted {
        /// The table's version.
        version: u64,
        /// True if a put of this call made it visible, as far as the log tells.
        is_own: bool,
        /// Puts that found their version taken.
        conflicts: u32,
    },
    /// Another writer moved these partitions; nothing of the batch is, or ever will be, committed.
    /// Give the moved partitions up and read the others again from the table's positions.
    Fenced {
        /// Never empty.
        moved: Vec<Moved>,
        /// Puts that found their version taken.
        conflicts: u32,
    },
    /// A newer schema version is in force: load it from the table and decode again. Nothing of the
    /// batch is, or ever will be, committed.
    SchemaBehind {
        /// The version in force.
        table: u32,
        /// Puts that found their version taken.
        conflicts: u32,
    },
    /// A job of the same drop or content landed meanwhile; nothing of this one is, or ever will be,
    /// committed.
    Duplicate {
        /// What the caller's judgement said of it.
        reason: String,
    },
    /// The batch is not in the log as far as was seen, and its files are so old that a vacuum may
    /// have taken them: upload them again under new names and land the batch again, under the same
    /// batch id and with this committer.
    UploadAgain,
    /// The stop was abandoned, or the lake refuses for good. The batch may or may not be in the
    /// log: whoever reads on does so from the table's positions.
    GaveUp(Error),
}

/// Lands batches in one table. One commit at a time: `land` is called in the order of the batches.
#[derive(Debug)]
pub struct Committer {
    table: Arc<dyn LakeTable>,
    clock: Clock,
    shutdown: Shutdown,
    jitter: Jitter,
    judge: Judge,
    upload_age_max: Duration,
    /// Version → text of the schemas that batches may have been decoded with.
    schemas: Mutex<HashMap<u32, Arc<str>>>,
    /// Batch → the first version that was looked at for it, while it is not settled. It outlives
    /// the call, so that a batch that is landed again is looked for in all versions since.
    unsettled: Mutex<HashMap<Uuid, u64>>,
}

/// What a job must not land beside.
pub type Refuse<'a> = &'a (dyn Fn(&JobRecord) -> Option<String> + Sync);

/// What one call keeps from look to look.
struct Course {
    backoff: Backoff,
    has_put: bool,
    conflicts: u32,
    refusals: u32,
}

/// Why a step did not settle the batch.
enum Again {
    /// The version was taken, or what was read does not reach as far as it should: look again.
    Conflict,
    /// A failure; whether it changed anything is for the next look to find out.
    Failed(Error),
}

impl From<Error> for Again {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Committer {
    /// A committer for `table`. Waiting times are drawn from `seed`.
    pub fn new(table: Arc<dyn LakeTable>, clock: Clock, shutdown: Shutdown, seed: u64) -> Self {
        Self {
            table,
            clock,
            shutdown,
            jitter: Jitter::new(seed),
            judge,
            upload_age_max: UPLOAD_AGE_MAX,
            schemas: Mutex::default(),
            unsettled: Mutex::default(),
        }
    }

    /// Puts another judgement in the place of `lake::protocol::judge`, for the simulation.
    #[must_use]
    pub fn with_judge(mut self, judge: Judge) -> Self {
        self.judge = judge;
        self
    }

    /// Sets [`UPLOAD_AGE_MAX`] for a table with another retention.
    #[must_use]
    pub fn with_upload_age_max(mut self, age: Duration) -> Self {
        self.upload_age_max = age;
        self
    }

    /// Makes the text of a schema version known, so that the first batch that uses it can publish
    /// it in the table.
    pub fn know_schema(&self, version: u32, text: impl Into<Arc<str>>) {
        self.schemas.lock().insert(version, text.into());
    }

    /// The table that batches land in.
    pub fn table(&self) -> &Arc<dyn LakeTable> {
        &self.table
    }

    /// Lands `batch`; the age of its uploads is that of its oldest data file, and for a batch
    /// without one that of this call. Waits out outages for as long as the process runs.
    pub async fn land(&self, batch: &ReadyBatch) -> Landing {
        let uploaded_at = self.uploaded_at(batch);
        self.land_uploaded(batch, uploaded_at).await
    }

    /// When the oldest data file of a batch was uploaded; now, where it has none.
    fn uploaded_at(&self, batch: &ReadyBatch) -> Micros {
        let oldest = batch.commit.files.iter().map(|file| file.modified_ms).min();
        oldest.map_or(self.clock.now(), |ms| Micros(ms.saturating_mul(1000)))
    }

    /// Lands the batch of a job, which may be in the log since before this call: the jobs up to
    /// version `known` are the caller's knowledge; those above are looked through, before each put,
    /// for the batch itself and for what `refuse` says.
    pub async fn land_job(&self, batch: &ReadyBatch, known: u64, refuse: Refuse<'_>) -> Landing {
        self.unsettled.lock().entry(batch.batch).or_insert(known);
        let uploaded_at = self.uploaded_at(batch);
        self.land_unless(batch, uploaded_at, refuse).await
    }

    /// Lands `batch`, the first file of which was uploaded at `uploaded_at`.
    pub async fn land_uploaded(&self, batch: &ReadyBatch, uploaded_at: Micros) -> Landing {
        self.land_unless(batch, uploaded_at, &|_| None).await
    }

    async fn land_unless(
        &self,
        batch: &ReadyBatch,
        uploaded_at: Micros,
        refuse: Refuse<'_>,
    ) -> Landing {
        let landing = async {
            let claim = Claim::of(&batch.commit.record);
            let mut course = Course::new();
            loop {
                let step = self.step(batch, &claim, uploaded_at, refuse, &mut course);
                let again = match step.await {
                    Ok(landing) => return landing,
                    Err(again) => again,
                };
                if let Err(error) = self.pause(again, &mut course).await {
                    return Landing::GaveUp(error);
                }
            }
        };
        let landing = tokio::select! {
            // Biased, since an unbiased choice draws from a random source of its own.
            biased;
            error = self.abandoned() => Landing::GaveUp(error),
            landing = landing => landing,
        };
        if !matches!(landing, Landing::UploadAgain | Landing::GaveUp(_)) {
            self.unsettled.lock().remove(&batch.batch);
        }
        landing
    }

    /// Commits starting points: the empty ranges of `record` whose partitions have no position in
    /// the table yet. Returns the position of every partition of `record`; one that is in the table
    /// already wins. Nothing may be consumed of a partition before this has returned for it.
    ///
    /// Errors: the stop was abandoned, or the lake refuses for good.
    pub async fn start(&self, record: &CommitRecord) -> Result<Vec<(SourcePartition, i64)>> {
        let wanted: Vec<(SourcePartition, i64)> = record
            .ranges
            .iter()
            .filter(|range| has_position(&range.source_id))
            .map(|range| (range.source_partition(), range.from))
            .collect();
        let started = async {
            let mut course = Course::new();
            loop {
                let again = match self.start_step(record, &wanted, &mut course).await {
                    Ok(positions) => return Ok(positions),
                    Err(again) => again,
                };
                self.pause(again, &mut course).await?;
            }
        };
        tokio::select! {
            biased;
            error = self.abandoned() => Err(error),
            started = started => started,
        }
    }

    /// One look, one verdict, at most one put.
    async fn step(
        &self,
        batch: &ReadyBatch,
        claim: &Claim,
        uploaded_at: Micros,
        refuse: Refuse<'_>,
        course: &mut Course,
    ) -> Result<Landing, Again> {
        let (view, seen) = self.look(batch.batch).await?;
        let conflicts = course.conflicts;
        let at = match (self.judge)(claim, &view, &seen) {
            Verdict::Commit { at } => at,
            Verdict::AlreadyCommitted { version } => {
                let commit = seen.iter().find(|commit| commit.version == version);
                let by = commit.and_then(|commit| commit.instance.as_ref());
                let is_own = course.has_put && by == Some(&batch.commit.record.instance);
                return Ok(Landing::AlreadyCommitted {
                    version,
                    is_own,
                    conflicts,
                });
            }
            Verdict::Fenced { moved } => return Ok(Landing::Fenced { moved, conflicts }),
            Verdict::SchemaBehind { table } => {
                return Ok(Landing::SchemaBehind { table, conflicts });
            }
        };
        let reason = seen
            .iter()
            .filter_map(|commit| commit.job.as_ref())
            .find_map(refuse);
        if let Some(reason) = reason {
            return Ok(Landing::Duplicate { reason });
        }
        // Before every put and after its look: a vacuum makes a commit of its own before it takes
        // files, so a put that is based on this look conflicts with any later one.
        let age_us = self.clock.now().0.saturating_sub(uploaded_at.0);
        if u128::try_from(age_us).is_ok_and(|age| age > self.upload_age_max.as_micros()) {
            return Ok(Landing::UploadAgain);
        }
        let with_schema = self.raise_schema(&batch.commit, &view).await?;
        let commit = with_schema.as_ref().unwrap_or(&batch.commit);
        fail_point::pass("before_put");
        let version = self.put(at, commit, course).await?;
        Ok(Landing::Committed { version, conflicts })
    }

    /// The newest view, and the commits since the first version looked at for this batch. In this
    /// order (see `lake::protocol::judge`).
    async fn look(&self, batch: Uuid) -> Result<(View, Vec<Logged>), Again> {
        let view = self.table.view().await?;
        let first = *self.unsettled.lock().entry(batch).or_insert(view.version);
        if view.version == first {
            return Ok((view, Vec::new()));
        }
        let Some(newer) = view.version.checked_sub(first) else {
            return Err(Again::Conflict);
        };
        let most = usize::try_from(newer).unwrap_or(usize::MAX);
        let seen = self.table.commits_since(first, most).await?;
        if seen.last().is_none_or(|last| last.version < view.version) {
            return Err(Again::Conflict);
        }
        Ok((view, seen))
    }

    /// Where the batch's schema version is newer than the one in force: publishes its text, and
    /// returns the commit with the `txn` that brings it into force.
    async fn raise_schema(&self, commit: &Commit, view: &View) -> Result<Option<Commit>> {
        let Some(version) = commit.record.schema else {
            return Ok(None);
        };
        if schema_in_force(view).is_some_and(|table| table >= version) {
            return Ok(None);
        }
        let text = self.schemas.lock().get(&version).cloned();
        let text = text.ok_or_else(|| {
            Error::internal(format!(
                "a batch was decoded with schema version {version}, whose text is not known"
            ))
        })?;
        self.table.publish_schema(version, &text).await?;
        let mut commit = commit.clone();
        commit.positions.retain(|(id, _)| id != APP_ID_SCHEMA);
        let raised = (APP_ID_SCHEMA.to_owned(), i64::from(version));
        commit.positions.push(raised);
        Ok(Some(commit))
    }

    async fn put(&self, at: u64, commit: &Commit, course: &mut Course) -> Result<u64, Again> {
        course.has_put = true;
        match self.table.try_commit(at, commit).await {
            Answer::Committed(version) => {
                if course.backoff.failures() > 0 {
                    info!(version, "the lake answers again");
                }
                Ok(version)
            }
            Answer::Conflict => {
                course.conflicts += 1;
                Err(Again::Conflict)
            }
            Answer::Unknown(error) => Err(Again::Failed(error)),
        }
    }

    /// Positions tell all that matters here: who put a starting point does not.
    async fn start_step(
        &self,
        record: &CommitRecord,
        wanted: &[(SourcePartition, i64)],
        course: &mut Course,
    ) -> Result<Vec<(SourcePartition, i64)>, Again> {
        let view = self.table.view().await?;
        let mut start = resolve_start(&view, wanted);
        if start.missing.is_empty() {
            return Ok(start.known);
        }
        let commit = starting_points(record, &view);
        self.put(view.version + 1, &commit, course).await?;
        fail_point::pass("after_start");
        start.known.append(&mut start.missing);
        Ok(start.known)
    }

    /// Waits before the next look, or says why there is to be none.
    async fn pause(&self, again: Again, course: &mut Course) -> Result<()> {
        let wait = match again {
            Again::Conflict => {
                course.refusals = 0;
                course.backoff.after_conflict(&self.jitter)
            }
            Again::Failed(error) if error.is_outage() => {
                course.refusals = 0;
                let wait = course.backoff.after_failure(&self.jitter);
                // The first, then ever more rarely: an outage of hours is not a line a second.
                if course.backoff.failures().is_power_of_two() {
                    let failures = course.backoff.failures();
                    warn!(%error, failures, wait_ms = wait.as_millis(), "waiting for the lake");
                }
                wait
            }
            Again::Failed(error) => {
                course.refusals += 1;
                if course.refusals >= REFUSALS_MAX {
                    return Err(error);
                }
                course.backoff.after_failure(&self.jitter)
            }
        };
        self.clock.sleep(wait).await;
        Ok(())
    }

    /// Returns once the stop was abandoned; never if nobody is left to abandon it.
    async fn abandoned(&self) -> Error {
        let mut shutdown = self.shutdown.clone();
        shutdown.reached(Phase::Abandoned).await;
        if shutdown.phase() < Phase::Abandoned {
            std::future::pending::<()>().await;
        }
        Error::unreachable(
            "the grace period is over and a commit is not settled; the next start settles it",
        )
    }
}

impl Course {
    fn new() -> Self {
        Self {
            backoff: Backoff::default(),
            has_put: false,
            conflicts: 0,
            refusals: 0,
        }
    }
}

/// The commit that gives the partitions of `record` their starting points, without those that have
/// a position in `view`.
fn starting_points(record: &CommitRecord, view: &View) -> Commit {
    let mut record = record.clone();
    record.ranges.retain(|range| {
        let app_id = range.source_partition().app_id();
        has_position(&range.source_id) && !view.positions.contains_key(&app_id)
    });
    let positions = record.ranges.iter();
    let positions = positions.map(|range| (range.source_partition().app_id(), range.to));
    Commit {
        positions: positions.collect(),
        record,
        files: Vec::new(),
        schema: None,
    }
}
