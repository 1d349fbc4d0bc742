use super::*;

fn range(from: i64, to: i64, leader_epoch: Option<i32>) -> RangeRecord {
    let partition = SourcePartition {
        source_id: SourceId::kafka("c", "t", 1),
        partition: 0,
    };
    RangeRecord {
        to,
        leader_epoch,
        ..RangeRecord::starting_point("t", &partition, from)
    }
}

#[test]
fn a_joined_range_has_the_epoch_of_its_last_position() {
    let joined = |next: RangeRecord| {
        let mut range = range(0, 10, Some(3));
        range.join(next);
        range.leader_epoch
    };
    assert_eq!(joined(range(10, 20, Some(4))), Some(4));
    assert_eq!(
        joined(range(10, 10, None)),
        Some(3),
        "an empty range says nothing"
    );
    // A loss, written down: nobody read the message at 19.
    assert_eq!(joined(range(10, 20, None)), None);
}
