//! Reads a configuration as a whole: `weir.toml`, the streams beside it, their schemas.
//!
//! Owns: the order of reading, and the rules between streams. Does not own: single keys.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use regex::Regex;

use crate::config::document::{self, Entry};
use crate::config::file::{self, Settings};
use crate::config::problem::{At, Findings, Problems};
use crate::config::registry::{Ask, Reader, Unread};
use crate::config::schemas::{Chosen, Refused};
use crate::config::section::Section;
use crate::config::stream::{self, SchemaRequest};
use crate::config::{Config, Origin, Stream, Subject, TopicSelect, keys, overlap, schemas};
use crate::schema::Schema;

/// Reads and judges the configuration whose `weir.toml` is at `path`; `env` holds the overrides
/// and what `${env:NAME}` names.
///
/// # Errors
/// Every problem there is, not only the first.
pub fn load(path: &Path, env: &BTreeMap<String, String>) -> Result<Config, Problems> {
    load_with(path, env, Ask::Once)
}

/// The same; `ask` tells whether schemas of the registry may be asked for.
///
/// # Errors
/// The same. A registry that is away, without a copy of what it is needed for, is one that waiting
/// may cure.
pub fn load_with(
    path: &Path,
    env: &BTreeMap<String, String>,
    ask: Ask,
) -> Result<Config, Problems> {
    let findings = Findings::default();
    let config = read(path, env, ask, &findings);
    match config {
        Some(config) if findings.is_empty() => Ok(config),
        _ => Err(findings.into_problems()),
    }
}

/// Every subject that a stream of the configuration names, by name, each judged by itself: a fault
/// of a schema is told with its subject, and is no problem of the settings.
///
/// # Errors
/// Problems of `weir.toml`, and of what the streams say of their schemas. A registry that is away is
/// one that waiting may cure.
pub fn subjects(path: &Path, env: &BTreeMap<String, String>) -> Result<Vec<Subject>, Problems> {
    let findings = Findings::default();
    let mut subjects = Vec::new();
    if let Some(settings) = read_settings(path, env, &findings) {
        let reader = Reader::new(settings.registry.as_ref(), Ask::Once);
        for path in stream_files(&folder_of(path), &findings) {
            let Some((file, entries)) = read_document(&path, env, &findings) else {
                continue;
            };
            let root = Section::root(&entries, &file, &findings);
            if let Some(request) = stream::schema_request(&root) {
                match schemas::judged(&settings.schemas, &reader, &request) {
                    Ok(subject) => subjects.push(subject),
                    Err(unread) => tell(&root, &request, unread),
                }
            }
        }
    }
    subjects.sort();
    subjects.dedup();
    match findings.is_empty() {
        true => Ok(subjects),
        false => Err(findings.into_problems()),
    }
}

fn folder_of(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("")).to_path_buf()
}

fn read_settings(
    path: &Path,
    env: &BTreeMap<String, String>,
    findings: &Findings,
) -> Option<Settings> {
    let file = path.display().to_string();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            let message = format!("cannot be read: {error}; name another with --config");
            findings.add(&At::file(&file), "", message);
            return None;
        }
    };
    let mut entries = document::parse(&file, &text, env, findings);
    keys::check(&entries, keys::WEIR, findings);
    document::override_from(&mut entries, env, findings);
    let root = Section::root(&entries, &file, findings);
    Some(file::settings(&root, &folder_of(path), env))
}

fn read(
    path: &Path,
    env: &BTreeMap<String, String>,
    ask: Ask,
    findings: &Findings,
) -> Option<Config> {
    let settings = read_settings(path, env, findings)?;
    let reader = Reader::new(settings.registry.as_ref(), ask);
    let streams = streams(&folder_of(path), env, &settings, &reader, findings);
    let notes = reader.into_notes();
    let refused = streams
        .iter()
        .filter_map(|placed| Some((placed.stream.name.clone(), placed.refused.clone()?)));
    Some(Config {
        refused: refused.collect(),
        instance: settings.instance,
        kafka: settings.kafka,
        lake: settings.lake?,
        bucket: settings.bucket,
        schemas: settings.schemas,
        registry: settings.registry,
        memory_budget: settings.memory_budget,
        max_raw: settings.max_raw,
        http_listen: settings.http_listen,
        shutdown_grace: settings.shutdown_grace,
        log: settings.log,
        streams: streams.into_iter().map(|s| Arc::new(s.stream)).collect(),
        notes,
    })
}

