//! A new drop beside many old ones: what looking costs, and how soon it is seen.

use std::time::{Duration, Instant};

use super::yard::{Yard, ended};
use crate::instance::Weir;
use crate::plan::{bulk_objects, tell};
use crate::services::wait_for;

const SCHEMA: &str =
    r#"{"type": "record", "name": "Row", "fields": [{"name": "id", "type": "long"}]}"#;

/// Objects behind the gateway, which walks all of them for each page.
const GATEWAY: usize = 600;

/// Objects of several pages.
const PAGES: usize = 12_000;

/// The bucket is listed so often.
const POLL: Duration = Duration::from_secs(5);

/// Seconds of CPU that a process has used.
fn cpu(weir: &Weir) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", weir.process.id())).unwrap();
    let rest = stat.rsplit_once(')').unwrap().1;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / 100.0
}

fn is_seen(yard: &mut Yard, objects: usize) {
    yard.poll = format!("{}s", POLL.as_secs());
    yard.plant((0..objects).map(|number| format!("old/{number:06}.csv")));
    yard.fail_all();
    let limit = Duration::from_secs(60 + objects as u64 / 100);
    let mut weir = yard.weir("weir", None);
    weir.wait_ready();
    wait_for("the old objects are known", limit, || {
        weir.assert_alive();
        let failed = weir.metric("weir_jobs", &["state=\"Failed\""]);
        (failed as usize == objects).then_some(())
    });
    let lists = |weir: &Weir| {
        weir.metric(
            "weir_store_requests_total",
            &["store=\"bulk\"", "op=\"list\""],
        )
    };
    let others =
        |weir: &Weir| weir.metric("weir_store_requests_total", &["store=\"bulk\""]) - lists(weir);
    // Settled: a poll has passed without a further look at any result.
    let mut before = others(&weir);
    wait_for("nothing more is looked at", limit, || {
        std::thread::sleep(POLL);
        let now = others(&weir);
        let is_idle = now == before;
        before = now;
        is_idle.then_some(())
    });
    let (began, used, listed) = (Instant::now(), cpu(&weir), lists(&weir));
    let polls = 4;
    std::thread::sleep(POLL * polls);
    let seconds = (cpu(&weir) - used) / f64::from(polls);
    let requests = (lists(&weir) - listed) / f64::from(polls);
    tell(&format!(
        "many: {objects} old objects: {seconds:.3} s of CPU and {requests} listings a poll, over {:?}",
        began.elapsed()
    ));
    assert!(seconds < 1.0, "an idle poll costs {seconds} s of CPU");
    assert!(
        others(&weir) == before,
        "an idle poll asks for more than listings"
    );
    assert!(
        requests <= objects as f64 / 1000.0 + 3.0,
        "{requests} listings a poll"
    );
    let dropped = Instant::now();
    // In the middle of the order of keys.
    yard.drop(&format!("old/{:06}-new.csv", objects / 2), "id\n7\n");
    wait_for("the new drop lands", Duration::from_secs(120), || {
        weir.assert_alive();
        (weir.metric("weir_jobs", &["state=\"JobComplete\""]) == 1.0).then_some(())
    });
    let took = dropped.elapsed();
    tell(&format!("many: a new drop landed after {took:?}"));
    assert!(
        took <= 2 * POLL + Duration::from_secs(5),
        "a new drop landed after {took:?}"
    );
    weir.stop();
    let jobs = yard.jobs();
    assert_eq!((jobs.len(), ended(&jobs)), (objects + 1, objects + 1));
    assert_eq!(yard.verify().into_values().collect::<Vec<_>>(), [1]);
}

#[test]
fn a_new_drop_is_seen_beside_many_old_ones() {
    is_seen(&mut Yard::local(SCHEMA, "id", ""), bulk_objects());
}

#[test]
fn a_new_drop_is_seen_beside_many_old_ones_on_s3() {
    is_seen(&mut Yard::s3(SCHEMA, "id", ""), GATEWAY);
}

#[test]
fn a_new_drop_is_seen_beside_many_old_ones_of_a_large_bucket() {
    is_seen(
        &mut Yard::shelf(SCHEMA, "id", ""),
        bulk_objects().max(PAGES),
    );
}
