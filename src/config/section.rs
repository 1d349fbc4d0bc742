//! Reads typed values out of a table; what does not fit is reported and reading goes on.
//!
//! Owns: the kinds of values. Does not own: keys (`config::keys`) and rules.

use std::fmt::Display;
use std::time::Duration;

use crate::config::document::{Entry, Node, Value};
use crate::config::keys;
use crate::config::problem::{At, Findings};
use crate::config::units;

/// A table of a document, with its path.
#[derive(Debug, Clone)]
pub(crate) struct Section<'a> {
    entries: &'a [Entry],
    prefix: String,
    at: At,
    findings: &'a Findings,
}

/// A text with its place.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    /// The text.
    pub(crate) text: String,
    /// Never to be shown, for it came from outside the file.
    pub(crate) outside: bool,
    /// The place.
    pub(crate) at: At,
}

impl Text {
    /// The text for a message.
    pub(crate) fn shown(&self) -> String {
        if self.outside {
            "***".to_owned()
        } else {
            format!("{:?}", self.text)
        }
    }
}

impl<'a> Section<'a> {
    /// The root of a document.
    pub(crate) fn root(entries: &'a [Entry], file: &str, findings: &'a Findings) -> Self {
        Self {
            entries,
            prefix: String::new(),
            at: At::file(file),
            findings,
        }
    }

