//! What was done of a job under way, so that whoever goes on need not begin again.
//!
//! Owns: the staged parts of a job, created once each and in order, and the pieces of rejected rows
//! beside them. Does not own: what a part says (`jobs::parts`).
//!
//! | object below `_weir/jobs/<job id>/<rules>/` | is |
//! | --- | --- |
//! | `<number>.json` | a part, from 0 |
//! | `<uuid>.csv`, `<uuid>.txt` | rejected rows that a part names |

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};

use crate::error::{Error, Result};
use crate::lake::layout;
use crate::model::id;
use crate::model::job::JobId;
use crate::store::{Store, store_error};

/// Parts that are read side by side.
const READ_AHEAD: usize = 16;

/// The progress of one job by one schema version and one set of settings: what was judged by others is
/// not gone on with.
#[derive(Debug, Clone)]
pub struct JobProgress {
    store: Store,
    folder: String,
}

impl JobProgress {
    /// Of `job` of `stream`, by the rules that `rules` names.
    pub fn of(store: &Store, stream: &str, job: &JobId, rules: &str) -> Self {
        let (table, folder) = (layout::data_table(stream), layout::job_folder(job.as_str()));
        Self {
            store: store.clone(),
            folder: format!("{table}/{folder}/{rules}"),
        }
    }

    /// Every progress that there is of a job.
    ///
    /// # Errors
    /// The store cannot be reached.
    pub async fn all(store: &Store, stream: &str, job: &JobId) -> Result<Vec<Self>> {
        let table = layout::data_table(stream);
        let root = format!("{table}/{}", layout::job_folder(job.as_str()));
        let listed = store.objects();
        let folders = listed
            .list_with_delimiter(Some(&Path::from(root.as_str())))
            .await;
        let folders = folders.map_err(|e| store_error("read a job's progress", e))?;
        let folders = folders.common_prefixes.into_iter();
        let folders = folders.filter(|folder| folder.filename() != Some("claims"));
        Ok(folders
            .map(|folder| Self {
                store: store.clone(),
                folder: folder.to_string(),
            })
            .collect())
    }

    /// The parts from the first on, without a gap.
    ///
    /// # Errors
    /// The store cannot be reached.
    pub async fn parts(&self) -> Result<Vec<Bytes>> {
        let objects = self.store.objects();
        let failed = |e| store_error("read a job's progress", e);
        let folder = Path::from(self.folder.as_str());
        let mut numbers: Vec<u32> = objects
            .list(Some(&folder))
            .try_filter_map(|meta| async move {
                let number = meta
                    .location
                    .filename()
                    .and_then(|n| n.strip_suffix(".json"));
                Ok(number.and_then(|n| n.parse::<u32>().ok()))
            })
            .try_collect()
            .await
            .map_err(failed)?;
        numbers.sort_unstable();
        let whole = numbers
            .iter()
            .zip(0..)
            .take_while(|(a, b)| **a == *b)
            .count();
        futures::stream::iter(numbers.into_iter().take(whole))
            .map(|number| {
                let (objects, path) = (objects.clone(), self.part(number));
                async move { objects.get(&path).await?.bytes().await }
            })
            .buffered(READ_AHEAD)
            .try_collect()
            .await
            .map_err(failed)
    }

    /// Puts part `number`; false if another one is there.
    ///
    /// # Errors
    /// The store cannot be reached.
    pub async fn put(&self, number: u32, part: Bytes) -> Result<bool> {
        let objects = self.store.objects();
        let path = self.part(number);
        let create = PutOptions::from(PutMode::Create);
        let failed = |e| store_error("stage a job's progress", e);
        match objects.put_opts(&path, part.clone().into(), create).await {
            Ok(_) => Ok(true),
            // It may be ours: a put whose answer was lost.
            Err(object_store::Error::AlreadyExists { .. }) => {
                let there = async { objects.get(&path).await?.bytes().await };
                Ok(there.await.map_err(failed)? == part)
            }
            Err(e) => Err(failed(e)),
        }
    }

    /// Puts a piece of rejected rows; returns its name.
    ///
    /// # Errors
    /// The store cannot be reached.
    pub async fn put_piece(&self, bytes: Bytes, extension: &str) -> Result<String> {
        let name = format!("{}.{extension}", id::fresh());
        let path = Path::from(format!("{}/{name}", self.folder));
        let put = self.store.objects();
        put.put(&path, bytes.into())
            .await
            .map_err(|e| store_error("stage rejected rows", e))?;
        Ok(name)
    }

    /// A piece.
    ///
    /// # Errors
    /// The store cannot be reached.
    pub async fn piece(&self, name: &str) -> Result<Bytes> {
        let objects = self.store.objects();
        let path = Path::from(format!("{}/{name}", self.folder));
        let bytes = async { objects.get(&path).await?.bytes().await };
        bytes.await.map_err(|e| match e {
            object_store::Error::NotFound { .. } => {
                Error::refused(format!("{path} is gone: another instance ended the job"))
            }
            e => store_error("read rejected rows", e),
        })
    }

    /// Takes the parts away; who reads on begins again.
    ///
    /// # Errors
    /// The store cannot be reached.
    pub async fn clear(&self) -> Result<()> {
        let objects = self.store.objects();
        let failed = |e| store_error("clear a job's progress", e);
        let folder = Path::from(self.folder.as_str());
        let names = objects.list(Some(&folder)).map_ok(|o| o.location);
        let names: Vec<Path> = names.try_collect().await.map_err(failed)?;
        for name in names {
            match objects.delete(&name).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(e) => return Err(failed(e)),
            }
        }
        Ok(())
    }

    fn part(&self, number: u32) -> Path {
        Path::from(format!("{}/{number:06}.json", self.folder))
    }
}
