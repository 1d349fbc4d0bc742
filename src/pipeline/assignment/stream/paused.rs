//! Readings that are paused at the source until a writer's schema is known, or newer versions were
//! looked for.
//!
//! Owns: which they are, waiting for the answer, and going on where they were.

use std::collections::HashMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};

use crate::pipeline::assignment::stream::StreamTask;
use crate::pipeline::flow::{Flow, Held};
use crate::pipeline::partition::Run;
use crate::pipeline::status::PartitionState;
use crate::pipeline::stream_decoder::WaitsFor;
use crate::source::kafka::{StartAt, TopicPartition};

/// The readings.
#[derive(Debug, Default)]
pub(super) struct Paused {
    runs: HashMap<TopicPartition, Arc<Run>>,
    answers: FuturesUnordered<BoxFuture<'static, Held>>,
}

impl StreamTask {
    /// Stops fetching a partition whose next message needs what nobody tells yet. Its reading goes on
    /// where it was; other partitions never stopped.
    pub(super) fn pause(&mut self, held: Held) {
        let partition = held.partition();
        let is_read = self.runs.get(&partition);
        if is_read.is_none_or(|run| !Arc::ptr_eq(run, &held.run)) {
            return;
        }
        self.parts.control.stop(vec![partition.clone()]);
        let reason = held.reason(&self.parts.flow);
        self.hold(&partition, PartitionState::Waiting, &reason);
        self.paused.add(partition, held, self.parts.flow.clone());
    }

    /// Goes on with a partition whose answer is there, whatever it is.
    pub(super) fn resume(&mut self, held: Held) {
        let partition = held.partition();
        let owned = self.owned.get(&partition).copied();
        let Some(owned) = owned.filter(|_| self.paused.end(&partition, &held.run)) else {
            return;
        };
        self.told_running(&partition);
        let inlet = self.inlet(&partition, &held.run);
        self.parts.control.start(vec![StartAt {
            partition,
            assignment: owned.assignment,
            feed: self.parts.at,
            offset: held.offset,
            leader_epoch: held.leader_epoch,
            sink: Arc::new(inlet),
            generation: held.run.generation,
        }]);
    }
}

impl Held {
    /// The partition that is read.
    fn partition(&self) -> TopicPartition {
        TopicPartition {
            topic: self.run.topic.clone(),
            partition: self.run.source.partition,
        }
    }

    /// Why it is paused.
    fn reason(&self, flow: &Flow) -> String {
        let offset = self.offset;
        let (needs, trouble) = match self.on {
            WaitsFor::Look => (
                "holds what the schema does not have, and newer versions cannot be looked for"
                    .to_owned(),
                flow.look_trouble(),
            ),
            WaitsFor::Writer(writer) => (
                format!("needs the schema of {writer}, which is not told yet"),
                flow.plan().writers.trouble(),
            ),
        };
        let trouble = trouble.as_deref().unwrap_or("there is no answer");
        format!("offset {offset} {needs}: {trouble}")
    }
}

impl Paused {
    /// A reading pauses; what it waits for is waited for.
    fn add(&mut self, partition: TopicPartition, held: Held, flow: Arc<Flow>) {
        self.runs.insert(partition, held.run.clone());
        let answer = async move {
            match held.on {
                WaitsFor::Look => flow.looked_since(held.seen).await,
                WaitsFor::Writer(writer) => {
                    let writers = flow.plan().writers.clone();
                    writers.answer(writer, &held.run.topic, held.seen).await;
                }
            }
            held
        };
        self.answers.push(answer.boxed());
    }

    /// The next reading whose answer is there; `None` at once where none waits.
    pub(super) async fn answered(&mut self) -> Option<Held> {
        self.answers.next().await
    }

    /// True while the partition is paused.
    pub(super) fn has(&self, partition: &TopicPartition) -> bool {
        self.runs.contains_key(partition)
    }

    /// The reading goes on; false if it was given up meanwhile.
    fn end(&mut self, partition: &TopicPartition, run: &Arc<Run>) -> bool {
        let is_held = self
            .runs
            .get(partition)
            .is_some_and(|held| Arc::ptr_eq(held, run));
        if is_held {
            self.runs.remove(partition);
        }
        is_held
    }

    /// The partition's reading is given up.
    pub(super) fn forget(&mut self, partition: &TopicPartition) {
        self.runs.remove(partition);
    }
}
