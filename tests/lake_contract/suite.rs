//! What holds over every kind of store. Each function is one law, on an empty store.

#[path = "batch.rs"]
pub mod batch;
#[path = "fold.rs"]
pub mod fold;
#[path = "landing.rs"]
pub mod landing;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore as _, ObjectStoreExt, PutMode, PutOptions};
use uuid::Uuid;
use weir::error::Kind;
use weir::lake::delta::{DeltaTable, TableSpec};
use weir::lake::ledger::{Entry, Ledger, fold as ledger_fold};
use weir::lake::state::TableState;
use weir::lake::{Answer, Commit, LakeTable, Logged, layout};
use weir::model::ledger::{CommitRecord, RangeRecord, Role};
use weir::store::Store;

use batch::{STREAM, bare, commit, open, partition, range, spec, spec_with};
pub use fold::{
    a_put_where_a_folded_commit_was_is_none, upkeep_keeps_both_logs_short,
    who_looks_and_seldom_commits_outlives_folds,
};

/// A test for each law, over the store that `$make` gives, with what must outlive it.
#[macro_export]
macro_rules! over {
    ($($law:ident)+; $make:expr) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $law() {
                let (store, _keep) = $make;
                $crate::suite::$law(&store).await;
            }
        )+
    };
}

/// A test for every law.
#[macro_export]
macro_rules! every_law {
    ($make:expr) => {
        $crate::over! {
            conditional_puts_are_kept
            of_racing_puts_one_wins
            commits_are_conditional_and_read_back
            of_racing_writers_one_wins_each_version
            ranges_with_different_skip_codes_are_read_back
            a_nullable_column_is_added_with_the_next_rows_and_others_are_refused
            a_local_time_is_added_to_a_table_that_had_none
            a_table_that_is_not_weirs_is_refused
            who_opens_a_table_lets_its_rejects_follow
            a_commit_that_is_gone_from_the_log_is_never_passed_over
            positions_outlive_the_folded_log
            a_sleeper_finds_its_way_after_a_fold
            upkeep_keeps_both_logs_short
            a_put_where_a_folded_commit_was_is_none
            who_looks_and_seldom_commits_outlives_folds
            a_checkpointed_table_loads_cold
            a_text_of_a_schema_never_changes
            instances_land_all_of_it_once
            ; $make
        }
    };
}

async fn put(table: &DeltaTable, at: u64, commit: &Commit) {
    let answer = table.try_commit(at, commit).await;
    assert!(
        matches!(answer, Answer::Committed(v) if v == at),
        "{answer:?}"
    );
}

fn log_path(version: u64) -> Path {
    format!("{}/{}", layout::data_table(STREAM), layout::commit(version)).into()
}

/// The records of the whole ledger.
async fn records(store: &Store) -> Vec<CommitRecord> {
    let ledger = Ledger::open(&store.objects(), &layout::data_table(STREAM)).await;
    let entries = ledger.unwrap().entries(u64::MAX);
    let entries: Vec<Entry> = entries.try_collect().await.unwrap();
    let commits = entries.into_iter().filter_map(|entry| match entry {
        Entry::Commit(commit) => commit.record,
        other => panic!("{other:?}"),
    });
    commits.collect()
}

fn logged(version: u64, commit: &Commit) -> Logged {
    Logged {
        version,
        batch: Some(commit.record.batch),
        instance: Some(commit.record.instance.clone()),
        rejects: commit.record.rejects.clone(),
        job: commit.record.job.clone(),
    }
}

pub async fn conditional_puts_are_kept(store: &Store) {
    store.probe_conditional_put().await.unwrap();
    let left: Vec<_> = store.objects().list(None).try_collect().await.unwrap();
    assert!(left.is_empty(), "the probe leaves {left:?}");
}

pub async fn of_racing_puts_one_wins(store: &Store) {
    for round in 0..5 {
        let path = Path::from(format!("race/{round}"));
        let puts = (0..8).map(|n: i32| {
            let (objects, path) = (store.objects(), path.clone());
            tokio::spawn(async move {
                let create = PutOptions::from(PutMode::Create);
                let put = objects.put_opts(&path, n.to_string().into(), create).await;
                (n, put)
            })
        });
        let mut winners = Vec::new();
        for put in futures::future::join_all(puts).await {
            match put.unwrap() {
                (n, Ok(_)) => winners.push(n),
                (_, Err(object_store::Error::AlreadyExists { .. })) => {}
                (_, Err(error)) => panic!("{error}"),
            }
        }
        let there = store.objects().get(&path).await.unwrap();
        let there = there.bytes().await.unwrap();
        assert_eq!(winners.len(), 1, "{winners:?}");
        assert_eq!(there, winners[0].to_string().as_bytes());
    }
}

