//! The bulk jobs that landed in a table, by its ledger.
//!
//! Owns: which jobs there are, by id, by key and content, and by content, and so the files of manifests;
//! kept up with the log. Does not own: what each landed (`files`), what a drop that is there already becomes (`pipeline::bulk`).

mod files;

use std::collections::HashMap;
use std::sync::Arc;

use futures::StreamExt;
use object_store::ObjectStore;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::lake::layout;
use crate::lake::ledger::log::{self, Unread};
use crate::lake::ledger::{Entry, Ledger, OPENINGS_MAX, folded_meanwhile};
use crate::model::job::hex;
use crate::model::ledger::{FileRecord, JobRecord};
use crate::store::Store;

pub use files::{files_of, times};

/// A job that landed. Of what the ledger says, that which is asked for again: a table may have
/// hundreds of thousands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LandedJob {
    /// The table's version that made it visible.
    pub version: u64,
    /// Key of the drop.
    pub key: Box<str>,
    id: [u8; 16],
    sha256: [u8; 32],
    /// The next with the same content.
    next: Option<Place>,
}

impl LandedJob {
    /// Its id.
    pub fn id(&self) -> String {
        hex(&self.id)
    }
}

/// A file of a manifest that landed.
#[derive(Debug)]
struct LandedFile {
    key: Box<str>,
    sha256: [u8; 32],
    /// Place of its job.
    job: u32,
    /// The next with the same content.
    next: Option<Place>,
}

/// Where a content is: a place in `jobs`, or, with the highest bit set, in `files`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place(u32);

const IN_FILES: u32 = 1 << 31;

/// What has a content: a job, or a file of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder<'a> {
    /// Key of the file; of a job that is no manifest, its own.
    pub key: &'a str,
    /// The job.
    pub job: &'a LandedJob,
}

/// The jobs of one table up to a version.
#[derive(Debug, Default)]
pub struct LandedJobs {
    /// In the order in which they landed.
    jobs: Vec<LandedJob>,
    /// Files of manifests, in the order in which they landed.
    files: Vec<LandedFile>,
    /// Places in `jobs`.
    by_id: HashMap<[u8; 16], u32>,
    /// Content hash → the first and the last with that content.
    by_content: HashMap<[u8; 32], (Place, Place)>,
    /// The last version that was looked at.
    newest: Option<u64>,
}

impl LandedJobs {
    /// The job of that id, or the one of the manifest that has it as a file.
    pub fn by_id(&self, id: &str) -> Option<&LandedJob> {
        self.at(*self.by_id.get(&compact(id))?)
    }

    /// The first job of that content under the same key, or with such a file.
    pub fn same_drop(&self, key: &str, sha256: &str) -> Option<&LandedJob> {
        let mut holders = self.of_content(compact(sha256));
        holders.find(|holder| holder.key == key).map(|h| h.job)
    }

