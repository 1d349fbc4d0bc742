//! Avro text to [`Schema`], or every field that cannot land.
//!
//! Owns: which Avro types land, by `apache-avro`'s parse. Does not own: versions and their
//! compatibility, and the limits of a text (`schema::writer`), which it meets first: a stream's own
//! schema may be as hostile as a stranger's.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use apache_avro::Schema as Avro;
use apache_avro::schema::{
    Alias, DecimalSchema, EnumSchema, InnerDecimalSchema, Name, RecordSchema, UuidSchema,
};
use serde_json::Value as Json;

use crate::schema::writer::WriterSchema;
use crate::schema::{Enum, Field, Record, Schema, Type, Value, defaults};

/// Most fields of a schema, nested ones counted wherever their type stands.
const MAX_FIELDS: usize = 10_000;
/// Most levels of records, arrays and maps within each other.
const MAX_DEPTH: usize = 64;
/// Most digits of a decimal that Delta holds.
const MAX_PRECISION: usize = 38;

/// Parses one version of a subject. With `nanos_as_long`, nanosecond timestamps land as longs
/// instead of being refused.
///
/// # Errors
/// A sentence for each field that cannot land, with its path; or for a text that is no schema.
pub fn parse(
    subject: &str,
    version: u32,
    text: &str,
    nanos_as_long: bool,
) -> Result<Schema, Vec<String>> {
    WriterSchema::parse(text, &[])?;
    let mut json: Json =
        serde_json::from_str(text).map_err(|e| vec![format!("is no Avro schema: {e}")])?;
    set_defaults_aside(&mut json);
    let avro = Avro::parse(&json).map_err(|e| vec![format!("is no Avro schema: {e}")])?;
    let Avro::Record(root) = &avro else {
        return Err(vec!["must be a record at its top".to_owned()]);
    };
    let mut mapper = Mapper {
        nanos_as_long,
        known: HashMap::new(),
        open: Vec::new(),
        faults: Vec::new(),
    };
    let root = mapper.record(root, "");
    if let Some(root) = &root {
        let mut size = Size::default();
        if let Err(limit) = size.record(root, 1) {
            mapper.refuse::<()>("", limit);
        }
    }
    match (root, mapper.faults.is_empty()) {
        (Some(root), true) => Ok(Schema {
            subject: subject.to_owned(),
            version,
            root,
            text: text.into(),
        }),
        _ => Err(mapper.faults),
    }
}

/// The attribute that keeps a field's default from `apache-avro`.
const ASIDE: &str = "weir.default";

/// `apache-avro` would judge the defaults: it takes a fixed's for UTF-8, and it panics over some
/// that are none of their type. They are judged by [`defaults`] alone.
fn set_defaults_aside(schema: &mut Json) {
    match schema {
        Json::Array(branches) => branches.iter_mut().for_each(set_defaults_aside),
        Json::Object(object) => {
            for part in ["type", "items", "values"] {
                object.get_mut(part).map(set_defaults_aside);
            }
            let fields = object.get_mut("fields").and_then(Json::as_array_mut);
            for field in fields.into_iter().flatten() {
                if let Json::Object(field) = field {
                    field.remove(ASIDE);
                    let default = field.remove("default");
                    default.map(|default| field.insert(ASIDE.to_owned(), default));
                    field.get_mut("type").map(set_defaults_aside);
                }
            }
        }
        _ => {}
    }
}

struct Mapper {
    nanos_as_long: bool,
    /// Named types by full name, once mapped.
    known: HashMap<String, Type>,
    /// Records that are being mapped: a reference to one of them is a recursion.
    open: Vec<String>,
    faults: Vec<String>,
}

impl Mapper {
    fn refuse<T>(&mut self, path: &str, why: &str) -> Option<T> {
        let path = match path {
            "" => "the root",
            path => path,
        };
        self.faults.push(format!("{path}: {why}"));
        None
    }

