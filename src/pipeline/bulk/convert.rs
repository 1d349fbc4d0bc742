//! One file, from its bytes to encoded files and rejected rows.
//!
//! Owns: the order of reading, judging and cutting, the content's hash, and the counts. Blocks; what
//! it makes it hands on, so that its memory is that of the files that are open, whatever the size of
//! what was dropped. Does not own: what becomes of what it makes (the caller).

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use crate::clock::Clock;
use crate::config::{Bulk, Stream};
use crate::error::{Error, Result};
use crate::model::job::{JobCounts, hex};
use crate::model::position::{SourceId, SourcePartition};
use crate::pipeline::bulk::failed::{FailedRow, FailedWriter, is_no_csv};
use crate::pipeline::bulk::limits::{Breach, Limits};
use crate::pipeline::bulk::{Dropped, Ending, FailedRows, Progress};
use crate::pipeline::decode::Judged;
use crate::pipeline::decode::csv::CsvDecoder;
use crate::pipeline::decode::csv::header::Layout;
use crate::pipeline::file::EncodedFile;
use crate::pipeline::open_files::OpenFiles;
use crate::pipeline::partition::Run;
use crate::pipeline::partition_values::PartitionValues;
use crate::pipeline::plan::StreamPlan;
use crate::pipeline::rejects::Rejected;
use crate::source::csv::chunks::Chunks;
use crate::source::csv::slice::Slice;
use crate::source::csv::{CsvFile, Sizes, Trouble};

/// What a conversion needs.
#[derive(Debug)]
pub struct Conversion {
    /// The stream at the version that rows are judged by.
    pub plan: Arc<StreamPlan>,
    /// What the stream takes from files.
    pub bulk: Bulk,
    /// Clock.
    pub clock: Clock,
}

/// Files that were cut.
#[derive(Debug)]
pub struct Converted {
    /// Data files with their partition values.
    pub data: Vec<(PartitionValues, EncodedFile)>,
    /// A file of rejects.
    pub rejects: Option<EncodedFile>,
}

/// What a file came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How reading ended.
    pub ending: Ending,
    /// Records that were judged.
    pub records: u64,
    /// What became of them.
    pub counts: JobCounts,
    /// SHA-256 of the file as it is stored, in hexadecimal, once it was read to its end.
    pub sha256: Option<String>,
}

impl Outcome {
    fn ended(ending: Ending) -> Self {
        Self {
            ending,
            records: 0,
            counts: JobCounts::default(),
            sha256: None,
        }
    }
}

/// Reads a file to its end, or to where its job fails. `emit` takes the files that are cut, `told` the
/// progress.
///
/// # Errors
/// The file's bytes do not come, or what was made is not taken.
pub fn convert(
    conversion: &Conversion,
    dropped: Dropped,
    failed: &mut dyn FailedRows,
    mut emit: impl FnMut(Converted) -> Result<()>,
    mut told: impl FnMut(Progress),
) -> Result<Outcome> {
    let Conversion { plan, bulk, .. } = conversion;
    let content = Arc::new(Mutex::new(Content::default()));
    let chunks = Box::new(Hashed {
        chunks: dropped.chunks,
        content: content.clone(),
    });
    let opened = CsvFile::open(chunks, dropped.packing, &bulk.dialect, Sizes::default());
    let file = match opened {
        Ok(Some(file)) => file,
        Ok(None) => {
            let reason = "the file ends before its header: there is nothing in it".to_owned();
            let outcome = Outcome::ended(Ending::Nothing(reason));
            return Ok(content.lock().told(outcome));
        }
        Err(Trouble::File(reason)) => return Ok(Outcome::ended(Ending::Failed(reason))),
        Err(Trouble::Source(error)) => return Err(error),
    };
    let stream: &Stream = &plan.stream;
    let layout = match Layout::new(&stream.schema, file.head(), stream.unknown_fields) {
        Ok(layout) => layout,
        Err(problems) => {
            let reason = format!("the header does not fit the schema: {problems}");
            return Ok(Outcome::ended(Ending::Failed(reason)));
        }
    };
    let run = Arc::new(Run::new(
        0,
        dropped.key.clone(),
        SourcePartition {
            source_id: SourceId::bulk(dropped.job.as_str()),
            partition: 0,
        },
        None,
        0,
        0,
    ));
    let mut course = Course {
        decoder: CsvDecoder::new(&stream.schema, &bulk.dialect, layout, stream.unknown_fields),
        writer: FailedWriter::new(&bulk.dialect, file.head(), bulk.escape_formulas),
        limits: Limits::new(bulk.max_reject_ratio, bulk.max_rejects),
        files: OpenFiles::new(plan.clone()),
        judged: Judged::default(),
        counts: JobCounts::default(),
        csv: Vec::new(),
        text: Vec::new(),
        modified_ms: dropped.modified_ms,
        run,
        clock: conversion.clock.clone(),
    };
    let ending = course.read(file, failed, &mut emit, |records, counts| {
        told(Progress {
            bytes: content.lock().bytes,
            records,
            counts,
        });
    })?;
    let outcome = Outcome {
        records: course.counts.accepted + course.counts.rejected,
        counts: course.counts,
        ..Outcome::ended(ending)
    };
    Ok(content.lock().told(outcome))
}

