//! The conditional put of one version, through the kernel's transaction.
//!
//! Owns: what a commit is made of, and what the kernel's answers mean. Does not own: the judgement
//! (`lake::protocol`), and what is done about an answer (the caller).

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use delta_kernel::Engine;
use delta_kernel::committer::FileSystemCommitter;
use delta_kernel::engine::arrow_conversion::TryFromArrow;
use delta_kernel::expressions::ColumnName;
use delta_kernel::schema::{StructField, StructType};
use delta_kernel::snapshot::{IncrementalReplay, Snapshot, SnapshotRef};
use delta_kernel::transaction::{CommitResult, UpdateTableOperation};
use url::Url;

use crate::error::{Error, Result};
use crate::lake::delta::open::refusals;
use crate::lake::delta::side::Side;
use crate::lake::delta::{ENGINE_INFO, actions, blocking};
use crate::lake::failure::kernel_error;
use crate::lake::ledger::log;
use crate::lake::{Answer, Commit};
use crate::model::position::APP_ID_SCHEMA;

impl Side {
    /// Puts `commit` as version `at`.
    pub(super) async fn put(
        &self,
        at: u64,
        commit: Commit,
        operation: UpdateTableOperation,
    ) -> Answer {
        let engine = self.engine.clone();
        let held = self.held.lock().clone();
        let root = self.root.clone();
        let commit = Arc::new(commit);
        let wanted = commit.clone();
        let put = blocking(move || put(engine.as_ref(), held, &root, at, &wanted, operation));
        let (answer, snapshot) = match put.await {
            Ok(done) => done,
            Err(error) => return Answer::Unknown(error),
        };
        if let Answer::Committed(version) = answer {
            if let Err(error) = self.is_new(version).await {
                return Answer::Unknown(error);
            }
            self.know(version, &commit);
        }
        if let Some(snapshot) = snapshot {
            self.hold(snapshot);
        }
        answer
    }

    /// Whether the version that was put is a new one, or one that had left the log before: then
    /// nobody reads it, and the next look tells what became of the batch (`ledger::log`).
    async fn is_new(&self, version: u64) -> Result<()> {
        if log::is_logged(&self.objects, &self.name, version.saturating_sub(1)).await? {
            return Ok(());
        }
        Err(Error::unreachable(format!(
            "the log of {} was folded beyond version {version} before it was put",
            self.name
        )))
    }
}

fn put(
    engine: &dyn Engine,
    held: SnapshotRef,
    root: &Url,
    at: u64,
    commit: &Commit,
    operation: UpdateTableOperation,
) -> Result<(Answer, Option<SnapshotRef>)> {
    let base = at.saturating_sub(1);
    let loaded = match held.version().cmp(&base) {
        Ordering::Equal => Ok(held),
        Ordering::Less => Snapshot::builder_from(held)
            .at_version(base)
            .with_incremental_crc_replay(IncrementalReplay::Unlimited)
            .build(engine),
        Ordering::Greater => Snapshot::builder_for(root.as_str())
            .at_version(base)
            .build(engine),
    };
    let snapshot = loaded.map_err(|e| kernel_error("load the table", e))?;
    let (info, info_schema) = actions::commit_info(&commit.record)?;
    let mut builder = snapshot
        .clone()
        .update_table(operation, ENGINE_INFO, true)
        .with_commit_info(info, info_schema);
    if let Some(wanted) = &commit.schema {
        // Each version was looked at before, but two of them may have been so at the same time.
        if commit.positions.iter().any(|(id, _)| id == APP_ID_SCHEMA) {
            let refusals = refusals(&snapshot, wanted)?;
            if !refusals.is_empty() {
                return Err(Error::refused(format!(
                    "the table cannot take the rows of a newer schema version: {}",
                    refusals.join("; ")
                )));
            }
        }
        for change in changes(snapshot.schema().as_ref(), wanted)? {
            builder = match change {
                Change::Add(field) => builder.add_column(field),
                Change::Relax(column) => builder.set_nullable(column),
            };
        }
    }
    for (app_id, version) in &commit.positions {
        builder = builder.with_transaction_id(app_id.clone(), *version);
    }
    let mut transaction = builder
        .build(engine, Box::new(FileSystemCommitter::new()))
        .map_err(|e| kernel_error("prepare a commit", e))?;
    for file in &commit.files {
        transaction.add_files(actions::add_file(file)?);
    }
    match transaction.commit(engine) {
        Ok(CommitResult::Committed(done)) => Ok((
            Answer::Committed(done.commit_version()),
            done.post_commit_snapshot().cloned(),
        )),
        Ok(CommitResult::Conflicted(_)) => Ok((Answer::Conflict, Some(snapshot))),
        Ok(CommitResult::Retryable(failed)) => Ok((
            Answer::Unknown(kernel_error("write a commit", failed.error)),
            Some(snapshot),
        )),
        Err(e) => Ok((
            Answer::Unknown(kernel_error("write a commit", e)),
            Some(snapshot),
        )),
    }
}

/// What a table's columns become with the rows of a commit.
enum Change {
    Add(StructField),
    Relax(ColumnName),
}

/// Columns that the rows have and the table lacks are added, nullable, since older files do not hold
/// them; a required one that the rows lack or that may be null becomes nullable. What else differs
/// was refused when the table was opened (`schema::evolve`).
fn changes(have: &StructType, wanted: &SchemaRef) -> Result<Vec<Change>> {
    let wanted = StructType::try_from_arrow(wanted.as_ref())
        .map_err(|e| Error::refused("the schema has no form in Delta's types").because(e))?;
    let added = wanted
        .fields()
        .filter(|field| have.field(field.name()).is_none())
        .map(|field| {
            Change::Add(StructField::nullable(
                field.name(),
                field.data_type().clone(),
            ))
        });
    let relaxed = have
        .fields()
        .filter(|field| !field.is_nullable())
        .filter(|field| {
            wanted
                .field(field.name())
                .is_none_or(StructField::is_nullable)
        })
        .map(|field| Change::Relax(ColumnName::new([field.name()])));
    Ok(added.chain(relaxed).collect())
}
