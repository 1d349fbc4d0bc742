//! The schemas that a stream's messages are written with, and how each is read.
//!
//! Owns: where a writer's schema is found, whether it is one of the stream's, and its resolution
//! with the version in force: made once for each writer and version, and shared by the lanes. Does
//! not own: how a message names its writer (`decode::framing`), the answers of a registry
//! (`schema::registry`).
//!
//! A stream whose own schema is a subject of the registry takes what was registered for it: under
//! that subject, or under a name that one of Confluent's strategies gives for the message's topic and
//! the record. A stream whose schema is in the folder takes whatever resolves.

mod partial;

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::clock::Tick;
use crate::config;
use crate::model::reject::{Fault, RejectCode};
use crate::pipeline::decode::framing::Writer;
use crate::pipeline::writers::partial::is_partial;
use crate::schema::Schema;
use crate::schema::fingerprints::Fingerprints;
use crate::schema::registry::{Lookup, Registered, Registry, SubjectVersion, Subjects, WriterKey};
use crate::schema::resolve::{Plan, resolve};
use crate::schema::writer::WriterSchema;

/// Most resolutions that are kept; beyond, all are made again as they are needed.
const KEPT: usize = 4096;

/// Where the writers' schemas are found.
#[derive(Debug, Clone)]
pub enum WriterSource {
    /// Nowhere: the payload is JSON, whose writer has no say.
    None,
    /// In the stream's settings.
    Declared(config::Writer),
    /// In the registry.
    Registry {
        /// The registry.
        registry: Registry,
        /// The stream's own subject, where its schema is of the registry too.
        subject: Option<String>,
    },
    /// Among the versions of the stream's subject, by fingerprint.
    Fingerprints(Fingerprints),
}

/// The writers of one stream at one version of its schema.
#[derive(Debug)]
pub struct Writers {
    source: WriterSource,
    reader: Arc<Schema>,
    resolved: Mutex<HashMap<Writer, Arc<Resolved>>>,
}

/// A writer's schema beside the stream's.
#[derive(Debug)]
pub struct Resolved {
    /// `<subject>/<version>` where that is known, else as the message names it.
    pub name: Arc<str>,
    /// How its data are read, or why none of them can be.
    pub plan: Result<Arc<Plan>, Fault>,
    /// True if the version in force takes all that it may write.
    pub is_whole: bool,
    /// When the first message of it was seen.
    pub met: Tick,
    /// Full name of its record.
    record: Option<String>,
    /// Where it is registered, as far as that was told when it was asked for.
    subjects: Vec<SubjectVersion>,
}

/// What is known of a writer.
#[derive(Debug, Clone)]
pub enum Found {
    /// Its schema is known.
    Resolved(Arc<Resolved>),
    /// It has none that counts: each of its messages is rejected with this.
    Refused(Fault),
    /// Its schema is being asked for.
    Pending,
}

impl Writers {
    /// Knows nothing yet.
    pub fn new(source: WriterSource, reader: Arc<Schema>) -> Self {
        Self {
            source,
            reader,
            resolved: Mutex::default(),
        }
    }

    /// Where the schemas are found.
    pub fn source(&self) -> &WriterSource {
        &self.source
    }

    /// What is known of `writer`, without waiting, for a message of `topic` that was seen at `seen`.
    /// What is not known is asked for from now on. The same writer of the same topic is resolved for
    /// good once it was.
    pub fn find(&self, writer: Writer, topic: &str, seen: Tick) -> Found {
        let known = self.resolved.lock().get(&writer).cloned();
        let resolved = match known {
            Some(resolved) => resolved,
            None => match self.look_up(writer, seen) {
                Lookup::Pending => return Found::Pending,
                Lookup::Unknown(reason) => return Found::Refused(unknown(reason.to_string())),
                Lookup::Known(schema) => self.keep(writer, &schema, seen),
            },
        };
        match self.is_of(&resolved, writer, topic, seen) {
            None => Found::Pending,
            Some(Ok(())) => Found::Resolved(resolved),
            Some(Err(fault)) => Found::Refused(fault),
        }
    }

    /// Returns once [`Writers::find`] does not say that it is pending; for as long as that takes.
    pub async fn answer(&self, writer: Writer, topic: &str, seen: Tick) {
        while let Found::Pending = self.find(writer, topic, seen) {
            match (&self.source, writer) {
                (WriterSource::Registry { registry, .. }, Writer::Key(key)) => {
                    // Where it is registered is asked only where that is what is waited for.
                    if let Lookup::Known(_) = registry.answer(key, seen).await
                        && let WriterKey::Id(id) = key
                        && let Found::Pending = self.find(writer, topic, seen)
                    {
                        registry.subjects_answer(id, seen).await;
                    }
                }
                (WriterSource::Fingerprints(known), Writer::Fingerprint(print)) => {
                    known.answer(print, seen).await;
                }
                _ => return,
            }
        }
    }

    /// Why an answer stays away, if that is known.
    pub fn trouble(&self) -> Option<String> {
        match &self.source {
            WriterSource::Registry { registry, .. } => registry.trouble(),
            _ => None,
        }
    }

