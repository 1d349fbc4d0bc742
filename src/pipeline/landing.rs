//! The landing of one stream: uploads side by side, commits in order, one after the other.
//!
//! Owns: the way of a cut batch to its commit, and what follows from the answer.
//! Does not own: the commit protocol (`commit`, `lake::protocol`).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::error::Kind;
use crate::fail_point;
use crate::lake::{LakeTable, ReadyBatch};
use crate::metrics::Metrics;
use crate::model::id;
use crate::model::ledger::{CommitRecord, Cut, RECORD_VERSION, RangeRecord, Role};
use crate::pipeline::batch::RunRange;
use crate::pipeline::commit::{Committer, Landing};
use crate::pipeline::evolution::Evolution;
use crate::pipeline::flow::{CutBatch, Flow};
use crate::pipeline::partition::Run;
use crate::pipeline::plan::StreamPlan;
use crate::pipeline::status::StatusBoard;
use crate::pipeline::trail;
use crate::pipeline::upload::{Uploaded, Uploader};
use crate::source::kafka::{Cluster, Control, TopicPartition};

/// Uploads of one stream that run ahead of the commit.
const UPLOADS_AHEAD: usize = 4;

/// Batches that are ready together share a commit, up to so many.
const MERGE_MAX: usize = 4;

/// How long a batch waits for those that other lanes cut in the same flush.
const SIBLINGS: Duration = Duration::from_millis(200);

/// A commit that takes longer shows in the stream's state.
const PATIENCE: Duration = Duration::from_secs(5);

/// How far a partition is settled.
#[derive(Debug, Clone)]
pub struct SettledAt {
    /// The next offset.
    pub position: i64,
    /// Its reading.
    pub run: Arc<Run>,
    /// Time stamp of the last message that is settled, milliseconds; `None` before the first.
    pub last_ms: Option<i64>,
}

/// How far each partition of a stream is settled, for lag and status.
pub type Settled = Arc<Mutex<HashMap<(Arc<str>, i32), SettledAt>>>;

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
    /// Which schema version is in force.
    pub evolution: Arc<Evolution>,
    /// The consumer: to show the group's offsets, and to ask for topic ids.
    pub control: Control,
    /// The instance's name.
    pub instance: String,
    /// Metrics.
    pub metrics: Metrics,
    /// What HTTP tells.
    pub status: StatusBoard,
    /// Clock.
    pub clock: Clock,
    /// Updated at each commit.
    pub settled: Settled,
}

/// A batch whose upload is under way.
struct Ready {
    cut: CutBatch,
    upload: JoinHandle<Option<Uploaded>>,
}

/// A batch whose files are in the store.
struct Landed {
    cut: CutBatch,
    uploaded: Uploaded,
}

/// True if every lane of the stream cuts at the same time.
fn is_flush(cut: Cut) -> bool {
    matches!(cut, Cut::Age | Cut::Revoke | Cut::Schema | Cut::Shutdown)
}

/// Starts the two tasks of a stream's landing; they end when no lane can send batches any more.
pub fn spawn(parts: LandingParts, mut batches: mpsc::Receiver<CutBatch>) -> JoinHandle<()> {
    let (sender, ready) = mpsc::channel::<Ready>(UPLOADS_AHEAD);
    let uploader = parts.uploader.clone();
    let cluster = parts.control.cluster().clone();
    let flow = parts.flow.clone();
    tokio::spawn(async move {
        while let Some(mut cut) = batches.recv().await {
            if cut.epoch != flow.epoch() {
                continue;
            }
            let files = std::mem::take(&mut cut.batch.files);
            let rejects = cut.batch.rejects.take().into_iter().collect();
            let (uploader, cluster) = (uploader.clone(), cluster.clone());
            let plan = cut.batch.plan.clone();
            let runs: Vec<Arc<Run>> = cut.batch.ranges.iter().map(|r| r.run.clone()).collect();
            let upload = tokio::spawn(async move {
                let (uploaded, is_same) = tokio::join!(
                    uploader.upload(&plan, files, rejects),
                    is_of_its_topics(&cluster, &runs)
                );
                uploaded.filter(|_| is_same)
            });
            if sender.send(Ready { cut, upload }).await.is_err() {
                return;
            }
        }
    });
    tokio::spawn(parts.land_all(ready))
}

