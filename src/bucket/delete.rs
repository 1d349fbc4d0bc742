//! Deleting a drop in the version that was read.
//!
//! Owns: that a newer one in its place stays, on local disk. Does not own: when a drop is deleted
//! (`jobs::work`).

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::bucket::{Bucket, Object, is_not_there};
use crate::error::Result;
use crate::model::job::hex;
use crate::store::disk_error;

impl Bucket {
    /// Deletes what is at `key`, if `is_it`. On local disk never another one; a remote store has no
    /// delete under a condition, and one that is put between the look and the delete goes with it.
    ///
    /// # Errors
    /// The store cannot be reached.
    pub async fn delete_if(&self, key: &str, is_it: impl Fn(&Object) -> bool) -> Result<()> {
        if let Some(folder) = self.store.folder() {
            return Place::of(folder, key)
                .delete_if(is_it)
                .map_err(|e| disk_error("delete a drop", e));
        }
        match self.look(key).await? {
            Some(now) if is_it(&now) => self.delete(key).await,
            _ => Ok(()),
        }
    }

    /// Puts back what a deletion that broke off left aside of `key`. A remote store has nothing aside.
    ///
    /// # Errors
    /// The disk does not allow it.
    pub fn put_back(&self, key: &str) -> Result<()> {
        let Some(folder) = self.store.folder() else {
            return Ok(());
        };
        Place::of(folder, key)
            .settle(&|_| false)
            .map_err(|e| disk_error("put a drop back", e))
    }
}

/// A local file, and where it is put aside: under a name that is never taken, in the same folder.
struct Place<'a> {
    key: &'a str,
    path: PathBuf,
    aside: PathBuf,
}

impl<'a> Place<'a> {
    fn of(folder: &Path, key: &'a str) -> Self {
        let path = folder.join(key);
        let name = format!(".weir-{}", hex(&Sha256::digest(key)[..8]));
        Self {
            key,
            aside: path.with_file_name(name),
            path,
        }
    }

    fn delete_if(&self, is_it: impl Fn(&Object) -> bool) -> io::Result<()> {
        // What a crash left there.
        self.settle(&is_it)?;
        if !self.look(&self.path)?.is_some_and(|now| is_it(&now)) {
            return Ok(());
        }
        // Whatever has that name by now: under the other one nobody replaces it.
        match std::fs::rename(&self.path, &self.aside) {
            Err(e) if is_not_there(&e) => return Ok(()),
            moved => moved?,
        }
        self.settle(&is_it)
    }

    /// Deletes what is aside, or puts it back.
    fn settle(&self, is_it: &impl Fn(&Object) -> bool) -> io::Result<()> {
        match self.look(&self.aside)? {
            None => Ok(()),
            Some(aside) if is_it(&aside) => std::fs::remove_file(&self.aside),
            Some(_) => self.put_back(),
        }
    }

    /// Never in the place of another one: that replaced what is aside, and so it is gone.
    fn put_back(&self) -> io::Result<()> {
        match std::fs::hard_link(&self.aside, &self.path) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists && !self.path.try_exists()? => {
                // A file system without links.
                std::fs::rename(&self.aside, &self.path)
            }
            _ => std::fs::remove_file(&self.aside),
        }
    }

    fn look(&self, path: &Path) -> io::Result<Option<Object>> {
        match std::fs::metadata(path) {
            Ok(metadata) => Ok(self.object(&metadata)),
            Err(e) if is_not_there(&e) => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn object(&self, metadata: &Metadata) -> Option<Object> {
        metadata
            .is_file()
            .then(|| Object::of_file(self.key, metadata))
    }
}

#[cfg(test)]
mod tests;
