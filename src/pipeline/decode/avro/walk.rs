//! One datum into the columns of one row, by a plan.

use crate::model::reject::RejectCode;
use crate::pipeline::decode::avro::bytes::{Budget, Bytes, Flaw, is_utf8};
use crate::pipeline::decode::avro::keys::Keys;
use crate::pipeline::decode::avro::skip::Skip;
use crate::pipeline::decode::columns::{self, Column, Values};
use crate::pipeline::decode::defaults;
use crate::pipeline::decode::field::{FieldFault, Step};
use crate::pipeline::decode::text::{self, Parsed, Unit};
use crate::schema::resolve::{FieldPlan, Items, Read, RecordPlan};
use crate::schema::two_complement;
use crate::schema::writer::WriterSchema;

/// What ends the walk over a datum. It is small, since every step of the walk returns it.
pub(super) enum Stop {
    /// It is none of its writer's schema; what is wrong is found along that schema.
    Datum,
    /// The reader cannot hold it.
    Field(Box<FieldFault>),
}

impl From<Flaw> for Stop {
    #[inline]
    fn from(flaw: Flaw) -> Self {
        match flaw {
            // what the reader's columns would take is not known along the writer's schema
            Flaw::Large => fault(flaw.code(), flaw.rule()),
            _ => Stop::Datum,
        }
    }
}

#[cold]
fn fault(code: RejectCode, message: impl Into<String>) -> Stop {
    Stop::Field(Box::new(FieldFault::new(code, message)))
}

impl Stop {
    #[cold]
    fn within(mut self, step: impl FnOnce() -> Step) -> Self {
        if let Stop::Field(fault) = &mut self {
            fault.push(step());
        }
        self
    }
}

/// What a walk needs beside its plan.
pub(super) struct Walk<'a> {
    pub(super) writer: &'a WriterSchema,
    pub(super) rejects_unknown: bool,
    pub(super) budget: Budget,
    pub(super) keys: &'a mut Keys,
}

