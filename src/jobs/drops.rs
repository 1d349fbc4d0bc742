//! Drops: what becomes a job, a file by itself or several by a manifest.
//!
//! Owns: the form of a manifest, and what is wrong with one. Does not own: when a drop is taken
//! (`jobs::watch`).

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::bucket::{Object, names};
use crate::config::Bulk;
use crate::config::dialect::Dialect;
use crate::model::job::{Identity, JobDocument, JobId};

/// A drop that is whole.
#[derive(Debug, Clone)]
pub struct JobDrop {
    /// The job that it is.
    pub id: JobId,
    /// Its key.
    pub key: Arc<str>,
    /// What tells its content from another.
    pub identity: Identity,
    /// When it was last changed, nanoseconds since the epoch.
    pub modified_ns: i128,
    /// What is to be read, in order.
    pub files: Vec<Object>,
    /// Another dialect than the stream's.
    pub dialect: Option<Arc<Dialect>>,
    /// True if an operator wants it loaded although it landed before.
    pub is_reload: bool,
    /// What is wrong with its manifest: it is not read.
    pub fault: Option<String>,
}

impl JobDrop {
    /// The job of a file by itself.
    pub fn of_file(stream: &str, object: Object, reload: u32) -> Self {
        let identity = object.identity();
        Self {
            id: JobId::of(stream, &object.key, &identity, reload),
            key: object.key.clone(),
            identity,
            modified_ns: object.modified_ns,
            files: vec![object],
            dialect: None,
            is_reload: reload > 0,
            fault: None,
        }
    }

    /// The job that `document` tells of, whose drop `key` is gone.
    pub fn of_result(document: &JobDocument, key: &str) -> Self {
        let files = document.files.iter().map(|file| Object {
            key: file.key.as_str().into(),
            size: file.size,
            etag: file.etag.clone(),
            modified_ns: 0,
        });
        Self {
            id: document.id.clone(),
            key: key.into(),
            identity: Identity::etag(""),
            modified_ns: 0,
            files: files.collect(),
            dialect: None,
            is_reload: false,
            fault: None,
        }
    }

    /// True if its files are those that a manifest names.
    pub fn is_manifest(&self) -> bool {
        self.files.iter().all(|file| file.key != self.key)
    }

    /// The job of a manifest.
    pub fn of_manifest(stream: &str, object: &Object, manifest: &Manifest, reload: u32) -> Self {
        let identity = object.identity_as_manifest();
        Self {
            id: JobId::of(stream, &object.key, &identity, reload),
            key: object.key.clone(),
            identity,
            modified_ns: object.modified_ns,
            files: Vec::new(),
            dialect: manifest.dialect.clone(),
            is_reload: reload > 0,
            fault: manifest.fault.clone(),
        }
    }
}

/// What a manifest says.
#[derive(Debug, Clone, Default)]
pub struct Manifest {
    /// Keys of its files, in order.
    pub files: Vec<Arc<str>>,
    /// Another dialect than the stream's.
    pub dialect: Option<Arc<Dialect>>,
    /// What is wrong with it.
    pub fault: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default = "append")]
    operation: String,
    files: Vec<String>,
    #[serde(default)]
    dialect: Map<String, Value>,
}

fn append() -> String {
    "append".to_owned()
}

impl Manifest {
    /// Reads the manifest at `key`; its fault is a part of it, so that its files are known as far as
    /// they can be.
    pub fn read(key: &str, text: &[u8], bulk: &Bulk) -> Self {
        match serde_json::from_slice::<Written>(text) {
            Ok(written) => Self::of(key, written, bulk),
            Err(error) => Self::faulty(format!("the manifest is not readable: {error}")),
        }
    }

    fn faulty(fault: String) -> Self {
        Self {
            fault: Some(fault),
            ..Self::default()
        }
    }

    fn of(key: &str, written: Written, bulk: &Bulk) -> Self {
        let folder = names::folder(key);
        let mut manifest = Self::default();
        let mut faults = Vec::new();
        match written.operation.as_str() {
            "append" => {}
            operation @ ("upsert" | "delete") => faults.push(format!(
                "the operation {operation} needs a stream whose rows are kept by their key, and this one appends"
            )),
            operation => faults.push(format!(
                "there is no operation {operation:?}; this stream takes append"
            )),
        }
        if written.files.is_empty() {
            faults.push("it names no file".to_owned());
        }
        for name in &written.files {
            let whole: Arc<str> = format!("{folder}{name}").into();
            match file_fault(name, &whole) {
                Some(fault) => faults.push(fault),
                None if manifest.files.contains(&whole) => {
                    faults.push(format!("it names {name:?} twice"));
                }
                None => manifest.files.push(whole),
            }
        }
        if !written.dialect.is_empty() {
            let keys = bulk.dialect_keys.with(&written.dialect);
            let dialect = keys.and_then(|keys| {
                Dialect::new(&keys).map_err(|problems| {
                    let problems = problems.iter().map(|p| format!("{} {}", p.key, p.message));
                    problems.collect::<Vec<_>>().join("; ")
                })
            });
            match dialect {
                Ok(dialect) => manifest.dialect = Some(Arc::new(dialect)),
                Err(fault) => faults.push(format!("its dialect: {fault}")),
            }
        }
        if !faults.is_empty() {
            manifest.fault = Some(format!("the manifest: {}", faults.join("; ")));
        }
        manifest
    }
}

/// Why a manifest cannot name a file; names are relative to its own folder, and reach downward only.
fn file_fault(name: &str, whole: &str) -> Option<String> {
    let is_plain = |part: &str| !matches!(part, "" | "." | "..");
    if !name.split('/').all(is_plain) {
        return Some(format!(
            "{name:?} is no file beside it or below: names are relative to the manifest's folder"
        ));
    }
    (names::kind(whole) != names::Kind::File)
        .then(|| format!("{name:?} is no CSV file: .csv, .csv.gz or .csv.zst"))
}

#[cfg(test)]
mod tests;
