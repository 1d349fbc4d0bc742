//! The sums of a group: what its ranges count against the rows that were found.
//!
//! Owns: law 4's counts, and naming missing rows once it is known how many the ledger calls lost.

use std::collections::HashMap;
use std::sync::Arc;

use crate::lake::layout;
use crate::lake::verify::group::Group;
use crate::lake::verify::report::{Finding, FindingKind, Findings};
use crate::lake::verify::rows::{Outcome, SpanCount};

/// Groups whose rows are being read.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    open: HashMap<u64, Tally>,
}

#[derive(Debug)]
struct Tally {
    group: Arc<Group>,
    parts_left: usize,
    counts: Vec<SpanCount>,
}

impl Tallies {
    /// Expects an outcome for each unit of `group`.
    pub(super) fn open(&mut self, group: &Arc<Group>) {
        self.open_parts(group, group.units.len());
    }

    /// Expects `parts` outcomes for `group`.
    pub(super) fn open_parts(&mut self, group: &Arc<Group>, parts: usize) {
        let counts = group.ranges.iter().map(|_| SpanCount::default()).collect();
        let tally = Tally {
            group: group.clone(),
            parts_left: parts,
            counts,
        };
        self.open.insert(group.first, tally);
    }

    /// Adds an outcome, and closes the groups that are complete with it.
    pub(super) fn absorb(&mut self, stream: &str, outcome: Outcome, findings: &mut Findings) {
        findings.extend(outcome.findings);
        for span in outcome.spans {
            if let Some(tally) = self.open.get_mut(&span.group)
                && let Some(count) = tally.counts.get_mut(span.range)
            {
                count.accepted += span.accepted;
                count.rejected += span.rejected;
                count.missing += span.missing;
                count.missing_at.extend(span.missing_at);
                count.is_disturbed |= span.is_disturbed;
            }
        }
        for group in outcome.groups {
            let Some(tally) = self.open.get_mut(&group) else {
                continue;
            };
            tally.parts_left = tally.parts_left.saturating_sub(1);
            if tally.parts_left == 0
                && let Some(tally) = self.open.remove(&group)
            {
                tally.close(stream, findings);
            }
        }
    }
}

impl Tally {
    fn close(self, stream: &str, findings: &mut Findings) {
        let table = layout::data_table(stream);
        let rejects = layout::rejects_table(stream);
        let place = self.group.name();
        for (range, mut count) in self.group.ranges.iter().zip(self.counts) {
            let partition = range.source_partition();
            let mismatch = |table: &str, what: &str, counted: i64, found: i64| {
                Finding::new(FindingKind::CountMismatch, table)
                    .at(&partition, range.from, range.to)
                    .because(format!(
                        "{place}: {counted} {what} are counted and {found} are there"
                    ))
            };
            if count.missing > range.lost {
                count.missing_at.sort_unstable();
                let lost = match range.lost {
                    0 => String::new(),
                    n => format!(
                        "; of {} such positions the ledger calls {n} lost",
                        count.missing
                    ),
                };
                for [from, to] in count.missing_at {
                    findings.push(
                        Finding::new(FindingKind::MissingRow, &table)
                            .at(&partition, from, to)
                            .because(format!(
                                "{place}: the positions were read and have no row in either table{lost}"
                            )),
                    );
                }
                continue;
            }
            if count.is_disturbed {
                continue;
            }
            if count.missing < range.lost {
                findings.push(mismatch(
                    &table,
                    "lost positions",
                    range.lost,
                    count.missing,
                ));
            }
            if count.accepted != range.accepted {
                findings.push(mismatch(
                    &table,
                    "accepted rows",
                    range.accepted,
                    count.accepted,
                ));
            }
            if count.rejected != range.rejected {
                findings.push(mismatch(
                    &rejects,
                    "rejected rows",
                    range.rejected,
                    count.rejected,
                ));
            }
        }
    }
}
