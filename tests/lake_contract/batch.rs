//! Batches as weir lands them, with real files in a store. Stream `s`, column `n`.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, new_null_array,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use object_store::ObjectStoreExt;
use uuid::Uuid;
use weir::error::Result;
use weir::lake::delta::{DeltaTable, TableSpec, stats};
use weir::lake::{Commit, DataFile, ReadyBatch, layout};
use weir::model::ledger::{CommitRecord, Cut, RECORD_VERSION, RangeRecord, RejectsFile, Role};
use weir::model::position::{SourceId, SourcePartition, push_range};
use weir::pipeline::file::FileWriter;
use weir::schema::arrow::{provenance_fields, rejects_schema};
use weir::store::{Store, store_error};

/// The stream.
pub const STREAM: &str = "s";

/// The source id of its topic.
const TOPIC: &str = "kafka:c:t";

/// Its table, with `more` columns behind.
pub fn spec_with(more: Vec<Field>) -> TableSpec {
    let mut fields = vec![Field::new("n", DataType::Int64, false)];
    fields.extend(provenance_fields());
    fields.extend(more);
    TableSpec {
        schema: Arc::new(Schema::new(fields)),
        partition_columns: Vec::new(),
    }
}

/// Its table.
pub fn spec() -> TableSpec {
    spec_with(Vec::new())
}

/// Opens or creates its table.
pub async fn open(store: &Store) -> Result<DeltaTable> {
    DeltaTable::open_or_create(store, STREAM, "test", spec()).await
}

/// A partition of its topic.
pub fn partition(number: i32) -> SourcePartition {
    SourcePartition {
        source_id: SourceId::kafka("c", "t", 1),
        partition: number,
    }
}

/// What is at an offset: of ten one is a hole, one a tombstone, two are rejects.
fn fate(offset: i64) -> &'static str {
    match offset % 10 {
        3 => "hole",
        5 => "skip",
        1 | 8 => "reject",
        _ => "row",
    }
}

/// The range `[from, to)` of a partition; `from == to` is its starting point.
pub fn range(number: i32, from: i64, to: i64) -> RangeRecord {
    let mut range = RangeRecord::starting_point("t", &partition(number), from);
    range.to = to;
    for at in from..to {
        match fate(at) {
            "hole" => {
                range.holes += 1;
                push_range(&mut range.hole_ranges, at, at + 1);
            }
            "skip" => {
                range.skipped += 1;
                let skips = range.skip_ranges.entry("tombstone".to_owned()).or_default();
                push_range(skips, at, at + 1);
            }
            "reject" => range.rejected += 1,
            _ => range.accepted += 1,
        }
    }
    range.read = to - from - range.holes;
    range
}

/// A record of these ranges.
pub fn record(ranges: Vec<RangeRecord>, rejects: Vec<RejectsFile>) -> CommitRecord {
    CommitRecord {
        version: RECORD_VERSION,
        role: Role::Data,
        batch: Uuid::new_v4(),
        instance: "test".to_owned(),
        cut: Some(Cut::Rows),
        schema: Some(1),
        ranges,
        rejects,
        job: None,
        reason: None,
    }
}

/// A commit of these ranges.
pub fn commit(ranges: Vec<RangeRecord>, files: Vec<DataFile>, rejects: Vec<RejectsFile>) -> Commit {
    let ends = ranges.iter();
    let ends = ends.map(|r| (r.source_partition().app_id(), r.to));
    Commit {
        positions: ends.chain([("weir:schema".to_owned(), 1)]).collect(),
        record: record(ranges, rejects),
        files,
        schema: None,
    }
}

/// A commit of `[from, to)` of partition 0, without files.
pub fn bare(from: i64, to: i64) -> Commit {
    commit(vec![range(0, from, to)], Vec::new(), Vec::new())
}

/// Uploads the files of `[from, to)` of some partitions, and names them in a batch.
pub async fn batch(store: &Store, ranges: &[(i32, i64, i64)]) -> Result<ReadyBatch> {
    let rows = |kind: &str| -> Vec<(i32, i64)> {
        let all = ranges
            .iter()
            .flat_map(|(n, from, to)| (*from..*to).map(|at| (*n, at)));
        all.filter(|(_, at)| fate(*at) == kind).collect()
    };
    let data = layout::data_table(STREAM);
    let file = upload(store, &data, &spec().schema, TOPIC, &rows("row")).await?;
    let rejects = layout::rejects_table(STREAM);
    let rejected = upload(store, &rejects, &rejects_schema(), TOPIC, &rows("reject")).await?;
    let rejected = rejected.map(|file| RejectsFile {
        path: file.path,
        size: file.size as i64,
        rows: file.rows as i64,
    });
    let rejects: Vec<RejectsFile> = rejected.into_iter().collect();
    let records = ranges.iter().map(|(n, from, to)| range(*n, *from, *to));
    let commit = commit(
        records.collect(),
        file.into_iter().collect(),
        rejects.clone(),
    );
    Ok(ReadyBatch {
        batch: commit.record.batch,
        commit,
        rejects,
    })
}

/// Uploads a file of `table` with these rows of a source: partition and position of each.
pub async fn upload(
    store: &Store,
    table: &str,
    schema: &SchemaRef,
    source: &str,
    rows: &[(i32, i64)],
) -> Result<Option<DataFile>> {
    if rows.is_empty() {
        return Ok(None);
    }
    let columns = columns(schema, source, rows);
    let mut writer = FileWriter::new(schema.clone(), &columns)?;
    writer.write(&columns)?;
    let file = writer.finish()?;
    let path = layout::data_file(&[], Uuid::new_v4());
    let whole = format!("{table}/{path}");
    store
        .objects()
        .put(
            &whole.as_str().into(),
            file.chunks.iter().cloned().collect(),
        )
        .await
        .map_err(|e| store_error("upload a file", e))?;
    Ok(Some(DataFile {
        path,
        size: file.size,
        rows: file.rows,
        partition_values: Vec::new(),
        stats: stats::from_parquet(&file.metadata, schema),
        modified_ms: 1_700_000_000_000,
    }))
}

fn columns(schema: &SchemaRef, source: &str, rows: &[(i32, i64)]) -> RecordBatch {
    let column = |field: &Arc<Field>| -> ArrayRef {
        let offsets = rows.iter().map(|(_, at)| *at);
        match (field.name().as_str(), field.data_type()) {
            ("_weir_source_id", _) => Arc::new(StringArray::from(vec![source; rows.len()])),
            ("_weir_partition", _) => {
                Arc::new(Int32Array::from_iter_values(rows.iter().map(|(n, _)| *n)))
            }
            ("_weir_index", _) => Arc::new(Int32Array::from(vec![0; rows.len()])),
            ("_weir_offset" | "n", _) => Arc::new(Int64Array::from_iter_values(offsets)),
            (_, DataType::Timestamp(..)) if !field.is_nullable() => Arc::new(
                TimestampMicrosecondArray::from(vec![1_700_000_000_000_001; rows.len()])
                    .with_timezone("UTC"),
            ),
            (_, data_type) if field.is_nullable() => new_null_array(data_type, rows.len()),
            (_, DataType::Binary) => Arc::new(BinaryArray::from(vec![&b"{"[..]; rows.len()])),
            _ => Arc::new(StringArray::from(vec!["wrong_type"; rows.len()])),
        }
    };
    RecordBatch::try_new(schema.clone(), schema.fields().iter().map(column).collect()).unwrap()
}
