//! The plan: what the walk over a message needs to know of the schema, compiled once.
//!
//! Owns: which kind of value stands where, and how a field or a symbol is found by its text.

use std::collections::HashMap;
use std::sync::Arc;

use crate::pipeline::decode::text::Unit;
use crate::schema::{Enum, Field, Record, Type, Value};

/// A record.
#[derive(Debug)]
pub(in crate::pipeline::decode) struct Plan {
    pub(in crate::pipeline::decode) fields: Vec<FieldPlan>,
    by_name: HashMap<Box<[u8]>, usize>,
    /// What is absent is filled from here.
    pub(in crate::pipeline::decode) record: Arc<Record>,
    /// The record's full name where null may stand in its place: Avro's JSON wraps such a value in
    /// an object with this one name.
    union_name: Option<Box<[u8]>>,
}

/// A field of a record.
#[derive(Debug)]
pub(in crate::pipeline::decode) struct FieldPlan {
    /// The name in quotes and a colon, as they stand in a message without white space between;
    /// empty where the name needs an escape.
    quoted: Box<[u8]>,
    pub(in crate::pipeline::decode) name: String,
    pub(in crate::pipeline::decode) value: ValuePlan,
    pub(in crate::pipeline::decode) is_key: bool,
}

/// A value.
#[derive(Debug)]
pub(in crate::pipeline::decode) struct ValuePlan {
    pub(in crate::pipeline::decode) kind: Kind,
    pub(in crate::pipeline::decode) nullable: bool,
}

/// What a value is read as.
#[derive(Debug)]
pub(in crate::pipeline::decode) enum Kind {
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Text,
    Symbol(Symbols),
    Uuid,
    Bytes,
    Fixed(usize),
    Decimal { precision: u8, scale: i8 },
    Date,
    Time(Unit),
    Instant(Unit),
    LocalTime(Unit),
    Record(Box<Plan>),
    Array(Box<ValuePlan>),
    Map(Box<ValuePlan>),
}

impl Plan {
    /// The plan of a record.
    pub(in crate::pipeline::decode) fn new(record: &Arc<Record>) -> Self {
        let by_name = record.fields.iter().enumerate();
        Self {
            fields: record.fields.iter().map(FieldPlan::new).collect(),
            by_name: by_name
                .map(|(at, f)| (f.external.as_bytes().into(), at))
                .collect(),
            record: record.clone(),
            union_name: None,
        }
    }

    /// True for the name in which Avro's JSON wraps the record.
    pub(in crate::pipeline::decode) fn is_union_name(&self, name: &[u8]) -> bool {
        self.union_name.as_deref() == Some(name)
    }

    /// The place of a field by its outside name.
    pub(in crate::pipeline::decode) fn find(&self, name: &[u8]) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// The length of the name of field `at` with its quotes and colon, if `message` goes on with
    /// just that.
    #[inline]
    pub(in crate::pipeline::decode) fn stands_at(
        &self,
        at: usize,
        message: &[u8],
    ) -> Option<usize> {
        let quoted = &self.fields.get(at)?.quoted;
        let begin = message.get(..quoted.len())?;
        (!quoted.is_empty() && is_same(begin, quoted)).then_some(quoted.len())
    }
}

/// Equality of texts of one length, without a call for those of 8 to 16 bytes.
#[inline]
fn is_same(a: &[u8], b: &[u8]) -> bool {
    let ends = |text: &[u8]| {
        let first = u64::from_le_bytes(*text.first_chunk()?);
        let last = u64::from_le_bytes(*text.last_chunk()?);
        Some((first, last))
    };
    match (ends(a), ends(b)) {
        (Some(a), Some(b)) if a != b => false,
        (Some(_), Some(_)) if b.len() <= 16 => true,
        _ => a == b,
    }
}

impl FieldPlan {
    fn new(field: &Field) -> Self {
        let name = field.external.as_str();
        let plain = |b: u8| b >= 0x20 && b != b'"' && b != b'\\';
        let quoted = if name.bytes().all(plain) {
            format!("\"{name}\":")
        } else {
            String::new()
        };
        Self {
            quoted: quoted.into_bytes().into(),
            name: name.to_owned(),
            value: ValuePlan::new(&field.value),
            is_key: field.is_key,
        }
    }
}

impl ValuePlan {
    fn new(value: &Value) -> Self {
        let mut kind = Kind::new(&value.ty);
        if let (true, Kind::Record(plan)) = (value.nullable, &mut kind) {
            plan.union_name = Some(plan.record.name.as_bytes().into());
        }
        Self {
            kind,
            nullable: value.nullable,
        }
    }
}

impl Kind {
    fn new(ty: &Type) -> Self {
        match ty {
            Type::Boolean => Kind::Boolean,
            Type::Int => Kind::Int,
            Type::Long => Kind::Long,
            Type::Float => Kind::Float,
            Type::Double => Kind::Double,
            Type::Bytes => Kind::Bytes,
            Type::String => Kind::Text,
            Type::Uuid | Type::UuidFixed { .. } => Kind::Uuid,
            Type::Enum(of) => Kind::Symbol(Symbols::new(of)),
            Type::Fixed { size, .. } => Kind::Fixed(*size),
            Type::Decimal {
                precision, scale, ..
            } => Kind::Decimal {
                precision: *precision,
                scale: *scale,
            },
            Type::Date => Kind::Date,
            Type::TimeMillis => Kind::Time(Unit::Millis),
            Type::TimeMicros => Kind::Time(Unit::Micros),
            Type::TimestampMillis => Kind::Instant(Unit::Millis),
            Type::TimestampMicros => Kind::Instant(Unit::Micros),
            Type::TimestampNanos => Kind::Instant(Unit::Nanos),
            Type::LocalTimestampMillis => Kind::LocalTime(Unit::Millis),
            Type::LocalTimestampMicros => Kind::LocalTime(Unit::Micros),
            Type::LocalTimestampNanos => Kind::LocalTime(Unit::Nanos),
            Type::Record(of) => Kind::Record(Box::new(Plan::new(of))),
            Type::Array(of) => Kind::Array(Box::new(ValuePlan::new(of))),
            Type::Map(of) => Kind::Map(Box::new(ValuePlan::new(of))),
        }
    }
}

/// An enum's symbols, found by length and ends before they are compared.
#[derive(Debug)]
pub(in crate::pipeline::decode) struct Symbols {
    symbols: Vec<Box<[u8]>>,
    /// For each hash the symbols that have it.
    slots: Vec<Vec<u32>>,
}

const SLOTS: usize = 256;

impl Symbols {
    fn new(of: &Enum) -> Self {
        let mut slots = vec![Vec::new(); SLOTS];
        let symbols: Vec<Box<[u8]>> = of.symbols.iter().map(|s| s.as_bytes().into()).collect();
        for (at, symbol) in symbols.iter().enumerate() {
            // Registration bounds the size of a schema far below this.
            slots[slot(symbol)].push(at as u32);
        }
        Self { symbols, slots }
    }

    /// True if `text` is one of them.
    #[inline]
    pub(in crate::pipeline::decode) fn hold(&self, text: &[u8]) -> bool {
        let mut candidates = self.slots[slot(text)].iter();
        candidates.any(|at| *self.symbols[*at as usize] == *text)
    }
}

#[inline]
fn slot(text: &[u8]) -> usize {
    let (first, last) = match text {
        [] => (0, 0),
        [first, .., last] => (*first, *last),
        [one] => (*one, *one),
    };
    let mixed = text.len() * 5 + usize::from(first) * 31 + usize::from(last) * 7;
    mixed % SLOTS
}
