//! A plain, slow reader of a whole CSV text, byte by byte.
//!
//! It knows nothing of weir's, so that the crate's own tests can be held against it too.

/// How a text is written.
#[derive(Debug, Clone)]
pub struct Rules {
    pub delimiter: Vec<u8>,
    pub quote: Option<u8>,
    /// `None` where the quote is doubled.
    pub escape: Option<u8>,
    pub is_lenient: bool,
    /// `auto`, `lf`, `crlf`, `cr` or the line end itself.
    pub line_end: String,
    pub comment: Vec<u8>,
    pub blanks: Vec<u8>,
    pub skip_lines: usize,
    /// `None` where the text has a header.
    pub columns: Option<Vec<String>>,
    pub max: usize,
}

/// A record, or a line that is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub number: u64,
    pub line: u64,
    /// Of a line that is too large, the beginning.
    pub raw: Vec<u8>,
    pub verdict: Verdict,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Each cell's text, and whether it was quoted.
    Cells(Vec<(Vec<u8>, bool)>),
    /// The code; with the length of a line that is too large.
    Fault(&'static str, Option<usize>),
}

/// What a text is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// It ends before its header.
    Empty,
    /// Its header is none.
    NoHeader,
    /// The columns, and everything behind the header.
    File(Vec<String>, Vec<Item>),
}

const RETURNED: [&str; 4] = ["weir_line", "weir_field", "weir_code", "weir_message"];

struct Line {
    from: usize,
    content: usize,
    next: usize,
}

struct Reader<'a> {
    text: &'a [u8],
    rules: &'a Rules,
    lines: Vec<Line>,
    is_auto: bool,
    max: usize,
}

enum Parsed {
    /// Cells and the place among the lines of the last one.
    Record(Vec<(Vec<u8>, bool)>, usize),
    Broken,
}

/// Reads a text that is UTF-8, or should be.
pub fn read(text: &[u8], rules: &Rules) -> Read {
    let first = match text.get(..1 << 16) {
        Some(first) if first.ends_with(b"\r") => text.get(..(1 << 16) + 1).unwrap_or(first),
        Some(first) => first,
        None => text,
    };
    let is_auto = rules.line_end == "auto";
    let is_cr = is_auto && !first.contains(&b'\n') && first.contains(&b'\r');
    let end: &[u8] = match rules.line_end.as_str() {
        "auto" if is_cr => b"\r",
        "auto" | "lf" => b"\n",
        "crlf" => b"\r\n",
        "cr" => b"\r",
        other => other.as_bytes(),
    };
    let mut reader = Reader {
        text,
        rules,
        lines: lines(text, end, is_auto && !is_cr),
        is_auto: is_auto && !is_cr,
        max: rules.max,
    };
    let is_returned = reader.is_returned();
    let mut at = 0;
    if is_returned {
        reader.max += 4096;
    } else {
        at = rules.skip_lines.min(reader.lines.len());
    }
    let columns = match &rules.columns {
        Some(columns) if !is_returned => columns.clone(),
        _ => loop {
            if at == reader.lines.len() {
                return Read::Empty;
            }
            match reader.item(&mut at, false) {
                None => {}
                Some(Verdict::Cells(cells)) => {
                    let names = cells.into_iter().map(|(name, _)| String::from_utf8(name));
                    match names.collect() {
                        Ok(names) => break names,
                        Err(_) => return Read::NoHeader,
                    }
                }
                Some(Verdict::Fault(..)) => return Read::NoHeader,
            }
        },
    };
    let mut items = Vec::new();
    while let Some(line) = reader.lines.get(at) {
        let (from, place) = (line.from, at);
        let Some(verdict) = reader.item(&mut at, columns.len() == 1) else {
            continue;
        };
        let content = reader.lines[at - 1].content;
        let raw = match &verdict {
            Verdict::Fault("too_large", _) => reader.beginning(from),
            _ => text[from..content].to_vec(),
        };
        items.push(Item {
            number: items.len() as u64,
            line: place as u64 + 1,
            raw,
            verdict,
        });
    }
    Read::File(columns, items)
}

fn lines(text: &[u8], end: &[u8], is_auto: bool) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut from = 0;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with(end) {
            let is_crlf = is_auto && at > from && text[at - 1] == b'\r';
            lines.push(Line {
                from,
                content: at - usize::from(is_crlf),
                next: at + end.len(),
            });
            at += end.len();
            from = at;
        } else {
            at += 1;
        }
    }
    if from < text.len() {
        lines.push(Line {
            from,
            content: text.len(),
            next: text.len(),
        });
    }
    lines
}

