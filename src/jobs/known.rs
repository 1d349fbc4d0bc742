//! What is known of jobs by whoever looks from outside.
//!
//! Owns: which jobs there are, and the state of each. The ledger goes first (what landed is complete,
//! whatever became of its result), then the claims, then `job.json`. Does not own: where each is found
//! (`known::traces`), which of a drop's is the newest (`known::newest`), what is in the bucket beside it
//! (`known::beside`), what is asked of a job (`cli::jobs`).

mod beside;
mod newest;
mod traces;

use std::collections::HashMap;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use serde::Serialize;

use crate::bucket::{Bucket, Object, names};
use crate::config::{Bulk, Stream};
use crate::error::Result;
use crate::jobs::results::Results;
use crate::lake::claims::{Claims, LiveJob};
use crate::lake::jobs::{self, LandedJob, LandedJobs};
use crate::model::job::{JobCounts, JobDocument, JobFile, JobId, JobState};
use crate::store::Store;

pub use beside::GivenBack;
pub use traces::Trace;

/// `job.json`s that are read side by side.
const READ_AHEAD: usize = 16;

/// The jobs of some streams.
#[derive(Debug)]
pub struct KnownJobs {
    store: Store,
    bucket: Option<Bucket>,
    streams: Vec<OfStream>,
}

/// The jobs of one stream.
#[derive(Debug)]
struct OfStream {
    name: String,
    bulk: Bulk,
    claims: Claims,
    landed: LandedJobs,
    live: HashMap<String, LiveJob>,
}

/// What a job's state was told by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ToldBy {
    /// Its `job.json`.
    Result,
    /// The ledger: it landed, and there is no `job.json` that says so.
    Ledger,
    /// The claims on it: it is under way, and there is no `job.json` yet.
    Claim,
    /// Its drop, which is in the bucket, and of which nobody made anything yet.
    Drop,
}

/// A job as it stands. What is lost with its result is null.
#[derive(Debug, Clone, Serialize)]
pub struct KnownJob {
    /// The id.
    pub id: JobId,
    /// The stream.
    pub stream: String,
    /// The drop; unknown of a job of which nothing is left but a request.
    pub key: Option<String>,
    /// `append`.
    pub operation: String,
    /// The state.
    pub state: JobState,
    /// Its files; without their sizes where only the ledger tells them.
    pub files: Vec<JobFile>,
    /// Of all files.
    #[serde(flatten)]
    pub counts: JobCounts,
    /// When it was found.
    pub created_at: Option<String>,
    /// When it was first read.
    pub started_at: Option<String>,
    /// When it came to its end.
    pub finished_at: Option<String>,
    /// Why it failed, landed no records, or waits.
    pub reason: Option<String>,
    /// Key of `failed.csv`, where rows were rejected.
    pub failed_rows: Option<String>,
    /// What tells all this.
    pub told_by: ToldBy,
    /// `abort` or `retry`, while an operator's request is not followed yet.
    pub asked: Option<&'static str>,
    /// True while there is anything of it among the jobs under way: of one that landed, until its
    /// result is written.
    #[serde(skip)]
    pub is_live: bool,
}

impl KnownJobs {
    /// Those of `streams` that take files. Without a bucket, what the ledgers tell.
    pub fn of(store: &Store, bucket: Option<Bucket>, streams: &[Arc<Stream>]) -> Self {
        let streams = streams.iter().filter_map(|stream| {
            Some(OfStream {
                name: stream.name.clone(),
                bulk: stream.bulk.clone()?,
                claims: Claims::of(store, &stream.name),
                landed: LandedJobs::default(),
                live: HashMap::new(),
            })
        });
        Self {
            store: store.clone(),
            bucket,
            streams: streams.collect(),
        }
    }

    /// Takes in what landed since the last look, and what is under way now.
    ///
    /// # Errors
    /// The lake cannot be reached, or a part of a ledger is lost.
    pub async fn look(&mut self) -> Result<()> {
        for stream in &mut self.streams {
            // The claims last: one that landed and has none any more has its result.
            stream.landed.look(&self.store, &stream.name).await?;
            stream.live = stream.claims.live().await?;
        }
        Ok(())
    }

    /// The bucket, if there is one.
    pub fn bucket(&self) -> Option<&Bucket> {
        self.bucket.as_ref()
    }

    /// What can be asked of the stream's jobs.
    pub fn claims(&self, trace: &Trace) -> &Claims {
        &self.streams[trace.of].claims
    }

    /// The stream of a job.
    pub fn stream(&self, trace: &Trace) -> &str {
        &self.streams[trace.of].name
    }

    /// The job in the ledger, if it landed.
    pub fn landed(&self, trace: &Trace) -> Option<&LandedJob> {
        self.has_landed(trace, &trace.id)
    }

    /// The job `id` of the stream of `trace` in the ledger, if it landed.
    pub fn has_landed(&self, trace: &Trace, id: &JobId) -> Option<&LandedJob> {
        self.streams[trace.of].landed.by_id(id.as_str())
    }

    /// What is in the bucket at `key` now.
    ///
    /// # Errors
    /// It cannot be reached.
    pub async fn drop_at(&self, key: &str) -> Result<Option<Object>> {
        match &self.bucket {
            Some(bucket) => bucket.look(key).await,
            None => Ok(None),
        }
    }

