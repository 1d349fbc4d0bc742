//! How often the registry is asked.
//!
//! Owns: the waiting times and bounds, in one place, so that a test may have shorter ones.

use std::time::Duration;

/// Waiting times of a client.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// An id that the registry does not know is asked for once more after this time, before it is
    /// believed: a follower of the registry's leader may not have heard of a new one yet.
    pub(super) confirm: Duration,
    /// How long a "not known" is kept. It counts only for messages that were seen before it was
    /// asked for, however young it is.
    pub(super) negative: Duration,
    /// First and longest wait between two tries during an outage, before jitter.
    pub(super) retry: (Duration, Duration),
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            confirm: Duration::from_secs(1),
            negative: Duration::from_secs(30),
            retry: (Duration::from_millis(200), Duration::from_secs(10)),
        }
    }
}

/// The longest wait that a registry may ask for.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(600);

/// Requests at once.
pub(super) const REQUESTS: usize = 4;

/// Longest answer, in bytes.
pub(super) const ANSWER_BYTES: usize = 4 << 20;

/// Most schemas that one refers to, directly or not.
pub(super) const REFERENCES: usize = 256;