/// A stream and the file that it stands in.
struct Placed {
    file: String,
    stream: Stream,
    /// See [`Config::refused`].
    refused: Option<Refused>,
}

fn streams(
    folder: &Path,
    env: &BTreeMap<String, String>,
    settings: &Settings,
    reader: &Reader<'_>,
    findings: &Findings,
) -> Vec<Placed> {
    let streams: Vec<Placed> = stream_files(folder, findings)
        .iter()
        .filter_map(|path| read_stream(path, env, settings, reader, findings))
        .collect();
    names_differ(&streams, findings);
    topics_feed_one_stream(&streams, findings);
    prefixes_feed_one_stream(&streams, settings, findings);
    streams
}

/// The `streams/*.toml` beside `weir.toml`, by name; none is a problem.
fn stream_files(folder: &Path, findings: &Findings) -> Vec<PathBuf> {
    let folder = folder.join("streams");
    let at = At::file(&folder.display().to_string());
    match toml_files(&folder) {
        Ok(files) => {
            if files.is_empty() {
                findings.add(&at, "", "holds no stream; write one as <name>.toml");
            }
            files
        }
        Err(error) => {
            findings.add(&at, "", format!("cannot be read: {error}"));
            Vec::new()
        }
    }
}

fn toml_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "toml") && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// A stream's file and what stands in it.
fn read_document(
    path: &Path,
    env: &BTreeMap<String, String>,
    findings: &Findings,
) -> Option<(String, Vec<Entry>)> {
    let file = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let entries = document::parse(&file, &text, env, findings);
            Some((file, entries))
        }
        Err(error) => {
            findings.add(&At::file(&file), "", format!("cannot be read: {error}"));
            None
        }
    }
}

fn read_stream(
    path: &Path,
    env: &BTreeMap<String, String>,
    settings: &Settings,
    reader: &Reader<'_>,
    findings: &Findings,
) -> Option<Placed> {
    let (file, entries) = read_document(path, env, findings)?;
    let name = path.file_stem()?.to_string_lossy().into_owned();
    keys::check(&entries, keys::STREAM, findings);
    let root = Section::root(&entries, &file, findings);
    let chosen = stream::schema_request(&root).and_then(|request| {
        let chosen = read_schema(&root, &request, reader, settings)?;
        Some((request, chosen))
    });
    let Some((request, chosen)) = chosen else {
        stream::stream(&root, &name, None, settings, reader);
        return None;
    };
    let at = |schema: Option<&Schema>, findings: &Findings| {
        let root = Section::root(&entries, &file, findings);
        let schema = schema.map(|schema| (request.origin.clone(), schema.clone()));
        stream::stream(&root, &name, schema, settings, reader)
    };
    let before = |version| schemas::before(reader, &request, version);
    let (stream, refused) = match at_newest(&chosen, findings, at, before) {
        Ok(found) => found?,
        Err(unread) => {
            tell(&root, &request, unread);
            return None;
        }
    };
    Some(Placed {
        file,
        stream,
        refused,
    })
}

/// The stream at the newest of the `chosen` versions that has what its settings name, or of those
/// `before` them, and what is refused above it; where it can be at none, what is wrong at the newest
/// is a problem.
fn at_newest<I: Iterator<Item = Result<Schema, Unread>>>(
    chosen: &Chosen,
    findings: &Findings,
    at: impl Fn(Option<&Schema>, &Findings) -> Option<Stream>,
    before: impl Fn(u32) -> I,
) -> Result<Option<(Stream, Option<Refused>)>, Unread> {
    let fits = |schema: &Schema| {
        let found = Findings::default();
        match (at(Some(schema), &found), found.is_empty()) {
            (Some(stream), true) => Ok(stream),
            _ => Err(Refused {
                version: Some(schema.version),
                reasons: found
                    .into_problems()
                    .iter()
                    .map(ToString::to_string)
                    .collect(),
            }),
        }
    };
    let mut refused = chosen.refused.clone();
    for schema in chosen.versions.iter().rev() {
        match fits(schema) {
            Ok(stream) => return Ok(Some((stream, refused))),
            Err(why) => refused = Some(why),
        }
    }
    // Another version mends nothing that is wrong whatever the schema is.
    let others = Findings::default();
    at(None, &others);
    let oldest = refused.as_ref().and_then(|r| r.version).unwrap_or(0);
    let mut away = None;
    let earlier = others.is_empty().then(|| before(oldest));
    for schema in earlier.into_iter().flatten() {
        match schema.map(|schema| fits(&schema)) {
            Ok(Ok(stream)) => return Ok(Some((stream, refused))),
            Ok(Err(_)) => {}
            // One below it may have a copy.
            Err(unread) => away = Some(unread),
        }
    }
    if let (true, Some(away)) = (chosen.versions.is_empty(), away) {
        return Err(away);
    }
    match (chosen.versions.last(), &chosen.refused) {
        (None, Some(refused)) => {
            at(None, findings);
            Err(Unread {
                messages: refused.reasons.clone(),
                is_outage: false,
            })
        }
        (newest, _) => Ok(at(newest, findings).map(|stream| (stream, None))),
    }
}

