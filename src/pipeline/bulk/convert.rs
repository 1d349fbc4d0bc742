//! One file, from its bytes to encoded files and rejected rows.
//!
//! Owns: how a file is begun, or gone on with. `course` reads it in order, `crew` and `judge` judge
//! and encode beside each other, `content` hashes. Blocks; what it makes it hands on part by part, so
//! that its memory is that of the files that are open and of a few slices, whatever the size of what
//! was dropped. Does not own: what becomes of what it makes (the caller).

mod content;
mod course;
mod crew;
mod judge;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::Builder;

use parking_lot::Mutex;

use crate::clock::Clock;
use crate::config::{Bulk, Stream};
use crate::error::{Error, Result};
use crate::model::job::JobCounts;
use crate::model::position::{SourceId, SourcePartition};
use crate::model::reject::RejectCode;
use crate::pipeline::bulk::convert::content::{Content, Seen};
use crate::pipeline::bulk::convert::course::{Course, PartSize, Pending, Tally};
use crate::pipeline::bulk::convert::crew::Crew;
use crate::pipeline::bulk::convert::judge::Judge;
use crate::pipeline::bulk::failed::FailedWriter;
use crate::pipeline::bulk::limits::Limits;
use crate::pipeline::bulk::{Dropped, Ending, FailedRows, Progress};
use crate::pipeline::decode::Judged;
use crate::pipeline::decode::csv::CsvDecoder;
use crate::pipeline::decode::csv::header::Layout;
use crate::pipeline::file::EncodedFile;
use crate::pipeline::open_files::OpenFiles;
use crate::pipeline::partition::Run;
use crate::pipeline::partition_values::PartitionValues;
use crate::pipeline::plan::StreamPlan;
use crate::source::csv::slice::Position;
use crate::source::csv::{CsvFile, Head, Packing, Read, Sizes, Trouble};

pub use content::HashState;

/// What a conversion needs.
#[derive(Debug, Clone)]
pub struct Conversion {
    /// The stream at the version that rows are judged by.
    pub plan: Arc<StreamPlan>,
    /// What the stream takes from files.
    pub bulk: Bulk,
    /// Clock.
    pub clock: Clock,
    /// Threads that judge and encode, beside the one that reads; at least 1. All have a lower priority
    /// than those of streams.
    pub workers: usize,
    /// Bytes that the open files may hold in memory before they are handed on.
    pub part_bytes: u64,
}

/// Everything up to a position, ready to be uploaded.
#[derive(Debug)]
pub struct Part {
    /// What the file's first lines tell.
    pub head: Head,
    /// Where it ends: reading can go on there.
    pub to: Position,
    /// The content hash up to there; `None` for a packed file, which is read again from its beginning.
    pub hash: Option<HashState>,
    /// Data files with their partition values.
    pub data: Vec<(PartitionValues, EncodedFile)>,
    /// Files of rejects.
    pub rejects: Vec<EncodedFile>,
    /// What became of the records of this part.
    pub counts: JobCounts,
    /// Its rejects by code.
    pub codes: BTreeMap<RejectCode, u64>,
}

/// What a file came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How reading ended.
    pub ending: Ending,
    /// Records that this call judged.
    pub records: u64,
    /// What became of them.
    pub counts: JobCounts,
    /// SHA-256 of the whole file as it is stored, in hexadecimal; `None` if it was not read to its end.
    pub sha256: Option<String>,
}

/// Reads a file to its end, or to where its job fails. `failed` takes the rejected rows in the
/// records' order, those of a part before `emit` takes the part; `told` takes the progress. All of them
/// are called on one thread, which is not the caller's and has a lower priority.
///
/// # Errors
/// The file's bytes do not come, what was made is not taken, or a thread died.
pub fn convert(
    conversion: &Conversion,
    dropped: Dropped,
    failed: &mut dyn FailedRows,
    mut emit: impl FnMut(Part) -> Result<()> + Send,
    mut told: impl FnMut(Progress) + Send,
) -> Result<Outcome> {
    let read = || {
        crew::yield_to_streams();
        let out = Out {
            failed,
            emit: &mut emit,
            told: &mut told,
        };
        convert_by(conversion, Sizes::default(), dropped, out)
    };
    std::thread::scope(|scope| {
        let reading = Builder::new().name("weir-csv".to_owned());
        let reading = reading.spawn_scoped(scope, read).map_err(crew::no_thread)?;
        reading.join().map_err(|_| crew::died())?
    })
}

/// Who takes what is made.
struct Out<'a> {
    failed: &'a mut dyn FailedRows,
    emit: &'a mut dyn FnMut(Part) -> Result<()>,
    told: &'a mut dyn FnMut(Progress),
}

