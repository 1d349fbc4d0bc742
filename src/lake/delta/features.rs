//! Table features that a column of a later schema version needs.
//!
//! Owns: the commit that adds them to the table's protocol. The kernel does so when it creates a
//! table, and refuses to later.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, SchemaRef};
use delta_kernel::snapshot::Snapshot;
use delta_kernel::table_features::TableFeature;
use object_store::path::Path;
use object_store::{ObjectStore, PutMode, PutOptions};
use serde_json::json;

use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::lake::delta::ENGINE_INFO;
use crate::lake::layout;
use crate::model::id;
use crate::model::ledger::{CommitRecord, RECORD_VERSION, Role};
use crate::store::store_error;

/// Reader and writer versions of a table that lists its features.
const LISTS_FEATURES: (i32, i32) = (3, 7);

/// True if the table's protocol lacks what `columns` need.
pub(super) fn lacks(snapshot: &Snapshot, columns: &SchemaRef) -> bool {
    let has = snapshot
        .table_configuration()
        .is_feature_supported(&TableFeature::TimestampWithoutTimezone);
    !has && columns.fields().iter().any(|field| is_local(field))
}

fn is_local(field: &Field) -> bool {
    match field.data_type() {
        DataType::Timestamp(_, None) => true,
        DataType::Struct(fields) => fields.iter().any(|field| is_local(field)),
        DataType::List(field) | DataType::Map(field, _) => is_local(field),
        _ => false,
    }
}

/// Tries to add the feature in a commit on top of `snapshot`. Whether it is there then is for the
/// next look at the table: another instance may have been first, or its answer lost.
///
/// # Errors
/// The table's protocol is of an older kind, or the store does not answer.
pub(super) async fn add(
    objects: &Arc<dyn ObjectStore>,
    name: &str,
    instance: &str,
    snapshot: &Snapshot,
) -> Result<()> {
    let protocol = snapshot.table_configuration().protocol();
    let versions = (protocol.min_reader_version(), protocol.min_writer_version());
    if versions != LISTS_FEATURES {
        return Err(Error::refused(format!(
            "table {name} has no timestamps without a zone, and its protocol {versions:?} cannot be given them; give the stream another name"
        )));
    }
    let with = |features: Option<&[TableFeature]>| -> Vec<String> {
        let there = features
            .into_iter()
            .flatten()
            .map(|f| f.as_ref().to_owned());
        let new = TableFeature::TimestampWithoutTimezone.as_ref().to_owned();
        there.chain([new]).collect()
    };
    let record = CommitRecord {
        version: RECORD_VERSION,
        role: Role::Maintain,
        batch: id::fresh(),
        instance: instance.to_owned(),
        cut: None,
        schema: None,
        ranges: Vec::new(),
        rejects: Vec::new(),
        job: None,
        reason: None,
    };
    let info = json!({"commitInfo": {
        "timestamp": Clock::system().now().0 / 1000,
        "operation": "UPGRADE PROTOCOL",
        "operationParameters": {},
        "engineInfo": ENGINE_INFO,
        "weir": record,
    }});
    let protocol = json!({"protocol": {
        "minReaderVersion": versions.0,
        "minWriterVersion": versions.1,
        "readerFeatures": with(protocol.reader_features()),
        "writerFeatures": with(protocol.writer_features()),
    }});
    let path = Path::from(format!("{name}/{}", layout::commit(snapshot.version() + 1)));
    let options = PutOptions::from(PutMode::Create);
    let put = objects.put_opts(&path, format!("{info}\n{protocol}\n").into(), options);
    match put.await {
        Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => Ok(()),
        Err(e) => Err(store_error("add a feature to the table", e)),
    }
}
