//! One of the two tables: what is held of it from look to look.
//!
//! Owns: the held snapshot, and the positions as the log tells them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use delta_kernel::snapshot::SnapshotRef;
use object_store::ObjectStore;
use parking_lot::Mutex;
use url::Url;

use crate::error::{Error, Result};
use crate::lake::View;
use crate::lake::delta::log::{self, LogEntry};

/// One of the two tables.
pub(super) struct Side {
    pub(super) name: String,
    pub(super) root: Url,
    pub(super) held: Mutex<Option<SnapshotRef>>,
    /// The newest version that upkeep wrote a checkpoint and a checksum for; 0 for none.
    pub(super) checkpointed: AtomicU64,
    pub(super) checksummed: AtomicU64,
    pub(super) seen: tokio::sync::Mutex<Seen>,
}

#[derive(Default)]
pub(super) struct Seen {
    version: Option<u64>,
    positions: HashMap<String, i64>,
}

impl Side {
    pub(super) fn new(lake: &Url, name: String) -> Result<Self> {
        let root = lake
            .join(&format!("{name}/"))
            .map_err(|e| Error::config(format!("{name} is no folder name")).because(e))?;
        Ok(Self {
            name,
            root,
            held: Mutex::new(None),
            checkpointed: AtomicU64::new(0),
            checksummed: AtomicU64::new(0),
            seen: tokio::sync::Mutex::default(),
        })
    }

    /// Reads what is new in the log; returns the newest view, and the new entries.
    pub(super) async fn refresh(
        &self,
        objects: &Arc<dyn ObjectStore>,
    ) -> Result<(View, Vec<LogEntry>)> {
        let mut seen = self.seen.lock().await;
        let entries = log::entries_since(objects, &self.name, seen.version).await?;
        for entry in &entries {
            seen.version = Some(entry.version);
            seen.positions
                .extend(entry.positions.iter().map(|(k, v)| (k.clone(), *v)));
        }
        let Some(version) = seen.version else {
            return Err(Error::refused(format!("table {} has no log", self.name)));
        };
        let view = View {
            version,
            positions: seen.positions.clone(),
        };
        Ok((view, entries))
    }
}
