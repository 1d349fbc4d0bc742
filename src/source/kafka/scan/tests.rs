//! Ranges of librdkafka's mock cluster.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use super::{ScanEnd, ScanRange, ScanSettings, scan};
use crate::clock::Clock;
use crate::config::Kafka;
use crate::source::kafka::{DemoBroker, TopicPartition};

fn settings(broker: &DemoBroker, patience: Duration) -> ScanSettings {
    ScanSettings {
        kafka: Kafka {
            brokers: broker.address(),
            group: "g".to_owned(),
            properties: BTreeMap::new(),
        },
        instance: "i".to_owned(),
        queue_bytes: 8 << 20,
        header: None,
        patience,
    }
}

fn range(partition: i32, from: i64, to: i64) -> ScanRange {
    let partition = TopicPartition {
        topic: "t".into(),
        partition,
    };
    ScanRange::new(partition, from, to)
}

fn texts(count: usize, bytes: usize) -> impl Iterator<Item = (String, Option<Vec<u8>>)> {
    (0..count).map(move |n| (n.to_string(), Some(vec![b'v'; bytes])))
}

/// The ends of the partitions' logs.
fn ends(broker: &DemoBroker, partitions: i32) -> Vec<i64> {
    use crate::source::kafka::Cluster;
    let cluster = Cluster::connect(&settings(broker, Duration::ZERO).kafka, "i").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let end = |n| {
        runtime
            .block_on(cluster.log_bounds(range(n, 0, 0).partition))
            .unwrap()
            .1
    };
    (0..partitions).map(end).collect()
}

#[test]
fn each_position_is_read_once_up_to_the_end_that_was() {
    let broker = DemoBroker::start("t", 3).unwrap();
    broker.send(texts(3000, 100)).unwrap();
    let ends = ends(&broker, 3);
    assert_eq!(ends.iter().sum::<i64>(), 3000);
    let mut ranges = vec![range(0, 0, ends[0]), range(1, 7, ends[1]), range(2, 5, 5)];
    let mut seen: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
    let mut grows = true;
    let patience = Duration::from_secs(30);
    let end = scan(
        &settings(&broker, patience),
        &mut ranges,
        &Clock::system(),
        || false,
        |partition, block| {
            if std::mem::take(&mut grows) {
                broker.send(texts(500, 100)).unwrap();
            }
            let offsets = block.messages.iter().map(|m| m.offset);
            seen.entry(partition.partition).or_default().extend(offsets);
            Ok(())
        },
    );
    assert_eq!(end.unwrap(), ScanEnd::Complete);
    let wanted = [(0, (0..ends[0]).collect()), (1, (7..ends[1]).collect())];
    assert_eq!(seen, BTreeMap::from(wanted));
    assert!(
        ranges.iter().all(|r| r.is_done() && r.gone == 0),
        "{ranges:?}"
    );
}

#[test]
fn it_stops_when_asked() {
    let broker = DemoBroker::start("t", 1).unwrap();
    broker.send(texts(20_000, 100)).unwrap();
    let mut ranges = [range(0, 0, 20_000)];
    let stop = Cell::new(false);
    let end = scan(
        &settings(&broker, Duration::from_secs(30)),
        &mut ranges,
        &Clock::system(),
        || stop.get(),
        |_, _| {
            stop.set(true);
            Ok(())
        },
    );
    assert_eq!(end.unwrap(), ScanEnd::Stopped);
    assert!((1..20_000).contains(&ranges[0].at), "{ranges:?}");
}

#[test]
fn what_retention_took_is_counted() {
    let broker = DemoBroker::start("t", 1).unwrap();
    // More than the mock cluster keeps.
    broker.send(texts(8000, 1000)).unwrap();
    let mut ranges = [range(0, 0, 8000)];
    let mut first = None;
    let mut read = 0;
    let end = scan(
        &settings(&broker, Duration::from_secs(4)),
        &mut ranges,
        &Clock::system(),
        || false,
        |_, block| {
            first.get_or_insert(block.messages[0].offset);
            read += block.messages.len() as i64;
            Ok(())
        },
    );
    assert_eq!(
        end.unwrap(),
        ScanEnd::Complete,
        "{ranges:?} {first:?} {read}"
    );
    assert!(ranges[0].gone > 0, "{ranges:?}");
    assert_eq!((first, read), (Some(ranges[0].gone), 8000 - ranges[0].gone));
}

#[test]
fn a_broker_that_gives_nothing_ends_it() {
    let broker = DemoBroker::start("t", 1).unwrap();
    broker.send(texts(10, 100)).unwrap();
    // The log ends before.
    let mut ranges = [range(0, 0, 12)];
    let end = scan(
        &settings(&broker, Duration::from_millis(500)),
        &mut ranges,
        &Clock::system(),
        || false,
        |_, _| Ok(()),
    );
    assert_eq!(end.unwrap(), ScanEnd::Stalled);
    assert_eq!(ranges[0].at, 10);
}
