//! The one byte budget of the process.
//!
//! Owns: what each stage holds, as guards that cannot leak, and the two levels that follow from it:
//! *pressed* (cut early) and *full* (take nothing more).
//! Does not own: what is done about it (lanes cut, inlets refuse).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Who holds the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// librdkafka's queue: a fixed share, given once.
    Kafka,
    /// Raw blocks on their way to a lane.
    Queue,
    /// Open columns and files of the batches that are being filled.
    Open,
    /// Encoded files that wait for their upload and commit.
    Encoded,
    /// Bulk jobs: open files and those on their way.
    Bulk,
}

impl Stage {
    /// Every stage with its metric label.
    pub const ALL: [(Stage, &'static str); 5] = [
        (Stage::Kafka, "kafka"),
        (Stage::Queue, "queue"),
        (Stage::Open, "open"),
        (Stage::Encoded, "encoded"),
        (Stage::Bulk, "bulk"),
    ];
}

/// The budget. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    total: u64,
    used: [AtomicU64; 5],
}

impl Budget {
    /// A budget of `total` bytes.
    pub fn new(total: u64) -> Self {
        Self(Arc::new(Inner {
            total,
            used: Default::default(),
        }))
    }

    /// The whole budget, in bytes.
    pub fn total(&self) -> u64 {
        self.0.total
    }

    /// What `stage` holds, in bytes.
    pub fn held_by(&self, stage: Stage) -> u64 {
        self.0.used[stage as usize].load(Ordering::Relaxed)
    }

    /// What all stages hold, in bytes.
    pub fn held(&self) -> u64 {
        self.0.used.iter().map(|u| u.load(Ordering::Relaxed)).sum()
    }

    /// True when batches should be cut early: what is open takes half of it. What is encoded leaves
    /// by itself, and cutting more would only make small files.
    pub fn is_pressed(&self) -> bool {
        self.held_by(Stage::Open) > self.0.total / 2
    }

    /// True when nothing more may be taken in.
    pub fn is_full(&self) -> bool {
        self.held_by(Stage::Queue) > self.0.total / 8 || self.held() > self.0.total / 10 * 9
    }

    /// Takes `bytes` for `stage` until the charge is dropped. Never refuses: the levels above are
    /// asked before work is taken in, and one message may be larger than what is left.
    pub fn charge(&self, stage: Stage, bytes: u64) -> Charge {
        self.0.used[stage as usize].fetch_add(bytes, Ordering::Relaxed);
        Charge {
            budget: self.clone(),
            stage,
            bytes,
        }
    }
}

/// Bytes that are held; given back on drop.
#[derive(Debug)]
pub struct Charge {
    budget: Budget,
    stage: Stage,
    bytes: u64,
}

impl Charge {
    /// Changes the size of the charge.
    pub fn set(&mut self, bytes: u64) {
        let used = &self.budget.0.used[self.stage as usize];
        if bytes >= self.bytes {
            used.fetch_add(bytes - self.bytes, Ordering::Relaxed);
        } else {
            used.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        }
        self.bytes = bytes;
    }

    /// The size, in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.set(0);
    }
}
