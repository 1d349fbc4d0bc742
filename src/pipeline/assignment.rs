//! Which partitions this instance reads, and from where.
//!
//! Owns: what an assignment, a revocation, a fault and a fence mean. The table's positions are the
//! truth: a partition is fetched only once its position was read from there, or was put there as a
//! starting point. Does not own: the group protocol (`source::kafka`), the commit protocol.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};

use crate::clock::Clock;
use crate::config::{OnGap, Start, Stream, TopicSelect};
use crate::error::{Error, Result};
use crate::lake::{Commit, LakeTable, ReadyBatch, View};
use crate::metrics::Metrics;
use crate::model::id;
use crate::model::ledger::{CommitRecord, Cut, RECORD_VERSION, RangeRecord, Role};
use crate::model::position::{SourceId, SourcePartition};
use crate::pipeline::commit::{Committer, Landing};
use crate::pipeline::flow::Flow;
use crate::pipeline::landing::{Settled, positions};
use crate::pipeline::lane::Lane;
use crate::pipeline::partition::Run;
use crate::pipeline::status::{PartitionState, StatusBoard};
use crate::shutdown::{Phase, Shutdown};
use crate::source::kafka::{Control, Event, PartitionFault, StartAt, TopicPartition};

/// First and longest wait before a partition whose position could not be settled is tried again.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// One stream, as far as assignments go.
#[derive(Debug)]
pub struct StreamParts {
    /// Its flow.
    pub flow: Arc<Flow>,
    /// Its table.
    pub table: Arc<dyn LakeTable>,
    /// Who commits its starting points.
    pub committer: Arc<Committer>,
    /// How far its partitions are settled.
    pub settled: Settled,
    pattern: Option<regex::Regex>,
}

impl StreamParts {
    /// The parts of a stream.
    pub fn new(
        flow: Arc<Flow>,
        table: Arc<dyn LakeTable>,
        committer: Arc<Committer>,
        settled: Settled,
    ) -> Result<Self> {
        let pattern = match flow.plan.stream.topics.as_ref().map(|t| &t.select) {
            Some(TopicSelect::Pattern(pattern)) => Some(
                regex::Regex::new(pattern)
                    .map_err(|e| Error::config("a topic pattern is no expression").because(e))?,
            ),
            _ => None,
        };
        Ok(Self {
            flow,
            table,
            committer,
            settled,
            pattern,
        })
    }

    fn stream(&self) -> &Stream {
        &self.flow.plan.stream
    }

    fn feeds(&self, topic: &str) -> bool {
        match (
            &self.pattern,
            self.stream().topics.as_ref().map(|t| &t.select),
        ) {
            (Some(pattern), _) => pattern.is_match(topic),
            (None, Some(TopicSelect::Names(names))) => names.iter().any(|n| n == topic),
            _ => false,
        }
    }
}

/// The task that answers the consumer's events.
#[derive(Debug)]
pub struct Assignment {
    /// The streams, in the configuration's order.
    pub streams: Vec<Arc<StreamParts>>,
    /// The lanes.
    pub lanes: Vec<Lane>,
    /// The consumer.
    pub control: Control,
    /// The instance's name.
    pub instance: String,
    /// Longest wait for the flush of a revoked partition.
    pub revoke_deadline: Duration,
    /// Metrics.
    pub metrics: Metrics,
    /// What HTTP tells.
    pub status: StatusBoard,
    /// Clock.
    pub clock: Clock,
    /// The stop.
    pub shutdown: Shutdown,
    /// Notified when a stream was fenced.
    pub restarts: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Held {
    runs: HashMap<TopicPartition, Arc<Run>>,
    owned: BTreeMap<TopicPartition, usize>,
    generation: u64,
}

/// A partition whose position is settled.
struct Resolved {
    partition: TopicPartition,
    source: SourcePartition,
    offset: i64,
}

impl Assignment {
    /// Runs until the stop begins and the consumer's events end.
    pub async fn run(mut self, mut events: mpsc::Receiver<Event>) {
        let mut held = Held::default();
        let restarts = self.restarts.clone();
        let mut stop = self.shutdown.clone();
        loop {
            let event = tokio::select! {
                event = events.recv() => event,
                () = restarts.notified() => {
                    self.restart_fenced(&mut held).await;
                    continue;
                }
                () = stop.reached(Phase::Draining) => break,
            };
            let Some(event) = event else { break };
            self.on_event(event, &mut held).await;
        }
        self.drain(&mut held).await;
    }

