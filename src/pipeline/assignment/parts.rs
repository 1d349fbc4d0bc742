//! What the task of a stream is told, and what it works with.
//!
//! Owns: the flush of a stream's lanes, and the places where a partition's state is told.
//! Does not own: what follows from an event (`stream`).

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::model::ledger::Cut;
use crate::pipeline::flow::Flow;
use crate::pipeline::landing::Settled;
use crate::pipeline::lane::Lane;
use crate::pipeline::status::{PartitionState, StatusBoard};
use crate::source::kafka::{Control, PartitionFault, RevokeReply, TopicPartition};

/// What a stream is told.
#[derive(Debug)]
pub enum StreamEvent {
    /// The group gave these partitions to us.
    Assigned {
        /// The partitions.
        partitions: Vec<TopicPartition>,
        /// The assignment's number.
        assignment: u64,
    },
    /// The group takes these back.
    Revoked {
        /// The partitions.
        partitions: Vec<TopicPartition>,
        /// True if they are another's already.
        lost: bool,
        /// Dropped when they are flushed.
        done: Arc<RevokeReply>,
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
    /// The stream is not fetched for lack of room, or is again.
    Paused(bool),
    /// The process stops: flush, and end.
    Drain,
}

/// The parts of a stream's task.
#[derive(Debug)]
pub struct StreamParts {
    /// The stream's place in the configuration; its feed has the same number.
    pub at: usize,
    /// Its flow.
    pub flow: Arc<Flow>,
    /// The lanes that decode it.
    pub lanes: Vec<Lane>,
    /// The consumer.
    pub control: Control,
    /// How far its partitions are settled.
    pub settled: Settled,
    /// Longest wait for the flush of a revoked partition.
    pub revoke_deadline: Duration,
    /// Metrics.
    pub metrics: Metrics,
    /// What HTTP tells.
    pub status: StatusBoard,
    /// Clock.
    pub clock: Clock,
}

impl StreamParts {
    /// Cuts what is open, and waits until it is settled if that is asked for.
    pub(super) async fn flush(&self, cut: Cut, until_settled: bool) {
        for lane in &self.lanes {
            lane.cut(self.at, cut).await;
        }
        if until_settled {
            self.flow.settled().await;
        }
    }

    /// The stream's name.
    pub(super) fn name(&self) -> &str {
        self.flow.name()
    }

    /// Counts offsets that retention took before they were read.
    pub(super) fn count_gap(&self, partition: &TopicPartition, records: i64) {
        let number = partition.partition.to_string();
        self.metrics
            .gap_records
            .with_label_values(&[self.name(), &*partition.topic, &number])
            .inc_by(records.unsigned_abs());
    }

    /// Sets the state of a partition where it is told.
    pub(super) fn set_state(
        &self,
        partition: &TopicPartition,
        state: PartitionState,
        reason: Option<String>,
    ) {
        self.metrics.set_partition_state(
            self.name(),
            &partition.topic,
            partition.partition,
            state.as_str(),
        );
        self.status.set_state(self.name(), partition, state, reason);
    }
}
