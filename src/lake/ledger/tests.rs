use bytes::Bytes;
use object_store::memory::InMemory;
use serde_json::json;

use super::*;
use crate::lake::ledger::segment::Folding;

async fn put(objects: &Arc<dyn ObjectStore>, path: &str, text: impl Into<Bytes>) {
    let path = Path::from(format!("t/{path}"));
    objects.put(&path, text.into().into()).await.unwrap();
}

/// A table of so many commits, without segments.
async fn table(commits: u64) -> Arc<dyn ObjectStore> {
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    for version in 0..commits {
        let line = json!({"commitInfo": {"timestamp": version}}).to_string();
        put(&objects, &layout::commit(version), line).await;
    }
    objects
}

/// Commits `0..=to` become a segment and leave the log.
async fn fold_away(objects: &Arc<dyn ObjectStore>, to: u64) {
    let mut folding = Folding::default();
    for version in 0..=to {
        folding.push(LoggedCommit {
            version,
            ..LoggedCommit::default()
        });
    }
    let segment = serde_json::to_vec(&folding.finish().unwrap()).unwrap();
    put(objects, &layout::ledger_segment(0, to), segment).await;
    fold::remove(objects, "t", 0..=to).await.unwrap();
}

/// What a reader comes to, in a word each.
async fn read_all(ledger: &Ledger) -> Vec<String> {
    let entries: Vec<Entry> = ledger.entries(u64::MAX).try_collect().await.unwrap();
    let told = entries.into_iter().map(|entry| match entry {
        Entry::Segment(segment) => format!("{}-{}", segment.from, segment.to),
        Entry::Commit(commit) => commit.version.to_string(),
        Entry::Left { version } => format!("left {version}"),
        other => panic!("{other:?}"),
    });
    told.collect()
}

#[tokio::test]
async fn a_commit_that_leaves_while_the_log_is_read_is_told() {
    let objects = table(6).await;
    let before = Ledger::open(&objects, "t").await.unwrap();
    let mut holding = before.clone();
    let mut late = before.clone();
    assert!(holding.hold(100).await.unwrap());
    assert!(before.still_stands().await.unwrap());
    fold_away(&objects, 2).await;
    assert!(!before.still_stands().await.unwrap());
    assert!(!late.hold(100).await.unwrap());
    let told = ["left 0", "left 1", "left 2", "3", "4", "5"];
    assert_eq!(read_all(&before).await, told);
    let held = ["0", "1", "2", "3", "4", "5"];
    assert_eq!(read_all(&holding).await, held);
    let after = Ledger::open(&objects, "t").await.unwrap();
    assert_eq!(read_all(&after).await, ["0-2", "3", "4", "5"]);
}

#[tokio::test]
async fn only_the_newest_commits_are_held() {
    let objects = table(6).await;
    let mut ledger = Ledger::open(&objects, "t").await.unwrap();
    assert!(ledger.hold(2).await.unwrap());
    fold_away(&objects, 4).await;
    let told = ["left 0", "left 1", "left 2", "left 3", "4", "5"];
    assert_eq!(read_all(&ledger).await, told);
}

#[tokio::test]
async fn instances_that_folded_to_different_versions_do_not_double_commits() {
    let objects = table(9).await;
    fold_away(&objects, 2).await;
    fold_away(&objects, 5).await;
    let ledger = Ledger::open(&objects, "t").await.unwrap();
    assert_eq!(read_all(&ledger).await, ["0-5", "6", "7", "8"]);
}