    /// The first of that content, under whatever key.
    pub fn same_content(&self, sha256: &str) -> Option<Holder<'_>> {
        self.of_content(compact(sha256)).next()
    }

    /// What had the content of a job when that landed: the key of the job or of its file, and the first
    /// that has the same.
    pub fn doubled(&self, job: &LandedJob) -> Option<(&str, Holder<'_>)> {
        let place = *self.by_id.get(&job.id)?;
        let files = self.files.iter().filter(|file| file.job == place);
        let files = files.map(|file| (&*file.key, file.sha256));
        let own = std::iter::once((&*self.at(place)?.key, job.sha256)).chain(files);
        own.filter_map(|(key, sha256)| Some((key, self.of_content(sha256).next()?)))
            .find(|(_, first)| first.job.version < job.version)
    }

    /// Everything of a content, in the order in which it landed.
    fn of_content(&self, sha256: [u8; 32]) -> impl Iterator<Item = Holder<'_>> {
        let first = self.by_content.get(&sha256).map(|(first, _)| *first);
        let mut next = first;
        std::iter::from_fn(move || {
            let (holder, behind) = self.holder(next?)?;
            next = behind;
            Some(holder)
        })
    }

    /// What is at a place, and the place of the next with its content.
    fn holder(&self, place: Place) -> Option<(Holder<'_>, Option<Place>)> {
        if place.0 & IN_FILES == 0 {
            let job = self.at(place.0)?;
            return Some((Holder { key: &job.key, job }, job.next));
        }
        let file = self.files.get(usize::try_from(place.0 & !IN_FILES).ok()?)?;
        let job = self.at(file.job)?;
        let key = &file.key;
        Some((Holder { key, job }, file.next))
    }

    fn at(&self, place: u32) -> Option<&LandedJob> {
        self.jobs.get(usize::try_from(place).ok()?)
    }

    /// All, in the order in which they landed.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = &LandedJob> {
        self.jobs.iter()
    }

    /// The last version of the table that was looked at.
    pub fn newest(&self) -> Option<u64> {
        self.newest
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Takes in what landed since the last look.
    ///
    /// # Errors
    /// The store cannot be reached, or a part of the ledger is lost or not readable: what landed is
    /// then not known.
    pub async fn look(&mut self, store: &Store, stream: &str) -> Result<()> {
        self.look_in(&store.objects(), &layout::data_table(stream))
            .await
    }

    async fn look_in(&mut self, objects: &Arc<dyn ObjectStore>, table: &str) -> Result<()> {
        if let Some(seen) = self.newest
            && self.look_above(seen, objects, table).await?
        {
            return Ok(());
        }
        for _ in 0..OPENINGS_MAX {
            if self.read(objects, table).await? {
                return Ok(());
            }
        }
        Err(folded_meanwhile(table))
    }

    /// Takes in the commits above `seen`, as long as they are in the log; false if they are not.
    async fn look_above(
        &mut self,
        seen: u64,
        objects: &Arc<dyn ObjectStore>,
        table: &str,
    ) -> Result<bool> {
        let Some(newest) = log::newest(objects, table, seen).await? else {
            return Ok(true);
        };
        let commits = match log::commits(objects, table, seen, newest).await {
            Ok(commits) => commits,
            Err(Unread::Gone(_)) => return Ok(false),
            Err(Unread::Failed(error)) => return Err(error),
        };
        for commit in commits {
            self.take(commit.version, commit.record.and_then(|record| record.job));
        }
        Ok(true)
    }

    /// Takes in what is new in the whole ledger; false if it was folded meanwhile.
    async fn read(&mut self, objects: &Arc<dyn ObjectStore>, table: &str) -> Result<bool> {
        let ledger = Ledger::open(objects, table).await?;
        let mut entries = match self.newest {
            None => ledger.entries(u64::MAX),
            Some(newest) => ledger.entries_above(newest),
        };
        // Those of the log count once it is known that they are those that were listed.
        let mut logged: Vec<(u64, Option<JobRecord>)> = Vec::new();
        while let Some(entry) = entries.next().await {
            match entry? {
                Entry::Segment(segment) => {
                    for commit in segment.commits {
                        self.take(commit.version, commit.job);
                    }
                }
                Entry::Commit(commit) => {
                    let job = commit.record.and_then(|record| record.job);
                    logged.push((commit.version, job));
                }
                Entry::Left { .. } => return Ok(false),
                Entry::Gone { from, to } => {
                    return Err(Error::refused(format!(
                        "commits {from} to {to} of {table} are gone, and with them the jobs that they landed; restore the files"
                    )));
                }
                Entry::Broken { path, message } => {
                    return Err(Error::refused(format!(
                        "{table}/{path} is not readable: {message}"
                    )));
                }
            }
        }
        let stands = logged.is_empty() || ledger.still_stands().await?;
        if stands {
            for (version, job) in logged {
                self.take(version, job);
            }
        }
        Ok(stands)
    }

    fn take(&mut self, version: u64, job: Option<JobRecord>) {
        if self.newest.is_some_and(|newest| version <= newest) {
            return;
        }
        self.newest = Some(version);
        let Some(job) = job else { return };
        let Some(place) = below_files(self.jobs.len()) else {
            return;
        };
        let (id, sha256) = (compact(&job.id), compact(&job.sha256));
        self.jobs.push(LandedJob {
            version,
            key: job.key.into(),
            id,
            sha256,
            next: None,
        });
        self.by_id.insert(id, place);
        for file in job.files {
            // It is no job of its own any more.
            self.by_id.entry(compact(&file.id)).or_insert(place);
            self.take_file(place, file);
        }
        // Behind its files: of a manifest of one file, that one has the content.
        self.join(sha256, Place(place));
    }

    fn take_file(&mut self, job: u32, file: FileRecord) {
        let (Some(sha256), Some(place)) = (file.sha256, below_files(self.files.len())) else {
            return;
        };
        let sha256 = compact(&sha256);
        self.files.push(LandedFile {
            key: file.key.into(),
            sha256,
            job,
            next: None,
        });
        self.join(sha256, Place(place | IN_FILES));
    }

    /// Puts a place behind the others of its content.
    fn join(&mut self, sha256: [u8; 32], place: Place) {
        let (_, last) = self.by_content.entry(sha256).or_insert((place, place));
        let before = std::mem::replace(last, place);
        if before == place {
            return;
        }
        let Ok(at) = usize::try_from(before.0 & !IN_FILES) else {
            return;
        };
        let next = match before.0 & IN_FILES {
            0 => self.jobs.get_mut(at).map(|job| &mut job.next),
            _ => self.files.get_mut(at).map(|file| &mut file.next),
        };
        if let Some(next) = next {
            *next = Some(place);
        }
    }
}

#[cfg(test)]
impl LandedJobs {
    /// These, each at the next version from 1.
    pub(crate) fn of(jobs: impl IntoIterator<Item = JobRecord>) -> Self {
        let mut landed = Self::default();
        for (job, version) in jobs.into_iter().zip(1..) {
            landed.take(version, Some(job));
        }
        landed
    }

    /// How an id is told.
    pub(crate) fn id_of(text: &str) -> String {
        hex(&compact::<16>(text))
    }
}

/// The place behind so many, as far as there is one.
fn below_files(count: usize) -> Option<u32> {
    let place = u32::try_from(count).ok();
    place.filter(|place| place & IN_FILES == 0)
}

/// The bytes of an id or a hash, which are hexadecimal digits of just that length; of any other text
/// what stands for it.
fn compact<const N: usize>(text: &str) -> [u8; N] {
    let mut bytes = [0; N];
    let digit = |at: usize| char::from(*text.as_bytes().get(at)?).to_digit(16);
    let is_hex = text.len() == 2 * N
        && bytes.iter_mut().enumerate().all(|(at, byte)| {
            let value = digit(2 * at)
                .zip(digit(2 * at + 1))
                .map(|(h, l)| h << 4 | l);
            let value = value.and_then(|value| u8::try_from(value).ok());
            *byte = value.unwrap_or(0);
            value.is_some()
        });
    if !is_hex {
        let digest = Sha256::digest(text);
        bytes
            .iter_mut()
            .zip(digest)
            .for_each(|(byte, of)| *byte = of);
    }
    bytes
}

#[cfg(test)]
mod tests;
