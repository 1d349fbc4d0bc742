//! Bulk jobs: what identifies one, and what is told of it.
//!
//! Owns: ids, states, the form of `job.json`. Does not own: when a state changes (`pipeline::bulk`).

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// What tells one content of a drop from another before it is read: the store's ETag, or size and
/// time of the last change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Identity(String);

impl Identity {
    /// By the store's ETag.
    pub fn etag(etag: &str) -> Self {
        Self(etag.to_owned())
    }

    /// By size and time of the last change, in nanoseconds since the epoch.
    pub fn size_and_time(size: u64, modified_ns: i128) -> Self {
        Self(format!("{size}-{modified_ns}"))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The id of a job: a hash of stream, key and identity, so that whoever sees the same drop makes the
/// same job of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(String);

impl JobId {
    /// The id of the drop `key` of `stream`; `reload` counts how often an operator asked to load it
    /// again.
    pub fn of(stream: &str, key: &str, identity: &Identity, reload: u32) -> Self {
        let mut hash = Sha256::new();
        for part in [stream, key, identity.as_str()] {
            // With their lengths, so that no two triples run into one text.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        if reload > 0 {
            hash.update(reload.to_be_bytes());
        }
        Self(hex(&hash.finalize()[..16]))
    }

    /// The id that a name tells.
    pub fn from_text(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// 32 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The batch by which the job lands: the same for everyone who works on it, since a batch is in
    /// the log at most once.
    pub fn batch(&self) -> Uuid {
        let digest = Sha256::digest(format!("weir job {}", self.0));
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        uuid::Builder::from_custom_bytes(bytes).into_uuid()
    }
}

impl std::fmt::Display for JobId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for half in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(half), 16).unwrap_or('0'));
        }
    }
    text
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobState {
    /// Its files are not all there.
    Open,
    /// They are, and nobody works on it.
    UploadComplete,
    /// It is being read.
    InProgress,
    /// It landed, with the rejected rows given back.
    JobComplete,
    /// It landed nothing, for a reason.
    Failed,
    /// An operator ended it, and it landed nothing.
    Aborted,
}

impl JobState {
    /// Its name, as everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            JobState::Open => "Open",
            JobState::UploadComplete => "UploadComplete",
            JobState::InProgress => "InProgress",
            JobState::JobComplete => "JobComplete",
            JobState::Failed => "Failed",
            JobState::Aborted => "Aborted",
        }
    }

    /// True once nothing more happens to it.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            JobState::JobComplete | JobState::Failed | JobState::Aborted
        )
    }
}

/// Records of a file or a job.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobCounts {
    /// Rows of the DLO.
    pub accepted: u64,
    /// Rows of the rejects table.
    pub rejected: u64,
    /// Records that are none by rule.
    pub skipped: u64,
}

impl std::iter::Sum for JobCounts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |all, one| Self {
            accepted: all.accepted + one.accepted,
            rejected: all.rejected + one.rejected,
            skipped: all.skipped + one.skipped,
        })
    }
}

/// A file of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobFile {
    /// Its key in the bucket, or its path.
    pub key: String,
    /// The store's ETag, where it has one.
    pub etag: Option<String>,
    /// Bytes.
    pub size: u64,
    /// Records that were read.
    pub records: u64,
    /// What became of them.
    #[serde(flatten)]
    pub counts: JobCounts,
}

impl JobFile {
    /// A file of which nothing was read yet.
    pub fn unread(key: &str, etag: Option<String>, size: u64) -> Self {
        Self {
            key: key.to_owned(),
            etag,
            size,
            records: 0,
            counts: JobCounts::default(),
        }
    }
}

/// `job.json`: a job as its sender sees it. Times are RFC 3339 in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobDocument {
    /// The id.
    pub id: JobId,
    /// The stream.
    pub stream: String,
    /// `append`.
    pub operation: String,
    /// The state.
    pub state: JobState,
    /// Its files.
    pub files: Vec<JobFile>,
    /// Of all files.
    #[serde(flatten)]
    pub counts: JobCounts,
    /// When it was found.
    pub created_at: String,
    /// When it was first read.
    pub started_at: Option<String>,
    /// When it came to its end.
    pub finished_at: Option<String>,
    /// Why it failed, or landed no records.
    pub reason: Option<String>,
    /// Key of `failed.csv`, where rows were rejected.
    pub failed_rows: Option<String>,
}

impl JobDocument {
    /// A job of which nothing was done yet.
    pub fn new(id: &JobId, stream: &str, files: Vec<JobFile>, created_at: String) -> Self {
        Self {
            id: id.clone(),
            stream: stream.to_owned(),
            operation: "append".to_owned(),
            state: JobState::UploadComplete,
            files,
            counts: JobCounts::default(),
            created_at,
            started_at: None,
            finished_at: None,
            reason: None,
            failed_rows: None,
        }
    }
}

#[cfg(test)]
mod tests;
