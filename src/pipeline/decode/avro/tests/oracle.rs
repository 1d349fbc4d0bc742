//! A slow, plain decoder that shares nothing with the real one: it reads schemas as JSON, a datum
//! into a tree along the writer's, and then fits the tree to the reader's, by the sentences of the
//! specification ("Binary encoding", "Schema Resolution") and of the rules on values.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

/// What is wrong: the bytes, or what the reader can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    Datum,
    Reader,
}

type Got<T> = Result<T, Wrong>;

/// A datum as it was written.
#[derive(Debug, Clone)]
enum Tree<'a> {
    Null,
    Boolean(bool),
    Long(i64),
    Float(f32),
    Double(f64),
    Bytes(Vec<u8>),
    Text(String),
    Symbol(String),
    Record(Vec<(&'a str, Tree<'a>, &'a Json)>),
    Array(Vec<Tree<'a>>),
    Map(Vec<(String, Tree<'a>)>),
    /// The branch's schema and value.
    Branch(&'a Json, Box<Tree<'a>>),
}

/// The row that `datum` becomes: cells by column, as [`super::corpus::cell`] writes them.
pub(super) fn row(writer: &Json, reader: &Json, datum: &[u8], ignore: bool) -> Got<Json> {
    let mut names = BTreeMap::new();
    collect(writer, &mut names);
    let mut reading = Reading {
        names: &names,
        datum,
        at: 0,
        nothings: 0,
    };
    let tree = reading.value(writer, 0)?;
    if reading.at != datum.len() {
        return Err(Wrong::Datum);
    }
    let mut reader_names = BTreeMap::new();
    collect(reader, &mut reader_names);
    let fitting = Fitting {
        writer: &names,
        reader: &reader_names,
        ignore,
    };
    fitting.value(&tree, writer, reader)
}

/// Named types by name, wherever they are defined.
pub(super) fn collect(schema: &Json, names: &mut BTreeMap<String, Json>) {
    match schema {
        Json::Array(branches) => branches.iter().for_each(|b| collect(b, names)),
        Json::Object(of) => {
            if let Some(name) = of.get("name").and_then(Json::as_str) {
                names.insert(name.to_owned(), schema.clone());
            }
            for part in ["items", "values"] {
                if let Some(part) = of.get(part) {
                    collect(part, names);
                }
            }
            for field in of
                .get("fields")
                .and_then(Json::as_array)
                .into_iter()
                .flatten()
            {
                collect(&field["type"], names);
            }
        }
        _ => {}
    }
}

fn kind(schema: &Json) -> &str {
    schema
        .as_str()
        .or_else(|| schema["type"].as_str())
        .unwrap_or("union")
}

fn resolved<'a>(names: &'a BTreeMap<String, Json>, schema: &'a Json) -> &'a Json {
    let name = schema.as_str().unwrap_or_default();
    names.get(name).unwrap_or(schema)
}

struct Reading<'a> {
    names: &'a BTreeMap<String, Json>,
    datum: &'a [u8],
    at: usize,
    /// Items so far that took no bytes.
    nothings: u64,
}

impl<'a> Reading<'a> {
    fn byte(&mut self) -> Got<u8> {
        let byte = *self.datum.get(self.at).ok_or(Wrong::Datum)?;
        self.at += 1;
        Ok(byte)
    }

    fn take(&mut self, count: i64) -> Got<Vec<u8>> {
        let count = usize::try_from(count).map_err(|_| Wrong::Datum)?;
        let end = self.at.checked_add(count).ok_or(Wrong::Datum)?;
        let taken = self.datum.get(self.at..end).ok_or(Wrong::Datum)?.to_vec();
        self.at = end;
        Ok(taken)
    }

    fn long(&mut self, bits: u32) -> Got<i64> {
        let mut value = 0_u128;
        for place in 0..bits.div_ceil(7) {
            let byte = self.byte()?;
            value |= u128::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                if value >> bits != 0 {
                    return Err(Wrong::Datum);
                }
                let value = value as u64;
                return Ok(if value.is_multiple_of(2) {
                    (value / 2) as i64
                } else {
                    -((value / 2) as i64) - 1
                });
            }
        }
        Err(Wrong::Datum)
    }

    fn text(&mut self) -> Got<String> {
        let length = self.long(64)?;
        String::from_utf8(self.take(length)?).map_err(|_| Wrong::Datum)
    }

    /// `depth` records, arrays and maps stand around the value.
    fn value(&mut self, schema: &'a Json, depth: u32) -> Got<Tree<'a>> {
        let schema = resolved(self.names, schema);
        let inner = match kind(schema) {
            "record" | "array" | "map" if depth == 64 => return Err(Wrong::Datum),
            "record" | "array" | "map" => depth + 1,
            _ => depth,
        };
        Ok(match kind(schema) {
            "null" => Tree::Null,
            "boolean" => match self.byte()? {
                0 => Tree::Boolean(false),
                1 => Tree::Boolean(true),
                _ => return Err(Wrong::Datum),
            },
            "int" => Tree::Long(self.long(32)?),
            "long" => Tree::Long(self.long(64)?),
            "float" => Tree::Float(f32::from_le_bytes(self.take(4)?.try_into().unwrap())),
            "double" => Tree::Double(f64::from_le_bytes(self.take(8)?.try_into().unwrap())),
            "bytes" => {
                let length = self.long(64)?;
                Tree::Bytes(self.take(length)?)
            }
            "string" => Tree::Text(self.text()?),
            "fixed" => Tree::Bytes(self.take(schema["size"].as_i64().unwrap())?),
            "enum" => {
                let symbols = schema["symbols"].as_array().unwrap();
                let at = usize::try_from(self.long(64)?).map_err(|_| Wrong::Datum)?;
                let symbol = symbols.get(at).ok_or(Wrong::Datum)?;
                Tree::Symbol(symbol.as_str().unwrap().to_owned())
            }
            "union" => {
                let at = usize::try_from(self.long(64)?).map_err(|_| Wrong::Datum)?;
                let branch = schema.as_array().unwrap().get(at).ok_or(Wrong::Datum)?;
                let value = self.value(branch, depth)?;
                Tree::Branch(branch, Box::new(value))
            }
            "record" => {
                let mut fields = Vec::new();
                for field in schema["fields"].as_array().unwrap() {
                    let name = field["name"].as_str().unwrap();
                    fields.push((name, self.value(&field["type"], inner)?, &field["type"]));
                }
                Tree::Record(fields)
            }
            "array" => Tree::Array(self.blocks(|me| me.value(&schema["items"], inner))?),
            "map" => {
                Tree::Map(self.blocks(|me| Ok((me.text()?, me.value(&schema["values"], inner)?)))?)
            }
            other => panic!("{other}"),
        })
    }

    fn blocks<T>(&mut self, mut item: impl FnMut(&mut Self) -> Got<T>) -> Got<Vec<T>> {
        let mut items = Vec::new();
        loop {
            let count = self.long(64)?;
            if count == 0 {
                return Ok(items);
            }
            let size = if count < 0 {
                Some(self.long(64)?)
            } else {
                None
            };
            let from = self.at;
            for _ in 0..count.unsigned_abs() {
                let before = self.at;
                items.push(item(self)?);
                self.nothings += u64::from(self.at == before);
                if self.nothings > (1 << 20) + self.datum.len() as u64 / 2 {
                    return Err(Wrong::Datum);
                }
            }
            if size.is_some_and(|size| i128::from(size) != (self.at - from) as i128) {
                return Err(Wrong::Datum);
            }
        }
    }
}

struct Fitting<'a> {
    writer: &'a BTreeMap<String, Json>,
    reader: &'a BTreeMap<String, Json>,
    ignore: bool,
}

const DAY: i64 = 86_400;

impl Fitting<'_> {
    fn value(&self, tree: &Tree<'_>, writer: &Json, reader: &Json) -> Got<Json> {
        if let Tree::Branch(branch, value) = tree {
            return self.value(value, branch, reader);
        }
        let (nullable, reader) = match reader.as_array() {
            Some(branches) => {
                let other = branches.iter().find(|b| **b != json!("null")).unwrap();
                (branches.len() > 1, resolved(self.reader, other))
            }
            None => (false, resolved(self.reader, reader)),
        };
        let writer = resolved(self.writer, writer);
        if let Tree::Null = tree {
            return if nullable {
                Ok(Json::Null)
            } else {
                Err(Wrong::Reader)
            };
        }
        self.check_parts(writer, reader)?;
        match (tree, kind(reader)) {
            (Tree::Record(fields), "record") => self.record(fields, reader),
            (Tree::Array(items), "array") => items
                .iter()
                .map(|item| self.value(item, &writer["items"], &reader["items"]))
                .collect(),
            (Tree::Map(entries), "map") => {
                let mut row: Vec<Json> = Vec::new();
                for (at, (key, value)) in entries.iter().enumerate() {
                    if entries[..at].iter().any(|(k, _)| k == key) {
                        return Err(Wrong::Reader);
                    }
                    let value = self.value(value, &writer["values"], &reader["values"])?;
                    row.push(json!([key, value]));
                }
                Ok(row.into())
            }
            (Tree::Symbol(symbol), "enum") => {
                let symbols = reader["symbols"].as_array().unwrap();
                match symbols.contains(&json!(symbol)) {
                    true => Ok(json!(symbol)),
                    false => reader.get("default").cloned().ok_or(Wrong::Reader),
                }
            }
            _ => scalar(tree, writer, reader),
        }
    }

    /// "To match": what has to hold whatever the value is, an empty array's items included.
    fn check_parts(&self, writer: &Json, reader: &Json) -> Got<()> {
        let last = |schema: &Json| {
            schema["name"]
                .as_str()
                .unwrap_or("")
                .rsplit('.')
                .next()
                .unwrap()
                .to_owned()
        };
        if ["record", "enum", "fixed"].contains(&kind(reader))
            && !["decimal", "uuid"].contains(&logical(reader))
        {
            let aliases = reader["aliases"].as_array().cloned().unwrap_or_default();
            if last(writer) != last(reader) && !aliases.contains(&writer["name"]) {
                return Err(Wrong::Reader);
            }
        }
        for part in ["items", "values"] {
            if let (Some(writer), Some(reader)) = (writer.get(part), reader.get(part)) {
                self.check(writer, reader)?;
            }
        }
        Ok(())
    }

    /// Whether types match, apart from unions of the writer, which are looked into by value.
    fn check(&self, writer: &Json, reader: &Json) -> Got<()> {
        let writer = resolved(self.writer, writer);
        if writer.is_array() {
            return Ok(());
        }
        let nullable = reader.as_array().is_some_and(|b| b.len() > 1);
        let reader = match reader.as_array() {
            Some(branches) => branches.iter().find(|b| **b != json!("null")).unwrap(),
            None => reader,
        };
        let reader = resolved(self.reader, reader);
        if kind(writer) == "null" {
            return if nullable { Ok(()) } else { Err(Wrong::Reader) };
        }
        match kind(reader) {
            "record" | "array" | "map" | "enum" if kind(writer) != kind(reader) => {
                Err(Wrong::Reader)
            }
            "record" => {
                self.check_parts(writer, reader)?;
                let empty = Vec::new();
                let written = writer["fields"].as_array().unwrap_or(&empty);
                for field in reader["fields"].as_array().unwrap() {
                    match source(field, reader, |name| {
                        written.iter().any(|w| w["name"] == name)
                    }) {
                        Some(name) => {
                            let from = written.iter().find(|w| w["name"] == name.as_str()).unwrap();
                            self.check(&from["type"], &field["type"])?;
                        }
                        None if field.get("default").is_some() => {}
                        None => return Err(Wrong::Reader),
                    }
                }
                Ok(())
            }
            "array" | "map" | "enum" => self.check_parts(writer, reader),
            _ if !matches(writer, reader) => Err(Wrong::Reader),
            _ => self.check_parts(writer, reader),
        }
    }

    fn record(&self, fields: &[(&str, Tree<'_>, &Json)], reader: &Json) -> Got<Json> {
        let wanted = reader["fields"].as_array().unwrap();
        let names: Vec<Option<String>> = wanted
            .iter()
            .map(|field| source(field, reader, |name| fields.iter().any(|w| w.0 == name)))
            .collect();
        if !self.ignore
            && fields
                .iter()
                .any(|(name, _, _)| !names.contains(&Some((*name).to_owned())))
        {
            return Err(Wrong::Reader);
        }
        let mut row = Vec::new();
        for (field, name) in wanted.iter().zip(names) {
            row.push(match name {
                Some(name) => {
                    let (_, tree, ty) = fields.iter().find(|w| w.0 == name).unwrap();
                    self.value(tree, ty, &field["type"])?
                }
                None => self.default(&field["type"], field.get("default").ok_or(Wrong::Reader)?),
            });
        }
        Ok(row.into())
    }

    /// A default as a cell.
    fn default(&self, ty: &Json, default: &Json) -> Json {
        if default.is_null() {
            return Json::Null;
        }
        let ty = match ty.as_array() {
            Some(branches) => branches.iter().find(|b| **b != json!("null")).unwrap(),
            None => ty,
        };
        let ty = resolved(self.reader, ty);
        match (kind(ty), default) {
            ("record", Json::Object(given)) => {
                let field = |f: &Json| {
                    let name = f["name"].as_str().unwrap();
                    self.default(&f["type"], given.get(name).unwrap_or(&f["default"]))
                };
                ty["fields"].as_array().unwrap().iter().map(field).collect()
            }
            ("array", Json::Array(given)) => given
                .iter()
                .map(|d| self.default(&ty["items"], d))
                .collect(),
            ("map", Json::Object(given)) => given
                .iter()
                .map(|(key, d)| json!([key, self.default(&ty["values"], d)]))
                .collect(),
            ("bytes" | "fixed", Json::String(text)) => {
                let bytes = text.chars().map(|c| c as u8).collect();
                scalar(&Tree::Bytes(bytes), ty, ty).unwrap()
            }
            ("float", _) => json!(format!("{:?}", default.as_f64().unwrap() as f32)),
            ("double", _) => json!(format!("{:?}", default.as_f64().unwrap())),
            ("int" | "long", _) => scalar(&Tree::Long(default.as_i64().unwrap()), ty, ty).unwrap(),
            _ => default.clone(),
        }
    }
}

/// The name of the written field that the reader's field reads.
fn source(field: &Json, reader: &Json, is_written: impl Fn(&str) -> bool) -> Option<String> {
    let name = field["name"].as_str().unwrap();
    if is_written(name) {
        return Some(name.to_owned());
    }
    // an alias is free if no field has it as its name, and none before has taken it
    let fields = reader["fields"].as_array().unwrap();
    let mut taken: Vec<String> = fields
        .iter()
        .map(|f| f["name"].as_str().unwrap().to_owned())
        .filter(|name| is_written(name))
        .collect();
    for one in fields {
        let own = one["name"].as_str().unwrap();
        if taken.iter().any(|t| t == own) && is_written(own) {
            continue;
        }
        let aliases = one["aliases"].as_array().cloned().unwrap_or_default();
        let found = aliases
            .iter()
            .map(|a| a.as_str().unwrap().to_owned())
            .find(|a| is_written(a) && !taken.contains(a));
        if own == name {
            return found;
        }
        taken.extend(found);
    }
    None
}

fn logical(schema: &Json) -> &str {
    schema["logicalType"].as_str().unwrap_or("")
}

fn matches(writer: &Json, reader: &Json) -> bool {
    let (w, r) = (kind(writer), kind(reader));
    if logical(writer) == "decimal" && logical(reader) == "decimal" {
        return writer["precision"] == reader["precision"] && writer["scale"] == reader["scale"];
    }
    if logical(writer) == "uuid"
        && w == "string"
        && ["string", "bytes"].contains(&r)
        && logical(reader).is_empty()
    {
        return true;
    }
    if logical(writer) != logical(reader) {
        return false;
    }
    let promoted = match w {
        "int" => ["long", "float", "double"].contains(&r),
        "long" => ["float", "double"].contains(&r),
        "float" => r == "double",
        "string" => r == "bytes",
        "bytes" => r == "string",
        _ => false,
    };
    (w == r && writer["size"] == reader["size"]) || (promoted && logical(writer).is_empty())
}

fn scalar(tree: &Tree<'_>, writer: &Json, reader: &Json) -> Got<Json> {
    if !matches(writer, reader) {
        return Err(Wrong::Reader);
    }
    let within = |value: i64, from: i64, to: i64| match (from..to).contains(&value) {
        true => Ok(json!(value)),
        false => Err(Wrong::Reader),
    };
    let instant = |value: i64, per: i64| within(value, -719_162 * DAY * per, 2_932_897 * DAY * per);
    match (tree, kind(reader), logical(reader)) {
        (Tree::Boolean(value), "boolean", _) => Ok(json!(value)),
        (Tree::Long(value), _, "date") => within(*value, -719_162, 2_932_897),
        (Tree::Long(value), _, "time-millis") => within(*value, 0, DAY * 1000),
        (Tree::Long(value), _, "time-micros") => within(*value, 0, DAY * 1_000_000),
        (Tree::Long(value), _, "timestamp-millis" | "local-timestamp-millis") => {
            instant(*value, 1000)?;
            Ok(json!(value * 1000))
        }
        (Tree::Long(value), _, "timestamp-micros" | "local-timestamp-micros") => {
            instant(*value, 1_000_000)
        }
        (Tree::Long(value), "int" | "long", _) => Ok(json!(value)),
        (Tree::Long(value), "float", _) => match (*value as f32) as i128 == i128::from(*value) {
            true => Ok(json!(format!("{:?}", *value as f32))),
            false => Err(Wrong::Reader),
        },
        (Tree::Long(value), "double", _) => match (*value as f64) as i128 == i128::from(*value) {
            true => Ok(json!(format!("{:?}", *value as f64))),
            false => Err(Wrong::Reader),
        },
        (Tree::Float(value), "float", _) => Ok(json!(format!("{value:?}"))),
        (Tree::Float(value), "double", _) => Ok(json!(format!("{:?}", f64::from(*value)))),
        (Tree::Double(value), "double", _) => Ok(json!(format!("{value:?}"))),
        (Tree::Bytes(bytes), _, "decimal") => decimal(bytes, reader["precision"].as_u64().unwrap()),
        (Tree::Bytes(bytes), "fixed", "uuid") => {
            let hex = super::corpus::hex(bytes);
            let cut = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &hex[part]);
            Ok(json!(cut.join("-")))
        }
        (Tree::Bytes(bytes), "bytes" | "fixed", _) => Ok(json!(super::corpus::hex(bytes))),
        (Tree::Bytes(bytes), "string", _) => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(json!(text)),
            Err(_) => Err(Wrong::Reader),
        },
        (Tree::Text(text), "string", "uuid") => {
            let parts: Vec<&str> = text.split('-').collect();
            let lengths: Vec<usize> = parts.iter().map(|p| p.len()).collect();
            let digits = parts
                .iter()
                .all(|p| p.chars().all(|c| c.is_ascii_hexdigit()));
            match lengths == [8, 4, 4, 4, 12] && digits {
                true => Ok(json!(text)),
                false => Err(Wrong::Reader),
            }
        }
        (Tree::Text(text), "string", _) => Ok(json!(text)),
        (Tree::Text(text), "bytes", _) => Ok(json!(super::corpus::hex(text.as_bytes()))),
        _ => Err(Wrong::Reader),
    }
}

fn decimal(bytes: &[u8], precision: u64) -> Got<Json> {
    // digit by digit, in base 256, so that no width is special
    let negative = *bytes.first().ok_or(Wrong::Reader)? >= 0x80;
    let mut magnitude: Vec<u8> = bytes
        .iter()
        .map(|b| if negative { !b } else { *b })
        .collect();
    if negative {
        for byte in magnitude.iter_mut().rev() {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                break;
            }
        }
        if magnitude.iter().all(|b| *b == 0) {
            magnitude.insert(0, 1);
        }
    }
    let mut digits = vec![0_u8];
    for byte in magnitude {
        let mut carry = u32::from(byte);
        for digit in &mut digits {
            let value = u32::from(*digit) * 256 + carry;
            *digit = (value % 10) as u8;
            carry = value / 10;
        }
        while carry > 0 {
            digits.push((carry % 10) as u8);
            carry /= 10;
        }
    }
    while digits.len() > 1 && digits.last() == Some(&0) {
        digits.pop();
    }
    if digits.len() as u64 > precision {
        return Err(Wrong::Reader);
    }
    let text: String = digits.iter().rev().map(|d| char::from(b'0' + d)).collect();
    Ok(json!(if negative { format!("-{text}") } else { text }))
}
