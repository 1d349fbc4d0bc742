//! The rejects table as one that follows (`lake::follow`): its view, and the commit that takes it
//! further.

use async_trait::async_trait;
use delta_kernel::transaction::UpdateTableOperation;

use crate::error::Result;
use crate::lake::delta::DeltaTable;
use crate::lake::follow::Following;
use crate::lake::{Answer, Commit, DataFile, LakeTable, Logged, View};
use crate::model::id;
use crate::model::ledger::{CommitRecord, RECORD_VERSION, RejectsFile, Role};
use crate::model::position::APP_ID_DATA;

#[async_trait]
impl Following for DeltaTable {
    async fn rejects_view(&self) -> Result<View> {
        self.rejects.refresh().await
    }

    async fn data_commits_since(&self, after: u64, most: usize) -> Result<Vec<Logged>> {
        self.commits_since(after, most).await
    }

    async fn try_add(&self, at: u64, files: &[RejectsFile], data: u64) -> Answer {
        let commit = self.rejects_commit(files, data);
        self.rejects
            .put(at, commit, UpdateTableOperation::Write)
            .await
    }
}

impl DeltaTable {
    fn rejects_commit(&self, named: &[RejectsFile], data: u64) -> Commit {
        let files = named
            .iter()
            .map(|file| DataFile {
                stats: format!("{{\"numRecords\":{}}}", file.rows),
                path: file.path.clone(),
                size: u64::try_from(file.size).unwrap_or(0),
                rows: u64::try_from(file.rows).unwrap_or(0),
                partition_values: Vec::new(),
                modified_ms: 0,
            })
            .collect();
        Commit {
            record: CommitRecord {
                version: RECORD_VERSION,
                role: Role::Rejects,
                // A rejects commit is known by its files; its id is never looked for.
                batch: id::fresh(),
                instance: self.instance.clone(),
                cut: None,
                schema: None,
                ranges: Vec::new(),
                rejects: Vec::new(),
                job: None,
                reason: None,
            },
            files,
            positions: vec![(
                APP_ID_DATA.to_owned(),
                i64::try_from(data).unwrap_or(i64::MAX),
            )],
            schema: None,
        }
    }
}
