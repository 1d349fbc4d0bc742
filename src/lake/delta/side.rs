//! One of the two tables: what is held of it from look to look.
//!
//! Owns: the held snapshot, the positions, and bringing both up to date. Does not own: whether the
//! table fits (`delta::open`), the commits (`delta::put`).
//!
//! At the start the positions are those of the newest checkpoint and of the commits above it, as the
//! kernel reads them; from then on each look reads only the commits that are new, by their names, and
//! a commit of this process is known without reading it. A process that slept while the log was
//! folded under it starts over with the checkpoint.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use delta_kernel::Engine;
use delta_kernel::snapshot::{IncrementalReplay, Snapshot, SnapshotRef};
use delta_kernel::{KernelError, KernelResult};
use object_store::ObjectStore;
use parking_lot::Mutex;
use url::Url;

use crate::error::{Error, Result};
use crate::lake::delta::blocking;
use crate::lake::delta::log::gone;
use crate::lake::failure::kernel_error;
use crate::lake::ledger::commit::LoggedCommit;
use crate::lake::ledger::log::{self, Unread};
use crate::lake::state::positions_of;
use crate::lake::{Commit, View};

/// One of the two tables.
pub(super) struct Side {
    pub(super) objects: Arc<dyn ObjectStore>,
    pub(super) engine: Arc<dyn Engine>,
    pub(super) name: String,
    pub(super) root: Url,
    pub(super) held: Mutex<SnapshotRef>,
    /// The newest version that has a checkpoint, and that this process wrote a checksum for;
    /// 0 for none.
    pub(super) checkpointed: AtomicU64,
    pub(super) checksummed: AtomicU64,
    seen: tokio::sync::Mutex<View>,
    /// The version of `seen`.
    known: AtomicU64,
}

impl Side {
    /// The table at `root`, whose newest snapshot is `snapshot`.
    pub(super) async fn new(
        objects: Arc<dyn ObjectStore>,
        engine: Arc<dyn Engine>,
        name: String,
        root: Url,
        snapshot: SnapshotRef,
    ) -> Result<Self> {
        let view = view_of(&engine, &snapshot, &name).await?;
        let checkpointed = snapshot.log_segment().checkpoint_version.unwrap_or(0);
        Ok(Self {
            objects,
            engine,
            name,
            root,
            held: Mutex::new(snapshot),
            checkpointed: AtomicU64::new(checkpointed),
            checksummed: AtomicU64::new(0),
            known: AtomicU64::new(view.version),
            seen: tokio::sync::Mutex::new(view),
        })
    }

    /// Reads what is new in the log; returns the newest view.
    pub(super) async fn refresh(&self) -> Result<View> {
        let mut seen = self.seen.lock().await;
        let Some(newest) = log::newest(&self.objects, &self.name, seen.version).await? else {
            return Ok(seen.clone());
        };
        match log::commits(&self.objects, &self.name, seen.version, newest).await {
            Ok(commits) => commits.into_iter().for_each(|c| absorb(&mut seen, c)),
            Err(Unread::Failed(error)) => return Err(error),
            Err(Unread::Gone(version)) => *seen = self.start_over(version, newest).await?,
        }
        self.known.store(seen.version, Ordering::SeqCst);
        Ok(seen.clone())
    }

    /// Takes in `commit`, which this process has put as version `at`; where a look is under way,
    /// that or the next one finds it.
    pub(super) fn know(&self, at: u64, commit: &Commit) {
        if let Ok(mut seen) = self.seen.try_lock()
            && seen.version + 1 == at
        {
            seen.version = at;
            seen.positions.extend(commit.positions.iter().cloned());
            self.known.store(at, Ordering::SeqCst);
        }
    }

    /// A version to which the table was seen to reach.
    pub(super) fn known(&self) -> u64 {
        self.known.load(Ordering::SeqCst)
    }

    /// Holds `snapshot` from now on, unless what is held begins with a newer checkpoint: what that
    /// one begins with may have left the log.
    pub(super) fn hold(&self, snapshot: SnapshotRef) {
        let checkpoint = |snapshot: &Snapshot| snapshot.log_segment().checkpoint_version;
        let mut held = self.held.lock();
        if checkpoint(&held) <= checkpoint(&snapshot) {
            *held = snapshot;
        }
    }

    /// The newest snapshot.
    pub(super) async fn newest_snapshot(&self) -> Result<SnapshotRef> {
        newest_snapshot(&self.objects, &self.engine, &self.root, &self.name).await
    }

    /// The view by the newest checkpoint, after `version` was not to be found in the log, which
    /// reaches at least to `newest`.
    async fn start_over(&self, version: u64, newest: u64) -> Result<View> {
        let snapshot = self.newest_snapshot().await?;
        let covered = snapshot.log_segment().checkpoint_version;
        if covered.is_none_or(|at| at < version) {
            return Err(gone(&self.name, version));
        }
        if snapshot.version() < newest {
            return Err(behind(&self.name, newest));
        }
        let view = view_of(&self.engine, &snapshot, &self.name).await?;
        *self.held.lock() = snapshot;
        Ok(view)
    }
}

fn absorb(seen: &mut View, commit: LoggedCommit) {
    seen.version = commit.version;
    seen.positions.extend(commit.positions);
}

/// What the table says at `snapshot`.
pub(super) async fn view_of(
    engine: &Arc<dyn Engine>,
    snapshot: &SnapshotRef,
    name: &str,
) -> Result<View> {
    let keeps = snapshot
        .table_properties()
        .set_transaction_retention_duration;
    if keeps.is_some() {
        return Err(Error::refused(format!(
            "table {name} has the property delta.setTransactionRetentionDuration, by which the position of an idle partition expires; remove it"
        )));
    }
    let version = snapshot.version();
    let (engine, snapshot) = (engine.clone(), snapshot.clone());
    let positions = blocking(move || {
        positions_of(engine.as_ref(), &snapshot)
            .map_err(|failure| failure.into_error("read the table's positions"))
    })
    .await?;
    Ok(View { version, positions })
}

/// The newest snapshot of the table at `root`.
pub(super) async fn newest_snapshot(
    objects: &Arc<dyn ObjectStore>,
    engine: &Arc<dyn Engine>,
    root: &Url,
    name: &str,
) -> Result<SnapshotRef> {
    let (reader, url) = (engine.clone(), root.clone());
    let loaded = blocking(move || Ok(load(reader.as_ref(), &url))).await?;
    match loaded {
        Err(KernelError::MissingVersion(version)) => Err(missing(objects, name, version).await?),
        loaded => loaded.map_err(|e| kernel_error("load the table", e)),
    }
}

/// Loads the newest snapshot.
pub(super) fn load(engine: &dyn Engine, root: &Url) -> KernelResult<SnapshotRef> {
    Snapshot::builder_for(root.as_str())
        .with_incremental_crc_replay(IncrementalReplay::Unlimited)
        .build(engine)
}

/// What it means that a listing shows a later version and not `version`.
pub(super) async fn missing(
    objects: &Arc<dyn ObjectStore>,
    name: &str,
    version: u64,
) -> Result<Error> {
    match log::is_logged(objects, name, version).await? {
        true => Ok(behind(name, version)),
        false => Ok(gone(name, version)),
    }
}

fn behind(name: &str, version: u64) -> Error {
    Error::unreachable(format!(
        "the store's listing of {name} is behind its commit {version}"
    ))
}
