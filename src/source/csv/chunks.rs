//! Where a file's bytes come from.

use bytes::Bytes;

use crate::error::Result;

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
