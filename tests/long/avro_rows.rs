//! Weir's Avro decoder for other programs to be held against: `tests/long/avro_resolution.py` drives it.
//!
//! Each line of standard input is `{"writer": schema, "reader": schema, "data": [hexadecimal]}`; the
//! answer is a line `{"refused": [text]}` (no schema, or none that can land), `{"faults": [text]}`
//! (the reader reads no record of the writer), or `{"rows": [row]}`, where a row is an array of cells
//! or the text `code@path: rule` of a reject. Floats and decimals are texts, bytes hexadecimal, times numbers.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "it is a test's tool: it ends at the first thing that is wrong"
)]

use std::io::BufRead as _;
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type,
    TimestampMicrosecondType,
};
use serde_json::{Value as Json, json};
use weir::config::UnknownFields;
use weir::model::reject::Fault;
use weir::pipeline::decode::Judged;
use weir::pipeline::decode::avro::{AvroDecoder, AvroOptions};
use weir::pipeline::decode::columns::Columns;
use weir::schema::parse::parse;
use weir::schema::resolve::resolve;
use weir::schema::writer::WriterSchema;

fn main() {
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        let asked: Json = serde_json::from_str(&line).expect("a line is JSON");
        println!("{}", answer(&asked));
    }
}

fn answer(asked: &Json) -> Json {
    let writer = match WriterSchema::parse(&asked["writer"].to_string(), &[]) {
        Ok(writer) => writer,
        Err(refused) => return json!({ "refused": refused }),
    };
    let reader = match parse("r", 1, &asked["reader"].to_string(), true) {
        Ok(reader) => reader,
        Err(refused) => return json!({ "refused": refused }),
    };
    let plan = match resolve(&writer, &reader) {
        Ok(plan) => plan,
        Err(faults) => {
            let told: Vec<String> = faults.iter().map(told).collect();
            return json!({ "faults": told });
        }
    };
    let options = AvroOptions {
        unknown_fields: UnknownFields::Ignore,
        max_datum_bytes: 16 << 20,
    };
    let mut decoder = AvroDecoder::new(Arc::new(plan), options);
    let mut columns = Columns::new(&reader);
    let mut judged = Judged::default();
    let rows: Vec<Json> = asked["data"]
        .as_array()
        .expect("data")
        .iter()
        .map(|text| {
            let datum = bytes(text.as_str().expect("hexadecimal"));
            decoder.decode(&datum, &mut columns, &mut judged);
            let arrays = columns.finish();
            match judged.rejects.first() {
                Some(reject) => json!(told(&reject.fault)),
                None => arrays.iter().map(|array| cell(array, 0)).collect(),
            }
        })
        .collect();
    json!({ "rows": rows })
}

fn told(fault: &Fault) -> String {
    let field = fault.field.as_deref().unwrap_or_default();
    format!("{}@{field}: {}", fault.code, fault.message)
}

fn bytes(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .map(|b| (b as char).to_digit(16))
        .map(|d| d.expect("a digit") as u8)
        .collect();
    digits.chunks(2).map(|two| two[0] << 4 | two[1]).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn cell(array: &dyn Array, at: usize) -> Json {
    if array.is_null(at) {
        return Json::Null;
    }
    match array.data_type() {
        DataType::Boolean => json!(array.as_boolean().value(at)),
        DataType::Int32 => json!(array.as_primitive::<Int32Type>().value(at)),
        DataType::Date32 => json!(array.as_primitive::<Date32Type>().value(at)),
        DataType::Int64 => json!(array.as_primitive::<Int64Type>().value(at)),
        DataType::Timestamp(_, _) => {
            json!(array.as_primitive::<TimestampMicrosecondType>().value(at))
        }
        DataType::Float32 => float(f64::from(array.as_primitive::<Float32Type>().value(at))),
        DataType::Float64 => float(array.as_primitive::<Float64Type>().value(at)),
        DataType::Decimal128(_, _) => {
            json!(array.as_primitive::<Decimal128Type>().value(at).to_string())
        }
        DataType::Utf8 => json!(array.as_string::<i32>().value(at)),
        DataType::Binary => json!(hex(array.as_binary::<i32>().value(at))),
        DataType::Struct(_) => {
            let columns = array.as_struct().columns();
            columns.iter().map(|column| cell(column, at)).collect()
        }
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(at);
            (0..items.len()).map(|i| cell(&items, i)).collect()
        }
        DataType::Map(_, _) => {
            let entries = array.as_map().value(at);
            let side = |n: usize, i: usize| cell(entries.column(n), i);
            (0..entries.len())
                .map(|i| json!([side(0, i), side(1, i)]))
                .collect()
        }
        other => panic!("no column is of {other}"),
    }
}

/// The bits, so that no program rounds.
fn float(value: f64) -> Json {
    match value.is_nan() {
        true => json!("nan"),
        false => json!(hex(&value.to_be_bytes())),
    }
}
