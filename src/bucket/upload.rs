//! An object of any size into the bucket, piece by piece.
//!
//! Owns: when it goes up in parts. It is there once it is finished, whole.

use bytes::{Bytes, BytesMut};
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStoreExt};

use crate::bucket::Bucket;
use crate::error::Result;
use crate::store::store_error;

/// Bytes of a part; stores want at least 5 MiB.
const PART: usize = 8 << 20;

/// An object under way.
#[derive(Debug)]
pub struct Upload {
    bucket: Bucket,
    key: String,
    open: BytesMut,
    parts: Option<Box<dyn MultipartUpload>>,
}

impl Upload {
    /// One that is to be at `key`.
    pub fn to(bucket: &Bucket, key: String) -> Self {
        Self {
            bucket: bucket.clone(),
            key,
            open: BytesMut::new(),
            parts: None,
        }
    }

    /// Appends a piece.
    ///
    /// # Errors
    /// The store does not take it.
    pub async fn push(&mut self, piece: &[u8]) -> Result<()> {
        self.open.extend_from_slice(piece);
        while self.open.len() >= PART {
            let part = self.open.split_to(PART).freeze();
            self.put(part).await?;
        }
        Ok(())
    }

    /// Ends it; the key, or `None` if nothing was appended, and nothing is there.
    ///
    /// # Errors
    /// The store does not take it.
    pub async fn finish(mut self) -> Result<Option<String>> {
        let rest = std::mem::take(&mut self.open).freeze();
        if self.parts.is_none() {
            if rest.is_empty() {
                return Ok(None);
            }
            self.bucket.put(&self.key, rest).await?;
            return Ok(Some(self.key));
        }
        if !rest.is_empty() {
            self.put(rest).await?;
        }
        if let Some(mut parts) = self.parts {
            let done = parts.complete().await;
            done.map_err(|e| store_error("write to the bucket", e))?;
        }
        Ok(Some(self.key))
    }

    async fn put(&mut self, part: Bytes) -> Result<()> {
        let put = async {
            let parts = match &mut self.parts {
                Some(parts) => parts,
                None => {
                    let path = Path::parse(&self.key)?;
                    let objects = self.bucket.objects();
                    let begun = objects.put_multipart(&path).await?;
                    self.parts.insert(begun)
                }
            };
            parts.put_part(part.into()).await
        };
        put.await.map_err(|e| store_error("write to the bucket", e))
    }
}
