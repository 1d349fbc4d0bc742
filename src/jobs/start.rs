//! Which job is begun next, and by whom.
//!
//! Owns: the order of jobs, and the claim in front of each. Does not own: what a claim is
//! (`lake::claims`), when one is dead (`lease`).

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use tokio::sync::watch;

use crate::bucket::Object;
use crate::clock::Tick;
use crate::error::{Error, Result};
use crate::jobs::lease::BEAT;
use crate::jobs::results::Results;
use crate::jobs::watch::{Active, Waiting, Watch};
use crate::jobs::work::{End, Wanted, work};
use crate::jobs::{Slot, StreamJobs};
use crate::model::job::{JobDocument, JobId, JobState};

/// `job.json`s that are read side by side.
const READ_AHEAD: usize = 16;

impl Watch {
    /// True if a job could be begun, as far as is known.
    pub(super) fn has_startable(&mut self) -> bool {
        !self.startable().is_empty()
    }

    /// Jobs that nobody works on, the oldest drop first.
    fn startable(&mut self) -> Vec<JobId> {
        let now = self.shared.clock.tick();
        let (live, leases) = (&self.live, &mut self.leases);
        let free = self.waiting.iter().filter(|(job, waiting)| {
            let claim = live.get(job.as_str()).and_then(|live| live.claim.as_ref());
            let is_free = claim.is_none_or(|claim| leases.is_dead(job.as_str(), claim, now));
            is_free && waiting.after <= now
        });
        let mut free: Vec<_> = free
            .map(|(id, waiting)| (waiting.job.modified_ns, waiting.job.key.clone(), id.clone()))
            .collect();
        free.sort();
        free.into_iter().map(|(_, _, id)| id).collect()
    }

