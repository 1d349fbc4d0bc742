//! A DLO as a Delta table, with its rejects table beside it, through `delta_kernel`.
//!
//! Owns: creating and loading the two tables, the conditional put of a commit, rolling the rejects
//! table forward, checkpoints and checksums. Does not own: the judgement (`lake::protocol`).

pub mod actions;
pub mod log;
pub mod stats;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::datatypes::{Schema as ArrowSchema, SchemaRef};
use async_trait::async_trait;
use delta_kernel::committer::FileSystemCommitter;
use delta_kernel::engine::arrow_conversion::{TryFromArrow, TryIntoArrow};
use delta_kernel::expressions::ColumnName;
use delta_kernel::schema::{StructField, StructType};
use delta_kernel::snapshot::{IncrementalReplay, Snapshot, SnapshotRef};
use delta_kernel::transaction::create_table::create_table;
use delta_kernel::transaction::data_layout::DataLayout;
use delta_kernel::transaction::{CommitResult, UpdateTableOperation};
use delta_kernel::{Engine, KernelError};
use delta_kernel_default_engine::DefaultEngineBuilder;
use delta_kernel_default_engine::executor::tokio::TokioMultiThreadExecutor;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutMode, PutOptions};
use parking_lot::Mutex;
use url::Url;
use uuid::Uuid;

use crate::error::{Error, Kind, Result};
use crate::lake::delta::log::LogEntry;
use crate::lake::{Answer, Commit, DataFile, LakeTable, View, layout};
use crate::model::ledger::{CommitRecord, RECORD_VERSION, RejectsFile, Role};
use crate::model::position::{APP_ID_DATA, APP_ID_SCHEMA};
use crate::schema::arrow::rejects_schema;
use crate::store::{Store, store_error};

const ENGINE_INFO: &str = concat!("weir/", env!("CARGO_PKG_VERSION"));

/// A checkpoint is written when this many versions were passed.
const CHECKPOINT_EVERY: u64 = 100;

/// A checksum is written when this many versions were passed, and after each checkpoint.
const CHECKSUM_EVERY: u64 = 16;

/// The DLO and the rejects table of one stream.
pub struct DeltaTable {
    store: Store,
    stream: String,
    instance: String,
    engine: Arc<dyn Engine>,
    /// The DLO's columns as this process writes them.
    columns: SchemaRef,
    data: Side,
    rejects: Side,
    followed: AtomicU64,
    upkeep: tokio::sync::Mutex<()>,
}

/// One of the two tables.
struct Side {
    name: String,
    root: Url,
    held: Mutex<Option<SnapshotRef>>,
    /// The newest version that upkeep wrote a checkpoint and a checksum for; 0 for none.
    checkpointed: AtomicU64,
    checksummed: AtomicU64,
    seen: tokio::sync::Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    version: Option<u64>,
    positions: HashMap<String, i64>,
}

/// What a DLO looks like when it is created.
#[derive(Debug, Clone)]
pub struct TableSpec {
    /// Every column: the schema's fields, derived partition columns, provenance.
    pub schema: SchemaRef,
    /// Partition columns, in order.
    pub partition_columns: Vec<String>,
}

impl Side {
    fn new(lake: &Url, name: String) -> Result<Self> {
        let root = lake
            .join(&format!("{name}/"))
            .map_err(|e| Error::config(format!("{name} is no folder name")).because(e))?;
        Ok(Self {
            name,
            root,
            held: Mutex::new(None),
            checkpointed: AtomicU64::new(0),
            checksummed: AtomicU64::new(0),
            seen: tokio::sync::Mutex::default(),
        })
    }
}

impl DeltaTable {
    /// Opens the two tables of `stream`, or creates what is missing.
    ///
    /// # Errors
    /// The store cannot be reached, or a table exists whose columns do not fit `spec`.
    pub async fn open_or_create(
        store: &Store,
        stream: &str,
        instance: &str,
        spec: TableSpec,
    ) -> Result<Self> {
        let (objects, root) = store.for_engine();
        let executor = TokioMultiThreadExecutor::new(tokio::runtime::Handle::current());
        let engine: Arc<dyn Engine> = Arc::new(
            DefaultEngineBuilder::new(objects)
                .with_task_executor(Arc::new(executor))
                .build(),
        );
        let table = Self {
            store: store.clone(),
            stream: stream.to_owned(),
            instance: instance.to_owned(),
            engine,
            columns: spec.schema.clone(),
            data: Side::new(&root, layout::data_table(stream))?,
            rejects: Side::new(&root, layout::rejects_table(stream))?,
            followed: AtomicU64::new(0),
            upkeep: tokio::sync::Mutex::new(()),
        };
        table.ensure(&table.data, &spec).await?;
        let rejects = TableSpec {
            schema: rejects_schema(),
            partition_columns: Vec::new(),
        };
        table.ensure(&table.rejects, &rejects).await?;
        Ok(table)
    }

