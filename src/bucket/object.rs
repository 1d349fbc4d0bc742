//! The bytes of one version of an object in a remote store.
//!
//! Owns: reading it range by range, the next one while one is used, each of the version that was
//! listed. Does not own: what is done about an object that changed (the caller).

use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::bucket::{Object, unreadable};
use crate::error::{Error, Result};
use crate::source::csv::chunks::Chunks;
use crate::store::store_error;

/// Bytes that are asked for at once.
const RANGE: u64 = 4 << 20;

/// See the module.
pub(super) struct ObjectChunks {
    objects: Arc<dyn ObjectStore>,
    path: Path,
    /// As a request names it.
    etag: Option<String>,
    /// Up to where was asked.
    at: u64,
    size: u64,
    next: Option<JoinHandle<object_store::Result<Bytes>>>,
    runtime: Handle,
}

impl ObjectChunks {
    /// Of `object` from `at` on. Called within the runtime.
    pub(super) fn new(objects: Arc<dyn ObjectStore>, object: &Object, at: u64) -> Result<Self> {
        Ok(Self {
            objects,
            path: Path::parse(&*object.key).map_err(|_| unreadable(&object.key))?,
            etag: object.quoted_etag(),
            at,
            size: object.size,
            next: None,
            runtime: Handle::current(),
        })
    }

    /// Asks for the next range, if there is one.
    fn ask(&mut self) -> Option<JoinHandle<object_store::Result<Bytes>>> {
        if self.at >= self.size {
            return None;
        }
        let range = self.at..(self.at + RANGE).min(self.size);
        self.at = range.end;
        let options = GetOptions {
            range: Some(GetRange::Bounded(range)),
            if_match: self.etag.clone(),
            ..GetOptions::default()
        };
        let (objects, path) = (self.objects.clone(), self.path.clone());
        Some(
            self.runtime
                .spawn(async move { objects.get_opts(&path, options).await?.bytes().await }),
        )
    }
}

impl Chunks for ObjectChunks {
    fn next_chunk(&mut self) -> Result<Option<Bytes>> {
        let Some(asked) = self.next.take().or_else(|| self.ask()) else {
            return Ok(None);
        };
        self.next = self.ask();
        let read = self.runtime.block_on(asked);
        let read = read.map_err(|e| Error::internal("reading a drop died").because(e))?;
        read.map(Some).map_err(|e| store_error("read a drop", e))
    }
}

impl Drop for ObjectChunks {
    fn drop(&mut self) {
        if let Some(next) = &self.next {
            next.abort();
        }
    }
}
