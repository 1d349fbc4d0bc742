//! The only place that reads a clock or sleeps.
//!
//! Owns: wall time, monotonic time, sleeping. `clippy.toml` bans the standard and tokio clocks
//! elsewhere, so that what depends on time can be tested and simulated.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Micros(pub i64);

impl fmt::Display for Micros {
    /// RFC 3339 in UTC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) => write!(f, "{time}"),
            // beyond the years that have a name
            Err(_) => write!(f, "{} us", self.0),
        }
    }
}

/// A point on the monotonic clock, as the time since the clock was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Tick(pub Duration);

impl Tick {
    /// The time from `earlier` to `self`; zero if `earlier` is later.
    pub fn since(self, earlier: Tick) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// A clock: the machine's, or one that a test moves.
#[derive(Clone)]
pub struct Clock(Inner);

#[derive(Clone)]
enum Inner {
    System { start: Instant },
    Manual(Arc<Mutex<ManualTime>>),
}

struct ManualTime {
    wall: Micros,
    tick: Duration,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self(Inner::System {
            start: Instant::now(),
        })
    }

    /// A clock that stands still at `wall` until [`Clock::advance`] moves it.
    pub fn manual(wall: Micros) -> Self {
        Self(Inner::Manual(Arc::new(Mutex::new(ManualTime {
            wall,
            tick: Duration::ZERO,
        }))))
    }

    /// Wall time.
    pub fn now(&self) -> Micros {
        match &self.0 {
            Inner::System { .. } => {
                let since = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default();
                Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
            }
            Inner::Manual(time) => time.lock().wall,
        }
    }

    /// Monotonic time.
    pub fn tick(&self) -> Tick {
        match &self.0 {
            Inner::System { start } => Tick(start.elapsed()),
            Inner::Manual(time) => Tick(time.lock().tick),
        }
    }

    /// Moves a manual clock forward; does nothing to the machine's.
    pub fn advance(&self, by: Duration) {
        if let Inner::Manual(time) = &self.0 {
            let mut time = time.lock();
            time.tick += by;
            time.wall.0 += i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        }
    }

    /// Sleeps without holding a thread. A manual clock yields once instead.
    pub async fn sleep(&self, duration: Duration) {
        match &self.0 {
            Inner::System { .. } => tokio::time::sleep(duration).await,
            Inner::Manual(_) => tokio::task::yield_now().await,
        }
    }

    /// The output of `future`, or `None` if `limit` passed first. A manual clock never times out.
    pub async fn timeout<F: Future>(&self, limit: Duration, future: F) -> Option<F::Output> {
        match &self.0 {
            Inner::System { .. } => tokio::time::timeout(limit, future).await.ok(),
            Inner::Manual(_) => Some(future.await),
        }
    }

    /// Sleeps on this thread; for threads that are no tokio workers.
    pub fn park(&self, duration: Duration) {
        match &self.0 {
            Inner::System { .. } => std::thread::sleep(duration),
            Inner::Manual(_) => std::thread::yield_now(),
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Inner::System { .. } => "Clock::system",
            Inner::Manual(_) => "Clock::manual",
        })
    }
}