    /// Begins the next job that can be begun, in the place `slot`.
    pub(super) async fn start(&mut self, slot: Slot) -> Result<()> {
        self.forget_ended().await?;
        for id in self.startable() {
            if let Some(waiting) = self.waiting.remove(&id) {
                match self.claim(waiting).await {
                    Ok(Ok((waiting, epoch))) => {
                        self.begin(waiting, epoch, slot);
                        return Ok(());
                    }
                    Ok(Err(waiting)) => {
                        if let Some(waiting) = waiting {
                            self.waiting.insert(id, waiting);
                        }
                    }
                    Err(error) => {
                        // It is found again by the next listing.
                        return Err(error);
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes out the jobs of which `job.json` says that they ended, or that the ledger knows.
    async fn forget_ended(&mut self) -> Result<()> {
        let startable = self.startable();
        let unchecked: Vec<(JobId, Results)> = startable
            .into_iter()
            .filter_map(|id| {
                let waiting = self.waiting.get(&id).filter(|w| !w.is_checked)?;
                let results = Results::of(&self.shared.bucket, &waiting.job.key, &id);
                Some((id, results))
            })
            .collect();
        let mut read = futures::stream::iter(unchecked)
            .map(|(id, results)| async move { (id, results.read().await) })
            .buffer_unordered(READ_AHEAD);
        while let Some((id, document)) = read.next().await {
            let ended = document?.filter(|d| d.id == id && d.state.is_final());
            let is_asked = self.retried.contains(&id) || self.live.contains_key(id.as_str());
            match ended {
                Some(document) if !is_asked => {
                    self.waiting.remove(&id);
                    self.shared.board.set(&document);
                    self.settled.insert(id);
                }
                _ => {
                    if let Some(waiting) = self.waiting.get_mut(&id) {
                        waiting.is_checked = true;
                    }
                }
            }
        }
        Ok(())
    }

    /// Claims a job; gives it back, or drops it, where that cannot be.
    #[allow(clippy::type_complexity, reason = "claimed, or what is left to wait")]
    async fn claim(
        &mut self,
        mut waiting: Waiting,
    ) -> Result<Result<(Waiting, u32), Option<Waiting>>> {
        let shared = self.shared.clone();
        let id = waiting.job.id.clone();
        {
            // Behind the look at the claims: what ended since is in the ledger, or in its job.json.
            let mut landed = shared.landed.lock().await;
            landed.look(&shared.store, shared.stream()).await?;
            let is_live = self.live.contains_key(id.as_str());
            if landed.by_id(id.as_str()).is_some() && !is_live {
                shared.board.forget(&id);
                return Ok(Err(None));
            }
        }
        let is_whole = match waiting.gathering.is_some() {
            true => waiting.job.fault.is_some() || self.gather(&mut waiting).await?,
            false => true,
        };
        if !is_whole {
            return Ok(Err(Some(waiting)));
        }
        if waiting.gathering.is_none() && !self.is_as_it_was(&waiting).await? {
            shared.board.forget(&id);
            return Ok(Err(None));
        }
        let before = self
            .live
            .get(id.as_str())
            .and_then(|live| live.claim.as_ref());
        let epoch = before.map_or(0, |claim| claim.epoch) + 1;
        if !shared.claims.take(&id, epoch, &shared.holder).await? {
            // Somebody was faster: seen with the next look.
            waiting.after = Tick(shared.clock.tick().0 + BEAT);
            waiting.is_checked = false;
            return Ok(Err(Some(waiting)));
        }
        if self.retried.contains(&id) && !waiting.job.is_reload {
            shared.claims.forget_retry(&id).await?;
        }
        Ok(Ok((waiting, epoch)))
    }

    /// False if the drop is gone, or is another one now.
    async fn is_as_it_was(&self, waiting: &Waiting) -> Result<bool> {
        let now = self.shared.bucket.look(&waiting.job.key).await?;
        Ok(now.is_some_and(|now| now.identity() == waiting.job.identity))
    }

    /// Finds the files of a manifest; false while one is missing or does not hold still.
    async fn gather(&self, waiting: &mut Waiting) -> Result<bool> {
        let now = self.shared.clock.tick();
        let Some(gathering) = &mut waiting.gathering else {
            return Ok(true);
        };
        let mut files: Vec<Object> = Vec::with_capacity(gathering.manifest.files.len());
        let mut missing = None;
        for key in &gathering.manifest.files {
            let object = self.shared.bucket.look(key).await?;
            let still = object.filter(|object| {
                let is_still = gathering.still.get(key) == Some(&object.identity())
                    || gathering
                        .settling
                        .holds_still(object, false, now, self.sweep);
                if is_still {
                    gathering.still.insert(key.clone(), object.identity());
                }
                is_still
            });
            match still {
                Some(object) => files.push(object),
                None => missing = missing.or(Some(key.clone())),
            }
        }
        let Some(missing) = missing else {
            waiting.job.files = files;
            return Ok(true);
        };
        let next = gathering
            .settling
            .next()
            .map_or(Duration::ZERO, |at| at.since(now));
        let wait = match next.is_zero() {
            true => self.shared.bucket.poll,
            false => next,
        };
        waiting.after = Tick(now.0 + wait);
        self.open(waiting, format!("waits for {missing}")).await;
        Ok(false)
    }

    /// Says that a manifest waits for a file.
    async fn open(&self, waiting: &Waiting, reason: String) {
        let document = JobDocument {
            state: JobState::Open,
            reason: Some(reason),
            ..self.shared.new_document(&waiting.job)
        };
        let before = self.shared.board.get(waiting.job.id.as_str());
        self.shared.board.set(&document);
        if before.is_some_and(|before| before.reason == document.reason) {
            return;
        }
        let results = Results::of(&self.shared.bucket, &waiting.job.key, &waiting.job.id);
        if let Err(error) = results.write(&document).await {
            tracing::warn!(job = %waiting.job.id, %error, "job.json could not be written");
        }
    }

    /// Begins a job that is claimed.
    fn begin(&mut self, waiting: Waiting, epoch: u32, slot: Slot) {
        let id = waiting.job.id.clone();
        let is_aborted = self.live.get(id.as_str()).is_some_and(|live| live.aborts);
        let (wanted, receiver) = watch::channel(match is_aborted {
            true => Wanted::Abort,
            false => Wanted::Work,
        });
        let shared = self.shared.clone();
        let job = Arc::new(waiting.job.clone());
        tracing::info!(
            stream = shared.stream(), job = %id, key = &*job.key, epoch,
            bytes = job.files.iter().map(|file| file.size).sum::<u64>(), "job begins"
        );
        self.active.insert(
            id.clone(),
            Active {
                waiting,
                epoch,
                wanted,
            },
        );
        self.works.spawn(async move {
            let _slot = slot;
            let beats = tokio::spawn(beat(shared.clone(), id.clone(), epoch));
            let done = tokio::spawn(work(shared, job, receiver)).await;
            beats.abort();
            let end = done.unwrap_or_else(|e| {
                End::Later(Error::internal("the work on a job died").because(e))
            });
            (id, end)
        });
    }
}

/// Shows that a job is worked on, until it is called off.
async fn beat(shared: Arc<StreamJobs>, job: JobId, epoch: u32) {
    let mut count = 0;
    loop {
        count += 1;
        if let Err(error) = shared.claims.beat(&job, epoch, count).await {
            tracing::debug!(%job, %error, "a heartbeat could not be written");
        }
        shared.clock.sleep(BEAT).await;
    }
}
