//! One JSON object into the columns of one record.

use std::collections::HashSet;

use crate::config::UnknownFields;
use crate::model::reject::RejectCode;
use crate::pipeline::decode::columns::{Column, Values};
use crate::pipeline::decode::defaults;
use crate::pipeline::decode::json::fault::{Step, Stop, fault};
use crate::pipeline::decode::json::plan::{Kind, Plan, ValuePlan};
use crate::pipeline::decode::json::values::{
    decimal, double, float, int, landed, long, null, offset, push_bytes, ruled, text_value,
};
use crate::pipeline::decode::scan::{Cursor, Number};
use crate::pipeline::decode::text::{self, Parsed, Unit};

/// Keys of a map up to which a repeated one is looked for among the others; beyond, in a set.
const FEW_KEYS: usize = 16;

/// What a walk over a record needs beside its plan.
#[derive(Debug)]
pub(in crate::pipeline::decode) struct Walk {
    pub(in crate::pipeline::decode) ignore_unknown: bool,
    /// A field or a symbol that the plan does not have was met.
    pub(in crate::pipeline::decode) met_unknown: bool,
    pub(in crate::pipeline::decode) key: Vec<u8>,
    pub(in crate::pipeline::decode) text: Vec<u8>,
}

impl Walk {
    pub(in crate::pipeline::decode) fn new(unknown: UnknownFields) -> Self {
        Self {
            ignore_unknown: unknown == UnknownFields::Ignore,
            met_unknown: false,
            key: Vec::new(),
            text: Vec::new(),
        }
    }

    /// One object into `columns`, which hold `rows` rows before it.
    pub(in crate::pipeline::decode) fn record(
        &mut self,
        cursor: &mut Cursor<'_>,
        plan: &Plan,
        columns: &mut [Column],
        rows: usize,
    ) -> Result<(), Stop> {
        if cursor.peek() != b'{' {
            return Err(wrong("an object", cursor));
        }
        cursor.at += 1;
        cursor.enter()?;
        let mut filled = 0;
        if !cursor.is_empty(b'}') {
            let mut expected = 0;
            // Every field so far stands before this place, so that those behind it are new.
            let mut top = 0;
            loop {
                let Some(at) = self.field(cursor, plan, expected)? else {
                    cursor.skip(&mut self.text)?;
                    if cursor.more(b'}')? {
                        continue;
                    }
                    break;
                };
                let field = &plan.fields[at];
                let step = || Step::Name(field.name.clone());
                if at < top && columns[at].len() > rows {
                    return Err(
                        fault(RejectCode::DuplicateField, "the field stands twice").within(step)
                    );
                }
                self.value(cursor, &field.value, field.is_key, &mut columns[at])
                    .map_err(|stop| stop.within(step))?;
                filled += 1;
                expected = at + 1;
                top = top.max(expected);
                if !cursor.more(b'}')? {
                    break;
                }
            }
        }
        if filled < plan.fields.len() {
            fill_absent(plan, columns, rows)?;
        }
        Ok(())
    }

    /// Reads a name and its colon and finds the field; the next one in the schema's order is tried
    /// first, by its bytes. `None` is an unknown one that is to be passed over.
    #[inline]
    fn field(
        &mut self,
        cursor: &mut Cursor<'_>,
        plan: &Plan,
        expected: usize,
    ) -> Result<Option<usize>, Stop> {
        cursor.peek();
        if let Some(length) = plan.stands_at(expected, cursor.rest()) {
            cursor.at += length;
            return Ok(Some(expected));
        }
        let name = cursor.string(&mut self.key)?;
        let found = plan.find(name);
        if found.is_none() && plan.is_union_name(name) {
            return Err(fault(
                RejectCode::WrongType,
                "the plain value is wanted, Avro's form of a union was seen",
            ));
        }
        self.met_unknown |= found.is_none();
        if found.is_none() && !self.ignore_unknown {
            let name = String::from_utf8_lossy(name).into_owned();
            let unknown = fault(RejectCode::UnknownField, "the schema has no such field");
            return Err(unknown.within(|| Step::Name(name)));
        }
        cursor.expect(b':', "a colon was expected")?;
        Ok(found)
    }

