use std::time::Duration;

use super::*;
use crate::model::position::{SourceId, SourcePartition};
use crate::pipeline::flow::tests::plan;

/// Newer versions were looked for long before, so that an unknown field waits.
const MOMENT: Moment = Moment {
    seen: Tick(Duration::from_secs(2)),
    looked: Tick(Duration::from_secs(1)),
    now: Micros(0),
    at: Tick(Duration::from_secs(2)),
};

fn run() -> Arc<Run> {
    let source = SourcePartition {
        source_id: SourceId::kafka("c", "t", 1),
        partition: 0,
    };
    Arc::new(Run::new(0, "t".into(), source, None, 1, 1))
}

/// A block of these values from offset `from` on, the last of which is of that epoch.
fn block(from: i64, leader_epoch: i32, values: &[&str]) -> RawBlock {
    let mut block = RawBlock {
        from,
        to: from + values.len() as i64,
        leader_epoch: Some(leader_epoch),
        ..RawBlock::default()
    };
    for (offset, value) in (from..).zip(values) {
        let value = Some(block.push_bytes(value.as_bytes()));
        block.messages.push(RawMessage {
            offset,
            timestamp_ms: 0,
            key: None,
            value,
        });
    }
    block
}

/// Where the one range of the batch ends, and in which epoch.
fn end(batch: &OpenBatch) -> (i64, Option<i32>) {
    let [range] = &batch.ranges[..] else {
        panic!("{:?}", batch.ranges);
    };
    (range.range.to, range.range.leader_epoch)
}

#[test]
fn a_range_is_of_the_epoch_of_its_last_message_and_not_of_one_that_waits() {
    const KNOWN: &str = r#"{"a": 1}"#;
    const UNKNOWN: &str = r#"{"a": 1, "b": 2}"#;
    let budget = Budget::new(1 << 20);
    let run = run();
    let mut batch = OpenBatch::new(plan(1), &budget);
    let take = |batch: &mut OpenBatch, block: &RawBlock| {
        let taken = batch.append(&run, block, 0, MOMENT).unwrap();
        if taken == Taken::All {
            run.took(block);
        }
        taken
    };
    let waits = |at| Taken::Waits {
        at,
        on: WaitsFor::Look,
    };
    // The epoch of a part of a block is not known before one was judged to its end.
    let first = block(0, 5, &[KNOWN, UNKNOWN]);
    assert_eq!(take(&mut batch, &first), waits(1));
    assert_eq!(end(&batch), (1, None));
    batch.clear(&budget);
    assert_eq!(take(&mut batch, &block(0, 5, &[KNOWN, KNOWN])), Taken::All);
    assert_eq!(end(&batch), (2, Some(5)));
    // Another leader, whose first message waits.
    assert_eq!(take(&mut batch, &block(2, 6, &[UNKNOWN])), waits(0));
    assert_eq!(end(&batch), (2, Some(5)));
    // The block ends in the epoch that the one before it ended in, or in another.
    let same = block(2, 5, &[KNOWN, UNKNOWN, KNOWN]);
    assert_eq!(take(&mut batch, &same), waits(1));
    assert_eq!(end(&batch), (3, Some(5)));
    batch.clear(&budget);
    let other = block(2, 6, &[KNOWN, UNKNOWN, KNOWN]);
    assert_eq!(take(&mut batch, &other), waits(1));
    assert_eq!(end(&batch), (3, None));
}
