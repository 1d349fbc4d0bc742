use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use serde_json::json;

use super::*;

async fn put(objects: &Arc<dyn ObjectStore>, version: u64, job: Option<[&str; 3]>) {
    let job = job
        .map(|[id, key, sha256]| json!({"id": id, "key": key, "identity": "i", "sha256": sha256}));
    let mut record = json!({
        "version": 1, "role": "data", "instance": "i",
        "batch": uuid::Uuid::from_u128(u128::from(version)),
    });
    if let Some(job) = job {
        record["job"] = job;
    }
    let line = json!({"commitInfo": {"weir": record}}).to_string();
    let path = Path::from(format!("t/{}", layout::commit(version)));
    objects.put(&path, line.into()).await.unwrap();
}

#[tokio::test]
async fn jobs_are_found_by_id_and_content_and_kept_up() {
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    put(&objects, 0, None).await;
    put(&objects, 1, Some(["1", "a.csv", "x"])).await;
    put(&objects, 2, Some(["2", "b.csv", "x"])).await;
    let mut jobs = LandedJobs::default();
    jobs.look_in(&objects, "t").await.unwrap();
    assert_eq!((jobs.len(), jobs.newest()), (2, Some(2)));
    assert_eq!(jobs.by_id("2").map(|l| l.version), Some(2));
    assert_eq!(jobs.by_id("3"), None);
    assert_eq!(jobs.same_drop("b.csv", "x").map(|l| l.version), Some(2));
    assert_eq!(jobs.same_drop("c.csv", "x"), None);
    assert_eq!(jobs.same_content("x").map(|l| l.version), Some(1));
    assert_eq!(jobs.same_content("y"), None);

    put(&objects, 3, None).await;
    put(&objects, 4, Some(["3", "c.csv", "y"])).await;
    jobs.look_in(&objects, "t").await.unwrap();
    assert_eq!((jobs.len(), jobs.newest()), (3, Some(4)));
    // Nothing is passed over in silence.
    put(&objects, 6, None).await;
    let error = jobs.look_in(&objects, "t").await.unwrap_err().to_string();
    assert!(error.contains("commits 5 to 5 of t are gone"), "{error}");
}
