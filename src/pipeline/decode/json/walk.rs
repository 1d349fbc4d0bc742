//! One JSON object into the columns of one record.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::model::reject::RejectCode;
use crate::pipeline::decode::columns::{Column, MAX_COLUMN_BYTES, Values};
use crate::pipeline::decode::defaults;
use crate::pipeline::decode::json::fault::{Step, Stop, fault};
use crate::pipeline::decode::scan::{Cursor, Number};
use crate::pipeline::decode::text::{self, Parsed, Unit};
use crate::schema::{Field, Record, Type, Value};

/// What a walk over a record needs beside the record.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) ignore_unknown: bool,
    pub(super) key: Vec<u8>,
    pub(super) text: Vec<u8>,
}

impl Walk {
    /// One object into `columns`, which hold `rows` rows before it.
    pub(super) fn record(
        &mut self,
        cursor: &mut Cursor<'_>,
        record: &Record,
        columns: &mut [Column],
        rows: usize,
    ) -> Result<(), Stop> {
        if cursor.peek() != b'{' {
            return Err(fault(
                RejectCode::WrongType,
                format!("an object is wanted, {} was seen", kind(cursor)),
            ));
        }
        cursor.at += 1;
        cursor.enter()?;
        let mut filled = 0;
        if !cursor.is_empty(b'}') {
            let mut expected = 0;
            loop {
                let key = cursor.string(&mut self.key)?;
                let at = match find(record, key, expected) {
                    Some(at) => at,
                    None if self.ignore_unknown => {
                        cursor.expect(b':', "a colon was expected")?;
                        cursor.skip(&mut self.text)?;
                        if cursor.more(b'}')? {
                            continue;
                        }
                        break;
                    }
                    None => {
                        let name = String::from_utf8_lossy(key).into_owned();
                        return Err(fault(
                            RejectCode::UnknownField,
                            "the schema has no such field",
                        )
                        .within(|| Step::Name(name)));
                    }
                };
                cursor.expect(b':', "a colon was expected")?;
                let field = &record.fields[at];
                let step = || Step::Name(field.external.clone());
                if columns[at].len() > rows {
                    return Err(
                        fault(RejectCode::DuplicateField, "the field stands twice").within(step)
                    );
                }
                self.value(cursor, &field.value, field.is_key, &mut columns[at])
                    .map_err(|stop| stop.within(step))?;
                filled += 1;
                expected = at + 1;
                if !cursor.more(b'}')? {
                    break;
                }
            }
        }
        if filled < record.fields.len() {
            fill_absent(record, columns, rows)?;
        }
        Ok(())
    }

    fn value(
        &mut self,
        cursor: &mut Cursor<'_>,
        value: &Value,
        is_key: bool,
        column: &mut Column,
    ) -> Result<(), Stop> {
        let first = cursor.peek();
        if first == b'n' {
            cursor.word("null")?;
            if value.nullable {
                column.push_null();
                return Ok(());
            }
            return Err(if is_key {
                fault(RejectCode::NullKey, "null stands in a primary key")
            } else {
                fault(RejectCode::NullValue, "null stands in a required field")
            });
        }
        match (&mut column.values, &value.ty) {
            (Values::Bytes { offsets, data }, ty) => self.bytes(cursor, ty, offsets, data)?,
            (Values::I64(values), ty) => values.push(self.long(cursor, first, ty)?),
            (Values::I32(values), Type::Date) => values.push(self.date(cursor, first)?),
            (Values::I32(values), _) => {
                let n = integer(cursor, first)?;
                values.push(
                    i32::try_from(n).map_err(|_| {
                        fault(RejectCode::OutOfRange, "the integer is beyond an int")
                    })?,
                );
            }
            (Values::F64(values), _) => {
                let n = number(cursor, first, "a number")?;
                values.push(ruled(text::double(n.text, n.is_integer))?);
            }
            (Values::F32(values), _) => {
                let n = number(cursor, first, "a number")?;
                values.push(ruled(text::float(n.text, n.is_integer))?);
            }
            (Values::Bool(values), _) => {
                let is_true = first == b't';
                if !is_true && first != b'f' {
                    return Err(wrong("true or false", cursor));
                }
                cursor.word(if is_true { "true" } else { "false" })?;
                values.push(is_true);
            }
            (
                Values::I128(values),
                Type::Decimal {
                    precision, scale, ..
                },
            ) => {
                values.push(self.decimal(cursor, first, *precision, *scale)?);
            }
            (Values::Struct { fields, rows }, Type::Record(record)) => {
                self.record(cursor, record, fields, *rows)?;
                *rows += 1;
            }
            (Values::List { offsets, items }, Type::Array(of)) => {
                self.array(cursor, of, items)?;
                offsets.push(offset(items.len())?);
            }
            (
                Values::Map {
                    offsets,
                    keys,
                    values,
                },
                Type::Map(of),
            ) => {
                let from = offsets.last().map_or(0, |o| *o as usize);
                self.map(cursor, of, keys, values, from)?;
                offsets.push(offset(keys.len())?);
            }
            _ => return Err(wrong("another type", cursor)),
        }
        column.mark_valid();
        Ok(())
    }

