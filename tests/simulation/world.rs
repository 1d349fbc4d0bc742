//! The world of one seed: broker, object store, both logs, clock, and what was said of each batch.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use uuid::Uuid;
use weir::clock::{Clock, Micros};
use weir::lake::Commit;

use crate::bugs::Bug;

/// A vacuum takes files that no commit names and that are older than this.
pub const RETENTION: Duration = Duration::from_secs(100);

/// What a position of the broker's log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    Row,
    Reject,
    Skip,
    Hole,
}

/// The content of a file: `(source, offset)` of each row. Sources from 0 up are partitions of the
/// topic, those below are jobs.
#[derive(Debug)]
pub struct Stored {
    pub rows: Vec<(i32, i64)>,
    pub at: Micros,
}

/// A commit to the rejects table.
#[derive(Debug, Clone)]
pub struct Follow {
    /// Its `weir:data`.
    pub data: u64,
    pub files: Vec<String>,
}

/// A put that the client has given up and that happens later.
#[derive(Debug)]
pub struct LatePut {
    pub due: u64,
    pub at: u64,
    pub what: Put,
}

/// What is put as the next version of one of the two logs.
#[derive(Debug, Clone)]
pub enum Put {
    Data(Box<Commit>),
    Rejects(Follow),
}

pub struct World {
    pub rng: SmallRng,
    pub clock: Clock,
    pub bug: Bug,
    /// No more faults: everything has to settle.
    pub calm: bool,
    pub step: u64,
    /// The table's log; the version is the index plus one.
    pub log: Vec<Commit>,
    /// What all its `txn` actions come to.
    pub positions: HashMap<String, i64>,
    /// The rejects table's log.
    pub follows: Vec<Follow>,
    pub store: BTreeMap<String, Stored>,
    pub late: Vec<LatePut>,
    /// Published texts.
    pub schemas: BTreeSet<u32>,
    /// The newest version that an instance may be configured with.
    pub newest_schema: u32,
    /// The stream starts at the log's end, else at 0.
    pub latest: bool,
    /// Next offset of each partition's log.
    pub ends: Vec<i64>,
    /// Which instances believe that they own the partition, as bits.
    pub owners: Vec<u8>,
    /// What the committer said of a batch: whether it is in the log.
    pub said: Vec<(Uuid, bool)>,
    /// How often each kind of landing was met.
    pub landings: BTreeMap<&'static str, u64>,
    /// Jobs that were told to be complete.
    pub jobs_done: Vec<i32>,
    /// Files that a vacuum took.
    pub vacuumed: u64,
    pub next_id: u128,
    /// A check that failed on the way.
    pub fault: Option<String>,
}

pub type Shared = Arc<Mutex<World>>;

impl World {
    pub fn new(seed: u64, bug: Bug) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let partitions = rng.random_range(1..=3);
        Self {
            clock: Clock::manual(Micros(1_700_000_000_000_000)),
            bug,
            calm: false,
            step: 0,
            log: Vec::new(),
            positions: HashMap::new(),
            follows: Vec::new(),
            store: BTreeMap::new(),
            late: Vec::new(),
            schemas: BTreeSet::new(),
            newest_schema: 1,
            latest: rng.random_bool(0.5),
            ends: (0..partitions).map(|_| rng.random_range(0..8)).collect(),
            owners: (0..partitions).map(|p| 1 << (p % 2)).collect(),
            said: Vec::new(),
            landings: BTreeMap::new(),
            jobs_done: Vec::new(),
            vacuumed: 0,
            next_id: 0,
            fault: None,
            rng,
        }
    }

    /// True in `per_mille` of the cases, and never once the world is calm.
    pub fn mishap(&mut self, per_mille: u32) -> bool {
        !self.calm && self.rng.random_range(0..1000) < per_mille
    }

    pub fn new_id(&mut self) -> Uuid {
        self.next_id += 1;
        Uuid::from_u128(self.next_id)
    }

    pub fn owned(&self, instance: usize) -> Vec<i32> {
        let owners = self.owners.iter().enumerate();
        owners
            .filter(|(_, owners)| **owners & (1 << instance) != 0)
            .map(|(partition, _)| partition as i32)
            .collect()
    }

    /// What the broker's log holds at a position, under a schema version.
    pub fn held(partition: i32, offset: i64, schema: u32) -> Held {
        let mixed = (partition as u64 * 1_000 + offset as u64 + 1)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29);
        match mixed % 10 {
            0 => Held::Hole,
            1 => Held::Skip,
            2 => Held::Reject,
            // A later version knows more: the verdict is another.
            3 | 4 if schema == 1 => Held::Reject,
            _ => Held::Row,
        }
    }

    /// Put if absent.
    pub fn put(&mut self, at: u64, what: Put) -> bool {
        let newest = match what {
            Put::Data(_) => self.log.len(),
            Put::Rejects(_) => self.follows.len(),
        };
        let free = newest as u64 + 1 == at;
        if free || self.is_blind(&what) {
            match what {
                Put::Data(commit) => {
                    self.positions.extend(commit.positions.iter().cloned());
                    self.log.push(*commit);
                }
                Put::Rejects(follow) => self.follows.push(follow),
            }
            return true;
        }
        false
    }

    fn is_blind(&self, what: &Put) -> bool {
        self.bug == Bug::BlindFollow && matches!(what, Put::Rejects(_))
    }

    /// Puts that were on their way and arrive now; all of them if `all`.
    pub fn arrive(&mut self, all: bool) {
        let mut i = 0;
        while i < self.late.len() {
            if all || self.late[i].due <= self.step {
                let put = self.late.swap_remove(i);
                self.put(put.at, put.what);
            } else {
                i += 1;
            }
        }
    }
}

/// Is pending so many times.
pub struct Yield(pub u32);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.0 == 0 {
            return Poll::Ready(());
        }
        self.0 -= 1;
        Poll::Pending
    }
}

/// An await at which others may run, and at which the caller may crash or freeze.
pub async fn pause(world: &Shared) {
    let times = world.lock().rng.random_range(0..3);
    Yield(times).await;
}

/// As `pause`, and others certainly may run.
pub async fn give_way(world: &Shared) {
    let times = world.lock().rng.random_range(1..4);
    Yield(times).await;
}
