//! A broker inside the process, for the demo: librdkafka's mock cluster.
//!
//! It keeps about 5 MB or 100,000 messages a partition.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};

use crate::error::{Error, Result};

/// The broker, with one topic.
pub struct DemoBroker {
    cluster: MockCluster<'static, DefaultProducerContext>,
    topic: String,
}

impl std::fmt::Debug for DemoBroker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DemoBroker")
            .field("topic", &self.topic)
            .finish_non_exhaustive()
    }
}

fn failed(error: KafkaError) -> Error {
    Error::internal("the demo's broker failed").because(error)
}

impl DemoBroker {
    /// Bytes of a partition beyond which the mock cluster drops the oldest.
    pub const MAX_PARTITION_BYTES: u64 = 5 * 1024 * 1024;

    /// Messages of a partition beyond which it drops the oldest.
    pub const MAX_PARTITION_MESSAGES: u64 = 100_000;

    /// Starts a broker with a topic of `partitions`.
    pub fn start(topic: &str, partitions: i32) -> Result<Self> {
        let cluster = MockCluster::new(1).map_err(failed)?;
        cluster.create_topic(topic, partitions, 1).map_err(failed)?;
        Ok(Self {
            cluster,
            topic: topic.to_owned(),
        })
    }

    /// Its address.
    pub fn address(&self) -> String {
        self.cluster.bootstrap_servers()
    }

    /// Sends messages (key, value; no value is a tombstone) and waits until all are there.
    pub fn send(&self, messages: impl Iterator<Item = (String, Option<Vec<u8>>)>) -> Result<()> {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", self.address())
            .set("linger.ms", "20")
            .create()
            .map_err(failed)?;
        for (key, value) in messages {
            let mut record = BaseRecord::<str, [u8]>::to(&self.topic).key(&key);
            if let Some(value) = &value {
                record = record.payload(value);
            }
            while let Err((error, again)) = producer.send(record) {
                if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                    return Err(failed(error));
                }
                producer.poll(Duration::from_millis(10));
                record = again;
            }
        }
        producer.flush(Duration::from_secs(30)).map_err(failed)
    }
}
