//! What streams with topics are fed by: the consumer, the lanes, and a task and a landing each.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::app::opening::{Common, Opened, Opening};
use crate::clock::Clock;
use crate::config::{Config, Kafka, TopicSelect};
use crate::error::Result;
use crate::pipeline::assignment::parts::StreamParts;
use crate::pipeline::assignment::settle::Settler;
use crate::pipeline::assignment::stream::StreamTask;
use crate::pipeline::assignment::{Assignment, STREAM_EVENTS, StreamHandle, Topics};
use crate::pipeline::budget::{Budget, Charge, Stage};
use crate::pipeline::flow::{CutBatch, Flow};
use crate::pipeline::landing::{self, LandingParts, Settled};
use crate::pipeline::lane::Lane;
use crate::source::kafka::{self, Control, KafkaSettings};

/// librdkafka's share of the budget is this part of it.
const KAFKA_SHARE: u64 = 4;

/// Longest wait for the flush of revoked partitions.
const REVOKE_DEADLINE: Duration = Duration::from_secs(20);

/// A stream with topics.
pub(super) struct Fed {
    pub(super) flow: Arc<Flow>,
    pub(super) batches: mpsc::Receiver<CutBatch>,
    /// Told once the table is open, where files come to the stream too.
    pub(super) opened: Option<oneshot::Sender<Opened>>,
}

/// What runs.
pub(super) struct Feeding {
    pub(super) assignment: tokio::task::JoinHandle<()>,
    pub(super) threads: Vec<JoinHandle<()>>,
    pub(super) share: Charge,
}

/// Starts all that reads topics.
pub(super) fn start(
    config: &Config,
    kafka: Kafka,
    common: &Arc<Common>,
    budget: &Budget,
    streams: Vec<Fed>,
) -> Result<Feeding> {
    let parts = &common.parts;
    let share = config.memory_budget / KAFKA_SHARE;
    let charge = budget.charge(Stage::Kafka, share);
    let flows: Vec<Arc<Flow>> = streams.iter().map(|fed| fed.flow.clone()).collect();
    let (lanes, mut threads) = spawn_lanes(&flows, budget, &parts.clock)?;
    let revoke_deadline = REVOKE_DEADLINE.min(config.shutdown_grace);
    let (control, events, consumer) = kafka::spawn(
        KafkaSettings {
            kafka,
            subscribe: subscriptions(config),
            feeds: streams.len(),
            queue_bytes: share,
            instance: config.instance.clone(),
            revoke_deadline,
        },
        parts.clock.clone(),
    )?;
    threads.push(consumer);
    let mut handles = Vec::with_capacity(flows.len());
    for Fed {
        flow,
        batches,
        opened,
    } in streams
    {
        let wiring = Wiring {
            control: control.clone(),
            settled: Arc::default(),
            topics: Arc::new(Topics::of(&flow.stream)?),
            lanes: lanes_of(&lanes, flow.index, flows.len()),
            revoke_deadline,
            opening: Opening::of(common, &flow)?,
            opened,
            common: common.clone(),
            flow,
        };
        handles.push(wiring.spawn(batches));
    }
    let assignment = Assignment {
        streams: handles,
        control,
        metrics: parts.metrics.clone(),
        status: parts.status.clone(),
        clock: parts.clock.clone(),
        shutdown: parts.shutdown.clone(),
    };
    Ok(Feeding {
        assignment: tokio::spawn(assignment.run(events)),
        threads,
        share: charge,
    })
}

/// What one stream is wired to.
struct Wiring {
    common: Arc<Common>,
    control: Control,
    settled: Settled,
    topics: Arc<Topics>,
    lanes: Vec<Lane>,
    revoke_deadline: Duration,
    opening: Opening,
    opened: Option<oneshot::Sender<Opened>>,
    flow: Arc<Flow>,
}

impl Wiring {
    /// Starts the stream's task, and its landing once its table is open.
    fn spawn(self, batches: mpsc::Receiver<CutBatch>) -> StreamHandle {
        let (events, receiver) = mpsc::channel(STREAM_EVENTS);
        let name = self.flow.name().to_owned();
        let parts = &self.common.parts;
        let task = StreamTask::new(StreamParts {
            at: self.flow.index,
            flow: self.flow.clone(),
            lanes: self.lanes.clone(),
            control: self.control.clone(),
            settled: self.settled.clone(),
            revoke_deadline: self.revoke_deadline,
            metrics: parts.metrics.clone(),
            status: parts.status.clone(),
            clock: parts.clock.clone(),
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

    async fn open(self, batches: mpsc::Receiver<CutBatch>) -> Settler {
        let opened = self.opening.open().await;
        if let Some(told) = self.opened {
            // Nobody listens any more once a stop was asked for.
            let _ = told.send(opened.clone());
        }
        let (common, stream) = (self.common, self.flow.stream.clone());
        let parts = &common.parts;
        landing::spawn(
            LandingParts {
                uploader: common.uploader(&stream.name),
                flow: self.flow,
                table: opened.table.clone(),
                committer: opened.committer.clone(),
                evolution: opened.evolution,
                control: self.control.clone(),
                instance: common.instance.clone(),
                metrics: parts.metrics.clone(),
                status: parts.status.clone(),
                clock: parts.clock.clone(),
                settled: self.settled,
            },
            batches,
        );
        Settler {
            stream,
            topics: self.topics,
            table: opened.table,
            committer: opened.committer,
            cluster: self.control.cluster().clone(),
            instance: common.instance.clone(),
            metrics: parts.metrics.clone(),
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

fn subscriptions(config: &Config) -> Vec<String> {
    let topics = config.streams.iter().filter_map(|s| s.topics.as_ref());
    topics
        .flat_map(|t| match &t.select {
            TopicSelect::Names(names) => names.clone(),
            TopicSelect::Pattern(pattern) => vec![pattern.clone()],
        })
        .collect()
}
