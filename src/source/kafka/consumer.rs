//! The consumer's thread: serves the group, and drains each feed's queue into blocks.
//!
//! Owns: librdkafka's settings, the order of things on the thread, starting and stopping partitions.
//! Does not own: the blocks (`feed`), what librdkafka calls back (`context`).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{ClientConfig, Offset};
use tokio::sync::mpsc;

use crate::clock::{Clock, Tick};
use crate::error::{Error, Result};
use crate::source::kafka::cluster::Cluster;
use crate::source::kafka::context::{Context, list};
use crate::source::kafka::control::{Control, Order};
use crate::source::kafka::feed::Feed;
use crate::source::kafka::native::MessageQueue;
use crate::source::kafka::properties::{check_properties, refused};
use crate::source::kafka::{Event, KafkaSettings, StartAt, TopicPartition};

/// How long a message may wait in a block that is not full.
pub(super) const BLOCK_AGE: Duration = Duration::from_millis(100);

/// A block is handed on at a size between these, the smaller the more partitions there are.
const BLOCK_BYTES: (u64, u64) = (32 << 10, 1 << 20);

/// Of `KafkaSettings::queue_bytes`, this part is for the blocks that are being filled.
const BLOCKS_SHARE: u64 = 4;

/// librdkafka counts the bytes of its messages, and holds some 300 more for each: with messages of a
/// few hundred bytes, twice as much.
const HELD_PER_BYTE: u64 = 2;

/// Messages that are taken from a feed before the next one has its turn.
pub(super) const BATCH: usize = 2_000;

/// The thread's wait when nothing is there.
pub(super) const IDLE: Duration = Duration::from_millis(20);

/// How long leaving the group may take.
const LEAVE: Duration = Duration::from_secs(5);

/// Orders that may be under way to the thread, which takes them all between two polls.
const ORDERS: usize = 4096;

/// Events that may be under way to their receiver.
const EVENTS: usize = 4096;

/// Starts the consumer. Returns its control, its events, and its thread.
///
/// # Errors
/// librdkafka refuses a setting, or a topic's name or pattern.
pub fn spawn(
    settings: KafkaSettings,
    clock: Clock,
) -> Result<(Control, mpsc::Receiver<Event>, JoinHandle<()>)> {
    check_properties(&settings.kafka.properties)?;
    let (events, receiver) = mpsc::channel(EVENTS);
    let context = Context::new(events, settings.revoke_deadline);
    let consumer: BaseConsumer<Context> = client_config(&settings)
        .create_with_context(context)
        .map_err(|e| refused(&e, &settings.kafka.properties))?;
    let consumer = Arc::new(consumer);
    let mut feeds = Vec::with_capacity(settings.feeds);
    for number in 0..settings.feeds {
        let queue = MessageQueue::new(consumer.clone(), BATCH)
            .ok_or_else(|| Error::internal("librdkafka makes no queue"))?;
        feeds.push(Feed::new(number, queue));
    }
    let topics: Vec<&str> = settings.subscribe.iter().map(String::as_str).collect();
    consumer
        .subscribe(&topics)
        .map_err(|e| Error::config("the topics are refused").because(e))?;
    let (orders, queue) = sync_channel(ORDERS);
    let cluster = Cluster::connect(&settings.kafka, &settings.instance)?;
    let control = Control {
        orders,
        cluster: cluster.clone(),
    };
    let worker = Worker {
        feeds,
        feed_of: HashMap::new(),
        blocks_bytes: settings.queue_bytes / BLOCKS_SHARE,
        consumer,
        cluster,
        clock,
        looked: Tick::default(),
    };
    let handle = std::thread::Builder::new()
        .name("kafka".to_owned())
        .spawn(move || worker.work(&queue))
        .map_err(|e| Error::internal("could not start the consumer's thread").because(e))?;
    Ok((control, receiver, handle))
}

/// librdkafka's settings: weir's defaults, then the operator's, then what weir's promises rest on.
pub(super) fn client_config(settings: &KafkaSettings) -> ClientConfig {
    let mut config = ClientConfig::new();
    // Each feed's queue is bounded by itself.
    let queued = (settings.queue_bytes - settings.queue_bytes / BLOCKS_SHARE) / HELD_PER_BYTE;
    let queue = queued / settings.feeds.max(1) as u64;
    let fetch = (queued / 4).clamp(1 << 20, 32 << 20);
    config
        .set("receive.message.max.bytes", "536870912")
        .set("fetch.queue.backoff.ms", "5")
        .set("queued.min.messages", "100000")
        .set(
            "queued.max.messages.kbytes",
            (queue / 1024).max(1024).to_string(),
        )
        .set("fetch.max.bytes", fetch.to_string())
        .set("topic.metadata.refresh.interval.ms", "5000")
        .set("statistics.interval.ms", "1000");
    for (key, value) in &settings.kafka.properties {
        config.set(key, &value.0);
    }
    config
        .set("bootstrap.servers", &settings.kafka.brokers)
        .set("group.id", &settings.kafka.group)
        .set("client.id", &settings.instance)
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "false")
        .set("auto.offset.reset", "error")
        .set("isolation.level", "read_committed");
    config
}

