//! Whether data written with one version of a schema can be read with another.
//!
//! Owns: the specification's rules of schema resolution over weir's own types, for every value that
//! the writer may have written: a null or a symbol that only some data hold counts as written.
//! What matches what is in `schema::matching`, which reading records (`schema::resolve`) shares.
//! Does not own: which versions are compared with which (the level, in `config`), and what a table
//! can follow (`schema::evolve`).

use crate::schema::matching::{Scalar, is_named, takes, written_fields};
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
    let names: Vec<&str> = writer.fields.iter().map(|f| f.name.as_str()).collect();
    for (field, written) in reader.fields.iter().zip(written_fields(reader, &names)) {
        let path = match path {
            "" => field.name.clone(),
            _ => format!("{path}.{}", field.name),
        };
        match written {
            Some(at) => value(&field.value, &writer.fields[at].value, &path, faults),
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
        (Type::UuidFixed { name, aliases }, Type::UuidFixed { name: written, .. }) => {
            named(name, aliases, written, path, faults);
        }
        (reader, writer) if is_taken(reader, writer) => {}
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

fn named(reader: &str, aliases: &[String], writer: &str, path: &str, faults: &mut Vec<String>) {
    if !is_named(reader, aliases, writer) {
        faults.push(format!("{path}: the type {writer} became {reader}"));
    }
}

fn is_taken(reader: &Type, writer: &Type) -> bool {
    let both = Scalar::of(reader).zip(Scalar::of(writer));
    both.is_some_and(|(reader, writer)| takes(reader, writer))
}

#[cfg(test)]
mod tests;