    fn record(&mut self, avro: &RecordSchema, path: &str) -> Option<Arc<Record>> {
        let name = full_name(&avro.name);
        self.define(&name, path)?;
        self.open.push(name.clone());
        let mut fields = Vec::with_capacity(avro.fields.len());
        let mut seen = HashSet::new();
        for field in &avro.fields {
            let path = match path {
                "" => field.name.clone(),
                _ => format!("{path}.{}", field.name),
            };
            let folded = field.name.to_ascii_lowercase();
            if !seen.insert(folded) {
                self.refuse::<()>(&path, "differs only in case from another field");
            }
            let Some(value) = self.value(&field.schema, &path) else {
                continue;
            };
            let default = field.custom_attributes.get(ASIDE);
            if let Some(default) = default
                && let Some(why) = defaults::fault(&value, default)
            {
                self.refuse::<()>(&path, &format!("the default is {why}"));
            }
            fields.push(Field {
                name: field.name.clone(),
                external: field.name.clone(),
                aliases: field.aliases.clone(),
                doc: field.doc.clone(),
                value,
                default: default.cloned(),
                is_key: false,
            });
        }
        self.open.pop();
        if avro.fields.is_empty() {
            return self.refuse(path, "a record must have a field");
        }
        let record = Arc::new(Record {
            name: name.clone(),
            aliases: alias_names(avro.aliases.as_deref()),
            fields,
        });
        self.known.insert(name, Type::Record(record.clone()));
        Some(record)
    }

    fn value(&mut self, avro: &Avro, path: &str) -> Option<Value> {
        let Avro::Union(union) = avro else {
            let ty = self.ty(avro, path)?;
            return Some(Value {
                ty,
                nullable: false,
            });
        };
        let mut others = union.variants().iter().filter(|v| **v != Avro::Null);
        match (others.next(), others.next()) {
            (Some(one), None) => Some(Value {
                ty: self.ty(one, path)?,
                nullable: union.variants().len() > 1,
            }),
            (None, _) => self.refuse(path, "null alone holds nothing"),
            (Some(_), Some(_)) => self.refuse(
                path,
                "a union of several types has no column; make a field of each",
            ),
        }
    }

    fn ty(&mut self, avro: &Avro, path: &str) -> Option<Type> {
        Some(match avro {
            Avro::Boolean => Type::Boolean,
            Avro::Int => Type::Int,
            Avro::Long => Type::Long,
            Avro::Float => Type::Float,
            Avro::Double => Type::Double,
            Avro::Bytes => Type::Bytes,
            Avro::String => Type::String,
            Avro::Date => Type::Date,
            Avro::TimeMillis => Type::TimeMillis,
            Avro::TimeMicros => Type::TimeMicros,
            Avro::TimestampMillis => Type::TimestampMillis,
            Avro::TimestampMicros => Type::TimestampMicros,
            Avro::LocalTimestampMillis => Type::LocalTimestampMillis,
            Avro::LocalTimestampMicros => Type::LocalTimestampMicros,
            Avro::TimestampNanos | Avro::LocalTimestampNanos if !self.nanos_as_long => {
                return self.refuse(
                    path,
                    "nanoseconds have no column; set nanos = \"long\" in the stream to land them as longs",
                );
            }
            Avro::TimestampNanos => Type::TimestampNanos,
            Avro::LocalTimestampNanos => Type::LocalTimestampNanos,
            Avro::Array(array) => {
                Type::Array(Box::new(self.value(&array.items, &format!("{path}[]"))?))
            }
            Avro::Map(map) => Type::Map(Box::new(self.value(&map.types, &format!("{path}{{}}"))?)),
            Avro::Record(record) => Type::Record(self.record(record, path)?),
            Avro::Enum(symbols) => self.symbols(symbols, path)?,
            Avro::Fixed(fixed) => {
                let name = full_name(&fixed.name);
                self.remember(
                    &fixed.name,
                    Type::Fixed {
                        name,
                        aliases: alias_names(fixed.aliases.as_deref()),
                        size: fixed.size,
                    },
                    path,
                )?
            }
            Avro::Decimal(decimal) => self.decimal(decimal, path)?,
            Avro::Uuid(UuidSchema::String) => Type::Uuid,
            Avro::Uuid(UuidSchema::Fixed(fixed)) => {
                let name = full_name(&fixed.name);
                let aliases = alias_names(fixed.aliases.as_deref());
                self.remember(&fixed.name, Type::UuidFixed { name, aliases }, path)?
            }
            Avro::Uuid(UuidSchema::Bytes) => {
                return self.refuse(path, "uuid must be on string or fixed(16), not bytes");
            }
            Avro::BigDecimal => {
                return self.refuse(path, "big-decimal has no fixed scale; use decimal");
            }
            Avro::Duration(_) => return self.refuse(path, "duration has no column"),
            Avro::Null => return self.refuse(path, "null alone holds nothing"),
            Avro::Union(_) => return self.refuse(path, "a union within a union is no Avro"),
            Avro::Ref { name } => return self.reference(name, path),
        })
    }

