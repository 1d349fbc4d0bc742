use super::*;
use crate::model::ledger::{Cut, RECORD_VERSION, RangeRecord, Role};

fn partition(n: i32) -> SourcePartition {
    SourcePartition {
        source_id: SourceId::kafka("c", "orders", 1),
        partition: n,
    }
}

fn record(batch: u128, ranges: &[(i32, i64, i64)], schema: Option<u32>) -> CommitRecord {
    let ranges = ranges.iter().map(|(p, from, to)| RangeRecord {
        to: *to,
        read: to - from,
        accepted: to - from,
        ..RangeRecord::starting_point("orders", &partition(*p), *from)
    });
    CommitRecord {
        version: RECORD_VERSION,
        role: Role::Data,
        batch: Uuid::from_u128(batch),
        instance: "i".into(),
        cut: Some(Cut::Age),
        schema,
        ranges: ranges.collect(),
        rejects: Vec::new(),
        job: None,
        reason: None,
    }
}

fn view(version: u64, positions: &[(i32, i64)], schema: Option<u32>) -> View {
    let mut positions: std::collections::HashMap<_, _> = positions
        .iter()
        .map(|(p, at)| (partition(*p).app_id(), *at))
        .collect();
    if let Some(schema) = schema {
        positions.insert(APP_ID_SCHEMA.to_owned(), i64::from(schema));
    }
    View { version, positions }
}

fn logged(version: u64, record: Option<&CommitRecord>) -> Logged {
    Logged {
        version,
        batch: record.map(|record| record.batch),
        instance: None,
        rejects: Vec::new(),
        job: None,
    }
}

fn moved_of(verdict: Verdict) -> Vec<(i32, i64, Option<i64>)> {
    match verdict {
        Verdict::Fenced { moved } => moved
            .into_iter()
            .map(|m| (m.partition.partition, m.expected, m.found))
            .collect(),
        other => panic!("not fenced but {other:?}"),
    }
}

#[test]
fn a_batch_that_follows_on_is_committed_above_the_view() {
    let claim = Claim::of(&record(1, &[(0, 5, 9), (1, 0, 3)], Some(1)));
    let verdict = judge(&claim, &view(7, &[(0, 5), (1, 0), (2, 44)], Some(1)), &[]);
    assert_eq!(verdict, Verdict::Commit { at: 8 });
}

#[test]
fn one_moved_partition_fences_the_whole_batch() {
    let claim = Claim::of(&record(1, &[(0, 5, 9), (1, 0, 3)], Some(1)));
    for found in [4, 6, 9] {
        let verdict = judge(&claim, &view(7, &[(0, found), (1, 0)], None), &[]);
        assert_eq!(moved_of(verdict), [(0, 5, Some(found))]);
    }
}

#[test]
fn two_readings_of_a_partition_from_one_position_are_fenced() {
    let claim = Claim::of(&record(1, &[(0, 5, 9), (1, 0, 3), (0, 5, 20)], Some(1)));
    let verdict = judge(&claim, &view(7, &[(0, 5), (1, 0)], Some(1)), &[]);
    assert_eq!(moved_of(verdict), [(0, 5, Some(5))]);
}

#[test]
fn our_batch_id_in_the_log_settles_it_even_when_others_moved_on() {
    let ours = record(1, &[(0, 5, 9)], Some(1));
    let other = record(2, &[(0, 9, 12)], Some(2));
    let seen = [
        logged(8, None),
        logged(9, Some(&ours)),
        logged(10, Some(&other)),
    ];
    let verdict = judge(&Claim::of(&ours), &view(10, &[(0, 12)], Some(2)), &seen);
    assert_eq!(verdict, Verdict::AlreadyCommitted { version: 9 });
}

#[test]
fn positions_at_the_end_without_our_id_are_another_writers() {
    let claim = Claim::of(&record(1, &[(0, 5, 9)], Some(1)));
    let seen = [logged(8, Some(&record(2, &[(0, 5, 9)], Some(1))))];
    let verdict = judge(&claim, &view(8, &[(0, 9)], Some(1)), &seen);
    assert_eq!(moved_of(verdict), [(0, 5, Some(9))]);
}

