//! What ends the walk over a record.

use crate::model::reject::{Fault, RejectCode};
use crate::pipeline::decode::field::FieldFault;
pub(in crate::pipeline::decode) use crate::pipeline::decode::field::Step;
use crate::pipeline::decode::scan::Flaw;

/// What ends the walk over a record. It is small, since every step of the walk returns it.
pub(in crate::pipeline::decode) enum Stop {
    Message(Flaw),
    Field(Box<FieldFault>),
}

impl From<Flaw> for Stop {
    fn from(flaw: Flaw) -> Self {
        Stop::Message(flaw)
    }
}

#[cold]
pub(in crate::pipeline::decode) fn fault(code: RejectCode, message: impl Into<String>) -> Stop {
    Stop::Field(Box::new(FieldFault::new(code, message)))
}

impl Stop {
    /// The verdict that it means.
    pub(in crate::pipeline::decode) fn into_fault(self) -> Fault {
        match self {
            Stop::Message(flaw) => flaw.into(),
            Stop::Field(fault) => fault.into_fault(),
        }
    }

    pub(in crate::pipeline::decode) fn within(mut self, step: impl FnOnce() -> Step) -> Self {
        if let Stop::Field(fault) = &mut self {
            fault.push(step());
        }
        self
    }
}
