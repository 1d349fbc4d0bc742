//! One cell into its column.
//!
//! Owns: how a cell's text tells a value's kind. Does not own: the values' rules, which JSON has too
//! (`decode::text`, `decode::json::values`).

use jiff::civil::Date;

use crate::config::UnknownFields;
use crate::config::dialect::{DateFormat, Dialect, TimestampFormat};
use crate::model::reject::{Fault, RejectCode};
use crate::pipeline::decode::columns::{Column, Values};
use crate::pipeline::decode::field::FieldFault;
use crate::pipeline::decode::json::fault::{Stop, fault};
use crate::pipeline::decode::json::plan::{FieldPlan, Kind};
use crate::pipeline::decode::json::values::{
    decimal, double, float, int, landed, long, null, ruled, text_value,
};
use crate::pipeline::decode::json::walk::Walk;
use crate::pipeline::decode::scan::{Cursor, Flaw, Number};
use crate::pipeline::decode::text::{self, Parsed};
use crate::source::csv::slice::{Cell, unescape};

/// What cells are read by, beside the plan.
#[derive(Debug)]
pub(super) struct Cells {
    dialect: Dialect,
    nulls: Vec<Box<[u8]>>,
    /// True for a byte that one of them begins with: few cells are held against all of them.
    begins_null: Box<[bool; 256]>,
    pub(super) walk: Walk,
    text: Vec<u8>,
    number: Vec<u8>,
}

impl Cells {
    /// `unknown`: what becomes of unknown fields of records within cells.
    pub(super) fn new(dialect: &Dialect, unknown: UnknownFields) -> Self {
        let mut begins_null = Box::new([false; 256]);
        for first in dialect.null.iter().filter_map(|token| token.bytes().next()) {
            begins_null[usize::from(first)] = true;
        }
        Self {
            nulls: dialect.null.iter().map(|t| t.as_bytes().into()).collect(),
            begins_null,
            dialect: dialect.clone(),
            walk: Walk::new(unknown),
            text: Vec::new(),
            number: Vec::new(),
        }
    }

    /// One cell of `text` into the column of its field.
    #[inline]
    pub(super) fn value(
        &mut self,
        text: &[u8],
        cell: &Cell,
        field: &FieldPlan,
        column: &mut Column,
    ) -> Result<(), Stop> {
        let text = &text[cell.range()];
        if !cell.quoted && self.is_null(text) {
            if !field.value.nullable {
                return Err(null(field.is_key));
            }
            column.push_null();
            return Ok(());
        }
        if !cell.escaped {
            return self.text(text, field, column);
        }
        let mut plain = std::mem::take(&mut self.text);
        plain.clear();
        unescape(&self.dialect, text, &mut plain);
        let done = self.text(&plain, field, column);
        self.text = plain;
        done
    }

    #[inline]
    fn is_null(&self, text: &[u8]) -> bool {
        let Some(first) = text.first() else {
            return true;
        };
        self.begins_null[usize::from(*first)] && self.nulls.iter().any(|token| **token == *text)
    }

    #[inline]
    fn text(&mut self, text: &[u8], field: &FieldPlan, column: &mut Column) -> Result<(), Stop> {
        let kind = &field.value.kind;
        match (kind, &mut column.values) {
            (kind, Values::Bytes { offsets, data }) => {
                text_value(kind, text, offsets, data, &mut self.walk.met_unknown)?;
            }
            (Kind::Instant(_) | Kind::LocalTime(_) | Kind::Time(_), Values::I64(values)) => {
                values.push(self.moment(text, kind)?);
            }
            (_, Values::I64(values)) => values.push(integer(text)?),
            (Kind::Date, Values::I32(values)) => values.push(self.date(text)?),
            (_, Values::I32(values)) => values.push(int(integer(text)?)?),
            (_, Values::F64(values)) => values.push(double(&number(self.pointed(text))?)?),
            (_, Values::F32(values)) => values.push(float(&number(self.pointed(text))?)?),
            (_, Values::Bool(values)) => values.push(boolean(text)?),
            (Kind::Decimal { precision, scale }, Values::I128(values)) => {
                values.push(decimal(self.pointed(text), *precision, *scale)?);
            }
            _ => return self.json(text, field, column),
        }
        column.mark_valid();
        Ok(())
    }

    /// A number with the point that JSON has. A point where the dialect has a comma makes it none.
    fn pointed<'a>(&'a mut self, text: &'a [u8]) -> &'a [u8] {
        if self.dialect.decimal == b'.' {
            return text;
        }
        self.number.clear();
        self.number.extend(text.iter().map(|b| match *b {
            b',' => b'.',
            b'.' => b',',
            b => b,
        }));
        &self.number
    }

