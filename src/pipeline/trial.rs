//! Judging messages as they would land, without keeping a row.
//!
//! Owns: which decoder a stream's messages and its stored rejects go to, the same one as on the way
//! to the lake. Does not own: where the messages come from, what is counted (`what_if`).

use crate::config::Stream;
use crate::pipeline::decode::Judged;
use crate::pipeline::decode::columns::Columns;
use crate::pipeline::decode::json::{JsonDecoder, JsonOptions};

/// Columns that have grown beyond so many bytes are given back.
const MAX_KEPT: usize = 4 << 20;

/// A judge of one stream at one version of its schema.
#[derive(Debug)]
pub struct Trial {
    stream: Stream,
    decoder: JsonDecoder,
    columns: Columns,
    judged: Judged,
}

impl Trial {
    /// A judge of whole messages.
    pub fn of_messages(stream: &Stream) -> Self {
        Self::new(stream, JsonOptions::of(stream))
    }

    /// A judge of single records, as an envelope holds them.
    pub fn of_records(stream: &Stream) -> Self {
        let options = JsonOptions {
            envelope: false,
            ..JsonOptions::of(stream)
        };
        Self::new(stream, options)
    }

    fn new(stream: &Stream, options: JsonOptions) -> Self {
        Self {
            decoder: JsonDecoder::new(&stream.schema, options),
            columns: Columns::new(&stream.schema),
            judged: Judged::default(),
            stream: stream.clone(),
        }
    }

    /// What would become of a message's value.
    pub fn judge(&mut self, value: &[u8]) -> &Judged {
        self.decoder
            .decode(value, &mut self.columns, &mut self.judged);
        match self.columns.memory() > MAX_KEPT {
            true => self.columns = Columns::new(&self.stream.schema),
            false => self.columns.roll_back(0),
        }
        &self.judged
    }
}
