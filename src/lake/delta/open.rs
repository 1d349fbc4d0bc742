//! Opening the two tables of a stream, or creating what is missing.
//!
//! Owns: what a new table is, and whether one that is there fits a stream and its columns. Does not
//! own: the columns that are added (`delta::put`).

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow::datatypes::{Fields, Schema as ArrowSchema, SchemaRef};
use delta_kernel::committer::FileSystemCommitter;
use delta_kernel::engine::arrow_conversion::{TryFromArrow, TryIntoArrow};
use delta_kernel::expressions::ColumnName;
use delta_kernel::schema::StructType;
use delta_kernel::snapshot::{Snapshot, SnapshotRef};
use delta_kernel::transaction::create_table::create_table;
use delta_kernel::transaction::data_layout::DataLayout;
use delta_kernel::{Engine, KernelError};
use delta_kernel_default_engine::DefaultEngineBuilder;
use delta_kernel_default_engine::executor::tokio::TokioMultiThreadExecutor;
use object_store::ObjectStore;
use url::Url;

use crate::error::{Error, Result};
use crate::lake::delta::side::{Side, load, newest_snapshot, view_of};
use crate::lake::delta::upkeep::Cadence;
use crate::lake::delta::{DeltaTable, ENGINE_INFO, TableSpec, blocking, features};
use crate::lake::failure::kernel_error;
use crate::lake::ledger::{self, log};
use crate::lake::{LakeTable, View, layout};
use crate::schema::arrow::{provenance_fields, rejects_schema};
use crate::schema::evolve;
use crate::store::Store;

/// Attempts to add a feature while others commit.
const FEATURE_TRIES: u32 = 10;

impl DeltaTable {
    /// Whether the DLO of `stream` fits `spec`: its newest view, or `None` where there is none yet.
    /// Nothing is created.
    ///
    /// # Errors
    /// The store cannot be reached, or the table's columns do not fit (`Refused`).
    pub async fn look(store: &Store, stream: &str, spec: &TableSpec) -> Result<Option<View>> {
        let Some((engine, snapshot)) = there(store, stream).await? else {
            return Ok(None);
        };
        let name = layout::data_table(stream);
        is_weirs(&snapshot, &name, spec)?;
        let refusals = refusals(&snapshot, &spec.schema)?;
        if !refusals.is_empty() {
            return Err(does_not_follow(&name, &refusals));
        }
        view_of(&engine, &snapshot, &name).await.map(Some)
    }

    /// The version and the columns of the DLO of `stream`; `None` where there is none yet.
    ///
    /// # Errors
    /// The store cannot be reached, or the table cannot be read (`Refused`).
    pub async fn columns(store: &Store, stream: &str) -> Result<Option<(u64, Fields)>> {
        let Some((_, snapshot)) = there(store, stream).await? else {
            return Ok(None);
        };
        Ok(Some((snapshot.version(), columns_of(&snapshot)?.fields)))
    }

    /// Opens the two tables of `stream`, or creates what is missing. Whether one that is there can
    /// take rows of `spec` is for [`LakeTable::admit`].
    ///
    /// # Errors
    /// The store cannot be reached, or a table exists that is not weir's or is partitioned by other
    /// columns.
    pub async fn open_or_create(
        store: &Store,
        stream: &str,
        instance: &str,
        spec: TableSpec,
    ) -> Result<Self> {
        let (objects, root) = store.for_engine();
        let engine = engine(objects);
        let rejects = TableSpec {
            schema: rejects_schema(),
            partition_columns: Vec::new(),
        };
        let opening = Opening {
            store,
            engine: &engine,
            root: &root,
        };
        let table = Self {
            data: opening.open(layout::data_table(stream), &spec).await?,
            rejects: opening
                .open(layout::rejects_table(stream), &rejects)
                .await?,
            store: store.clone(),
            stream: stream.to_owned(),
            instance: instance.to_owned(),
            followed: AtomicU64::new(0),
            cadence: Cadence::default(),
            upkeep: tokio::sync::Mutex::new(()),
        };
        // Whoever died between a commit and its rejects may not come back.
        if let Err(error) = table.follow_rejects().await {
            tracing::warn!(stream, %error, "the rejects table trails; it follows at the next commit");
        }
        Ok(table)
    }
}

impl DeltaTable {
    /// See [`LakeTable::admit`].
    pub(super) async fn make_room(&self, columns: &SchemaRef) -> Result<Vec<String>> {
        let Side {
            objects,
            engine,
            name,
            root,
            ..
        } = &self.data;
        let mut snapshot = newest_snapshot(objects, engine, root, name).await?;
        let refusals = refusals(&snapshot, columns)?;
        if !refusals.is_empty() {
            return Ok(refusals);
        }
        let mut tries = 0;
        while features::lacks(&snapshot, columns) {
            if tries >= FEATURE_TRIES {
                return Err(Error::unreachable(format!(
                    "table {name} could not be given a feature: other writers were always first"
                )));
            }
            tries += 1;
            features::add(objects, name, &self.instance, &snapshot).await?;
            snapshot = newest_snapshot(objects, engine, root, name).await?;
        }
        Ok(Vec::new())
    }
}

