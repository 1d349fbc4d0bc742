//! The work on one job, from its claim to its result.
//!
//! Owns: the order of its steps, and what each way to end leaves behind. A step that a store does not
//! allow now is left to a later try: what was staged by then stands. Does not own: reading and judging
//! (`pipeline::bulk`), landing (`jobs::landing`), which job is next (`jobs::watch`).

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::bucket::Object;
use crate::clock::Tick;
use crate::config::After;
use crate::error::{Error, Result};
use crate::fail_point;
use crate::jobs::StreamJobs;
use crate::jobs::drops::JobDrop;
use crate::jobs::lease::Beats;
use crate::jobs::parts::{self, StagedPart};
use crate::jobs::results::Results;
use crate::lake::jobs::{LandedJob, files_of};
use crate::lake::progress::JobProgress;
use crate::model::job::{JobDocument, JobFile, JobState, hex};
use crate::pipeline::plan::StreamPlan;

/// What is wanted of whoever works on a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// To go on.
    Work,
    /// To end it: an operator asked.
    Abort,
    /// To leave it to another instance, or to the next start.
    Leave,
}

/// How the work ended here.
#[derive(Debug)]
pub enum End {
    /// The job is at its end, and its result is written.
    Ended(JobState),
    /// It is left to somebody else.
    Left,
    /// It is to be tried again: something did not answer, or not as it should.
    Later(Error),
}

/// Why the work does not go on.
#[derive(Debug)]
pub(super) enum Halt {
    /// The job is at its end, with a reason.
    Over(JobState, String),
    /// It is left to somebody else.
    Left,
    /// It is to be read again, by another schema version.
    Again,
    Failed(Error),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Halt::Failed(error)
    }
}

/// `Result` with [`Halt`].
pub(super) type Step<T> = Result<T, Halt>;

/// Times that a job is read again in a row because of newer schema versions.
const AGAIN: u32 = 5;

/// First and longest wait before a store is asked again.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// Failures in a row after which a job gives its place to others for a while.
const FAILURES: u32 = 12;

/// How often `job.json` is replaced at most.
pub(super) const TELL: Duration = Duration::from_secs(2);

/// The work on one job.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) shared: Arc<StreamJobs>,
    pub(super) job: Arc<JobDrop>,
    pub(super) wanted: watch::Receiver<Wanted>,
    pub(super) results: Results,
    pub(super) document: JobDocument,
    /// What was done, by the schema version that is in force.
    pub(super) progress: JobProgress,
    pub(super) parts: Vec<StagedPart>,
    pub(super) told: Tick,
    /// True if an operator wants it again, whatever its result says.
    is_asked: bool,
    beats: Option<Beats>,
}

/// Works on a job that this instance has claimed.
pub(super) async fn work(
    shared: Arc<StreamJobs>,
    job: Arc<JobDrop>,
    wanted: watch::Receiver<Wanted>,
    is_asked: bool,
    beats: Beats,
) -> End {
    let results = Results::of(&shared.bucket, &job.key, &job.id);
    let progress = JobProgress::of(&shared.store, shared.stream(), &job.id, "");
    let mut work = Work {
        document: shared.new_document(&job),
        results,
        progress,
        parts: Vec::new(),
        told: shared.clock.tick(),
        is_asked,
        beats: Some(beats),
        wanted,
        job,
        shared,
    };
    match work.run_through().await {
        Ok(state) => End::Ended(state),
        Err(Halt::Failed(error)) => {
            work.document.state = JobState::UploadComplete;
            work.document.reason = Some(error.to_string());
            (work.document.finished_at, work.document.failed_rows) = (None, None);
            work.tell().await;
            End::Later(error)
        }
        Err(_) => End::Left,
    }
}

