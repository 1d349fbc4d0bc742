//! The task of one stream: which partitions it reads, and what an assignment, a revocation, a fault
//! and a fence mean for it.
//!
//! Owns: the readings (`Run`) of the stream, their states, the retries of what is not settled.
//! What waits for a writer's schema is in `paused`.
//! Does not own: where a partition begins (`settle`), the decoding (`lane`), the landing.

mod paused;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tokio::sync::mpsc;

use crate::error::Result;
use crate::model::ledger::Cut;
use crate::pipeline::assignment::parts::{StreamEvent, StreamParts};
use crate::pipeline::assignment::settle::{Beginning, Settlement, Settler};
use crate::pipeline::assignment::stream::paused::Paused;
use crate::pipeline::landing::SettledAt;
use crate::pipeline::lane::Inlet;
use crate::pipeline::partition::Run;
use crate::pipeline::status::PartitionState;
use crate::source::kafka::{PartitionFault, StartAt, TopicPartition};

/// First and longest wait before what could not be settled is tried again.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// How often a stopped partition is looked at again: an operator may have decided.
const STOPPED_RETRY: Duration = Duration::from_secs(5);

/// A partition that the group gave to us.
#[derive(Debug, Clone, Copy)]
struct Owned {
    assignment: u64,
    /// Of the newest attempt to settle it; what an older one says does not count.
    attempt: u64,
}

/// What an attempt to settle partitions came to.
struct Attempt {
    partitions: Vec<TopicPartition>,
    number: u64,
    wait: Duration,
    outcome: Result<Vec<Settlement>>,
}

/// Partitions to try again, when their time has come.
struct Again {
    partitions: Vec<TopicPartition>,
    number: u64,
    wait: Duration,
}

/// The task.
pub struct StreamTask {
    parts: StreamParts,
    settler: Option<Arc<Settler>>,
    owned: BTreeMap<TopicPartition, Owned>,
    runs: HashMap<TopicPartition, Arc<Run>>,
    /// Why a partition is not read, as it was last told.
    reasons: HashMap<TopicPartition, String>,
    /// Positions before which the log was found to be another.
    truncated: HashMap<TopicPartition, i64>,
    generation: u64,
    attempts: u64,
    settling: FuturesUnordered<BoxFuture<'static, Attempt>>,
    again: FuturesUnordered<BoxFuture<'static, Again>>,
    paused: Paused,
}

impl std::fmt::Debug for StreamTask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamTask")
            .field("parts", &self.parts)
            .finish_non_exhaustive()
    }
}

impl StreamTask {
    /// The task of a stream whose table is not open yet.
    pub fn new(parts: StreamParts) -> Self {
        Self {
            parts,
            settler: None,
            owned: BTreeMap::new(),
            runs: HashMap::new(),
            reasons: HashMap::new(),
            truncated: HashMap::new(),
            generation: 0,
            attempts: 0,
            settling: FuturesUnordered::new(),
            again: FuturesUnordered::new(),
            paused: Paused::default(),
        }
    }