impl Reader<'_> {
    fn is_blank(&self, b: u8) -> bool {
        self.rules.blanks.contains(&b)
    }

    fn is_returned(&self) -> bool {
        if self.lines.is_empty() {
            return false;
        }
        match self.item(&mut 0, false) {
            Some(Verdict::Cells(cells)) => {
                let names = cells.iter().map(|(name, _)| name.as_slice());
                names.take(4).eq(RETURNED.map(str::as_bytes))
            }
            _ => false,
        }
    }

    /// The first bytes of a line, no character cut.
    fn beginning(&self, from: usize) -> Vec<u8> {
        let mut to = from + self.max;
        for _ in 0..3 {
            if to > from && self.text[to] & 0xC0 == 0x80 {
                to -= 1;
            }
        }
        if self.text[to] & 0xC0 == 0x80 {
            to = from + self.max;
        }
        self.text[from..to].to_vec()
    }

    /// What the line at `at` is; `None` for one that is no record. Goes on behind it.
    fn item(&self, at: &mut usize, has_one_column: bool) -> Option<Verdict> {
        let place = *at;
        let Line { from, content, .. } = self.lines[place];
        *at += 1;
        let line = &self.text[from..content];
        let comment = self.rules.comment.as_slice();
        if !comment.is_empty() && self.text[from..].starts_with(comment) {
            return None;
        }
        if line.len() > self.max {
            return Some(Verdict::Fault("too_large", Some(line.len())));
        }
        if !has_one_column && line.iter().all(|b| self.is_blank(*b)) {
            return None;
        }
        Some(match self.record(place) {
            Parsed::Record(cells, last) if self.lines[last].content - from <= self.max => {
                *at = last + 1;
                Verdict::Cells(cells)
            }
            Parsed::Record(..) | Parsed::Broken => Verdict::Fault("csv_syntax", None),
        })
    }

    fn record(&self, first: usize) -> Parsed {
        let text = self.text;
        let delimiter = self.rules.delimiter.as_slice();
        let mut place = first;
        let mut at = self.lines[first].from;
        let mut cells = Vec::new();
        loop {
            // a cell begins
            let content = self.lines[place].content;
            let mut begin = at;
            while begin < content && self.is_blank(text[begin]) {
                begin += 1;
            }
            if begin < content && Some(text[begin]) == self.rules.quote {
                at = begin + 1;
                let mut cell = Vec::new();
                match self.quoted(&mut at, &mut place, &mut cell) {
                    true => cells.push((cell, true)),
                    false => return Parsed::Broken,
                }
                let content = self.lines[place].content;
                while at < content && self.is_blank(text[at]) {
                    at += 1;
                }
            } else {
                let from = at;
                while at < content && !text[at..].starts_with(delimiter) {
                    let quote = Some(text[at]) == self.rules.quote && !self.rules.is_lenient;
                    if quote || self.is_auto && text[at] == b'\r' {
                        return Parsed::Broken;
                    }
                    at += 1;
                }
                let mut cell = &text[from..at];
                while let [first, rest @ ..] = cell
                    && self.is_blank(*first)
                {
                    cell = rest;
                }
                while let [rest @ .., last] = cell
                    && self.is_blank(*last)
                {
                    cell = rest;
                }
                cells.push((cell.to_vec(), false));
            }
            if at >= self.lines[place].content {
                return Parsed::Record(cells, place);
            }
            if !text[at..].starts_with(delimiter) {
                return Parsed::Broken;
            }
            at += delimiter.len();
        }
    }

    /// A cell behind its opening quote; true if it closes.
    fn quoted(&self, at: &mut usize, place: &mut usize, cell: &mut Vec<u8>) -> bool {
        let Some(quote) = self.rules.quote else {
            return false;
        };
        loop {
            let Some(byte) = self.text.get(*at).copied() else {
                return false;
            };
            while *at >= self.lines[*place].next {
                *place += 1;
            }
            let next = self.text.get(*at + 1).copied();
            match self.rules.escape {
                None if byte == quote && next == Some(quote) => {
                    cell.push(quote);
                    *at += 2;
                }
                Some(escape) if byte == escape && (next == Some(quote) || next == Some(escape)) => {
                    cell.extend(next);
                    *at += 2;
                }
                _ if byte == quote => {
                    *at += 1;
                    return true;
                }
                _ => {
                    cell.push(byte);
                    *at += 1;
                }
            }
        }
    }
}
