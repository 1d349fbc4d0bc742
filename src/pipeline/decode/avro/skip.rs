//! Passing over a value along the writer's schema, with every rule of its bytes checked.
//!
//! Owns: fields that the reader does not have, and the check of a whole datum. The writer's types
//! may hold themselves; the depth is bounded.

use crate::pipeline::decode::avro::bytes::{Budget, Bytes, Flaw};
use crate::pipeline::decode::field::{FieldFault, Step};
use crate::schema::writer::{Form, TypeId, WriterSchema};

/// Most records, arrays and maps within each other.
const MAX_DEPTH: usize = 64;

pub(super) struct Skip<'a> {
    pub(super) writer: &'a WriterSchema,
    pub(super) budget: &'a mut Budget,
}

type Passed = Result<(), Box<FieldFault>>;

impl From<Flaw> for Box<FieldFault> {
    #[cold]
    fn from(flaw: Flaw) -> Self {
        Box::new(FieldFault::new(flaw.code(), flaw.rule()))
    }
}

#[cold]
fn within(mut fault: Box<FieldFault>, step: Step) -> Box<FieldFault> {
    fault.push(step);
    fault
}

impl Skip<'_> {
    /// What is wrong with `datum` as one of the writer's schema.
    pub(super) fn check(writer: &WriterSchema, datum: &[u8]) -> Passed {
        let mut bytes = Bytes::new(datum);
        let mut budget = Budget::new(datum.len());
        let mut skip = Skip {
            writer,
            budget: &mut budget,
        };
        skip.value(&mut bytes, writer.root(), 0)?;
        Ok(bytes.end()?)
    }

    /// One value; `depth` levels stand around it.
    pub(super) fn value(&mut self, bytes: &mut Bytes<'_>, ty: TypeId, depth: usize) -> Passed {
        let writer = self.writer;
        match &writer.at(ty).form {
            Form::Null => {}
            Form::Boolean => drop(bytes.boolean()?),
            Form::Int => drop(bytes.int()?),
            Form::Long => drop(bytes.long()?),
            Form::Float => drop(bytes.take(4)?),
            Form::Double => drop(bytes.take(8)?),
            Form::Bytes => drop(bytes.bytes()?),
            Form::String => drop(bytes.text()?),
            Form::Fixed { size, .. } => drop(bytes.take(*size)?),
            Form::Enum { symbols, .. } => drop(bytes.index(symbols.len())?),
            Form::Union(branches) => {
                let branch = bytes.index(branches.len())?;
                self.value(bytes, branches[branch], depth)?;
            }
            Form::Record { fields, .. } => {
                let depth = deeper(depth)?;
                for (name, ty) in fields {
                    self.value(bytes, *ty, depth)
                        .map_err(|fault| within(fault, Step::Name(name.clone())))?;
                }
            }
            Form::Array(items) => self.array(bytes, *items, deeper(depth)?)?,
            Form::Map(values) => self.map(bytes, *values, deeper(depth)?)?,
        }
        Ok(())
    }

    fn array(&mut self, bytes: &mut Bytes<'_>, items: TypeId, depth: usize) -> Passed {
        let least = self.writer.at(items).least;
        let mut at = 0;
        while let Some(block) = bytes.block(least)? {
            self.budget.take(block.count, 0, least)?;
            for _ in 0..block.count {
                self.value(bytes, items, depth)
                    .map_err(|fault| within(fault, Step::Index(at)))?;
                at += 1;
            }
            bytes.leave(&block)?;
        }
        Ok(())
    }

    fn map(&mut self, bytes: &mut Bytes<'_>, values: TypeId, depth: usize) -> Passed {
        let least = self.writer.at(values).least + 1;
        while let Some(block) = bytes.block(least)? {
            for _ in 0..block.count {
                let key = bytes.text()?;
                self.value(bytes, values, depth).map_err(|fault| {
                    within(fault, Step::Key(String::from_utf8_lossy(key).into_owned()))
                })?;
            }
            bytes.leave(&block)?;
        }
        Ok(())
    }
}

fn deeper(depth: usize) -> Result<usize, Flaw> {
    match depth < MAX_DEPTH {
        true => Ok(depth + 1),
        false => Err(Flaw::Deep),
    }
}
