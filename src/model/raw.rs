//! Raw messages on their way from the source to a lane.

/// Which bytes of a block's arena a key or a value is; half-open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub from: u32,
    /// The byte behind the last.
    pub to: u32,
}

/// One message of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawMessage {
    /// Kafka's offset.
    pub offset: i64,
    /// The broker's time stamp, milliseconds since the epoch; negative when there is none.
    pub timestamp_ms: i64,
    /// The key; `None` is a null key.
    pub key: Option<Span>,
    /// The value; `None` is a tombstone.
    pub value: Option<Span>,
}

/// Messages of one source partition, in the order of their offsets, with their bytes in one arena.
///
/// The block settles `[from, to)`: what is in it and not among `messages` is a hole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RawBlock {
    /// The first position.
    pub from: i64,
    /// The next position to read.
    pub to: i64,
    /// Leader epoch of the last message, where the broker tells it.
    pub leader_epoch: Option<i32>,
    /// The messages, offsets ascending, within `[from, to)`.
    pub messages: Vec<RawMessage>,
    /// Of each message the value of the header that its sink asks for; empty where it asks for none.
    pub headers: Vec<Option<Span>>,
    /// Keys, values and headers.
    pub arena: Vec<u8>,
}

impl RawBlock {
    /// The bytes of `span`.
    pub fn bytes(&self, span: Span) -> &[u8] {
        &self.arena[span.from as usize..span.to as usize]
    }

    /// The header of the message at `place`.
    pub fn header(&self, place: usize) -> Option<&[u8]> {
        let span = self.headers.get(place).copied().flatten()?;
        Some(self.bytes(span))
    }

    /// What the block takes of the memory budget, in bytes.
    pub fn memory(&self) -> usize {
        self.arena.capacity()
            + self.messages.capacity() * size_of::<RawMessage>()
            + self.headers.capacity() * size_of::<Option<Span>>()
    }

    /// Appends bytes to the arena and tells where they are. The arena stays below 4 GiB.
    pub fn push_bytes(&mut self, bytes: &[u8]) -> Span {
        let from = u32::try_from(self.arena.len()).unwrap_or(u32::MAX);
        self.arena.extend_from_slice(bytes);
        let to = u32::try_from(self.arena.len()).unwrap_or(u32::MAX);
        Span { from, to }
    }
}
