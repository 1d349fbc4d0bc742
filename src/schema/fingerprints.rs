//! The schemas that single-object encoding names by fingerprint: those of a stream's own subject.
//!
//! Owns: which versions a subject has had so far, by fingerprint, and looking again for one that is
//! not known. Does not own: the fingerprint itself (`schema::fingerprint`), that one look serves all
//! that wait (`schema::answers`), or where versions are kept (`schema::folder`, `schema::registry`).
//!
//! Versions that differ in nothing that the canonical form keeps (defaults, logical types) have one
//! fingerprint; the newest of them is taken, since a reader is most like it.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::{Clock, Tick};
use crate::error::{Error, Result};
use crate::schema::answers::Answers;
use crate::schema::fingerprint::fingerprint;
use crate::schema::folder;
use crate::schema::registry::{Failure, Lookup, Registered, Registry, SubjectVersion, Wanted};

/// Least time between two looks.
const PACE: Duration = Duration::from_secs(1);

/// Where the versions are.
#[derive(Debug, Clone)]
pub enum Home {
    /// In the schema folder.
    Folder(PathBuf),
    /// In the registry.
    Registry(Registry),
}

/// The schemas of a subject by fingerprint. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Fingerprints(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    home: Home,
    subject: String,
    state: Mutex<State>,
    /// When the last look that came to an end began.
    looks: Answers<(), Tick>,
    clock: Clock,
}

#[derive(Debug, Default)]
struct State {
    known: HashMap<u64, Arc<Registered>>,
    /// Versions whose fingerprint is known, or that have none.
    seen: BTreeSet<u32>,
}

impl Fingerprints {
    /// Looks at nothing yet. Within a tokio runtime.
    ///
    /// # Errors
    /// There is no runtime.
    pub fn new(home: Home, subject: String, clock: Clock) -> Result<Self> {
        Ok(Self(Arc::new(Inner {
            home,
            subject,
            state: Mutex::default(),
            looks: Answers::new(|_| size_of::<Tick>())?,
            clock,
        })))
    }

    /// What is known of the schema with that fingerprint, without waiting. One that is not known is
    /// looked for from now on; that there is none counts only after a look that began after `seen`.
    pub fn lookup(&self, fingerprint: u64, seen: Tick) -> Lookup {
        if let Some(schema) = self.known(fingerprint) {
            return Lookup::Known(schema);
        }
        let counts = |looked: &Tick| (*looked >= seen).then_some(());
        let ask = |looked: Option<&Tick>| {
            let (this, looked) = (self.clone(), looked.copied());
            async move { this.look(looked).await }
        };
        if self.0.looks.find((), counts, ask).is_none() {
            return Lookup::Pending;
        }
        // What that look found, it may have found only now.
        if let Some(schema) = self.known(fingerprint) {
            return Lookup::Known(schema);
        }
        let subject = &self.0.subject;
        let message = format!("no version of {subject} has the fingerprint {fingerprint:016x}");
        Lookup::Unknown(message.into())
    }

    /// The same, for as long as it takes; never [`Lookup::Pending`].
    pub async fn answer(&self, fingerprint: u64, seen: Tick) -> Lookup {
        let find = || self.lookup(fingerprint, seen).known();
        self.0.looks.wait(find).await
    }

    fn known(&self, fingerprint: u64) -> Option<Arc<Registered>> {
        self.0.state.lock().known.get(&fingerprint).cloned()
    }

    /// One look, for as long as what is looked at is away: when it began.
    async fn look(&self, last: Option<Tick>) -> Tick {
        let mut last = last;
        loop {
            if let Some(last) = last {
                let past = self.0.clock.tick().since(last);
                self.0.clock.sleep(PACE.saturating_sub(past)).await;
            }
            let began = self.0.clock.tick();
            match self.once().await {
                Ok(()) => return began,
                Err(error) => {
                    tracing::debug!(subject = %self.0.subject, %error, "versions cannot be looked at");
                    last = Some(began);
                }
            }
        }
    }

    async fn once(&self) -> Result<()> {
        match &self.0.home {
            Home::Folder(dir) => {
                let (dir, subject) = (dir.clone(), self.0.subject.clone());
                let texts = tokio::task::spawn_blocking(move || folder::texts(&dir, &subject));
                let texts = texts
                    .await
                    .map_err(|e| Error::internal("a look at the schema folder died").because(e))?
                    .map_err(|fault| Error::config(fault.to_string()))?;
                for (version, text) in texts {
                    self.take(version, || Registered {
                        id: None,
                        text: text.into(),
                        references: Vec::new(),
                        subjects: vec![SubjectVersion {
                            subject: self.0.subject.clone(),
                            version,
                        }],
                    });
                }
            }
            Home::Registry(registry) => {
                let versions = match registry.versions(&self.0.subject).await {
                    // There is no such subject, and so no version of it.
                    Err(Failure::Unknown(_)) => Vec::new(),
                    versions => versions?,
                };
                for version in versions {
                    if self.0.state.lock().seen.contains(&version) {
                        continue;
                    }
                    let wanted = Wanted::Number(version);
                    match registry.version(&self.0.subject, wanted).await {
                        Ok(named) => self.take(version, || Registered::clone(&named.schema)),
                        Err(away @ Failure::Away(_)) => return Err(away.into()),
                        // No Avro, for good.
                        Err(Failure::Refused(_)) => {
                            self.0.state.lock().seen.insert(version);
                        }
                        // Gone meanwhile.
                        Err(Failure::Unknown(_)) => {}
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes a version in; versions come ascending, and the newest of one fingerprint stays.
    fn take(&self, version: u32, schema: impl FnOnce() -> Registered) {
        let mut state = self.0.state.lock();
        if state.seen.contains(&version) {
            return;
        }
        let schema = schema();
        // A text of the folder that is not whole yet has none, and is looked at again.
        if let Ok(fingerprint) = fingerprint(&schema.text, &schema.references) {
            state.seen.insert(version);
            state.known.insert(fingerprint, Arc::new(schema));
        }
    }
}

#[cfg(test)]
mod tests;
