use super::*;
use crate::model::job::Identity;

fn document(n: usize, state: JobState) -> JobDocument {
    let id = JobId::of("s", &format!("{n}.csv"), &Identity::etag("e"), 0);
    JobDocument {
        state,
        ..JobDocument::new(&id, "s", Vec::new(), String::new())
    }
}

#[test]
fn each_job_counts_once_whether_it_is_kept_or_not() {
    let metrics = Metrics::new().unwrap();
    let board = JobBoard::new(metrics.clone());
    let gauge = |state: JobState| metrics.jobs.with_label_values(&["s", state.as_str()]).get();
    for n in 0..ENDED + 5 {
        board.set(&document(n, JobState::InProgress));
        board.set(&document(n, JobState::Failed));
    }
    assert_eq!(board.all().len(), ENDED);
    assert_eq!(gauge(JobState::Failed), ENDED as i64 + 5);
    // One that is tried again is not among those that ended, however many do.
    let again = ENDED + 4;
    board.set(&document(again, JobState::InProgress));
    for n in ENDED + 5..3 * ENDED {
        board.set(&document(n, JobState::Failed));
    }
    let failed = 3 * ENDED as i64 - 1;
    assert_eq!(gauge(JobState::Failed), failed);
    assert_eq!(gauge(JobState::InProgress), 1);
    board.set(&document(again, JobState::JobComplete));
    assert_eq!(gauge(JobState::InProgress), 0);
    assert_eq!(gauge(JobState::Failed), failed);
    assert_eq!(gauge(JobState::JobComplete), 1);
    board.set(&document(again, JobState::InProgress));
    board.forget(&document(again, JobState::InProgress).id);
    assert_eq!(gauge(JobState::InProgress), 0);
    assert_eq!(board.all().len(), ENDED - 1);
}
