//! The landing of one stream: uploads side by side, commits in order, one after the other.
//!
//! Owns: the way of a cut batch to its commit, and what follows from the answer.
//! Does not own: the commit protocol (`commit`, `lake::protocol`).

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::fail_point;
use crate::lake::{Commit, LakeTable, ReadyBatch};
use crate::metrics::Metrics;
use crate::model::id;
use crate::model::ledger::{CommitRecord, RECORD_VERSION, RangeRecord, Role};
use crate::pipeline::commit::{Committer, Landing};
use crate::pipeline::flow::{CutBatch, Flow};
use crate::pipeline::upload::{Uploaded, Uploader};
use crate::shutdown::Shutdown;
use crate::source::kafka::{Control, TopicPartition};

/// Uploads of one stream that run ahead of the commit.
const UPLOADS_AHEAD: usize = 4;

/// How far each partition of a stream is settled, for lag and status: partition → next offset.
pub type Settled = Arc<Mutex<HashMap<(Arc<str>, i32), i64>>>;

/// What the landing of a stream needs.
#[derive(Debug)]
pub struct LandingParts {
    /// The stream.
    pub flow: Arc<Flow>,
    /// Its table.
    pub table: Arc<dyn LakeTable>,
    /// Where files go.
    pub uploader: Uploader,
    /// Who commits.
    pub committer: Arc<Committer>,
    /// The consumer, to show the group's offsets.
    pub control: Control,
    /// The instance's name.
    pub instance: String,
    /// Metrics.
    pub metrics: Metrics,
    /// Clock.
    pub clock: Clock,
    /// The stop.
    pub shutdown: Shutdown,
    /// Updated at each commit.
    pub settled: Settled,
}

struct Ready {
    cut: CutBatch,
    upload: JoinHandle<Option<Uploaded>>,
}

/// Starts the two tasks of a stream's landing; they end when no lane can send batches any more.
pub fn spawn(parts: LandingParts, mut batches: mpsc::Receiver<CutBatch>) -> JoinHandle<()> {
    let (sender, ready) = mpsc::channel::<Ready>(UPLOADS_AHEAD);
    let uploader = parts.uploader.clone();
    let flow = parts.flow.clone();
    tokio::spawn(async move {
        while let Some(mut cut) = batches.recv().await {
            if cut.epoch != flow.epoch() {
                continue;
            }
            let files = std::mem::take(&mut cut.batch.files);
            let rejects = cut.batch.rejects.take();
            let uploader = uploader.clone();
            let upload = tokio::spawn(async move { uploader.upload(files, rejects).await });
            if sender.send(Ready { cut, upload }).await.is_err() {
                return;
            }
        }
    });
    tokio::spawn(parts.land_all(ready))
}

impl LandingParts {
    async fn land_all(self, mut ready: mpsc::Receiver<Ready>) {
        while let Some(Ready { cut, upload }) = ready.recv().await {
            let Ok(Some(uploaded)) = upload.await else {
                // Abandoned, or the task died: nothing of the batch is visible.
                self.flow.fence();
                continue;
            };
            fail_point::pass("after_upload");
            if cut.epoch != self.flow.epoch() {
                continue;
            }
            self.land(cut, uploaded).await;
        }
    }

