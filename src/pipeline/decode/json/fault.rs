//! What ends the walk over a record.

use crate::model::reject::RejectCode;
use crate::pipeline::decode::field::FieldFault;
pub(super) use crate::pipeline::decode::field::Step;
use crate::pipeline::decode::scan::Flaw;

/// What ends the walk over a record. It is small, since every step of the walk returns it.
pub(super) enum Stop {
    Message(Flaw),
    Field(Box<FieldFault>),
}

impl From<Flaw> for Stop {
    fn from(flaw: Flaw) -> Self {
        Stop::Message(flaw)
    }
}

#[cold]
pub(super) fn fault(code: RejectCode, message: impl Into<String>) -> Stop {
    Stop::Field(Box::new(FieldFault::new(code, message)))
}

impl Stop {
    pub(super) fn within(mut self, step: impl FnOnce() -> Step) -> Self {
        if let Stop::Field(fault) = &mut self {
            fault.push(step());
        }
        self
    }
}
