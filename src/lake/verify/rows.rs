//! Laws 3 and 4: the rows of a commit's files against the positions of its ranges.
//!
//! Owns: reading the provenance columns of files and marking each row once.
//! Does not own: which files belong to which positions (`verify`, `rewritten`), sums (`tally`).

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{Int32Type, Int64Type};
use futures::StreamExt;
use object_store::ObjectStore;

use crate::error::Result;
use crate::lake::columns::OpenFile;
use crate::lake::failure::Failure;
use crate::lake::layout;
use crate::lake::verify::coverage::{Coverage, push};
use crate::lake::verify::group::{Group, Span, Unit, with_rows, without_rows};
use crate::lake::verify::report::{Finding, FindingKind, Findings};
use crate::lake::verify::{Progress, Step};
use crate::model::position::SourcePartition;

/// The columns that tell where a row came from.
const COLUMNS: [&str; 4] = [
    "_weir_source_id",
    "_weir_partition",
    "_weir_offset",
    "_weir_index",
];

/// Missing stretches of one span that are told one by one.
const MAX_MISSING: usize = 1000;

/// What was found of some positions.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// First versions of the groups that a part of was read, once for each part.
    pub(super) groups: Vec<u64>,
    /// The counts.
    pub(super) spans: Vec<SpanCount>,
    /// What does not hold, without what the sums of a group tell.
    pub(super) findings: Findings,
    /// For files whose rows are of many commits: place in the list, rows that were marked.
    pub(super) matched: Vec<(usize, i64)>,
}

/// The rows of one span.
#[derive(Debug, Default)]
pub(super) struct SpanCount {
    /// First version of the group.
    pub(super) group: u64,
    /// Place in the group's ranges.
    pub(super) range: usize,
    /// Rows in the DLO.
    pub(super) accepted: i64,
    /// Rows in the rejects table.
    pub(super) rejected: i64,
    /// Positions that should have rows and have none.
    pub(super) missing: i64,
    /// Where they are, as far as kept.
    pub(super) missing_at: Vec<[i64; 2]>,
    /// True if a file or row was found wrong, so that sums say nothing new.
    pub(super) is_disturbed: bool,
}

/// A file to read, and what its rows are to this check.
#[derive(Debug, Clone)]
pub(super) struct FileToRead {
    /// True for the rejects table's.
    pub(super) is_rejects: bool,
    /// Relative to its table.
    pub(super) path: String,
    /// Bytes, by the log.
    pub(super) size: i64,
    /// Rows, by the log.
    pub(super) rows: Option<i64>,
    /// Place in the list of shared files, whose other rows are of other commits, and the row groups
    /// to read.
    pub(super) shared: Option<(usize, Vec<usize>)>,
}

/// Reads the rows of one commit.
pub(super) async fn check(
    objects: Arc<dyn ObjectStore>,
    stream: String,
    unit: Unit,
    progress: Progress,
) -> Result<Outcome> {
    let mut rows = RowCheck::new(objects, &stream, progress);
    let Some(parts) = unit.group.units.get(unit.at) else {
        return Ok(Outcome::default());
    };
    rows.expect(&unit.group, &parts.spans);
    for file in &parts.files {
        rows.read(FileToRead {
            is_rejects: false,
            path: file.path.clone(),
            size: file.size,
            rows: file.rows,
            shared: None,
        })
        .await?;
    }
    for file in &parts.rejects {
        rows.read(FileToRead {
            is_rejects: true,
            path: file.path.clone(),
            size: file.size,
            rows: Some(file.rows),
            shared: None,
        })
        .await?;
    }
    let mut outcome = rows.finish();
    outcome.groups.push(unit.group.first);
    Ok(outcome)
}

/// Positions that have to have rows, and the rows that were seen.
pub(super) struct RowCheck {
    objects: Arc<dyn ObjectStore>,
    tables: [String; 2],
    progress: Progress,
    slots: Vec<Slot>,
    by_partition: HashMap<String, Vec<(i32, usize)>>,
    outcome: Outcome,
    is_disturbed: bool,
}

