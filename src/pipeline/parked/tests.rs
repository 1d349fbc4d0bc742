use super::*;
use crate::model::position::{SourceId, SourcePartition};
use crate::model::raw::RawMessage;
use crate::pipeline::budget::{Budget, Stage};
use crate::pipeline::decode::framing::Writer;
use crate::pipeline::flow::tests::flow;
use crate::schema::registry::WriterKey;

const WRITER: Writer = Writer::Key(WriterKey::Id(7));

fn run(partition: i32) -> Arc<Run> {
    let source = SourcePartition {
        source_id: SourceId::kafka("c", "t", 1),
        partition,
    };
    Arc::new(Run::new(0, "t".into(), source, None, 1, 1))
}

/// A block of ten messages from `from` on, of which the first `judged` are judged.
fn block(run: &Arc<Run>, from: i64, judged: usize, leader_epoch: i32) -> Queued {
    let message = |offset| RawMessage {
        offset,
        timestamp_ms: 0,
        key: None,
        value: None,
    };
    Queued {
        run: run.clone(),
        block: RawBlock {
            from,
            to: from + 10,
            leader_epoch: Some(leader_epoch),
            messages: (from..from + 10).map(message).collect(),
            ..RawBlock::default()
        },
        from: judged,
        seen: Tick::default(),
        waits: Some((WaitsFor::Writer(WRITER), Tick::default())),
        charge: Budget::new(1).charge(Stage::Queue, 0),
    }
}

#[test]
fn partitions_pass_by_each_other_and_blocks_of_one_do_not() {
    let flow = flow();
    let (one, two) = (run(1), run(2));
    let mut parked = Parked::default();
    for (run, from) in [(&one, 0), (&one, 10), (&two, 0), (&one, 20)] {
        parked.push(block(run, from, 0, 5), flow.wait());
    }
    assert_eq!(flow.waiting(), 4);
    let heads = |parked: &Parked| {
        let mut at = 0;
        let mut heads = Vec::new();
        while let Some(next) = parked.first_of_its_run(at) {
            heads.push(next);
            at = next + 1;
        }
        heads
    };
    assert_eq!(heads(&parked), [0, 2]);
    // One that has to wait on stays in front of those behind it.
    let (queued, waiting) = parked.take(0).unwrap();
    assert_eq!(heads(&parked), [0, 1]);
    parked.put(0, queued, waiting);
    assert_eq!(heads(&parked), [0, 2]);
    assert!(parked.has(&one) && parked.has(&two));

    let paused = parked.take_run(0).unwrap();
    assert!(Arc::ptr_eq(&paused.run, &one));
    assert_eq!((paused.offset, paused.to), (0, 30));
    assert!(!parked.has(&one) && parked.has(&two));
    assert_eq!(flow.waiting(), 1);
}

#[test]
fn a_reading_goes_on_behind_its_last_judged_message() {
    let flow = flow();
    let one = run(1);
    let paused = |one: &Arc<Run>, judged, leader_epoch| {
        let mut parked = Parked::default();
        parked.push(block(one, 50, judged, leader_epoch), flow.wait());
        let paused = parked.take_run(0).unwrap();
        (paused.offset, paused.to, paused.leader_epoch)
    };
    // Which epoch the message before is of is not known before a block was judged.
    assert_eq!(paused(&one, 0, 5), (50, 60, None));
    one.took(&block(&one, 40, 10, 4).block);
    assert_eq!(paused(&one, 0, 5), (50, 60, Some(4)));
    assert_eq!(paused(&one, 3, 4), (53, 60, Some(4)));
    assert_eq!(paused(&one, 3, 5), (53, 60, None));
}

#[test]
fn a_paused_reading_takes_the_block_that_it_goes_on_with() {
    let one = run(1);
    assert_eq!(one.seen_before(), None);
    let at = Tick(Duration::from_secs(9));
    one.pause(53, 80, at);
    // Under way when it paused.
    for from in [60, 70] {
        assert!(!one.takes(&block(&one, from, 0, 5).block));
    }
    assert!(one.takes(&block(&one, 53, 0, 5).block));
    assert!(one.takes(&block(&one, 63, 0, 5).block));
    assert_eq!(one.seen_before(), Some((80, at)));
}

#[test]
fn a_look_that_stays_away_pauses_the_partition() {
    let flow = flow();
    let at = |seconds| Tick(Duration::from_secs(seconds));
    flow.note_look(at(1));
    let one = run(1);
    let mut parked = Parked::default();
    let queued = Queued {
        seen: at(2),
        waits: Some((WaitsFor::Look, at(2))),
        ..block(&one, 0, 3, 5)
    };
    parked.push(queued, flow.wait());
    assert!(matches!(parked.look(0, &flow, at(6)), Waits::On));
    let paused = parked.look(0, &flow, at(7));
    assert!(matches!(paused, Waits::TooLong(WaitsFor::Look)));
    flow.note_look(at(3));
    assert!(matches!(parked.look(0, &flow, at(7)), Waits::NoMore));
}
