use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use serde_json::json;

use super::*;
use crate::lake::jobs::LandedJobs;

#[tokio::test]
async fn what_a_job_landed_is_told_from_the_log_and_from_what_was_folded() {
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let [first, second, third] = ["1", "2", "3"].map(|n| n.repeat(32));
    let range = |id: &str, partition: i32, read: i64| {
        json!({"source": format!("{partition}.csv"), "source_id": format!("bulk:{id}"),
            "partition": partition, "from": 0, "to": read, "read": read, "holes": 0, "lost": 0,
            "accepted": read - 1, "rejected": 1, "skipped": 0})
    };
    let job = |id: &str| json!({"id": id, "key": "k", "identity": "i", "sha256": id});
    let segment = json!({"version": 1, "from": 0, "to": 1,
        "ranges": [range(&first, 0, 5), range(&second, 0, 9)],
        "commits": [{"version": 0, "job": job(&first)}, {"version": 1, "job": job(&second)}]});
    let path = Path::from(format!("t/{}", layout::ledger_segment(0, 1)));
    let put = objects.put(&path, segment.to_string().into());
    put.await.unwrap();
    let record = json!({"version": 1, "role": "data", "instance": "i", "job": job(&third),
        "batch": uuid::Uuid::from_u128(7), "ranges": [range(&third, 0, 3), range(&third, 1, 4)]});
    let line = json!({"commitInfo": {"weir": record}}).to_string();
    let path = Path::from(format!("t/{}", layout::commit(2)));
    objects.put(&path, line.into()).await.unwrap();

    let mut jobs = LandedJobs::default();
    jobs.look_in(&objects, "t").await.unwrap();
    let asked: Vec<&LandedJob> = [&first, &third].map(|id| jobs.by_id(id).unwrap()).into();
    let files = files_in(&objects, "t", &asked).await.unwrap();
    assert_eq!(files.len(), 2);
    let told = |id: &str| -> Vec<(String, u64, u64, u64)> {
        let told = |file: &JobFile| {
            let JobCounts {
                accepted, rejected, ..
            } = file.counts;
            (file.key.clone(), file.records, accepted, rejected)
        };
        files[id].iter().map(told).collect()
    };
    assert_eq!(told(&first), [("0.csv".to_owned(), 5, 4, 1)]);
    assert_eq!(
        told(&third),
        [("0.csv".to_owned(), 3, 2, 1), ("1.csv".to_owned(), 4, 3, 1)]
    );
}
