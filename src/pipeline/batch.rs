//! The open batch of one stream on one lane: rows that were judged and are not yet in a commit.
//!
//! Owns: decoding a block into columns, the ranges that it settles, and the files that the rows go
//! to. Does not own: when the batch is cut (`lane`), where the files go (`upload`), the commit.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::clock::{Micros, Tick};
use crate::error::{Error, Result};
use crate::model::ledger::{Cut, RangeRecord};
use crate::model::position::push_range;
use crate::model::raw::{RawBlock, RawMessage};
use crate::model::reject::{RejectCode, SkipCode};
use crate::pipeline::budget::{Budget, Charge, Stage};
use crate::pipeline::decode::Judged;
use crate::pipeline::decode::columns::Columns;
use crate::pipeline::file::{EncodedFile, FileWriter};
use crate::pipeline::partition::Run;
use crate::pipeline::partition_values::PartitionValues;
use crate::pipeline::plan::StreamPlan;
use crate::pipeline::provenance::Provenance;
use crate::pipeline::rejects::{Rejected, Rejects};
use crate::pipeline::stream_decoder::{Message, StreamDecoder, WaitsFor};

/// Rows that are decoded before they are handed to the Parquet writer.
const CHUNK_ROWS: usize = 8 * 1024;

/// Bytes of columns after which a chunk ends early.
const CHUNK_BYTES: usize = 4 << 20;

/// Partition values that may be open at once.
const MAX_OPEN_VALUES: usize = 256;

/// Hole and skip ranges after which a batch is cut. A block adds at most two ranges for each of
/// its messages, so a commit stays below the 10,000 that the ledger allows.
const MAX_RANGES: usize = 1_500;

/// What a batch settles of one reading of a partition.
#[derive(Debug, Clone)]
pub struct RunRange {
    /// The reading.
    pub run: Arc<Run>,
    /// The positions.
    pub range: RangeRecord,
    /// Time stamp of the last message, milliseconds; `None` without messages.
    pub last_ms: Option<i64>,
}

/// A batch that was cut and encoded, with nothing of it uploaded yet.
#[derive(Debug)]
pub struct EncodedBatch {
    /// What its rows were decoded by.
    pub plan: Arc<StreamPlan>,
    /// Why it was cut.
    pub cut: Cut,
    /// What it settles.
    pub ranges: Vec<RunRange>,
    /// Data files with their partition values.
    pub files: Vec<(PartitionValues, EncodedFile)>,
    /// How many data files it has, also when `files` was taken.
    pub data_files: u64,
    /// The file of rejects.
    pub rejects: Option<EncodedFile>,
    /// Rejects by code.
    pub codes: BTreeMap<RejectCode, u64>,
    /// Bytes of keys and values that were read.
    pub source_bytes: u64,
    /// The oldest broker time stamp, milliseconds.
    pub oldest_ms: Option<i64>,
    /// The encoded bytes, held until the commit.
    pub charge: Charge,
}

/// How much of a block was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// All of it.
    All,
    /// What is before message `at`, which has to wait.
    Waits {
        /// The message's place in the block.
        at: usize,
        /// What for.
        on: WaitsFor,
    },
}

/// When a block is judged.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// When the block was there, fetched.
    pub seen: Tick,
    /// When newer versions of the schema were last looked for.
    pub looked: Tick,
    /// Now, by the wall.
    pub now: Micros,
    /// Now.
    pub at: Tick,
}

/// Rows, rejects and ranges that were not cut yet.
#[derive(Debug)]
pub struct OpenBatch {
    plan: Arc<StreamPlan>,
    decoder: StreamDecoder,
    judged: Judged,
    columns: Columns,
    provenance: Provenance,
    rejects: Rejects,
    files: HashMap<PartitionValues, FileWriter>,
    rejects_file: Option<FileWriter>,
    ranges: Vec<RunRange>,
    codes: BTreeMap<RejectCode, u64>,
    source_bytes: u64,
    oldest_ms: Option<i64>,
    opened: Option<Tick>,
    rows: u64,
    charge: Charge,
}

impl OpenBatch {
    /// An empty batch. It is used again after each cut, with its buffers.
    pub fn new(plan: Arc<StreamPlan>, budget: &Budget) -> Self {
        let stream = &plan.stream;
        let schema = &stream.schema;
        Self {
            decoder: StreamDecoder::of_messages(stream, &plan.writers),
            judged: Judged::default(),
            columns: Columns::new(schema),
            provenance: Provenance::default(),
            rejects: Rejects::new(
                format!("{}/{}", schema.subject, schema.version),
                plan.max_raw,
            ),
            files: HashMap::new(),
            rejects_file: None,
            ranges: Vec::new(),
            codes: BTreeMap::new(),
            source_bytes: 0,
            oldest_ms: None,
            opened: None,
            rows: 0,
            charge: budget.charge(Stage::Open, 0),
            plan,
        }
    }

    /// What it decodes by.
    pub fn plan(&self) -> &Arc<StreamPlan> {
        &self.plan
    }

    /// True if there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Bytes held.
    pub fn memory(&self) -> u64 {
        self.charge.bytes()
    }

