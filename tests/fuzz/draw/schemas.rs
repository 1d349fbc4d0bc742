//! Pairs of a writer's and a reader's schema, as their JSON.

use serde_json::{Value as Json, json};

use crate::choices::Choices;

pub struct Draw<'a> {
    pub choices: Choices<'a>,
    names: usize,
}

const PRIMITIVE: [&str; 7] = [
    "string", "int", "long", "double", "float", "boolean", "bytes",
];

const LOGICAL: [(&str, &str); 10] = [
    ("int", "date"),
    ("int", "time-millis"),
    ("long", "time-micros"),
    ("long", "timestamp-millis"),
    ("long", "timestamp-micros"),
    ("long", "timestamp-nanos"),
    ("long", "local-timestamp-millis"),
    ("long", "local-timestamp-micros"),
    ("long", "local-timestamp-nanos"),
    ("string", "uuid"),
];

fn kind(schema: &Json) -> &str {
    schema
        .as_str()
        .or(schema["type"].as_str())
        .unwrap_or("union")
}

impl<'a> Draw<'a> {
    pub fn new(choices: Choices<'a>) -> Self {
        Self { choices, names: 0 }
    }

    fn name(&mut self) -> String {
        self.names += 1;
        let space = self.choices.pick(&["", "", "", "a.", "a.b."]);
        format!("{space}N{}", self.names)
    }

