//! A store that goes wrong: at one call, or at random from a seed.
//!
//! A put may be lost, land unheard, land long after its error, or be answered by "it is there
//! already" whether it is (its own retry came second: 412) or not (two requests met: 409). A listing
//! may be stale, or show a commit and miss the one before it. Anything may fail or take its time.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// It does not happen, and fails.
    Lost,
    /// It happens, and the answer is an error.
    Unheard,
    /// The answer is an error, and it happens so many calls later.
    Late(u64),
    /// It happens, and the answer is that the object was there.
    TakenByUs,
    /// It does not happen, and the answer is that the object is there; it may not be.
    Taken,
    /// A listing misses the newest object.
    Stale,
    /// A listing misses the object before the newest.
    Torn,
    /// Others may run for a while.
    Slow,
}

impl Fault {
    pub const ALL: [Fault; 8] = [
        Fault::Lost,
        Fault::Unheard,
        Fault::Late(7),
        Fault::TakenByUs,
        Fault::Taken,
        Fault::Stale,
        Fault::Torn,
        Fault::Slow,
    ];

    fn fits(self, op: Op) -> bool {
        match self {
            Fault::Lost | Fault::Slow => true,
            Fault::Unheard | Fault::Late(_) => matches!(op, Op::Put | Op::Create),
            Fault::TakenByUs | Fault::Taken => op == Op::Create,
            Fault::Stale | Fault::Torn => op == Op::List,
        }
    }
}

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Op {
    Put,
    /// A put if absent.
    Create,
    Get,
    List,
    Other,
}

/// When it goes wrong.
pub enum Plan {
    Never,
    /// At the call of this number.
    At(u64, Fault),
    /// At so many of a thousand calls.
    Random(SmallRng, u32),
    /// Every call fails with this.
    Always(fn() -> Error),
}

impl Plan {
    pub fn random(seed: u64, per_mille: u32) -> Self {
        Plan::Random(SmallRng::seed_from_u64(seed), per_mille)
    }
}

struct LatePut {
    due: u64,
    path: Path,
    payload: PutPayload,
    options: PutOptions,
}

struct State {
    calls: u64,
    plan: Plan,
    late: Vec<LatePut>,
    counts: BTreeMap<Op, u64>,
    happened: BTreeMap<(Op, Fault), u64>,
}

/// The store. Cheap to clone.
#[derive(Clone)]
pub struct Faulty {
    inner: Arc<dyn ObjectStore>,
    state: Arc<Mutex<State>>,
}

