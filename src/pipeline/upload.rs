//! Encoded files on their way into the lake's folders.
//!
//! Owns: names, puts and Delta's statistics of new files. A file that is uploaded and never
//! committed is an orphan: no reader of the log sees it.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, path::Path};

use crate::clock::Clock;
use crate::fail_point;
use crate::lake::{DataFile, delta::stats, layout};
use crate::model::id;
use crate::model::ledger::RejectsFile;
use crate::pipeline::file::EncodedFile;
use crate::pipeline::partition_values::PartitionValues;
use crate::shutdown::{Phase, Shutdown};

/// First and longest wait before a failed put is tried again.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// Puts the files of one stream.
#[derive(Debug, Clone)]
pub struct Uploader {
    /// The lake's store, rooted at the lake's URL.
    pub store: Arc<dyn ObjectStore>,
    /// The stream.
    pub stream: String,
    /// Partition columns, in order.
    pub partition_columns: Vec<String>,
    /// The DLO's columns, for statistics.
    pub schema: SchemaRef,
    /// Clock.
    pub clock: Clock,
    /// The stop.
    pub shutdown: Shutdown,
}

/// Files that are in the store and not yet in the log.
#[derive(Debug)]
pub struct Uploaded {
    /// Data files.
    pub files: Vec<DataFile>,
    /// Rejects files; at most one.
    pub rejects: Vec<RejectsFile>,
}

impl Uploader {
    /// Uploads a batch's files; `None` if the stop was abandoned first.
    pub async fn upload(
        &self,
        files: Vec<(PartitionValues, EncodedFile)>,
        rejects: Option<EncodedFile>,
    ) -> Option<Uploaded> {
        fail_point::pass("before_upload");
        let mut uploaded = Uploaded {
            files: Vec::with_capacity(files.len()),
            rejects: Vec::new(),
        };
        for (values, file) in files {
            let values: Vec<(String, Option<String>)> =
                self.partition_columns.iter().cloned().zip(values).collect();
            let path = layout::data_file(&values, id::fresh());
            self.put(
                &format!("{}/{path}", layout::data_table(&self.stream)),
                &file,
            )
            .await?;
            uploaded.files.push(DataFile {
                path,
                size: file.size,
                rows: file.rows,
                partition_values: values,
                stats: stats::from_parquet(&file.metadata, &self.schema),
                modified_ms: self.clock.now().0 / 1000,
            });
        }
        if let Some(file) = rejects {
            let path = layout::data_file(&[], id::fresh());
            let whole = format!("{}/{path}", layout::rejects_table(&self.stream));
            self.put(&whole, &file).await?;
            uploaded.rejects.push(RejectsFile {
                path,
                size: i64::try_from(file.size).unwrap_or(i64::MAX),
                rows: i64::try_from(file.rows).unwrap_or(i64::MAX),
            });
        }
        Some(uploaded)
    }

    /// Puts one file, for as long as it takes; `None` if the stop was abandoned first.
    async fn put(&self, path: &str, file: &EncodedFile) -> Option<()> {
        let place = Path::from(path);
        let mut wait = RETRY.0;
        loop {
            let payload: PutPayload = file.chunks.iter().cloned().collect();
            match self.store.put(&place, payload).await {
                Ok(_) => return Some(()),
                Err(error) => {
                    let stream = &self.stream;
                    tracing::warn!(%stream, path, %error, "upload failed; trying again");
                }
            }
            if self.shutdown.phase() == Phase::Abandoned {
                return None;
            }
            self.clock.sleep(wait).await;
            wait = (wait * 2).min(RETRY.1);
        }
    }
}
