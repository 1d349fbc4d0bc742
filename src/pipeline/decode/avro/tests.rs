mod corpus;
mod oracle;
mod rules;

use std::sync::Arc;

use arrow::json::writer::{JsonArray, WriterBuilder};
use arrow::record_batch::RecordBatch;

use super::*;
use crate::schema::Schema;
use crate::schema::arrow::arrow_fields;
use crate::schema::parse::parse;
use crate::schema::resolve::resolve;
use crate::schema::writer::WriterSchema;

fn record(fields: &str) -> String {
    format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#)
}

fn one(ty: &str) -> String {
    record(&format!(r#"{{"name":"a","type":{ty}}}"#))
}

fn options(unknown_fields: UnknownFields) -> AvroOptions {
    AvroOptions {
        unknown_fields,
        max_datum_bytes: 16 << 20,
    }
}

/// A writer's and a reader's schema, and what they make of data.
struct Pair {
    schema: Schema,
    decoder: AvroDecoder,
}

impl Pair {
    fn new(writer: &str, reader: &str) -> Self {
        Self::with(writer, reader, UnknownFields::Reject)
    }

    fn with(writer: &str, reader: &str, unknown_fields: UnknownFields) -> Self {
        let schema = parse("r", 1, reader, true).unwrap();
        let writer = WriterSchema::parse(writer, &[]).unwrap();
        let plan = resolve(&writer, &schema).unwrap_or_else(|f| panic!("{f:?}"));
        Self {
            decoder: AvroDecoder::new(Arc::new(plan), options(unknown_fields)),
            schema,
        }
    }

    /// The row as JSON; or `code`, or `code@field`. Other rows before and after stay as they are.
    fn judge(&mut self, datum: &[u8]) -> String {
        let mut columns = Columns::new(&self.schema);
        let mut judged = Judged::default();
        self.decoder.decode(datum, &mut columns, &mut judged);
        let once = verdict(&judged);
        let accepted = judged.accepted.len();
        assert_eq!(accepted + judged.rejects.len(), 1);
        assert_eq!(columns.rows(), accepted);
        self.decoder.decode(datum, &mut columns, &mut judged);
        assert_eq!(once, verdict(&judged), "one verdict, always");
        let arrays = columns.finish();
        let fields = arrow::datatypes::Schema::new(arrow_fields(&self.schema.root));
        let batch = RecordBatch::try_new(Arc::new(fields), arrays).unwrap();
        assert_eq!(batch.num_rows(), accepted * 2);
        match once {
            Some(verdict) => verdict,
            None => {
                let row = json(&batch.slice(0, 1));
                assert_eq!(row, json(&batch.slice(1, 1)));
                row
            }
        }
    }
}

fn verdict(judged: &Judged) -> Option<String> {
    let reject = judged.rejects.first()?;
    Some(match &reject.fault.field {
        Some(field) => format!("{}@{field}", reject.fault.code),
        None => reject.fault.code.to_string(),
    })
}

fn json(batch: &RecordBatch) -> String {
    let mut text = Vec::new();
    let mut writer = WriterBuilder::new()
        .with_explicit_nulls(true)
        .build::<_, JsonArray>(&mut text);
    writer.write(batch).unwrap();
    writer.finish().unwrap();
    let text = String::from_utf8(text).unwrap();
    text.trim_matches(['[', ']']).to_owned()
}

fn long(value: i64) -> Vec<u8> {
    let mut left = (value << 1 ^ value >> 63) as u64;
    let mut bytes = Vec::new();
    while left >= 0x80 {
        bytes.push(left as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
    bytes
}

fn text(value: &str) -> Vec<u8> {
    [&long(value.len() as i64), value.as_bytes()].concat()
}
