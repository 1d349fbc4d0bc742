//! Whether data written with one version of a schema can be read with another.
//!
//! Owns: the specification's rules of schema resolution over weir's own types, for every value that
//! the writer may have written: a null or a symbol that only some data hold counts as written.
//! Stricter in one point: logical types are not laid aside, so that a date is no int and
//! milliseconds are no microseconds. Does not own: which versions are compared with which (the
//! level, in `config`), and what a table can follow (`schema::evolve`).

use crate::schema::{Enum, Record, Schema, Type, Value, names};

/// Why data of `writer` cannot be read with `reader`: a sentence for each field, with its path.
/// Empty if it can.
pub fn faults(reader: &Schema, writer: &Schema) -> Vec<String> {
    let mut faults = Vec::new();
    let (reader, writer) = (&reader.root, &writer.root);
    named(
        &reader.name,
        &reader.aliases,
        &writer.name,
        "the root",
        &mut faults,
    );
    record(reader, writer, "", &mut faults);
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
        (
            Type::Fixed {
                name,
                aliases,
                size,
            },
            Type::Fixed {
                name: written,
                size: written_size,
                ..
            },
        ) => {
            named(name, aliases, written, path, faults);
            if size != written_size {
                faults.push(format!(
                    "{path}: is written with {written_size} bytes and read with {size}"
                ));
            }
        }
        (reader, writer) if reader == writer || promotes(reader, writer) => {}
        _ => faults.push(format!(
            "{path}: is written as {} and read as {}",
            names::avro_type(writer),
            names::avro_type(reader)
        )),
    }
}

fn symbols(reader: &Enum, writer: &Enum, path: &str, faults: &mut Vec<String>) {
    named(&reader.name, &reader.aliases, &writer.name, path, faults);
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

/// Avro's promotions, and the one between logical types that loses nothing: a uuid's text.
fn promotes(reader: &Type, writer: &Type) -> bool {
    matches!(
        (writer, reader),
        (Type::Int, Type::Long | Type::Float | Type::Double)
            | (Type::Long, Type::Float | Type::Double)
            | (Type::Float, Type::Double)
            | (Type::String, Type::Bytes)
            | (Type::Bytes, Type::String)
            | (Type::Uuid { fixed: false }, Type::String | Type::Bytes)
    )
}

#[cfg(test)]
mod tests;
