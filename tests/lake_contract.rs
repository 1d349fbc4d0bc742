//! The contract of `LakeTable`, held by the Delta implementation over every kind of store.

#![allow(clippy::disallowed_methods, clippy::expect_used, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::TimestampMicrosecondArray;
use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use object_store::ObjectStoreExt;
use url::Url;
use uuid::Uuid;
use weir::lake::delta::{DeltaTable, TableSpec, stats};
use weir::lake::{Answer, Commit, DataFile, LakeTable, layout};
use weir::model::ledger::{CommitRecord, Cut, RECORD_VERSION, RangeRecord, RejectsFile, Role};
use weir::model::position::{SourceId, SourcePartition};
use weir::pipeline::file::FileWriter;
use weir::schema::arrow::provenance_fields;
use weir::store::{self, Store};

fn spec() -> TableSpec {
    let mut fields = vec![Field::new("n", DataType::Int64, false)];
    fields.extend(provenance_fields());
    TableSpec {
        schema: Arc::new(Schema::new(fields)),
        partition_columns: Vec::new(),
    }
}

fn partition(number: i32) -> SourcePartition {
    SourcePartition {
        source_id: SourceId::kafka("c", "t", 1),
        partition: number,
    }
}

fn commit(from: i64, to: i64, files: Vec<DataFile>, rejects: Vec<RejectsFile>) -> Commit {
    let mut range = RangeRecord::starting_point("t", &partition(0), from);
    range.to = to;
    range.read = to - from;
    range.accepted = to - from;
    range.push_skip_for_test();
    Commit {
        positions: vec![(partition(0).app_id(), to)],
        record: CommitRecord {
            version: RECORD_VERSION,
            role: Role::Data,
            batch: Uuid::new_v4(),
            instance: "test".to_owned(),
            cut: Some(Cut::Rows),
            schema: Some(1),
            ranges: vec![range],
            rejects,
            job: None,
            reason: None,
        },
        files,
        schema: None,
    }
}

trait PushSkip {
    fn push_skip_for_test(&mut self);
}

impl PushSkip for RangeRecord {
    /// A nested map in the record must survive the way through the kernel.
    fn push_skip_for_test(&mut self) {
        self.hole_ranges.push([1, 2]);
        self.skip_ranges
            .insert("tombstone".to_owned(), vec![[3, 4], [5, 6]]);
    }
}

