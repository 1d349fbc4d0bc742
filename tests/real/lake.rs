//! The contract of `LakeTable` over a real S3 server, also while half of what it answers is lost.

use std::collections::BTreeMap;
use std::sync::Arc;

use tempfile::TempDir;
use url::Url;
use weir::config::Secret;
use weir::store::{self, Store};

use crate::faulty::{Faulty, Plan};
use crate::services::s3::{BUCKET, KEYS, S3};
use crate::suite::{batch, landing};

/// The store in a bucket of a server of its own, and what ends the server.
fn s3() -> (Store, (S3, TempDir)) {
    let folder = tempfile::tempdir().unwrap();
    let server = S3::start(folder.path());
    let store = opened(&server, BUCKET, KEYS.1);
    (store, (server, folder))
}

fn opened(server: &S3, bucket: &str, secret: &str) -> Store {
    let endpoint = server.endpoint();
    let options = [
        ("aws_access_key_id", KEYS.0),
        ("aws_secret_access_key", secret),
        ("aws_endpoint", &endpoint),
        ("aws_region", "us-east-1"),
        ("aws_allow_http", "true"),
    ];
    let options: BTreeMap<String, Secret> = options
        .map(|(name, value)| (name.to_owned(), Secret(value.to_owned())))
        .into();
    let url = Url::parse(&format!("s3://{bucket}/lake")).unwrap();
    store::open(&url, &options, false).unwrap()
}

crate::every_law! { s3() }

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_land_all_of_it_once_while_answers_are_lost() {
    let (store, _keep) = s3();
    let faulty = Faulty::new(store.objects(), Plan::random(7, 500));
    let url = Url::parse("s3://lake/").unwrap();
    let store = Store::new(Arc::new(faulty.clone()), url).unwrap();
    landing::instances(&store, 3).await;
    faulty.heal().await;
    landing::all_is_there_once(&store).await;
    let struck: u64 = faulty.happened().values().sum();
    assert!(struck >= 10, "{:?}", faulty.happened());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_secret_and_a_missing_bucket_are_told() {
    let (_, (server, _folder)) = s3();
    let cases = [
        (
            opened(&server, BUCKET, "wrong"),
            "check the key and the secret",
        ),
        (
            opened(&server, "nowhere", KEYS.1),
            "there is no such bucket",
        ),
    ];
    for (store, words) in cases {
        for error in [
            batch::open(&store).await.unwrap_err(),
            store.probe_conditional_put().await.unwrap_err(),
        ] {
            assert!(error.is_outage(), "{error:?}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
