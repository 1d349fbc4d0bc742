//! Registered schemas: what a stream's records are held against.
//!
//! Owns: the parsed form of an Avro schema (this file), its versions in the schema folder, the
//! compatibility of versions, the schemas that writers used and how they are read with a stream's
//! (`schema::writer`, `schema::resolve`), the one total mapping Avro → Arrow (`schema::arrow`), what
//! a table's columns can become (`schema::evolve`), and where newer versions come from
//! (`schema::versions`).
//! Does not own: decoding, and Delta's own schema, which `lake` makes from Arrow's.

mod answers;
pub mod arrow;
pub mod compat;
pub(crate) mod defaults;
pub mod evolve;
pub mod fingerprint;
pub mod fingerprints;
pub mod folder;
pub mod inline;
pub mod matching;
pub mod names;
pub mod parse;
pub mod registry;
pub mod resolve;
pub mod versions;
pub mod writer;

pub(crate) use crate::schema::defaults::two_complement;

use std::sync::Arc;

/// One version of a subject's schema, ready to be compiled into a decoder.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    /// The subject.
    pub subject: String,
    /// Its version, from 1.
    pub version: u32,
    /// The root record.
    pub root: Arc<Record>,
    /// The schema's text as registered.
    pub text: Arc<str>,
}

/// A record type: the root, or nested.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Full name.
    pub name: String,
    /// Full-name aliases.
    pub aliases: Vec<String>,
    /// Fields in the schema's order.
    pub fields: Vec<Field>,
}

/// A field of a record.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Avro name, and the column's name.
    pub name: String,
    /// The name outside (JSON key, CSV header): the stream's `[names]`, else `name`.
    pub external: String,
    /// Avro aliases.
    pub aliases: Vec<String>,
    /// Avro doc.
    pub doc: Option<String>,
    /// The value.
    pub value: Value,
    /// The default as JSON (Avro's default encoding), valid for the type.
    pub default: Option<serde_json::Value>,
    /// True for a field of the primary key: null is `null_key`.
    pub is_key: bool,
}

impl Field {
    /// True if a record without it is none of the schema's.
    pub fn is_required(&self) -> bool {
        self.default.is_none() && !self.value.nullable
    }
}

/// A type and whether null is allowed beside it (`["null", T]` or `[T, "null"]`).
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// The type.
    pub ty: Type,
    /// True if null is a value.
    pub nullable: bool,
}

/// Every type that can land. What is not here is refused at registration.
#[derive(Debug, Clone, PartialEq)]
pub enum Type {
    /// Avro boolean.
    Boolean,
    /// Avro int.
    Int,
    /// Avro long.
    Long,
    /// Avro float.
    Float,
    /// Avro double.
    Double,
    /// Avro bytes.
    Bytes,
    /// Avro string.
    String,
    /// uuid on string: lands as a string.
    Uuid,
    /// uuid on fixed(16): lands as a string.
    UuidFixed {
        /// Full name.
        name: String,
        /// Full-name aliases.
        aliases: Vec<String>,
    },
    /// Avro enum: lands as a string.
    Enum(Arc<Enum>),
    /// Avro fixed: lands as binary.
    Fixed {
        /// Full name.
        name: String,
        /// Full-name aliases.
        aliases: Vec<String>,
        /// Bytes.
        size: usize,
    },
    /// decimal on bytes or fixed.
    Decimal {
        /// Digits, 1 to 38.
        precision: u8,
        /// Digits behind the point, 0 to precision.
        scale: i8,
        /// The fixed's size, if it is one.
        fixed: Option<usize>,
    },
    /// Days since 1970-01-01.
    Date,
    /// Milliseconds since midnight: lands as a long.
    TimeMillis,
    /// Microseconds since midnight: lands as a long.
    TimeMicros,
    /// UTC instant in milliseconds: lands in microseconds.
    TimestampMillis,
    /// UTC instant in microseconds.
    TimestampMicros,
    /// UTC instant in nanoseconds, with `nanos = "long"`: lands as a long.
    TimestampNanos,
    /// Local date and time in milliseconds: lands as `timestamp_ntz`.
    LocalTimestampMillis,
    /// Local date and time in microseconds: lands as `timestamp_ntz`.
    LocalTimestampMicros,
    /// Local date and time in nanoseconds, with `nanos = "long"`: lands as a long.
    LocalTimestampNanos,
    /// Nested record.
    Record(Arc<Record>),
    /// Array of items.
    Array(Box<Value>),
    /// Map from string to values.
    Map(Box<Value>),
}

/// An enum type.
#[derive(Debug, Clone, PartialEq)]
pub struct Enum {
    /// Full name.
    pub name: String,
    /// Full-name aliases.
    pub aliases: Vec<String>,
    /// Symbols in order.
    pub symbols: Vec<String>,
    /// The default for resolving writers; JSON and CSV do not use it.
    pub default: Option<String>,
}
