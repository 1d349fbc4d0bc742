//! What a store's error means for whoever runs weir.
//!
//! Owns: telling apart what only a person can mend (credentials, a missing bucket, a full or
//! read-only disk) from what passes by itself, in words that say what to do. Does not own: the
//! waiting. Nothing is ever skipped for a store's error, so all but a wrong setting is an outage.

use std::error::Error as StdError;
use std::io;

use crate::error::{Error, Kind};

#[cfg(test)]
mod tests;

/// What is the matter, and what to do.
const TROUBLES: [(Trouble, &str); 6] = [
    (
        Trouble::Unknown,
        "the store does not know the credentials; check the key and the secret in its options",
    ),
    (
        Trouble::Denied,
        "the store refuses; check the key and the secret in its options, and that they may list, read, write and delete there",
    ),
    (
        Trouble::NoBucket,
        "there is no such bucket; create it, or mend the url",
    ),
    (
        Trouble::Full,
        "there is no space left; free some, and weir goes on",
    ),
    (
        Trouble::ReadOnly,
        "the disk is read-only; mount it for writing, and weir goes on",
    ),
    (
        Trouble::Forbidden,
        "the disk forbids it to this user; mend the folder's owner or mode, and weir goes on",
    ),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Unknown,
    Denied,
    NoBucket,
    Full,
    ReadOnly,
    Forbidden,
}

/// What a store's error means: all but a wrong setting is an outage to wait out. `doing` goes with
/// "could not".
pub fn store_error(doing: &str, error: object_store::Error) -> Error {
    let kind = match &error {
        object_store::Error::NotImplemented { .. }
        | object_store::Error::UnknownConfigurationKey { .. }
        | object_store::Error::InvalidPath { .. } => Kind::Config,
        _ => Kind::Unreachable,
    };
    Error::new(kind, message(doing, of_store(&error))).because(error)
}

/// The same for an error of the local disk.
pub fn disk_error(doing: &str, error: io::Error) -> Error {
    let trouble = of_disk(&error);
    Error::unreachable(message(doing, trouble)).because(error)
}

fn message(doing: &str, trouble: Option<Trouble>) -> String {
    let known = TROUBLES.iter().find(|(t, _)| Some(*t) == trouble);
    match known {
        Some((_, text)) => format!("could not {doing}: {text}"),
        None => format!("could not {doing}"),
    }
}

fn of_store(error: &object_store::Error) -> Option<Trouble> {
    match error {
        object_store::Error::Unauthenticated { .. } => Some(Trouble::Unknown),
        object_store::Error::PermissionDenied { .. } => Some(Trouble::Denied),
        error => causes(error)
            .find_map(|cause| of_disk(cause.downcast_ref()?))
            .or_else(|| of_answer(&error.to_string())),
    }
}

/// By what the server said: of a listing's failure there is only the text.
fn of_answer(text: &str) -> Option<Trouble> {
    const WORDS: [(&str, Trouble); 5] = [
        ("NoSuchBucket", Trouble::NoBucket),
        ("ContainerNotFound", Trouble::NoBucket),
        ("specified bucket does not exist", Trouble::NoBucket),
        ("status code: 401", Trouble::Unknown),
        ("status code: 403", Trouble::Denied),
    ];
    let known = WORDS.iter().find(|(word, _)| text.contains(word));
    known.map(|(_, trouble)| *trouble)
}

fn of_disk(error: &io::Error) -> Option<Trouble> {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(Trouble::Full),
        io::ErrorKind::ReadOnlyFilesystem => Some(Trouble::ReadOnly),
        io::ErrorKind::PermissionDenied => Some(Trouble::Forbidden),
        _ => None,
    }
}

/// The error and what caused it.
fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}
