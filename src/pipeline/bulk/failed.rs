//! `failed.csv` and `failed.txt`: the rows that did not land, to be mended and dropped again.
//!
//! Owns: their form. The sender's own bytes of a row stay as they were sent, in its own dialect and
//! encoding; four columns stand in front. What is no CSV goes to the text.

use std::borrow::Cow;

use memchr::memmem;

use crate::config::dialect::Dialect;
use crate::model::reject::{Fault, RejectCode};
use crate::source::csv::encode::Encoder;
use crate::source::csv::slice::{Cell, Slice};
use crate::source::csv::{Head, RETURNED};

/// Writes the rows of one file.
#[derive(Debug)]
pub struct FailedWriter {
    dialect: std::sync::Arc<Dialect>,
    encoder: Encoder,
    line_end: String,
    escape_formulas: bool,
    /// Cells in front of a row that are ours already.
    ours: usize,
    head: Head,
}

/// A rejected row.
#[derive(Debug, Clone, Copy)]
pub struct FailedRow<'a> {
    /// The physical line on which it begins, from 1.
    pub line: u64,
    /// What is wrong.
    pub fault: &'a Fault,
    /// Its bytes as sent, without the line's end.
    pub raw: &'a [u8],
    /// Its slice, and its place there.
    pub slice: &'a Slice,
    /// See `slice`.
    pub index: usize,
}

impl FailedWriter {
    /// A writer for a file with this head.
    pub fn new(dialect: &std::sync::Arc<Dialect>, head: &Head, escape_formulas: bool) -> Self {
        let ours = if head.is_returned { RETURNED.len() } else { 0 };
        Self {
            dialect: dialect.clone(),
            encoder: Encoder::of(head),
            line_end: head.line_end.clone(),
            escape_formulas,
            ours,
            head: head.clone(),
        }
    }

    /// What stands in front of the first row of `failed.csv`.
    pub fn header(&self) -> Vec<u8> {
        let head = &self.head;
        let mut bytes = Vec::new();
        let out = &mut bytes;
        if head.has_mark {
            self.put("\u{feff}", out);
        }
        if !head.is_returned {
            self.put(&RETURNED.join(&self.dialect.delimiter), out);
            self.put(&self.dialect.delimiter, out);
        }
        if head.header.is_empty() {
            let names = head.columns.iter().map(|name| self.quoted(name));
            let names: Vec<Cow<'_, str>> = names.collect();
            self.put(&names.join(&*self.dialect.delimiter), out);
        } else {
            out.extend_from_slice(&head.header);
        }
        self.put(&self.line_end, out);
        bytes
    }

    /// Appends a row of `failed.csv`.
    pub fn row(&self, row: FailedRow<'_>, out: &mut Vec<u8>) {
        let line = row.line.to_string();
        let field = row.fault.field.as_deref().unwrap_or_default();
        let ours = [&*line, field, row.fault.code.as_str(), &row.fault.message];
        for text in ours {
            self.put(&self.quoted(text), out);
            self.put(&self.dialect.delimiter, out);
        }
        self.own_cells(row, out);
        self.put(&self.line_end, out);
    }

    /// Appends a line of `failed.txt`: line, message and the bytes, tab between.
    pub fn text(&self, row: FailedRow<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(row.line.to_string().as_bytes());
        out.push(b'\t');
        out.extend_from_slice(row.fault.message.as_bytes());
        out.push(b'\t');
        out.extend_from_slice(row.raw);
        out.push(b'\n');
    }

    /// The sender's own cells of a row, byte by byte as they were sent.
    fn own_cells(&self, row: FailedRow<'_>, out: &mut Vec<u8>) {
        let (own, begin) = self.own(row);
        let mut sent = row.slice.sent(row.index, row.raw);
        sent.up_to(begin);
        let marked = own
            .iter()
            .filter(|cell| self.escape_formulas && is_formula(row.slice, cell));
        for cell in marked {
            out.extend_from_slice(sent.up_to(cell.range().start));
            self.put("'", out);
        }
        out.extend_from_slice(sent.rest());
    }

    /// The cells of a row behind ours, and where the first of them begins in the slice's text. A row
    /// that has none of its own behind ours was written by somebody else: all of it is.
    fn own<'a>(&self, row: FailedRow<'a>) -> (&'a [Cell], usize) {
        let cells = row.slice.cells(row.index);
        let record = row.slice.records()[row.index].range();
        let last = self.ours.checked_sub(1).and_then(|last| cells.get(last));
        let own = cells.get(self.ours..).unwrap_or_default();
        let Some(last) = last.filter(|_| !own.is_empty()) else {
            return (cells, record.start);
        };
        // Behind the cell there may be its quote, and blanks.
        let behind = &row.slice.text()[last.range().end..record.end];
        let delimiter = self.dialect.delimiter.as_bytes();
        let at = memmem::find(behind, delimiter).map_or(behind.len(), |at| at + delimiter.len());
        (own, last.range().end + at)
    }

    /// A text of ours as a cell.
    fn quoted<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Dialect {
            delimiter,
            quote,
            escape,
            ..
        } = &*self.dialect;
        let needs = |mark: char| text.contains(mark);
        let is_plain = !text.contains(delimiter.as_str())
            && !text.contains(self.line_end.as_str())
            && !quote.is_some_and(|q| needs(char::from(q)))
            && !needs('\n')
            && !needs('\r')
            && !text.is_empty();
        let Some(quote) = quote.map(char::from) else {
            // Nothing can be quoted: what would end the cell is left out.
            let text = text.replace(delimiter.as_str(), " ");
            return Cow::Owned(text.replace(['\n', '\r'], " "));
        };
        if is_plain || text.is_empty() {
            return Cow::Borrowed(text);
        }
        let escape = escape.map_or(quote, char::from);
        let mut cell = String::with_capacity(text.len() + 2);
        cell.push(quote);
        for mark in text.chars() {
            if mark == quote || mark == escape {
                cell.push(escape);
            }
            cell.push(mark);
        }
        cell.push(quote);
        Cow::Owned(cell)
    }

    fn put(&self, text: &str, out: &mut Vec<u8>) {
        self.encoder.put(text, out);
    }
}

/// True for what belongs into the text: it has no cells that could be mended one by one.
pub fn is_no_csv(code: RejectCode) -> bool {
    matches!(code, RejectCode::CsvSyntax | RejectCode::TooLarge)
}

/// True for a cell that spreadsheets would run: it begins as a formula does, and is no number.
fn is_formula(slice: &Slice, cell: &Cell) -> bool {
    let bytes = &slice.text()[cell.range()];
    let begins = matches!(
        bytes.first(),
        Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r')
    );
    let is_number = || std::str::from_utf8(bytes).is_ok_and(|text| text.parse::<f64>().is_ok());
    begins && !is_number()
}

#[cfg(test)]
mod tests;
