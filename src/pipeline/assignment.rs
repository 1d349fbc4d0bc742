//! Which partitions this instance reads, and from where.
//!
//! Owns: what comes from the consumer goes to the stream that it concerns. Each stream has a task
//! of its own (`stream`), so that one whose lake is away holds up no other. Does not own: the group
//! protocol (`source::kafka`), where a partition begins (`settle`), the commit protocol.

pub mod parts;
pub mod settle;
pub mod stream;

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::config::{Stream, TopicSelect};
use crate::error::{Error, Result};
use crate::metrics::Metrics;
use crate::pipeline::assignment::parts::StreamEvent;
use crate::pipeline::landing::Settled;
use crate::pipeline::status::StatusBoard;
use crate::shutdown::{Phase, Shutdown};
use crate::source::kafka::{Control, Event, PartitionStatistics, TopicPartition};

/// Events of one stream that may be under way to its task.
pub const STREAM_EVENTS: usize = 1024;

/// Which topics feed a stream.
#[derive(Debug)]
pub struct Topics {
    names: Vec<String>,
    pattern: Option<regex::Regex>,
}

impl Topics {
    /// The topics of `stream`.
    ///
    /// # Errors
    /// The pattern is no regular expression.
    pub fn of(stream: &Stream) -> Result<Self> {
        let (names, pattern) = match stream.topics.as_ref().map(|t| &t.select) {
            Some(TopicSelect::Names(names)) => (names.clone(), None),
            Some(TopicSelect::Pattern(pattern)) => {
                let pattern = regex::Regex::new(pattern)
                    .map_err(|e| Error::config("a topic pattern is no expression").because(e))?;
                (Vec::new(), Some(pattern))
            }
            None => (Vec::new(), None),
        };
        Ok(Self { names, pattern })
    }

    /// True if `topic` feeds the stream.
    pub fn include(&self, topic: &str) -> bool {
        self.names.iter().any(|name| name == topic)
            || self.pattern.as_ref().is_some_and(|p| p.is_match(topic))
    }
}

/// A stream as the assignment sees it.
#[derive(Debug)]
pub struct StreamHandle {
    /// Its name.
    pub name: String,
    /// Its topics.
    pub topics: Arc<Topics>,
    /// How far its partitions are settled.
    pub settled: Settled,
    /// The way to its task.
    pub events: mpsc::Sender<StreamEvent>,
    /// The task; it ends when it is told to drain and is done.
    pub task: JoinHandle<()>,
}

/// The task that answers the consumer's events.
#[derive(Debug)]
pub struct Assignment {
    /// The streams, in the configuration's order; a stream's feed has the same number.
    pub streams: Vec<StreamHandle>,
    /// The consumer.
    pub control: Control,
    /// Metrics.
    pub metrics: Metrics,
    /// What HTTP tells.
    pub status: StatusBoard,
    /// Clock.
    pub clock: Clock,
    /// The stop.
    pub shutdown: Shutdown,
}

impl Assignment {
    /// Runs until the stop begins or the consumer's events end, then drains every stream and
    /// leaves the group.
    pub async fn run(self, mut events: mpsc::Receiver<Event>) {
        let mut stop = self.shutdown.clone();
        let mut owners = HashMap::new();
        loop {
            let event = tokio::select! {
                event = events.recv() => event,
                () = stop.reached(Phase::Draining) => break,
            };
            let Some(event) = event else { break };
            self.on_event(event, &mut owners).await;
        }
        self.drain(events, owners).await;
    }

