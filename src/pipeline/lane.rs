//! A lane: one CPU thread that decodes, and the queue in front of it.
//!
//! Owns: the open batches of the partitions that belong to it, and when they are cut.
//! Does not own: what becomes of a cut batch (`landing`).

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::clock::{Clock, Tick};
use crate::error::{Error, Result};
use crate::model::ledger::Cut;
use crate::model::raw::RawBlock;
use crate::pipeline::batch::OpenBatch;
use crate::pipeline::budget::{Budget, Charge, Stage};
use crate::pipeline::flow::{Flow, OpenMark};
use crate::pipeline::partition::Run;
use crate::source::kafka::{BlockSink, TopicPartition};

/// Blocks that may wait for a lane; each is at most about a mebibyte, and all are charged.
const QUEUE_BLOCKS: usize = 64;

/// How often ages and the budget are looked at when nothing arrives.
const TICK: Duration = Duration::from_millis(50);

enum Order {
    Block {
        run: Arc<Run>,
        block: RawBlock,
        charge: Charge,
    },
    Cut {
        stream: usize,
        cut: Cut,
        done: oneshot::Sender<()>,
    },
}

/// The way into a lane. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Lane {
    orders: SyncSender<Order>,
    budget: Budget,
}

/// Where the blocks of one reading of a partition go.
#[derive(Debug)]
pub struct Inlet {
    lane: Lane,
    flow: Arc<Flow>,
    run: Arc<Run>,
}

impl Lane {
    /// Starts the thread. It ends when every [`Lane`] and [`Inlet`] of it is gone.
    pub fn spawn(
        name: String,
        flows: Vec<Arc<Flow>>,
        budget: Budget,
        clock: Clock,
    ) -> Result<(Lane, JoinHandle<()>)> {
        let (orders, queue) = sync_channel(QUEUE_BLOCKS);
        let mut worker = Worker {
            open: flows.iter().map(|_| None).collect(),
            flows,
            budget: budget.clone(),
            looked: clock.tick(),
            clock,
        };
        let handle = std::thread::Builder::new()
            .name(name)
            .spawn(move || worker.work(&queue))
            .map_err(|e| Error::internal("could not start a lane's thread").because(e))?;
        Ok((Lane { orders, budget }, handle))
    }

    /// Cuts the open batch of `stream`; returns when it is on its way to its commit.
    pub async fn cut(&self, stream: usize, cut: Cut) {
        let (done, wait) = oneshot::channel();
        let orders = self.orders.clone();
        let order = Order::Cut { stream, cut, done };
        // The queue may be full for a while, and its sender blocks.
        let sent = tokio::task::spawn_blocking(move || orders.send(order).is_ok()).await;
        if matches!(sent, Ok(true)) {
            // An error means that the lane has ended: nothing is open any more.
            let _ = wait.await;
        }
    }

    /// The inlet for a reading of a partition.
    pub fn inlet(&self, flow: Arc<Flow>, run: Arc<Run>) -> Inlet {
        Inlet {
            lane: self.clone(),
            flow,
            run,
        }
    }
}

impl BlockSink for Inlet {
    fn has_room(&self) -> bool {
        !self.flow.is_full() && !self.lane.budget.is_full()
    }

    fn offer(
        &self,
        _partition: &TopicPartition,
        generation: u64,
        block: RawBlock,
    ) -> Result<(), RawBlock> {
        if generation != self.run.generation || self.run.is_closed() {
            return Ok(());
        }
        if !self.has_room() {
            return Err(block);
        }
        let charge = self.lane.budget.charge(Stage::Queue, block.memory() as u64);
        let order = Order::Block {
            run: self.run.clone(),
            block,
            charge,
        };
        match self.lane.orders.try_send(order) {
            Ok(()) => Ok(()),
            Err(
                std::sync::mpsc::TrySendError::Full(Order::Block { block, .. })
                | std::sync::mpsc::TrySendError::Disconnected(Order::Block { block, .. }),
            ) => Err(block),
            Err(_) => Ok(()),
        }
    }
}

struct Worker {
    flows: Vec<Arc<Flow>>,
    open: Vec<Option<Open>>,
    budget: Budget,
    clock: Clock,
    /// When all ages were looked at.
    looked: Tick,
}

