//! The unsafe file against librdkafka's mock cluster: batches, errors, ends, topic ids.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::types::RDKafkaErrorCode;
use tokio::sync::mpsc;

use super::{MessageQueue, is_nil, topic_ids};
use crate::clock::Clock;
use crate::source::kafka::context::{Context, list};
use crate::source::kafka::{DemoBroker, TopicPartition};

const DEADLINE: Duration = Duration::from_secs(30);

fn consumer(broker: &DemoBroker) -> Arc<BaseConsumer<Context>> {
    consumer_with(broker, "true")
}

/// A consumer that is told of the ends of partitions, or is not.
fn consumer_with(broker: &DemoBroker, ends: &str) -> Arc<BaseConsumer<Context>> {
    let (events, _) = mpsc::channel(1);
    let consumer = ClientConfig::new()
        .set("bootstrap.servers", broker.address())
        .set("group.id", "g")
        .set("auto.offset.reset", "error")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", ends)
        .create_with_context(Context::new(events, Duration::ZERO))
        .expect("a consumer");
    Arc::new(consumer)
}

fn part(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition {
        topic: topic.into(),
        partition,
    }
}

/// What came out of a queue: offset and value of messages, and errors with their offsets.
type Seen = Vec<Result<(i64, String), (RDKafkaErrorCode, i64)>>;

fn drain_until(
    queue: &mut MessageQueue,
    consumer: &BaseConsumer<Context>,
    done: impl Fn(&Seen) -> bool,
) -> Seen {
    let clock = Clock::system();
    let began = clock.tick();
    let mut seen = Vec::new();
    while !done(&seen) {
        assert!(
            clock.tick().since(began) < DEADLINE,
            "seen so far: {seen:?}"
        );
        consumer.poll(Duration::from_millis(10));
        queue.consume(|message| {
            seen.push(match message.error() {
                None => Ok((
                    message.offset(),
                    String::from_utf8_lossy(message.value().unwrap_or(b"-")).into_owned(),
                )),
                Some(error) => Err((error, message.offset())),
            });
        });
    }
    seen
}

#[test]
fn messages_come_in_order_then_the_end() {
    let broker = DemoBroker::start("t", 1).expect("a broker");
    let sent = (0..500).map(|n| {
        (
            n.to_string(),
            (n != 7).then(|| format!("v{n}").into_bytes()),
        )
    });
    broker.send(sent).expect("sent");
    let consumer = consumer(&broker);
    let mut queue = MessageQueue::new(consumer.clone(), 64).expect("a queue");
    let partition = part("t", 0);
    assert!(queue.lead_in(&partition));
    let from = list([(&partition, Some(5))]);
    consumer.assign(&from).expect("assigned");
    let seen = drain_until(&mut queue, &consumer, |seen| {
        seen.last().is_some_and(Result::is_err)
    });
    let mut wanted: Seen = (5..500)
        .map(|n| {
            Ok((
                n,
                if n == 7 {
                    "-".to_owned()
                } else {
                    format!("v{n}")
                },
            ))
        })
        .collect();
    wanted.push(Err((RDKafkaErrorCode::PartitionEOF, 500)));
    assert_eq!(seen, wanted);
}

/// Why `enable.partition.eof` stays off: librdkafka's batch call takes the end that it tells for a
/// message that was consumed, and goes on behind it after a pause, which every rebalance makes.
#[test]
fn a_message_is_lost_in_a_pause_where_ends_are_told() {
    for (ends, wanted) in [("true", vec![11]), ("false", vec![10, 11])] {
        let broker = DemoBroker::start("t", 1).expect("a broker");
        let send = |from: i64, to: i64| {
            let sent = (from..to).map(|n| (n.to_string(), Some(vec![b'v'])));
            broker.send(sent).expect("sent");
        };
        send(0, 10);
        let consumer = consumer_with(&broker, ends);
        let mut queue = MessageQueue::new(consumer.clone(), 64).expect("a queue");
        let partition = part("t", 0);
        assert!(queue.lead_in(&partition));
        let begin = list([(&partition, Some(0))]);
        consumer.assign(&begin).expect("assigned");
        let last = |seen: &Seen| seen.iter().rev().find_map(|s| s.as_ref().ok().map(|m| m.0));
        drain_until(&mut queue, &consumer, |seen| match ends {
            "true" => seen.last().is_some_and(Result::is_err),
            _ => last(seen) == Some(9),
        });
        consumer.pause(&begin).expect("paused");
        consumer.resume(&begin).expect("resumed");
        send(10, 12);
        let seen = drain_until(&mut queue, &consumer, |seen| last(seen) == Some(11));
        let offsets: Vec<i64> = seen.iter().flatten().map(|m| m.0).collect();
        assert_eq!(offsets, wanted, "ends told: {ends}");
    }
}

#[test]
fn an_offset_out_of_range_names_its_partition() {
    let broker = DemoBroker::start("t", 2).expect("a broker");
    let consumer = consumer(&broker);
    let mut queue = MessageQueue::new(consumer.clone(), 8).expect("a queue");
    let partition = part("t", 1);
    assert!(queue.lead_in(&partition));
    consumer
        .assign(&list([(&partition, Some(1_000))]))
        .expect("assigned");
    let clock = Clock::system();
    let began = clock.tick();
    let mut named = None;
    while named.is_none() {
        assert!(clock.tick().since(began) < DEADLINE);
        consumer.poll(Duration::from_millis(10));
        queue.consume(|m| named = Some((m.topic().to_owned(), m.partition(), m.error())));
    }
    let (topic, number, error) = named.expect("it was waited for");
    assert_eq!((topic.as_str(), number), ("t", 1));
    assert!(
        matches!(
            error,
            Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange)
        ),
        "{error:?}"
    );
}

#[test]
fn topics_have_ids_or_are_left_out() {
    let broker = DemoBroker::start("t", 1).expect("a broker");
    let consumer = consumer(&broker);
    let ids = topic_ids(&consumer, &["t".into()], DEADLINE).expect("an answer");
    assert_eq!(ids.len(), 1, "{ids:?}");
    if let Some(id) = &ids["t"] {
        assert!(!is_nil(id));
    }
}

#[test]
fn a_broker_that_is_away_is_an_error_in_time() {
    let away = {
        let broker = DemoBroker::start("t", 1).expect("a broker");
        consumer(&broker)
    };
    assert!(topic_ids(&away, &["t".into()], Duration::from_millis(300)).is_err());
}

#[test]
fn nil_ids_are_known() {
    assert!(is_nil("AAAAAAAAAAAAAAAAAAAAAA"));
    assert!(!is_nil("AAAAAAAAAAAAAAAAAAAAAQ"));
}