    async fn ensure(&self, side: &Side, spec: &TableSpec) -> Result<()> {
        let engine = self.engine.clone();
        let root = side.root.clone();
        let wanted = spec.clone();
        if self.store.url().scheme() == "file"
            && let Ok(folder) = self.store.url().to_file_path()
        {
            let folder = folder.join(&side.name).join("_delta_log");
            std::fs::create_dir_all(&folder).map_err(|e| {
                Error::unreachable(format!("cannot create {}", folder.display())).because(e)
            })?;
        }
        let snapshot = blocking(move || {
            if let Ok(snapshot) = Snapshot::builder_for(root.as_str()).build(engine.as_ref()) {
                return Ok(snapshot);
            }
            create(engine.as_ref(), &root, &wanted)?;
            Snapshot::builder_for(root.as_str())
                .build(engine.as_ref())
                .map_err(|e| kernel_error("load the table", e))
        })
        .await?;
        let have: ArrowSchema = snapshot
            .schema()
            .as_ref()
            .try_into_arrow()
            .map_err(|e| Error::internal("the table's schema has no Arrow form").because(e))?;
        if let Some(difference) = difference(&have, &spec.schema) {
            return Err(Error::refused(format!(
                "table {} has another schema than this configuration: {difference}; give the stream another name, or move the table away",
                side.name
            )));
        }
        let partitions = snapshot
            .table_configuration()
            .metadata()
            .partition_columns();
        if partitions != spec.partition_columns.as_slice() {
            return Err(Error::refused(format!(
                "table {} is partitioned by {partitions:?} and the configuration says {:?}; give the stream another name, or move the table away",
                side.name, spec.partition_columns
            )));
        }
        *side.held.lock() = Some(snapshot);
        Ok(())
    }

    /// Reads what is new in the log of `side`; returns the entries.
    async fn refresh(&self, side: &Side) -> Result<(View, Vec<LogEntry>)> {
        let mut seen = side.seen.lock().await;
        let entries = log::entries_since(&self.store.objects(), &side.name, seen.version).await?;
        for entry in &entries {
            seen.version = Some(entry.version);
            seen.positions
                .extend(entry.positions.iter().map(|(k, v)| (k.clone(), *v)));
        }
        let Some(version) = seen.version else {
            return Err(Error::refused(format!("table {} has no log", side.name)));
        };
        let view = View {
            version,
            positions: seen.positions.clone(),
        };
        Ok((view, entries))
    }

    async fn put(
        &self,
        side: &Side,
        at: u64,
        commit: Commit,
        operation: UpdateTableOperation,
    ) -> Answer {
        let engine = self.engine.clone();
        let held = side.held.lock().clone();
        let root = side.root.clone();
        let put = blocking(move || put(engine.as_ref(), held, &root, at, &commit, operation)).await;
        match put {
            Ok((answer, snapshot)) => {
                if let Some(snapshot) = snapshot {
                    *side.held.lock() = Some(snapshot);
                }
                answer
            }
            Err(error) => Answer::Unknown(error),
        }
    }
}

#[async_trait]
impl LakeTable for DeltaTable {
    async fn view(&self) -> Result<View> {
        Ok(self.refresh(&self.data).await?.0)
    }

    async fn records_since(&self, after: u64) -> Result<Vec<(u64, Option<CommitRecord>)>> {
        let entries =
            log::entries_since(&self.store.objects(), &self.data.name, Some(after)).await?;
        Ok(entries.into_iter().map(|e| (e.version, e.record)).collect())
    }

    async fn try_commit(&self, at: u64, commit: &Commit) -> Answer {
        let mut commit = commit.clone();
        // Rows of a column that the table lacks would be in the files and in no reader's sight.
        if !commit.files.is_empty() && commit.schema.is_none() {
            commit.schema = Some(self.columns.clone());
        }
        self.put(&self.data, at, commit, UpdateTableOperation::Write)
            .await
    }