    fn reference(&mut self, name: &Name, path: &str) -> Option<Type> {
        let name = full_name(name);
        if self.open.contains(&name) {
            return self.refuse(path, &format!("{name} holds itself, which has no column"));
        }
        // a type that was refused was reported where it stands
        self.known.get(&name).cloned()
    }

    fn remember(&mut self, name: &Name, ty: Type, path: &str) -> Option<Type> {
        let name = full_name(name);
        self.define(&name, path)?;
        self.known.insert(name, ty.clone());
        Some(ty)
    }

    /// A name has one definition; `apache-avro` lets the last one win.
    fn define(&mut self, name: &String, path: &str) -> Option<()> {
        match self.known.contains_key(name) || self.open.contains(name) {
            true => self.refuse(path, &format!("the type {name} is defined twice")),
            false => Some(()),
        }
    }

    fn symbols(&mut self, avro: &EnumSchema, path: &str) -> Option<Type> {
        let ty = Type::Enum(Arc::new(Enum {
            name: full_name(&avro.name),
            aliases: alias_names(avro.aliases.as_deref()),
            symbols: avro.symbols.clone(),
            default: avro.default.clone(),
        }));
        self.remember(&avro.name, ty, path)
    }

    fn decimal(&mut self, avro: &DecimalSchema, path: &str) -> Option<Type> {
        if avro.precision == 0 || avro.precision > MAX_PRECISION || avro.scale > avro.precision {
            return self.refuse(
                path,
                "a decimal must have 1 to 38 digits, and no more of them behind the point",
            );
        }
        let ty = Type::Decimal {
            precision: u8::try_from(avro.precision).ok()?,
            scale: i8::try_from(avro.scale).ok()?,
            fixed: match &avro.inner {
                InnerDecimalSchema::Bytes => None,
                InnerDecimalSchema::Fixed(fixed) => Some(fixed.size),
            },
        };
        match &avro.inner {
            InnerDecimalSchema::Bytes => Some(ty),
            InnerDecimalSchema::Fixed(fixed) => self.remember(&fixed.name, ty, path),
        }
    }
}

/// What a schema would unfold to: a named type counts wherever it is used, so that a short text
/// cannot ask for columns without end.
#[derive(Default)]
struct Size {
    fields: usize,
}

impl Size {
    fn record(&mut self, record: &Record, depth: usize) -> Result<(), &'static str> {
        if depth > MAX_DEPTH {
            return Err("nests more than 64 levels");
        }
        for field in &record.fields {
            self.fields += 1;
            if self.fields > MAX_FIELDS {
                return Err("unfolds to more than 10,000 fields");
            }
            self.value(&field.value, depth)?;
        }
        Ok(())
    }

    fn value(&mut self, value: &Value, depth: usize) -> Result<(), &'static str> {
        match &value.ty {
            Type::Record(record) => self.record(record, depth + 1),
            Type::Array(_) | Type::Map(_) if depth >= MAX_DEPTH => Err("nests more than 64 levels"),
            Type::Array(inner) | Type::Map(inner) => self.value(inner, depth + 1),
            _ => Ok(()),
        }
    }
}

fn full_name(name: &Name) -> String {
    name.fullname(None)
}

fn alias_names(aliases: Option<&[Alias]>) -> Vec<String> {
    aliases
        .unwrap_or_default()
        .iter()
        .map(|alias| alias.fullname(None))
        .collect()
}

#[cfg(test)]
mod tests;
