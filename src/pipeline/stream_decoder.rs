//! The decoder of one stream: a message's framing, its writer, and the decoder of its format.
//!
//! Owns: which decoder a message goes to, the order of verdicts before any decoder (size, then
//! framing, then the writer's schema), and what a message has to wait for. A writer that was met
//! before costs a comparison. Does not own: the decoders (`decode`), finding schemas (`writers`).

use std::collections::{HashMap, HashSet};
use std::ffi::CStr;
use std::ops::Range;
use std::sync::Arc;

use crate::clock::Tick;
use crate::config::{Framing, PayloadFormat, Stream};
use crate::model::reject::{Fault, RejectCode};
use crate::pipeline::decode::avro::{AvroDecoder, AvroOptions};
use crate::pipeline::decode::columns::Columns;
use crate::pipeline::decode::framing::{self, VALUE_HEADER, Writer};
use crate::pipeline::decode::json::{JsonDecoder, JsonOptions};
use crate::pipeline::decode::{ElementReject, Judged};
use crate::pipeline::writers::{Found, Resolved, Writers};

/// Most writers whose decoders are held; beyond, all are made again as they are needed.
const DECODERS: usize = 1024;

/// Writers that are asked for behind a message that waits for its own.
const AHEAD: usize = 64;

/// A message on its way to its decoder.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// Its value.
    pub value: &'a [u8],
    /// The value of the header that names its writer, if it has one.
    pub header: Option<&'a [u8]>,
    /// Its topic.
    pub topic: &'a Arc<str>,
    /// When it was there, fetched.
    pub seen: Tick,
}

/// What a message waits for before it can be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitsFor {
    /// A look for newer versions of the stream's schema, which may know what this one does not.
    Look,
    /// The schema of its writer.
    Writer(Writer),
}

/// The decoder of a stream at one version of its schema.
#[derive(Debug)]
pub struct StreamDecoder {
    framing: Framing,
    max_message_bytes: u64,
    form: Form,
    /// Of the message that was decoded last.
    writer: Writer,
}

#[derive(Debug)]
enum Form {
    Json(Box<JsonDecoder>),
    Avro(AvroForm),
}

#[derive(Debug)]
struct AvroForm {
    writers: Arc<Writers>,
    options: AvroOptions,
    known: Vec<Known>,
    by_writer: HashMap<Writer, usize>,
    /// The place in `known` of the last message's writer.
    last: Option<usize>,
}

/// A writer that was met.
#[derive(Debug)]
struct Known {
    writer: Writer,
    resolved: Arc<Resolved>,
    /// There unless none of its data can be read.
    decoder: Option<AvroDecoder>,
    /// The topics whose messages may be of it.
    topics: Vec<Arc<str>>,
}

/// The header that the messages of `stream` name their writers in.
pub fn header(stream: &Stream) -> Option<&'static CStr> {
    let topics = stream.topics.as_ref()?;
    (topics.framing == Framing::Header).then_some(VALUE_HEADER)
}

impl StreamDecoder {
    /// A decoder of whole messages of `stream`.
    pub fn of_messages(stream: &Stream, writers: &Arc<Writers>) -> Self {
        let topics = stream.topics.as_ref();
        let max_message_bytes = topics.map_or(u64::MAX, |t| t.max_message_bytes);
        let form = match topics.map(|t| t.format) {
            Some(PayloadFormat::Avro) => Form::Avro(AvroForm {
                writers: writers.clone(),
                options: AvroOptions {
                    unknown_fields: stream.unknown_fields,
                    max_datum_bytes: max_message_bytes,
                },
                known: Vec::new(),
                by_writer: HashMap::new(),
                last: None,
            }),
            _ => json(stream, JsonOptions::of(stream)),
        };
        Self {
            framing: topics.map_or(Framing::None, |t| t.framing),
            max_message_bytes,
            form,
            writer: Writer::Declared,
        }
    }

    /// A decoder of single records, as an envelope holds them.
    pub fn of_records(stream: &Stream) -> Self {
        let options = JsonOptions {
            envelope: false,
            ..JsonOptions::of(stream)
        };
        Self {
            framing: Framing::None,
            max_message_bytes: u64::MAX,
            form: json(stream, options),
            writer: Writer::Declared,
        }
    }

    /// Judges a message: its rows are appended to `columns`, `judged` tells the verdicts, whose `raw`
    /// is a place in the value. `looked` is when newer versions were last looked for. A message that
    /// has to wait leaves no trace.
    pub fn decode(
        &mut self,
        message: Message<'_>,
        looked: Tick,
        columns: &mut Columns,
        judged: &mut Judged,
    ) -> Option<WaitsFor> {
        let mut start = 0;
        if self.framing != Framing::None {
            match self.unframed(message) {
                Ok(found) => start = found,
                Err(fault) => {
                    reject_whole(message.value, fault, judged);
                    return None;
                }
            }
        }
        let payload = &message.value[start..];
        let waits = match &mut self.form {
            Form::Json(decoder) => {
                let rows = columns.rows();
                decoder.decode(payload, columns, judged);
                let waits = judged.met_unknown && looked <= message.seen;
                waits.then(|| {
                    columns.roll_back(rows);
                    WaitsFor::Look
                })
            }
            Form::Avro(avro) => match avro.place(self.writer, message) {
                Place::Known(place) => avro.decode(place, payload, looked, columns, judged),
                Place::Refused(fault) => {
                    reject_whole(message.value, fault, judged);
                    return None;
                }
                Place::Pending => Some(WaitsFor::Writer(self.writer)),
            },
        };
        if start > 0 {
            for reject in &mut judged.rejects {
                reject.raw = in_value(&reject.raw, start, message.value.len());
            }
        }
        waits
    }

