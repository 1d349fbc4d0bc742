//! A range of each partition read once, beside the group and without a trace of it.
//!
//! Owns: reading from where to where, and what becomes of a log that moves meanwhile. The client has
//! the group's name, since librdkafka assigns nothing without one; it joins no group and commits
//! nothing. Does not own: blocks (`feed`), which ranges are wanted.

use std::collections::VecDeque;
use std::ffi::CStr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tokio::sync::mpsc;

use crate::clock::{Clock, Tick};
use crate::error::{Error, Result};
use crate::model::raw::RawBlock;
use crate::source::kafka::consumer::{BATCH, BLOCK_AGE, IDLE, client_config};
use crate::source::kafka::context::{Context, list};
use crate::source::kafka::feed::Feed;
use crate::source::kafka::native::MessageQueue;
use crate::source::kafka::properties::{check_properties, refused};
use crate::source::kafka::{BlockSink, Event, KafkaSettings, StartAt, TopicPartition};

/// Blocks that may wait for whoever looks at them.
const BLOCKS: usize = 8;

/// Bytes of a block.
const BLOCK_BYTES: usize = 256 << 10;

/// How long the ends of a log may take to be told.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How a scan reads.
#[derive(Debug, Clone)]
pub struct ScanSettings {
    /// Broker, group, properties.
    pub kafka: crate::config::Kafka,
    /// The instance's name, as client id.
    pub instance: String,
    /// Bytes that fetched messages may hold.
    pub queue_bytes: u64,
    /// The header that is needed of each message.
    pub header: Option<&'static CStr>,
    /// Without a message for so long a log counts as out of reach.
    pub patience: Duration,
}

/// Positions of one partition that are to be read; half-open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanRange {
    /// The partition.
    pub partition: TopicPartition,
    /// The first position.
    pub from: i64,
    /// The one behind the last.
    pub to: i64,
    /// Up to where it was read; `from` before.
    pub at: i64,
    /// Positions that the log no longer held when they were to be read.
    pub gone: i64,
}

/// How a scan ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanEnd {
    /// Every range was read to its end.
    Complete,
    /// It was asked to stop.
    Stopped,
    /// The broker gave nothing more.
    Stalled,
}

/// Reads `ranges` and hands each block to `each`, cut at its range's end, as long as `stop` does not
/// say so. Blocks; not to be called on the runtime.
///
/// # Errors
/// A Kafka property is refused, the broker does not tell where a log that moved begins, or `each`
/// says so.
pub fn scan(
    settings: &ScanSettings,
    ranges: &mut [ScanRange],
    clock: &Clock,
    stop: impl Fn() -> bool,
    mut each: impl FnMut(&TopicPartition, &RawBlock) -> Result<()>,
) -> Result<ScanEnd> {
    let mut scan = Scan::start(settings, ranges)?;
    let (mut looked, mut moved) = (clock.tick(), clock.tick());
    loop {
        if ranges.iter().all(ScanRange::is_done) {
            return Ok(ScanEnd::Complete);
        }
        if stop() {
            return Ok(ScanEnd::Stopped);
        }
        let now = clock.tick();
        let step = scan.step(now, ranges, &mut looked);
        if scan.take_blocks(ranges, &mut each)? {
            moved = now;
        }
        if (step.idle || !step.faults.is_empty()) && now.since(moved) > settings.patience {
            return Ok(ScanEnd::Stalled);
        }
        for partition in &step.faults {
            scan.mend(partition, ranges)?;
        }
        if !step.faults.is_empty() {
            // A new client: librdkafka fetches nothing more of a partition that had a fault.
            scan = Scan::start(settings, ranges)?;
        }
    }
}

impl ScanRange {
    /// Positions `from..to` of a partition.
    pub fn new(partition: TopicPartition, from: i64, to: i64) -> Self {
        Self {
            partition,
            from,
            to,
            at: from,
            gone: 0,
        }
    }

    /// True if nothing is left to read.
    pub fn is_done(&self) -> bool {
        self.at >= self.to
    }
}

/// What came of one look.
struct Step {
    /// True if nothing was there.
    idle: bool,
    /// Partitions that cannot be read on.
    faults: Vec<TopicPartition>,
}

struct Scan {
    feed: Feed,
    sink: Arc<Waiting>,
    /// Behind the feed, whose queue has to go first.
    consumer: Arc<BaseConsumer<Context>>,
}

impl Scan {
    fn start(settings: &ScanSettings, ranges: &[ScanRange]) -> Result<Self> {
        let kafka = &settings.kafka;
        check_properties(&kafka.properties)?;
        let client = KafkaSettings {
            kafka: kafka.clone(),
            subscribe: Vec::new(),
            feeds: 1,
            queue_bytes: settings.queue_bytes,
            instance: settings.instance.clone(),
            revoke_deadline: Duration::ZERO,
        };
        // Nobody listens: what matters comes with the partitions.
        let (events, _) = mpsc::channel(1);
        let consumer: BaseConsumer<Context> = client_config(&client)
            .create_with_context(Context::new(events, Duration::ZERO))
            .map_err(|e| refused(&e, &kafka.properties))?;
        let consumer = Arc::new(consumer);
        let queue = MessageQueue::new(consumer.clone(), BATCH)
            .ok_or_else(|| Error::internal("librdkafka makes no queue"))?;
        let mut scan = Self {
            feed: Feed::new(0, queue),
            sink: Arc::new(Waiting {
                header: settings.header,
                blocks: Mutex::default(),
            }),
            consumer,
        };
        let left = || ranges.iter().filter(|r| !r.is_done());
        left().for_each(|r| scan.begin(r));
        // Behind the feed, so that nothing is fetched that it does not know.
        scan.consumer
            .assign(&list(left().map(|r| (&r.partition, Some(r.at)))))
            .map_err(|e| Error::internal("the partitions could not be assigned").because(e))?;
        Ok(scan)
    }

