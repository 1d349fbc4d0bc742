//! The blocks of one stream that wait on a lane: for a look for newer versions, or for a writer's
//! schema.
//!
//! Owns: their order, in which a partition's blocks stay one behind the other while other partitions
//! pass by; and how long a wait may be. Does not own: judging them (`lane`).

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Tick;
use crate::model::raw::RawBlock;
use crate::pipeline::budget::Charge;
use crate::pipeline::flow::{Flow, Waiting};
use crate::pipeline::partition::Run;
use crate::pipeline::stream_decoder::WaitsFor;
use crate::pipeline::writers::Found;

/// A partition that waits for a writer's schema for so long is paused at its source: where the
/// registry is known to be away, and where it is not.
const PATIENCE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(3));

/// The same for a look, which has a pace of its own.
const LOOK_PATIENCE: Duration = Duration::from_secs(5);

/// A block on its way through the lane.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) run: Arc<Run>,
    pub(super) block: RawBlock,
    /// The first message that was not judged yet.
    pub(super) from: usize,
    /// When it was there, fetched.
    pub(super) seen: Tick,
    /// What its first message waits for, and since when.
    pub(super) waits: Option<(WaitsFor, Tick)>,
    /// Held until it is judged.
    #[allow(dead_code, reason = "its drop gives the bytes back")]
    pub(super) charge: Charge,
}

/// The blocks that wait, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Parked {
    blocks: Vec<(Queued, Waiting)>,
}

/// What a look at a waiting block tells.
pub(super) enum Waits {
    /// It waits on.
    On,
    /// It can be judged, or does not count any more.
    NoMore,
    /// It has waited too long for this.
    TooLong(WaitsFor),
}

/// A reading whose blocks were given up.
pub(super) struct Paused {
    pub(super) run: Arc<Run>,
    /// The first position that was not judged.
    pub(super) offset: i64,
    /// The end of what was given up.
    pub(super) to: i64,
    /// Leader epoch of the message before `offset`, where it is known.
    pub(super) leader_epoch: Option<i32>,
}

impl Queued {
    /// The first position that was not judged.
    fn offset(&self) -> i64 {
        let before = self.from.checked_sub(1);
        let before = before.and_then(|last| self.block.messages.get(last));
        before.map_or(self.block.from, |message| message.offset + 1)
    }

    fn is_of(&self, run: &Arc<Run>) -> bool {
        Arc::ptr_eq(&self.run, run)
    }
}

impl Parked {
    /// True if a block of `run` waits.
    pub(super) fn has(&self, run: &Arc<Run>) -> bool {
        self.blocks.iter().any(|(queued, _)| queued.is_of(run))
    }

    /// Puts a block behind all others.
    pub(super) fn push(&mut self, queued: Queued, waiting: Waiting) {
        self.blocks.push((queued, waiting));
    }

    /// Puts a block back to its place.
    pub(super) fn put(&mut self, at: usize, queued: Queued, waiting: Waiting) {
        self.blocks
            .insert(at.min(self.blocks.len()), (queued, waiting));
    }

    /// Takes a block out.
    pub(super) fn take(&mut self, at: usize) -> Option<(Queued, Waiting)> {
        (at < self.blocks.len()).then(|| self.blocks.remove(at))
    }

    /// The first place from `at` on of a block that no other of its reading is in front of.
    pub(super) fn first_of_its_run(&self, at: usize) -> Option<usize> {
        (at..self.blocks.len()).find(|place| {
            let (queued, _) = &self.blocks[*place];
            let mut before = self.blocks[..*place].iter();
            !before.any(|(other, _)| other.is_of(&queued.run))
        })
    }

    /// Whether the block at `at` waits on.
    pub(super) fn look(&self, at: usize, flow: &Flow, now: Tick) -> Waits {
        let Some((queued, _)) = self.blocks.get(at) else {
            return Waits::On;
        };
        if queued.run.is_closed() || queued.run.epoch != flow.epoch() {
            return Waits::NoMore;
        }
        match queued.waits {
            None => Waits::NoMore,
            Some((WaitsFor::Look, _)) if flow.has_looked_since(queued.seen) => Waits::NoMore,
            Some((on @ WaitsFor::Look, since)) => {
                flow.want_look();
                match now.since(since) >= LOOK_PATIENCE {
                    true => Waits::TooLong(on),
                    false => Waits::On,
                }
            }
            Some((on @ WaitsFor::Writer(writer), since)) => {
                let writers = &flow.plan().writers;
                let found = writers.find(writer, &queued.run.topic, queued.seen);
                let past = now.since(since);
                match found {
                    Found::Resolved(_) | Found::Refused(_) => Waits::NoMore,
                    Found::Pending if past >= PATIENCE.1 => Waits::TooLong(on),
                    Found::Pending if past >= PATIENCE.0 && writers.trouble().is_some() => {
                        Waits::TooLong(on)
                    }
                    Found::Pending => Waits::On,
                }
            }
        }
    }

    /// Takes out every block of the reading of the block at `at`, which is its first.
    pub(super) fn take_run(&mut self, at: usize) -> Option<Paused> {
        let (first, _) = self.blocks.get(at)?;
        let (run, offset) = (first.run.clone(), first.offset());
        let leader_epoch = match first.from {
            0 => run.leader_epoch(),
            _ => run.leader_epoch_within(&first.block),
        };
        let mut to = offset;
        self.blocks.retain(|(queued, _)| {
            let is_of = queued.is_of(&run);
            if is_of {
                to = to.max(queued.block.to);
            }
            !is_of
        });
        Some(Paused {
            run,
            offset,
            to,
            leader_epoch,
        })
    }
}

#[cfg(test)]
mod tests;
