//! Kafka: one consumer thread for all streams.
//!
//! Owns: the group, fetching, blocks of raw messages, pausing where a lane is full. It knows
//! topics, partitions and offsets. Does not own: streams, tables, and where a partition begins:
//! nothing is fetched of an assigned partition before [`Control::start`] tells its offset.

mod consumer;
mod context;
mod control;
mod demo_broker;

use std::sync::Arc;
use std::time::Duration;

use crate::model::raw::RawBlock;

pub use consumer::spawn;
pub use control::Control;
pub use demo_broker::DemoBroker;

/// A partition of a topic of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic: Arc<str>,
    /// Its number.
    pub partition: i32,
}

/// What the consumer needs.
#[derive(Debug, Clone)]
pub struct KafkaSettings {
    /// Broker, group, properties.
    pub kafka: crate::config::Kafka,
    /// Names and `^patterns`.
    pub subscribe: Vec<String>,
    /// Bytes that librdkafka's queue may hold.
    pub queue_bytes: u64,
    /// The instance's name, as client id.
    pub instance: String,
    /// Longest wait for the flush of revoked partitions.
    pub revoke_deadline: Duration,
}

/// Where the blocks of a partition go.
pub trait BlockSink: Send + Sync {
    /// Takes the block, or gives it back where there is no room. Never blocks.
    fn offer(
        &self,
        partition: &TopicPartition,
        generation: u64,
        block: RawBlock,
    ) -> Result<(), RawBlock>;
}

/// A partition to fetch, from an exact offset.
pub struct StartAt {
    /// The partition; it is ours in the group.
    pub partition: TopicPartition,
    /// The first offset.
    pub offset: i64,
    /// Where its blocks go.
    pub sink: Arc<dyn BlockSink>,
    /// Tells its blocks apart from those of an earlier start.
    pub generation: u64,
}

impl std::fmt::Debug for StartAt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StartAt")
            .field("partition", &self.partition)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

/// Ends the wait of a revocation when it is dropped.
#[derive(Debug)]
pub struct RevokeReply(
    #[allow(dead_code, reason = "its drop is the reply")] std::sync::mpsc::SyncSender<()>,
);

/// What happens to the consumer.
#[derive(Debug)]
pub enum Event {
    /// The group gave these partitions to us. Nothing is fetched until they are started.
    Assigned(Vec<TopicPartition>),
    /// The group takes these back. The consumer waits, within a deadline, until `done` is dropped.
    Revoked {
        /// The partitions.
        partitions: Vec<TopicPartition>,
        /// True if they are another's already.
        lost: bool,
        /// To be dropped when they are flushed.
        done: RevokeReply,
    },
    /// A partition cannot be read on.
    Fault {
        /// The partition.
        partition: TopicPartition,
        /// Why.
        fault: PartitionFault,
    },
    /// Ends of the partitions, about once a second.
    Statistics(Vec<PartitionStatistics>),
    /// All brokers are out of reach, or one was reached again.
    Broker {
        /// False when none can be reached.
        up: bool,
        /// What the client says.
        message: String,
    },
}

/// Why a partition cannot be read on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartitionFault {
    /// The offset is below the log's start, or above its end.
    OutOfRange {
        /// The log's first offset.
        low: i64,
        /// The offset behind its last.
        high: i64,
    },
}

impl PartitionFault {
    /// The metric's label.
    pub fn kind(&self) -> &'static str {
        match self {
            PartitionFault::OutOfRange { .. } => "offset_out_of_range",
        }
    }
}

/// What librdkafka knows of a partition.
#[derive(Debug, Clone)]
pub struct PartitionStatistics {
    /// The partition.
    pub partition: TopicPartition,
    /// The last stable offset, where the log ends for us; negative if unknown.
    pub end: i64,
}
