//! A job that was read, on its way into the table.
//!
//! Owns: the commit's record. Does not own: the commit protocol (`commit`): a job has no position in the
//! table, and its batch, which is the same for everyone who works on it, stands for it.

use crate::lake::{DataFile, ReadyBatch};
use crate::model::job::{Identity, JobCounts, JobId};
use crate::model::ledger::{
    CommitRecord, Cut, FileRecord, JobRecord, RECORD_VERSION, RangeRecord, RejectsFile, Role,
};
use crate::model::position::{SourceId, SourcePartition};
use crate::pipeline::plan::StreamPlan;

/// A job that was read and is to land.
#[derive(Debug)]
pub struct ReadJob<'a> {
    /// The job.
    pub job: &'a JobId,
    /// Its key.
    pub key: &'a str,
    /// What tells its content from another.
    pub identity: &'a Identity,
    /// Content hash.
    pub sha256: String,
    /// Its files, in order.
    pub files: Vec<ReadFile<'a>>,
    /// Of a manifest, what the ledger keeps of them.
    pub own_files: Vec<FileRecord>,
}

/// A file of it.
#[derive(Debug)]
pub struct ReadFile<'a> {
    /// Its key.
    pub key: &'a str,
    /// Records that were read.
    pub records: u64,
    /// What became of them.
    pub counts: JobCounts,
}

/// The batch that lands a job.
pub fn batch(
    plan: &StreamPlan,
    instance: &str,
    read: &ReadJob<'_>,
    files: Vec<DataFile>,
    rejects: Vec<RejectsFile>,
) -> ReadyBatch {
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let source_id = SourceId::bulk(read.job.as_str());
    let ranges = read.files.iter().zip(0..).map(|(file, place)| {
        let partition = SourcePartition {
            source_id: source_id.clone(),
            partition: place,
        };
        RangeRecord {
            to: number(file.records),
            read: number(file.records),
            accepted: number(file.counts.accepted),
            rejected: number(file.counts.rejected),
            ..RangeRecord::starting_point(file.key, &partition, 0)
        }
    });
    let record = CommitRecord {
        version: RECORD_VERSION,
        role: Role::Data,
        batch: read.job.batch(),
        instance: instance.to_owned(),
        cut: Some(Cut::End),
        schema: Some(plan.version()),
        ranges: ranges.collect(),
        rejects,
        job: Some(JobRecord {
            id: read.job.as_str().to_owned(),
            key: read.key.to_owned(),
            identity: read.identity.as_str().to_owned(),
            sha256: read.sha256.clone(),
            files: read.own_files.clone(),
        }),
        reason: None,
    };
    let has_rows = !files.is_empty();
    let mut ready = ReadyBatch::new(record, files);
    if has_rows {
        ready.commit.schema = Some(plan.table.schema.clone());
    }
    ready
}
