//! Cells within one physical line, by the rules of a dialect.
//!
//! Owns: delimiters, quotes, escapes and blanks. Does not own: where lines end, and what becomes of
//! a line that breaks the rules.

use memchr::memmem::Finder;
use memchr::{memchr, memchr2, memchr3};

use crate::config::dialect::Dialect;
use crate::source::csv::lines::{Ends, Line};
use crate::source::csv::slice::{Cell, MOST_CELLS};

/// A dialect, ready to be read by.
#[derive(Debug)]
pub(super) struct Rules {
    delimiter: Finder<'static>,
    /// The delimiter, where it is one byte.
    single: Option<u8>,
    pub(super) quote: Option<u8>,
    escape: Option<u8>,
    lenient: bool,
    blanks: &'static [u8],
    pub(super) ends: Ends,
    pub(super) comment: Option<Box<[u8]>>,
    pub(super) max_record_bytes: usize,
}

/// A quoted cell of which the closing quote was not seen yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Open {
    from: usize,
    escaped: bool,
}

/// What a physical line turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The record ends with it.
    Done,
    /// A quote is open at its end.
    Open(Open),
    /// It is no CSV; the rule.
    Broken(&'static str),
}

const INSIDE: &str = "a quote stands inside an unquoted cell";
const BEHIND: &str = "text stands behind a closing quote";
/// A lone CR.
pub(super) const LONE_CR: &str = "a carriage return without line feed stands outside quotes";

impl Rules {
    pub(super) fn new(dialect: &Dialect, is_cr: bool) -> Self {
        let delimiter = dialect.delimiter.as_bytes();
        Self {
            delimiter: Finder::new(delimiter).into_owned(),
            single: match delimiter {
                [one] => Some(*one),
                _ => None,
            },
            quote: dialect.quote,
            escape: dialect.escape,
            lenient: dialect.lenient,
            blanks: dialect.blanks(),
            ends: Ends::new(&dialect.line_end, is_cr),
            comment: dialect.comment.as_deref().map(|c| c.as_bytes().into()),
            max_record_bytes: dialect.max_record_bytes,
        }
    }

    /// True for a line without text.
    pub(super) fn is_blank(&self, content: &[u8]) -> bool {
        content.iter().all(|b| self.blanks.contains(b))
    }

    /// The cells of a line in which nothing but delimiters has a meaning.
    #[inline]
    pub(super) fn split(&self, text: &[u8], from: usize, content: usize, cells: &mut Vec<Cell>) {
        let mut at = from;
        let line = &text[from..content];
        if line.len() >= MOST_CELLS {
            return self.split_long(text, from, content, cells);
        }
        if let Some(delimiter) = self.single {
            each_place(delimiter, line, |found| {
                self.push(text, at, from + found, cells);
                at = from + found + 1;
            });
        } else {
            for found in self.delimiter.find_iter(line) {
                self.push(text, at, from + found, cells);
                at = from + found + self.delimiter.needle().len();
            }
        }
        self.push(text, at, content, cells);
    }

    /// As [`Rules::split`], of a line that may have too many cells to keep.
    #[cold]
    fn split_long(&self, text: &[u8], from: usize, content: usize, cells: &mut Vec<Cell>) {
        let delimiter = self.delimiter.needle();
        let most = cells.len() + MOST_CELLS;
        let mut at = from;
        for found in self.delimiter.find_iter(&text[from..content]) {
            self.push(text, at, from + found, cells);
            at = from + found + delimiter.len();
            cells.truncate(most);
        }
        self.push(text, at, content, cells);
        cells.truncate(most);
    }

    /// An unquoted cell.
    #[inline]
    fn push(&self, text: &[u8], from: usize, to: usize, cells: &mut Vec<Cell>) {
        let (from, to) = if self.blanks.is_empty() {
            (from, to)
        } else {
            let from = self.skip_blanks(text, from, to);
            let blank = |b: &&u8| self.blanks.contains(b);
            let behind = text[from..to].iter().rev().take_while(blank).count();
            (from, to - behind)
        };
        cells.push(Cell::new(from, to, false, false));
    }

    #[inline]
    fn skip_blanks(&self, text: &[u8], from: usize, to: usize) -> usize {
        if self.blanks.is_empty() {
            return from;
        }
        let blank = |b: &&u8| self.blanks.contains(b);
        from + text[from..to].iter().take_while(blank).count()
    }

