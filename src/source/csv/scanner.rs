//! The next record of a text, or what stands in its place.
//!
//! Owns: verdicts on records as CSV. A verdict is a function of the text alone: where more of it is
//! needed than there is, it says so and is asked again. Hostile text costs no more than other text:
//! what is known of open quotes is kept ([`Fate`]). Does not own: the text (`text::Text`).

use memchr::memchr;

use crate::source::csv::lines::{Ends, Line, Within};
use crate::source::csv::rules::{LONE_CR, Open, Outcome, Rules};
use crate::source::csv::slice::{Cell, MOST_CELLS};

/// What stands at a place of the text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// More text is needed to say.
    More,
    /// Nothing.
    End,
    /// A line that is no record: blank, or a comment.
    Passed { next: usize },
    /// A line beyond the limit.
    Long { is_comment: bool },
    /// A record; its cells were appended.
    Record { line: Line, lines: u64 },
    /// A line that is no CSV; the rule.
    Broken { line: Line, rule: &'static str },
}

/// Reads records off a text.
#[derive(Debug)]
pub(super) struct Scanner {
    pub(super) rules: Rules,
    /// True where a blank line is a record of one null.
    pub(super) has_one_column: bool,
    quotes: Seen,
    returns: Seen,
    fate: Option<Fate>,
}

/// What becomes of a quote that is open at certain places: the beginnings of physical lines between
/// `from` and `at`. It is the same for all of them, so each line is read only once for it, however
/// many records it is asked for.
#[derive(Debug)]
struct Fate {
    from: usize,
    /// It is open here too.
    at: usize,
    /// No line end begins in `at..searched`.
    searched: usize,
    /// How it ends, with the end of the physical line's content.
    end: Option<(usize, Result<(), &'static str>)>,
}

/// Where a byte stands next. It is asked for places that ascend.
#[derive(Debug)]
struct Seen {
    byte: u8,
    /// The byte, or the end of what was searched; none stands before it and behind the last place.
    at: usize,
}

const UNCLOSED: &str = "a quote is not closed before the end of the file";
const TOO_FAR: &str =
    "a quote is open at the line's end, and the record does not end within max_record_bytes";

impl Seen {
    fn new(byte: u8) -> Self {
        Self { byte, at: 0 }
    }

    /// True if the byte stands in `from..to`.
    #[inline]
    fn stands_in(&mut self, text: &[u8], from: usize, to: usize) -> bool {
        self.at = self.at.max(from);
        if self.at < to && text[self.at] != self.byte {
            let found = memchr(self.byte, &text[self.at..]);
            self.at = found.map_or(text.len(), |found| self.at + found);
        }
        self.at < to
    }

