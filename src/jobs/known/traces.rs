//! Where jobs are found.
//!
//! Owns: the traces that a job leaves (its result, its commit, its claims, its drop), and the order of
//! jobs by them: no `job.json` is read for it. Does not own: what each job is (`jobs::known`).

use std::collections::{HashMap, HashSet};

use futures::{StreamExt, TryStreamExt};

use crate::bucket::listing::Piece;
use crate::bucket::{Bucket, names};
use crate::error::Result;
use crate::jobs::known::{KnownJobs, OfStream, READ_AHEAD, is_drop};
use crate::lake::jobs;
use crate::model::job::JobId;

/// A job that there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// Its id.
    pub id: JobId,
    /// Its drop; unknown of a job under way that has no result yet.
    pub key: Option<String>,
    /// The place of its stream.
    pub(super) of: usize,
    /// When it last changed, nanoseconds since the epoch; of a job without a result, when it landed,
    /// as well as the log tells.
    changed_ns: i128,
    /// The table's version that made it visible; 0 if none did.
    version: u64,
}

/// What is later than every change: a job that is under way and has no result yet.
const NOW: i128 = i128::MAX;

/// Results: job → key, and the last change.
type Found = HashMap<JobId, (String, i128)>;

impl KnownJobs {
    /// All jobs, the newest first.
    ///
    /// # Errors
    /// The bucket cannot be reached.
    pub async fn all(&self) -> Result<Vec<Trace>> {
        let mut traces = Vec::new();
        for (of, stream) in self.streams.iter().enumerate() {
            let found = match &self.bucket {
                Some(bucket) => list(bucket, &names::results_below(&stream.bulk.prefix)).await?,
                None => Found::new(),
            };
            let times = jobs::times(&self.store, &stream.name).await?;
            stream.trace(of, found, &times, |_| true, &mut traces);
        }
        Ok(newest_first(traces))
    }

    /// The jobs of the drop `key`, in no order.
    ///
    /// # Errors
    /// The bucket cannot be reached.
    pub async fn of_key(&self, key: &str) -> Result<Vec<Trace>> {
        let mut traces = Vec::new();
        for (of, stream) in self.streams.iter().enumerate() {
            let is_fed = key.starts_with(&stream.bulk.prefix);
            let mut found = Found::new();
            if let (Some(bucket), true) = (&self.bucket, is_fed) {
                found = list(bucket, &names::results_below(&format!("{key}/"))).await?;
                found.retain(|_, (of, _)| of == key);
            }
            let is_its = |of: Option<&str>| of == Some(key);
            stream.trace(of, found, &HashMap::new(), is_its, &mut traces);
            self.trace_live(of, key, &mut traces).await?;
            if is_fed && is_drop(key) {
                self.trace_drop(of, key, &mut traces).await?;
            }
        }
        Ok(traces)
    }

    /// The job `id`, if there is one.
    ///
    /// # Errors
    /// The bucket cannot be reached.
    pub async fn by_id(&self, id: &str) -> Result<Option<Trace>> {
        let job = JobId::from_text(id);
        for (of, stream) in self.streams.iter().enumerate() {
            if let Some(landed) = stream.landed.by_id(id) {
                return Ok(Some(Trace {
                    key: Some(landed.key.to_string()),
                    version: landed.version,
                    id: job,
                    of,
                    changed_ns: NOW,
                }));
            }
        }
        let all = self.all().await?;
        Ok(all.into_iter().find(|trace| trace.id == job))
    }

    /// A trace with its drop, as the ledger says, or who claimed the job or wants it again, where no
    /// result does.
    pub(super) async fn with_key(&self, trace: Trace) -> Result<Trace> {
        let stream = &self.streams[trace.of];
        if trace.key.is_some() {
            return Ok(trace);
        }
        let landed = stream.landed.by_id(trace.id.as_str());
        let mut key = landed.map(|landed| landed.key.to_string());
        let Some(live) = stream.live.get(trace.id.as_str()) else {
            return Ok(Trace { key, ..trace });
        };
        if let (None, true) = (&key, live.retries) {
            key = stream.claims.retry(&trace.id).await?.map(|retry| retry.key);
        }
        if let (None, Some(claim)) = (&key, &live.claim) {
            let holder = stream.claims.holder(&trace.id, claim.epoch).await?;
            key = holder.map(|holder| holder.key);
        }
        Ok(Trace { key, ..trace })
    }

