//! What others ask of the consumer: orders to its thread, and questions to the cluster.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;

use crate::error::{Error, Result};
use crate::source::kafka::context::{Context, list};
use crate::source::kafka::{StartAt, TopicPartition};

/// How long a question to the cluster may take.
const TIMEOUT: Duration = Duration::from_secs(10);

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
    pub(super) consumer: Arc<BaseConsumer<Context>>,
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

    async fn ask<T: Send + 'static>(
        &self,
        what: &'static str,
        question: impl FnOnce(&BaseConsumer<Context>) -> std::result::Result<T, KafkaError>
        + Send
        + 'static,
    ) -> Result<T> {
        let consumer = self.consumer.clone();
        tokio::task::spawn_blocking(move || question(&consumer))
            .await
            .map_err(|e| Error::internal("a question to the broker died").because(e))?
            .map_err(|e| Error::unreachable(format!("the broker did not tell {what}")).because(e))
    }

    /// The cluster's id.
    pub async fn cluster_id(&self) -> Result<String> {
        let id = self
            .ask("the cluster's id", |c| {
                Ok(c.client().fetch_cluster_id(TIMEOUT))
            })
            .await?;
        id.ok_or_else(|| Error::unreachable("the broker did not tell the cluster's id"))
    }

    /// The number of a topic's partitions.
    pub async fn partitions_of(&self, topic: Arc<str>) -> Result<i32> {
        self.ask("a topic's partitions", move |c| {
            let metadata = c.fetch_metadata(Some(&topic), TIMEOUT)?;
            let count = metadata
                .topics()
                .first()
                .map_or(0, |t| t.partitions().len());
            Ok(i32::try_from(count).unwrap_or(i32::MAX))
        })
        .await
    }

    /// The log's first offset, and the one behind its last.
    pub async fn log_bounds(&self, partition: TopicPartition) -> Result<(i64, i64)> {
        self.ask("the ends of a log", move |c| {
            c.fetch_watermarks(&partition.topic, partition.partition, TIMEOUT)
        })
        .await
    }

    /// The first offset at or after a time in milliseconds; `None` if there is none.
    pub async fn offset_for_time(&self, partition: TopicPartition, ms: i64) -> Result<Option<i64>> {
        self.ask("the offset of a time", move |c| {
            let asked = list([(&partition, Some(ms))]);
            let told = c.offsets_for_times(asked, TIMEOUT)?;
            Ok(told
                .elements()
                .first()
                .and_then(|e| e.offset().to_raw())
                .filter(|o| *o >= 0))
        })
        .await
    }
}