struct Open {
    epoch: u64,
    batch: OpenBatch,
    /// While something is in the batch.
    mark: Option<OpenMark>,
    /// The stream's flushes when the batch was opened.
    flushes: u64,
}

impl Open {
    /// Drops what is in the batch.
    fn clear(&mut self, budget: &Budget) {
        self.batch.clear(budget);
        self.mark = None;
    }
}

impl Worker {
    fn work(&mut self, queue: &Receiver<Order>) {
        loop {
            match queue.recv_timeout(TICK) {
                Ok(Order::Block { run, block, charge }) => {
                    self.append(&run, &block);
                    drop(block);
                    drop(charge);
                    self.cut_due(run.stream);
                }
                Ok(Order::Cut { stream, cut, done }) => {
                    self.cut(stream, cut);
                    // Nobody waits any more: that is theirs to know.
                    let _ = done.send(());
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            // Also while other streams keep the lane busy.
            let now = self.clock.tick();
            if now.since(self.looked) >= TICK {
                self.looked = now;
                for stream in 0..self.flows.len() {
                    self.cut_due(stream);
                }
            }
            if self.budget.is_pressed() {
                self.cut_largest();
            }
        }
    }

    fn append(&mut self, run: &Arc<Run>, block: &RawBlock) {
        let flow = &self.flows[run.stream];
        if run.is_closed() || run.epoch != flow.epoch() {
            return;
        }
        let open = self.open[run.stream].get_or_insert_with(|| Open {
            epoch: run.epoch,
            batch: OpenBatch::new(flow.plan.clone(), &self.budget),
            mark: None,
            flushes: 0,
        });
        if let Some(first) = block.messages.first() {
            run.saw(first.timestamp_ms);
        }
        if open.epoch != run.epoch {
            open.clear(&self.budget);
            open.epoch = run.epoch;
        }
        if open.mark.is_none() {
            open.mark = Some(flow.open());
            open.flushes = flow.flushes();
        }
        if let Err(error) = open
            .batch
            .append(run, block, self.clock.now(), self.clock.tick())
        {
            let stream = &flow.plan.stream.name;
            tracing::error!(%stream, %error, "dropping an open batch; its partitions are read again");
            open.clear(&self.budget);
            flow.fence();
        }
    }

    fn cut_due(&mut self, stream: usize) {
        let Some(open) = &self.open[stream] else {
            return;
        };
        let flow = &self.flows[stream];
        if flow.is_full() {
            return;
        }
        let due = open.batch.due(self.clock.tick());
        if due == Some(Cut::Age) {
            flow.flush();
        }
        let joins = open.mark.is_some() && open.flushes != flow.flushes();
        if let Some(cut) = due.or(joins.then_some(Cut::Age)) {
            self.cut(stream, cut);
        }
    }

    fn cut(&mut self, stream: usize, cut: Cut) {
        let flow = &self.flows[stream];
        let Some(open) = &mut self.open[stream] else {
            return;
        };
        if open.epoch != flow.epoch() {
            self.open[stream] = None;
            return;
        }
        if open.batch.is_empty() {
            return;
        }
        let epoch = open.epoch;
        open.mark = None;
        match open.batch.cut(cut, &self.budget) {
            Ok(batch) => {
                if !flow.send(epoch, batch) {
                    flow.fence();
                }
            }
            Err(error) => {
                let stream = &flow.plan.stream.name;
                tracing::error!(%stream, %error, "dropping an open batch; its partitions are read again");
                open.clear(&self.budget);
                flow.fence();
            }
        }
        // An idle stream keeps no buffers.
        if matches!(cut, Cut::Age | Cut::Memory | Cut::Revoke | Cut::Shutdown) {
            self.open[stream] = None;
        }
    }

    fn cut_largest(&mut self) {
        let largest = (0..self.open.len())
            .filter(|stream| !self.flows[*stream].is_full())
            .filter_map(|stream| Some((self.open[stream].as_ref()?.batch.memory(), stream)))
            .max();
        if let Some((bytes, stream)) = largest
            && bytes > 0
        {
            self.cut(stream, Cut::Memory);
        }
    }
}
