//! A broker inside the test: librdkafka's mock cluster. Of a partition it keeps about 5 MB, or one
//! larger message.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};

pub(crate) struct Broker(MockCluster<'static, DefaultProducerContext>);

impl Broker {
    /// A broker with these topics and their partitions.
    pub(crate) fn start(topics: &[(&str, i32)]) -> Self {
        let cluster = MockCluster::new(1).unwrap();
        for (topic, partitions) in topics {
            cluster.create_topic(topic, *partitions, 1).unwrap();
        }
        Self(cluster)
    }

    pub(crate) fn address(&self) -> String {
        self.0.bootstrap_servers()
    }

    /// From now on each answer takes so long.
    pub(crate) fn slow(&self, round_trip: Duration) {
        self.0.broker_round_trip_time(1, round_trip).unwrap();
    }

    /// Sends values to a partition, in their order, and waits until all are there.
    pub(crate) fn send(
        &self,
        topic: &str,
        partition: i32,
        values: impl IntoIterator<Item = Vec<u8>>,
    ) {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", self.address())
            .set("message.max.bytes", "100000000")
            .set("linger.ms", "5")
            .create()
            .unwrap();
        for value in values {
            let mut record = BaseRecord::<[u8], [u8]>::to(topic)
                .partition(partition)
                .key(b"key".as_slice())
                .payload(&value);
            while let Err((error, again)) = producer.send(record) {
                let full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
                assert!(full, "{error}");
                producer.poll(Duration::from_millis(10));
                record = again;
            }
        }
        producer.flush(Duration::from_secs(60)).unwrap();
    }
}
