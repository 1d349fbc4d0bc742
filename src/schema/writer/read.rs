//! Avro's JSON to the graph of types.
//!
//! Each level of the text is read by itself and its parts are kept as text until their turn, so that
//! a hostile one costs no stack and no tree: time is bounded by [`MAX_TEXT`] × [`MAX_LEVELS`].

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::schema::matching::Scalar;
use crate::schema::writer::{
    Form, MAX_ALIASED, MAX_FIELDS, MAX_FIXED, MAX_LEVELS, MAX_SYMBOLS, MAX_TEXT, TypeId, Written,
};

/// Most bytes of a name.
const MAX_NAME: usize = 512;

/// The types of `text` and of what it refers to, and the place of its root; or what is wrong.
pub(super) fn read(text: &str, references: &[&str]) -> Result<(Vec<Written>, TypeId), String> {
    let bytes = references.iter().map(|r| r.len()).sum::<usize>() + text.len();
    if bytes > MAX_TEXT {
        return Err("the root: the schema has more than 1 MiB of text".to_owned());
    }
    let mut reader = Reader::default();
    let mut seen = HashSet::new();
    for reference in references {
        if seen.insert(*reference) {
            reader
                .text(reference)
                .map_err(|fault| format!("a referenced schema: {fault}"))?;
        }
    }
    let root = reader.text(text)?;
    Ok((reader.types, root))
}

/// A schema that is a JSON object; what a type does not use is not looked at.
#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow, rename = "type")]
    ty: &'a RawValue,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    namespace: Option<&'a RawValue>,
    #[serde(borrow)]
    fields: Option<&'a RawValue>,
    #[serde(borrow)]
    symbols: Option<&'a RawValue>,
    #[serde(borrow)]
    items: Option<&'a RawValue>,
    #[serde(borrow)]
    values: Option<&'a RawValue>,
    #[serde(borrow)]
    size: Option<&'a RawValue>,
    #[serde(borrow, rename = "logicalType")]
    logical: Option<&'a RawValue>,
    #[serde(borrow)]
    precision: Option<&'a RawValue>,
    #[serde(borrow)]
    scale: Option<&'a RawValue>,
    #[serde(borrow)]
    aliases: Option<&'a RawValue>,
}

/// A field of a record.
#[derive(Deserialize)]
struct Field<'a> {
    name: String,
    #[serde(borrow, rename = "type")]
    ty: &'a RawValue,
}

/// Where a type stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    path: &'a str,
    /// The enclosing namespace, empty for none.
    space: &'a str,
    level: usize,
}

impl Place<'_> {
    fn refuse<T>(&self, why: impl AsRef<str>) -> Result<T, String> {
        let path = match self.path {
            "" => "the root",
            path => path,
        };
        Err(format!("{path}: {}", why.as_ref()))
    }

    /// A part's JSON as `T`.
    fn part<'t, T: Deserialize<'t>>(
        &self,
        name: &str,
        raw: Option<&'t RawValue>,
    ) -> Result<T, String> {
        let Some(raw) = raw else {
            return self.refuse(format!("\"{name}\" is missing"));
        };
        match serde_json::from_str(raw.get()) {
            Ok(part) => Ok(part),
            Err(e) => {
                let e = e.to_string();
                self.refuse(format!("\"{name}\" is no such thing: {}", shortened(&e)))
            }
        }
    }
}

#[derive(Default)]
struct Reader {
    types: Vec<Written>,
    names: HashMap<String, TypeId>,
    fields: usize,
}

impl Reader {
    fn text(&mut self, text: &str) -> Result<TypeId, String> {
        let raw: &RawValue =
            serde_json::from_str(text).map_err(|e| format!("the root: is no JSON: {e}"))?;
        let place = Place {
            path: "",
            space: "",
            level: 1,
        };
        self.value(raw, place)
    }

    fn add(&mut self, form: Form, scalar: Option<Scalar>, least: usize) -> TypeId {
        self.types.push(Written {
            form,
            scalar,
            least,
        });
        self.types.len() - 1
    }

