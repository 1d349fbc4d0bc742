//! A feed: partitions that share a queue, and the blocks that their messages are gathered in.
//!
//! Owns: messages into blocks, holes behind the last message, when a block is handed on, and that
//! nothing is read while a sink has no room. Does not own: the group, the thread (`consumer`).
//!
//! librdkafka's batch call takes whatever it gives for a message that was consumed, an error too, and
//! goes on behind it after the pause that each rebalance makes. So a partition is sought back to
//! where its block ends after an error, and ends of partitions are not told (`native::tests`).

use std::collections::HashMap;
use std::ffi::CStr;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::types::RDKafkaErrorCode;

use crate::clock::Tick;
use crate::model::raw::{RawBlock, RawMessage};
use crate::source::kafka::native::{MessageQueue, NativeMessage};
use crate::source::kafka::{BlockSink, Event, PartitionFault, StartAt, TopicPartition};

#[cfg(test)]
mod tests;

/// Messages of a block at most.
const BLOCK_MESSAGES: usize = 8 * 1024;

/// A feed counts as paused when it had no room for so long.
const PAUSED_AFTER: Duration = Duration::from_secs(1);

/// A partition that is fetched.
struct Reading {
    partition: TopicPartition,
    sink: Arc<dyn BlockSink>,
    /// The header that the sink needs.
    header: Option<&'static CStr>,
    generation: u64,
    open: RawBlock,
    /// A block that its sink had no room for.
    waiting: Option<RawBlock>,
    /// Bytes and messages of the last block.
    usual: (usize, usize),
    /// Leader epoch of the message before the first, which is fetched once more, until it is seen.
    before: Option<i32>,
    /// True once librdkafka's position is known to be of this reading and not of an earlier one.
    is_placed: bool,
    /// True after a fault, behind which it has to be started again.
    is_broken: bool,
}

/// Partitions that are read through one queue.
pub(super) struct Feed {
    number: usize,
    queue: MessageQueue,
    readings: Readings,
    /// Since when there is no room, and whether that was told.
    full: Option<(Tick, bool)>,
}

#[derive(Default)]
struct Readings {
    all: Vec<Reading>,
    by_partition: HashMap<(Arc<str>, i32), usize>,
    /// librdkafka's topic and the partition of the last message, and where its reading is.
    last: Option<(usize, i32, usize)>,
}

impl Feed {
    pub(super) fn new(number: usize, queue: MessageQueue) -> Self {
        Self {
            number,
            queue,
            readings: Readings::default(),
            full: None,
        }
    }

    /// The partitions that are read.
    pub(super) fn len(&self) -> usize {
        self.readings.all.len()
    }

    /// Makes ready for what will be fetched of a partition from its offset on.
    pub(super) fn start(&mut self, start: StartAt) {
        if !self.queue.lead_in(&start.partition) {
            tracing::error!(topic = %start.partition.topic, partition = start.partition.partition, "librdkafka has no queue for the partition");
        }
        self.readings.remove(&start.partition);
        self.readings.insert(Reading {
            open: RawBlock {
                from: start.offset,
                to: start.offset,
                ..RawBlock::default()
            },
            header: start.sink.header(),
            sink: start.sink,
            generation: start.generation,
            waiting: None,
            usual: (0, 0),
            before: start.leader_epoch,
            is_placed: false,
            is_broken: false,
            partition: start.partition,
        });
    }

    /// Forgets a partition, and what was gathered of it.
    pub(super) fn stop(&mut self, partition: &TopicPartition) {
        self.readings.remove(partition);
    }

    /// Learns librdkafka's position of a partition: the offset behind what it gave out, markers of
    /// transactions included; `None` before it gave anything.
    pub(super) fn look_at_position(&mut self, partition: &TopicPartition, position: Option<i64>) {
        let key = (partition.topic.clone(), partition.partition);
        let at = self.readings.by_partition.get(&key).copied();
        if let Some(reading) = at.and_then(|at| self.readings.all.get_mut(at)) {
            reading.look_at_position(position);
        }
    }

    /// Takes what is fetched, as long as there is room; blocks are handed on at `block_bytes`.
    /// Returns the number of messages. `seek` moves a partition to an offset.
    pub(super) fn drain(
        &mut self,
        block_bytes: usize,
        now: Tick,
        mut tell: impl FnMut(Event),
        mut seek: impl FnMut(&TopicPartition, i64),
    ) -> usize {
        if !self.readings.all.iter_mut().all(Reading::has_room) {
            self.note_full(now, &mut tell);
            return 0;
        }
        if let Some((_, true)) = self.full.take() {
            tell(Event::Paused {
                feed: self.number,
                paused: false,
            });
        }
        let Self {
            queue, readings, ..
        } = self;
        queue.consume(|message| {
            let Some(reading) = readings.of(message) else {
                // Of a partition that was given up a moment ago.
                return;
            };
            match message.error() {
                None if reading.contradicts(message.offset(), message.leader_epoch()) => {
                    reading.fail(RDKafkaErrorCode::LogTruncation, &mut tell, &mut seek);
                }
                None => reading.take(message, block_bytes),
                Some(error) => reading.fail(error, &mut tell, &mut seek),
            }
        })
    }

    /// Hands on what was gathered: all of it, or only what had no room before.
    pub(super) fn hand_on(&mut self, all: bool) {
        for reading in &mut self.readings.all {
            if all || reading.waiting.is_some() {
                reading.offer();
            }
        }
    }

