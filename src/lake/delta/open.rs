//! Opening the two tables of a stream, or creating what is missing.
//!
//! Owns: what a new table is, and whether one that is there fits. Does not own: columns that are
//! added later (`delta::put`).

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow::datatypes::Schema as ArrowSchema;
use delta_kernel::committer::FileSystemCommitter;
use delta_kernel::engine::arrow_conversion::{TryFromArrow, TryIntoArrow};
use delta_kernel::expressions::ColumnName;
use delta_kernel::schema::StructType;
use delta_kernel::snapshot::Snapshot;
use delta_kernel::transaction::create_table::create_table;
use delta_kernel::transaction::data_layout::DataLayout;
use delta_kernel::{Engine, KernelError};
use delta_kernel_default_engine::DefaultEngineBuilder;
use delta_kernel_default_engine::executor::tokio::TokioMultiThreadExecutor;
use url::Url;

use crate::error::{Error, Result};
use crate::lake::delta::side::{Side, load, newest_snapshot};
use crate::lake::delta::upkeep::Cadence;
use crate::lake::delta::{DeltaTable, ENGINE_INFO, TableSpec, blocking, log};
use crate::lake::failure::kernel_error;
use crate::lake::layout;
use crate::schema::arrow::rejects_schema;
use crate::schema::evolve;
use crate::store::Store;

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
        let rejects = TableSpec {
            schema: rejects_schema(),
            partition_columns: Vec::new(),
        };
        let (data, rejects) = (
            open_one(store, &engine, &root, layout::data_table(stream), &spec).await?,
            open_one(
                store,
                &engine,
                &root,
                layout::rejects_table(stream),
                &rejects,
            )
            .await?,
        );
        Ok(Self {
            data,
            rejects,
            stream: stream.to_owned(),
            instance: instance.to_owned(),
            columns: spec.schema,
            followed: AtomicU64::new(0),
            cadence: Cadence::default(),
            upkeep: tokio::sync::Mutex::new(()),
        })
    }
}

/// The table `name`, which is created if it is not there.
async fn open_one(
    store: &Store,
    engine: &Arc<dyn Engine>,
    root: &Url,
    name: String,
    spec: &TableSpec,
) -> Result<Side> {
    let url = root
        .join(&format!("{name}/"))
        .map_err(|e| Error::config(format!("{name} is no folder name")).because(e))?;
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
    compare(&snapshot, &name, spec)?;
    Side::new(store.objects(), engine.clone(), name, url, snapshot).await
}

/// Whether the table fits.
fn compare(snapshot: &Snapshot, name: &str, spec: &TableSpec) -> Result<()> {
    let have: ArrowSchema = snapshot
        .schema()
        .as_ref()
        .try_into_arrow()
        .map_err(|e| Error::internal("the table's schema has no Arrow form").because(e))?;
    let refusals = evolve::refusals(have.fields(), spec.schema.fields());
    if !refusals.is_empty() {
        return Err(Error::refused(format!(
            "table {name} has another schema than this configuration: {}; give the stream another name, or move the table away",
            refusals.join("; ")
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
