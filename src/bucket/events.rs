//! Changes of a local folder, as the system tells them.
//!
//! Owns: waking the watch early, and which files were moved into place. They are a convenience: what
//! the system does not tell is seen at the next poll.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use notify::event::{EventKind, ModifyKind, RenameMode};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::bucket::{Bucket, names};

/// What happens in a folder.
#[derive(Debug)]
pub struct Events {
    shared: Arc<Shared>,
    /// Ends with this.
    _watcher: Option<RecommendedWatcher>,
}

#[derive(Debug, Default)]
struct Shared {
    changed: Notify,
    moved: Mutex<HashSet<String>>,
}

impl Events {
    /// Watches what is below `prefix` of a local bucket; of another one nothing ever happens.
    pub fn of(bucket: &Bucket, prefix: &str) -> Self {
        let shared = Arc::new(Shared::default());
        let watcher = bucket.store.folder().and_then(|folder| {
            let below = folder.join(prefix);
            watcher(folder.to_owned(), &below, shared.clone())
                .inspect_err(|error| {
                    tracing::warn!(folder = %below.display(), %error, "the system does not tell changes of the folder; they are seen at each poll");
                })
                .ok()
        });
        Self {
            shared,
            _watcher: watcher,
        }
    }

    /// Returns once something changed; several changes before one call count as one.
    pub async fn changed(&self) {
        self.shared.changed.notified().await;
    }

    /// The keys that were moved into place since the last call.
    pub fn moved(&self) -> HashSet<String> {
        std::mem::take(&mut *self.shared.moved.lock())
    }
}

fn watcher(root: PathBuf, below: &Path, shared: Arc<Shared>) -> notify::Result<RecommendedWatcher> {
    std::fs::create_dir_all(below).map_err(notify::Error::io)?;
    let told = move |event: notify::Result<Event>| {
        let Ok(event) = event else { return };
        let is_move = matches!(
            event.kind,
            EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Both))
        );
        let keys = event.paths.iter().filter_map(|path| {
            let key = path.strip_prefix(&root).ok()?.to_str()?;
            (names::kind(key) != names::Kind::Other).then(|| key.to_owned())
        });
        let mut is_ours = false;
        for key in keys {
            is_ours = true;
            if is_move {
                shared.moved.lock().insert(key);
            }
        }
        // A folder that came in whole has no names of its own to tell.
        is_ours |= matches!(event.kind, EventKind::Create(_)) || is_move;
        if is_ours {
            shared.changed.notify_one();
        }
    };
    let mut watcher = notify::recommended_watcher(told)?;
    watcher.watch(below, RecursiveMode::Recursive)?;
    Ok(watcher)
}
