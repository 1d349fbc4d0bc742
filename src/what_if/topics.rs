//! Records of the stream's topics, up to where the logs end when it begins.
//!
//! Owns: which positions are read. Does not own: reading them (`source::kafka::scan`).

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};

use crate::config::Stream;
use crate::error::{Error, Result};
use crate::model::raw::RawBlock;
use crate::model::reject::SkipCode;
use crate::pipeline::assignment::Topics;
use crate::pipeline::trial::{TrialMessage, TrialParts};
use crate::source::kafka::{Cluster, ScanEnd, ScanRange, ScanSettings, TopicPartition, scan};
use crate::what_if::tally::{Place, Tally};
use crate::what_if::{Judges, PartitionRead, Records, Source};

/// Logs whose bounds are asked for side by side.
const PARALLEL: usize = 16;

/// Judges what `ranges` hold of the topics of `in_force`. `each` is told how many positions were read,
/// and `stop` is asked whether to end early.
///
/// # Errors
/// The broker, or the registry, did not answer in time.
pub async fn from_topics(
    settings: ScanSettings,
    trial: &TrialParts,
    mut ranges: Vec<ScanRange>,
    in_force: &Stream,
    new: &Stream,
    mut each: impl FnMut(u64) + Send + 'static,
    stop: impl Fn() -> bool + Send + 'static,
) -> Result<Records> {
    let asked: Vec<i64> = ranges.iter().map(|r| r.to).collect();
    let mut judges = Judges::of_messages(in_force, new, trial);
    let clock = trial.clock.clone();
    let scanning = tokio::task::spawn_blocking(move || {
        let mut tally = Tally::default();
        let end = scan(&settings, &mut ranges, &clock, stop, |partition, block| {
            judge(block, partition, &mut judges, &mut tally)?;
            each(u64::try_from(block.to - block.from).unwrap_or(0));
            Ok(())
        })?;
        Ok::<_, Error>((end, ranges, tally))
    });
    let (end, ranges, tally) = scanning
        .await
        .map_err(|e| Error::internal("reading the topics died").because(e))??;
    let partitions = ranges
        .into_iter()
        .zip(asked)
        .map(|(range, to)| PartitionRead {
            topic: range.partition.topic.to_string(),
            partition: range.partition.partition,
            from: range.from,
            to,
            read_to: range.at,
            gone: range.gone,
        });
    Ok(Records {
        source: Source::Topics,
        complete: end == ScanEnd::Complete,
        partitions: partitions.collect(),
        verdicts: tally.finish(),
        is_stalled: end == ScanEnd::Stalled,
    })
}

fn judge(
    block: &RawBlock,
    partition: &TopicPartition,
    judges: &mut Judges,
    tally: &mut Tally,
) -> Result<()> {
    for (at, message) in block.messages.iter().enumerate() {
        let place = Place {
            source: &partition.topic,
            partition: partition.partition,
            offset: message.offset,
            index: 0,
        };
        match message.value {
            Some(value) => {
                let message = TrialMessage {
                    value: block.bytes(value),
                    header: block.header(at),
                    topic: &partition.topic,
                };
                judges.judge(message, place, tally)?;
            }
            None => tally.skip(SkipCode::Tombstone),
        }
    }
    Ok(())
}

/// Every partition of the stream's topics up to its end as it is now, from `since` on, milliseconds
/// since the epoch, or from its start.
///
/// # Errors
/// The broker did not answer in time, or the stream's topics are not there.
pub async fn ranges(
    settings: &ScanSettings,
    stream: &Stream,
    since: Option<i64>,
) -> Result<Vec<ScanRange>> {
    let cluster = &Cluster::connect(&settings.kafka, &settings.instance)?;
    let topics = Topics::of(stream)?;
    let mut partitions: Vec<TopicPartition> = Vec::new();
    for topic in cluster.topics().await? {
        if topics.include(&topic.name) {
            partitions.extend((0..topic.partitions).map(|number| TopicPartition {
                topic: Arc::clone(&topic.name),
                partition: number,
            }));
        }
    }
    if partitions.is_empty() {
        return Err(Error::config(format!(
            "the broker has no topic of the stream {}, or it may not be seen",
            stream.name
        )));
    }
    futures::stream::iter(partitions)
        .map(async |partition| {
            let (low, high) = cluster.log_bounds(partition.clone()).await?;
            let from = match since {
                None => low,
                Some(ms) => {
                    let found = cluster.offset_for_time(partition.clone(), ms).await?;
                    found.map_or(high, |offset| offset.clamp(low, high.max(low)))
                }
            };
            Ok(ScanRange::new(partition, from, high))
        })
        .buffered(PARALLEL)
        .try_collect()
        .await
}
