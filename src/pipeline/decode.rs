//! Decoding: payload bytes straight into columns, one verdict for each record.
//!
//! Owns: what a decoder says of one message. Pure: no I/O, no clock.

pub mod avro;
pub mod columns;
pub mod csv;
pub mod defaults;
mod field;
pub mod framing;
pub mod json;
pub mod scan;
pub mod text;

use std::ops::Range;

use crate::model::reject::{Fault, SkipCode};

/// What became of the records of one message.
#[derive(Debug, Default)]
pub struct Judged {
    /// The place in the message of each row that was appended, ascending.
    pub accepted: Vec<u32>,
    /// The rejected records.
    pub rejects: Vec<ElementReject>,
    /// Why the message is no record.
    pub skipped: Option<SkipCode>,
    /// True if the message holds a field or an enum's symbol that the schema does not have, be it
    /// rejected for it or the field passed over: a newer version may know it.
    pub met_unknown: bool,
}

impl Judged {
    /// Forgets the last message.
    pub fn clear(&mut self) {
        self.accepted.clear();
        self.rejects.clear();
        self.skipped = None;
        self.met_unknown = false;
    }
}

/// A rejected record of a message.
#[derive(Debug)]
pub struct ElementReject {
    /// Its place in the message.
    pub index: u32,
    /// Its bytes in the message; half-open.
    pub raw: Range<usize>,
    /// What is wrong with it.
    pub fault: Fault,
}
