//! Defaults of absent fields, in Avro's JSON encoding of defaults (specification, "Complex Types").
//!
//! Registration has checked that a default is one of its type; what does not fit here all the same
//! is an internal fault of the record, told as `missing_field`.

use serde_json::Value as Json;

use crate::pipeline::decode::columns::{Column, Values, offset};
use crate::schema::{Type, Value};

/// Appends `default` as a value; `None` if it does not fit.
pub(crate) fn append(column: &mut Column, value: &Value, default: &Json) -> Option<()> {
    if default.is_null() {
        if !value.nullable {
            return None;
        }
        column.push_null();
        return Some(());
    }
    match (&mut column.values, &value.ty) {
        (Values::Bool(v), Type::Boolean) => v.push(default.as_bool()?),
        (Values::I32(v), Type::Int | Type::Date) => v.push(i32::try_from(default.as_i64()?).ok()?),
        (Values::I64(v), Type::TimestampMillis | Type::LocalTimestampMillis) => {
            v.push(default.as_i64()?.checked_mul(1000)?);
        }
        (Values::I64(v), _) => v.push(default.as_i64()?),
        (Values::F32(v), Type::Float) => v.push(default.as_f64()? as f32),
        (Values::F64(v), Type::Double) => v.push(default.as_f64()?),
        (Values::I128(v), Type::Decimal { .. }) => {
            let text = default.as_str()?;
            let negative = text.chars().next().is_some_and(|c| c >= '\u{80}');
            let mut number: i128 = if negative { -1 } else { 0 };
            // registration has checked that the digits fit
            for c in text.chars() {
                number = number << 8 | i128::from(u8::try_from(c).ok()?);
            }
            v.push(number);
        }
        (Values::Bytes { offsets, data }, ty) => {
            let text = default.as_str()?;
            match ty {
                Type::Bytes | Type::Fixed { .. } => push_bytes(data, text)?,
                Type::UuidFixed { .. } => push_uuid(data, text)?,
                _ => data.extend_from_slice(text.as_bytes()),
            }
            offsets.push(offset(data.len())?);
        }
        (Values::Struct { fields, rows }, Type::Record(record)) => {
            let given = default.as_object()?;
            for (field, column) in record.fields.iter().zip(fields) {
                let inner = given.get(&field.name).or(field.default.as_ref())?;
                append(column, &field.value, inner)?;
            }
            *rows += 1;
        }
        (Values::List { offsets, items }, Type::Array(of)) => {
            for item in default.as_array()? {
                append(items, of, item)?;
            }
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
            for (key, item) in default.as_object()? {
                if let Values::Bytes { offsets, data } = &mut keys.values {
                    data.extend_from_slice(key.as_bytes());
                    offsets.push(offset(data.len())?);
                }
                append(values, of, item)?;
            }
            offsets.push(offset(keys.len())?);
        }
        _ => return None,
    }
    column.mark_valid();
    Some(())
}

/// The bytes that a default's text means: one for each character.
fn push_bytes(data: &mut Vec<u8>, text: &str) -> Option<()> {
    for c in text.chars() {
        data.push(u8::try_from(c).ok()?);
    }
    Some(())
}

/// The text of the uuid whose 16 bytes a default's text means.
fn push_uuid(data: &mut Vec<u8>, text: &str) -> Option<()> {
    let mut bytes = [0; 16];
    let mut chars = text.chars();
    for byte in &mut bytes {
        *byte = u8::try_from(chars.next()?).ok()?;
    }
    let uuid = uuid::Uuid::from_bytes(bytes).hyphenated();
    data.extend_from_slice(uuid.encode_lower(&mut [0; 36]).as_bytes());
    chars.next().is_none().then_some(())
}
