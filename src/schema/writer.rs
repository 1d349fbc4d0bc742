//! Any Avro schema that a record may have been written with.
//!
//! Owns: the writer's side of resolution, for every type of the specification: unions of several
//! branches, types that hold themselves, durations, nulls. What no column can hold may stand here,
//! as long as no reader wants it. The types are a graph in one vector, so that nothing here recurses
//! along a named type. Does not own: the reader's side ([`crate::schema::Schema`]), and aliases,
//! docs and defaults, which only a reader's schema uses.

mod read;

use std::sync::Arc;

use crate::schema::matching::Scalar;

/// Most bytes of a schema's text and those of its references.
pub const MAX_TEXT: usize = 1 << 20;
/// Most fields of all records, each counted where it is declared.
pub const MAX_FIELDS: usize = 10_000;
/// Most levels of types within each other in the text, unions and types within a `type` counted too:
/// as many as there can be in a text that a reader of JSON goes into.
pub const MAX_LEVELS: usize = 128;
/// Most symbols of an enum.
pub const MAX_SYMBOLS: usize = 10_000;
/// Most aliases of a type, each times the bytes of its text: what reads a stream's own schema keeps
/// the type once for each.
pub const MAX_ALIASED: usize = 8 << 20;
/// Most bytes of a `fixed`; a datum of more would be beyond the usual `max_message_bytes`.
pub const MAX_FIXED: u64 = 16 << 20;

/// The place of a type in the graph.
pub type TypeId = usize;

/// A writer's schema. Cheap to clone.
#[derive(Debug, Clone)]
pub struct WriterSchema {
    types: Arc<[Written]>,
    root: TypeId,
}

/// A type as it was written.
#[derive(Debug)]
pub struct Written {
    /// How its bytes are laid out.
    pub form: Form,
    /// What it means; `None` for a type with parts or with a name to be matched.
    pub scalar: Option<Scalar>,
    /// Bytes that each value of it takes at least.
    pub least: usize,
}

/// The layout of a type's bytes (specification, "Binary encoding").
#[derive(Debug)]
pub enum Form {
    /// Nothing.
    Null,
    /// One byte.
    Boolean,
    /// A varint of 32 bits.
    Int,
    /// A varint of 64 bits.
    Long,
    /// Four bytes.
    Float,
    /// Eight bytes.
    Double,
    /// A length and so many bytes.
    Bytes,
    /// A length and so many bytes of UTF-8.
    String,
    /// So many bytes.
    Fixed {
        /// Full name.
        name: String,
        /// Bytes.
        size: usize,
    },
    /// The index of a symbol.
    Enum {
        /// Full name.
        name: String,
        /// Symbols in order.
        symbols: Vec<String>,
    },
    /// Its fields in order.
    Record {
        /// Full name.
        name: String,
        /// Names and types of the fields.
        fields: Vec<(String, TypeId)>,
    },
    /// Blocks of items.
    Array(TypeId),
    /// Blocks of keys and values.
    Map(TypeId),
    /// The index of a branch, and its value.
    Union(Vec<TypeId>),
}

impl Form {
    /// What a schema's text calls it.
    fn keyword(&self) -> &'static str {
        match self {
            Form::Null => "null",
            Form::Boolean => "boolean",
            Form::Int => "int",
            Form::Long => "long",
            Form::Float => "float",
            Form::Double => "double",
            Form::Bytes => "bytes",
            Form::String => "string",
            Form::Fixed { .. } => "fixed",
            Form::Enum { .. } => "enum",
            Form::Record { .. } => "record",
            Form::Array(_) => "array",
            Form::Map(_) => "map",
            Form::Union(_) => "union",
        }
    }
}

impl WriterSchema {
    /// Reads a schema's text. `references` are the texts of the named schemas that it refers to
    /// (Confluent's references), each behind those that it refers to itself.
    ///
    /// # Errors
    /// What is wrong first, with its path: a text that is no schema, or one beyond the limits.
    pub fn parse(text: &str, references: &[&str]) -> Result<Self, Vec<String>> {
        let (types, root) = read::read(text, references).map_err(|fault| vec![fault])?;
        Ok(Self {
            types: types.into(),
            root,
        })
    }

    /// The type of a whole datum.
    pub fn root(&self) -> TypeId {
        self.root
    }

    /// Full name of the record that a datum is, if it is one.
    pub fn record(&self) -> Option<&str> {
        match &self.at(self.root).form {
            Form::Record { name, .. } => Some(name),
            _ => None,
        }
    }

    /// The type at a place that this schema gave.
    #[inline]
    pub fn at(&self, id: TypeId) -> &Written {
        &self.types[id]
    }

    /// What a type is called in messages: `long`, `record a.B`, `array`.
    pub fn describe(&self, id: TypeId) -> String {
        let written = self.at(id);
        let plain = match &written.form {
            Form::Fixed { name, size } => &format!("fixed({size}) {name}"),
            Form::Enum { name, .. } => return format!("enum {name}"),
            Form::Record { name, .. } => return format!("record {name}"),
            Form::Union(branches) => {
                let names: Vec<String> = branches.iter().map(|b| self.describe(*b)).collect();
                return names.join(" or ");
            }
            form => form.keyword(),
        };
        match written.scalar.and_then(logical) {
            Some(logical) => format!("{plain} ({logical})"),
            None => plain.to_owned(),
        }
    }
}

fn logical(scalar: Scalar) -> Option<String> {
    let plain = match scalar {
        Scalar::Uuid | Scalar::UuidFixed => "uuid",
        Scalar::Decimal { precision, scale } => {
            return Some(format!("decimal {precision},{scale}"));
        }
        Scalar::BigDecimal => "big-decimal",
        Scalar::Duration => "duration",
        Scalar::Date => "date",
        Scalar::TimeMillis => "time-millis",
        Scalar::TimeMicros => "time-micros",
        Scalar::TimestampMillis => "timestamp-millis",
        Scalar::TimestampMicros => "timestamp-micros",
        Scalar::TimestampNanos => "timestamp-nanos",
        Scalar::LocalTimestampMillis => "local-timestamp-millis",
        Scalar::LocalTimestampMicros => "local-timestamp-micros",
        Scalar::LocalTimestampNanos => "local-timestamp-nanos",
        Scalar::Boolean | Scalar::Int | Scalar::Long | Scalar::Float => return None,
        Scalar::Double | Scalar::Bytes | Scalar::String => return None,
    };
    Some(plain.to_owned())
}

#[cfg(test)]
mod tests;
