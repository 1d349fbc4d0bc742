//! The table of a stream, opened for as long as it takes.
//!
//! Owns: what every stream has, whatever feeds it: its table, who commits to it, the schema version
//! in force.

use std::sync::Arc;
use std::time::Duration;

use crate::app::Parts;
use crate::app::sources::version_source;
use crate::config::Schemas;
use crate::error::Result;
use crate::lake::LakeTable;
use crate::lake::delta::DeltaTable;
use crate::pipeline::commit::Committer;
use crate::pipeline::evolution::{Evolution, EvolutionParts};
use crate::pipeline::flow::Flow;
use crate::pipeline::plan::table_spec;
use crate::pipeline::upload::Uploader;
use crate::schema::registry::Registry;
use crate::schema::versions::VersionSource;
use crate::store::Store;

/// First and longest wait before a table that cannot be opened is tried again.
const LAKE_RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

/// What all streams share.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) store: Store,
    pub(super) registry: Option<Registry>,
    pub(super) instance: String,
    pub(super) schemas: Schemas,
    pub(super) parts: Parts,
}

/// An open stream.
#[derive(Debug, Clone)]
pub(super) struct Opened {
    pub(super) table: Arc<dyn LakeTable>,
    pub(super) committer: Arc<Committer>,
    pub(super) evolution: Arc<Evolution>,
}

/// A stream that is to be opened.
#[derive(Debug)]
pub(super) struct Opening {
    common: Arc<Common>,
    flow: Arc<Flow>,
    source: Arc<dyn VersionSource>,
}

impl Opening {
    /// Of the stream of `flow`.
    ///
    /// # Errors
    /// Its schema is in a registry, and none is named.
    pub(super) fn of(common: &Arc<Common>, flow: &Arc<Flow>) -> Result<Self> {
        common.parts.status.add_stream(flow.name());
        let registry = common.registry.as_ref();
        Ok(Self {
            source: version_source(&common.schemas, registry, &flow.stream)?,
            common: common.clone(),
            flow: flow.clone(),
        })
    }

    /// Opens the table, for as long as it takes, and puts a schema version in force.
    pub(super) async fn open(self) -> Opened {
        let Self {
            common,
            flow,
            source,
        } = self;
        let parts = &common.parts;
        let table = open_table(&common, &flow).await;
        let seed = u64::from(std::process::id()) << 16 | flow.index as u64;
        let committer = Arc::new(Committer::new(
            table.clone(),
            parts.clock.clone(),
            parts.shutdown.clone(),
            seed,
        ));
        let evolution = Arc::new(Evolution::new(EvolutionParts {
            table: table.clone(),
            committer: committer.clone(),
            source,
            level: common.schemas.level_of(&flow.stream.origin),
            flow,
            metrics: parts.metrics.clone(),
            status: parts.status.clone(),
            clock: parts.clock.clone(),
        }));
        evolution.start().await;
        let watch = evolution.clone();
        tokio::spawn(watch.watch(common.schemas.poll, parts.look_again.clone()));
        Opened {
            table,
            committer,
            evolution,
        }
    }
}

impl Common {
    /// Where the files of a stream go.
    pub(super) fn uploader(&self, stream: &str) -> Uploader {
        Uploader {
            store: self.store.clone(),
            stream: stream.to_owned(),
            clock: self.parts.clock.clone(),
            shutdown: self.parts.shutdown.clone(),
            status: self.parts.status.clone(),
        }
    }
}

async fn open_table(common: &Common, flow: &Flow) -> Arc<dyn LakeTable> {
    let (stream, parts) = (&flow.stream, &common.parts);
    let mut told = String::new();
    let mut wait = LAKE_RETRY.0;
    loop {
        let spec = table_spec(stream);
        let opened =
            DeltaTable::open_or_create(&common.store, &stream.name, &common.instance, spec).await;
        let reason = match opened {
            Ok(table) => {
                parts.status.set_held(&stream.name, None);
                return Arc::new(table);
            }
            Err(error) => error.to_string(),
        };
        if reason != told {
            tracing::error!(stream = %stream.name, "the table cannot be used, and the stream waits for it: {reason}");
            parts.status.set_held(&stream.name, Some(reason.clone()));
            told = reason;
        }
        parts.clock.sleep(wait).await;
        wait = (wait * 2).min(LAKE_RETRY.1);
    }
}
