//! A lane: one CPU thread that decodes, and the queue in front of it.
//!
//! Owns: the open batches of the partitions that belong to it, and when they are cut.
//! Does not own: what becomes of a cut batch (`landing`).

use std::ffi::CStr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::clock::{Clock, Tick};
use crate::error::{Error, Result};
use crate::model::ledger::Cut;
use crate::model::raw::RawBlock;
use crate::pipeline::batch::{Moment, OpenBatch, Taken};
use crate::pipeline::budget::{Budget, Stage};
use crate::pipeline::flow::{Flow, Held, MAX_WAITING, OpenMark};
use crate::pipeline::parked::{Parked, Queued, Waits};
use crate::pipeline::partition::Run;
use crate::pipeline::stream_decoder::{self, WaitsFor};
use crate::source::kafka::{BlockSink, TopicPartition};

/// Blocks that may wait for a lane; each is at most about a mebibyte, and all are charged.
const QUEUE_BLOCKS: usize = 64;

/// How often ages and the budget are looked at when nothing arrives.
const TICK: Duration = Duration::from_millis(50);

enum Order {
    Block(Queued),
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
    clock: Clock,
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
            parked: flows.iter().map(|_| Parked::default()).collect(),
            flows,
            budget: budget.clone(),
            looked: clock.tick(),
            clock: clock.clone(),
        };
        let handle = std::thread::Builder::new()
            .name(name)
            .spawn(move || worker.work(&queue))
            .map_err(|e| Error::internal("could not start a lane's thread").because(e))?;
        let lane = Lane {
            orders,
            budget,
            clock,
        };
        Ok((lane, handle))
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
    fn header(&self) -> Option<&'static CStr> {
        stream_decoder::header(&self.flow.stream)
    }

    fn has_room(&self) -> bool {
        !self.flow.is_full() && self.flow.waiting() < MAX_WAITING && !self.lane.budget.is_full()
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
        let queued = Queued {
            run: self.run.clone(),
            charge: self.lane.budget.charge(Stage::Queue, block.memory() as u64),
            block,
            from: 0,
            seen: self.lane.clock.tick(),
            waits: None,
        };
        match self.lane.orders.try_send(Order::Block(queued)) {
            Ok(()) => Ok(()),
            Err(
                TrySendError::Full(Order::Block(Queued { block, .. }))
                | TrySendError::Disconnected(Order::Block(Queued { block, .. })),
            ) => Err(block),
            Err(_) => Ok(()),
        }
    }
}

