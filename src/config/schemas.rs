//! The one place where the configuration asks for schemas.
//!
//! Owns: which version of a subject is in force: the newest of its folder, once all of them hold.
//! Does not own: parsing and compatibility (`schema`).

use crate::config::Schemas;
use crate::config::stream::SchemaRequest;
use crate::schema::{Schema, folder};

/// The newest version of the subject.
///
/// # Errors
/// What is wrong with any of the versions, each as a sentence.
pub(crate) fn newest(schemas: &Schemas, request: &SchemaRequest) -> Result<Schema, Vec<String>> {
    let mut versions = folder::versions(&schemas.dir, &request.subject, request.nanos_as_long)
        .map_err(|faults| {
            faults
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<String>>()
        })?;
    versions
        .pop()
        .ok_or_else(|| vec![format!("{} has no version", request.subject)])
}
