//! The bucket that files are dropped in.
//!
//! Owns: what is in it (`listing`), what a key is (`names`), when a local file holds still (`settle`),
//! that it changed (`events`), and reading (`object`) or deleting (`delete`) an object in one version of
//! it. Does not own: what is done with a drop (`jobs`).

mod delete;
pub mod events;
pub mod listing;
pub mod names;
pub mod object;
pub mod settle;
pub mod upload;

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

use crate::config;
use crate::error::{Error, Result};
use crate::model::job::Identity;
use crate::source::csv::chunks::{Chunks, FileChunks};
use crate::store::{self, Store, Watch, store_error};

/// The bucket. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Bucket {
    store: Store,
    /// How often it is listed.
    pub poll: Duration,
    /// How long a local file must hold still.
    pub settle: Duration,
}

/// A version of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its key.
    pub key: Arc<str>,
    /// Bytes.
    pub size: u64,
    /// The store's ETag, where it has one, without its quotes.
    pub etag: Option<String>,
    /// Nanoseconds since the epoch; of a store, whole seconds.
    pub modified_ns: i128,
}

impl Object {
    /// The same object looks the same, whether it was listed or asked for: some stores quote an ETag in
    /// the one answer and not in the other, or tell fractions of a second in one of them only.
    fn of_store(meta: ObjectMeta) -> Self {
        let etag = meta.e_tag.as_deref().map(opaque);
        Self {
            key: meta.location.as_ref().into(),
            size: meta.size,
            // Some stores tell an empty one.
            etag: etag.filter(|etag| !etag.is_empty()).map(str::to_owned),
            modified_ns: i128::from(meta.last_modified.timestamp()) * 1_000_000_000,
        }
    }

    fn of_file(key: &str, metadata: &std::fs::Metadata) -> Self {
        let modified = metadata.modified().ok();
        let since = modified.and_then(|m| m.duration_since(UNIX_EPOCH).ok());
        Self {
            key: key.into(),
            size: metadata.len(),
            etag: None,
            modified_ns: since.map_or(0, |s| i128::try_from(s.as_nanos()).unwrap_or(i128::MAX)),
        }
    }

    /// The ETag as requests name it.
    fn quoted_etag(&self) -> Option<String> {
        self.etag.as_ref().map(|etag| format!("\"{etag}\""))
    }

    /// What tells its content from another.
    pub fn identity(&self) -> Identity {
        match &self.etag {
            Some(etag) => Identity::etag(etag),
            None => Identity::size_and_time(self.size, self.modified_ns),
        }
    }

    /// The same of a manifest: dropped again with the same text, it names other files.
    pub fn identity_as_manifest(&self) -> Identity {
        match &self.etag {
            Some(etag) => Identity::etag(&format!("{etag} {}", self.modified_ns)),
            None => self.identity(),
        }
    }

    /// What identifies the job that it is.
    pub fn drop_identity(&self) -> Identity {
        match names::kind(&self.key) {
            names::Kind::Manifest => self.identity_as_manifest(),
            _ => self.identity(),
        }
    }

    /// Milliseconds since the epoch.
    pub fn modified_ms(&self) -> i64 {
        i64::try_from(self.modified_ns / 1_000_000).unwrap_or(-1)
    }
}

