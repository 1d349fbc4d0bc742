use super::*;

#[derive(Debug)]
struct Anything;

impl BlockSink for Anything {
    fn has_room(&self) -> bool {
        true
    }

    fn offer(&self, _: &TopicPartition, _: u64, _: RawBlock) -> Result<(), RawBlock> {
        Ok(())
    }
}

fn reading(from: i64) -> Reading {
    Reading {
        partition: TopicPartition {
            topic: "t".into(),
            partition: 0,
        },
        sink: Arc::new(Anything),
        header: None,
        generation: 1,
        open: RawBlock {
            from,
            to: from,
            ..RawBlock::default()
        },
        waiting: None,
        usual: (0, 0),
        before: None,
        is_placed: false,
        is_broken: false,
    }
}

#[test]
fn an_old_position_settles_nothing() {
    let mut reading = reading(4000);
    // Of the reading before, which was ahead.
    reading.look_at_position(Some(5000));
    assert_eq!(reading.open.to, 4000);
    reading.look_at_position(None);
    assert_eq!(reading.open.to, 4000);
    // Of this one, behind a marker.
    reading.look_at_position(Some(4001));
    assert_eq!(reading.open.to, 4001);
    reading.look_at_position(Some(3999));
    assert_eq!(reading.open.to, 4001, "positions move forward only");
}

#[test]
fn the_position_behind_an_error_settles_nothing() {
    let mut reading = reading(10);
    reading.look_at_position(None);
    let (mut told, mut sought) = (Vec::new(), Vec::new());
    reading.fail(
        RDKafkaErrorCode::TopicAuthorizationFailed,
        &mut |event| told.push(event),
        &mut |_, offset| sought.push(offset),
    );
    assert!(matches!(told[..], [Event::Trouble { .. }]), "{told:?}");
    assert_eq!(sought, [10]);
    // librdkafka counts the error as a message.
    reading.look_at_position(Some(11));
    assert_eq!(reading.open.to, 10);
    reading.look_at_position(None);
    reading.look_at_position(Some(12));
    assert_eq!(reading.open.to, 12);
}

#[test]
fn nothing_is_settled_behind_a_fault() {
    for (error, wanted) in [
        (
            RDKafkaErrorCode::AutoOffsetReset,
            PartitionFault::OutOfRange,
        ),
        (RDKafkaErrorCode::LogTruncation, PartitionFault::Truncated),
    ] {
        let mut reading = reading(10);
        let mut told = Vec::new();
        reading.fail(error, &mut |event| told.push(event), &mut |_, _| {
            panic!("a fault is for the stream to look at")
        });
        assert!(
            matches!(&told[..], [Event::Fault { fault, generation: 1, .. }] if *fault == wanted),
            "{told:?}"
        );
        reading.look_at_position(None);
        reading.look_at_position(Some(11));
        assert_eq!(reading.open.to, 10);
    }
}

#[test]
fn the_message_before_the_first_tells_a_log_that_was_cut_off() {
    let first = |before, offset, epoch| {
        let mut reading = Reading {
            before,
            ..reading(10)
        };
        let told = reading.contradicts(offset, epoch);
        assert!(!reading.contradicts(9, Some(99)), "it is looked at once");
        told
    };
    assert!(!first(Some(3), 9, Some(3)));
    assert!(first(Some(3), 9, Some(4)), "written by a later leader");
    assert!(first(Some(3), 9, Some(2)), "of a log that was restored");
    // Compaction took it, or it was a marker: nothing can be told.
    assert!(!first(Some(3), 10, Some(4)));
    assert!(!first(Some(3), 9, None));
    assert!(!first(None, 9, Some(4)));
}
