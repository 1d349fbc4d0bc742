//! One file: its first lines, then slice after slice.
//!
//! Owns: the order of reading, lines beyond the limit, and where reading can begin again.

use encoding_rs::Encoding;
use memchr::memchr;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::dialect::{Dialect, LineEnd};
use crate::error::Error;
use crate::model::reject::RejectCode;
use crate::source::csv::chunks::Chunks;
use crate::source::csv::rules::Rules;
use crate::source::csv::scanner::{Next, Scanner};
use crate::source::csv::slice::{
    Cell, CutLine, MOST_CELLS, Position, Record, Slice, SliceFault, unescape,
};
use crate::source::csv::text::Text;
use crate::source::csv::unpack::{Packing, Unpacked};
use crate::source::csv::{Read, Trouble};

/// The columns in front of a `failed.csv`, which are ignored when it is dropped again.
pub const RETURNED: [&str; 4] = ["weir_line", "weir_field", "weir_code", "weir_message"];

/// What those four may add to a record, in bytes.
const RETURNED_BYTES: usize = 4096;

/// Room that is made at once for the records of a slice, and for their cells.
const MOST_RECORDS_ROOM: usize = 1 << 16;
const MOST_CELLS_ROOM: usize = 1 << 19;

/// Where `line_end = "auto"` looks for line ends, in bytes of text.
const FIRST_BYTES: usize = 1 << 16;

/// How much is read and cut at once. What records a file has does not depend on it.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Bytes to read at once.
    pub fill: usize,
    /// A slice ends with the record that reaches so many bytes of text.
    pub slice_bytes: usize,
    /// A slice ends with this record.
    pub slice_records: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            fill: 1 << 18,
            slice_bytes: 1 << 20,
            slice_records: 1 << 16,
        }
    }
}

/// What a file's first bytes and lines tell, and reading on from its middle needs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The encoding's name, the byte order of UTF-16 included.
    pub encoding: String,
    /// True if the file begins with a byte order mark.
    pub has_mark: bool,
    /// True if `line_end = "auto"` found CR alone.
    pub is_cr: bool,
    /// What ends its first line; where that has no end, what could.
    pub line_end: String,
    /// True for a `failed.csv`: the first columns are [`RETURNED`].
    pub is_returned: bool,
    /// The names of the columns, as they stand in the header or in the dialect.
    pub columns: Vec<String>,
    /// The header's bytes as sent, without its line end; empty where there is none.
    pub header: Vec<u8>,
}

/// A file that is being read.
#[derive(Debug)]
pub struct CsvFile {
    text: Text,
    scanner: Scanner,
    sizes: Sizes,
    head: Head,
    /// The next line's place in the text.
    at: usize,
    /// Its number, from 1.
    line: u64,
    /// Where the text begins.
    begin: Position,
    cells: Vec<Cell>,
    /// Records and cells that a slice is likely to have.
    room: (usize, usize),
}

impl CsvFile {
    /// Reads a file from its beginning, up to its first record; `None` if it ends before its header.
    pub fn open(
        chunks: Box<dyn Chunks>,
        packing: Packing,
        dialect: &Dialect,
        sizes: Sizes,
    ) -> Read<Option<Self>> {
        let mut text = Text::begin(Unpacked::new(chunks, packing)?, dialect.encoding)?;
        let is_cr = dialect.line_end == LineEnd::Auto && has_cr_alone(&mut text, sizes.fill)?;
        let mut file = Self::new(text, Rules::new(dialect, is_cr), sizes);
        file.head.is_cr = is_cr;
        file.head.is_returned = file.is_returned(dialect)?;
        file.head.line_end = file.scanner.rules.ends.first(&file.text.text).to_owned();
        if file.head.is_returned {
            file.scanner.rules.max_record_bytes += RETURNED_BYTES;
        } else {
            for _ in 0..dialect.skip_lines {
                file.pass_line(0, None)?;
            }
        }
        match &dialect.columns {
            Some(columns) if !file.head.is_returned => file.head.columns = columns.clone(),
            _ if !file.header(dialect)? => return Ok(None),
            _ => {}
        }
        file.scanner.has_one_column = file.head.columns.len() == 1;
        file.take();
        Ok(Some(file))
    }

    /// Reads a file on from `position`. `chunks` begin there, or at the file's beginning where it is
    /// packed.
    pub fn resume(
        chunks: Box<dyn Chunks>,
        packing: Packing,
        dialect: &Dialect,
        sizes: Sizes,
        head: Head,
        position: Position,
    ) -> Read<Self> {
        let encoding = Encoding::for_label(head.encoding.as_bytes()).ok_or_else(|| {
            Trouble::Source(Error::internal(format!(
                "no encoding is called {:?}",
                head.encoding
            )))
        })?;
        let mut source = Unpacked::new(chunks, packing)?;
        if packing != Packing::Plain {
            source.skip(position.byte)?;
        }
        let text = Text::resume(source, encoding, position.byte);
        let mut file = Self::new(text, Rules::new(dialect, head.is_cr), sizes);
        if head.is_returned {
            file.scanner.rules.max_record_bytes += RETURNED_BYTES;
        }
        file.scanner.has_one_column = head.columns.len() == 1;
        file.head = head;
        file.line = position.line;
        file.begin = position;
        Ok(file)
    }