impl Faulty {
    pub fn new(inner: Arc<dyn ObjectStore>, plan: Plan) -> Self {
        let state = State {
            calls: 0,
            plan,
            late: Vec::new(),
            counts: BTreeMap::new(),
            happened: BTreeMap::new(),
        };
        Self {
            inner,
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Goes wrong in another way from now on.
    pub fn plan(&self, plan: Plan) {
        self.state.lock().plan = plan;
    }

    /// Calls so far.
    pub fn calls(&self) -> u64 {
        self.state.lock().calls
    }

    /// Calls so far of one kind.
    pub fn count(&self, op: Op) -> u64 {
        self.state.lock().counts.get(&op).copied().unwrap_or(0)
    }

    /// How often each fault struck which calls.
    pub fn happened(&self) -> BTreeMap<(Op, Fault), u64> {
        self.state.lock().happened.clone()
    }

    /// Nothing goes wrong any more, and what was late arrives.
    pub async fn heal(&self) {
        self.plan(Plan::Never);
        self.arrive(u64::MAX).await;
    }

    async fn arrive(&self, now: u64) {
        let due: Vec<LatePut> = {
            let late = &mut self.state.lock().late;
            let (due, later) = std::mem::take(late).into_iter().partition(|p| p.due <= now);
            *late = later;
            due
        };
        for put in due {
            // Nobody waits for the answer any more.
            let _ = self
                .inner
                .put_opts(&put.path, put.payload, put.options)
                .await;
        }
    }

    /// Begins a call: what goes wrong with it.
    async fn begin(&self, op: Op) -> Option<Fault> {
        let (call, fault) = {
            let mut state = self.state.lock();
            let call = state.calls;
            state.calls += 1;
            *state.counts.entry(op).or_default() += 1;
            let fault = match &mut state.plan {
                Plan::Never => None,
                Plan::Always(_) => Some(Fault::Lost),
                Plan::At(at, fault) => (*at == call).then_some(*fault),
                Plan::Random(rng, per_mille) => {
                    let strikes = rng.random_range(0..1000) < *per_mille;
                    strikes.then(|| Fault::ALL[rng.random_range(0..Fault::ALL.len())])
                }
            };
            let fault = fault.filter(|fault| fault.fits(op));
            if let Some(fault) = fault {
                *state.happened.entry((op, fault)).or_default() += 1;
            }
            (call, fault)
        };
        self.arrive(call).await;
        if fault == Some(Fault::Slow) {
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            return None;
        }
        fault
    }

    fn error(&self) -> Error {
        match &self.state.lock().plan {
            Plan::Always(error) => error(),
            _ => Error::Generic {
                store: "faulty",
                source: "503 slow down".into(),
            },
        }
    }

    async fn listed(&self, prefix: Option<Path>, offset: Option<Path>) -> Result<Vec<ObjectMeta>> {
        let fault = self.begin(Op::List).await;
        if fault == Some(Fault::Lost) {
            return Err(self.error());
        }
        let all = match &offset {
            Some(offset) => self.inner.list_with_offset(prefix.as_ref(), offset),
            None => self.inner.list(prefix.as_ref()),
        };
        let mut all: Vec<ObjectMeta> = all.try_collect().await?;
        let missed = match fault {
            Some(Fault::Stale) => all.len().checked_sub(1),
            Some(Fault::Torn) => all.len().checked_sub(2),
            _ => None,
        };
        if let Some(missed) = missed {
            all.remove(missed);
        }
        Ok(all)
    }

    fn list_late(
        &self,
        prefix: Option<Path>,
        offset: Option<Path>,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let this = self.clone();
        let listed = async move { this.listed(prefix, offset).await };
        stream::once(listed)
            .map_ok(|all| stream::iter(all.into_iter().map(Ok)))
            .try_flatten()
            .boxed()
    }
}

fn taken(path: &Path) -> Error {
    Error::AlreadyExists {
        path: path.to_string(),
        source: "409 or 412".into(),
    }
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faulty")
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faulty")
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(
        &self,
        path: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let op = match options.mode {
            PutMode::Create => Op::Create,
            _ => Op::Put,
        };
        match self.begin(op).await {
            Some(Fault::Lost) => Err(self.error()),
            Some(Fault::Taken) => Err(taken(path)),
            Some(Fault::Late(calls)) => {
                {
                    let mut state = self.state.lock();
                    let put = LatePut {
                        due: state.calls + calls,
                        path: path.clone(),
                        payload,
                        options,
                    };
                    state.late.push(put);
                }
                Err(self.error())
            }
            fault => {
                let put = self.inner.put_opts(path, payload, options).await;
                match fault {
                    Some(Fault::Unheard) => Err(self.error()),
                    Some(Fault::TakenByUs) => Err(taken(path)),
                    _ => put,
                }
            }
        }
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        match self.begin(Op::Other).await {
            Some(_) => Err(self.error()),
            None => self.inner.put_multipart_opts(path, options).await,
        }
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        match self.begin(Op::Get).await {
            Some(_) => Err(self.error()),
            None => self.inner.get_opts(path, options).await,
        }
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        match self.begin(Op::Get).await {
            Some(_) => Err(self.error()),
            None => self.inner.get_ranges(path, ranges).await,
        }
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.list_late(prefix.cloned(), None)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.list_late(prefix.cloned(), Some(offset.clone()))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        match self.begin(Op::Other).await {
            Some(_) => Err(self.error()),
            None => self.inner.list_with_delimiter(prefix).await,
        }
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        match self.begin(Op::Other).await {
            Some(_) => Err(self.error()),
            None => self.inner.copy_opts(from, to, options).await,
        }
    }
}
