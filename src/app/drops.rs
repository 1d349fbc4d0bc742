//! What streams with files are fed by: the bucket, and a watch over each stream's part of it.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::app::opening::{Common, Opened, Opening};
use crate::bucket::Bucket;
use crate::config::{self, Bulk};
use crate::error::Result;
use crate::jobs::{self, Slots, StreamJobs};
use crate::lake::claims::Claims;
use crate::model::id;
use crate::pipeline::budget::Budget;
use crate::pipeline::flow::Flow;
use crate::shutdown::Phase;
use crate::store::Watch;

/// Jobs that are worked on at a time, each on all cores.
const JOBS: usize = 2;

/// What all watches share.
#[derive(Debug, Clone)]
pub(super) struct Drops {
    common: Arc<Common>,
    bucket: Bucket,
    process: String,
    slots: Slots,
    budget: Budget,
}

impl Drops {
    /// Over the bucket of `settings`. Jobs hold a quarter of the budget beside topics, else a half.
    ///
    /// # Errors
    /// It cannot be opened.
    pub(super) fn open(
        settings: &config::Bucket,
        common: &Arc<Common>,
        budget: &Budget,
        beside_topics: bool,
    ) -> Result<Self> {
        let parts = &common.parts;
        let watch = Watch::new("bulk", parts.metrics.clone(), parts.clock.clone());
        parts.status.watch_bulk(watch.clone());
        let share = match beside_topics {
            true => budget.total() / 4,
            false => budget.total() / 2,
        };
        Ok(Self {
            common: common.clone(),
            bucket: Bucket::open(settings, Some(&watch))?,
            process: id::fresh().to_string(),
            slots: Slots::new(JOBS, share),
            budget: budget.clone(),
        })
    }

    /// Watches a stream that takes files only.
    ///
    /// # Errors
    /// Its schema is in a registry, and none is named.
    pub(super) fn watch(&self, flow: &Arc<Flow>, bulk: &Bulk) -> Result<JoinHandle<()>> {
        let opening = Opening::of(&self.common, flow)?;
        let (sender, opened) = oneshot::channel();
        tokio::spawn(async move {
            // Nobody listens any more once a stop was asked for.
            let _ = sender.send(opening.open().await);
        });
        Ok(self.watch_opened(flow, bulk, opened))
    }

    /// Watches a stream that others open.
    pub(super) fn watch_opened(
        &self,
        flow: &Arc<Flow>,
        bulk: &Bulk,
        opened: oneshot::Receiver<Opened>,
    ) -> JoinHandle<()> {
        let (drops, flow, bulk) = (self.clone(), flow.clone(), bulk.clone());
        let mut shutdown = self.common.parts.shutdown.clone();
        tokio::spawn(async move {
            let opened = tokio::select! {
                opened = opened => opened,
                () = shutdown.reached(Phase::Draining) => return,
            };
            let Ok(opened) = opened else { return };
            let jobs = drops.of_stream(flow, bulk, opened);
            // A watch that died has ended.
            let _ = jobs::spawn(jobs, shutdown).await;
        })
    }

    fn of_stream(self, flow: Arc<Flow>, bulk: Bulk, opened: Opened) -> StreamJobs {
        let (common, name) = (self.common, flow.name());
        let parts = &common.parts;
        StreamJobs {
            bulk,
            table: opened.table,
            committer: opened.committer,
            evolution: opened.evolution,
            uploader: common.uploader(name),
            store: common.store.clone(),
            bucket: self.bucket,
            landed: tokio::sync::Mutex::default(),
            claims: Claims::of(&common.store, name),
            process: self.process,
            instance: common.instance.clone(),
            slots: self.slots,
            budget: self.budget,
            workers: workers(),
            board: parts.jobs.clone(),
            metrics: parts.metrics.clone(),
            clock: parts.clock.clone(),
            flow,
        }
    }
}

fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
