//! JSON messages into columns, by a plan compiled from the schema.
//!
//! Owns: the rules of JSON against a schema, and the order of verdicts: what concerns the whole
//! message first, then fields in the order in which they stand. An accepted record costs no
//! allocation. On a field's fault the row is rolled back and the value is passed over again for
//! its syntax alone, so that a later syntax error wins.

pub(super) mod fault;
pub(super) mod plan;
pub(super) mod values;
pub(super) mod walk;

use std::ops::Range;

use crate::config::{PayloadFormat, Stream, UnknownFields};
use crate::model::reject::{Fault, RejectCode, SkipCode};
use crate::pipeline::decode::columns::Columns;
use crate::pipeline::decode::json::fault::{Stop, fault};
use crate::pipeline::decode::json::plan::Plan;
use crate::pipeline::decode::json::walk::Walk;
use crate::pipeline::decode::scan::{Cursor, Flaw};
use crate::pipeline::decode::{ElementReject, Judged};
use crate::schema::Schema;

/// What a stream says of its messages.
#[derive(Debug, Clone, Copy)]
pub struct JsonOptions {
    /// What becomes of unknown fields.
    pub unknown_fields: UnknownFields,
    /// True for `{"data": [{…}, …]}`.
    pub envelope: bool,
    /// Larger messages are one reject.
    pub max_message_bytes: u64,
    /// Longer envelopes are one reject.
    pub max_records_per_message: u64,
}

impl JsonOptions {
    /// What the settings of `stream` say.
    pub fn of(stream: &Stream) -> Self {
        let topics = stream.topics.as_ref();
        Self {
            unknown_fields: stream.unknown_fields,
            envelope: topics.is_some_and(|t| t.format == PayloadFormat::JsonEnvelope),
            max_message_bytes: topics.map_or(u64::MAX, |t| t.max_message_bytes),
            max_records_per_message: topics.map_or(u64::MAX, |t| t.max_records_per_message),
        }
    }
}

/// A decoder of one stream's messages.
#[derive(Debug)]
pub struct JsonDecoder {
    root: Plan,
    options: JsonOptions,
    walk: Walk,
}

impl JsonDecoder {
    /// A decoder for `schema`.
    pub fn new(schema: &Schema, options: JsonOptions) -> Self {
        Self {
            root: Plan::new(&schema.root),
            options,
            walk: Walk::new(options.unknown_fields),
        }
    }

    /// Judges one message: accepted rows are appended to `columns`; `judged` is cleared first and
    /// then tells every verdict.
    pub fn decode(&mut self, message: &[u8], columns: &mut Columns, judged: &mut Judged) {
        judged.clear();
        self.walk.met_unknown = false;
        let rows = columns.rows();
        if let Err(fault) = self.message(message, columns, judged) {
            columns.roll_back(rows);
            judged.clear();
            judged.rejects.push(ElementReject {
                index: 0,
                raw: 0..message.len(),
                fault,
            });
        }
        judged.met_unknown = self.walk.met_unknown;
    }

    /// An error is a fault of the whole message.
    fn message(
        &mut self,
        message: &[u8],
        columns: &mut Columns,
        judged: &mut Judged,
    ) -> Result<(), Fault> {
        let whole = |code, message: &str| Fault {
            code,
            field: None,
            message: message.to_owned(),
        };
        if message.len() as u64 > self.options.max_message_bytes {
            return Err(whole(
                RejectCode::TooLarge,
                "the message is beyond max_message_bytes",
            ));
        }
        if simdutf8::basic::from_utf8(message).is_err() {
            return Err(whole(RejectCode::InvalidUtf8, "the message is not UTF-8"));
        }
        let mut cursor = Cursor::new(message);
        if self.options.envelope {
            return match self.envelope(&mut cursor, message, columns, judged) {
                Ok(()) => Ok(()),
                Err(Stop::Message(flaw)) => Err(flaw.into()),
                Err(Stop::Field(fault)) => {
                    self.check_syntax(message)?;
                    Err(fault.into_fault())
                }
            };
        }
        let end = self.element(&mut cursor, 0, columns, judged)?;
        cursor.end()?;
        if let Some(reject) = judged.rejects.first_mut() {
            reject.raw = 0..message.len();
        }
        debug_assert!(end.end <= message.len());
        Ok(())
    }

    fn check_syntax(&mut self, message: &[u8]) -> Result<(), Flaw> {
        let mut cursor = Cursor::new(message);
        cursor.skip(&mut self.walk.text)?;
        cursor.end()
    }

    /// One record: a row, or a reject. Returns its bytes.
    fn element(
        &mut self,
        cursor: &mut Cursor<'_>,
        index: u32,
        columns: &mut Columns,
        judged: &mut Judged,
    ) -> Result<Range<usize>, Flaw> {
        cursor.peek();
        let start = *cursor;
        let rows = columns.rows();
        match self
            .walk
            .record(cursor, &self.root, &mut columns.columns, rows)
        {
            Ok(()) => {
                columns.accept_row();
                judged.accepted.push(index);
                Ok(start.at..cursor.at)
            }
            Err(Stop::Message(flaw)) => Err(flaw),
            Err(Stop::Field(fault)) => {
                columns.roll_back(rows);
                *cursor = start;
                cursor.skip(&mut self.walk.text)?;
                judged.rejects.push(ElementReject {
                    index,
                    raw: start.at..cursor.at,
                    fault: fault.into_fault(),
                });
                Ok(start.at..cursor.at)
            }
        }
    }

    fn envelope(
        &mut self,
        cursor: &mut Cursor<'_>,
        message: &[u8],
        columns: &mut Columns,
        judged: &mut Judged,
    ) -> Result<(), Stop> {
        let not_one = || {
            fault(
                RejectCode::InvalidEnvelope,
                "the message is not an object with one array \"data\"",
            )
        };
        if cursor.peek() != b'{' {
            return Err(not_one());
        }
        cursor.at += 1;
        cursor.enter()?;
        if cursor.is_empty(b'}') || cursor.string(&mut self.walk.key)? != b"data" {
            return Err(not_one());
        }
        cursor.expect(b':', "a colon was expected")?;
        if cursor.peek() != b'[' {
            return Err(not_one());
        }
        cursor.at += 1;
        cursor.enter()?;
        let mut index: u32 = 0;
        if !cursor.is_empty(b']') {
            loop {
                if u64::from(index) >= self.options.max_records_per_message {
                    return Err(fault(
                        RejectCode::TooLarge,
                        "the message holds more records than max_records_per_message",
                    ));
                }
                self.element(cursor, index, columns, judged)?;
                index += 1;
                if !cursor.more(b']')? {
                    break;
                }
            }
        }
        if cursor.more(b'}')? {
            return Err(not_one());
        }
        cursor.end()?;
        debug_assert!(cursor.at <= message.len());
        if index == 0 {
            judged.skipped = Some(SkipCode::EmptyEnvelope);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
