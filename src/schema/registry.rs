//! The schema registry: a client of Confluent's REST contract.
//!
//! Owns: what a schema in the registry is (this file), asking for it (`client`: one request;
//! `contract`: paths and answers), the copies that make a restart independent of it (`disk`),
//! the ids of records and the subjects of ids, each asked for once (`lookup`), what is told of an outage (`outage`),
//! and a subject that is followed (`versions`).
//! Does not own: what becomes of a schema's text (`schema`), or the settings' form (`config`).
//!
//! Only the registry's own word that it does not know an id is a verdict on a record. All else (no
//! answer, 5xx, 401, 403, 429, a page that is no registry's) is an outage, and is waited out.

mod client;
mod contract;
mod disk;
mod lookup;
mod outage;
mod pace;
#[cfg(test)]
mod tests;
pub mod versions;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::error::Error;
use crate::model::secret::Secret;

pub use lookup::Registry;

/// How a registry is reached.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where it is; several are tried in turn. Without credentials in them.
    pub urls: Vec<Url>,
    /// What it is shown.
    pub auth: Auth,
    /// Certificates in PEM that are trusted in place of the system's.
    pub ca: Option<Vec<u8>>,
    /// The client's certificate and key in PEM.
    pub identity: Option<Identity>,
    /// How long one request may take.
    pub timeout: Duration,
    /// The folder of the copies; `None`: they are held in memory only.
    pub cache: Option<PathBuf>,
}

/// The client's certificate.
#[derive(Clone)]
pub struct Identity {
    /// Certificate and key, in PEM, one behind the other.
    pub pem: Vec<u8>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What the registry is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// Nothing.
    None,
    /// Basic authentication.
    Basic {
        /// The user.
        username: String,
        /// The password.
        password: Secret,
    },
    /// A bearer token.
    Bearer(Secret),
}

/// What a message says of its writer's schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WriterKey {
    /// The registry's number.
    Id(u32),
    /// The schema's GUID, most significant byte first.
    Guid([u8; 16]),
}

impl fmt::Display for WriterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WriterKey::Id(id) => write!(f, "id {id}"),
            WriterKey::Guid(guid) => write!(f, "GUID {}", uuid::Uuid::from_bytes(*guid)),
        }
    }
}

/// An Avro schema as the registry holds it. It never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// Its number, where the registry tells it.
    pub id: Option<u32>,
    /// Its text.
    pub text: Arc<str>,
    /// The texts that it refers to, each behind those that it refers to itself.
    pub references: Vec<Arc<str>>,
    /// Where it was registered when that was asked last, sorted; empty where the registry does not
    /// tell. It may be registered under more by now: see [`Registry::subjects`].
    pub subjects: Vec<SubjectVersion>,
}

/// A version of a subject.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct SubjectVersion {
    /// The subject.
    pub subject: String,
    /// The version, from 1.
    pub version: u32,
}

impl fmt::Display for SubjectVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.subject, self.version)
    }
}

/// A schema and the version of a subject that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The version.
    pub version: u32,
    /// The schema.
    pub schema: Arc<Registered>,
}

/// Which version of a subject is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The newest.
    Latest,
    /// This one.
    Number(u32),
}

/// What is known of a writer's schema now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// It is this.
    Known(Arc<Registered>),
    /// The registry does not have it, or it is no Avro: a reject `unknown_schema`, and its message.
    Unknown(Arc<str>),
    /// It is being asked for.
    Pending,
}

impl Lookup {
    /// What is known, if anything is.
    pub(super) fn known(self) -> Option<Self> {
        (self != Lookup::Pending).then_some(self)
    }
}

/// Where the schema of an id is registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subjects {
    /// There, sorted; nowhere where the registry does not know the id, or cannot tell.
    Known(Arc<[SubjectVersion]>),
    /// It is being asked for.
    Pending,
}

/// Why a schema was not given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The registry says that it does not have it.
    Unknown(String),
    /// The registry has it, and it can never be read.
    Refused(String),
    /// The registry gave no answer: nothing follows but to ask again.
    Away(Away),
}

/// An outage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Away {
    /// What happened; holds no credentials.
    pub reason: String,
    /// How long the registry asked to be left alone.
    pub retry_after: Option<Duration>,
    /// True where all of its servers answered, and none has such a path.
    pub no_such_path: bool,
}

impl Away {
    fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            retry_after: None,
            no_such_path: false,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Unknown(message) | Failure::Refused(message) => f.write_str(message),
            Failure::Away(away) => write!(f, "the registry is away: {}", away.reason),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match &failure {
            Failure::Away(_) => Error::unreachable(failure.to_string()),
            _ => Error::config(failure.to_string()),
        }
    }
}