impl Walk<'_> {
    /// A whole datum, without its end.
    pub(super) fn root(
        &mut self,
        bytes: &mut Bytes<'_>,
        read: &Read,
        columns: &mut [Column],
    ) -> Result<(), Stop> {
        match chosen(bytes, read)? {
            Read::Record(plan) => self.record(bytes, plan, columns),
            _ => Err(fault(RejectCode::WrongType, "a record is wanted")),
        }
    }

    #[inline]
    fn record(
        &mut self,
        bytes: &mut Bytes<'_>,
        plan: &RecordPlan,
        columns: &mut [Column],
    ) -> Result<(), Stop> {
        for field in &plan.fields {
            match field {
                FieldPlan::Read { column, name, read } => {
                    if let Err(stop) = self.value(bytes, read, &mut columns[*column]) {
                        return Err(stop.within(|| Step::Name(name.clone())));
                    }
                }
                FieldPlan::Unknown { name, .. } if self.rejects_unknown => {
                    let unknown = fault(RejectCode::UnknownField, "the schema has no such field");
                    return Err(unknown.within(|| Step::Name(name.clone())));
                }
                FieldPlan::Unknown { name, ty, depth } => {
                    let mut skip = Skip {
                        writer: self.writer,
                        budget: &mut self.budget,
                    };
                    skip.value(bytes, *ty, *depth)
                        .map_err(|fault| Stop::Field(fault).within(|| Step::Name(name.clone())))?;
                }
            }
        }
        for absent in &plan.absent {
            let column = &mut columns[absent.column];
            if defaults::append(column, &absent.value, &absent.default).is_none() {
                return Err(fault(RejectCode::MissingField, "a default does not fit"));
            }
        }
        Ok(())
    }

    #[inline]
    fn value(
        &mut self,
        bytes: &mut Bytes<'_>,
        read: &Read,
        column: &mut Column,
    ) -> Result<(), Stop> {
        let read = chosen(bytes, read)?;
        match (read, &mut column.values) {
            (Read::Null, _) => {
                column.push_null();
                return Ok(());
            }
            (Read::Text, Values::Bytes { offsets, data }) => {
                push(offsets, data, bytes.text()?)?;
            }
            (Read::Long, Values::I64(values)) => values.push(bytes.long()?),
            (Read::Int, Values::I32(values)) => values.push(bytes.int()?),
            (Read::Double, Values::F64(values)) => {
                values.push(f64::from_le_bytes(bytes.array()?));
            }
            (Read::Float, Values::F32(values)) => values.push(f32::from_le_bytes(bytes.array()?)),
            (Read::Boolean, Values::Bool(values)) => values.push(bytes.boolean()?),
            (Read::Symbols(symbols), Values::Bytes { offsets, data }) => {
                match &symbols[bytes.index(symbols.len())?] {
                    Some(symbol) => push(offsets, data, symbol)?,
                    None => return Err(unknown_symbol()),
                }
            }
            (_, Values::Bytes { offsets, data }) => other_bytes(bytes, read, offsets, data)?,
            (_, Values::I64(values)) => values.push(other_long(bytes, read)?),
            (Read::Date, Values::I32(values)) => {
                values.push(ruled(text::check_days(i64::from(bytes.int()?)))?);
            }
            (_, Values::F32(values)) => values.push(promoted_float(bytes, read)?),
            (_, Values::F64(values)) => values.push(promoted_double(bytes, read)?),
            (Read::Decimal { limit, size }, Values::I128(values)) => {
                let digits = match size {
                    Some(size) => bytes.take(*size)?,
                    None => bytes.bytes()?,
                };
                values.push(decimal(digits, *limit)?);
            }
            (Read::Record(plan), Values::Struct { fields, rows }) => {
                self.record(bytes, plan, fields)?;
                *rows += 1;
            }
            (Read::Array(of), Values::List { offsets, items }) => {
                self.array(bytes, of, items)?;
                offsets.push(offset(items.len())?);
            }
            (
                Read::Map(of),
                Values::Map {
                    offsets,
                    keys,
                    values,
                },
            ) => {
                let from = offsets.last().map_or(0, |o| *o as usize);
                self.map(bytes, of, keys, values, from)?;
                offsets.push(offset(keys.len())?);
            }
            _ => return Err(another_type()),
        }
        column.mark_valid();
        Ok(())
    }

    fn array(&mut self, bytes: &mut Bytes<'_>, of: &Items, items: &mut Column) -> Result<(), Stop> {
        let mut at = 0;
        while let Some(block) = bytes.block(of.least)? {
            self.budget.take(block.count, of.bytes, of.least)?;
            for _ in 0..block.count {
                self.value(bytes, &of.read, items)
                    .map_err(|stop| stop.within(|| Step::Index(at)))?;
                at += 1;
            }
            bytes.leave(&block)?;
        }
        Ok(())
    }

    /// Entries behind the first `from` of the columns.
    fn map(
        &mut self,
        bytes: &mut Bytes<'_>,
        of: &Items,
        keys: &mut Column,
        values: &mut Column,
        from: usize,
    ) -> Result<(), Stop> {
        let read = self.entries(bytes, of, keys, values);
        let Values::Bytes { offsets, data } = &keys.values else {
            return Err(fault(RejectCode::WrongType, "a map's keys are texts"));
        };
        let key = |at: usize| {
            let (begin, end) = (offsets[from + at] as usize, offsets[from + at + 1] as usize);
            Step::Key(String::from_utf8_lossy(&data[begin..end]).into_owned())
        };
        // a key stands before its value, so that it is the first fault
        if !matches!(read, Err(Stop::Datum))
            && let Some(at) = self.keys.repeated(&offsets[from..], data)
        {
            let twice = fault(RejectCode::DuplicateField, "the key stands twice");
            return Err(twice.within(|| key(at)));
        }
        let last = offsets.len().saturating_sub(from + 2);
        read.map_err(|stop| stop.within(|| key(last)))
    }

    fn entries(
        &mut self,
        bytes: &mut Bytes<'_>,
        of: &Items,
        keys: &mut Column,
        values: &mut Column,
    ) -> Result<(), Stop> {
        let Values::Bytes { offsets, data } = &mut keys.values else {
            return Ok(());
        };
        while let Some(block) = bytes.block(of.least + 1)? {
            self.budget.take(block.count, of.bytes, of.least + 1)?;
            for _ in 0..block.count {
                push(offsets, data, bytes.text()?)?;
                self.value(bytes, &of.read, values)?;
            }
            bytes.leave(&block)?;
        }
        Ok(())
    }
}

/// The read of the branch that is written, where the writer's type is a union.
#[inline(always)]
fn chosen<'p>(bytes: &mut Bytes<'_>, read: &'p Read) -> Result<&'p Read, Stop> {
    match read {
        Read::Union(branches) => branch(bytes, branches),
        read => Ok(read),
    }
}

fn branch<'p>(bytes: &mut Bytes<'_>, branches: &'p [Read]) -> Result<&'p Read, Stop> {
    match &branches[bytes.index(branches.len())?] {
        Read::Cannot(why) => {
            let mut stop = fault(why.code, why.message.as_str());
            for name in why.field.iter().flat_map(|path| path.rsplit('.')) {
                stop = stop.within(|| Step::Name(name.to_owned()));
            }
            Err(stop)
        }
        read => Ok(read),
    }
}