    fn value(&mut self, raw: &RawValue, at: Place<'_>) -> Result<TypeId, String> {
        if at.level > MAX_LEVELS {
            return at.refuse(format!("the schema nests more than {MAX_LEVELS} levels"));
        }
        match raw.get().as_bytes().first() {
            Some(b'"') => {
                let name: String = at.part("type", Some(raw))?;
                self.by_name(&name, at)
            }
            Some(b'[') => self.union(raw, at),
            Some(b'{') => match serde_json::from_str(raw.get()) {
                Ok(object) => {
                    aliases_are_few(&object, raw, at)?;
                    self.object(&object, at)
                }
                Err(e) => at.refuse(format!("is no schema: {}", shortened(&e.to_string()))),
            },
            _ => at.refuse("is no schema: a name, an object or an array is wanted"),
        }
    }

    fn by_name(&mut self, name: &str, at: Place<'_>) -> Result<TypeId, String> {
        if let Some((form, scalar, least)) = primitive(name) {
            return Ok(self.add(form, scalar, least));
        }
        let full = match name.contains('.') || at.space.is_empty() {
            true => name.to_owned(),
            false => format!("{}.{name}", at.space),
        };
        match self.names.get(&full) {
            Some(known) => Ok(*known),
            None => at.refuse(format!("the type {:?} is not known", shortened(&full))),
        }
    }

    fn union(&mut self, raw: &RawValue, at: Place<'_>) -> Result<TypeId, String> {
        let parts: Vec<&RawValue> = at.part("type", Some(raw))?;
        if parts.is_empty() {
            return at.refuse("a union must have a branch");
        }
        let level = at.level + 1;
        let mut branches = Vec::with_capacity(parts.len());
        let mut kinds = HashSet::new();
        for part in parts {
            let branch = self.value(part, Place { level, ..at })?;
            let kind = match &self.types[branch].form {
                Form::Union(_) => return at.refuse("a union stands within a union"),
                Form::Fixed { name, .. } | Form::Enum { name, .. } | Form::Record { name, .. } => {
                    name.clone()
                }
                form => format!("\"{}\"", form.keyword()),
            };
            if kinds.contains(&kind) {
                return at.refuse(format!("a union holds {kind} twice"));
            }
            kinds.insert(kind);
            branches.push(branch);
        }
        let least = branches.iter().map(|b| self.types[*b].least).min();
        Ok(self.add(Form::Union(branches), None, 1 + least.unwrap_or(0)))
    }

    fn object(&mut self, object: &Object<'_>, at: Place<'_>) -> Result<TypeId, String> {
        let inner = Place {
            level: at.level + 1,
            ..at
        };
        if !object.ty.get().starts_with('"') {
            let known = self.types.len();
            let id = self.value(object.ty, inner)?;
            // a type that is only named keeps what it means, and so does one that says it itself
            let own = primitive(self.types[id].form.keyword()).and_then(|(_, scalar, _)| scalar);
            if id >= known && self.types[id].scalar == own {
                self.give_logical(id, object);
            }
            return Ok(id);
        }
        let ty: String = at.part("type", Some(object.ty))?;
        match ty.as_str() {
            "record" | "error" => self.record(object, at),
            "enum" => self.symbols(object, at),
            "fixed" => self.fixed(object, at),
            "array" => {
                let path = format!("{}[]", at.path);
                let part: &RawValue = at.part("items", object.items)?;
                let items = self.value(
                    part,
                    Place {
                        path: &path,
                        ..inner
                    },
                )?;
                Ok(self.add(Form::Array(items), None, 1))
            }
            "map" => {
                let path = format!("{}{{}}", at.path);
                let part: &RawValue = at.part("values", object.values)?;
                let values = self.value(
                    part,
                    Place {
                        path: &path,
                        ..inner
                    },
                )?;
                Ok(self.add(Form::Map(values), None, 1))
            }
            name => {
                let id = self.by_name(name, at)?;
                if primitive(name).is_some() {
                    self.give_logical(id, object);
                }
                Ok(id)
            }
        }
    }

