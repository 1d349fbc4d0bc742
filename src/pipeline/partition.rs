//! A partition while this instance reads it.
//!
//! Owns: what a block has to carry to be judged and accounted for, and whether it still counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use crate::model::position::SourcePartition;

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

    /// From now on its blocks are dropped: the partition was revoked, or its stream was fenced.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// True once [`Run::close`] was called.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }
}
