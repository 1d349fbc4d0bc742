//! The consumer's thread: polls, gathers messages into blocks, and hands them to their sinks.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use tokio::sync::mpsc;

use crate::clock::{Clock, Tick};
use crate::error::{Error, Result};
use crate::model::raw::{RawBlock, RawMessage};
use crate::source::kafka::context::{Context, list};
use crate::source::kafka::control::{Control, Order};
use crate::source::kafka::{
    BlockSink, Event, KafkaSettings, PartitionFault, StartAt, TopicPartition,
};

/// A block is handed on at this size.
const BLOCK_BYTES: usize = 1 << 20;
const BLOCK_MESSAGES: usize = 8 * 1024;

/// How long a message may wait in a block that is not full.
const BLOCK_AGE: Duration = Duration::from_millis(100);

/// Messages that are polled between two looks at the orders.
const ROUND: usize = 10_000;

/// Orders that may be under way to the thread, which takes them all between two polls.
const ORDERS: usize = 4096;

/// Events that may be under way to their receiver.
const EVENTS: usize = 4096;

/// Starts the consumer. Returns its control, its events, and its thread.
pub fn spawn(
    settings: KafkaSettings,
    clock: Clock,
) -> Result<(Control, mpsc::Receiver<Event>, JoinHandle<()>)> {
    let (events, receiver) = mpsc::channel(EVENTS);
    let context = Context {
        events,
        revoke_deadline: settings.revoke_deadline,
        started: Default::default(),
        is_down: Default::default(),
    };
    let consumer: BaseConsumer<Context> = client_config(&settings)
        .create_with_context(context)
        .map_err(|e| Error::config("the Kafka settings are refused").because(e))?;
    let topics: Vec<&str> = settings.subscribe.iter().map(String::as_str).collect();
    consumer
        .subscribe(&topics)
        .map_err(|e| Error::config("the topics are refused").because(e))?;
    let consumer = Arc::new(consumer);
    let (orders, queue) = sync_channel(ORDERS);
    let control = Control {
        orders,
        consumer: consumer.clone(),
    };
    let worker = Worker {
        consumer,
        clock,
        readings: HashMap::new(),
        looked: Tick::default(),
    };
    let handle = std::thread::Builder::new()
        .name("kafka".to_owned())
        .spawn(move || worker.work(&queue))
        .map_err(|e| Error::internal("could not start the consumer's thread").because(e))?;
    Ok((control, receiver, handle))
}

fn client_config(settings: &KafkaSettings) -> ClientConfig {
    let mut config = ClientConfig::new();
    for (key, value) in &settings.kafka.properties {
        config.set(key, &value.0);
    }
    let kib = |bytes: u64| (bytes / 1024).max(1024);
    let fetch = (settings.queue_bytes / 4).clamp(1 << 20, 32 << 20);
    config
        .set("bootstrap.servers", &settings.kafka.brokers)
        .set("group.id", &settings.kafka.group)
        .set("client.id", &settings.instance)
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .set("isolation.level", "read_committed")
        .set("fetch.queue.backoff.ms", "5")
        .set("queued.min.messages", "100000")
        .set(
            "queued.max.messages.kbytes",
            kib(settings.queue_bytes).to_string(),
        )
        .set("fetch.max.bytes", fetch.to_string())
        .set("topic.metadata.refresh.interval.ms", "5000")
        .set("statistics.interval.ms", "1000");
    config
}

/// A partition that is fetched.
struct Reading {
    partition: TopicPartition,
    sink: Arc<dyn BlockSink>,
    generation: u64,
    open: RawBlock,
    /// A block that its sink had no room for; the partition is paused meanwhile.
    waiting: Option<RawBlock>,
}

struct Worker {
    consumer: Arc<BaseConsumer<Context>>,
    clock: Clock,
    readings: HashMap<Arc<str>, HashMap<i32, Reading>>,
    looked: Tick,
}

impl Worker {
    fn work(mut self, orders: &Receiver<Order>) {
        loop {
            while let Ok(order) = orders.try_recv() {
                match order {
                    Order::Start(starts) => self.start(starts),
                    Order::Stop(partitions) => self.stop(&partitions),
                    Order::Commit(offsets) => self.commit(&offsets),
                    Order::Shutdown => return self.leave(),
                }
            }
            let mut wait = Duration::from_millis(20);
            let consumer = self.consumer.clone();
            for _ in 0..ROUND {
                match consumer.poll(wait) {
                    Some(Ok(message)) => self.take(&message),
                    Some(Err(error)) => self.on_error(&error),
                    None => break,
                }
                wait = Duration::ZERO;
            }
            self.hand_on();
        }
    }

