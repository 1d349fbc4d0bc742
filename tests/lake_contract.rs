//! The contract of `LakeTable`, held by the Delta implementation over every kind of store: local
//! disk and memory here, a real S3 server in `tests/real/lake.rs`.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test ends by a panic"
)]

#[path = "lake_contract/suite.rs"]
mod suite;

use std::collections::BTreeMap;
use std::sync::Arc;

use object_store::memory::InMemory;
use url::Url;
use weir::store::{self, Store};

/// A folder as store, and what removes it.
fn local(fsync: bool) -> (Store, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let url = Url::from_directory_path(folder.path()).unwrap();
    let store = store::open(&url, &BTreeMap::new(), fsync).unwrap();
    (store, folder)
}

fn memory() -> (Store, ()) {
    let url = Url::parse("memory:///").unwrap();
    (Store::new(Arc::new(InMemory::new()), url).unwrap(), ())
}

mod on_local_disk {
    crate::every_law! { crate::local(false) }
}

mod on_synced_local_disk {
    crate::over! {
        commits_are_conditional_and_read_back
        of_racing_writers_one_wins_each_version
        ; crate::local(true)
    }
}

mod in_memory {
    crate::every_law! { crate::memory() }
}

#[test]
fn an_option_that_the_store_does_not_know_is_refused() {
    let options = BTreeMap::from([(
        "aws_regoin".to_owned(),
        weir::config::Secret("x".to_owned()),
    )]);
    for url in ["s3://bucket/lake", "file:///tmp"] {
        let error = store::open(&Url::parse(url).unwrap(), &options, false).unwrap_err();
        assert_eq!(error.kind(), weir::error::Kind::Config, "{error}");
    }
}
