//! The table of the simulation: a log in memory, puts whose answers are lost or late.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use parking_lot::Mutex;
use rand::Rng;
use weir::error::{Error, Result};
use weir::lake::follow::{Following, Limits, follow};
use weir::lake::{Answer, Commit, LakeTable, Logged, Traces, View};
use weir::model::ledger::RejectsFile;
use weir::model::position::{APP_ID_DATA, SourcePartition};

use crate::bugs::Bug;
use crate::world::{Follow, LatePut, Put, Shared, World, pause};

/// Small, so that each bound is met.
pub const LIMITS: Limits = Limits {
    commits: 4,
    files: 2,
    trail: 6,
};

pub struct SimTable {
    world: Shared,
    /// How far the rejects table was looked after; see `weir::lake::follow`.
    known: AtomicU64,
    /// For [`Bug::StaleView`].
    remembered: Mutex<Option<HashMap<String, i64>>>,
    /// For [`Bug::StaleFollow`].
    followed: Mutex<Option<i64>>,
}

impl SimTable {
    pub fn new(world: Shared) -> Self {
        Self {
            world,
            known: AtomicU64::new(0),
            remembered: Mutex::default(),
            followed: Mutex::default(),
        }
    }
}

impl std::fmt::Debug for SimTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SimTable")
    }
}

fn no_answer() -> Error {
    Error::unreachable("no answer")
}

#[async_trait]
impl LakeTable for SimTable {
    async fn view(&self) -> Result<View> {
        pause(&self.world).await;
        let view = {
            let mut world = self.world.lock();
            if world.mishap(30) {
                return Err(no_answer());
            }
            let mut view = View {
                version: world.log.len() as u64,
                positions: world.positions.clone(),
            };
            if world.bug == Bug::StaleView {
                let mut remembered = self.remembered.lock();
                match remembered.take() {
                    Some(old) => view.positions = old,
                    None => *remembered = Some(view.positions.clone()),
                }
            }
            view
        };
        pause(&self.world).await;
        Ok(view)
    }

    async fn commits_since(&self, after: u64, most: usize) -> Result<Vec<Logged>> {
        pause(&self.world).await;
        let commits = {
            let mut world = self.world.lock();
            if world.mishap(30) {
                return Err(no_answer());
            }
            let newer = world.log.iter().enumerate().skip(after as usize);
            newer
                .take(most)
                .map(|(i, commit)| Logged {
                    version: i as u64 + 1,
                    batch: Some(commit.record.batch),
                    instance: Some(commit.record.instance.clone()),
                    rejects: commit.record.rejects.clone(),
                    job: commit.record.job.clone(),
                })
                .collect()
        };
        pause(&self.world).await;
        Ok(commits)
    }

    async fn try_commit(&self, at: u64, commit: &Commit) -> Answer {
        pause(&self.world).await;
        let answer = {
            let mut world = self.world.lock();
            if world.bug == Bug::RejectsFirst && !commit.record.rejects.is_empty() {
                let files = commit.record.rejects.iter();
                let files = files.map(|file| file.path.clone()).collect();
                world.follows.push(Follow { data: at, files });
            }
            put(&mut world, at, Put::Data(Box::new(commit.clone())))
        };
        pause(&self.world).await;
        match answer {
            Answer::Unknown(_) if self.world.lock().bug == Bug::UnknownIsSuccess => {
                Answer::Committed(at)
            }
            answer => answer,
        }
    }

    async fn follow_rejects(&self) -> Result<u64> {
        let next = self.world.lock().bug.next();
        follow(self, &self.known, next, &LIMITS).await
    }

    async fn traces(&self, _: &[SourcePartition], _: bool) -> Result<Traces> {
        Ok(Traces::default())
    }

    async fn admit(&self, _: &SchemaRef) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    async fn publish_schema(&self, version: u32, _text: &str) -> Result<()> {
        pause(&self.world).await;
        {
            let mut world = self.world.lock();
            if world.mishap(30) {
                return Err(no_answer());
            }
            if world.bug != Bug::NoSchemaText {
                world.schemas.insert(version);
            }
        }
        pause(&self.world).await;
        Ok(())
    }

    async fn schema_text(&self, version: u32) -> Result<Option<String>> {
        pause(&self.world).await;
        let known = self.world.lock().schemas.contains(&version);
        Ok(known.then(|| version.to_string()))
    }

    async fn upkeep(&self) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl Following for SimTable {
    async fn rejects_view(&self) -> Result<View> {
        pause(&self.world).await;
        let view = {
            let mut world = self.world.lock();
            if world.mishap(30) {
                return Err(no_answer());
            }
            let data = world.follows.last().map(|follow| follow.data as i64);
            let data = match world.bug {
                Bug::StaleFollow => std::mem::replace(&mut *self.followed.lock(), data),
                _ => data,
            };
            View {
                version: world.follows.len() as u64,
                positions: data
                    .map(|data| (APP_ID_DATA.to_owned(), data))
                    .into_iter()
                    .collect(),
            }
        };
        pause(&self.world).await;
        Ok(view)
    }

    async fn data_commits_since(&self, after: u64, most: usize) -> Result<Vec<Logged>> {
        self.commits_since(after, most).await
    }

    async fn try_add(&self, at: u64, files: &[RejectsFile], data: u64) -> Answer {
        pause(&self.world).await;
        let files: Vec<String> = files.iter().map(|file| file.path.clone()).collect();
        let empty = files.is_empty();
        let follow = Put::Rejects(Follow { data, files });
        let (answer, bug) = {
            let mut world = self.world.lock();
            let answer = put(&mut world, at, follow);
            let what = match (&answer, empty) {
                (Answer::Committed(_), true) => "follow without files",
                (Answer::Committed(_), false) => "follow",
                (Answer::Conflict, _) => "follow conflict",
                (Answer::Unknown(_), _) => "follow unanswered",
            };
            *world.landings.entry(what).or_default() += 1;
            (answer, world.bug)
        };
        pause(&self.world).await;
        match (answer, bug) {
            (Answer::Unknown(_), Bug::FollowUnheardIsDone) => Answer::Committed(at),
            (Answer::Conflict, Bug::FollowConflictIsDone) => Answer::Committed(at),
            (answer, _) => answer,
        }
    }
}

/// One put, with everything that can become of it.
fn put(world: &mut World, at: u64, what: Put) -> Answer {
    if world.mishap(60) {
        return Answer::Unknown(no_answer());
    }
    if world.mishap(80) {
        let due = world.step + world.rng.random_range(1..120);
        world.late.push(LatePut { due, at, what });
        return Answer::Unknown(no_answer());
    }
    let landed = world.put(at, what);
    if world.mishap(60) {
        return Answer::Unknown(no_answer());
    }
    // The client lost the answer, put again by itself, and finds its own commit.
    if landed && !world.mishap(60) {
        Answer::Committed(at)
    } else {
        Answer::Conflict
    }
}
