//! What is told of the running process: the state of each partition, of the broker and the lake.
//!
//! Owns: the board that the stages write and HTTP reads.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;

use crate::config::schemas::Refused;
use crate::schema::registry::Registry;
use crate::source::kafka::TopicPartition;
use crate::store::Watch;

/// The state of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PartitionState {
    /// It is fetched.
    Running,
    /// It is not fetched for a while: its batches wait, or the memory budget is full.
    Paused,
    /// Its position is being settled, or its lake is waited for.
    Waiting,
    /// An operator has to decide.
    Stopped,
}

impl PartitionState {
    /// The metric's label.
    pub fn as_str(self) -> &'static str {
        match self {
            PartitionState::Running => "running",
            PartitionState::Paused => "paused",
            PartitionState::Waiting => "waiting",
            PartitionState::Stopped => "stopped",
        }
    }
}

/// One partition of a stream.
#[derive(Debug, Clone, Serialize)]
pub struct PartitionStatus {
    /// The topic.
    pub topic: String,
    /// Its number.
    pub partition: i32,
    /// Its state.
    pub state: PartitionState,
    /// Why it is in that state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The next offset that is not settled.
    pub position: Option<i64>,
    /// The last stable offset.
    pub end: Option<i64>,
}

/// Which schema version a stream is at.
#[derive(Debug, Clone, Serialize)]
pub struct SchemaStatus {
    /// The subject.
    pub subject: String,
    /// The version that batches are decoded with.
    pub version: u32,
    /// A newer one that is not taken up, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refused>,
}

/// A picture of the board.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Status {
    /// Why no broker can be reached, if none can.
    pub broker_down: Option<String>,
    /// Why the lake's store does not answer, if it does not.
    pub lake_down: Option<String>,
    /// Why the bucket's store does not answer, if it does not.
    pub bulk_down: Option<String>,
    /// Since when and why the schema registry does not answer, if it does not.
    pub registry_down: Option<String>,
    /// Why a stream as a whole does not run, by stream.
    pub held: BTreeMap<String, String>,
    /// Schema versions by stream.
    pub schemas: BTreeMap<String, SchemaStatus>,
    /// Partitions by stream.
    pub streams: BTreeMap<String, Vec<PartitionStatus>>,
}

#[derive(Debug, Default)]
struct Board {
    broker_down: Option<String>,
    lake: Option<Watch>,
    bulk: Option<Watch>,
    registry: Option<Registry>,
    held: BTreeMap<String, String>,
    schemas: BTreeMap<String, SchemaStatus>,
    streams: BTreeMap<String, BTreeMap<TopicPartition, PartitionStatus>>,
}

/// The board. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct StatusBoard(Arc<Mutex<Board>>);

impl StatusBoard {
    /// Names a stream, so that it is told of before it has partitions.
    pub fn add_stream(&self, stream: &str) {
        self.0.lock().streams.entry(stream.to_owned()).or_default();
    }

    /// Why the stream as a whole does not run; `None` once it does.
    pub fn set_held(&self, stream: &str, reason: Option<String>) {
        let mut board = self.0.lock();
        match reason {
            Some(reason) => drop(board.held.insert(stream.to_owned(), reason)),
            None => drop(board.held.remove(stream)),
        }
    }

    /// Which schema version the stream is at.
    pub fn set_schema(&self, stream: &str, schema: SchemaStatus) {
        self.0.lock().schemas.insert(stream.to_owned(), schema);
    }

    /// The newer version that is refused, if one is.
    pub fn set_refused(&self, stream: &str, refused: Option<Refused>) {
        if let Some(schema) = self.0.lock().schemas.get_mut(stream) {
            schema.refused = refused;
        }
    }

    /// The broker is reached, or is not.
    pub fn set_broker(&self, up: bool, message: &str) {
        self.0.lock().broker_down = (!up).then(|| message.to_owned());
    }

    /// What is known of the lake's store.
    pub fn watch_lake(&self, watch: Watch) {
        self.0.lock().lake = Some(watch);
    }

    /// What is known of the bucket's store.
    pub fn watch_bulk(&self, watch: Watch) {
        self.0.lock().bulk = Some(watch);
    }

    /// What is known of the schema registry.
    pub fn watch_registry(&self, registry: Registry) {
        self.0.lock().registry = Some(registry);
    }

    /// The state of a partition.
    pub fn set_state(
        &self,
        stream: &str,
        partition: &TopicPartition,
        state: PartitionState,
        reason: Option<String>,
    ) {
        let mut board = self.0.lock();
        let partitions = board.streams.entry(stream.to_owned()).or_default();
        let entry = partitions
            .entry(partition.clone())
            .or_insert_with(|| PartitionStatus {
                topic: partition.topic.to_string(),
                partition: partition.partition,
                state,
                reason: None,
                position: None,
                end: None,
            });
        entry.state = state;
        entry.reason = reason;
    }

    /// How far a partition is settled, and where its log ends.
    pub fn set_position(&self, stream: &str, partition: &TopicPartition, position: i64, end: i64) {
        let mut board = self.0.lock();
        if let Some(entry) = board
            .streams
            .get_mut(stream)
            .and_then(|p| p.get_mut(partition))
        {
            entry.position = Some(position);
            entry.end = Some(end);
        }
    }

    /// A partition was given up.
    pub fn forget(&self, stream: &str, partition: &TopicPartition) {
        if let Some(partitions) = self.0.lock().streams.get_mut(stream) {
            partitions.remove(partition);
        }
    }

    /// The picture now.
    pub fn picture(&self) -> Status {
        let board = self.0.lock();
        Status {
            broker_down: board.broker_down.clone(),
            lake_down: board.lake.as_ref().and_then(Watch::trouble),
            bulk_down: board.bulk.as_ref().and_then(Watch::trouble),
            registry_down: board.registry.as_ref().and_then(Registry::trouble),
            held: board.held.clone(),
            schemas: board.schemas.clone(),
            streams: board
                .streams
                .iter()
                .map(|(name, p)| (name.clone(), p.values().cloned().collect()))
                .collect(),
        }
    }
}
