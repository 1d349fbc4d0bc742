//! The schema folder: `<dir>/<subject>/<version>.avsc`, versions from 1.
//!
//! Owns: which files are versions. Does not own: parsing (`schema::parse`).

use std::fmt;
use std::path::{Path, PathBuf};

use crate::schema::versions::Found;
use crate::schema::{Schema, parse};

/// What is wrong with a file of the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file, or the subject's folder.
    pub path: PathBuf,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.message)
    }
}

/// Every version of `subject`, ascending, each by itself, be it whole or not. A file that is being
/// written is no whole record until its last brace, and so no version.
///
/// # Errors
/// The folder cannot be read.
pub fn found(dir: &Path, subject: &str, nanos_as_long: bool) -> Result<Vec<Found>, Fault> {
    let (files, _) = files(&dir.join(subject))?;
    let found = files.into_iter().map(|(version, path)| Found {
        version,
        schema: read(&path, subject, version, nanos_as_long)
            .map_err(|faults| faults.iter().map(ToString::to_string).collect()),
    });
    Ok(found.collect())
}

/// The files that are no versions by their names, though they end like ones.
///
/// # Errors
/// The folder cannot be read.
pub fn strays(dir: &Path, subject: &str) -> Result<Vec<Fault>, Fault> {
    files(&dir.join(subject)).map(|(_, faults)| faults)
}

/// The texts as they stand, by version, ascending; a file that cannot be read is left out.
///
/// # Errors
/// The folder cannot be read.
pub fn texts(dir: &Path, subject: &str) -> Result<Vec<(u32, String)>, Fault> {
    let (files, _) = files(&dir.join(subject))?;
    let texts = files
        .into_iter()
        .filter_map(|(version, path)| Some((version, std::fs::read_to_string(path).ok()?)));
    Ok(texts.collect())
}

/// The text of one version of `subject` as it stands.
///
/// # Errors
/// It is not there, or cannot be read.
pub fn text(dir: &Path, subject: &str, version: u32) -> Result<String, Fault> {
    let path = dir.join(subject).join(format!("{version}.avsc"));
    std::fs::read_to_string(&path).map_err(|e| fault(&path, format!("cannot be read: {e}")))
}

fn fault(path: &Path, message: impl Into<String>) -> Fault {
    Fault {
        path: path.to_path_buf(),
        message: message.into(),
    }
}

fn read(
    path: &Path,
    subject: &str,
    version: u32,
    nanos_as_long: bool,
) -> Result<Schema, Vec<Fault>> {
    std::fs::read_to_string(path)
        .map_err(|e| vec![format!("cannot be read: {e}")])
        .and_then(|text| parse::parse(subject, version, &text, nanos_as_long))
        .map_err(|messages| messages.into_iter().map(|m| fault(path, m)).collect())
}

/// Versions and their files.
type Files = Vec<(u32, PathBuf)>;

/// The files by version, ascending, and what is wrong with the names of others.
fn files(folder: &Path) -> Result<(Files, Vec<Fault>), Fault> {
    let unread = |e: std::io::Error| fault(folder, format!("cannot be read: {e}"));
    let (mut files, mut faults) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(folder).map_err(unread)? {
        let path = entry.map_err(unread)?.path();
        if path.extension().is_none_or(|e| e != "avsc") {
            continue;
        }
        match version(&path) {
            Some(version) => files.push((version, path)),
            None => faults.push(fault(
                &path,
                "the file's name must be a version from 1, as in 1.avsc",
            )),
        }
    }
    files.sort();
    faults.sort_by(|a, b| a.path.cmp(&b.path));
    Ok((files, faults))
}

/// The version that a file's name says: digits without a leading zero.
fn version(path: &Path) -> Option<u32> {
    let stem = path.file_stem()?.to_str()?;
    let version: u32 = stem.parse().ok()?;
    (version > 0 && version.to_string() == stem).then_some(version)
}
