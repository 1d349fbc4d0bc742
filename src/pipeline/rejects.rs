//! Rejected records as columns of the rejects table.
//!
//! Owns: the order of the columns (`schema::arrow::rejects_schema`) and what is kept of the raw
//! bytes. Does not own: the verdicts.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, Int64Builder, StringArray, StringBuilder, TimestampMicrosecondBuilder,
};

use crate::clock::Micros;
use crate::error::Result;
use crate::model::reject::Fault;
use crate::model::truncation::Truncation;
use crate::pipeline::partition::Run;
use crate::pipeline::provenance::Provenance;

/// Rejects that were appended and not yet taken.
#[derive(Debug)]
pub struct Rejects {
    code: StringBuilder,
    field: StringBuilder,
    message: StringBuilder,
    raw: BinaryBuilder,
    key: BinaryBuilder,
    source_time: TimestampMicrosecondBuilder,
    writer_schema: StringBuilder,
    line: Int64Builder,
    provenance: Provenance,
    schema: String,
    max_raw: usize,
    bytes: usize,
}

/// The record that a reject is about.
#[derive(Debug, Clone, Copy)]
pub struct Rejected<'a> {
    /// Its bytes.
    pub raw: &'a [u8],
    /// The message's key.
    pub key: Option<&'a [u8]>,
    /// The broker's time stamp in milliseconds, negative for none.
    pub timestamp_ms: i64,
    /// What it was written with, where the message tells.
    pub writer_schema: Option<&'a str>,
    /// The physical line on which it begins, where it is of a file.
    pub line: Option<i64>,
    /// The message's offset, or the record's number.
    pub offset: i64,
    /// The record's place in the message.
    pub index: u32,
}

impl Rejects {
    /// An empty set; `schema` is the reader's `<subject>/<version>`, `max_raw` the bytes kept.
    pub fn new(schema: String, max_raw: u64) -> Self {
        Self {
            code: StringBuilder::new(),
            field: StringBuilder::new(),
            message: StringBuilder::new(),
            raw: BinaryBuilder::new(),
            key: BinaryBuilder::new(),
            source_time: TimestampMicrosecondBuilder::new(),
            writer_schema: StringBuilder::new(),
            line: Int64Builder::new(),
            provenance: Provenance::default(),
            schema,
            max_raw: usize::try_from(max_raw).unwrap_or(usize::MAX),
            bytes: 0,
        }
    }

    /// One reject of `run`.
    pub fn push(&mut self, run: &Arc<Run>, record: Rejected<'_>, fault: &Fault, now: Micros) {
        self.provenance.begin(run);
        self.provenance.push(record.offset, record.index, now);
        self.code.append_value(fault.code.as_str());
        self.field.append_option(fault.field.as_deref());
        if record.raw.len() > self.max_raw {
            let cut = Truncation::of(record.raw, self.max_raw);
            self.message.append_value(cut.told(&fault.message));
        } else {
            self.message.append_value(&fault.message);
        }
        let kept = &record.raw[..record.raw.len().min(self.max_raw)];
        self.raw.append_value(kept);
        self.key.append_option(record.key);
        self.source_time
            .append_option((record.timestamp_ms >= 0).then(|| record.timestamp_ms * 1000));
        self.writer_schema.append_option(record.writer_schema);
        self.line.append_option(record.line);
        self.bytes += kept.len() + record.key.map_or(0, <[u8]>::len) + 128;
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.provenance.rows()
    }

    /// Bytes held, about.
    pub fn memory(&self) -> usize {
        self.bytes
    }

    /// Takes the columns, in the rejects table's order.
    pub fn finish(&mut self) -> Result<Vec<ArrayRef>> {
        let rows = self.rows();
        self.bytes = 0;
        let schema = StringArray::from_iter_values(std::iter::repeat_n(&self.schema, rows));
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(self.code.finish()),
            Arc::new(self.field.finish()),
            Arc::new(self.message.finish()),
            Arc::new(self.raw.finish()),
            Arc::new(self.key.finish()),
            Arc::new(self.source_time.finish().with_timezone("UTC")),
            Arc::new(self.line.finish()),
            Arc::new(schema),
            Arc::new(self.writer_schema.finish()),
        ];
        columns.extend(self.provenance.finish()?);
        Ok(columns)
    }
}
