//! What the stages of one stream share: how much is in flight, and which epoch counts.
//!
//! Owns: the counters that make a stream wait without holding up the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::{Notify, mpsc, watch};

use crate::pipeline::batch::{EncodedBatch, StreamPlan};

/// Batches of a stream that are cut and not yet settled, beyond which its partitions pause.
pub const MAX_IN_FLIGHT: usize = 4;

/// One stream as its stages see it.
#[derive(Debug)]
pub struct Flow {
    /// What is fixed.
    pub plan: Arc<StreamPlan>,
    epoch: AtomicU64,
    in_flight: watch::Sender<usize>,
    landing: mpsc::Sender<CutBatch>,
    restart: AtomicBool,
    restarts: Arc<Notify>,
}

/// A batch on its way from a lane to the commit. Dropping it ends its being in flight.
#[derive(Debug)]
pub struct CutBatch {
    /// The epoch that its partitions were started in.
    pub epoch: u64,
    /// The batch.
    pub batch: EncodedBatch,
    /// Counts it as in flight until it is settled or dropped.
    pub in_flight: InFlight,
}

/// A batch that counts as in flight.
#[derive(Debug)]
pub struct InFlight(watch::Sender<usize>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.send_modify(|n| *n -= 1);
    }
}

impl Flow {
    /// The flow of a stream, and where its cut batches come out. `restarts` is notified when the
    /// stream's partitions have to be read again from the table's positions.
    pub fn new(plan: Arc<StreamPlan>, restarts: Arc<Notify>) -> (Self, mpsc::Receiver<CutBatch>) {
        // The lanes stop taking blocks in at MAX_IN_FLIGHT; the rest is room for the last cuts.
        let (landing, batches) = mpsc::channel(MAX_IN_FLIGHT * 16);
        let flow = Self {
            plan,
            epoch: AtomicU64::new(1),
            in_flight: watch::Sender::new(0),
            landing,
            restart: AtomicBool::new(false),
            restarts,
        };
        (flow, batches)
    }

    /// The epoch that counts.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    /// Drops all that is under way: a batch was fenced. The partitions are to be read again.
    pub fn fence(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.restart.store(true, Ordering::SeqCst);
        self.restarts.notify_one();
    }

    /// True once after a [`Flow::fence`].
    pub fn take_restart(&self) -> bool {
        self.restart.swap(false, Ordering::SeqCst)
    }

    /// True while the stream should take nothing more in.
    pub fn is_full(&self) -> bool {
        *self.in_flight.borrow() >= MAX_IN_FLIGHT
    }

    /// Sends a batch on to its commit; `false` if the commit stage is gone or backed up.
    pub fn send(&self, epoch: u64, batch: EncodedBatch) -> bool {
        self.in_flight.send_modify(|n| *n += 1);
        let in_flight = InFlight(self.in_flight.clone());
        self.landing
            .try_send(CutBatch {
                epoch,
                batch,
                in_flight,
            })
            .is_ok()
    }

    /// Returns when nothing is in flight.
    pub async fn settled(&self) {
        let mut watcher = self.in_flight.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _ = watcher.wait_for(|n| *n == 0).await;
    }
}