/// Whether the topics are still those that the readings began with. Asked behind the last message
/// of a batch: what was read before the answer is of these very topics. A broker that cannot be
/// asked is no reason to hold back what it gave.
async fn is_of_its_topics(cluster: &Cluster, runs: &[Arc<Run>]) -> bool {
    let mut topics: Vec<Arc<str>> = runs
        .iter()
        .filter(|run| run.topic_id.is_some())
        .map(|run| run.topic.clone())
        .collect();
    topics.sort();
    topics.dedup();
    let Ok(ids) = cluster.topic_ids(topics).await else {
        return true;
    };
    let other = runs.iter().find(|run| {
        let now = ids.get(&run.topic).and_then(Option::as_ref);
        now.is_some() && now != run.topic_id.as_ref()
    });
    if let Some(run) = other {
        tracing::warn!(topic = %run.topic, "the topic was recreated while it was read; the batch is dropped");
    }
    other.is_none()
}

impl LandingParts {
    async fn land_all(self, mut ready: mpsc::Receiver<Ready>) {
        let mut next = None;
        loop {
            let first = match next.take() {
                Some(first) => first,
                None => match ready.recv().await {
                    Some(first) => first,
                    None => return,
                },
            };
            let Some(first) = self.uploaded(first).await else {
                continue;
            };
            let mut group = vec![first];
            // What is ready anyway shares the commit, and what other lanes cut in the same flush.
            while group.len() < MERGE_MAX
                && let Some(other) = self.follower(&mut ready, &group).await
            {
                let waits = !other.upload.is_finished() && !is_flush(other.cut.batch.cut);
                // A commit is of one version.
                let is_newer = group[0].cut.version() != other.cut.version();
                if waits || is_newer {
                    next = Some(other);
                    break;
                }
                if let Some(other) = self.uploaded(other).await {
                    group.push(other);
                }
            }
            fail_point::pass("after_upload");
            self.land(group).await;
        }
    }

    /// The next batch, if it is there already or is sure to come.
    async fn follower(&self, ready: &mut mpsc::Receiver<Ready>, group: &[Landed]) -> Option<Ready> {
        let awaited = group.last().is_some_and(|last| last.cut.has_siblings);
        match awaited {
            true => self.clock.timeout(SIBLINGS, ready.recv()).await.flatten(),
            false => ready.try_recv().ok(),
        }
    }

    /// The batch once it is uploaded; `None` if it is dropped.
    async fn uploaded(&self, ready: Ready) -> Option<Landed> {
        let Ready { cut, upload } = ready;
        match upload.await {
            Ok(Some(uploaded)) => {
                (cut.epoch == self.flow.epoch()).then_some(Landed { cut, uploaded })
            }
            _ => {
                // Abandoned, of another topic, or the task died: nothing of it is visible.
                if cut.epoch == self.flow.epoch() {
                    self.flow.fence();
                }
                None
            }
        }
    }

    async fn land(&self, group: Vec<Landed>) {
        // A fence may have come while a later batch's upload was waited for.
        let epoch = self.flow.epoch();
        let group: Vec<Landed> = group.into_iter().filter(|l| l.cut.epoch == epoch).collect();
        let Some(first) = group.first().map(|l| &l.cut.batch) else {
            return;
        };
        let (cut, plan) = (first.cut, first.plan.clone());
        let (cuts, ready) = self.assemble(cut, &plan, group);
        let stream = self.flow.name();
        let began = self.clock.tick();
        let landing = self.land_patiently(&ready).await;
        let seconds = self.clock.tick().since(began).as_secs_f64();
        let count = |outcome: &str, n: u64| {
            let labels = [stream, outcome];
            self.metrics.commits.with_label_values(&labels).inc_by(n);
        };
        match landing {
            Landing::Committed { version, conflicts } => {
                fail_point::pass("after_commit");
                count("committed", 1);
                count("conflict", conflicts.into());
                self.metrics
                    .commit_seconds
                    .with_label_values(&[stream])
                    .observe(seconds);
                tracing::debug!(stream, version, cut = cut.as_str(), "batch committed");
                self.after_commit(stream, cuts, &ready).await;
            }
            Landing::AlreadyCommitted { conflicts, .. } => {
                count("committed", 1);
                count("conflict", conflicts.into());
                self.after_commit(stream, cuts, &ready).await;
            }
            Landing::Fenced { moved, conflicts } => {
                count("fenced", 1);
                count("conflict", conflicts.into());
                tracing::warn!(
                    stream,
                    batch = %ready.batch,
                    ?moved,
                    "batch fenced: another instance moved its partitions; reading again from the table's positions"
                );
                self.flow.fence();
            }
            Landing::SchemaBehind { table, .. } => {
                count("fenced", 1);
                tracing::info!(
                    stream,
                    table,
                    "another instance brought a newer schema version into force; reading again with it from the table's positions"
                );
                self.evolution.catch_up(table).await;
                self.flow.fence();
            }
            Landing::UploadAgain | Landing::Duplicate { .. } => {
                count("failed", 1);
                tracing::warn!(
                    stream,
                    "the batch's files are too old to be committed; its positions are read again"
                );
                self.flow.fence();
            }
            Landing::GaveUp(error) => {
                count("failed", 1);
                tracing::error!(stream, %error, "batch not committed; its positions are read again");
                if error.kind() == Kind::Refused {
                    // The version itself may be what is refused.
                    self.evolution.start().await;
                }
                self.flow.fence();
            }
        }
    }

