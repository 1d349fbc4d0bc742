//! Which job is begun next, and by whom.
//!
//! Owns: the order of jobs, and the claim in front of each. Does not own: what a claim is
//! (`lake::claims`), when one is dead (`lease`).

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::bucket::Object;
use crate::clock::Tick;
use crate::error::{Error, Result};
use crate::jobs::lease::{BEAT, Beats, LEASE};
use crate::jobs::queue::Waiting;
use crate::jobs::results::Results;
use crate::jobs::watch::{Active, Watch};
use crate::jobs::work::{End, Wanted, work};
use crate::jobs::{Slot, StreamJobs};
use crate::lake::claims::Holder;
use crate::lake::jobs::LandedJobs;
use crate::model::job::{JobCounts, JobDocument, JobId, JobState};

/// `job.json`s that are read side by side.
const READ_AHEAD: usize = 16;

/// `job.json`s that are read before a job is begun.
const CHECKS: usize = 256;

/// Jobs that are tried before the watch looks around again.
const TRIES: usize = 16;

/// What became of the try to claim a job.
enum Claimed {
    /// It is ours, by this epoch, since then.
    Ours(Box<Waiting>, u32, Tick),
    /// It cannot be begun now.
    Waits(Box<Waiting>),
    /// There is nothing to begin.
    Gone,
}

impl Watch {
    /// True if a job could be begun, as far as is known.
    pub(super) fn has_startable(&mut self) -> bool {
        !self.startable(false, 1).is_empty() || !self.startable(true, 1).is_empty()
    }

    /// At most `most` jobs that nobody works on, the oldest drop first: those whose `job.json` was
    /// looked at, or the others.
    fn startable(&mut self, is_checked: bool, most: usize) -> Vec<JobId> {
        let now = self.shared.clock.tick();
        let (live, leases) = (&self.live, &mut self.leases);
        let free = self.waiting.in_order(is_checked).filter(|(job, waiting)| {
            let claim = live.get(job.as_str()).and_then(|live| live.claim.as_ref());
            let is_free = claim.is_none_or(|claim| leases.is_dead(job.as_str(), claim, now));
            is_free && waiting.after <= now
        });
        free.take(most).map(|(id, _)| id.clone()).collect()
    }

    /// Begins the next job that can be begun, in the place `slot`.
    pub(super) async fn start(&mut self, slot: Slot) -> Result<()> {
        self.forget_ended().await;
        for id in self.startable(true, TRIES) {
            let Some(waiting) = self.waiting.remove(&id) else {
                continue;
            };
            // What fails here is found again by the next listing.
            match self.claim(waiting).await? {
                Claimed::Ours(waiting, epoch, since) => {
                    self.begin(*waiting, epoch, since, slot);
                    return Ok(());
                }
                Claimed::Waits(waiting) => self.waiting.insert(*waiting),
                Claimed::Gone => {}
            }
        }
        Ok(())
    }

    /// Takes out the next jobs of which `job.json` says that they ended.
    async fn forget_ended(&mut self) {
        let unchecked = self.startable(false, CHECKS).into_iter();
        let unchecked = unchecked.filter_map(|id| {
            let key = &self.waiting.get(&id)?.job.key;
            let results = Results::of(&self.shared.bucket, key, &id);
            Some((id, results))
        });
        let unchecked: Vec<(JobId, Results)> = unchecked.collect();
        let shared = self.shared.clone();
        let mut read = futures::stream::iter(unchecked)
            .map(|(id, results)| async move { (id, results.read().await) })
            .buffer_unordered(READ_AHEAD);
        while let Some((id, document)) = read.next().await {
            let Some(mut waiting) = self.waiting.remove(&id) else {
                continue;
            };
            let document = match document {
                Ok(document) => document.filter(|d| d.id == id),
                Err(error) => {
                    // It holds up no other.
                    tracing::debug!(job = %id, %error, "job.json could not be read");
                    waiting.after = Tick(self.shared.clock.tick().0 + BEAT);
                    self.waiting.insert(waiting);
                    continue;
                }
            };
            if let Some(begun) = document.as_ref().filter(|d| !d.state.is_final()) {
                // What is told of it from now on keeps when it was found.
                self.shared.board.set(begun);
            }
            let document = document.filter(|d| d.state.is_final());
            let live = self.live.get(id.as_str());
            let holds = match &document {
                Some(document) => holds(document, &waiting, &*shared.landed.lock().await),
                None => false,
            };
            match document {
                Some(document) if live.is_none() && holds => {
                    self.shared.board.set(&document);
                    self.settled.insert(id, waiting.job.modified_ns);
                }
                document => {
                    let is_asked = live.is_some_and(|live| live.retries);
                    waiting.is_again = is_asked || document.is_some() && !holds;
                    waiting.is_checked = true;
                    self.tell(&waiting, None);
                    self.waiting.insert(waiting);
                }
            }
        }
    }

