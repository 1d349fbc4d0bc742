//! Where a file's bytes come from.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::error::{Error, Result};

/// Bytes that are read of a local file at once.
const CHUNK_BYTES: usize = 1 << 18;

/// The bytes of one object, in order, in pieces of any size.
///
/// After an error or the end nothing more is asked for. An empty piece means nothing.
pub trait Chunks: Send {
    /// The next piece; `None` behind the last one. May block.
    fn next_chunk(&mut self) -> Result<Option<Bytes>>;
}

impl<I> Chunks for I
where
    I: Iterator<Item = Result<Bytes>> + Send,
{
    fn next_chunk(&mut self) -> Result<Option<Bytes>> {
        self.next().transpose()
    }
}

/// A local file.
#[derive(Debug)]
pub struct FileChunks {
    file: File,
    path: PathBuf,
}

impl FileChunks {
    /// A file that is read from its beginning.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_at(path, 0)
    }

    /// A file that is read from byte `from` on.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open_at(path: &Path, from: u64) -> Result<Self> {
        let open = || {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(from))?;
            Ok::<_, std::io::Error>(file)
        };
        let file = open()
            .map_err(|e| Error::config(format!("{} cannot be read", path.display())).because(e))?;
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }
}

impl Chunks for FileChunks {
    fn next_chunk(&mut self) -> Result<Option<Bytes>> {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        let read = self
            .file
            .by_ref()
            .take(CHUNK_BYTES as u64)
            .read_to_end(&mut chunk)
            .map_err(|e| {
                Error::unreachable(format!("{} cannot be read on", self.path.display())).because(e)
            })?;
        Ok((read > 0).then(|| chunk.into()))
    }
}