pub async fn commits_are_conditional_and_read_back(store: &Store) {
    let (table, other) = (open(store).await.unwrap(), open(store).await.unwrap());
    assert_eq!(table.view().await.unwrap().version, 0);

    let start = commit(vec![range(0, 0, 0)], Vec::new(), Vec::new());
    put(&table, 1, &start).await;
    let first = batch::batch(store, &[(0, 0, 10)]).await.unwrap().commit;
    put(&table, 2, &first).await;
    let late = other.try_commit(2, &bare(0, 10)).await;
    assert!(matches!(late, Answer::Conflict), "{late:?}");

    let view = other.view().await.unwrap();
    assert_eq!(view.version, 2);
    assert_eq!(view.positions["kafka:c:t:0"], 10);
    assert_eq!(view.positions["weir:schema"], 1);
    assert_eq!(
        other.commits_since(0, 9).await.unwrap(),
        [logged(1, &start), logged(2, &first)]
    );
    assert_eq!(
        other.commits_since(0, 1).await.unwrap(),
        [logged(1, &start)]
    );
    assert_eq!(other.commits_since(2, 9).await.unwrap(), []);
    assert_eq!(records(store).await, [start.record, first.record]);

    let second = batch::batch(store, &[(0, 10, 20)]).await.unwrap().commit;
    put(&other, 3, &second).await;
    assert_eq!(table.follow_rejects().await.unwrap(), 3);
    assert_eq!(other.follow_rejects().await.unwrap(), 3);
    assert_eq!(rejects_files(store).await, 2);
}

/// Files that readers of the rejects table see.
async fn rejects_files(store: &Store) -> usize {
    let rejects = layout::rejects_table(STREAM);
    let state = TableState::load(store, &rejects, None).await.unwrap();
    state.files().await.unwrap().len()
}

pub async fn of_racing_writers_one_wins_each_version(store: &Store) {
    let mut tables = Vec::new();
    for _ in 0..4 {
        tables.push(open(store).await.unwrap());
    }
    for at in 1..=5 {
        let from = (at as i64 - 1) * 10;
        let commits: Vec<Commit> = (0..4).map(|_| bare(from, from + 10)).collect();
        let puts = tables.iter().zip(&commits);
        let puts = puts.map(|(table, commit)| table.try_commit(at, commit));
        let answers = futures::future::join_all(puts).await;
        let winners: Vec<usize> = (0..4)
            .filter(|i| matches!(answers[*i], Answer::Committed(v) if v == at))
            .collect();
        let [winner] = winners.as_slice() else {
            panic!("version {at}: {answers:?}");
        };
        for table in &tables {
            let seen = table.commits_since(at - 1, 9).await.unwrap();
            assert_eq!(seen, [logged(at, &commits[*winner])]);
        }
    }
}

pub async fn ranges_with_different_skip_codes_are_read_back(store: &Store) {
    let table = open(store).await.unwrap();
    let mut second = RangeRecord::starting_point("t", &partition(1), 0);
    let skips = vec![[0, 1], [4, 9]];
    second
        .skip_ranges
        .insert("empty_envelope".to_owned(), skips);
    let third = RangeRecord::starting_point("t", &partition(2), 0);
    let both = commit(vec![range(0, 0, 10), second, third], Vec::new(), Vec::new());
    put(&table, 1, &both).await;
    assert_eq!(records(store).await, [both.record]);
}

