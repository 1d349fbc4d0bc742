//! How records of one writer's schema are read with a stream's schema.
//!
//! Owns: the specification's schema resolution (1.12), compiled once per pair into a [`Plan`] that
//! a decoder runs over bytes, or why no record of the writer can be read. What only some records
//! hold (a null, a branch of a union, a symbol) is a fault of the record that holds it.
//! Does not own: which names and types match (`schema::matching`), and running a plan
//! (`pipeline::decode::avro`).

mod plan;

use serde_json::Value as Json;

pub use crate::schema::resolve::plan::{Absent, FieldPlan, Items, Plan, Read, RecordPlan};

use crate::model::reject::{Fault, RejectCode};
use crate::schema::matching::{Scalar, is_named, takes, written_fields};
use crate::schema::names;
use crate::schema::writer::{Form, TypeId, WriterSchema};
use crate::schema::{Enum, Field, Record, Schema, Type, Value};

/// Most parts of a plan: unions of like-named records could ask for more without end.
const MAX_PARTS: usize = 100_000;

/// Compiles how a datum of `writer` becomes a row of `reader`.
///
/// # Errors
/// Why no record of the writer can be read, fields in the writer's order, then missing ones in the
/// reader's. Each of its records is to be rejected with the first.
pub fn resolve(writer: &WriterSchema, reader: &Schema) -> Result<Plan, Vec<Fault>> {
    let mut compiler = Compiler {
        writer,
        parts: 0,
        unknown: Vec::new(),
    };
    let root = Value {
        ty: Type::Record(reader.root.clone()),
        nullable: false,
    };
    let at = Place {
        path: "",
        depth: 1,
        is_certain: true,
        is_key: false,
    };
    match compiler.value(&root, writer.root(), at)? {
        read if compiler.parts > MAX_PARTS => {
            drop(read);
            Err(at.fault(
                RejectCode::TooLarge,
                "the schemas together unfold to more than 100,000 parts",
            ))
        }
        root => Ok(Plan {
            writer: writer.clone(),
            root,
            unknown: compiler.unknown,
        }),
    }
}

/// Where a value stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    path: &'a str,
    /// Records, arrays and maps around it, and itself if it is one.
    depth: usize,
    /// False where a record need not hold such a value: within arrays and maps.
    is_certain: bool,
    is_key: bool,
}

impl Place<'_> {
    fn fault(&self, code: RejectCode, message: impl Into<String>) -> Vec<Fault> {
        vec![Fault {
            code,
            field: (!self.path.is_empty()).then(|| self.path.to_owned()),
            message: message.into(),
        }]
    }

    /// The fault with its path from here on.
    fn relative(&self, fault: &Fault) -> Fault {
        let path = fault.field.as_deref().unwrap_or_default();
        let tail = path.get(self.path.len()..).unwrap_or_default();
        let tail = tail.trim_start_matches('.');
        match tail.contains(['[', '{']) {
            // which item is not known here
            true => Fault {
                field: None,
                message: format!("{tail}: {}", fault.message),
                ..fault.clone()
            },
            false => Fault {
                field: (!tail.is_empty()).then(|| tail.to_owned()),
                ..fault.clone()
            },
        }
    }

    fn below(&self, name: &str) -> String {
        match self.path {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        }
    }
}

struct Compiler<'a> {
    writer: &'a WriterSchema,
    parts: usize,
    unknown: Vec<String>,
}

type Resolved<T> = Result<T, Vec<Fault>>;