    fn symbols(&mut self) -> Vec<&'static str> {
        let mut symbols = vec!["A", "B", "C", "D", "Ee"];
        let count = 1 + self.choices.below(4);
        while symbols.len() > count {
            let at = self.choices.below(symbols.len());
            symbols.remove(at);
        }
        symbols
    }

    /// A record as it may be written. With `lands`, one that has a column for each field.
    pub fn record(&mut self, depth: usize, most: usize, lands: bool) -> Json {
        let name = self.name();
        let mut fields = Vec::new();
        for at in 0..=self.choices.below(most) {
            let ty = self.value(depth, lands);
            fields.push(json!({"name": format!("f{at}"), "type": ty}));
        }
        if !lands && self.choices.chance(25) {
            fields.push(json!({"name": "me", "type": ["null", name]}));
        }
        if !lands && self.choices.chance(25) {
            fields.push(json!({"name": "us", "type": {"type": "array", "items": name}}));
        }
        json!({"type": "record", "name": name, "fields": fields})
    }

    /// A type, or a union.
    pub fn value(&mut self, depth: usize, lands: bool) -> Json {
        if !self.choices.chance(100) {
            return self.ty(depth, lands);
        }
        if lands {
            let ty = self.ty(depth, lands);
            return match self.choices.below(4) {
                0 => json!([ty, "null"]),
                1 => json!([ty]),
                _ => json!(["null", ty]),
            };
        }
        let mut branches: Vec<Json> = Vec::new();
        for _ in 0..=self.choices.below(3) {
            let branch = match self.choices.chance(100) {
                true => json!("null"),
                false => self.ty(depth, lands),
            };
            let is_named = ["record", "enum", "fixed"].contains(&kind(&branch));
            if is_named || branches.iter().all(|b| kind(b) != kind(&branch)) {
                branches.push(branch);
            }
        }
        branches.into()
    }

    /// A type that is no union.
    fn ty(&mut self, depth: usize, lands: bool) -> Json {
        let most = if depth > 3 { 70 } else { 100 };
        match self.choices.below(most) {
            0..35 => json!(self.choices.pick(&PRIMITIVE)),
            35..50 => {
                let (ty, logical) = LOGICAL[self.choices.below(LOGICAL.len())];
                json!({"type": ty, "logicalType": logical})
            }
            50..55 => self.decimal(),
            55..60 => self.fixed(lands),
            60..68 => json!({"type": "enum", "name": self.name(), "symbols": self.symbols()}),
            68..70 if lands => json!("string"),
            68..70 => json!("null"),
            70..80 => json!({"type": "array", "items": self.value(depth + 1, lands)}),
            80..88 => json!({"type": "map", "values": self.value(depth + 1, lands)}),
            _ => self.record(depth + 1, 4, lands),
        }
    }

    fn decimal(&mut self) -> Json {
        let precision = 1 + self.choices.below(38);
        let scale = self.choices.below(precision + 1);
        let mut ty = json!({"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale});
        if self.choices.chance(100) {
            ty["type"] = json!("fixed");
            ty["name"] = json!(self.name());
            ty["size"] = json!(1 + self.choices.below(20));
        }
        ty
    }

    fn fixed(&mut self, lands: bool) -> Json {
        let kinds = [(1, ""), (5, ""), (0, ""), (16, "uuid"), (12, "duration")];
        let (size, logical) = kinds[self.choices.below(if lands { 4 } else { 5 })];
        let mut ty = json!({"type": "fixed", "name": self.name(), "size": size});
        if !logical.is_empty() {
            ty["logicalType"] = json!(logical);
        }
        ty
    }

    /// A reader's schema for data of `writer`: what can land of it, with a few changes.
    pub fn reader(&mut self, writer: &Json) -> Json {
        let Some(branches) = writer.as_array() else {
            let reader = self.type_reader(writer);
            return match self.choices.chance(25) && !reader.is_array() {
                true => json!(["null", reader]),
                false => reader,
            };
        };
        let others: Vec<&Json> = branches.iter().filter(|b| **b != json!("null")).collect();
        if others.is_empty() {
            return json!(["null", "int"]);
        }
        let chosen = others[self.choices.below(others.len())].clone();
        let chosen = self.reader(&chosen);
        match (self.choices.chance(80), chosen.is_array()) {
            (false, false) => json!(["null", chosen]),
            _ => chosen,
        }
    }

    fn type_reader(&mut self, writer: &Json) -> Json {
        if self.choices.chance(3) {
            return json!(self.choices.pick(&PRIMITIVE));
        }
        let promoted: &[&str] = match writer.as_str() {
            Some("null") => return json!(["null", "string"]),
            Some("int") => &["int", "long", "float", "double"],
            Some("long") => &["long", "float", "double"],
            Some("float") => &["float", "double"],
            Some("string") => &["string", "bytes"],
            Some("bytes") => &["bytes", "string"],
            Some(_) => return writer.clone(),
            None => &[],
        };
        if !promoted.is_empty() {
            return json!(self.choices.pick(promoted));
        }
        let mut reader = writer.clone();
        match kind(writer) {
            "array" => reader["items"] = self.reader(&writer["items"]),
            "map" => reader["values"] = self.reader(&writer["values"]),
            "enum" if self.choices.chance(128) => {
                let symbols = self.symbols();
                if self.choices.chance(128) {
                    reader["default"] = json!(symbols[0]);
                }
                reader["symbols"] = json!(symbols);
            }
            "record" => reader["fields"] = self.reader_fields(writer),
            _ if writer["logicalType"] == json!("duration") => return json!("int"),
            _ if writer["logicalType"] == json!("uuid") && self.choices.chance(80) => {
                return json!(self.choices.pick(&["string", "bytes"]));
            }
            _ => {}
        }
        if reader.get("name").is_some() && self.choices.chance(25) {
            if !self.choices.chance(64) {
                reader["aliases"] = json!([writer["name"]]);
            }
            reader["name"] = json!(self.name());
        }
        reader
    }

    fn reader_fields(&mut self, writer: &Json) -> Json {
        let mut fields: Vec<Json> = Vec::new();
        let empty = Vec::new();
        for field in writer["fields"].as_array().unwrap_or(&empty) {
            let is_itself = field["name"] == json!("me") || field["name"] == json!("us");
            if is_itself || self.choices.chance(30) {
                continue;
            }
            let mut read = json!({"name": field["name"], "type": self.reader(&field["type"])});
            if self.choices.chance(30) {
                read["aliases"] = json!(["other", field["name"], "f0"]);
                read["name"] = json!(format!("new_{}", field["name"].as_str().unwrap_or("")));
            }
            let at = self.choices.below(fields.len() + 1);
            fields.insert(at, read);
        }
        if fields.is_empty() || self.choices.chance(80) {
            fields.push(self.defaulted());
        }
        fields.into()
    }

    /// A field that is not written.
    fn defaulted(&mut self) -> Json {
        let nested = json!({"type": "record", "name": self.name(), "fields": [
            {"name": "x", "type": "long", "default": 3}, {"name": "y", "type": ["null", "float"]}]});
        let uuid = json!({"type": "fixed", "name": self.name(), "size": 16, "logicalType": "uuid"});
        let fields = [
            json!({"name": "d0", "type": "int", "default": 7}),
            json!({"name": "d1", "type": ["null", "string"], "default": null}),
            json!({"name": "d2", "type": {"type": "array", "items": "double"}, "default": [1.5, 2]}),
            json!({"name": "d3", "type": {"type": "map", "values": "bytes"}, "default": {"k": "\u{ff}"}}),
            json!({"name": "d4", "type": {"type": "bytes", "logicalType": "decimal", "precision": 3, "scale": 1}, "default": "\u{ff}\u{38}"}),
            json!({"name": "d5", "type": {"type": "long", "logicalType": "timestamp-millis"}, "default": -5}),
            json!({"name": "d6", "type": ["string", "null"], "default": "x", "aliases": ["f0"]}),
            json!({"name": "d8", "type": nested, "default": {"y": null}}),
            json!({"name": "d9", "type": uuid, "default": "0123456789abcde\u{ff}"}),
            json!({"name": "d7", "type": "string"}),
        ];
        let most = if self.choices.chance(25) { 10 } else { 9 };
        fields[self.choices.below(most)].clone()
    }
}

/// Pairs that no draw would find: what is rare, each by itself.
pub const RARE: &[(&str, &str)] = &[
    // a type that holds itself, passed over
    (
        r#"{"type":"record","name":"T","fields":[{"name":"n","type":["null","T"]},{"name":"a","type":"int"}]}"#,
        r#"{"type":"record","name":"T","fields":[{"name":"a","type":"int"}]}"#,
    ),
    // items that take no bytes, and what is filled in for each
    (
        r#"{"type":"record","name":"T","fields":[{"name":"a","type":{"type":"array","items":{"type":"record","name":"E","fields":[]}}}]}"#,
        r#"{"type":"record","name":"T","fields":[{"name":"a","type":{"type":"array","items":{"type":"record","name":"E","fields":[{"name":"x","type":"long","default":1}]}}}]}"#,
    ),
    (
        r#"{"type":"record","name":"T","fields":[{"name":"a","type":{"type":"array","items":"null"}}]}"#,
        r#"{"type":"record","name":"T","fields":[{"name":"a","type":{"type":"array","items":["null","int"]}}]}"#,
    ),
    // a union at the top, of records of one last name
    (
        r#"["null",{"type":"record","name":"a.T","fields":[{"name":"a","type":"int"}]},{"type":"record","name":"b.T","fields":[{"name":"a","type":"string"}]}]"#,
        r#"{"type":"record","name":"T","fields":[{"name":"a","type":"long"}]}"#,
    ),
    // names that change places
    (
        r#"{"type":"record","name":"T","fields":[{"name":"a","type":"int"},{"name":"b","type":"int"},{"name":"c","type":"int"}]}"#,
        r#"{"type":"record","name":"T","fields":[{"name":"x","type":"int","aliases":["a","b"]},{"name":"y","type":"int","aliases":["a","b"]},{"name":"c","type":"int","aliases":["b"]}]}"#,
    ),
    // maps of maps, and keys of many
    (
        r#"{"type":"record","name":"T","fields":[{"name":"m","type":{"type":"map","values":{"type":"map","values":["null","boolean"]}}}]}"#,
        r#"{"type":"record","name":"T","fields":[{"name":"m","type":{"type":"map","values":{"type":"map","values":["null","boolean"]}}}]}"#,
    ),
    // one of whose unions no branch can be read, within a branch
    (
        r#"{"type":"record","name":"T","fields":[{"name":"u","type":["null",{"type":"record","name":"I","fields":[{"name":"v","type":["string","bytes"]},{"name":"w","type":{"type":"array","items":["int","string"]}}]}]}]}"#,
        r#"{"type":"record","name":"T","fields":[{"name":"u","type":["null",{"type":"record","name":"I","fields":[{"name":"v","type":"int"},{"name":"w","type":{"type":"array","items":"int"}}]}]}]}"#,
    ),
    // a namespace that is inherited, and one that is left
    (
        r#"{"type":"record","name":"T","namespace":"n.s","fields":[{"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"]}},{"name":"f","type":"E"},{"name":"g","type":{"type":"record","name":"o.R","fields":[{"name":"h","type":"n.s.E"}]}}]}"#,
        r#"{"type":"record","name":"T","fields":[{"name":"f","type":{"type":"enum","name":"x.F","aliases":["n.s.E"],"symbols":["B"],"default":"B"}},{"name":"g","type":{"type":"record","name":"R","fields":[{"name":"h","type":"x.F"}]}}]}"#,
    ),
    // a fixed is read by its name, a decimal on one by its digits
    (
        r#"{"type":"record","name":"T","fields":[{"name":"u","type":["null",{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}]},{"name":"d","type":{"type":"fixed","name":"D","size":4,"logicalType":"decimal","precision":5,"scale":1}},{"name":"p","type":["null",{"type":"fixed","name":"P","size":2}]}]}"#,
        r#"{"type":"record","name":"T","fields":[{"name":"u","type":["null",{"type":"fixed","name":"V","size":16,"logicalType":"uuid"}]},{"name":"d","type":{"type":"bytes","logicalType":"decimal","precision":5,"scale":1}},{"name":"p","type":["null",{"type":"fixed","name":"Q","aliases":["P"],"size":2}]}]}"#,
    ),
    // wide items
    (
        r#"{"type":"record","name":"T","fields":[{"name":"l","type":{"type":"array","items":"string"}},{"name":"k","type":{"type":"map","values":"int"}}]}"#,
        r#"{"type":"record","name":"T","fields":[{"name":"k","type":{"type":"map","values":"double"}},{"name":"l","type":{"type":"array","items":"bytes"}}]}"#,
    ),
];