    /// The jobs of the drop `key` of which there is only a claim or a request yet: a reload counts from
    /// when it is asked for.
    async fn trace_live(&self, of: usize, key: &str, traces: &mut Vec<Trace>) -> Result<()> {
        let seen: HashSet<&str> = traces.iter().map(|trace| trace.id.as_str()).collect();
        let unseen = self.streams[of].live.keys();
        let unseen: Vec<JobId> = unseen
            .filter(|id| !seen.contains(id.as_str()))
            .map(|id| JobId::from_text(id))
            .collect();
        let live: Vec<Trace> = futures::stream::iter(unseen)
            .map(|id| {
                self.with_key(Trace {
                    id,
                    key: None,
                    of,
                    changed_ns: NOW,
                    version: 0,
                })
            })
            .buffered(READ_AHEAD)
            .try_collect()
            .await?;
        traces.extend(live.into_iter().filter(|t| t.key.as_deref() == Some(key)));
        Ok(())
    }

    /// The job of what is at `key` now, where nothing else tells it.
    async fn trace_drop(&self, of: usize, key: &str, traces: &mut Vec<Trace>) -> Result<()> {
        let Some(object) = self.drop_at(key).await? else {
            return Ok(());
        };
        let id = JobId::of(&self.streams[of].name, key, &object.drop_identity(), 0);
        if let Some(trace) = traces.iter_mut().find(|trace| trace.id == id) {
            trace.key = Some(key.to_owned());
            return Ok(());
        }
        traces.push(Trace {
            key: Some(key.to_owned()),
            id,
            of,
            changed_ns: NOW,
            version: 0,
        });
        Ok(())
    }
}

impl OfStream {
    /// Adds the jobs that left the results `found`, and those of the ledger and the claims whose key
    /// `is_wanted`.
    fn trace(
        &self,
        of: usize,
        mut found: Found,
        times: &HashMap<u64, i128>,
        is_wanted: impl Fn(Option<&str>) -> bool,
        traces: &mut Vec<Trace>,
    ) {
        let newest_first = self.landed.all().rev();
        let landed = newest_first.filter(|landed| is_wanted(Some(&landed.key)));
        // One whose result is lost, and whose commit was folded, is no later than what landed after it.
        let mut latest = NOW;
        for landed in landed {
            let id = JobId::from_text(&landed.id());
            let result = found.remove(&id).map(|(_, changed_ns)| changed_ns);
            let time = result.or_else(|| times.get(&landed.version).copied());
            latest = latest.min(time.unwrap_or(NOW));
            traces.push(Trace {
                key: Some(landed.key.to_string()),
                id,
                of,
                changed_ns: latest,
                version: landed.version,
            });
        }
        let seen: HashSet<&str> = traces.iter().map(|trace| trace.id.as_str()).collect();
        let live = self.live.keys().map(|id| JobId::from_text(id));
        let live: Vec<JobId> = live
            .filter(|id| !seen.contains(id.as_str()) && !found.contains_key(id))
            .collect();
        traces.extend(found.into_iter().map(|(id, (key, changed_ns))| Trace {
            id,
            key: Some(key),
            of,
            changed_ns,
            version: 0,
        }));
        if is_wanted(None) {
            traces.extend(live.into_iter().map(|id| Trace {
                id,
                key: None,
                of,
                changed_ns: NOW,
                version: 0,
            }));
        }
    }
}

/// The results below `prefix`.
pub(super) async fn list(bucket: &Bucket, prefix: &str) -> Result<Found> {
    let mut found = Found::new();
    let each = |piece: Piece| {
        for object in piece.objects {
            if let Some((key, id)) = names::of_job_document(&object.key) {
                found.insert(id, (key, object.modified_ns));
            }
        }
    };
    bucket.every(prefix, each).await?;
    Ok(found)
}

fn newest_first(mut traces: Vec<Trace>) -> Vec<Trace> {
    traces.sort_by(|a, b| {
        let order = |trace: &Trace| (trace.changed_ns, trace.version);
        order(b).cmp(&order(a)).then_with(|| a.id.cmp(&b.id))
    });
    traces
}
