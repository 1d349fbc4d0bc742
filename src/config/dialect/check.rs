//! What a dialect's keys may say, alone and together.

use std::collections::HashSet;

use encoding_rs::{Encoding, GB18030, GBK, ISO_2022_JP, UTF_8};

use crate::config::dialect::{
    DateFormat, Dialect, DialectKeys, DialectProblem, LineEnd, TextEncoding, TimestampFormat,
};

/// Beyond this a record would not fit beside others into a slice.
const MAX_RECORD_BYTES: u64 = 1 << 28;

/// Texts of the dialect are short; what is longer is a mistake.
const MAX_TEXT: usize = 64;

#[derive(Default)]
struct Found(Vec<DialectProblem>);

impl Found {
    fn add(&mut self, key: &'static str, message: impl Into<String>) {
        self.0.push(DialectProblem {
            key,
            message: message.into(),
        });
    }

    /// The value, or its problem noted.
    fn take<T>(&mut self, key: &'static str, result: Result<T, String>) -> Option<T> {
        result.map_err(|message| self.add(key, message)).ok()
    }
}

pub(super) fn dialect(keys: &DialectKeys) -> Result<Dialect, Vec<DialectProblem>> {
    let mut found = Found::default();
    let quote = found.take("quote", mark(&keys.quote)).flatten();
    let escape = found.take("escape", mark(&keys.escape)).flatten();
    let line_end = found.take("line_end", line_end(&keys.line_end));
    let encoding = found.take("encoding", encoding(&keys.encoding));
    let lenient = match keys.quotes.as_str() {
        "strict" => false,
        "lenient" => true,
        _ => {
            found.add("quotes", "must be \"strict\" or \"lenient\"");
            false
        }
    };
    let decimal = match keys.decimal.as_str() {
        "." => b'.',
        "," => b',',
        _ => {
            found.add("decimal", "must be \".\" or \",\"");
            b'.'
        }
    };
    let date_format = some(&keys.date_format)
        .and_then(|format| found.take("date_format", DateFormat::new(format)));
    let timestamp_format = some(&keys.timestamp_format)
        .and_then(|format| found.take("timestamp_format", TimestampFormat::new(format)));
    if !(1..=MAX_RECORD_BYTES).contains(&keys.max_record_bytes) {
        found.add("max_record_bytes", "must be from 1B to 256MiB");
    }
    columns(keys, &mut found);
    marks(keys, quote, escape, &mut found);
    texts(keys, line_end.as_ref(), &mut found);
    match (line_end, encoding) {
        (Some(line_end), Some(encoding)) if found.0.is_empty() => Ok(Dialect {
            delimiter: keys.delimiter.clone(),
            quote,
            escape: escape.filter(|e| Some(*e) != quote),
            lenient,
            line_end,
            encoding,
            null: keys
                .null
                .iter()
                .filter(|t| !t.is_empty())
                .cloned()
                .collect(),
            columns: (!keys.header).then(|| keys.columns.clone()),
            skip_lines: keys.skip_lines,
            comment: some(&keys.comment).map(str::to_owned),
            trim: keys.trim,
            decimal,
            date_format,
            timestamp_format,
            // checked above
            max_record_bytes: usize::try_from(keys.max_record_bytes).unwrap_or(1 << 20),
        }),
        _ => Err(found.0),
    }
}

fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// A quote or an escape; `None` for the empty text.
fn mark(text: &str) -> Result<Option<u8>, String> {
    match text.as_bytes() {
        [] => Ok(None),
        [one] if is_mark(*one) => Ok(Some(*one)),
        _ => Err(
            "must be one ASCII character that is no letter, digit, blank or line end, or \"\""
                .to_owned(),
        ),
    }
}

fn is_mark(b: u8) -> bool {
    b.is_ascii() && !b.is_ascii_alphanumeric() && !matches!(b, 0 | b' ' | b'\t' | b'\r' | b'\n')
}

fn line_end(text: &str) -> Result<LineEnd, String> {
    Ok(match text {
        "auto" => LineEnd::Auto,
        "lf" | "\n" => LineEnd::Lf,
        "crlf" | "\r\n" => LineEnd::Crlf,
        "cr" | "\r" => LineEnd::Cr,
        "" => return Err("must not be empty; auto, lf, crlf, cr or another text".to_owned()),
        text => LineEnd::Text(text.to_owned()),
    })
}

