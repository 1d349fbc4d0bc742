//! A part of a job, as it is staged.
//!
//! Owns: its form, and what the parts of a job say together. Does not own: where they are kept
//! (`lake::progress`), the rows (their files are in the tables' folders already).

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::lake::DataFile;
use crate::model::job::JobCounts;
use crate::model::ledger::RejectsFile;
use crate::pipeline::bulk::{HashState, Resume};
use crate::source::csv::Head;
use crate::source::csv::slice::Position;

/// The only form so far.
const VERSION: u32 = 1;

/// Everything of a file up to `to`, behind the part before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StagedPart {
    version: u32,
    /// The instance that made it.
    pub instance: String,
    /// The file's place in the job.
    pub file: usize,
    /// The file's first lines.
    pub head: Head,
    /// Where it begins: where the one before ended.
    pub from: Position,
    /// Where it ends.
    pub to: Position,
    /// The content's hash up to there, where reading can begin again there.
    pub hash: Option<HashState>,
    /// The content's hash, once the file is read to its end.
    pub sha256: Option<String>,
    /// Data files.
    pub data: Vec<DataFile>,
    /// Rejects files.
    pub rejects: Vec<RejectsFile>,
    /// Records of this part.
    pub counts: JobCounts,
    /// Rejects of this part, by code.
    pub codes: BTreeMap<String, u64>,
    /// Pieces of `failed.csv`, in order.
    pub csv: Vec<String>,
    /// Pieces of `failed.txt`, in order.
    pub text: Vec<String>,
}

impl StagedPart {
    /// A part of file `file` over `[from, to)`, that holds nothing yet.
    pub fn new(instance: &str, file: usize, head: Head, from: Position, to: Position) -> Self {
        Self {
            version: VERSION,
            instance: instance.to_owned(),
            file,
            head,
            from,
            to,
            hash: None,
            sha256: None,
            data: Vec::new(),
            rejects: Vec::new(),
            counts: JobCounts::default(),
            codes: BTreeMap::new(),
            csv: Vec::new(),
            text: Vec::new(),
        }
    }

    /// Its text.
    ///
    /// # Errors
    /// Never for what this program makes.
    pub fn text(&self) -> Result<Bytes> {
        serde_json::to_vec(self)
            .map(Bytes::from)
            .map_err(|e| Error::internal("a part of a job cannot be written").because(e))
    }

    /// Reads one; `None` for a form that this version does not know: the job begins again.
    pub fn read(text: &[u8]) -> Option<Self> {
        let part: Self = serde_json::from_slice(text).ok()?;
        (part.version == VERSION).then_some(part)
    }

    /// Where reading goes on behind it.
    pub fn resume(&self) -> Resume {
        Resume {
            head: self.head.clone(),
            position: self.to,
            hash: self.hash.clone(),
        }
    }
}

/// True if the parts are one reading: each begins where the one before ended, and each file where the
/// one before it was read to its end.
pub fn is_one_reading(parts: &[StagedPart]) -> bool {
    let begins = |part: &StagedPart| part.from.record == 0;
    parts.first().is_none_or(begins)
        && parts.windows(2).all(|pair| {
            let [a, b] = pair else { return true };
            match a.file == b.file {
                true => b.from == a.to,
                false => b.file > a.file && a.sha256.is_some() && begins(b),
            }
        })
}

/// Records of several parts.
pub fn counts<'a>(parts: impl Iterator<Item = &'a StagedPart>) -> JobCounts {
    parts.map(|part| part.counts).sum()
}
