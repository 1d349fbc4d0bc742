//! A fault below a record, with the path of its field.
//!
//! Owns: how a path is written (`address.lines[2]`, `attrs["a b"]`). Does not own: what is a fault.

use crate::model::reject::{Fault, RejectCode};

/// A fault below the record, with its path from the inside out.
#[derive(Debug)]
pub(crate) struct FieldFault {
    code: RejectCode,
    message: String,
    path: Vec<Step>,
}

/// One step of a path.
#[derive(Debug)]
pub(crate) enum Step {
    /// A field of a record.
    Name(String),
    /// An item of an array, from 0.
    Index(usize),
    /// A key of a map.
    Key(String),
}

impl FieldFault {
    #[cold]
    pub(crate) fn new(code: RejectCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            path: Vec::new(),
        }
    }

    /// The same, seen from one step further out.
    pub(crate) fn push(&mut self, step: Step) {
        self.path.push(step);
    }

    pub(crate) fn into_fault(self) -> Fault {
        let mut path = String::new();
        for step in self.path.iter().rev() {
            match step {
                Step::Name(name) if is_avro_name(name) => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(name);
                }
                Step::Index(at) => path.push_str(&format!("[{at}]")),
                Step::Name(name) | Step::Key(name) => {
                    path.push_str(&format!("[{}]", serde_json::Value::from(name.as_str())));
                }
            }
        }
        Fault {
            code: self.code,
            field: (!path.is_empty()).then_some(path),
            message: self.message,
        }
    }
}

fn is_avro_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
