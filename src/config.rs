//! The validated configuration: what the rest of weir is built from.
//!
//! Owns: the settings as typed values, with units resolved. [`load`] reads them: `config::file`
//! the settings, `config::stream` the streams; every problem is reported at once, with file, line
//! and key.
//! Does not own: the environment, which arrives as an argument.

mod bulk;
pub mod dialect;
mod document;
mod fields;
mod file;
mod fit;
pub mod kafka_properties;
pub mod keys;
mod load;
mod origin;
mod overlap;
mod payload;
mod problem;
mod registry;
pub mod schemas;
mod section;
mod stream;
pub(crate) mod units;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::config::dialect::{Dialect, DialectKeys};
use crate::schema::Schema;
use crate::schema::writer::WriterSchema;

pub use crate::model::secret::Secret;
pub use load::{load, load_with, subjects};
pub use problem::{Problem, Problems};
pub use registry::Ask;

/// Everything that `weir run` needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// Name of this instance, in the ledger and in logs.
    pub instance: String,
    /// The broker; present if a stream has topics.
    pub kafka: Option<Kafka>,
    /// Where tables are.
    pub lake: Lake,
    /// Where files are dropped, if there is such a place.
    pub bucket: Option<Bucket>,
    /// Where schemas are.
    pub schemas: Schemas,
    /// The schema registry, if there is one.
    pub registry: Option<crate::schema::registry::Settings>,
    /// The bytes that the whole process may hold.
    pub memory_budget: u64,
    /// Bytes kept of a rejected record.
    pub max_raw: u64,
    /// Where HTTP listens.
    pub http_listen: SocketAddr,
    /// How long a stop may take.
    pub shutdown_grace: Duration,
    /// Log settings.
    pub log: Log,
    /// The streams, by name.
    pub streams: Vec<Arc<Stream>>,
    /// A newer version of a stream's schema in the folder that does not hold, by the stream's name: a
    /// start goes on without it, as a running instance does, which tells it.
    pub refused: BTreeMap<String, schemas::Refused>,
    /// What is to be told of how it was read, a sentence each.
    pub notes: Vec<String>,
}

/// `[kafka]`.
#[derive(Debug, Clone)]
pub struct Kafka {
    /// Bootstrap servers.
    pub brokers: String,
    /// Consumer group.
    pub group: String,
    /// librdkafka properties, secrets resolved. Print only through `Debug` of [`Secret`].
    pub properties: BTreeMap<String, Secret>,
}

/// `[lake]`.
#[derive(Debug, Clone)]
pub struct Lake {
    /// `file://`, `s3://`, `gs://` or `az://`; ends without a slash.
    pub url: url::Url,
    /// Options of the object store, secrets resolved.
    pub options: BTreeMap<String, Secret>,
    /// fsync on local disk.
    pub fsync: bool,
}

/// `[bulk]` of the daemon: the bucket that files are dropped in.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// `file://`, `s3://`, `gs://` or `az://`; ends without a slash.
    pub url: url::Url,
    /// Options of the object store, secrets resolved.
    pub options: BTreeMap<String, Secret>,
    /// How often it is listed.
    pub poll: Duration,
    /// How long a local file must hold still before it is taken.
    pub settle: Duration,
}

/// `[schemas]`.
#[derive(Debug, Clone)]
pub struct Schemas {
    /// The folder, resolved.
    pub dir: PathBuf,
    /// The level between versions.
    pub compatibility: Compatibility,
    /// How often a running instance looks for newer versions.
    pub poll: Duration,
}

/// A subject, judged.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Subject {
    /// Its name.
    pub name: String,
    /// Its versions, ascending.
    pub versions: Vec<u32>,
    /// The level that they are held to, in the registry's word: the registry's own for a subject that
    /// is there, else `schemas.compatibility`; `None` where there is no such subject.
    pub level: Option<String>,
    /// What is wrong with a version or between versions, a sentence each.
    pub faults: Vec<String>,
}

/// The registry's compatibility levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Compatibility {
    None,
    Backward,
    BackwardTransitive,
    Forward,
    ForwardTransitive,
    Full,
    FullTransitive,
}

impl Compatibility {
    /// The level of that name.
    pub(crate) fn named(word: &str) -> Option<Self> {
        let found = file::COMPATIBILITY.iter().find(|(name, _)| *name == word);
        found.map(|(_, level)| *level)
    }

    /// True if a version is compared with all that are before it.
    pub(crate) fn is_transitive(self) -> bool {
        matches!(
            self,
            Compatibility::BackwardTransitive
                | Compatibility::ForwardTransitive
                | Compatibility::FullTransitive
        )
    }

    /// The level as the settings name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Compatibility::None => "NONE",
            Compatibility::Backward => "BACKWARD",
            Compatibility::BackwardTransitive => "BACKWARD_TRANSITIVE",
            Compatibility::Forward => "FORWARD",
            Compatibility::ForwardTransitive => "FORWARD_TRANSITIVE",
            Compatibility::Full => "FULL",
            Compatibility::FullTransitive => "FULL_TRANSITIVE",
        }
    }
}

/// `[flush]`: when a batch is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flush {
    /// Age of its oldest record.
    pub max_age: Duration,
    /// Rows of a file.
    pub max_rows: u64,
    /// Bytes of a file.
    pub max_bytes: u64,
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// A `tracing` filter.
    pub level: String,
    /// True for JSON lines.
    pub json: bool,
}

