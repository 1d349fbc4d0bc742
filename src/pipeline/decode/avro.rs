//! Avro data into columns, by a plan that `schema::resolve` made of the writer's and the reader's
//! schema.
//!
//! Owns: the rules of Avro's bytes, and the order of verdicts: what is wrong with the datum as one
//! of its writer's schema first, wherever it stands, then fields in the order in which they are
//! written. An accepted record costs no allocation. On a fault the row is rolled back and the datum
//! is passed over again along the writer's schema alone, so that a later flaw of its bytes wins.
//! Does not own: what stands in front of a datum (its framing), and which plan it needs.
//!
//! | limit of a datum | is |
//! | --- | --- |
//! | bytes | `max_datum_bytes` |
//! | records, arrays and maps within each other | 64 |
//! | what its items take in columns beside texts | 32 MiB + 16 × its bytes |
//! | items that take no bytes | 32 bytes of that each, about a million |

mod bytes;
mod keys;
mod skip;
mod walk;

use std::sync::Arc;

use crate::config::UnknownFields;
use crate::model::reject::{Fault, RejectCode};
use crate::pipeline::decode::avro::bytes::{Budget, Bytes, Flaw};
use crate::pipeline::decode::avro::keys::Keys;
use crate::pipeline::decode::avro::skip::Skip;
use crate::pipeline::decode::avro::walk::{Stop, Walk};
use crate::pipeline::decode::columns::Columns;
use crate::pipeline::decode::{ElementReject, Judged};
use crate::schema::resolve::Plan;

/// What a stream says of its data.
#[derive(Debug, Clone, Copy)]
pub struct AvroOptions {
    /// What becomes of written fields that the reader does not have.
    pub unknown_fields: UnknownFields,
    /// Larger data are one reject each.
    pub max_datum_bytes: u64,
}

/// A decoder of the data of one writer's schema.
#[derive(Debug)]
pub struct AvroDecoder {
    plan: Arc<Plan>,
    options: AvroOptions,
    keys: Keys,
}

impl AvroDecoder {
    /// A decoder by `plan`, into columns of the plan's reader.
    pub fn new(plan: Arc<Plan>, options: AvroOptions) -> Self {
        Self {
            plan,
            options,
            keys: Keys::default(),
        }
    }

    /// Judges one datum, which is one record: a row is appended to `columns`, or a reject to
    /// `judged`, which is cleared first; the reject's `raw` is a place in `datum`.
    pub fn decode(&mut self, datum: &[u8], columns: &mut Columns, judged: &mut Judged) {
        judged.clear();
        let rows = columns.rows();
        match self.row(datum, columns) {
            Ok(()) => {
                columns.accept_row();
                judged.accepted.push(0);
            }
            Err(stop) => {
                columns.roll_back(rows);
                judged.rejects.push(ElementReject {
                    index: 0,
                    raw: 0..datum.len(),
                    fault: self.verdict(datum, stop),
                });
            }
        }
    }

    fn row(&mut self, datum: &[u8], columns: &mut Columns) -> Result<(), Stop> {
        if datum.len() as u64 > self.options.max_datum_bytes {
            return Err(Stop::Datum);
        }
        let mut bytes = Bytes::new(datum);
        let mut walk = Walk {
            writer: &self.plan.writer,
            rejects_unknown: self.options.unknown_fields == UnknownFields::Reject,
            budget: Budget::new(datum.len()),
            keys: &mut self.keys,
        };
        walk.root(&mut bytes, &self.plan.root, &mut columns.columns)?;
        bytes.end()?;
        Ok(())
    }

    /// The datum's own fault, else that of the field where the walk ended.
    #[cold]
    fn verdict(&self, datum: &[u8], stop: Stop) -> Fault {
        if datum.len() as u64 > self.options.max_datum_bytes {
            return Fault {
                code: RejectCode::TooLarge,
                field: None,
                message: "the datum is beyond max_message_bytes".to_owned(),
            };
        }
        match (Skip::check(&self.plan.writer, datum), stop) {
            (Err(flaw), _) => flaw.into_fault(),
            (Ok(()), Stop::Field(fault)) => fault.into_fault(),
            // the two walks know the same flaws; this one only stands for a verdict all the same
            (Ok(()), Stop::Datum) => Fault {
                code: Flaw::Ends.code(),
                field: None,
                message: "the datum is none of the writer's schema".to_owned(),
            },
        }
    }
}

#[cfg(test)]
mod tests;