    /// Claims a job, if that can be.
    async fn claim(&mut self, mut waiting: Waiting) -> Result<Claimed> {
        let shared = self.shared.clone();
        let id = waiting.job.id.clone();
        {
            // Behind the look at the claims: what ended since is in the ledger, or in its job.json.
            let mut landed = shared.landed.lock().await;
            landed.look(&shared.store, shared.stream()).await?;
            let is_live = self.live.contains_key(id.as_str());
            let has_landed = landed.by_id(id.as_str()).is_some();
            drop(landed);
            if has_landed && !is_live && !self.is_told_otherwise(&waiting).await? {
                shared.board.forget(&id);
                return Ok(Claimed::Gone);
            }
        }
        let live = self.live.get(id.as_str()).cloned().unwrap_or_default();
        if waiting.job.is_reload && shared.claims.retry(&id).await?.is_none() {
            // Somebody saw to it.
            shared.board.forget(&id);
            return Ok(Claimed::Gone);
        }
        if waiting.is_again && !live.retries && self.ended_since(&waiting).await? {
            return Ok(Claimed::Gone);
        }
        let epoch = live.claim.as_ref().map_or(0, |claim| claim.epoch) + 1;
        // One that was begun is brought to its end, which says what became of the drop.
        if epoch == 1 && !live.aborts && !self.is_as_it_was(&waiting).await? {
            self.call_off(&waiting).await?;
            return Ok(Claimed::Gone);
        }
        let is_whole =
            waiting.job.fault.is_some() || live.aborts || self.gather(&mut waiting).await?;
        if !is_whole {
            return Ok(Claimed::Waits(Box::new(waiting)));
        }
        let holder = Holder {
            instance: shared.instance.clone(),
            process: shared.process.clone(),
            key: waiting.job.key.to_string(),
        };
        // Others may see the claim long before its answer is here.
        let since = shared.clock.tick();
        if !shared.claims.take(&id, epoch, &holder).await? {
            // Somebody was faster: seen with the next look.
            waiting.after = Tick(shared.clock.tick().0 + BEAT);
            waiting.is_checked = false;
            return Ok(Claimed::Waits(Box::new(waiting)));
        }
        Ok(Claimed::Ours(Box::new(waiting), epoch, since))
    }

    /// True if another instance brought a job to its end that was to be tried again.
    async fn ended_since(&mut self, waiting: &Waiting) -> Result<bool> {
        let job = &waiting.job;
        let results = Results::of(&self.shared.bucket, &job.key, &job.id);
        let document = results.read().await?;
        let ended = document.filter(|d| d.id == job.id && d.state.is_final());
        let landed = self.shared.landed.lock().await;
        let Some(document) = ended.filter(|document| holds(document, waiting, &landed)) else {
            return Ok(false);
        };
        drop(landed);
        self.shared.board.set(&document);
        self.settled.insert(job.id.clone(), job.modified_ns);
        Ok(true)
    }

    /// True if the result of a job that landed says that it did not: whoever was taken for dead landed
    /// it behind that.
    async fn is_told_otherwise(&self, waiting: &Waiting) -> Result<bool> {
        let job = &waiting.job;
        let results = Results::of(&self.shared.bucket, &job.key, &job.id);
        let document = results.read().await?.filter(|d| d.id == job.id);
        Ok(document.is_some_and(|d| d.state.is_final() && d.state != JobState::JobComplete))
    }

    /// False if the drop is gone, or is another one now.
    async fn is_as_it_was(&self, waiting: &Waiting) -> Result<bool> {
        let now = self.shared.bucket.look(&waiting.job.key).await?;
        Ok(now.is_some_and(|now| now.drop_identity() == waiting.job.identity))
    }

