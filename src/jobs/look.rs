//! What a listing shows: new drops, and what became of others.
//!
//! Owns: which objects become jobs. An object of a job that is in the ledger is done; one that this
//! instance knows is seen to elsewhere; one that a manifest names is the manifest's.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::bucket::Object;
use crate::bucket::listing::Piece;
use crate::bucket::names::{self, Kind};
use crate::bucket::settle::Settling;
use crate::clock::Tick;
use crate::config::After;
use crate::error::Result;
use crate::jobs::drops::{JobDrop, Manifest};
use crate::jobs::queue::{Gathering, Waiting};
use crate::jobs::results::Results;
use crate::jobs::watch::Watch;
use crate::lake::jobs::LandedJobs;
use crate::model::job::{JobDocument, JobId, JobState};

/// What a listing brings.
#[derive(Default)]
struct Found {
    files: Vec<Object>,
    manifests: Vec<Object>,
    /// Manifests that are not known yet: what is beside them may be theirs.
    unread: Vec<Arc<str>>,
}

impl Watch {
    /// Lists the bucket, and takes in what is new.
    pub(super) async fn list(&mut self) -> Result<()> {
        {
            let shared = self.shared.clone();
            let mut landed = shared.landed.lock().await;
            landed.look(&shared.store, shared.stream()).await?;
        }
        let moved = self.events.moved();
        if self.cursor.is_none() {
            self.there.clear();
            self.seen_manifests.clear();
        }
        let mut listing = self.shared.bucket.list(&self.prefix, self.cursor.take());
        self.sweep += 1;
        let mut found = Found::default();
        while let Some(piece) = listing.next().await? {
            self.take_in(piece, &moved, &mut found).await;
        }
        self.cursor = listing.cursor();
        let mut held_back = std::mem::take(&mut found.unread);
        for manifest in std::mem::take(&mut found.manifests) {
            let key = manifest.key.clone();
            if let Err(error) = self.manifest(manifest).await {
                if self.told.insert(key.to_string()) {
                    tracing::warn!(stream = self.shared.stream(), key = &*key, %error, "a manifest cannot be read; the files beside it wait");
                }
                held_back.push(key);
            }
        }
        let named: HashSet<Arc<str>> = self
            .manifests
            .values()
            .flat_map(|(_, manifest)| manifest.files.iter().cloned())
            .collect();
        for file in found.files {
            let folder = |key: &str| key.rfind('/').map_or(0, |slash| slash + 1);
            let is_beside = |key: &Arc<str>| file.key.starts_with(&key[..folder(key)]);
            let waits = held_back.iter().any(is_beside);
            let job = JobDrop::of_file(self.shared.stream(), file, 0);
            // One that was begun by itself is brought to its end, whatever names it since.
            let is_begun = self.live.contains_key(job.id.as_str());
            if is_begun || !waits && !named.contains(&job.key) {
                self.add(job, None);
            }
        }
        self.requests().await?;
        if self.cursor.is_none() {
            self.settling.end_sweep(self.sweep);
            let seen = &self.seen_manifests;
            self.manifests.retain(|key, _| seen.contains(key));
            self.clear_leftovers().await?;
        }
        Ok(())
    }

    async fn take_in(&mut self, piece: Piece, moved: &HashSet<String>, found: &mut Found) {
        for key in piece.unreadable {
            if self.told.insert(key.clone()) {
                tracing::warn!(
                    stream = self.shared.stream(),
                    ?key,
                    "a key that cannot be read by is passed over; give the object another name"
                );
            }
        }
        for key in piece.too_long {
            if self.told.insert(key.to_string()) {
                tracing::warn!(
                    stream = self.shared.stream(),
                    ?key,
                    "a drop is passed over: the bucket takes no names as long as those of its results would be; give it a shorter one"
                );
            }
            if names::kind(&key) == Kind::Manifest {
                found.unread.push(key);
            }
        }
        let shared = self.shared.clone();
        let landed = shared.landed.lock().await;
        let now = shared.clock.tick();
        for object in piece.objects {
            let kind = names::kind(&object.key);
            if kind == Kind::Other {
                continue;
            }
            let identity = match kind {
                Kind::Manifest => object.identity_as_manifest(),
                _ => object.identity(),
            };
            let job = JobId::of(shared.stream(), &object.key, &identity, 0);
            let is_live = self.live.contains_key(job.as_str());
            let is_known =
                self.is_seen_to(&landed, &job, object.modified_ns) || self.waiting.contains(&job);
            if is_live {
                self.there.insert(job);
            }
            if kind == Kind::Manifest {
                self.seen_manifests.insert(object.key.clone());
                let was_read = self
                    .manifests
                    .get(&object.key)
                    .is_some_and(|(identity, _)| *identity == object.drop_identity());
                if was_read && is_known {
                    continue;
                }
                if is_known || self.is_still(&object, moved, now) {
                    found.manifests.push(object);
                } else if !was_read {
                    found.unread.push(object.key);
                }
            } else if !is_known && self.is_still(&object, moved, now) {
                found.files.push(object);
            }
        }
    }

