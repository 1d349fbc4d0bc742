//! The Avro decoder: a pair of schemas by the first four bytes, then a datum.
//!
//! The fifth byte: 1 ignores unknown fields, 4 lets a datum have few bytes only, 2 takes the rest as the
//! datum itself; else the rest are the choices by which one is drawn and then changed here and there.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::Value as Json;
use weir::config::UnknownFields;
use weir::model::reject::{Fault, RejectCode};
use weir::pipeline::decode::Judged;
use weir::pipeline::decode::avro::{AvroDecoder, AvroOptions};
use weir::pipeline::decode::columns::Columns;
use weir::schema::Schema;
use weir::schema::parse::parse;
use weir::schema::resolve::{Plan, resolve};
use weir::schema::writer::WriterSchema;

use super::{Outcome, head};
use crate::cells::row;
use crate::choices::{Choices, edit};
use crate::draw::data::datum;
use crate::draw::schemas::{Draw, RARE};
use crate::reference::avro::{Pair, Verdict};
use crate::reference::schema;

const MOST_BYTES: usize = 1 << 20;
const FEW_BYTES: usize = 24;

pub fn run(input: &[u8]) -> Outcome {
    let ([a, b, c, d, flags], rest) = head(input);
    let Some(pair) = drawn_pair(u32::from_le_bytes([a, b, c, d])) else {
        return Outcome::Idle;
    };
    let Some(plan) = &pair.plan else {
        return Outcome::Idle;
    };
    let datum = match flags & 2 {
        0 => {
            let mut choices = Choices::of(rest);
            let mut drawn = datum(&pair.plain.writer, &mut choices);
            edit(&mut drawn, &mut choices);
            drawn
        }
        _ => rest.to_vec(),
    };
    let most = match flags & 4 {
        0 => MOST_BYTES,
        _ => FEW_BYTES,
    };
    match judge(&pair, plan, &datum, flags & 1 != 0, most) {
        true => Outcome::Accepted,
        false => Outcome::Rejected,
    }
}

/// A pair of schemas as weir and as the plain decoder read it.
pub struct Both {
    writer: String,
    reader: String,
    schema: Schema,
    plan: Option<Arc<Plan>>,
    plain: Pair,
    /// A datum that is a row, to stand before and behind others, and its row.
    good: Option<(Vec<u8>, Vec<Json>)>,
}

/// Pairs that are kept.
const KEPT: usize = 512;

thread_local! {
    static PAIRS: RefCell<HashMap<u32, Option<Rc<Both>>>> = RefCell::default();
}

fn drawn_pair(seed: u32) -> Option<Rc<Both>> {
    if let Some(known) = PAIRS.with_borrow(|pairs| pairs.get(&seed).cloned()) {
        return known;
    }
    let made = make(seed).map(Rc::new);
    PAIRS.with_borrow_mut(|pairs| {
        if pairs.len() >= KEPT {
            pairs.clear();
        }
        pairs.insert(seed, made.clone());
    });
    made
}

fn make(seed: u32) -> Option<Both> {
    if let Some((writer, reader)) = RARE.get(seed as usize) {
        return Both::new((*writer).to_owned(), (*reader).to_owned(), &[]);
    }
    let mut draw = Draw::new(Choices::seeded(u64::from(seed)));
    let writer = draw.record(0, 4, false);
    let reader = draw.reader(&writer);
    let reader = reader.as_array().map_or(&reader, |branches| &branches[1]);
    let key = match draw.choices.chance(64) {
        true => reader["fields"][0]["name"].as_str(),
        false => None,
    };
    Both::new(writer.to_string(), reader.to_string(), key.as_slice())
}

