//! A lake on local disk with batches as weir lands them, and ways to spoil it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, new_null_array,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;
use weir::lake::delta::{DeltaTable, TableSpec};
use weir::lake::verify::{StreamReport, verify};
use weir::lake::{Answer, Commit, DataFile, LakeTable};
use weir::model::ledger::{CommitRecord, Cut, RECORD_VERSION, RangeRecord, RejectsFile, Role};
use weir::model::position::{SourceId, SourcePartition};
use weir::schema::arrow::{provenance_fields, rejects_schema};
use weir::store::{self, Store};

/// Partitions of every batch.
pub(crate) const PARTITIONS: i32 = 2;

/// Positions of a batch, of each partition.
const LENGTH: i64 = 100;

/// A lake with one stream, `s`.
pub(crate) struct Lake {
    folder: tempfile::TempDir,
    pub(crate) store: Store,
    table: DeltaTable,
}

/// Positions `[from, from + 100)` of each partition; [`Batch::fate`] says what is at each.
pub(crate) struct Batch {
    from: i64,
    /// So many positions at its beginning are lost.
    pub(crate) lost: i64,
}

#[derive(PartialEq)]
enum Fate {
    Lost,
    Hole,
    Skip,
    Reject,
    /// A message of three records.
    Three,
    Good,
}

impl Batch {
    pub(crate) fn at(from: i64) -> Self {
        Self { from, lost: 0 }
    }

    fn fate(&self, offset: i64) -> Fate {
        if offset < self.from + self.lost {
            return Fate::Lost;
        }
        match offset - self.from {
            20 | 21 => Fate::Hole,
            30 | 31 | 50 => Fate::Skip,
            5 | 40 | 60 | 61 | 99 => Fate::Reject,
            70 => Fate::Three,
            _ => Fate::Good,
        }
    }

    fn range(&self, partition: i32) -> RangeRecord {
        let mut range = RangeRecord::starting_point("t", &source(partition), self.from);
        range.to = self.from + LENGTH;
        for offset in self.from..range.to {
            let fate = self.fate(offset);
            match fate {
                Fate::Lost => range.lost += 1,
                Fate::Hole => {
                    range.holes += 1;
                    weir::model::position::push_range(&mut range.hole_ranges, offset, offset + 1);
                }
                Fate::Skip => {
                    range.skipped += 1;
                    let ranges = range.skip_ranges.entry("tombstone".to_owned()).or_default();
                    weir::model::position::push_range(ranges, offset, offset + 1);
                }
                Fate::Reject => range.rejected += 1,
                Fate::Three => range.accepted += 3,
                Fate::Good => range.accepted += 1,
            }
            range.read += i64::from(!matches!(fate, Fate::Lost | Fate::Hole));
        }
        range
    }

    /// Partition, offset, index of each row of one of the tables.
    fn rows(&self, rejects: bool) -> Vec<(i32, i64, i32)> {
        let mut rows = Vec::new();
        for partition in 0..PARTITIONS {
            for offset in self.from..self.from + LENGTH {
                let records = match self.fate(offset) {
                    Fate::Good if !rejects => 1,
                    Fate::Three if !rejects => 3,
                    Fate::Reject if rejects => 1,
                    _ => 0,
                };
                rows.extend((0..records).map(|index| (partition, offset, index)));
            }
        }
        rows
    }
}

fn source(partition: i32) -> SourcePartition {
    SourcePartition {
        source_id: SourceId::kafka("c", "t", 1),
        partition,
    }
}

fn data_schema() -> SchemaRef {
    let mut fields = vec![Field::new("n", DataType::Int64, false)];
    fields.extend(provenance_fields());
    Arc::new(Schema::new(fields))
}

