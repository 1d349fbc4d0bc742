//! The jobs of a table that are under way, and who works on them.
//!
//! Owns: claims (an object per epoch that is created once), their heartbeats, and what an operator
//! asks of a job. Does not own: when a claim is dead (`jobs::lease`), what was done of a job
//! (`lake::progress`). Claims save work; exactly once comes from the commit.
//!
//! | object below `_weir/jobs/<job id>/` | is |
//! | --- | --- |
//! | `claims/<epoch>.json` | who works on it; created once |
//! | `claims/<epoch>.beat` | replaced while they do |
//! | `claims/<epoch>.released` | they do no more; those of earlier epochs go with the next claim |
//! | `abort.json`, `retry.json` | what an operator asks for |

use std::collections::HashMap;

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutMode, PutOptions};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::lake::layout;
use crate::model::job::{Identity, JobId};
use crate::store::{Store, store_error};

/// A job that is under way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveJob {
    /// The newest claim.
    pub claim: Option<Standing>,
    /// An operator wants it to end.
    pub aborts: bool,
    /// An operator wants it again.
    pub retries: bool,
}

/// What can be seen of a claim.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Counts the claims of the job, from 1.
    pub epoch: u32,
    /// True while the claim itself is there: heartbeats of one who sleeps may outlive it.
    pub is_made: bool,
    /// Another one after each heartbeat.
    pub beat: String,
    /// True if whoever made it works on it no more.
    pub is_released: bool,
}

/// Who made a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The instance.
    pub instance: String,
    /// Tells its processes apart.
    pub process: String,
    /// The drop, so that what is left of a job can be found when the drop is gone.
    pub key: String,
}

/// What is asked of a job that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// The drop.
    pub key: String,
    /// The version of it that is wanted.
    pub identity: Identity,
    /// How often it was loaded again; 0 for a job that landed nothing.
    pub reload: u32,
}

/// The jobs of one table.
#[derive(Debug, Clone)]
pub struct Claims {
    store: Store,
    table: String,
}

impl Claims {
    /// Those of `stream`.
    pub fn of(store: &Store, stream: &str) -> Self {
        Self {
            store: store.clone(),
            table: layout::data_table(stream),
        }
    }

    /// Every job that is under way, by its id; one listing.
    ///
    /// # Errors
    /// The store cannot be reached.
    pub async fn live(&self) -> Result<HashMap<String, LiveJob>> {
        let mut jobs: HashMap<String, LiveJob> = HashMap::new();
        let root = format!("{}/{}/", self.table, layout::JOBS_FOLDER);
        let folder = Path::from(root.trim_end_matches('/'));
        let objects = self.store.objects();
        let mut listed = objects.list(Some(&folder));
        let failed = |e| store_error("list the jobs under way", e);
        while let Some(object) = listed.try_next().await.map_err(failed)? {
            let Some(name) = object.location.as_ref().strip_prefix(&root) else {
                continue;
            };
            let Some((job, name)) = name.split_once('/') else {
                continue;
            };
            let job = jobs.entry(job.to_owned()).or_default();
            match name.strip_prefix("claims/") {
                Some(claim) => {
                    let beat = || {
                        let etag = object.e_tag.clone().unwrap_or_default();
                        format!("{etag} {}", object.last_modified)
                    };
                    job.see(claim, beat);
                }
                None => {
                    job.aborts |= name == "abort.json";
                    job.retries |= name == "retry.json";
                }
            }
        }
        Ok(jobs)
    }

    /// Claims a job as its `epoch`th; false if somebody else did.
    ///
    /// # Errors
    /// The store cannot be reached.
    pub async fn take(&self, job: &JobId, epoch: u32, holder: &Holder) -> Result<bool> {
        let path = self.path(job, &format!("claims/{epoch:08}.json"));
        let create = PutOptions::from(PutMode::Create);
        let put = self.store.objects();
        let is_ours = match put.put_opts(&path, text(holder)?.into(), create).await {
            Ok(_) => true,
            // A put whose answer was lost, or somebody else's.
            Err(object_store::Error::AlreadyExists { .. }) => {
                self.holder(job, epoch).await?.as_ref() == Some(holder)
            }
            Err(e) => return Err(store_error("claim a job", e)),
        };
        if !is_ours || epoch == 1 {
            return Ok(is_ours);
        }
        self.clear_below(job, epoch).await.or_else(|error| {
            tracing::debug!(%job, %error, "what is left of earlier claims could not be taken away");
            Ok(true)
        })
    }

