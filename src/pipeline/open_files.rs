//! Rows and rejects that were judged, on their way into Parquet files.
//!
//! Owns: the columns in front of the writers, chunk by chunk, and one writer for each partition value
//! and one for the rejects. Does not own: judging, which positions the rows settle, and when the files
//! are cut (`batch`).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::error::Result;
use crate::pipeline::decode::columns::Columns;
use crate::pipeline::file::{EncodedFile, FileWriter, record_batch};
use crate::pipeline::partition_values::PartitionValues;
use crate::pipeline::plan::StreamPlan;
use crate::pipeline::provenance::Provenance;
use crate::pipeline::rejects::Rejects;

/// Rows that are decoded before they are handed to the Parquet writer.
const CHUNK_ROWS: usize = 8 * 1024;

/// Bytes of columns after which a chunk ends early.
const CHUNK_BYTES: usize = 4 << 20;

/// The files of one stream that are open.
#[derive(Debug)]
pub(super) struct OpenFiles {
    plan: Arc<StreamPlan>,
    /// Accepted rows that no file holds yet, and where they come from.
    pub(super) columns: Columns,
    pub(super) provenance: Provenance,
    /// Rejects that no file holds yet.
    pub(super) rejects: Rejects,
    data: HashMap<PartitionValues, FileWriter>,
    rejected: Option<FileWriter>,
}

/// The files, ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// Data files with their partition values.
    pub(super) data: Vec<(PartitionValues, EncodedFile)>,
    /// The file of rejects.
    pub(super) rejects: Option<EncodedFile>,
}

impl Ended {
    /// Bytes of all.
    pub(super) fn size(&self) -> u64 {
        let data = self.data.iter().map(|(_, file)| file.size).sum::<u64>();
        data + self.rejects.as_ref().map_or(0, |file| file.size)
    }
}

impl OpenFiles {
    /// None is open yet.
    pub(super) fn new(plan: Arc<StreamPlan>) -> Self {
        let schema = &plan.stream.schema;
        let name = format!("{}/{}", schema.subject, schema.version);
        Self {
            columns: Columns::new(schema),
            provenance: Provenance::default(),
            rejects: Rejects::new(name, plan.max_raw),
            data: HashMap::new(),
            rejected: None,
            plan,
        }
    }

    /// What the rows are decoded by.
    pub(super) fn plan(&self) -> &Arc<StreamPlan> {
        &self.plan
    }

    /// True once what no file holds yet should be encoded; cheap, to be asked for each record.
    pub(super) fn is_chunk(&self) -> bool {
        self.columns.rows() >= CHUNK_ROWS
            || self.rejects.rows() >= CHUNK_ROWS
            || self.columns.rows() % 64 == 63 && self.chunk_memory() > CHUNK_BYTES
    }

    /// Hands what no file holds yet to the writers.
    pub(super) fn encode_chunk(&mut self) -> Result<()> {
        if self.columns.rows() > 0 {
            let mut columns = self.columns.finish();
            columns.extend(self.provenance.finish()?);
            let plan = &self.plan;
            for (values, rows) in plan.partitioner.split(&plan.file_schema, columns)? {
                write_to(self.data.entry(values), &plan.file_schema, &rows)?;
            }
        }
        if self.rejects.rows() > 0 {
            let schema = &self.plan.rejects_schema;
            let rows = record_batch(schema, self.rejects.finish()?)?;
            let writer = match &mut self.rejected {
                Some(writer) => writer,
                None => self
                    .rejected
                    .insert(FileWriter::new(schema.clone(), &rows)?),
            };
            writer.write(&rows)?;
        }
        Ok(())
    }

    /// Ends every file and leaves none.
    pub(super) fn end(&mut self) -> Result<Ended> {
        self.encode_chunk()?;
        let mut data = Vec::with_capacity(self.data.len());
        for (values, writer) in self.data.drain() {
            data.push((values, writer.finish()?));
        }
        let rejects = match self.rejected.take() {
            Some(writer) => Some(writer.finish()?),
            None => None,
        };
        Ok(Ended { data, rejects })
    }

    /// Rows of the largest file.
    pub(super) fn most_rows(&self) -> u64 {
        let files = self.data.values().chain(&self.rejected);
        files.map(FileWriter::rows).max().unwrap_or(0)
    }

    /// Bytes of the largest data file and of the rejects.
    pub(super) fn most_bytes(&self) -> u64 {
        let largest = self.data.values().map(FileWriter::size).max().unwrap_or(0);
        (largest + self.rejected.as_ref().map_or(0, FileWriter::size)) as u64
    }

    /// Partition values that have a file.
    pub(super) fn values(&self) -> usize {
        self.data.len()
    }

    /// Bytes held.
    pub(super) fn memory(&self) -> usize {
        let writers = self.data.values().chain(&self.rejected);
        self.chunk_memory()
            + self.provenance.memory()
            + writers.map(FileWriter::memory).sum::<usize>()
    }

    fn chunk_memory(&self) -> usize {
        self.columns.memory() + self.rejects.memory()
    }
}

fn write_to(
    entry: Entry<'_, PartitionValues, FileWriter>,
    schema: &SchemaRef,
    rows: &RecordBatch,
) -> Result<()> {
    match entry {
        Entry::Occupied(writer) => writer.into_mut().write(rows),
        Entry::Vacant(place) => place
            .insert(FileWriter::new(schema.clone(), rows)?)
            .write(rows),
    }
}