    /// Judges a block of `run`, from message `from` on, and takes its rows, rejects and positions. It
    /// stops before a message that has to wait.
    ///
    /// # Errors
    /// The block does not follow on the batch's range of the partition, or encoding failed: the
    /// batch must be dropped and its partitions read again.
    pub fn append(
        &mut self,
        run: &Arc<Run>,
        block: &RawBlock,
        from: usize,
        moment: Moment,
    ) -> Result<Taken> {
        let before = from
            .checked_sub(1)
            .and_then(|last| block.messages.get(last));
        let begin = before.map_or(block.from, |message| message.offset + 1);
        let RunRange {
            mut range,
            mut last_ms,
            ..
        } = self.take_range(run, block, begin)?;
        self.provenance.begin(run);
        let seen_before = run.seen_before();
        let mut taken = Taken::All;
        for (place, message) in block.messages.iter().enumerate().skip(from) {
            let seen = match seen_before {
                Some((below, by)) if message.offset < below => by,
                _ => moment.seen,
            };
            let moment = Moment { seen, ..moment };
            if let Some(on) = self.judge(run, block, place, &mut range, moment) {
                taken = Taken::Waits { at: place, on };
                break;
            }
            if message.offset > range.to {
                range.holes += message.offset - range.to;
                push_range(&mut range.hole_ranges, range.to, message.offset);
            }
            range.read += 1;
            range.to = message.offset + 1;
            if message.timestamp_ms >= 0 {
                last_ms = Some(message.timestamp_ms);
            }
            if self.columns.rows() >= CHUNK_ROWS
                || self.rejects.rows() >= CHUNK_ROWS
                || self.columns.rows() % 64 == 63 && self.chunk_memory() > CHUNK_BYTES
            {
                self.encode_chunk()?;
                self.provenance.begin(run);
            }
        }
        if taken == Taken::All {
            if block.to > range.to {
                range.holes += block.to - range.to;
                push_range(&mut range.hole_ranges, range.to, block.to);
                range.to = block.to;
            }
            self.source_bytes += block.arena.len() as u64;
        }
        if range.to > range.from {
            self.opened.get_or_insert(moment.at);
            range.leader_epoch = block.leader_epoch.or(range.leader_epoch);
            self.ranges.push(RunRange {
                run: run.clone(),
                range,
                last_ms,
            });
        }
        self.weigh();
        Ok(taken)
    }

    /// The reason for which the batch has to be cut now, if there is one.
    pub fn due(&self, at: Tick) -> Option<Cut> {
        let opened = self.opened?;
        let flush = &self.plan.stream.flush;
        let largest = self.files.values().map(FileWriter::rows).max().unwrap_or(0);
        let bytes = self.files.values().map(FileWriter::size).max().unwrap_or(0)
            + self.rejects_file.as_ref().map_or(0, FileWriter::size);
        if largest.max(self.rejects_file.as_ref().map_or(0, FileWriter::rows)) >= flush.max_rows {
            Some(Cut::Rows)
        } else if bytes as u64 >= flush.max_bytes {
            Some(Cut::Bytes)
        } else if self.files.len() >= MAX_OPEN_VALUES {
            Some(Cut::Partitions)
        } else if self.range_count() > MAX_RANGES {
            Some(Cut::Ranges)
        } else if at.since(opened) >= flush.max_age {
            Some(Cut::Age)
        } else {
            None
        }
    }

    /// Ends the batch and leaves an empty one.
    pub fn cut(&mut self, cut: Cut, budget: &Budget) -> Result<EncodedBatch> {
        self.encode_chunk()?;
        let mut files = Vec::with_capacity(self.files.len());
        for (values, writer) in self.files.drain() {
            files.push((values, writer.finish()?));
        }
        let rejects = match self.rejects_file.take() {
            Some(writer) => Some(writer.finish()?),
            None => None,
        };
        let encoded: u64 =
            files.iter().map(|(_, f)| f.size).sum::<u64>() + rejects.as_ref().map_or(0, |f| f.size);
        let batch = EncodedBatch {
            plan: self.plan.clone(),
            cut,
            ranges: std::mem::take(&mut self.ranges),
            data_files: files.len() as u64,
            files,
            rejects,
            codes: std::mem::take(&mut self.codes),
            source_bytes: std::mem::take(&mut self.source_bytes),
            oldest_ms: self.oldest_ms.take(),
            charge: budget.charge(Stage::Encoded, encoded),
        };
        self.opened = None;
        self.rows = 0;
        self.weigh();
        Ok(batch)
    }

    /// Drops everything that was not cut.
    pub fn clear(&mut self, budget: &Budget) {
        *self = Self::new(self.plan.clone(), budget);
    }

    fn take_range(&mut self, run: &Arc<Run>, block: &RawBlock, begin: i64) -> Result<RunRange> {
        let at = self.ranges.iter().position(|r| Arc::ptr_eq(&r.run, run));
        let taken = match at {
            Some(at) => self.ranges.swap_remove(at),
            None => {
                let mut range = RangeRecord::starting_point(&run.topic, &run.source, begin);
                range.topic_id.clone_from(&run.topic_id);
                RunRange {
                    run: run.clone(),
                    range,
                    last_ms: None,
                }
            }
        };
        if taken.range.to != begin || block.from > begin {
            return Err(Error::internal(format!(
                "a block of {} begins at {begin} where {} was expected",
                run.source, taken.range.to
            )));
        }
        Ok(taken)
    }

