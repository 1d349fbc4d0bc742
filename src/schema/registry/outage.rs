//! What is known of an outage of the registry, shared by all that ask it.
//!
//! Owns: since when and why, how long everyone waits before the next try (doubled, bounded,
//! jittered), and the log lines about it. Does not own: the asking.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::{Clock, Micros, Tick};
use crate::schema::registry::Away;
use crate::schema::registry::pace::RETRY_AFTER;

/// The registry's gate: closed for a while after each failure.
#[derive(Debug)]
pub(super) struct Gate {
    clock: Clock,
    retry: (Duration, Duration),
    /// Keeps instances out of step.
    seed: RandomState,
    state: Mutex<Option<Outage>>,
}

#[derive(Debug, Clone)]
struct Outage {
    since: Micros,
    reason: String,
    failures: u32,
    /// When the last failure was told; requests that were under way by then say nothing new.
    last: Tick,
    until: Tick,
}

impl Gate {
    pub(super) fn new(clock: Clock, retry: (Duration, Duration)) -> Self {
        Self {
            clock,
            retry,
            seed: RandomState::new(),
            state: Mutex::new(None),
        }
    }

    /// Returns once the registry may be asked.
    pub(super) async fn open(&self) {
        loop {
            let until = self.state.lock().as_ref().map(|o| o.until);
            let wait = until.map_or(Duration::ZERO, |until| until.since(self.clock.tick()));
            if wait.is_zero() {
                return;
            }
            self.clock.sleep(wait).await;
        }
    }

    /// The outage, while the registry is to be left alone.
    pub(super) fn closed(&self) -> Option<Away> {
        let state = self.state.lock();
        let outage = state.as_ref()?;
        let is_closed = outage.until > self.clock.tick();
        is_closed.then(|| Away::new(outage.reason.clone()))
    }

    /// The registry answered.
    pub(super) fn answered(&self) {
        if let Some(outage) = self.state.lock().take() {
            tracing::info!(since = %outage.since, "the registry answers again");
        }
    }

    /// A request that began at `began` failed.
    pub(super) fn failed(&self, away: &Away, began: Tick) {
        let now = self.clock.tick();
        let mut state = self.state.lock();
        let outage = state.get_or_insert_with(|| Outage {
            since: self.clock.now(),
            reason: String::new(),
            failures: 0,
            last: Tick::default(),
            until: now,
        });
        if outage.reason != away.reason {
            tracing::warn!(reason = %away.reason, "the registry is away; records with unknown schema ids wait");
            outage.reason.clone_from(&away.reason);
        }
        if outage.failures == 0 || began >= outage.last {
            outage.failures = outage.failures.saturating_add(1);
            outage.last = now;
            let asked = away.retry_after.unwrap_or_default().min(RETRY_AFTER);
            let wait = self.jittered(outage.failures).max(asked);
            outage.until = outage.until.max(Tick(now.0 + wait));
        }
    }

    /// Why the registry is away, if it is.
    pub(super) fn trouble(&self) -> Option<String> {
        let state = self.state.lock();
        let outage = state.as_ref()?;
        Some(format!("since {}: {}", outage.since, outage.reason))
    }

    /// Between half of the doubled wait and all of it.
    fn jittered(&self, failures: u32) -> Duration {
        let (first, most) = self.retry;
        let doublings = failures.saturating_sub(1).min(16);
        let grown = most.min(first * (1 << doublings));
        let half = grown / 2;
        let span_us = u64::try_from(half.as_micros()).unwrap_or(u64::MAX - 1);
        let drawn = self.seed.hash_one((failures, self.clock.tick().0));
        half + Duration::from_micros(drawn % (span_us + 1))
    }
}
