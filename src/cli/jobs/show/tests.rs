use super::*;
use crate::model::job::{JobCounts, JobId};

fn job(state: JobState, reason: Option<&str>) -> KnownJob {
    KnownJob {
        id: JobId::from_text("1"),
        stream: "s".to_owned(),
        key: Some("s/a.csv".to_owned()),
        operation: "append".to_owned(),
        state,
        files: Vec::new(),
        counts: JobCounts::default(),
        created_at: None,
        started_at: None,
        finished_at: None,
        reason: reason.map(str::to_owned),
        failed_rows: None,
        told_by: ToldBy::Result,
        asked: None,
        is_live: false,
    }
}

fn told(waits: &mut Waits, job: &KnownJob, now: Tick) -> Vec<String> {
    waits.words(job, job.reason.clone(), now)
}

#[test]
fn whoever_waits_is_told_why_once() {
    let at = |seconds| Tick(Duration::from_secs(seconds));
    let mut waits = Waits::from(at(0));
    let open = |reason| job(JobState::Open, Some(reason));
    assert_eq!(
        told(&mut waits, &open("waits for b"), at(1)),
        ["waits for b"]
    );
    assert!(told(&mut waits, &open("waits for b"), at(60)).is_empty());
    assert_eq!(
        told(&mut waits, &open("waits for\nc"), at(61)),
        ["waits for\\nc"]
    );

    let mut waits = Waits::from(at(5));
    let unbegun = job(JobState::UploadComplete, None);
    assert!(told(&mut waits, &unbegun, at(34)).is_empty());
    let words = "no instance has begun it in 30 s; is `weir run` running?";
    assert_eq!(told(&mut waits, &unbegun, at(35)), [words]);
    assert!(told(&mut waits, &unbegun, at(99)).is_empty());

    // One that was begun is somebody's.
    let mut waits = Waits::from(at(0));
    assert!(told(&mut waits, &job(JobState::InProgress, None), at(1)).is_empty());
    assert!(told(&mut waits, &unbegun, at(99)).is_empty());

    // The end's reason is shown with the job.
    let mut waits = Waits::from(at(0));
    let failed = job(JobState::Failed, Some("its header does not fit"));
    assert!(told(&mut waits, &failed, at(1)).is_empty());
}
