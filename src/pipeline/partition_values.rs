//! `partition_by`: which rows go to which file.
//!
//! Owns: the values of partition columns as Delta writes them (protocol, "Partition Value
//! Serialization"), and the split of a chunk by them. Partition columns are not in the files.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, UInt32Array};
use arrow::compute::{cast, take};
use arrow::datatypes::{DataType, SchemaRef};

use crate::config::{PartitionBy, Stream};
use crate::error::{Error, Result};
use crate::pipeline::file::record_batch;

/// The values of one file: one for each partition column, `None` is null.
pub type PartitionValues = Vec<Option<String>>;

/// Splits chunks by the stream's partition columns.
#[derive(Debug)]
pub struct Partitioner {
    columns: Vec<(String, usize, bool)>,
    taken_out: Vec<usize>,
    names_out: Vec<String>,
}

impl Partitioner {
    /// The partitioner of `stream`.
    pub fn new(stream: &Stream) -> Self {
        let fields = &stream.schema.root.fields;
        let place = |name: &str| fields.iter().position(|f| f.name == name);
        let mut columns = Vec::new();
        let mut taken_out = Vec::new();
        let mut names_out = Vec::new();
        for by in &stream.partition_by {
            let (name, field, is_day) = match by {
                PartitionBy::Field(field) => (field.clone(), field, false),
                PartitionBy::Day(field) => (format!("{field}_day"), field, true),
            };
            let Some(at) = place(field) else { continue };
            if !is_day {
                taken_out.push(at);
                names_out.push(field.clone());
            }
            columns.push((name, at, is_day));
        }
        Self {
            columns,
            taken_out,
            names_out,
        }
    }

    /// Names of the partition columns, in order.
    pub fn names(&self) -> Vec<String> {
        self.columns
            .iter()
            .map(|(name, _, _)| name.clone())
            .collect()
    }

    /// True for a field of the schema that is a partition column as it is, and so in no file.
    pub fn takes_out(&self, field: &str) -> bool {
        self.names_out.iter().any(|n| n == field)
    }

    /// The rows of a chunk by partition values; `columns` are the schema's fields and whatever
    /// follows them, `file_schema` is without what is taken out.
    pub fn split(
        &self,
        file_schema: &SchemaRef,
        mut columns: Vec<ArrayRef>,
    ) -> Result<Vec<(PartitionValues, RecordBatch)>> {
        if self.columns.is_empty() {
            return Ok(vec![(Vec::new(), record_batch(file_schema, columns)?)]);
        }
        let texts = self
            .columns
            .iter()
            .map(|(_, at, is_day)| value_texts(&columns[*at], *is_day))
            .collect::<Result<Vec<_>>>()?;
        let groups = group(&texts);
        let mut out: Vec<usize> = self.taken_out.clone();
        out.sort_unstable_by(|a, b| b.cmp(a));
        for at in out {
            columns.remove(at);
        }
        let whole = record_batch(file_schema, columns)?;
        if let [(values, _)] = groups.as_slice() {
            return Ok(vec![(values.clone(), whole)]);
        }
        groups
            .into_iter()
            .map(|(values, rows)| {
                let rows = UInt32Array::from(rows);
                let columns = whole
                    .columns()
                    .iter()
                    .map(|c| take(c, &rows, None))
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(|e| Error::internal("could not split rows").because(e))?;
                Ok((values, record_batch(file_schema, columns)?))
            })
            .collect()
    }
}

fn value_texts(column: &ArrayRef, is_day: bool) -> Result<StringArray> {
    let failed = |e| Error::internal("a partition column has no text form").because(e);
    let column = if is_day {
        // The day of a timestamp in its own zone (UTC, or none).
        let plain = match column.data_type() {
            DataType::Timestamp(unit, Some(_)) => {
                cast(column, &DataType::Timestamp(*unit, None)).map_err(failed)?
            }
            _ => column.clone(),
        };
        cast(&plain, &DataType::Date32).map_err(failed)?
    } else {
        column.clone()
    };
    let text = cast(&column, &DataType::Utf8).map_err(failed)?;
    Ok(text.as_string::<i32>().clone())
}

/// Row numbers by values, in the order in which the values first appear.
fn group(texts: &[StringArray]) -> Vec<(PartitionValues, Vec<u32>)> {
    let rows = texts.first().map_or(0, Array::len);
    let mut place: HashMap<PartitionValues, usize> = HashMap::new();
    let mut groups: Vec<(PartitionValues, Vec<u32>)> = Vec::new();
    let mut last = usize::MAX;
    let value = |t: &StringArray, row: usize| t.is_valid(row).then(|| t.value(row).to_owned());
    for row in 0..rows {
        let same = groups.get(last).is_some_and(|(values, _)| {
            texts.iter().zip(values).all(|(t, v)| {
                t.is_valid(row) == v.is_some() && v.as_deref().is_none_or(|v| v == t.value(row))
            })
        });
        if !same {
            let values: PartitionValues = texts.iter().map(|t| value(t, row)).collect();
            last = *place.entry(values.clone()).or_insert_with(|| {
                groups.push((values, Vec::new()));
                groups.len() - 1
            });
        }
        if let Some((_, rows)) = groups.get_mut(last) {
            rows.push(u32::try_from(row).unwrap_or(u32::MAX));
        }
    }
    groups
}

/// The Arrow type that a partition column has in the table.
pub fn column_type(stream: &Stream, by: &PartitionBy) -> Option<(String, Arc<DataType>, bool)> {
    let find = |name: &str| stream.schema.root.fields.iter().find(|f| f.name == name);
    match by {
        PartitionBy::Field(_) => None,
        PartitionBy::Day(field) => find(field).map(|f| {
            (
                format!("{field}_day"),
                Arc::new(DataType::Date32),
                f.value.nullable,
            )
        }),
    }
}