/// `category`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Category {
    Profile,
    Engagement,
    Other,
}

/// `unknown_fields`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownFields {
    /// A reject.
    Reject,
    /// Passed over; syntax and depth are still checked.
    Ignore,
}

/// `streams/<name>.toml`, with its schema.
#[derive(Debug, Clone)]
pub struct Stream {
    /// The file's stem; names the tables.
    pub name: String,
    /// `source`.
    pub source: String,
    /// `object`.
    pub object: String,
    /// `category`.
    pub category: Category,
    /// A version of its schema, `[names]` and key marks applied: the newest one that holds when
    /// the configuration is read.
    pub schema: Arc<Schema>,
    /// Where that came from.
    pub origin: Origin,
    /// `nanos = "long"`: nanosecond timestamps land as longs instead of being refused.
    pub nanos_as_long: bool,
    /// Names outside of fields whose name is another.
    pub names: BTreeMap<String, String>,
    /// Fields of the primary key.
    pub primary_key: Vec<String>,
    /// The field that holds the event's time.
    pub event_time: Option<String>,
    /// Partition columns of the DLO.
    pub partition_by: Vec<PartitionBy>,
    /// What becomes of unknown fields.
    pub unknown_fields: UnknownFields,
    /// Kafka's inlet; one of the two is there.
    pub topics: Option<Topics>,
    /// The inlet of files.
    pub bulk: Option<Bulk>,
    /// When batches are cut.
    pub flush: Flush,
}

/// `schema`: where a stream's schema comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The schema folder.
    Folder {
        /// The subject: a folder's name.
        subject: String,
        /// Pinned to this version; `None` is the newest one.
        version: Option<u32>,
    },
    /// The registry.
    Registry {
        /// The subject.
        subject: String,
        /// Pinned to this version; `None` is the latest one.
        version: Option<u32>,
    },
}

/// One entry of `partition_by`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartitionBy {
    /// A field as it is.
    Field(String),
    /// `day(field)`: adds the date column `<field>_day`.
    Day(String),
}

/// `[topics]`.
#[derive(Debug, Clone)]
pub struct Topics {
    /// Which topics.
    pub select: TopicSelect,
    /// The payload's format.
    pub format: PayloadFormat,
    /// What stands in front of a payload, or in its message's headers.
    pub framing: Framing,
    /// The writer of bare Avro; there with [`Framing::None`] and [`PayloadFormat::Avro`].
    pub writer: Option<Writer>,
    /// Where a partition without a position begins.
    pub start: Start,
    /// What a retention gap does.
    pub on_gap: OnGap,
    /// Larger messages are one reject.
    pub max_message_bytes: u64,
    /// Longer envelopes are one reject.
    pub max_records_per_message: u64,
}

/// `[bulk]` of a stream.
#[derive(Debug, Clone)]
pub struct Bulk {
    /// Keys that begin with it are the stream's drops; empty, or ends with a slash.
    pub prefix: String,
    /// What becomes of a file whose job is complete.
    pub after: After,
    /// What the same content under another name becomes.
    pub on_duplicate: OnDuplicate,
    /// A job with a larger share of rejects fails.
    pub max_reject_ratio: f64,
    /// A job with more rejects fails.
    pub max_rejects: u64,
    /// True if cells of `failed.csv` that begin a formula are marked as text.
    pub escape_formulas: bool,
    /// How the files are written.
    pub dialect: Arc<Dialect>,
    /// The same as it was written, for manifests that name other keys.
    pub dialect_keys: DialectKeys,
}

/// `after`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// It stays.
    Keep,
    /// It is deleted.
    Delete,
}

/// `on_duplicate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDuplicate {
    /// It is loaded, and flagged.
    Load,
    /// It is not loaded.
    Skip,
}

/// `names` or `pattern`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicSelect {
    /// These topics.
    Names(Vec<String>),
    /// Topics that match; begins with `^`.
    Pattern(String),
}

/// `format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadFormat {
    /// One JSON object a message.
    Json,
    /// `{"data": [{…}, …]}`.
    JsonEnvelope,
    /// One Avro datum a message.
    Avro,
}

/// `framing`: how a message names the schema that it was written with. Declared, never guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// The payload is the whole value; the writer of Avro is declared.
    None,
    /// 0 and an id of 4 bytes, or 1 and a GUID of 16, in front of the payload.
    Registry,
    /// The same in a header of the message; the payload is the whole value.
    Header,
    /// C3 01 and the 8 bytes of the schema's fingerprint, in front of the payload.
    SingleObject,
}

/// `writer`: the schema that bare Avro is written with.
#[derive(Debug, Clone)]
pub struct Writer {
    /// `<subject>/<version>`.
    pub name: Arc<str>,
    /// The schema.
    pub schema: WriterSchema,
}

/// `start`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// The log's start.
    Earliest,
    /// The log's end.
    Latest,
    /// The first message at or after this time, in milliseconds since the epoch.
    Timestamp(i64),
}

/// `on_gap`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnGap {
    /// The partition stops.
    Stop,
    /// The loss is written down and the partition goes on (retention only).
    Record,
}
