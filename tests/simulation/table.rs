//! The table of the simulation: a log in memory, puts whose answers are lost or late.

use std::collections::HashMap;

use async_trait::async_trait;
use parking_lot::Mutex;
use rand::Rng;
use weir::error::{Error, Result};
use weir::lake::{Answer, Commit, LakeTable, Logged, Traces, View};
use weir::model::position::SourcePartition;

use crate::bugs::Bug;
use crate::world::{Follow, LatePut, Shared, World, pause};

pub struct SimTable {
    world: Shared,
    /// For [`Bug::StaleView`].
    remembered: Mutex<Option<HashMap<String, i64>>>,
}

impl SimTable {
    pub fn new(world: Shared) -> Self {
        Self {
            world,
            remembered: Mutex::default(),
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
                    rejects: commit.record.rejects.clone(),
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
            put(&mut world, at, commit)
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
        loop {
            pause(&self.world).await;
            let (version, data, newest, files) = {
                let mut world = self.world.lock();
                if world.mishap(30) {
                    return Err(no_answer());
                }
                let data = world.follows.last().map_or(0, |follow| follow.data);
                let newer = world.log.iter().skip(data as usize);
                let files: Vec<String> = newer
                    .flat_map(|commit| commit.record.rejects.iter().map(|file| file.path.clone()))
                    .collect();
                (world.follows.len(), data, world.log.len() as u64, files)
            };
            if data >= newest {
                return Ok(data);
            }
            pause(&self.world).await;
            let mut world = self.world.lock();
            let free = world.follows.len() == version || world.bug == Bug::BlindFollow;
            if free {
                let data = newest;
                world.follows.push(Follow { data, files });
                if world.mishap(50) {
                    return Err(no_answer());
                }
                return Ok(data);
            }
        }
    }

    async fn traces(&self, _: &[SourcePartition], _: bool) -> Result<Traces> {
        Ok(Traces::default())
    }

    async fn publish_schema(&self, version: u32, _text: &str) -> Result<()> {
        pause(&self.world).await;
        {
            let mut world = self.world.lock();
            if world.mishap(30) {
                return Err(no_answer());
            }
            world.schemas.insert(version);
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

/// One put, with everything that can become of it.
fn put(world: &mut World, at: u64, commit: &Commit) -> Answer {
    if world.mishap(60) {
        return Answer::Unknown(no_answer());
    }
    if world.mishap(80) {
        let due = world.step + world.rng.random_range(1..120);
        let commit = commit.clone();
        world.late.push(LatePut { due, at, commit });
        return Answer::Unknown(no_answer());
    }
    let landed = world.put(at, commit);
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