pub async fn a_nullable_column_is_added_with_the_next_rows_and_others_are_refused(store: &Store) {
    open(store).await.unwrap();
    let opened =
        async |spec: TableSpec| DeltaTable::open_or_create(store, STREAM, "test", spec).await;
    let table = open(store).await.unwrap();
    let recased = spec_with(vec![Field::new("N", DataType::Utf8, false)]);
    let refusals = table.admit(&recased.schema).await.unwrap();
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    let mut raised = bare(0, 10);
    raised.schema = Some(recased.schema);
    let answer = table.try_commit(1, &raised).await;
    assert!(
        matches!(&answer, Answer::Unknown(error) if error.kind() == Kind::Refused),
        "{answer:?}"
    );
    let partitioned = TableSpec {
        partition_columns: vec!["_weir_partition".to_owned()],
        ..spec()
    };
    let error = opened(partitioned).await.unwrap_err();
    assert!(error.to_string().contains("partitioned by"), "{error}");

    let wider = spec_with(vec![Field::new("later", DataType::Utf8, true)]);
    assert_eq!(table.admit(&wider.schema).await.unwrap(), [""; 0]);
    let mut rows = batch::batch(store, &[(0, 0, 10)]).await.unwrap().commit;
    rows.schema = Some(wider.schema);
    put(&table, 1, &rows).await;
    let text = store.objects().get(&log_path(1)).await.unwrap();
    let text = String::from_utf8(text.bytes().await.unwrap().to_vec()).unwrap();
    assert!(text.contains("\\\"name\\\":\\\"later\\\""), "{text}");
}

pub async fn a_commit_that_is_gone_from_the_log_is_never_passed_over(store: &Store) {
    let table = open(store).await.unwrap();
    for at in 1..=3 {
        let from = (at as i64 - 1) * 10;
        put(&table, at, &bare(from, from + 10)).await;
    }
    let sleeper = open(store).await.unwrap();
    for at in 4..=6 {
        let from = (at as i64 - 1) * 10;
        put(&table, at, &bare(from, from + 10)).await;
    }
    store.objects().delete(&log_path(5)).await.unwrap();
    for error in [
        sleeper.view().await.unwrap_err(),
        sleeper.commits_since(3, 9).await.unwrap_err(),
        open(store).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), Kind::Refused, "{error}");
        assert!(error.to_string().contains("commit 5"), "{error}");
    }
}

/// Commits so that a checkpoint is due, with an idle partition that only the first one names;
/// returns the ids of all batches, from version 1 on.
pub async fn long_log(table: &DeltaTable, to: u64) -> Vec<Uuid> {
    let mut batches = Vec::new();
    for at in 1..=to {
        let from = (at as i64 - 1) * 10;
        let mut next = bare(from, from + 10);
        if at == 1 {
            let idle = partition(7);
            next.positions.push((idle.app_id(), 42));
            let start = RangeRecord::starting_point("t", &idle, 42);
            next.record.ranges.push(start);
        }
        put(table, at, &next).await;
        table.follow_rejects().await.unwrap();
        table.upkeep().await.unwrap();
        batches.push(next.record.batch);
    }
    batches
}

pub async fn positions_outlive_the_folded_log(store: &Store) {
    let table = open(store).await.unwrap();
    let batches = long_log(&table, 105).await;
    let before = table.view().await.unwrap();
    assert_eq!(before.positions["kafka:c:t:7"], 42);
    assert_eq!(
        open(store).await.unwrap().view().await.unwrap(),
        before,
        "a cold start reads the checkpoint and the tail"
    );
    let folded = ledger_fold::fold(store, STREAM, 99).await.unwrap();
    assert_eq!(folded, [(0, 99)]);
    let there = store.objects().head(&log_path(50)).await;
    assert!(matches!(there, Err(object_store::Error::NotFound { .. })));

    let cold = open(store).await.unwrap();
    assert_eq!(cold.view().await.unwrap(), before);
    let seen = cold.commits_since(0, usize::MAX).await.unwrap();
    let versions: Vec<u64> = seen.iter().map(|commit| commit.version).collect();
    assert_eq!(versions, (1..=105).collect::<Vec<_>>());
    let ids: Vec<Uuid> = seen.iter().filter_map(|commit| commit.batch).collect();
    assert_eq!(ids, batches);
    put(&cold, 106, &bare(1050, 1060)).await;
    let positions = table.view().await.unwrap().positions;
    assert_eq!(positions["kafka:c:t:0"], 1060);
    assert_eq!(positions["kafka:c:t:7"], 42);
}

