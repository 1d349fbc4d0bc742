//! A slice: some records of a file, in order, with their cells.

use std::ops::Range;

use encoding_rs::Encoding;
use memchr::memchr;
use serde::{Deserialize, Serialize};

use crate::config::dialect::Dialect;
use crate::model::reject::RejectCode;
use crate::source::csv::text::raw_length;

/// Cells of a record that are told; of more than these the beginning is.
pub const MOST_CELLS: usize = 1 << 16;

/// A place between two records, where reading can begin again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Bytes of the unpacked file before it.
    pub byte: u64,
    /// The physical line that begins here, from 1.
    pub line: u64,
    /// The number of the next record, from 0.
    pub record: u64,
}

/// Some records of a file, in order.
#[derive(Debug)]
pub struct Slice {
    pub(super) text: Vec<u8>,
    pub(super) raw: Vec<u8>,
    pub(super) encoding: &'static Encoding,
    pub(super) records: Vec<Record>,
    pub(super) cells: Vec<Cell>,
    pub(super) faults: Vec<SliceFault>,
    pub(super) begin: Position,
    pub(super) end: Position,
}

/// A record of a slice, or a line that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// The physical line on which it begins, from 1.
    pub line: u64,
    from: u32,
    to: u32,
    /// Behind its last cell; its first one is behind those of the record before.
    cells_to: u32,
    /// True if it is at fault as CSV; it has no cells then.
    is_fault: bool,
}

/// A cell: a part of the slice's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// First byte; within the quotes.
    pub from: u32,
    /// Behind the last byte; within the quotes.
    pub to: u32,
    /// True if it stood in quotes.
    pub quoted: bool,
    /// True if it holds quotes that are escaped or doubled.
    pub escaped: bool,
}

/// Why a line is no record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SliceFault {
    /// Its place in the slice.
    pub index: u32,
    /// `csv_syntax` or `too_large`.
    pub code: RejectCode,
    /// The rule.
    pub rule: &'static str,
    /// Of a line of which the beginning is kept.
    pub cut: Option<CutLine>,
}

/// A line of which the beginning is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutLine {
    /// Its bytes as sent.
    pub length: u64,
    /// Their SHA-256, in hexadecimal.
    pub sha256: String,
}

impl Cell {
    pub(super) fn new(from: usize, to: usize, quoted: bool, escaped: bool) -> Self {
        Self {
            from: small(from),
            to: small(to),
            quoted,
            escaped,
        }
    }

    /// Its place in the slice's text.
    #[inline]
    pub fn range(&self) -> Range<usize> {
        self.from as usize..self.to as usize
    }
}

impl Record {
    pub(super) fn new(line: u64, at: Range<usize>, cells: usize, is_fault: bool) -> Self {
        Self {
            line,
            from: small(at.start),
            to: small(at.end),
            cells_to: small(cells),
            is_fault,
        }
    }

    /// Its place in the slice's text, without its line end.
    #[inline]
    pub fn range(&self) -> Range<usize> {
        self.from as usize..self.to as usize
    }

    /// True if it is at fault as CSV.
    #[inline]
    pub fn is_fault(&self) -> bool {
        self.is_fault
    }
}

/// A slice stays far below 4 GiB: at most a slice and a record, each of at most 256 MiB.
fn small(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

impl Slice {
    /// Where it begins: behind the slice before.
    pub fn begin(&self) -> Position {
        self.begin
    }

    /// Where it ends: reading can begin again there.
    pub fn end(&self) -> Position {
        self.end
    }

    /// Its records. Their numbers follow on [`Position::record`] of its beginning.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Its text in UTF-8; a malformed sequence is the byte FF.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The name of the file's encoding.
    pub fn encoding(&self) -> &'static str {
        self.encoding.name()
    }

    /// What is no CSV, by place.
    pub fn faults(&self) -> &[SliceFault] {
        &self.faults
    }

    /// The cells of the record at `index`.
    #[inline]
    pub fn cells(&self, index: usize) -> &[Cell] {
        let before = index.checked_sub(1).map_or(0, |b| self.records[b].cells_to);
        &self.cells[before as usize..self.records[index].cells_to as usize]
    }

    /// The bytes of records as sent.
    pub fn raws(&self) -> Raws<'_> {
        Raws {
            slice: self,
            known: (0, 0),
        }
    }

    /// The record at `index` part by part; `raw` is what [`Raws::of`] tells of it.
    pub fn sent<'a>(&self, index: usize, raw: &'a [u8]) -> Sent<'a> {
        Sent {
            encoding: self.encoding,
            at: self.records[index].range().start,
            rest: raw,
        }
    }

    /// Bytes held.
    pub fn memory(&self) -> usize {
        self.text.capacity()
            + self.raw.capacity()
            + self.records.capacity() * size_of::<Record>()
            + self.cells.capacity() * size_of::<Cell>()
    }
}

/// The bytes of records as sent, in the file's own encoding.
#[derive(Debug)]
pub struct Raws<'a> {
    slice: &'a Slice,
    /// A place in the text and the same in the bytes as sent.
    known: (usize, usize),
}

impl<'a> Raws<'a> {
    /// Those of the record at `index`, without its line end; of a line that is too large, the
    /// beginning. Cheap if the records are asked for in their order.
    pub fn of(&mut self, index: usize) -> &'a [u8] {
        let range = self.slice.records[index].range();
        if self.slice.raw.is_empty() {
            return &self.slice.text[range];
        }
        let from = self.at(range.start);
        &self.slice.raw[from..self.at(range.end)]
    }

    fn at(&mut self, at: usize) -> usize {
        if at < self.known.0 {
            self.known = (0, 0);
        }
        let (text, raw) = self.known;
        let there = raw + raw_length(self.slice.encoding, &self.slice.raw[raw..], at - text);
        self.known = (at, there);
        there
    }
}

/// The bytes of one record as sent, from its beginning on.
#[derive(Debug)]
pub struct Sent<'a> {
    encoding: &'static Encoding,
    /// A place in the slice's text, and what was sent from there on.
    at: usize,
    rest: &'a [u8],
}

impl<'a> Sent<'a> {
    /// Those up to the place `to` of the slice's text, from where the last ones ended.
    pub fn up_to(&mut self, to: usize) -> &'a [u8] {
        let length = raw_length(self.encoding, self.rest, to.saturating_sub(self.at));
        let (before, rest) = self.rest.split_at(length.min(self.rest.len()));
        (self.at, self.rest) = (to, rest);
        before
    }

    /// All that are left.
    pub fn rest(self) -> &'a [u8] {
        self.rest
    }
}

/// Appends the text that an escaped cell means to `into`.
pub fn unescape(dialect: &Dialect, cell: &[u8], into: &mut Vec<u8>) {
    let quote = dialect.quote.unwrap_or(b'"');
    let escape = dialect.escape.unwrap_or(quote);
    let mut rest = cell;
    while let Some(at) = memchr(escape, rest) {
        into.extend_from_slice(&rest[..at]);
        // the tokenizer saw that what is escaped is a quote or an escape
        let pair = rest.get(at + 1).filter(|b| **b == quote || **b == escape);
        into.push(*pair.unwrap_or(&escape));
        rest = &rest[at + 1 + usize::from(pair.is_some())..];
    }
    into.extend_from_slice(rest);
}