    /// Makes the feed ready for what is left of a range.
    fn begin(&mut self, range: &ScanRange) {
        self.feed.start(StartAt {
            partition: range.partition.clone(),
            assignment: 0,
            feed: 0,
            offset: range.at,
            leader_epoch: None,
            sink: self.sink.clone(),
            generation: 0,
        });
    }

    /// Takes what was fetched.
    fn step(&mut self, now: Tick, ranges: &[ScanRange], looked: &mut Tick) -> Step {
        let mut faults = Vec::new();
        let consumer = self.consumer.clone();
        let read = self.feed.drain(
            BLOCK_BYTES,
            now,
            |event| match event {
                Event::Fault { partition, .. } => faults.push(partition),
                Event::Trouble { message, .. } => tracing::warn!("{message}"),
                _ => {}
            },
            |partition, offset| seek(&consumer, partition, offset),
        );
        if let Some(Err(error)) = self
            .consumer
            .poll(if read == 0 { IDLE } else { Duration::ZERO })
        {
            tracing::debug!(%error, "the client tells");
        }
        let all = now.since(*looked) >= BLOCK_AGE;
        if all {
            *looked = now;
            self.look_at_positions(ranges);
        }
        self.feed.hand_on(all);
        Step {
            idle: read == 0,
            faults,
        }
    }

    fn look_at_positions(&mut self, ranges: &[ScanRange]) {
        let Ok(positions) = self.consumer.position() else {
            return;
        };
        for range in ranges.iter().filter(|r| !r.is_done()) {
            let TopicPartition { topic, partition } = &range.partition;
            let found = positions.find_partition(topic, *partition);
            let position = found.and_then(|p| p.offset().to_raw()).filter(|o| *o >= 0);
            self.feed.look_at_position(&range.partition, position);
        }
    }

    /// Hands what waits to `each`; false if nothing did.
    fn take_blocks(
        &mut self,
        ranges: &mut [ScanRange],
        each: &mut impl FnMut(&TopicPartition, &RawBlock) -> Result<()>,
    ) -> Result<bool> {
        let mut any = false;
        loop {
            let Some((partition, mut block)) = self.sink.blocks.lock().pop_front() else {
                return Ok(any);
            };
            any = true;
            let of = |r: &&mut ScanRange| r.partition == partition && !r.is_done();
            let Some(range) = ranges.iter_mut().find(of) else {
                continue;
            };
            let to = range.to;
            block.messages.retain(|m| m.offset < to);
            block.headers.truncate(block.messages.len());
            block.to = block.to.min(to);
            range.at = block.to;
            each(&partition, &block)?;
            if range.is_done() {
                self.feed.stop(&partition);
                // What is fetched of it yet finds no reading.
                let _ = self.consumer.pause(&list([(&partition, None)]));
            }
        }
    }

    /// Retention took what was to be read, or the log was cut off: what is left is what is there.
    fn mend(&self, partition: &TopicPartition, ranges: &mut [ScanRange]) -> Result<()> {
        let (low, high) = self
            .consumer
            .fetch_watermarks(&partition.topic, partition.partition, TIMEOUT)
            .map_err(|e| {
                Error::unreachable("the broker did not tell the ends of a log").because(e)
            })?;
        let Some(range) = ranges.iter_mut().find(|r| r.partition == *partition) else {
            return Ok(());
        };
        let from = low.clamp(range.at, range.to);
        range.gone += from - range.at + (range.to - high.max(from)).max(0);
        range.at = from;
        range.to = range.to.min(high.max(from));
        Ok(())
    }
}

fn seek(consumer: &BaseConsumer<Context>, partition: &TopicPartition, offset: i64) {
    let (topic, number) = (&partition.topic, partition.partition);
    let sought = consumer.seek(
        topic,
        number,
        rdkafka::Offset::Offset(offset),
        Duration::ZERO,
    );
    if let Err(error) = sought {
        tracing::warn!(%topic, partition = number, offset, %error, "could not seek");
    }
}

/// Blocks on their way to whoever looks at them.
struct Waiting {
    header: Option<&'static CStr>,
    blocks: Mutex<VecDeque<(TopicPartition, RawBlock)>>,
}

impl BlockSink for Waiting {
    fn header(&self) -> Option<&'static CStr> {
        self.header
    }

    fn has_room(&self) -> bool {
        self.blocks.lock().len() < BLOCKS
    }

    fn offer(
        &self,
        partition: &TopicPartition,
        _generation: u64,
        block: RawBlock,
    ) -> Result<(), RawBlock> {
        let mut waiting = self.blocks.lock();
        if waiting.len() >= BLOCKS {
            return Err(block);
        }
        waiting.push_back((partition.clone(), block));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
