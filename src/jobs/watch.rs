//! The watch over one stream's drops: when it looks, and what this instance works on.
//!
//! Owns: the loop, and the work under way. Does not own: what is found (`look`), what is begun
//! (`start`), the work itself (`work`).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::bucket::events::Events;
use crate::bucket::listing::Cursor;
use crate::bucket::settle::Settling;
use crate::clock::Tick;
use crate::error::{Error, Result};
use crate::jobs::StreamJobs;
use crate::jobs::drops::Manifest;
use crate::jobs::lease::{BEAT, Leases};
use crate::jobs::queue::{Queue, Waiting};
use crate::jobs::work::{End, Wanted};
use crate::lake::claims::{LiveJob, Standing};
use crate::model::job::{Identity, JobId};
use crate::shutdown::{Phase, Shutdown};

/// How long changes of a folder are gathered before it is looked at.
const GATHER: Duration = Duration::from_millis(100);

/// First and longest wait before a job that could not go on is tried again.
const AGAIN: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(120));

/// A job that is worked on here.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) waiting: Waiting,
    pub(super) epoch: u32,
    /// True once another instance has it.
    pub(super) is_lost: bool,
    pub(super) wanted: watch::Sender<Wanted>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) shared: Arc<StreamJobs>,
    pub(super) prefix: String,
    pub(super) events: Events,
    pub(super) settling: Settling,
    pub(super) cursor: Cursor,
    pub(super) sweep: u64,
    /// What was read of each manifest, by its key.
    pub(super) manifests: HashMap<Arc<str>, (Identity, Arc<Manifest>)>,
    /// Jobs that ended, and when their drops were last changed.
    pub(super) settled: HashMap<JobId, i128>,
    /// Jobs under way whose drops the sweep has seen.
    pub(super) there: HashSet<JobId>,
    /// Manifests that the sweep has seen.
    pub(super) seen_manifests: HashSet<Arc<str>>,
    pub(super) waiting: Queue,
    pub(super) active: HashMap<JobId, Active>,
    pub(super) works: JoinSet<(JobId, End)>,
    pub(super) live: HashMap<String, LiveJob>,
    pub(super) leases: Leases,
    pub(super) told: HashSet<String>,
    live_looks: u64,
    /// When the bucket was last listed.
    listed: Option<Tick>,
    /// When the claims were last looked at.
    looked: Option<Tick>,
    trouble: Option<String>,
}

impl Watch {
    pub(super) fn new(shared: Arc<StreamJobs>) -> Self {
        let prefix = shared.bulk.prefix.clone();
        Self {
            events: Events::of(&shared.bucket, &prefix),
            settling: Settling::new(shared.bucket.settle),
            prefix,
            cursor: None,
            sweep: 0,
            manifests: HashMap::new(),
            settled: HashMap::new(),
            there: HashSet::new(),
            seen_manifests: HashSet::new(),
            waiting: Queue::default(),
            active: HashMap::new(),
            works: JoinSet::new(),
            live: HashMap::new(),
            leases: Leases::default(),
            told: HashSet::new(),
            live_looks: 0,
            listed: None,
            looked: None,
            trouble: None,
            shared,
        }
    }

    pub(super) async fn run(mut self, mut shutdown: Shutdown) {
        while !shutdown.is_stopping() {
            let looked = self.look_if_due().await;
            self.note(looked.err());
            let (shared, pause) = (self.shared.clone(), self.pause());
            let mut slot = None;
            if self.has_startable() {
                // Either a place, or something else that is to be seen to first.
                tokio::select! {
                    biased;
                    () = shutdown.reached(Phase::Draining) => break,
                    place = shared.slots.take() => slot = place,
                    Some(done) = self.works.join_next() => self.ended(done).await,
                    () = shared.clock.sleep(pause) => {}
                }
            } else {
                tokio::select! {
                    biased;
                    () = shutdown.reached(Phase::Draining) => break,
                    Some(done) = self.works.join_next() => self.ended(done).await,
                    () = self.events.changed(&shared.clock) => {
                        shared.clock.sleep(GATHER).await;
                        self.listed = None;
                    }
                    () = shared.clock.sleep(pause) => {}
                }
            }
            if let Some(slot) = slot {
                let started = self.start(slot).await;
                self.note(started.err());
            }
        }
        self.leave().await;
    }

    /// Ends the work under way, as far as it was staged.
    async fn leave(&mut self) {
        for active in self.active.values() {
            active.wanted.send_replace(Wanted::Leave);
        }
        while let Some(done) = self.works.join_next().await {
            self.ended(done).await;
        }
    }

