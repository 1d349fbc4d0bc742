use super::*;

#[test]
fn an_id_is_of_stream_key_and_identity() {
    let etag = |text| Identity::etag(text);
    let id = JobId::of("s", "a.csv", &etag("x"), 0);
    assert_eq!(id, JobId::of("s", "a.csv", &etag("x"), 0));
    assert_eq!(id.as_str().len(), 32);
    let others = [
        JobId::of("sa", ".csv", &etag("x"), 0),
        JobId::of("s", "b.csv", &etag("x"), 0),
        JobId::of("s", "a.csv", &etag("y"), 0),
        JobId::of("s", "a.csv", &etag("x"), 1),
        JobId::of("s", "a.csv", &Identity::size_and_time(1, 2), 0),
    ];
    for (at, other) in others.iter().enumerate() {
        assert_ne!(&id, other);
        assert_ne!(id.batch(), other.batch());
        assert!(!others[..at].contains(other));
    }
}

#[test]
fn a_document_has_the_names_of_the_interface() {
    let counts = JobCounts {
        accepted: 2,
        rejected: 1,
        skipped: 0,
    };
    let document = JobDocument {
        id: JobId::of("orders", "a.csv", &Identity::etag("x"), 0),
        stream: "orders".to_owned(),
        operation: "append".to_owned(),
        state: JobState::JobComplete,
        files: vec![JobFile {
            key: "a.csv".to_owned(),
            etag: None,
            size: 9,
            records: 3,
            counts,
        }],
        counts,
        created_at: "2026-01-31T12:00:00Z".to_owned(),
        started_at: None,
        finished_at: None,
        reason: None,
        failed_rows: None,
    };
    let told = serde_json::to_value(&document).unwrap();
    let names: Vec<&str> = told
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let wanted = [
        "accepted",
        "created_at",
        "failed_rows",
        "files",
        "finished_at",
        "id",
        "operation",
        "reason",
        "rejected",
        "skipped",
        "started_at",
        "state",
        "stream",
    ];
    assert_eq!(names, wanted);
    assert_eq!(told["state"], "JobComplete");
    let file = told["files"][0].as_object().unwrap();
    let names: Vec<&str> = file.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "accepted", "etag", "key", "records", "rejected", "size", "skipped"
        ]
    );
    assert_eq!(
        serde_json::from_value::<JobDocument>(told).unwrap(),
        document
    );
}
