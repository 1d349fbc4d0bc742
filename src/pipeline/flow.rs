//! What the stages of one stream share: the plan in force, how much is in flight, and which epoch
//! counts.
//!
//! Owns: the counters that make a stream wait without holding up the others; that batches go to
//! their commits in the order of their schema versions. Does not own: which version is in force
//! (`evolution`).
//!
//! A lane takes the plan with each batch that it opens. Once a newer plan is there it cuts what it
//! has open, and its next batch is of the newer one. A batch waits here while any lane has an older
//! one open, since nothing of an older version lands behind a newer one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, watch};

use crate::clock::Tick;
use crate::config::Stream;
use crate::model::ledger::Cut;
use crate::pipeline::batch::EncodedBatch;
use crate::pipeline::partition::Run;
use crate::pipeline::plan::StreamPlan;
use crate::pipeline::stream_decoder::WaitsFor;

#[cfg(test)]
pub(super) mod tests;

/// Batches of a stream that are cut and not yet settled, beyond which its partitions pause.
pub const MAX_IN_FLIGHT: usize = 4;

/// Blocks of a stream that wait to be judged, beyond which its partitions pause. Fewer would let a
/// stream with a steady share of unknown fields idle from look to look.
pub const MAX_WAITING: usize = 16;

/// One stream as its stages see it.
#[derive(Debug)]
pub struct Flow {
    /// The stream's place in the configuration.
    pub index: usize,
    /// Its settings; the version in force is in [`Flow::plan`].
    pub stream: Arc<Stream>,
    epoch: AtomicU64,
    sent: AtomicU64,
    /// Batches that were cut by their age.
    flushes: AtomicU64,
    settled: watch::Sender<u64>,
    landing: mpsc::Sender<CutBatch>,
    fenced: Notify,
    versions: Mutex<Versions>,
    /// When the last look for newer versions began; never, where there are none to look for.
    looked: watch::Sender<Tick>,
    look_wanted: Notify,
    /// Why a look has no answer.
    look_trouble: Mutex<Option<String>>,
    /// Blocks that wait.
    waiting: AtomicUsize,
    /// Readings that are to pause, until they are taken.
    held: Mutex<Vec<Held>>,
    hold_wanted: Notify,
}

/// A reading that is to pause at the source, until what its next message waits for is there.
#[derive(Debug)]
pub struct Held {
    /// The reading.
    pub run: Arc<Run>,
    /// Where it goes on.
    pub offset: i64,
    /// Leader epoch of the message before that, where it is known.
    pub leader_epoch: Option<i32>,
    /// What the message there waits for.
    pub on: WaitsFor,
    /// When that message was seen, at the latest.
    pub seen: Tick,
}

/// A batch that a lane has open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Opened {
    version: u32,
    /// The flushes when it was opened.
    flushes: u64,
}

/// The plan in force, and what is of an older one.
#[derive(Debug)]
struct Versions {
    plan: Arc<StreamPlan>,
    /// The batches that lanes have open.
    open: Vec<Opened>,
    /// Batches of a version that an open one is older than.
    held_back: Vec<CutBatch>,
}

/// A batch on its way from a lane to the commit. Dropping it ends its being in flight.
#[derive(Debug)]
pub struct CutBatch {
    /// The epoch that its partitions were started in.
    pub epoch: u64,
    /// The batch.
    pub batch: EncodedBatch,
    /// True if other lanes have a batch of the stream open, which are cut in the same flush.
    pub has_siblings: bool,
    /// Counts it as in flight until it is settled or dropped.
    pub in_flight: InFlight,
}

