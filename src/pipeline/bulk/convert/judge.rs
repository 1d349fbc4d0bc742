//! One slice, from its records to columns and rejected rows.
//!
//! Owns: the files that a worker has open. A slice is judged to its end; that its job ended before
//! some of its records is found later (`limits`), and what was made of them goes then. Does not own:
//! the order of slices (`course`).

use std::sync::Arc;

use crate::clock::{Clock, Micros};
use crate::error::Result;
use crate::model::reject::RejectCode;
use crate::pipeline::bulk::failed::{FailedRow, FailedWriter, is_no_csv};
use crate::pipeline::decode::csv::CsvDecoder;
use crate::pipeline::decode::{ElementReject, Judged};
use crate::pipeline::open_files::{Ended, OpenFiles};
use crate::pipeline::partition::Run;
use crate::pipeline::rejects::Rejected;
use crate::source::csv::slice::{Raws, Slice};

/// Judges slices of one file.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) decoder: CsvDecoder,
    pub(super) writer: FailedWriter,
    pub(super) files: OpenFiles,
    pub(super) judged: Judged,
    pub(super) run: Arc<Run>,
    pub(super) modified_ms: i64,
    pub(super) clock: Clock,
}

/// What became of a slice.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// The numbers of its first record and of the one behind it.
    pub(super) begin: u64,
    pub(super) end: u64,
    /// Ascending.
    pub(super) rejects: Vec<RejectedRow>,
    /// Their rows for `failed.csv` and `failed.txt`.
    pub(super) csv: Vec<u8>,
    pub(super) text: Vec<u8>,
    /// What the worker's files hold by then.
    pub(super) held: Held,
}

/// A rejected record.
#[derive(Debug, Clone, Copy)]
pub(super) struct RejectedRow {
    pub(super) record: u64,
    pub(super) code: RejectCode,
    /// Where its row ends in `csv` and `text`.
    pub(super) csv_to: usize,
    pub(super) text_to: usize,
}

/// What open files hold.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Held {
    /// Bytes in memory.
    pub(super) bytes: u64,
    /// Rows of the largest file.
    pub(super) most_rows: u64,
    /// Bytes of the largest file.
    pub(super) most_bytes: u64,
}

impl Judge {
    /// Judges a slice, and hands its rows to the writers.
    pub(super) fn judge(&mut self, slice: &Slice) -> Result<Verdict> {
        let now = self.clock.now();
        let begin = slice.begin().record;
        self.files.provenance.begin(&self.run);
        self.decoder
            .decode(slice, &mut self.files.columns, &mut self.judged);
        for index in &self.judged.accepted {
            let offset = number(begin + u64::from(*index));
            self.files.provenance.push(offset, 0, now);
        }
        let mut verdict = Verdict {
            begin,
            end: slice.end().record,
            ..Verdict::default()
        };
        let rejects = std::mem::take(&mut self.judged.rejects);
        let mut raws = slice.raws();
        for reject in &rejects {
            self.reject(slice, reject, &mut raws, now, &mut verdict);
        }
        self.judged.rejects = rejects;
        self.files.encode_chunk()?;
        verdict.held = Held {
            bytes: self.files.memory() as u64,
            most_rows: self.files.most_rows(),
            most_bytes: self.files.most_bytes(),
        };
        Ok(verdict)
    }

    fn reject(
        &mut self,
        slice: &Slice,
        reject: &ElementReject,
        raws: &mut Raws<'_>,
        now: Micros,
        verdict: &mut Verdict,
    ) {
        let record = verdict.begin + u64::from(reject.index);
        let index = reject.index as usize;
        let raw = raws.of(index);
        let line = slice.records()[index].line;
        let row = FailedRow {
            line,
            fault: &reject.fault,
            raw,
            slice,
            index,
        };
        match is_no_csv(reject.fault.code) {
            true => self.writer.text(row, &mut verdict.text),
            false => self.writer.row(row, &mut verdict.csv),
        }
        verdict.rejects.push(RejectedRow {
            record,
            code: reject.fault.code,
            csv_to: verdict.csv.len(),
            text_to: verdict.text.len(),
        });
        let rejected = Rejected {
            raw,
            key: None,
            timestamp_ms: self.modified_ms,
            writer_schema: None,
            line: Some(number(line)),
            offset: number(record),
            index: 0,
        };
        self.files
            .rejects
            .push(&self.run, rejected, &reject.fault, now);
    }

    /// Ends the files.
    pub(super) fn end(&mut self) -> Result<Ended> {
        self.files.end()
    }
}

impl Verdict {
    /// Its rejects before record `to`, and their rows.
    pub(super) fn before(&self, to: u64) -> (&[RejectedRow], &[u8], &[u8]) {
        let count = self.rejects.partition_point(|row| row.record < to);
        let rejects = &self.rejects[..count];
        let (csv_to, text_to) = rejects
            .last()
            .map_or((0, 0), |row| (row.csv_to, row.text_to));
        (rejects, &self.csv[..csv_to], &self.text[..text_to])
    }
}

fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