    /// Asks for the writers of `messages`, which stand behind one that waits, so that a run of ids
    /// that are not known costs one wait and not one each.
    pub fn ask_ahead<'a>(&self, messages: impl Iterator<Item = Message<'a>>) {
        let Form::Avro(avro) = &self.form else {
            return;
        };
        let mut asked = HashSet::new();
        for message in messages {
            let Ok((writer, _)) = framing::parse(self.framing, message.value, message.header)
            else {
                continue;
            };
            if avro.by_writer.contains_key(&writer) || !asked.insert(writer) {
                continue;
            }
            // The answer is found when it is the message's turn.
            let _ = avro.writers.find(writer, message.topic, message.seen);
            if asked.len() == AHEAD {
                return;
            }
        }
    }

    /// What the message that was decoded last says of its writer's schema.
    pub fn writer_schema(&self) -> Option<String> {
        if let Form::Avro(AvroForm {
            known,
            last: Some(last),
            ..
        }) = &self.form
            && let Some(known) = known.get(*last)
        {
            return Some(known.resolved.name.to_string());
        }
        match self.writer {
            Writer::Declared => None,
            writer => Some(writer.to_string()),
        }
    }

    /// Where the payload begins; the writer is noted.
    fn unframed(&mut self, message: Message<'_>) -> Result<usize, Fault> {
        self.writer = Writer::Declared;
        if let Form::Avro(avro) = &mut self.form {
            avro.last = None;
        }
        if message.value.len() as u64 > self.max_message_bytes {
            return Err(Fault {
                code: RejectCode::TooLarge,
                field: None,
                message: "the message is beyond max_message_bytes".to_owned(),
            });
        }
        let (writer, start) = framing::parse(self.framing, message.value, message.header)?;
        self.writer = writer;
        Ok(start)
    }
}

fn json(stream: &Stream, options: JsonOptions) -> Form {
    Form::Json(Box::new(JsonDecoder::new(&stream.schema, options)))
}

fn reject_whole(value: &[u8], fault: Fault, judged: &mut Judged) {
    judged.clear();
    judged.rejects.push(ElementReject {
        index: 0,
        raw: 0..value.len(),
        fault,
    });
}

/// A place in a payload as one in its value: a message's bytes are all of it, its framing too.
fn in_value(raw: &Range<usize>, start: usize, length: usize) -> Range<usize> {
    match *raw == (0..length - start) {
        true => 0..length,
        false => raw.start + start..raw.end + start,
    }
}

/// What is known of a message's writer.
enum Place {
    Known(usize),
    Refused(Fault),
    Pending,
}

impl AvroForm {
    fn place(&mut self, writer: Writer, message: Message<'_>) -> Place {
        let last = self.last.filter(|at| self.known[*at].writer == writer);
        let place = last.or_else(|| self.by_writer.get(&writer).copied());
        if let Some(at) = place
            && self.known[at].is_of(message.topic)
        {
            self.last = Some(at);
            return Place::Known(at);
        }
        self.meet(writer, message)
    }

    /// A writer that this decoder has not met, or not in that topic.
    #[cold]
    fn meet(&mut self, writer: Writer, message: Message<'_>) -> Place {
        self.last = None;
        let resolved = match writer {
            Writer::Declared => self.writers.declared(message.seen),
            _ => match self.writers.find(writer, message.topic, message.seen) {
                Found::Pending => return Place::Pending,
                Found::Refused(fault) => return Place::Refused(fault),
                Found::Resolved(resolved) => Some(resolved),
            },
        };
        let Some(resolved) = resolved else {
            return Place::Refused(Fault {
                code: RejectCode::UnknownSchema,
                field: None,
                message: "the stream declares no writer".to_owned(),
            });
        };
        if let Some(at) = self.by_writer.get(&writer).copied() {
            self.known[at].topics.push(message.topic.clone());
            self.last = Some(at);
            return Place::Known(at);
        }
        if self.known.len() >= DECODERS {
            self.known.clear();
            self.by_writer.clear();
        }
        let at = self.known.len();
        let plan = resolved.plan.as_ref().ok();
        self.known.push(Known {
            writer,
            decoder: plan.map(|plan| AvroDecoder::new(plan.clone(), self.options)),
            resolved,
            topics: vec![message.topic.clone()],
        });
        self.by_writer.insert(writer, at);
        self.last = Some(at);
        Place::Known(at)
    }

    fn decode(
        &mut self,
        place: usize,
        payload: &[u8],
        looked: Tick,
        columns: &mut Columns,
        judged: &mut Judged,
    ) -> Option<WaitsFor> {
        let Known {
            resolved, decoder, ..
        } = &mut self.known[place];
        // What a newer version may take of a writer is looked for once.
        if !resolved.is_whole && looked <= resolved.met {
            return Some(WaitsFor::Look);
        }
        match (&resolved.plan, decoder) {
            (Ok(_), Some(decoder)) => decoder.decode(payload, columns, judged),
            (Err(fault), _) => reject_whole(payload, fault.clone(), judged),
            (Ok(_), None) => {}
        }
        None
    }
}

impl Known {
    fn is_of(&self, topic: &Arc<str>) -> bool {
        let mut topics = self.topics.iter();
        topics.any(|t| Arc::ptr_eq(t, topic) || t == topic)
    }
}

#[cfg(test)]
mod tests;