    async fn follow_rejects(&self) -> Result<u64> {
        loop {
            let (rejects, _) = self.refresh(&self.rejects).await?;
            let behind = rejects.positions.get(APP_ID_DATA).copied().unwrap_or(0);
            let behind = u64::try_from(behind)
                .unwrap_or(0)
                .max(self.followed.load(Ordering::SeqCst));
            let records = self.records_since(behind).await?;
            let Some(newest) = records.last().map(|(v, _)| *v) else {
                return Ok(behind);
            };
            let named: Vec<RejectsFile> = records
                .into_iter()
                .filter_map(|(_, record)| record)
                .flat_map(|record| record.rejects)
                .collect();
            if named.is_empty() {
                self.followed.fetch_max(newest, Ordering::SeqCst);
                return Ok(newest);
            }
            let commit = self.rejects_commit(named, newest);
            match self
                .put(
                    &self.rejects,
                    rejects.version + 1,
                    commit,
                    UpdateTableOperation::Write,
                )
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

    async fn publish_schema(&self, version: u32, text: &str) -> Result<()> {
        let path = Path::from(format!(
            "{}/{}",
            self.data.name,
            layout::schema_text(version)
        ));
        let options = PutOptions::from(PutMode::Create);
        let put = self
            .store
            .objects()
            .put_opts(&path, text.to_owned().into(), options)
            .await;
        match put {
            Ok(_) => Ok(()),
            Err(object_store::Error::AlreadyExists { .. }) => {
                let there = self.schema_text(version).await?;
                if there.as_deref() == Some(text) {
                    Ok(())
                } else {
                    Err(Error::refused(format!(
                        "table {} knows another text of schema version {version}; a version's text never changes: register the change as a new version",
                        self.data.name
                    )))
                }
            }
            Err(e) => Err(store_error("write the schema's text", e)),
        }
    }

    async fn schema_text(&self, version: u32) -> Result<Option<String>> {
        let path = Path::from(format!(
            "{}/{}",
            self.data.name,
            layout::schema_text(version)
        ));
        let objects = self.store.objects();
        match async { objects.get(&path).await?.bytes().await }.await {
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(e) => Err(store_error("read the schema's text", e)),
        }
    }

    async fn upkeep(&self) -> Result<()> {
        let Ok(_alone) = self.upkeep.try_lock() else {
            return Ok(());
        };
        for side in [&self.data, &self.rejects] {
            let Some(snapshot) = side.held.lock().clone() else {
                continue;
            };
            let version = snapshot.version();
            // Other instances commit too, so that a given version may never be held here.
            let due = |last: &AtomicU64, every: u64| {
                version / every > last.load(Ordering::SeqCst) / every
            };
            let checkpoint = due(&side.checkpointed, CHECKPOINT_EVERY);
            if !checkpoint && !due(&side.checksummed, CHECKSUM_EVERY) {
                continue;
            }
            let engine = self.engine.clone();
            let kept = blocking(move || {
                let mut snapshot = snapshot;
                if checkpoint {
                    let (_, after) = snapshot
                        .checkpoint(engine.as_ref(), None)
                        .map_err(|e| kernel_error("write a checkpoint", e))?;
                    snapshot = after;
                }
                let (_, after) = snapshot
                    .write_checksum(engine.as_ref())
                    .map_err(|e| kernel_error("write a checksum", e))?;
                Ok(after)
            })
            .await?;
            if checkpoint {
                side.checkpointed.store(version, Ordering::SeqCst);
            }
            side.checksummed.store(version, Ordering::SeqCst);
            let mut held = side.held.lock();
            if held.as_ref().is_some_and(|h| h.version() == kept.version()) {
                *held = Some(kept);
            }
        }
        Ok(())
    }
}

impl DeltaTable {
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

impl std::fmt::Debug for DeltaTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeltaTable")
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}

fn create(engine: &dyn Engine, root: &Url, spec: &TableSpec) -> Result<()> {
    let schema = StructType::try_from_arrow(spec.schema.as_ref())
        .map_err(|e| Error::refused("the schema has no form in Delta's types").because(e))?;
    let mut builder = create_table(root.as_str(), Arc::new(schema), ENGINE_INFO, false)
        .with_table_properties([
            ("delta.enableExpiredLogCleanup", "false"),
            ("delta.dataSkippingNumIndexedCols", "-1"),
        ]);
    if !spec.partition_columns.is_empty() {
        let columns: Vec<ColumnName> = spec
            .partition_columns
            .iter()
            .map(|c| ColumnName::new([c.as_str()]))
            .collect();
        builder = builder.with_data_layout(DataLayout::Partitioned { columns });
    }
    let committed = builder
        .build(engine, Box::new(FileSystemCommitter::new()))
        .and_then(|transaction| transaction.commit(engine));
    match committed {
        // Whoever else created it: it is loaded and compared afterwards.
        Ok(_) | Err(KernelError::TableAlreadyExistsAtPath(_)) => Ok(()),
        Err(e) => Err(kernel_error("create the table", e)),
    }
}

fn put(
    engine: &dyn Engine,
    held: Option<SnapshotRef>,
    root: &Url,
    at: u64,
    commit: &Commit,
    operation: UpdateTableOperation,
) -> Result<(Answer, Option<SnapshotRef>)> {
    let base = at.saturating_sub(1);
    let loaded = match held {
        Some(held) if held.version() == base => Ok(held),
        Some(held) if held.version() < base => Snapshot::builder_from(held)
            .at_version(base)
            .with_incremental_crc_replay(IncrementalReplay::Unlimited)
            .build(engine),
        _ => Snapshot::builder_for(root.as_str())
            .at_version(base)
            .build(engine),
    };
    let snapshot = loaded.map_err(|e| kernel_error("load the table", e))?;
    let (info, info_schema) = actions::commit_info(&commit.record)?;
    let mut builder = snapshot
        .clone()
        .update_table(operation, ENGINE_INFO, true)
        .with_commit_info(info, info_schema);
    for field in missing_columns(&snapshot, commit.schema.as_ref())? {
        builder = builder.add_column(field);
    }
    for (app_id, version) in &commit.positions {
        builder = builder.with_transaction_id(app_id.clone(), *version);
    }
    if let Some(schema) = commit.record.schema
        && commit.record.role == Role::Data
        && !commit.positions.iter().any(|(id, _)| id == APP_ID_SCHEMA)
    {
        builder = builder.with_transaction_id(APP_ID_SCHEMA, i64::from(schema));
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

/// Columns that `wanted` has and the table lacks, as they are added: nullable, since older files
/// do not hold them.
fn missing_columns(snapshot: &Snapshot, wanted: Option<&SchemaRef>) -> Result<Vec<StructField>> {
    let Some(wanted) = wanted else {
        return Ok(Vec::new());
    };
    let wanted = StructType::try_from_arrow(wanted.as_ref())
        .map_err(|e| Error::refused("the schema has no form in Delta's types").because(e))?;
    let have = snapshot.schema();
    Ok(wanted
        .fields()
        .filter(|field| have.field(field.name()).is_none())
        .map(|field| StructField::nullable(field.name(), field.data_type().clone()))
        .collect())
}

/// What of `want` the table does not have as it is; `None` if all fits. A nullable column may be
/// missing: the next commit that has it adds it.
fn difference(have: &ArrowSchema, want: &ArrowSchema) -> Option<String> {
    for field in want.fields() {
        let Some((_, there)) = have.fields().find(field.name()) else {
            if field.is_nullable() {
                continue;
            }
            return Some(format!("column {} is missing", field.name()));
        };
        if !there.data_type().equals_datatype(field.data_type()) {
            return Some(format!(
                "column {} is {} there and {} here",
                field.name(),
                there.data_type(),
                field.data_type()
            ));
        }
    }
    have.fields()
        .iter()
        .find(|f| !f.is_nullable() && want.fields().find(f.name()).is_none())
        .map(|f| format!("column {} is required there and unknown here", f.name()))
}

fn kernel_error(doing: &str, error: KernelError) -> Error {
    let kind = match &error {
        KernelError::Schema(_) | KernelError::Unsupported(_) => Kind::Refused,
        _ => Kind::Unreachable,
    };
    Error::new(kind, format!("could not {doing}")).because(error)
}

/// Runs `work`, which blocks on the store, beside the runtime's workers.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| Error::internal("a table operation died").because(e))?
}