struct Worker {
    feeds: Vec<Feed>,
    feed_of: HashMap<TopicPartition, usize>,
    blocks_bytes: u64,
    /// Behind the feeds, whose queues have to go first.
    consumer: Arc<BaseConsumer<Context>>,
    cluster: Cluster,
    clock: Clock,
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
            let read = self.drain();
            self.serve(if read == 0 { IDLE } else { Duration::ZERO });
            self.hand_on();
        }
    }

    /// What librdkafka has for the application beside messages: the group, statistics, errors.
    fn serve(&mut self, wait: Duration) {
        match self.consumer.poll(wait) {
            None => {}
            // Every partition that is started is led into a feed.
            Some(Ok(_)) => tracing::debug!("a message came outside of the feeds"),
            Some(Err(error)) => self.on_error(&error),
        }
        self.cluster.serve();
        let revoked = self.consumer.context().group.lock().take_revoked();
        self.forget(&revoked);
    }

    fn drain(&mut self) -> usize {
        let now = self.clock.tick();
        let block_bytes = self.block_bytes();
        let context = self.consumer.context();
        let mut read = 0;
        let seek = |partition: &TopicPartition, offset: i64| {
            let (topic, number) = (&partition.topic, partition.partition);
            // Without a wait: what was fetched before is dropped from here on.
            let sought = self
                .consumer
                .seek(topic, number, Offset::Offset(offset), Duration::ZERO);
            if let Err(error) = sought {
                tracing::warn!(%topic, partition = number, offset, %error, "could not seek");
            }
        };
        for feed in &mut self.feeds {
            read += feed.drain(block_bytes, now, |event| context.send(event), seek);
        }
        read
    }

    fn block_bytes(&self) -> usize {
        let readings = self.feeds.iter().map(Feed::len).sum::<usize>().max(1);
        let bytes = (self.blocks_bytes / readings as u64).clamp(BLOCK_BYTES.0, BLOCK_BYTES.1);
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    fn start(&mut self, mut starts: Vec<StartAt>) {
        {
            // What was revoked after the order was given is another's.
            let mut group = self.consumer.context().group.lock();
            starts.retain(|s| group.start(&s.partition, s.assignment));
        }
        let first = |s: &StartAt| s.offset - i64::from(s.leader_epoch.is_some());
        let partitions = list(starts.iter().map(|s| (&s.partition, Some(first(s)))));
        for start in starts {
            self.feed_of.insert(start.partition.clone(), start.feed);
            if let Some(feed) = self.feeds.get_mut(start.feed) {
                feed.start(start);
            }
        }
        // Behind the feeds, so that nothing is fetched that they do not know.
        if let Err(error) = self.consumer.incremental_assign(&partitions) {
            tracing::error!(%error, "could not start partitions");
        }
    }

    fn stop(&mut self, partitions: &[TopicPartition]) {
        let stopped: Vec<&TopicPartition> = {
            let mut group = self.consumer.context().group.lock();
            partitions.iter().filter(|p| group.stop(p)).collect()
        };
        let list = list(stopped.iter().map(|p| (*p, None)));
        if let Err(error) = self.consumer.incremental_unassign(&list) {
            tracing::error!(%error, "could not stop partitions");
        }
        self.forget(partitions);
    }

    fn forget(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            if let Some(feed) = self.feed_of.remove(partition)
                && let Some(feed) = self.feeds.get_mut(feed)
            {
                feed.stop(partition);
            }
        }
    }

    fn commit(&self, offsets: &[(TopicPartition, i64)]) {
        let list = list(offsets.iter().map(|(p, o)| (p, Some(*o))));
        if let Err(error) = self.consumer.commit(&list, CommitMode::Async) {
            tracing::debug!(%error, "the group's offsets were not written");
        }
    }

    /// Hands on what has waited long enough, and tries again what had no room.
    fn hand_on(&mut self) {
        let now = self.clock.tick();
        let all = now.since(self.looked) >= BLOCK_AGE;
        if all {
            self.looked = now;
            self.look_at_positions();
        }
        for feed in &mut self.feeds {
            feed.hand_on(all);
        }
    }

    /// Behind `drain` on the same thread, so that all below a position was taken.
    fn look_at_positions(&mut self) {
        let Ok(positions) = self.consumer.position() else {
            return;
        };
        for element in positions.elements() {
            let partition = TopicPartition {
                topic: element.topic().into(),
                partition: element.partition(),
            };
            let position = match element.offset() {
                Offset::Offset(position) => Some(position),
                _ => None,
            };
            if let Some(feed) = self.feed_of.get(&partition)
                && let Some(feed) = self.feeds.get_mut(*feed)
            {
                feed.look_at_position(&partition, position);
            }
        }
    }

    fn on_error(&self, error: &KafkaError) {
        // Said again for as long as it lasts; the context tells it when it begins and ends.
        if let Some(RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::BrokerTransportFailure) =
            error.rdkafka_error_code()
        {
            return;
        }
        let kind = error
            .rdkafka_error_code()
            .map_or_else(|| "other".to_owned(), |code| format!("{code:?}"));
        self.consumer.context().send(Event::Trouble {
            kind,
            message: error.to_string(),
        });
    }

    /// Leaves the group, so that the others need not wait for this member's session to end. The
    /// consumer itself is never closed: that would wait for offsets that a broker which is away does not
    /// take, for longer than a stop may last, and the process ends behind this.
    fn leave(mut self) {
        self.feeds.clear();
        self.consumer.unsubscribe();
        let began = self.clock.tick();
        while self.consumer.context().group.lock().owns_any()
            && self.clock.tick().since(began) < LEAVE
        {
            self.serve(IDLE);
        }
        std::mem::forget(self.consumer);
    }
}
