//! The course of one file: slices in order to the workers, and what comes back in order again.
//!
//! Owns: where parts end, limits, counts, and the order of rejected rows against the parts. While the
//! workers end the files of a part, reading goes on; what comes of the next part waits until the part
//! was handed on.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::error::Result;
use crate::model::job::JobCounts;
use crate::model::reject::RejectCode;
use crate::pipeline::bulk::convert::Part;
use crate::pipeline::bulk::convert::content::{Content, HashState};
use crate::pipeline::bulk::convert::crew::{Crew, Done};
use crate::pipeline::bulk::convert::judge::Verdict;
use crate::pipeline::bulk::limits::{Breach, Limits};
use crate::pipeline::bulk::{Ending, FailedRows, Progress};
use crate::pipeline::file::EncodedFile;
use crate::pipeline::partition_values::PartitionValues;
use crate::source::csv::slice::Position;
use crate::source::csv::{CsvFile, Head, Trouble};

/// Slices under way and behind a part that is being ended, for each worker.
const SLICES_A_WORKER: usize = 8;

/// When a part ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct PartSize {
    /// Bytes in memory of all.
    pub(super) bytes: u64,
    /// Rows and bytes of a file.
    pub(super) file_rows: u64,
    pub(super) file_bytes: u64,
}

/// The course of one file.
pub(super) struct Course<'a> {
    pub(super) crew: Crew,
    pub(super) head: Head,
    pub(super) limits: Limits,
    /// What is added to a record's number to get its place in the job.
    pub(super) records_before: u64,
    pub(super) is_last: bool,
    pub(super) size: PartSize,
    pub(super) content: Arc<Mutex<Content>>,
    /// In front of the first row of `failed.csv`.
    pub(super) header: Option<Vec<u8>>,
    pub(super) failed: &'a mut dyn FailedRows,
    pub(super) emit: &'a mut dyn FnMut(Part) -> Result<()>,
    pub(super) told: &'a mut dyn FnMut(Progress),
    /// Of this call, without the open part.
    pub(super) counts: JobCounts,
    pub(super) part: Tally,
    pub(super) pending: Pending,
}

/// What was judged.
#[derive(Debug, Default)]
pub(super) struct Tally {
    counts: JobCounts,
    codes: BTreeMap<RejectCode, u64>,
}

/// What was handed to the workers and did not come back, or not in its turn.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// The place of the first.
    first: u64,
    items: VecDeque<Item>,
    /// True if a part is being ended.
    ends: bool,
}

#[derive(Debug)]
enum Item {
    Slice(Option<Verdict>),
    End(Box<PartEnd>),
}

/// A part that is being ended.
#[derive(Debug)]
struct PartEnd {
    to: Position,
    hash: Option<HashState>,
    /// Workers that did not end their files.
    missing: usize,
    data: Vec<(PartitionValues, EncodedFile)>,
    rejects: Vec<EncodedFile>,
}

impl Pending {
    /// Puts `item` behind the others, and returns its place.
    fn push(&mut self, item: Item) -> u64 {
        self.ends |= matches!(item, Item::End(_));
        self.items.push_back(item);
        self.first + self.items.len() as u64 - 1
    }

    fn at(&mut self, place: u64) -> Option<&mut Item> {
        let index = usize::try_from(place.checked_sub(self.first)?).ok()?;
        self.items.get_mut(index)
    }

    /// The next one that is complete, in order.
    fn pop(&mut self) -> Option<Item> {
        let is_complete = match self.items.front()? {
            Item::Slice(verdict) => verdict.is_some(),
            Item::End(end) => end.missing == 0,
        };
        let item = is_complete.then(|| self.items.pop_front()).flatten()?;
        self.first += 1;
        self.ends &= !matches!(item, Item::End(_));
        Some(item)
    }
}

