//! Where a stream's source partitions stand, and what an operator may do about it.
//!
//! Owns: asking table, ledger and broker, and landing an operator's change by the protocol that
//! batches land by. Does not own: the judgements (`standing`, `change`), showing (`cli::positions`).

pub mod change;
pub mod standing;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use uuid::Uuid;

use crate::clock::Clock;
use crate::config::Stream;
use crate::error::{Error, Kind, Result};
use crate::lake::delta::DeltaTable;
use crate::lake::ledger::{self, traces};
use crate::lake::sources::kafka_partitions;
use crate::lake::state::TableState;
use crate::lake::{LakeTable, ReadyBatch, View, layout};
use crate::model::id;
use crate::model::ledger::{CommitRecord, RECORD_VERSION, Role};
use crate::model::position::{SourceId, SourcePartition};
use crate::pipeline::commit::{Committer, Landing};
use crate::pipeline::plan::table_spec;
use crate::shutdown;
use crate::source::kafka::{Cluster, TopicPartition};
use crate::store::Store;

use change::{Change, Known};
use standing::{BrokerNow, TopicNow};

/// Logs whose bounds are asked for side by side.
const PARALLEL: usize = 16;

/// Looks at a table that a daemon moves meanwhile, before an operator is asked to try again.
const LOOKS_MAX: usize = 50;

/// How long a change may take, outages of the lake included.
const DEADLINE: Duration = Duration::from_secs(60);

/// What a table and its ledger say.
#[derive(Debug, Clone, Default)]
pub struct TableNow {
    /// The positions.
    pub view: View,
    /// The topics' ids, as the ledger has them.
    pub ids: HashMap<SourceId, String>,
}

/// A change that is in the table.
#[derive(Debug, Clone)]
pub struct Changed {
    /// The table's version.
    pub version: u64,
    /// What was changed.
    pub change: Change,
}

impl TableNow {
    /// Reads the DLO of `stream`, without changing anything; `None` if there is none yet.
    ///
    /// # Errors
    /// The store cannot be reached; the table or its ledger cannot be read (`Found`).
    pub async fn read(store: &Store, stream: &str) -> Result<Option<Self>> {
        let table = layout::data_table(stream);
        let objects = store.objects();
        if !ledger::is_there(&objects, &table).await? {
            return Ok(None);
        }
        let unreadable = |text: String| {
            Error::new(
                Kind::Found,
                format!("{table} cannot be read: {text}; weir verify tells what is wrong"),
            )
        };
        let state = async {
            let state = TableState::load(store, &table, None).await?;
            let positions = state.positions().await?;
            Ok::<_, crate::lake::failure::Failure>((state.version(), positions))
        };
        let (version, positions) = match state.await {
            Ok(loaded) => loaded,
            Err(failure) => return Err(unreadable(failure.found()?)),
        };
        let view = View { version, positions };
        let partitions = partitions(&view);
        let traces = traces::traces(&objects, &table, &partitions, true).await?;
        Ok(Some(Self {
            view,
            ids: traces.topic_ids,
        }))
    }
}

/// What the broker says of `topics`; those that do not exist are left out.
///
/// # Errors
/// The broker did not answer in time.
pub async fn ask_broker(cluster: &Cluster, topics: BTreeSet<String>) -> Result<BrokerNow> {
    let id = cluster.cluster_id().await?;
    let names: Vec<Arc<str>> = topics.into_iter().map(Into::into).collect();
    let mut now = BrokerNow {
        cluster: id,
        topics: BTreeMap::new(),
    };
    for (name, id) in cluster.topic_ids(names).await? {
        let partitions = cluster.partitions_of(name.clone()).await?;
        let bounds = futures::stream::iter(0..partitions)
            .map(|number| {
                let partition = TopicPartition {
                    topic: name.clone(),
                    partition: number,
                };
                async move { Ok::<_, Error>((number, cluster.log_bounds(partition).await?)) }
            })
            .buffer_unordered(PARALLEL)
            .try_collect()
            .await?;
        now.topics.insert(name.to_string(), TopicNow { id, bounds });
    }
    Ok(now)
}

/// The topics of which the table has positions.
pub fn topics_of(view: &View) -> BTreeSet<String> {
    kafka_partitions(view)
        .filter_map(|(p, _)| p.source_id.as_kafka().map(|(_, topic, _)| topic.to_owned()))
        .collect()
}

