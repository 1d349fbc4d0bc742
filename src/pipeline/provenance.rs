//! Where the rows of a chunk came from, as columns.
//!
//! Owns: the six `_weir_…` columns. The text columns are dictionaries, so that a row costs an index.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, DictionaryArray, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Int32Type, TimeUnit};

use crate::clock::Micros;
use crate::error::{Error, Result};
use crate::pipeline::partition::Run;

/// The provenance of rows that were appended and not yet taken.
#[derive(Debug, Default)]
pub struct Provenance {
    runs: Vec<Arc<Run>>,
    run_of_row: Vec<i32>,
    offsets: Vec<i64>,
    indexes: Vec<i32>,
    ingested_at: Vec<i64>,
}

/// The fields of the columns as they stand in memory (dictionaries for the texts), non-null.
pub fn fields() -> Vec<Field> {
    let text = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    vec![
        Field::new("_weir_source", text.clone(), false),
        Field::new("_weir_source_id", text, false),
        Field::new("_weir_partition", DataType::Int32, false),
        Field::new("_weir_offset", DataType::Int64, false),
        Field::new("_weir_index", DataType::Int32, false),
        Field::new("_weir_ingested_at", time, false),
    ]
}

impl Provenance {
    /// The rows to come are of `run`; to be called once a block.
    pub fn begin(&mut self, run: &Arc<Run>) {
        if !self.runs.last().is_some_and(|last| Arc::ptr_eq(last, run)) {
            self.runs.push(run.clone());
        }
    }

    /// One row.
    #[inline]
    pub fn push(&mut self, offset: i64, index: u32, now: Micros) {
        self.run_of_row.push(self.runs.len() as i32 - 1);
        self.offsets.push(offset);
        self.indexes.push(index as i32);
        self.ingested_at.push(now.0);
    }

    /// Rows.
    pub fn rows(&self) -> usize {
        self.offsets.len()
    }

    /// Bytes held.
    pub fn memory(&self) -> usize {
        self.offsets.capacity() * 24
    }

    /// Takes the columns, in the order of [`fields`].
    pub fn finish(&mut self) -> Result<Vec<ArrayRef>> {
        let keys = Int32Array::from(std::mem::take(&mut self.run_of_row));
        let partitions: Int32Array = keys
            .values()
            .iter()
            .map(|run| self.runs[*run as usize].source.partition)
            .collect();
        let sources: StringArray = self.runs.iter().map(|r| Some(&*r.topic)).collect();
        let ids: StringArray = self
            .runs
            .iter()
            .map(|r| Some(r.source.source_id.as_str()))
            .collect();
        let dictionary = |values: StringArray| {
            DictionaryArray::<Int32Type>::try_new(keys.clone(), Arc::new(values))
                .map_err(|e| Error::internal("provenance columns do not fit").because(e))
        };
        let columns: Vec<ArrayRef> = vec![
            Arc::new(dictionary(sources)?),
            Arc::new(dictionary(ids)?),
            Arc::new(partitions),
            Arc::new(Int64Array::from(std::mem::take(&mut self.offsets))),
            Arc::new(Int32Array::from(std::mem::take(&mut self.indexes))),
            Arc::new(
                TimestampMicrosecondArray::from(std::mem::take(&mut self.ingested_at))
                    .with_timezone("UTC"),
            ),
        ];
        let last = self.runs.pop();
        self.runs.clear();
        self.runs.extend(last);
        Ok(columns)
    }
}
