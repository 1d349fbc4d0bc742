//! Results to stdout; progress and complaints to stderr.
//!
//! Owns: writing, escaping, and what becomes of a reader that went away. Does not own: contents.

use std::io::{ErrorKind, Write};

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::model::job::JobState;

/// Writes one JSON document.
pub(crate) fn json(document: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(document).map_err(no_json)?;
    text_line(&text)
}

/// One JSON document whose last member is a list that is written item by item.
#[derive(Debug)]
pub(crate) struct JsonList {
    is_empty: bool,
}

impl JsonList {
    /// Writes the document's beginning: the members of `head`, then `name` with the list.
    pub(crate) fn begin(head: &[(&str, &str)], name: &str) -> Result<Self> {
        let mut text = "{\n".to_owned();
        for (key, value) in head {
            let value = serde_json::to_string(value).map_err(no_json)?;
            text.push_str(&format!("  \"{key}\": {value},\n"));
        }
        bytes(format!("{text}  \"{name}\": [").as_bytes())?;
        Ok(Self { is_empty: true })
    }

    /// Writes an item.
    pub(crate) fn push(&mut self, item: &impl Serialize) -> Result<()> {
        let comma = match std::mem::take(&mut self.is_empty) {
            true => "",
            false => ",",
        };
        let item = serde_json::to_string(item).map_err(no_json)?;
        bytes(format!("{comma}\n    {item}").as_bytes())
    }

    /// Writes the document's end.
    pub(crate) fn end(self) -> Result<()> {
        bytes(b"\n  ]\n}\n")
    }
}

fn no_json(error: serde_json::Error) -> Error {
    Error::internal("the result cannot be written as JSON").because(error)
}

/// Writes a text and a line's end.
pub(crate) fn text_line(text: &str) -> Result<()> {
    bytes(format!("{text}\n").as_bytes())
}

/// Writes bytes. A reader that went away (`| head`) has what it wanted.
pub(crate) fn bytes(bytes: &[u8]) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Error::internal("stdout cannot be written").because(error))
        }
        _ => Ok(()),
    }
}

/// A rule below the header, and nothing else that a script would have to take away.
const STYLE: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// A table in weir's style, with `header`.
pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE).set_header(header);
    table
}

/// Aligns the columns at these places as numbers.
pub(crate) fn align_numbers(table: &mut Table, columns: impl IntoIterator<Item = usize>) {
    for at in columns {
        if let Some(column) = table.column_mut(at) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

/// Accepted records of a job: those of one that landed nothing are no rows of a table.
pub(crate) fn accepted(records: u64, state: JobState) -> String {
    match (records, state) {
        (1.., JobState::Failed | JobState::Aborted) => format!("{records} (none landed)"),
        _ => records.to_string(),
    }
}

/// Text of whatever origin, safe for a terminal and unambiguous: what is not printable, a backslash,
/// and bytes that are no UTF-8 are escaped.
pub(crate) fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\'' => text.push(c),
                c => text.extend(c.escape_debug()),
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// `topic:partition @offset` of a record, with its place in an envelope.
pub(crate) fn place(source: &str, partition: i32, offset: i64, index: i32) -> String {
    let source = escaped(source.as_bytes());
    let index = match index {
        0 => String::new(),
        index => format!(" record {index}"),
    };
    format!("{source}:{partition} @{offset}{index}")
}

/// A bar on stderr that counts `what`; nothing is drawn where stderr is no terminal.
pub(crate) fn bar(message: &str, length: u64, what: &str) -> Result<ProgressBar> {
    let form = format!("{{msg:>16}} {{wide_bar}} {{human_pos}}/{{human_len}} {what}, {{rate}}");
    let style = ProgressStyle::with_template(&form)
        .map_err(|e| Error::internal("the progress bar is malformed").because(e))?
        .with_key(
            "rate",
            |state: &ProgressState, to: &mut dyn std::fmt::Write| {
                // where it cannot be drawn there is nobody to tell
                let _ = write!(to, "{:.0}/s", state.per_sec());
            },
        );
    Ok(ProgressBar::new(length)
        .with_style(style)
        .with_message(message.to_owned()))
}

/// A line on stderr that counts `what` and whose end nobody knows; nothing is drawn where stderr is no
/// terminal.
pub(crate) fn line(what: &str) -> Result<ProgressBar> {
    let form = format!("{{spinner}} {{msg}}: {{human_pos}} {what}, {{elapsed}}");
    let style = ProgressStyle::with_template(&form)
        .map_err(|e| Error::internal("the progress line is malformed").because(e))?;
    Ok(ProgressBar::new_spinner().with_style(style))
}

/// Writes why a command failed to stderr.
pub(crate) fn complain(error: &Error) {
    notice(&format!("weir: {error}"));
}

/// Writes a line for people to stderr.
pub(crate) fn notice(text: &str) {
    // where stderr cannot be written there is nobody to tell
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn bytes_are_shown_without_reaching_the_terminal() {
        for (bytes, shown) in [
            (&b"{\"a\": 'x'}"[..], "{\"a\": 'x'}"),
            (b"\x1b[31mred\x07", "\\u{1b}[31mred\\u{7}"),
            (b"a\nb\tc\r", "a\\nb\\tc\\r"),
            (b"\\x41", "\\\\x41"),
            (b"\xff\xfeok\xc3", "\\xff\\xfeok\\xc3"),
            ("ä\u{9b}\u{202e}…".as_bytes(), "ä\\u{9b}\\u{202e}…"),
        ] {
            assert_eq!(escaped(bytes), shown);
        }
    }
}
