//! Instances that land the same partitions over one store, as the daemon does: by the committer,
//! from the table's positions. Whatever the store does, nothing is lost and nothing is doubled.

use std::collections::HashSet;
use std::sync::Arc;

use futures::TryStreamExt;
use uuid::Uuid;
use weir::clock::{Clock, Micros};
use weir::lake::delta::DeltaTable;
use weir::lake::ledger::{Entry, Ledger};
use weir::lake::verify::verify;
use weir::lake::{LakeTable, ReadyBatch, layout};
use weir::pipeline::commit::{Committer, Landing};
use weir::shutdown;
use weir::store::Store;

use super::batch::{self, STREAM, range, record};

/// Partitions.
const PARTITIONS: i32 = 2;

/// Where each partition's log ends.
pub const END: i64 = 30;

/// Positions of a batch.
const LENGTH: i64 = 10;

/// What may go wrong before it is taken for an endless loop.
const TRIES: u32 = 500;

/// Upkeep every few commits, so that it is in the way too.
const UPKEEP: (u64, u64) = (3, 2);

/// Two commits leave the log as soon as two newer ones are there, so that writers and readers that
/// have just looked at it find it gone.
const FOLD: (usize, u64) = (2, 2);

/// Tries until it works. A macro, since an async closure's future is not seen to be `Send`.
macro_rules! persist {
    ($attempt:expr) => {{
        let mut tries = 0;
        loop {
            match $attempt.await {
                Ok(done) => break done,
                Err(error) => assert!(tries < TRIES, "it never works: {error}"),
            }
            tries += 1;
            tokio::task::yield_now().await;
        }
    }};
}

/// So many instances at once, all of which read the same partitions.
pub async fn instances(store: &Store, count: u64) {
    let lives = (0..count).map(|seed| {
        let store = store.clone();
        tokio::spawn(async move { instance(&store, seed).await })
    });
    for life in futures::future::join_all(lives).await {
        life.unwrap();
    }
}

/// One life of an instance: it reads what the table has not, until all of it is there.
pub async fn instance(store: &Store, seed: u64) {
    let opened = persist!(batch::open(store));
    let table = opened
        .with_upkeep_every(UPKEEP.0, UPKEEP.1)
        .with_fold_every(FOLD.0, FOLD.1);
    let table = Arc::new(table);
    let (_trigger, stop) = shutdown::channel();
    let clock = Clock::manual(Micros(1_700_000_000_000_000));
    let committer = Committer::new(table.clone(), clock, stop, seed);
    committer.know_schema(1, "{}");
    for _ in 0..TRIES {
        if read_and_land(store, &table, &committer).await {
            return;
        }
    }
    panic!("it does not come to an end");
}

/// From the table's positions to the end, or to where it is fenced or gives up.
async fn read_and_land(store: &Store, table: &DeltaTable, committer: &Committer) -> bool {
    let starts = (0..PARTITIONS).map(|n| range(n, 0, 0)).collect();
    let Ok(positions) = committer.start(&record(starts, Vec::new())).await else {
        return false;
    };
    let mut positions: Vec<(i32, i64)> = positions
        .into_iter()
        .map(|(partition, at)| (partition.partition, at))
        .collect();
    loop {
        let ranges: Vec<(i32, i64, i64)> = positions
            .iter()
            .filter(|(_, at)| *at < END)
            .map(|(n, at)| (*n, *at, (at + LENGTH).min(END)))
            .collect();
        if ranges.is_empty() {
            return true;
        }
        let ready = persist!(batch::batch(store, &ranges));
        if !lands(table, committer, &ready).await {
            return false;
        }
        positions = ranges.iter().map(|(n, _, to)| (*n, *to)).collect();
    }
}

async fn lands(table: &DeltaTable, committer: &Committer, ready: &ReadyBatch) -> bool {
    match committer.land(ready).await {
        Landing::Committed { .. } | Landing::AlreadyCommitted { .. } => {
            // Either may fail; whoever comes next does it.
            let _ = table.follow_rejects().await;
            let _ = table.upkeep().await;
            true
        }
        Landing::Fenced { .. } | Landing::GaveUp(_) => false,
        other => panic!("{other:?}"),
    }
}

/// Holds what is in the store, which is well again, against the laws.
pub async fn all_is_there_once(store: &Store) {
    let table = batch::open(store).await.unwrap();
    let view = table.view().await.unwrap();
    table.follow_rejects().await.unwrap();
    let report = verify(store, STREAM, Arc::new(|_| {})).await.unwrap();
    assert!(report.ok, "{:#?}", report.findings);
    for source in &report.sources {
        assert_eq!((source.from, source.to), (0, END), "{source:?}");
        assert_eq!(source.read + source.holes, END, "{source:?}");
    }
    assert_eq!(report.sources.len(), PARTITIONS as usize);
    let ledger = Ledger::open(&store.objects(), &layout::data_table(STREAM)).await;
    let entries = ledger.unwrap().entries(u64::MAX);
    let entries: Vec<Entry> = entries.try_collect().await.unwrap();
    let commits: Vec<(u64, Option<Uuid>)> = entries.into_iter().flat_map(commits_of).collect();
    let versions: Vec<u64> = commits.iter().map(|(version, _)| *version).collect();
    assert_eq!(versions, (0..=view.version).collect::<Vec<_>>());
    let mut batches = HashSet::new();
    for batch in commits.into_iter().filter_map(|(_, batch)| batch) {
        assert!(batches.insert(batch), "{batch} twice");
    }
}

fn commits_of(entry: Entry) -> Vec<(u64, Option<Uuid>)> {
    match entry {
        Entry::Commit(commit) => vec![(commit.version, commit.record.map(|r| r.batch))],
        Entry::Segment(segment) => {
            let commits = segment.commits.into_iter();
            commits.map(|c| (c.version, c.batch)).collect()
        }
        other => panic!("{other:?}"),
    }
}