/// The versions that a start may go by, after a folder's subject was judged.
fn read_schema(
    root: &Section<'_>,
    request: &SchemaRequest,
    reader: &Reader<'_>,
    settings: &Settings,
) -> Option<Chosen> {
    schemas::asked_for(&settings.schemas, reader, request)
        .map_err(|unread| tell(root, request, unread))
        .ok()
}

/// Why a schema is not there, as a problem with its place.
fn tell(root: &Section<'_>, request: &SchemaRequest, unread: Unread) {
    let section = root.section("schema");
    let key = match request.origin {
        Origin::Folder { .. } => "subject",
        Origin::Registry { .. } => "registry",
    };
    for message in unread.messages {
        match unread.is_outage {
            true => section.outage(key, message),
            false => section.problem(key, message),
        }
    }
}

/// Names that differ only in case are one folder on some stores.
fn names_differ(streams: &[Placed], findings: &Findings) {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for placed in streams {
        let name = placed.stream.name.to_ascii_lowercase();
        if let Some(other) = seen.insert(name, &placed.file) {
            let message = format!("the stream's name differs only in case from that of {other}");
            findings.add(&At::file(&placed.file), "", message);
        }
    }
}

/// One topic feeds one stream, also one that is yet to be made.
fn topics_feed_one_stream(streams: &[Placed], findings: &Findings) {
    for (i, placed) in streams.iter().enumerate() {
        let Some(mine) = &placed.stream.topics else {
            continue;
        };
        for other in streams.iter().take(i) {
            let Some(theirs) = &other.stream.topics else {
                continue;
            };
            if let Some((key, what)) = overlap(&mine.select, &theirs.select) {
                let message = format!(
                    "{what} would feed the stream {} too ({}); one topic feeds one stream",
                    other.stream.name, other.file
                );
                findings.add(&At::file(&placed.file), key, message);
            }
        }
    }
}

/// One key feeds one stream.
fn prefixes_feed_one_stream(streams: &[Placed], settings: &Settings, findings: &Findings) {
    if settings.bucket.is_none() {
        return;
    }
    for (i, placed) in streams.iter().enumerate() {
        let Some(mine) = &placed.stream.bulk else {
            continue;
        };
        for other in streams.iter().take(i) {
            let theirs = other.stream.bulk.as_ref().map(|bulk| &bulk.prefix);
            if let Some(theirs) = theirs
                && (theirs.starts_with(&mine.prefix) || mine.prefix.starts_with(theirs))
            {
                let message = format!(
                    "{:?} and {theirs:?} of the stream {} ({}) have keys in common; one key feeds one stream",
                    mine.prefix, other.stream.name, other.file
                );
                findings.add(&At::file(&placed.file), "bulk.prefix", message);
            }
        }
    }
}

/// The key of `mine` at fault, and what both select.
fn overlap(mine: &TopicSelect, theirs: &TopicSelect) -> Option<(&'static str, String)> {
    let matching = |pattern: &str, names: &[String]| {
        let pattern = Regex::new(pattern).ok()?;
        names.iter().find(|n| pattern.is_match(n)).cloned()
    };
    match (mine, theirs) {
        (TopicSelect::Names(mine), TopicSelect::Names(theirs)) => mine
            .iter()
            .find(|name| theirs.contains(name))
            .map(|name| ("topics.names", format!("the topic {name}"))),
        (TopicSelect::Names(names), TopicSelect::Pattern(pattern)) => {
            matching(pattern, names).map(|name| ("topics.names", format!("the topic {name}")))
        }
        (TopicSelect::Pattern(pattern), TopicSelect::Names(names)) => {
            matching(pattern, names).map(|name| ("topics.pattern", format!("the topic {name}")))
        }
        (TopicSelect::Pattern(mine), TopicSelect::Pattern(theirs)) => {
            overlap::common_name(mine, theirs)
                .map(|name| ("topics.pattern", format!("a topic named {name}")))
        }
    }
}

#[cfg(test)]
mod tests;
