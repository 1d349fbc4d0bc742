//! The process: every component built from the configuration, wired, and drained.
//!
//! Owns: which components there are. Does not own: signals and the command line (`cli`).

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use arrow::datatypes::{Field, Schema as ArrowSchema};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::config::{Config, Stream, TopicSelect};
use crate::error::{Error, Result};
use crate::lake::LakeTable;
use crate::lake::delta::{DeltaTable, TableSpec};
use crate::metrics::Metrics;
use crate::pipeline::assignment::{Assignment, StreamParts};
use crate::pipeline::batch::StreamPlan;
use crate::pipeline::budget::{Budget, Charge, Stage};
use crate::pipeline::commit::Committer;
use crate::pipeline::flow::Flow;
use crate::pipeline::landing::{self, LandingParts};
use crate::pipeline::lane::Lane;
use crate::pipeline::partition_values::{Partitioner, column_type};
use crate::pipeline::status::StatusBoard;
use crate::pipeline::upload::Uploader;
use crate::schema::arrow::{arrow_fields, provenance_fields};
use crate::shutdown::Shutdown;
use crate::source::kafka::{self, KafkaSettings};
use crate::store::{self, Store, Watch};

/// librdkafka's share of the budget is this part of it.
const KAFKA_SHARE: u64 = 4;

/// Longest wait for the flush of revoked partitions.
const REVOKE_DEADLINE: Duration = Duration::from_secs(20);

/// Wait before the lake is tried again at the start.
const LAKE_RETRY: Duration = Duration::from_secs(2);

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
}

/// The running process.
#[derive(Debug)]
pub struct App {
    assignment: tokio::task::JoinHandle<()>,
    threads: Vec<JoinHandle<()>>,
    _kafka_share: Charge,
}

/// Every column of a stream's DLO, and its partition columns.
pub fn table_spec(stream: &Stream) -> TableSpec {
    let mut fields = arrow_fields(&stream.schema.root);
    for by in &stream.partition_by {
        if let Some((name, data_type, nullable)) = column_type(stream, by) {
            fields.push(Field::new(name, data_type.as_ref().clone(), nullable));
        }
    }
    fields.extend(provenance_fields());
    TableSpec {
        schema: Arc::new(ArrowSchema::new(fields)),
        partition_columns: Partitioner::new(stream).names(),
    }
}

impl App {
    /// Builds and starts everything. Waits for the lake as long as no stop is asked for.
    ///
    /// # Errors
    /// What waiting does not cure: settings that are refused, a table of another schema.
    pub async fn start(config: &Config, parts: Parts) -> Result<App> {
        let kafka = config
            .kafka
            .clone()
            .ok_or_else(|| Error::config("no stream has topics: there is nothing to run"))?;
        let budget = Budget::new(config.memory_budget);
        let share = config.memory_budget / KAFKA_SHARE;
        let kafka_share = budget.charge(Stage::Kafka, share);
        spawn_gauges(budget.clone(), &parts);
        let (control, events, consumer) = kafka::spawn(
            KafkaSettings {
                kafka,
                subscribe: subscriptions(config),
                queue_bytes: share,
                instance: config.instance.clone(),
                revoke_deadline: REVOKE_DEADLINE.min(config.shutdown_grace),
            },
            parts.clock.clone(),
        )?;
        let watch = Watch::new("lake", parts.metrics.clone(), parts.clock.clone());
        parts.status.watch_lake(watch.clone());
        let store =
            store::open(&config.lake.url, &config.lake.options, config.lake.fsync)?.watched(&watch);
        let restarts = Arc::new(Notify::new());
        let mut flows = Vec::new();
        let mut streams = Vec::new();
        for (index, stream) in config.streams.iter().enumerate() {
            parts.status.add_stream(&stream.name);
            let table = open_table(&store, stream, config, &parts).await?;
            let seed = u64::from(std::process::id()) << 16 | index as u64;
            let committer = Arc::new(Committer::new(
                table.clone(),
                parts.clock.clone(),
                parts.shutdown.clone(),
                seed,
            ));
            committer.know_schema(stream.schema.version, stream.schema.text.clone());
            let plan = Arc::new(StreamPlan::new(index, stream.clone(), config.max_raw));
            let (flow, batches) = Flow::new(plan, restarts.clone());
            let flow = Arc::new(flow);
            let settled = Arc::new(Mutex::new(HashMap::new()));
            landing::spawn(
                LandingParts {
                    flow: flow.clone(),
                    uploader: uploader(&store, stream, &parts),
                    table: table.clone(),
                    committer: committer.clone(),
                    control: control.clone(),
                    instance: config.instance.clone(),
                    metrics: parts.metrics.clone(),
                    clock: parts.clock.clone(),
                    shutdown: parts.shutdown.clone(),
                    settled: settled.clone(),
                },
                batches,
            );
            streams.push(Arc::new(StreamParts::new(
                flow.clone(),
                table,
                committer,
                settled,
            )?));
            flows.push(flow);
        }
        let mut threads = vec![consumer];
        let mut lanes = Vec::new();
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        for number in 0..count {
            let (lane, thread) = Lane::spawn(
                format!("lane-{number}"),
                flows.clone(),
                budget.clone(),
                parts.clock.clone(),
            )?;
            lanes.push(lane);
            threads.push(thread);
        }
        let assignment = Assignment {
            streams,
            lanes,
            control,
            instance: config.instance.clone(),
            revoke_deadline: REVOKE_DEADLINE.min(config.shutdown_grace),
            metrics: parts.metrics,
            status: parts.status,
            clock: parts.clock,
            shutdown: parts.shutdown,
            restarts,
        };
        Ok(App {
            assignment: tokio::spawn(assignment.run(events)),
            threads,
            _kafka_share: kafka_share,
        })
    }

    /// Returns when everything that was read is committed and the group is left, after a stop was
    /// asked for.
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

async fn open_table(
    store: &Store,
    stream: &Stream,
    config: &Config,
    parts: &Parts,
) -> Result<Arc<dyn LakeTable>> {
    loop {
        let opened =
            DeltaTable::open_or_create(store, &stream.name, &config.instance, table_spec(stream))
                .await;
        match opened {
            Ok(table) => return Ok(Arc::new(table)),
            Err(error) if error.is_outage() && !parts.shutdown.is_stopping() => {
                tracing::warn!(stream = %stream.name, %error, "the lake cannot be used; waiting for it");
                parts.clock.sleep(LAKE_RETRY).await;
            }
            Err(error) => return Err(error),
        }
    }
}

fn uploader(store: &Store, stream: &Stream, parts: &Parts) -> Uploader {
    let spec = table_spec(stream);
    Uploader {
        store: store.objects(),
        stream: stream.name.clone(),
        partition_columns: spec.partition_columns,
        schema: spec.schema,
        clock: parts.clock.clone(),
        shutdown: parts.shutdown.clone(),
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
