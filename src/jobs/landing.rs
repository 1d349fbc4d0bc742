//! A job that was read, into its table.
//!
//! Owns: what it is held against before each put, and what follows from the answer. Does not own: the
//! record of the commit (`pipeline::bulk::land`), the protocol (`pipeline::commit`).

use std::sync::Arc;

use crate::error::Error;
use crate::jobs::work::{Halt, Step, Work};
use crate::lake::ReadyBatch;
use crate::lake::jobs::LandedJobs;
use crate::model::job::{JobCounts, JobId, JobState};
use crate::model::ledger::{Cut, JobRecord};
use crate::pipeline::bulk::land::{self, ReadFile, ReadJob, Seen};
use crate::pipeline::commit::Landing;
use crate::pipeline::plan::StreamPlan;
use crate::pipeline::trail;

impl Work {
    /// Lands the job, whose content is `sha256`; a reason that it may have all the same.
    pub(super) async fn land(
        &mut self,
        plan: &Arc<StreamPlan>,
        sha256: String,
    ) -> Step<Option<String>> {
        self.count();
        let own_ids = self.own_ids();
        let ready = self.ready(plan, &sha256, &own_ids);
        loop {
            self.halted()?;
            let shared = self.shared.clone();
            let (known, reason) = {
                let mut landed = shared.landed.lock().await;
                landed.look(&shared.store, shared.stream()).await?;
                if let Some(landed) = landed.by_id(self.job.id.as_str()).cloned() {
                    return self.find_what_landed(&landed).await;
                }
                let reason = self.beside(&landed, &sha256, &own_ids)?;
                (landed.newest().unwrap_or(0), reason)
            };
            let refuse = |other: &JobRecord| self.refuses(other, &sha256, &own_ids);
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
                    self.after_commit(&ready).await;
                    return Ok(reason);
                }
                Landing::AlreadyCommitted { .. } => {
                    self.after_commit(&ready).await;
                    return Ok(reason);
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
    fn beside(
        &self,
        landed: &LandedJobs,
        sha256: &str,
        own_ids: &[String],
    ) -> Step<Option<String>> {
        if let Some(reason) = self.landed_before(landed, own_ids) {
            return Err(Halt::Over(JobState::Failed, reason));
        }
        if self.job.is_reload {
            return Ok(Some("an operator asked to load it again".to_owned()));
        }
        let policy = self.shared.bulk.on_duplicate;
        match land::seen(landed, &self.job.key, sha256, policy) {
            Seen::New => Ok(None),
            Seen::Flagged(reason) => Ok(Some(reason)),
            Seen::Before(reason) => Err(Halt::Over(JobState::JobComplete, reason)),
        }
    }

    /// A file of a manifest that landed before: by itself, or by another manifest.
    fn landed_before(&self, landed: &LandedJobs, own_ids: &[String]) -> Option<String> {
        if self.job.is_reload {
            return None;
        }
        let mut files = self.job.files.iter().zip(own_ids);
        files.find_map(|(file, own)| {
            let other = landed.by_id(own)?;
            Some(format!(
                "{} landed before, as job {} of {}",
                file.key,
                other.id(),
                other.key
            ))
        })
    }

    /// The ids that the files of a manifest would have as jobs of their own.
    fn own_ids(&self) -> Vec<String> {
        if !self.job.is_manifest() {
            return Vec::new();
        }
        let stream = self.shared.stream();
        let files = self.job.files.iter();
        files
            .map(|file| JobId::of(stream, &file.key, &file.identity(), 0))
            .map(|id| id.as_str().to_owned())
            .collect()
    }

    /// Why it must not land beside a job that landed since the look.
    fn refuses(&self, other: &JobRecord, sha256: &str, own_ids: &[String]) -> Option<String> {
        if self.job.is_reload {
            return None;
        }
        let is_a_file =
            own_ids.contains(&other.id) || other.files.iter().any(|id| id == self.job.id.as_str());
        let policy = self.shared.bulk.on_duplicate;
        let is_same = land::is_duplicate(other, &self.job.key, sha256, policy);
        (is_a_file || is_same).then(|| format!("job {} landed meanwhile", other.id))
    }

    fn ready(&self, plan: &Arc<StreamPlan>, sha256: &str, own_ids: &[String]) -> ReadyBatch {
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
            own_ids: own_ids.to_vec(),
        };
        let parts = self.parts.iter();
        let data = parts.clone().flat_map(|part| part.data.clone()).collect();
        let rejects = parts.flat_map(|part| part.rejects.clone()).collect();
        land::batch(plan, &self.shared.instance, &job, data, rejects)
    }

    async fn after_commit(&self, ready: &ReadyBatch) {
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
        trail::follow(&shared.table, stream).await;
    }
}
