//! The one place where the configuration asks for schemas.
//!
//! Owns: which version of a subject a start goes by (the newest of its folder such that it and all
//! before it hold) and which may follow it later ([`follow`]), which versions the compatibility level
//! compares, and that a table which an earlier version made can follow. Does not own: parsing, the
//! rules of resolution, what a table can follow (`schema`).

use crate::config::keys::nearest_word;
use crate::config::registry::{Reader, Unread};
use crate::config::stream::SchemaRequest;
use crate::config::{Compatibility, Origin, Schemas, Subject};
use crate::schema::arrow::arrow_fields;
use crate::schema::registry::Wanted;
use crate::schema::registry::versions::parsed;
use crate::schema::versions::Found;
use crate::schema::{Schema, compat, evolve, folder};

impl Schemas {
    /// The level that newer versions from `origin` are held to; those of the registry to none, since
    /// the registry holds them to its own.
    pub fn level_of(&self, origin: &Origin) -> Compatibility {
        match origin {
            Origin::Folder { .. } => self.compatibility,
            Origin::Registry { .. } => Compatibility::None,
        }
    }
}

/// The versions that a stream may start with.
#[derive(Debug)]
pub(crate) struct Chosen {
    /// Ascending: the newest is the one that is asked for. Empty only where what is refused is the
    /// latest of the registry; see [`before`] for the ones below it.
    pub(crate) versions: Vec<Schema>,
    /// A newer one that does not hold.
    pub(crate) refused: Option<Refused>,
}

/// The schema that is asked for. A version of the registry is the registry's to hold to its level.
pub(crate) fn asked_for(
    schemas: &Schemas,
    reader: &Reader<'_>,
    request: &SchemaRequest,
) -> Result<Chosen, Unread> {
    match &request.origin {
        Origin::Folder { subject, version } => {
            chosen(schemas, subject, *version, request.nanos_as_long).map_err(|messages| Unread {
                messages,
                is_outage: false,
            })
        }
        Origin::Registry { subject, version } => {
            let wanted = version.map_or(Wanted::Latest, Wanted::Number);
            let named = reader.named(subject, wanted)?;
            match (parsed(subject, &named, request.nanos_as_long), version) {
                (Ok(schema), _) => Ok(Chosen {
                    versions: vec![schema],
                    refused: None,
                }),
                (Err(messages), Some(_)) => Err(Unread {
                    messages,
                    is_outage: false,
                }),
                (Err(reasons), None) => Ok(Chosen {
                    versions: Vec::new(),
                    refused: Some(Refused {
                        version: Some(named.version),
                        reasons,
                    }),
                }),
            }
        }
    }
}

/// Versions of a subject of the registry that are looked at below one that a start cannot go by.
const BEFORE: u32 = 16;

/// The versions below `version` that a start may go by instead, newest first; none of the folder,
/// whose versions were all looked at, and none below one that is pinned.
///
/// # Errors
/// The registry is away, and there is no copy.
pub(crate) fn before<'a>(
    reader: &'a Reader<'_>,
    request: &'a SchemaRequest,
    version: u32,
) -> impl Iterator<Item = Result<Schema, Unread>> + 'a {
    let subject = match &request.origin {
        Origin::Registry {
            subject,
            version: None,
        } => Some(subject),
        _ => None,
    };
    let numbers = (version.saturating_sub(BEFORE).max(1)..version).rev();
    subject.into_iter().flat_map(move |subject| {
        numbers.clone().filter_map(move |number| {
            match reader.named(subject, Wanted::Number(number)) {
                Ok(named) => parsed(subject, &named, request.nanos_as_long).ok().map(Ok),
                Err(away) if away.is_outage => Some(Err(away)),
                // It was deleted, or is no Avro.
                Err(_) => None,
            }
        })
    })
}

/// The version that is pinned, where it and all before it hold; or those of the subject that do.
fn chosen(
    schemas: &Schemas,
    subject: &str,
    pinned: Option<u32>,
    nanos_as_long: bool,
) -> Result<Chosen, Vec<String>> {
    let (mut found, strays) = in_folder(schemas, subject, nanos_as_long)?;
    if let Some(pinned) = pinned {
        found.retain(|f| f.version <= pinned);
        if found.last().is_none_or(|newest| newest.version != pinned) {
            return Err(vec![format!("{subject} has no version {pinned}")]);
        }
    }
    let level = schemas.compatibility;
    let (mut versions, refused) = held(found, level);
    if pinned.is_some() {
        // Whether its table can follow is the table's to say: the ones before may never have landed.
        return match (versions.pop(), refused) {
            (Some(schema), None) => Ok(Chosen {
                versions: vec![schema],
                refused: None,
            }),
            (_, refused) => Err(refused.map_or(Vec::new(), |r| r.reasons)),
        };
    }
    let (versions, refused) = followed(versions, refused, level);
    let refused = refused.or(strays);
    match versions.is_empty() {
        false => Ok(Chosen { versions, refused }),
        true => Err(refused.map_or(Vec::new(), |r| r.reasons)),
    }
}

/// The versions of the folder, and files that were meant to be versions, as it seems; not both
/// without any.
fn in_folder(
    schemas: &Schemas,
    subject: &str,
    nanos_as_long: bool,
) -> Result<(Vec<Found>, Option<Refused>), Vec<String>> {
    if !schemas.dir.join(subject).exists() {
        return Err(vec![no_subject(schemas, subject)]);
    }
    let unread = |fault: folder::Fault| vec![fault.to_string()];
    let found = folder::found(&schemas.dir, subject, nanos_as_long).map_err(unread)?;
    let strays = folder::strays(&schemas.dir, subject).map_err(unread)?;
    if found.is_empty() && strays.is_empty() {
        let folder = schemas.dir.join(subject);
        let folder = folder.display();
        return Err(vec![format!("{folder}: holds no version; write 1.avsc")]);
    }
    let strays = (!strays.is_empty()).then(|| Refused {
        version: None,
        reasons: strays.iter().map(ToString::to_string).collect(),
    });
    Ok((found, strays))
}

