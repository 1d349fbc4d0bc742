//! The JSON decoder: a schema by the first four bytes, then a message.
//!
//! The fifth byte: 1 ignores unknown fields, 2 takes the rest as the message itself, 4 is an
//! envelope, 8 lets a message have few bytes only; else the rest are the choices by which a message is drawn and then changed here and
//! there.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::Value as Json;
use weir::config::UnknownFields;
use weir::model::reject::SkipCode;
use weir::pipeline::decode::Judged;
use weir::pipeline::decode::columns::Columns;
use weir::pipeline::decode::json::{JsonDecoder, JsonOptions};
use weir::schema::Schema;
use weir::schema::parse::parse;

use super::{Outcome, head};
use crate::cells::row;
use crate::choices::{Choices, edit};
use crate::draw::messages::message;
use crate::draw::schemas::Draw;
use crate::reference::message::{Judgement, Rules};
use crate::reference::schema;

const MOST_BYTES: usize = 1 << 16;
const FEW_BYTES: usize = 100;
const MAX_RECORDS: usize = 4;

pub fn run(input: &[u8]) -> Outcome {
    let ([a, b, c, d, flags], rest) = head(input);
    let both = drawn(u32::from_le_bytes([a, b, c, d]), flags & 13);
    let message = match flags & 2 {
        0 => {
            let mut choices = Choices::of(rest);
            let mut drawn = message(&both.rules, &mut choices);
            edit(&mut drawn, &mut choices);
            drawn
        }
        _ => rest.to_vec(),
    };
    match judge(&both, &message) {
        true => Outcome::Accepted,
        false => Outcome::Rejected,
    }
}

/// A schema and what a stream says of its messages, as weir and as the plain reader have it.
pub struct Both {
    text: String,
    schema: Schema,
    rules: Rules,
    /// A message that is a row, to stand before and behind others, and its rows.
    good: Option<(Vec<u8>, Vec<Vec<Json>>)>,
}

/// Schemas that are kept.
const KEPT: usize = 512;

thread_local! {
    static KNOWN: RefCell<HashMap<(u32, u8), Rc<Both>>> = RefCell::default();
}

fn drawn(seed: u32, flags: u8) -> Rc<Both> {
    if let Some(known) = KNOWN.with_borrow(|known| known.get(&(seed, flags)).cloned()) {
        return known;
    }
    let both = Rc::new(Both::new(seed, flags));
    KNOWN.with_borrow_mut(|known| {
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert((seed, flags), both.clone());
    });
    both
}

/// Names that JSON has in another way than Avro.
const NAMES: [&str; 8] = [
    "Order ID",
    "a\"b",
    "a\\b",
    "naïve",
    "😀",
    "",
    "seven b",
    "a name of more than sixteen bytes",
];

impl Both {
    fn new(seed: u32, flags: u8) -> Self {
        let mut draw = Draw::new(Choices::seeded(u64::from(seed)));
        let record = draw.record(0, 5, true);
        // read by itself it takes defaults and other changes
        let record = match draw.choices.chance(128) {
            true => draw.reader(&record),
            false => record,
        };
        let record = record.as_array().map_or(&record, |branches| &branches[1]);
        let mut text = record.to_string();
        if parse("r", 1, &text, true).is_err() {
            // what is refused is the schema target's matter
            text = r#"{"type":"record","name":"R","fields":[{"name":"f0","type":"string"}]}"#
                .to_owned();
        }
        let parsed = parse("r", 1, &text, true);
        let mut schema = parsed.unwrap_or_else(|faults| panic!("{faults:?}\n{text}"));
        let plain = schema::read(&text).unwrap_or_else(|why| panic!("{why}\n{text}"));
        let mut keys = Vec::new();
        for (at, field) in Arc::make_mut(&mut schema.root)
            .fields
            .iter_mut()
            .enumerate()
        {
            if draw.choices.chance(40) {
                field.external = NAMES[(at + seed as usize) % NAMES.len()].to_owned();
            }
            let is_plain = !field.value.nullable && field.default.is_none();
            if is_plain && draw.choices.chance(40) {
                field.is_key = true;
                keys.push(field.name.clone());
            }
        }
        let names = schema.root.fields.iter().map(|f| f.external.clone());
        let rules = Rules {
            schema: plain,
            names: names.collect(),
            keys,
            ignore_unknown: flags & 1 != 0,
            envelope: flags & 4 != 0,
            max_bytes: if flags & 8 == 0 {
                MOST_BYTES
            } else {
                FEW_BYTES
            },
            max_records: MAX_RECORDS,
        };
        let good = (0..8).find_map(|seed| {
            let message = message(&rules, &mut Choices::seeded(seed));
            let judgement = rules.judge(&message);
            let is_good = !judgement.rows.is_empty() && judgement.rejects.is_empty();
            is_good.then(|| {
                (
                    message,
                    judgement.rows.into_iter().map(|(_, r)| r).collect(),
                )
            })
        });
        Self {
            text,
            schema,
            rules,
            good,
        }
    }