    /// Ends a job of which only `job.json` was begun, since its drop is gone or another one.
    async fn call_off(&self, waiting: &Waiting) -> Result<()> {
        let job = &waiting.job;
        self.shared.board.forget(&job.id);
        let results = Results::of(&self.shared.bucket, &job.key, &job.id);
        let document = results.read().await?;
        if let Some(mut document) = document.filter(|d| d.id == job.id && !d.state.is_final()) {
            document.state = JobState::Failed;
            document.reason = Some(format!(
                "{} was deleted or changed before it was read",
                job.key
            ));
            document.finished_at = Some(self.shared.now());
            results.write(&document).await?;
            self.shared.board.set(&document);
        }
        Ok(())
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
            let Some(object) = self.shared.bucket.look(key).await? else {
                // The others are asked for once this one is there.
                missing = Some(key.clone());
                break;
            };
            // One that was begun by itself is brought to its end first.
            let own = JobId::of(self.shared.stream(), key, &object.identity(), 0);
            let live = self.live.get(own.as_str());
            let is_begun = live.is_some_and(|live| live.claim.is_some());
            let still = Some(object).filter(|object| {
                let is_still = gathering.still.get(key) == Some(&object.identity())
                    || gathering
                        .settling
                        .holds_still(object, false, now, self.sweep);
                if is_still && !is_begun {
                    gathering.still.insert(key.clone(), object.identity());
                }
                is_still && !is_begun
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
        let id = &waiting.job.id;
        let results = Results::of(&self.shared.bucket, &waiting.job.key, id);
        let before = match self.shared.board.get(id.as_str()) {
            Some(before) => Some(before),
            None => results.read().await.ok().flatten(),
        };
        let before = before.filter(|before| before.id == *id && !before.state.is_final());
        let mut document = JobDocument {
            state: JobState::Open,
            reason: Some(reason),
            ..self.shared.new_document(&waiting.job)
        };
        if let Some(before) = &before {
            // It was found then, whatever it waited for.
            document.created_at.clone_from(&before.created_at);
        }
        self.shared.board.set(&document);
        if before.is_some_and(|before| before.reason == document.reason) {
            return;
        }
        if let Err(error) = results.write(&document).await {
            tracing::warn!(job = %waiting.job.id, %error, "job.json could not be written");
        }
    }

    /// Begins a job that is claimed.
    fn begin(&mut self, waiting: Waiting, epoch: u32, since: Tick, slot: Slot) {
        let id = waiting.job.id.clone();
        let is_aborted = self.live.get(id.as_str()).is_some_and(|live| live.aborts);
        let (wanted, receiver) = watch::channel(match is_aborted {
            true => Wanted::Abort,
            false => Wanted::Work,
        });
        let shared = self.shared.clone();
        let wants = self.live.get(id.as_str()).is_some_and(|live| live.retries);
        let is_asked = waiting.is_again || waiting.job.is_reload || wants;
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
                is_lost: false,
                wanted,
            },
        );
        self.works.spawn(async move {
            let _slot = slot;
            let last = Arc::new(Mutex::new(since));
            let beats = tokio::spawn(beat(shared.clone(), id.clone(), epoch, last.clone()));
            let beats = Beats::new(last, beats.abort_handle());
            let done = tokio::spawn(work(shared, job, receiver, is_asked, beats)).await;
            let end = done.unwrap_or_else(|e| {
                End::Later(Error::internal("the work on a job died").because(e))
            });
            (id, end)
        });
    }
}

/// Shows that a job is worked on, until it is called off or the lease has run out.
async fn beat(shared: Arc<StreamJobs>, job: JobId, epoch: u32, last: Arc<Mutex<Tick>>) {
    let mut count = 0;
    loop {
        shared.clock.sleep(BEAT).await;
        count += 1;
        let now = shared.clock.tick();
        if now.since(*last.lock()) >= LEASE {
            // Slept through: others may have it, and a late heartbeat wins nothing back.
            return;
        }
        match shared.claims.beat(&job, epoch, count).await {
            Ok(()) => *last.lock() = now,
            Err(error) => tracing::debug!(%job, %error, "a heartbeat could not be written"),
        }
    }
}

/// True if nothing is to be done of a drop whose job ended as `document` says: it did not come again
/// since, and the table's ledger, which decides, says nothing else of it.
fn holds(document: &JobDocument, waiting: &Waiting, landed: &LandedJobs) -> bool {
    let has_landed = landed.by_id(document.id.as_str()).is_some();
    let is_true = match document.state {
        JobState::JobComplete => has_landed || document.counts == JobCounts::default(),
        _ => !has_landed,
    };
    is_true && !is_older(document, waiting)
}

/// True if the drop came again after the job had ended without landing: it is tried anew.
fn is_older(document: &JobDocument, waiting: &Waiting) -> bool {
    let ended = document.finished_at.as_ref();
    let ended = ended.and_then(|at| at.parse::<jiff::Timestamp>().ok());
    document.state != JobState::JobComplete
        && ended.is_some_and(|at| at.as_nanosecond() < waiting.job.modified_ns)
}
