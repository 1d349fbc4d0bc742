//! The plan that a stream has to begin with: of the schema version that its table is at.
//!
//! Owns: the table's version over the configured one. Does not own: newer versions (`evolution`).

use std::sync::Arc;

use crate::config::Stream;
use crate::error::{Error, Result};
use crate::lake::LakeTable;
use crate::lake::protocol::schema_in_force;
use crate::pipeline::plan::StreamPlan;
use crate::schema::{Schema, parse};

/// The plan of the table's version, else the one that is `configured`.
///
/// # Errors
/// The table is away, or cannot hold what the plan would write (`Refused`).
pub async fn plan(table: &dyn LakeTable, configured: &Arc<StreamPlan>) -> Result<Arc<StreamPlan>> {
    let view = table.view().await?;
    match schema_in_force(&view) {
        Some(version) => plan_of_table(table, configured, version).await,
        None => admitted(table, configured.clone()).await,
    }
}

/// The plan of a version that the table knows, for the stream that is `configured`.
///
/// # Errors
/// The same; or the settings name what the version does not have.
pub async fn plan_of_table(
    table: &dyn LakeTable,
    configured: &Arc<StreamPlan>,
    version: u32,
) -> Result<Arc<StreamPlan>> {
    let stream: &Arc<Stream> = &configured.stream;
    let refused = |why: &str| {
        Error::refused(format!(
            "the table is at schema version {version}, and this stream cannot be: {why}"
        ))
    };
    let schema = match table.schema_text(version).await? {
        Some(text) => parse::parse(&stream.schema.subject, version, &text, stream.nanos_as_long)
            .map_err(|faults| refused(&faults.join("; ")))?,
        None if stream.schema.version == version => Schema::clone(&stream.schema),
        None => return Err(refused("the table does not hold its text")),
    };
    let stream = stream
        .at_version(&schema)
        .map_err(|faults| refused(&faults.join("; ")))?;
    admitted(table, configured.at(Arc::new(stream))).await
}

async fn admitted(table: &dyn LakeTable, plan: Arc<StreamPlan>) -> Result<Arc<StreamPlan>> {
    let refusals = table.admit(&plan.table.schema).await?;
    match refusals.is_empty() {
        true => Ok(plan),
        false => Err(Error::refused(format!(
            "the table has another schema than this configuration: {}; give the stream another name, or move the table away",
            refusals.join("; ")
        ))),
    }
}
