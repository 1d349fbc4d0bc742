//! Where the versions of a stream's schema come from while it runs.
//!
//! Owns: [`VersionSource`] (the contract), the schema folder as one, and a version that is fixed.
//! Does not own: which versions are taken up (`config::schemas`, `pipeline::evolution`).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::{Error, Result};
use crate::schema::{Schema, folder};

/// A version that a source holds.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its number.
    pub version: u32,
    /// The schema, or what is wrong with it, a sentence each.
    pub schema: Result<Schema, Vec<String>>,
}

/// Where the versions of a stream's schema come from.
///
/// Contract: a version that was put before `versions` was called is in its answer. A version's text
/// never changes once it was given without a fault, and it stands for itself: what it refers to is
/// in it, since other instances read it from the table alone.
#[async_trait]
pub trait VersionSource: Send + Sync + std::fmt::Debug {
    /// The versions above `above`, ascending; earlier ones may be among them, and the levels that
    /// compare with all of them do so with what is given.
    ///
    /// # Errors
    /// `Unreachable`: the source is away, and nothing follows from that. Any other is told, and the
    /// version in force goes on.
    async fn versions(&self, above: u32) -> Result<Vec<Found>>;

    /// The least time between two looks that unknown fields ask for; `None` of a source that never
    /// changes, which is not asked at all.
    fn pace(&self) -> Option<Duration>;
}

/// The versions of a subject in the schema folder.
#[derive(Debug, Clone)]
pub struct FolderVersions {
    /// The schema folder.
    pub dir: PathBuf,
    /// The subject.
    pub subject: String,
    /// See `nanos` of the stream.
    pub nanos_as_long: bool,
}

/// A look at a folder costs less than a millisecond.
const FOLDER_PACE: Duration = Duration::from_millis(100);

#[async_trait]
impl VersionSource for FolderVersions {
    async fn versions(&self, _above: u32) -> Result<Vec<Found>> {
        let this = self.clone();
        let found = tokio::task::spawn_blocking(move || {
            folder::found(&this.dir, &this.subject, this.nanos_as_long)
        });
        let found = found
            .await
            .map_err(|e| Error::internal("a look at the schema folder died").because(e))?;
        found.map_err(|fault| Error::config(fault.to_string()))
    }

    fn pace(&self) -> Option<Duration> {
        Some(FOLDER_PACE)
    }
}

/// One version for good.
#[derive(Debug, Clone)]
pub struct Pinned(pub Arc<Schema>);

#[async_trait]
impl VersionSource for Pinned {
    async fn versions(&self, _above: u32) -> Result<Vec<Found>> {
        Ok(vec![Found {
            version: self.0.version,
            schema: Ok(Schema::clone(&self.0)),
        }])
    }

    fn pace(&self) -> Option<Duration> {
        None
    }
}
