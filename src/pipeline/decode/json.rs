//! JSON messages into columns, by a plan compiled from the schema.
//!
//! Owns: the rules of JSON against a schema, and the order of verdicts: what concerns the whole
//! message first, then fields in the order in which they stand. An accepted record costs no
//! allocation. On a field's fault the row is rolled back and the value is passed over again for
//! its syntax alone, so that a later syntax error wins.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::config::UnknownFields;
use crate::model::reject::{Fault, RejectCode, SkipCode};
use crate::pipeline::decode::columns::{Column, Columns, MAX_COLUMN_BYTES, Values};
use crate::pipeline::decode::scan::Cursor;
use crate::pipeline::decode::text::{self, Parsed, Unit};
use crate::pipeline::decode::{ElementReject, Judged, defaults};
use crate::schema::{Field, Record, Schema, Type, Value};

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

/// A decoder of one stream's messages.
#[derive(Debug)]
pub struct JsonDecoder {
    root: std::sync::Arc<Record>,
    options: JsonOptions,
    walk: Walk,
}

/// What a walk over a record needs beside the record.
#[derive(Debug)]
struct Walk {
    ignore_unknown: bool,
    key: Vec<u8>,
    text: Vec<u8>,
}

/// What ends the walk over a record.
enum Stop {
    Message(Fault),
    Field(FieldFault),
}

/// A fault below the record, with its path from the inside out.
struct FieldFault {
    code: RejectCode,
    message: String,
    path: Vec<Step>,
}

enum Step {
    Name(String),
    Index(usize),
    Key(String),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Stop::Message(fault)
    }
}

fn fault(code: RejectCode, message: impl Into<String>) -> Stop {
    Stop::Field(FieldFault {
        code,
        message: message.into(),
        path: Vec::new(),
    })
}

impl Stop {
    fn within(mut self, step: impl FnOnce() -> Step) -> Self {
        if let Stop::Field(fault) = &mut self {
            fault.path.push(step());
        }
        self
    }
}

impl FieldFault {
    fn into_fault(self) -> Fault {
        let mut path = String::new();
        for step in self.path.iter().rev() {
            match step {
                Step::Name(name) if is_avro_name(name) => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(name);
                }
                Step::Index(at) => path.push_str(&format!("[{at}]")),
                Step::Name(name) | Step::Key(name) => {
                    path.push_str(&format!("[{}]", serde_json::Value::from(name.as_str())));
                }
            }
        }
        Fault {
            code: self.code,
            field: (!path.is_empty()).then_some(path),
            message: self.message,
        }
    }
}

fn is_avro_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

impl JsonDecoder {
    /// A decoder for `schema`.
    pub fn new(schema: &Schema, options: JsonOptions) -> Self {
        Self {
            root: schema.root.clone(),
            options,
            walk: Walk {
                ignore_unknown: options.unknown_fields == UnknownFields::Ignore,
                key: Vec::new(),
                text: Vec::new(),
            },
        }
    }

    /// Judges one message: accepted rows are appended to `columns`; `judged` is cleared first and
    /// then tells every verdict.
    pub fn decode(&mut self, message: &[u8], columns: &mut Columns, judged: &mut Judged) {
        judged.clear();
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
                Err(Stop::Message(fault)) => Err(fault),
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

    fn check_syntax(&mut self, message: &[u8]) -> Result<(), Fault> {
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
    ) -> Result<std::ops::Range<usize>, Fault> {
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
            Err(Stop::Message(fault)) => Err(fault),
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

impl Walk {
    /// One object into `columns`, which hold `rows` rows before it.
    fn record(
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

fn number<'a>(
    cursor: &mut Cursor<'a>,
    first: u8,
    wanted: &str,
) -> Result<crate::pipeline::decode::scan::Number<'a>, Stop> {
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

#[cfg(test)]
mod tests;
