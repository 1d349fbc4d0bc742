//! What a reader may make of what was written: the parts of Avro's schema resolution (specification
//! 1.12, "Schema Resolution" and "Aliases") that compatibility and resolution share.
//!
//! Owns: promotion, and which name answers to which. Logical types are not laid aside: a date is no
//! int, and milliseconds are no microseconds.
//! Does not own: what follows from it (`schema::compat`, `schema::resolve`).

use std::collections::HashMap;

use crate::schema::{Record, Type};

/// A type without parts and without a name to be matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar {
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
    /// uuid on string.
    Uuid,
    /// uuid on fixed(16).
    UuidFixed,
    /// decimal, on bytes or fixed.
    Decimal {
        /// Digits.
        precision: u64,
        /// Digits behind the point.
        scale: u64,
    },
    /// decimal on bytes, each value with its own scale; no reader here has it.
    BigDecimal,
    /// duration on fixed(12); no reader here has it.
    Duration,
    /// date on int.
    Date,
    /// time-millis on int.
    TimeMillis,
    /// time-micros on long.
    TimeMicros,
    /// timestamp-millis on long.
    TimestampMillis,
    /// timestamp-micros on long.
    TimestampMicros,
    /// timestamp-nanos on long.
    TimestampNanos,
    /// local-timestamp-millis on long.
    LocalTimestampMillis,
    /// local-timestamp-micros on long.
    LocalTimestampMicros,
    /// local-timestamp-nanos on long.
    LocalTimestampNanos,
}

impl Scalar {
    /// The scalar that a reader's type is, if it is one.
    pub(crate) fn of(ty: &Type) -> Option<Scalar> {
        Some(match ty {
            Type::Boolean => Scalar::Boolean,
            Type::Int => Scalar::Int,
            Type::Long => Scalar::Long,
            Type::Float => Scalar::Float,
            Type::Double => Scalar::Double,
            Type::Bytes => Scalar::Bytes,
            Type::String => Scalar::String,
            Type::Uuid => Scalar::Uuid,
            Type::UuidFixed { .. } => Scalar::UuidFixed,
            Type::Decimal {
                precision, scale, ..
            } => Scalar::Decimal {
                precision: u64::from(*precision),
                scale: u64::try_from(*scale).ok()?,
            },
            Type::Date => Scalar::Date,
            Type::TimeMillis => Scalar::TimeMillis,
            Type::TimeMicros => Scalar::TimeMicros,
            Type::TimestampMillis => Scalar::TimestampMillis,
            Type::TimestampMicros => Scalar::TimestampMicros,
            Type::TimestampNanos => Scalar::TimestampNanos,
            Type::LocalTimestampMillis => Scalar::LocalTimestampMillis,
            Type::LocalTimestampMicros => Scalar::LocalTimestampMicros,
            Type::LocalTimestampNanos => Scalar::LocalTimestampNanos,
            Type::Enum(_) | Type::Fixed { .. } => return None,
            Type::Record(_) | Type::Array(_) | Type::Map(_) => return None,
        })
    }
}

/// True if a reader's scalar takes a writer's: the same, Avro's promotions, and the one between
/// logical types that loses nothing, a uuid's text. Decimals match by precision and scale, whatever
/// they stand on.
pub(crate) fn takes(reader: Scalar, writer: Scalar) -> bool {
    use Scalar::{Bytes, Double, Float, Int, Long, String, Uuid};
    reader == writer
        || matches!(
            (writer, reader),
            (Int, Long | Float | Double)
                | (Long, Float | Double)
                | (Float, Double)
                | (String, Bytes)
                | (Bytes, String)
                | (Uuid, String | Bytes)
        )
}

/// True if the writer's named type is the reader's: by the last part of the name, or by a full-name
/// alias of the reader.
pub(crate) fn is_named(reader: &str, aliases: &[String], writer: &str) -> bool {
    let last = |name: &str| name.rsplit('.').next().map(str::to_owned);
    last(reader) == last(writer) || aliases.iter().any(|a| a == writer)
}

/// For each field of the reader's record the place of the writer's field that it reads: the one of
/// its name, else the first one of its aliases that no other field reads.
pub(crate) fn written_fields(reader: &Record, writer: &[&str]) -> Vec<Option<usize>> {
    let mut free: HashMap<&str, usize> = writer.iter().enumerate().map(|(i, n)| (*n, i)).collect();
    let mut found: Vec<Option<usize>> = reader
        .fields
        .iter()
        .map(|field| free.remove(field.name.as_str()))
        .collect();
    for (field, found) in reader.fields.iter().zip(&mut found) {
        if found.is_none() {
            *found = field.aliases.iter().find_map(|a| free.remove(a.as_str()));
        }
    }
    found
}
