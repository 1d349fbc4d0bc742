//! Files go up whole, in one request or in parts.

use std::sync::Arc;

use bytes::Bytes;
use object_store::memory::InMemory;
use object_store::{ObjectStoreExt, PutPayload, path::Path};
use url::Url;

use super::{PART_BYTES, WHOLE_BYTES, parts};
use crate::store::Store;

fn chunks(total: usize, each: usize) -> Vec<Bytes> {
    let bytes: Bytes = (0..total)
        .map(|n| (n % 251) as u8)
        .collect::<Vec<_>>()
        .into();
    (0..total)
        .step_by(each)
        .map(|from| bytes.slice(from..total.min(from + each)))
        .collect()
}

#[test]
fn parts_are_equal_but_the_last() {
    for (total, each) in [
        (1, 1),
        (PART_BYTES, 1 << 20),
        (PART_BYTES + 1, PART_BYTES + 1),
        (3 * PART_BYTES + 5, (1 << 20) + 7),
        (2 * PART_BYTES, 3 * PART_BYTES),
    ] {
        let chunks = chunks(total, each);
        let parts = parts(&chunks);
        let sizes: Vec<usize> = parts.iter().map(PutPayload::content_length).collect();
        let (last, others) = sizes.split_last().expect("a part");
        assert!(others.iter().all(|size| *size == PART_BYTES), "{sizes:?}");
        assert!((1..=PART_BYTES).contains(last), "{sizes:?}");
        let joined: Vec<u8> = parts.iter().flatten().flat_map(|b| b.to_vec()).collect();
        assert_eq!(joined, chunks.concat(), "{total} in chunks of {each}");
    }
}

#[tokio::test]
async fn small_and_large_files_arrive_as_they_are() {
    let objects = Arc::new(InMemory::new());
    let url = Url::parse("memory:///").expect("a URL");
    let store = Store::new(objects.clone(), url).expect("a store");
    for total in [
        10,
        WHOLE_BYTES,
        WHOLE_BYTES + 1,
        WHOLE_BYTES + PART_BYTES + 3,
    ] {
        let chunks = chunks(total, 1 << 20);
        store.put_file("t/f.parquet", &chunks).await.expect("put");
        let there = objects
            .get(&Path::from("t/f.parquet"))
            .await
            .expect("there");
        let bytes = there.bytes().await.expect("bytes");
        assert_eq!(bytes, chunks.concat(), "{total} bytes");
    }
}
