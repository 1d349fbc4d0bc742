use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use serde_json::json;

use super::*;
use crate::lake::ledger::fold;
use crate::lake::ledger::segment::Folding;

/// An id of `n`.
fn id_of(n: &str) -> String {
    format!("{n:0>32}")
}

/// The hash of a content.
fn hash_of(content: &str) -> String {
    hex(&Sha256::digest(content))
}

async fn put(objects: &Arc<dyn ObjectStore>, version: u64, job: Option<[&str; 3]>) {
    let job = job.map(|[id, key, content]| {
        json!({"id": id_of(id), "key": key, "identity": "i", "sha256": hash_of(content)})
    });
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
    let second = jobs.by_id(&id_of("2")).unwrap();
    assert_eq!((second.version, second.id()), (2, id_of("2")));
    assert_eq!(jobs.by_id(&id_of("3")), None);
    let (x, y) = (hash_of("x"), hash_of("y"));
    assert_eq!(jobs.same_drop("b.csv", &x).map(|l| l.version), Some(2));
    assert_eq!(jobs.same_drop("c.csv", &x), None);
    assert_eq!(
        jobs.same_content(&x).map(|h| (h.key, h.job.version)),
        Some(("a.csv", 1))
    );
    assert_eq!(jobs.same_content(&y), None);

    put(&objects, 3, None).await;
    put(&objects, 4, Some(["3", "c.csv", "y"])).await;
    jobs.look_in(&objects, "t").await.unwrap();
    assert_eq!((jobs.len(), jobs.newest()), (3, Some(4)));
    // Nothing is passed over in silence.
    put(&objects, 6, None).await;
    let error = jobs.look_in(&objects, "t").await.unwrap_err().to_string();
    assert!(error.contains("commits 5 to 5 of t are gone"), "{error}");
}

/// A manifest's commit: its files by name and content, `None` for one of the older form.
async fn put_manifest(
    objects: &Arc<dyn ObjectStore>,
    version: u64,
    files: &[(&str, Option<&str>)],
) {
    let file = |(name, content): &(&str, Option<&str>)| match content {
        None => json!(id_of(name)),
        Some("") => json!({"id": id_of(name), "key": format!("{name}.csv")}),
        Some(content) => {
            json!({"id": id_of(name), "key": format!("{name}.csv"), "sha256": hash_of(content)})
        }
    };
    let combined = match files {
        [(_, Some(content))] => hash_of(content),
        _ => hash_of(&format!("all of {version}")),
    };
    let record = json!({
        "version": 1, "role": "data", "instance": "i",
        "batch": uuid::Uuid::from_u128(u128::from(version)),
        "job": {"id": id_of(&version.to_string()), "key": format!("m{version}.job.json"),
            "identity": "i", "sha256": combined, "files": files.iter().map(file).collect::<Vec<_>>()},
    });
    let line = json!({"commitInfo": {"weir": record}}).to_string();
    let path = Path::from(format!("t/{}", layout::commit(version)));
    objects.put(&path, line.into()).await.unwrap();
}

#[tokio::test]
async fn files_of_manifests_are_found_as_those_by_themselves_are_also_folded() {
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    put(&objects, 0, None).await;
    put_manifest(
        &objects,
        1,
        &[("a", Some("x")), ("b", Some("y")), ("e", Some(""))],
    )
    .await;
    put(&objects, 2, Some(["2", "c.csv", "y"])).await;
    put_manifest(&objects, 3, &[("d", None)]).await;
    put_manifest(&objects, 4, &[("f", Some("z"))]).await;
    put(&objects, 5, Some(["5", "g.csv", "z"])).await;
    let mut logged = LandedJobs::default();
    logged.look_in(&objects, "t").await.unwrap();
    put_segment(&objects, 0, 5).await;
    remove(&objects, 0, 4).await;
    let mut folded = LandedJobs::default();
    folded.look_in(&objects, "t").await.unwrap();
    for jobs in [logged, folded] {
        assert_eq!((jobs.len(), jobs.newest()), (5, Some(5)));
        for (name, version) in [("a", 1), ("b", 1), ("e", 1), ("d", 3), ("f", 4)] {
            let job = jobs.by_id(&id_of(name)).map(|job| job.version);
            assert_eq!(job, Some(version), "{name}");
        }
        let drop = |name: &str, content| jobs.same_drop(name, &hash_of(content));
        assert_eq!(drop("a.csv", "x").map(|job| job.version), Some(1));
        assert_eq!(drop("b.csv", "y").map(|job| job.version), Some(1));
        assert_eq!(drop("c.csv", "y").map(|job| job.version), Some(2));
        assert_eq!(drop("a.csv", "y"), None);
        assert_eq!(
            drop("m1.job.json", "all of 1").map(|job| job.version),
            Some(1)
        );
        let first = |content| {
            let holder = jobs.same_content(&hash_of(content));
            holder.map(|holder| (holder.key, holder.job.version))
        };
        assert_eq!(first("x"), Some(("a.csv", 1)));
        assert_eq!(first("y"), Some(("b.csv", 1)));
        // Of a manifest of one file, that file.
        assert_eq!(first("z"), Some(("f.csv", 4)));
        let doubled = |id: &str| {
            let (own, holder) = jobs.doubled(jobs.by_id(&id_of(id)).unwrap())?;
            Some((own, holder.key))
        };
        assert_eq!(doubled("2"), Some(("c.csv", "b.csv")));
        assert_eq!(doubled("5"), Some(("g.csv", "f.csv")));
        assert_eq!([doubled("1"), doubled("3"), doubled("4")], [None; 3]);
    }
}

