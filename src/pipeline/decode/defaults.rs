//! Defaults of absent fields, in Avro's JSON encoding of defaults (specification, "Complex Types").
//!
//! Registration has checked that a default is one of its type; what does not fit here all the same
//! is an internal fault of the record, told as `missing_field`.

use serde_json::Value as Json;

use crate::pipeline::decode::columns::{Column, Values};
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
    let fixed_bytes = |text: &str| -> Option<Vec<u8>> {
        text.chars()
            .map(|c| u8::try_from(u32::from(c)).ok())
            .collect()
    };
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
            let bytes = fixed_bytes(default.as_str()?)?;
            let negative = bytes.first().is_some_and(|b| b & 0x80 != 0);
            let start = if negative { -1 } else { 0 };
            v.push(
                bytes
                    .iter()
                    .fold(start, |n: i128, b| n << 8 | i128::from(*b)),
            );
        }
        (Values::Bytes { offsets, data }, ty) => {
            let text = default.as_str()?;
            match ty {
                Type::Bytes | Type::Fixed { .. } => data.extend(fixed_bytes(text)?),
                _ => data.extend_from_slice(text.as_bytes()),
            }
            offsets.push(i32::try_from(data.len()).ok()?);
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
            offsets.push(i32::try_from(items.len()).ok()?);
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
                    offsets.push(i32::try_from(data.len()).ok()?);
                }
                append(values, of, item)?;
            }
            offsets.push(i32::try_from(keys.len()).ok()?);
        }
        _ => return None,
    }
    column.mark_valid();
    Some(())
}