impl Bucket {
    /// The bucket of `settings`, every request to which `watch` sees. A local folder is made.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(settings: &config::Bucket, watch: Option<&Watch>) -> Result<Self> {
        let store = store::open(&settings.url, &settings.options, false)?;
        Ok(Self {
            store: match watch {
                Some(watch) => store.watched(watch),
                None => store,
            },
            poll: settings.poll,
            settle: settings.settle,
        })
    }

    /// Its URL.
    pub fn url(&self) -> &url::Url {
        self.store.url()
    }

    /// True for a folder on local disk.
    pub fn is_local(&self) -> bool {
        self.store.folder().is_some()
    }

    /// The object that is at `key` now.
    ///
    /// # Errors
    /// The store cannot be reached.
    pub async fn look(&self, key: &str) -> Result<Option<Object>> {
        if let Some(folder) = self.store.folder() {
            return match std::fs::metadata(folder.join(key)) {
                Ok(metadata) if metadata.is_file() => Ok(Some(Object::of_file(key, &metadata))),
                Ok(_) => Ok(None),
                Err(e) if is_not_there(&e) => Ok(None),
                Err(e) => Err(store::disk_error("look at a drop", e)),
            };
        }
        let Ok(path) = Path::parse(key) else {
            return Ok(None);
        };
        match self.objects().head(&path).await {
            Ok(meta) => Ok(Some(Object::of_store(meta))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(e) => Err(store_error("look at a drop", e)),
        }
    }

    /// The bytes of `object` from `from` on, for a thread that may block. Called within the runtime.
    ///
    /// # Errors
    /// It cannot be opened. An object that changed since is told by its next piece, or is read in
    /// another version: [`Bucket::look`] tells it.
    pub fn chunks(&self, object: &Object, from: u64) -> Result<Box<dyn Chunks>> {
        if let Some(folder) = self.store.folder() {
            let path = folder.join(&*object.key);
            return Ok(Box::new(FileChunks::open_at(&path, from)?));
        }
        Ok(Box::new(object::ObjectChunks::new(
            self.objects(),
            object,
            from,
        )?))
    }

    /// The bytes at `key`; `None` if there are none. For what is small.
    ///
    /// # Errors
    /// The store cannot be reached.
    pub async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        // A local name may be one that no path of an object can be.
        if let Some(folder) = self.store.folder() {
            return match tokio::fs::read(folder.join(key)).await {
                Ok(bytes) => Ok(Some(bytes.into())),
                Err(e) if is_not_there(&e) => Ok(None),
                Err(e) => Err(store::disk_error("read from the bucket", e)),
            };
        }
        let bytes = async { self.objects().get(&path_of(key)?).await?.bytes().await };
        match bytes.await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(e) => Err(store_error("read from the bucket", e)),
        }
    }

    /// Puts `bytes` at `key`, in the place of what is there.
    ///
    /// # Errors
    /// The store does not take them.
    pub async fn put(&self, key: &str, bytes: impl Into<Bytes>) -> Result<()> {
        let put = async {
            let payload = bytes.into().into();
            self.objects().put(&path_of(key)?, payload).await
        };
        put.await
            .map(drop)
            .map_err(|e| store_error("write to the bucket", e))
    }

    /// Deletes what is at `key`, if anything is.
    ///
    /// # Errors
    /// The store cannot be reached.
    pub async fn delete(&self, key: &str) -> Result<()> {
        if let Some(folder) = self.store.folder() {
            return match tokio::fs::remove_file(folder.join(key)).await {
                Err(e) if !is_not_there(&e) => Err(store::disk_error("delete from the bucket", e)),
                _ => Ok(()),
            };
        }
        let delete = async { self.objects().delete(&path_of(key)?).await };
        match delete.await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(e) => Err(store_error("delete from the bucket", e)),
        }
    }

    /// Tries whether the bucket can be listed and results can be written.
    ///
    /// # Errors
    /// It cannot be reached, listed or written.
    pub async fn probe(&self, instance: &str) -> Result<()> {
        self.store.page(names::RESULTS, None).await?;
        let key = format!("{}probe-{}", names::RESULTS, names::segment(instance));
        self.put(&key, Bytes::from_static(b"probe\n")).await?;
        self.delete(&key).await
    }

    fn objects(&self) -> Arc<dyn ObjectStore> {
        self.store.objects()
    }
}

/// The text of an ETag: without its quotes, and without the mark of a weak one.
fn opaque(etag: &str) -> &str {
    let weak = etag.strip_prefix("W/");
    let strong = weak.filter(|rest| rest.starts_with('"')).unwrap_or(etag);
    strong.trim_matches('"')
}

/// True if nothing is at a name, or something that no folder can be is in its middle.
pub(crate) fn is_not_there(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

fn path_of(key: &str) -> object_store::Result<Path> {
    Ok(Path::parse(key)?)
}

/// That a key is none that can be read by.
pub(crate) fn unreadable(key: &str) -> Error {
    Error::refused(format!(
        "the key {key:?} has an empty part, a dot part or a control character"
    ))
}

#[cfg(test)]
mod tests;
