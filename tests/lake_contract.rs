//! The contract of `LakeTable`, held by the Delta implementation over every kind of store: local
//! disk and memory here, a real S3 server in `tests/real/lake.rs`.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test ends by a panic"
)]

#[path = "lake_contract/faulty.rs"]
mod faulty;
#[path = "lake_contract/suite.rs"]
mod suite;

use std::collections::BTreeMap;
use std::sync::Arc;

use object_store::memory::InMemory;
use url::Url;
use weir::lake::{Answer, LakeTable};
use weir::store::{self, Store};

use faulty::{Fault, Faulty, Op, Plan};

/// A folder as store, and what removes it.
fn local(fsync: bool) -> (Store, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let url = Url::from_directory_path(folder.path()).unwrap();
    let store = store::open(&url, &BTreeMap::new(), fsync).unwrap();
    (store, folder)
}

fn memory() -> (Store, ()) {
    let url = Url::parse("memory:///").unwrap();
    (Store::new(Arc::new(InMemory::new()), url).unwrap(), ())
}

mod on_local_disk {
    crate::every_law! { crate::local(false) }
}

mod on_synced_local_disk {
    crate::over! {
        commits_are_conditional_and_read_back
        of_racing_writers_one_wins_each_version
        ; crate::local(true)
    }
}

