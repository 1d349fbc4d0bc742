//! Verdicts by two versions side by side, counted.
//!
//! Owns: which record got better or worse, groups by code and field, and the bound on them. No value
//! of a record is kept.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::reject::{RejectCode, SkipCode};
use crate::pipeline::decode::Judged;

/// Groups that are told one by one. A path can hold a map's key or an array's index, so data decides
/// how many there are; what is beyond is counted by code.
const MAX_GROUPS: usize = 1000;

/// Where a message stands.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The topic.
    pub source: &'a str,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// The place in the message of its first record: that of a record that is judged by itself.
    pub index: i32,
}

/// Counts under one version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Records that pass.
    pub accepted: u64,
    /// Records that do not.
    pub rejected: u64,
}

/// What both versions said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verdicts {
    /// Messages, or stored rejects, that were looked at.
    pub messages: u64,
    /// Messages that are no record, by skip code.
    pub skipped: BTreeMap<&'static str, u64>,
    /// Stored rejects that cannot be judged, by reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub not_judged: BTreeMap<&'static str, u64>,
    /// By the version in force.
    pub in_force: Outcome,
    /// By the new version.
    pub new: Outcome,
    /// Records that pass now and would be rejected.
    pub worse: u64,
    /// Records that are rejected now and would pass.
    pub better: u64,
    /// Rejects by code and field: what gets worse first, then the largest. At most 1,000.
    pub groups: Vec<Group>,
    /// Code → rejects of further fields.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub more: BTreeMap<&'static str, Sides>,
}

/// Rejects under each version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Sides {
    /// By the version in force.
    pub in_force: u64,
    /// By the new version.
    pub new: u64,
    /// Of those by the new version, records that pass now.
    pub newly: u64,
}

/// Rejects of one code and field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// The reason code.
    pub code: &'static str,
    /// Path of the field; `None` when the whole record is meant.
    pub field: Option<String>,
    /// How many.
    #[serde(flatten)]
    pub sides: Sides,
    /// The rule, as the example breaks it.
    pub message: String,
    /// The first one, by topic, partition and offset; one that gets worse, where there is one.
    pub example: Example,
}

/// Where a record stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    /// The topic.
    pub source: String,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// The record's place in the message.
    pub index: i32,
}

/// Verdicts in the making.
#[derive(Debug, Default)]
pub(super) struct Tally {
    told: Verdicts,
    /// By code and path; the empty path, which no field has, is the whole record.
    groups: BTreeMap<RejectCode, BTreeMap<String, Group>>,
    fields: usize,
    more: BTreeMap<RejectCode, Sides>,
}

impl Tally {
    /// A message without a value.
    pub(super) fn skip(&mut self, code: SkipCode) {
        self.told.messages += 1;
        *self.told.skipped.entry(code.as_str()).or_default() += 1;
    }

    /// A stored reject that cannot be judged.
    pub(super) fn pass_over(&mut self, reason: &'static str) {
        self.told.messages += 1;
        *self.told.not_judged.entry(reason).or_default() += 1;
    }

    /// The verdicts of both versions on one message.
    pub(super) fn add(&mut self, in_force: &Judged, new: &Judged, place: Place<'_>) {
        self.told.messages += 1;
        if let Some(code) = new.skipped.or(in_force.skipped) {
            *self.told.skipped.entry(code.as_str()).or_default() += 1;
        }
        self.told.in_force.add(in_force);
        self.told.new.add(new);
        self.told.worse += only(&in_force.accepted, &new.accepted);
        self.told.better += only(&new.accepted, &in_force.accepted);
        for reject in &in_force.rejects {
            self.group(reject, place, false, |s| s.in_force += 1);
        }
        for reject in &new.rejects {
            let newly = in_force.accepted.binary_search(&reject.index).is_ok();
            self.group(reject, place, newly, |s| {
                s.new += 1;
                s.newly += u64::from(newly);
            });
        }
    }

    fn group(
        &mut self,
        reject: &crate::pipeline::decode::ElementReject,
        place: Place<'_>,
        newly: bool,
        count: impl Fn(&mut Sides),
    ) {
        let fault = &reject.fault;
        let path = fault.field.as_deref().unwrap_or_default();
        let of_code = self.groups.entry(fault.code).or_default();
        if let Some(group) = of_code.get_mut(path) {
            // Whatever the order in which partitions are read, the example is the same.
            let is_first = place.is_before(reject.index, &group.example);
            let was_newly = group.sides.newly > 0;
            if newly && !was_newly || newly == was_newly && is_first {
                group.example = place.of(reject.index);
                group.message.clone_from(&fault.message);
            }
            count(&mut group.sides);
            return;
        }
        if self.fields == MAX_GROUPS {
            return count(self.more.entry(fault.code).or_default());
        }
        self.fields += 1;
        let mut group = Group {
            code: fault.code.as_str(),
            field: fault.field.clone(),
            sides: Sides::default(),
            message: fault.message.clone(),
            example: place.of(reject.index),
        };
        count(&mut group.sides);
        of_code.insert(path.to_owned(), group);
    }

    pub(super) fn finish(self) -> Verdicts {
        let of_code = self.groups.into_values();
        let mut groups: Vec<Group> = of_code.flat_map(BTreeMap::into_values).collect();
        // Stable, so that equal counts stay in the order of code and field.
        groups.sort_by_key(|g| std::cmp::Reverse((g.sides.newly, g.sides.new, g.sides.in_force)));
        let more = self.more.into_iter().map(|(c, s)| (c.as_str(), s));
        Verdicts {
            groups,
            more: more.collect(),
            ..self.told
        }
    }
}

impl Outcome {
    fn add(&mut self, judged: &Judged) {
        self.accepted += judged.accepted.len() as u64;
        self.rejected += judged.rejects.len() as u64;
    }
}

impl Place<'_> {
    fn of(&self, index: u32) -> Example {
        Example {
            source: self.source.to_owned(),
            partition: self.partition,
            offset: self.offset,
            index: self.index(index),
        }
    }

    fn index(&self, index: u32) -> i32 {
        let index = i32::try_from(index).unwrap_or(i32::MAX);
        self.index.saturating_add(index)
    }

    fn is_before(&self, index: u32, other: &Example) -> bool {
        let mine = (self.source, self.partition, self.offset, self.index(index));
        let theirs = (
            other.source.as_str(),
            other.partition,
            other.offset,
            other.index,
        );
        mine < theirs
    }
}

/// How many of `these` are not among `those`; both ascend.
fn only(these: &[u32], those: &[u32]) -> u64 {
    if these == those {
        return 0;
    }
    let missing = these.iter().filter(|i| those.binary_search(i).is_err());
    missing.count() as u64
}

#[cfg(test)]
mod tests;
