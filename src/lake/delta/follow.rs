//! The rejects table follows the DLO: it adds the files that the DLO's commits name.
//!
//! Owns: finding out how far it is behind, and the commit that takes it further.

use std::sync::atomic::Ordering;

use delta_kernel::transaction::UpdateTableOperation;
use uuid::Uuid;

use crate::error::Result;
use crate::lake::delta::DeltaTable;
use crate::lake::{Answer, Commit, DataFile, LakeTable};
use crate::model::ledger::{CommitRecord, RECORD_VERSION, RejectsFile, Role};
use crate::model::position::APP_ID_DATA;

impl DeltaTable {
    /// See [`LakeTable::follow_rejects`].
    pub(super) async fn follow(&self) -> Result<u64> {
        loop {
            let rejects = self.rejects.refresh().await?;
            let behind = rejects.positions.get(APP_ID_DATA).copied().unwrap_or(0);
            let behind = u64::try_from(behind)
                .unwrap_or(0)
                .max(self.followed.load(Ordering::SeqCst));
            let records = self.commits_since(behind, usize::MAX).await?;
            let Some(newest) = records.last().map(|commit| commit.version) else {
                return Ok(behind);
            };
            let named: Vec<RejectsFile> = records
                .into_iter()
                .flat_map(|commit| commit.rejects)
                .collect();
            if named.is_empty() {
                self.followed.fetch_max(newest, Ordering::SeqCst);
                return Ok(newest);
            }
            let commit = self.rejects_commit(named, newest);
            match self
                .rejects
                .put(rejects.version + 1, commit, UpdateTableOperation::Write)
                .await
            {
                Answer::Committed(_) => {
                    self.followed.fetch_max(newest, Ordering::SeqCst);
                    return Ok(newest);
                }
                // Another instance followed, or the answer was lost: look again.
                Answer::Conflict => {}
                Answer::Unknown(error) => return Err(error),
            }
        }
    }

    fn rejects_commit(&self, named: Vec<RejectsFile>, newest: u64) -> Commit {
        let files = named
            .into_iter()
            .map(|file| DataFile {
                stats: format!("{{\"numRecords\":{}}}", file.rows),
                path: file.path,
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
                #[allow(
                    clippy::disallowed_methods,
                    reason = "a rejects commit is known by its files; its id is never looked for"
                )]
                batch: Uuid::new_v4(),
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
                i64::try_from(newest).unwrap_or(i64::MAX),
            )],
            schema: None,
        }
    }
}
