//! The plan of a stream: what all batches of one schema version have in common.
//!
//! Owns: the columns of the files and of the table by one version. A plan never changes; a newer
//! version has a plan of its own, which the lanes go on with (`flow`). Decoders hang off it.
//! Does not own: which version is in force (`evolution`).

use std::sync::Arc;

use arrow::datatypes::{Field, Schema as ArrowSchema, SchemaRef};

use crate::config::Stream;
use crate::lake::delta::TableSpec;
use crate::pipeline::partition_values::{Partitioner, column_type};
use crate::pipeline::provenance;
use crate::pipeline::writers::{WriterSource, Writers};
use crate::schema::Schema;
use crate::schema::arrow::{arrow_fields, provenance_fields, rejects_schema};

/// A stream at one version of its schema.
#[derive(Debug)]
pub struct StreamPlan {
    /// The stream's settings, with this version.
    pub stream: Arc<Stream>,
    /// Bytes kept of a reject.
    pub max_raw: u64,
    /// The schemas that its messages are written with.
    pub writers: Arc<Writers>,
    /// Every column of the DLO, and which of them it is partitioned by.
    pub table: TableSpec,
    pub(super) file_schema: SchemaRef,
    pub(super) rejects_schema: SchemaRef,
    pub(super) partitioner: Partitioner,
}

impl StreamPlan {
    /// The plan of `stream`, whose writers' schemas are found in `source`.
    pub fn new(stream: Arc<Stream>, max_raw: u64, source: WriterSource) -> Self {
        let partitioner = Partitioner::new(&stream);
        let mut fields: Vec<_> = arrow_fields(&stream.schema.root)
            .into_iter()
            .filter(|f| !partitioner.takes_out(f.name()))
            .collect();
        fields.extend(provenance::fields());
        let rejects = rejects_schema();
        let kept = rejects.fields().len() - provenance::fields().len();
        let mut reject_fields: Vec<_> = rejects
            .fields()
            .iter()
            .take(kept)
            .map(|f| f.as_ref().clone())
            .collect();
        reject_fields.extend(provenance::fields());
        Self {
            max_raw,
            writers: Arc::new(Writers::new(source, stream.schema.clone())),
            table: table_spec(&stream),
            file_schema: Arc::new(ArrowSchema::new(fields)),
            rejects_schema: Arc::new(ArrowSchema::new(reject_fields)),
            partitioner,
            stream,
        }
    }

    /// The same for the stream at another version of its schema.
    pub fn at(&self, stream: Arc<Stream>) -> Arc<Self> {
        let source = self.writers.source().clone();
        Arc::new(Self::new(stream, self.max_raw, source))
    }

    /// The schema that records are held against.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.stream.schema
    }

    /// Its version.
    pub fn version(&self) -> u32 {
        self.stream.schema.version
    }
}

/// Every column of a stream's DLO, and its partition columns.
pub fn table_spec(stream: &Stream) -> TableSpec {
    let mut fields = arrow_fields(&stream.schema.root);
    for by in &stream.partition_by {
        if let Some((name, data_type, nullable)) = column_type(stream, by) {
            fields.push(Field::new(name, data_type.as_ref().clone(), nullable));
        }
    }
    fields.extend(provenance_fields());
    TableSpec {
        schema: Arc::new(ArrowSchema::new(fields)),
        partition_columns: Partitioner::new(stream).names(),
    }
}