    /// Takes away what is left of the claims before the `epoch`th, which would grow by each try else.
    /// False if there is a later one: the epoch was made up from an old look, behind its removal. What
    /// a sleeper writes for an epoch that is gone changes nothing, since the latest one counts.
    async fn clear_below(&self, job: &JobId, epoch: u32) -> Result<bool> {
        let folder = self.path(job, "claims");
        let objects = self.store.objects();
        let listed = objects.list(Some(&folder)).map_ok(|object| object.location);
        let names: Vec<Path> = listed
            .try_collect()
            .await
            .map_err(|e| store_error("list the claims on a job", e))?;
        let epoch_of = |name: &Path| {
            let (epoch, _) = name.filename()?.split_once('.')?;
            epoch.parse::<u32>().ok()
        };
        let is_latest = names
            .iter()
            .filter_map(epoch_of)
            .all(|other| other <= epoch);
        for name in &names {
            let is_old = epoch_of(name).is_some_and(|other| other < epoch);
            let is_unmade = !is_latest && epoch_of(name) == Some(epoch);
            if is_old || is_unmade {
                self.remove(name).await?;
            }
        }
        Ok(is_latest)
    }

    /// Who made a claim; `None` if it is gone.
    ///
    /// # Errors
    /// The store cannot be reached.
    pub async fn holder(&self, job: &JobId, epoch: u32) -> Result<Option<Holder>> {
        self.read(job, &format!("claims/{epoch:08}.json")).await
    }

    /// A heartbeat, the `count`th.
    ///
    /// # Errors
    /// The store cannot be reached.
    pub async fn beat(&self, job: &JobId, epoch: u32, count: u64) -> Result<()> {
        self.put(job, &format!("claims/{epoch:08}.beat"), count.to_string())
            .await
    }

    /// Says that a claim is not held any more.
    ///
    /// # Errors
    /// The store cannot be reached.
    pub async fn release(&self, job: &JobId, epoch: u32) -> Result<()> {
        self.put(job, &format!("claims/{epoch:08}.released"), String::new())
            .await
    }

    /// Asks for a job's end.
    ///
    /// # Errors
    /// The store cannot be reached.
    pub async fn ask_abort(&self, job: &JobId) -> Result<()> {
        self.put(job, "abort.json", "{}\n".to_owned()).await
    }

    /// Asks for a job once more. That its end was asked for before is forgotten.
    ///
    /// # Errors
    /// The store cannot be reached.
    pub async fn ask_retry(&self, job: &JobId, retry: &Retry) -> Result<()> {
        self.remove(&self.path(job, "abort.json")).await?;
        self.put(job, "retry.json", text(retry)?).await
    }

    /// What [`Claims::ask_retry`] asked for.
    ///
    /// # Errors
    /// The store cannot be reached.
    pub async fn retry(&self, job: &JobId) -> Result<Option<Retry>> {
        self.read(job, "retry.json").await
    }

    /// Takes away all that there is of a job under way, its claims last, so that what breaks off is
    /// still somebody's.
    ///
    /// # Errors
    /// The store cannot be reached.
    pub async fn clear(&self, job: &JobId) -> Result<()> {
        let folder = Path::from(format!(
            "{}/{}",
            self.table,
            layout::job_folder(job.as_str())
        ));
        let objects = self.store.objects();
        let failed = |e| store_error("clear a job that ended", e);
        let mut names: Vec<Path> = objects
            .list(Some(&folder))
            .map_ok(|object| object.location)
            .try_collect()
            .await
            .map_err(failed)?;
        names.sort_by_key(|name| name.as_ref().contains("/claims/"));
        for name in &names {
            self.remove(name).await?;
        }
        Ok(())
    }

    async fn remove(&self, name: &Path) -> Result<()> {
        match self.store.objects().delete(name).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(e) => Err(store_error("clear a job's folder", e)),
        }
    }

    fn path(&self, job: &JobId, name: &str) -> Path {
        let folder = layout::job_folder(job.as_str());
        Path::from(format!("{}/{folder}/{name}", self.table))
    }

    async fn put(&self, job: &JobId, name: &str, text: String) -> Result<()> {
        let put = self.store.objects();
        put.put(&self.path(job, name), text.into())
            .await
            .map(drop)
            .map_err(|e| store_error("write to a job's folder", e))
    }

    async fn read<T: for<'a> Deserialize<'a>>(&self, job: &JobId, name: &str) -> Result<Option<T>> {
        let objects = self.store.objects();
        let bytes = async { objects.get(&self.path(job, name)).await?.bytes().await };
        match bytes.await {
            // What is not readable was written by another version, or by nobody of ours.
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(e) => Err(store_error("read from a job's folder", e)),
        }
    }
}

impl LiveJob {
    fn see(&mut self, name: &str, beat: impl Fn() -> String) {
        let Some((epoch, kind)) = name.split_once('.') else {
            return;
        };
        let Ok(epoch) = epoch.parse() else { return };
        let claim = self.claim.get_or_insert_default();
        if epoch > claim.epoch {
            *claim = Standing {
                epoch,
                ..Standing::default()
            };
        }
        if epoch < claim.epoch {
            return;
        }
        match kind {
            "json" => claim.is_made = true,
            "beat" => claim.beat = beat(),
            "released" => claim.is_released = true,
            _ => {}
        }
    }
}

fn text(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|e| Error::internal("a claim cannot be written").because(e))
}

#[cfg(test)]
mod tests;
