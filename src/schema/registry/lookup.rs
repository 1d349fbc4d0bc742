//! The registry as the process sees it: ids of records without waiting, subjects by asking.
//!
//! Owns: that each id is asked for by one task at a time and for as long as it takes, and which
//! answers count: a "not known" only for messages that were seen before it was asked for.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};

use crate::clock::{Clock, Tick};
use crate::error::{Error, Result};
use crate::metrics::Metrics;
use crate::schema::registry::client::Client;
use crate::schema::registry::disk::Disk;
use crate::schema::registry::memory::{Entry, Memory};
use crate::schema::registry::outage::Gate;
use crate::schema::registry::pace::{Pace, REQUESTS};
use crate::schema::registry::{
    Failure, Lookup, Named, Registered, Settings, Wanted, WriterKey, contract,
};

/// A registry. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Registry(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: Client,
    disk: Disk,
    gate: Gate,
    memory: Mutex<Memory>,
    /// Grows with every answer.
    answers: watch::Sender<u64>,
    permits: Semaphore,
    runtime: Handle,
    clock: Clock,
    pace: Pace,
}

impl Registry {
    /// A client of the registry; asks nothing yet. Within a tokio runtime, which its tasks run on.
    ///
    /// # Errors
    /// Certificates or a key that cannot be read.
    pub fn start(settings: &Settings, metrics: &Metrics, clock: Clock) -> Result<Self> {
        Self::with_pace(settings, metrics, clock, Pace::default())
    }

    /// Looks whether the settings would do, without asking anybody.
    ///
    /// # Errors
    /// Certificates or a key that cannot be read.
    pub fn check(settings: &Settings) -> Result<()> {
        Client::new(settings, &Metrics::new()?, Clock::system()).map(|_| ())
    }

    pub(super) fn with_pace(
        settings: &Settings,
        metrics: &Metrics,
        clock: Clock,
        pace: Pace,
    ) -> Result<Self> {
        let runtime = Handle::try_current()
            .map_err(|e| Error::internal("the registry needs a runtime").because(e))?;
        Ok(Self(Arc::new(Inner {
            client: Client::new(settings, metrics, clock.clone())?,
            disk: Disk::new(settings),
            gate: Gate::new(clock.clone(), pace.retry),
            memory: Mutex::default(),
            answers: watch::Sender::new(0),
            permits: Semaphore::new(REQUESTS),
            runtime,
            clock,
            pace,
        })))
    }

    /// What is known of the schema of `key`, without waiting; what is not known is asked for from
    /// now on. `seen` is when the message was seen: what the registry did not know before that, it
    /// may have learned.
    pub fn lookup(&self, key: WriterKey, seen: Tick) -> Lookup {
        let mut memory = self.0.memory.lock();
        match memory.get(key) {
            Some(Entry::Known(schema)) => return Lookup::Known(schema.clone()),
            Some(Entry::Refused(reason)) => return Lookup::Unknown(reason.clone()),
            Some(Entry::Asking) => return Lookup::Pending,
            Some(Entry::Unknown(reason, asked))
                if *asked >= seen && self.0.clock.tick().since(*asked) < self.0.pace.negative =>
            {
                return Lookup::Unknown(reason.clone());
            }
            Some(Entry::Unknown(..)) | None => {}
        }
        if memory.begin(key) {
            let registry = self.clone();
            self.0.runtime.spawn(async move {
                let entry = registry.ask(key).await;
                registry.0.memory.lock().answer(key, entry);
                registry.0.answers.send_modify(|n| *n += 1);
            });
        }
        Lookup::Pending
    }

    /// The same, for as long as it takes; never [`Lookup::Pending`].
    pub async fn answer(&self, key: WriterKey, seen: Tick) -> Lookup {
        let mut answers = self.0.answers.subscribe();
        loop {
            match self.lookup(key, seen) {
                Lookup::Pending => {}
                known => return known,
            }
            // The sender lives as long as `self`.
            let _ = answers.changed().await;
        }
    }

    /// Asks until there is an answer.
    async fn ask(&self, key: WriterKey) -> Entry {
        if let Some(schema) = self.kept(key).await {
            return Entry::Known(Arc::new(schema));
        }
        let mut denied = false;
        loop {
            let (began, answer) = self.once(contract::by_key(&self.0.client, key)).await;
            match answer {
                Ok(schema) => {
                    self.0.disk.keep(key, &schema);
                    return Entry::Known(Arc::new(schema));
                }
                Err(Failure::Refused(reason)) => return Entry::Refused(reason.into()),
                Err(Failure::Unknown(reason)) if denied => {
                    return Entry::Unknown(reason.into(), began);
                }
                Err(Failure::Unknown(_)) => {
                    denied = true;
                    self.0.clock.sleep(self.0.pace.confirm).await;
                }
                Err(Failure::Away(_)) => {}
            }
        }
    }

    async fn kept(&self, key: WriterKey) -> Option<Registered> {
        let registry = self.clone();
        tokio::task::spawn_blocking(move || registry.0.disk.by_key(key))
            .await
            .ok()?
    }

    /// One question in its turn: when it began, and the answer, which the gate is told of.
    async fn once<T>(
        &self,
        asked: impl Future<Output = std::result::Result<T, Failure>>,
    ) -> (Tick, std::result::Result<T, Failure>) {
        // The semaphore is never closed.
        let _permit = self.0.permits.acquire().await;
        self.0.gate.open().await;
        let began = self.0.clock.tick();
        let answer = asked.await;
        self.told(&answer, began);
        (began, answer)
    }

    fn told<T>(&self, answer: &std::result::Result<T, Failure>, began: Tick) {
        match answer {
            Err(Failure::Away(away)) => self.0.gate.failed(away, began),
            _ => self.0.gate.answered(),
        }
    }

    /// A version of `subject`: asked once, and not again for a number that is known.
    ///
    /// # Errors
    /// There is none, it is no Avro, or the registry is away.
    pub async fn version(
        &self,
        subject: &str,
        wanted: Wanted,
    ) -> std::result::Result<Named, Failure> {
        if let Wanted::Number(_) = wanted
            && let Some(named) = self.0.disk.version(subject, wanted)
        {
            return Ok(named);
        }
        let began = self.0.clock.tick();
        let answer = contract::version(&self.0.client, subject, wanted).await;
        self.told(&answer, began);
        if let Ok(named) = &answer {
            self.0.disk.keep_version(subject, wanted, named);
        }
        answer
    }

    /// The version that the copies hold, without asking.
    pub fn kept_version(&self, subject: &str, wanted: Wanted) -> Option<Named> {
        self.0.disk.version(subject, wanted)
    }

    /// The versions of `subject`, ascending; asked once.
    ///
    /// # Errors
    /// There is no such subject, or the registry is away.
    pub async fn versions(&self, subject: &str) -> std::result::Result<Vec<u32>, Failure> {
        let began = self.0.clock.tick();
        let answer = contract::versions(&self.0.client, subject).await;
        self.told(&answer, began);
        answer
    }

    /// The compatibility level that holds for `subject`, or for whatever has none of its own, in the
    /// registry's word; asked once.
    ///
    /// # Errors
    /// The registry is away.
    pub async fn level(&self, subject: Option<&str>) -> std::result::Result<String, Failure> {
        let began = self.0.clock.tick();
        let answer = contract::level(&self.0.client, subject).await;
        self.told(&answer, began);
        answer
    }

    /// Since when and why the registry is away, if it is.
    pub fn trouble(&self) -> Option<String> {
        self.0.gate.trouble()
    }
}
