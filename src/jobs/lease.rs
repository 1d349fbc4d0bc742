//! When a claim on a job is dead.
//!
//! Owns: the judgement, of others' claims and of our own, on the observer's own monotonic clock: no two
//! machines' clocks are compared.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::AbortHandle;

use crate::clock::Tick;
use crate::lake::claims::Standing;

/// A claim whose heartbeat stood still for so long is dead.
pub(super) const LEASE: Duration = Duration::from_secs(15);

/// How often a heartbeat is due.
pub(super) const BEAT: Duration = Duration::from_secs(4);

/// What was seen of the claims of others.
#[derive(Debug, Default)]
pub(super) struct Leases {
    seen: HashMap<String, (Standing, Tick)>,
    /// Claims of this instance's process before.
    left: HashMap<String, u32>,
}

impl Leases {
    /// True if the claim `standing` of `job` is held no more.
    pub(super) fn is_dead(&mut self, job: &str, standing: &Standing, now: Tick) -> bool {
        if standing.is_released || self.left.get(job) == Some(&standing.epoch) {
            return true;
        }
        match self.seen.get_mut(job) {
            Some((before, since)) if before == standing => now.since(*since) >= LEASE,
            Some(seen) => {
                *seen = (standing.clone(), now);
                false
            }
            None => {
                self.seen.insert(job.to_owned(), (standing.clone(), now));
                false
            }
        }
    }

    /// The claim `epoch` of `job` is of a process that this one came after.
    pub(super) fn leave(&mut self, job: &str, epoch: u32) {
        self.left.insert(job.to_owned(), epoch);
    }

    /// Forgets the jobs that `is_live` does not know.
    pub(super) fn retain(&mut self, is_live: impl Fn(&str) -> bool) {
        self.seen.retain(|job, _| is_live(job));
        self.left.retain(|job, _| is_live(job));
    }
}

/// The heartbeats of a job, until this is dropped.
#[derive(Debug)]
pub(super) struct Beats {
    /// Before the last one that was written, or before the claim.
    last: Arc<Mutex<Tick>>,
    task: AbortHandle,
}

impl Beats {
    /// Those of `task`, which keeps `last`.
    pub(super) fn new(last: Arc<Mutex<Tick>>, task: AbortHandle) -> Self {
        Self { last, task }
    }

    /// True while nobody can have taken the claim for dead.
    pub(super) fn holds(&self, now: Tick) -> bool {
        now.since(*self.last.lock()) < LEASE
    }
}

impl Drop for Beats {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_dead_once_its_heartbeat_stood_still() {
        let mut leases = Leases::default();
        let standing = |epoch, beat: &str| Standing {
            epoch,
            is_made: true,
            beat: beat.to_owned(),
            is_released: false,
        };
        let at = |s| Tick(Duration::from_secs(s));
        assert!(!leases.is_dead("j", &standing(1, ""), at(0)));
        assert!(!leases.is_dead("j", &standing(1, "1"), at(14)));
        assert!(!leases.is_dead("j", &standing(1, "1"), at(28)));
        assert!(leases.is_dead("j", &standing(1, "1"), at(29)));
        assert!(
            !leases.is_dead("j", &standing(2, "1"), at(30)),
            "taken over"
        );
        let released = Standing {
            is_released: true,
            ..standing(2, "1")
        };
        assert!(leases.is_dead("j", &released, at(31)));
        leases.leave("j", 3);
        assert!(
            leases.is_dead("j", &standing(3, "9"), at(32)),
            "our own before"
        );
        assert!(!leases.is_dead("j", &standing(4, "1"), at(33)));
        leases.retain(|_| false);
        assert!(!leases.is_dead("j", &standing(2, "1"), at(99)));
    }
}