impl CutBatch {
    /// The schema version of its rows.
    pub fn version(&self) -> u32 {
        self.batch.plan.version()
    }
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
pub struct OpenMark {
    flow: Arc<Flow>,
    opened: Opened,
}

impl OpenMark {
    /// True if a batch of the stream was cut by its age since this one was opened: it takes part in
    /// that flush.
    pub fn joins_flush(&self) -> bool {
        self.opened.flushes != self.flow.flushes.load(Ordering::SeqCst)
    }
}

impl Drop for OpenMark {
    fn drop(&mut self) {
        let mut versions = self.flow.versions.lock();
        let at = versions.open.iter().position(|o| *o == self.opened);
        if let Some(at) = at {
            versions.open.swap_remove(at);
        }
        self.flow.release(&mut versions);
    }
}

/// A block waits, until it is dropped.
#[derive(Debug)]
pub struct Waiting(Arc<Flow>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Flow {
    /// The flow of the stream at `index`, and where its cut batches come out.
    pub fn new(index: usize, plan: Arc<StreamPlan>) -> (Self, mpsc::Receiver<CutBatch>) {
        // The lanes stop taking blocks in at MAX_IN_FLIGHT; the rest is room for the last cuts.
        let (landing, batches) = mpsc::channel(MAX_IN_FLIGHT * 16);
        let flow = Self {
            index,
            stream: plan.stream.clone(),
            epoch: AtomicU64::new(1),
            sent: AtomicU64::new(0),
            flushes: AtomicU64::new(0),
            settled: watch::Sender::new(0),
            landing,
            fenced: Notify::new(),
            versions: Mutex::new(Versions {
                plan,
                open: Vec::new(),
                held_back: Vec::new(),
            }),
            looked: watch::Sender::new(Tick(Duration::MAX)),
            look_wanted: Notify::new(),
            look_trouble: Mutex::default(),
            waiting: AtomicUsize::new(0),
            held: Mutex::default(),
            hold_wanted: Notify::new(),
        };
        (flow, batches)
    }

    /// The stream's name.
    pub fn name(&self) -> &str {
        &self.stream.name
    }

    /// The plan in force.
    pub fn plan(&self) -> Arc<StreamPlan> {
        self.versions.lock().plan.clone()
    }

    /// True if `plan` is the one in force.
    pub fn is_in_force(&self, plan: &Arc<StreamPlan>) -> bool {
        Arc::ptr_eq(&self.versions.lock().plan, plan)
    }

    /// Puts a plan in force, for the batches that are opened from now on.
    pub fn take_up(&self, plan: Arc<StreamPlan>) {
        self.versions.lock().plan = plan;
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

    /// Marks that a lane opens a batch, until the mark is dropped; the batch is of the plan that
    /// comes with it.
    pub fn open(self: &Arc<Self>) -> (Arc<StreamPlan>, OpenMark) {
        let mut versions = self.versions.lock();
        let plan = versions.plan.clone();
        let opened = Opened {
            version: plan.version(),
            flushes: self.flushes.load(Ordering::SeqCst),
        };
        versions.open.push(opened);
        let flow = self.clone();
        (plan, OpenMark { flow, opened })
    }

    /// The batch under `mark` is cut by its age: lanes with an older one open than this take part in
    /// the flush, so that the lanes of a stream share a commit. Where one began since the batch was
    /// opened, the batch takes part in that.
    pub fn flush(&self, mark: &OpenMark) {
        let before = mark.opened.flushes;
        // An error is a flush that began.
        let _ =
            self.flushes
                .compare_exchange(before, before + 1, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// Sends the batch that was open under `mark` on to its commit. Where the commit stage is gone
    /// or backed up, the stream is fenced.
    pub fn send(&self, mark: OpenMark, epoch: u64, batch: EncodedBatch) {
        self.sent.fetch_add(1, Ordering::SeqCst);
        let in_flight = InFlight(self.settled.clone());
        let mut versions = self.versions.lock();
        let has_siblings = self.has_siblings(&versions, batch.cut);
        versions.held_back.push(CutBatch {
            epoch,
            batch,
            has_siblings,
            in_flight,
        });
        self.release(&mut versions);
        drop(versions);
        // What waited for this batch is sent behind it.
        drop(mark);
    }

    /// Whether a lane is sure to cut its open batch together with one that was cut by `cut`. The
    /// batch itself counts as open.
    fn has_siblings(&self, versions: &Versions, cut: Cut) -> bool {
        match cut {
            // A lane that was cut in this flush may have opened its next batch by now.
            Cut::Age => {
                let flushes = self.flushes.load(Ordering::SeqCst);
                versions
                    .open
                    .iter()
                    .filter(|o| o.flushes != flushes)
                    .count()
                    > 1
            }
            Cut::Revoke | Cut::Schema | Cut::Shutdown => versions.open.len() > 1,
            _ => false,
        }
    }

    /// Sends on what no open batch is older than, the oldest version first.
    fn release(&self, versions: &mut Versions) {
        let oldest = versions
            .open
            .iter()
            .map(|o| o.version)
            .min()
            .unwrap_or(u32::MAX);
        loop {
            let waits = versions.held_back.iter().enumerate();
            let next = waits.min_by_key(|(at, batch)| (batch.version(), *at));
            let Some(at) = next
                .filter(|(_, b)| b.version() <= oldest)
                .map(|(at, _)| at)
            else {
                return;
            };
            let batch = versions.held_back.remove(at);
            if self.landing.try_send(batch).is_err() {
                self.fence();
            }
        }
    }

    /// Returns when everything that was sent before is settled or dropped; what is sent meanwhile is
    /// not waited for. Batches settle in the order in which they were sent.
    pub async fn settled(&self) {
        let mut watcher = self.settled.subscribe();
        let sent = self.sent.load(Ordering::SeqCst);
        // The sender lives in `self`, so waiting cannot fail.
        let _ = watcher.wait_for(|settled| *settled >= sent).await;
    }

    /// A look for newer versions that began at `began` has ended, and what it found is in force.
    pub fn note_look(&self, began: Tick) {
        self.looked.send_replace(began);
    }

    /// Notes why looks have no answer; `None` once they have.
    pub fn note_look_trouble(&self, trouble: Option<String>) {
        *self.look_trouble.lock() = trouble;
    }

    /// Why looks have no answer, if that is known.
    pub fn look_trouble(&self) -> Option<String> {
        self.look_trouble.lock().clone()
    }

    /// True if a version that was there at `seen` has been looked for: what a message of then holds
    /// and the plan does not is unknown.
    pub fn has_looked_since(&self, seen: Tick) -> bool {
        self.looked() > seen
    }

    /// When newer versions were last looked for.
    pub fn looked(&self) -> Tick {
        *self.looked.borrow()
    }

    /// Returns once [`Flow::has_looked_since`] is true; for as long as that takes.
    pub async fn looked_since(&self, seen: Tick) {
        let mut looks = self.looked.subscribe();
        self.want_look();
        // The sender lives in `self`, so waiting cannot fail.
        let _ = looks.wait_for(|looked| *looked > seen).await;
    }

    /// Asks for a reading to pause.
    pub fn hold(&self, held: Held) {
        self.held.lock().push(held);
        self.hold_wanted.notify_one();
    }

    /// Returns after a [`Flow::hold`]: every reading that is to pause.
    pub async fn held(&self) -> Vec<Held> {
        self.hold_wanted.notified().await;
        std::mem::take(&mut *self.held.lock())
    }

    /// Asks for a look.
    pub fn want_look(&self) {
        self.look_wanted.notify_one();
    }

    /// Returns after a [`Flow::want_look`]; several before one call count as one.
    pub async fn look_wanted(&self) {
        self.look_wanted.notified().await;
    }

    /// Marks that a block waits.
    pub fn wait(self: &Arc<Self>) -> Waiting {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        Waiting(self.clone())
    }

    /// Blocks that wait.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }
}
