//! A job that was read, into its table.
//!
//! Owns: what it is held against before each put, and what follows from the answer. Does not own: the
//! record of the commit (`pipeline::bulk::land`), the protocol (`pipeline::commit`).

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::jobs::work::{Halt, Step, Work};
use crate::lake::ReadyBatch;
use crate::lake::jobs::{LandedJob, LandedJobs};
use crate::model::job::{JobCounts, JobId, JobState, hex};
use crate::model::ledger::{Cut, FileRecord, JobRecord};
use crate::pipeline::bulk::duplicates::{self, Candidate, Seen};
use crate::pipeline::bulk::land::{self, ReadFile, ReadJob};
use crate::pipeline::commit::Landing;
use crate::pipeline::plan::StreamPlan;
use crate::pipeline::trail;

/// What is told of a job that landed though it had before.
const RELOAD: &str = "an operator asked to load it again";

impl Work {
    /// Lands the job, whose files have the contents `hashes`; a reason that it may have all the same.
    pub(super) async fn land(
        &mut self,
        plan: &Arc<StreamPlan>,
        hashes: &[String],
    ) -> Step<Option<String>> {
        self.count();
        let sha256 = match hashes {
            [one] => one.clone(),
            many => hex(&Sha256::digest(many.join("\n"))),
        };
        let own_files = self.own_files(hashes);
        let ready = self.ready(plan, &sha256, &own_files);
        let job = self.job.clone();
        let candidate = Candidate {
            id: job.id.as_str(),
            key: &job.key,
            sha256: &sha256,
            files: &own_files,
            policy: self.shared.bulk.on_duplicate,
        };
        loop {
            self.halted()?;
            let shared = self.shared.clone();
            let looked = {
                let mut landed = shared.landed.lock().await;
                landed.look(&shared.store, shared.stream()).await?;
                match landed.by_id(self.job.id.as_str()).cloned() {
                    Some(landed) => Err(landed),
                    None => {
                        let reason = self.beside(&landed, &candidate)?;
                        Ok((landed.newest().unwrap_or(0), reason))
                    }
                }
            };
            let (known, reason) = match looked {
                Ok(looked) => looked,
                Err(landed) => return self.find_what_landed(&landed).await,
            };
            let refuse = |other: &JobRecord| match job.is_reload {
                true => None,
                false => candidate.meets(other, reason.is_some()),
            };
            let began = shared.clock.tick();
            let landing = shared.committer.land_job(&ready, known, &refuse).await;
            let count = |outcome: &str, n: u64| {
                let labels = [shared.stream(), outcome];
                shared.metrics.commits.with_label_values(&labels).inc_by(n);
            };
            match landing {
                Landing::Committed { conflicts, version } => {
                    count("committed", 1);
                    count("conflict", conflicts.into());
                    let seconds = shared.clock.tick().since(began).as_secs_f64();
                    let commit_seconds = &shared.metrics.commit_seconds;
                    let labels = [shared.stream()];
                    commit_seconds.with_label_values(&labels).observe(seconds);
                    tracing::debug!(job = %self.job.id, version, "job committed");
                    self.account(&ready);
                    trail::follow(&shared.table, shared.stream()).await;
                    return Ok(reason);
                }
                Landing::AlreadyCommitted { is_own: true, .. } => {
                    self.account(&ready);
                    trail::follow(&shared.table, shared.stream()).await;
                    return Ok(reason);
                }
                // Who landed it has counted it, and the ledger tells what became of it.
                Landing::AlreadyCommitted { is_own: false, .. } => {
                    trail::follow(&shared.table, shared.stream()).await;
                }
                // What it met is in the ledger now, and the look says what it is beside it.
                Landing::Duplicate { .. } => {}
                Landing::SchemaBehind { table, .. } => {
                    count("fenced", 1);
                    shared.evolution.catch_up(table).await;
                    return Err(Halt::Again);
                }
                Landing::UploadAgain => {
                    tracing::warn!(job = %self.job.id, "the job's files are too old to be committed; it is read again");
                    self.progress.clear().await?;
                    return Err(Halt::Again);
                }
                Landing::Fenced { .. } => {
                    return Err(Error::internal("a job has no position to be fenced by").into());
                }
                Landing::GaveUp(error) => {
                    count("failed", 1);
                    return Err(error.into());
                }
            }
        }
    }

