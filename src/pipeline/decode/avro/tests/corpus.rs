//! Drawn pairs of schemas and drawn data, held against the plain decoder of [`super::oracle`].

use std::collections::BTreeMap;
use std::fmt::Write as _;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type,
    TimestampMicrosecondType,
};
use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value as Json, json};

use super::oracle::{self, Wrong};
use super::*;
use crate::model::reject::RejectCode;

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, b| {
        write!(text, "{b:02x}").unwrap();
        text
    })
}

/// A cell as the oracle writes it.
pub(super) fn cell(array: &dyn Array, at: usize) -> Json {
    if array.is_null(at) {
        return Json::Null;
    }
    let items = |array: &dyn Array| -> Json { (0..array.len()).map(|i| cell(array, i)).collect() };
    match array.data_type() {
        DataType::Boolean => json!(array.as_boolean().value(at)),
        DataType::Int32 => json!(array.as_primitive::<Int32Type>().value(at)),
        DataType::Date32 => json!(array.as_primitive::<Date32Type>().value(at)),
        DataType::Int64 => json!(array.as_primitive::<Int64Type>().value(at)),
        DataType::Timestamp(_, _) => {
            json!(array.as_primitive::<TimestampMicrosecondType>().value(at))
        }
        DataType::Float32 => json!(format!(
            "{:?}",
            array.as_primitive::<Float32Type>().value(at)
        )),
        DataType::Float64 => json!(format!(
            "{:?}",
            array.as_primitive::<Float64Type>().value(at)
        )),
        DataType::Decimal128(_, _) => {
            json!(array.as_primitive::<Decimal128Type>().value(at).to_string())
        }
        DataType::Utf8 => json!(array.as_string::<i32>().value(at)),
        DataType::Binary => json!(hex(array.as_binary::<i32>().value(at))),
        DataType::Struct(_) => {
            let columns = array.as_struct().columns();
            columns.iter().map(|column| cell(column, at)).collect()
        }
        DataType::List(_) => items(&array.as_list::<i32>().value(at)),
        DataType::Map(_, _) => {
            let entries = array.as_map().value(at);
            (0..entries.len())
                .map(|i| json!([cell(entries.column(0), i), cell(entries.column(1), i)]))
                .collect()
        }
        other => panic!("{other}"),
    }
}

/// Draws schemas and data.
struct Draw {
    rng: SmallRng,
    names: usize,
}

const LOGICAL: [(&str, &str); 9] = [
    ("int", "date"),
    ("int", "time-millis"),
    ("long", "time-micros"),
    ("long", "timestamp-millis"),
    ("long", "timestamp-micros"),
    ("long", "timestamp-nanos"),
    ("long", "local-timestamp-millis"),
    ("long", "local-timestamp-micros"),
    ("string", "uuid"),
];
const PRIMITIVE: [&str; 7] = [
    "boolean", "int", "long", "float", "double", "bytes", "string",
];

impl Draw {
    fn chance(&mut self, share: f64) -> bool {
        self.rng.random_bool(share)
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("N{}", self.names)
    }