fn encoding(label: &str) -> Result<TextEncoding, String> {
    let lower = label.trim().to_ascii_lowercase();
    if matches!(lower.as_str(), "utf-16" | "utf16") {
        return Ok(TextEncoding::Utf16);
    }
    // Python's name, which the standard's list of labels lacks
    let lower = if lower == "latin-1" { "latin1" } else { &lower };
    let encoding = Encoding::for_label_no_replacement(lower.as_bytes()).ok_or(
        "is no known encoding; as in utf-8, utf-16, windows-1252, latin1, iso-8859-15, shift_jis",
    )?;
    if encoding == ISO_2022_JP {
        return Err(
            "cannot be read from the middle of a file, which a resumed job has to; convert the files to utf-8"
                .to_owned(),
        );
    }
    if encoding == GB18030 || encoding == GBK {
        return Err(
            "does not tell which bytes a character was where a sequence is malformed, so that a row could not be given back as it was sent; convert the files to utf-8"
                .to_owned(),
        );
    }
    Ok(match encoding {
        e if e == UTF_8 => TextEncoding::Utf8,
        other => TextEncoding::Other(other),
    })
}

fn columns(keys: &DialectKeys, found: &mut Found) {
    if keys.header && !keys.columns.is_empty() {
        found.add(
            "columns",
            "is for files without a header; set header = false, or remove it",
        );
    }
    if !keys.header && keys.columns.is_empty() {
        found.add(
            "columns",
            "must name the columns in their order, since header = false",
        );
    }
    let mut seen = HashSet::new();
    for name in &keys.columns {
        if name.is_empty() {
            found.add("columns", "holds an empty name");
        } else if !seen.insert(name) {
            found.add("columns", format!("names {name:?} twice"));
        }
    }
}

/// Quote and escape.
fn marks(keys: &DialectKeys, quote: Option<u8>, escape: Option<u8>, found: &mut Found) {
    if escape.is_some() && quote.is_none() {
        found.add(
            "escape",
            "stands before quotes within quotes, and quote is \"\"; remove it, or set a quote",
        );
    }
    for (key, text) in [
        ("delimiter", &keys.delimiter),
        ("line_end", &keys.line_end),
        ("comment", &keys.comment),
    ] {
        let is_word = key == "line_end" && matches!(text.as_str(), "auto" | "lf" | "crlf" | "cr");
        for (other, mark) in [("quote", quote), ("escape", escape)] {
            if !is_word && mark.is_some_and(|m| text.as_bytes().contains(&m)) {
                found.add(key, format!("holds the {other}; the two must differ"));
            }
        }
    }
}

/// The delimiter, and what is held against it.
fn texts(keys: &DialectKeys, line_end: Option<&LineEnd>, found: &mut Found) {
    let ends: &str = match line_end {
        Some(LineEnd::Auto | LineEnd::Crlf) => "\r\n",
        Some(LineEnd::Lf) => "\n",
        Some(LineEnd::Cr) => "\r",
        Some(LineEnd::Text(text)) => text,
        None => "",
    };
    let delimiter = keys.delimiter.as_str();
    let shares = |a: &str, b: &str| a.chars().any(|c| b.contains(c));
    if delimiter.is_empty() {
        found.add("delimiter", "must not be empty; one or more characters");
    }
    if delimiter.chars().nth(1).is_some() && delimiter.contains(char::is_alphanumeric) {
        found.add(
            "delimiter",
            "is a word: write the characters themselves, a tab as \"\\t\" in double quotes",
        );
    }
    if shares(delimiter, ends) {
        found.add(
            "delimiter",
            "shares a character with the line end; the two must differ in all",
        );
    }
    if keys.trim && delimiter.contains(' ') {
        found.add(
            "trim",
            "takes away spaces around cells, and the delimiter holds one; set it to false",
        );
    }
    if keys.trim && ends.starts_with([' ', '\t']) {
        found.add(
            "trim",
            "takes away blanks around cells, and the line end begins with one; set it to false",
        );
    }
    let comment = keys.comment.as_str();
    if !delimiter.is_empty() && comment.starts_with(delimiter) {
        found.add(
            "comment",
            "begins with the delimiter, as a record with an empty first cell does",
        );
    }
    if shares(comment, ends) {
        found.add("comment", "holds a character of the line end");
    }
    if keys.decimal == "," && delimiter == "," && keys.quote.is_empty() {
        found.add(
            "decimal",
            "is the delimiter, and without quotes no cell can hold it",
        );
    }
    for (key, text) in [
        ("delimiter", delimiter),
        ("line_end", keys.line_end.as_str()),
        ("comment", comment),
    ] {
        if text.len() > MAX_TEXT {
            found.add(key, format!("must have at most {MAX_TEXT} bytes"));
        }
    }
    for token in &keys.null {
        let never = !delimiter.is_empty() && token.contains(delimiter)
            || shares(token, ends)
            || !keys.quote.is_empty() && token.starts_with(&keys.quote)
            || keys.trim && token.trim_matches([' ', '\t']) != token;
        if never {
            found.add(
                "null",
                format!("holds {token:?}, which no unquoted cell of this dialect can be"),
            );
        }
    }
}