impl Compiler<'_> {
    /// An error says that the schemas do not match.
    fn value(&mut self, reader: &Value, writer: TypeId, at: Place<'_>) -> Resolved<Read> {
        self.parts += 1;
        if self.parts > MAX_PARTS {
            return Ok(Read::Null);
        }
        match &self.writer.at(writer).form {
            Form::Union(branches) => self.union(reader, branches, at),
            Form::Null if reader.nullable => Ok(Read::Null),
            Form::Null if at.is_key => {
                Err(at.fault(RejectCode::NullKey, "null stands in a primary key"))
            }
            Form::Null => Err(at.fault(RejectCode::NullValue, "null stands in a required field")),
            _ => self.ty(&reader.ty, writer, at),
        }
    }

    /// A branch that cannot be read is a fault of the records that hold it, unless none can be.
    fn union(&mut self, reader: &Value, branches: &[TypeId], at: Place<'_>) -> Resolved<Read> {
        let mut faults = Vec::new();
        let mut reads = Vec::with_capacity(branches.len());
        for branch in branches {
            match self.value(reader, *branch, at) {
                Ok(read) => reads.push(read),
                Err(mut found) => {
                    if let Some(first) = found.first() {
                        reads.push(Read::Cannot(Box::new(at.relative(first))));
                    }
                    faults.append(&mut found);
                }
            }
        }
        let none = reads.iter().all(|read| matches!(read, Read::Cannot(_)));
        match none && at.is_certain {
            true => Err(faults),
            false => Ok(Read::Union(reads)),
        }
    }

    fn ty(&mut self, reader: &Type, writer: TypeId, at: Place<'_>) -> Resolved<Read> {
        let written = self.writer.at(writer);
        match (&written.form, reader) {
            (Form::Record { name, fields }, Type::Record(record)) => {
                named(&record.name, &record.aliases, name, at)?;
                Ok(Read::Record(Box::new(self.record(record, fields, at)?)))
            }
            (Form::Array(items), Type::Array(of)) => {
                Ok(Read::Array(Box::new(self.items(of, *items, "[]", at)?)))
            }
            (Form::Map(values), Type::Map(of)) => {
                Ok(Read::Map(Box::new(self.items(of, *values, "{}", at)?)))
            }
            (Form::Enum { name, symbols }, Type::Enum(of)) => {
                named(&of.name, &of.aliases, name, at)?;
                Ok(Read::Symbols(
                    symbols.iter().map(|s| symbol(of, s)).collect(),
                ))
            }
            (
                Form::Fixed { name, size },
                Type::Fixed {
                    name: read,
                    aliases,
                    size: wanted,
                },
            ) if written.scalar.is_none() => {
                named(read, aliases, name, at)?;
                match size == wanted {
                    true => Ok(Read::Fixed(*size)),
                    false => Err(at.fault(
                        RejectCode::WrongType,
                        format!("is written with {size} bytes and read with {wanted}"),
                    )),
                }
            }
            (
                Form::Fixed { name, .. },
                Type::UuidFixed {
                    name: read,
                    aliases,
                },
            ) if written.scalar == Some(Scalar::UuidFixed) => {
                named(read, aliases, name, at)?;
                Ok(Read::UuidFixed)
            }
            (form, reader) => {
                let scalars = written.scalar.zip(Scalar::of(reader));
                let read = scalars
                    .filter(|(writer, reader)| takes(*reader, *writer))
                    .and_then(|(writer, reader)| scalar(form, writer, reader));
                read.ok_or_else(|| {
                    let (writer, reader) = (self.writer.describe(writer), names::avro_type(reader));
                    let message = format!("is written as {writer} and read as {reader}");
                    at.fault(RejectCode::WrongType, message)
                })
            }
        }
    }

    fn record(
        &mut self,
        reader: &Record,
        written: &[(String, TypeId)],
        at: Place<'_>,
    ) -> Resolved<RecordPlan> {
        let names: Vec<&str> = written.iter().map(|(name, _)| name.as_str()).collect();
        let sources = written_fields(reader, &names);
        let mut columns = vec![None; written.len()];
        for (column, source) in sources.iter().enumerate() {
            if let Some(source) = source {
                columns[*source] = Some(column);
            }
        }
        let mut faults = Vec::new();
        let mut fields = Vec::with_capacity(written.len());
        for ((name, ty), column) in written.iter().zip(columns) {
            let Some(column) = column else {
                self.unknown.push(at.below(name));
                fields.push(FieldPlan::Unknown {
                    name: name.clone(),
                    ty: *ty,
                    depth: at.depth,
                });
                continue;
            };
            match self.field(&reader.fields[column], *ty, column, at) {
                Ok(field) => fields.push(field),
                Err(mut found) => faults.append(&mut found),
            }
        }
        let mut absent = Vec::new();
        for (column, source) in sources.iter().enumerate() {
            let field = &reader.fields[column];
            match (source, &field.default) {
                (Some(_), _) => {}
                (None, Some(default)) => absent.push(Absent {
                    column,
                    value: field.value.clone(),
                    default: default.clone(),
                }),
                (None, None) => faults.extend(
                    Place {
                        path: &at.below(&field.name),
                        ..at
                    }
                    .fault(
                        RejectCode::MissingField,
                        "is not written and has no default",
                    ),
                ),
            }
        }
        match faults.is_empty() {
            true => Ok(RecordPlan { fields, absent }),
            false => Err(faults),
        }
    }

    fn field(
        &mut self,
        reader: &Field,
        written: TypeId,
        column: usize,
        at: Place<'_>,
    ) -> Resolved<FieldPlan> {
        let place = Place {
            path: &at.below(&reader.name),
            depth: at.depth + usize::from(has_parts(&reader.value.ty)),
            is_key: reader.is_key,
            ..at
        };
        Ok(FieldPlan::Read {
            column,
            name: reader.name.clone(),
            read: self.value(&reader.value, written, place)?,
        })
    }

    fn items(&mut self, of: &Value, items: TypeId, step: &str, at: Place<'_>) -> Resolved<Items> {
        let path = format!("{}{step}", at.path);
        let place = Place {
            path: &path,
            depth: at.depth + usize::from(has_parts(&of.ty)),
            is_certain: false,
            is_key: false,
        };
        let read = self.value(of, items, place)?;
        Ok(Items {
            bytes: plan::item_bytes(of, &read),
            read,
            least: self.writer.at(items).least,
        })
    }
}

