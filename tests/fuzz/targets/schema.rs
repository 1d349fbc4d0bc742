//! The schema loader: the first byte says whether the rest is a schema's text (1), or the choices by
//! which one is drawn and then changed (0); 2 lets nanoseconds land as longs.
//!
//! What weir accepts has the columns that the plain reader finds; what the plain reader finds to be
//! a schema that can land is not refused, unless there is something odd about it. A schema that a
//! stream may have is also one that a writer may have, and reads its own data.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use weir::config::UnknownFields;
use weir::pipeline::decode::Judged;
use weir::pipeline::decode::avro::{AvroDecoder, AvroOptions};
use weir::pipeline::decode::columns::Columns;
use weir::schema::Schema;
use weir::schema::arrow::arrow_fields;
use weir::schema::names::delta;
use weir::schema::parse::parse;
use weir::schema::resolve::resolve;
use weir::schema::writer::WriterSchema;

use super::{Outcome, head};
use crate::cells::row;
use crate::choices::{Choices, edit};
use crate::draw::data::datum;
use crate::draw::schemas::Draw;
use crate::reference::avro::{Pair, Verdict};
use crate::reference::schema::{self, Schema as Plain};

pub fn run(input: &[u8]) -> Outcome {
    let ([flags], rest) = head(input);
    let text = match flags & 1 {
        0 => drawn(&mut Choices::of(rest)),
        _ => String::from_utf8_lossy(rest).into_owned(),
    };
    judge(&text, flags & 2 != 0)
}

fn drawn(choices: &mut Choices<'_>) -> String {
    let lands = !choices.chance(60);
    let mut draw = Draw::new(std::mem::replace(choices, Choices::of(&[])));
    let mut schema = draw.record(0, 5, lands);
    if draw.choices.chance(100) {
        schema = draw.reader(&schema);
    }
    let mut choices = draw.choices;
    for _ in 0..choices.below(4) {
        let place = choices.below(40);
        change(&mut schema, &mut { place }, &mut choices);
    }
    let mut text = schema.to_string();
    if choices.chance(60) {
        let mut bytes = text.into_bytes();
        edit(&mut bytes, &mut choices);
        text = String::from_utf8_lossy(&bytes).into_owned();
    }
    text
}

/// Changes the object or array that `left` others stand before.
fn change(json: &mut Json, left: &mut usize, choices: &mut Choices<'_>) -> bool {
    let is_here = *left == 0;
    match json {
        Json::Object(members) if is_here => {
            let (name, text) = CHANGES[choices.below(CHANGES.len())];
            match serde_json::from_str(text) {
                Ok(value) => drop(members.insert(name.to_owned(), value)),
                Err(_) => drop(members.remove(name)),
            }
            true
        }
        Json::Array(items) if is_here => {
            match items.is_empty() || choices.chance(128) {
                true => items.push(json!(choices.pick(&["null", "int", "N1", "R", "a.N2"]))),
                false => {
                    let again = items[choices.below(items.len())].clone();
                    items.push(again);
                }
            }
            true
        }
        Json::Object(members) => {
            *left -= 1;
            members.values_mut().any(|part| change(part, left, choices))
        }
        Json::Array(items) => {
            *left -= 1;
            items.iter_mut().any(|part| change(part, left, choices))
        }
        _ => false,
    }
}