    async fn look_if_due(&mut self) -> Result<()> {
        let now = self.shared.clock.tick();
        let is_due = |last: Option<Tick>, every| last.is_none_or(|last| now.since(last) >= every);
        let settles = self.settling.next().is_some_and(|at| now >= at);
        let lists = is_due(self.listed, self.shared.bucket.poll) || settles;
        if lists || is_due(self.looked, self.beat()) {
            let is_first = self.live_looks == 0;
            self.looked = Some(now);
            self.live = self.shared.claims.live().await?;
            if is_first {
                self.find_own().await?;
            }
            self.live_looks += 1;
            self.heed();
        }
        if lists {
            self.listed = Some(now);
            self.list().await?;
        }
        Ok(())
    }

    /// How often the claims are looked at.
    fn beat(&self) -> Duration {
        match self.waiting.is_empty() && self.active.is_empty() {
            true => self.shared.bucket.poll,
            false => BEAT.min(self.shared.bucket.poll),
        }
    }

    /// How long until something is due.
    fn pause(&self) -> Duration {
        let now = self.shared.clock.tick();
        let left = |last: Option<Tick>, every: Duration| {
            last.map_or(Duration::ZERO, |last| every.saturating_sub(now.since(last)))
        };
        let pause = left(self.listed, self.shared.bucket.poll).min(left(self.looked, self.beat()));
        let settled = self.settling.next().map(|at| at.since(now));
        let waits = self.waiting.all().map(|waiting| waiting.after.since(now));
        let waits = waits.filter(|wait| !wait.is_zero()).min();
        let pause = [settled, waits]
            .into_iter()
            .flatten()
            .fold(pause, Duration::min);
        pause.max(Duration::from_millis(10))
    }

    /// The claims of this instance's process before, which is gone: they are not waited for.
    async fn find_own(&mut self) -> Result<()> {
        for (job, live) in &self.live {
            let Some(claim) = &live.claim else { continue };
            let id = JobId::from_text(job);
            let holder = self.shared.claims.holder(&id, claim.epoch).await?;
            if holder.is_some_and(|holder| holder.instance == self.shared.instance) {
                self.leases.leave(job, claim.epoch);
            }
        }
        Ok(())
    }

    /// Passes on what the claims say to the work under way.
    fn heed(&mut self) {
        for (job, active) in &mut self.active {
            let live = self.live.get(job.as_str());
            let is_ours = |claim: &Standing| claim.epoch == active.epoch && claim.is_made;
            if !live.is_some_and(|live| live.claim.as_ref().is_some_and(is_ours)) {
                // It ended here a moment ago, or another instance has it.
                tracing::debug!(stream = self.shared.stream(), %job, "the claim on a job is gone");
                active.is_lost = true;
                active.wanted.send_replace(Wanted::Leave);
            } else if live.is_some_and(|live| live.aborts) {
                active.wanted.send_if_modified(|wanted| {
                    let is_new = *wanted == Wanted::Work;
                    if is_new {
                        *wanted = Wanted::Abort;
                    }
                    is_new
                });
            }
        }
    }

    async fn ended(&mut self, done: Result<(JobId, End), tokio::task::JoinError>) {
        // The work's own task is watched by the one that joins here, which does not die.
        let Ok((job, end)) = done else { return };
        let Some(active) = self.active.remove(&job) else {
            return;
        };
        let mut waiting = active.waiting;
        let now = self.shared.clock.tick();
        match end {
            End::Ended(_) => {
                self.live.remove(job.as_str());
                self.settled.insert(job, waiting.job.modified_ns);
                return;
            }
            End::Left => waiting.after = Tick(now.0 + AGAIN.0),
            End::Later(error) => {
                waiting.failures += 1;
                waiting.is_checked = false;
                let wait = AGAIN.0 * 2u32.saturating_pow(waiting.failures.min(16) - 1);
                waiting.after = Tick(now.0 + wait.min(AGAIN.1));
                tracing::warn!(
                    stream = self.shared.stream(), %job, key = &*waiting.job.key,
                    failures = waiting.failures, %error, "the job could not go on; it is tried again"
                );
                self.tell(&waiting, Some(error.to_string()));
            }
        }
        if !active.is_lost
            && let Err(error) = self.shared.claims.release(&job, active.epoch).await
        {
            tracing::debug!(%job, %error, "a claim could not be given back; it runs out");
        }
        self.live.remove(job.as_str());
        self.looked = None;
        self.waiting.insert(waiting);
    }

    /// Says once that the drops cannot be looked at, and that they can again.
    fn note(&mut self, error: Option<Error>) {
        let told = error.map(|error| error.to_string());
        if told == self.trouble {
            return;
        }
        let stream = self.shared.stream();
        match &told {
            Some(error) => tracing::warn!(stream, error, "drops cannot be looked for; tried again"),
            None => tracing::info!(stream, "drops can be looked for again"),
        }
        self.shared.board.set_trouble(stream, told.clone());
        self.trouble = told;
    }
}