    /// One value into its column.
    pub(in crate::pipeline::decode) fn value(
        &mut self,
        cursor: &mut Cursor<'_>,
        plan: &ValuePlan,
        is_key: bool,
        column: &mut Column,
    ) -> Result<(), Stop> {
        let first = cursor.peek();
        if first == b'n' {
            cursor.word("null")?;
            if plan.nullable {
                column.push_null();
                return Ok(());
            }
            return Err(null(is_key));
        }
        match (&plan.kind, &mut column.values) {
            (kind, Values::Bytes { offsets, data }) => self.bytes(cursor, kind, offsets, data)?,
            (kind, Values::I64(values)) => values.push(self.long(cursor, first, kind)?),
            (Kind::Date, Values::I32(values)) => values.push(self.date(cursor, first)?),
            (_, Values::I32(values)) => {
                values.push(int(integer(cursor, first)?)?);
            }
            (_, Values::F64(values)) => {
                values.push(double(&number(cursor, first, "a number")?)?);
            }
            (_, Values::F32(values)) => {
                values.push(float(&number(cursor, first, "a number")?)?);
            }
            (_, Values::Bool(values)) => {
                let is_true = first == b't';
                if !is_true && first != b'f' {
                    return Err(wrong("true or false", cursor));
                }
                cursor.word(if is_true { "true" } else { "false" })?;
                values.push(is_true);
            }
            (Kind::Decimal { precision, scale }, Values::I128(values)) => {
                values.push(self.decimal(cursor, first, *precision, *scale)?);
            }
            (Kind::Record(plan), Values::Struct { fields, rows }) => {
                self.record(cursor, plan, fields, *rows)?;
                *rows += 1;
            }
            (Kind::Array(of), Values::List { offsets, items }) => {
                self.array(cursor, of, items)?;
                offsets.push(offset(items.len())?);
            }
            (
                Kind::Map(of),
                Values::Map {
                    offsets,
                    keys,
                    values,
                },
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
        of: &ValuePlan,
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
        of: &ValuePlan,
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
        let Values::Bytes { offsets, data } = &mut keys.values else {
            return Err(fault(RejectCode::WrongType, "a map's keys are texts"));
        };
        let mut many: HashSet<Box<[u8]>> = HashSet::new();
        loop {
            let key = cursor.string(&mut self.key)?;
            let name = || Step::Key(String::from_utf8_lossy(key).into_owned());
            let mut before = offsets[from..]
                .windows(2)
                .map(|o| &data[o[0] as usize..o[1] as usize]);
            let twice = if before.len() < FEW_KEYS {
                before.any(|k| k == key)
            } else {
                if many.is_empty() {
                    many.extend(before.map(Box::from));
                }
                !many.insert(key.into())
            };
            if twice {
                return Err(fault(RejectCode::DuplicateField, "the key stands twice").within(name));
            }
            push_bytes(offsets, data, key)?;
            cursor.expect(b':', "a colon was expected")?;
            let place = offsets.len();
            self.value(cursor, of, false, values).map_err(|stop| {
                let key = &data[offsets[place - 2] as usize..offsets[place - 1] as usize];
                stop.within(|| Step::Key(String::from_utf8_lossy(key).into_owned()))
            })?;
            if !cursor.more(b'}')? {
                return Ok(());
            }
        }
    }

    #[inline]
    fn bytes(
        &mut self,
        cursor: &mut Cursor<'_>,
        kind: &Kind,
        offsets: &mut Vec<i32>,
        data: &mut Vec<u8>,
    ) -> Result<(), Stop> {
        if cursor.peek() != b'"' {
            return Err(wrong("a string", cursor));
        }
        let text = cursor.string(&mut self.text)?;
        text_value(kind, text, offsets, data, &mut self.met_unknown)
    }

    #[inline]
    fn long(&mut self, cursor: &mut Cursor<'_>, first: u8, kind: &Kind) -> Result<i64, Stop> {
        type OfText = fn(&[u8], Unit) -> Parsed<i64>;
        let (unit, of_text, check): (Unit, OfText, OfCheck) = match kind {
            Kind::Instant(unit) => (*unit, text::timestamp, text::check_instant),
            Kind::LocalTime(unit) => (*unit, text::local_timestamp, text::check_instant),
            Kind::Time(unit) => (*unit, text::time, text::check_time),
            _ => return integer(cursor, first),
        };
        let value = if first == b'"' {
            ruled(of_text(cursor.string(&mut self.text)?, unit))?
        } else {
            ruled(check(integer(cursor, first)?, unit))?
        };
        Ok(landed(value, kind))
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
            return decimal(cursor.string(&mut self.text)?, precision, scale);
        }
        let n = number(cursor, first, "a number or a string")?;
        ruled(text::decimal(n.text, precision, scale))
    }
}

type OfCheck = fn(i64, Unit) -> Parsed<i64>;

/// Fills the columns that have no value in this row, by defaults or nulls.
pub(in crate::pipeline::decode) fn fill_absent(
    plan: &Plan,
    columns: &mut [Column],
    rows: usize,
) -> Result<(), Stop> {
    for (field, column) in plan.record.fields.iter().zip(columns) {
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

#[inline]
fn number<'a>(cursor: &mut Cursor<'a>, first: u8, wanted: &str) -> Result<Number<'a>, Stop> {
    if first == b'-' || first.is_ascii_digit() {
        Ok(cursor.number()?)
    } else {
        Err(wrong(wanted, cursor))
    }
}

#[inline]
fn integer(cursor: &mut Cursor<'_>, first: u8) -> Result<i64, Stop> {
    long(&number(cursor, first, "an integer")?)
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

#[cold]
fn wrong(wanted: &str, cursor: &mut Cursor<'_>) -> Stop {
    let seen = kind(cursor);
    fault(
        RejectCode::WrongType,
        format!("{wanted} is wanted, {seen} was seen"),
    )
}