    fn date(&self, text: &[u8]) -> Result<i32, Stop> {
        let iso = text::date(text);
        let Some(format) = tried(&iso, self.dialect.date_format.as_ref()) else {
            return ruled(iso);
        };
        let days = |date: Date| date.duration_since(Date::constant(1970, 1, 1)).as_secs() / 86_400;
        match DateFormat::parse(format, text) {
            Some(date) => ruled(text::check_days(days(date))),
            None => Err(fault(
                RejectCode::InvalidFormat,
                "the value is neither of the form yyyy-mm-dd nor of date_format",
            )),
        }
    }

    fn moment(&self, text: &[u8], kind: &Kind) -> Result<i64, Stop> {
        let format = self.dialect.timestamp_format.as_ref();
        let (unit, iso, format) = match kind {
            Kind::Instant(unit) => (*unit, text::timestamp(text, *unit), format),
            Kind::LocalTime(unit) => (
                *unit,
                text::local_timestamp(text, *unit),
                format.filter(|f| !f.has_zone()),
            ),
            Kind::Time(unit) => (*unit, text::time(text, *unit), None),
            _ => return integer(text),
        };
        let Some(format) = tried(&iso, format) else {
            return ruled(iso).map(|value| landed(value, kind));
        };
        match TimestampFormat::parse(format, text) {
            Some((seconds, nanos)) => {
                let value: Parsed<i64> = text::of_seconds(seconds, nanos, unit);
                ruled(value).map(|value| landed(value, kind))
            }
            None => Err(fault(
                RejectCode::InvalidFormat,
                "the value is neither RFC 3339 nor of timestamp_format",
            )),
        }
    }

    /// A JSON text. What is wrong with its syntax wins, as in a message.
    #[cold]
    fn json(&mut self, text: &[u8], field: &FieldPlan, column: &mut Column) -> Result<(), Stop> {
        let begin = || {
            let mut cursor = Cursor::new(text);
            // the record around it is the first level, as in a message
            cursor.enter().map(|()| cursor)
        };
        let read = |walk: &mut Walk, column: &mut Column| {
            let mut cursor = begin()?;
            walk.value(&mut cursor, &field.value, field.is_key, column)?;
            cursor.end().map_err(Stop::Message)
        };
        let stop = match read(&mut self.walk, column) {
            Ok(()) => return Ok(()),
            Err(stop) => stop,
        };
        let syntax = begin().and_then(|mut cursor| {
            cursor.skip(&mut self.walk.text)?;
            cursor.end()
        });
        Err(match (syntax, stop) {
            (Err(flaw), _) | (Ok(()), Stop::Message(flaw)) => flawed(flaw),
            (Ok(()), stop) => stop,
        })
    }
}

/// The form to try where a text was not of the standard's; `None` if the standard's verdict stands.
fn tried<'a, T, F>(iso: &Parsed<T>, format: Option<&'a F>) -> Option<&'a F> {
    match iso {
        Err((RejectCode::InvalidFormat, _)) => format,
        _ => None,
    }
}

/// A flaw of a JSON text in a cell.
fn flawed(flaw: Flaw) -> Stop {
    let Fault { code, message, .. } = flaw.into();
    Stop::Field(Box::new(FieldFault::new(
        code,
        format!("the cell's JSON: {message}"),
    )))
}

#[inline]
fn number(text: &[u8]) -> Result<Number<'_>, Stop> {
    number_of(text)
        .ok_or_else(|| fault(RejectCode::WrongType, "a number is wanted, a text was seen"))
}

#[inline]
fn integer(text: &[u8]) -> Result<i64, Stop> {
    match plain_integer(text) {
        Some(value) => Ok(value),
        None => other_integer(text),
    }
}

/// The integer that the whole of `text` is, where it has at most 18 digits.
#[inline]
fn plain_integer(text: &[u8]) -> Option<i64> {
    let (is_negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        _ => (false, text),
    };
    if digits.len() > 18 || matches!(digits, [] | [b'0', _, ..]) {
        return None;
    }
    let mut value = 0;
    for mark in digits {
        let digit = mark.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some(if is_negative { -value } else { value })
}

#[cold]
fn other_integer(text: &[u8]) -> Result<i64, Stop> {
    let number = number_of(text).ok_or_else(|| {
        fault(
            RejectCode::WrongType,
            "an integer is wanted, a text was seen",
        )
    })?;
    long(&number)
}

/// The number that the whole of `text` is.
#[inline(always)]
fn number_of(text: &[u8]) -> Option<Number<'_>> {
    if !matches!(text.first(), Some(b'-' | b'0'..=b'9')) {
        return None;
    }
    match Cursor::new(text).number() {
        Ok(number) if number.text.len() == text.len() => Some(number),
        _ => None,
    }
}

fn boolean(text: &[u8]) -> Result<bool, Stop> {
    if text.eq_ignore_ascii_case(b"true") {
        Ok(true)
    } else if text.eq_ignore_ascii_case(b"false") {
        Ok(false)
    } else {
        Err(fault(
            RejectCode::WrongType,
            "true or false is wanted, another text was seen",
        ))
    }
}
