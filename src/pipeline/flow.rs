//! What the stages of one stream share: how much is in flight, and which epoch counts.
//!
//! Owns: the counters that make a stream wait without holding up the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

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
    sent: AtomicU64,
    /// Lanes that have a batch open.
    open: AtomicUsize,
    /// Batches that were cut by their age.
    flushes: AtomicU64,
    settled: watch::Sender<u64>,
    landing: mpsc::Sender<CutBatch>,
    fenced: Notify,
}

/// A batch on its way from a lane to the commit. Dropping it ends its being in flight.
#[derive(Debug)]
pub struct CutBatch {
    /// The epoch that its partitions were started in.
    pub epoch: u64,
    /// The batch.
    pub batch: EncodedBatch,
    /// True if other lanes had a batch of the stream open, which are cut in the same flush.
    pub has_siblings: bool,
    /// Counts it as in flight until it is settled or dropped.
    pub in_flight: InFlight,
}

/// A batch that counts as in flight.
#[derive(Debug)]
pub struct InFlight(watch::Sender<u64>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.send_modify(|n| *n += 1);
    }
}

/// A lane has a batch of the stream open.
#[derive(Debug)]
pub struct OpenMark(Arc<Flow>);

impl Drop for OpenMark {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Flow {
    /// The flow of a stream, and where its cut batches come out.
    pub fn new(plan: Arc<StreamPlan>) -> (Self, mpsc::Receiver<CutBatch>) {
        // The lanes stop taking blocks in at MAX_IN_FLIGHT; the rest is room for the last cuts.
        let (landing, batches) = mpsc::channel(MAX_IN_FLIGHT * 16);
        let flow = Self {
            plan,
            epoch: AtomicU64::new(1),
            sent: AtomicU64::new(0),
            open: AtomicUsize::new(0),
            flushes: AtomicU64::new(0),
            settled: watch::Sender::new(0),
            landing,
            fenced: Notify::new(),
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
        self.fenced.notify_one();
    }

    /// Returns after a [`Flow::fence`]; several before one call count as one.
    pub async fn fenced(&self) {
        self.fenced.notified().await;
    }

    /// True while the stream should take nothing more in.
    pub fn is_full(&self) -> bool {
        let sent = self.sent.load(Ordering::SeqCst);
        sent - *self.settled.borrow() >= MAX_IN_FLIGHT as u64
    }

    /// Marks that a lane has a batch open, until the mark is dropped.
    pub fn open(self: &Arc<Self>) -> OpenMark {
        self.open.fetch_add(1, Ordering::SeqCst);
        OpenMark(self.clone())
    }

    /// The flushes so far. A lane whose open batch is older than the newest one takes part in it, so
    /// that the lanes of a stream share a commit.
    pub fn flushes(&self) -> u64 {
        self.flushes.load(Ordering::SeqCst)
    }

    /// A batch was cut by its age.
    pub fn flush(&self) {
        self.flushes.fetch_add(1, Ordering::SeqCst);
    }

    /// Sends a batch on to its commit; `false` if the commit stage is gone or backed up.
    pub fn send(&self, epoch: u64, batch: EncodedBatch) -> bool {
        self.sent.fetch_add(1, Ordering::SeqCst);
        let in_flight = InFlight(self.settled.clone());
        self.landing
            .try_send(CutBatch {
                epoch,
                batch,
                has_siblings: self.open.load(Ordering::SeqCst) > 0,
                in_flight,
            })
            .is_ok()
    }

    /// Returns when everything that was sent before is settled or dropped; what is sent meanwhile is
    /// not waited for. Batches settle in the order in which they were sent.
    pub async fn settled(&self) {
        let mut watcher = self.settled.subscribe();
        let sent = self.sent.load(Ordering::SeqCst);
        // The sender lives in `self`, so waiting cannot fail.
        let _ = watcher.wait_for(|settled| *settled >= sent).await;
    }
}
