//! JSON messages: a text into a tree, and the tree into rows, by weir's rules on values.

use std::ops::Range;

use serde_json::{Value as Json, json};
use weir::model::reject::RejectCode;

use super::landing::counted;
use super::schema::{Form, Schema, Type};
use super::text::{self, Flaw, Node, Tree};
use super::values;
use super::{Step, path};

/// A stream's schema and what it says of its messages.
pub struct Rules {
    pub schema: Schema,
    /// The outside name of each column.
    pub names: Vec<String>,
    pub keys: Vec<String>,
    pub ignore_unknown: bool,
    pub envelope: bool,
    pub max_bytes: usize,
    pub max_records: usize,
}

#[derive(Debug, Default, PartialEq)]
pub struct Judgement {
    /// Place in the message, and cells.
    pub rows: Vec<(u32, Vec<Json>)>,
    /// Place in the message, its bytes, the code and the field.
    pub rejects: Vec<(u32, Range<usize>, RejectCode, String)>,
    /// It is no record, and no fault.
    pub is_skipped: bool,
    /// A field or symbol was met that the schema does not have; nothing is said of it where the
    /// message is rejected as a whole.
    pub met_unknown: Option<bool>,
}

impl Rules {
    pub fn judge(&self, message: &[u8]) -> Judgement {
        match self.records(message) {
            Ok(judgement) => judgement,
            Err(code) => Judgement {
                rejects: vec![(0, 0..message.len(), code, String::new())],
                ..Judgement::default()
            },
        }
    }

    /// An error is a fault of the whole message.
    fn records(&self, message: &[u8]) -> Result<Judgement, RejectCode> {
        if message.len() > self.max_bytes {
            return Err(RejectCode::TooLarge);
        }
        let text = std::str::from_utf8(message).map_err(|_| RejectCode::InvalidUtf8)?;
        let node = text::read(text, 64).map_err(|flaw| match flaw {
            Flaw::Invalid => RejectCode::InvalidJson,
            Flaw::TooDeep => RejectCode::TooDeep,
        })?;
        let mut judgement = Judgement {
            met_unknown: Some(false),
            ..Judgement::default()
        };
        if !self.envelope {
            self.record(&node, 0, 0..message.len(), &mut judgement);
            return Ok(judgement);
        }
        let Tree::Object(members) = &node.tree else {
            return Err(RejectCode::InvalidEnvelope);
        };
        let elements = match members.first() {
            Some((name, node)) if name == "data" => match &node.tree {
                Tree::Array(elements) => elements,
                _ => return Err(RejectCode::InvalidEnvelope),
            },
            _ => return Err(RejectCode::InvalidEnvelope),
        };
        if elements.len() > self.max_records {
            return Err(RejectCode::TooLarge);
        }
        if members.len() > 1 {
            return Err(RejectCode::InvalidEnvelope);
        }
        judgement.is_skipped = elements.is_empty();
        for (at, element) in elements.iter().enumerate() {
            self.record(element, at as u32, element.at.clone(), &mut judgement);
        }
        Ok(judgement)
    }

    fn record(&self, node: &Node, at: u32, raw: Range<usize>, judgement: &mut Judgement) {
        let mut fitting = Fitting {
            rules: self,
            steps: Vec::new(),
            met_unknown: false,
        };
        match fitting.object(node, self.schema.root, false) {
            Ok(Json::Array(cells)) => judgement.rows.push((at, cells)),
            Ok(other) => panic!("a record is a list of cells, not {other}"),
            Err(code) => {
                let field = path(&fitting.steps);
                judgement.rejects.push((at, raw, code, field));
            }
        }
        let met = judgement.met_unknown.unwrap_or_default() | fitting.met_unknown;
        judgement.met_unknown = Some(met);
    }
}

struct Fitting<'a> {
    rules: &'a Rules,
    /// Where the value stands that is being judged.
    steps: Vec<Step>,
    met_unknown: bool,
}

type Fits<T> = Result<T, RejectCode>;