    /// What is known of each, in their order.
    ///
    /// # Errors
    /// The bucket or the lake cannot be reached.
    pub async fn read(&self, traces: Vec<Trace>) -> Result<Vec<KnownJob>> {
        let told: Vec<(Trace, Option<JobDocument>)> = futures::stream::iter(traces)
            .map(|trace| async move {
                let trace = self.with_key(trace).await?;
                let document = self.result(&trace).await?;
                Ok::<_, crate::error::Error>((trace, document))
            })
            .buffered(READ_AHEAD)
            .try_collect()
            .await?;
        let landed = self.files_of_landed(&told).await?;
        let known = told.into_iter().map(|(trace, document)| {
            let by = self.landed(&trace).map(LandedJob::id);
            let mut files = by.as_ref().and_then(|id| landed.get(id)).cloned();
            if let (Some(files), true) = (&mut files, by.as_deref() != Some(trace.id.as_str())) {
                // It is one file of the manifest that landed.
                files.retain(|file| trace.key.as_deref() == Some(&file.key));
            }
            self.known(trace, document, files)
        });
        Ok(known.collect())
    }

    async fn result(&self, trace: &Trace) -> Result<Option<JobDocument>> {
        // That of a load is beside its file, whose path is no key.
        let key = trace.key.as_ref().filter(|key| !key.starts_with('/'));
        let (Some(bucket), Some(key)) = (&self.bucket, key) else {
            return Ok(None);
        };
        let document = Results::of(bucket, key, &trace.id).read().await?;
        Ok(document.filter(|document| document.id == trace.id))
    }

    /// Files of the jobs that landed and have no result that says so.
    async fn files_of_landed(
        &self,
        told: &[(Trace, Option<JobDocument>)],
    ) -> Result<HashMap<String, Vec<JobFile>>> {
        let mut files = HashMap::new();
        for (at, stream) in self.streams.iter().enumerate() {
            let mine = told.iter().filter(|(trace, document)| {
                trace.of == at && document.as_ref().is_none_or(|d| !is_complete(d))
            });
            let landed: Vec<&LandedJob> =
                mine.filter_map(|(trace, _)| self.landed(trace)).collect();
            files.extend(jobs::files_of(&self.store, &stream.name, &landed).await?);
        }
        Ok(files)
    }

    fn known(
        &self,
        trace: Trace,
        document: Option<JobDocument>,
        landed: Option<Vec<JobFile>>,
    ) -> KnownJob {
        let stream = &self.streams[trace.of];
        let live = stream.live.get(trace.id.as_str());
        let landed_by = self.landed(&trace);
        let has_landed = landed_by.is_some();
        let state = state(has_landed, live, document.as_ref());
        let told_by = match (&document, has_landed, live) {
            (Some(document), true, _) if !is_complete(document) => ToldBy::Ledger,
            (Some(_), ..) => ToldBy::Result,
            (None, true, _) => ToldBy::Ledger,
            (None, false, Some(_)) => ToldBy::Claim,
            (None, false, None) => ToldBy::Drop,
        };
        let waits = || {
            let words = "it is in the bucket, and was not begun: it waits for its turn or to hold still, or a manifest names it";
            (told_by == ToldBy::Drop).then(|| words.to_owned())
        };
        let part = landed_by.filter(|by| by.id() != trace.id.as_str());
        let part = part.map(|by| format!("landed as part of {}, job {}", by.key, by.id()));
        let asked = live.and_then(|live| match (live.aborts, live.retries) {
            _ if has_landed => None,
            (true, _) => Some("abort"),
            // Once it is begun, the request is followed.
            (false, true) if !is_held(live) => Some("retry"),
            (false, _) => None,
        });
        let unknown = || JobDocument::new(&trace.id, &stream.name, Vec::new(), String::new());
        let document = document.unwrap_or_else(unknown);
        let is_as_told = document.state == state;
        let files = landed.unwrap_or(document.files);
        let counts = match told_by {
            ToldBy::Ledger => files.iter().map(|file| file.counts).sum(),
            _ => document.counts,
        };
        let known = |text: String| (!text.is_empty()).then_some(text);
        KnownJob {
            id: trace.id,
            stream: document.stream,
            key: trace.key,
            operation: document.operation,
            state,
            counts,
            files,
            created_at: known(document.created_at),
            started_at: document.started_at,
            finished_at: document.finished_at.filter(|_| is_as_told),
            reason: document
                .reason
                .filter(|_| is_as_told)
                .or(part)
                .or_else(waits),
            failed_rows: document.failed_rows,
            told_by,
            asked,
            is_live: live.is_some(),
        }
    }
}

impl KnownJob {
    /// True once nothing more happens to it, and what is told of it is all that there will be.
    pub fn is_over(&self) -> bool {
        self.state.is_final() && !(self.is_live && self.told_by != ToldBy::Result)
    }
}

fn is_held(live: &LiveJob) -> bool {
    let claim = live.claim.as_ref();
    claim.is_some_and(|claim| claim.is_made && !claim.is_released)
}

fn is_complete(document: &JobDocument) -> bool {
    document.state == JobState::JobComplete
}

/// Its result is the last that a job leaves, but for the claims that are taken away behind it: one that
/// has any is not at its end.
fn state(has_landed: bool, live: Option<&LiveJob>, told: Option<&JobDocument>) -> JobState {
    if has_landed {
        return JobState::JobComplete;
    }
    let told = told.map(|document| document.state);
    let Some(live) = live else {
        return told.unwrap_or(JobState::UploadComplete);
    };
    match (&live.claim, told) {
        _ if is_held(live) => JobState::InProgress,
        (_, Some(JobState::Open)) => JobState::Open,
        // A request or a heartbeat that came too late.
        (claim, Some(told))
            if claim.as_ref().is_none_or(|c| !c.is_made) && told.is_final() && !live.retries =>
        {
            told
        }
        _ => JobState::UploadComplete,
    }
}

/// True if `text` has the form of a job's id.
pub fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// True if something at `key` can be a drop.
fn is_drop(key: &str) -> bool {
    names::kind(key) != names::Kind::Other
}

#[cfg(test)]
mod tests;
