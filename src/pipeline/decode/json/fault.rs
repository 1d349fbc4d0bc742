//! What ends the walk over a record, and the path of the field where it ended.

use crate::model::reject::{Fault, RejectCode};
use crate::pipeline::decode::scan::Flaw;

/// What ends the walk over a record. It is small, since every step of the walk returns it.
pub(super) enum Stop {
    Message(Flaw),
    Field(Box<FieldFault>),
}

/// A fault below the record, with its path from the inside out.
pub(super) struct FieldFault {
    code: RejectCode,
    message: String,
    path: Vec<Step>,
}

pub(super) enum Step {
    Name(String),
    Index(usize),
    Key(String),
}

impl From<Flaw> for Stop {
    fn from(flaw: Flaw) -> Self {
        Stop::Message(flaw)
    }
}

#[cold]
pub(super) fn fault(code: RejectCode, message: impl Into<String>) -> Stop {
    Stop::Field(Box::new(FieldFault {
        code,
        message: message.into(),
        path: Vec::new(),
    }))
}

impl Stop {
    pub(super) fn within(mut self, step: impl FnOnce() -> Step) -> Self {
        if let Stop::Field(fault) = &mut self {
            fault.path.push(step());
        }
        self
    }
}

impl FieldFault {
    pub(super) fn into_fault(self) -> Fault {
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
