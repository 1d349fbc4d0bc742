//! Where a partition begins: the table's position, once it is known to be of this very log.
//!
//! Owns: starting points, gaps, and whether the topic, the log and the cluster are still those that
//! the table knows. Does not own: who reads the partition (`stream`), the commits (`commit`).
//!
//! | what is seen | what follows |
//! | --- | --- |
//! | no position in the table | a starting point is committed |
//! | the topic has another id than the ledger says | stop: it was recreated under its name |
//! | the table knows the topic of another cluster only | stop: another cluster, or its id was lost |
//! | the position is above the log's end | stop: the log was truncated |
//! | the message before the position is another than the one that was read | stop, once it was fetched (`source::kafka`): the log was truncated, and has grown since |
//! | the position is below the log's start | stop, or a counted loss with `on_gap = "record"` |
//! | anything else | read on from the table's position |

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::config::{OnGap, Start, Stream};
use crate::error::{Error, Result};
use crate::lake::sources::{clusters_of, current, kafka_partitions};
use crate::lake::{LakeTable, ReadyBatch, Traces, View};
use crate::metrics::Metrics;
use crate::model::id;
use crate::model::ledger::{CommitRecord, Cut, RECORD_VERSION, RangeRecord, Role};
use crate::model::position::{SourceId, SourcePartition};
use crate::pipeline::assignment::Topics;
use crate::pipeline::commit::{Committer, Landing};
use crate::source::kafka::{Cluster, TopicPartition};

/// The id of each topic that exists; `None` of a broker without ids.
type TopicIds = HashMap<Arc<str>, Option<String>>;

/// What becomes of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// It is read.
    Read(Beginning),
    /// An operator has to decide (`weir positions`).
    Stopped {
        /// The partition.
        partition: TopicPartition,
        /// Why, and what to do.
        reason: String,
        /// Offsets that are gone and were not read.
        gap: i64,
    },
    /// It cannot be read now.
    Waiting {
        /// The partition.
        partition: TopicPartition,
        /// What for.
        reason: String,
    },
}

/// Where a partition is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beginning {
    /// The partition.
    pub partition: TopicPartition,
    /// Its name in the table.
    pub source: SourcePartition,
    /// The next offset to read.
    pub offset: i64,
    /// The topic's id, where the broker tells it.
    pub topic_id: Option<String>,
    /// Leader epoch of the last message that was read, where it is known.
    pub leader_epoch: Option<i32>,
}

/// Settles where the partitions of one stream begin.
#[derive(Debug)]
pub struct Settler {
    /// The stream.
    pub stream: Arc<Stream>,
    /// Its topics.
    pub topics: Arc<Topics>,
    /// Its table.
    pub table: Arc<dyn LakeTable>,
    /// Who commits starting points and gaps.
    pub committer: Arc<Committer>,
    /// The cluster.
    pub cluster: Cluster,
    /// The instance's name.
    pub instance: String,
    /// Metrics.
    pub metrics: Metrics,
}

