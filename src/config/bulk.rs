//! `[bulk]` of a stream: what it takes from files.
//!
//! Owns: the keys and their rules. Does not own: what a dialect's values mean (`config::dialect`).

use std::sync::Arc;

use crate::config::dialect::{Dialect, DialectKeys};
use crate::config::section::Section;
use crate::config::{After, Bulk, OnDuplicate};

/// `[bulk]` of the stream `name`; `None` if a problem leaves nothing to go on with. `has_bucket`:
/// there is one that is watched.
pub(crate) fn bulk(section: &Section<'_>, name: &str, has_bucket: bool) -> Option<Bulk> {
    if !has_bucket {
        for key in ["prefix", "after"].iter().filter(|key| section.has(key)) {
            section.problem(key, "needs [bulk] in weir.toml, which is not there");
        }
    }
    let prefix = section.parsed("prefix", prefix);
    let after = section.choice("after", &[("keep", After::Keep), ("delete", After::Delete)]);
    let on_duplicate = section.choice(
        "on_duplicate",
        &[("load", OnDuplicate::Load), ("skip", OnDuplicate::Skip)],
    );
    let (keys, dialect) = dialect(&section.section("dialect"))?;
    Some(Bulk {
        prefix: prefix.unwrap_or_else(|| format!("{name}/")),
        after: after.unwrap_or(After::Keep),
        on_duplicate: on_duplicate.unwrap_or(OnDuplicate::Load),
        max_reject_ratio: section.ratio("max_reject_ratio", 0.5),
        max_rejects: section.count("max_rejects", 1_000_000),
        escape_formulas: section.boolean("escape_formulas", false),
        dialect: Arc::new(dialect),
        dialect_keys: keys,
    })
}

/// A prefix of keys, with a slash at its end.
fn prefix(text: &str) -> Result<String, &'static str> {
    let path = text.strip_suffix('/').unwrap_or(text);
    if path.is_empty() {
        return match text {
            "" => Ok(String::new()),
            _ => Err("must not begin with a slash"),
        };
    }
    if path.starts_with("_results") {
        return Err("must not begin with _results, where results go");
    }
    for segment in path.split('/') {
        if segment.is_empty() {
            return Err("must not begin with a slash, nor hold two in a row");
        }
        if segment.starts_with('.') {
            return Err("must have no part that begins with a dot: such files are never taken");
        }
        if segment.contains(|c: char| c.is_control()) {
            return Err("must hold no control characters");
        }
    }
    Ok(format!("{path}/"))
}

fn dialect(section: &Section<'_>) -> Option<(DialectKeys, Dialect)> {
    let usual = DialectKeys::default();
    let text = |key, usual: String| section.text(key).map_or(usual, |text| text.text);
    let texts = |key| {
        let texts = section.texts(key).unwrap_or_default();
        texts.into_iter().map(|text| text.text).collect()
    };
    let keys = DialectKeys {
        delimiter: text("delimiter", usual.delimiter),
        quote: text("quote", usual.quote),
        escape: text("escape", usual.escape),
        quotes: text("quotes", usual.quotes),
        line_end: text("line_end", usual.line_end),
        encoding: text("encoding", usual.encoding),
        null: texts("null"),
        header: section.boolean("header", usual.header),
        columns: texts("columns"),
        skip_lines: section.number("skip_lines", usual.skip_lines),
        comment: text("comment", usual.comment),
        trim: section.boolean("trim", usual.trim),
        decimal: text("decimal", usual.decimal),
        date_format: text("date_format", usual.date_format),
        timestamp_format: text("timestamp_format", usual.timestamp_format),
        max_record_bytes: section.size("max_record_bytes", usual.max_record_bytes),
    };
    match Dialect::new(&keys) {
        Ok(dialect) => Some((keys, dialect)),
        Err(problems) => {
            for problem in problems {
                section.problem(problem.key, problem.message);
            }
            None
        }
    }
}

#[cfg(test)]
mod tests;
