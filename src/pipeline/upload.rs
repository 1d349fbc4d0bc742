//! Encoded files on their way into the lake's folders.
//!
//! Owns: names, puts and Delta's statistics of new files. A file that is uploaded and never
//! committed is an orphan: no reader of the log sees it.

use std::time::Duration;

use futures::StreamExt;

use crate::clock::Clock;
use crate::fail_point;
use crate::lake::{DataFile, delta::stats, layout};
use crate::model::id;
use crate::model::ledger::RejectsFile;
use crate::pipeline::file::EncodedFile;
use crate::pipeline::partition_values::PartitionValues;
use crate::pipeline::plan::StreamPlan;
use crate::pipeline::status::StatusBoard;
use crate::shutdown::{Phase, Shutdown};
use crate::store::Store;

/// First and longest wait before a failed put is tried again.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// Files of a batch that are put at the same time.
const SIDE_BY_SIDE: usize = 8;

/// Puts the files of one stream.
#[derive(Debug, Clone)]
pub struct Uploader {
    /// The lake's store.
    pub store: Store,
    /// The stream.
    pub stream: String,
    /// Clock.
    pub clock: Clock,
    /// The stop.
    pub shutdown: Shutdown,
    /// What HTTP tells.
    pub status: StatusBoard,
}

/// Files that are in the store and not yet in the log.
#[derive(Debug)]
pub struct Uploaded {
    /// Data files.
    pub files: Vec<DataFile>,
    /// Rejects files.
    pub rejects: Vec<RejectsFile>,
}

impl Uploader {
    /// Uploads a batch's files, which `plan` made; `None` if the stop was abandoned first.
    pub async fn upload(
        &self,
        plan: &StreamPlan,
        files: Vec<(PartitionValues, EncodedFile)>,
        rejects: Vec<EncodedFile>,
    ) -> Option<Uploaded> {
        fail_point::pass("before_upload");
        let data = futures::stream::iter(files)
            .map(|(values, file)| self.put_data(plan, values, file))
            .buffered(SIDE_BY_SIDE);
        let data: Vec<Option<DataFile>> = data.collect().await;
        let mut uploaded = Uploaded {
            files: data.into_iter().collect::<Option<_>>()?,
            rejects: Vec::new(),
        };
        for file in rejects {
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

    async fn put_data(
        &self,
        plan: &StreamPlan,
        values: PartitionValues,
        file: EncodedFile,
    ) -> Option<DataFile> {
        let columns = plan.table.partition_columns.iter().cloned();
        let values: Vec<(String, Option<String>)> = columns.zip(values).collect();
        let path = layout::data_file(&values, id::fresh());
        let whole = format!("{}/{path}", layout::data_table(&self.stream));
        self.put(&whole, &file).await?;
        Some(DataFile {
            path,
            size: file.size,
            rows: file.rows,
            partition_values: values,
            stats: stats::from_parquet(&file.metadata, &plan.table.schema),
            modified_ms: self.clock.now().0 / 1000,
        })
    }

    /// Puts one file, for as long as it takes; `None` if the stop was abandoned first.
    async fn put(&self, path: &str, file: &EncodedFile) -> Option<()> {
        let mut wait = RETRY.0;
        let mut failures: u32 = 0;
        loop {
            match self.store.put_file(path, &file.chunks).await {
                Ok(_) if failures == 0 => return Some(()),
                Ok(_) => {
                    self.status.set_held(&self.stream, None);
                    tracing::info!(stream = %self.stream, failures, "the lake takes uploads again");
                    return Some(());
                }
                Err(error) => {
                    failures += 1;
                    // The first, then ever more rarely: an outage of hours is not a line a second.
                    if failures.is_power_of_two() {
                        tracing::warn!(stream = %self.stream, path, failures, %error, "waiting for the lake");
                    }
                    self.status.set_held(&self.stream, Some(error.to_string()));
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