#[test]
fn a_job_takes_no_more_room_than_it_must() {
    // There may be hundreds of thousands; their keys come on top.
    assert_eq!(size_of::<LandedJob>(), 80);
    assert_eq!(size_of::<(Place, Place)>(), 8);
}

#[test]
fn a_text_that_is_no_hash_stands_for_itself() {
    assert_eq!(compact::<2>("0aF1"), [0x0a, 0xf1]);
    for (one, other) in [
        ("0aF", "0a"),
        ("xxxx", "yyyy"),
        ("0a+1", "0a01"),
        ("é1", "01f1"),
    ] {
        assert_ne!(compact::<16>(one), compact::<16>(other));
        assert_eq!(compact::<2>(one), compact::<2>(one));
    }
}

/// Puts commits of jobs `from..to` above 0, each under a key and content of its own.
async fn put_jobs(objects: &Arc<dyn ObjectStore>, from: u64, to: u64) {
    for version in from..to {
        let text = version.to_string();
        put(
            objects,
            version,
            Some([&text, &format!("{text}.csv"), &text]),
        )
        .await;
    }
}

/// Folds commits `from..=to` as `ledger::fold` does, up to the removal.
async fn put_segment(objects: &Arc<dyn ObjectStore>, from: u64, to: u64) {
    let ledger = Ledger::open(objects, "t").await.unwrap();
    let mut entries = ledger.entries_from(from, to);
    let mut folding = Folding::default();
    while let Some(entry) = entries.next().await {
        let Entry::Commit(commit) = entry.unwrap() else {
            panic!("a commit of {from}..={to} is not in the log");
        };
        folding.push(*commit);
    }
    let segment = serde_json::to_vec(&folding.finish().unwrap()).unwrap();
    let path = Path::from(format!("t/{}", layout::ledger_segment(from, to)));
    objects.put(&path, segment.into()).await.unwrap();
}

async fn remove(objects: &Arc<dyn ObjectStore>, from: u64, to: u64) {
    fold::remove(objects, "t", from..=to).await.unwrap();
}

#[tokio::test]
async fn jobs_are_kept_up_through_a_fold() {
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    put(&objects, 0, None).await;
    put_jobs(&objects, 1, 20).await;
    let (mut kept_up, mut behind) = (LandedJobs::default(), LandedJobs::default());
    behind.look_in(&objects, "t").await.unwrap();
    put_jobs(&objects, 20, 40).await;
    kept_up.look_in(&objects, "t").await.unwrap();
    put_segment(&objects, 0, 29).await;
    remove(&objects, 0, 14).await;
    // In the midst of it: some commits are in both places.
    let mut amid = LandedJobs::default();
    amid.look_in(&objects, "t").await.unwrap();
    remove(&objects, 15, 29).await;
    put_jobs(&objects, 40, 45).await;
    for jobs in [&mut kept_up, &mut behind, &mut amid] {
        jobs.look_in(&objects, "t").await.unwrap();
        assert_eq!((jobs.len(), jobs.newest()), (44, Some(44)));
        for n in 1..45_u64 {
            let landed = jobs.by_id(&id_of(&n.to_string()));
            assert_eq!(landed.map(|l| l.version), Some(n));
        }
    }
}

#[tokio::test]
async fn a_commit_that_was_put_where_a_folded_one_was_is_not_taken() {
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    put(&objects, 0, None).await;
    put_jobs(&objects, 1, 30).await;
    let mut before = LandedJobs::default();
    before.look_in(&objects, "t").await.unwrap();
    let mut zombies = LandedJobs::default();
    put_jobs(&objects, 30, 40).await;
    put_segment(&objects, 0, 34).await;
    // The fold has come as far as version 30, which a writer that slept now finds free.
    remove(&objects, 0, 30).await;
    put(&objects, 30, Some(["777", "z.csv", "z"])).await;
    for jobs in [&mut before, &mut zombies] {
        jobs.look_in(&objects, "t").await.unwrap();
        assert_eq!((jobs.len(), jobs.newest()), (39, Some(39)));
        assert_eq!(jobs.by_id(&id_of("777")), None);
        assert!(jobs.by_id(&id_of("30")).is_some());
    }
}