/// One source partition.
struct Slot {
    partition: SourcePartition,
    /// Ascending.
    spans: Vec<Expected>,
    coverage: Coverage,
}

struct Expected {
    from: i64,
    to: i64,
    with_rows: Vec<[i64; 2]>,
    without_rows: Vec<[i64; 2]>,
    count: SpanCount,
}

/// Rows of a file that no range covers.
#[derive(Default)]
struct Outside(HashMap<(String, i32), (i64, i64, i64)>);

impl RowCheck {
    pub(super) fn new(objects: Arc<dyn ObjectStore>, stream: &str, progress: Progress) -> Self {
        Self {
            objects,
            tables: [layout::data_table(stream), layout::rejects_table(stream)],
            progress,
            slots: Vec::new(),
            by_partition: HashMap::new(),
            outcome: Outcome::default(),
            is_disturbed: false,
        }
    }

    /// Expects the rows of `spans` of `group`.
    pub(super) fn expect(&mut self, group: &Group, spans: &[Span]) {
        for span in spans {
            let Some(range) = group.ranges.get(span.range) else {
                continue;
            };
            let clipped = |[from, to]: [i64; 2]| [from.max(span.from), to.min(span.to)];
            let expected = Expected {
                from: span.from,
                to: span.to,
                with_rows: with_rows(range, *span),
                without_rows: without_rows(range)
                    .into_iter()
                    .map(clipped)
                    .filter(|[from, to]| from < to)
                    .collect(),
                count: SpanCount {
                    group: group.first,
                    range: span.range,
                    ..SpanCount::default()
                },
            };
            let slot = self.slot_of(&range.source_partition());
            let spans = &mut self.slots[slot].spans;
            let at = spans.partition_point(|s| (s.from, s.to) <= (expected.from, expected.to));
            spans.insert(at, expected);
        }
    }

    fn slot_of(&mut self, partition: &SourcePartition) -> usize {
        let of_source = self
            .by_partition
            .entry(partition.source_id.to_string())
            .or_default();
        if let Some((_, slot)) = of_source.iter().find(|(n, _)| *n == partition.partition) {
            return *slot;
        }
        of_source.push((partition.partition, self.slots.len()));
        self.slots.push(Slot {
            partition: partition.clone(),
            spans: Vec::new(),
            coverage: Coverage::default(),
        });
        self.slots.len() - 1
    }

    /// Marks the rows of a file.
    pub(super) async fn read(&mut self, file: FileToRead) -> Result<()> {
        let result = self.read_rows(&file).await;
        let table = &self.tables[usize::from(file.is_rejects)];
        let (kind, message) = match result {
            Ok(()) => return Ok(()),
            Err(Failure::Away(error)) => return Err(error),
            Err(Failure::Missing(_)) => (
                FindingKind::MissingFile,
                "the log names the file and it is not in the store".to_owned(),
            ),
            Err(Failure::Broken(message)) => (FindingKind::Unreadable, message),
        };
        self.outcome.findings.push(
            Finding::new(kind, table)
                .of_file(&file.path)
                .because(message),
        );
        self.is_disturbed = true;
        Ok(())
    }