async fn data_file(store: &Store, from: i64, to: i64) -> DataFile {
    let rows = (to - from) as usize;
    let text = |t: &str| Arc::new(StringArray::from(vec![t; rows])) as ArrayRef;
    let batch = RecordBatch::try_new(
        spec().schema,
        vec![
            Arc::new(Int64Array::from_iter_values(from..to)),
            text("t"),
            text("kafka:c:t"),
            Arc::new(Int32Array::from(vec![0; rows])),
            Arc::new(Int64Array::from_iter_values(from..to)),
            Arc::new(Int32Array::from(vec![0; rows])),
            Arc::new(
                TimestampMicrosecondArray::from(vec![1_700_000_000_000_001; rows])
                    .with_timezone("UTC"),
            ),
        ],
    )
    .unwrap();
    let mut writer = FileWriter::new(spec().schema, &batch).unwrap();
    writer.write(&batch).unwrap();
    let file = writer.finish().unwrap();
    let path = layout::data_file(&[], Uuid::new_v4());
    let whole = format!("{}/{path}", layout::data_table("s"));
    store
        .objects()
        .put(
            &whole.as_str().into(),
            file.chunks.iter().cloned().collect(),
        )
        .await
        .unwrap();
    DataFile {
        path,
        size: file.size,
        rows: file.rows,
        partition_values: Vec::new(),
        stats: stats::from_parquet(&file.metadata, &spec().schema),
        modified_ms: 1_700_000_000_000,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_are_conditional_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let url = Url::from_directory_path(folder.path()).unwrap();
    let store = store::open(&url, &BTreeMap::new(), false).unwrap();
    store.probe_conditional_put().await.unwrap();
    let table = DeltaTable::open_or_create(&store, "s", "a", spec())
        .await
        .unwrap();
    let other = DeltaTable::open_or_create(&store, "s", "b", spec())
        .await
        .unwrap();
    assert_eq!(table.view().await.unwrap().version, 0);

    let file = data_file(&store, 0, 10).await;
    let first = commit(0, 10, vec![file], Vec::new());
    let answer = table.try_commit(1, &first).await;
    assert!(matches!(answer, Answer::Committed(1)), "{answer:?}");
    let late = other
        .try_commit(1, &commit(0, 10, Vec::new(), Vec::new()))
        .await;
    assert!(matches!(late, Answer::Conflict), "{late:?}");

    let view = other.view().await.unwrap();
    assert_eq!(view.version, 1);
    assert_eq!(view.positions["kafka:c:t:0"], 10);
    assert_eq!(view.positions["weir:schema"], 1);
    let records = other.records_since(0).await.unwrap();
    assert_eq!(records, vec![(1, Some(first.record))]);

    let rejects = RejectsFile {
        path: "x.parquet".to_owned(),
        size: 5,
        rows: 2,
    };
    let file = data_file(&store, 10, 20).await;
    let second = other
        .try_commit(2, &commit(10, 20, vec![file], vec![rejects]))
        .await;
    assert!(matches!(second, Answer::Committed(2)), "{second:?}");
    assert_eq!(table.follow_rejects().await.unwrap(), 2);
    assert_eq!(other.follow_rejects().await.unwrap(), 2);
    for n in 3..=101 {
        let answer = table
            .try_commit(
                n,
                &commit(n as i64 * 10, n as i64 * 10 + 1, Vec::new(), Vec::new()),
            )
            .await;
        assert!(matches!(answer, Answer::Committed(_)), "{n} {answer:?}");
        table.upkeep().await.unwrap();
    }
    let log = folder.path().join("s__dll/_delta_log");
    assert!(log.join("00000000000000000100.checkpoint.parquet").exists());
    let again = DeltaTable::open_or_create(&store, "s", "c", spec())
        .await
        .unwrap();
    assert_eq!(again.view().await.unwrap().version, 101);

    table.publish_schema(1, "{}").await.unwrap();
    table.publish_schema(1, "{}").await.unwrap();
    assert!(table.publish_schema(1, "[]").await.is_err());
    assert_eq!(table.schema_text(1).await.unwrap().as_deref(), Some("{}"));
    assert_eq!(table.schema_text(2).await.unwrap(), None);
    if let Ok(keep) = std::env::var("WEIR_TEST_KEEP") {
        std::fs::rename(folder.path(), keep).unwrap();
    }
}

fn local_store(folder: &tempfile::TempDir) -> Store {
    let url = Url::from_directory_path(folder.path()).unwrap();
    store::open(&url, &BTreeMap::new(), false).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nullable_column_is_added_with_the_next_rows_and_others_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = local_store(&folder);
    DeltaTable::open_or_create(&store, "s", "a", spec())
        .await
        .unwrap();
    let with = |field: Field| {
        let mut fields: Vec<Field> = spec()
            .schema
            .fields()
            .iter()
            .map(|f| f.as_ref().clone())
            .collect();
        fields.push(field);
        TableSpec {
            schema: Arc::new(Schema::new(fields)),
            partition_columns: Vec::new(),
        }
    };
    let required = with(Field::new("later", DataType::Utf8, false));
    let error = DeltaTable::open_or_create(&store, "s", "a", required)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), weir::error::Kind::Refused, "{error}");
    let partitioned = TableSpec {
        partition_columns: vec!["_weir_partition".to_owned()],
        ..spec()
    };
    let error = DeltaTable::open_or_create(&store, "s", "a", partitioned)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("partitioned by"), "{error}");

    let wider = with(Field::new("later", DataType::Utf8, true));
    let table = DeltaTable::open_or_create(&store, "s", "a", wider)
        .await
        .unwrap();
    let file = data_file(&store, 0, 10).await;
    let answer = table
        .try_commit(1, &commit(0, 10, vec![file], Vec::new()))
        .await;
    assert!(matches!(answer, Answer::Committed(1)), "{answer:?}");
    let log = folder.path().join("s__dll").join(layout::commit(1));
    let text = std::fs::read_to_string(log).unwrap();
    assert!(text.contains("\\\"name\\\":\\\"later\\\""), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_is_gone_from_the_log_is_never_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let store = local_store(&folder);
    let table = DeltaTable::open_or_create(&store, "s", "a", spec())
        .await
        .unwrap();
    for at in 1..=3 {
        let from = (at as i64 - 1) * 10;
        let answer = table
            .try_commit(at, &commit(from, from + 10, Vec::new(), Vec::new()))
            .await;
        assert!(matches!(answer, Answer::Committed(_)), "{answer:?}");
    }
    std::fs::remove_file(folder.path().join("s__dll").join(layout::commit(2))).unwrap();
    let error = table.view().await.unwrap_err();
    assert_eq!(error.kind(), weir::error::Kind::Refused, "{error}");
    assert!(error.to_string().contains("commit 2"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_racing_writers_one_wins_each_version() {
    let folder = tempfile::tempdir().unwrap();
    let store = local_store(&folder);
    let mut tables = Vec::new();
    for _ in 0..4 {
        tables.push(
            DeltaTable::open_or_create(&store, "s", "a", spec())
                .await
                .unwrap(),
        );
    }
    for at in 1..=5 {
        let from = (at as i64 - 1) * 10;
        let commits: Vec<Commit> = (0..4)
            .map(|_| commit(from, from + 10, Vec::new(), Vec::new()))
            .collect();
        let puts = tables
            .iter()
            .zip(&commits)
            .map(|(t, c)| t.try_commit(at, c));
        let answers = futures::future::join_all(puts).await;
        let winners: Vec<usize> = (0..4)
            .filter(|i| matches!(answers[*i], Answer::Committed(v) if v == at))
            .collect();
        let [winner] = winners.as_slice() else {
            panic!("version {at}: {answers:?}");
        };
        for table in &tables {
            let records = table.records_since(at - 1).await.unwrap();
            assert_eq!(records, vec![(at, Some(commits[*winner].record.clone()))]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ranges_with_different_skip_codes_are_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = local_store(&folder);
    let table = DeltaTable::open_or_create(&store, "s", "a", spec())
        .await
        .unwrap();
    let mut both = commit(0, 10, Vec::new(), Vec::new());
    let mut second = RangeRecord::starting_point("t", &partition(1), 0);
    second
        .skip_ranges
        .insert("empty_envelope".to_owned(), vec![[0, 1]]);
    let third = RangeRecord::starting_point("t", &partition(2), 0);
    both.record.ranges.extend([second, third]);
    let answer = table.try_commit(1, &both).await;
    assert!(matches!(answer, Answer::Committed(1)), "{answer:?}");
    let records = table.records_since(0).await.unwrap();
    assert_eq!(records, vec![(1, Some(both.record))]);
}

#[test]
fn an_option_that_the_store_does_not_know_is_refused() {
    let options = BTreeMap::from([(
        "aws_regoin".to_owned(),
        weir::config::Secret("x".to_owned()),
    )]);
    for url in ["s3://bucket/lake", "file:///tmp"] {
        let error = store::open(&Url::parse(url).unwrap(), &options, false).unwrap_err();
        assert_eq!(error.kind(), weir::error::Kind::Config, "{error}");
    }
}