impl Work {
    async fn run_through(&mut self) -> Step<JobState> {
        if let Some(state) = self.begin().await? {
            return Ok(state);
        }
        let mut tries = 0;
        let (state, reason) = loop {
            tries += 1;
            match self.read_and_land().await {
                Ok(reason) => break (JobState::JobComplete, reason),
                Err(Halt::Over(state, reason)) => {
                    if state == JobState::JobComplete {
                        // It landed nothing.
                        self.parts.clear();
                        self.count();
                    }
                    break (state, Some(reason));
                }
                Err(Halt::Again) if tries < AGAIN => {}
                Err(halt) => return Err(halt),
            }
        };
        self.finish(state, reason).await?;
        Ok(state)
    }

    /// Says that the job is worked on; what an earlier try told of its times stands. One whose result
    /// is written, and holds, has only its traces to be cleared.
    async fn begin(&mut self) -> Step<Option<JobState>> {
        let before = self.results.read().await?.filter(|d| d.id == self.job.id);
        match before {
            Some(before) if before.state.is_final() => {
                // Whoever was taken for dead may have landed it behind that result.
                let holds = before.state == JobState::JobComplete || self.landed().await?.is_none();
                if holds && !self.is_asked {
                    self.document = before;
                    self.clear().await;
                    return Ok(Some(self.document.state));
                }
                self.is_asked = true;
            }
            Some(before) => {
                self.document.created_at = before.created_at;
                self.document.started_at = before.started_at;
                if self.job.files.is_empty() {
                    self.document.files = before.files;
                }
            }
            None => {}
        }
        self.document.state = JobState::InProgress;
        let now = self.shared.now();
        self.document.started_at.get_or_insert(now);
        self.tell().await;
        Ok(None)
    }

    /// Brings the job into the table; the reason that a complete job may have.
    async fn read_and_land(&mut self) -> Step<Option<String>> {
        self.halted_by_others()?;
        if let Some(landed) = self.landed().await? {
            return self.find_what_landed(&landed).await;
        }
        let plan = self.shared.flow.plan();
        self.take_up(&plan).await?;
        // Behind the ledger, since what landed cannot be ended any more, and with what was staged,
        // which is given back.
        self.halted()?;
        if let Some(fault) = &self.job.fault {
            return Err(Halt::Over(JobState::Failed, fault.clone()));
        }
        if let Some(last) = self.parts.last() {
            tracing::info!(
                stream = self.shared.stream(), job = %self.job.id, key = &*self.job.key,
                parts = self.parts.len(), record = last.to.record, by = %last.instance,
                "going on behind what was staged of the job"
            );
        }
        let hashes = self.read(&plan).await?;
        fail_point::pass("before_job");
        let reason = self.land(&plan, &hashes).await?;
        fail_point::pass("after_job");
        Ok(reason)
    }

    /// What the ledger says of the job.
    async fn landed(&self) -> Result<Option<LandedJob>> {
        let shared = &self.shared;
        let mut landed = shared.landed.lock().await;
        landed.look(&shared.store, shared.stream()).await?;
        Ok(landed.by_id(self.job.id.as_str()).cloned())
    }

    /// Takes up what was staged of the job.
    async fn take_up(&mut self, plan: &StreamPlan) -> Result<()> {
        self.progress = self.progress_by(plan);
        self.parts = self.staged().await?;
        if self.job.files.is_empty() {
            // It is ended by an operator, and its manifest's files were not looked for.
            let shared = self.shared.clone();
            for progress in JobProgress::all(&shared.store, shared.stream(), &self.job.id).await? {
                let usual = std::mem::replace(&mut self.progress, progress);
                let parts = self.staged().await?;
                match parts.len() > self.parts.len() {
                    true => self.parts = parts,
                    false => self.progress = usual,
                }
            }
        }
        self.count();
        self.shared.board.set(&self.document);
        Ok(())
    }