impl Course<'_> {
    /// Reads the file to its end, or to where its job fails. `is_begun`: records of it were judged
    /// before.
    pub(super) fn read(&mut self, mut file: CsvFile, is_begun: bool) -> Result<Ending> {
        let mut end = None;
        let ended = loop {
            if let Some(breach) = self.make_room()? {
                return Ok(Ending::Failed(breach.reason));
            }
            match file.next_slice() {
                Ok(Some(slice)) => {
                    let to = slice.end();
                    end = Some(to);
                    let place = self.pending.push(Item::Slice(None));
                    self.crew.slice(place, slice)?;
                    self.content.lock().follow(to.byte);
                    if self.is_due() {
                        end = None;
                        self.end_part(to)?;
                    }
                }
                Ok(None) => break Ok(()),
                Err(Trouble::File(reason)) => break Err(reason),
                Err(Trouble::Source(error)) => return Err(error),
            }
        };
        // What stands before the trouble is judged first, as it would be without workers.
        let breach = self.settle_all()?;
        let breach = breach.or_else(|| {
            self.limits
                .end()
                .err()
                .filter(|_| self.is_last && ended.is_ok())
        });
        match (breach, ended) {
            (Some(Breach { reason, .. }), _) | (None, Err(reason)) => {
                return Ok(Ending::Failed(reason));
            }
            (None, Ok(())) => {}
        }
        match end {
            Some(to) => {
                self.end_part(to)?;
                self.settle_all()?;
            }
            None if self.pending.first == 0 && !is_begun => {
                let reason = "there is no record behind the header";
                return Ok(Ending::Nothing(reason.to_owned()));
            }
            None => {}
        }
        Ok(Ending::Read)
    }

    /// Settles what came back, until another slice can be handed on.
    fn make_room(&mut self) -> Result<Option<Breach>> {
        let most = self.crew.len() * SLICES_A_WORKER;
        loop {
            let waits = !self.crew.takes() || self.pending.items.len() >= most;
            let Some(done) = self.crew.done(waits)? else {
                return Ok(None);
            };
            if let Some(breach) = self.settle(done)? {
                return Ok(Some(breach));
            }
        }
    }

    /// Waits for all that is under way.
    fn settle_all(&mut self) -> Result<Option<Breach>> {
        while !self.pending.items.is_empty() {
            if let Some(done) = self.crew.done(true)?
                && let Some(breach) = self.settle(done)?
            {
                return Ok(Some(breach));
            }
        }
        Ok(None)
    }

    fn is_due(&self) -> bool {
        let held = self.crew.held();
        let PartSize {
            bytes,
            file_rows,
            file_bytes,
        } = self.size;
        // One part at a time is ended: a second one would be held in memory beside it.
        !self.pending.ends
            && (held.bytes >= bytes || held.most_rows >= file_rows || held.most_bytes >= file_bytes)
    }

    fn end_part(&mut self, to: Position) -> Result<()> {
        let end = PartEnd {
            to,
            hash: self.content.lock().state(),
            missing: self.crew.len(),
            data: Vec::new(),
            rejects: Vec::new(),
        };
        let place = self.pending.push(Item::End(Box::new(end)));
        self.crew.end(place)
    }

    /// Puts what a worker has done in its place, and takes in all that is in its turn.
    fn settle(&mut self, done: Done) -> Result<Option<Breach>> {
        match done {
            Done::Judged(place, verdict) => {
                let verdict = verdict?;
                if let Some(Item::Slice(of)) = self.pending.at(place) {
                    *of = Some(verdict);
                }
            }
            Done::Ended(place, files) => {
                let files = files?;
                if let Some(Item::End(end)) = self.pending.at(place) {
                    end.missing -= 1;
                    end.data.extend(files.data);
                    end.rejects.extend(files.rejects);
                }
            }
            Done::Died => {}
        }
        while let Some(item) = self.pending.pop() {
            match item {
                Item::Slice(verdict) => {
                    let breach = verdict.map_or(Ok(None), |verdict| self.take(&verdict))?;
                    if breach.is_some() {
                        return Ok(breach);
                    }
                }
                Item::End(end) => self.hand_on(*end)?,
            }
        }
        Ok(None)
    }

    /// Takes in a slice. A limit that is passed ends it at that record.
    fn take(&mut self, verdict: &Verdict) -> Result<Option<Breach>> {
        let before = self.records_before;
        let numbers = verdict.rejects.iter().map(|row| before + row.record);
        let breach = self.limits.pass(before + verdict.end, numbers).err();
        let to = breach
            .as_ref()
            .map_or(verdict.end, |breach| breach.records - before);
        let (rejects, csv, text) = verdict.before(to);
        if !csv.is_empty()
            && let Some(header) = self.header.take()
        {
            self.failed.csv(&header)?;
        }
        self.failed.csv(csv)?;
        self.failed.text(text)?;
        let rejected = rejects.len() as u64;
        let Tally { counts, codes } = &mut self.part;
        for row in rejects {
            *codes.entry(row.code).or_default() += 1;
        }
        for counts in [counts, &mut self.counts] {
            counts.rejected += rejected;
            counts.accepted += to - verdict.begin - rejected;
        }
        (self.told)(Progress {
            bytes: self.content.lock().bytes(),
            records: self.counts.accepted + self.counts.rejected,
            counts: self.counts,
        });
        Ok(breach)
    }

    fn hand_on(&mut self, end: PartEnd) -> Result<()> {
        let Tally { counts, codes } = std::mem::take(&mut self.part);
        (self.emit)(Part {
            head: self.head.clone(),
            to: end.to,
            hash: end.hash,
            data: end.data,
            rejects: end.rejects,
            counts,
            codes,
        })
    }
}