fn named(reader: &str, aliases: &[String], writer: &str, at: Place<'_>) -> Resolved<()> {
    match is_named(reader, aliases, writer) {
        true => Ok(()),
        false => Err(at.fault(
            RejectCode::WrongType,
            format!("is written as type {writer} and read as {reader}"),
        )),
    }
}

fn has_parts(ty: &Type) -> bool {
    matches!(ty, Type::Record(_) | Type::Array(_) | Type::Map(_))
}

/// What the reader's enum makes of a written symbol; `None` if it cannot hold it.
fn symbol(reader: &Enum, written: &str) -> Option<Box<[u8]>> {
    let known = reader.symbols.iter().find(|s| *s == written);
    let symbol = known.or(reader.default.as_ref())?;
    Some(symbol.as_bytes().into())
}

/// How the bytes of a scalar are read, once the two match.
fn scalar(form: &Form, writer: Scalar, reader: Scalar) -> Option<Read> {
    let size = match form {
        Form::Fixed { size, .. } => Some(*size),
        _ => None,
    };
    Some(match (writer, reader) {
        (Scalar::Boolean, _) => Read::Boolean,
        (Scalar::Int, Scalar::Int) => Read::Int,
        (Scalar::Int, Scalar::Long) => Read::IntAsLong,
        (Scalar::Int, Scalar::Float) => Read::IntAsFloat,
        (Scalar::Int, _) => Read::IntAsDouble,
        (Scalar::Long, Scalar::Long) => Read::Long,
        (Scalar::Long, Scalar::Float) => Read::LongAsFloat,
        (Scalar::Long, _) => Read::LongAsDouble,
        (Scalar::Float, Scalar::Float) => Read::Float,
        (Scalar::Float, _) => Read::FloatAsDouble,
        (Scalar::Double, _) => Read::Double,
        (Scalar::Bytes, Scalar::String) => Read::BytesAsText,
        (Scalar::Bytes, _) => Read::Bytes,
        (Scalar::Uuid, Scalar::Uuid) => Read::Uuid,
        (Scalar::String | Scalar::Uuid, _) => Read::Text,
        (Scalar::UuidFixed, _) => Read::UuidFixed,
        (Scalar::Decimal { precision, .. }, _) => Read::Decimal {
            limit: 10_u128.checked_pow(u32::try_from(precision).ok()?)?,
            size,
        },
        (Scalar::Date, _) => Read::Date,
        (Scalar::TimeMillis, _) => Read::TimeMillis,
        (Scalar::TimeMicros, _) => Read::TimeMicros,
        (Scalar::TimestampMillis | Scalar::LocalTimestampMillis, _) => Read::InstantMillis,
        (Scalar::TimestampMicros | Scalar::LocalTimestampMicros, _) => Read::InstantMicros,
        (Scalar::TimestampNanos | Scalar::LocalTimestampNanos, _) => Read::InstantNanos,
        (Scalar::BigDecimal | Scalar::Duration, _) => return None,
    })
}

/// Bytes that a default takes in columns, about.
fn default_bytes(value: &Value, default: &Json) -> usize {
    match (default, &value.ty) {
        (Json::Array(given), Type::Array(of)) => {
            8 + given
                .iter()
                .map(|item| default_bytes(of, item))
                .sum::<usize>()
        }
        (Json::Object(given), Type::Map(of)) => {
            let entry = |(key, item): (&String, &Json)| key.len() + 8 + default_bytes(of, item);
            8 + given.iter().map(entry).sum::<usize>()
        }
        (Json::Object(given), Type::Record(record)) => record
            .fields
            .iter()
            .filter_map(|f| {
                Some(default_bytes(
                    &f.value,
                    given.get(&f.name).or(f.default.as_ref())?,
                ))
            })
            .sum(),
        (Json::String(text), _) => text.len() + plan::fixed_bytes(value),
        _ => plan::fixed_bytes(value),
    }
}

#[cfg(test)]
mod tests;
