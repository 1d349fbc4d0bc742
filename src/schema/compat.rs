//! Whether data written with one version of a schema can be read with another.
//!
//! Owns: Avro's rules of schema resolution, strictly, over weir's own types. Does not own: which
//! versions are compared with which (the level, in `config`).

use crate::schema::{Enum, Record, Schema, Type, Value};

/// Why data of `writer` cannot be read with `reader`: a sentence for each field, with its path.
/// Empty if it can.
pub fn faults(reader: &Schema, writer: &Schema) -> Vec<String> {
    let mut faults = Vec::new();
    record(&reader.root, &writer.root, "", &mut faults);
    faults
}

fn record(reader: &Record, writer: &Record, path: &str, faults: &mut Vec<String>) {
    for field in &reader.fields {
        let path = match path {
            "" => field.name.clone(),
            _ => format!("{path}.{}", field.name),
        };
        let written = writer
            .fields
            .iter()
            .find(|w| w.name == field.name)
            .or_else(|| {
                writer
                    .fields
                    .iter()
                    .find(|w| field.aliases.contains(&w.name))
            });
        match written {
            Some(written) => value(&field.value, &written.value, &path, faults),
            None if field.default.is_some() => {}
            None => faults.push(format!("{path}: is not written and has no default")),
        }
    }
}

fn value(reader: &Value, writer: &Value, path: &str, faults: &mut Vec<String>) {
    if writer.nullable && !reader.nullable {
        faults.push(format!("{path}: null is written and cannot be read"));
    }
    ty(&reader.ty, &writer.ty, path, faults);
}

fn ty(reader: &Type, writer: &Type, path: &str, faults: &mut Vec<String>) {
    match (reader, writer) {
        (Type::Record(reader), Type::Record(writer)) => {
            named(&reader.name, &reader.aliases, &writer.name, path, faults);
            record(reader, writer, path, faults);
        }
        (Type::Array(reader), Type::Array(writer)) => {
            value(reader, writer, &format!("{path}[]"), faults);
        }
        (Type::Map(reader), Type::Map(writer)) => {
            value(reader, writer, &format!("{path}{{}}"), faults);
        }
        (Type::Enum(reader), Type::Enum(writer)) => symbols(reader, writer, path, faults),
        (reader, writer) if reader == writer || promotes(reader, writer) => {}
        _ => faults.push(format!("{path}: its type changes")),
    }
}

fn symbols(reader: &Enum, writer: &Enum, path: &str, faults: &mut Vec<String>) {
    named(&reader.name, &[], &writer.name, path, faults);
    if reader.default.is_some() {
        return;
    }
    for symbol in &writer.symbols {
        if !reader.symbols.contains(symbol) {
            faults.push(format!(
                "{path}: the symbol {symbol} is written and cannot be read"
            ));
        }
    }
}

/// Named types match by their last name, or by an alias.
fn named(reader: &str, aliases: &[String], writer: &str, path: &str, faults: &mut Vec<String>) {
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    if last(reader) != last(writer) && !aliases.iter().any(|a| a == writer) {
        faults.push(format!("{path}: the type {writer} became {reader}"));
    }
}

/// Avro's promotions; logical types have none.
fn promotes(reader: &Type, writer: &Type) -> bool {
    matches!(
        (writer, reader),
        (Type::Int, Type::Long | Type::Float | Type::Double)
            | (Type::Long, Type::Float | Type::Double)
            | (Type::Float, Type::Double)
            | (Type::String, Type::Bytes)
            | (Type::Bytes, Type::String)
    )
}

#[cfg(test)]
mod tests;
