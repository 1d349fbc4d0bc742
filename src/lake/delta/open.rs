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
use crate::lake::delta::side::Side;
use crate::lake::delta::{DeltaTable, ENGINE_INFO, TableSpec, blocking, kernel_error};
use crate::lake::layout;
use crate::schema::arrow::rejects_schema;
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