    fn start(&mut self, starts: Vec<StartAt>) {
        let partitions = list(starts.iter().map(|s| (&s.partition, Some(s.offset))));
        let context = self.consumer.context();
        // Held while both change, since a revocation looks at it on this same thread only.
        context
            .started
            .lock()
            .extend(starts.iter().map(|s| s.partition.clone()));
        if let Err(error) = self.consumer.incremental_assign(&partitions) {
            tracing::error!(%error, "could not start partitions");
        }
        for s in starts {
            let reading = Reading {
                open: RawBlock {
                    from: s.offset,
                    to: s.offset,
                    ..RawBlock::default()
                },
                sink: s.sink,
                generation: s.generation,
                waiting: None,
                partition: s.partition,
            };
            self.readings
                .entry(reading.partition.topic.clone())
                .or_default()
                .insert(reading.partition.partition, reading);
        }
    }

    fn stop(&mut self, partitions: &[TopicPartition]) {
        let stopped: Vec<&TopicPartition> = {
            let mut started = self.consumer.context().started.lock();
            partitions.iter().filter(|p| started.remove(*p)).collect()
        };
        if let Err(error) = self
            .consumer
            .incremental_unassign(&list(stopped.iter().map(|p| (*p, None))))
        {
            tracing::error!(%error, "could not stop partitions");
        }
        for partition in partitions {
            if let Some(readings) = self.readings.get_mut(&partition.topic) {
                readings.remove(&partition.partition);
            }
        }
    }

    fn commit(&self, offsets: &[(TopicPartition, i64)]) {
        let list = list(offsets.iter().map(|(p, o)| (p, Some(*o))));
        if let Err(error) = self.consumer.commit(&list, CommitMode::Async) {
            tracing::debug!(%error, "the group's offsets were not written");
        }
    }

    fn take(&mut self, message: &BorrowedMessage<'_>) {
        let Some(reading) = self
            .readings
            .get_mut(message.topic())
            .and_then(|r| r.get_mut(&message.partition()))
        else {
            return;
        };
        let offset = message.offset();
        let open = &mut reading.open;
        if offset < open.to {
            return;
        }
        let key = message.key().map(|k| open.push_bytes(k));
        let value = message.payload().map(|v| open.push_bytes(v));
        open.messages.push(RawMessage {
            offset,
            timestamp_ms: message.timestamp().to_millis().unwrap_or(-1),
            key,
            value,
        });
        open.to = offset + 1;
        if open.arena.len() >= BLOCK_BYTES || open.messages.len() >= BLOCK_MESSAGES {
            reading.offer(&self.consumer);
        }
    }

    /// Hands on what has waited long enough, and tries again what had no room.
    fn hand_on(&mut self) {
        let now = self.clock.tick();
        let look = now.since(self.looked) >= BLOCK_AGE;
        if look {
            self.looked = now;
            self.pass_trailing_holes();
        }
        for reading in self.readings.values_mut().flat_map(HashMap::values_mut) {
            if reading.waiting.is_some() || look {
                reading.offer(&self.consumer);
            }
        }
    }

    /// Behind the last message there may be transaction markers, which are no messages.
    fn pass_trailing_holes(&mut self) {
        let Ok(positions) = self.consumer.position() else {
            return;
        };
        for element in positions.elements() {
            let reading = self
                .readings
                .get_mut(element.topic())
                .and_then(|r| r.get_mut(&element.partition()));
            if let (Some(reading), Some(position)) = (reading, element.offset().to_raw())
                && position > reading.open.to
            {
                reading.open.to = position;
            }
        }
    }

    fn on_error(&mut self, error: &KafkaError) {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
                self.find_out_of_range();
            }
            _ => tracing::debug!(%error, "consumer error"),
        }
    }

    /// librdkafka's error does not tell the partition: each one's bounds are looked at.
    fn find_out_of_range(&self) {
        for reading in self.readings.values().flat_map(HashMap::values) {
            let partition = &reading.partition;
            let bounds = self.consumer.fetch_watermarks(
                &partition.topic,
                partition.partition,
                Duration::from_secs(5),
            );
            if let Ok((low, high)) = bounds
                && (reading.open.to < low || reading.open.to > high)
            {
                self.consumer.context().send(Event::Fault {
                    partition: partition.clone(),
                    fault: PartitionFault::OutOfRange { low, high },
                });
            }
        }
    }

    fn leave(self) {
        self.consumer.unsubscribe();
        // Dropping the last handle closes the consumer, which leaves the group.
    }
}

impl Reading {
    fn offer(&mut self, consumer: &BaseConsumer<Context>) {
        let was_waiting = self.waiting.is_some();
        if let Some(block) = self.waiting.take()
            && let Err(block) = self.sink.offer(&self.partition, self.generation, block)
        {
            self.waiting = Some(block);
            return;
        }
        if self.open.to > self.open.from {
            let next = RawBlock {
                from: self.open.to,
                to: self.open.to,
                ..RawBlock::default()
            };
            let block = std::mem::replace(&mut self.open, next);
            self.waiting = self
                .sink
                .offer(&self.partition, self.generation, block)
                .err();
        }
        if was_waiting != self.waiting.is_some() {
            let list = list([(&self.partition, None)]);
            let done = if was_waiting {
                consumer.resume(&list)
            } else {
                consumer.pause(&list)
            };
            if let Err(error) = done {
                tracing::debug!(%error, "could not pause or resume a partition");
            }
        }
    }
}
