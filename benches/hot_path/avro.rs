//! The events as Avro data, weir's decoder of them, and one that is written by hand for just this
//! record: the floor.
//!
//! The floor keeps to the same rules (bounds, UTF-8, indices, booleans, the years 0001 to 9999, every
//! byte consumed) and makes the same Arrow arrays, with nothing looked up on the way.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use arrow::buffer::{BooleanBuffer, Buffer, OffsetBuffer, ScalarBuffer};
use weir::config::UnknownFields;
use weir::pipeline::decode::avro::{AvroDecoder, AvroOptions};
use weir::schema::Schema;
use weir::schema::resolve::resolve;
use weir::schema::writer::WriterSchema;

use crate::event::{self, CATEGORIES, Event, Events};

/// The same events, encoded with their own schema.
pub fn data(events: &Events) -> Events {
    let mut data = Events::default();
    let mut datum = Vec::new();
    for message in events.iter() {
        let event: Event<'_> = serde_json::from_slice(message).expect("the events are well made");
        let created: jiff::Timestamp = event.created_at.parse().expect("it is a time");
        let category = CATEGORIES.iter().position(|c| *c == event.category);
        datum.clear();
        text(&mut datum, event.id);
        long(&mut datum, event.number);
        long(&mut datum, category.expect("it is a category") as i64);
        datum.extend(event.amount.to_le_bytes());
        text(&mut datum, event.country);
        long(&mut datum, created.as_microsecond());
        datum.push(u8::from(event.active));
        text(&mut datum, event.note);
        data.push(&datum);
    }
    data
}

fn long(datum: &mut Vec<u8>, value: i64) {
    let mut left = (value << 1 ^ value >> 63) as u64;
    while left >= 0x80 {
        datum.push(left as u8 | 0x80);
        left >>= 7;
    }
    datum.push(left as u8);
}

fn text(datum: &mut Vec<u8>, text: &str) {
    long(datum, text.len() as i64);
    datum.extend_from_slice(text.as_bytes());
}

/// A decoder of data that were written with the reader's own schema.
pub fn decoder(schema: &Schema) -> AvroDecoder {
    let writer = WriterSchema::parse(event::SCHEMA, &[]).expect("it is a schema");
    let plan = resolve(&writer, schema).expect("a schema reads its own data");
    let options = AvroOptions {
        unknown_fields: UnknownFields::Reject,
        max_datum_bytes: 16 << 20,
    };
    AvroDecoder::new(Arc::new(plan), options)
}

/// The columns of the decoder that is written by hand.
#[derive(Default)]
pub struct ByHand {
    id: Texts,
    number: Vec<i64>,
    category: Texts,
    amount: Vec<f64>,
    country: Texts,
    created_at: Vec<i64>,
    active: Vec<bool>,
    note: Texts,
}

struct Texts {
    offsets: Vec<i32>,
    data: Vec<u8>,
}

impl Default for Texts {
    fn default() -> Self {
        Self {
            offsets: vec![0],
            data: Vec::new(),
        }
    }
}

impl Texts {
    fn push(&mut self, text: &str) -> Option<()> {
        self.data.extend_from_slice(text.as_bytes());
        self.offsets.push(i32::try_from(self.data.len()).ok()?);
        Some(())
    }

    fn finish(&mut self) -> ArrayRef {
        let offsets = OffsetBuffer::new(ScalarBuffer::from(taken(&mut self.offsets)));
        self.offsets.push(0);
        let data = Buffer::from_vec(taken(&mut self.data));
        Arc::new(StringArray::new(offsets, data, None))
    }
}

/// Takes a vector and leaves one that has room for as much again.
fn taken<T>(values: &mut Vec<T>) -> Vec<T> {
    let room = values.len();
    std::mem::replace(values, Vec::with_capacity(room))
}

impl ByHand {
    /// One datum; `None` if it is none. (A row that was begun is not taken back.)
    pub fn decode(&mut self, datum: &[u8]) -> Option<()> {
        let mut rest = datum;
        self.id.push(read_text(&mut rest)?)?;
        self.number.push(read_long(&mut rest)?);
        let category = usize::try_from(read_long(&mut rest)?).ok()?;
        self.category.push(CATEGORIES.get(category)?)?;
        let (amount, behind) = rest.split_first_chunk()?;
        self.amount.push(f64::from_le_bytes(*amount));
        rest = behind;
        self.country.push(read_text(&mut rest)?)?;
        let created = read_long(&mut rest)?;
        if !(-62_135_596_800_000_000..253_402_300_800_000_000).contains(&created) {
            return None;
        }
        self.created_at.push(created);
        self.active.push(match rest.split_first()? {
            (0, behind) => {
                rest = behind;
                false
            }
            (1, behind) => {
                rest = behind;
                true
            }
            _ => return None,
        });
        self.note.push(read_text(&mut rest)?)?;
        rest.is_empty().then_some(())
    }

    /// Rows so far.
    pub fn rows(&self) -> usize {
        self.active.len()
    }

    /// Takes the columns.
    pub fn finish(&mut self) -> Vec<ArrayRef> {
        let created = TimestampMicrosecondArray::new(taken(&mut self.created_at).into(), None);
        vec![
            self.id.finish(),
            Arc::new(Int64Array::new(taken(&mut self.number).into(), None)),
            self.category.finish(),
            Arc::new(Float64Array::new(taken(&mut self.amount).into(), None)),
            self.country.finish(),
            Arc::new(created.with_timezone("UTC")),
            Arc::new(BooleanArray::new(
                BooleanBuffer::from(taken(&mut self.active)),
                None,
            )),
            self.note.finish(),
        ]
    }
}

fn read_long(rest: &mut &[u8]) -> Option<i64> {
    let mut value = 0_u64;
    for place in 0..10 {
        let (byte, behind) = rest.split_first()?;
        *rest = behind;
        value |= u64::from(byte & 0x7f).checked_shl(7 * place)?;
        if *byte < 0x80 {
            return Some((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    None
}

fn read_text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let length = usize::try_from(read_long(rest)?).ok()?;
    let (text, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    simdutf8::basic::from_utf8(text).ok()
}
