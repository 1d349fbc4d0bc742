//! Kafka: one consumer thread for all streams.
//!
//! Owns: the group, fetching, blocks of raw messages, pausing where a lane is full. It knows
//! topics, partitions and offsets. Does not own: streams, tables, and where a partition begins:
//! nothing is fetched of an assigned partition before [`Control::start`] tells its offset.

mod cluster;
mod consumer;
mod context;
mod control;
mod demo_broker;
mod feed;
mod native;
mod properties;
mod scan;

use std::ffi::CStr;
use std::sync::Arc;
use std::time::Duration;

use crate::model::raw::RawBlock;

pub use cluster::{Cluster, Topic};
pub use consumer::spawn;
pub use control::Control;
pub use demo_broker::DemoBroker;
pub use properties::check_properties;
pub use scan::{ScanEnd, ScanRange, ScanSettings, scan};

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
    /// Partitions are read by feeds, `0..feeds`, each with a queue of its own: one that has no
    /// room does not hold up the others.
    pub feeds: usize,
    /// Bytes that librdkafka's queues and the blocks that are being filled may hold together.
    pub queue_bytes: u64,
    /// The instance's name, as client id.
    pub instance: String,
    /// Longest wait for the flush of revoked partitions.
    pub revoke_deadline: Duration,
}

/// Where the blocks of a partition go.
pub trait BlockSink: Send + Sync {
    /// False while nothing more should be read for it: its feed is left alone, and what is fetched
    /// stays in librdkafka's bounded queue.
    fn has_room(&self) -> bool;

    /// The name of the header that it needs of each message.
    fn header(&self) -> Option<&'static CStr> {
        None
    }

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
    /// The assignment by which it is ours.
    pub assignment: u64,
    /// The feed that reads it.
    pub feed: usize,
    /// The first offset.
    pub offset: i64,
    /// The leader epoch of the message before it, where it is known and the log has that position:
    /// it is fetched once more, and a log that was truncated since is noticed by it.
    pub leader_epoch: Option<i32>,
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
    Assigned {
        /// The partitions.
        partitions: Vec<TopicPartition>,
        /// The assignment's number, which their starts have to name.
        assignment: u64,
    },
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
        /// Of the start that it was read from.
        generation: u64,
        /// Why.
        fault: PartitionFault,
    },
    /// Ends of the partitions, about once a second.
    Statistics(Vec<PartitionStatistics>),
    /// A feed was left alone for a while since its sinks had no room, or is read again.
    Paused {
        /// The feed.
        feed: usize,
        /// True while it is left alone.
        paused: bool,
    },
    /// The client tells of something that may pass, or not.
    Trouble {
        /// librdkafka's name of it: a closed set.
        kind: String,
        /// What the client says.
        message: String,
    },
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
    /// The broker refuses the offset: it is below the log's start, or above its end.
    OutOfRange,
    /// The log was truncated below the offset (KIP-320).
    Truncated,
}

impl PartitionFault {
    /// The metric's label.
    pub fn kind(&self) -> &'static str {
        match self {
            PartitionFault::OutOfRange => "offset_out_of_range",
            PartitionFault::Truncated => "log_truncated",
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
