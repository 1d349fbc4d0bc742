//! What librdkafka calls back.
//!
//! On an assignment the join is completed with an empty list: partitions are assigned one by one
//! when their offsets are known. On a revocation the callback waits for the flush.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use parking_lot::Mutex;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::mpsc;

use crate::source::kafka::{Event, PartitionStatistics, RevokeReply, TopicPartition};

/// The context of the consumer.
pub(super) struct Context {
    events: mpsc::Sender<Event>,
    revoke_deadline: Duration,
    pub(super) group: Mutex<Group>,
    is_down: Mutex<bool>,
    /// What librdkafka last said of a connection that failed.
    trouble: Mutex<Option<String>>,
}

/// What the group gave us, and what of it is fetched. Changed on the consumer's thread only.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// Partitions that are ours, with the number of the assignment that made them so.
    owned: HashMap<TopicPartition, u64>,
    /// Those that are assigned in librdkafka, so that only those are unassigned.
    started: HashSet<TopicPartition>,
    /// Those that were started and taken back since the thread looked.
    revoked: Vec<TopicPartition>,
    assignments: u64,
}

impl Group {
    /// Marks a partition as started, if it is still ours by that assignment.
    pub(super) fn start(&mut self, partition: &TopicPartition, assignment: u64) -> bool {
        self.owned.get(partition) == Some(&assignment) && self.started.insert(partition.clone())
    }

    /// Marks a partition as stopped; false if it was not started.
    pub(super) fn stop(&mut self, partition: &TopicPartition) -> bool {
        self.started.remove(partition)
    }

    /// True while the group counts on us for a partition.
    pub(super) fn owns_any(&self) -> bool {
        !self.owned.is_empty()
    }

    /// What was taken back since the last call.
    pub(super) fn take_revoked(&mut self) -> Vec<TopicPartition> {
        std::mem::take(&mut self.revoked)
    }
}

impl Context {
    pub(super) fn new(events: mpsc::Sender<Event>, revoke_deadline: Duration) -> Self {
        Self {
            events,
            revoke_deadline,
            group: Mutex::default(),
            is_down: Mutex::default(),
            trouble: Mutex::default(),
        }
    }

    /// Takes what was last said of a connection that failed.
    pub(super) fn take_trouble(&self) -> Option<String> {
        self.trouble.lock().take()
    }

    pub(super) fn send(&self, event: Event) {
        // The queue is far longer than the events that can be under way; when the receiver is gone
        // the process stops.
        if self.events.try_send(event).is_err() {
            tracing::debug!("a consumer event had no receiver");
        }
    }

    pub(super) fn set_up(&self) {
        let mut is_down = self.is_down.lock();
        if std::mem::take(&mut *is_down) {
            self.send(Event::Broker {
                up: true,
                message: "connected".to_owned(),
            });
        }
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => tracing::warn!(facility, "librdkafka: {message}"),
            _ => tracing::debug!(facility, "librdkafka: {message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            let mut is_down = self.is_down.lock();
            if !std::mem::replace(&mut *is_down, true) {
                self.send(Event::Broker {
                    up: false,
                    message: reason.to_owned(),
                });
            }
        } else {
            tracing::debug!(%error, reason, "librdkafka error");
            *self.trouble.lock() = Some(reason.to_owned());
        }
    }

    fn stats(&self, statistics: Statistics) {
        if statistics.brokers.values().any(|b| b.state == "UP") {
            self.set_up();
        }
        let mut partitions = Vec::new();
        for (name, topic) in &statistics.topics {
            let name: Arc<str> = name.as_str().into();
            for (number, partition) in &topic.partitions {
                if *number >= 0 && partition.ls_offset >= 0 {
                    partitions.push(PartitionStatistics {
                        partition: TopicPartition {
                            topic: name.clone(),
                            partition: *number,
                        },
                        end: partition.ls_offset,
                    });
                }
            }
        }
        if !partitions.is_empty() {
            self.send(Event::Statistics(partitions));
        }
    }
}

impl ConsumerContext for Context {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        err: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        let partitions: Vec<TopicPartition> = list
            .elements()
            .iter()
            .map(|e| TopicPartition {
                topic: e.topic().into(),
                partition: e.partition(),
            })
            .collect();
        if err == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            tracing::info!(partitions = partitions.len(), "partitions assigned");
            if let Err(error) = consumer.incremental_assign(&TopicPartitionList::new()) {
                tracing::error!(%error, "could not take an assignment");
            }
            let assignment = {
                let mut group = self.group.lock();
                group.assignments += 1;
                let number = group.assignments;
                group
                    .owned
                    .extend(partitions.iter().map(|p| (p.clone(), number)));
                number
            };
            self.send(Event::Assigned {
                partitions,
                assignment,
            });
            return;
        }
        let lost = consumer.assignment_lost();
        tracing::info!(partitions = partitions.len(), lost, "partitions revoked");
        let (reply, done) = sync_channel(1);
        self.send(Event::Revoked {
            partitions: partitions.clone(),
            lost,
            done: RevokeReply(reply),
        });
        // Either answer ends the wait: flushed, or the deadline is over.
        let _ = done.recv_timeout(self.revoke_deadline);
        let mut unassign = TopicPartitionList::new();
        {
            let mut group = self.group.lock();
            for partition in &partitions {
                group.owned.remove(partition);
                if group.started.remove(partition) {
                    unassign.add_partition(&partition.topic, partition.partition);
                }
            }
            group.revoked.extend(partitions);
        }
        if let Err(error) = consumer.incremental_unassign(&unassign) {
            tracing::error!(%error, "could not give partitions back");
        }
    }
}

/// A list of partitions for librdkafka.
pub(super) fn list<'a>(
    partitions: impl IntoIterator<Item = (&'a TopicPartition, Option<i64>)>,
) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in partitions {
        match offset {
            // An offset below zero is no offset; none is made here.
            Some(offset) => {
                let _ = list.add_partition_offset(
                    &partition.topic,
                    partition.partition,
                    Offset::Offset(offset),
                );
            }
            None => {
                list.add_partition(&partition.topic, partition.partition);
            }
        }
    }
    list
}
