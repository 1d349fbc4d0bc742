//! The one place where the configuration asks for schemas.
//!
//! Owns: which version of a subject is in force (the newest of its folder, once all of them hold),
//! which versions the compatibility level compares, and that a table which an earlier version made
//! can follow. Does not own: parsing, the rules of resolution, what a table can follow (`schema`).

use crate::config::stream::SchemaRequest;
use crate::config::{Compatibility, Schemas, Subject};
use crate::schema::arrow::arrow_fields;
use crate::schema::{Schema, compat, evolve, folder};

/// The newest version of the subject.
///
/// # Errors
/// What is wrong with any of the versions, each as a sentence.
pub(crate) fn newest(schemas: &Schemas, request: &SchemaRequest) -> Result<Schema, Vec<String>> {
    let mut versions = versions(schemas, request)?;
    let faults = faults(&versions, schemas.compatibility);
    if !faults.is_empty() {
        return Err(faults);
    }
    versions
        .pop()
        .ok_or_else(|| vec![format!("{} has no version", request.subject)])
}

/// A subject with what is wrong with it.
pub(crate) fn judged(schemas: &Schemas, request: &SchemaRequest) -> Subject {
    let (versions, faults) = match versions(schemas, request) {
        Ok(versions) => {
            let faults = faults(&versions, schemas.compatibility);
            (versions.iter().map(|v| v.version).collect(), faults)
        }
        Err(faults) => (Vec::new(), faults),
    };
    Subject {
        name: request.subject.clone(),
        versions,
        faults,
    }
}

fn versions(schemas: &Schemas, request: &SchemaRequest) -> Result<Vec<Schema>, Vec<String>> {
    folder::versions(&schemas.dir, &request.subject, request.nanos_as_long)
        .map_err(|faults| faults.iter().map(ToString::to_string).collect())
}

fn faults(versions: &[Schema], level: Compatibility) -> Vec<String> {
    let faults = incompatible(versions, level);
    match faults.is_empty() && level != Compatibility::None {
        true => not_followed(versions),
        false => faults,
    }
}

/// What breaks `level` between `versions`, which ascend: a sentence each.
fn incompatible(versions: &[Schema], level: Compatibility) -> Vec<String> {
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

/// What a table that any of the earlier versions made could not follow to the newest: a sentence
/// each.
fn not_followed(versions: &[Schema]) -> Vec<String> {
    let Some((newest, earlier)) = versions.split_last() else {
        return Vec::new();
    };
    let want = arrow_fields(&newest.root).into();
    let mut faults = Vec::new();
    for old in earlier {
        for refusal in evolve::refusals(&arrow_fields(&old.root).into(), &want) {
            faults.push(format!(
                "a table of {} version {} cannot follow version {}: {refusal}; if nothing landed with version {}, take its file away",
                old.subject, old.version, newest.version, old.version
            ));
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