impl Both {
    /// `None` if the reader's schema cannot land. Both have to say the same of the pair itself.
    pub fn new(writer: String, reader: String, keys: &[&str]) -> Option<Self> {
        let told = format!("{writer}\n{reader}");
        let mut schema = parse("r", 1, &reader, true).ok()?;
        for field in &mut Arc::make_mut(&mut schema.root).fields {
            field.is_key = keys.contains(&field.name.as_str());
        }
        let written = WriterSchema::parse(&writer, &[]);
        let written = written.unwrap_or_else(|fault| panic!("{fault:?}\n{told}"));
        let read = |text| schema::read(text).unwrap_or_else(|why| panic!("{why}\n{told}"));
        let plain = Pair {
            writer: read(&writer),
            reader: read(&reader),
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        };
        let plan = resolve(&written, &schema);
        let faults: Vec<(RejectCode, String)> = match &plan {
            Ok(_) => Vec::new(),
            Err(faults) => faults.iter().map(told_fault).collect(),
        };
        assert_eq!(faults, plain.faults(), "\n{told}");
        let mut both = Self {
            writer,
            reader,
            schema,
            plan: plan.ok().map(Arc::new),
            plain,
            good: None,
        };
        both.good = (0..8).find_map(|seed| {
            let datum = datum(&both.plain.writer, &mut Choices::seeded(seed));
            match both.plain.verdict(&datum, true) {
                Verdict::Row(row) => Some((datum, row)),
                _ => None,
            }
        });
        Some(both)
    }
}

fn told_fault(fault: &Fault) -> (RejectCode, String) {
    assert!(!fault.message.is_empty(), "{fault:?}");
    (fault.code, fault.field.clone().unwrap_or_default())
}

/// Holds both against each other; true if the datum is a row.
fn judge(both: &Both, plan: &Arc<Plan>, datum: &[u8], ignore: bool, most: usize) -> bool {
    let told = || {
        let hex = crate::reference::values::hex(datum);
        format!("ignore {ignore}\n{}\n{}\n{hex}", both.writer, both.reader)
    };
    let decoder = |unknown_fields, most: usize| {
        let options = AvroOptions {
            unknown_fields,
            max_datum_bytes: most as u64,
        };
        AvroDecoder::new(plan.clone(), options)
    };
    let mut ignoring = decoder(UnknownFields::Ignore, MOST_BYTES);
    let unknown_fields = match ignore {
        true => UnknownFields::Ignore,
        false => UnknownFields::Reject,
    };
    let mut deciding = decoder(unknown_fields, most);
    let mut columns = Columns::new(&both.schema);
    let mut judged = Judged::default();
    // good rows around it show that a reject takes back its own row and no other
    let mut want = Vec::new();
    let mut first = None;
    for turn in 0..2 {
        if let Some((good, row)) = &both.good {
            ignoring.decode(good, &mut columns, &mut judged);
            assert_eq!(judged.accepted, [0], "{:?}\n{}", judged.rejects, told());
            want.push(row.clone());
        }
        deciding.decode(datum, &mut columns, &mut judged);
        let verdict = match judged.rejects.as_slice() {
            [] => None,
            [one] => {
                assert_eq!((one.index, &one.raw), (0, &(0..datum.len())), "{}", told());
                Some(told_fault(&one.fault))
            }
            more => panic!("{more:?}\n{}", told()),
        };
        assert_eq!(
            judged.accepted.len(),
            usize::from(verdict.is_none()),
            "{}",
            told()
        );
        match turn {
            0 => first = Some(verdict),
            _ => assert_eq!(first, Some(verdict), "one verdict, always\n{}", told()),
        }
    }
    let verdict = first.flatten();
    // two rows of what their items may take, in vectors that may have grown to twice that
    let bound = 4 * ((32 << 20) + 16 * datum.len());
    assert!(
        columns.memory() <= bound,
        "{} bytes\n{}",
        columns.memory(),
        told()
    );
    let is_row = verdict.is_none();
    let rows = columns.rows();
    let arrays = columns.finish();
    let plain = match datum.len() > most {
        true => Verdict::Reject(RejectCode::TooLarge, String::new()),
        false => both.plain.verdict(datum, ignore),
    };
    let got = match (plain, verdict) {
        (Verdict::Row(row), None) => {
            let place = want.len() / 2;
            want.insert(place, row.clone());
            want.push(row);
            arrays
        }
        (Verdict::Reject(code, field), Some(verdict)) => {
            assert_eq!(verdict, (code, field), "\n{}", told());
            arrays
        }
        // more items than the plain decoder takes
        (Verdict::Unsaid, _) => return is_row,
        (plain, verdict) => panic!("plain: {plain:?}\nweir: {verdict:?}\n{}", told()),
    };
    assert_eq!(rows, want.len(), "{}", told());
    assert!(got.iter().all(|array| array.len() == rows), "{}", told());
    for (at, want) in want.iter().enumerate() {
        assert_eq!(row(&got, at), *want, "row {at}\n{}", told());
    }
    is_row
}