struct Worker {
    flows: Vec<Arc<Flow>>,
    open: Vec<Option<Open>>,
    /// The blocks of each stream that wait.
    parked: Vec<Parked>,
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
                Ok(Order::Block(queued)) => self.take(queued),
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
                    self.resume(stream);
                    self.cut_due(stream);
                }
            }
            if self.budget.is_pressed() {
                self.cut_largest();
            }
        }
    }

    /// Judges a block, or lets it wait behind those of its partition that wait.
    fn take(&mut self, queued: Queued) {
        let stream = queued.run.stream;
        if !queued.run.takes(&queued.block) {
            return;
        }
        self.resume(stream);
        let is_behind = self.parked[stream].has(&queued.run);
        let queued = match is_behind {
            true => Some(queued),
            false => self.judge(queued),
        };
        if let Some(queued) = queued {
            let waiting = self.flows[stream].wait();
            self.parked[stream].push(queued, waiting);
        }
        self.cut_due(stream);
    }

    /// Goes on with blocks that wait, once they need not; a partition that waits for long is paused.
    fn resume(&mut self, stream: usize) {
        let mut at = 0;
        while let Some(next) = self.parked[stream].first_of_its_run(at) {
            at = next;
            let now = self.clock.tick();
            let flow = &self.flows[stream];
            match self.parked[stream].look(at, flow, now) {
                Waits::On => {}
                Waits::TooLong(on) => {
                    self.pause(stream, at, on);
                    continue;
                }
                Waits::NoMore => {
                    if let Some((queued, waiting)) = self.parked[stream].take(at)
                        && let Some(queued) = self.judge(queued)
                    {
                        self.parked[stream].put(at, queued, waiting);
                    } else {
                        continue;
                    }
                }
            }
            at += 1;
        }
    }

    /// Gives up what waits of a partition: it is fetched again once what it waits for is there.
    fn pause(&mut self, stream: usize, at: usize, on: WaitsFor) {
        let Some(paused) = self.parked[stream].take_run(at) else {
            return;
        };
        let now = self.clock.tick();
        paused.run.pause(paused.offset, paused.to, now);
        self.flows[stream].hold(Held {
            run: paused.run,
            offset: paused.offset,
            leader_epoch: paused.leader_epoch,
            on,
            seen: now,
        });
    }

    /// Judges a block; gives it back if it has to wait.
    fn judge(&mut self, mut queued: Queued) -> Option<Queued> {
        let stream = queued.run.stream;
        match self.append(&queued) {
            Taken::All => {
                queued.run.took(&queued.block);
                None
            }
            Taken::Waits { at, on } => {
                if on == WaitsFor::Look {
                    self.flows[stream].want_look();
                }
                queued.from = at;
                queued.waits = Some((on, self.clock.tick()));
                Some(queued)
            }
        }
    }

    fn append(&mut self, queued: &Queued) -> Taken {
        let Queued { run, block, .. } = queued;
        let flow = &self.flows[run.stream];
        if run.is_closed() || run.epoch != flow.epoch() {
            return Taken::All;
        }
        // Before the plan: behind it, the look may be one that brought a newer plan into force.
        let looked = flow.looked();
        self.make_ready(run);
        let flow = &self.flows[run.stream];
        let Some(open) = &mut self.open[run.stream] else {
            return Taken::All;
        };
        if let Some(first) = block.messages.first() {
            run.saw(first.timestamp_ms);
        }
        let moment = Moment {
            seen: queued.seen,
            looked,
            now: self.clock.now(),
            at: self.clock.tick(),
        };
        match open.batch.append(run, block, queued.from, moment) {
            Ok(taken) => {
                if open.batch.is_empty() {
                    open.mark = None;
                }
                taken
            }
            Err(error) => {
                let stream = flow.name();
                tracing::error!(%stream, %error, "dropping an open batch; its partitions are read again");
                open.clear(&self.budget);
                flow.fence();
                Taken::All
            }
        }
    }

    /// Sees to it that the stream has a batch open, of the run's epoch and of the plan in force.
    fn make_ready(&mut self, run: &Run) {
        self.cut_older(run.stream);
        let flow = &self.flows[run.stream];
        let open = &mut self.open[run.stream];
        if open.as_ref().is_some_and(|open| open.epoch != run.epoch) {
            *open = None;
        }
        if open.as_ref().is_some_and(|open| open.mark.is_some()) {
            return;
        }
        let (plan, mark) = flow.open();
        let batch = match open.take() {
            // With its buffers.
            Some(open) if Arc::ptr_eq(open.batch.plan(), &plan) => open.batch,
            _ => OpenBatch::new(plan, &self.budget),
        };
        *open = Some(Open {
            epoch: run.epoch,
            batch,
            mark: Some(mark),
        });
    }

    /// Cuts a batch of an older plan than the one in force, also where the stream is full: what
    /// other lanes have cut of the newer one waits for it.
    fn cut_older(&mut self, stream: usize) {
        let older = self.open[stream].as_ref().is_some_and(|open| {
            open.mark.is_some() && !self.flows[stream].is_in_force(open.batch.plan())
        });
        if older {
            self.cut(stream, Cut::Schema);
        }
    }

    fn cut_due(&mut self, stream: usize) {
        self.cut_older(stream);
        let Some(open) = &self.open[stream] else {
            return;
        };
        let flow = &self.flows[stream];
        if flow.is_full() {
            return;
        }
        let due = open.batch.due(self.clock.tick());
        if let (Some(Cut::Age), Some(mark)) = (due, &open.mark) {
            flow.flush(mark);
        }
        let joins = open.mark.as_ref().is_some_and(OpenMark::joins_flush);
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
        let Some(mark) = open.mark.take() else {
            return;
        };
        match open.batch.cut(cut, &self.budget) {
            Ok(batch) => flow.send(mark, open.epoch, batch),
            Err(error) => {
                let stream = flow.name();
                tracing::error!(%stream, %error, "dropping an open batch; its partitions are read again");
                open.clear(&self.budget);
                flow.fence();
            }
        }
        // An idle stream keeps no buffers, and a newer plan has other ones.
        if matches!(
            cut,
            Cut::Age | Cut::Memory | Cut::Revoke | Cut::Schema | Cut::Shutdown
        ) {
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