    fn look_up(&self, writer: Writer, seen: Tick) -> Lookup {
        match (&self.source, writer) {
            (WriterSource::Registry { registry, .. }, Writer::Key(key)) => {
                registry.lookup(key, seen)
            }
            (WriterSource::Fingerprints(known), Writer::Fingerprint(print)) => {
                known.lookup(print, seen)
            }
            _ => Lookup::Unknown("the stream declares no such writer".into()),
        }
    }

    fn keep(&self, writer: Writer, schema: &Registered, seen: Tick) -> Arc<Resolved> {
        let own = match &self.source {
            WriterSource::Registry { subject, .. } => subject.as_deref(),
            _ => None,
        };
        let named = schema.subjects.iter().find(|s| Some(&*s.subject) == own);
        let name = match named.or(schema.subjects.first()) {
            Some(subject) => subject.to_string(),
            None => writer.to_string(),
        };
        let references: Vec<&str> = schema.references.iter().map(AsRef::as_ref).collect();
        let resolved = match WriterSchema::parse(&schema.text, &references) {
            Ok(written) => Resolved {
                record: written.record().map(str::to_owned),
                subjects: schema.subjects.clone(),
                ..self.resolve(name.into(), &written, seen)
            },
            Err(faults) => Resolved {
                plan: Err(unknown(format!(
                    "the schema of {writer} cannot be read: {}",
                    faults.join("; ")
                ))),
                is_whole: false,
                met: seen,
                record: None,
                subjects: schema.subjects.clone(),
                name: name.into(),
            },
        };
        let mut kept = self.resolved.lock();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.entry(writer).or_insert(Arc::new(resolved)).clone()
    }

    fn resolve(&self, name: Arc<str>, written: &WriterSchema, seen: Tick) -> Resolved {
        let plan = resolve(written, &self.reader)
            .map(Arc::new)
            .map_err(|faults| {
                // What cannot be read has a first fault.
                let first = faults.into_iter().next();
                first.unwrap_or_else(|| unknown(format!("{name} cannot be read")))
            });
        Resolved {
            name,
            is_whole: plan.as_ref().is_ok_and(|plan| !is_partial(plan)),
            plan,
            met: seen,
            record: None,
            subjects: Vec::new(),
        }
    }

    /// The declared writer.
    pub fn declared(&self, seen: Tick) -> Option<Arc<Resolved>> {
        let WriterSource::Declared(writer) = &self.source else {
            return None;
        };
        let mut kept = self.resolved.lock();
        let resolved = kept
            .entry(Writer::Declared)
            .or_insert_with(|| Arc::new(self.resolve(writer.name.clone(), &writer.schema, seen)));
        Some(resolved.clone())
    }

    /// Whether the stream takes that writer's messages of `topic`; `None` while that is asked for.
    /// Where a schema is registered may grow, so a "no" counts only if it was asked for since.
    fn is_of(
        &self,
        resolved: &Resolved,
        writer: Writer,
        topic: &str,
        seen: Tick,
    ) -> Option<Result<(), Fault>> {
        let WriterSource::Registry {
            registry,
            subject: Some(own),
        } = &self.source
        else {
            return Some(Ok(()));
        };
        let Writer::Key(WriterKey::Id(id)) = writer else {
            return Some(Ok(()));
        };
        let takes = |subjects: &[SubjectVersion]| {
            let record = resolved.record.as_deref();
            subjects.is_empty()
                || subjects
                    .iter()
                    .any(|s| is_named_for(&s.subject, own, topic, record))
        };
        if takes(&resolved.subjects) {
            return Some(Ok(()));
        }
        match registry.subjects(id, seen) {
            Subjects::Pending => None,
            Subjects::Known(subjects) if takes(&subjects) => Some(Ok(())),
            Subjects::Known(subjects) => {
                let names: Vec<&str> = subjects.iter().map(|s| &*s.subject).take(5).collect();
                Some(Err(unknown(format!(
                    "{writer} is registered for {}, and not for {own} or this topic's values",
                    names.join(", ")
                ))))
            }
        }
    }
}

/// True if what is registered under `subject` may be written to `topic`: it is the stream's `own`
/// subject, or has the name that a strategy gives (TopicName, RecordName, TopicRecordName).
fn is_named_for(subject: &str, own: &str, topic: &str, record: Option<&str>) -> bool {
    let (subject, own) = (without_context(subject), without_context(own));
    let of_topic = subject.strip_prefix(topic);
    subject == own
        || of_topic == Some("-value")
        || record.is_some_and(|record| {
            subject == record || of_topic.and_then(|rest| rest.strip_prefix('-')) == Some(record)
        })
}

/// A subject without the context that it is in (`:.context:subject`).
fn without_context(subject: &str) -> &str {
    let in_context = subject
        .strip_prefix(":.")
        .and_then(|rest| rest.split_once(':'));
    in_context.map_or(subject, |(_, name)| name)
}

fn unknown(message: String) -> Fault {
    Fault {
        code: RejectCode::UnknownSchema,
        field: None,
        message,
    }
}

#[cfg(test)]
pub(super) mod tests;
