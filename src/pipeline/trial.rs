//! Judging messages as they would land, without keeping a row.
//!
//! Owns: waiting for a writer's schema where a lane would let the message wait. Does not own: which
//! decoder a message goes to (`stream_decoder`), where messages come from, what is counted
//! (`what_if`).

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::clock::{Clock, Tick};
use crate::config::Stream;
use crate::error::{Error, Result};
use crate::pipeline::decode::Judged;
use crate::pipeline::decode::columns::Columns;
use crate::pipeline::stream_decoder::{Message, StreamDecoder, WaitsFor};
use crate::pipeline::writers::{WriterSource, Writers};

/// Columns that have grown beyond so many bytes are given back.
const MAX_KEPT: usize = 4 << 20;

/// Nothing newer is looked for: what a trial is about is the versions that it was given.
const LOOKED: Tick = Tick(Duration::MAX);

/// A judge of one stream at one version of its schema.
#[derive(Debug)]
pub struct Trial {
    stream: Stream,
    writers: Arc<Writers>,
    decoder: StreamDecoder,
    columns: Columns,
    judged: Judged,
    runtime: Handle,
    clock: Clock,
    /// An id that the registry did not know by then is unknown for all that is judged.
    began: Tick,
    patience: Duration,
}

/// A message to be judged.
#[derive(Debug, Clone, Copy)]
pub struct TrialMessage<'a> {
    /// Its value.
    pub value: &'a [u8],
    /// The header that names its writer.
    pub header: Option<&'a [u8]>,
    /// Its topic.
    pub topic: &'a Arc<str>,
}

/// What a trial needs beside the stream.
#[derive(Debug, Clone)]
pub struct TrialParts {
    /// Where the writers' schemas are found.
    pub source: WriterSource,
    /// Clock.
    pub clock: Clock,
    /// How long a writer's schema may be waited for.
    pub patience: Duration,
}

impl Trial {
    /// A judge of whole messages. Within a runtime; it is asked on threads that may block.
    pub fn of_messages(stream: &Stream, parts: &TrialParts) -> Self {
        let writers = Writers::new(parts.source.clone(), stream.schema.clone());
        let writers = Arc::new(writers);
        let decoder = StreamDecoder::of_messages(stream, &writers);
        Self::new(stream, writers, decoder, parts)
    }

    /// A judge of single records, as an envelope holds them.
    pub fn of_records(stream: &Stream, parts: &TrialParts) -> Self {
        let writers = Writers::new(WriterSource::None, stream.schema.clone());
        let decoder = StreamDecoder::of_records(stream);
        Self::new(stream, Arc::new(writers), decoder, parts)
    }

    fn new(
        stream: &Stream,
        writers: Arc<Writers>,
        decoder: StreamDecoder,
        parts: &TrialParts,
    ) -> Self {
        Self {
            decoder,
            writers,
            columns: Columns::new(&stream.schema),
            judged: Judged::default(),
            stream: stream.clone(),
            runtime: Handle::current(),
            began: parts.clock.tick(),
            clock: parts.clock.clone(),
            patience: parts.patience,
        }
    }

    /// What would become of a message.
    ///
    /// # Errors
    /// The schema of its writer was not told in time.
    pub fn judge(&mut self, message: TrialMessage<'_>) -> Result<&Judged> {
        let seen = self.began;
        let message = Message {
            value: message.value,
            header: message.header,
            topic: message.topic,
            seen,
        };
        while let Some(waits) =
            self.decoder
                .decode(message, LOOKED, &mut self.columns, &mut self.judged)
        {
            if let WaitsFor::Writer(writer) = waits {
                let answer = self.writers.answer(writer, message.topic, seen);
                let answered = self
                    .runtime
                    .block_on(self.clock.timeout(self.patience, answer));
                if answered.is_none() {
                    let why = self.writers.trouble().unwrap_or_default();
                    return Err(Error::unreachable(format!(
                        "the schema of {writer} is not told: {why}"
                    )));
                }
            }
        }
        match self.columns.memory() > MAX_KEPT {
            true => self.columns = Columns::new(&self.stream.schema),
            false => self.columns.roll_back(0),
        }
        Ok(&self.judged)
    }
}
