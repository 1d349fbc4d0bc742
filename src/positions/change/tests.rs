use super::*;
use crate::positions::standing::Standing;

const ORDERS: &str = "kafka:c:orders";

/// A table with these positions.
fn view(positions: &[(&str, i32, i64)]) -> View {
    let positions = positions.iter();
    View {
        version: 7,
        positions: positions
            .map(|(source, partition, at)| (format!("{source}:{partition}"), *at))
            .chain([("weir:schema".to_owned(), 3)])
            .collect(),
    }
}

fn ids(ids: &[(&str, &str)]) -> HashMap<SourceId, String> {
    let ids = ids.iter();
    ids.map(|(source, id)| ((*source).into(), (*id).to_owned()))
        .collect()
}

/// A broker of cluster `c` with the topic `orders`.
fn broker(id: &str, bounds: &[(i64, i64)]) -> BrokerNow {
    let now = TopicNow {
        id: (!id.is_empty()).then(|| id.to_owned()),
        bounds: (0..).zip(bounds.iter().copied()).collect(),
    };
    BrokerNow {
        cluster: "c".to_owned(),
        topics: [("orders".to_owned(), now)].into(),
    }
}

type Told = Vec<(String, i32, i64, i64, i64, Option<String>)>;

fn told(change: Result<Change>) -> Told {
    let ranges = change.expect("a change").ranges.into_iter();
    ranges
        .map(|r| {
            let range = (r.from, r.to, r.lost);
            (
                r.source_id.to_string(),
                r.partition,
                range.0,
                range.1,
                range.2,
                r.topic_id,
            )
        })
        .collect()
}

fn is(change: Result<Change>, ranges: &[(&str, i32, i64, i64, i64, &str)]) {
    let wanted: Told = ranges
        .iter()
        .map(|(s, p, from, to, lost, id)| {
            let id = (!id.is_empty()).then(|| (*id).to_owned());
            ((*s).to_owned(), *p, *from, *to, *lost, id)
        })
        .collect();
    assert_eq!(told(change), wanted);
}

fn refused(change: Result<Change>, kind: Kind, word: &str) {
    let error = change.expect_err("refused");
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().contains(word), "{error}");
}

#[test]
fn a_recreated_topic_begins_again_at_its_logs_start() {
    let view = view(&[(ORDERS, 0, 50), (ORDERS, 1, 60)]);
    let ids = ids(&[(ORDERS, "old")]);
    // Its new log may be longer than the old position, and it has a partition more.
    let broker = broker("new", &[(0, 900), (5, 9), (0, 0)]);
    let known = Known {
        view: &view,
        ids: &ids,
        broker: &broker,
    };
    is(
        accept("orders", known),
        &[
            (ORDERS, 0, 50, 50, 0, ""),
            (ORDERS, 1, 60, 60, 0, ""),
            (ORDERS, 2, 0, 0, 0, ""),
            ("kafka:c:orders#2", 0, 0, 0, 0, "new"),
            ("kafka:c:orders#2", 1, 5, 5, 0, "new"),
            ("kafka:c:orders#2", 2, 0, 0, 0, "new"),
        ],
    );
    // Before that, nothing else may be done to it.
    refused(
        set("orders", Some(0), 70, "x", known),
        Kind::Refused,
        "accept",
    );
}

#[test]
fn a_topic_that_is_recreated_again_is_the_third() {
    let second = "kafka:c:orders#2";
    let view = view(&[(ORDERS, 0, 50), (second, 0, 20)]);
    let ids = ids(&[(ORDERS, "a"), (second, "b")]);
    let broker = broker("c", &[(0, 1)]);
    let known = Known {
        view: &view,
        ids: &ids,
        broker: &broker,
    };
    is(
        accept("orders", known),
        &[
            (second, 0, 20, 20, 0, ""),
            ("kafka:c:orders#3", 0, 0, 0, 0, "c"),
        ],
    );
}

#[test]
fn a_truncated_log_goes_on_at_its_end_and_the_others_where_they_are() {
    let view = view(&[(ORDERS, 0, 50), (ORDERS, 1, 60), (ORDERS, 2, 7)]);
    let broker = broker("id", &[(0, 40), (0, 90), (10, 20), (3, 8)]);
    for known_ids in [ids(&[(ORDERS, "id")]), ids(&[])] {
        let known = Known {
            view: &view,
            ids: &known_ids,
            broker: &broker,
        };
        is(
            accept("orders", known),
            &[
                (ORDERS, 0, 50, 50, 0, ""),
                (ORDERS, 1, 60, 60, 0, ""),
                (ORDERS, 2, 7, 7, 0, ""),
                // The table does not know it; an instance may be about to start it.
                (ORDERS, 3, 3, 3, 0, ""),
                ("kafka:c:orders#2", 0, 40, 40, 0, "id"),
                ("kafka:c:orders#2", 1, 60, 60, 0, "id"),
                // A gap stays one: the loss is not hidden by this.
                ("kafka:c:orders#2", 2, 7, 7, 0, "id"),
                ("kafka:c:orders#2", 3, 3, 3, 0, "id"),
            ],
        );
    }
}

#[test]
fn a_topic_of_another_cluster_begins_at_its_logs_start() {
    let view = view(&[("kafka:before:orders", 0, 50), ("kafka:before:other", 0, 1)]);
    let ids = ids(&[("kafka:before:orders", "id")]);
    let broker = broker("id2", &[(4, 9), (0, 0)]);
    let known = Known {
        view: &view,
        ids: &ids,
        broker: &broker,
    };
    is(
        accept("orders", known),
        &[(ORDERS, 0, 4, 4, 0, "id2"), (ORDERS, 1, 0, 0, 0, "id2")],
    );
}

