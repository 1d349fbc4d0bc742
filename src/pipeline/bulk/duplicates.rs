//! What a drop is beside the jobs that landed.
//!
//! Owns: whether it lands, and what is said of it, by what landed before and by what lands meanwhile.
//! Does not own: which jobs landed (`lake::jobs`), the record of one (`pipeline::bulk::land`).

use crate::config::OnDuplicate;
use crate::lake::jobs::LandedJobs;
use crate::model::ledger::JobRecord;

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
    /// Of a manifest, its files: the key of each, and the id that it would have as a job of its own.
    pub files: &'a [(String, String)],
    /// What becomes of the same content under another name.
    pub policy: OnDuplicate,
}

impl Candidate<'_> {
    /// Holds it against the jobs that landed.
    pub fn seen(&self, landed: &LandedJobs) -> Seen {
        let before = self.files.iter().find_map(|(key, id)| {
            let job = landed.by_id(id)?;
            let (id, of) = (job.id(), &job.key);
            Some(format!("{key} landed before, as job {id} of {of}"))
        });
        if let Some(reason) = before {
            return Seen::Partly(reason);
        }
        if let Some(before) = landed.same_drop(self.key, self.sha256) {
            return Seen::Before(format!(
                "the same content landed under this name as job {}",
                before.id()
            ));
        }
        match (landed.same_content(self.sha256), self.policy) {
            (None, _) => Seen::New,
            (Some(before), OnDuplicate::Load) => Seen::Flagged(format!(
                "loaded, though {} has the same content (job {})",
                before.key,
                before.id()
            )),
            (Some(before), OnDuplicate::Skip) => Seen::Before(format!(
                "{} has the same content and landed as job {}; `bulk.on_duplicate` is skip",
                before.key,
                before.id()
            )),
        }
    }

    /// Why it cannot land without another look, where `other` landed since the last. What is told of it
    /// already (`is_flagged`) need not be told of a second one.
    pub fn meets(&self, other: &JobRecord, is_flagged: bool) -> Option<String> {
        let own: Vec<&str> = self.files.iter().map(|(_, id)| id.as_str()).collect();
        let is_mine = |id: &String| id == self.id || own.contains(&id.as_str());
        let shares_a_file = is_mine(&other.id) || other.files.iter().any(is_mine);
        let is_told = is_flagged && self.policy == OnDuplicate::Load;
        let is_same = other.sha256 == self.sha256 && (other.key == self.key || !is_told);
        (shares_a_file || is_same).then(|| format!("job {} landed meanwhile", other.id))
    }
}

#[cfg(test)]
mod tests;