    /// True if the job of a drop is at its end, or somebody here works on it.
    fn is_seen_to(&self, landed: &LandedJobs, job: &JobId, modified_ns: i128) -> bool {
        // One that landed and is under way has its result to be written yet.
        let is_live = self.live.contains_key(job.as_str());
        let has_landed = landed.by_id(job.as_str()).is_some() && !is_live;
        has_landed || self.is_settled(job, modified_ns) || self.active.contains_key(job)
    }

    /// True if the job ended, and neither was its drop changed since nor does an operator want it again.
    fn is_settled(&self, job: &JobId, modified_ns: i128) -> bool {
        let wants = self.live.get(job.as_str()).is_some_and(|live| live.retries);
        let ended = self.settled.get(job);
        ended.is_some_and(|at| modified_ns <= *at) && !wants
    }

    fn is_still(&mut self, object: &Object, moved: &HashSet<String>, now: Tick) -> bool {
        let moved = moved.contains(&*object.key);
        self.settling.holds_still(object, moved, now, self.sweep)
    }

    /// Reads a manifest, also of a job that is done: its files are no jobs of their own.
    async fn manifest(&mut self, object: Object) -> Result<()> {
        let bytes = self.shared.bucket.get(&object.key).await?;
        let Some(bytes) = bytes else {
            return Ok(());
        };
        let manifest = Arc::new(Manifest::read(&object.key, &bytes, &self.shared.bulk));
        let identity = object.drop_identity();
        self.manifests
            .insert(object.key.clone(), (identity, manifest.clone()));
        // Those that wait by themselves are not begun, and never will be.
        for file in self.waiting.drop_files(&manifest.files) {
            self.shared.board.forget(&file);
        }
        let job = JobDrop::of_manifest(self.shared.stream(), &object, &manifest, 0);
        let landed = self.shared.landed.lock().await;
        let is_seen_to = self.is_seen_to(&landed, &job.id, object.modified_ns);
        drop(landed);
        if !is_seen_to {
            self.add(job, Some(manifest));
        }
        Ok(())
    }

    /// A drop waits for its turn.
    fn add(&mut self, job: JobDrop, manifest: Option<Arc<Manifest>>) {
        let waiting = Waiting {
            job,
            gathering: manifest.map(|manifest| Gathering {
                manifest,
                settling: Settling::new(self.shared.bucket.settle),
                still: HashMap::new(),
            }),
            after: Tick::default(),
            failures: 0,
            is_checked: false,
            is_again: false,
        };
        self.waiting.insert(waiting);
    }

    /// What HTTP tells of a job that waits.
    pub(super) fn tell(&self, waiting: &Waiting, reason: Option<String>) {
        let lacks_files = waiting.job.files.is_empty() && waiting.job.fault.is_none();
        let before = self.shared.board.get(waiting.job.id.as_str());
        let mut document = JobDocument {
            state: match lacks_files {
                true => JobState::Open,
                false => JobState::UploadComplete,
            },
            reason,
            ..self.shared.new_document(&waiting.job)
        };
        if let Some(before) = before.filter(|before| !before.state.is_final()) {
            document.created_at = before.created_at;
        }
        self.shared.board.set(&document);
    }