    /// The cells of the physical line `from..line`; `open` is the quoted cell that reaches into it.
    /// `cells` grow up to `most`.
    pub(super) fn line(
        &self,
        text: &[u8],
        from: usize,
        line: Line,
        open: Option<Open>,
        most: usize,
        cells: &mut Vec<Cell>,
    ) -> Outcome {
        let Line { content, next } = line;
        let mut at = from;
        let mut open = open;
        loop {
            if open.is_none() {
                let begin = self.skip_blanks(text, at, content);
                if begin < content && self.quote == Some(text[begin]) {
                    at = begin + 1;
                    open = Some(Open {
                        from: at,
                        escaped: false,
                    });
                }
            }
            let end = match open.take() {
                Some(mut quoted) => {
                    let Some(close) = self.closing(&text[..next], at, &mut quoted.escaped) else {
                        return Outcome::Open(quoted);
                    };
                    cells.push(Cell::new(quoted.from, close, true, quoted.escaped));
                    self.skip_blanks(text, close + 1, content)
                }
                None => match self.unquoted(&text[..content], at) {
                    Ok(end) => {
                        self.push(text, at, end, cells);
                        end
                    }
                    Err(rule) => return Outcome::Broken(rule),
                },
            };
            cells.truncate(most);
            if end >= content {
                return Outcome::Done;
            }
            let delimiter = self.delimiter.needle();
            if !text[end..content].starts_with(delimiter) {
                return Outcome::Broken(BEHIND);
            }
            at = end + delimiter.len();
        }
    }

    /// Where the quoted cell that is open at `at` closes.
    #[inline]
    fn closing(&self, text: &[u8], at: usize, escaped: &mut bool) -> Option<usize> {
        let quote = self.quote?;
        let mut at = at;
        loop {
            let Some(escape) = self.escape else {
                at += memchr(quote, &text[at..])?;
                if text.get(at + 1) != Some(&quote) {
                    return Some(at);
                }
                *escaped = true;
                at += 2;
                continue;
            };
            at += memchr2(quote, escape, &text[at..])?;
            if text[at] == quote {
                return Some(at);
            }
            let is_pair = matches!(text.get(at + 1), Some(b) if *b == quote || *b == escape);
            *escaped |= is_pair;
            at += 1 + usize::from(is_pair);
        }
    }

    /// Where the unquoted cell that begins at `at` ends; `text` ends with its line.
    #[inline]
    fn unquoted(&self, text: &[u8], at: usize) -> Result<usize, &'static str> {
        let delimiter = self.delimiter.needle();
        let first = delimiter.first().copied().unwrap_or(b',');
        let quote = self.quote.filter(|_| !self.lenient);
        let cr = matches!(self.ends, Ends::Any).then_some(b'\r');
        let mut from = at;
        while let Some(found) = memchr3(
            first,
            quote.unwrap_or(first),
            cr.unwrap_or(first),
            &text[from..],
        ) {
            let found = from + found;
            let byte = text[found];
            if Some(byte) == quote {
                return Err(INSIDE);
            }
            if Some(byte) == cr {
                return Err(LONE_CR);
            }
            if text[found..].starts_with(delimiter) {
                return Ok(found);
            }
            from = found + 1;
        }
        Ok(text.len())
    }
}

/// Calls `each` with every place of `byte` in `line`. Cells are short: eight bytes at once cost less than
/// a search for each.
#[inline(always)]
fn each_place(byte: u8, line: &[u8], mut each: impl FnMut(usize)) {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const LOW: u64 = 0x7F * ONES;
    let wanted = u64::from(byte) * ONES;
    let (words, tail) = line.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        let other = u64::from_le_bytes(*word) ^ wanted;
        // the highest bit of each byte that is the same
        let mut same = !(((other & LOW) + LOW) | other | LOW);
        while same != 0 {
            each(number * 8 + same.trailing_zeros() as usize / 8);
            same &= same - 1;
        }
    }
    for (at, _) in tail.iter().enumerate().filter(|(_, b)| **b == byte) {
        each(words.len() * 8 + at);
    }
}

#[cfg(test)]
mod tests {
    use super::each_place;

    #[test]
    fn every_place_of_a_byte_is_found() {
        for byte in [0, b',', 0x7F, 0x80, 0xAC, 0xFF] {
            for length in 0..40 {
                let line: Vec<u8> = (0..length as u32)
                    .map(|n| match n * 7 % 5 {
                        0 | 3 => byte,
                        1 => byte ^ 0x80,
                        2 => byte.wrapping_add(1),
                        _ => byte.wrapping_sub(1),
                    })
                    .collect();
                let mut found = Vec::new();
                each_place(byte, &line, |at| found.push(at));
                let wanted: Vec<usize> = memchr::memchr_iter(byte, &line).collect();
                assert_eq!(found, wanted, "{byte} {length}");
            }
        }
    }
}