    async fn on_event(&mut self, event: Event, held: &mut Held) {
        match event {
            Event::Assigned(partitions) => {
                for partition in &partitions {
                    if let Some(at) = self.streams.iter().position(|s| s.feeds(&partition.topic)) {
                        held.owned.insert(partition.clone(), at);
                        self.set_state(at, partition, PartitionState::Waiting, None);
                    }
                }
                self.start(partitions, held).await;
            }
            Event::Revoked {
                partitions,
                lost,
                done,
            } => {
                self.revoke(&partitions, lost, held).await;
                drop(done);
            }
            Event::Fault { partition, fault } => self.on_fault(partition, fault, held).await,
            Event::Statistics(statistics) => {
                for s in statistics {
                    self.on_statistics(&s.partition, s.end, held);
                }
            }
            Event::Broker { up, message } => {
                self.status.set_broker(up, &message);
                if up {
                    tracing::info!(%message, "broker reached");
                } else {
                    self.metrics
                        .kafka_errors
                        .with_label_values(&["all_brokers_down"])
                        .inc();
                    tracing::warn!(%message, "no broker can be reached; waiting for it");
                }
            }
        }
    }

    fn on_statistics(&self, partition: &TopicPartition, end: i64, held: &Held) {
        let Some(at) = held.owned.get(partition) else {
            return;
        };
        let parts = &self.streams[*at];
        let key = (partition.topic.clone(), partition.partition);
        let settled = parts.settled.lock().get(&key).copied();
        if let Some(settled) = settled
            && end >= 0
        {
            let number = partition.partition.to_string();
            self.metrics
                .lag_records
                .with_label_values(&[&parts.stream().name, &*partition.topic, &number])
                .set((end - settled).max(0));
            self.status
                .set_position(&parts.stream().name, partition, settled, end);
        }
    }

    /// Settles the positions of `partitions`, stream by stream, and starts them.
    async fn start(&mut self, partitions: Vec<TopicPartition>, held: &mut Held) {
        let mut by_stream: BTreeMap<usize, Vec<TopicPartition>> = BTreeMap::new();
        for partition in partitions {
            if let Some(at) = held.owned.get(&partition) {
                by_stream.entry(*at).or_default().push(partition);
            }
        }
        for (at, partitions) in by_stream {
            let parts = self.streams[at].clone();
            let resolved = self.resolve_until_settled(at, &parts, &partitions).await;
            let epoch = parts.flow.epoch();
            let mut starts = Vec::new();
            for r in resolved {
                held.generation += 1;
                let run = Arc::new(Run::new(
                    at,
                    r.partition.topic.clone(),
                    r.source,
                    None,
                    held.generation,
                    epoch,
                ));
                let lane_number = (at + r.partition.partition as usize) % self.lanes.len();
                let inlet = self.lanes[lane_number].inlet(parts.flow.clone(), run.clone());
                held.runs.insert(r.partition.clone(), run);
                parts
                    .settled
                    .lock()
                    .insert((r.partition.topic.clone(), r.partition.partition), r.offset);
                self.set_state(at, &r.partition, PartitionState::Running, None);
                starts.push(StartAt {
                    partition: r.partition,
                    offset: r.offset,
                    sink: Arc::new(inlet),
                    generation: held.generation,
                });
            }
            self.control.start(starts);
        }
    }

    async fn resolve_until_settled(
        &self,
        at: usize,
        parts: &StreamParts,
        partitions: &[TopicPartition],
    ) -> Vec<Resolved> {
        let mut wait = RETRY.0;
        loop {
            match self.resolve(at, parts, partitions).await {
                Ok(resolved) => return resolved,
                Err(error) => {
                    let stream = &parts.stream().name;
                    tracing::warn!(%stream, %error, "positions not settled; the partitions wait");
                }
            }
            if self.shutdown.is_stopping() {
                return Vec::new();
            }
            self.clock.sleep(wait).await;
            wait = (wait * 2).min(RETRY.1);
        }
    }