    /// What the job is beside those that landed; why it lands all the same.
    fn beside(&self, landed: &LandedJobs, candidate: &Candidate<'_>) -> Step<Option<String>> {
        if self.job.is_reload {
            return Ok(Some(RELOAD.to_owned()));
        }
        match candidate.seen(landed) {
            Seen::New => Ok(None),
            Seen::Flagged(reason) => Ok(Some(reason)),
            Seen::Before(reason) => Err(Halt::Over(JobState::JobComplete, reason)),
            Seen::Partly(reason) => Err(Halt::Over(JobState::Failed, reason)),
        }
    }

    /// What is told of a job that is in the ledger, as when it landed.
    pub(super) async fn told(&self, job: &LandedJob) -> Option<String> {
        match self.job.is_reload {
            true => Some(RELOAD.to_owned()),
            false => duplicates::told(&*self.shared.landed.lock().await, job),
        }
    }

    /// The files of a manifest, as the drops that they would be by themselves.
    fn own_files(&self, hashes: &[String]) -> Vec<FileRecord> {
        if !self.job.is_manifest() {
            return Vec::new();
        }
        let stream = self.shared.stream();
        let files = self.job.files.iter().zip(&self.document.files).zip(hashes);
        let own = files.map(|((file, read), sha256)| FileRecord {
            id: JobId::of(stream, &file.key, &file.identity(), 0).to_string(),
            key: file.key.to_string(),
            sha256: (read.records > 0).then(|| sha256.clone()),
        });
        own.collect()
    }

    fn ready(&self, plan: &Arc<StreamPlan>, sha256: &str, own_files: &[FileRecord]) -> ReadyBatch {
        let files = self.document.files.iter().map(|file| ReadFile {
            key: &file.key,
            records: file.records,
            counts: file.counts,
        });
        let job = ReadJob {
            job: &self.job.id,
            key: &self.job.key,
            identity: &self.job.identity,
            sha256: sha256.to_owned(),
            files: files.collect(),
            own_files: own_files.to_vec(),
        };
        let parts = self.parts.iter();
        let data = parts.clone().flat_map(|part| part.data.clone()).collect();
        let rejects = parts.flat_map(|part| part.rejects.clone()).collect();
        land::batch(plan, &self.shared.instance, &job, data, rejects)
    }

    /// Counts what this process has landed.
    fn account(&self, ready: &ReadyBatch) {
        let shared = &self.shared;
        let (stream, metrics) = (shared.stream(), &shared.metrics);
        let JobCounts {
            accepted,
            rejected,
            skipped,
        } = self.document.counts;
        for (outcome, n) in [
            ("accepted", accepted),
            ("rejected", rejected),
            ("skipped", skipped),
        ] {
            let labels = [stream, "bulk", outcome];
            metrics.records.with_label_values(&labels).inc_by(n);
        }
        for (code, n) in self.parts.iter().flat_map(|part| &part.codes) {
            let labels = [stream, code.as_str()];
            metrics.rejects.with_label_values(&labels).inc_by(*n);
        }
        let bytes = self.document.files.iter().map(|file| file.size).sum();
        let source_bytes = &metrics.source_bytes;
        source_bytes
            .with_label_values(&[stream, "bulk"])
            .inc_by(bytes);
        let files = metrics
            .files
            .with_label_values(&[stream, Cut::End.as_str()]);
        files.inc_by(ready.commit.files.len() as u64);
        for file in &ready.commit.files {
            let sizes = metrics.file_bytes.with_label_values(&[stream]);
            sizes.observe(file.size as f64);
        }
    }
}
