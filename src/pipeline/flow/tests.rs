use std::collections::BTreeMap;

use super::*;
use crate::config::{Category, Flush, UnknownFields};
use crate::model::ledger::Cut;
use crate::pipeline::budget::{Budget, Stage};
use crate::schema::parse::parse;

/// The plan of a stream at a version.
pub(in crate::pipeline) fn plan(version: u32) -> Arc<StreamPlan> {
    let text = r#"{"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}]}"#;
    let stream = Stream {
        name: "s".to_owned(),
        source: "s".to_owned(),
        object: "o".to_owned(),
        category: Category::Other,
        schema: Arc::new(parse("r", version, text, false).unwrap()),
        origin: crate::config::Origin::Folder {
            subject: "a".to_owned(),
            version: None,
        },
        nanos_as_long: false,
        names: BTreeMap::new(),
        primary_key: vec!["a".to_owned()],
        event_time: None,
        partition_by: Vec::new(),
        unknown_fields: UnknownFields::Reject,
        topics: None,
        bulk: None,
        flush: Flush {
            max_age: Duration::from_secs(1),
            max_rows: 1,
            max_bytes: 1,
        },
    };
    Arc::new(StreamPlan::new(
        Arc::new(stream),
        100,
        crate::pipeline::writers::WriterSource::None,
    ))
}

/// The flow of a stream at its first version.
pub(in crate::pipeline) fn flow() -> Arc<Flow> {
    Arc::new(Flow::new(0, plan(1)).0)
}

fn batch(plan: &Arc<StreamPlan>) -> EncodedBatch {
    EncodedBatch {
        plan: plan.clone(),
        cut: Cut::Age,
        ranges: Vec::new(),
        files: Vec::new(),
        data_files: 0,
        rejects: None,
        codes: BTreeMap::new(),
        source_bytes: 0,
        oldest_ms: None,
        charge: Budget::new(1).charge(Stage::Encoded, 0),
    }
}

fn versions(batches: &mut mpsc::Receiver<CutBatch>) -> Vec<u32> {
    std::iter::from_fn(|| batches.try_recv().ok().map(|b| b.version())).collect()
}

#[test]
fn a_batch_waits_while_an_older_one_is_open() {
    let (flow, mut batches) = Flow::new(0, plan(1));
    let flow = Arc::new(flow);
    let ((one, first), (_, second)) = (flow.open(), flow.open());
    flow.take_up(plan(2));
    assert!(!flow.is_in_force(&one));
    let (two, third) = flow.open();
    flow.send(third, 1, batch(&two));
    flow.send(first, 1, batch(&one));
    assert_eq!(versions(&mut batches), [1], "the other one is open yet");
    flow.take_up(plan(3));
    let (three, fourth) = flow.open();
    flow.send(fourth, 1, batch(&three));
    assert_eq!(versions(&mut batches), [0; 0]);
    flow.send(second, 1, batch(&one));
    assert_eq!(versions(&mut batches), [1, 2, 3]);
}

#[test]
fn a_batch_that_is_dropped_holds_up_no_other() {
    let (flow, mut batches) = Flow::new(0, plan(1));
    let flow = Arc::new(flow);
    let (_, older) = flow.open();
    flow.take_up(plan(2));
    let (two, newer) = flow.open();
    flow.send(newer, 1, batch(&two));
    assert_eq!(versions(&mut batches), [0; 0]);
    drop(older);
    assert_eq!(versions(&mut batches), [2]);
}

#[test]
fn a_verdict_waits_for_a_look_that_began_later() {
    let (flow, _batches) = Flow::new(0, plan(1));
    let at = |seconds| Tick(Duration::from_secs(seconds));
    assert!(flow.has_looked_since(at(9)), "nothing can change");
    flow.note_look(at(5));
    assert!(flow.has_looked_since(at(4)));
    assert!(!flow.has_looked_since(at(5)));
    assert!(!flow.has_looked_since(at(6)));
}

#[test]
fn the_last_lane_of_a_flush_waits_for_no_other() {
    let (flow, mut batches) = Flow::new(0, plan(1));
    let flow = Arc::new(flow);
    let ((plan, first), (_, second), (_, third)) = (flow.open(), flow.open(), flow.open());
    let mut cut = |mark| {
        flow.send(mark, 1, batch(&plan));
        batches.try_recv().unwrap().has_siblings
    };
    assert!(!first.joins_flush());
    flow.flush(&first);
    assert!(first.joins_flush());
    assert!(cut(first), "two lanes are to follow");
    // The first lane goes on with its next batch, of which nothing is due.
    let (_, next) = flow.open();
    flow.flush(&second);
    assert!(
        !next.joins_flush(),
        "the second lane's age is of the same flush"
    );
    assert!(cut(second), "the third is to follow");
    assert!(!cut(third), "none is to follow");
    flow.flush(&next);
    assert!(!cut(next));
}