    async fn resolve(
        &self,
        at: usize,
        parts: &StreamParts,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Resolved>> {
        let cluster = self.control.cluster_id().await?;
        let topics: BTreeSet<Arc<str>> = partitions.iter().map(|p| p.topic.clone()).collect();
        let mut view = parts.table.view().await?;
        let wants_start = partitions.iter().any(|p| {
            !view
                .positions
                .contains_key(&source_of(&view, &cluster, p).app_id())
        });
        if wants_start {
            self.commit_starting_points(parts, &cluster, &topics, &view)
                .await?;
            view = parts.table.view().await?;
        }
        let mut resolved = Vec::new();
        for partition in partitions {
            let source = source_of(&view, &cluster, partition);
            let Some(offset) = view.positions.get(&source.app_id()).copied() else {
                return Err(Error::unreachable(format!("{source} has no position yet")));
            };
            if let Some(offset) = self
                .check_bounds(at, parts, partition, &source, offset)
                .await?
            {
                resolved.push(Resolved {
                    partition: partition.clone(),
                    source,
                    offset,
                });
            }
        }
        Ok(resolved)
    }

    /// The offset to read from, or `None` where the partition has to stop.
    async fn check_bounds(
        &self,
        at: usize,
        parts: &StreamParts,
        partition: &TopicPartition,
        source: &SourcePartition,
        offset: i64,
    ) -> Result<Option<i64>> {
        let (low, high) = self.control.log_bounds(partition.clone()).await?;
        let stream = parts.stream();
        let on_gap = stream.topics.as_ref().map_or(OnGap::Stop, |t| t.on_gap);
        if offset > high {
            let reason = format!(
                "position {offset} is above the log's end {high}: the log was truncated or the topic recreated"
            );
            tracing::error!(stream = %stream.name, topic = %partition.topic, partition = partition.partition, offset, high, "partition stopped: position above the log's end");
            self.set_state(at, partition, PartitionState::Stopped, Some(reason));
            return Ok(None);
        }
        if offset >= low {
            return Ok(Some(offset));
        }
        let number = partition.partition.to_string();
        self.metrics
            .gap_records
            .with_label_values(&[&stream.name, &*partition.topic, &number])
            .inc_by((low - offset).unsigned_abs());
        match on_gap {
            OnGap::Stop => {
                let reason = format!("retention took the offsets [{offset}, {low})");
                tracing::error!(stream = %stream.name, topic = %partition.topic, partition = partition.partition, from = offset, to = low, "partition stopped: retention took offsets that were not read");
                self.set_state(at, partition, PartitionState::Stopped, Some(reason));
                Ok(None)
            }
            OnGap::Record => {
                tracing::error!(stream = %stream.name, topic = %partition.topic, partition = partition.partition, from = offset, to = low, "retention took offsets that were not read; written down as lost");
                let mut range = RangeRecord::starting_point(&partition.topic, source, offset);
                range.to = low;
                range.lost = low - offset;
                self.commit_ranges(parts, vec![range]).await?;
                Ok(Some(low))
            }
        }
    }

    /// Commits the starting point of every partition of `topics` that has none.
    ///
    /// `start` applies to the partitions that exist when the stream first starts; later ones begin
    /// at their log's start.
    async fn commit_starting_points(
        &self,
        parts: &StreamParts,
        cluster: &str,
        topics: &BTreeSet<Arc<str>>,
        view: &View,
    ) -> Result<()> {
        let started = view
            .positions
            .keys()
            .any(|id| SourcePartition::from_app_id(id).is_some());
        let start = match parts.stream().topics.as_ref().map(|t| t.start) {
            Some(start) if !started => start,
            _ => Start::Earliest,
        };
        let mut ranges = Vec::new();
        for topic in topics {
            for number in 0..self.control.partitions_of(topic.clone()).await? {
                let partition = TopicPartition {
                    topic: topic.clone(),
                    partition: number,
                };
                let source = source_of(view, cluster, &partition);
                if view.positions.contains_key(&source.app_id()) {
                    continue;
                }
                let (low, high) = self.control.log_bounds(partition.clone()).await?;
                let offset = match start {
                    Start::Earliest => low,
                    Start::Latest => high,
                    Start::Timestamp(ms) => self
                        .control
                        .offset_for_time(partition.clone(), ms)
                        .await?
                        .unwrap_or(high),
                };
                ranges.push(RangeRecord::starting_point(topic, &source, offset));
            }
        }
        if ranges.is_empty() {
            return Ok(());
        }
        parts
            .committer
            .start(&self.record(parts, ranges))
            .await
            .map(drop)
    }

    fn record(&self, parts: &StreamParts, ranges: Vec<RangeRecord>) -> CommitRecord {
        CommitRecord {
            version: RECORD_VERSION,
            role: Role::Data,
            batch: id::fresh(),
            instance: self.instance.clone(),
            cut: Some(Cut::End),
            schema: Some(parts.stream().schema.version),
            ranges,
            rejects: Vec::new(),
            job: None,
            reason: None,
        }
    }

    async fn commit_ranges(&self, parts: &StreamParts, ranges: Vec<RangeRecord>) -> Result<()> {
        let record = self.record(parts, ranges);
        let ready = ReadyBatch {
            batch: record.batch,
            commit: Commit {
                positions: positions(&record.ranges),
                record,
                files: Vec::new(),
                schema: None,
            },
            rejects: Vec::new(),
        };
        match parts.committer.land(&ready).await {
            Landing::Committed { .. } | Landing::AlreadyCommitted { .. } => Ok(()),
            // Another instance was first: the caller looks again.
            Landing::Fenced { .. } | Landing::UploadAgain => {
                Err(Error::unreachable("another instance moved the position"))
            }
            Landing::SchemaBehind { table, .. } => Err(Error::refused(format!(
                "the table is at schema version {table}, above the configured one"
            ))),
            Landing::GaveUp(error) => Err(error),
        }
    }

    async fn revoke(&mut self, partitions: &[TopicPartition], lost: bool, held: &mut Held) {
        let mut streams = BTreeSet::new();
        for partition in partitions {
            if let Some(at) = held.owned.remove(partition) {
                streams.insert(at);
                let name = &self.streams[at].stream().name;
                self.metrics
                    .forget_partition(name, &partition.topic, partition.partition);
                self.status.forget(name, partition);
            }
            if let Some(run) = held.runs.remove(partition) {
                run.close();
            }
        }
        let flush = async {
            for at in &streams {
                for lane in &self.lanes {
                    lane.cut(*at, Cut::Revoke).await;
                }
            }
            if !lost {
                for at in &streams {
                    self.streams[*at].flow.settled().await;
                }
            }
        };
        if self
            .clock
            .timeout(self.revoke_deadline, flush)
            .await
            .is_none()
        {
            tracing::warn!("revoked partitions were not flushed in time; the table decides");
        }
    }

    async fn on_fault(
        &mut self,
        partition: TopicPartition,
        fault: PartitionFault,
        held: &mut Held,
    ) {
        self.metrics
            .kafka_errors
            .with_label_values(&[fault.kind()])
            .inc();
        let Some(at) = held.owned.get(&partition).copied() else {
            return;
        };
        tracing::warn!(topic = %partition.topic, partition = partition.partition, ?fault, "partition cannot be read on; looking at its position again");
        if let Some(run) = held.runs.remove(&partition) {
            run.close();
        }
        self.control.stop(vec![partition.clone()]);
        for lane in &self.lanes {
            lane.cut(at, Cut::Revoke).await;
        }
        self.streams[at].flow.settled().await;
        self.set_state(at, &partition, PartitionState::Waiting, None);
        self.start(vec![partition], held).await;
    }

    async fn restart_fenced(&mut self, held: &mut Held) {
        for at in 0..self.streams.len() {
            if !self.streams[at].flow.take_restart() {
                continue;
            }
            let partitions: Vec<TopicPartition> = held
                .owned
                .iter()
                .filter(|(_, s)| **s == at)
                .map(|(p, _)| p.clone())
                .collect();
            for partition in &partitions {
                if let Some(run) = held.runs.remove(partition) {
                    run.close();
                }
                self.set_state(at, partition, PartitionState::Waiting, None);
            }
            self.control.stop(partitions.clone());
            self.start(partitions, held).await;
        }
    }

    async fn drain(&mut self, held: &mut Held) {
        for run in held.runs.values() {
            run.close();
        }
        self.control
            .stop(held.runs.drain().map(|(p, _)| p).collect());
        for (at, parts) in self.streams.iter().enumerate() {
            for lane in &self.lanes {
                lane.cut(at, Cut::Shutdown).await;
            }
            parts.flow.settled().await;
        }
        self.control.shutdown();
    }

    fn set_state(
        &self,
        at: usize,
        partition: &TopicPartition,
        state: PartitionState,
        reason: Option<String>,
    ) {
        let name = &self.streams[at].stream().name;
        self.metrics.set_partition_state(
            name,
            &partition.topic,
            partition.partition,
            state.as_str(),
        );
        self.status.set_state(name, partition, state, reason);
    }
}

/// The source of a topic's partition: the newest incarnation that the table knows.
fn source_of(view: &View, cluster: &str, partition: &TopicPartition) -> SourcePartition {
    let newest = view
        .positions
        .keys()
        .filter_map(|id| SourcePartition::from_app_id(id))
        .filter_map(|p| {
            let (c, t, n) = p.source_id.as_kafka()?;
            (c == cluster && t == &*partition.topic).then_some(n)
        })
        .max()
        .unwrap_or(1);
    SourcePartition {
        source_id: SourceId::kafka(cluster, &partition.topic, newest),
        partition: partition.partition,
    }
}
