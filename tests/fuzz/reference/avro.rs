//! Avro data: a datum into a tree along its writer's schema, and the tree into a row of the reader's
//! (specification, "Schema Resolution").

mod datum;

use serde_json::{Value as Json, json};
use weir::model::reject::RejectCode;

use super::landing::counted;
use super::schema::{Field, Form, Schema, Type};
use super::values;
use super::{Fault, Step, path};
use datum::{Reading, Tree, Wrong};

/// What becomes of a datum.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Cells in the reader's order.
    Row(Vec<Json>),
    Reject(RejectCode, String),
    /// It has more items than this decoder takes.
    Unsaid,
}

/// A pair of schemas.
pub struct Pair {
    pub writer: Schema,
    pub reader: Schema,
    /// The reader's primary key.
    pub keys: Vec<String>,
}

impl Pair {
    /// Why no record of the writer can be read.
    pub fn faults(&self) -> Vec<Fault> {
        let at = Place {
            path: String::new(),
            is_certain: true,
            is_key: false,
        };
        self.value_faults(self.reader.root, self.writer.root, &at)
    }

    pub fn verdict(&self, datum: &[u8], ignore_unknown: bool) -> Verdict {
        let tree = match Reading::tree(&self.writer, datum) {
            Ok(tree) => tree,
            Err(Wrong::TooMany) => return Verdict::Unsaid,
            Err(Wrong::Flaw(code, field)) => return Verdict::Reject(code, field),
        };
        let mut fitting = Fitting {
            pair: self,
            ignore_unknown,
            steps: Vec::new(),
        };
        match fitting.value(&tree, self.writer.root, self.reader.root, true, false) {
            Ok(Json::Array(cells)) => Verdict::Row(cells),
            Ok(other) => panic!("a record is a list of cells, not {other}"),
            Err(code) => Verdict::Reject(code, path(&fitting.steps)),
        }
    }
}

/// Where a pair of types stands.
#[derive(Clone)]
struct Place {
    path: String,
    /// Each record holds such a value.
    is_certain: bool,
    is_key: bool,
}

impl Place {
    fn fault(&self, code: RejectCode) -> Vec<Fault> {
        vec![(code, self.path.clone())]
    }

    fn field(&self, name: &str, is_key: bool) -> Place {
        let point = if self.path.is_empty() { "" } else { "." };
        Place {
            path: format!("{}{point}{name}", self.path),
            is_key,
            ..self.clone()
        }
    }

    fn part(&self, step: &str) -> Place {
        Place {
            path: format!("{}{step}", self.path),
            is_certain: false,
            is_key: false,
        }
    }
}

impl Pair {
    fn is_key(&self, record: usize, field: &Field) -> bool {
        record == self.reader.root && self.keys.contains(&field.name)
    }

    /// "If both are records: …": what has to hold whatever a record holds. A written union is
    /// looked into with each record, unless no branch fits.
    fn value_faults(&self, reader: usize, writer: usize, at: &Place) -> Vec<Fault> {
        let Ok((ty, nullable)) = self.reader.landing(reader) else {
            panic!("a reader's union has one branch beside null");
        };
        match &self.writer.types[writer].form {
            Form::Union(branches) => {
                let all: Vec<Vec<Fault>> = branches
                    .iter()
                    .map(|branch| self.value_faults(reader, *branch, at))
                    .collect();
                match at.is_certain && all.iter().all(|faults| !faults.is_empty()) {
                    true => all.concat(),
                    false => Vec::new(),
                }
            }
            Form::Null if nullable => Vec::new(),
            Form::Null if at.is_key => at.fault(RejectCode::NullKey),
            Form::Null => at.fault(RejectCode::NullValue),
            _ => self.type_faults(ty, writer, at),
        }
    }

    fn type_faults(&self, reader: usize, writer: usize, at: &Place) -> Vec<Fault> {
        let (r, w) = (&self.reader.types[reader], &self.writer.types[writer]);
        let mismatch = || at.fault(RejectCode::WrongType);
        match (&r.form, &w.form) {
            (Form::Array(of), Form::Array(items)) => self.value_faults(*of, *items, &at.part("[]")),
            (Form::Map(of), Form::Map(values)) => self.value_faults(*of, *values, &at.part("{}")),
            (Form::Record(_), Form::Record(_)) if is_named(r, w) => {
                self.record_faults(reader, writer, at)
            }
            (Form::Enum(..), Form::Enum(..)) if is_named(r, w) => Vec::new(),
            _ if is_promoted(r, w) => Vec::new(),
            _ => mismatch(),
        }
    }

