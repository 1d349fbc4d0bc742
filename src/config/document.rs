//! A TOML document as a tree in which every key and value knows its line.
//!
//! Owns: parsing with spans, `${env:NAME}` and `${file:/path}` in values, and the overrides
//! `WEIR__SECTION__KEY` of the environment. Does not own: what keys mean.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use toml::de::{DeTable, DeValue};

use crate::config::keys;
use crate::config::problem::{At, Findings};

/// What a key holds.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// A string.
    Text {
        /// Its text, references replaced.
        text: String,
        /// True if it came, in whole or part, from outside the file: it is never shown, and may
        /// stand for a number or a boolean.
        outside: bool,
    },
    /// An integer.
    Integer(i64),
    /// A number with a point or an exponent.
    Float(f64),
    /// A boolean.
    Boolean(bool),
    /// A date or time, as written.
    Datetime(String),
    /// An array.
    List(Vec<Node>),
    /// A table.
    Table(Vec<Entry>),
    /// A kind of value that no key takes, or one that could not be read (and was reported).
    Other(&'static str),
}

impl Value {
    /// The kind, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Value::Text { .. } => "string",
            Value::Integer(_) => "integer",
            Value::Float(_) => "float",
            Value::Boolean(_) => "boolean",
            Value::Datetime(_) => "datetime",
            Value::List(_) => "array",
            Value::Table(_) => "table",
            Value::Other(kind) => kind,
        }
    }
}

/// A value and its place.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// The value.
    pub(crate) value: Value,
    /// Its place.
    pub(crate) at: At,
}

/// A key of a table.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// The key, one segment.
    pub(crate) key: String,
    /// The key's place.
    pub(crate) at: At,
    /// The value.
    pub(crate) node: Node,
}

/// Reads a document. Syntax errors are reported, and what can be read is given.
pub(crate) fn parse(
    file: &str,
    text: &str,
    env: &BTreeMap<String, String>,
    findings: &Findings,
) -> Vec<Entry> {
    let reader = Reader {
        file: file.into(),
        line_starts: line_starts(text),
        env,
        findings,
    };
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let at = At {
            file: reader.file.clone(),
            line: error.span().map(|span| reader.line(span.start)),
        };
        findings.add(&at, "", format!("is no TOML: {}", error.message()));
    }
    reader.table(table.get_ref(), "")
}

fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0)
        .chain(text.match_indices('\n').map(|(i, _)| i + 1))
        .collect()
}

struct Reader<'a> {
    file: Arc<str>,
    line_starts: Vec<usize>,
    env: &'a BTreeMap<String, String>,
    findings: &'a Findings,
}

impl Reader<'_> {
    fn line(&self, byte: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= byte)
    }

    fn at(&self, byte: usize) -> At {
        At {
            file: self.file.clone(),
            line: Some(self.line(byte)),
        }
    }

    fn table(&self, table: &DeTable<'_>, prefix: &str) -> Vec<Entry> {
        let mut entries = Vec::new();
        for (key, value) in table.iter() {
            let path = format!("{prefix}{}", key.get_ref());
            let at = self.at(value.span().start);
            entries.push(Entry {
                key: key.get_ref().to_string(),
                at: self.at(key.span().start),
                node: Node {
                    value: self.value(value.get_ref(), &at, &path),
                    at,
                },
            });
        }
        entries
    }

    fn value(&self, value: &DeValue<'_>, at: &At, path: &str) -> Value {
        match value {
            DeValue::String(text) => match replace_references(text, self.env) {
                Ok((text, outside)) => Value::Text { text, outside },
                Err(message) => {
                    self.findings.add(at, path, message);
                    Value::Other("string")
                }
            },
            DeValue::Integer(integer) => {
                match i64::from_str_radix(integer.as_str(), integer.radix()) {
                    Ok(integer) => Value::Integer(integer),
                    Err(_) => {
                        self.findings.add(at, path, "is beyond 64 bits");
                        Value::Other("integer")
                    }
                }
            }
            DeValue::Float(float) => match float.as_str().replace('_', "").parse() {
                Ok(float) => Value::Float(float),
                Err(_) => Value::Other("float"),
            },
            DeValue::Boolean(boolean) => Value::Boolean(*boolean),
            DeValue::Datetime(datetime) => Value::Datetime(datetime.to_string()),
            DeValue::Array(items) => Value::List(
                items
                    .iter()
                    .map(|item| {
                        let at = self.at(item.span().start);
                        Node {
                            value: self.value(item.get_ref(), &at, path),
                            at,
                        }
                    })
                    .collect(),
            ),
            DeValue::Table(table) => Value::Table(self.table(table, &format!("{path}."))),
        }
    }
}