    async fn on_event(&self, event: Event, owners: &mut HashMap<TopicPartition, usize>) {
        match event {
            Event::Assigned {
                partitions,
                assignment,
            } => {
                for partition in &partitions {
                    if let Some(at) = self.owner(partition) {
                        owners.insert(partition.clone(), at);
                    }
                }
                for (at, partitions) in by_stream(partitions, owners) {
                    let event = StreamEvent::Assigned {
                        partitions,
                        assignment,
                    };
                    self.tell(at, event).await;
                }
            }
            Event::Revoked {
                partitions,
                lost,
                done,
            } => {
                // Dropped when the last stream has dropped its share.
                let done = Arc::new(done);
                for (at, partitions) in by_stream(partitions, owners) {
                    for partition in &partitions {
                        owners.remove(partition);
                    }
                    let event = StreamEvent::Revoked {
                        partitions,
                        lost,
                        done: done.clone(),
                    };
                    self.tell(at, event).await;
                }
            }
            Event::Fault {
                partition,
                generation,
                fault,
            } => {
                self.count_error(fault.kind());
                if let Some(at) = owners.get(&partition).copied() {
                    let event = StreamEvent::Fault {
                        partition,
                        generation,
                        fault,
                    };
                    self.tell(at, event).await;
                }
            }
            Event::Paused { feed, paused } => self.tell(feed, StreamEvent::Paused(paused)).await,
            Event::Statistics(statistics) => {
                for s in statistics {
                    self.on_statistics(&s, owners);
                }
            }
            Event::Trouble { kind, message } => {
                self.count_error(&kind);
                tracing::warn!(kind, "the Kafka client reports: {message}");
            }
            Event::Broker { up, message } => {
                self.status.set_broker(up, &message);
                if up {
                    tracing::info!(%message, "broker reached");
                } else {
                    self.count_error("all_brokers_down");
                    tracing::warn!(%message, "no broker can be reached; waiting for it");
                }
            }
        }
    }

    fn owner(&self, partition: &TopicPartition) -> Option<usize> {
        self.streams
            .iter()
            .position(|s| s.topics.include(&partition.topic))
    }

    async fn tell(&self, at: usize, event: StreamEvent) {
        if let Some(stream) = self.streams.get(at)
            && stream.events.send(event).await.is_err()
        {
            tracing::error!(stream = %stream.name, "the stream's task has ended");
        }
    }

    fn count_error(&self, kind: &str) {
        self.metrics.kafka_errors.with_label_values(&[kind]).inc();
    }

    fn on_statistics(&self, s: &PartitionStatistics, owners: &HashMap<TopicPartition, usize>) {
        let Some(stream) = owners
            .get(&s.partition)
            .and_then(|at| self.streams.get(*at))
        else {
            return;
        };
        let key = (s.partition.topic.clone(), s.partition.partition);
        let settled = stream.settled.lock().get(&key).cloned();
        if let Some(settled) = settled
            && s.end >= 0
        {
            let lag = (s.end - settled.position).max(0);
            let partition = s.partition.partition.to_string();
            let labels = [stream.name.as_str(), &*s.partition.topic, &partition];
            self.metrics.lag_records.with_label_values(&labels).set(lag);
            // While there is lag, the last record that is settled tells how far behind it is.
            let since_ms = settled.last_ms.or_else(|| settled.run.first_ms());
            let behind_ms = match lag {
                0 => Some(0),
                _ => since_ms.map(|ms| (self.clock.now().0 / 1000).saturating_sub(ms).max(0)),
            };
            if let Some(ms) = behind_ms {
                let lag_seconds = self.metrics.lag_seconds.with_label_values(&labels);
                lag_seconds.set(ms as f64 / 1000.0);
            }
            self.status
                .set_position(&stream.name, &s.partition, settled.position, s.end);
        }
    }

    /// Ends every stream's task. Revocations that come meanwhile are answered, since the group's
    /// thread waits for them.
    async fn drain(
        mut self,
        mut events: mpsc::Receiver<Event>,
        mut owners: HashMap<TopicPartition, usize>,
    ) {
        for at in 0..self.streams.len() {
            self.tell(at, StreamEvent::Drain).await;
        }
        let mut tasks = Vec::new();
        for stream in &mut self.streams {
            tasks.push(std::mem::replace(&mut stream.task, tokio::spawn(async {})));
        }
        let ended = futures::future::join_all(tasks);
        tokio::pin!(ended);
        loop {
            tokio::select! {
                _ = &mut ended => break,
                Some(event) = events.recv() => {
                    if let Event::Revoked { partitions, .. } = event {
                        // What is open of them is being flushed already.
                        partitions.iter().for_each(|p| { owners.remove(p); });
                    }
                }
            }
        }
        self.control.shutdown();
    }
}

fn by_stream(
    partitions: Vec<TopicPartition>,
    owners: &HashMap<TopicPartition, usize>,
) -> HashMap<usize, Vec<TopicPartition>> {
    let mut by_stream: HashMap<usize, Vec<TopicPartition>> = HashMap::new();
    for partition in partitions {
        if let Some(at) = owners.get(&partition) {
            by_stream.entry(*at).or_default().push(partition);
        }
    }
    by_stream
}
