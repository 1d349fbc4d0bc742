//! Orders to the consumer's thread.

use std::sync::mpsc::SyncSender;

use crate::source::kafka::cluster::Cluster;
use crate::source::kafka::{StartAt, TopicPartition};

/// An order to the consumer's thread.
pub(super) enum Order {
    Start(Vec<StartAt>),
    Stop(Vec<TopicPartition>),
    Commit(Vec<(TopicPartition, i64)>),
    Shutdown,
}

/// The consumer as others see it. Cheap to clone.
#[derive(Clone)]
pub struct Control {
    pub(super) orders: SyncSender<Order>,
    pub(super) cluster: Cluster,
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Control")
    }
}

impl Control {
    fn order(&self, order: Order) {
        if self.orders.send(order).is_err() {
            tracing::debug!("the consumer's thread has ended");
        }
    }

    /// The cluster that is consumed.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Fetches these partitions from their offsets on.
    pub fn start(&self, partitions: Vec<StartAt>) {
        if !partitions.is_empty() {
            self.order(Order::Start(partitions));
        }
    }

    /// Fetches these partitions no more; they stay ours in the group.
    pub fn stop(&self, partitions: Vec<TopicPartition>) {
        if !partitions.is_empty() {
            self.order(Order::Stop(partitions));
        }
    }

    /// Writes the group's offsets, which are for display only.
    pub fn commit_group_offsets(&self, offsets: Vec<(TopicPartition, i64)>) {
        if !offsets.is_empty() {
            self.order(Order::Commit(offsets));
        }
    }

    /// Leaves the group and ends the thread.
    pub fn shutdown(&self) {
        self.order(Order::Shutdown);
    }
}