    /// The table under `key`, or an empty one in its place.
    pub(crate) fn section(&self, key: &str) -> Section<'a> {
        let (entries, at): (&'a [Entry], At) = match self.entry(key) {
            Some(Entry {
                node:
                    Node {
                        value: Value::Table(entries),
                        ..
                    },
                at,
                ..
            }) => (entries, at.clone()),
            _ => (&[], self.at.clone()),
        };
        Section {
            entries,
            prefix: format!("{}.", self.path(key)),
            at,
            findings: self.findings,
        }
    }

    /// True if the key is there.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    /// The place of `key`, or the table's if it is not there.
    pub(crate) fn place(&self, key: &str) -> At {
        self.entry(key).map_or(&self.at, |e| &e.at).clone()
    }

    /// Reports a problem with `key`.
    pub(crate) fn problem(&self, key: &str, message: impl Into<String>) {
        self.findings.add(&self.place(key), self.path(key), message);
    }

    /// Reports a problem with `key` that waiting may cure.
    pub(crate) fn outage(&self, key: &str, message: impl Into<String>) {
        self.findings
            .add_outage(&self.place(key), self.path(key), message);
    }

    /// Reports a problem with `key` at a place of its value.
    pub(crate) fn problem_at(&self, at: &At, key: &str, message: impl Into<String>) {
        self.findings.add(at, self.path(key), message);
    }

    fn path(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    fn entry(&self, key: &str) -> Option<&'a Entry> {
        self.entries.iter().find(|e| e.key == key)
    }

    fn wrong_kind(&self, key: &str, node: &Node, wanted: &str) {
        // what could not be read was reported already
        if !matches!(node.value, Value::Other("string" | "integer")) {
            self.problem_at(
                &node.at,
                key,
                format!("must be {wanted}, not {}", with_article(node.value.kind())),
            );
        }
    }

    /// A string.
    pub(crate) fn text(&self, key: &str) -> Option<Text> {
        let entry = self.entry(key)?;
        self.as_text(key, &entry.node)
    }

    fn as_text(&self, key: &str, node: &Node) -> Option<Text> {
        if let Value::Text { text, outside } = &node.value {
            return Some(Text {
                text: text.clone(),
                outside: *outside,
                at: node.at.clone(),
            });
        }
        self.wrong_kind(key, node, "a string");
        None
    }

    /// A string, or an array of strings.
    pub(crate) fn text_or_texts(&self, key: &str) -> Option<Vec<Text>> {
        match &self.entry(key)?.node.value {
            Value::List(_) => self.texts(key),
            _ => Some(vec![self.text(key)?]),
        }
    }

    /// A number above zero or the word `word`, which is `Err`; `None` if it is absent or was
    /// reported.
    pub(crate) fn number_or_word(&self, key: &str, word: &str) -> Option<Result<u64, ()>> {
        match &self.entry(key)?.node.value {
            Value::Text { text, .. } if text == word => Some(Err(())),
            Value::Integer(number) if *number > 0 => Some(Ok(number.unsigned_abs())),
            _ => {
                let message = format!("must be a whole number above zero, or \"{word}\"");
                self.problem(key, message);
                None
            }
        }
    }

    /// A string that must be there and not be empty.
    pub(crate) fn required_text(&self, key: &str) -> Option<Text> {
        if !self.has(key) {
            self.problem(key, "is required");
            return None;
        }
        let text = self.text(key)?;
        if text.text.trim().is_empty() {
            self.problem(key, "must not be empty");
            return None;
        }
        Some(text)
    }

    /// A string or a datetime, as text.
    pub(crate) fn text_or_datetime(&self, key: &str) -> Option<Text> {
        let entry = self.entry(key)?;
        match &entry.node.value {
            Value::Datetime(text) => Some(Text {
                text: text.clone(),
                outside: false,
                at: entry.node.at.clone(),
            }),
            _ => self.as_text(key, &entry.node),
        }
    }

    /// A string that `parse` reads; `None` if it is absent or was reported. The message of `parse`
    /// follows the value.
    pub(crate) fn parsed<T, E: Display>(
        &self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(key)?;
        match parse(&text.text) {
            Ok(value) => Some(value),
            Err(message) => {
                self.problem_at(&text.at, key, format!("{} {message}", text.shown()));
                None
            }
        }
    }

    /// A duration.
    pub(crate) fn duration(&self, key: &str, default: Duration) -> Duration {
        self.parsed(key, units::duration).unwrap_or(default)
    }

    /// A size in bytes: with a unit, or an integer of bytes.
    pub(crate) fn size(&self, key: &str, default: u64) -> u64 {
        match self.entry(key).map(|e| &e.node.value) {
            Some(Value::Integer(_)) => self.count(key, default),
            _ => self.parsed(key, units::size).unwrap_or(default),
        }
    }

    /// A whole number, zero too.
    pub(crate) fn number(&self, key: &str, default: u64) -> u64 {
        match self.entry(key).map(|e| &e.node.value) {
            Some(Value::Integer(0)) => 0,
            Some(Value::Integer(..0)) => {
                self.problem(key, "must be 0 or more");
                default
            }
            _ => self.count(key, default),
        }
    }

    /// A share from 0 to 1.
    pub(crate) fn ratio(&self, key: &str, default: f64) -> f64 {
        let Some(entry) = self.entry(key) else {
            return default;
        };
        let number = match &entry.node.value {
            Value::Float(number) => Some(*number),
            Value::Integer(number) => Some(*number as f64),
            Value::Text {
                text,
                outside: true,
            } => text.parse().ok(),
            _ => None,
        };
        match number {
            Some(number) if (0.0..=1.0).contains(&number) => number,
            _ => {
                self.problem_at(&entry.node.at, key, "must be a number from 0 to 1");
                default
            }
        }
    }

    /// A whole number above zero.
    pub(crate) fn count(&self, key: &str, default: u64) -> u64 {
        let Some(entry) = self.entry(key) else {
            return default;
        };
        let number = match &entry.node.value {
            Value::Integer(number) => u64::try_from(*number).ok(),
            Value::Text {
                text,
                outside: true,
            } => text.parse().ok(),
            _ => {
                self.wrong_kind(key, &entry.node, "an integer");
                return default;
            }
        };
        match number {
            Some(number) if number > 0 => number,
            _ => {
                self.problem_at(&entry.node.at, key, "must be a whole number above zero");
                default
            }
        }
    }

    /// A boolean.
    pub(crate) fn boolean(&self, key: &str, default: bool) -> bool {
        let Some(entry) = self.entry(key) else {
            return default;
        };
        match &entry.node.value {
            Value::Boolean(boolean) => *boolean,
            Value::Text {
                text,
                outside: true,
            } if matches!(text.as_str(), "true" | "false") => text == "true",
            _ => {
                self.wrong_kind(key, &entry.node, "true or false");
                default
            }
        }
    }

    /// One of a few words; `None` if it is absent or was reported.
    pub(crate) fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?;
        if let Some((_, value)) = choices.iter().find(|(word, _)| *word == text.text) {
            return Some(*value);
        }
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let mut message = format!("{} is none of {}", text.shown(), words.join(", "));
        if let Some(near) = keys::nearest_word(&text.text, words) {
            message.push_str(&format!("; did you mean \"{near}\"?"));
        }
        self.problem_at(&text.at, key, message);
        None
    }

    /// An array of strings; `None` if it is absent or was reported.
    pub(crate) fn texts(&self, key: &str) -> Option<Vec<Text>> {
        let entry = self.entry(key)?;
        let Value::List(items) = &entry.node.value else {
            self.wrong_kind(key, &entry.node, "an array of strings");
            return None;
        };
        items.iter().map(|item| self.as_text(key, item)).collect()
    }

    /// Every free name of this table with its text. Dotted names without quotes are joined again.
    pub(crate) fn free_texts(&self) -> Vec<(String, Text)> {
        let mut texts = Vec::new();
        self.collect_texts(self.entries, "", &mut texts);
        texts
    }

    fn collect_texts(&self, entries: &[Entry], prefix: &str, texts: &mut Vec<(String, Text)>) {
        for entry in entries {
            let name = format!("{prefix}{}", entry.key);
            let (text, outside) = match &entry.node.value {
                Value::Text { text, outside } => (text.clone(), *outside),
                Value::Integer(integer) => (integer.to_string(), false),
                Value::Boolean(boolean) => (boolean.to_string(), false),
                Value::Table(below) => {
                    self.collect_texts(below, &format!("{name}."), texts);
                    continue;
                }
                _ => {
                    self.wrong_kind(&name, &entry.node, "a string");
                    continue;
                }
            };
            texts.push((
                name,
                Text {
                    text,
                    outside,
                    at: entry.at.clone(),
                },
            ));
        }
    }
}

fn with_article(kind: &str) -> String {
    match kind.starts_with(['a', 'i']) {
        true => format!("an {kind}"),
        false => format!("a {kind}"),
    }
}
