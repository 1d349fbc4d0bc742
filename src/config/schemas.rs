//! The one place where the configuration asks for schemas.
//!
//! Owns: which version of a subject is in force at the start (the newest of its folder, once all of
//! them hold) and which may follow it later ([`follow`]), which versions the compatibility level
//! compares, and that a table which an earlier version made can follow. Does not own: parsing, the rules of resolution, what a table can follow (`schema`).

use crate::config::registry::{Reader, Unread};
use crate::config::stream::SchemaRequest;
use crate::config::{Compatibility, Origin, Schemas, Subject};
use crate::schema::arrow::arrow_fields;
use crate::schema::registry::Wanted;
use crate::schema::versions::Found;
use crate::schema::{Schema, compat, evolve, folder};

/// The schema that is asked for. A version of the registry is the registry's to hold to its level.
pub(crate) fn asked_for(
    schemas: &Schemas,
    reader: &Reader<'_>,
    request: &SchemaRequest,
) -> Result<Schema, Unread> {
    match &request.origin {
        Origin::Folder { subject, version } => {
            chosen(schemas, subject, *version, request.nanos_as_long).map_err(|messages| Unread {
                messages,
                is_outage: false,
            })
        }
        Origin::Registry { subject, version } => {
            let wanted = version.map_or(Wanted::Latest, Wanted::Number);
            reader.schema(subject, wanted, request.nanos_as_long)
        }
    }
}

/// The version that is pinned, or the newest one of the subject.
fn chosen(
    schemas: &Schemas,
    subject: &str,
    pinned: Option<u32>,
    nanos_as_long: bool,
) -> Result<Schema, Vec<String>> {
    let mut versions = versions(schemas, subject, nanos_as_long)?;
    let faults = faults(&versions, schemas.compatibility);
    if !faults.is_empty() {
        return Err(faults);
    }
    match pinned {
        None => versions.pop().ok_or(format!("{subject} has no version")),
        Some(pinned) => versions
            .into_iter()
            .find(|v| v.version == pinned)
            .ok_or(format!("{subject} has no version {pinned}")),
    }
    .map_err(|message| vec![message])
}

/// A subject with what is wrong with it.
pub(crate) fn judged(schemas: &Schemas, reader: &Reader<'_>, request: &SchemaRequest) -> Subject {
    let (name, found) = match &request.origin {
        Origin::Folder { subject, .. } => {
            (subject, versions(schemas, subject, request.nanos_as_long))
        }
        Origin::Registry { subject, .. } => {
            let found = asked_for(schemas, reader, request);
            (subject, found.map(|s| vec![s]).map_err(|u| u.messages))
        }
    };
    let (versions, faults) = match found {
        Ok(versions) => {
            let faults = faults(&versions, schemas.compatibility);
            (versions.iter().map(|v| v.version).collect(), faults)
        }
        Err(faults) => (Vec::new(), faults),
    };
    Subject {
        name: name.clone(),
        versions,
        faults,
    }
}

fn versions(
    schemas: &Schemas,
    subject: &str,
    nanos_as_long: bool,
) -> Result<Vec<Schema>, Vec<String>> {
    folder::versions(&schemas.dir, subject, nanos_as_long)
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
    let mut faults = Vec::new();
    for (i, new) in versions.iter().enumerate() {
        faults.extend(breaks(new, &versions[..i], level));
    }
    faults
}

/// What `new` breaks of `level` beside the `earlier` versions, which ascend: a sentence each.
fn breaks(new: &Schema, earlier: &[Schema], level: Compatibility) -> Vec<String> {
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
    let skipped = if transitive {
        0
    } else {
        earlier.len().saturating_sub(1)
    };
    let mut faults = Vec::new();
    for old in &earlier[skipped.min(earlier.len())..] {
        if backward {
            explain(new, old, &mut faults);
        }
        if forward {
            explain(old, new, &mut faults);
        }
    }
    faults
}

/// What may follow a version that is in force.
#[derive(Debug, Default)]
pub struct Following {
    /// The versions that hold by the level, ascending.
    pub newer: Vec<Schema>,
    /// The first one that does not; what is above it is compared once it is mended.
    pub refused: Option<Refused>,
}

/// A version that is not taken up.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Refused {
    /// The version; `None` where the source as a whole cannot be read.
    pub version: Option<u32>,
    /// Why, a sentence each, with path and rule.
    pub reasons: Vec<String>,
}

/// Which of `found`, which ascend, may follow `in_force`.
pub fn follow(in_force: &Schema, found: Vec<Found>, level: Compatibility) -> Following {
    let mut earlier: Vec<Schema> = Vec::new();
    let mut following = Following::default();
    for Found { version, schema } in found {
        if version < in_force.version {
            // One that cannot be read any more was compared when it was taken up.
            earlier.extend(schema);
            continue;
        }
        if version == in_force.version {
            // The table's text is the one that counts.
            if schema.is_ok_and(|schema| !is_same(&schema, in_force)) {
                following.refused = Some(Refused {
                    version: Some(version),
                    reasons: vec![ANOTHER_TEXT.to_owned()],
                });
                return following;
            }
            continue;
        }
        if earlier.last().is_none_or(|e| e.version < in_force.version) {
            earlier.push(in_force.clone());
        }
        let reasons = match &schema {
            Ok(schema) => breaks(schema, &earlier, level),
            Err(faults) => faults.clone(),
        };
        match schema {
            Ok(schema) if reasons.is_empty() => {
                earlier.push(schema.clone());
                following.newer.push(schema);
            }
            _ => {
                following.refused = Some(Refused {
                    version: Some(version),
                    reasons,
                });
                return following;
            }
        }
    }
    following
}

/// Why a version is refused whose number stands for another schema already.
pub const ANOTHER_TEXT: &str = "a version never changes, and the table knows another schema by this number; register the change as a new version";

/// True if both are one schema, whatever the stream marked in them and the white space of the text.
pub fn is_same(one: &Schema, other: &Schema) -> bool {
    let plain = |schema: &Schema| {
        let value: Option<serde_json::Value> = serde_json::from_str(&schema.text).ok();
        value
    };
    one.text == other.text || plain(one).is_some_and(|one| Some(one) == plain(other))
}

/// What a table that any of the earlier versions made could not follow to the newest: a sentence
/// each.
fn not_followed(versions: &[Schema]) -> Vec<String> {
    let Some((newest, earlier)) = versions.split_last() else {
        return Vec::new();
    };
    let want = arrow_fields(&newest.root).into();
    let mut faults = Vec::new();
    for (i, old) in earlier.iter().enumerate() {
        let have = arrow_fields(&old.root).into();
        // What a version in between let be null may be left out.
        let refusals = match i + 1 == earlier.len() {
            true => evolve::refusals(&have, &want),
            false => evolve::changed(&have, &want),
        };
        for refusal in refusals {
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