/// The course of one file.
struct Course {
    decoder: CsvDecoder,
    writer: FailedWriter,
    limits: Limits,
    files: OpenFiles,
    judged: Judged,
    counts: JobCounts,
    /// What is to be appended to `failed.csv` and `failed.txt`.
    csv: Vec<u8>,
    text: Vec<u8>,
    modified_ms: i64,
    run: Arc<Run>,
    clock: Clock,
}

impl Course {
    fn read(
        &mut self,
        mut file: CsvFile,
        failed: &mut dyn FailedRows,
        emit: &mut impl FnMut(Converted) -> Result<()>,
        mut told: impl FnMut(u64, JobCounts),
    ) -> Result<Ending> {
        loop {
            let slice = match file.next_slice() {
                Ok(Some(slice)) => slice,
                Ok(None) => break,
                Err(Trouble::File(reason)) => return Ok(Ending::Failed(reason)),
                Err(Trouble::Source(error)) => return Err(error),
            };
            let breach = self.slice(&slice);
            failed.csv(&self.csv)?;
            failed.text(&self.text)?;
            told(slice.end().record, self.counts);
            if let Some(breach) = breach {
                return Ok(Ending::Failed(breach.reason));
            }
            self.files.encode_chunk()?;
            if self.is_due() {
                self.cut(emit)?;
            }
        }
        if let Err(breach) = self.limits.end() {
            return Ok(Ending::Failed(breach.reason));
        }
        if self.counts == JobCounts::default() {
            return Ok(Ending::Nothing(
                "there is no record behind the header".to_owned(),
            ));
        }
        self.cut(emit)?;
        Ok(Ending::Read)
    }

    /// Judges a slice. A limit that is passed ends it at that record.
    fn slice(&mut self, slice: &Slice) -> Option<Breach> {
        let now = self.clock.now();
        let (base, end) = (slice.begin().record, slice.end().record);
        self.csv.clear();
        self.text.clear();
        self.files.provenance.begin(&self.run);
        self.decoder
            .decode(slice, &mut self.files.columns, &mut self.judged);
        let numbers = self.judged.rejects.iter();
        let numbers = numbers.map(|reject| base + u64::from(reject.index));
        let breach = self.limits.pass(end, numbers).err();
        let to = breach.as_ref().map_or(end, |breach| breach.records);
        for index in &self.judged.accepted {
            let number = base + u64::from(*index);
            self.files.provenance.push(position(number), 0, now);
            self.counts.accepted += u64::from(number < to);
        }
        let mut raws = slice.raws();
        for reject in &self.judged.rejects {
            let number = base + u64::from(reject.index);
            if number >= to {
                break;
            }
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
                true => self.writer.text(row, &mut self.text),
                false => self.writer.row(row, &mut self.csv),
            }
            let record = Rejected {
                raw,
                key: None,
                timestamp_ms: self.modified_ms,
                writer_schema: None,
                line: Some(position(line)),
                offset: position(number),
                index: 0,
            };
            self.files
                .rejects
                .push(&self.run, record, &reject.fault, now);
            self.counts.rejected += 1;
        }
        breach
    }

    fn is_due(&self) -> bool {
        let flush = &self.files.plan().stream.flush;
        self.files.most_rows() >= flush.max_rows || self.files.most_bytes() >= flush.max_bytes
    }

    fn cut(&mut self, emit: &mut impl FnMut(Converted) -> Result<()>) -> Result<()> {
        let ended = self.files.end()?;
        emit(Converted {
            data: ended.data,
            rejects: ended.rejects,
        })
    }
}

fn position(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What was read of a file's bytes.
#[derive(Debug, Default)]
struct Content {
    hash: Sha256,
    bytes: u64,
    is_whole: bool,
}

impl Content {
    /// `outcome` with the content's hash, if all of it was read.
    fn told(&self, outcome: Outcome) -> Outcome {
        let hash = || hex(&self.hash.clone().finalize());
        Outcome {
            sha256: self.is_whole.then(hash),
            ..outcome
        }
    }
}

/// Bytes that are counted and hashed as they pass.
struct Hashed {
    chunks: Box<dyn Chunks>,
    content: Arc<Mutex<Content>>,
}

impl Chunks for Hashed {
    fn next_chunk(&mut self) -> Result<Option<Bytes>, Error> {
        let chunk = self.chunks.next_chunk()?;
        let mut content = self.content.lock();
        match &chunk {
            Some(bytes) => {
                content.hash.update(bytes);
                content.bytes += bytes.len() as u64;
            }
            None => content.is_whole = true,
        }
        Ok(chunk)
    }
}
