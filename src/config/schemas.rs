//! The one place where the configuration asks for schemas.
//!
//! Owns: which version of a subject is in force (the newest of its folder, once all of them hold),
//! and which versions the compatibility level compares. Does not own: parsing and the rules of
//! resolution (`schema`).

use crate::config::stream::SchemaRequest;
use crate::config::{Compatibility, Schemas};
use crate::schema::{Schema, compat, folder};

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
    let faults = incompatible(&versions, schemas.compatibility);
    if !faults.is_empty() {
        return Err(faults);
    }
    versions
        .pop()
        .ok_or_else(|| vec![format!("{} has no version", request.subject)])
}

/// What breaks `level` between `versions`, which ascend: a sentence each.
pub(crate) fn incompatible(versions: &[Schema], level: Compatibility) -> Vec<String> {
    use Compatibility as Level;
    let backward = !matches!(
        level,
        Level::None | Level::Forward | Level::ForwardTransitive
    );
    let forward = !matches!(
        level,
        Level::None | Level::Backward | Level::BackwardTransitive
    );
    let transitive = matches!(
        level,
        Level::BackwardTransitive | Level::ForwardTransitive | Level::FullTransitive
    );
    let mut faults = Vec::new();
    for (i, new) in versions.iter().enumerate() {
        let earlier = versions.iter().take(i);
        let skipped = if transitive { 0 } else { i.saturating_sub(1) };
        for old in earlier.skip(skipped) {
            if backward {
                explain(new, old, &mut faults);
            }
            if forward {
                explain(old, new, &mut faults);
            }
        }
    }
    faults
}

fn explain(reader: &Schema, writer: &Schema, faults: &mut Vec<String>) {
    for fault in compat::faults(reader, writer) {
        faults.push(format!(
            "{} version {} cannot read data of version {}: {fault}",
            reader.subject, reader.version, writer.version
        ));
    }
}