    fn record_faults(&self, reader: usize, writer: usize, at: &Place) -> Vec<Fault> {
        let sources = self.sources(reader, writer);
        let wanted = self.reader.fields(reader);
        let mut faults = Vec::new();
        for (place, written) in self.writer.fields(writer).iter().enumerate() {
            if let Some(column) = sources.iter().position(|s| *s == Some(place)) {
                let field = &wanted[column];
                let at = at.field(&field.name, self.is_key(reader, field));
                faults.extend(self.value_faults(field.ty, written.ty, &at));
            }
        }
        for (field, source) in wanted.iter().zip(&sources) {
            if source.is_none() && field.default.is_none() {
                faults.extend(at.field(&field.name, false).fault(RejectCode::MissingField));
            }
        }
        faults
    }

    /// For each of the reader's fields the place of the written one that it reads: of its name,
    /// else the first of its aliases that no other field reads.
    fn sources(&self, reader: usize, writer: usize) -> Vec<Option<usize>> {
        let written = self.writer.fields(writer);
        let place = |name: &str| written.iter().position(|w| w.name == name);
        let wanted = self.reader.fields(reader);
        let mut sources: Vec<Option<usize>> = wanted.iter().map(|f| place(&f.name)).collect();
        for (at, field) in wanted.iter().enumerate() {
            if sources[at].is_some() {
                continue;
            }
            let mut found = field.aliases.iter().filter_map(|alias| place(alias));
            let free = found.find(|place| !sources.contains(&Some(*place)));
            sources[at] = free;
        }
        sources
    }
}

/// "Both schemas … with the same (unqualified) name", or by an alias.
fn is_named(reader: &Type, writer: &Type) -> bool {
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    last(&reader.name) == last(&writer.name) || reader.aliases.contains(&writer.name)
}

/// The same type without parts, or one that the writer's is promoted to.
fn is_promoted(reader: &Type, writer: &Type) -> bool {
    let (r, w) = (reader.logical.as_str(), writer.logical.as_str());
    match (w, r) {
        ("", "") => match (&writer.form, &reader.form) {
            (Form::Fixed(written), Form::Fixed(read)) => {
                written == read && is_named(reader, writer)
            }
            (Form::Int, Form::Long | Form::Float | Form::Double)
            | (Form::Long, Form::Float | Form::Double)
            | (Form::Float, Form::Double)
            | (Form::String, Form::Bytes)
            | (Form::Bytes, Form::String) => true,
            (
                Form::Boolean
                | Form::Int
                | Form::Long
                | Form::Float
                | Form::Double
                | Form::Bytes
                | Form::String,
                read,
            ) => writer.form == *read,
            _ => false,
        },
        ("decimal", "decimal") => {
            writer.precision == reader.precision && writer.scale == reader.scale
        }
        // a uuid's text is a text
        ("uuid", "") => {
            writer.form == Form::String && matches!(reader.form, Form::String | Form::Bytes)
        }
        ("uuid", "uuid") => match (&writer.form, &reader.form) {
            (Form::Fixed(_), Form::Fixed(_)) => is_named(reader, writer),
            (written, read) => written == read,
        },
        ("big-decimal" | "duration", _) => false,
        _ => w == r,
    }
}

struct Fitting<'a> {
    pair: &'a Pair,
    ignore_unknown: bool,
    /// Where the value stands that is being fitted.
    steps: Vec<Step>,
}

type Fits<T> = Result<T, RejectCode>;

