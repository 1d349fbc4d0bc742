//! The texts of the schema versions that a table knows, create-only objects beside its files.

use object_store::path::Path;
use object_store::{ObjectStoreExt, PutMode, PutOptions};

use crate::error::{Error, Result};
use crate::lake::delta::DeltaTable;
use crate::lake::layout;
use crate::store::store_error;

impl DeltaTable {
    /// See [`LakeTable::publish_schema`](crate::lake::LakeTable::publish_schema).
    pub(super) async fn put_text(&self, version: u32, text: &str) -> Result<()> {
        let path = Path::from(format!(
            "{}/{}",
            self.data.name,
            layout::schema_text(version)
        ));
        let options = PutOptions::from(PutMode::Create);
        let put = self
            .data
            .objects
            .put_opts(&path, text.to_owned().into(), options)
            .await;
        match put {
            Ok(_) => Ok(()),
            Err(object_store::Error::AlreadyExists { .. }) => {
                match self.get_text(version).await?.as_deref() {
                    Some(there) if there == text => Ok(()),
                    Some(_) => Err(Error::refused(format!(
                        "table {} knows another text of schema version {version}; a version's text never changes: register the change as a new version",
                        self.data.name
                    ))),
                    // S3 says so too of a put that met another one, whatever becomes of that.
                    None => Err(Error::unreachable(
                        "the schema's text was put by two at once and is not there yet",
                    )),
                }
            }
            Err(e) => Err(store_error("write the schema's text", e)),
        }
    }

    /// See [`LakeTable::schema_text`](crate::lake::LakeTable::schema_text).
    pub(super) async fn get_text(&self, version: u32) -> Result<Option<String>> {
        let path = Path::from(format!(
            "{}/{}",
            self.data.name,
            layout::schema_text(version)
        ));
        let objects = &self.data.objects;
        match async { objects.get(&path).await?.bytes().await }.await {
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(e) => Err(store_error("read the schema's text", e)),
        }
    }
}
