//! CSV records into columns, by the plan that JSON is decoded by.
//!
//! Owns: the rules of CSV cells against a schema, and the order of verdicts: what is no CSV first,
//! then bytes that are no text, then the number of cells, then fields in the order of the columns.
//! An accepted record costs no allocation. Does not own: what a record and a cell is
//! (`source::csv`).
//!
//! | setting | reads |
//! | --- | --- |
//! | `date_format` | dates, beside ISO |
//! | `timestamp_format` with a zone | timestamps, beside RFC 3339 |
//! | `timestamp_format` without | local timestamps, and timestamps as UTC, beside RFC 3339 |

mod cells;
pub mod header;

use crate::config::UnknownFields;
use crate::config::dialect::Dialect;
use crate::model::reject::{Fault, RejectCode};
use crate::model::truncation::Truncation;
use crate::pipeline::decode::columns::Columns;
use crate::pipeline::decode::csv::cells::Cells;
use crate::pipeline::decode::csv::header::Layout;
use crate::pipeline::decode::json::fault::{Step, Stop, fault};
use crate::pipeline::decode::json::plan::Plan;
use crate::pipeline::decode::json::walk::fill_absent;
use crate::pipeline::decode::{ElementReject, Judged};
use crate::schema::Schema;
use crate::source::csv::slice::{MOST_CELLS, Slice, SliceFault};

/// A decoder of one file's records.
#[derive(Debug)]
pub struct CsvDecoder {
    root: Plan,
    layout: Layout,
    cells: Cells,
}

impl CsvDecoder {
    /// A decoder into columns of `schema`, of which `layout` tells where each stands.
    pub fn new(schema: &Schema, dialect: &Dialect, layout: Layout, unknown: UnknownFields) -> Self {
        Self {
            root: Plan::new(&schema.root),
            layout,
            cells: Cells::new(dialect, unknown),
        }
    }

    /// Judges the records of `slice`: accepted rows are appended to `columns`; `judged` is cleared
    /// first and then tells every verdict by the record's place in the slice. A reject's `raw` is a
    /// place in the slice's text.
    pub fn decode(&mut self, slice: &Slice, columns: &mut Columns, judged: &mut Judged) {
        judged.clear();
        self.cells.walk.met_unknown = false;
        let is_text = simdutf8::basic::from_utf8(slice.text()).is_ok();
        let mut faults = slice.faults().iter();
        for (index, record) in slice.records().iter().enumerate() {
            let at = index as u32;
            let raw = record.range();
            let fault = if record.is_fault() {
                faults.next().map(|f| no_csv(f, raw.len()))
            } else if !is_text && simdutf8::basic::from_utf8(&slice.text()[raw.clone()]).is_err() {
                Some(no_text(slice))
            } else {
                let rows = columns.rows();
                match self.row(slice, index, columns, rows) {
                    Ok(()) => {
                        columns.accept_row();
                        judged.accepted.push(at);
                        continue;
                    }
                    Err(stop) => {
                        columns.roll_back(rows);
                        Some(stop.into_fault())
                    }
                }
            };
            judged.rejects.extend(fault.map(|fault| ElementReject {
                index: at,
                raw,
                fault,
            }));
        }
        judged.met_unknown = self.cells.walk.met_unknown;
    }

    #[inline]
    fn row(
        &mut self,
        slice: &Slice,
        index: usize,
        columns: &mut Columns,
        rows: usize,
    ) -> Result<(), Stop> {
        let cells = slice.cells(index);
        let places = &self.layout.fields;
        if cells.len() != places.len() {
            return Err(other_count(cells.len(), places.len()));
        }
        for (cell, place) in cells.iter().zip(places) {
            let Some(place) = place else {
                continue;
            };
            let field = &self.root.fields[*place];
            self.cells
                .value(slice.text(), cell, field, &mut columns.columns[*place])
                .map_err(|stop| stop.within(|| Step::Name(field.name.clone())))?;
        }
        if self.layout.has_absent {
            fill_absent(&self.root, &mut columns.columns, rows)?;
        }
        Ok(())
    }
}

#[cold]
fn other_count(cells: usize, columns: usize) -> Stop {
    let more = if cells < MOST_CELLS { "" } else { " or more" };
    fault(
        RejectCode::CsvColumns,
        format!("the record has {cells} cells{more}, and there are {columns} columns"),
    )
}

#[cold]
fn no_csv(fault: &SliceFault, kept: usize) -> Fault {
    let message = match &fault.cut {
        None => fault.rule.to_owned(),
        Some(cut) => {
            let whole = usize::try_from(cut.length).unwrap_or(usize::MAX);
            Truncation::new(kept, whole, cut.sha256.clone()).told(fault.rule)
        }
    };
    Fault {
        code: fault.code,
        field: None,
        message,
    }
}

#[cold]
fn no_text(slice: &Slice) -> Fault {
    Fault {
        code: RejectCode::InvalidUtf8,
        field: None,
        message: format!("the record is not {}", slice.encoding()),
    }
}

#[cfg(test)]
mod tests;
