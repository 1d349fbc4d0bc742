//! Copies of what the registry said, as files: a restart does not need it for what is known.
//!
//! Owns: the files' names and form. `<folder>/<registry>/` holds `ids/<id>.json`,
//! `guids/<guid>.json` and, in `subjects/<hash of the name>/`, `<version>.json` and `latest.json`;
//! `<registry>` is a hash of its URLs, since each registry has its own ids. A file is there whole
//! or not at all; one that cannot be read is as good as none, and is asked for again.
//! Does not own: which of them counts (`lookup`). All but `latest.json` never change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::schema::registry::{Named, Registered, Settings, SubjectVersion, Wanted, WriterKey};

/// Most files of a folder.
const FILES: usize = 16_384;

/// The folder; without one, nothing is kept.
#[derive(Debug)]
pub(super) struct Disk {
    folder: Option<PathBuf>,
    /// True once a write failed: that is told once.
    told: AtomicBool,
}

/// A file's content.
#[derive(Debug, Serialize, Deserialize)]
struct Copy {
    /// Form of the file.
    form: u32,
    /// What it is about, so that a file that was moved is not mistaken.
    name: String,
    version: Option<u32>,
    id: Option<u32>,
    text: String,
    references: Vec<String>,
    subjects: Vec<SubjectVersion>,
}

const FORM: u32 = 1;

impl Disk {
    pub(super) fn new(settings: &Settings) -> Self {
        let mut urls: Vec<&str> = settings.urls.iter().map(url::Url::as_str).collect();
        urls.sort_unstable();
        let registry = hash(&urls.join("\n"));
        Self {
            folder: settings.cache.as_ref().map(|f| f.join(registry)),
            told: AtomicBool::new(false),
        }
    }

    pub(super) fn by_key(&self, key: WriterKey) -> Option<Registered> {
        let copy = read(&self.of_key(key)?, &key.to_string())?;
        Some(copy.registered())
    }

    pub(super) fn keep(&self, key: WriterKey, schema: &Registered) {
        let copy = Copy::new(&key.to_string(), None, schema);
        self.write(self.of_key(key), &copy);
    }

    /// A version; the latest is the one that was the latest when the registry was asked.
    pub(super) fn version(&self, subject: &str, wanted: Wanted) -> Option<Named> {
        let copy = read(&self.of_subject(subject, wanted)?, subject)?;
        let version = copy.version?;
        match wanted {
            Wanted::Number(number) if number != version => None,
            _ => Some(Named {
                version,
                schema: Arc::new(copy.registered()),
            }),
        }
    }

    pub(super) fn keep_version(&self, subject: &str, wanted: Wanted, named: &Named) {
        let copy = Copy::new(subject, Some(named.version), &named.schema);
        let number = Wanted::Number(named.version);
        self.write(self.of_subject(subject, number), &copy);
        if wanted == Wanted::Latest {
            self.write(self.of_subject(subject, wanted), &copy);
        }
    }

    fn of_key(&self, key: WriterKey) -> Option<PathBuf> {
        let folder = self.folder.as_ref()?;
        Some(match key {
            WriterKey::Id(id) => folder.join("ids").join(format!("{id}.json")),
            WriterKey::Guid(guid) => folder
                .join("guids")
                .join(format!("{}.json", uuid::Uuid::from_bytes(guid))),
        })
    }

    fn of_subject(&self, subject: &str, wanted: Wanted) -> Option<PathBuf> {
        let folder = self.folder.as_ref()?.join("subjects").join(hash(subject));
        Some(folder.join(match wanted {
            Wanted::Latest => "latest.json".to_owned(),
            Wanted::Number(number) => format!("{number}.json"),
        }))
    }

    fn write(&self, path: Option<PathBuf>, copy: &Copy) {
        let Some(path) = path else {
            return;
        };
        if let Err(error) = write(&path, copy)
            && !self.told.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(file = %path.display(), %error, "a copy of the registry's answer cannot be kept; a restart will need the registry");
        }
    }
}

impl Copy {
    fn new(name: &str, version: Option<u32>, schema: &Registered) -> Self {
        Self {
            form: FORM,
            name: name.to_owned(),
            version,
            id: schema.id,
            text: schema.text.to_string(),
            references: schema.references.iter().map(ToString::to_string).collect(),
            subjects: schema.subjects.clone(),
        }
    }

    fn registered(self) -> Registered {
        Registered {
            id: self.id,
            text: self.text.into(),
            references: self.references.into_iter().map(Arc::from).collect(),
            subjects: self.subjects,
        }
    }
}

fn read(path: &Path, name: &str) -> Option<Copy> {
    let bytes = std::fs::read(path).ok()?;
    let copy: Copy = serde_json::from_slice(&bytes).ok()?;
    (copy.form == FORM && copy.name == name).then_some(copy)
}

fn write(path: &Path, copy: &Copy) -> std::io::Result<()> {
    let Some(folder) = path.parent() else {
        return Ok(());
    };
    std::fs::create_dir_all(folder)?;
    if !path.exists() && std::fs::read_dir(folder)?.take(FILES).count() == FILES {
        return Err(std::io::Error::other("the folder has too many files"));
    }
    let draft = path.with_extension(format!("{}.tmp", crate::model::id::fresh().simple()));
    let bytes = serde_json::to_vec(copy)?;
    let written = std::fs::write(&draft, bytes).and_then(|()| std::fs::rename(&draft, path));
    if written.is_err() {
        // What is left of it helps nobody; that it cannot be removed changes nothing.
        let _ = std::fs::remove_file(&draft);
    }
    written
}

/// A name of fixed length for any text.
fn hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(12).map(|b| format!("{b:02x}")).collect()
}