impl Settler {
    /// What becomes of each of `partitions`.
    ///
    /// # Errors
    /// The broker or the lake is away, or refuses: to be tried again.
    pub async fn settle(&self, partitions: &[TopicPartition]) -> Result<Vec<Settlement>> {
        let cluster = self.cluster.cluster_id().await?;
        let topics: BTreeSet<Arc<str>> = partitions.iter().map(|p| p.topic.clone()).collect();
        let ids = self
            .cluster
            .topic_ids(topics.iter().cloned().collect())
            .await?;
        let mut view = self.table.view().await?;
        let mut reasons = HashMap::new();
        let mut readable = BTreeSet::new();
        let sources: HashMap<Arc<str>, SourceId> = topics
            .iter()
            .map(|topic| (topic.clone(), current(&view, &cluster, topic)))
            .collect();
        let mut traces = self.traces(&view, &sources, partitions, &ids).await?;
        for topic in topics {
            match self.identify(&view, &cluster, &topic, &sources[&topic], &ids, &traces) {
                Ok(()) => drop(readable.insert(topic)),
                Err(reason) => drop(reasons.insert(topic, reason)),
            }
        }
        let starts = |p: &TopicPartition| SourcePartition {
            source_id: sources[&p.topic].clone(),
            partition: p.partition,
        };
        let is_new = partitions.iter().any(|p| {
            readable.contains(&p.topic) && !view.positions.contains_key(&starts(p).app_id())
        });
        if is_new {
            self.commit_starting_points(readable, ids.clone(), &cluster, &view)
                .await?;
            view = self.table.view().await?;
        }
        let mut settled = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let settlement = match reasons.get(&partition.topic) {
                Some(Refusal::Stop(reason)) => Settlement::Stopped {
                    partition: partition.clone(),
                    reason: reason.clone(),
                    gap: 0,
                },
                Some(Refusal::Wait(reason)) => Settlement::Waiting {
                    partition: partition.clone(),
                    reason: reason.clone(),
                },
                None => {
                    let source = starts(partition);
                    let beginning =
                        Beginning {
                            offset: view.positions.get(&source.app_id()).copied().ok_or_else(
                                || Error::unreachable(format!("{source} has no position yet")),
                            )?,
                            topic_id: ids.get(&partition.topic).cloned().flatten(),
                            leader_epoch: traces.leader_epochs.remove(&source),
                            partition: partition.clone(),
                            source,
                        };
                    self.check_bounds(beginning).await?
                }
            };
            settled.push(settlement);
        }
        Ok(settled)
    }

    /// What the ledger last said of the partitions that have a position.
    async fn traces(
        &self,
        view: &View,
        sources: &HashMap<Arc<str>, SourceId>,
        partitions: &[TopicPartition],
        ids: &TopicIds,
    ) -> Result<Traces> {
        let known: Vec<SourcePartition> = partitions
            .iter()
            .map(|p| SourcePartition {
                source_id: sources[&p.topic].clone(),
                partition: p.partition,
            })
            .filter(|source| view.positions.contains_key(&source.app_id()))
            .collect();
        if known.is_empty() {
            return Ok(Traces::default());
        }
        let has_ids = ids.values().any(Option::is_some);
        self.table.traces(&known, has_ids).await
    }

    /// Whether the broker's topic is the one that the table knows.
    fn identify(
        &self,
        view: &View,
        cluster: &str,
        topic: &Arc<str>,
        source: &SourceId,
        ids: &TopicIds,
        traces: &Traces,
    ) -> Result<(), Refusal> {
        let Some(id) = ids.get(topic) else {
            return Err(Refusal::Wait(format!("there is no topic {topic}")));
        };
        let way_out = format!(
            "if that is meant, `weir positions accept {} {topic}` takes it as a new source",
            self.stream.name
        );
        if let (Some(id), Some(known)) = (id, traces.topic_ids.get(source))
            && id != known
        {
            return Err(Refusal::Stop(format!(
                "topic {topic} was recreated under its name: it has the id {id}, and the table read {known}; {way_out}"
            )));
        }
        let others: BTreeSet<String> = clusters_of(view, topic);
        if !others.is_empty() && !others.contains(cluster) {
            let others: Vec<&str> = others.iter().map(String::as_str).collect();
            return Err(Refusal::Stop(format!(
                "the table knows topic {topic} of cluster {} only, and this is cluster {cluster}; {way_out}",
                others.join(", ")
            )));
        }
        Ok(())
    }

    /// Holds the position against the ends of the log.
    async fn check_bounds(&self, mut beginning: Beginning) -> Result<Settlement> {
        let partition = beginning.partition.clone();
        let offset = beginning.offset;
        let (low, high) = self.cluster.log_bounds(partition.clone()).await?;
        if offset > high {
            return Ok(Settlement::Stopped {
                reason: format!(
                    "position {offset} is above the log's end {high}: the log was truncated; `weir positions accept {} {}` goes on at its end, as a new source",
                    self.stream.name, partition.topic
                ),
                partition,
                gap: 0,
            });
        }
        if offset >= low {
            if offset == low {
                // The message before it is not there to be compared.
                beginning.leader_epoch = None;
            }
            return Ok(Settlement::Read(beginning));
        }
        let on_gap = self
            .stream
            .topics
            .as_ref()
            .map_or(OnGap::Stop, |t| t.on_gap);
        match on_gap {
            OnGap::Stop => Ok(Settlement::Stopped {
                reason: format!(
                    "retention took the offsets [{offset}, {low}) before they were read; `weir positions set {} {}:{} {low} --reason TEXT` writes them down as lost and goes on",
                    self.stream.name, partition.topic, partition.partition
                ),
                partition,
                gap: low - offset,
            }),
            OnGap::Record => {
                tracing::error!(stream = %self.stream.name, topic = %partition.topic, partition = partition.partition, from = offset, to = low, "retention took offsets that were not read; written down as lost");
                let mut range =
                    RangeRecord::starting_point(&partition.topic, &beginning.source, offset);
                range.to = low;
                range.lost = low - offset;
                range.topic_id.clone_from(&beginning.topic_id);
                self.commit(vec![range]).await?;
                let number = partition.partition.to_string();
                self.metrics
                    .gap_records
                    .with_label_values(&[&self.stream.name, &*partition.topic, &number])
                    .inc_by((low - offset).unsigned_abs());
                beginning.offset = low;
                beginning.leader_epoch = None;
                Ok(Settlement::Read(beginning))
            }
        }
    }

    /// Commits the starting point of every partition of `topics` that has none.
    ///
    /// `start` applies to the partitions that exist when the stream first starts, whoever reads
    /// them: the first commit holds them all. Later ones begin at their log's start.
    async fn commit_starting_points(
        &self,
        mut topics: BTreeSet<Arc<str>>,
        mut ids: TopicIds,
        cluster: &str,
        view: &View,
    ) -> Result<()> {
        let is_first = kafka_partitions(view).next().is_none();
        let start = match self.stream.topics.as_ref().map(|t| t.start) {
            Some(start) if is_first => start,
            _ => Start::Earliest,
        };
        if is_first {
            let all = self.cluster.topics().await?;
            let ours = all.into_iter().map(|t| t.name);
            topics = ours.filter(|name| self.topics.include(name)).collect();
            ids = self
                .cluster
                .topic_ids(topics.iter().cloned().collect())
                .await?;
        }
        let mut ranges = Vec::new();
        for topic in &topics {
            for number in 0..self.cluster.partitions_of(topic.clone()).await? {
                let partition = TopicPartition {
                    topic: topic.clone(),
                    partition: number,
                };
                let source = SourcePartition {
                    source_id: current(view, cluster, topic),
                    partition: number,
                };
                if view.positions.contains_key(&source.app_id()) {
                    continue;
                }
                let offset = self.starting_offset(partition, start).await?;
                let mut range = RangeRecord::starting_point(topic, &source, offset);
                range.topic_id = ids.get(topic).cloned().flatten();
                ranges.push(range);
            }
        }
        if ranges.is_empty() {
            return Ok(());
        }
        self.committer.start(&self.record(ranges)).await.map(drop)
    }

    async fn starting_offset(&self, partition: TopicPartition, start: Start) -> Result<i64> {
        let (low, high) = self.cluster.log_bounds(partition.clone()).await?;
        Ok(match start {
            Start::Earliest => low,
            Start::Latest => high,
            Start::Timestamp(ms) => self
                .cluster
                .offset_for_time(partition, ms)
                .await?
                .unwrap_or(high),
        })
    }

    fn record(&self, ranges: Vec<RangeRecord>) -> CommitRecord {
        CommitRecord {
            version: RECORD_VERSION,
            role: Role::Data,
            batch: id::fresh(),
            instance: self.instance.clone(),
            cut: Some(Cut::End),
            // Without rows it is of no version.
            schema: None,
            ranges,
            rejects: Vec::new(),
            job: None,
            reason: None,
        }
    }

    async fn commit(&self, ranges: Vec<RangeRecord>) -> Result<()> {
        let ready = ReadyBatch::new(self.record(ranges), Vec::new());
        match self.committer.land(&ready).await {
            Landing::Committed { .. } | Landing::AlreadyCommitted { .. } => Ok(()),
            // Another instance was first: the caller looks again.
            Landing::Fenced { .. }
            | Landing::UploadAgain
            | Landing::SchemaBehind { .. }
            | Landing::Duplicate { .. } => {
                Err(Error::unreachable("another instance moved the position"))
            }
            Landing::GaveUp(error) => Err(error),
        }
    }
}

/// Why no partition of a topic is read.
enum Refusal {
    Stop(String),
    Wait(String),
}
