//! `[bulk]` of a stream: what it takes from files.
//!
//! Owns: the keys and their rules. Does not own: what a dialect's values mean (`config::dialect`).

use std::sync::Arc;

use crate::config::dialect::{Dialect, DialectKeys};
use crate::config::section::Section;
use crate::config::{Bulk, OnDuplicate};

/// `[bulk]` of a stream; `None` if a problem leaves nothing to go on with.
pub(crate) fn bulk(section: &Section<'_>) -> Option<Bulk> {
    let on_duplicate = section.choice(
        "on_duplicate",
        &[("load", OnDuplicate::Load), ("skip", OnDuplicate::Skip)],
    );
    let dialect = dialect(&section.section("dialect"));
    Some(Bulk {
        on_duplicate: on_duplicate.unwrap_or(OnDuplicate::Load),
        max_reject_ratio: section.ratio("max_reject_ratio", 0.5),
        max_rejects: section.count("max_rejects", 1_000_000),
        escape_formulas: section.boolean("escape_formulas", false),
        dialect: Arc::new(dialect?),
    })
}

fn dialect(section: &Section<'_>) -> Option<Dialect> {
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
        Ok(dialect) => Some(dialect),
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