fn partitions(view: &View) -> Vec<SourcePartition> {
    kafka_partitions(view).map(|(p, _)| p).collect()
}

/// Who changes positions of one stream.
#[derive(Debug)]
pub struct Operator {
    table: Arc<dyn LakeTable>,
    cluster: Cluster,
    instance: String,
    clock: Clock,
}

impl Operator {
    /// Opens the table of `stream`.
    ///
    /// # Errors
    /// The store cannot be reached. `Refused`: there is no table, or it does not fit the stream.
    pub async fn open(
        store: &Store,
        stream: &Stream,
        cluster: Cluster,
        instance: &str,
        clock: Clock,
    ) -> Result<Self> {
        let table = layout::data_table(&stream.name);
        if !ledger::is_there(&store.objects(), &table).await? {
            return Err(Error::refused(format!(
                "there is no table {table} yet; weir run creates it, and its starting points"
            )));
        }
        let table =
            DeltaTable::open_or_create(store, &stream.name, instance, table_spec(stream)).await?;
        Ok(Self::new(Arc::new(table), cluster, instance, clock))
    }

    /// An operator of an open table.
    pub fn new(table: Arc<dyn LakeTable>, cluster: Cluster, instance: &str, clock: Clock) -> Self {
        Self {
            table,
            cluster,
            instance: instance.to_owned(),
            clock,
        }
    }

    /// Judges and lands a change of the positions of `topic`; looks and judges again where a daemon
    /// moved them meanwhile.
    ///
    /// # Errors
    /// What `judge` answers. `Unreachable`: broker or lake did not answer in time.
    pub async fn change(
        &self,
        topic: &str,
        judge: impl Fn(Known<'_>) -> Result<Change>,
    ) -> Result<Changed> {
        let (trigger, shutdown) = shutdown::channel();
        let seed = u64::from(std::process::id());
        let committer = Committer::new(self.table.clone(), self.clock.clone(), shutdown, seed);
        let changed = land(&committer, &self.instance, id::fresh, async |view| {
            let traces = self.table.traces(&partitions(view), true).await?;
            let broker = ask_broker(&self.cluster, [topic.to_owned()].into()).await?;
            judge(Known {
                view,
                ids: &traces.topic_ids,
                broker: &broker,
            })
        });
        let changed = self.clock.timeout(DEADLINE, changed).await;
        drop(trigger);
        changed.unwrap_or_else(|| {
            Err(Error::unreachable(format!(
                "the change was not settled in {} s; `weir positions show` tells whether it is in the table",
                DEADLINE.as_secs()
            )))
        })
    }
}

/// Lands what `judge` makes of the table, by the protocol that batches land by; looks and judges
/// again where an instance moved a position meanwhile. `fresh` gives the commit's id.
///
/// # Errors
/// What `judge` answers. `Unreachable`: the table never stood still, or the stop was abandoned.
pub async fn land(
    committer: &Committer,
    instance: &str,
    fresh: impl Fn() -> Uuid,
    judge: impl AsyncFn(&View) -> Result<Change>,
) -> Result<Changed> {
    for _ in 0..LOOKS_MAX {
        let view = committer.table().view().await?;
        let change = judge(&view).await?;
        match committer.land(&batch(&change, instance, fresh())).await {
            Landing::Committed { version, .. } | Landing::AlreadyCommitted { version, .. } => {
                return Ok(Changed { version, change });
            }
            // An instance moved a position since the look.
            Landing::Fenced { .. } => {}
            Landing::GaveUp(error) => return Err(error),
            Landing::SchemaBehind { .. } | Landing::UploadAgain | Landing::Duplicate { .. } => {
                return Err(Error::internal("a change without rows was asked for rows"));
            }
        }
    }
    Err(Error::unreachable(
        "the positions were moved by a running instance at every look; try again",
    ))
}

fn batch(change: &Change, instance: &str, batch: Uuid) -> ReadyBatch {
    let record = CommitRecord {
        version: RECORD_VERSION,
        role: Role::Operator,
        batch,
        instance: instance.to_owned(),
        cut: None,
        schema: None,
        ranges: change.ranges.clone(),
        rejects: Vec::new(),
        job: None,
        reason: Some(change.reason.clone()),
    };
    ReadyBatch::new(record, Vec::new())
}
