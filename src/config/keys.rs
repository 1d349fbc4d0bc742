//! Every key that a configuration may hold, and the nearest one to a key that is not known.
//!
//! Owns: the two lists, which `docs/configuration.md` is held against by a test.
//! Does not own: the values' types and rules (`config::file`, `config::stream`).

use crate::config::document::{Entry, Value};
use crate::config::problem::Findings;

/// Keys of `weir.toml`. `*` stands for free names.
pub const WEIR: &[&str] = &[
    "bulk.options.*",
    "bulk.poll",
    "bulk.settle",
    "bulk.url",
    "flush.max_age",
    "flush.max_bytes",
    "flush.max_rows",
    "http.listen",
    "instance.id",
    "kafka.brokers",
    "kafka.group",
    "kafka.properties.*",
    "lake.fsync",
    "lake.options.*",
    "lake.url",
    "log.format",
    "log.level",
    "memory.budget",
    "registry.allow_http",
    "registry.ca",
    "registry.cache",
    "registry.cert",
    "registry.key",
    "registry.password",
    "registry.timeout",
    "registry.token",
    "registry.url",
    "registry.username",
    "rejects.max_raw",
    "schemas.compatibility",
    "schemas.dir",
    "schemas.poll",
    "shutdown.grace",
];

/// Keys of `streams/<name>.toml`. `*` stands for free names.
pub const STREAM: &[&str] = &[
    "bulk.after",
    "bulk.dialect.columns",
    "bulk.dialect.comment",
    "bulk.dialect.date_format",
    "bulk.dialect.decimal",
    "bulk.dialect.delimiter",
    "bulk.dialect.encoding",
    "bulk.dialect.escape",
    "bulk.dialect.header",
    "bulk.dialect.line_end",
    "bulk.dialect.max_record_bytes",
    "bulk.dialect.null",
    "bulk.dialect.quote",
    "bulk.dialect.quotes",
    "bulk.dialect.skip_lines",
    "bulk.dialect.timestamp_format",
    "bulk.dialect.trim",
    "bulk.escape_formulas",
    "bulk.max_reject_ratio",
    "bulk.max_rejects",
    "bulk.on_duplicate",
    "bulk.prefix",
    "category",
    "event_time",
    "flush.max_age",
    "flush.max_bytes",
    "flush.max_rows",
    "names.*",
    "nanos",
    "object",
    "partition_by",
    "primary_key",
    "schema.registry",
    "schema.subject",
    "schema.version",
    "source",
    "topics.format",
    "topics.framing",
    "topics.max_message_bytes",
    "topics.max_records_per_message",
    "topics.names",
    "topics.on_gap",
    "topics.pattern",
    "topics.start",
    "topics.writer.registry",
    "topics.writer.subject",
    "topics.writer.version",
    "unknown_fields",
];

/// Reports every key below `entries` that `known` does not list.
pub(crate) fn check(entries: &[Entry], known: &[&str], findings: &Findings) {
    check_below(entries, "", known, findings);
}

fn check_below(entries: &[Entry], prefix: &str, known: &[&str], findings: &Findings) {
    for entry in entries {
        let path = format!("{prefix}{}", entry.key);
        if known.contains(&path.as_str()) {
            continue;
        } else if is_table(&path, known) {
            match &entry.node.value {
                Value::Table(below) if known.contains(&format!("{path}.*").as_str()) => {
                    let _free_names = below;
                }
                Value::Table(below) => {
                    check_below(below, &format!("{path}."), known, findings);
                }
                _ => findings.add(&entry.at, path, "must be a table"),
            }
        } else {
            findings.add(&entry.at, path.clone(), unknown(&path, known));
        }
    }
}

fn is_table(path: &str, known: &[&str]) -> bool {
    known.iter().any(|k| {
        k.strip_prefix(path)
            .is_some_and(|rest| rest.starts_with('.'))
    })
}

/// The sentence about an unknown key, naming the nearest known one.
pub(crate) fn unknown(path: &str, known: &[&str]) -> String {
    match nearest(path, known) {
        Some(near) => format!("unknown key; did you mean `{near}`?"),
        None => "unknown key; docs/configuration.md lists every key".to_owned(),
    }
}

/// The known key or table that is nearest to `path`: first among its siblings, then anywhere by
/// its last name. `None` if nothing resembles it.
fn nearest(path: &str, known: &[&str]) -> Option<String> {
    let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
    let siblings = known.iter().filter_map(|k| {
        let rest = match parent {
            "" => k,
            _ => k.strip_prefix(parent)?.strip_prefix('.')?,
        };
        let sibling = rest.split('.').next()?;
        let full = match parent {
            "" => sibling.to_owned(),
            _ => format!("{parent}.{sibling}"),
        };
        Some((strsim::damerau_levenshtein(name, sibling), full))
    });
    let limit = (name.chars().count() / 2).max(2);
    let sibling = siblings.min().filter(|(distance, _)| *distance <= limit);
    let elsewhere = || {
        known
            .iter()
            .filter_map(|k| {
                let last = k.rsplit('.').next()?;
                (last != "*").then(|| (strsim::damerau_levenshtein(name, last), (*k).to_owned()))
            })
            .min()
            .filter(|(distance, _)| *distance <= 1)
    };
    sibling.or_else(elsewhere).map(|(_, near)| near)
}

/// The nearest of `words` to `word`, if one resembles it.
pub(crate) fn nearest_word<'a>(
    word: &str,
    words: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let limit = (word.chars().count() / 2).max(2);
    words
        .into_iter()
        .map(|w| (strsim::damerau_levenshtein(word, w), w))
        .min()
        .filter(|(distance, _)| *distance <= limit)
        .map(|(_, w)| w)
}

#[cfg(test)]
mod tests;
