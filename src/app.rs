//! The process: every component built from the configuration, wired, and drained.
//!
//! Owns: which components there are. Does not own: signals and the command line (`cli`).

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::clock::Clock;
use crate::config::{Config, Framing, Origin, PayloadFormat, Schemas, Stream, TopicSelect};
use crate::error::{Error, Result};
use crate::lake::LakeTable;
use crate::lake::delta::DeltaTable;
use crate::metrics::Metrics;
use crate::pipeline::assignment::parts::StreamParts;
use crate::pipeline::assignment::settle::Settler;
use crate::pipeline::assignment::stream::StreamTask;
use crate::pipeline::assignment::{Assignment, STREAM_EVENTS, StreamHandle, Topics};
use crate::pipeline::budget::{Budget, Charge, Stage};
use crate::pipeline::commit::Committer;
use crate::pipeline::evolution::{Evolution, EvolutionParts};
use crate::pipeline::flow::{CutBatch, Flow};
use crate::pipeline::landing::{self, LandingParts, Settled};
use crate::pipeline::lane::Lane;
use crate::pipeline::plan::{StreamPlan, table_spec};
use crate::pipeline::status::StatusBoard;
use crate::pipeline::upload::Uploader;
use crate::pipeline::writers::WriterSource;
use crate::schema::fingerprints::{Fingerprints, Home};
use crate::schema::registry::Registry;
use crate::schema::registry::versions::RegistryVersions;
use crate::schema::versions::{FolderVersions, Pinned, VersionSource};
use crate::shutdown::Shutdown;
use crate::source::kafka::{self, Control, KafkaSettings};
use crate::store::{self, Store, Watch};

/// librdkafka's share of the budget is this part of it.
const KAFKA_SHARE: u64 = 4;

/// Longest wait for the flush of revoked partitions.
const REVOKE_DEADLINE: Duration = Duration::from_secs(20);

/// First and longest wait before a table that cannot be opened is tried again.
const LAKE_RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

/// What is injected.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The clock.
    pub clock: Clock,
    /// Metrics.
    pub metrics: Metrics,
    /// What HTTP tells.
    pub status: StatusBoard,
    /// The stop.
    pub shutdown: Shutdown,
    /// Changes when newer schema versions are to be looked for at once.
    pub look_again: watch::Receiver<u64>,
}

/// The running process.
#[derive(Debug)]
pub struct App {
    assignment: tokio::task::JoinHandle<()>,
    threads: Vec<JoinHandle<()>>,
    _kafka_share: Charge,
}

impl App {
    /// Builds and starts everything. A stream whose table cannot be opened waits for it; the others
    /// run.
    ///
    /// # Errors
    /// Settings that are refused.
    pub async fn start(config: &Config, parts: Parts) -> Result<App> {
        let streams = with_topics(config);
        let kafka = config.kafka.clone().filter(|_| !streams.is_empty());
        let kafka =
            kafka.ok_or_else(|| Error::config("no stream has topics: there is nothing to run"))?;
        let watch = Watch::new("lake", parts.metrics.clone(), parts.clock.clone());
        parts.status.watch_lake(watch.clone());
        let store =
            store::open(&config.lake.url, &config.lake.options, config.lake.fsync)?.watched(&watch);
        let registry = config
            .registry
            .as_ref()
            .map(|s| Registry::start(s, &parts.metrics, parts.clock.clone()))
            .transpose()?;
        if let Some(registry) = &registry {
            parts.status.watch_registry(registry.clone());
        }
        let budget = Budget::new(config.memory_budget);
        let share = config.memory_budget / KAFKA_SHARE;
        let kafka_share = budget.charge(Stage::Kafka, share);
        spawn_gauges(budget.clone(), &parts);
        let (mut flows, mut landings) = (Vec::new(), Vec::new());
        for (at, stream) in streams.iter().enumerate() {
            let clock = parts.clock.clone();
            let writers = writer_source(&config.schemas, registry.as_ref(), stream, clock)?;
            let plan = StreamPlan::new(Arc::clone(stream), config.max_raw, writers);
            let (flow, batches) = Flow::new(at, Arc::new(plan));
            flows.push(Arc::new(flow));
            landings.push(batches);
        }
        let (lanes, mut threads) = spawn_lanes(&flows, &budget, &parts.clock)?;
        let (control, events, consumer) = kafka::spawn(
            KafkaSettings {
                kafka,
                subscribe: subscriptions(config),
                feeds: streams.len(),
                queue_bytes: share,
                instance: config.instance.clone(),
                revoke_deadline: REVOKE_DEADLINE.min(config.shutdown_grace),
            },
            parts.clock.clone(),
        )?;
        threads.push(consumer);
        let mut handles = Vec::with_capacity(flows.len());
        for (flow, batches) in flows.into_iter().zip(landings) {
            let wiring = Wiring {
                store: store.clone(),
                control: control.clone(),
                instance: config.instance.clone(),
                parts: parts.clone(),
                settled: Arc::default(),
                topics: Arc::new(Topics::of(&flow.stream)?),
                lanes: lanes_of(&lanes, flow.index, streams.len()),
                source: version_source(&config.schemas, registry.as_ref(), &flow.stream)?,
                schemas: config.schemas.clone(),
                revoke_deadline: REVOKE_DEADLINE.min(config.shutdown_grace),
                flow,
            };
            handles.push(wiring.spawn(batches));
        }
        let assignment = Assignment {
            streams: handles,
            control,
            metrics: parts.metrics,
            status: parts.status,
            clock: parts.clock,
            shutdown: parts.shutdown,
        };
        Ok(App {
            assignment: tokio::spawn(assignment.run(events)),
            threads,
            _kafka_share: kafka_share,
        })
    }

