//! The log that upkeep keeps short, under instances that come back to it late.

use std::sync::Arc;

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore as _, ObjectStoreExt};
use weir::lake::delta::DeltaTable;
use weir::lake::verify::verify;
use weir::lake::{Answer, LakeTable, layout};
use weir::store::Store;

use super::batch::{self, STREAM, bare, commit, open, range};

/// Commits between two folds, and those that stay.
const FOLD: (usize, u64) = (20, 10);

/// Commits between two checkpoints.
const CHECKPOINT: u64 = 5;

/// A table whose log is kept short; a new one begins with its starting point.
async fn short(store: &Store) -> DeltaTable {
    let table = open(store).await.unwrap();
    if table.view().await.unwrap().version == 0 {
        let start = commit(vec![range(0, 0, 0)], Vec::new(), Vec::new());
        let answer = table.try_commit(1, &start).await;
        assert!(matches!(answer, Answer::Committed(1)), "{answer:?}");
    }
    table
        .with_upkeep_every(CHECKPOINT, 2)
        .with_fold_every(FOLD.0, FOLD.1)
}

/// Lands `[from, to)` of partition 0, ten positions a commit, with files; upkeep after each.
async fn land(store: &Store, table: &DeltaTable, from: i64, to: i64) {
    for at in (from..to).step_by(10) {
        let ready = batch::batch(store, &[(0, at, at + 10)]).await.unwrap();
        let version = table.view().await.unwrap().version + 1;
        let answer = table.try_commit(version, &ready.commit).await;
        assert!(
            matches!(answer, Answer::Committed(v) if v == version),
            "{answer:?}"
        );
        table.follow_rejects().await.unwrap();
        table.upkeep().await.unwrap();
    }
}

/// Names in the log of `table`.
async fn log(store: &Store, table: &str) -> Vec<String> {
    let folder = Path::from(format!("{table}/_delta_log"));
    let objects = store.objects();
    let all = objects.list(Some(&folder)).map_ok(|meta| meta.location);
    let all: Vec<Path> = all.try_collect().await.unwrap();
    all.iter()
        .map(|path| path.filename().unwrap().to_owned())
        .collect()
}

pub async fn upkeep_keeps_both_logs_short(store: &Store) {
    let table = short(store).await;
    land(store, &table, 0, 1000).await;
    for name in [layout::data_table(STREAM), layout::rejects_table(STREAM)] {
        let names = log(store, &name).await;
        let commits = names.iter().filter_map(|name| layout::commit_version(name));
        let most = FOLD.0 as u64 + FOLD.1 + 2 * CHECKPOINT;
        let (count, first) = (commits.clone().count() as u64, commits.min().unwrap());
        assert!((FOLD.1..most).contains(&count), "{count} commits in {name}");
        let derived = names
            .iter()
            .filter_map(|name| layout::derived_version(name));
        assert!(derived.clone().all(|at| at + 1 >= first), "{names:?}");
        assert!((derived.count() as u64) < most, "{names:?}");
        assert!(
            names
                .iter()
                .filter_map(|name| layout::checkpoint_version(name))
                .count()
                >= 2
        );
    }
    let report = verify(store, STREAM, Arc::new(|_| {})).await.unwrap();
    assert!(report.ok, "{:#?}", report.findings);
    assert_eq!((report.sources[0].from, report.sources[0].to), (0, 1000));
    let cold = open(store).await.unwrap();
    assert_eq!(cold.view().await.unwrap(), table.view().await.unwrap());
    assert_eq!(cold.commits_since(1, 1000).await.unwrap().len(), 100);
}

pub async fn a_put_where_a_folded_commit_was_is_none(store: &Store) {
    let table = short(store).await;
    land(store, &table, 0, 50).await;
    let sleeper = short(store).await;
    let at = sleeper.view().await.unwrap().version + 1;
    land(store, &table, 50, 500).await;
    let late = batch::batch(store, &[(0, 50, 60)]).await.unwrap().commit;
    let answer = sleeper.try_commit(at, &late).await;
    assert!(
        matches!(&answer, Answer::Unknown(error) if error.is_outage()),
        "{answer:?}"
    );
    // It is in the store, and nobody takes it for a commit.
    let left = Path::from(format!(
        "{}/{}",
        layout::data_table(STREAM),
        layout::commit(at)
    ));
    store.objects().head(&left).await.unwrap();
    for who in [&sleeper, &table, &short(store).await] {
        assert_eq!(who.view().await.unwrap().positions["kafka:c:t:0"], 500);
        let seen = who.commits_since(at - 1, 1).await.unwrap();
        assert_ne!(seen[0].batch, Some(late.record.batch));
        let seen = who.commits_since(0, 1000).await.unwrap();
        assert!(
            seen.iter()
                .all(|commit| commit.batch != Some(late.record.batch))
        );
    }
    let report = verify(store, STREAM, Arc::new(|_| {})).await.unwrap();
    assert!(report.ok, "{:#?}", report.findings);
    land(store, &sleeper, 500, 900).await;
    let there = store.objects().head(&left).await;
    assert!(
        matches!(there, Err(object_store::Error::NotFound { .. })),
        "the next fold takes it"
    );
    let report = verify(store, STREAM, Arc::new(|_| {})).await.unwrap();
    assert!(report.ok, "{:#?}", report.findings);
}

pub async fn who_looks_and_seldom_commits_outlives_folds(store: &Store) {
    let (table, idle) = (short(store).await, short(store).await);
    for from in (0..1500).step_by(500) {
        land(store, &table, from, from + 490).await;
        for at in (from..from + 490).step_by(100) {
            let _ = (at, idle.view().await.unwrap());
        }
        let version = idle.view().await.unwrap().version + 1;
        let answer = idle
            .try_commit(version, &bare(from + 490, from + 500))
            .await;
        assert!(matches!(answer, Answer::Committed(_)), "{answer:?}");
        idle.upkeep().await.unwrap();
    }
    assert_eq!(idle.view().await.unwrap(), table.view().await.unwrap());
}
