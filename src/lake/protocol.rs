//! The judgement of a batch: may it be committed, is it committed already, or was it overtaken?
//!
//! Owns: the decision, as a pure function of what was claimed and what the table says (no I/O, no
//! clock), so that the simulation can run it a million times. Does not own: the puts, the waiting
//! and the looking again (`pipeline::commit`).
//!
//! | what the table says | verdict |
//! | --- | --- |
//! | the batch's id is in the log | [`Verdict::AlreadyCommitted`] |
//! | a partition is not where the batch starts | [`Verdict::Fenced`] |
//! | a partition's topic was accepted as a new one (`#2`) | [`Verdict::Fenced`] |
//! | the batch holds two readings of a partition, of which only one can count | [`Verdict::Fenced`] |
//! | a newer schema version is in force | [`Verdict::SchemaBehind`] |
//! | all partitions are where the batch starts | [`Verdict::Commit`] |
//!
//! A file mixes the rows of several partitions, so the batch stands or falls as a whole.

use std::collections::HashSet;

use uuid::Uuid;

use crate::lake::{Logged, View};
use crate::model::ledger::CommitRecord;
use crate::model::position::{APP_ID_SCHEMA, SourceId, SourcePartition};

#[cfg(test)]
mod tests;

/// Positions `[from, to)` of one partition that a batch claims to settle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedRange {
    /// The partition.
    pub partition: SourcePartition,
    /// Its application id, made once since every look needs it.
    pub app_id: String,
    /// The application id of the same partition of the topic's next incarnation: once the table has
    /// it, nothing lands of this one.
    pub next_app_id: Option<String>,
    /// The first position; where the table has to be.
    pub from: i64,
    /// The next to read after it.
    pub to: i64,
}

impl ClaimedRange {
    /// True for the empty range that a partition begins with.
    pub fn is_starting_point(&self) -> bool {
        self.from == self.to
    }
}

/// What a batch claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The batch's id.
    pub batch: Uuid,
    /// The Kafka partitions that it moves. The ranges of a bulk job are not among them: a job has
    /// no position in the table, its id in the ledger stands for it.
    pub ranges: Vec<ClaimedRange>,
    /// The schema version that its rows were decoded with; `None` for a batch without rows.
    pub schema: Option<u32>,
}

impl Claim {
    /// What `record` would settle.
    pub fn of(record: &CommitRecord) -> Self {
        let ranges = record
            .ranges
            .iter()
            .filter(|range| has_position(&range.source_id))
            .map(|range| {
                let partition = range.source_partition();
                ClaimedRange {
                    app_id: partition.app_id(),
                    next_app_id: next_app_id(&partition),
                    partition,
                    from: range.from,
                    to: range.to,
                }
            })
            .collect();
        Self {
            batch: record.batch,
            ranges,
            schema: record.schema,
        }
    }
}

fn next_app_id(partition: &SourcePartition) -> Option<String> {
    let next = SourcePartition {
        source_id: partition.source_id.next_incarnation()?,
        partition: partition.partition,
    };
    Some(next.app_id())
}

/// True if partitions of this source have a `txn` in the DLO.
pub fn has_position(source_id: &SourceId) -> bool {
    source_id.as_kafka().is_some()
}

/// A partition that is not where a batch starts, or whose topic was accepted as a new one; then it
/// may stand where the batch starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The partition.
    pub partition: SourcePartition,
    /// Where the batch starts.
    pub expected: i64,
    /// Where the table is; `None` if it has no position of the partition.
    pub found: Option<i64>,
}

/// What is to be done with a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Put it as version `at`, if that does not exist.
    Commit {
        /// One above the version that was looked at.
        at: u64,
    },
    /// It is in the log; nothing is to be done.
    AlreadyCommitted {
        /// Its version.
        version: u64,
    },
    /// Another writer moved these partitions. The whole batch is dropped; what was not moved is
    /// read again from the table's positions.
    Fenced {
        /// Never empty.
        moved: Vec<Moved>,
    },
    /// The rows were decoded with an older schema version than the one in force: load that one
    /// from the table and decode again.
    SchemaBehind {
        /// The version in force.
        table: u32,
    },
}

/// The form of [`judge`], so that the simulation can put faulty ones in its place.
pub type Judge = fn(&Claim, &View, &[Logged]) -> Verdict;

/// Judges a batch as a whole.
///
/// `seen` holds the commits from the first version on that was looked at for this batch, and reaches
/// at least to `view`; it has to be read *after* `view`. The other way round, a late put of ours
/// that lands between the two would show as moved positions without our batch id.
///
/// Once the verdict is `Fenced` or `SchemaBehind`, no put of the batch that is still on its way can
/// land: the log has grown beyond every version that such a put was for.
pub fn judge(claim: &Claim, view: &View, seen: &[Logged]) -> Verdict {
    if let Some(version) = find_batch(claim.batch, seen) {
        return Verdict::AlreadyCommitted { version };
    }
    let mut partitions = HashSet::new();
    let moved: Vec<Moved> = claim
        .ranges
        .iter()
        .filter_map(|range| {
            let is_first = partitions.insert(&range.app_id);
            moved(range, is_first, view)
        })
        .collect();
    if !moved.is_empty() {
        return Verdict::Fenced { moved };
    }
    match (claim.schema, schema_in_force(view)) {
        (Some(ours), Some(table)) if ours < table => Verdict::SchemaBehind { table },
        _ => Verdict::Commit {
            at: view.version + 1,
        },
    }
}

/// The version at which `batch` stands in `seen`.
pub fn find_batch(batch: Uuid, seen: &[Logged]) -> Option<u64> {
    let ours = seen.iter().find(|commit| commit.batch == Some(batch));
    ours.map(|commit| commit.version)
}

/// How far off the table is from where `range` starts; `None` if it is there, and no range of the
/// partition stands before it. Only a starting point may be put where the table has no position, and
/// nothing where the topic's next incarnation began.
fn moved(range: &ClaimedRange, is_first: bool, view: &View) -> Option<Moved> {
    let found = view.positions.get(&range.app_id).copied();
    let follows_on = match found {
        Some(position) => position == range.from,
        None => range.is_starting_point(),
    };
    let is_over = range.next_app_id.as_ref();
    let is_over = is_over.is_some_and(|next| view.positions.contains_key(next));
    (!follows_on || is_over || !is_first).then(|| Moved {
        partition: range.partition.clone(),
        expected: range.from,
        found,
    })
}

/// The schema version that the table says is in force; `None` before the first rows.
pub fn schema_in_force(view: &View) -> Option<u32> {
    view.positions
        .get(APP_ID_SCHEMA)
        .and_then(|version| u32::try_from(*version).ok())
}

/// Which partitions can be consumed at once, and which need a starting point first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Start {
    /// Partitions with a position in the table, and that position.
    pub known: Vec<(SourcePartition, i64)>,
    /// Partitions without one, and where they would start.
    pub missing: Vec<(SourcePartition, i64)>,
}

/// Holds the starts that were wanted against the table: positions that are there win.
pub fn resolve_start(view: &View, wanted: &[(SourcePartition, i64)]) -> Start {
    let mut start = Start::default();
    for (partition, at) in wanted {
        match view.positions.get(&partition.app_id()) {
            Some(position) => start.known.push((partition.clone(), *position)),
            None => start.missing.push((partition.clone(), *at)),
        }
    }
    start
}