    fn new(text: Text, rules: Rules, sizes: Sizes) -> Self {
        let begin = Position {
            byte: text.byte,
            line: 1,
            record: 0,
        };
        let head = Head {
            encoding: text.encoding.name().to_owned(),
            has_mark: text.byte > 0,
            is_cr: false,
            line_end: String::new(),
            is_returned: false,
            columns: Vec::new(),
            header: Vec::new(),
        };
        Self {
            text,
            scanner: Scanner::new(rules),
            sizes,
            head,
            at: 0,
            line: 1,
            begin,
            cells: Vec::new(),
            room: (0, 0),
        }
    }

    /// What the file's first lines tell.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The next records; `None` behind the last one.
    pub fn next_slice(&mut self) -> Read<Option<Slice>> {
        // The slice before tells how many there will be.
        let mut records = Vec::with_capacity(self.room.0);
        self.cells = Vec::with_capacity(self.room.1);
        let mut faults = Vec::new();
        while records.len() < self.sizes.slice_records {
            if self.at >= self.sizes.slice_bytes {
                if !records.is_empty() {
                    break;
                }
                self.take();
            }
            let line = self.line;
            let index = records.len() as u32;
            let at = self.at;
            match self.next()? {
                Next::Record { line: end, .. } => {
                    records.push(Record::new(line, at..end.content, self.cells.len(), false));
                }
                Next::Broken { line: end, rule } => {
                    records.push(Record::new(line, at..end.content, self.cells.len(), true));
                    faults.push(SliceFault {
                        index,
                        code: RejectCode::CsvSyntax,
                        rule,
                        cut: None,
                    });
                }
                Next::Long { .. } => {
                    let (kept, cut) = self.cut_line()?;
                    records.push(Record::new(line, at..kept, self.cells.len(), true));
                    faults.push(SliceFault {
                        index,
                        code: RejectCode::TooLarge,
                        rule: "the line is longer than max_record_bytes",
                        cut: Some(cut),
                    });
                }
                Next::End => break,
                Next::Passed { .. } | Next::More => {}
            }
        }
        if records.is_empty() {
            return Ok(None);
        }
        let begin = self.begin;
        let cells = std::mem::take(&mut self.cells);
        let room = |length: usize, most: usize| (length + length / 8).min(most);
        self.room = (
            room(records.len(), MOST_RECORDS_ROOM),
            room(cells.len(), MOST_CELLS_ROOM),
        );
        self.begin.record += records.len() as u64;
        let (text, raw) = self.take();
        Ok(Some(Slice {
            text,
            raw,
            encoding: self.text.encoding,
            records,
            cells,
            faults,
            begin,
            end: self.begin,
        }))
    }

    /// What stands next; reading is behind it then, but for a long line that is no comment.
    fn next(&mut self) -> Read<Next> {
        loop {
            let next =
                self.scanner
                    .next(&self.text.text, self.at, self.text.ended, &mut self.cells);
            let (to, lines) = match next {
                Next::More => {
                    self.fill()?;
                    continue;
                }
                Next::Long { is_comment: true } => {
                    self.pass_line(0, None)?;
                    return Ok(Next::Passed { next: self.at });
                }
                Next::Long { .. } | Next::End => return Ok(next),
                Next::Passed { next } => (next, 1),
                Next::Broken { line, .. } => (line.next, 1),
                Next::Record { line, lines } => (line.next, lines),
            };
            self.at = to;
            self.line += lines;
            return Ok(next);
        }
    }

    /// Reads on, by more the longer the record is that is waited for.
    fn fill(&mut self) -> Read<()> {
        let pending = self.text.text.len() - self.at;
        self.text.fill(self.sizes.fill.max(pending))
    }

    /// Takes the text up to here.
    fn take(&mut self) -> (Vec<u8>, Vec<u8>) {
        let taken = self.text.take(self.at);
        self.scanner.forget(self.at);
        self.at = 0;
        self.begin.byte = self.text.byte;
        self.begin.line = self.line;
        taken
    }

    /// Passes a line beyond the limit over, and keeps its beginning. Returns where that ends.
    fn cut_line(&mut self) -> Read<(usize, CutLine)> {
        let from = self.at;
        let mut seen = (0, Sha256::new());
        let kept = self.pass_line(self.scanner.rules.max_record_bytes, Some(&mut seen))?;
        debug_assert!(from <= kept);
        let (length, digest) = seen;
        let digest = digest.finalize();
        let cut = CutLine {
            length,
            sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        };
        Ok((kept, cut))
    }

