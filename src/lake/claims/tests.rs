use std::sync::Arc;

use object_store::memory::InMemory;

use super::*;

fn claims() -> (Claims, JobId) {
    let url = "memory:///".parse().unwrap();
    let store = Store::new(Arc::new(InMemory::new()), url).unwrap();
    (Claims::of(&store, "s"), JobId::from_text("0a"))
}

fn holder(instance: &str) -> Holder {
    Holder {
        instance: instance.to_owned(),
        process: "p".to_owned(),
        key: "s/a.csv".to_owned(),
    }
}

/// The names of all objects of the job.
async fn names(claims: &Claims) -> Vec<String> {
    let objects = claims.store.objects();
    let listed = objects.list(None);
    let names = listed.map_ok(|object| object.location.filename().unwrap().to_owned());
    let mut names: Vec<String> = names.try_collect().await.unwrap();
    names.sort();
    names
}

#[tokio::test]
async fn a_job_that_is_tried_for_ever_keeps_one_claim() {
    let (claims, job) = claims();
    for epoch in 1..=5 {
        assert!(claims.take(&job, epoch, &holder("i")).await.unwrap());
        claims.beat(&job, epoch, 1).await.unwrap();
        claims.release(&job, epoch).await.unwrap();
    }
    let last = ["00000005.beat", "00000005.json", "00000005.released"];
    assert_eq!(names(&claims).await, last);
}

#[tokio::test]
async fn whoever_slept_is_not_the_holder() {
    let (claims, job) = claims();
    for epoch in 1..=3 {
        assert!(claims.take(&job, epoch, &holder("i")).await.unwrap());
    }
    // A heartbeat, and a claim made up from a look before all three.
    claims.beat(&job, 1, 7).await.unwrap();
    assert!(!claims.take(&job, 2, &holder("zombie")).await.unwrap());
    assert!(!claims.take(&job, 3, &holder("zombie")).await.unwrap());
    let live = claims.live().await.unwrap().remove(job.as_str()).unwrap();
    let claim = live.claim.unwrap();
    assert_eq!((claim.epoch, claim.is_made), (3, true));
    assert_eq!(claims.holder(&job, 3).await.unwrap(), Some(holder("i")));
    assert_eq!(names(&claims).await, ["00000003.json"]);
    // An answer that was lost.
    assert!(claims.take(&job, 3, &holder("i")).await.unwrap());
}

#[tokio::test]
async fn a_job_that_is_wanted_again_is_not_ended_by_what_was_asked_before() {
    let (claims, job) = claims();
    claims.ask_abort(&job).await.unwrap();
    let retry = Retry {
        key: "s/a.csv".to_owned(),
        identity: Identity::etag("e"),
        reload: 0,
    };
    claims.ask_retry(&job, &retry).await.unwrap();
    let live = claims.live().await.unwrap().remove(job.as_str()).unwrap();
    assert_eq!((live.retries, live.aborts), (true, false));
    assert_eq!(claims.retry(&job).await.unwrap(), Some(retry));
}
