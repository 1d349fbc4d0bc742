//! When a local file holds still.
//!
//! Owns: what was seen of each file that is not taken yet. An object of a remote store is there as a
//! whole or not at all, and needs none of this.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::bucket::Object;
use crate::clock::Tick;
use crate::model::job::Identity;

/// Files that are looked at until they hold still.
#[derive(Debug)]
pub struct Settling {
    settle: Duration,
    seen: HashMap<Arc<str>, Seen>,
}

#[derive(Debug)]
struct Seen {
    identity: Identity,
    since: Tick,
    /// The sweep in which it was last seen.
    sweep: u64,
}

impl Settling {
    /// Files must hold still for `settle`.
    pub fn new(settle: Duration) -> Self {
        Self {
            settle,
            seen: HashMap::new(),
        }
    }

    /// True once `object` was seen unchanged for long enough. One that was `moved` into place is
    /// whole.
    pub fn holds_still(&mut self, object: &Object, moved: bool, now: Tick, sweep: u64) -> bool {
        if moved || object.etag.is_some() {
            self.seen.remove(&object.key);
            return true;
        }
        let identity = object.identity();
        let seen = self.seen.entry(object.key.clone()).or_insert(Seen {
            identity: identity.clone(),
            since: now,
            sweep,
        });
        seen.sweep = sweep;
        if seen.identity != identity {
            (seen.identity, seen.since) = (identity, now);
        }
        let is_still = now.since(seen.since) >= self.settle;
        if is_still {
            self.seen.remove(&object.key);
        }
        is_still
    }

    /// Forgets files that a whole sweep did not see.
    pub fn end_sweep(&mut self, sweep: u64) {
        self.seen.retain(|_, seen| seen.sweep >= sweep);
    }

    /// When the next of them may hold still; `None` if none is waited for.
    pub fn next(&self) -> Option<Tick> {
        let since = self.seen.values().map(|seen| seen.since).min()?;
        Some(Tick(since.0 + self.settle))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_taken_once_it_held_still() {
        let mut settling = Settling::new(Duration::from_secs(5));
        let object = |size| Object {
            key: "a.csv".into(),
            size,
            etag: None,
            modified_ns: 0,
        };
        let at = |s| Tick(Duration::from_secs(s));
        let mut look = |size, moved, s| settling.holds_still(&object(size), moved, at(s), s);
        assert!(!look(1, false, 0));
        assert!(!look(1, false, 4));
        assert!(!look(2, false, 5), "it grew");
        assert!(!look(2, false, 9));
        assert!(look(2, false, 10));
        assert!(!look(3, false, 11), "and is another one now");
        assert!(look(4, true, 12), "renamed into place");
        assert_eq!(settling.next(), None);
        assert!(!settling.holds_still(&object(5), false, at(13), 13));
        assert_eq!(settling.next(), Some(at(18)));
        settling.end_sweep(14);
        assert_eq!(settling.next(), None, "it went away");
    }
}
