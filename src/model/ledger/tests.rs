use super::*;

fn range(from: i64, to: i64, leader_epoch: Option<i32>) -> RangeRecord {
    let partition = SourcePartition {
        source_id: SourceId::kafka("c", "t", 1),
        partition: 0,
    };
    RangeRecord {
        to,
        leader_epoch,
        ..RangeRecord::starting_point("t", &partition, from)
    }
}

#[test]
fn a_joined_range_has_the_epoch_of_its_last_position() {
    let joined = |next: RangeRecord| {
        let mut range = range(0, 10, Some(3));
        range.join(next);
        range.leader_epoch
    };
    assert_eq!(joined(range(10, 20, Some(4))), Some(4));
    assert_eq!(
        joined(range(10, 10, None)),
        Some(3),
        "an empty range says nothing"
    );
    // A loss, written down: nobody read the message at 19.
    assert_eq!(joined(range(10, 20, None)), None);
}

#[test]
fn files_of_a_job_are_read_in_both_forms() {
    let job = r#"{"id": "j", "key": "m", "identity": "i", "sha256": "s",
        "files": ["1", {"id": "2", "key": "a.csv", "sha256": "x"}, {"id": "3", "key": "b.csv"}]}"#;
    let job: JobRecord = serde_json::from_str(job).unwrap();
    let file = |id: &str, key: &str, sha256: Option<&str>| FileRecord {
        id: id.to_owned(),
        key: key.to_owned(),
        sha256: sha256.map(str::to_owned),
    };
    let files = [
        file("1", "", None),
        file("2", "a.csv", Some("x")),
        file("3", "b.csv", None),
    ];
    assert_eq!(job.files, files);
    let again = serde_json::to_value(&job).unwrap();
    assert_eq!(
        again["files"][2],
        serde_json::json!({"id": "3", "key": "b.csv"})
    );
    assert_eq!(serde_json::from_value::<JobRecord>(again).unwrap(), job);
}
