//! The process: every component built from the configuration, wired, and drained.
//!
//! Owns: which components there are; `topics` and `drops` wire the two inlets, `opening` what both
//! have. Does not own: signals and the command line (`cli`).

mod drops;
mod opening;
mod sources;
mod topics;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use crate::app::drops::Drops;
use crate::app::opening::Common;
use crate::app::topics::{Fed, Feeding};
use crate::clock::Clock;
use crate::config::{Bulk, Config, Stream};
use crate::error::{Error, Result};
use crate::jobs::board::JobBoard;
use crate::metrics::Metrics;
use crate::pipeline::budget::{Budget, Charge, Stage};
use crate::pipeline::flow::Flow;
use crate::pipeline::plan::StreamPlan;
use crate::pipeline::status::StatusBoard;
use crate::schema::registry::Registry;
use crate::shutdown::Shutdown;
use crate::store::{self, Watch};

pub use sources::{version_source, writer_source};

/// What is injected.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The clock.
    pub clock: Clock,
    /// Metrics.
    pub metrics: Metrics,
    /// What HTTP tells of streams.
    pub status: StatusBoard,
    /// What HTTP tells of jobs.
    pub jobs: JobBoard,
    /// The stop.
    pub shutdown: Shutdown,
    /// Changes when newer schema versions are to be looked for at once.
    pub look_again: watch::Receiver<u64>,
}

/// The running process.
#[derive(Debug)]
pub struct App {
    /// One for the topics, and one for the files of each stream.
    tasks: Vec<tokio::task::JoinHandle<()>>,
    threads: Vec<JoinHandle<()>>,
    _kafka_share: Option<Charge>,
}

impl App {
    /// Builds and starts everything. A stream whose table cannot be opened waits for it; the others
    /// run.
    ///
    /// # Errors
    /// Settings that are refused.
    pub async fn start(config: &Config, parts: Parts) -> Result<App> {
        let (fed, dropped) = inlets(config);
        if fed.is_empty() && dropped.is_empty() {
            return Err(Error::config(
                "no stream has topics, and none has files in a bucket: there is nothing to run",
            ));
        }
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
        spawn_gauges(budget.clone(), &parts);
        let common = Arc::new(Common {
            store,
            registry,
            instance: config.instance.clone(),
            schemas: config.schemas.clone(),
            parts,
        });
        common.start(config, &budget, &fed, &dropped)
    }

    /// Returns when everything that was read is committed and the group is left, after a stop was
    /// asked for. A job under way is left as far as it was staged.
    ///
    /// # Errors
    /// A task or thread died.
    pub async fn drained(self) -> Result<()> {
        for task in self.tasks {
            task.await
                .map_err(|e| Error::internal("a task of the process died").because(e))?;
        }
        let joined =
            tokio::task::spawn_blocking(move || self.threads.into_iter().all(|t| t.join().is_ok()))
                .await;
        match joined {
            Ok(true) => Ok(()),
            _ => Err(Error::internal("a thread died")),
        }
    }
}

impl Common {
    fn start(
        self: &Arc<Self>,
        config: &Config,
        budget: &Budget,
        fed: &[&Arc<Stream>],
        dropped: &[(&Arc<Stream>, &Bulk)],
    ) -> Result<App> {
        let drops = match &config.bucket {
            Some(bucket) => Some(Drops::open(bucket, self, budget, !fed.is_empty())?),
            None => None,
        };
        let mut app = App {
            tasks: Vec::new(),
            threads: Vec::new(),
            _kafka_share: None,
        };
        let mut streams = Vec::with_capacity(fed.len());
        for (at, stream) in fed.iter().enumerate() {
            let (flow, batches) = Flow::new(at, Arc::new(self.plan(config, stream)?));
            let flow = Arc::new(flow);
            let mut opened = None;
            if let (Some(drops), Some(bulk)) = (&drops, &stream.bulk) {
                let (sender, receiver) = oneshot::channel();
                opened = Some(sender);
                app.tasks.push(drops.watch_opened(&flow, bulk, receiver));
            }
            streams.push(Fed {
                flow,
                batches,
                opened,
            });
        }
        let others = dropped.iter().filter(|(stream, _)| stream.topics.is_none());
        for (at, (stream, bulk)) in (fed.len()..).zip(others) {
            let (flow, _) = Flow::new(at, Arc::new(self.plan(config, stream)?));
            if let Some(drops) = &drops {
                app.tasks.push(drops.watch(&Arc::new(flow), bulk)?);
            }
        }
        if let Some(kafka) = config.kafka.clone().filter(|_| !streams.is_empty()) {
            let Feeding {
                assignment,
                threads,
                share,
            } = topics::start(config, kafka, self, budget, streams)?;
            app.tasks.push(assignment);
            app.threads = threads;
            app._kafka_share = Some(share);
        }
        Ok(app)
    }

    fn plan(&self, config: &Config, stream: &Arc<Stream>) -> Result<StreamPlan> {
        let clock = self.parts.clock.clone();
        let writers = writer_source(&config.schemas, self.registry.as_ref(), stream, clock)?;
        Ok(StreamPlan::new(Arc::clone(stream), config.max_raw, writers))
    }
}

/// The streams with topics, and those with files in the bucket.
#[allow(clippy::type_complexity, reason = "two lists")]
fn inlets(config: &Config) -> (Vec<&Arc<Stream>>, Vec<(&Arc<Stream>, &Bulk)>) {
    let streams = config.streams.iter();
    let fed = streams.clone().filter(|stream| stream.topics.is_some());
    let has_bucket = config.bucket.is_some();
    let dropped = streams.filter_map(|stream| {
        let bulk = stream.bulk.as_ref().filter(|_| has_bucket)?;
        Some((stream, bulk))
    });
    for stream in &config.streams {
        if stream.topics.is_none() && !has_bucket {
            tracing::warn!(stream = %stream.name, "the stream has no topics, and there is no bucket: it takes what `weir load` brings");
        }
    }
    (fed.collect(), dropped.collect())
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