    /// What operators ask of jobs that ended.
    async fn requests(&mut self) -> Result<()> {
        let asked: Vec<JobId> = self
            .live
            .iter()
            .filter(|(_, live)| live.retries)
            .map(|(job, _)| JobId::from_text(job))
            .filter(|job| !self.waiting.contains(job) && !self.active.contains_key(job))
            .collect();
        for job in asked {
            let Some(retry) = self.shared.claims.retry(&job).await? else {
                continue;
            };
            let now = self.shared.bucket.look(&retry.key).await?;
            let Some(object) = now.filter(|now| now.drop_identity() == retry.identity) else {
                tracing::warn!(stream = self.shared.stream(), %job, key = retry.key, "what is to be loaded again is not there any more");
                self.shared.claims.clear(&job).await?;
                continue;
            };
            self.settled.remove(&job);
            let stream = self.shared.stream();
            if names::kind(&object.key) == Kind::Manifest {
                let read = self.manifests.get(&object.key);
                if let Some((_, manifest)) = read.cloned() {
                    let job = JobDrop::of_manifest(stream, &object, &manifest, retry.reload);
                    self.add(job, Some(manifest));
                }
            } else {
                self.add(JobDrop::of_file(stream, object, retry.reload), None);
            }
        }
        Ok(())
    }

    /// True if the drop of `job` is at `key`, or that cannot be told.
    async fn is_there(&self, job: &JobId, key: &str) -> bool {
        let now = match self.shared.bucket.look(key).await {
            Ok(now) => now,
            Err(error) => {
                tracing::debug!(%job, key, %error, "a drop cannot be looked at");
                return true;
            }
        };
        let stream = self.shared.stream();
        now.is_some_and(|now| JobId::of(stream, key, &now.drop_identity(), 0) == *job)
    }

    /// Ends a job whose drop is gone, or is another one now.
    async fn end_leftover(&mut self, job: &JobId) -> Result<()> {
        let shared = self.shared.clone();
        let live = self.live.get(job.as_str());
        let epoch = live
            .and_then(|live| live.claim.as_ref())
            .map(|claim| claim.epoch);
        let holder = match epoch {
            Some(epoch) => shared.claims.holder(job, epoch).await?,
            None => None,
        };
        if let Some(holder) = holder {
            let is_over = self.settled.contains_key(job);
            if !is_over && self.is_there(job, &holder.key).await {
                // Of a folder that could not be listed.
                return Ok(());
            }
            let results = Results::of(&shared.bucket, &holder.key, job);
            match results.read().await?.filter(|d| d.id == *job) {
                Some(document) if document.state.is_final() => self.put_back(&document).await,
                Some(document) if shared.landed.lock().await.by_id(job.as_str()).is_some() => {
                    // Its result is written by the parts that are there yet.
                    self.add(JobDrop::of_result(&document, &holder.key), None);
                    return Ok(());
                }
                Some(mut document) => {
                    document.state = JobState::Failed;
                    document.reason = Some(format!(
                        "{} was deleted or changed before it was read to its end",
                        holder.key
                    ));
                    document.finished_at = Some(shared.now());
                    results.write(&document).await?;
                    shared.board.set(&document);
                }
                None => {}
            }
        }
        tracing::info!(stream = shared.stream(), %job, "clearing what is left of a job that ended or whose drop is gone");
        shared.claims.clear(job).await
    }

    /// Puts back what a crash left aside while the drop of a job was deleted: a newer one may have
    /// come in its place.
    async fn put_back(&self, document: &JobDocument) {
        if self.shared.bulk.after != After::Delete {
            return;
        }
        for file in &document.files {
            if let Err(error) = self.shared.bucket.delete_if(&file.key, |_| false).await {
                tracing::warn!(key = file.key, %error, "what may be aside of a deleted file could not be put back");
            }
        }
    }

    /// Takes away what is left of jobs whose objects are gone, and that nobody works on.
    async fn clear_leftovers(&mut self) -> Result<()> {
        let now = self.shared.clock.tick();
        let mut left = Vec::new();
        for (job, live) in &self.live {
            let id = JobId::from_text(job);
            let is_seen_to = self.waiting.contains(&id) || self.active.contains_key(&id);
            // A heartbeat may come behind the end of a job, and its end may leave something behind.
            let is_over = self.settled.contains_key(&id);
            if is_seen_to || self.there.contains(&id) && !is_over || live.retries {
                continue;
            }
            let standing = live.claim.clone().unwrap_or_default();
            if self.leases.is_dead(job, &standing, now) {
                left.push(id);
            }
        }
        for job in left {
            self.end_leftover(&job).await?;
            if !self.waiting.contains(&job) {
                self.live.remove(job.as_str());
            }
        }
        let live = &self.live;
        self.leases.retain(|job| live.contains_key(job));
        Ok(())
    }
}