    fn options(&self) -> JsonOptions {
        JsonOptions {
            unknown_fields: match self.rules.ignore_unknown {
                true => UnknownFields::Ignore,
                false => UnknownFields::Reject,
            },
            envelope: self.rules.envelope,
            max_message_bytes: self.rules.max_bytes as u64,
            max_records_per_message: MAX_RECORDS as u64,
        }
    }
}

/// What weir's decoder said, without the rows.
fn verdict(judged: &Judged) -> Judgement {
    let rejects = judged.rejects.iter().map(|reject| {
        let fault = &reject.fault;
        assert!(!fault.message.is_empty(), "{fault:?}");
        let field = fault.field.clone().unwrap_or_default();
        (reject.index, reject.raw.clone(), fault.code, field)
    });
    Judgement {
        rows: judged.accepted.iter().map(|at| (*at, Vec::new())).collect(),
        rejects: rejects.collect(),
        is_skipped: judged.skipped == Some(SkipCode::EmptyEnvelope),
        met_unknown: Some(judged.met_unknown),
    }
}

/// Holds both against each other; true if the message is rows only.
fn judge(both: &Both, message: &[u8]) -> bool {
    let told = || {
        let text = String::from_utf8_lossy(message);
        let Rules {
            names,
            keys,
            ignore_unknown,
            envelope,
            ..
        } = &both.rules;
        format!(
            "{}\nnames {names:?}, keys {keys:?}, ignore {ignore_unknown}, envelope {envelope}\n{text}\n{message:?}",
            both.text
        )
    };
    let mut decoder = JsonDecoder::new(&both.schema, both.options());
    let mut columns = Columns::new(&both.schema);
    let mut judged = Judged::default();
    let plain = both.rules.judge(message);
    let mut want: Vec<Vec<Json>> = Vec::new();
    // good rows around it show that a reject takes back its own row and no other
    for _ in 0..2 {
        if let Some((good, rows)) = &both.good {
            decoder.decode(good, &mut columns, &mut judged);
            assert_eq!(
                judged.accepted.len(),
                rows.len(),
                "{:?}\n{}",
                judged.rejects,
                told()
            );
            want.extend(rows.iter().cloned());
        }
        decoder.decode(message, &mut columns, &mut judged);
        let mut weir = verdict(&judged);
        if plain.met_unknown.is_none() {
            weir.met_unknown = None;
        }
        let bare = Judgement {
            rows: plain.rows.iter().map(|(at, _)| (*at, Vec::new())).collect(),
            rejects: plain.rejects.clone(),
            ..plain
        };
        assert_eq!(weir, bare, "weir and the plain reader\n{}", told());
        want.extend(plain.rows.iter().map(|(_, row)| row.clone()));
    }
    let most = (1 << 20) + 256 * message.len();
    assert!(
        columns.memory() <= most,
        "{} bytes\n{}",
        columns.memory(),
        told()
    );
    let rows = columns.rows();
    assert_eq!(rows, want.len(), "{}", told());
    let arrays = columns.finish();
    assert!(arrays.iter().all(|array| array.len() == rows), "{}", told());
    for (at, want) in want.iter().enumerate() {
        assert_eq!(row(&arrays, at), *want, "row {at}\n{}", told());
    }
    plain.rejects.is_empty()
}
