//! The form of a folded segment: `_weir/ledger/<from>-<to>.json`.
//!
//! Owns: the JSON form and how commits are folded into it. Does not own: writing it (`fold`).
//!
//! A segment holds the ranges of its commits with adjacent ones joined, and for each commit what a
//! proof still needs: how far it moved each range, the files that it added and removed, and the
//! rejects files that it names. From both, each commit's own ranges can be told again.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::lake::Logged;
use crate::lake::ledger::commit::{LoggedCommit, LoggedFile};
use crate::model::ledger::{JobRecord, RangeRecord, RejectsFile, Role};
use crate::model::position::SourcePartition;

/// The only form so far.
pub const SEGMENT_VERSION: u32 = 1;

/// A joined range ends before it has more hole and skip ranges than this.
const MAX_INNER_RANGES: usize = 10_000;

/// Folded commits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// [`SEGMENT_VERSION`].
    pub version: u32,
    /// Its first commit's version.
    pub from: u64,
    /// Its last commit's version.
    pub to: u64,
    /// The ranges, adjacent ones joined; those of one partition stand in the ledger's order.
    /// Starting points and ranges with losses stand alone.
    pub ranges: Vec<RangeRecord>,
    /// The commits, ascending.
    pub commits: Vec<FoldedCommit>,
}

/// What a segment keeps of one commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoldedCommit {
    /// The commit's version.
    pub version: u64,
    /// The batch's id; none for a commit of another program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<Uuid>,
    /// Who made it; none for another program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The schema version of its rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<u32>,
    /// For each of its ranges: place in `ranges`, and the position at which the commit's part of
    /// that range ends. It begins where the commit before it that moved that range ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ends: Vec<(usize, i64)>,
    /// Data files that it added.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<LoggedFile>,
    /// Paths of data files that it removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<String>,
    /// Rejects files that it names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejects: Vec<RejectsFile>,
    /// The bulk job that it landed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobRecord>,
    /// Why an operator did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Segment {
    /// What a look takes from its commits.
    pub fn logged(self) -> impl Iterator<Item = Logged> {
        self.commits.into_iter().map(|commit| Logged {
            version: commit.version,
            batch: commit.batch,
            instance: None,
            rejects: commit.rejects,
            job: commit.job,
        })
    }
}

/// Reads a segment.
///
/// # Errors
/// Says what is not readable.
pub fn parse(bytes: &[u8]) -> Result<Segment, String> {
    let segment: Segment = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    if segment.version != SEGMENT_VERSION {
        return Err(format!(
            "its form is version {}, and this weir reads {SEGMENT_VERSION}",
            segment.version
        ));
    }
    let whole = segment
        .commits
        .iter()
        .map(|c| c.version)
        .eq(segment.from..=segment.to);
    if !whole {
        return Err(format!(
            "it does not hold each commit from {} to {} once",
            segment.from, segment.to
        ));
    }
    Ok(segment)
}

/// A segment in the making.
#[derive(Debug, Default)]
pub struct Folding {
    ranges: Vec<RangeRecord>,
    commits: Vec<FoldedCommit>,
    open: HashMap<SourcePartition, usize>,
}

impl Folding {
    /// Adds the next commit.
    pub fn push(&mut self, commit: LoggedCommit) {
        let mut folded = FoldedCommit {
            version: commit.version,
            batch: None,
            role: None,
            schema: None,
            ends: Vec::new(),
            files: commit.files,
            removed: commit.removed,
            rejects: Vec::new(),
            job: None,
            reason: None,
        };
        if let Some(record) = commit.record {
            folded.batch = Some(record.batch);
            folded.role = Some(record.role);
            folded.schema = record.schema;
            folded.rejects = record.rejects;
            folded.job = record.job;
            folded.reason = record.reason;
            for range in record.ranges {
                let to = range.to;
                folded.ends.push((self.join(range), to));
            }
        }
        self.commits.push(folded);
    }

    /// Commits so far.
    pub fn commits(&self) -> usize {
        self.commits.len()
    }

    /// Ranges, holes and skips so far: what the segment's size grows with.
    pub fn weight(&self) -> usize {
        self.ranges.iter().map(|r| 1 + inner(r)).sum::<usize>()
    }

    /// The segment; `None` without commits.
    pub fn finish(self) -> Option<Segment> {
        Some(Segment {
            version: SEGMENT_VERSION,
            from: self.commits.first()?.version,
            to: self.commits.last()?.version,
            ranges: self.ranges,
            commits: self.commits,
        })
    }

    fn join(&mut self, range: RangeRecord) -> usize {
        let partition = range.source_partition();
        if let Some(at) = self.open.get(&partition).copied()
            && let Some(last) = self.ranges.get_mut(at)
            && joins(last, &range)
        {
            last.join(range);
            return at;
        }
        self.ranges.push(range);
        let at = self.ranges.len() - 1;
        self.open.insert(partition, at);
        at
    }
}

fn inner(range: &RangeRecord) -> usize {
    range.hole_ranges.len() + range.skip_ranges.values().map(Vec::len).sum::<usize>()
}

fn joins(last: &RangeRecord, next: &RangeRecord) -> bool {
    last.to == next.from
        && last.from < last.to
        && next.from < next.to
        && last.lost == 0
        && next.lost == 0
        && last.source == next.source
        && (next.topic_id.is_none() || next.topic_id == last.topic_id)
        && inner(last) + inner(next) <= MAX_INNER_RANGES
}