#[test]
fn data_needs_a_starting_point_and_a_starting_point_needs_none() {
    let data = Claim::of(&record(1, &[(0, 5, 9)], Some(1)));
    assert_eq!(
        moved_of(judge(&data, &view(0, &[], None), &[])),
        [(0, 5, None)]
    );
    let start = Claim::of(&record(1, &[(0, 5, 5)], None));
    assert_eq!(
        judge(&start, &view(0, &[], None), &[]),
        Verdict::Commit { at: 1 }
    );
    assert_eq!(
        moved_of(judge(&start, &view(3, &[(0, 7)], None), &[])),
        [(0, 5, Some(7))]
    );
}

#[test]
fn an_older_schema_is_behind_and_an_equal_or_newer_one_is_not() {
    let table = view(3, &[(0, 5)], Some(2));
    let verdict = |schema| judge(&Claim::of(&record(1, &[(0, 5, 9)], schema)), &table, &[]);
    assert_eq!(verdict(Some(1)), Verdict::SchemaBehind { table: 2 });
    assert_eq!(verdict(Some(2)), Verdict::Commit { at: 4 });
    assert_eq!(verdict(Some(3)), Verdict::Commit { at: 4 });
    assert_eq!(verdict(None), Verdict::Commit { at: 4 });
}

#[test]
fn the_ranges_of_a_job_claim_no_position() {
    let mut bulk = record(1, &[(0, 0, 9)], Some(1));
    bulk.ranges[0].source_id = SourceId::bulk("job-1");
    let claim = Claim::of(&bulk);
    assert_eq!(claim.ranges, []);
    assert_eq!(
        judge(&claim, &view(3, &[], None), &[]),
        Verdict::Commit { at: 4 }
    );
}

#[test]
fn positions_in_the_table_win_over_wanted_starts() {
    let start = resolve_start(
        &view(3, &[(0, 7)], None),
        &[(partition(0), 2), (partition(1), 4)],
    );
    assert_eq!(start.known, [(partition(0), 7)]);
    assert_eq!(start.missing, [(partition(1), 4)]);
}

#[test]
fn a_batch_of_a_topic_that_was_accepted_as_a_new_one_is_fenced() {
    let claim = Claim::of(&record(1, &[(0, 5, 9), (1, 0, 3)], Some(1)));
    let mut accepted = view(7, &[(0, 5), (1, 0)], Some(1));
    let of = |incarnation, partition| SourcePartition {
        source_id: SourceId::kafka("c", "orders", incarnation),
        partition,
    };
    let next = |view: &View, partition: SourcePartition| {
        let mut view = view.clone();
        view.positions.insert(partition.app_id(), 0);
        moved_of(judge(&claim, &view, &[]))
    };
    // The position itself is where the batch starts.
    assert_eq!(next(&accepted, of(2, 1)), [(1, 0, Some(0))]);
    // Another partition's next one is no concern of this batch.
    accepted.positions.insert(of(2, 7).app_id(), 0);
    assert_eq!(judge(&claim, &accepted, &[]), Verdict::Commit { at: 8 });

    // The new one goes on by itself, and so does the commit that begins it: the old one's last
    // range and the new one's first stand beside each other.
    let mut record = record(2, &[(0, 5, 5)], None);
    let start = RangeRecord::starting_point("orders", &of(2, 0), 0);
    record.ranges.push(start);
    let begins = Claim::of(&record);
    let before = view(7, &[(0, 5)], None);
    assert_eq!(judge(&begins, &before, &[]), Verdict::Commit { at: 8 });
    let mut after = before.clone();
    after.positions.insert(of(2, 0).app_id(), 0);
    assert_eq!(moved_of(judge(&begins, &after, &[])), [(0, 5, Some(5))]);
}