mod in_memory {
    crate::every_law! { crate::memory() }
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

/// A store in memory that goes wrong as `plan` says.
fn faulty(plan: Plan) -> (Store, Faulty) {
    let faulty = Faulty::new(Arc::new(InMemory::new()), plan);
    let url = Url::parse("memory:///").unwrap();
    let store = Store::new(Arc::new(faulty.clone()), url).unwrap();
    (store, faulty)
}

/// One instance lands all of it while `plan` is at work; returns its calls, and those that went
/// wrong.
async fn lands_once(plan: Plan) -> (u64, u64) {
    let (store, faulty) = faulty(plan);
    suite::landing::instance(&store, 1).await;
    let calls = faulty.calls();
    faulty.heal().await;
    suite::landing::all_is_there_once(&store).await;
    (calls, faulty.happened().values().sum())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_at_every_call() {
    let (calls, _) = lands_once(Plan::Never).await;
    let mut struck = 0;
    for at in 0..calls {
        for fault in Fault::ALL {
            let run = tokio::spawn(lands_once(Plan::At(at, fault)));
            let ended = run.await;
            struck += ended
                .unwrap_or_else(|e| panic!("{fault:?} at call {at}: {e}"))
                .1;
        }
    }
    println!("{struck} faults at {calls} calls");
    assert!(struck > 2 * calls, "{struck} faults at {calls} calls");
}

/// A checkpoint and a fold while `plan` is at work, from its first call on; returns the calls.
async fn folds_once(plan: impl FnOnce(u64) -> Plan) -> u64 {
    let (store, faulty) = faulty(Plan::Never);
    suite::landing::instance(&store, 1).await;
    let began = faulty.calls();
    faulty.plan(plan(began));
    let fold = async || {
        let table = suite::batch::open(&store).await?;
        let table = table.with_upkeep_every(4, 2).with_fold_every(1, 1);
        table.upkeep().await
    };
    let folded = fold().await;
    let calls = faulty.calls() - began;
    faulty.heal().await;
    // Amid it, and at its end.
    suite::landing::all_is_there_once(&store).await;
    if folded.is_err() {
        fold().await.unwrap();
        suite::landing::all_is_there_once(&store).await;
    }
    calls
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_at_every_call_of_a_fold() {
    let calls = folds_once(|_| Plan::Never).await;
    for at in 0..calls {
        for fault in Fault::ALL {
            let run = tokio::spawn(folds_once(move |began| Plan::At(began + at, fault)));
            let ended = run.await;
            ended.unwrap_or_else(|e| panic!("{fault:?} at call {at}: {e}"));
        }
    }
    println!("{calls} calls");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_in_each_others_way_while_all_goes_wrong() {
    let mut happened = std::collections::BTreeMap::new();
    for seed in 0..60 {
        let (store, faulty) = faulty(Plan::random(seed, 150));
        let run = tokio::spawn({
            let faulty = faulty.clone();
            async move {
                suite::landing::instances(&store, 3).await;
                faulty.heal().await;
                suite::landing::all_is_there_once(&store).await;
            }
        });
        run.await.unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        for (what, times) in faulty.happened() {
            *happened.entry(what).or_insert(0) += times;
        }
    }
    println!("{happened:?}");
    let often = happened.values().filter(|times| **times >= 5).count();
    assert!(often >= 16, "too seldom: {happened:?}");
}

/// `WEIR_COLD_COMMITS=5099` with `--release --nocapture` measures a table of that length.
async fn cold_start(store: &Store) {
    let commits = match std::env::var("WEIR_COLD_COMMITS") {
        Ok(text) => text.parse().unwrap(),
        Err(_) => 250,
    };
    let table = suite::batch::open(store).await.unwrap();
    suite::long_log(&table, commits).await;
    let began = std::time::Instant::now();
    let cold = suite::batch::open(store).await.unwrap();
    println!("opened at {commits} commits in {:?}", began.elapsed());
    assert_eq!(cold.view().await.unwrap(), table.view().await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cold_start_reads_a_checkpoint_and_the_tail() {
    let (store, faulty) = faulty(Plan::Never);
    cold_start(&store).await;
    let before = (faulty.count(Op::Get), faulty.count(Op::List));
    suite::batch::open(&store).await.unwrap();
    let gets = faulty.count(Op::Get) - before.0;
    let lists = faulty.count(Op::List) - before.1;
    println!("{gets} gets, {lists} listings");
    // The tail is at most 100 commits, which the kernel reads for its own ends too; the rejects
    // table trails by at most 200.
    assert!(gets <= 420 && lists <= 6, "{gets} gets, {lists} listings");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cold_start_on_local_disk() {
    let (store, _keep) = local(false);
    cold_start(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_that_two_put_at_once_is_tried_again() {
    let (store, faulty) = faulty(Plan::Never);
    let table = suite::batch::open(&store).await.unwrap();
    faulty.plan(Plan::At(faulty.calls(), Fault::Taken));
    let error = table.publish_schema(1, "{}").await.unwrap_err();
    assert!(error.is_outage(), "{error}");
    table.publish_schema(1, "{}").await.unwrap();
}

fn full() -> object_store::Error {
    object_store::Error::Generic {
        store: "LocalFileSystem",
        source: Box::new(std::io::Error::from(std::io::ErrorKind::StorageFull)),
    }
}

fn read_only() -> object_store::Error {
    object_store::Error::Generic {
        store: "LocalFileSystem",
        source: Box::new(std::io::Error::from(std::io::ErrorKind::ReadOnlyFilesystem)),
    }
}

fn denied() -> object_store::Error {
    object_store::Error::PermissionDenied {
        path: "a".to_owned(),
        source: "403".into(),
    }
}

fn no_bucket() -> object_store::Error {
    object_store::Error::NotFound {
        path: "a".to_owned(),
        source: "<Code>NoSuchBucket</Code>".into(),
    }
}

type Refusal = fn() -> object_store::Error;

/// What a person has to mend, and the words that say so.
const TROUBLES: [(Refusal, &str); 4] = [
    (full, "no space left"),
    (read_only, "read-only"),
    (denied, "check the key and the secret"),
    (no_bucket, "no such bucket"),
];

/// Each step says what to do about it, and is tried again: a person mends it in an hour or a day.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_refuses_is_waited_for_and_says_what_to_do() {
    for (refuse, words) in TROUBLES {
        let (store, faulty) = faulty(Plan::Never);
        let table = suite::batch::open(&store).await.unwrap();
        let rows = suite::batch::batch(&store, &[(0, 0, 10)]).await.unwrap();
        faulty.plan(Plan::Always(refuse));
        let put = match table.try_commit(1, &rows.commit).await {
            Answer::Unknown(error) => error,
            other => panic!("{other:?}"),
        };
        for error in [
            suite::batch::open(&store).await.unwrap_err(),
            table.view().await.unwrap_err(),
            table.follow_rejects().await.unwrap_err(),
            table.publish_schema(1, "{}").await.unwrap_err(),
            suite::batch::batch(&store, &[(0, 0, 10)])
                .await
                .unwrap_err(),
            put,
        ] {
            // A write to a bucket that went away looks to the kernel like a missing file.
            let file = error.to_string().contains("File not found");
            assert!(error.is_outage() || file, "{error:?}");
            assert!(error.to_string().contains(words) || file, "{error}");
        }
        faulty.heal().await;
        assert!(matches!(
            table.try_commit(1, &rows.commit).await,
            Answer::Committed(1)
        ));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_land_all_of_it_once_after_the_store_refused_for_long() {
    for (refuse, _) in TROUBLES {
        let (store, faulty) = faulty(Plan::Never);
        let lives = tokio::spawn({
            let store = store.clone();
            async move { suite::landing::instances(&store, 2).await }
        });
        for calls in [20, 60, 100] {
            while faulty.calls() < calls && !lives.is_finished() {
                tokio::task::yield_now().await;
            }
            faulty.plan(Plan::Always(refuse));
            let now = faulty.calls();
            while faulty.calls() < now + 40 && !lives.is_finished() {
                tokio::task::yield_now().await;
            }
            faulty.heal().await;
        }
        lives.await.unwrap();
        suite::landing::all_is_there_once(&store).await;
    }
}