    fn record(&mut self, object: &Object<'_>, at: Place<'_>) -> Result<TypeId, String> {
        let (name, space) = self.define(object, at)?;
        let parts: Vec<Field<'_>> = at.part("fields", object.fields)?;
        let id = self.add(
            Form::Record {
                name: name.clone(),
                fields: Vec::new(),
            },
            None,
            0,
        );
        self.names.insert(name.clone(), id);
        let mut seen = HashSet::new();
        let mut fields = Vec::with_capacity(parts.len());
        let mut least = 0_usize;
        for part in &parts {
            if !is_name(&part.name) {
                let name = shortened(&part.name);
                return at.refuse(format!("{name:?} is no name of a field"));
            }
            let path = match at.path {
                "" => part.name.clone(),
                path => format!("{path}.{}", part.name),
            };
            let place = Place {
                path: &path,
                space: &space,
                level: at.level + 1,
            };
            self.fields += 1;
            if self.fields > MAX_FIELDS {
                return place.refuse("the schema has more than 10,000 fields");
            }
            if !seen.insert(part.name.as_str()) {
                return place.refuse("the field is declared twice");
            }
            let ty = self.value(part.ty, place)?;
            least = least.saturating_add(self.types[ty].least);
            fields.push((part.name.clone(), ty));
        }
        self.types[id] = Written {
            form: Form::Record { name, fields },
            scalar: None,
            least,
        };
        Ok(id)
    }

    fn symbols(&mut self, object: &Object<'_>, at: Place<'_>) -> Result<TypeId, String> {
        let (name, _) = self.define(object, at)?;
        let symbols: Vec<String> = at.part("symbols", object.symbols)?;
        if symbols.len() > MAX_SYMBOLS {
            return at.refuse("an enum has more than 10,000 symbols");
        }
        let mut seen = HashSet::new();
        for symbol in &symbols {
            if !is_name(symbol) {
                let symbol = shortened(symbol);
                return at.refuse(format!("{symbol:?} is no symbol's name"));
            }
            if !seen.insert(symbol.as_str()) {
                return at.refuse(format!("the symbol {symbol} stands twice"));
            }
        }
        let form = Form::Enum {
            name: name.clone(),
            symbols,
        };
        let id = self.add(form, None, 1);
        self.names.insert(name, id);
        Ok(id)
    }

    fn fixed(&mut self, object: &Object<'_>, at: Place<'_>) -> Result<TypeId, String> {
        let (name, _) = self.define(object, at)?;
        let size: u64 = at.part("size", object.size)?;
        if size > MAX_FIXED {
            return at.refuse("a fixed has more than 16 MiB");
        }
        let Ok(size) = usize::try_from(size) else {
            return at.refuse("a fixed has more than 16 MiB");
        };
        let form = Form::Fixed {
            name: name.clone(),
            size,
        };
        let id = self.add(form, None, size);
        self.names.insert(name, id);
        self.give_logical(id, object);
        Ok(id)
    }

    /// The full name of a type that is defined here, and the namespace of what stands within it.
    fn define(&self, object: &Object<'_>, at: Place<'_>) -> Result<(String, String), String> {
        let name: String = at.part("name", object.name)?;
        let own: Option<String> = match object.namespace {
            Some(raw) => Some(at.part("namespace", Some(raw))?),
            None => None,
        };
        let full = match (name.contains('.'), own.as_deref().unwrap_or(at.space)) {
            (true, _) | (false, "") => name,
            (false, space) => format!("{space}.{name}"),
        };
        if full.len() > MAX_NAME || !full.split('.').all(is_name) {
            return at.refuse(format!("{:?} is no name of a type", shortened(&full)));
        }
        if primitive(&full).is_some() {
            return at.refuse(format!("{full} is the name of a primitive type"));
        }
        if self.names.contains_key(&full) {
            return at.refuse(format!("the type {full} is defined twice"));
        }
        let space = full.rsplit_once('.').map_or("", |(space, _)| space);
        let space = space.to_owned();
        Ok((full, space))
    }

