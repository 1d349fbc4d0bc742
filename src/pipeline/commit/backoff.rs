//! How long to wait before the next look: growing, bounded, jittered from a seed.
//!
//! Owns: the waiting times. Does not own: the sleeping (`clock`), or the decision to go on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A lost race is over as soon as the winner is visible.
const CONFLICT: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(500));
/// An outage takes its time.
const FAILURE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// Random numbers from a seed (SplitMix64), good enough to keep instances out of step.
#[derive(Debug)]
pub(super) struct Jitter(AtomicU64);

impl Jitter {
    pub(super) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// Between half of `most` and `most`.
    fn draw(&self, most: Duration) -> Duration {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        let half = most / 2;
        let span_us = u64::try_from(half.as_micros()).unwrap_or(u64::MAX - 1);
        half + Duration::from_micros(z % (span_us + 1))
    }
}

/// Counts what went wrong in one call.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    conflicts: u32,
    failures: u32,
}

impl Backoff {
    /// The wait after a version that was taken.
    pub(super) fn after_conflict(&mut self, jitter: &Jitter) -> Duration {
        self.conflicts = self.conflicts.saturating_add(1);
        self.failures = 0;
        jitter.draw(grown(CONFLICT, self.conflicts))
    }

    /// The wait after a failure.
    pub(super) fn after_failure(&mut self, jitter: &Jitter) -> Duration {
        self.failures = self.failures.saturating_add(1);
        jitter.draw(grown(FAILURE, self.failures))
    }

    /// Failures since the last conflict: a conflict is an answer, so the lake is there.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }
}

/// `first`, doubled for every further time, at most `most`.
fn grown((first, most): (Duration, Duration), times: u32) -> Duration {
    let doublings = times.saturating_sub(1).min(16);
    most.min(first * (1 << doublings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_differ_by_seed() {
        let (one, other) = (Jitter::new(1), Jitter::new(2));
        let mut backoff = Backoff::default();
        let mut twin = Backoff::default();
        let mut same = 0;
        for times in 1..40_u32 {
            let wait = backoff.after_failure(&one);
            let most = grown(FAILURE, times);
            assert!(wait >= most / 2 && wait <= most, "{wait:?} of {most:?}");
            same += u32::from(wait == twin.after_failure(&other));
        }
        assert_eq!(grown(FAILURE, 40), FAILURE.1);
        assert!(same < 5, "{same} of 39 waits are the same for two seeds");
    }
}
