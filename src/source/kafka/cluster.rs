//! Questions to a cluster: its id, its topics, where logs begin and end.
//!
//! Owns: each question's deadline, and that it does not block the runtime. Does not own: the group.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use tokio::sync::mpsc;

use crate::error::{Error, Result};
use crate::source::kafka::context::{Context, list};
use crate::source::kafka::properties::{check_properties, refused};
use crate::source::kafka::{TopicPartition, native};

/// How long a question to the cluster may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long librdkafka is asked for what it said of its connections.
const TOLD: Duration = Duration::from_millis(20);

/// A topic of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Topic {
    /// Its name.
    pub name: Arc<str>,
    /// The number of its partitions.
    pub partitions: i32,
}

/// A cluster that is asked, over connections of its own: a broker answers a connection's requests
/// one after the other, and a fetch that waits for messages holds up what comes behind it for
/// `fetch.wait.max.ms`. Cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    consumer: Arc<BaseConsumer<Context>>,
    brokers: Arc<str>,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cluster")
    }
}

impl Cluster {
    /// A client that only asks: it joins no group. Nothing is connected yet.
    ///
    /// # Errors
    /// A Kafka property is refused.
    pub fn connect(kafka: &crate::config::Kafka, client_id: &str) -> Result<Self> {
        check_properties(&kafka.properties)?;
        let mut config = ClientConfig::new();
        // Nothing is fetched: what a consumer may be given for its fetches fits in any case.
        config
            .set("receive.message.max.bytes", "536870912")
            .set("fetch.max.bytes", "1048576");
        for (key, value) in &kafka.properties {
            config.set(key, &value.0);
        }
        config
            .set("bootstrap.servers", &kafka.brokers)
            .set("client.id", client_id)
            .set("isolation.level", "read_committed");
        // Nobody listens: the questions answer for themselves.
        let (events, _) = mpsc::channel(1);
        let consumer: BaseConsumer<Context> = config
            .create_with_context(Context::new(events, Duration::ZERO))
            .map_err(|e| refused(&e, &kafka.properties))?;
        Ok(Self {
            consumer: Arc::new(consumer),
            brokers: kafka.brokers.as_str().into(),
        })
    }

    /// Takes what librdkafka has for the application beside answers: errors, and tokens that are to
    /// be made anew. Does not wait.
    pub(super) fn serve(&self) {
        // A question fails by itself; how the brokers are is told by the consumer.
        while self.consumer.poll(Duration::ZERO).is_some() {}
    }

    async fn ask<T: Send + 'static>(
        &self,
        what: &'static str,
        question: impl FnOnce(&BaseConsumer<Context>) -> std::result::Result<T, KafkaError>
        + Send
        + 'static,
    ) -> Result<T> {
        let consumer = self.consumer.clone();
        let (answer, trouble) = tokio::task::spawn_blocking(move || {
            let answer = question(&consumer);
            if answer.is_err() {
                // Why there is no connection, if nobody was told yet.
                consumer.poll(TOLD);
            }
            (answer, consumer.context().take_trouble())
        })
        .await
        .map_err(|e| Error::internal("a question to the broker died").because(e))?;
        answer.map_err(|error| {
            let brokers = &self.brokers;
            let trouble = trouble.map(|trouble| format!(": {trouble}"));
            let trouble = trouble.unwrap_or_default();
            Error::unreachable(format!("{brokers} did not tell {what}{trouble}")).because(error)
        })
    }

    /// The cluster's id.
    pub async fn cluster_id(&self) -> Result<String> {
        let timed_out = KafkaError::MetadataFetch(RDKafkaErrorCode::OperationTimedOut);
        self.ask("the cluster's id", |c| {
            let id = c.client().fetch_cluster_id(TIMEOUT);
            id.ok_or(timed_out)
        })
        .await
    }

    /// Every topic of the cluster that the client may see, ordered by name.
    pub async fn topics(&self) -> Result<Vec<Topic>> {
        let mut topics = self
            .ask("its topics", |c| {
                let metadata = c.fetch_metadata(None, TIMEOUT)?;
                let topics = metadata.topics().iter().map(|topic| Topic {
                    name: topic.name().into(),
                    partitions: i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX),
                });
                Ok(topics.collect::<Vec<_>>())
            })
            .await?;
        topics.sort();
        Ok(topics)
    }

    /// The number of a topic's partitions; 0 if it does not exist.
    pub async fn partitions_of(&self, topic: Arc<str>) -> Result<i32> {
        self.ask("a topic's partitions", move |c| {
            let metadata = c.fetch_metadata(Some(&topic), TIMEOUT)?;
            let count = metadata
                .topics()
                .first()
                .map_or(0, |t| t.partitions().len());
            Ok(i32::try_from(count).unwrap_or(i32::MAX))
        })
        .await
    }

    /// The ids of `topics`, which tell a topic from another one of its name. Topics that do not
    /// exist are left out; a broker without ids (before Kafka 2.8) tells `None`.
    pub async fn topic_ids(
        &self,
        topics: Vec<Arc<str>>,
    ) -> Result<HashMap<Arc<str>, Option<String>>> {
        if topics.is_empty() {
            return Ok(HashMap::new());
        }
        self.ask("the topics' ids", move |c| {
            native::topic_ids(c, &topics, TIMEOUT).map_err(KafkaError::MetadataFetch)
        })
        .await
    }

    /// The log's first offset, and the one behind its last that is stable.
    pub async fn log_bounds(&self, partition: TopicPartition) -> Result<(i64, i64)> {
        self.ask("the ends of a log", move |c| {
            c.fetch_watermarks(&partition.topic, partition.partition, TIMEOUT)
        })
        .await
    }

    /// The first offset at or after a time in milliseconds; `None` if there is none.
    pub async fn offset_for_time(&self, partition: TopicPartition, ms: i64) -> Result<Option<i64>> {
        self.ask("the offset of a time", move |c| {
            let asked = list([(&partition, Some(ms))]);
            let told = c.offsets_for_times(asked, TIMEOUT)?;
            Ok(told
                .elements()
                .first()
                .and_then(|e| e.offset().to_raw())
                .filter(|o| *o >= 0))
        })
        .await
    }
}
