//! What registration would say of a new version.
//!
//! Owns: asking everyone who has a say: the parser, the stream's settings, the level, the table. Does
//! not own: their rules (`schema`, `config`).

use arrow::datatypes::Fields;
use serde::Serialize;

use crate::app::version_source;
use crate::config::schemas::follow;
use crate::config::{Compatibility, Config, Origin, Stream};
use crate::error::{Error, Result};
use crate::lake::delta::DeltaTable;
use crate::pipeline::plan::table_spec;
use crate::schema::versions::Found;
use crate::schema::{Schema, evolve, names, parse};
use crate::store::Store;
use crate::what_if::registry;

/// What registration would say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Registration {
    /// True if the version would be taken up.
    pub accepted: bool,
    /// The level: the registry's for a subject of it, else the configured one.
    pub level: &'static str,
    /// Why it is refused, each with its path and rule.
    pub reasons: Vec<String>,
    /// The table's version; `None` where there is none yet, and columns are those that the version
    /// in force would make.
    pub table: Option<u64>,
    /// What would become of the table's columns.
    pub columns: Vec<ColumnChange>,
}

/// What would become of a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ColumnChange {
    /// The column.
    pub name: String,
    /// Its type, in Delta's words.
    pub delta: String,
    /// What happens to it.
    pub change: Change,
}

/// What happens to a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is added; older rows hold null.
    Added,
    /// It may be null from then on.
    Nullable,
    /// It stays and is written no more; newer rows hold null.
    NotWritten,
}

/// A new version that was looked at.
#[derive(Debug)]
pub struct Candidate {
    /// What registration would say.
    pub registration: Registration,
    /// `<subject>/<version>` that it would have.
    pub name: String,
    /// The stream at that version; `None` if it cannot be judged with.
    pub stream: Option<Stream>,
}

/// Looks at `text` as the next version of the schema of `stream`.
///
/// # Errors
/// The lake cannot be reached, its table is not weir's, or the versions cannot be read.
pub async fn look(
    config: &Config,
    store: &Store,
    stream: &Stream,
    text: &str,
) -> Result<Candidate> {
    let subject = &stream.schema.subject;
    let mut known = versions(config, stream).await?;
    let level = level(config, stream).await?;
    let next = known.iter().map(|f| f.version).max().unwrap_or(0) + 1;
    known.retain(|f| f.version <= stream.schema.version);
    let parsed = parse::parse(subject, next, text, stream.nanos_as_long);
    let mut reasons = Vec::new();
    let new = match &parsed {
        Ok(schema) => {
            known.push(found(schema));
            let following = follow(&stream.schema, known, level);
            reasons.extend(following.refused.into_iter().flat_map(|r| r.reasons));
            stream
                .at_version(schema)
                .map_err(|faults| reasons.extend(faults))
                .ok()
        }
        Err(faults) => {
            reasons.extend(faults.iter().cloned());
            None
        }
    };
    let (mut table, mut columns) = (None, Vec::new());
    if let Some(new) = &new {
        let spec = table_spec(new);
        let there = DeltaTable::columns(store, &stream.name).await?;
        let have = match there {
            Some((version, columns)) => {
                table = Some(version);
                columns
            }
            None => table_spec(stream).schema.fields().clone(),
        };
        let want = spec.schema.fields();
        let refusals = evolve::refusals(&have, want);
        reasons.extend(
            refusals
                .iter()
                .map(|r| format!("the table cannot follow: {r}")),
        );
        columns = changes(&have, want);
    }
    Ok(Candidate {
        registration: Registration {
            accepted: reasons.is_empty(),
            level: level.as_str(),
            reasons,
            table,
            columns,
        },
        name: format!("{subject}/{next}"),
        stream: new,
    })
}

/// What the new version would be held to: for a subject of the registry that is the registry's to say.
async fn level(config: &Config, stream: &Stream) -> Result<Compatibility> {
    let (Origin::Registry { subject, .. }, Some(registry)) = (&stream.origin, registry(config)?)
    else {
        return Ok(config.schemas.compatibility);
    };
    let word = registry.level(Some(subject)).await?;
    Compatibility::named(&word).ok_or_else(|| {
        Error::refused(format!(
            "the registry holds {subject} to {word}, a level that weir does not know"
        ))
    })
}

/// Every version there is.
async fn versions(config: &Config, stream: &Stream) -> Result<Vec<Found>> {
    let registry = registry(config)?;
    version_source(&config.schemas, registry.as_ref(), stream)?
        .versions(0)
        .await
}

fn found(schema: &Schema) -> Found {
    Found {
        version: schema.version,
        schema: Ok(schema.clone()),
    }
}

fn changes(have: &Fields, want: &Fields) -> Vec<ColumnChange> {
    let of = |field: &arrow::datatypes::Field, change| ColumnChange {
        name: field.name().clone(),
        delta: names::delta(field.data_type()),
        change,
    };
    let wanted = want.iter().filter_map(|field| {
        let there = have.iter().find(|f| f.name() == field.name());
        match there {
            None => Some(of(field, Change::Added)),
            Some(there) if field.is_nullable() && !there.is_nullable() => {
                Some(of(field, Change::Nullable))
            }
            Some(_) => None,
        }
    });
    let left = have
        .iter()
        .filter(|there| want.iter().all(|f| f.name() != there.name()));
    wanted
        .chain(left.map(|there| of(there, Change::NotWritten)))
        .collect()
}

#[cfg(test)]
mod tests;