    fn array(
        &mut self,
        cursor: &mut Cursor<'_>,
        of: &Value,
        items: &mut Column,
    ) -> Result<(), Stop> {
        if cursor.peek() != b'[' {
            return Err(wrong("an array", cursor));
        }
        cursor.at += 1;
        cursor.enter()?;
        if cursor.is_empty(b']') {
            return Ok(());
        }
        let mut at = 0;
        loop {
            self.value(cursor, of, false, items)
                .map_err(|stop| stop.within(|| Step::Index(at)))?;
            at += 1;
            if !cursor.more(b']')? {
                return Ok(());
            }
        }
    }

    fn map(
        &mut self,
        cursor: &mut Cursor<'_>,
        of: &Value,
        keys: &mut Column,
        values: &mut Column,
        from: usize,
    ) -> Result<(), Stop> {
        if cursor.peek() != b'{' {
            return Err(wrong("an object", cursor));
        }
        cursor.at += 1;
        cursor.enter()?;
        if cursor.is_empty(b'}') {
            return Ok(());
        }
        loop {
            let key = cursor.string(&mut self.key)?;
            let name = || Step::Key(String::from_utf8_lossy(key).into_owned());
            let Values::Bytes { offsets, data } = &mut keys.values else {
                return Err(fault(RejectCode::WrongType, "a map's keys are texts"));
            };
            let twice = offsets[from..]
                .windows(2)
                .any(|o| data[o[0] as usize..o[1] as usize] == *key);
            if twice {
                return Err(fault(RejectCode::DuplicateField, "the key stands twice").within(name));
            }
            data.extend_from_slice(key);
            offsets.push(offset(data.len())?);
            let step = name();
            cursor.expect(b':', "a colon was expected")?;
            self.value(cursor, of, false, values)
                .map_err(|stop| stop.within(|| step))?;
            if !cursor.more(b'}')? {
                return Ok(());
            }
        }
    }

    fn bytes(
        &mut self,
        cursor: &mut Cursor<'_>,
        ty: &Type,
        offsets: &mut Vec<i32>,
        data: &mut Vec<u8>,
    ) -> Result<(), Stop> {
        if cursor.peek() != b'"' {
            return Err(wrong("a string", cursor));
        }
        let text = cursor.string(&mut self.text)?;
        match ty {
            Type::Enum(of) => {
                if !of.symbols.iter().any(|s| s.as_bytes() == text) {
                    return Err(fault(
                        RejectCode::UnknownSymbol,
                        "the text is no symbol of the enum",
                    ));
                }
                data.extend_from_slice(text);
            }
            Type::Uuid { .. } => {
                if !text::is_uuid(text) {
                    return Err(fault(
                        RejectCode::InvalidFormat,
                        "the text is no uuid of 8-4-4-4-12 hexadecimal digits",
                    ));
                }
                data.extend_from_slice(text);
            }
            Type::Bytes | Type::Fixed { .. } => {
                let from = data.len();
                data.resize(from + text.len() / 4 * 3 + 3, 0);
                let decoded = STANDARD.decode_slice(text, &mut data[from..]);
                let length = decoded.map_err(|_| {
                    fault(
                        RejectCode::InvalidFormat,
                        "the text is no base64 with padding (RFC 4648 section 4)",
                    )
                })?;
                data.truncate(from + length);
                if let Type::Fixed { size, .. } = ty
                    && *size != length
                {
                    return Err(fault(
                        RejectCode::InvalidFormat,
                        "the bytes have not the fixed's length",
                    ));
                }
            }
            _ => data.extend_from_slice(text),
        }
        offsets.push(offset(data.len())?);
        Ok(())
    }