    /// Passes the line over that begins here, whatever its length: all but its first `keep` bytes
    /// are taken out of the text. Returns where these end.
    fn pass_line(&mut self, keep: usize, mut seen: Option<&mut (u64, Sha256)>) -> Read<usize> {
        let begin = self.at;
        let end = (begin + keep).min(self.text.text.len());
        let kept = boundary(&self.text.text, begin, end);
        let mut see = |bytes: &[u8]| {
            if let Some((length, digest)) = &mut seen {
                *length += bytes.len() as u64;
                digest.update(bytes);
            }
        };
        see(self.text.sent(begin, kept));
        let mut from = begin;
        loop {
            let text = &self.text.text;
            let ends = &self.scanner.rules.ends;
            if let Some(line) = ends.find(text, from, kept) {
                self.text.cut(kept, line.content, &mut see);
                self.at = kept + (line.next - line.content);
                self.line += 1;
                break;
            }
            if self.text.ended {
                self.line += u64::from(self.text.text.len() > begin);
                self.text.cut(kept, text.len(), &mut see);
                self.at = kept;
                break;
            }
            // a line end may have begun
            let tail = text.len().saturating_sub(ends.longest() - 1).max(kept);
            let safe = boundary(text, kept, tail);
            self.text.cut(kept, safe, &mut see);
            from = kept;
            self.text.fill(self.sizes.fill)?;
        }
        self.scanner.forget_all();
        Ok(kept)
    }

    /// Whether the file is a `failed.csv`: its first line begins with the four names.
    fn is_returned(&mut self, dialect: &Dialect) -> Read<bool> {
        let next = loop {
            let (text, ended) = (&self.text.text, self.text.ended);
            match self.scanner.next(text, 0, ended, &mut self.cells) {
                Next::More => self.fill()?,
                next => break next,
            }
        };
        let names = self.cells.iter().map(|cell| self.name(cell, dialect));
        let is_returned = matches!(next, Next::Record { .. })
            && names.take(4).eq(RETURNED.map(|name| Some(name.to_owned())));
        self.cells.clear();
        Ok(is_returned)
    }

    fn name(&self, cell: &Cell, dialect: &Dialect) -> Option<String> {
        let mut name = self.text.text[cell.range()].to_vec();
        if cell.escaped {
            let text = std::mem::take(&mut name);
            unescape(dialect, &text, &mut name);
        }
        String::from_utf8(name).ok()
    }

    /// Reads the header; false if there is none.
    fn header(&mut self, dialect: &Dialect) -> Read<bool> {
        loop {
            let (at, line) = (self.at, self.line);
            let no_header =
                |rule: &str| Trouble::File(format!("the header on line {line} is no CSV: {rule}"));
            match self.next()? {
                Next::End => return Ok(false),
                Next::Passed { .. } | Next::More => {}
                Next::Long { .. } => {
                    return Err(no_header("the line is longer than max_record_bytes"));
                }
                Next::Broken { rule, .. } => return Err(no_header(rule)),
                Next::Record { .. } if self.cells.len() == MOST_CELLS => {
                    return Err(no_header("it has 65,536 columns or more"));
                }
                Next::Record { line: end, .. } => {
                    let names = self.cells.iter().map(|cell| self.name(cell, dialect));
                    let names: Option<Vec<String>> = names.collect();
                    self.cells.clear();
                    self.head.columns = names.ok_or_else(|| {
                        Trouble::File(format!(
                            "the header on line {line} is no text in {}",
                            self.head.encoding
                        ))
                    })?;
                    self.head.header = self.text.sent(at, end.content).to_vec();
                    return Ok(true);
                }
            }
        }
    }
}

/// `at`, or the beginning of the character that `at` is within, which is not before `from`.
fn boundary(text: &[u8], from: usize, at: usize) -> usize {
    let is_within = |at: usize| text.get(at).is_some_and(|b| b & 0xC0 == 0x80);
    (0..4)
        .filter_map(|back| at.checked_sub(back).filter(|at| *at >= from))
        .find(|at| !is_within(*at))
        .unwrap_or(at)
}

/// True if the first bytes hold CR and no LF.
fn has_cr_alone(text: &mut Text, fill: usize) -> Read<bool> {
    // an LF may follow on a CR that is the last of them
    while text.text.len() <= FIRST_BYTES && !text.ended {
        text.fill(fill)?;
    }
    let first = &text.text[..text.text.len().min(FIRST_BYTES)];
    let first = match first.last() {
        Some(b'\r') => &text.text[..text.text.len().min(FIRST_BYTES + 1)],
        _ => first,
    };
    Ok(memchr(b'\n', first).is_none() && memchr(b'\r', first).is_some())
}
