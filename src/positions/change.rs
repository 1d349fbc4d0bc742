//! What an operator may change about positions, as a pure judgement: ranges for one commit.
//!
//! | asked | the table and the broker say | answer |
//! | --- | --- | --- |
//! | accept | the topic has another id than the ledger | a new incarnation, from the log's start |
//! | accept | a position is above the log's end | a new incarnation; where the log was truncated it goes on at the end, elsewhere at the position |
//! | accept | the topic is known of another cluster only | starting points of this cluster, at the log's start |
//! | accept | the ledger has no id of the topic | the positions stay, and the id is written down |
//! | accept | anything else | there is nothing to accept |
//! | set | forward, up to the log's end | what is passed over is lost |
//! | set | backward, beyond the end, unknown, recreated | refused |
//!
//! A new incarnation is one commit with the empty range at which each old partition ends and the
//! empty one at which each new partition begins: it lands only if the old positions are still
//! there, and once it has, nothing of the old incarnation lands any more (`lake::protocol`). A
//! partition that the table does not know ends where the new one begins, so that an instance that
//! starts it meanwhile is noticed.

use std::collections::HashMap;

use crate::error::{Error, Kind, Result};
use crate::lake::View;
use crate::lake::sources::{clusters_of, current, positions_of};
use crate::model::ledger::RangeRecord;
use crate::model::position::{SourceId, SourcePartition};
use crate::positions::standing::{BrokerNow, State, TopicNow, standings};

/// What is to be committed, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The ranges, in order.
    pub ranges: Vec<RangeRecord>,
    /// Goes into the ledger.
    pub reason: String,
}

/// What is known when a change is judged.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The table.
    pub view: &'a View,
    /// The topics' ids, as the ledger has them.
    pub ids: &'a HashMap<SourceId, String>,
    /// The broker.
    pub broker: &'a BrokerNow,
}

impl<'a> Known<'a> {
    fn topic(&self, topic: &str) -> Result<&'a TopicNow> {
        let now = self.broker.topics.get(topic);
        now.filter(|t| !t.bounds.is_empty()).ok_or_else(|| {
            Error::refused(format!(
                "cluster {} has no topic {topic}",
                self.broker.cluster
            ))
        })
    }
}

/// Takes the broker's topic of that name as what the stream reads from now on.
///
/// # Errors
/// `Found`: there is nothing to accept. `Refused`: the broker has no such topic.
pub fn accept(topic: &str, known: Known<'_>) -> Result<Change> {
    let now = known.topic(topic)?;
    let cluster = known.broker.cluster.as_str();
    let clusters = clusters_of(known.view, topic);
    if clusters.is_empty() {
        return Err(nothing(format!(
            "the table has no position of topic {topic}; it gets its starting points when weir runs"
        )));
    }
    if !clusters.contains(cluster) {
        let source = SourceId::kafka(cluster, topic, 1);
        let others: Vec<&str> = clusters.iter().map(String::as_str).collect();
        return Ok(Change {
            ranges: starts(topic, &source, now, |_, (low, _)| low),
            reason: format!(
                "topic {topic} of cluster {cluster} accepted; the table knew it of {} only",
                others.join(", ")
            ),
        });
    }
    let source = current(known.view, cluster, topic);
    let old = positions_of(known.view, &source);
    let next = source
        .next_incarnation()
        .ok_or_else(|| Error::refused(format!("{source} has no further incarnation")))?;
    if let (Some(id), Some(before)) = (&now.id, known.ids.get(&source))
        && id != before
    {
        let begin = starts(topic, &next, now, |_, (low, _)| low);
        return Ok(Change {
            ranges: instead(ends(topic, &source, &old), begin, &source),
            reason: format!(
                "topic {topic} accepted as {next}: recreated, id {before} before and {id} now"
            ),
        });
    }
    let beyond: Vec<String> = old
        .iter()
        .filter_map(|(number, at)| {
            let (_, high) = now.bounds.get(number)?;
            (at > high).then(|| format!("{number} at {at} of {high}"))
        })
        .collect();
    if !beyond.is_empty() {
        let begin = starts(topic, &next, now, |number, (low, high)| {
            old.get(&number).map_or(low, |at| *at.min(&high))
        });
        return Ok(Change {
            ranges: instead(ends(topic, &source, &old), begin, &source),
            reason: format!(
                "topic {topic} accepted as {next}: truncated, partition {}",
                beyond.join(", ")
            ),
        });
    }
    if let (Some(id), None) = (&now.id, known.ids.get(&source)) {
        let mut ranges = ends(topic, &source, &old);
        for range in &mut ranges {
            range.topic_id = Some(id.clone());
        }
        return Ok(Change {
            ranges,
            reason: format!("topic {topic} accepted with id {id}; none was known"),
        });
    }
    Err(nothing(format!(
        "topic {topic} of cluster {cluster} is the one that the table knows, and no position is above its log's end"
    )))
}

