//! The registry as the process sees it: ids of records without waiting, subjects by asking.
//!
//! Owns: that an id, and where it is registered, is asked for as long as it takes, and which answers
//! count: a "not known" only for messages that were seen before it was asked for. Does not own: that
//! each is asked for once (`schema::answers`).

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::clock::{Clock, Tick};
use crate::error::Result;
use crate::metrics::Metrics;
use crate::schema::answers::Answers;
use crate::schema::registry::client::Client;
use crate::schema::registry::disk::Disk;
use crate::schema::registry::outage::Gate;
use crate::schema::registry::pace::{Pace, REQUESTS};
use crate::schema::registry::{
    Failure, Lookup, Named, Registered, Settings, SubjectVersion, Subjects, Wanted, WriterKey,
    contract,
};

/// A registry. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Registry(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: Client,
    disk: Disk,
    gate: Gate,
    schemas: Answers<WriterKey, Entry>,
    subjects: Answers<u32, Registrations>,
    permits: Semaphore,
    clock: Clock,
    pace: Pace,
}

/// What the registry said of a key.
#[derive(Debug)]
enum Entry {
    /// It is this.
    Known(Arc<Registered>),
    /// The registry does not know it; asked at that time.
    Unknown(Arc<str>, Tick),
    /// The registry has it, and it can never be read.
    Refused(Arc<str>),
}

