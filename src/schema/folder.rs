//! The schema folder: `<dir>/<subject>/<version>.avsc`, versions from 1.
//!
//! Owns: which files are versions. Does not own: parsing (`schema::parse`).

use std::fmt;
use std::path::{Path, PathBuf};

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

/// Every version of `subject`, ascending; never empty.
///
/// # Errors
/// Everything that is wrong with any of the files.
pub fn versions(dir: &Path, subject: &str, nanos_as_long: bool) -> Result<Vec<Schema>, Vec<Fault>> {
    let folder = dir.join(subject);
    let fault = |path: &Path, message: String| Fault {
        path: path.to_path_buf(),
        message,
    };
    let files = files(&folder).map_err(|e| vec![fault(&folder, format!("cannot be read: {e}"))])?;
    let mut faults = Vec::new();
    let mut schemas = Vec::new();
    for path in files {
        let Some(version) = version(&path) else {
            let message = "the file's name must be a version from 1, as in 1.avsc".to_owned();
            faults.push(fault(&path, message));
            continue;
        };
        let parsed = std::fs::read_to_string(&path)
            .map_err(|e| vec![format!("cannot be read: {e}")])
            .and_then(|text| parse::parse(subject, version, &text, nanos_as_long));
        match parsed {
            Ok(schema) => schemas.push(schema),
            Err(messages) => faults.extend(messages.into_iter().map(|m| fault(&path, m))),
        }
    }
    if schemas.is_empty() && faults.is_empty() {
        faults.push(fault(&folder, "holds no version; write 1.avsc".to_owned()));
    }
    schemas.sort_by_key(|s| s.version);
    match faults.is_empty() {
        true => Ok(schemas),
        false => Err(faults),
    }
}

fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "avsc") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The version that a file's name says: digits without a leading zero.
fn version(path: &Path) -> Option<u32> {
    let stem = path.file_stem()?.to_str()?;
    let version: u32 = stem.parse().ok()?;
    (version > 0 && version.to_string() == stem).then_some(version)
}
