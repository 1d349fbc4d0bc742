//! Rows of a rejects file.
//!
//! Owns: the columns that are read, and a row as values.

use arrow::array::{Array, AsArray, BinaryArray, PrimitiveArray, RecordBatch, StringArray};
use arrow::datatypes::{Int32Type, Int64Type, TimestampMicrosecondType};
use serde::Serialize;

use crate::clock::Micros;
use crate::lake::failure::Failure;

/// Where a record stood, and when it was read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct At {
    /// Microseconds since the epoch; orders first.
    #[serde(skip)]
    pub ingested_us: i64,
    /// Topic, or key of the dropped file.
    pub source: String,
    /// See `model::position::SourceId`.
    pub source_id: String,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// The record's place in the message.
    pub index: i32,
}

/// One reject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Where.
    pub at: At,
    /// Reason code.
    pub code: String,
    /// Path of the field; `None` when the whole record is meant.
    pub field: Option<String>,
    /// The rule.
    pub message: String,
    /// The record's bytes.
    pub raw: Vec<u8>,
    /// The message's key.
    pub key: Option<Vec<u8>>,
    /// The broker's time stamp.
    pub source_time: Option<Micros>,
    /// The line in a file.
    pub line: Option<i64>,
    /// `<subject>/<version>` of the reader.
    pub schema: String,
    /// The writer's, where there is one.
    pub writer_schema: Option<String>,
}

/// The columns of a batch of rows.
pub(super) struct Rows<'a> {
    code: &'a StringArray,
    field: &'a StringArray,
    message: &'a StringArray,
    source: &'a StringArray,
    source_id: &'a StringArray,
    partition: &'a PrimitiveArray<Int32Type>,
    offset: &'a PrimitiveArray<Int64Type>,
    index: &'a PrimitiveArray<Int32Type>,
    ingested: &'a PrimitiveArray<TimestampMicrosecondType>,
}

/// The same, with the bytes.
pub(super) struct WholeRows<'a> {
    lean: Rows<'a>,
    raw: &'a BinaryArray,
    key: &'a BinaryArray,
    source_time: &'a PrimitiveArray<TimestampMicrosecondType>,
    line: &'a PrimitiveArray<Int64Type>,
    schema: &'a StringArray,
    writer_schema: &'a StringArray,
}

impl<'a> Rows<'a> {
    /// The offset's column.
    pub(super) const OFFSET: &'static str = "_weir_offset";

    /// The columns.
    pub(super) const COLUMNS: &'static [&'static str] = &[
        "code",
        "field",
        "message",
        "_weir_source",
        "_weir_source_id",
        "_weir_partition",
        Self::OFFSET,
        "_weir_index",
        "_weir_ingested_at",
    ];

    /// A batch of [`Rows::COLUMNS`].
    pub(super) fn of(batch: &'a RecordBatch) -> Result<Self, Failure> {
        Ok(Self {
            code: text(batch, "code")?,
            field: text(batch, "field")?,
            message: text(batch, "message")?,
            source: text(batch, "_weir_source")?,
            source_id: text(batch, "_weir_source_id")?,
            partition: column(batch, "_weir_partition", |c| c.as_primitive_opt())?,
            offset: column(batch, Self::OFFSET, |c| c.as_primitive_opt())?,
            index: column(batch, "_weir_index", |c| c.as_primitive_opt())?,
            ingested: column(batch, "_weir_ingested_at", |c| c.as_primitive_opt())?,
        })
    }

    pub(super) fn code(&self, row: usize) -> &'a str {
        self.code.value(row)
    }

    pub(super) fn field(&self, row: usize) -> Option<&'a str> {
        optional(self.field, row)
    }

    pub(super) fn message(&self, row: usize) -> &'a str {
        self.message.value(row)
    }

    pub(super) fn source(&self, row: usize) -> &'a str {
        self.source.value(row)
    }

    pub(super) fn partition(&self, row: usize) -> i32 {
        self.partition.value(row)
    }

    pub(super) fn offset(&self, row: usize) -> i64 {
        self.offset.value(row)
    }

    pub(super) fn at(&self, row: usize) -> At {
        At {
            ingested_us: self.ingested.value(row),
            source: self.source.value(row).to_owned(),
            source_id: self.source_id.value(row).to_owned(),
            partition: self.partition.value(row),
            offset: self.offset.value(row),
            index: self.index.value(row),
        }
    }
}

impl<'a> WholeRows<'a> {
    /// Every column.
    pub(super) const COLUMNS: &'static [&'static str] = &[
        "code",
        "field",
        "message",
        "raw",
        "key",
        "source_time",
        "line",
        "schema",
        "writer_schema",
        "_weir_source",
        "_weir_source_id",
        "_weir_partition",
        Rows::OFFSET,
        "_weir_index",
        "_weir_ingested_at",
    ];

    /// A batch of [`WholeRows::COLUMNS`].
    pub(super) fn of(batch: &'a RecordBatch) -> Result<Self, Failure> {
        Ok(Self {
            lean: Rows::of(batch)?,
            raw: column(batch, "raw", |c| c.as_binary_opt())?,
            key: column(batch, "key", |c| c.as_binary_opt())?,
            source_time: column(batch, "source_time", |c| c.as_primitive_opt())?,
            line: column(batch, "line", |c| c.as_primitive_opt())?,
            schema: text(batch, "schema")?,
            writer_schema: text(batch, "writer_schema")?,
        })
    }

    pub(super) fn reject(&self, row: usize) -> Reject {
        let lean = &self.lean;
        Reject {
            at: lean.at(row),
            code: lean.code(row).to_owned(),
            field: lean.field(row).map(str::to_owned),
            message: lean.message(row).to_owned(),
            raw: self.raw.value(row).to_vec(),
            key: self.key.is_valid(row).then(|| self.key.value(row).to_vec()),
            source_time: self
                .source_time
                .is_valid(row)
                .then(|| Micros(self.source_time.value(row))),
            line: self.line.is_valid(row).then(|| self.line.value(row)),
            schema: self.schema.value(row).to_owned(),
            writer_schema: optional(self.writer_schema, row).map(str::to_owned),
        }
    }
}

fn optional(column: &StringArray, row: usize) -> Option<&str> {
    column.is_valid(row).then(|| column.value(row))
}

fn text<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a StringArray, Failure> {
    column(batch, name, |c| c.as_string_opt())
}

fn column<'a, T>(
    batch: &'a RecordBatch,
    name: &str,
    as_type: impl FnOnce(&'a dyn Array) -> Option<&'a T>,
) -> Result<&'a T, Failure> {
    batch
        .column_by_name(name)
        .and_then(|c| as_type(c.as_ref()))
        .ok_or_else(|| Failure::Broken(format!("column {name} has another type")))
}