    async fn read_rows(&mut self, file: &FileToRead) -> Result<(), Failure> {
        let table = self.tables[usize::from(file.is_rejects)].clone();
        let path = format!("{table}/{}", file.path);
        let open = OpenFile::open(&self.objects, &path, file.size).await?;
        let rows = open.rows();
        if file.rows.is_some_and(|logged| logged != rows) {
            self.outcome.findings.push(
                Finding::new(FindingKind::CountMismatch, &table)
                    .of_file(&file.path)
                    .because(format!(
                        "the file has {rows} rows, and the log says {}",
                        file.rows.unwrap_or_default()
                    )),
            );
        }
        let groups = file.shared.as_ref().map(|(_, groups)| groups.clone());
        let mut batches = open.read(&COLUMNS, groups)?;
        let mut outside = Outside::default();
        let mut matched = 0;
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            matched += self.mark_batch(file, &batch, &mut outside)?;
            (self.progress)(Step::Read(batch.num_rows() as u64));
        }
        match &file.shared {
            Some((at, _)) => self.outcome.matched.push((*at, matched)),
            None => self.tell_outside(&table, &file.path, outside),
        }
        Ok(())
    }

    fn tell_outside(&mut self, table: &str, path: &str, outside: Outside) {
        for ((source_id, number), (from, to, rows)) in outside.0 {
            let partition = SourcePartition {
                source_id: source_id.as_str().into(),
                partition: number,
            };
            self.is_disturbed = true;
            self.outcome.findings.push(
                Finding::new(FindingKind::CountMismatch, table)
                    .at(&partition, from, to)
                    .of_file(path)
                    .because(format!(
                        "{rows} rows of the file are at positions that no range of its commit covers"
                    )),
            );
        }
    }

    /// Marks the rows of a batch; returns how many were in a span.
    fn mark_batch(
        &mut self,
        file: &FileToRead,
        batch: &RecordBatch,
        outside: &mut Outside,
    ) -> Result<i64, Failure> {
        let (ids, partitions, offsets, indexes) = provenance(batch)?;
        let mut matched = 0;
        let mut row = 0;
        while row < batch.num_rows() {
            let (id, number) = (ids.value(row), partitions.value(row));
            let (offset, index) = (offsets.value(row), indexes.value(row));
            let first = row;
            row += 1;
            if index == 0 {
                // A run: the same partition, one offset after the other, one record each.
                while row < batch.num_rows()
                    && indexes.value(row) == 0
                    && Some(offsets.value(row)) == offset.checked_add((row - first) as i64)
                    && partitions.value(row) == number
                    && ids.value(row) == id
                {
                    row += 1;
                }
            }
            if index < 0 {
                return Err(Failure::Broken(format!("row {first} has index {index}")));
            }
            let to = offset.saturating_add((row - first) as i64);
            let slot = self
                .by_partition
                .get(id)
                .and_then(|of| of.iter().find(|(n, _)| *n == number));
            match slot {
                Some((_, slot)) => {
                    matched += self.mark(*slot, file, [offset, to], index, outside);
                }
                None => outside.add(id, number, offset, to),
            }
        }
        Ok(matched)
    }

    fn mark(
        &mut self,
        slot: usize,
        file: &FileToRead,
        run: [i64; 2],
        index: i32,
        outside: &mut Outside,
    ) -> i64 {
        let slot = &mut self.slots[slot];
        let mut twice = Vec::new();
        let mut matched = 0;
        let mut at = run[0];
        let first = slot.spans.partition_point(|s| s.to <= at);
        for span in slot.spans.iter_mut().skip(first) {
            if span.from >= run[1] {
                break;
            }
            let (from, to) = (span.from.max(at), span.to.min(run[1]));
            if from >= to {
                continue;
            }
            if at < from {
                outside.add(
                    slot.partition.source_id.as_str(),
                    slot.partition.partition,
                    at,
                    from,
                );
            }
            matched += to - from;
            if file.is_rejects {
                span.count.rejected += to - from;
            } else {
                span.count.accepted += to - from;
            }
            let before = twice.len();
            if index == 0 {
                slot.coverage.mark(from, to, &mut twice);
            } else if !slot.coverage.mark_record(from, index) {
                push(&mut twice, from, to);
            }
            span.count.is_disturbed |= twice.len() > before;
            at = to;
        }
        if at < run[1] {
            outside.add(
                slot.partition.source_id.as_str(),
                slot.partition.partition,
                at,
                run[1],
            );
        }
        for [from, to] in twice {
            let record = match index {
                0 => String::new(),
                n => format!(", record {n} of the message"),
            };
            let table = &self.tables[usize::from(file.is_rejects)];
            self.outcome.findings.push(
                Finding::new(FindingKind::DuplicateRow, table)
                    .at(&slot.partition, from, to)
                    .of_file(&file.path)
                    .because(format!("a second row for what has a row already{record}")),
            );
        }
        matched
    }

    /// What is missing, and rows where none should be.
    pub(super) fn finish(mut self) -> Outcome {
        for slot in &mut self.slots {
            let findings = &mut self.outcome.findings;
            let disturbed_records = tell_record_gaps(&self.tables[0], slot, findings);
            for span in &mut slot.spans {
                span.count.is_disturbed |= self.is_disturbed || disturbed_records;
                for [from, to] in &span.with_rows {
                    let count = &mut span.count;
                    slot.coverage.runs(false, *from, *to, |a, b| {
                        count.missing += b - a;
                        if count.missing_at.len() < MAX_MISSING
                            || count.missing_at.last().is_some_and(|last| last[1] == a)
                        {
                            push(&mut count.missing_at, a, b);
                        }
                    });
                }
                let mut strays = Vec::new();
                for [from, to] in &span.without_rows {
                    slot.coverage
                        .runs(true, *from, *to, |a, b| push(&mut strays, a, b));
                }
                for offset in slot.coverage.messages() {
                    let at = span.without_rows.partition_point(|s| s[1] <= offset);
                    if span.without_rows.get(at).is_some_and(|s| s[0] <= offset) {
                        push(&mut strays, offset, offset + 1);
                    }
                }
                for [from, to] in strays {
                    span.count.is_disturbed = true;
                    findings.push(
                        Finding::new(FindingKind::CountMismatch, &self.tables[0])
                            .at(&slot.partition, from, to)
                            .because("rows at positions that the ledger calls holes or skips"),
                    );
                }
            }
            let spans = slot.spans.drain(..).map(|span| span.count);
            self.outcome.spans.extend(spans);
        }
        self.outcome
    }
}

