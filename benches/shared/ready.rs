//! The events as columns: what an encoder is given.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema as ArrowSchema;
use weir::config::UnknownFields;
use weir::pipeline::decode::Judged;
use weir::pipeline::decode::columns::Columns;
use weir::pipeline::decode::json::{JsonDecoder, JsonOptions};
use weir::schema::Schema;
use weir::schema::arrow::arrow_fields;

use crate::event::{self, Events};

/// Rows of a chunk, as in `pipeline::batch`.
pub const CHUNK_ROWS: usize = 8 * 1024;

/// The events' schema.
pub fn schema() -> Schema {
    weir::schema::parse::parse("events", 1, event::SCHEMA, false).expect("it is a schema")
}

/// A decoder of the events.
pub fn decoder(schema: &Schema) -> JsonDecoder {
    let options = JsonOptions {
        unknown_fields: UnknownFields::Reject,
        envelope: false,
        max_message_bytes: 16 << 20,
        max_records_per_message: 100_000,
    };
    JsonDecoder::new(schema, options)
}

/// The events in chunks as a lane makes them, without provenance.
pub fn columns(events: &Events) -> Vec<RecordBatch> {
    let schema = schema();
    let fields = Arc::new(ArrowSchema::new(arrow_fields(&schema.root)));
    let mut decoder = decoder(&schema);
    let mut columns = Columns::new(&schema);
    let mut judged = Judged::default();
    let mut batches = Vec::new();
    for (n, message) in events.iter().enumerate() {
        decoder.decode(message, &mut columns, &mut judged);
        if columns.rows() == CHUNK_ROWS || n + 1 == events.len() {
            let batch = RecordBatch::try_new(fields.clone(), columns.finish());
            batches.push(batch.expect("the columns fit"));
        }
    }
    batches
}
