use super::*;
use crate::model::reject::Fault;
use crate::pipeline::decode::ElementReject;

const AT: Place<'static> = Place {
    source: "t",
    partition: 1,
    offset: 7,
    index: 0,
};

/// Verdicts on one message: the places of accepted records, and of rejected ones with their field.
fn judged(accepted: &[u32], rejects: &[(u32, &str)]) -> Judged {
    let rejects = rejects.iter().map(|(index, field)| ElementReject {
        index: *index,
        raw: 0..0,
        fault: Fault {
            code: RejectCode::WrongType,
            field: Some((*field).to_owned()),
            message: format!("rule of {index}"),
        },
    });
    Judged {
        accepted: accepted.to_vec(),
        rejects: rejects.collect(),
        ..Judged::default()
    }
}

#[test]
fn each_record_of_a_message_is_compared_with_itself() {
    let mut tally = Tally::default();
    let in_force = judged(&[0, 2, 3], &[(1, "a"), (4, "b")]);
    let new = judged(&[1, 2, 3], &[(0, "a"), (4, "c")]);
    tally.add(&in_force, &new, AT);
    let told = tally.finish();
    assert_eq!((told.messages, told.worse, told.better), (1, 1, 1));
    let same = Outcome {
        accepted: 3,
        rejected: 2,
    };
    assert_eq!((told.in_force, told.new), (same, same));
    let of = |g: &Group| {
        let Sides {
            in_force,
            new,
            newly,
        } = g.sides;
        (
            g.field.clone().unwrap(),
            in_force,
            new,
            newly,
            g.example.index,
        )
    };
    let groups: Vec<_> = told.groups.iter().map(of).collect();
    // the example of a field is a record that gets worse
    let wanted = [
        ("a".to_owned(), 1, 1, 1, 0),
        ("c".to_owned(), 0, 1, 0, 4),
        ("b".to_owned(), 1, 0, 0, 4),
    ];
    assert_eq!(groups, wanted);
    assert_eq!(told.groups[0].message, "rule of 0");
}

#[test]
fn a_fault_of_the_whole_message_makes_each_of_its_records_worse() {
    let mut tally = Tally::default();
    tally.add(&judged(&[0, 1], &[(2, "a")]), &judged(&[], &[(0, "m")]), AT);
    let told = tally.finish();
    assert_eq!((told.worse, told.better), (2, 0));
    assert_eq!(told.new.rejected, 1);
}

#[test]
fn fields_beyond_the_bound_are_counted_by_code() {
    let mut tally = Tally::default();
    for n in 0..1500 {
        let field = format!("m[{n}]");
        tally.add(&judged(&[0], &[]), &judged(&[], &[(0, &field)]), AT);
    }
    let told = tally.finish();
    assert_eq!(told.groups.len(), MAX_GROUPS);
    let more = Sides {
        in_force: 0,
        new: 500,
        newly: 500,
    };
    assert_eq!(told.more, BTreeMap::from([("wrong_type", more)]));
    assert_eq!(told.worse, 1500);
}

#[test]
fn the_example_is_the_same_in_whatever_order() {
    let (passes, fails) = (judged(&[0], &[]), judged(&[], &[(0, "a")]));
    let at = |partition, offset| Place {
        partition,
        offset,
        ..AT
    };
    let same = [(2, 1), (0, 9), (0, 4)].map(|(p, o)| (&fails, at(p, o)));
    let worse = [(3, 8), (3, 2), (4, 0)].map(|(p, o)| (&passes, at(p, o)));
    let mut all: Vec<_> = same.into_iter().chain(worse).collect();
    for _ in 0..all.len() {
        all.rotate_left(1);
        let mut tally = Tally::default();
        for (in_force, place) in &all {
            tally.add(in_force, &fails, *place);
        }
        let example = tally.finish().groups.remove(0).example;
        assert_eq!((example.partition, example.offset), (3, 2));
    }
}
