//! A partition while this instance reads it.
//!
//! Owns: what a block has to carry to be judged and accounted for, and whether it still counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, Ordering};

use parking_lot::Mutex;

use crate::clock::Tick;
use crate::model::position::SourcePartition;
use crate::model::raw::RawBlock;

/// One reading of a partition, from the position where it was started until it is given up.
#[derive(Debug)]
pub struct Run {
    /// Index of the stream in the configuration.
    pub stream: usize,
    /// The topic.
    pub topic: Arc<str>,
    /// Source id and partition number.
    pub source: SourcePartition,
    /// The topic's id, where the broker tells it.
    pub topic_id: Option<String>,
    /// Tells apart the readings of one partition.
    pub generation: u64,
    /// The stream's epoch in which it began; a batch of an older epoch was fenced.
    pub epoch: u64,
    closed: AtomicBool,
    /// Time stamp of the first message that was seen, milliseconds; `i64::MIN` before.
    first_ms: AtomicI64,
    /// Of the last message that was judged with the whole of its block; negative if it is not known.
    leader_epoch: AtomicI32,
    pause: Mutex<Pause>,
}

/// How a reading was paused.
#[derive(Debug, Default)]
struct Pause {
    /// It goes on here: blocks that begin elsewhere were under way when it paused.
    resumes_at: Option<i64>,
    /// Below this offset messages were seen by then.
    seen: Option<(i64, Tick)>,
}

impl Run {
    /// A reading that begins.
    pub fn new(
        stream: usize,
        topic: Arc<str>,
        source: SourcePartition,
        topic_id: Option<String>,
        generation: u64,
        epoch: u64,
    ) -> Self {
        Self {
            stream,
            topic,
            source,
            topic_id,
            generation,
            epoch,
            closed: AtomicBool::new(false),
            first_ms: AtomicI64::new(i64::MIN),
            leader_epoch: AtomicI32::new(-1),
            pause: Mutex::default(),
        }
    }

    /// Notes the time stamp of its first message, in milliseconds; later ones change nothing.
    pub fn saw(&self, timestamp_ms: i64) {
        let unset = i64::MIN;
        let (set, load) = (Ordering::Relaxed, Ordering::Relaxed);
        // A value that is there already is the answer.
        let _ = self
            .first_ms
            .compare_exchange(unset, timestamp_ms, set, load);
    }

    /// The time stamp of its first message, in milliseconds.
    pub fn first_ms(&self) -> Option<i64> {
        let ms = self.first_ms.load(Ordering::Relaxed);
        (ms >= 0).then_some(ms)
    }

    /// A block of it was judged.
    pub fn took(&self, block: &RawBlock) {
        self.leader_epoch
            .store(block.leader_epoch.unwrap_or(-1), Ordering::Relaxed);
    }

    /// Leader epoch of the last message of the last block that was judged, where it is known.
    pub fn leader_epoch(&self) -> Option<i32> {
        let epoch = self.leader_epoch.load(Ordering::Relaxed);
        (epoch >= 0).then_some(epoch)
    }

    /// Leader epoch of the messages of `block`, the next one to be judged, wherever in it they stand:
    /// known where the block ends in the epoch that it began in.
    pub fn leader_epoch_within(&self, block: &RawBlock) -> Option<i32> {
        self.leader_epoch()
            .filter(|epoch| Some(*epoch) == block.leader_epoch)
    }

    /// It pauses, and goes on at `offset`; messages below `seen_to` were seen by `at`.
    pub fn pause(&self, offset: i64, seen_to: i64, at: Tick) {
        *self.pause.lock() = Pause {
            resumes_at: Some(offset),
            seen: Some((seen_to, at)),
        };
    }

    /// False for a block that was under way when the reading paused.
    pub fn takes(&self, block: &RawBlock) -> bool {
        let mut pause = self.pause.lock();
        match pause.resumes_at {
            Some(offset) if offset != block.from => false,
            _ => {
                pause.resumes_at = None;
                true
            }
        }
    }

    /// Messages below this offset were seen by then, whenever their block was.
    pub fn seen_before(&self) -> Option<(i64, Tick)> {
        self.pause.lock().seen
    }

    /// From now on its blocks are dropped: the partition was revoked, or its stream was fenced.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// True once [`Run::close`] was called.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }
}