#[test]
fn an_id_that_no_range_tells_is_written_down() {
    let view = view(&[(ORDERS, 0, 50)]);
    let broker_now = broker("id", &[(0, 90)]);
    let none = ids(&[]);
    let known = Known {
        view: &view,
        ids: &none,
        broker: &broker_now,
    };
    is(accept("orders", known), &[(ORDERS, 0, 50, 50, 0, "id")]);
    // Once it is, or where the broker has no ids, there is nothing to do.
    let some = ids(&[(ORDERS, "id")]);
    refused(
        accept(
            "orders",
            Known {
                ids: &some,
                ..known
            },
        ),
        Kind::Found,
        "nothing to accept",
    );
    let without = broker("", &[(0, 90)]);
    let known = Known {
        broker: &without,
        ..known
    };
    refused(accept("orders", known), Kind::Found, "nothing to accept");
}

#[test]
fn there_has_to_be_something_to_accept() {
    let empty = view(&[]);
    let ids = ids(&[]);
    let now = broker("id", &[(0, 90)]);
    let known = Known {
        view: &empty,
        ids: &ids,
        broker: &now,
    };
    refused(
        accept("orders", known),
        Kind::Found,
        "starting points when weir runs",
    );
    refused(accept("order", known), Kind::Refused, "no topic order");
    refused(
        accept(
            "orders",
            Known {
                broker: &broker("id", &[]),
                ..known
            },
        ),
        Kind::Refused,
        "no topic",
    );
}

#[test]
fn a_position_moves_forward_and_what_it_passes_over_is_lost() {
    let second = "kafka:c:orders#2";
    let view = view(&[(ORDERS, 0, 50), (second, 0, 20), (second, 1, 25)]);
    let ids = ids(&[(second, "id")]);
    let broker = broker("id", &[(30, 40), (0, 30)]);
    let known = Known {
        view: &view,
        ids: &ids,
        broker: &broker,
    };
    is(
        set("orders", Some(0), 30, "x", known),
        &[(second, 0, 20, 30, 10, "id")],
    );
    is(
        set("orders", Some(0), 40, "x", known),
        &[(second, 0, 20, 40, 20, "id")],
    );
    is(
        set("orders", None, 26, "x", known),
        &[(second, 0, 20, 26, 6, "id"), (second, 1, 25, 26, 1, "id")],
    );
    for (partition, offset, word) in [
        (Some(0), 20, "forward only"),
        (Some(0), 19, "forward only"),
        (Some(0), -1, "forward only"),
        (Some(0), 41, "beyond the log's end 40"),
        (Some(2), 1, "no position of partition 2"),
        // All or none.
        (None, 31, "partition 1: 31 is beyond the log's end 30"),
        (None, 22, "partition 1: it is at 25"),
    ] {
        refused(
            set("orders", partition, offset, "x", known),
            Kind::Refused,
            word,
        );
    }
    refused(
        set("others", None, 1, "x", known),
        Kind::Refused,
        "no topic others",
    );
}

#[test]
fn a_truncated_log_is_not_set() {
    let view = view(&[(ORDERS, 0, 50)]);
    let ids = ids(&[]);
    let broker = broker("id", &[(0, 40)]);
    let known = Known {
        view: &view,
        ids: &ids,
        broker: &broker,
    };
    refused(set("orders", None, 60, "x", known), Kind::Refused, "accept");
}

#[test]
fn every_standing_has_its_word() {
    let second = "kafka:c:orders#2";
    let view = view(&[
        (ORDERS, 0, 50),
        (second, 0, 20),
        (second, 1, 25),
        (second, 2, 3),
        (second, 3, 3),
        ("kafka:before:orders", 0, 1),
        ("kafka:before:other", 0, 1),
        ("kafka:c:gone", 0, 1),
    ]);
    let broker = broker("id", &[(30, 40), (0, 20), (0, 3)]);
    let states = |ids| -> Vec<(String, i32, Option<&str>, Option<i64>)> {
        let all: Vec<Standing> = standings(&view, &ids, Some(&broker));
        all.into_iter()
            .map(|s| (s.source_id, s.partition, s.state.map(State::as_str), s.lag))
            .collect()
    };
    let told = states(ids(&[(second, "id")]));
    let told: Vec<_> = told
        .iter()
        .map(|(s, p, w, lag)| (s.as_str(), *p, *w, *lag))
        .collect();
    assert_eq!(
        told,
        [
            ("kafka:before:orders", 0, Some("superseded"), None),
            ("kafka:before:other", 0, Some("other_cluster"), None),
            ("kafka:c:gone", 0, Some("no_topic"), None),
            (ORDERS, 0, Some("superseded"), None),
            (second, 0, Some("gap"), Some(20)),
            (second, 1, Some("beyond_end"), Some(0)),
            (second, 2, Some("ok"), Some(0)),
            (second, 3, Some("no_topic"), None),
        ]
    );
    let told = states(ids(&[(second, "another")]));
    assert_eq!(told[4], (second.to_owned(), 0, Some("recreated"), None));
    assert!(
        standings(&view, &ids(&[]), None)
            .iter()
            .all(|s| s.state.is_none())
    );
}
