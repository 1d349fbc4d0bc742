//! Laws 1 and 2, and that the table's positions are where the ledger ends: from the records alone.
//!
//! Owns: the standing of each source partition while the ledger is read.

use std::collections::{BTreeMap, HashMap};

use crate::lake::layout;
use crate::lake::protocol::has_position;
use crate::lake::verify::report::{Finding, FindingKind, Findings, SourceReport};
use crate::model::ledger::RangeRecord;
use crate::model::position::{APP_ID_SCHEMA, SourcePartition};

/// The standing of every partition.
#[derive(Debug, Default)]
pub(super) struct Laws {
    partitions: BTreeMap<SourcePartition, Standing>,
    schema: i64,
}

#[derive(Debug)]
struct Standing {
    sums: SourceReport,
    /// The last position that a commit gave it and that was found wrong.
    reported: Option<i64>,
}

impl Laws {
    /// Law 1 and 2 for the next range of a partition, which `place` holds.
    pub(super) fn range(
        &mut self,
        table: &str,
        place: String,
        range: &RangeRecord,
        findings: &mut Findings,
    ) {
        let partition = range.source_partition();
        let finding = |kind, from: i64, to: i64, message: String| {
            Finding::new(kind, table)
                .at(&partition, from, to)
                .because(format!("{place}: {message}"))
        };
        for message in faults(range) {
            findings.push(finding(
                FindingKind::CountMismatch,
                range.from,
                range.to,
                message,
            ));
        }
        match self.partitions.get_mut(&partition) {
            None => {
                if has_position(&partition.source_id) && range.from < range.to {
                    findings.push(finding(
                        FindingKind::Gap,
                        range.from,
                        range.from,
                        "the partition's starting point is not in the ledger before its first range"
                            .to_owned(),
                    ));
                }
                if !has_position(&partition.source_id) && range.from > 0 {
                    findings.push(finding(
                        FindingKind::Gap,
                        0,
                        range.from,
                        "the first range of a file does not begin with its first record".to_owned(),
                    ));
                }
                let standing = Standing {
                    sums: sums(range),
                    reported: None,
                };
                self.partitions.insert(partition, standing);
            }
            Some(standing) => {
                let at = standing.sums.to;
                if range.from > at {
                    findings.push(finding(
                        FindingKind::Gap,
                        at,
                        range.from,
                        format!(
                            "the range begins at {} and the one before it ended at {at}",
                            range.from
                        ),
                    ));
                } else if range.from < at {
                    findings.push(finding(
                        FindingKind::Overlap,
                        range.from,
                        at.min(range.to.max(range.from + 1)),
                        format!(
                            "the range begins at {} and the one before it ended at {at}",
                            range.from
                        ),
                    ));
                }
                standing.add(range);
            }
        }
    }

    /// The positions that commit `version` writes are the ends of its ranges.
    pub(super) fn positions(
        &mut self,
        table: &str,
        version: u64,
        ranges: &[RangeRecord],
        positions: &[(String, i64)],
        findings: &mut Findings,
    ) {
        for (app_id, position) in positions {
            if app_id == APP_ID_SCHEMA {
                if *position < self.schema {
                    findings.push(
                        Finding::new(FindingKind::MovedBack, table)
                            .of_file(&layout::commit(version))
                            .because(format!(
                                "the schema version in force goes back from {} to {position}",
                                self.schema
                            )),
                    );
                }
                self.schema = *position;
                continue;
            }
            let Some(partition) = SourcePartition::from_app_id(app_id) else {
                continue;
            };
            let Some(standing) = self.partitions.get_mut(&partition) else {
                findings.push(not_at_end(table, &partition, None, *position, version));
                continue;
            };
            if standing.sums.to != *position {
                standing.reported = Some(*position);
                let end = Some(standing.sums.to);
                findings.push(not_at_end(table, &partition, end, *position, version));
            }
        }
        for range in ranges.iter().filter(|r| has_position(&r.source_id)) {
            let partition = range.source_partition();
            let app_id = partition.app_id();
            if !positions.iter().any(|(id, _)| *id == app_id) {
                findings.push(
                    Finding::new(FindingKind::MovedBack, table)
                        .at(&partition, range.from, range.to)
                        .of_file(&layout::commit(version))
                        .because(format!(
                            "commit {version} settles the range and does not move the partition's position"
                        )),
                );
            }
        }
    }