    fn symbols(&mut self) -> Vec<&'static str> {
        let count = self.rng.random_range(1..=4);
        ["A", "B", "C", "D"]
            .choose_multiple(&mut self.rng, count)
            .copied()
            .collect()
    }

    /// A writer's type that is no union.
    fn ty(&mut self, depth: usize) -> Json {
        let most = if depth > 3 { 70 } else { 100 };
        match self.rng.random_range(0..most) {
            0..35 => json!(PRIMITIVE.choose(&mut self.rng).unwrap()),
            35..50 => {
                let (ty, logical) = LOGICAL.choose(&mut self.rng).unwrap();
                json!({"type": ty, "logicalType": logical})
            }
            50..55 => {
                let precision = self.rng.random_range(1..=38);
                let scale = self.rng.random_range(0..=precision);
                let mut ty = json!({"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale});
                if self.chance(0.4) {
                    ty["type"] = json!("fixed");
                    ty["name"] = json!(self.name());
                    ty["size"] = json!(self.rng.random_range(1..=20));
                }
                ty
            }
            55..60 => {
                let (size, logical) = *[(0, ""), (1, ""), (5, ""), (16, "uuid"), (12, "duration")]
                    .choose(&mut self.rng)
                    .unwrap();
                let mut ty = json!({"type": "fixed", "name": self.name(), "size": size});
                if !logical.is_empty() {
                    ty["logicalType"] = json!(logical);
                }
                ty
            }
            60..68 => json!({"type": "enum", "name": self.name(), "symbols": self.symbols()}),
            68..70 => json!("null"),
            70..80 => json!({"type": "array", "items": self.value(depth + 1)}),
            80..88 => json!({"type": "map", "values": self.value(depth + 1)}),
            _ => {
                let count = self.rng.random_range(1..=4);
                self.record(depth + 1, count)
            }
        }
    }

    /// A writer's type, or a union.
    fn value(&mut self, depth: usize) -> Json {
        if self.chance(0.6) {
            return self.ty(depth);
        }
        let mut branches: Vec<Json> = Vec::new();
        for _ in 0..self.rng.random_range(1..=3) {
            let branch = match self.chance(0.4) {
                true => json!("null"),
                false => self.ty(depth),
            };
            let kind = |b: &Json| b.as_str().or(b["type"].as_str()).unwrap().to_owned();
            if branches.iter().all(|b| kind(b) != kind(&branch)) {
                branches.push(branch);
            }
        }
        branches.into()
    }

    fn record(&mut self, depth: usize, count: usize) -> Json {
        let name = self.name();
        let mut fields = Vec::new();
        for at in 0..count {
            fields.push(json!({"name": format!("f{at}"), "type": self.value(depth)}));
        }
        if self.chance(0.1) {
            fields.push(json!({"name": "me", "type": ["null", name]}));
        }
        json!({"type": "record", "name": name, "fields": fields})
    }

    /// A reader's schema for data of `writer`: what can land of it, with a few changes.
    fn reader(&mut self, writer: &Json) -> Json {
        if let Some(branches) = writer.as_array() {
            let other: Vec<&Json> = branches.iter().filter(|b| **b != json!("null")).collect();
            let Some(chosen) = other.choose(&mut self.rng).map(|b| (*b).clone()) else {
                return json!(["null", "int"]);
            };
            let chosen = self.reader(&chosen);
            return match (self.chance(0.7), chosen.is_array()) {
                (true, false) => json!(["null", chosen]),
                _ => chosen,
            };
        }
        let reader = self.type_reader(writer);
        match self.chance(0.1) && !reader.is_array() {
            true => json!(["null", reader]),
            false => reader,
        }
    }

    fn type_reader(&mut self, writer: &Json) -> Json {
        if self.chance(0.01) {
            return json!(PRIMITIVE.choose(&mut self.rng).unwrap());
        }
        let promoted: &[&str] = match writer.as_str() {
            Some("null") => return json!(["null", "string"]),
            Some("int") => &["int", "long", "float", "double"],
            Some("long") => &["long", "float", "double"],
            Some("float") => &["float", "double"],
            Some("string" | "bytes") => &["string", "bytes"],
            Some(_) => return writer.clone(),
            None => &[],
        };
        if !promoted.is_empty() {
            return json!(promoted.choose(&mut self.rng).unwrap());
        }
        let mut reader = writer.clone();
        match writer["type"].as_str().unwrap() {
            "array" => reader["items"] = self.reader(&writer["items"]),
            "map" => reader["values"] = self.reader(&writer["values"]),
            "enum" if self.chance(0.5) => {
                let symbols = self.symbols();
                if self.chance(0.5) {
                    reader["default"] = json!(symbols[0]);
                }
                reader["symbols"] = json!(symbols);
            }
            "record" => reader["fields"] = self.reader_fields(writer),
            _ if writer["logicalType"] == json!("duration") => return json!("int"),
            _ => {}
        }
        if reader.get("name").is_some() && self.chance(0.1) {
            reader["aliases"] = json!([writer["name"]]);
            reader["name"] = json!(self.name());
        }
        reader
    }

    fn reader_fields(&mut self, writer: &Json) -> Json {
        let mut fields = Vec::new();
        for field in writer["fields"].as_array().unwrap() {
            if self.chance(0.15) || field["name"] == json!("me") {
                continue;
            }
            let mut read = json!({"name": field["name"], "type": self.reader(&field["type"])});
            if self.chance(0.15) {
                read["aliases"] = json!(["other", field["name"]]);
                read["name"] = json!(format!("new_{}", field["name"].as_str().unwrap()));
            }
            let at = self.rng.random_range(0..=fields.len());
            fields.insert(at, read);
        }
        let defaults = [
            json!({"name": "d0", "type": "int", "default": 7}),
            json!({"name": "d1", "type": ["null", "string"], "default": null}),
            json!({"name": "d2", "type": {"type": "array", "items": "double"}, "default": [1.5, 2]}),
            json!({"name": "d3", "type": {"type": "map", "values": "bytes"}, "default": {"k": "\u{ff}"}}),
            json!({"name": "d4", "type": {"type": "bytes", "logicalType": "decimal", "precision": 3, "scale": 1}, "default": "\u{ff}\u{38}"}),
            json!({"name": "d5", "type": {"type": "long", "logicalType": "timestamp-millis"}, "default": 5}),
            json!({"name": "d6", "type": ["string", "null"], "default": "x", "aliases": ["f0"]}),
            json!({"name": "d7", "type": "string"}),
        ];
        if fields.is_empty() || self.chance(0.3) {
            let last = if self.chance(0.1) { 8 } else { 7 };
            fields.push(defaults[self.rng.random_range(0..last)].clone());
        }
        fields.into()
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let count = self.rng.random_range(0..=most);
        (0..count).map(|_| self.rng.random()).collect()
    }

    fn text(&mut self) -> String {
        let few = ["", "a", "k", "ä", "😀", "twelve bytes", "x\u{0}y"];
        match self.chance(0.8) {
            true => (*few.choose(&mut self.rng).unwrap()).to_owned(),
            false => "ab💧".repeat(self.rng.random_range(1..40)),
        }
    }

    fn integer(&mut self, logical: &str) -> i64 {
        let most = match logical {
            "date" => 3_000_000,
            "time-millis" => 90_000_000,
            "time-micros" => 90_000_000_000,
            "timestamp-millis" | "local-timestamp-millis" => 260_000_000_000_000,
            "timestamp-micros" | "local-timestamp-micros" => 260_000_000_000_000_000,
            _ => i64::MAX,
        };
        let value: i64 = self.rng.random_range(-most..=most);
        value >> self.rng.random_range(0..=40)
    }

    /// A datum of `schema`; mostly one that can land.
    fn datum(
        &mut self,
        schema: &Json,
        names: &BTreeMap<String, Json>,
        depth: usize,
        out: &mut Vec<u8>,
    ) {
        let schema = names
            .get(schema.as_str().unwrap_or_default())
            .unwrap_or(schema);
        if let Some(branches) = schema.as_array() {
            let is_null = |b: &Json| *b == json!("null");
            let null = branches.iter().position(is_null).filter(|_| depth > 12);
            let at = null.unwrap_or_else(|| self.rng.random_range(0..branches.len()));
            out.extend(long(at as i64));
            return self.datum(&branches[at], names, depth, out);
        }
        let logical = schema["logicalType"].as_str().unwrap_or("");
        match schema.as_str().or(schema["type"].as_str()).unwrap() {
            "null" => {}
            "boolean" => out.push(u8::from(self.chance(0.5))),
            "int" => out.extend(long(i64::from(
                self.integer(logical).clamp(-3_000_000_000, 3_000_000_000) as i32,
            ))),
            "long" => out.extend(long(self.integer(logical))),
            "float" => out.extend(self.rng.random::<u32>().to_le_bytes()),
            "double" => out.extend(self.rng.random::<u64>().to_le_bytes()),
            "bytes" => {
                let bytes = match self.chance(0.5) {
                    true => self.text().into_bytes(),
                    false => self.bytes(18),
                };
                out.extend(long(bytes.len() as i64));
                out.extend(bytes);
            }
            "string" if logical == "uuid" && self.chance(0.9) => {
                out.extend(text("123e4567-e89b-12d3-A456-426614174000"));
            }
            "string" => out.extend(text(&self.text())),
            "fixed" => {
                let small = self.chance(0.7);
                let size = schema["size"].as_u64().unwrap();
                out.extend((0..size).map(|at| {
                    if small && at + 1 < size {
                        0
                    } else {
                        self.rng.random::<u8>()
                    }
                }));
            }
            "enum" => {
                let count = schema["symbols"].as_array().unwrap().len();
                out.extend(long(self.rng.random_range(0..count) as i64));
            }
            "record" => {
                for field in schema["fields"].as_array().unwrap() {
                    self.datum(&field["type"], names, depth + 1, out);
                }
            }
            "array" => self.blocks(depth, out, |me, _, out| {
                me.datum(&schema["items"], names, depth + 1, out)
            }),
            "map" => self.blocks(depth, out, |me, at, out| {
                let key = if me.chance(0.95) {
                    format!("k{at}")
                } else {
                    "k0".to_owned()
                };
                out.extend(text(&key));
                me.datum(&schema["values"], names, depth + 1, out);
            }),
            other => panic!("{other}"),
        }
    }

    fn blocks(
        &mut self,
        depth: usize,
        out: &mut Vec<u8>,
        mut item: impl FnMut(&mut Self, usize, &mut Vec<u8>),
    ) {
        let mut at = 0;
        let blocks = if depth > 6 {
            0
        } else {
            self.rng.random_range(0..=2)
        };
        for _ in 0..blocks {
            let count = self.rng.random_range(1..=3);
            let mut items = Vec::new();
            for _ in 0..count {
                item(self, at, &mut items);
                at += 1;
            }
            match self.chance(0.5) {
                true => out.extend(long(count)),
                false => {
                    out.extend(long(-count));
                    out.extend(long(items.len() as i64));
                }
            }
            out.extend(items);
        }
        out.push(0);
    }
}

fn is_of_the_datum(code: RejectCode) -> bool {
    use RejectCode::{InvalidAvro, InvalidUtf8, TooDeep, TooLarge, TrailingBytes};
    matches!(
        code,
        InvalidAvro | InvalidUtf8 | TrailingBytes | TooDeep | TooLarge
    )
}

/// A pair of schemas with both decoders.
struct Both {
    writer: Json,
    reader: Json,
    ignore: bool,
    decoder: Option<AvroDecoder>,
    columns: Columns,
    judged: Judged,
}

impl Both {
    /// `None` if the reader's schema cannot land.
    fn new(writer: Json, reader: Json, ignore: bool) -> Option<Self> {
        let schema = parse("r", 1, &reader.to_string(), true).ok()?;
        let written = WriterSchema::parse(&writer.to_string(), &[]);
        let written = written.unwrap_or_else(|f| panic!("{f:?}: {writer}"));
        let unknown = match ignore {
            true => UnknownFields::Ignore,
            false => UnknownFields::Reject,
        };
        let plan = resolve(&written, &schema).ok();
        Some(Self {
            decoder: plan.map(|plan| AvroDecoder::new(Arc::new(plan), options(unknown))),
            columns: Columns::new(&schema),
            judged: Judged::default(),
            writer,
            reader,
            ignore,
        })
    }

    /// Both say the same of `datum`; true if it is a row.
    fn agree(&mut self, datum: &[u8]) -> bool {
        let told = format!("{}\n{}\n{}", self.writer, self.reader, hex(datum));
        let want = oracle::row(&self.writer, &self.reader, datum, self.ignore);
        let Some(decoder) = &mut self.decoder else {
            assert!(want.is_err(), "no record can be read, and {want:?}\n{told}");
            return false;
        };
        decoder.decode(datum, &mut self.columns, &mut self.judged);
        match (self.judged.rejects.first(), want) {
            (Some(reject), Err(wrong)) => {
                // bytes that are read as a text and are none are the reader's matter
                let code = reject.fault.code;
                let either = code == RejectCode::InvalidUtf8;
                let same = is_of_the_datum(code) == (wrong == Wrong::Datum);
                assert!(either || same, "{:?}, {wrong:?}\n{told}", reject.fault);
                assert_eq!(self.columns.rows(), 0, "{told}");
                for array in self.columns.finish() {
                    assert_eq!(array.len(), 0, "{told}");
                }
                false
            }
            (None, Ok(row)) => {
                let arrays = self.columns.finish();
                let got: Json = arrays.iter().map(|array| cell(array, 0)).collect();
                assert_eq!(got, row, "\n{told}");
                true
            }
            // what items take in columns is not the oracle's matter
            (Some(reject), Ok(_)) if reject.fault.code == RejectCode::TooLarge => false,
            (reject, want) => panic!("{reject:?}, {want:?}\n{told}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn drawn_data_are_what_the_plain_decoder_says(seed in any::<u64>()) {
        let mut draw = Draw { rng: SmallRng::seed_from_u64(seed), names: 0 };
        let count = draw.rng.random_range(1..=4);
        let writer = draw.record(0, count);
        let reader = draw.reader(&writer);
        let ignore = draw.chance(0.7);
        let reader = reader.as_array().map_or(reader.clone(), |b| b[1].clone());
        let Some(mut both) = Both::new(writer.clone(), reader, ignore) else {
            return Ok(());
        };
        let mut names = BTreeMap::new();
        oracle::collect(&writer, &mut names);
        for _ in 0..8 {
            let mut datum = Vec::new();
            draw.datum(&writer, &names, 0, &mut datum);
            let is_row = both.agree(&datum);
            // a cut datum is none of its writer's schema, and neither is a longer one
            for end in 0..datum.len() {
                prop_assert!(!both.agree(&datum[..end]));
            }
            if is_row {
                let code = |both: &Both| both.judged.rejects[0].fault.code;
                for byte in [0, 1, 2, 0x80, 0xff] {
                    let longer = [&datum[..], &[byte]].concat();
                    prop_assert!(!both.agree(&longer));
                    prop_assert_eq!(code(&both), RejectCode::TrailingBytes);
                }
            }
            for _ in 0..20 {
                let mut other = datum.clone();
                for _ in 0..draw.rng.random_range(1..=2) {
                    if other.is_empty() {
                        break;
                    }
                    let at = draw.rng.random_range(0..other.len());
                    other[at] = match draw.chance(0.5) {
                        true => other[at] ^ 1 << draw.rng.random_range(0..8),
                        false => draw.rng.random(),
                    };
                }
                both.agree(&other);
            }
        }
    }

    /// Any bytes at all: a verdict, and the plain decoder's.
    #[test]
    fn drawn_bytes_are_what_the_plain_decoder_says(seed in any::<u64>()) {
        let mut draw = Draw { rng: SmallRng::seed_from_u64(seed), names: 0 };
        let writer = draw.record(0, 3);
        let reader = draw.reader(&writer);
        let reader = reader.as_array().map_or(reader.clone(), |b| b[1].clone());
        if let Some(mut both) = Both::new(writer, reader, true) {
            for _ in 0..50 {
                let mut datum = draw.bytes(40);
                datum.iter_mut().for_each(|b| if *b < 128 { *b &= 7 });
                both.agree(&datum);
            }
        }
    }
}

/// The draws are no good if hardly any of them is a row, or all are.
#[test]
fn draws_are_of_every_kind() {
    let (mut rows, mut rejects, mut refused, mut unread) = (0, 0, 0, 0);
    for seed in 0..400 {
        let mut draw = Draw {
            rng: SmallRng::seed_from_u64(seed),
            names: 0,
        };
        let writer = draw.record(0, 3);
        let reader = draw.reader(&writer);
        let reader = reader.as_array().map_or(reader.clone(), |b| b[1].clone());
        let mut names = BTreeMap::new();
        oracle::collect(&writer, &mut names);
        let Some(mut both) = Both::new(writer.clone(), reader, true) else {
            refused += 1;
            continue;
        };
        unread += usize::from(both.decoder.is_none());
        for _ in 0..4 {
            let mut datum = Vec::new();
            draw.datum(&writer, &names, 0, &mut datum);
            match both.agree(&datum) {
                true => rows += 1,
                false => rejects += 1,
            }
        }
    }
    let told = format!("{rows} rows, {rejects} rejects, {refused} refused, {unread} pairs unread");
    assert!(
        rows > 300 && rejects > 100 && refused < 150 && unread > 10,
        "{told}"
    );
}
