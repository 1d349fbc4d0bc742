//! A store that is watched: its requests are counted and timed, and what fails is told.
//!
//! Owns: the decorator around an object store, and the watch that others ask. Does not own: trying
//! again (whoever asked the store does), what is told to whom (`pipeline::status`, `http`).

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};
use parking_lot::Mutex;

use crate::clock::{Clock, Tick};
use crate::metrics::Metrics;

#[cfg(test)]
mod tests;

/// A request that takes longer is trouble before it fails.
const SLOW: Duration = Duration::from_secs(15);

/// What is known of a store. Cheap to clone.
#[derive(Clone)]
pub struct Watch(Arc<Inner>);

struct Inner {
    name: &'static str,
    metrics: Metrics,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What the last request failed with; gone with the next one that does not fail.
    failure: Option<String>,
    /// When each request that is under way began.
    under_way: BTreeMap<u64, Tick>,
    numbered: u64,
}

/// A request under way; dropped unanswered if its future is.
struct Request {
    watch: Watch,
    op: &'static str,
    /// Its key among those under way; `None` for a stream, which waits for its reader too.
    number: Option<u64>,
    began: Tick,
}

impl Watch {
    /// The watch of the store that metrics call `name`.
    pub fn new(name: &'static str, metrics: Metrics, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            name,
            metrics,
            clock,
            state: Mutex::default(),
        }))
    }

    /// What is wrong with the store: what its last request failed with, or how long one has been
    /// waiting; `None` if nothing is.
    pub fn trouble(&self) -> Option<String> {
        let state = self.0.state.lock();
        if let Some(failure) = &state.failure {
            return Some(failure.clone());
        }
        let oldest = state.under_way.values().min()?;
        let waiting = self.0.clock.tick().since(*oldest);
        (waiting > SLOW).then(|| format!("no answer for {} s", waiting.as_secs()))
    }

    fn begin(&self, op: &'static str, is_waited_for: bool) -> Request {
        let began = self.0.clock.tick();
        let number = is_waited_for.then(|| {
            let mut state = self.0.state.lock();
            state.numbered += 1;
            let number = state.numbered;
            state.under_way.insert(number, began);
            number
        });
        Request {
            watch: self.clone(),
            op,
            number,
            began,
        }
    }

    pub(super) async fn over<T>(
        &self,
        op: &'static str,
        asked: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let request = self.begin(op, true);
        let answer = asked.await;
        request.answered(answer.as_ref().err());
        answer
    }

    /// The items of a stream as they come; its first error or its end is the answer.
    fn over_stream<T: Send + 'static>(
        &self,
        op: &'static str,
        items: BoxStream<'static, Result<T>>,
    ) -> BoxStream<'static, Result<T>> {
        let mut request = Some(self.begin(op, false));
        let end = futures::stream::once(std::future::ready(None));
        items
            .map(Some)
            .chain(end)
            .filter_map(move |item| {
                let error = item.as_ref().and_then(|item| item.as_ref().err());
                if (item.is_none() || error.is_some())
                    && let Some(request) = request.take()
                {
                    request.answered(error);
                }
                std::future::ready(item)
            })
            .boxed()
    }
}

impl Request {
    fn answered(&self, error: Option<&Error>) {
        let Inner {
            name,
            metrics,
            clock,
            state,
        } = self.watch.0.as_ref();
        let outcome = outcome(error);
        let seconds = clock.tick().since(self.began).as_secs_f64();
        metrics
            .store_requests
            .with_label_values(&[name, self.op, outcome])
            .inc();
        metrics
            .store_request_seconds
            .with_label_values(&[name, self.op, outcome])
            .observe(seconds);
        let failed = error.filter(|_| outcome == "failed");
        state.lock().failure = failed.map(|e| format!("{} failed: {e}", self.op));
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.watch.0.state.lock().under_way.remove(&number);
        }
    }
}

/// The metric's label. That something is not there, or is there already, is an answer like another.
fn outcome(error: Option<&Error>) -> &'static str {
    match error {
        None => "ok",
        Some(Error::NotFound { .. }) => "not_found",
        Some(Error::AlreadyExists { .. } | Error::Precondition { .. }) => "conflict",
        Some(Error::NotModified { .. }) => "not_modified",
        Some(_) => "failed",
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watch").field(&self.0.name).finish()
    }
}

/// A store and its watch.
#[derive(Debug)]
pub(super) struct Watched {
    objects: Arc<dyn ObjectStore>,
    watch: Watch,
}

impl Watched {
    pub(super) fn new(objects: Arc<dyn ObjectStore>, watch: &Watch) -> Self {
        Self {
            objects,
            watch: watch.clone(),
        }
    }
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.objects.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for Watched {
    async fn put_opts(&self, at: &Path, what: PutPayload, how: PutOptions) -> Result<PutResult> {
        let asked = self.objects.put_opts(at, what, how);
        self.watch.over("put", asked).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        how: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let asked = self.objects.put_multipart_opts(at, how);
        self.watch.over("put_multipart", asked).await
    }

    async fn get_opts(&self, at: &Path, how: GetOptions) -> Result<GetResult> {
        let asked = self.objects.get_opts(at, how);
        self.watch.over("get", asked).await
    }

    async fn get_ranges(&self, at: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let asked = self.objects.get_ranges(at, ranges);
        self.watch.over("get", asked).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let deleted = self.objects.delete_stream(paths);
        self.watch.over_stream("delete", deleted)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.watch.over_stream("list", self.objects.list(prefix))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let listed = self.objects.list_with_offset(prefix, offset);
        self.watch.over_stream("list", listed)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let asked = self.objects.list_with_delimiter(prefix);
        self.watch.over("list", asked).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, how: CopyOptions) -> Result<()> {
        let asked = self.objects.copy_opts(from, to, how);
        self.watch.over("copy", asked).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, how: RenameOptions) -> Result<()> {
        let asked = self.objects.rename_opts(from, to, how);
        self.watch.over("rename", asked).await
    }
}