    /// Returns when everything that was read is committed and the group is left, after a stop was
    /// asked for.
    ///
    /// # Errors
    /// A task or thread died.
    pub async fn drained(self) -> Result<()> {
        self.assignment
            .await
            .map_err(|e| Error::internal("the assignment task died").because(e))?;
        let joined =
            tokio::task::spawn_blocking(move || self.threads.into_iter().all(|t| t.join().is_ok()))
                .await;
        match joined {
            Ok(true) => Ok(()),
            _ => Err(Error::internal("a thread died")),
        }
    }
}

/// What one stream is wired to.
struct Wiring {
    store: Store,
    control: Control,
    instance: String,
    parts: Parts,
    settled: Settled,
    topics: Arc<Topics>,
    lanes: Vec<Lane>,
    source: Arc<dyn VersionSource>,
    schemas: Schemas,
    revoke_deadline: Duration,
    flow: Arc<Flow>,
}

impl Wiring {
    /// Starts the stream's task, and its landing once its table is open.
    fn spawn(self, batches: mpsc::Receiver<CutBatch>) -> StreamHandle {
        let (events, receiver) = mpsc::channel(STREAM_EVENTS);
        let name = self.flow.name().to_owned();
        self.parts.status.add_stream(&name);
        let task = StreamTask::new(StreamParts {
            at: self.flow.index,
            flow: self.flow.clone(),
            lanes: self.lanes.clone(),
            control: self.control.clone(),
            settled: self.settled.clone(),
            revoke_deadline: self.revoke_deadline,
            metrics: self.parts.metrics.clone(),
            status: self.parts.status.clone(),
            clock: self.parts.clock.clone(),
        });
        let (topics, settled) = (self.topics.clone(), self.settled.clone());
        StreamHandle {
            name,
            topics,
            settled,
            events,
            task: tokio::spawn(task.run(receiver, self.open(batches))),
        }
    }

    /// Opens the table, for as long as it takes, and starts the landing.
    async fn open(self, batches: mpsc::Receiver<CutBatch>) -> Settler {
        let stream = self.flow.stream.clone();
        let table = self.open_table().await;
        let seed = u64::from(std::process::id()) << 16 | self.flow.index as u64;
        let committer = Arc::new(Committer::new(
            table.clone(),
            self.parts.clock.clone(),
            self.parts.shutdown.clone(),
            seed,
        ));
        let evolution = Arc::new(Evolution::new(EvolutionParts {
            flow: self.flow.clone(),
            table: table.clone(),
            committer: committer.clone(),
            source: self.source.clone(),
            level: self.schemas.level_of(&stream.origin),
            metrics: self.parts.metrics.clone(),
            status: self.parts.status.clone(),
            clock: self.parts.clock.clone(),
        }));
        evolution.start().await;
        let watch = evolution.clone();
        tokio::spawn(watch.watch(self.schemas.poll, self.parts.look_again.clone()));
        landing::spawn(
            LandingParts {
                uploader: Uploader {
                    store: self.store.clone(),
                    stream: stream.name.clone(),
                    clock: self.parts.clock.clone(),
                    shutdown: self.parts.shutdown.clone(),
                    status: self.parts.status.clone(),
                },
                flow: self.flow,
                table: table.clone(),
                committer: committer.clone(),
                evolution,
                control: self.control.clone(),
                instance: self.instance.clone(),
                metrics: self.parts.metrics.clone(),
                status: self.parts.status,
                clock: self.parts.clock,
                settled: self.settled,
            },
            batches,
        );
        Settler {
            stream,
            topics: self.topics,
            table,
            committer,
            cluster: self.control.cluster().clone(),
            instance: self.instance,
            metrics: self.parts.metrics,
        }
    }

    async fn open_table(&self) -> Arc<dyn LakeTable> {
        let stream = &self.flow.stream;
        let mut told = String::new();
        let mut wait = LAKE_RETRY.0;
        loop {
            let spec = table_spec(stream);
            let opened =
                DeltaTable::open_or_create(&self.store, &stream.name, &self.instance, spec).await;
            let reason = match opened {
                Ok(table) => {
                    self.parts.status.set_held(&stream.name, None);
                    return Arc::new(table);
                }
                Err(error) => error.to_string(),
            };
            if reason != told {
                tracing::error!(stream = %stream.name, "the table cannot be used, and the stream waits for it: {reason}");
                self.parts
                    .status
                    .set_held(&stream.name, Some(reason.clone()));
                told = reason;
            }
            self.parts.clock.sleep(wait).await;
            wait = (wait * 2).min(LAKE_RETRY.1);
        }
    }
}

