//! What a drop is beside the jobs that landed.
//!
//! Owns: whether it lands, and what is said of it, by what landed before and by what lands meanwhile.
//! Of a manifest each of its files counts. Does not own: which jobs landed (`lake::jobs`), the record of
//! one (`pipeline::bulk::land`).

use std::collections::HashMap;

use crate::config::OnDuplicate;
use crate::lake::jobs::{Holder, LandedJob, LandedJobs};
use crate::model::ledger::{FileRecord, JobRecord};

/// What a drop is beside those that landed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// None of them has its content.
    New,
    /// It is loaded, though this one has its content under another name.
    Flagged(String),
    /// There is nothing to load, for this reason.
    Before(String),
    /// A part of it landed, and a job lands whole or not at all: it fails for this reason.
    Partly(String),
}

/// A drop that was read and is to land.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Its job.
    pub id: &'a str,
    /// Its key.
    pub key: &'a str,
    /// Content hash.
    pub sha256: &'a str,
    /// Of a manifest, its files.
    pub files: &'a [FileRecord],
    /// What becomes of the same content under another name.
    pub policy: OnDuplicate,
}

/// A key and the hash of what was under it.
type Content<'a> = (&'a str, &'a str);

fn contents(files: &[FileRecord]) -> impl Iterator<Item = Content<'_>> {
    files
        .iter()
        .filter_map(|file| Some((&*file.key, file.sha256.as_deref()?)))
}

impl Candidate<'_> {
    /// Holds it against the jobs that landed.
    pub fn seen(&self, landed: &LandedJobs) -> Seen {
        if let Some(before) = landed.same_drop(self.key, self.sha256) {
            return Seen::Before(format!(
                "the same content landed under this name as job {}",
                name(before, self.key)
            ));
        }
        if let Some(reason) = self
            .files
            .iter()
            .find_map(|file| landed_before(file, landed))
        {
            return Seen::Partly(reason);
        }
        if let Some(before) = landed.same_content(self.sha256) {
            return match self.policy {
                OnDuplicate::Load => Seen::Flagged(doubled(self.key, self.key, &before)),
                OnDuplicate::Skip => Seen::Before(format!(
                    "{} has the same content and landed as job {}; `bulk.on_duplicate` is skip",
                    before.key,
                    name(before.job, before.key)
                )),
            };
        }
        let mut own = HashMap::new();
        for (key, sha256) in contents(self.files) {
            if let Some(before) = landed.same_content(sha256) {
                return match self.policy {
                    OnDuplicate::Load => Seen::Flagged(doubled(key, self.key, &before)),
                    OnDuplicate::Skip => Seen::Partly(format!(
                        "{key} has the content of {}, which landed as job {}; `bulk.on_duplicate` is skip, and a job lands whole or not at all",
                        before.key,
                        name(before.job, before.key)
                    )),
                };
            }
            if let Some(first) = own.insert(sha256, key) {
                return match self.policy {
                    OnDuplicate::Load => {
                        Seen::Flagged(format!("loaded, though {key} has the content of {first}"))
                    }
                    OnDuplicate::Skip => Seen::Partly(format!(
                        "{key} has the content of {first}; `bulk.on_duplicate` is skip, and a job lands whole or not at all"
                    )),
                };
            }
        }
        Seen::New
    }

    /// Why it cannot land without another look, where `other` landed since the last. What is told of it
    /// already (`is_flagged`) need not be told of a second one.
    pub fn meets(&self, other: &JobRecord, is_flagged: bool) -> Option<String> {
        let is_mine = |id: &str| id == self.id || self.files.iter().any(|file| file.id == id);
        let shares_a_file = is_mine(&other.id) || other.files.iter().any(|file| is_mine(&file.id));
        let is_told = is_flagged && self.policy == OnDuplicate::Load;
        let mine: HashMap<&str, &str> = contents(self.files)
            .chain([(self.key, self.sha256)])
            .collect();
        let theirs = contents(&other.files).chain([(&*other.key, &*other.sha256)]);
        let is_same = theirs.into_iter().any(|(key, sha256)| match is_told {
            true => mine.get(key) == Some(&sha256),
            false => mine.values().any(|own| *own == sha256),
        });
        (shares_a_file || is_same).then(|| format!("job {} landed meanwhile", other.id))
    }
}

/// What was told of a job when it landed.
pub fn told(landed: &LandedJobs, job: &LandedJob) -> Option<String> {
    let (key, before) = landed.doubled(job)?;
    Some(doubled(key, &job.key, &before))
}

/// Why a file of a manifest cannot land once more, if it landed: by itself, or by another manifest.
fn landed_before(file: &FileRecord, landed: &LandedJobs) -> Option<String> {
    let FileRecord { id, key, sha256 } = file;
    if let Some(job) = landed.by_id(id) {
        let (id, of) = (job.id(), &job.key);
        return Some(format!("{key} landed before, as job {id} of {of}"));
    }
    let job = landed.same_drop(key, sha256.as_deref()?)?;
    let (id, of) = (job.id(), &job.key);
    Some(format!(
        "{key} landed before with the same content, as job {id} of {of}"
    ))
}

/// What is told of a job that doubles another: the content of its file `key` landed `before`.
fn doubled(key: &str, drop: &str, before: &Holder<'_>) -> String {
    let (other, job) = (before.key, name(before.job, before.key));
    match key == drop {
        true => format!("loaded, though {other} has the same content (job {job})"),
        false => format!("loaded, though {key} has the content of {other} (job {job})"),
    }
}

/// A job's id, and its drop where that is not `key`.
fn name(job: &LandedJob, key: &str) -> String {
    match &*job.key == key {
        true => job.id(),
        false => format!("{} of {}", job.id(), job.key),
    }
}

#[cfg(test)]
mod tests;