/// Replaces `${env:NAME}` and `${file:/path}`; `$${` stands for `${`. Tells whether anything came
/// from outside. The message never holds what was read.
fn replace_references(
    text: &str,
    env: &BTreeMap<String, String>,
) -> Result<(String, bool), String> {
    let mut out = String::new();
    let mut outside = false;
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, from) = rest.split_at(start);
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = &from[2..];
            continue;
        }
        out.push_str(before);
        let end = from.find('}').ok_or("holds a `${` without its `}`")?;
        out.push_str(&resolve(&from[2..end], env)?);
        outside = true;
        rest = &from[end + 1..];
    }
    out.push_str(rest);
    Ok((out, outside))
}

fn resolve(reference: &str, env: &BTreeMap<String, String>) -> Result<String, String> {
    if let Some(name) = reference.strip_prefix("env:") {
        return env
            .get(name)
            .cloned()
            .ok_or_else(|| format!("names the environment variable {name}, which is not set"));
    }
    let Some(path) = reference.strip_prefix("file:") else {
        return Err("knows only the references ${env:NAME} and ${file:/path}; write $${ for the text itself".to_owned());
    };
    if !Path::new(path).is_absolute() {
        return Err(format!("names the file {path}, which is no absolute path"));
    }
    let text = std::fs::read_to_string(path)
        .map_err(|e| format!("names the file {path}, which cannot be read: {e}"))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

/// What the environment's overrides begin with.
const OVERRIDE: &str = "WEIR__";

/// Lays `WEIR__SECTION__KEY` over the entries of `weir.toml`.
///
/// Under `kafka.properties` a `_` of the variable stands for the `.` of the property.
pub(crate) fn override_from(
    entries: &mut Vec<Entry>,
    env: &BTreeMap<String, String>,
    findings: &Findings,
) {
    for (name, value) in env {
        let Some(path) = name.strip_prefix(OVERRIDE) else {
            continue;
        };
        let at = At::file(&format!("environment variable {name}"));
        let path = path.to_ascii_lowercase().replace("__", ".");
        let mut segments: Vec<String> = path.split('.').map(str::to_owned).collect();
        if let [section, map, name] = segments.as_mut_slice()
            && section == "kafka"
            && map == "properties"
        {
            *name = name.replace('_', ".");
        }
        if !keys::WEIR.contains(&path.as_str())
            && !keys::WEIR.iter().any(|k| is_free_name(k, &segments))
        {
            findings.add(&at, path.clone(), keys::unknown(&path, keys::WEIR));
            continue;
        }
        let node = Node {
            value: Value::Text {
                text: value.clone(),
                outside: true,
            },
            at: at.clone(),
        };
        set(entries, &segments, node, &at);
    }
}

fn is_free_name(known: &str, segments: &[String]) -> bool {
    match segments.split_last() {
        Some((name, table)) => {
            !name.is_empty() && known.strip_suffix(".*") == Some(table.join(".").as_str())
        }
        None => false,
    }
}

fn set(entries: &mut Vec<Entry>, segments: &[String], node: Node, at: &At) {
    let Some((key, below)) = segments.split_first() else {
        return;
    };
    let place = match entries.iter().position(|e| e.key == *key) {
        Some(place) => place,
        None => {
            entries.push(Entry {
                key: key.clone(),
                at: at.clone(),
                node: Node {
                    value: Value::Table(Vec::new()),
                    at: at.clone(),
                },
            });
            entries.len() - 1
        }
    };
    let Some(entry) = entries.get_mut(place) else {
        return;
    };
    if below.is_empty() {
        entry.at = at.clone();
        entry.node = node;
    } else if let Value::Table(table) = &mut entry.node.value {
        set(table, below, node, at);
    }
}
