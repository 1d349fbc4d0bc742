//! The topics: made, filled, and consumed by librdkafka alone.

use std::process::Command;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::{Offset, TopicPartitionList};

use crate::event::Maker;
use crate::{Plan, usage};

const LONG: Duration = Duration::from_secs(60);

fn config(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    config
}

/// Makes the topics and fills them, partition after partition in turn; returns the bytes.
pub fn fill(brokers: &str, plan: &Plan) -> usize {
    let topics = plan.topics();
    let admin: AdminClient<DefaultClientContext> = config(brokers).create().unwrap();
    let news: Vec<NewTopic<'_>> = topics
        .iter()
        .map(|t| NewTopic::new(t, plan.partitions, TopicReplication::Fixed(1)))
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let options = AdminOptions::new().operation_timeout(Some(LONG));
    for made in runtime
        .block_on(admin.create_topics(&news, &options))
        .unwrap()
    {
        made.expect("a topic is made");
    }
    let producer: ThreadedProducer<DefaultProducerContext> = config(brokers)
        .set("linger.ms", "50")
        .set("batch.size", "1000000")
        .set("queue.buffering.max.messages", "500000")
        .set("acks", "all")
        .create()
        .unwrap();
    let mut maker = Maker::new(1);
    let mut bytes = 0;
    for n in 0..plan.records {
        let topic = &topics[n % topics.len()];
        let partition = (n / topics.len()) as i32 % plan.partitions;
        let message = maker.next();
        bytes += message.len();
        let mut record: BaseRecord<'_, (), [u8]> =
            BaseRecord::to(topic).partition(partition).payload(message);
        loop {
            match producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err((error, _)) => panic!("an event is not sent: {error}"),
            }
        }
    }
    producer.flush(LONG * 5).expect("every event is sent");
    bytes
}

/// Reads everything, counts, and prints what it took; ends the process's work.
pub fn consume(brokers: &str, plan: &Plan) {
    // As `source::kafka` sets them for a budget of 256 MiB, of which librdkafka has a quarter.
    let consumer: BaseConsumer = config(brokers)
        .set("group.id", "floor")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("isolation.level", "read_committed")
        .set("fetch.queue.backoff.ms", "5")
        .set("queued.min.messages", "100000")
        .set("queued.max.messages.kbytes", "65536")
        .set("fetch.max.bytes", "16777216")
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    for topic in plan.topics() {
        for partition in 0..plan.partitions {
            let added = list.add_partition_offset(&topic, partition, Offset::Beginning);
            added.unwrap();
        }
    }
    consumer.assign(&list).unwrap();
    let begin = Instant::now();
    let (mut count, mut bytes) = (0, 0);
    while count < plan.records {
        match consumer.poll(LONG) {
            Some(Ok(message)) => {
                count += 1;
                bytes += message.payload().map_or(0, <[u8]>::len);
            }
            Some(Err(error)) => panic!("the topic is not read: {error}"),
            None => panic!("nothing arrives after {count} events"),
        }
    }
    let wall = begin.elapsed().as_secs_f64();
    std::hint::black_box(bytes);
    let (user, system) = usage::process_cpu("self");
    let cpu = (user + system).as_secs_f64() * 1e6 / count as f64;
    let peak = usage::peak_memory("self");
    println!("{} {cpu} {peak}", count as f64 / wall);
}

/// What reading the topics took in a process of its own.
pub struct Consumed {
    /// Records a second.
    pub rate: f64,
    /// CPU µs a record.
    pub cpu: f64,
    /// Highest memory, in bytes.
    pub peak: u64,
}

/// Runs [`consume`] in a process of its own.
pub fn consumed_by_child(brokers: &str, plan: &Plan) -> Consumed {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--consume", brokers])
        .args(["--records", &plan.records.to_string()])
        .args(["--streams", &plan.streams.to_string()])
        .args(["--partitions", &plan.partitions.to_string()])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the floor: {errors}");
    let words: Vec<&str> = text.split_whitespace().collect();
    let [rate, cpu, peak] = words.as_slice() else {
        panic!("the floor says {text}");
    };
    Consumed {
        rate: rate.parse().unwrap(),
        cpu: cpu.parse().unwrap(),
        peak: peak.parse().unwrap(),
    }
}