fn spawn_lanes(
    flows: &[Arc<Flow>],
    budget: &Budget,
    clock: &Clock,
) -> Result<(Vec<Lane>, Vec<JoinHandle<()>>)> {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let (mut lanes, mut threads) = (Vec::new(), Vec::new());
    for number in 0..count {
        let name = format!("lane-{number}");
        let (lane, thread) = Lane::spawn(name, flows.to_vec(), budget.clone(), clock.clone())?;
        lanes.push(lane);
        threads.push(thread);
    }
    Ok((lanes, threads))
}

/// The lanes of a stream: all where there are few streams, else one, since each lane of a stream
/// fills a file of its own.
fn lanes_of(lanes: &[Lane], stream: usize, streams: usize) -> Vec<Lane> {
    match streams <= lanes.len() {
        true => lanes.to_vec(),
        false => vec![lanes[stream % lanes.len()].clone()],
    }
}

/// Where newer versions of the stream's schema come from.
///
/// # Errors
/// It is a registry, and none is named.
pub fn version_source(
    schemas: &Schemas,
    registry: Option<&Registry>,
    stream: &Stream,
) -> Result<Arc<dyn VersionSource>> {
    let nanos_as_long = stream.nanos_as_long;
    Ok(match &stream.origin {
        Origin::Folder {
            version: Some(_), ..
        }
        | Origin::Registry {
            version: Some(_), ..
        } => Arc::new(Pinned(stream.schema.clone())),
        Origin::Folder { subject, .. } => Arc::new(FolderVersions {
            dir: schemas.dir.clone(),
            subject: subject.clone(),
            nanos_as_long,
        }),
        Origin::Registry { subject, .. } => Arc::new(RegistryVersions {
            // The configuration refuses a stream whose registry is not named.
            registry: registry
                .ok_or_else(|| Error::config("there is no [registry]"))?
                .clone(),
            subject: subject.clone(),
            nanos_as_long,
        }),
    })
}

/// Where the schemas of a stream's writers are found.
///
/// # Errors
/// It is a registry, and none is named.
pub fn writer_source(
    schemas: &Schemas,
    registry: Option<&Registry>,
    stream: &Stream,
    clock: Clock,
) -> Result<WriterSource> {
    let Some(topics) = &stream.topics else {
        return Ok(WriterSource::None);
    };
    if topics.format != PayloadFormat::Avro {
        return Ok(WriterSource::None);
    }
    // The configuration refuses a stream whose registry is not named.
    let registry = || {
        let registry = registry.ok_or_else(|| Error::config("there is no [registry]"))?;
        Ok::<_, Error>(registry.clone())
    };
    Ok(match topics.framing {
        Framing::None => match &topics.writer {
            Some(writer) => WriterSource::Declared(writer.clone()),
            None => WriterSource::None,
        },
        Framing::Registry | Framing::Header => WriterSource::Registry {
            registry: registry()?,
            subject: match &stream.origin {
                Origin::Registry { subject, .. } => Some(subject.clone()),
                Origin::Folder { .. } => None,
            },
        },
        Framing::SingleObject => {
            let (home, subject) = match &stream.origin {
                Origin::Folder { subject, .. } => (Home::Folder(schemas.dir.clone()), subject),
                Origin::Registry { subject, .. } => (Home::Registry(registry()?), subject),
            };
            WriterSource::Fingerprints(Fingerprints::new(home, subject.clone(), clock)?)
        }
    })
}

/// The streams that the daemon feeds.
fn with_topics(config: &Config) -> Vec<&Arc<Stream>> {
    let (fed, others): (Vec<_>, Vec<_>) = config.streams.iter().partition(|s| s.topics.is_some());
    for stream in others {
        tracing::warn!(stream = %stream.name, "the stream has no topics: it takes what `weir load` brings");
    }
    fed
}

fn subscriptions(config: &Config) -> Vec<String> {
    let topics = config.streams.iter().filter_map(|s| s.topics.as_ref());
    topics
        .flat_map(|t| match &t.select {
            TopicSelect::Names(names) => names.clone(),
            TopicSelect::Pattern(pattern) => vec![pattern.clone()],
        })
        .collect()
}

fn spawn_gauges(budget: Budget, parts: &Parts) {
    let metrics = parts.metrics.clone();
    let clock = parts.clock.clone();
    let total = i64::try_from(budget.total()).unwrap_or(i64::MAX);
    metrics.memory_budget_bytes.set(total);
    tokio::spawn(async move {
        loop {
            for (stage, label) in Stage::ALL {
                let held = i64::try_from(budget.held_by(stage)).unwrap_or(i64::MAX);
                metrics.memory_bytes.with_label_values(&[label]).set(held);
            }
            clock.sleep(Duration::from_secs(1)).await;
        }
    });
}
