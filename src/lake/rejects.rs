//! Reading rejects back, for people.
//!
//! Owns: the rows of rejects files that commits name. Does not own: how they are shown.

use std::collections::BTreeSet;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int32Type, Int64Type};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::error::{Error, Result};
use crate::lake::layout;
use crate::model::ledger::RejectsFile;
use crate::store::{Store, store_error};

/// A reject, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RejectRow {
    /// Reason code.
    pub code: String,
    /// Path of the field.
    pub field: Option<String>,
    /// The rule.
    pub message: String,
    /// Topic.
    pub source: String,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
}

/// The first reject of each code among the rows of `files`, which are read in order.
pub async fn one_of_each_code(
    store: &Store,
    stream: &str,
    files: &[RejectsFile],
) -> Result<Vec<RejectRow>> {
    let mut seen = BTreeSet::new();
    let mut rows = Vec::new();
    for file in files {
        let path = Path::from(format!("{}/{}", layout::rejects_table(stream), file.path));
        let objects = store.objects();
        let bytes = async { objects.get(&path).await?.bytes().await }
            .await
            .map_err(|e| store_error("read a rejects file", e))?;
        read(bytes, |row| {
            if seen.insert(row.code.clone()) {
                rows.push(row);
            }
        })?;
    }
    Ok(rows)
}

fn read(bytes: bytes::Bytes, mut each: impl FnMut(RejectRow)) -> Result<()> {
    let failed = |e: Box<dyn std::error::Error + Send + Sync>| {
        Error::refused("a rejects file is not readable").because(e)
    };
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)
        .and_then(ParquetRecordBatchReaderBuilder::build)
        .map_err(|e| failed(e.into()))?;
    for batch in reader {
        let batch = batch.map_err(|e| failed(e.into()))?;
        let column = |name: &str| {
            batch
                .column_by_name(name)
                .ok_or_else(|| failed(format!("column {name} is missing").into()))
        };
        let text = |name: &str| -> Result<_> {
            column(name)?
                .as_string_opt::<i32>()
                .ok_or_else(|| failed(format!("column {name} is no text").into()))
        };
        let (code, field, message) = (text("code")?, text("field")?, text("message")?);
        let source = text("_weir_source")?;
        let partition = column("_weir_partition")?
            .as_primitive_opt::<Int32Type>()
            .ok_or_else(|| failed("column _weir_partition is no int".into()))?;
        let offset = column("_weir_offset")?
            .as_primitive_opt::<Int64Type>()
            .ok_or_else(|| failed("column _weir_offset is no long".into()))?;
        for row in 0..batch.num_rows() {
            each(RejectRow {
                code: code.value(row).to_owned(),
                field: field.is_valid(row).then(|| field.value(row).to_owned()),
                message: message.value(row).to_owned(),
                source: source.value(row).to_owned(),
                partition: partition.value(row),
                offset: offset.value(row),
            });
        }
    }
    Ok(())
}