    fn note_full(&mut self, now: Tick, tell: &mut impl FnMut(Event)) {
        let (since, told) = self.full.get_or_insert((now, false));
        if !*told && now.since(*since) >= PAUSED_AFTER {
            *told = true;
            tell(Event::Paused {
                feed: self.number,
                paused: true,
            });
        }
    }
}

impl Readings {
    fn insert(&mut self, reading: Reading) {
        let key = (reading.partition.topic.clone(), reading.partition.partition);
        self.by_partition.insert(key, self.all.len());
        self.all.push(reading);
        self.last = None;
    }

    fn remove(&mut self, partition: &TopicPartition) {
        let key = (partition.topic.clone(), partition.partition);
        let Some(at) = self.by_partition.remove(&key) else {
            return;
        };
        self.all.swap_remove(at);
        if let Some(moved) = self.all.get(at) {
            let key = (moved.partition.topic.clone(), moved.partition.partition);
            self.by_partition.insert(key, at);
        }
        self.last = None;
    }

    /// Messages come in runs of one partition, so that the name is seldom looked up.
    fn of(&mut self, message: &NativeMessage<'_>) -> Option<&mut Reading> {
        let (topic, partition) = (message.topic_key(), message.partition());
        let at = match self.last {
            Some((t, p, at)) if t == topic && p == partition => at,
            _ => {
                let key = (Arc::from(message.topic()), partition);
                let at = self.by_partition.get(&key).copied()?;
                self.last = Some((topic, partition, at));
                at
            }
        };
        self.all.get_mut(at)
    }
}

impl Reading {
    /// Tries again what had no room.
    fn has_room(&mut self) -> bool {
        if self.waiting.is_some() {
            self.offer();
        }
        self.waiting.is_none() && self.sink.has_room()
    }

    /// True for the message before the first one if it was written under another leader than the one
    /// that was read: the log was cut off since, and holds other messages now.
    fn contradicts(&mut self, offset: i64, leader_epoch: Option<i32>) -> bool {
        let Some(known) = self.before.take() else {
            return false;
        };
        offset + 1 == self.open.to && leader_epoch.is_some_and(|epoch| epoch != known)
    }

    fn take(&mut self, message: &NativeMessage<'_>, block_bytes: usize) {
        let open = &mut self.open;
        let offset = message.offset();
        // The message before the first, and whatever librdkafka may give again.
        if offset < open.to || self.is_broken {
            return;
        }
        let (key, value) = (message.key(), message.value());
        if open.messages.is_empty() {
            // As much as the last block took, so that a busy one is not copied as it grows.
            open.arena.reserve(self.usual.0);
            open.messages.reserve(self.usual.1);
        }
        if let Some(name) = self.header {
            let header = message.header(name).map(|h| open.push_bytes(h));
            open.headers.push(header);
        }
        let key = key.map(|k| open.push_bytes(k));
        let value = value.map(|v| open.push_bytes(v));
        open.messages.push(RawMessage {
            offset,
            timestamp_ms: message.timestamp_ms(),
            key,
            value,
        });
        open.to = offset + 1;
        self.is_placed = true;
        open.leader_epoch = message.leader_epoch().or(open.leader_epoch);
        if open.arena.len() >= block_bytes || open.messages.len() >= BLOCK_MESSAGES {
            self.offer();
        }
    }

    /// Behind the last message there may be markers of transactions, which are no messages.
    ///
    /// A partition that was read before may still have its old position for a moment, which may be
    /// far behind `open.to` or far ahead. It is gone once there is none, or a message was taken.
    fn look_at_position(&mut self, position: Option<i64>) {
        match position {
            _ if self.is_broken => {}
            None => self.is_placed = true,
            Some(position) if self.is_placed => self.open.to = self.open.to.max(position),
            Some(_) => {}
        }
    }

    fn fail(
        &mut self,
        error: RDKafkaErrorCode,
        tell: &mut impl FnMut(Event),
        seek: &mut impl FnMut(&TopicPartition, i64),
    ) {
        // Its position is behind the error now.
        self.is_placed = false;
        let fault = match error {
            RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange => {
                PartitionFault::OutOfRange
            }
            RDKafkaErrorCode::LogTruncation => PartitionFault::Truncated,
            other => {
                tell(Event::Trouble {
                    kind: format!("{other:?}"),
                    message: format!(
                        "{} [{}]: {other}",
                        self.partition.topic, self.partition.partition
                    ),
                });
                seek(&self.partition, self.open.to);
                return;
            }
        };
        self.is_broken = true;
        tell(Event::Fault {
            partition: self.partition.clone(),
            generation: self.generation,
            fault,
        });
    }

    fn offer(&mut self) {
        if let Some(block) = self.waiting.take()
            && let Err(block) = self.sink.offer(&self.partition, self.generation, block)
        {
            self.waiting = Some(block);
            return;
        }
        if self.open.to == self.open.from {
            return;
        }
        let next = RawBlock {
            from: self.open.to,
            to: self.open.to,
            leader_epoch: self.open.leader_epoch,
            ..RawBlock::default()
        };
        let block = std::mem::replace(&mut self.open, next);
        self.usual = (block.arena.len(), block.messages.len());
        self.waiting = self
            .sink
            .offer(&self.partition, self.generation, block)
            .err();
    }
}
