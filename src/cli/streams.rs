//! The streams that a command line names.

use std::sync::Arc;

use crate::config::keys::nearest_word;
use crate::config::{Config, Stream};
use crate::error::{Error, Result};

/// The streams of these names, in the configuration's order, each once; all where none is named.
pub(crate) fn named(config: &Config, names: &[String]) -> Result<Vec<Arc<Stream>>> {
    for name in names {
        one(config, name)?;
    }
    let mut streams = config.streams.clone();
    streams.retain(|s| names.is_empty() || names.contains(&s.name));
    Ok(streams)
}

/// The stream of this name.
pub(crate) fn one<'a>(config: &'a Config, name: &str) -> Result<&'a Arc<Stream>> {
    let found = config.streams.iter().find(|s| s.name == name);
    found.ok_or_else(|| {
        let known = || config.streams.iter().map(|s| s.name.as_str());
        unknown("stream", name, known(), "streams")
    })
}

/// The error about a word that is none of `known`, naming the nearest, or all of them.
pub(crate) fn unknown<'a>(
    what: &str,
    word: &str,
    known: impl Iterator<Item = &'a str> + Clone,
    all: &str,
) -> Error {
    let hint = match nearest_word(word, known.clone()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("the {all} are {}", known.collect::<Vec<_>>().join(", ")),
    };
    Error::config(format!("there is no {what} {word}; {hint}"))
}