/// Where the registry said that an id is registered.
#[derive(Debug)]
struct Registrations {
    subjects: Arc<[SubjectVersion]>,
    asked: Tick,
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
        Ok(Self(Arc::new(Inner {
            client: Client::new(settings, metrics, clock.clone())?,
            disk: Disk::new(settings),
            gate: Gate::new(clock.clone(), pace.retry),
            schemas: Answers::new(|entry| match entry {
                Entry::Known(schema) => size(schema),
                Entry::Unknown(reason, _) | Entry::Refused(reason) => reason.len(),
            })?,
            subjects: Answers::new(|said: &Registrations| size_of_subjects(&said.subjects))?,
            permits: Semaphore::new(REQUESTS),
            clock,
            pace,
        })))
    }

    /// What is known of the schema of `key`, without waiting; what is not known is asked for from
    /// now on. `seen` is when the message was seen: what the registry did not know before that, it
    /// may have learned.
    pub fn lookup(&self, key: WriterKey, seen: Tick) -> Lookup {
        let counts = |entry: &Entry| match entry {
            Entry::Known(schema) => Some(Lookup::Known(schema.clone())),
            Entry::Refused(reason) => Some(Lookup::Unknown(reason.clone())),
            Entry::Unknown(reason, asked) => self
                .is_fresh(*asked, seen)
                .then(|| Lookup::Unknown(reason.clone())),
        };
        let ask = |_: Option<&Entry>| {
            let registry = self.clone();
            async move { registry.ask(key).await }
        };
        let found = self.0.schemas.find(key, counts, ask);
        found.unwrap_or(Lookup::Pending)
    }

    /// The same, for as long as it takes; never [`Lookup::Pending`].
    pub async fn answer(&self, key: WriterKey, seen: Tick) -> Lookup {
        let find = || self.lookup(key, seen).known();
        self.0.schemas.wait(find).await
    }

    /// Where the schema of `id` is registered, without waiting: as [`Registered::subjects`], but
    /// never older than `seen`, since a schema that is registered under one more subject keeps its
    /// id. What is known of the id stays in force meanwhile.
    pub fn subjects(&self, id: u32, seen: Tick) -> Subjects {
        let counts = |said: &Registrations| {
            let is_fresh = self.is_fresh(said.asked, seen);
            is_fresh.then(|| Subjects::Known(said.subjects.clone()))
        };
        let ask = |_: Option<&Registrations>| {
            let registry = self.clone();
            async move { registry.ask_subjects(id).await }
        };
        let found = self.0.subjects.find(id, counts, ask);
        found.unwrap_or(Subjects::Pending)
    }

    /// The same, for as long as it takes.
    pub async fn subjects_answer(&self, id: u32, seen: Tick) -> Arc<[SubjectVersion]> {
        let find = || match self.subjects(id, seen) {
            Subjects::Known(subjects) => Some(subjects),
            Subjects::Pending => None,
        };
        self.0.subjects.wait(find).await
    }

    /// True if what was asked for at `asked` counts for a message that was seen at `seen`.
    fn is_fresh(&self, asked: Tick, seen: Tick) -> bool {
        asked >= seen && self.0.clock.tick().since(asked) < self.0.pace.negative
    }

    /// Asks until there is an answer. One that names no subject beyond those that are known is
    /// asked for once more, as an id that is not known is.
    async fn ask_subjects(&self, id: u32) -> Registrations {
        let key = WriterKey::Id(id);
        let known = self.0.schemas.peek(key, |entry| match entry {
            Entry::Known(schema) => Some(schema.clone()),
            _ => None,
        });
        let known: &[SubjectVersion] = known.as_ref().map_or(&[], |schema| &schema.subjects);
        let mut is_second = false;
        loop {
            let (asked, answer) = self.once(contract::subjects(&self.0.client, id)).await;
            let subjects = match answer {
                Ok(subjects) => subjects,
                Err(Failure::Away(_)) => continue,
                // Not there, or longer than any answer may be.
                Err(_) => Vec::new(),
            };
            let has_more = subjects.iter().any(|s| !known.contains(s));
            if has_more {
                self.remember(key, &subjects);
            }
            if has_more || is_second {
                let subjects = subjects.into();
                return Registrations { subjects, asked };
            }
            is_second = true;
            self.0.clock.sleep(self.0.pace.confirm).await;
        }
    }

    /// Adds `subjects` to what is known of `key`, so that it is asked for them once.
    fn remember(&self, key: WriterKey, subjects: &[SubjectVersion]) {
        let amended = self.0.schemas.peek(key, |entry| match entry {
            Entry::Known(schema) => {
                let mut schema = Registered::clone(schema);
                schema.subjects.extend_from_slice(subjects);
                schema.subjects.sort();
                schema.subjects.dedup();
                Some(schema)
            }
            _ => None,
        });
        if let Some(schema) = amended {
            self.0.disk.keep(key, &schema);
            self.0.schemas.replace(key, Entry::Known(Arc::new(schema)));
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

    /// One question now, or the outage while the registry is to be left alone.
    async fn now<T>(
        &self,
        asked: impl Future<Output = std::result::Result<T, Failure>>,
    ) -> std::result::Result<T, Failure> {
        if let Some(away) = self.0.gate.closed() {
            return Err(Failure::Away(away));
        }
        let began = self.0.clock.tick();
        let answer = asked.await;
        self.told(&answer, began);
        answer
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
        let asked = contract::version(&self.0.client, subject, wanted);
        let answer = self.now(asked).await;
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
        self.now(contract::versions(&self.0.client, subject)).await
    }

    /// The compatibility level that holds for `subject`, or for whatever has none of its own, in the
    /// registry's word; asked once.
    ///
    /// # Errors
    /// The registry is away.
    pub async fn level(&self, subject: Option<&str>) -> std::result::Result<String, Failure> {
        self.now(contract::level(&self.0.client, subject)).await
    }

    /// Since when and why the registry is away, if it is.
    pub fn trouble(&self) -> Option<String> {
        self.0.gate.trouble()
    }
}

/// Bytes of a schema.
fn size(schema: &Registered) -> usize {
    let references: usize = schema.references.iter().map(|text| text.len()).sum();
    schema.text.len() + references + size_of_subjects(&schema.subjects)
}

fn size_of_subjects(subjects: &[SubjectVersion]) -> usize {
    subjects
        .iter()
        .map(|s| s.subject.len() + size_of::<SubjectVersion>())
        .sum()
}