    /// The progress by a plan, by all settings that a verdict depends on, and of a manifest by what
    /// its files are: its id tells nothing of them.
    fn progress_by(&self, plan: &StreamPlan) -> JobProgress {
        let stream = &plan.stream;
        let mut rules = format!(
            "{:?} {:?} {:?} {:?}",
            self.rules().dialect,
            stream.names,
            stream.unknown_fields,
            stream.partition_by
        );
        if self.job.is_manifest() {
            for file in &self.job.files {
                rules += &format!(" {:?} {:?}", file.key, file.identity().as_str());
            }
        }
        let name = format!("{}-{}", plan.version(), hex(&Sha256::digest(rules)[..4]));
        JobProgress::of(
            &self.shared.store,
            self.shared.stream(),
            &self.job.id,
            &name,
        )
    }

    /// Tells what landed as the ledger does, whoever landed it; and finds the parts by which it did,
    /// which name the rejected rows.
    pub(super) async fn find_what_landed(&mut self, landed: &LandedJob) -> Step<Option<String>> {
        let shared = self.shared.clone();
        if landed.id() != self.job.id.as_str() {
            let reason = format!(
                "it landed as a file of {} (job {})",
                landed.key,
                landed.id()
            );
            return Err(Halt::Over(JobState::JobComplete, reason));
        }
        let files = files_of(&shared.store, shared.stream(), &[landed]).await?;
        for (told, landed) in self.document.files.iter_mut().zip(files.values().flatten()) {
            (told.records, told.counts) = (landed.records, landed.counts);
        }
        self.document.counts = files.values().flatten().map(|file| file.counts).sum();
        for progress in JobProgress::all(&shared.store, shared.stream(), &self.job.id).await? {
            self.progress = progress;
            self.parts = self.staged().await?;
            if parts::counts(self.parts.iter()) == self.document.counts {
                return Ok(self.told(landed).await);
            }
        }
        self.parts.clear();
        if self.document.counts.rejected > 0 {
            let lost =
                "what was staged of the rejected rows is lost; they are in the rejects table";
            return Ok(Some(lost.to_owned()));
        }
        Ok(self.told(landed).await)
    }

    /// What was staged; nothing where it cannot be read.
    async fn staged(&self) -> Result<Vec<StagedPart>> {
        let texts = self.progress.parts().await?;
        let parts: Option<Vec<_>> = texts.iter().map(|text| StagedPart::read(text)).collect();
        let parts = parts.filter(|parts| parts::is_one_reading(parts));
        if parts.is_none() {
            tracing::warn!(job = %self.job.id, "what was staged is of several readings; the job begins again");
            self.progress.clear().await?;
        }
        Ok(parts.unwrap_or_default())
    }

    /// Puts the counts of all parts into the document.
    pub(super) fn count(&mut self) {
        self.document.counts = parts::counts(self.parts.iter());
        for (place, file) in self.document.files.iter_mut().enumerate() {
            let counts = parts::counts(self.parts.iter().filter(|part| part.file == place));
            file.records = counts.accepted + counts.rejected;
            file.counts = counts;
        }
    }

    /// Writes the result, and takes away what was staged.
    async fn finish(&mut self, state: JobState, reason: Option<String>) -> Step<()> {
        self.halted_by_others()?;
        if state == JobState::Aborted {
            // What is given back is what was staged.
            self.count();
        }
        self.document.failed_rows = None;
        let parts = std::mem::take(&mut self.parts);
        let is_lost = parts.is_empty() && self.document.counts.rejected > 0;
        if !is_lost {
            let (results, progress) = (self.results.clone(), self.progress.clone());
            let rows = self
                .patiently(|| results.give_back(&progress, &parts))
                .await?;
            self.document.failed_rows = rows;
        }
        self.document.state = state;
        self.document.reason = reason;
        self.document.finished_at = Some(self.shared.now());
        let (results, document) = (self.results.clone(), self.document.clone());
        self.patiently(|| results.write(&document)).await?;
        fail_point::pass("before_clear");
        self.clear().await;
        self.log();
        Ok(())
    }