    async fn land(&self, cut: CutBatch, uploaded: Uploaded) {
        let stream = self.flow.plan.stream.name.as_str();
        let record = CommitRecord {
            version: RECORD_VERSION,
            role: Role::Data,
            batch: id::fresh(),
            instance: self.instance.clone(),
            cut: Some(cut.batch.cut),
            schema: Some(self.flow.plan.stream.schema.version),
            ranges: cut.batch.ranges.clone(),
            rejects: uploaded.rejects.clone(),
            job: None,
            reason: None,
        };
        let sizes: Vec<u64> = uploaded.files.iter().map(|f| f.size).collect();
        let ready = ReadyBatch {
            batch: record.batch,
            commit: Commit {
                positions: positions(&record.ranges),
                record,
                files: uploaded.files,
                schema: None,
            },
            rejects: uploaded.rejects,
        };
        let began = self.clock.tick();
        let landing = self.committer.land(&ready).await;
        let seconds = self.clock.tick().since(began).as_secs_f64();
        let count = |outcome: &str| {
            self.metrics
                .commits
                .with_label_values(&[stream, outcome])
                .inc();
        };
        match landing {
            Landing::Committed { version, conflicts } => {
                fail_point::pass("after_commit");
                count("committed");
                self.metrics
                    .commits
                    .with_label_values(&[stream, "conflict"])
                    .inc_by(conflicts.into());
                self.metrics
                    .commit_seconds
                    .with_label_values(&[stream])
                    .observe(seconds);
                tracing::debug!(
                    stream,
                    version,
                    cut = cut.batch.cut.as_str(),
                    "batch committed"
                );
                self.account(stream, &cut, &sizes);
                self.after_commit(stream, &cut).await;
            }
            Landing::AlreadyCommitted { .. } => {
                count("committed");
                self.account(stream, &cut, &sizes);
                self.after_commit(stream, &cut).await;
            }
            Landing::Fenced { moved, .. } => {
                count("fenced");
                tracing::warn!(
                    stream,
                    batch = %ready.batch,
                    ?moved,
                    "batch fenced: another instance moved its partitions; reading again from the table's positions"
                );
                self.flow.fence();
            }
            Landing::SchemaBehind { table, .. } => {
                count("fenced");
                tracing::error!(
                    stream,
                    table,
                    "the table is at a newer schema version than this instance is configured with; give it that version and start again"
                );
                self.flow.fence();
            }
            Landing::UploadAgain => {
                count("failed");
                tracing::warn!(
                    stream,
                    "the batch's files are too old to be committed; its positions are read again"
                );
                self.flow.fence();
            }
            Landing::GaveUp(error) => {
                count("failed");
                tracing::error!(stream, %error, "batch not committed; its positions are read again");
                self.flow.fence();
            }
        }
    }

    fn account(&self, stream: &str, cut: &CutBatch, sizes: &[u64]) {
        let m = &self.metrics;
        let sum = |f: fn(&RangeRecord) -> i64| {
            u64::try_from(cut.batch.ranges.iter().map(f).sum::<i64>()).unwrap_or(0)
        };
        for (outcome, n) in [
            ("accepted", sum(|r| r.accepted)),
            ("rejected", sum(|r| r.rejected)),
            ("skipped", sum(|r| r.skipped)),
        ] {
            m.records
                .with_label_values(&[stream, "kafka", outcome])
                .inc_by(n);
        }
        for (code, n) in &cut.batch.codes {
            m.rejects
                .with_label_values(&[stream, code.as_str()])
                .inc_by(*n);
        }
        m.source_bytes
            .with_label_values(&[stream, "kafka"])
            .inc_by(cut.batch.source_bytes);
        m.files
            .with_label_values(&[stream, cut.batch.cut.as_str()])
            .inc_by(sizes.len() as u64);
        for size in sizes {
            m.file_bytes
                .with_label_values(&[stream])
                .observe(*size as f64);
        }
        if let Some(oldest) = cut.batch.oldest_ms {
            let delay = (self.clock.now().0 / 1000 - oldest).max(0) as f64 / 1000.0;
            m.visible_delay_seconds
                .with_label_values(&[stream])
                .observe(delay);
        }
    }

    async fn after_commit(&self, stream: &str, cut: &CutBatch) {
        let mut offsets = Vec::with_capacity(cut.batch.runs.len());
        {
            let mut settled = self.settled.lock();
            for (run, range) in cut.batch.runs.iter().zip(&cut.batch.ranges) {
                settled.insert((run.topic.clone(), range.partition), range.to);
                self.metrics
                    .committed_position
                    .with_label_values(&[stream, &run.topic, &range.partition.to_string()])
                    .set(range.to);
                if !run.is_closed() {
                    let partition = TopicPartition {
                        topic: run.topic.clone(),
                        partition: range.partition,
                    };
                    offsets.push((partition, range.to));
                }
            }
        }
        fail_point::pass("before_rejects");
        if let Err(error) = self.table.follow_rejects().await {
            tracing::warn!(stream, %error, "the rejects table trails; it follows at the next commit");
        }
        fail_point::pass("before_ack");
        self.control.commit_group_offsets(offsets);
        let (table, stream) = (self.table.clone(), stream.to_owned());
        // Off the commit path: the next batch does not wait for a checkpoint.
        tokio::spawn(async move {
            if let Err(error) = table.upkeep().await {
                tracing::warn!(stream, %error, "checkpoint or checksum not written; tried again later");
            }
        });
    }
}

/// The `txn` actions of ranges.
pub fn positions(ranges: &[RangeRecord]) -> Vec<(String, i64)> {
    ranges
        .iter()
        .map(|r| (r.source_partition().app_id(), r.to))
        .collect()
}
