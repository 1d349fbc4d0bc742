//! What is wrong with a configuration: every problem at once, each with its place.
//!
//! Owns: the form in which problems are collected and shown. Does not own: the rules.
//! A problem never holds a value that came from the environment or a secret's file.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::error::Error;

/// Where a key stands: a file and a line, or an environment variable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct At {
    /// Path of the file, or `environment variable NAME`.
    pub(crate) file: Arc<str>,
    /// Line from 1; `None` where no line is meant.
    pub(crate) line: Option<usize>,
}

impl At {
    /// The whole of a file.
    pub(crate) fn file(file: &str) -> Self {
        Self {
            file: file.into(),
            line: None,
        }
    }
}

/// One thing to mend.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// Path of the file, or `environment variable NAME`.
    pub file: String,
    /// Line from 1; `None` where no line is meant.
    pub line: Option<usize>,
    /// The key's path, `kafka.brokers`; empty where the whole file is meant.
    pub key: String,
    /// What is wrong and what would be right; lower case, no full stop.
    pub message: String,
    /// True where nothing is to be mended: what the configuration needs is away.
    #[serde(skip)]
    pub is_outage: bool,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Every problem of a configuration, in the order of files and lines. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// The problems.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// True if waiting may cure them all.
    pub fn are_outages(&self) -> bool {
        self.0.iter().all(|p| p.is_outage)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl From<Problems> for Error {
    fn from(problems: Problems) -> Self {
        if problems.are_outages() {
            return Error::unreachable(format!(
                "what the configuration needs is not there\n{problems}"
            ));
        }
        let word = match problems.count() {
            1 => "problem",
            _ => "problems",
        };
        Error::config(format!(
            "the configuration has {} {word}\n{problems}",
            problems.count()
        ))
    }
}

/// Where problems are collected while reading goes on.
#[derive(Debug, Default)]
pub(crate) struct Findings(RefCell<Vec<Problem>>);

impl Findings {
    /// Adds one.
    pub(crate) fn add(&self, at: &At, key: impl Into<String>, message: impl Into<String>) {
        self.push(at, key.into(), message.into(), false);
    }

    /// Adds one that waiting may cure.
    pub(crate) fn add_outage(&self, at: &At, key: impl Into<String>, message: impl Into<String>) {
        self.push(at, key.into(), message.into(), true);
    }

    fn push(&self, at: &At, key: String, message: String, is_outage: bool) {
        self.0.borrow_mut().push(Problem {
            file: at.file.to_string(),
            line: at.line,
            key,
            message,
            is_outage,
        });
    }

    /// True if nothing was found so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// All of them, sorted by place, each once.
    pub(crate) fn into_problems(self) -> Problems {
        let mut problems = self.0.into_inner();
        problems.sort();
        problems.dedup();
        Problems(problems)
    }
}
