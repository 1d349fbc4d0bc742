//! The state of a table at one version, as any Delta reader sees it: its live files and positions.
//!
//! Owns: reading it through `delta_kernel`, also where the log's older part is a checkpoint only.
//! Does not own: writing (`lake::delta`), the ledger (`lake::ledger`).

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;
use delta_kernel::Engine;
use delta_kernel::actions::LOG_TXN_SCHEMA;
use delta_kernel::engine::arrow_data::ArrowEngineData;
use delta_kernel::scan::state::ScanFile;
use delta_kernel::snapshot::{Snapshot, SnapshotRef};
use delta_kernel_default_engine::DefaultEngineBuilder;
use delta_kernel_default_engine::executor::tokio::TokioMultiThreadExecutor;
use object_store::path::Path;

use crate::error::Error;
use crate::lake::failure::Failure;
use crate::store::Store;

/// A table at one version.
pub struct TableState {
    engine: Arc<dyn Engine>,
    snapshot: SnapshotRef,
}

/// A file that readers of the table read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveFile {
    /// Relative to the table, decoded.
    pub path: String,
    /// Bytes, as the log says.
    pub size: i64,
    /// Rows, if its statistics say.
    pub rows: Option<u64>,
    /// True if a deletion vector hides rows of it.
    pub has_deletions: bool,
}

impl TableState {
    /// Loads `table` at `version`, or at its newest one.
    ///
    /// # Errors
    /// See [`Failure`]; a table that is not there is `Missing` or `Broken`.
    pub async fn load(store: &Store, table: &str, version: Option<u64>) -> Result<Self, Failure> {
        let (objects, root) = store.for_engine();
        let root = root
            .join(&format!("{table}/"))
            .map_err(|e| Failure::Broken(format!("{table} is no folder name: {e}")))?;
        let executor = TokioMultiThreadExecutor::new(tokio::runtime::Handle::current());
        let engine: Arc<dyn Engine> = Arc::new(
            DefaultEngineBuilder::new(objects)
                .with_task_executor(Arc::new(executor))
                .build(),
        );
        let reader = engine.clone();
        let snapshot = blocking(move || {
            let mut builder = Snapshot::builder_for(root.as_str());
            if let Some(version) = version {
                builder = builder.at_version(version);
            }
            Ok(builder.build(reader.as_ref())?)
        })
        .await?;
        Ok(Self { engine, snapshot })
    }

    /// The version.
    pub fn version(&self) -> u64 {
        self.snapshot.version()
    }

    /// The version of the checkpoint that readers begin with; `None` if they begin with commit 0.
    pub fn checkpoint(&self) -> Option<u64> {
        self.snapshot.log_segment().checkpoint_version
    }

    /// Every `txn` action: application id → version.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn positions(&self) -> Result<HashMap<String, i64>, Failure> {
        let (engine, snapshot) = (self.engine.clone(), self.snapshot.clone());
        blocking(move || positions_of(engine.as_ref(), &snapshot)).await
    }

    /// The live files.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn files(&self) -> Result<Vec<LiveFile>, Failure> {
        self.fold_files(Vec::new(), |files: &mut Vec<LiveFile>, file| {
            files.push(file);
        })
        .await
    }

    /// Passes each live file to `each`, without holding them all.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn fold_files<T: Send + 'static>(
        &self,
        into: T,
        each: fn(&mut T, LiveFile),
    ) -> Result<T, Failure> {
        let (engine, snapshot) = (self.engine.clone(), self.snapshot.clone());
        blocking(move || {
            let scan = snapshot.scan_builder().build()?;
            let mut context = (into, each);
            for metadata in scan.scan_metadata(engine.as_ref())? {
                context = metadata?.visit_scan_files(context, |(into, each), file: ScanFile| {
                    each(
                        into,
                        LiveFile {
                            path: decoded(&file.path),
                            size: file.size,
                            rows: file.stats.map(|s| s.num_records),
                            has_deletions: file.dv_info.has_vector(),
                        },
                    );
                })?;
            }
            Ok(context.0)
        })
        .await
    }
}

impl std::fmt::Debug for TableState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TableState")
            .field("version", &self.version())
            .finish_non_exhaustive()
    }
}

/// A path of an `add` action as it is in the store; the log holds it percent-encoded.
pub fn decoded(path: &str) -> String {
    Path::from_url_path(path).map_or_else(|_| path.to_owned(), Into::into)
}

/// Every `txn` action of a snapshot: from its checkpoint and the commits above. Blocks.
pub(crate) fn positions_of(
    engine: &dyn Engine,
    snapshot: &Snapshot,
) -> Result<HashMap<String, i64>, Failure> {
    let mut positions = HashMap::new();
    let segment = snapshot.log_segment();
    for batch in segment.read_actions(engine, LOG_TXN_SCHEMA.clone())? {
        let actions = ArrowEngineData::try_from_engine_data(batch?.actions)?;
        // Newest first: what is known already is newer.
        let newer = std::mem::take(&mut positions);
        positions = transactions(actions.record_batch())?;
        positions.extend(newer);
    }
    Ok(positions)
}

fn transactions(batch: &arrow::array::RecordBatch) -> Result<HashMap<String, i64>, Failure> {
    let broken = || Failure::Broken("the log's txn actions have another form".to_owned());
    let txn = batch
        .column_by_name("txn")
        .and_then(|c| c.as_struct_opt())
        .ok_or_else(broken)?;
    let ids = txn
        .column_by_name("appId")
        .and_then(|c| c.as_string_opt::<i32>())
        .ok_or_else(broken)?;
    let versions = txn
        .column_by_name("version")
        .and_then(|c| c.as_primitive_opt::<Int64Type>())
        .ok_or_else(broken)?;
    Ok((0..batch.num_rows())
        .filter(|row| txn.is_valid(*row) && ids.is_valid(*row))
        .map(|row| (ids.value(row).to_owned(), versions.value(row)))
        .collect())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| Failure::Away(Error::internal("reading a table died").because(e)))?
}
