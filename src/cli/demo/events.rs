//! The demo's sample events: a hundredth of them bad, each in one of ten ways.
//!
//! Owns: the events, and how many of them the demo's broker keeps.

use serde_json::json;

use crate::source::kafka::DemoBroker;

/// One event in this many is bad.
const BAD_EVERY: u64 = 100;

/// Bytes of an event at most, with what a broker adds to each.
const EVENT_BYTES: u64 = 320;

/// Events that a topic of `partitions` holds. Keys spread them evenly, to
/// within a few in a hundred; in round thousands.
pub(super) const fn max_events(partitions: i32) -> u64 {
    let by_bytes = DemoBroker::MAX_PARTITION_BYTES / EVENT_BYTES;
    let of_partition = if by_bytes < DemoBroker::MAX_PARTITION_MESSAGES {
        by_bytes
    } else {
        DemoBroker::MAX_PARTITION_MESSAGES
    };
    of_partition * partitions as u64 * 95 / 100 / 1000 * 1000
}

fn pick(words: [&'static str; 4], n: u64) -> &'static str {
    words[(n % 4) as usize]
}

/// The n-th sample event; one in a hundred is bad, in one of ten ways.
pub(super) fn event(n: u64) -> (String, Option<Vec<u8>>) {
    let id = format!("o-{n:06}");
    let amount = format!("{}.{:02}", n * 7919 % 900 + 1, n * 31 % 100);
    let mut order = json!({
        "order_id": id,
        "customer_id": n * 2_654_435_761 % 1_000_000,
        "category": pick(["books", "music", "garden", "toys"], n),
        "amount": amount,
        "currency": pick(["EUR", "USD", "GBP", "SEK"], n / 3),
        "created_at": format!("2026-03-{:02}T{:02}:{:02}:{:02}.{:06}Z", n % 28 + 1, n % 24, n % 60, n / 7 % 60, n % 1_000_000),
        "gift": n.is_multiple_of(5),
        "note": "left at the door, ring twice and wait for the neighbour",
    });
    if n % BAD_EVERY != 17 {
        return (id, Some(order.to_string().into_bytes()));
    }
    match n / BAD_EVERY % 10 {
        0 => order["amount"] = json!("12.345"),
        1 => order["customer_id"] = json!("42"),
        2 => order["currency"] = json!("DOGE"),
        3 => order["created_at"] = json!("2026-02-30T00:00:00Z"),
        4 => order["order_id"] = json!(null),
        5 => order["colour"] = json!("red"),
        6 => {
            order.as_object_mut().map(|o| o.remove("amount"));
        }
        7 => return (id, Some(order.to_string().into_bytes()[..40].to_vec())),
        8 => return (id, Some(b"{\"order_id\":\"\xff\"}".to_vec())),
        _ => return (id, None),
    }
    (id, Some(order.to_string().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_not_larger_than_is_counted_with() {
        let largest = (0..max_events(4)).map(|n| {
            let (key, value) = event(n);
            key.len() + value.map_or(0, |v| v.len())
        });
        // A record of a batch has its length, time, offset, two lengths and a count of headers.
        let largest = largest.max().expect("there are events") as u64 + 20;
        assert!(largest <= EVENT_BYTES, "{largest}");
    }

    #[test]
    fn one_event_in_a_hundred_is_bad() {
        let good = |n: &u64| {
            event(*n)
                .1
                .and_then(|v| serde_json::from_slice::<serde_json::Value>(&v).ok())
                .is_some_and(|v| v["customer_id"].is_number() && v["colour"].is_null())
        };
        // Some faults are of a kind that this look does not see.
        assert!((980..=995).contains(&(0..1000).filter(good).count()));
    }
}