fn columns(schema: &SchemaRef, rows: &[(i32, i64, i32)]) -> RecordBatch {
    let columns = schema
        .fields()
        .iter()
        .map(|field| -> ArrayRef {
            match (field.name().as_str(), field.data_type()) {
                ("_weir_source_id", _) => {
                    Arc::new(StringArray::from(vec!["kafka:c:t"; rows.len()]))
                }
                ("_weir_partition", _) => {
                    Arc::new(Int32Array::from_iter_values(rows.iter().map(|r| r.0)))
                }
                ("_weir_offset" | "n", _) => {
                    Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.1)))
                }
                ("_weir_index", _) => {
                    Arc::new(Int32Array::from_iter_values(rows.iter().map(|r| r.2)))
                }
                ("_weir_ingested_at", _) => Arc::new(
                    TimestampMicrosecondArray::from(vec![1_700_000_000_000_000; rows.len()])
                        .with_timezone("UTC"),
                ),
                (_, data_type) if field.is_nullable() => new_null_array(data_type, rows.len()),
                (_, DataType::Binary) => {
                    Arc::new(BinaryArray::from(vec![&b"\x1b[31m"[..]; rows.len()]))
                }
                (name, _) => {
                    let text = match name {
                        "_weir_source" => "t",
                        "code" => "wrong_type",
                        "message" => "an integer is wanted",
                        "schema" => "s/1",
                        name => panic!("column {name} has no text here"),
                    };
                    Arc::new(StringArray::from(vec![text; rows.len()]))
                }
            }
        })
        .collect();
    RecordBatch::try_new(schema.clone(), columns).unwrap()
}

impl Lake {
    /// A lake whose partitions begin at 100, with so many batches.
    pub(crate) async fn with_batches(batches: i64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = Url::from_directory_path(folder.path()).unwrap();
        let store = store::open(&url, &BTreeMap::new(), false).unwrap();
        let spec = TableSpec {
            schema: data_schema(),
            partition_columns: Vec::new(),
        };
        let table = DeltaTable::open_or_create(&store, "s", "a", spec)
            .await
            .unwrap();
        let lake = Self {
            folder,
            store,
            table,
        };
        let starts = (0..PARTITIONS)
            .map(|p| RangeRecord::starting_point("t", &source(p), 100))
            .collect();
        lake.commit_record(record(starts, Vec::new()), Vec::new())
            .await;
        for batch in 0..batches {
            lake.land(&Batch::at(100 + batch * LENGTH)).await;
        }
        lake
    }

    pub(crate) async fn land(&self, batch: &Batch) {
        self.land_without_following(batch).await;
        self.table.follow_rejects().await.unwrap();
        self.table.upkeep().await.unwrap();
    }

    /// Commits that say nothing of any partition.
    pub(crate) async fn land_nothing(&self, commits: u32) {
        for _ in 0..commits {
            self.commit_record(record(Vec::new(), Vec::new()), Vec::new())
                .await;
        }
        self.table.follow_rejects().await.unwrap();
    }

    pub(crate) async fn land_without_following(&self, batch: &Batch) {
        let data = self.write("s__dll", &columns(&data_schema(), &batch.rows(false)));
        let (path, size, rows) =
            self.write("s__rejects", &columns(&rejects_schema(), &batch.rows(true)));
        let rejects = RejectsFile {
            path,
            size: size as i64,
            rows: rows as i64,
        };
        let ranges = (0..PARTITIONS).map(|p| batch.range(p)).collect();
        let file = DataFile {
            path: data.0,
            size: data.1,
            rows: data.2,
            partition_values: Vec::new(),
            stats: json!({"numRecords": data.2}).to_string(),
            modified_ms: 0,
        };
        self.commit_record(record(ranges, vec![rejects]), vec![file])
            .await;
    }

    async fn commit_record(&self, record: CommitRecord, files: Vec<DataFile>) {
        let at = self.table.view().await.unwrap().version + 1;
        let positions = record
            .ranges
            .iter()
            .map(|r| (r.source_partition().app_id(), r.to))
            .collect();
        let commit = Commit {
            record,
            files,
            positions,
            schema: None,
        };
        let answer = self.table.try_commit(at, &commit).await;
        assert!(matches!(answer, Answer::Committed(_)), "{answer:?}");
    }

    /// Writes a file; returns path, bytes and rows.
    fn write(&self, table: &str, rows: &RecordBatch) -> (String, u64, u64) {
        let path = format!("{}.parquet", Uuid::new_v4());
        let file = std::fs::File::create(self.path(table).join(&path)).unwrap();
        let mut writer = ArrowWriter::try_new(file, rows.schema(), None).unwrap();
        writer.write(rows).unwrap();
        writer.close().unwrap();
        let size = self.path(table).join(&path).metadata().unwrap().len();
        (path, size, rows.num_rows() as u64)
    }

