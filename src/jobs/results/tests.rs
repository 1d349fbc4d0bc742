use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::config;
use crate::model::job::Identity;
use crate::source::csv::Head;
use crate::source::csv::slice::Position;
use crate::store::{self, Store};

/// A bucket and a lake in a folder of their own.
fn stores(folder: &std::path::Path) -> (Bucket, Store) {
    let url = |name: &str| url::Url::from_directory_path(folder.join(name)).unwrap();
    let settings = config::Bucket {
        url: url("drop"),
        options: Default::default(),
        poll: Duration::from_secs(5),
        settle: Duration::from_secs(5),
    };
    let lake = store::open(&url("lake"), &Default::default(), false).unwrap();
    (Bucket::open(&settings, None).unwrap(), lake)
}

#[tokio::test]
async fn what_an_earlier_run_gave_back_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let (bucket, lake) = stores(folder.path());
    let id = JobId::of("s", "s/a.job.json", &Identity::etag("e"), 0);
    let results = Results::of(&bucket, "s/a.job.json", &id);
    let progress = JobProgress::of(&lake, "s", &id, "1");
    let head = Arc::new(Head::default());
    let part = async |file: usize| {
        let at = Position::default();
        let mut part = StagedPart::new("i", file, (*head).clone(), at, at);
        let rows = format!("rows of {file}");
        part.csv = vec![progress.put_piece(rows.into(), "csv").await.unwrap()];
        part
    };
    let names = || {
        let entries = std::fs::read_dir(folder.path().join("drop").join(&results.folder)).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let document = JobDocument::new(&id, "s", Vec::new(), String::new());
    results.write(&document).await.unwrap();
    let parts = [part(0).await, part(1).await, part(12).await];
    let first = results.give_back(&progress, &parts).await.unwrap();
    assert_eq!(first, Some(format!("{}failed.csv", results.folder)));
    assert_eq!(
        names(),
        ["failed-1.csv", "failed-12.csv", "failed.csv", "job.json"]
    );
    let parts = [part(1).await];
    let first = results.give_back(&progress, &parts).await.unwrap();
    assert_eq!(first, Some(format!("{}failed-1.csv", results.folder)));
    assert_eq!(names(), ["failed-1.csv", "job.json"]);
    // Also by a run that gives nothing back.
    assert_eq!(results.give_back(&progress, &[]).await.unwrap(), None);
    assert_eq!(names(), ["job.json"]);
    assert_eq!(results.read().await.unwrap(), Some(document));
}