    /// A logical type that is not known, or stands on a type to which it does not belong, is none.
    fn give_logical(&mut self, id: TypeId, object: &Object<'_>) {
        let text = |raw: &RawValue| serde_json::from_str::<String>(raw.get()).ok();
        let Some(logical) = object.logical.and_then(text) else {
            return;
        };
        let scalar = match (logical.as_str(), &self.types[id].form) {
            ("decimal", Form::Bytes | Form::Fixed { .. }) => decimal(object),
            ("big-decimal", Form::Bytes) => Some(Scalar::BigDecimal),
            ("uuid", Form::String) => Some(Scalar::Uuid),
            ("uuid", Form::Fixed { size: 16, .. }) => Some(Scalar::UuidFixed),
            ("duration", Form::Fixed { size: 12, .. }) => Some(Scalar::Duration),
            ("date", Form::Int) => Some(Scalar::Date),
            ("time-millis", Form::Int) => Some(Scalar::TimeMillis),
            ("time-micros", Form::Long) => Some(Scalar::TimeMicros),
            ("timestamp-millis", Form::Long) => Some(Scalar::TimestampMillis),
            ("timestamp-micros", Form::Long) => Some(Scalar::TimestampMicros),
            ("timestamp-nanos", Form::Long) => Some(Scalar::TimestampNanos),
            ("local-timestamp-millis", Form::Long) => Some(Scalar::LocalTimestampMillis),
            ("local-timestamp-micros", Form::Long) => Some(Scalar::LocalTimestampMicros),
            ("local-timestamp-nanos", Form::Long) => Some(Scalar::LocalTimestampNanos),
            _ => None,
        };
        if scalar.is_some() {
            self.types[id].scalar = scalar;
        }
    }
}

fn aliases_are_few(object: &Object<'_>, text: &RawValue, at: Place<'_>) -> Result<(), String> {
    let Some(raw) = object.aliases else {
        return Ok(());
    };
    // What is no list is none; whoever uses it says so.
    let aliases: Vec<IgnoredAny> = serde_json::from_str(raw.get()).unwrap_or_default();
    match aliases.len().saturating_mul(text.get().len()) > MAX_ALIASED {
        true => at.refuse(format!(
            "{} aliases are too many for a type of {} bytes of text (more than 8 MiB together)",
            aliases.len(),
            text.get().len()
        )),
        false => Ok(()),
    }
}

fn decimal(object: &Object<'_>) -> Option<Scalar> {
    let integer = |raw: &RawValue| serde_json::from_str::<u64>(raw.get()).ok();
    let precision = integer(object.precision?)?;
    let scale = match object.scale {
        Some(raw) => integer(raw)?,
        None => 0,
    };
    (precision > 0 && scale <= precision).then_some(Scalar::Decimal { precision, scale })
}

fn primitive(name: &str) -> Option<(Form, Option<Scalar>, usize)> {
    Some(match name {
        "null" => (Form::Null, None, 0),
        "boolean" => (Form::Boolean, Some(Scalar::Boolean), 1),
        "int" => (Form::Int, Some(Scalar::Int), 1),
        "long" => (Form::Long, Some(Scalar::Long), 1),
        "float" => (Form::Float, Some(Scalar::Float), 4),
        "double" => (Form::Double, Some(Scalar::Double), 8),
        "bytes" => (Form::Bytes, Some(Scalar::Bytes), 1),
        "string" => (Form::String, Some(Scalar::String), 1),
        _ => return None,
    })
}

/// The specification's names: a letter or `_`, then letters, digits and `_`, of ASCII.
fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    let first = bytes.next();
    first.is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && text.len() <= MAX_NAME
}

/// What a message shows of a text from outside.
fn shortened(text: &str) -> String {
    text.chars().take(200).collect()
}
