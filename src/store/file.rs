//! A whole file into the store.
//!
//! Owns: when a file goes up in parts, so that no single request takes longer than its time-out
//! allows. Does not own: trying again (the caller knows for how long).

use bytes::Bytes;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload};

use crate::error::Result;
use crate::store::{Store, store_error};

#[cfg(test)]
mod tests;

/// Files beyond this size go up in parts.
const WHOLE_BYTES: usize = 16 << 20;

/// Size of a part. S3 wants at least 5 MiB.
const PART_BYTES: usize = 8 << 20;

/// Parts that are on their way at the same time.
const PARTS: usize = 4;

impl Store {
    /// Puts the file `path` (relative to the store's URL), which consists of `chunks`. An object of
    /// that name is replaced. It is visible whole or not at all.
    ///
    /// # Errors
    /// The store does not take it; nothing of it is left but, at worst, parts that the store itself
    /// ages out.
    pub async fn put_file(&self, path: &str, chunks: &[Bytes]) -> Result<()> {
        let path = Path::from(path);
        let objects = self.objects();
        let size: usize = chunks.iter().map(Bytes::len).sum();
        let put = if size <= WHOLE_BYTES || self.url().scheme() == "file" {
            let payload: PutPayload = chunks.iter().cloned().collect();
            objects.put(&path, payload).await.map(drop)
        } else {
            put_parts(objects.as_ref(), &path, chunks).await
        };
        put.map_err(|e| store_error("upload a file", e))
    }
}

async fn put_parts(
    objects: &dyn ObjectStore,
    path: &Path,
    chunks: &[Bytes],
) -> object_store::Result<()> {
    let mut upload = objects.put_multipart(path).await?;
    let sent = send_parts(upload.as_mut(), chunks).await;
    if sent.is_err() {
        // What cannot be taken back either is aged out by the store.
        if let Err(error) = upload.abort().await {
            tracing::debug!(%path, %error, "an upload in parts could not be taken back");
        }
    }
    sent
}

async fn send_parts(
    upload: &mut dyn MultipartUpload,
    chunks: &[Bytes],
) -> object_store::Result<()> {
    let mut under_way = Vec::with_capacity(PARTS);
    for part in parts(chunks) {
        under_way.push(upload.put_part(part));
        if under_way.len() == PARTS {
            futures::future::try_join_all(std::mem::take(&mut under_way)).await?;
        }
    }
    futures::future::try_join_all(under_way).await?;
    upload.complete().await.map(drop)
}

/// The chunks in parts of equal size but the last, as S3-compatible stores want them.
fn parts(chunks: &[Bytes]) -> Vec<PutPayload> {
    let (mut parts, mut open, mut size) = (Vec::new(), Vec::new(), 0);
    for chunk in chunks {
        let mut rest = chunk.clone();
        while size + rest.len() >= PART_BYTES {
            open.push(rest.split_to(PART_BYTES - size));
            parts.push(std::mem::take(&mut open).into_iter().collect());
            size = 0;
        }
        if !rest.is_empty() {
            size += rest.len();
            open.push(rest);
        }
    }
    if !open.is_empty() {
        parts.push(open.into_iter().collect());
    }
    parts
}