fn convert_by(
    conversion: &Conversion,
    sizes: Sizes,
    mut dropped: Dropped,
    out: Out<'_>,
) -> Result<Outcome> {
    let Bulk {
        max_reject_ratio,
        max_rejects,
        ..
    } = conversion.bulk;
    let judged = dropped.before.accepted + dropped.before.rejected;
    let mut limits = Limits::new(max_reject_ratio, max_rejects);
    limits.go_on(judged, dropped.before.rejected);
    let content = Arc::new(Mutex::new(content(&dropped)?));
    let begun = dropped.resume.as_ref().map_or(0, |r| r.position.record);
    let file = match open(conversion, sizes, &mut dropped, &content) {
        Ok(Some(file)) => file,
        Ok(None) => {
            let breach = limits.end().err().filter(|_| dropped.is_last);
            let nothing = "the file ends before its header: there is nothing in it";
            let ending = breach.map_or_else(
                || Ending::Nothing(nothing.to_owned()),
                |breach| Ending::Failed(breach.reason),
            );
            return Ok(outcome(ending, JobCounts::default(), &content));
        }
        Err(Trouble::File(reason)) => {
            let ending = Ending::Failed(reason);
            return Ok(outcome(ending, JobCounts::default(), &content));
        }
        Err(Trouble::Source(error)) => return Err(error),
    };
    let stream: &Stream = &conversion.plan.stream;
    let layout = match Layout::new(&stream.schema, file.head(), stream.unknown_fields) {
        Ok(layout) => layout,
        Err(problems) => {
            let reason = format!("the header does not fit the schema: {problems}");
            let ending = Ending::Failed(reason);
            return Ok(outcome(ending, JobCounts::default(), &content));
        }
    };
    let flush = &stream.flush;
    let writer = writer(conversion, file.head());
    let mut course = Course {
        crew: crew(conversion, &dropped, file.head(), &layout)?,
        head: file.head().clone(),
        limits,
        records_before: judged.checked_sub(begun).ok_or_else(|| {
            Error::internal("a file is gone on with behind more records than its job has judged")
        })?,
        is_last: dropped.is_last,
        size: PartSize {
            bytes: conversion.part_bytes,
            file_rows: flush.max_rows,
            file_bytes: flush.max_bytes,
        },
        content: content.clone(),
        header: (!dropped.has_header).then(|| writer.header()),
        failed: out.failed,
        emit: out.emit,
        told: out.told,
        counts: JobCounts::default(),
        part: Tally::default(),
        pending: Pending::default(),
    };
    let ending = course.read(file, begun > 0)?;
    Ok(outcome(ending, course.counts, &content))
}

fn outcome(ending: Ending, counts: JobCounts, content: &Mutex<Content>) -> Outcome {
    let sha256 = match ending {
        Ending::Failed(_) => None,
        _ => content.lock().sha256(),
    };
    Outcome {
        ending,
        records: counts.accepted + counts.rejected,
        counts,
        sha256,
    }
}

fn content(dropped: &Dropped) -> Result<Content> {
    match (dropped.packing, &dropped.resume) {
        (Packing::Plain, None) => Content::plain(0, None),
        (Packing::Plain, Some(resume)) if resume.hash.is_some() => {
            Content::plain(resume.position.byte, resume.hash.as_ref())
        }
        (Packing::Plain, Some(_)) => Err(Error::internal(
            "a file is gone on with without the hash of what was read of it",
        )),
        _ => Ok(Content::packed()),
    }
}

/// The file at its first record, or at the one to go on with.
fn open(
    conversion: &Conversion,
    sizes: Sizes,
    dropped: &mut Dropped,
    content: &Arc<Mutex<Content>>,
) -> Read<Option<CsvFile>> {
    let none: Box<dyn crate::source::csv::chunks::Chunks> = Box::new(std::iter::empty());
    let chunks = Box::new(Seen {
        chunks: std::mem::replace(&mut dropped.chunks, none),
        content: content.clone(),
    });
    let (packing, dialect) = (dropped.packing, &conversion.bulk.dialect);
    match dropped.resume.take() {
        None => CsvFile::open(chunks, packing, dialect, sizes),
        Some(resume) => {
            let (head, position) = (resume.head, resume.position);
            CsvFile::resume(chunks, packing, dialect, sizes, head, position).map(Some)
        }
    }
}

fn crew(conversion: &Conversion, dropped: &Dropped, head: &Head, layout: &Layout) -> Result<Crew> {
    let plan = &conversion.plan;
    let stream: &Stream = &plan.stream;
    let source = SourcePartition {
        source_id: SourceId::bulk(dropped.job.as_str()),
        partition: dropped.place,
    };
    let run = Arc::new(Run::new(0, dropped.key.clone(), source, None, 0, 0));
    let dialect = &conversion.bulk.dialect;
    let judges = (0..conversion.workers.max(1)).map(|_| Judge {
        decoder: CsvDecoder::new(
            &stream.schema,
            dialect,
            layout.clone(),
            stream.unknown_fields,
        ),
        writer: writer(conversion, head),
        files: OpenFiles::new(plan.clone()),
        judged: Judged::default(),
        run: run.clone(),
        modified_ms: dropped.modified_ms,
        clock: conversion.clock.clone(),
    });
    Crew::start(judges.collect())
}

fn writer(conversion: &Conversion, head: &Head) -> FailedWriter {
    let Bulk {
        dialect,
        escape_formulas,
        ..
    } = &conversion.bulk;
    FailedWriter::new(dialect, head, *escape_formulas)
}

#[cfg(test)]
mod tests;