/// Moves the position of one partition of `topic`, or of all, forward to `offset`.
///
/// # Errors
/// `Refused`, with every partition at fault.
pub fn set(
    topic: &str,
    partition: Option<i32>,
    offset: i64,
    reason: &str,
    known: Known<'_>,
) -> Result<Change> {
    let now = known.topic(topic)?;
    let source = current(known.view, &known.broker.cluster, topic);
    let mut wanted = positions_of(known.view, &source);
    wanted.retain(|number, _| partition.is_none_or(|p| p == *number));
    if wanted.is_empty() {
        let what = partition.map_or_else(String::new, |p| format!("partition {p} of "));
        return Err(Error::refused(format!(
            "the table has no position of {what}topic {topic} of cluster {}; `weir positions show` tells those it has",
            known.broker.cluster
        )));
    }
    let standings = standings(known.view, known.ids, Some(known.broker));
    let mut faults = Vec::new();
    let mut ranges = Vec::new();
    for (number, at) in wanted {
        let state = standings
            .iter()
            .find(|s| s.source_id == source.as_str() && s.partition == number)
            .and_then(|s| s.state);
        let end = now.bounds.get(&number).map(|(_, high)| *high);
        match (state, end) {
            (Some(State::Recreated | State::BeyondEnd), _) => faults.push(format!(
                "partition {number}: the log is not the one that was read; `weir positions accept` comes first"
            )),
            (_, Some(end)) if offset > end => faults.push(format!(
                "partition {number}: {offset} is beyond the log's end {end}"
            )),
            (_, None) => faults.push(format!("partition {number}: the topic does not have it")),
            _ if offset <= at => faults.push(format!(
                "partition {number}: it is at {at}, and positions move forward only"
            )),
            _ => {
                let mut range = point(topic, &source, number, at);
                range.to = offset;
                range.lost = offset - at;
                range.topic_id.clone_from(&now.id);
                ranges.push(range);
            }
        }
    }
    if !faults.is_empty() {
        return Err(Error::refused(format!(
            "nothing was moved: {}",
            faults.join("; ")
        )));
    }
    Ok(Change {
        ranges,
        reason: reason.to_owned(),
    })
}

fn nothing(why: String) -> Error {
    Error::new(Kind::Found, format!("there is nothing to accept: {why}"))
}

/// The empty range at each position of a source.
fn ends(
    topic: &str,
    source: &SourceId,
    old: &std::collections::BTreeMap<i32, i64>,
) -> Vec<RangeRecord> {
    let ends = old.iter();
    ends.map(|(number, at)| point(topic, source, *number, *at))
        .collect()
}

/// The new source in place of the old one. Of a partition that begins and has no end, the old source
/// ends there.
fn instead(
    mut end: Vec<RangeRecord>,
    begin: Vec<RangeRecord>,
    source: &SourceId,
) -> Vec<RangeRecord> {
    let unknown: Vec<RangeRecord> = begin
        .iter()
        .filter(|b| end.iter().all(|e| e.partition != b.partition))
        .map(|b| point(&b.source, source, b.partition, b.from))
        .collect();
    end.extend(unknown);
    end.extend(begin);
    end
}

/// The starting point of each partition of a topic.
fn starts(
    topic: &str,
    source: &SourceId,
    now: &TopicNow,
    at: impl Fn(i32, (i64, i64)) -> i64,
) -> Vec<RangeRecord> {
    let partitions = now.bounds.iter();
    partitions
        .map(|(number, bounds)| {
            let mut range = point(topic, source, *number, at(*number, *bounds));
            range.topic_id.clone_from(&now.id);
            range
        })
        .collect()
}

fn point(topic: &str, source: &SourceId, partition: i32, at: i64) -> RangeRecord {
    let partition = SourcePartition {
        source_id: source.clone(),
        partition,
    };
    RangeRecord::starting_point(topic, &partition, at)
}

#[cfg(test)]
mod tests;