/// That the folder has no such subject, and which one is near.
fn no_subject(schemas: &Schemas, subject: &str) -> String {
    let entries = std::fs::read_dir(&schemas.dir).into_iter().flatten();
    let folders = entries.flatten().filter(|entry| entry.path().is_dir());
    let names = folders.filter_map(|folder| folder.file_name().into_string().ok());
    let names: Vec<String> = names.collect();
    let hint = match nearest_word(subject, names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near:?}?"),
        None => "write its first version to 1.avsc there".to_owned(),
    };
    let folder = schemas.dir.join(subject);
    format!("{} is not there; {hint}", folder.display())
}

/// The versions that hold, up to the first of `found`, which ascend, that does not; and that one.
fn held(found: Vec<Found>, level: Compatibility) -> (Vec<Schema>, Option<Refused>) {
    let mut versions: Vec<Schema> = Vec::new();
    let mut refused = None;
    for Found { version, schema } in found {
        let reasons = match &schema {
            Ok(schema) => breaks(schema, &versions, level),
            Err(faults) => faults.clone(),
        };
        match schema {
            Ok(schema) if reasons.is_empty() => versions.push(schema),
            _ => {
                let version = Some(version);
                refused = Some(Refused { version, reasons });
                break;
            }
        }
    }
    (versions, refused)
}

/// Those of the versions that hold that a table of any earlier one could follow to.
fn followed(
    mut versions: Vec<Schema>,
    mut refused: Option<Refused>,
    level: Compatibility,
) -> (Vec<Schema>, Option<Refused>) {
    // A table may follow to a version that could not follow to one before it.
    loop {
        let reasons = not_followed(&versions, level);
        if reasons.is_empty() {
            return (versions, refused);
        }
        let version = versions.pop().map(|v| v.version);
        refused = Some(Refused { version, reasons });
    }
}

/// A subject with what is wrong with it: of the folder by the configured level and by what a table
/// could follow, of the registry by the level that the registry holds it to.
///
/// # Errors
/// The registry is away, or is not named.
pub(crate) fn judged(
    schemas: &Schemas,
    reader: &Reader<'_>,
    request: &SchemaRequest,
) -> Result<Subject, Unread> {
    let (Origin::Folder { subject, .. } | Origin::Registry { subject, .. }) = &request.origin;
    let nanos_as_long = request.nanos_as_long;
    let mut judged = Subject {
        name: subject.clone(),
        versions: Vec::new(),
        level: None,
        faults: Vec::new(),
    };
    let found = match &request.origin {
        Origin::Folder { .. } => {
            judged.level = Some(schemas.compatibility.as_str().to_owned());
            in_folder(schemas, subject, nanos_as_long).map(|(found, strays)| {
                judged.faults = strays.map_or(Vec::new(), |strays| strays.reasons);
                found
            })
        }
        Origin::Registry { .. } => match reader.history(subject, nanos_as_long) {
            Ok(history) => {
                judged.level = Some(history.level);
                Ok(history.found)
            }
            Err(unread) if unread.is_outage => return Err(unread),
            Err(unread) => Err(unread.messages),
        },
    };
    match found {
        Ok(found) => judge(&mut judged, found, &request.origin),
        Err(faults) => judged.faults = faults,
    }
    Ok(judged)
}

/// Adds the versions, and what is wrong with them by the subject's level.
fn judge(subject: &mut Subject, found: Vec<Found>, origin: &Origin) {
    subject.versions = found.iter().map(|f| f.version).collect();
    let word = subject.level.as_deref().unwrap_or_default();
    let Some(level) = Compatibility::named(word) else {
        let fault = format!(
            "{}: the registry's level {word} is none that weir knows",
            subject.name
        );
        return subject.faults.push(fault);
    };
    subject.faults.extend(incompatible(&found, level));
    // Nobody can take a version of the registry away; the table of a stream says what it can follow.
    if let (true, Origin::Folder { .. }) = (subject.faults.is_empty(), origin) {
        let versions: Vec<Schema> = found.into_iter().filter_map(|f| f.schema.ok()).collect();
        subject.faults = not_followed(&versions, level);
    }
}

/// What breaks `level` between the versions found, which ascend, and which of them cannot be read: a
/// sentence each. Where one cannot be read, the next one has nothing to be compared with.
fn incompatible(found: &[Found], level: Compatibility) -> Vec<String> {
    let mut faults = Vec::new();
    for (i, Found { schema, .. }) in found.iter().enumerate() {
        let new = match schema {
            Ok(new) => new,
            Err(reasons) => {
                faults.extend_from_slice(reasons);
                continue;
            }
        };
        let from = match level.is_transitive() {
            true => 0,
            false => i.saturating_sub(1),
        };
        let earlier = found[from..i].iter().filter_map(|f| f.schema.clone().ok());
        faults.extend(breaks(new, &earlier.collect::<Vec<Schema>>(), level));
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
    let skipped = if level.is_transitive() {
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
/// each. Without a level it is left to the table.
fn not_followed(versions: &[Schema], level: Compatibility) -> Vec<String> {
    let (Some((newest, earlier)), true) = (versions.split_last(), level != Compatibility::None)
    else {
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
                "a table of {} version {} cannot follow version {}: {refusal}; if nothing landed with version {}, take its file away or pin `schema.version`",
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
