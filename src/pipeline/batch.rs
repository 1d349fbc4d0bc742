//! The open batch of one stream on one lane: rows that were judged and are not yet in a commit.
//!
//! Owns: decoding a block, and the ranges that it settles. Does not own: the files that rows go to
//! (`open_files`), when the batch is cut (`lane`), where the files go (`upload`), the commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clock::{Micros, Tick};
use crate::error::{Error, Result};
use crate::model::ledger::{Cut, RangeRecord};
use crate::model::position::push_range;
use crate::model::raw::{RawBlock, RawMessage};
use crate::model::reject::{RejectCode, SkipCode};
use crate::pipeline::budget::{Budget, Charge, Stage};
use crate::pipeline::decode::Judged;
use crate::pipeline::file::EncodedFile;
use crate::pipeline::open_files::OpenFiles;
use crate::pipeline::partition::Run;
use crate::pipeline::partition_values::PartitionValues;
use crate::pipeline::plan::StreamPlan;
use crate::pipeline::rejects::Rejected;
use crate::pipeline::stream_decoder::{Message, StreamDecoder, WaitsFor};

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
    decoder: StreamDecoder,
    judged: Judged,
    files: OpenFiles,
    ranges: Vec<RunRange>,
    codes: BTreeMap<RejectCode, u64>,
    source_bytes: u64,
    oldest_ms: Option<i64>,
    opened: Option<Tick>,
    charge: Charge,
}

impl OpenBatch {
    /// An empty batch. It is used again after each cut, with its buffers.
    pub fn new(plan: Arc<StreamPlan>, budget: &Budget) -> Self {
        Self {
            decoder: StreamDecoder::of_messages(&plan.stream, &plan.writers),
            judged: Judged::default(),
            files: OpenFiles::new(plan),
            ranges: Vec::new(),
            codes: BTreeMap::new(),
            source_bytes: 0,
            oldest_ms: None,
            opened: None,
            charge: budget.charge(Stage::Open, 0),
        }
    }

    /// What it decodes by.
    pub fn plan(&self) -> &Arc<StreamPlan> {
        self.files.plan()
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
        self.files.provenance.begin(run);
        let seen_before = run.seen_before();
        let mut taken = Taken::All;
        for (place, message) in block.messages.iter().enumerate().skip(from) {
            let seen = match seen_before {
                Some((below, by)) if message.offset < below => by,
                _ => moment.seen,
            };
            let moment = Moment { seen, ..moment };
            if let Some(on) = self.judge(run, block, place, &mut range, moment) {
                if let WaitsFor::Writer(_) = on {
                    self.ask_ahead(run, block, place, moment);
                }
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
            if self.files.is_chunk() {
                self.files.encode_chunk()?;
                self.files.provenance.begin(run);
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
            range.leader_epoch = match taken {
                Taken::All => block.leader_epoch.or(range.leader_epoch),
                Taken::Waits { at, .. } if at == from => range.leader_epoch,
                Taken::Waits { .. } => run.leader_epoch_within(block),
            };
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
        let flush = &self.plan().stream.flush;
        if self.files.most_rows() >= flush.max_rows {
            Some(Cut::Rows)
        } else if self.files.most_bytes() >= flush.max_bytes {
            Some(Cut::Bytes)
        } else if self.files.values() >= MAX_OPEN_VALUES {
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
        let ended = self.files.end()?;
        let batch = EncodedBatch {
            plan: self.plan().clone(),
            cut,
            charge: budget.charge(Stage::Encoded, ended.size()),
            ranges: std::mem::take(&mut self.ranges),
            data_files: ended.data.len() as u64,
            files: ended.data,
            rejects: ended.rejects,
            codes: std::mem::take(&mut self.codes),
            source_bytes: std::mem::take(&mut self.source_bytes),
            oldest_ms: self.oldest_ms.take(),
        };
        self.opened = None;
        self.weigh();
        Ok(batch)
    }

    /// Drops everything that was not cut.
    pub fn clear(&mut self, budget: &Budget) {
        *self = Self::new(self.plan().clone(), budget);
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
            let waits = self.decoder.decode(
                message,
                moment.looked,
                &mut self.files.columns,
                &mut self.judged,
            );
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
            self.files.provenance.push(offset, *index, moment.now);
        }
        range.accepted += self.judged.accepted.len() as i64;
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
    fn ask_ahead(&self, run: &Arc<Run>, block: &RawBlock, place: usize, moment: Moment) {
        let behind = block.messages.iter().enumerate().skip(place + 1);
        self.decoder
            .ask_ahead(behind.filter_map(|(place, message)| {
                Some(Message {
                    value: block.bytes(message.value?),
                    header: block.header(place),
                    topic: &run.topic,
                    seen: moment.seen,
                })
            }));
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
                line: None,
                offset,
                index: reject.index,
            };
            self.files.rejects.push(run, record, &reject.fault, now);
            *self.codes.entry(reject.fault.code).or_default() += 1;
        }
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
        self.charge.set(self.files.memory() as u64);
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

#[cfg(test)]
mod tests;