    /// Takes away what was staged of a job whose result is written, and the drop where that is wanted.
    /// What cannot be taken away now changes no result: a later look finds it.
    async fn clear(&mut self) {
        let state = self.document.state;
        if state == JobState::JobComplete && self.shared.bulk.after == After::Delete {
            self.delete_drop().await;
        }
        // None of them behind what is cleared.
        self.beats = None;
        let shared = self.shared.clone();
        let cleared = self.patiently(|| shared.claims.clear(&self.job.id)).await;
        if let Err(Halt::Failed(error)) = cleared {
            tracing::warn!(job = %self.job.id, %error, "what is left of a job that ended could not be taken away; tried again later");
        }
        shared.board.set(&self.document);
    }

    /// Deletes what was dropped, as far as it is still what was read.
    async fn delete_drop(&self) {
        let bucket = &self.shared.bucket;
        for file in &self.job.files {
            let is_it = |now: &Object| now.identity() == file.identity();
            if let Err(error) = bucket.delete_if(&file.key, is_it).await {
                tracing::warn!(key = &*file.key, %error, "a file whose job is complete could not be deleted");
            }
        }
        if !self.job.is_manifest() {
            return;
        }
        let is_it = |now: &Object| now.drop_identity() == self.job.identity;
        if let Err(error) = bucket.delete_if(&self.job.key, is_it).await {
            tracing::warn!(key = &*self.job.key, %error, "a manifest whose job is complete could not be deleted");
        }
    }

    fn log(&self) {
        let JobDocument {
            id,
            state,
            counts,
            reason,
            ..
        } = &self.document;
        tracing::info!(
            stream = self.shared.stream(), job = %id, key = &*self.job.key, state = state.as_str(),
            accepted = counts.accepted, rejected = counts.rejected,
            reason = reason.as_deref().unwrap_or_default(), "job ended"
        );
    }

    /// Replaces `job.json`, if the bucket takes it: a later one says all that this one would.
    pub(super) async fn tell(&mut self) {
        self.told = self.shared.clock.tick();
        if self.halted_by_others().is_err() {
            return;
        }
        self.shared.board.set(&self.document);
        if let Err(error) = self.results.write(&self.document).await {
            tracing::warn!(job = %self.job.id, %error, "job.json could not be written; tried again later");
        }
    }

    /// Why the work has to stop, if it has to.
    pub(super) fn halted(&self) -> Step<()> {
        self.halted_by_others()?;
        match *self.wanted.borrow() {
            Wanted::Work => Ok(()),
            Wanted::Leave => Err(Halt::Left),
            Wanted::Abort => Err(Halt::Over(
                JobState::Aborted,
                "an operator ended it".to_owned(),
            )),
        }
    }

    /// Whoever outslept its lease leaves what it has in hand to the one that took over.
    fn halted_by_others(&self) -> Step<()> {
        let now = self.shared.clock.tick();
        let is_held = self.beats.as_ref().is_none_or(|beats| beats.holds(now));
        match is_held && *self.wanted.borrow() != Wanted::Leave {
            true => Ok(()),
            false => Err(Halt::Left),
        }
    }

    /// Asks a store until it answers, or the work has to stop.
    pub(super) async fn patiently<T, F>(&self, ask: impl Fn() -> F) -> Step<T>
    where
        F: Future<Output = Result<T>>,
    {
        let mut wait = RETRY.0;
        let mut failures: u32 = 0;
        loop {
            match ask().await {
                Err(error) if error.is_outage() && failures < FAILURES => {
                    failures += 1;
                    if failures.is_power_of_two() {
                        tracing::warn!(job = %self.job.id, failures, %error, "the job waits for a store");
                    }
                }
                answer => return answer.map_err(Halt::Failed),
            }
            self.halted_by_others()?;
            self.shared.clock.sleep(wait).await;
            wait = (wait * 2).min(RETRY.1);
        }
    }
}

impl StreamJobs {
    /// What is told of a job before anything was done of it.
    pub(super) fn new_document(&self, job: &JobDrop) -> JobDocument {
        let files = job.files.iter();
        let files = files.map(|file| JobFile::unread(&file.key, file.etag.clone(), file.size));
        JobDocument::new(&job.id, self.stream(), files.collect(), self.now())
    }
}
