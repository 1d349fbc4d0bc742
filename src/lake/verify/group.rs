//! A part of the ledger whose counts close together: a commit, or a segment of folded ones.
//!
//! Owns: taking it apart into units, each with the files and positions of one commit.

use std::sync::Arc;

use crate::lake::layout;
use crate::lake::ledger::Entry;
use crate::lake::ledger::commit::{LoggedCommit, LoggedFile};
use crate::lake::ledger::segment::Segment;
use crate::model::ledger::{RangeRecord, RejectsFile};

/// A commit, or a segment.
#[derive(Debug)]
pub(super) struct Group {
    /// First version.
    pub(super) first: u64,
    /// Last version.
    pub(super) last: u64,
    /// True for a segment.
    pub(super) folded: bool,
    /// The ranges, as the ledger has them.
    pub(super) ranges: Vec<RangeRecord>,
    /// Its commits.
    pub(super) units: Vec<UnitParts>,
    /// Why its parts do not fit together.
    pub(super) fault: Option<String>,
}

/// What one commit added.
#[derive(Debug, Default)]
pub(super) struct UnitParts {
    /// The commit.
    pub(super) version: u64,
    /// Its parts of the group's ranges.
    pub(super) spans: Vec<Span>,
    /// Data files.
    pub(super) files: Vec<LoggedFile>,
    /// Paths of removed data files.
    pub(super) removed: Vec<String>,
    /// Rejects files.
    pub(super) rejects: Vec<RejectsFile>,
}

/// Positions `[from, to)` of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// Place in the group's ranges.
    pub(super) range: usize,
    /// First position.
    pub(super) from: i64,
    /// The position after the last one.
    pub(super) to: i64,
}

/// One commit of a group, for a task.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    /// The group.
    pub(super) group: Arc<Group>,
    /// Place in its units.
    pub(super) at: usize,
}

impl Unit {
    /// Every unit of a group.
    pub(super) fn all(group: &Arc<Group>) -> Vec<Unit> {
        (0..group.units.len())
            .map(|at| Unit {
                group: group.clone(),
                at,
            })
            .collect()
    }
}

impl Group {
    /// The group that a part of the ledger is; `None` for one that is not there.
    pub(super) fn of(entry: Entry) -> Option<Self> {
        match entry {
            Entry::Commit(commit) => Some(Self::of_commit(*commit)),
            Entry::Segment(segment) => Some(Self::of_segment(segment)),
            Entry::Gone { .. } | Entry::Left { .. } | Entry::Broken { .. } => None,
        }
    }

    /// What it is called in findings.
    pub(super) fn name(&self) -> String {
        if self.folded {
            format!("segment {}-{}", self.first, self.last)
        } else {
            format!("commit {}", self.first)
        }
    }

    /// Its file, relative to the table.
    pub(super) fn path(&self) -> String {
        if self.folded {
            layout::ledger_segment(self.first, self.last)
        } else {
            layout::commit(self.first)
        }
    }

    /// Positions of all its ranges.
    pub(super) fn positions(&self) -> i64 {
        self.ranges
            .iter()
            .map(|r| r.to.saturating_sub(r.from))
            .fold(0, i64::saturating_add)
    }

    fn of_commit(commit: LoggedCommit) -> Self {
        let (ranges, rejects) = commit
            .record
            .map(|r| (r.ranges, r.rejects))
            .unwrap_or_default();
        let spans = ranges
            .iter()
            .enumerate()
            .map(|(range, r)| Span {
                range,
                from: r.from,
                to: r.to,
            })
            .collect();
        Self {
            first: commit.version,
            last: commit.version,
            folded: false,
            ranges,
            units: vec![UnitParts {
                version: commit.version,
                spans,
                files: commit.files,
                removed: commit.removed,
                rejects,
            }],
            fault: None,
        }
    }

    fn of_segment(segment: Segment) -> Self {
        let mut fault = None;
        let mut reached: Vec<i64> = segment.ranges.iter().map(|r| r.from).collect();
        let mut units = Vec::with_capacity(segment.commits.len());
        for commit in segment.commits {
            let mut spans = Vec::with_capacity(commit.ends.len());
            for (range, to) in commit.ends {
                match reached.get_mut(range) {
                    Some(from) if *from <= to => {
                        spans.push(Span {
                            range,
                            from: *from,
                            to,
                        });
                        *from = to;
                    }
                    _ => {
                        fault = Some(format!(
                            "commit {} moves a range of the segment that it does not have, or back",
                            commit.version
                        ));
                    }
                }
            }
            units.push(UnitParts {
                version: commit.version,
                spans,
                files: commit.files,
                removed: commit.removed,
                rejects: commit.rejects,
            });
        }
        if segment
            .ranges
            .iter()
            .zip(&reached)
            .any(|(r, to)| r.to != *to)
        {
            fault.get_or_insert_with(|| {
                "the commits of the segment do not add up to its ranges".to_owned()
            });
        }
        Self {
            first: segment.from,
            last: segment.to,
            folded: true,
            ranges: segment.ranges,
            units,
            fault,
        }
    }
}

/// The positions of `span` that have to have rows, ascending: its range without holes and skips.
pub(super) fn with_rows(range: &RangeRecord, span: Span) -> Vec<[i64; 2]> {
    let mut left = Vec::new();
    let mut at = span.from;
    for [from, to] in without_rows(range) {
        if to <= at {
            continue;
        }
        if from >= span.to {
            break;
        }
        if from > at {
            left.push([at, from]);
        }
        at = at.max(to);
    }
    if at < span.to {
        left.push([at, span.to]);
    }
    left
}

/// Holes and skips of a range, ascending.
pub(super) fn without_rows(range: &RangeRecord) -> Vec<[i64; 2]> {
    let mut all: Vec<[i64; 2]> = range.hole_ranges.clone();
    all.extend(range.skip_ranges.values().flatten());
    all.sort_unstable();
    all
}
