//! Physical lines: where one ends.

use memchr::memmem::Finder;
use memchr::{memchr, memchr_iter};

use crate::config::dialect::LineEnd;

/// What ends a line of this file.
#[derive(Debug)]
pub(super) enum Ends {
    /// LF, or CR and LF; a lone CR outside quotes is a fault.
    Any,
    Lf,
    Crlf,
    Cr,
    Text(Box<Finder<'static>>),
}

/// Where a line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    /// Behind its last byte, without the line end.
    pub(super) content: usize,
    /// The next line's first byte.
    pub(super) next: usize,
}

/// What is known of a line that begins at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Within {
    Line(Line),
    /// It ends beyond the limit.
    Beyond,
    /// More text is needed.
    More,
}

impl Ends {
    /// The line ends of a file that `dialect` describes; `is_cr` where `auto` found CR alone.
    pub(super) fn new(line_end: &LineEnd, is_cr: bool) -> Self {
        match line_end {
            LineEnd::Auto if is_cr => Ends::Cr,
            LineEnd::Auto => Ends::Any,
            LineEnd::Lf => Ends::Lf,
            LineEnd::Crlf => Ends::Crlf,
            LineEnd::Cr => Ends::Cr,
            LineEnd::Text(text) => Ends::Text(Box::new(Finder::new(text.as_bytes()).into_owned())),
        }
    }

    /// Bytes of the longest line end.
    pub(super) fn longest(&self) -> usize {
        match self {
            Ends::Lf | Ends::Cr => 1,
            Ends::Any | Ends::Crlf => 2,
            Ends::Text(finder) => finder.needle().len(),
        }
    }

    /// What ends the first line of `text`; without one, what could.
    pub(super) fn first<'a>(&'a self, text: &'a [u8]) -> &'a str {
        let end = self
            .find(text, 0, 0)
            .map(|line| &text[line.content..line.next]);
        let end = end.unwrap_or(match self {
            Ends::Any | Ends::Lf => b"\n",
            Ends::Crlf => b"\r\n",
            Ends::Cr => b"\r",
            Ends::Text(finder) => finder.needle(),
        });
        std::str::from_utf8(end).unwrap_or("\n")
    }

    /// The end of the line that begins at `from`, if it is in `text`, and not before `searched`.
    pub(super) fn find(&self, text: &[u8], from: usize, searched: usize) -> Option<Line> {
        let back = |by: usize| searched.saturating_sub(by).max(from);
        let one = |byte| {
            memchr(byte, &text[searched..]).map(|at| Line {
                content: searched + at,
                next: searched + at + 1,
            })
        };
        match self {
            Ends::Lf => one(b'\n'),
            Ends::Cr => one(b'\r'),
            Ends::Any => one(b'\n').map(|mut line| {
                let has_cr = line.content > from && text[line.content - 1] == b'\r';
                line.content -= usize::from(has_cr);
                line
            }),
            Ends::Crlf => {
                let begin = back(1);
                let lf = memchr_iter(b'\n', &text[begin..])
                    .map(|at| begin + at)
                    .find(|lf| *lf > from && text[lf - 1] == b'\r')?;
                Some(Line {
                    content: lf - 1,
                    next: lf + 1,
                })
            }
            Ends::Text(finder) => {
                let length = finder.needle().len();
                let begin = back(length - 1);
                let content = begin + finder.find(&text[begin..])?;
                Some(Line {
                    content,
                    next: content + length,
                })
            }
        }
    }

    /// The line that begins at `from`, if its content ends at or before `limit`; no line end begins
    /// in `from..searched`. `ended`: there is no more than `text`.
    pub(super) fn within(
        &self,
        text: &[u8],
        from: usize,
        searched: usize,
        limit: usize,
        ended: bool,
    ) -> Within {
        let window = text.len().min(limit + self.longest());
        let line = self
            .find(&text[..window], from, searched.min(window))
            .or((ended && window == text.len()).then_some(Line {
                content: text.len(),
                next: text.len(),
            }));
        match line {
            Some(line) if line.content <= limit => Within::Line(line),
            Some(_) => Within::Beyond,
            None if window == limit + self.longest() => Within::Beyond,
            None => Within::More,
        }
    }
}