    /// The positions that readers of the table see are where the ledger ends.
    pub(super) fn close(
        &mut self,
        table: &str,
        positions: &HashMap<String, i64>,
        findings: &mut Findings,
    ) {
        for (partition, standing) in &self.partitions {
            if !has_position(&partition.source_id) {
                continue;
            }
            let end = standing.sums.to;
            match positions.get(&partition.app_id()).copied() {
                Some(at) if at == end || standing.reported == Some(at) => {}
                Some(at) => findings.push(at_the_end(table, partition, end, at)),
                None => findings.push(
                    Finding::new(FindingKind::MovedBack, table)
                        .at(partition, end, end)
                        .because(format!(
                            "the ledger ends at {end} and the table has no position of the partition"
                        )),
                ),
            }
        }
        let known = |id: &str| {
            SourcePartition::from_app_id(id).is_none_or(|p| self.partitions.contains_key(&p))
        };
        for (app_id, at) in positions.iter().filter(|(id, _)| !known(id)) {
            if let Some(partition) = SourcePartition::from_app_id(app_id) {
                findings.push(
                    Finding::new(FindingKind::Gap, table)
                        .at(&partition, *at, *at)
                        .because(format!(
                            "the table has position {at} and the ledger has no range of the partition"
                        )),
                );
            }
        }
    }

    /// The sums of each partition.
    pub(super) fn sources(self) -> Vec<SourceReport> {
        self.partitions.into_values().map(|s| s.sums).collect()
    }
}

impl Standing {
    fn add(&mut self, range: &RangeRecord) {
        let sums = &mut self.sums;
        sums.to = range.to;
        for (sum, more) in [
            (&mut sums.read, range.read),
            (&mut sums.holes, range.holes),
            (&mut sums.lost, range.lost),
            (&mut sums.accepted, range.accepted),
            (&mut sums.rejected, range.rejected),
            (&mut sums.skipped, range.skipped),
        ] {
            *sum = sum.saturating_add(more);
        }
    }
}

fn sums(range: &RangeRecord) -> SourceReport {
    SourceReport {
        source_id: range.source_id.to_string(),
        partition: range.partition,
        from: range.from,
        to: range.to,
        read: range.read,
        holes: range.holes,
        lost: range.lost,
        accepted: range.accepted,
        rejected: range.rejected,
        skipped: range.skipped,
    }
}

fn not_at_end(
    table: &str,
    partition: &SourcePartition,
    end: Option<i64>,
    at: i64,
    version: u64,
) -> Finding {
    let (kind, from, to, message) = match end {
        Some(end) if at < end => (
            FindingKind::MovedBack,
            at,
            end,
            format!("commit {version} puts the position at {at} and the ledger is at {end}"),
        ),
        Some(end) => (
            FindingKind::Gap,
            end,
            at,
            format!("commit {version} puts the position at {at} and the ledger is at {end}"),
        ),
        None => (
            FindingKind::Gap,
            at,
            at,
            format!(
                "commit {version} puts the position at {at} and the ledger has no range of the partition"
            ),
        ),
    };
    Finding::new(kind, table)
        .at(partition, from, to)
        .of_file(&layout::commit(version))
        .because(message)
}

fn at_the_end(table: &str, partition: &SourcePartition, end: i64, at: i64) -> Finding {
    let kind = if at < end {
        FindingKind::MovedBack
    } else {
        FindingKind::Gap
    };
    Finding::new(kind, table)
        .at(partition, at.min(end), at.max(end))
        .because(format!(
            "the table's position is {at} and the ledger ends at {end}"
        ))
}

/// What of law 2, and of the range's own form, does not hold.
fn faults(range: &RangeRecord) -> Vec<String> {
    let mut faults = Vec::new();
    let (from, to) = (range.from, range.to);
    let counts = [
        range.read,
        range.holes,
        range.lost,
        range.accepted,
        range.rejected,
        range.skipped,
    ];
    if to < from || counts.iter().any(|n| *n < 0) {
        faults.push(format!(
            "the range {from} to {to} or a count of it is negative"
        ));
        return faults;
    }
    let sum = range
        .read
        .saturating_add(range.holes)
        .saturating_add(range.lost);
    if to.checked_sub(from) != Some(sum) {
        faults.push(format!(
            "the range holds {} positions, and {} read, {} holes and {} lost make {sum}",
            i128::from(to) - i128::from(from),
            range.read,
            range.holes,
            range.lost
        ));
    }
    let length = |ranges: &[[i64; 2]]| -> i64 {
        ranges
            .iter()
            .map(|[a, b]| b.saturating_sub(*a))
            .fold(0, i64::saturating_add)
    };
    let holes = length(&range.hole_ranges);
    if holes != range.holes {
        faults.push(format!(
            "{} holes are counted and the hole ranges hold {holes}",
            range.holes
        ));
    }
    let skipped = range.skip_ranges.values().map(|r| length(r)).sum::<i64>();
    if skipped != range.skipped {
        faults.push(format!(
            "{} skips are counted and the skip ranges hold {skipped}",
            range.skipped
        ));
    }
    if range.skipped > range.read {
        faults.push(format!(
            "{} positions are skipped of {} that were read",
            range.skipped, range.read
        ));
    }
    let mut at = from;
    for [a, b] in crate::lake::verify::group::without_rows(range) {
        if a < at || b <= a || b > to {
            faults.push(format!(
                "the hole or skip range {a} to {b} is outside the range, or in another one"
            ));
        }
        at = at.max(b);
    }
    faults
}