/// The DLO of `stream`, if there is one.
async fn there(store: &Store, stream: &str) -> Result<Option<(Arc<dyn Engine>, SnapshotRef)>> {
    let name = layout::data_table(stream);
    if !ledger::is_there(&store.objects(), &name).await? {
        return Ok(None);
    }
    let (objects, root) = store.for_engine();
    let url = table_url(&root, &name)?;
    let engine = engine(objects);
    let reader = engine.clone();
    let loaded = blocking(move || Ok(load(reader.as_ref(), &url))).await?;
    let snapshot = loaded.map_err(|e| kernel_error("load the table", e))?;
    Ok(Some((engine, snapshot)))
}

/// The table engine over `objects`; called within the runtime.
fn engine(objects: Arc<dyn ObjectStore>) -> Arc<dyn Engine> {
    let executor = TokioMultiThreadExecutor::new(tokio::runtime::Handle::current());
    Arc::new(
        DefaultEngineBuilder::new(objects)
            .with_task_executor(Arc::new(executor))
            .build(),
    )
}

/// The URL of the table `name` under the engine's root.
fn table_url(root: &Url, name: &str) -> Result<Url> {
    root.join(&format!("{name}/"))
        .map_err(|e| Error::config(format!("{name} is no folder name")).because(e))
}

/// What a table is opened with.
struct Opening<'a> {
    store: &'a Store,
    engine: &'a Arc<dyn Engine>,
    root: &'a Url,
}

impl Opening<'_> {
    /// The table `name`, which is created if it is not there.
    async fn open(&self, name: String, spec: &TableSpec) -> Result<Side> {
        let Opening {
            store,
            engine,
            root,
        } = *self;
        let url = table_url(root, &name)?;
        store.make_folder(&format!("{name}/_delta_log"))?;
        let (reader, root) = (engine.clone(), url.clone());
        let there = blocking(move || Ok(load(reader.as_ref(), &root))).await?;
        let snapshot = match there {
            Ok(snapshot) => snapshot,
            Err(KernelError::EmptyLog | KernelError::FileNotFound(_)) => {
                // The kernel does not tell a missing bucket from a missing table.
                log::newest(&store.objects(), &name, 0).await?;
                let (writer, root, wanted) = (engine.clone(), url.clone(), spec.clone());
                blocking(move || create(writer.as_ref(), &root, &wanted)).await?;
                newest_snapshot(&store.objects(), engine, &url, &name).await?
            }
            Err(_) => newest_snapshot(&store.objects(), engine, &url, &name).await?,
        };
        is_weirs(&snapshot, &name, spec)?;
        Side::new(store.objects(), engine.clone(), name, url, snapshot).await
    }
}

/// The table's columns in Arrow's form.
fn columns_of(snapshot: &Snapshot) -> Result<ArrowSchema> {
    snapshot
        .schema()
        .as_ref()
        .try_into_arrow()
        .map_err(|e| Error::internal("the table's schema has no Arrow form").because(e))
}

/// Why the table cannot take rows of `columns`.
pub(super) fn refusals(snapshot: &Snapshot, columns: &SchemaRef) -> Result<Vec<String>> {
    let have = columns_of(snapshot)?;
    Ok(evolve::refusals(have.fields(), columns.fields()))
}

/// The error that a table cannot follow.
pub(crate) fn does_not_follow(name: &str, refusals: &[String]) -> Error {
    Error::refused(format!(
        "table {name} has another schema than this configuration: {}; give the stream another name, or move the table away",
        refusals.join("; ")
    ))
}

/// Whether the table is one that weir made for such a stream.
fn is_weirs(snapshot: &Snapshot, name: &str, spec: &TableSpec) -> Result<()> {
    let have = columns_of(snapshot)?;
    let foreign = provenance_fields()
        .into_iter()
        .find(|field| have.fields().find(field.name()).is_none());
    if let Some(field) = foreign {
        return Err(Error::refused(format!(
            "table {name} is not weir's: it has no column {}; give the stream another name, or move the table away",
            field.name()
        )));
    }
    let partitions = snapshot
        .table_configuration()
        .metadata()
        .partition_columns();
    if partitions != spec.partition_columns.as_slice() {
        return Err(Error::refused(format!(
            "table {name} is partitioned by {partitions:?} and the configuration says {:?}; give the stream another name, or move the table away",
            spec.partition_columns
        )));
    }
    Ok(())
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