    fn long(&mut self, cursor: &mut Cursor<'_>, first: u8, ty: &Type) -> Result<i64, Stop> {
        type OfText = fn(&[u8], Unit) -> Parsed<i64>;
        let (unit, of_text, check): (Unit, OfText, OfCheck) = match ty {
            Type::TimestampMillis => (Unit::Millis, text::timestamp, text::check_instant),
            Type::TimestampMicros => (Unit::Micros, text::timestamp, text::check_instant),
            Type::TimestampNanos => (Unit::Nanos, text::timestamp, text::check_instant),
            Type::LocalTimestampMillis => {
                (Unit::Millis, text::local_timestamp, text::check_instant)
            }
            Type::LocalTimestampMicros => {
                (Unit::Micros, text::local_timestamp, text::check_instant)
            }
            Type::LocalTimestampNanos => (Unit::Nanos, text::local_timestamp, text::check_instant),
            Type::TimeMillis => (Unit::Millis, text::time, text::check_time),
            Type::TimeMicros => (Unit::Micros, text::time, text::check_time),
            _ => return integer(cursor, first),
        };
        let value = if first == b'"' {
            ruled(of_text(cursor.string(&mut self.text)?, unit))?
        } else {
            ruled(check(integer(cursor, first)?, unit))?
        };
        Ok(match ty {
            // Delta's timestamps are in microseconds.
            Type::TimestampMillis | Type::LocalTimestampMillis => value * 1000,
            _ => value,
        })
    }

    fn date(&mut self, cursor: &mut Cursor<'_>, first: u8) -> Result<i32, Stop> {
        if first == b'"' {
            ruled(text::date(cursor.string(&mut self.text)?))
        } else {
            ruled(text::check_days(integer(cursor, first)?))
        }
    }

    fn decimal(
        &mut self,
        cursor: &mut Cursor<'_>,
        first: u8,
        precision: u8,
        scale: i8,
    ) -> Result<i128, Stop> {
        if first == b'"' {
            let text = cursor.string(&mut self.text)?;
            if !text::is_number(text) {
                return Err(fault(
                    RejectCode::InvalidFormat,
                    "the text is no decimal of JSON's number form",
                ));
            }
            return ruled(text::decimal(text, precision, scale));
        }
        let n = number(cursor, first, "a number or a string")?;
        ruled(text::decimal(n.text, precision, scale))
    }
}

type OfCheck = fn(i64, Unit) -> Parsed<i64>;

/// The place of a field by its outside name; the next one in the schema's order is tried first.
#[inline]
fn find(record: &Record, key: &[u8], expected: usize) -> Option<usize> {
    let is = |f: &Field| f.external.as_bytes() == key;
    if record.fields.get(expected).is_some_and(is) {
        return Some(expected);
    }
    record.fields.iter().position(is)
}

fn fill_absent(record: &Record, columns: &mut [Column], rows: usize) -> Result<(), Stop> {
    for (field, column) in record.fields.iter().zip(columns) {
        if column.len() > rows {
            continue;
        }
        let filled = match &field.default {
            Some(default) => defaults::append(column, &field.value, default),
            None if field.value.nullable => {
                column.push_null();
                Some(())
            }
            None => None,
        };
        if filled.is_none() {
            return Err(
                fault(RejectCode::MissingField, "a required field is absent")
                    .within(|| Step::Name(field.external.clone())),
            );
        }
    }
    Ok(())
}

fn number<'a>(cursor: &mut Cursor<'a>, first: u8, wanted: &str) -> Result<Number<'a>, Stop> {
    if first == b'-' || first.is_ascii_digit() {
        Ok(cursor.number()?)
    } else {
        Err(wrong(wanted, cursor))
    }
}

fn integer(cursor: &mut Cursor<'_>, first: u8) -> Result<i64, Stop> {
    let n = number(cursor, first, "an integer")?;
    if !n.is_integer {
        return Err(fault(
            RejectCode::WrongType,
            "an integer literal is wanted, a number with fraction or exponent was seen",
        ));
    }
    text::integer(n.text)
        .ok_or_else(|| fault(RejectCode::OutOfRange, "the integer is beyond a long"))
}

fn ruled<T>(parsed: Parsed<T>) -> Result<T, Stop> {
    parsed.map_err(|(code, rule)| fault(code, format!("the value {rule}")))
}

fn offset(length: usize) -> Result<i32, Stop> {
    if length > MAX_COLUMN_BYTES {
        return Err(fault(
            RejectCode::TooLarge,
            "the value does not fit a column",
        ));
    }
    i32::try_from(length).map_err(|_| fault(RejectCode::TooLarge, "the value does not fit"))
}

fn kind(cursor: &mut Cursor<'_>) -> &'static str {
    match cursor.peek() {
        b'{' => "an object",
        b'[' => "an array",
        b'"' => "a string",
        b't' | b'f' => "a boolean",
        b'n' => "null",
        b'-' | b'0'..=b'9' => "a number",
        _ => "no value",
    }
}

fn wrong(wanted: &str, cursor: &mut Cursor<'_>) -> Stop {
    let seen = kind(cursor);
    fault(
        RejectCode::WrongType,
        format!("{wanted} is wanted, {seen} was seen"),
    )
}