fn other_bytes(
    bytes: &mut Bytes<'_>,
    read: &Read,
    offsets: &mut Vec<i32>,
    data: &mut Vec<u8>,
) -> Result<(), Stop> {
    match read {
        Read::Bytes => push(offsets, data, bytes.bytes()?),
        Read::Fixed(size) => push(offsets, data, bytes.take(*size)?),
        Read::BytesAsText => match bytes.bytes()? {
            text if is_utf8(text) => push(offsets, data, text),
            _ => Err(fault(
                RejectCode::InvalidUtf8,
                "the bytes are read as a string and are not UTF-8",
            )),
        },
        Read::Uuid => match bytes.text()? {
            text if text::is_uuid(text) => push(offsets, data, text),
            _ => Err(fault(
                RejectCode::InvalidFormat,
                "the text is no uuid of 8-4-4-4-12 hexadecimal digits",
            )),
        },
        Read::UuidFixed => {
            let uuid = uuid::Uuid::from_bytes(bytes.array()?).hyphenated();
            push(offsets, data, uuid.encode_lower(&mut [0; 36]).as_bytes())
        }
        _ => Err(another_type()),
    }
}

fn other_long(bytes: &mut Bytes<'_>, read: &Read) -> Result<i64, Stop> {
    let (value, unit) = match read {
        Read::IntAsLong => return Ok(i64::from(bytes.int()?)),
        Read::TimeMillis => {
            return ruled(text::check_time(i64::from(bytes.int()?), Unit::Millis));
        }
        Read::TimeMicros => return ruled(text::check_time(bytes.long()?, Unit::Micros)),
        Read::InstantMillis => (bytes.long()?, Unit::Millis),
        Read::InstantMicros => (bytes.long()?, Unit::Micros),
        Read::InstantNanos => (bytes.long()?, Unit::Nanos),
        _ => return Err(another_type()),
    };
    let value = ruled(text::check_instant(value, unit))?;
    Ok(match unit {
        // Delta's timestamps are in microseconds.
        Unit::Millis => value * 1000,
        Unit::Micros | Unit::Nanos => value,
    })
}

fn promoted_float(bytes: &mut Bytes<'_>, read: &Read) -> Result<f32, Stop> {
    let value = match read {
        Read::IntAsFloat => i64::from(bytes.int()?),
        Read::LongAsFloat => bytes.long()?,
        _ => return Err(another_type()),
    };
    let float = value as f32;
    match float as i128 == i128::from(value) {
        true => Ok(float),
        false => Err(rounded()),
    }
}

fn promoted_double(bytes: &mut Bytes<'_>, read: &Read) -> Result<f64, Stop> {
    let value = match read {
        Read::FloatAsDouble => return Ok(f64::from(f32::from_le_bytes(bytes.array()?))),
        Read::IntAsDouble => return Ok(f64::from(bytes.int()?)),
        Read::LongAsDouble => bytes.long()?,
        _ => return Err(another_type()),
    };
    let double = value as f64;
    match double as i128 == i128::from(value) {
        true => Ok(double),
        false => Err(rounded()),
    }
}

/// An unscaled value below `limit`, which is ten to the precision.
fn decimal(digits: &[u8], limit: u128) -> Result<i128, Stop> {
    if digits.is_empty() {
        return Err(fault(RejectCode::InvalidFormat, "a decimal has no bytes"));
    }
    match two_complement(digits) {
        Some(number) if number.unsigned_abs() < limit => Ok(number),
        _ => Err(fault(
            RejectCode::OutOfRange,
            "the value has more digits than the precision",
        )),
    }
}

#[cold]
fn another_type() -> Stop {
    fault(RejectCode::WrongType, "the column is of another type")
}

#[cold]
fn rounded() -> Stop {
    fault(
        RejectCode::Inexact,
        "the value is an integer that the type rounds",
    )
}

#[cold]
fn unknown_symbol() -> Stop {
    fault(
        RejectCode::UnknownSymbol,
        "the symbol is none of the reader's enum, which has no default",
    )
}

#[inline]
fn ruled<T>(parsed: Parsed<T>) -> Result<T, Stop> {
    parsed.map_err(|(code, rule)| fault(code, format!("the value {rule}")))
}

#[inline]
fn push(offsets: &mut Vec<i32>, data: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Stop> {
    data.extend_from_slice(bytes);
    offsets.push(offset(data.len())?);
    Ok(())
}

#[inline]
fn offset(length: usize) -> Result<i32, Stop> {
    columns::offset(length)
        .ok_or_else(|| fault(RejectCode::TooLarge, "the value does not fit a column"))
}