/// Attributes and what they are set to; a text that is no JSON takes one away.
const CHANGES: &[(&str, &str)] = &[
    ("name", "\"N1\""),
    ("name", "\"f0\""),
    ("name", "\"F0\""),
    ("name", "\"a.b.N9\""),
    ("name", "\"1\""),
    ("name", "\".N\""),
    ("name", "\"a..N\""),
    ("name", "\"int\""),
    ("name", "\"record\""),
    ("name", "7"),
    ("name", ""),
    ("namespace", "\"x.y\""),
    ("namespace", "\"\""),
    ("namespace", "\"1\""),
    ("namespace", "null"),
    ("aliases", "[\"N1\",\"b.N2\"]"),
    ("aliases", "[\"\"]"),
    ("aliases", "\"N1\""),
    ("doc", "\"what it is\""),
    ("doc", "1"),
    ("order", "\"ignore\""),
    ("order", "\"up\""),
    ("type", "\"N1\""),
    ("type", "\"int\""),
    ("type", "\"error\""),
    ("type", "\"null\""),
    (
        "type",
        "{\"type\":\"long\",\"logicalType\":\"timestamp-micros\"}",
    ),
    ("type", "[\"null\",\"string\"]"),
    ("type", "[]"),
    ("type", "[\"int\",\"int\"]"),
    ("type", "[[\"null\",\"int\"],\"string\"]"),
    ("type", "{\"type\":{\"type\":\"string\"}}"),
    ("type", "{\"type\":\"array\",\"items\":\"int\"}"),
    ("type", ""),
    ("fields", "[]"),
    ("fields", "[1]"),
    ("fields", ""),
    ("items", "\"string\""),
    ("values", "[\"long\",\"null\"]"),
    ("symbols", "[\"A\",\"A\"]"),
    ("symbols", "[\"a b\"]"),
    ("symbols", "[]"),
    ("default", "null"),
    ("default", "0"),
    ("default", "-1.5"),
    ("default", "1e40"),
    ("default", "\"A\""),
    ("default", "\"\\u00ff\\u0100\""),
    ("default", "[]"),
    ("default", "{}"),
    ("default", "{\"k\":1}"),
    ("default", "true"),
    ("default", "99999999999999999999"),
    ("size", "16"),
    ("size", "0"),
    ("size", "-1"),
    ("size", "1.5"),
    ("size", "16777217"),
    ("size", "99999999999999999999"),
    ("logicalType", "\"decimal\""),
    ("logicalType", "\"uuid\""),
    ("logicalType", "\"date\""),
    ("logicalType", "\"duration\""),
    ("logicalType", "\"timestamp-nanos\""),
    ("logicalType", "\"big-decimal\""),
    ("logicalType", "\"none such\""),
    ("logicalType", "1"),
    ("precision", "0"),
    ("precision", "39"),
    ("precision", "-1"),
    ("precision", "1.0"),
    ("scale", "3"),
    ("scale", "-1"),
    ("scale", "\"1\""),
    ("none-such", "{\"type\":\"int\"}"),
];

fn judge(text: &str, nanos_as_long: bool) -> Outcome {
    let plain = schema::read(text);
    let columns = plain.as_ref().map_err(|why| *why);
    let columns = columns.and_then(|plain| plain.columns(nanos_as_long));
    let schema = match parse("s", 1, text, nanos_as_long) {
        Ok(schema) => schema,
        Err(faults) => {
            assert!(!faults.is_empty(), "{text}");
            assert!(faults.iter().all(|f| !f.is_empty()), "{faults:?}\n{text}");
            let odd = plain.as_ref().map_or(Some("refused"), |plain| plain.odd);
            assert!(
                columns.is_err() || odd.is_some(),
                "plain: {columns:?}\nweir: {faults:?}\n{text}"
            );
            return Outcome::Rejected;
        }
    };
    let fields = arrow_fields(&schema.root);
    let found: Vec<(String, String, bool)> = fields
        .iter()
        .map(|f| (f.name().clone(), delta(f.data_type()), f.is_nullable()))
        .collect();
    assert_eq!(Ok(found), columns, "weir and the plain reader\n{text}");
    let again = parse("s", 1, text, nanos_as_long);
    assert_eq!(Ok(&schema), again.as_ref(), "{text}");
    if let Ok(plain) = plain {
        reads_itself(text, &schema, plain);
    }
    Outcome::Accepted
}

/// Data of the schema are rows of it.
fn reads_itself(text: &str, schema: &Schema, plain: Plain) {
    let writer = WriterSchema::parse(text, &[]);
    let writer = writer.unwrap_or_else(|fault| panic!("no writer's schema: {fault:?}\n{text}"));
    let plan = resolve(&writer, schema);
    let plan = plan.unwrap_or_else(|faults| panic!("does not read itself: {faults:?}\n{text}"));
    assert_eq!(plan.unknown_fields(), [""; 0], "{text}");
    let options = AvroOptions {
        unknown_fields: UnknownFields::Reject,
        max_datum_bytes: 1 << 26,
    };
    let mut decoder = AvroDecoder::new(Arc::new(plan), options);
    let mut columns = Columns::new(schema);
    let mut judged = Judged::default();
    let Ok(reader) = schema::read(text) else {
        panic!("was read before: {text}");
    };
    let pair = Pair {
        writer: plain,
        reader,
        keys: Vec::new(),
    };
    let large = |ty: &schema::Type| matches!(ty.form, schema::Form::Fixed(4096..));
    if pair.writer.types.iter().any(large) {
        return;
    }
    for seed in 0..2 {
        let datum = datum(&pair.writer, &mut Choices::seeded(seed));
        decoder.decode(&datum, &mut columns, &mut judged);
        let fault = judged.rejects.first().map(|reject| &reject.fault);
        let arrays = columns.finish();
        match pair.verdict(&datum, false) {
            Verdict::Row(cells) => {
                assert_eq!(fault, None, "{datum:?}\n{text}");
                assert_eq!(row(&arrays, 0), cells, "{datum:?}\n{text}");
            }
            Verdict::Reject(code, _) => {
                assert_eq!(fault.map(|f| f.code), Some(code), "{datum:?}\n{text}");
            }
            Verdict::Unsaid => {}
        }
    }
}
