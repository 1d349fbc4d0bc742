//! Whether a reader takes all that its writer may write.
//!
//! Owns: finding what a plan leaves out, rejects, or puts a default in the place of. A newer version
//! of the stream's schema may have it. Does not own: the plan (`schema::resolve`).

use crate::schema::resolve::{FieldPlan, Plan, Read};
use crate::schema::writer::{Form, TypeId, WriterSchema};

/// True if some record of the writer loses something, or is rejected for what its schema allows.
pub(super) fn is_partial(plan: &Plan) -> bool {
    !plan.unknown_fields().is_empty() || loses(&plan.writer, &plan.root, plan.writer.root())
}

/// A read goes no deeper than the reader's schema.
fn loses(writer: &WriterSchema, read: &Read, written: TypeId) -> bool {
    match (read, &writer.at(written).form) {
        (Read::Cannot(_), _) => true,
        (Read::Union(reads), Form::Union(branches)) => {
            let mut branches = reads.iter().zip(branches);
            branches.any(|(read, branch)| loses(writer, read, *branch))
        }
        (Read::Symbols(reads), Form::Enum { symbols, .. }) => {
            let mut symbols = reads.iter().zip(symbols);
            symbols.any(|(read, symbol)| read.as_deref() != Some(symbol.as_bytes()))
        }
        (Read::Record(record), Form::Record { fields, .. }) => {
            let mut fields = record.fields.iter().zip(fields);
            fields.any(|(field, (_, ty))| match field {
                FieldPlan::Read { read, .. } => loses(writer, read, *ty),
                FieldPlan::Unknown { .. } => true,
            })
        }
        (Read::Array(items), Form::Array(ty)) | (Read::Map(items), Form::Map(ty)) => {
            loses(writer, &items.read, *ty)
        }
        _ => false,
    }
}
