//! The one total mapping from schema types to Arrow, and the columns that weir adds.
//!
//! Owns: column types and nullability. Delta's types follow from Arrow's in `lake`.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field as ArrowField, Fields, Schema as ArrowSchema, SchemaRef};
use arrow::datatypes::{FieldRef, TimeUnit};

use crate::schema::{Record, Type, Value};

/// Field metadata that says what a long counts, where Delta has no type for it.
pub const UNIT_KEY: &str = "weir.unit";

/// The columns of a record's fields, in order.
pub fn arrow_fields(record: &Record) -> Vec<ArrowField> {
    record
        .fields
        .iter()
        .map(|f| field(&f.name, &f.value))
        .collect()
}

/// A column, or a nested field, of a value.
pub fn field(name: &str, value: &Value) -> ArrowField {
    let column = ArrowField::new(name, data_type(&value.ty), value.nullable);
    match unit(&value.ty) {
        Some(unit) => column.with_metadata(HashMap::from([(UNIT_KEY.to_owned(), unit.to_owned())])),
        None => column,
    }
}

fn unit(ty: &Type) -> Option<&'static str> {
    match ty {
        Type::TimeMillis => Some("time-millis"),
        Type::TimeMicros => Some("time-micros"),
        Type::TimestampNanos => Some("timestamp-nanos"),
        Type::LocalTimestampNanos => Some("local-timestamp-nanos"),
        _ => None,
    }
}

/// The Arrow type of a schema type.
pub fn data_type(ty: &Type) -> DataType {
    match ty {
        Type::Boolean => DataType::Boolean,
        Type::Int => DataType::Int32,
        Type::Long
        | Type::TimeMillis
        | Type::TimeMicros
        | Type::TimestampNanos
        | Type::LocalTimestampNanos => DataType::Int64,
        Type::Float => DataType::Float32,
        Type::Double => DataType::Float64,
        Type::Bytes | Type::Fixed { .. } => DataType::Binary,
        Type::String | Type::Uuid | Type::UuidFixed { .. } | Type::Enum(_) => DataType::Utf8,
        Type::Decimal {
            precision, scale, ..
        } => DataType::Decimal128(*precision, *scale),
        Type::Date => DataType::Date32,
        Type::TimestampMillis | Type::TimestampMicros => utc(),
        Type::LocalTimestampMillis | Type::LocalTimestampMicros => {
            DataType::Timestamp(TimeUnit::Microsecond, None)
        }
        Type::Record(record) => DataType::Struct(Fields::from(arrow_fields(record))),
        Type::Array(items) => DataType::List(element_field(items)),
        Type::Map(values) => DataType::Map(entries_field(values), false),
    }
}

/// The field of an array's items.
pub fn element_field(items: &Value) -> FieldRef {
    Arc::new(field("element", items))
}

/// The field of a map's entries: `key_value` with `key` and `value`.
pub fn entries_field(values: &Value) -> FieldRef {
    Arc::new(ArrowField::new(
        "key_value",
        DataType::Struct(entry_fields(values)),
        false,
    ))
}

/// The fields of a map's entry.
pub fn entry_fields(values: &Value) -> Fields {
    Fields::from(vec![
        ArrowField::new("key", DataType::Utf8, false),
        field("value", values),
    ])
}

/// The provenance columns as they are in the tables, non-null.
pub fn provenance_fields() -> Vec<ArrowField> {
    vec![
        ArrowField::new("_weir_source", DataType::Utf8, false),
        ArrowField::new("_weir_source_id", DataType::Utf8, false),
        ArrowField::new("_weir_partition", DataType::Int32, false),
        ArrowField::new("_weir_offset", DataType::Int64, false),
        ArrowField::new("_weir_index", DataType::Int32, false),
        ArrowField::new("_weir_ingested_at", utc(), false),
    ]
}

/// The rejects table's columns.
pub fn rejects_schema() -> SchemaRef {
    let mut fields = vec![
        ArrowField::new("code", DataType::Utf8, false),
        ArrowField::new("field", DataType::Utf8, true),
        ArrowField::new("message", DataType::Utf8, false),
        ArrowField::new("raw", DataType::Binary, false),
        ArrowField::new("key", DataType::Binary, true),
        ArrowField::new("source_time", utc(), true),
        ArrowField::new("line", DataType::Int64, true),
        ArrowField::new("schema", DataType::Utf8, false),
        ArrowField::new("writer_schema", DataType::Utf8, true),
    ];
    fields.extend(provenance_fields());
    Arc::new(ArrowSchema::new(fields))
}

fn utc() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

#[cfg(test)]
mod tests;
