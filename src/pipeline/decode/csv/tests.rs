mod headers;
mod oddities;
mod same_as_json;
mod values;

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::util::display::array_value_to_string;
use bytes::Bytes;

use super::*;
use crate::config::UnknownFields;
use crate::config::dialect::DialectKeys;
use crate::schema::parse::parse;
use crate::source::csv::{CsvFile, Packing, Sizes};

fn schema(fields: &str) -> Schema {
    let text = format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#);
    parse("r", 1, &text, false).unwrap()
}

fn dialect(change: impl FnOnce(&mut DialectKeys)) -> Dialect {
    let mut keys = DialectKeys::default();
    change(&mut keys);
    Dialect::new(&keys).unwrap()
}

fn open(bytes: &[u8], dialect: &Dialect, sizes: Sizes) -> Option<CsvFile> {
    let chunks = vec![Ok(Bytes::copy_from_slice(bytes))];
    CsvFile::open(Box::new(chunks.into_iter()), Packing::Plain, dialect, sizes).unwrap()
}

/// What became of a file: its rows' columns, and of each record the verdict: `ok`, or
/// `line: code@field: message`.
fn decoded(
    bytes: &[u8],
    schema: &Schema,
    dialect: &Dialect,
    sizes: Sizes,
    unknown: UnknownFields,
) -> Result<(Vec<ArrayRef>, Vec<String>), String> {
    let mut file = open(bytes, dialect, sizes).ok_or("empty")?;
    let layout = Layout::new(schema, file.head(), unknown).map_err(|p| p.to_string())?;
    let mut decoder = CsvDecoder::new(schema, dialect, layout, unknown);
    let mut columns = Columns::new(schema);
    let mut judged = Judged::default();
    let mut verdicts = Vec::new();
    while let Some(slice) = file.next_slice().unwrap() {
        decoder.decode(&slice, &mut columns, &mut judged);
        let mut accepted = judged.accepted.iter();
        let mut rejects = judged.rejects.iter().peekable();
        for (index, record) in slice.records().iter().enumerate() {
            verdicts.push(match rejects.next_if(|r| r.index as usize == index) {
                None => {
                    assert_eq!(accepted.next().map(|a| *a as usize), Some(index));
                    "ok".to_owned()
                }
                Some(reject) => {
                    assert_eq!(reject.raw, record.range());
                    let Fault {
                        code,
                        field,
                        message,
                    } = &reject.fault;
                    match field {
                        Some(field) => format!("{}: {code}@{field}: {message}", record.line),
                        None => format!("{}: {code}: {message}", record.line),
                    }
                }
            });
        }
        assert!(accepted.next().is_none() && rejects.next().is_none());
    }
    let rows = verdicts.iter().filter(|v| *v == "ok").count();
    assert_eq!(columns.rows(), rows);
    let arrays = columns.finish();
    assert!(arrays.iter().all(|a| a.len() == rows));
    Ok((arrays, verdicts))
}

fn verdicts(text: &str, schema: &Schema, dialect: &Dialect) -> Vec<String> {
    let decoded = |sizes| {
        decoded(
            text.as_bytes(),
            schema,
            dialect,
            sizes,
            UnknownFields::Reject,
        )
        .unwrap()
        .1
    };
    let small = Sizes {
        fill: 1,
        slice_bytes: 1,
        slice_records: 1,
    };
    let verdicts = decoded(Sizes::default());
    assert_eq!(verdicts, decoded(small));
    verdicts
}

/// The rows of arrays, for comparing.
fn batch(schema: &Schema, arrays: Vec<ArrayRef>) -> RecordBatch {
    let fields = crate::schema::arrow::arrow_fields(&schema.root);
    let schema = Arc::new(arrow::datatypes::Schema::new(fields));
    RecordBatch::try_new(schema, arrays).unwrap()
}

/// The verdict on one cell as it stands in the file, and what landed: `code` or the value.
fn judge(field_type: &str, cell: &str, dialect: &Dialect) -> String {
    let schema = schema(&format!(
        r#"{{"name":"a","type":{field_type}}},{{"name":"z","type":"int"}}"#
    ));
    let d = &dialect.delimiter;
    let text = format!("a{d}z\n{cell}{d}1\n");
    let sizes = Sizes::default();
    let (arrays, verdicts) = decoded(
        text.as_bytes(),
        &schema,
        dialect,
        sizes,
        UnknownFields::Reject,
    )
    .unwrap();
    let [verdict] = verdicts.as_slice() else {
        panic!("{cell}: {verdicts:?}");
    };
    match verdict.strip_prefix("2: ") {
        None if arrays[0].is_null(0) => "null".to_owned(),
        None => format!("= {}", array_value_to_string(&arrays[0], 0).unwrap()),
        Some(told) => {
            let code = told.split(": ").next().unwrap();
            code.trim_end_matches("@a").to_owned()
        }
    }
}
