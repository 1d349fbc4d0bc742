//! What a decoder does with each part of a datum, in the order in which the parts are written.
//!
//! Owns: the plan's form. It nests no deeper than the reader's schema; what a reader leaves out is
//! passed over along the writer's types, which may hold themselves.

use serde_json::Value as Json;

use crate::model::reject::Fault;
use crate::schema::resolve::default_bytes;
use crate::schema::writer::{TypeId, WriterSchema};
use crate::schema::{Type, Value};

/// How data of one writer's schema become rows of one reader's.
#[derive(Debug)]
pub struct Plan {
    pub(crate) writer: WriterSchema,
    pub(crate) root: Read,
    pub(super) unknown: Vec<String>,
}

impl Plan {
    /// Paths of the fields that are written and that the reader does not have, in the writer's
    /// order: `a.b`, `list[].x`.
    pub fn unknown_fields(&self) -> &[String] {
        &self.unknown
    }
}

/// A record, field by field as it is written.
#[derive(Debug)]
pub struct RecordPlan {
    pub(crate) fields: Vec<FieldPlan>,
    /// The reader's fields that are not written, in its order.
    pub(crate) absent: Vec<Absent>,
}

/// A written field.
#[derive(Debug)]
pub enum FieldPlan {
    /// One that a column takes.
    Read {
        /// The place of the column.
        column: usize,
        /// The reader's name.
        name: String,
        /// How.
        read: Read,
    },
    /// One that the reader does not have.
    Unknown {
        /// The writer's name.
        name: String,
        /// The writer's type.
        ty: TypeId,
        /// Records, arrays and maps around the field.
        depth: usize,
    },
}

/// A field that is not written and takes its default.
#[derive(Debug)]
pub struct Absent {
    pub(crate) column: usize,
    pub(crate) value: Value,
    pub(crate) default: Json,
}

/// The items of an array, or the values of a map.
#[derive(Debug)]
pub struct Items {
    pub(crate) read: Read,
    /// Bytes that each takes at least in the datum.
    pub(crate) least: usize,
    /// Bytes that each takes at most in columns, but for its texts and items.
    pub(crate) bytes: usize,
}

/// How a value is read; named by what is written, and by what it becomes where that differs.
#[derive(Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Read {
    /// Takes no bytes and is a null.
    Null,
    /// What the reader cannot hold; the path is from here on.
    Cannot(Box<Fault>),
    /// By the index of the writer's branch.
    Union(Vec<Read>),
    Boolean,
    Int,
    IntAsLong,
    IntAsFloat,
    IntAsDouble,
    Long,
    LongAsFloat,
    LongAsDouble,
    Float,
    FloatAsDouble,
    Double,
    /// A string, which becomes a text or bytes.
    Text,
    Bytes,
    BytesAsText,
    Uuid,
    UuidFixed,
    Fixed(usize),
    Decimal {
        /// Ten to the precision: what the unscaled value stays below.
        limit: u128,
        /// The fixed's size, if it is one.
        size: Option<usize>,
    },
    Date,
    TimeMillis,
    TimeMicros,
    InstantMillis,
    InstantMicros,
    InstantNanos,
    /// What each written symbol becomes; `None` where the reader's enum cannot hold it.
    Symbols(Vec<Option<Box<[u8]>>>),
    Record(Box<RecordPlan>),
    Array(Box<Items>),
    Map(Box<Items>),
}

/// Bytes that a value takes in columns beside its texts and items.
pub(super) fn fixed_bytes(value: &Value) -> usize {
    let own = match &value.ty {
        Type::Boolean => 1,
        Type::Decimal { .. } => 16,
        Type::Record(record) => record.fields.iter().map(|f| fixed_bytes(&f.value)).sum(),
        _ => 8,
    };
    own + usize::from(value.nullable)
}

/// As [`fixed_bytes`], with the defaults that the read fills in.
pub(super) fn item_bytes(value: &Value, read: &Read) -> usize {
    fixed_bytes(value) + filled_bytes(read)
}

fn filled_bytes(read: &Read) -> usize {
    match read {
        Read::Union(branches) => branches.iter().map(filled_bytes).max().unwrap_or(0),
        Read::Record(record) => {
            let absent = record.absent.iter();
            let filled = absent.map(|a| default_bytes(&a.value, &a.default));
            let fields = record.fields.iter().map(|field| match field {
                FieldPlan::Read { read, .. } => filled_bytes(read),
                FieldPlan::Unknown { .. } => 0,
            });
            filled.sum::<usize>() + fields.sum::<usize>()
        }
        _ => 0,
    }
}
