//! Changes of a local folder, as the system tells them.
//!
//! Owns: waking the watch early, and which files were moved into place. They are a convenience: what
//! the system does not tell is seen at the next poll.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind, RenameMode};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::bucket::{Bucket, names};
use crate::clock::{Clock, Tick};

/// How often files that are being written wake at most: each of their bytes would else.
const PACE: Duration = Duration::from_secs(1);

/// What happens in a folder.
#[derive(Debug)]
pub struct Events {
    shared: Arc<Shared>,
    /// When it was last told.
    told: Mutex<Option<Tick>>,
    /// Ends with this.
    _watcher: Option<RecommendedWatcher>,
}

#[derive(Debug, Default)]
struct Shared {
    /// A file may be whole.
    came: Notify,
    /// A file is being written; behind it, that this was not told yet.
    written: Notify,
    is_written: AtomicBool,
    moved: Mutex<HashSet<String>>,
}

/// What an event means to the watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// A file, or a folder of them, was moved into place.
    Moved,
    /// A file may be whole.
    Came,
    /// A file is being written.
    Written,
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
            told: Mutex::new(None),
            _watcher: watcher,
        }
    }

    /// Returns once something changed; several changes before one call count as one.
    pub async fn changed(&self, clock: &Clock) {
        tokio::select! {
            biased;
            () = self.shared.came.notified() => {}
            () = self.written(clock) => {}
        }
        self.shared.is_written.store(false, Ordering::SeqCst);
        *self.told.lock() = Some(clock.tick());
    }

    /// Returns once files are being written, and nothing was told for a while.
    async fn written(&self, clock: &Clock) {
        while !self.shared.is_written.load(Ordering::SeqCst) {
            self.shared.written.notified().await;
        }
        loop {
            let told = *self.told.lock();
            let since = told.map_or(PACE, |told| clock.tick().since(told));
            match PACE.checked_sub(since).filter(|left| !left.is_zero()) {
                Some(left) => clock.sleep(left).await,
                None => return,
            }
        }
    }

    /// The keys that were moved into place since the last call.
    pub fn moved(&self) -> HashSet<String> {
        std::mem::take(&mut *self.shared.moved.lock())
    }
}

impl Shared {
    fn tell(&self, root: &Path, event: &Event) {
        if event.need_rescan() {
            self.came.notify_one();
            return;
        }
        let is_both = event.kind == EventKind::Modify(ModifyKind::Name(RenameMode::Both));
        // Of both names the first one is not there any more.
        for path in event.paths.iter().skip(usize::from(is_both)) {
            let Some(key) = path.strip_prefix(root).ok().and_then(Path::to_str) else {
                continue;
            };
            match meaning(&event.kind, key, || path.is_dir()) {
                None => {}
                Some(Meaning::Written) => {
                    self.is_written.store(true, Ordering::SeqCst);
                    self.written.notify_one();
                }
                Some(Meaning::Came) => self.came.notify_one(),
                Some(Meaning::Moved) => {
                    self.moved.lock().insert(key.to_owned());
                    self.came.notify_one();
                }
            }
        }
    }
}

/// `None` for what is none of the watch's business, such as its own results, and that a file is read.
fn meaning(kind: &EventKind, key: &str, is_folder: impl FnOnce() -> bool) -> Option<Meaning> {
    let is_move = matches!(
        kind,
        EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Both))
    );
    if names::kind(key) == names::Kind::Other {
        // A folder that came in whole has no names of its own to tell.
        let may_bring = is_move || matches!(kind, EventKind::Create(_));
        let is_ours = may_bring && !names::is_hidden(key) && is_folder();
        return is_ours.then_some(Meaning::Came);
    }
    match kind {
        _ if is_move => Some(Meaning::Moved),
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Some(Meaning::Came),
        EventKind::Access(_) => None,
        _ => Some(Meaning::Written),
    }
}

fn watcher(root: PathBuf, below: &Path, shared: Arc<Shared>) -> notify::Result<RecommendedWatcher> {
    std::fs::create_dir_all(below).map_err(notify::Error::io)?;
    let told = move |event: notify::Result<Event>| {
        if let Ok(event) = event {
            shared.tell(&root, &event);
        }
    };
    let mut watcher = notify::recommended_watcher(told)?;
    watcher.watch(below, RecursiveMode::Recursive)?;
    Ok(watcher)
}

#[cfg(test)]
mod tests;