    /// Runs until it is told to drain, or nobody is left to tell. `opening` gives the settler once
    /// the stream's table is open; until then its partitions wait.
    pub async fn run(
        mut self,
        mut events: mpsc::Receiver<StreamEvent>,
        opening: impl Future<Output = Settler> + Send,
    ) {
        let flow = self.parts.flow.clone();
        tokio::pin!(opening);
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(StreamEvent::Drain) | None => break,
                    Some(event) => self.on_event(event).await,
                },
                settler = &mut opening, if self.settler.is_none() => {
                    self.settler = Some(Arc::new(settler));
                    let all = self.owned.keys().cloned().collect();
                    self.settle(all, RETRY.0);
                }
                Some(attempt) = self.settling.next() => self.on_attempt(attempt),
                Some(again) = self.again.next() => self.on_again(again),
                () = flow.fenced() => self.restart(),
                held = flow.held() => held.into_iter().for_each(|held| self.pause(held)),
                Some(held) = self.paused.answered() => self.resume(held),
            }
        }
        self.drain().await;
    }

    async fn on_event(&mut self, event: StreamEvent) {
        match event {
            StreamEvent::Assigned {
                partitions,
                assignment,
            } => {
                for partition in &partitions {
                    let owned = Owned {
                        assignment,
                        attempt: 0,
                    };
                    self.owned.insert(partition.clone(), owned);
                    self.parts
                        .set_state(partition, PartitionState::Waiting, None);
                }
                self.settle(partitions, RETRY.0);
            }
            StreamEvent::Revoked {
                partitions,
                lost,
                done,
            } => {
                self.revoke(&partitions, lost).await;
                drop(done);
            }
            StreamEvent::Fault {
                partition,
                generation,
                fault,
            } => self.on_fault(partition, generation, &fault).await,
            StreamEvent::Paused(paused) => {
                let state = match paused {
                    true => PartitionState::Paused,
                    false => PartitionState::Running,
                };
                let reason = paused.then(|| {
                    "its batches wait for the lake, or the memory budget is full".to_owned()
                });
                for partition in self.runs.keys().filter(|p| !self.paused.has(p)) {
                    self.parts.set_state(partition, state, reason.clone());
                }
            }
            StreamEvent::Drain => {}
        }
    }

    /// Begins to settle partitions, those that are still ours.
    fn settle(&mut self, mut partitions: Vec<TopicPartition>, wait: Duration) {
        let Some(settler) = self.settler.clone() else {
            return;
        };
        let number = self.number_attempt(&mut partitions);
        if partitions.is_empty() {
            return;
        }
        let attempt = async move {
            let outcome = settler.settle(&partitions).await;
            Attempt {
                partitions,
                number,
                wait,
                outcome,
            }
        };
        self.settling.push(attempt.boxed());
    }

    /// Makes a new attempt the one that counts for `partitions`; those that are not ours are left
    /// out.
    fn number_attempt(&mut self, partitions: &mut Vec<TopicPartition>) -> u64 {
        self.attempts += 1;
        let number = self.attempts;
        partitions.retain(|p| {
            let owned = self.owned.get_mut(p);
            owned.map(|owned| owned.attempt = number).is_some()
        });
        number
    }

    fn try_again(
        &mut self,
        partitions: Vec<TopicPartition>,
        number: u64,
        wait: Duration,
        next: Duration,
    ) {
        if partitions.is_empty() {
            return;
        }
        let clock = self.parts.clock.clone();
        let again = async move {
            clock.sleep(wait).await;
            Again {
                partitions,
                number,
                wait: next,
            }
        };
        self.again.push(again.boxed());
    }

    fn on_again(&mut self, again: Again) {
        let Again {
            mut partitions,
            number,
            wait,
        } = again;
        partitions.retain(|p| self.is_newest(p, number));
        self.settle(partitions, wait);
    }

    fn is_newest(&self, partition: &TopicPartition, attempt: u64) -> bool {
        self.owned
            .get(partition)
            .is_some_and(|owned| owned.attempt == attempt)
    }

    fn on_attempt(&mut self, attempt: Attempt) {
        let Attempt {
            partitions,
            number,
            wait,
            outcome,
        } = attempt;
        let longer = (wait * 2).min(RETRY.1);
        let settlements = match outcome {
            Ok(settlements) => settlements,
            Err(error) => {
                let reason = format!("its position is not settled: {error}");
                for partition in &partitions {
                    if self.is_newest(partition, number) {
                        self.hold(partition, PartitionState::Waiting, &reason);
                    }
                }
                return self.try_again(partitions, number, wait, longer);
            }
        };
        let (mut begin, mut waiting, mut stopped) = (Vec::new(), Vec::new(), Vec::new());
        for settlement in settlements {
            match settlement {
                Settlement::Read(b) if self.is_newest(&b.partition, number) => {
                    match self.truncated.get(&b.partition) {
                        // Nobody moved it since: it would be found out again.
                        Some(at) if *at == b.offset => stopped.push(b.partition),
                        _ => begin.push(b),
                    }
                }
                Settlement::Waiting { partition, reason } if self.is_newest(&partition, number) => {
                    self.hold(&partition, PartitionState::Waiting, &reason);
                    waiting.push(partition);
                }
                Settlement::Stopped {
                    partition,
                    reason,
                    gap,
                } if self.is_newest(&partition, number) => {
                    if self.hold(&partition, PartitionState::Stopped, &reason) && gap > 0 {
                        self.parts.count_gap(&partition, gap);
                    }
                    stopped.push(partition);
                }
                _ => {}
            }
        }
        self.begin(begin);
        self.try_again(waiting, number, wait, longer);
        self.try_again(stopped, number, STOPPED_RETRY, RETRY.0);
    }

    /// Says that a partition is not read, in the log once for each reason. Returns true if the
    /// reason is new.
    fn hold(&mut self, partition: &TopicPartition, state: PartitionState, reason: &str) -> bool {
        self.parts
            .set_state(partition, state, Some(reason.to_owned()));
        let before = self.reasons.insert(partition.clone(), reason.to_owned());
        let is_new = before.as_deref() != Some(reason);
        if is_new {
            let stream = self.name();
            let (topic, number) = (&partition.topic, partition.partition);
            match state {
                PartitionState::Stopped => {
                    tracing::error!(%stream, %topic, partition = number, "partition stopped: {reason}");
                }
                _ => {
                    tracing::warn!(%stream, %topic, partition = number, "partition waits: {reason}")
                }
            }
        }
        is_new
    }

    fn begin(&mut self, beginnings: Vec<Beginning>) {
        let epoch = self.parts.flow.epoch();
        let mut starts = Vec::with_capacity(beginnings.len());
        for beginning in beginnings {
            let Some(owned) = self.owned.get(&beginning.partition).copied() else {
                continue;
            };
            self.generation += 1;
            let partition = beginning.partition;
            let run = Arc::new(Run::new(
                self.parts.at,
                partition.topic.clone(),
                beginning.source,
                beginning.topic_id,
                self.generation,
                epoch,
            ));
            let inlet = self.inlet(&partition, &run);
            self.runs.insert(partition.clone(), run.clone());
            self.parts.settled.lock().insert(
                (partition.topic.clone(), partition.partition),
                SettledAt {
                    position: beginning.offset,
                    run,
                    last_ms: None,
                },
            );
            self.told_running(&partition);
            starts.push(StartAt {
                partition,
                assignment: owned.assignment,
                feed: self.parts.at,
                offset: beginning.offset,
                leader_epoch: beginning.leader_epoch,
                sink: Arc::new(inlet),
                generation: self.generation,
            });
        }
        self.parts.control.start(starts);
    }

    fn inlet(&self, partition: &TopicPartition, run: &Arc<Run>) -> Inlet {
        let lane = partition.partition.unsigned_abs() as usize % self.parts.lanes.len();
        self.parts.lanes[lane].inlet(self.parts.flow.clone(), run.clone())
    }

    fn told_running(&mut self, partition: &TopicPartition) {
        self.reasons.remove(partition);
        self.parts
            .set_state(partition, PartitionState::Running, None);
    }

    async fn revoke(&mut self, partitions: &[TopicPartition], lost: bool) {
        let mut were_read = false;
        for partition in partitions {
            self.owned.remove(partition);
            self.reasons.remove(partition);
            self.truncated.remove(partition);
            self.paused.forget(partition);
            if let Some(run) = self.runs.remove(partition) {
                run.close();
                were_read = true;
            }
            self.parts
                .metrics
                .forget_partition(self.name(), &partition.topic, partition.partition);
            self.parts.status.forget(self.name(), partition);
            self.parts
                .settled
                .lock()
                .remove(&(partition.topic.clone(), partition.partition));
        }
        if !were_read {
            return;
        }
        let flush = self.parts.flush(Cut::Revoke, !lost);
        let deadline = self.parts.revoke_deadline;
        if self.parts.clock.timeout(deadline, flush).await.is_none() {
            tracing::warn!(stream = %self.name(), "revoked partitions were not flushed in time; the table decides");
        }
    }

    async fn on_fault(
        &mut self,
        partition: TopicPartition,
        generation: u64,
        fault: &PartitionFault,
    ) {
        let is_read = self
            .runs
            .get(&partition)
            .is_some_and(|run| run.generation == generation);
        if !is_read {
            return;
        }
        tracing::warn!(stream = %self.name(), topic = %partition.topic, partition = partition.partition, fault = fault.kind(), "partition cannot be read on; looking at its position again");
        self.paused.forget(&partition);
        // What was read before the fault is sound: it is flushed, so that the position is behind it.
        if let Some(run) = self.runs.remove(&partition) {
            self.parts.control.stop(vec![partition.clone()]);
            let flush = self.parts.flush(Cut::Revoke, true);
            let deadline = self.parts.revoke_deadline;
            let _ = self.parts.clock.timeout(deadline, flush).await;
            run.close();
        }
        if *fault == PartitionFault::Truncated {
            return self.stop_truncated(partition);
        }
        self.parts
            .set_state(&partition, PartitionState::Waiting, None);
        // Not at once: the broker may need a moment until it tells what it refused.
        let mut again = vec![partition];
        let number = self.number_attempt(&mut again);
        self.try_again(again, number, RETRY.0, RETRY.0 * 2);
    }

    /// Below the position the log holds other messages than those that landed. Only a look at them
    /// tells, so it is not looked again until somebody moved the position.
    fn stop_truncated(&mut self, partition: TopicPartition) {
        let key = (partition.topic.clone(), partition.partition);
        let settled = self.parts.settled.lock().get(&key).map(|s| s.position);
        let position = settled.unwrap_or_default();
        self.truncated.insert(partition.clone(), position);
        let reason = format!(
            "the log was truncated and has grown past position {position}: below it there are other messages than those that were read; `weir positions set {} {}:{} OFFSET --reason TEXT` goes on at another offset",
            self.name(),
            partition.topic,
            partition.partition
        );
        self.hold(&partition, PartitionState::Stopped, &reason);
        let mut again = vec![partition];
        let number = self.number_attempt(&mut again);
        self.try_again(again, number, STOPPED_RETRY, RETRY.0);
    }

    /// A batch was fenced, or could not be landed: everything is read again from the table's
    /// positions.
    fn restart(&mut self) {
        self.paused = Paused::default();
        for run in self.runs.values() {
            run.close();
        }
        self.parts
            .control
            .stop(self.runs.drain().map(|(p, _)| p).collect());
        let all: Vec<TopicPartition> = self.owned.keys().cloned().collect();
        for partition in &all {
            self.parts
                .set_state(partition, PartitionState::Waiting, None);
        }
        self.settle(all, RETRY.0);
    }

    async fn drain(&mut self) {
        for run in self.runs.values() {
            run.close();
        }
        self.parts
            .control
            .stop(self.runs.drain().map(|(p, _)| p).collect());
        self.parts.flush(Cut::Shutdown, true).await;
    }

    fn name(&self) -> &str {
        self.parts.name()
    }
}
