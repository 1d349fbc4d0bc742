//! The parts of a commit as delta_kernel takes them: one row of data with its schema.

use std::sync::Arc;

use arrow::array::{Array, MapBuilder, MapFieldNames};
use arrow::array::{Int64Array, RecordBatch, StringArray, StringBuilder, StructArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::json::ReaderBuilder;
use arrow::json::reader::infer_json_schema;
use delta_kernel::EngineData;
use delta_kernel::engine::arrow_conversion::TryFromArrow;
use delta_kernel::engine::arrow_data::ArrowEngineData;
use delta_kernel::schema::{SchemaRef, StructType};

use crate::error::{Error, Result};
use crate::lake::DataFile;
use crate::model::ledger::CommitRecord;

/// The `commitInfo` row: `{"weir": record}`, nested.
pub(super) fn commit_info(record: &CommitRecord) -> Result<(Box<dyn EngineData>, SchemaRef)> {
    let failed = |e: Box<dyn std::error::Error + Send + Sync>| {
        Error::internal("the commit record has no columns").because(e)
    };
    let json =
        serde_json::to_vec(&serde_json::json!({ "weir": record })).map_err(|e| failed(e.into()))?;
    let batch = json_row(&json).map_err(|e| failed(e.into()))?;
    let schema =
        StructType::try_from_arrow(batch.schema().as_ref()).map_err(|e| failed(e.into()))?;
    Ok((Box::new(ArrowEngineData::new(batch)), Arc::new(schema)))
}

/// One row of the kernel's add-files data.
pub(super) fn add_file(file: &DataFile) -> Result<Box<dyn EngineData>> {
    let failed = |e: arrow::error::ArrowError| {
        Error::internal("a data file's action has no columns").because(e)
    };
    let names = MapFieldNames {
        entry: "key_value".to_owned(),
        key: "key".to_owned(),
        value: "value".to_owned(),
    };
    let mut values = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
    for (column, value) in &file.partition_values {
        values.keys().append_value(column);
        // Delta writes null and the empty string alike.
        values
            .values()
            .append_option(value.as_deref().filter(|v| !v.is_empty()));
    }
    values.append(true).map_err(failed)?;
    let values = values.finish();
    let stats = StructArray::from(json_row(file.stats.as_bytes()).map_err(failed)?);
    let schema = Schema::new(vec![
        Field::new("path", DataType::Utf8, false),
        Field::new("partitionValues", values.data_type().clone(), false),
        Field::new("size", DataType::Int64, false),
        Field::new("modificationTime", DataType::Int64, false),
        Field::new("stats", stats.data_type().clone(), true),
    ]);
    let size = i64::try_from(file.size).unwrap_or(i64::MAX);
    let batch = RecordBatch::try_new(
        Arc::new(schema),
        vec![
            Arc::new(StringArray::from(vec![file.path.as_str()])),
            Arc::new(values),
            Arc::new(Int64Array::from(vec![size])),
            Arc::new(Int64Array::from(vec![file.modified_ms])),
            Arc::new(stats),
        ],
    )
    .map_err(failed)?;
    Ok(Box::new(ArrowEngineData::new(batch)))
}

/// One JSON object as a record batch of one row, with the schema that it shows.
fn json_row(json: &[u8]) -> Result<RecordBatch, arrow::error::ArrowError> {
    let (schema, _) = infer_json_schema(json, None)?;
    let mut decoder = ReaderBuilder::new(Arc::new(schema)).build_decoder()?;
    decoder.decode(json)?;
    decoder
        .flush()?
        .ok_or_else(|| arrow::error::ArrowError::JsonError("no row".to_owned()))
}
