//! Traces are the newest word on each partition, wherever it stands.

use super::Search;
use crate::model::ledger::RangeRecord;
use crate::model::position::{SourceId, SourcePartition};

fn partition(topic: &str, number: i32) -> SourcePartition {
    SourcePartition {
        source_id: SourceId::kafka("c", topic, 1),
        partition: number,
    }
}

fn range(of: &SourcePartition, id: Option<&str>, epoch: Option<i32>) -> RangeRecord {
    RangeRecord {
        topic_id: id.map(str::to_owned),
        leader_epoch: epoch,
        ..RangeRecord::starting_point("t", of, 0)
    }
}

#[test]
fn the_newest_word_counts() {
    let (a, b, other) = (partition("t", 0), partition("t", 1), partition("u", 0));
    let mut search = Search::new(&[a.clone(), b.clone()], true);
    search.see(&range(&other, Some("x"), Some(9)));
    search.see(&range(&a, None, Some(3)));
    assert!(!search.is_done());
    search.see(&range(&a, Some("old"), Some(2)));
    search.see(&range(&b, Some("older"), None));
    assert!(search.is_done());
    assert_eq!(search.traces.topic_ids.len(), 1);
    assert_eq!(search.traces.topic_ids[&a.source_id], "old");
    assert_eq!(search.traces.leader_epochs.len(), 1);
    assert_eq!(search.traces.leader_epochs[&a], 3);
}

#[test]
fn without_ids_it_ends_sooner() {
    let a = partition("t", 0);
    let mut search = Search::new(std::slice::from_ref(&a), false);
    search.see(&range(&a, None, None));
    assert!(search.is_done());
}