    fn judge(
        &mut self,
        run: &Arc<Run>,
        block: &RawBlock,
        place: usize,
        range: &mut RangeRecord,
        moment: Moment,
    ) -> Option<WaitsFor> {
        let RawMessage {
            offset,
            timestamp_ms,
            key,
            value,
        } = block.messages[place];
        let value = value.map(|value| block.bytes(value));
        if let Some(value) = value {
            let message = Message {
                value,
                header: block.header(place),
                topic: &run.topic,
                seen: moment.seen,
            };
            let waits =
                self.decoder
                    .decode(message, moment.looked, &mut self.columns, &mut self.judged);
            if waits.is_some() {
                return waits;
            }
        }
        if timestamp_ms >= 0 {
            let oldest = self.oldest_ms.map_or(timestamp_ms, |o| o.min(timestamp_ms));
            self.oldest_ms = Some(oldest);
        }
        let Some(value) = value else {
            skip(range, SkipCode::Tombstone, offset);
            return None;
        };
        for index in &self.judged.accepted {
            self.provenance.push(offset, *index, moment.now);
        }
        range.accepted += self.judged.accepted.len() as i64;
        self.rows += self.judged.accepted.len() as u64;
        if let Some(code) = self.judged.skipped {
            skip(range, code, offset);
        }
        if !self.judged.rejects.is_empty() {
            let key = key.map(|k| block.bytes(k));
            self.reject(run, (offset, timestamp_ms), key, value, moment.now);
            range.rejected += self.judged.rejects.len() as i64;
        }
        None
    }

    #[cold]
    fn reject(
        &mut self,
        run: &Arc<Run>,
        (offset, timestamp_ms): (i64, i64),
        key: Option<&[u8]>,
        value: &[u8],
        now: Micros,
    ) {
        let writer_schema = self.decoder.writer_schema();
        for reject in &self.judged.rejects {
            let record = Rejected {
                raw: &value[reject.raw.clone()],
                key,
                timestamp_ms,
                writer_schema: writer_schema.as_deref(),
                offset,
                index: reject.index,
            };
            self.rejects.push(run, record, &reject.fault, now);
            *self.codes.entry(reject.fault.code).or_default() += 1;
        }
    }

    fn chunk_memory(&self) -> usize {
        self.columns.memory() + self.rejects.memory()
    }

    fn encode_chunk(&mut self) -> Result<()> {
        if self.columns.rows() > 0 {
            let mut columns = self.columns.finish();
            columns.extend(self.provenance.finish()?);
            for (values, rows) in self
                .plan
                .partitioner
                .split(&self.plan.file_schema, columns)?
            {
                write_to(self.files.entry(values), &self.plan.file_schema, &rows)?;
            }
        }
        if self.rejects.rows() > 0 {
            let rows = record_batch(&self.plan.rejects_schema, self.rejects.finish()?)?;
            let writer = match &mut self.rejects_file {
                Some(writer) => writer,
                None => self
                    .rejects_file
                    .insert(FileWriter::new(self.plan.rejects_schema.clone(), &rows)?),
            };
            writer.write(&rows)?;
        }
        Ok(())
    }

    fn range_count(&self) -> usize {
        self.ranges
            .iter()
            .map(|RunRange { range, .. }| {
                range.hole_ranges.len() + range.skip_ranges.values().map(Vec::len).sum::<usize>()
            })
            .sum()
    }

    fn weigh(&mut self) {
        let writers = self.files.values().chain(&self.rejects_file);
        let bytes = self.chunk_memory()
            + self.provenance.memory()
            + writers.map(FileWriter::memory).sum::<usize>();
        self.charge.set(bytes as u64);
    }
}

fn skip(range: &mut RangeRecord, code: SkipCode, offset: i64) {
    range.skipped += 1;
    let ranges = range
        .skip_ranges
        .entry(code.as_str().to_owned())
        .or_default();
    push_range(ranges, offset, offset + 1);
}

fn write_to(
    entry: std::collections::hash_map::Entry<'_, PartitionValues, FileWriter>,
    schema: &SchemaRef,
    rows: &RecordBatch,
) -> Result<()> {
    use std::collections::hash_map::Entry;
    match entry {
        Entry::Occupied(writer) => writer.into_mut().write(rows),
        Entry::Vacant(place) => place
            .insert(FileWriter::new(schema.clone(), rows)?)
            .write(rows),
    }
}

/// A record batch, or the internal error that columns and schema differ.
pub(crate) fn record_batch(
    schema: &SchemaRef,
    columns: Vec<arrow::array::ArrayRef>,
) -> Result<RecordBatch> {
    RecordBatch::try_new(schema.clone(), columns)
        .map_err(|e| Error::internal("decoded columns do not fit their schema").because(e))
}