impl Fitting<'_> {
    fn value(
        &mut self,
        tree: &Tree,
        writer: usize,
        reader: usize,
        is_certain: bool,
        is_key: bool,
    ) -> Fits<Json> {
        let (w, r) = (&self.pair.writer, &self.pair.reader);
        if let (Tree::Branch(at, tree), Form::Union(branches)) = (tree, &w.types[writer].form) {
            let branch = branches[*at];
            let at = Place {
                path: String::new(),
                is_certain,
                is_key,
            };
            if let Some((code, path)) = self
                .pair
                .value_faults(reader, branch, &at)
                .into_iter()
                .next()
            {
                // which item it would be is not known
                if !path.is_empty() && !path.contains(['[', '{']) {
                    let names = path.split('.').map(|name| Step::Name(name.to_owned()));
                    self.steps.extend(names);
                }
                return Err(code);
            }
            return self.value(tree, branch, reader, is_certain, is_key);
        }
        let Ok((reader, _)) = r.landing(reader) else {
            panic!("a reader's union has one branch beside null");
        };
        let of = &r.types[reader];
        match (tree, &w.types[writer].form, &of.form) {
            (Tree::Null, _, _) => Ok(Json::Null),
            (Tree::Record(values), Form::Record(written), Form::Record(_)) => {
                self.record(values, written, writer, reader, is_certain)
            }
            (Tree::Array(trees), Form::Array(written), Form::Array(read)) => {
                let mut items = Vec::new();
                for (at, tree) in trees.iter().enumerate() {
                    self.steps.push(Step::Index(at));
                    items.push(self.value(tree, *written, *read, false, false)?);
                    self.steps.pop();
                }
                Ok(items.into())
            }
            (Tree::Map(trees), Form::Map(written), Form::Map(read)) => {
                let mut entries: Vec<Json> = Vec::new();
                for (at, (key, tree)) in trees.iter().enumerate() {
                    self.steps.push(Step::Key(key.clone()));
                    if trees[..at].iter().any(|(before, _)| before == key) {
                        return Err(RejectCode::DuplicateField);
                    }
                    let value = self.value(tree, *written, *read, false, false)?;
                    entries.push(json!([key, value]));
                    self.steps.pop();
                }
                Ok(entries.into())
            }
            (Tree::Symbol(symbol), _, Form::Enum(symbols, default)) => {
                match (symbols.contains(symbol), default) {
                    (true, _) => Ok(json!(symbol)),
                    (false, Some(default)) => Ok(json!(default)),
                    (false, None) => Err(RejectCode::UnknownSymbol),
                }
            }
            _ => scalar(tree, of),
        }
    }

    fn record(
        &mut self,
        values: &[Tree],
        written: &[Field],
        writer: usize,
        reader: usize,
        is_certain: bool,
    ) -> Fits<Json> {
        let sources = self.pair.sources(reader, writer);
        let wanted = self.pair.reader.fields(reader);
        let mut cells = vec![Json::Null; wanted.len()];
        for (place, (field, tree)) in written.iter().zip(values).enumerate() {
            match sources.iter().position(|s| *s == Some(place)) {
                Some(column) => {
                    let read = &wanted[column];
                    let is_key = self.pair.is_key(reader, read);
                    self.steps.push(Step::Name(read.name.clone()));
                    cells[column] = self.value(tree, field.ty, read.ty, is_certain, is_key)?;
                    self.steps.pop();
                }
                None if self.ignore_unknown => {}
                None => {
                    self.steps.push(Step::Name(field.name.clone()));
                    return Err(RejectCode::UnknownField);
                }
            }
        }
        for (column, (field, source)) in wanted.iter().zip(sources).enumerate() {
            if source.is_none() {
                let default = field.default.as_ref();
                let cell = default.and_then(|d| self.pair.reader.default_cell(field.ty, d));
                cells[column] = cell.ok_or(RejectCode::MissingField)?;
            }
        }
        Ok(cells.into())
    }
}

fn scalar(tree: &Tree, reader: &Type) -> Fits<Json> {
    let rounded = |is_exact: bool, cell: Json| match is_exact {
        true => Ok(cell),
        false => Err(RejectCode::Inexact),
    };
    match (tree, &reader.form) {
        (Tree::Boolean(value), _) => Ok(json!(value)),
        (Tree::Long(value), Form::Int | Form::Long) => counted(*value, reader),
        (Tree::Long(value), Form::Float) => rounded(
            *value as f32 as i128 == i128::from(*value),
            values::float_cell(*value as f32),
        ),
        (Tree::Long(value), Form::Double) => rounded(
            *value as f64 as i128 == i128::from(*value),
            values::double_cell(*value as f64),
        ),
        (Tree::Float(value), Form::Float) => Ok(values::float_cell(*value)),
        (Tree::Float(value), Form::Double) => Ok(values::double_cell(f64::from(*value))),
        (Tree::Double(value), _) => Ok(values::double_cell(*value)),
        (Tree::Bytes(bytes), _) if reader.logical == "decimal" => {
            values::binary_decimal(bytes, reader.precision).map(Json::from)
        }
        (Tree::Bytes(bytes), Form::Fixed(_)) if reader.logical == "uuid" => {
            Ok(values::uuid_cell(bytes))
        }
        (Tree::Bytes(bytes), Form::String) => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(json!(text)),
            Err(_) => Err(RejectCode::InvalidUtf8),
        },
        (Tree::Bytes(bytes), _) => Ok(json!(values::hex(bytes))),
        (Tree::Text(text), Form::String) => {
            match reader.logical != "uuid" || values::is_uuid(text) {
                true => Ok(json!(text)),
                false => Err(RejectCode::InvalidFormat),
            }
        }
        (Tree::Text(text), _) => Ok(json!(values::hex(text.as_bytes()))),
        _ => Err(RejectCode::WrongType),
    }
}