/// Names the records that are missing inside messages.
fn tell_record_gaps(table: &str, slot: &Slot, findings: &mut Findings) -> bool {
    let mut any = false;
    slot.coverage.record_gaps(|offset, [from, to]| {
        any = true;
        findings.push(
            Finding::new(FindingKind::MissingRow, table)
                .at(&slot.partition, offset, offset + 1)
                .because(format!(
                    "the message's records {from} to {} have no row, and a later one has",
                    to - 1
                )),
        );
    });
    any
}

impl Outside {
    fn add(&mut self, id: &str, number: i32, from: i64, to: i64) {
        let there = self
            .0
            .entry((id.to_owned(), number))
            .or_insert((from, to, 0));
        there.0 = there.0.min(from);
        there.1 = there.1.max(to);
        there.2 += to - from;
    }
}

type Columns<'a> = (
    &'a StringArray,
    &'a Int32Array,
    &'a Int64Array,
    &'a Int32Array,
);

fn provenance(batch: &RecordBatch) -> Result<Columns<'_>, Failure> {
    let [id, partition, offset, index] = COLUMNS.map(|name| batch.column_by_name(name));
    let columns = (
        id.and_then(|c| c.as_string_opt::<i32>()),
        partition.and_then(|c| c.as_primitive_opt::<Int32Type>()),
        offset.and_then(|c| c.as_primitive_opt::<Int64Type>()),
        index.and_then(|c| c.as_primitive_opt::<Int32Type>()),
    );
    let (Some(ids), Some(partitions), Some(offsets), Some(indexes)) = columns else {
        return Err(Failure::Broken(
            "the provenance columns have other types".to_owned(),
        ));
    };
    if [ids as &dyn Array, partitions, offsets, indexes]
        .iter()
        .any(|column| column.null_count() > 0)
    {
        return Err(Failure::Broken(
            "a row has no provenance: a column of it is null".to_owned(),
        ));
    }
    Ok((ids, partitions, offsets, indexes))
}