    /// Rewrites `files` as one, as an engine's OPTIMIZE does; without row `without`.
    pub(crate) async fn compact(&self, files: &[String], without: Option<usize>) {
        let mut batches = Vec::new();
        for file in files {
            let file = std::fs::File::open(self.data(file)).unwrap();
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
            batches.extend(reader.build().unwrap().map(Result::unwrap));
        }
        let mut rows = concat_batches(&batches[0].schema(), &batches).unwrap();
        if let Some(row) = without {
            let after = rows.slice(row + 1, rows.num_rows() - row - 1);
            rows = concat_batches(&rows.schema(), &[rows.slice(0, row), after]).unwrap();
        }
        let (path, size, count) = self.write("s__dll", &rows);
        let mut lines: Vec<Value> = files
            .iter()
            .map(|f| json!({"remove": {"path": f, "deletionTimestamp": 0, "dataChange": false}}))
            .collect();
        lines.push(
            json!({"add": {"path": path, "partitionValues": {}, "size": size,
            "modificationTime": 0, "dataChange": false,
            "stats": json!({"numRecords": count}).to_string()}}),
        );
        self.rewrite("s__dll", self.newest("s__dll") + 1, &lines);
        for file in files {
            std::fs::remove_file(self.data(file)).unwrap();
        }
    }

    pub(crate) async fn verify(&self) -> StreamReport {
        verify(&self.store, "s", Arc::new(|_| ())).await.unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn data(&self, file: &str) -> PathBuf {
        self.path("s__dll").join(file)
    }

    pub(crate) fn rejects(&self, file: &str) -> PathBuf {
        self.path("s__rejects").join(file)
    }

    pub(crate) fn commit(&self, table: &str, version: u64) -> PathBuf {
        self.path(table)
            .join(format!("_delta_log/{version:020}.json"))
    }

    pub(crate) fn newest(&self, table: &str) -> u64 {
        (0..)
            .take_while(|v| self.commit(table, *v).exists())
            .last()
            .unwrap()
    }

    pub(crate) fn lines(&self, table: &str, version: u64) -> Vec<Value> {
        std::fs::read_to_string(self.commit(table, version))
            .unwrap()
            .lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect()
    }

    /// Replaces a commit, or puts the next one; checksums of it are removed.
    pub(crate) fn rewrite(&self, table: &str, version: u64, lines: &[Value]) {
        let mut text: String = lines.iter().map(|l| format!("{l}\n")).collect();
        if text.is_empty() {
            text.push('\n');
        }
        std::fs::write(self.commit(table, version), text).unwrap();
    }

    /// Data files in the order of their commits.
    pub(crate) fn data_files(&self) -> Vec<String> {
        self.added("s__dll").into_iter().map(|(_, p)| p).collect()
    }

    /// Rejects files in the order in which the rejects table has them.
    pub(crate) fn rejects_files(&self) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let named = self.path("s__rejects");
        let mut files: Vec<(std::time::SystemTime, String)> = std::fs::read_dir(named)
            .unwrap()
            .map(Result::unwrap)
            .filter(|e| e.file_name().to_string_lossy().ends_with(".parquet"))
            .map(|e| {
                let name = e.file_name().to_string_lossy().into_owned();
                (e.metadata().unwrap().modified().unwrap(), name)
            })
            .filter(|(_, name)| seen.insert(name.clone()))
            .collect();
        files.sort();
        files.into_iter().map(|(_, name)| name).collect()
    }

    /// The commit that added `file` to the DLO.
    pub(crate) fn version_of(&self, file: &str) -> u64 {
        let added = self.added("s__dll");
        added.iter().find(|(_, path)| path == file).unwrap().0
    }

    fn added(&self, table: &str) -> Vec<(u64, String)> {
        let mut added = Vec::new();
        for version in 0..=self.newest(table) {
            for line in self.lines(table, version) {
                if let Some(path) = line["add"]["path"].as_str() {
                    added.push((version, path.to_owned()));
                }
            }
        }
        added
    }
}

fn record(ranges: Vec<RangeRecord>, rejects: Vec<RejectsFile>) -> CommitRecord {
    CommitRecord {
        version: RECORD_VERSION,
        role: Role::Data,
        batch: Uuid::new_v4(),
        instance: "a".to_owned(),
        cut: Some(Cut::Age),
        schema: Some(1),
        ranges,
        rejects,
        job: None,
        reason: None,
    }
}
