//! What a sender finds: `job.json`, and the rejected rows.
//!
//! Owns: writing both below `_results/` of the bucket. `job.json` is replaced as the job goes on;
//! rejected rows are there once, at its end. Does not own: their contents.

use crate::bucket::upload::Upload;
use crate::bucket::{Bucket, names};
use crate::error::{Error, Result};
use crate::jobs::parts::StagedPart;
use crate::lake::progress::JobProgress;
use crate::model::job::{JobDocument, JobId};

/// The results of one job.
#[derive(Debug, Clone)]
pub struct Results {
    bucket: Bucket,
    folder: String,
}

impl Results {
    /// Those of the job `id` of the drop `key`.
    pub fn of(bucket: &Bucket, key: &str, id: &JobId) -> Self {
        Self {
            bucket: bucket.clone(),
            folder: names::result_folder(key, id),
        }
    }

    /// `job.json`, if it is there and readable.
    ///
    /// # Errors
    /// The bucket cannot be reached.
    pub async fn read(&self) -> Result<Option<JobDocument>> {
        let text = self.bucket.get(&format!("{}job.json", self.folder)).await?;
        Ok(text.and_then(|text| serde_json::from_slice(&text).ok()))
    }

    /// Replaces `job.json`.
    ///
    /// # Errors
    /// The bucket does not take it.
    pub async fn write(&self, document: &JobDocument) -> Result<()> {
        let mut text = serde_json::to_vec_pretty(document)
            .map_err(|e| Error::internal("job.json cannot be written").because(e))?;
        text.push(b'\n');
        self.bucket
            .put(&format!("{}job.json", self.folder), text)
            .await
    }

    /// Puts the rejected rows that `parts` name together; returns the key of the first `failed.csv`.
    /// Each file of a job has its own, since their columns may differ: `failed.csv` and `failed.txt`
    /// of the first, `failed-1.csv` of the second. What an earlier run gave back is there no more.
    ///
    /// # Errors
    /// A piece cannot be read, or the bucket does not take them.
    pub async fn give_back(
        &self,
        progress: &JobProgress,
        parts: &[StagedPart],
    ) -> Result<Option<String>> {
        self.take_back().await?;
        let mut first = None;
        for parts in parts.chunk_by(|a, b| a.file == b.file) {
            let number = match parts.first().map(|part| part.file) {
                None | Some(0) => String::new(),
                Some(file) => format!("-{file}"),
            };
            let csv = parts.iter().flat_map(|part| &part.csv);
            let key = format!("{}failed{number}.csv", self.folder);
            let csv = self.join(progress, csv, key).await?;
            first = first.or(csv);
            let text = parts.iter().flat_map(|part| &part.text);
            let key = format!("{}failed{number}.txt", self.folder);
            self.join(progress, text, key).await?;
        }
        Ok(first)
    }

    /// Deletes what an earlier run gave back: it is not to be dropped again.
    async fn take_back(&self) -> Result<()> {
        let mut old = Vec::new();
        let listed = self.bucket.every(&self.folder, |piece| {
            let keys = piece.objects.into_iter().map(|object| object.key);
            old.extend(keys.filter(|key| {
                let name = key.strip_prefix(&*self.folder);
                name.is_some_and(|name| name.starts_with("failed"))
            }));
        });
        listed.await?;
        for key in old {
            self.bucket.delete(&key).await?;
        }
        Ok(())
    }

    /// The key; `None` if there are no pieces.
    async fn join(
        &self,
        progress: &JobProgress,
        pieces: impl Iterator<Item = &String>,
        key: String,
    ) -> Result<Option<String>> {
        let mut upload = Upload::to(&self.bucket, key);
        for piece in pieces {
            upload.push(&progress.piece(piece).await?).await?;
        }
        upload.finish().await
    }
}

#[cfg(test)]
mod tests;
