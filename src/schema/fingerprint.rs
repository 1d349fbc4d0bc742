//! A schema's fingerprint, by which single-object encoding names it.
//!
//! Owns: the parsing canonical form and its CRC-64-AVRO (specification, "Parsing Canonical Form for
//! Schemas", "Schema Fingerprints"). Written here since the Avro crate's form keeps `order`,
//! `precision` and `scale`, which the specification strips.

use std::sync::Arc;

use serde_json::Value;

use crate::schema::inline::{inlined, is_built_in, names, qualified};

/// The fingerprint of a schema whose definitions stand in `text` and in what it refers to.
///
/// # Errors
/// A text that is no schema.
pub fn fingerprint(text: &str, references: &[Arc<str>]) -> Result<u64, String> {
    Ok(crc64(canonical(text, references)?.as_bytes()))
}

/// The parsing canonical form.
fn canonical(text: &str, references: &[Arc<str>]) -> Result<String, String> {
    let text = inlined(text, references)?;
    // As deep as JSON may be, which the parser bounds.
    let schema = serde_json::from_str(&text).map_err(|_| "is no JSON".to_owned())?;
    let mut form = String::with_capacity(text.len());
    write(&schema, "", &mut form).ok_or("is no Avro schema")?;
    Ok(form)
}

/// Appends the form of `schema`; `None` if it is none.
fn write(schema: &Value, around: &str, form: &mut String) -> Option<()> {
    match schema {
        Value::String(name) => write_name(name, around, form),
        Value::Array(branches) => {
            write_list(branches, form, |branch, form| write(branch, around, form))?;
        }
        Value::Object(_) => match schema.get("type")? {
            Value::String(kind) => write_kind(schema, kind, around, form)?,
            inner => write(inner, around, form)?,
        },
        _ => return None,
    }
    Some(())
}

fn write_kind(schema: &Value, kind: &str, around: &str, form: &mut String) -> Option<()> {
    match kind {
        "record" | "error" => {
            let inside = write_head(schema, "record", around, form)?;
            form.push_str(",\"fields\":");
            let fields = schema.get("fields")?.as_array()?;
            write_list(fields, form, |field, form| {
                form.push_str("{\"name\":");
                write_text(field.get("name")?.as_str()?, form);
                form.push_str(",\"type\":");
                write(field.get("type")?, &inside, form)?;
                form.push('}');
                Some(())
            })?;
            form.push('}');
        }
        "enum" => {
            write_head(schema, kind, around, form)?;
            form.push_str(",\"symbols\":");
            write_list(schema.get("symbols")?.as_array()?, form, |symbol, form| {
                write_text(symbol.as_str()?, form);
                Some(())
            })?;
            form.push('}');
        }
        "fixed" => {
            write_head(schema, kind, around, form)?;
            // Old writers put the number in quotes.
            let size = schema.get("size")?;
            let size = size.as_u64().or_else(|| size.as_str()?.parse().ok())?;
            form.push_str(&format!(",\"size\":{size}}}"));
        }
        "array" => {
            form.push_str("{\"type\":\"array\",\"items\":");
            write(schema.get("items")?, around, form)?;
            form.push('}');
        }
        "map" => {
            form.push_str("{\"type\":\"map\",\"values\":");
            write(schema.get("values")?, around, form)?;
            form.push('}');
        }
        name => write_name(name, around, form),
    }
    Some(())
}

/// Name and type of a definition; the namespace of what is in it.
fn write_head(schema: &Value, kind: &str, around: &str, form: &mut String) -> Option<String> {
    let (name, inside) = names(schema, around)?;
    form.push_str("{\"name\":");
    write_text(&name, form);
    form.push_str(",\"type\":");
    write_text(kind, form);
    Some(inside)
}

fn write_name(name: &str, around: &str, form: &mut String) {
    match is_built_in(name) {
        true => write_text(name, form),
        false => write_text(&qualified(name, around), form),
    }
}

fn write_text(text: &str, form: &mut String) {
    form.push('"');
    form.push_str(text);
    form.push('"');
}

fn write_list(
    items: &[Value],
    form: &mut String,
    mut item: impl FnMut(&Value, &mut String) -> Option<()>,
) -> Option<()> {
    form.push('[');
    for (i, value) in items.iter().enumerate() {
        if i > 0 {
            form.push(',');
        }
        item(value, form)?;
    }
    form.push(']');
    Some(())
}

/// The Rabin fingerprint of the specification.
fn crc64(bytes: &[u8]) -> u64 {
    const EMPTY: u64 = 0xc15d_213a_a4d7_a795;
    let mut crc = EMPTY;
    for byte in bytes {
        crc ^= u64::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (EMPTY & (crc & 1).wrapping_neg());
        }
    }
    crc
}

#[cfg(test)]
mod tests;