pub async fn a_sleeper_finds_its_way_after_a_fold(store: &Store) {
    let (table, sleeper) = (open(store).await.unwrap(), open(store).await.unwrap());
    let batches = long_log(&table, 103).await;
    ledger_fold::fold(store, STREAM, 100).await.unwrap();
    let seen = sleeper.commits_since(0, 2).await.unwrap();
    let ids: Vec<Uuid> = seen.iter().filter_map(|commit| commit.batch).collect();
    assert_eq!(ids, batches[..2]);
    let seen = sleeper.commits_since(99, 3).await.unwrap();
    let ids: Vec<Uuid> = seen.iter().filter_map(|commit| commit.batch).collect();
    assert_eq!(ids, batches[99..102]);
    assert_eq!(
        sleeper.view().await.unwrap(),
        table.view().await.unwrap(),
        "the log that it slept through is gone"
    );
    put(&sleeper, 104, &bare(1030, 1040)).await;
}

pub async fn a_checkpointed_table_loads_cold(store: &Store) {
    let table = open(store).await.unwrap();
    let rows = batch::batch(store, &[(0, 0, 10)]).await.unwrap().commit;
    put(&table, 1, &rows).await;
    for at in 2..=101 {
        put(&table, at, &bare(at as i64 * 10, at as i64 * 10 + 1)).await;
        table.upkeep().await.unwrap();
    }
    let objects = store.objects();
    for name in [
        "00000000000000000100.checkpoint.parquet",
        "00000000000000000100.crc",
    ] {
        let path = Path::from(format!("{}/_delta_log/{name}", layout::data_table(STREAM)));
        objects.head(&path).await.unwrap();
    }
    // What the checkpoint does not hold cannot be read any more.
    for version in 0..=100 {
        objects.delete(&log_path(version)).await.unwrap();
    }
    let state = TableState::load(store, &layout::data_table(STREAM), None).await;
    let state = state.unwrap();
    assert_eq!((state.version(), state.checkpoint()), (101, Some(100)));
    let files = state.files().await.unwrap();
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, [rows.files[0].path.as_str()]);
    assert_eq!(files[0].rows, Some(rows.files[0].rows));
    let cold = open(store).await.unwrap();
    assert_eq!(cold.view().await.unwrap(), table.view().await.unwrap());
}

pub async fn a_text_of_a_schema_never_changes(store: &Store) {
    let table = open(store).await.unwrap();
    table.publish_schema(1, "{}").await.unwrap();
    table.publish_schema(1, "{}").await.unwrap();
    let error = table.publish_schema(1, "[]").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Refused, "{error}");
    assert_eq!(table.schema_text(1).await.unwrap().as_deref(), Some("{}"));
    assert_eq!(table.schema_text(2).await.unwrap(), None);
}

pub async fn instances_land_all_of_it_once(store: &Store) {
    landing::instances(store, 3).await;
    landing::all_is_there_once(store).await;
}

pub async fn a_local_time_is_added_to_a_table_that_had_none(store: &Store) {
    let older = open(store).await.unwrap();
    put(&older, 1, &bare(0, 10)).await;
    let local = DataType::Timestamp(TimeUnit::Microsecond, None);
    let wider = spec_with(vec![Field::new("at", local, true)]);
    let table = open(store).await.unwrap();
    assert_eq!(table.admit(&wider.schema).await.unwrap(), [""; 0]);
    assert_eq!(
        table.view().await.unwrap().version,
        2,
        "the feature is a commit"
    );
    let mut rows = batch::batch(store, &[(0, 10, 20)]).await.unwrap().commit;
    rows.schema = Some(wider.schema);
    put(&table, 3, &rows).await;
    put(&older, 4, &bare(20, 30)).await;
    let state = TableState::load(store, &layout::data_table(STREAM), None).await;
    assert_eq!(state.unwrap().files().await.unwrap().len(), 1);
    let record = records(store).await.remove(1);
    assert_eq!((record.role, record.ranges.len()), (Role::Maintain, 0));
}

pub async fn a_table_that_is_not_weirs_is_refused(store: &Store) {
    let other = TableSpec {
        schema: Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)])),
        partition_columns: Vec::new(),
    };
    let error = DeltaTable::open_or_create(store, STREAM, "test", other).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), Kind::Refused, "{error}");
    assert!(error.to_string().contains("is not weir's"), "{error}");
    assert!(open(store).await.is_err());
}

pub async fn who_opens_a_table_lets_its_rejects_follow(store: &Store) {
    let table = open(store).await.unwrap();
    let rows = batch::batch(store, &[(0, 0, 10)]).await.unwrap().commit;
    put(&table, 1, &rows).await;
    assert_eq!(rejects_files(store).await, 0);
    open(store).await.unwrap();
    assert_eq!(rejects_files(store).await, 1);
}