    fn forget(&mut self, bytes: usize) {
        self.at = self.at.saturating_sub(bytes);
    }
}

impl Scanner {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            quotes: Seen::new(rules.quote.unwrap_or(0)),
            returns: Seen::new(b'\r'),
            rules,
            has_one_column: false,
            fate: None,
        }
    }

    /// The first `bytes` of the text were taken away.
    pub(super) fn forget(&mut self, bytes: usize) {
        self.quotes.forget(bytes);
        self.returns.forget(bytes);
        self.fate = self.fate.take().filter(|f| f.at >= bytes).map(|f| Fate {
            from: f.from.saturating_sub(bytes),
            at: f.at - bytes,
            searched: f.searched.saturating_sub(bytes),
            end: f.end.map(|(content, how)| (content - bytes, how)),
        });
    }

    /// The text was changed in its middle.
    pub(super) fn forget_all(&mut self) {
        self.quotes.forget(usize::MAX);
        self.returns.forget(usize::MAX);
        self.fate = None;
    }

    /// What stands at `from`, the beginning of a physical line. `ended`: there is no more than
    /// `text`.
    pub(super) fn next(
        &mut self,
        text: &[u8],
        from: usize,
        ended: bool,
        cells: &mut Vec<Cell>,
    ) -> Next {
        if from == text.len() {
            return if ended { Next::End } else { Next::More };
        }
        let is_comment = match self.comment(&text[from..], ended) {
            Some(is_comment) => is_comment,
            None => return Next::More,
        };
        let limit = from + self.rules.max_record_bytes;
        let line = match self.rules.ends.within(text, from, from, limit, ended) {
            Within::Line(line) => line,
            Within::Beyond => return Next::Long { is_comment },
            Within::More => return Next::More,
        };
        if is_comment {
            return Next::Passed { next: line.next };
        }
        if !self.has_one_column && self.rules.is_blank(&text[from..line.content]) {
            return Next::Passed { next: line.next };
        }
        self.record(text, from, line, ended, cells)
    }

    /// Whether a line is a comment; `None` if more text is needed to say.
    fn comment(&self, text: &[u8], ended: bool) -> Option<bool> {
        let Some(comment) = self.rules.comment.as_deref() else {
            return Some(false);
        };
        if text.len() < comment.len() && !ended && comment.starts_with(text) {
            return None;
        }
        Some(text.starts_with(comment))
    }

    #[inline]
    fn record(
        &mut self,
        text: &[u8],
        from: usize,
        line: Line,
        ended: bool,
        cells: &mut Vec<Cell>,
    ) -> Next {
        let content = line.content;
        let has_quotes = self.rules.quote.is_some() && self.quotes.stands_in(text, from, content);
        if !has_quotes {
            if matches!(self.rules.ends, Ends::Any) && self.returns.stands_in(text, from, content) {
                return Next::Broken {
                    line,
                    rule: LONE_CR,
                };
            }
            self.rules.split(text, from, content, cells);
            return Next::Record { line, lines: 1 };
        }
        let before = cells.len();
        let most = before + MOST_CELLS;
        match self.rules.line(text, from, line, None, most, cells) {
            Outcome::Done => Next::Record { line, lines: 1 },
            Outcome::Broken(rule) => {
                cells.truncate(before);
                Next::Broken { line, rule }
            }
            Outcome::Open(open) => {
                let limit = from + self.rules.max_record_bytes;
                match self.fate_of(text, line.next, limit, ended) {
                    None => {
                        cells.truncate(before);
                        Next::More
                    }
                    Some(Err(rule)) => {
                        cells.truncate(before);
                        Next::Broken { line, rule }
                    }
                    Some(Ok(content)) => self.many(text, line, open, content, most, cells),
                }
            }
        }
    }

    /// How a quote ends that is open at `begin`, the beginning of a physical line: the end of its
    /// record's content, or the rule that it breaks. `None` if more text is needed to say.
    fn fate_of(
        &mut self,
        text: &[u8],
        begin: usize,
        limit: usize,
        ended: bool,
    ) -> Option<Result<usize, &'static str>> {
        let known = self
            .fate
            .take()
            .filter(|f| (f.from..=f.at).contains(&begin));
        let mut fate = known.unwrap_or(Fate {
            from: begin,
            at: begin,
            searched: begin,
            end: None,
        });
        let told = loop {
            match fate.end {
                Some((content, _)) if content > limit => break Some(Err(TOO_FAR)),
                Some((content, Ok(()))) => break Some(Ok(content)),
                Some((_, Err(rule))) => break Some(Err(rule)),
                None if fate.at > limit => break Some(Err(TOO_FAR)),
                None if fate.at == text.len() && ended => {
                    fate.end = Some((fate.at, Err(UNCLOSED)));
                    continue;
                }
                None => {}
            }
            let ends = &self.rules.ends;
            let line = match ends.within(text, fate.at, fate.searched, limit, ended) {
                Within::Line(line) => line,
                Within::Beyond => break Some(Err(TOO_FAR)),
                Within::More => {
                    fate.searched = text.len();
                    break None;
                }
            };
            let open = Some(Open::default());
            match self
                .rules
                .line(text, fate.at, line, open, 0, &mut Vec::new())
            {
                Outcome::Done => fate.end = Some((line.content, Ok(()))),
                Outcome::Broken(rule) => fate.end = Some((line.content, Err(rule))),
                Outcome::Open(_) => (fate.at, fate.searched) = (line.next, line.next),
            }
        };
        self.fate = Some(fate);
        told
    }

    /// The cells of a record that is known to reach over several lines, to `content`; those of its
    /// first line are there.
    fn many(
        &mut self,
        text: &[u8],
        first: Line,
        open: Open,
        content: usize,
        most: usize,
        cells: &mut Vec<Cell>,
    ) -> Next {
        let mut at = first.next;
        let mut open = open;
        let mut lines = 1;
        loop {
            // its last line is in the text, or ends with it
            let line = self.rules.ends.find(text, at, at).unwrap_or(Line {
                content,
                next: text.len(),
            });
            lines += 1;
            match self.rules.line(text, at, line, Some(open), most, cells) {
                Outcome::Open(still) if line.next < text.len() => {
                    open = still;
                    at = line.next;
                }
                _ => return Next::Record { line, lines },
            }
        }
    }
}