    /// One commit for the batches of a group: the ranges of a partition that follow on each other
    /// are joined.
    fn assemble(
        &self,
        cut: Cut,
        plan: &StreamPlan,
        group: Vec<Landed>,
    ) -> (Vec<CutBatch>, ReadyBatch) {
        let mut record = CommitRecord {
            version: RECORD_VERSION,
            role: Role::Data,
            batch: id::fresh(),
            instance: self.instance.clone(),
            cut: Some(cut),
            schema: Some(plan.version()),
            ranges: Vec::new(),
            rejects: Vec::new(),
            job: None,
            reason: None,
        };
        let mut files = Vec::new();
        let mut cuts = Vec::with_capacity(group.len());
        for Landed { cut, uploaded } in group {
            for RunRange { range, .. } in &cut.batch.ranges {
                let joins = |r: &&mut RangeRecord| {
                    r.partition == range.partition
                        && r.source_id == range.source_id
                        && r.to == range.from
                };
                match record.ranges.iter_mut().find(joins) {
                    Some(before) => before.join(range.clone()),
                    None => record.ranges.push(range.clone()),
                }
            }
            record.rejects.extend(uploaded.rejects);
            files.extend(uploaded.files);
            cuts.push(cut);
        }
        let mut ready = ReadyBatch::new(record, files);
        // Rows of a column that the table lacks would be in the files and in no reader's sight.
        if !ready.commit.files.is_empty() {
            ready.commit.schema = Some(plan.table.schema.clone());
        }
        (cuts, ready)
    }

    /// Lands the batch, and says so where it takes long.
    async fn land_patiently(&self, ready: &ReadyBatch) -> Landing {
        let stream = self.flow.name();
        let landing = self.committer.land(ready);
        tokio::pin!(landing);
        if let Some(landing) = self.clock.timeout(PATIENCE, &mut landing).await {
            return landing;
        }
        self.status
            .set_held(stream, Some("a commit waits for the lake".to_owned()));
        let landing = landing.await;
        self.status.set_held(stream, None);
        landing
    }

    fn account(&self, stream: &str, cut: &CutBatch) {
        let m = &self.metrics;
        let sum = |f: fn(&RangeRecord) -> i64| {
            let all = cut.batch.ranges.iter().map(|r| f(&r.range));
            u64::try_from(all.sum::<i64>()).unwrap_or(0)
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
            .inc_by(cut.batch.data_files);
        if let Some(oldest) = cut.batch.oldest_ms {
            let delay = (self.clock.now().0 / 1000 - oldest).max(0) as f64 / 1000.0;
            m.visible_delay_seconds
                .with_label_values(&[stream])
                .observe(delay);
        }
    }

    async fn after_commit(&self, stream: &str, cuts: Vec<CutBatch>, ready: &ReadyBatch) {
        for file in &ready.commit.files {
            self.metrics
                .file_bytes
                .with_label_values(&[stream])
                .observe(file.size as f64);
        }
        let mut offsets = Vec::new();
        for cut in &cuts {
            self.account(stream, cut);
            for settled in &cut.batch.ranges {
                if let Some(offset) = self.note_settled(stream, settled) {
                    offsets.push(offset);
                }
            }
        }
        fail_point::pass("before_rejects");
        trail::follow(&self.table, stream).await;
        fail_point::pass("before_ack");
        self.control.commit_group_offsets(offsets);
        // The batches are settled only now: who waits for them finds the rejects table in step.
        drop(cuts);
    }

    /// Notes how far a partition is settled; returns it for the group, where it is still read.
    fn note_settled(&self, stream: &str, settled: &RunRange) -> Option<(TopicPartition, i64)> {
        let RunRange {
            run,
            range,
            last_ms,
        } = settled;
        if run.is_closed() {
            return None;
        }
        self.settled.lock().insert(
            (run.topic.clone(), range.partition),
            SettledAt {
                position: range.to,
                run: run.clone(),
                last_ms: *last_ms,
            },
        );
        self.metrics
            .committed_position
            .with_label_values(&[stream, &run.topic, &range.partition.to_string()])
            .set(range.to);
        let partition = TopicPartition {
            topic: run.topic.clone(),
            partition: range.partition,
        };
        Some((partition, range.to))
    }
}