impl Fitting<'_> {
    fn names(&self, record: usize) -> Vec<String> {
        match record == self.rules.schema.root {
            true => self.rules.names.clone(),
            false => {
                let fields = self.rules.schema.fields(record);
                fields.iter().map(|f| f.name.clone()).collect()
            }
        }
    }

    fn object(&mut self, node: &Node, record: usize, nullable: bool) -> Fits<Json> {
        let Tree::Object(members) = &node.tree else {
            return Err(RejectCode::WrongType);
        };
        let fields = self.rules.schema.fields(record);
        let names = self.names(record);
        let mut cells: Vec<Option<Json>> = vec![None; fields.len()];
        for (name, node) in members {
            let Some(column) = names.iter().position(|n| n == name) else {
                self.unknown(name, record, nullable)?;
                continue;
            };
            self.steps.push(Step::Name(name.clone()));
            if cells[column].is_some() {
                return Err(RejectCode::DuplicateField);
            }
            let is_key =
                record == self.rules.schema.root && self.rules.keys.contains(&fields[column].name);
            cells[column] = Some(self.value(node, fields[column].ty, is_key)?);
            self.steps.pop();
        }
        for (column, field) in fields.iter().enumerate() {
            if cells[column].is_some() {
                continue;
            }
            let schema = &self.rules.schema;
            let is_nullable = schema.landing(field.ty).is_ok_and(|(_, nullable)| nullable);
            cells[column] = match &field.default {
                Some(default) => schema.default_cell(field.ty, default),
                None => is_nullable.then_some(Json::Null),
            };
            if cells[column].is_none() {
                self.steps.push(Step::Name(names[column].clone()));
                return Err(RejectCode::MissingField);
            }
        }
        Ok(cells.into_iter().flatten().collect())
    }

    fn unknown(&mut self, name: &str, record: usize, nullable: bool) -> Fits<()> {
        // `{"a.R": {…}}` is how Avro's own JSON writes a record in a union
        if nullable && self.rules.schema.types[record].name == name {
            return Err(RejectCode::WrongType);
        }
        self.met_unknown = true;
        if self.rules.ignore_unknown {
            return Ok(());
        }
        self.steps.push(Step::Name(name.to_owned()));
        Err(RejectCode::UnknownField)
    }

    fn value(&mut self, node: &Node, ty: usize, is_key: bool) -> Fits<Json> {
        let schema = &self.rules.schema;
        let Ok((ty, nullable)) = schema.landing(ty) else {
            panic!("a reader's union has one branch beside null");
        };
        let of = &schema.types[ty];
        match (&node.tree, &of.form) {
            (Tree::Null, _) if nullable => Ok(Json::Null),
            (Tree::Null, _) if is_key => Err(RejectCode::NullKey),
            (Tree::Null, _) => Err(RejectCode::NullValue),
            (_, Form::Record(_)) => self.object(node, ty, nullable),
            (Tree::Array(nodes), Form::Array(items)) => {
                let mut cells = Vec::new();
                for (at, node) in nodes.iter().enumerate() {
                    self.steps.push(Step::Index(at));
                    cells.push(self.value(node, *items, false)?);
                    self.steps.pop();
                }
                Ok(cells.into())
            }
            (Tree::Object(members), Form::Map(values)) => {
                let mut cells: Vec<Json> = Vec::new();
                for (at, (key, node)) in members.iter().enumerate() {
                    self.steps.push(Step::Key(key.clone()));
                    if members[..at].iter().any(|(before, _)| before == key) {
                        return Err(RejectCode::DuplicateField);
                    }
                    cells.push(json!([key, self.value(node, *values, false)?]));
                    self.steps.pop();
                }
                Ok(cells.into())
            }
            (Tree::Boolean(value), Form::Boolean) => Ok(json!(value)),
            (Tree::Number(number), _) => of_number(number, of),
            (Tree::Text(text), Form::Enum(symbols, _)) => {
                let is_known = symbols.contains(text);
                self.met_unknown |= !is_known;
                match is_known {
                    true => Ok(json!(text)),
                    false => Err(RejectCode::UnknownSymbol),
                }
            }
            (Tree::Text(text), _) => of_text(text, of),
            _ => Err(RejectCode::WrongType),
        }
    }
}

fn of_number(number: &str, of: &Type) -> Fits<Json> {
    match (&of.form, of.logical.as_str()) {
        (_, "decimal") => values::decimal(number, of.precision, of.scale).map(Json::from),
        (Form::Int | Form::Long, _) if !values::is_integer(number) => Err(RejectCode::WrongType),
        (Form::Int, "") => {
            let value = i32::try_from(values::long(number)?);
            value.map(Json::from).map_err(|_| RejectCode::OutOfRange)
        }
        (Form::Int | Form::Long, _) => counted(values::long(number)?, of),
        (Form::Float, _) => Ok(values::float_cell(values::float(number)?)),
        (Form::Double, _) => Ok(values::double_cell(values::double(number)?)),
        _ => Err(RejectCode::WrongType),
    }
}

fn is_number(text: &str) -> bool {
    let is_bare = text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    is_bare
        && text::read(text, 0).is_ok_and(
            |node| matches!(node.tree, Tree::Number(number) if number.len() == text.len()),
        )
}

fn of_text(text: &str, of: &Type) -> Fits<Json> {
    const MILLIS: i64 = 1_000;
    const MICROS: i64 = 1_000_000;
    const NANOS: i64 = 1_000_000_000;
    let told = match (&of.form, of.logical.as_str()) {
        (_, "decimal") if is_number(text) => {
            return values::decimal(text, of.precision, of.scale).map(Json::from);
        }
        (_, "decimal") => Err(RejectCode::InvalidFormat),
        (_, "uuid") => match values::is_uuid(text) {
            true => return Ok(json!(text)),
            false => Err(RejectCode::InvalidFormat),
        },
        (_, "date") => values::date(text),
        (_, "time-millis") => values::time(text, MILLIS),
        (_, "time-micros") => values::time(text, MICROS),
        // Delta's timestamps are in microseconds
        (_, "timestamp-millis") => values::timestamp(text, MILLIS, true).map(|v| v * 1000),
        (_, "local-timestamp-millis") => values::timestamp(text, MILLIS, false).map(|v| v * 1000),
        (_, "timestamp-micros") => values::timestamp(text, MICROS, true),
        (_, "local-timestamp-micros") => values::timestamp(text, MICROS, false),
        (_, "timestamp-nanos") => values::timestamp(text, NANOS, true),
        (_, "local-timestamp-nanos") => values::timestamp(text, NANOS, false),
        (Form::String, _) => return Ok(json!(text)),
        (Form::Bytes, _) => return Ok(json!(values::hex(&values::base64(text)?))),
        (Form::Fixed(size), _) => {
            let bytes = values::base64(text)?;
            match bytes.len() as u64 == *size {
                true => return Ok(json!(values::hex(&bytes))),
                false => Err(RejectCode::InvalidFormat),
            }
        }
        _ => Err(RejectCode::WrongType),
    };
    told.map(Json::from)
}
