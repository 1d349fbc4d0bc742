//! Results to stdout and complaints to stderr.
//!
//! Owns: writing, and what becomes of a reader that went away. Does not own: contents.

use std::io::{ErrorKind, Write};

use comfy_table::Table;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use serde::Serialize;

use crate::error::Error;

/// Writes one JSON document.
pub(crate) fn json(document: &impl Serialize) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(document)
        .map_err(|e| Error::internal("the result cannot be written as JSON").because(e))?;
    text_line(&text)
}

/// Writes a text and a line's end.
pub(crate) fn text_line(text: &str) -> Result<(), Error> {
    bytes(format!("{text}\n").as_bytes())
}

/// Writes bytes. A reader that went away (`| head`) has what it wanted.
pub(crate) fn bytes(bytes: &[u8]) -> Result<(), Error> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Error::internal("stdout cannot be written").because(error))
        }
        _ => Ok(()),
    }
}

/// A table in weir's style, with `header`.
pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_header(header);
    table
}

/// Writes why a command failed to stderr.
pub(crate) fn complain(error: &Error) {
    // where stderr cannot be written there is nobody to tell
    let _ = writeln!(std::io::stderr().lock(), "weir: {error}");
}

/// Writes a line for people to stderr.
pub(crate) fn notice(text: &str) {
    // where stderr cannot be written there is nobody to tell
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
