//! How a type is called, in Avro's words and in Delta's.
//!
//! Owns: the names that people are shown. Does not own: the mapping itself (`schema::arrow`), whose
//! every type has a name here.

use arrow::datatypes::{DataType, Field, Fields};

use crate::schema::{Type, Value};

/// A schema type in Avro's words: `long (timestamp-millis)`.
pub fn avro(value: &Value) -> String {
    let name = avro_type(&value.ty);
    match value.nullable {
        true => format!("{name} or null"),
        false => name,
    }
}

/// As [`avro`], without regard to null.
pub fn avro_type(ty: &Type) -> String {
    let plain = match ty {
        Type::Boolean => "boolean",
        Type::Int => "int",
        Type::Long => "long",
        Type::Float => "float",
        Type::Double => "double",
        Type::Bytes => "bytes",
        Type::String => "string",
        Type::Uuid => "string (uuid)",
        Type::UuidFixed { .. } => "fixed(16) (uuid)",
        Type::Enum(symbols) => return format!("enum {}", symbols.name),
        Type::Fixed { name, size, .. } => return format!("fixed({size}) {name}"),
        Type::Decimal {
            precision,
            scale,
            fixed,
        } => {
            let inner = fixed.map_or("bytes".to_owned(), |size| format!("fixed({size})"));
            return format!("{inner} (decimal {precision},{scale})");
        }
        Type::Date => "int (date)",
        Type::TimeMillis => "int (time-millis)",
        Type::TimeMicros => "long (time-micros)",
        Type::TimestampMillis => "long (timestamp-millis)",
        Type::TimestampMicros => "long (timestamp-micros)",
        Type::TimestampNanos => "long (timestamp-nanos)",
        Type::LocalTimestampMillis => "long (local-timestamp-millis)",
        Type::LocalTimestampMicros => "long (local-timestamp-micros)",
        Type::LocalTimestampNanos => "long (local-timestamp-nanos)",
        Type::Record(record) => return format!("record {}", record.name),
        Type::Array(items) => return format!("array<{}>", avro(items)),
        Type::Map(values) => return format!("map<{}>", avro(values)),
    };
    plain.to_owned()
}

/// An Arrow type of `schema::arrow` in Delta's words: `array<integer not null>`. A type that
/// Delta's protocol does not have (none is made) keeps Arrow's name.
pub fn delta(data_type: &DataType) -> String {
    let plain = match data_type {
        DataType::Boolean => "boolean",
        DataType::Int32 => "integer",
        DataType::Int64 => "long",
        DataType::Float32 => "float",
        DataType::Float64 => "double",
        DataType::Binary => "binary",
        DataType::Utf8 => "string",
        DataType::Date32 => "date",
        DataType::Timestamp(_, Some(_)) => "timestamp",
        DataType::Timestamp(_, None) => "timestamp_ntz",
        DataType::Decimal128(precision, scale) => return format!("decimal({precision},{scale})"),
        DataType::Struct(fields) => return format!("struct<{}>", members(fields)),
        DataType::List(items) => return format!("array<{}>", element(items)),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(entry) => {
                let sides: Vec<String> = entry.iter().map(|side| element(side)).collect();
                // a key is never null, and Delta does not say so
                return format!("map<{}>", sides.join(", ").replacen(" not null", "", 1));
            }
            other => return other.to_string(),
        },
        other => return other.to_string(),
    };
    plain.to_owned()
}

fn element(field: &Field) -> String {
    let name = delta(field.data_type());
    match field.is_nullable() {
        true => name,
        false => format!("{name} not null"),
    }
}

fn members(fields: &Fields) -> String {
    let members: Vec<String> = fields
        .iter()
        .map(|field| format!("{}: {}", field.name(), element(field)))
        .collect();
    members.join(", ")
}
