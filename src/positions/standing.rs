//! Where one source partition stands against the broker's log, as a pure judgement.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use crate::lake::View;
use crate::lake::sources::{clusters_of, current, kafka_partitions};
use crate::model::position::{SourceId, SourcePartition};

/// What the broker says of one topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicNow {
    /// Its id; `None` of a broker without ids.
    pub id: Option<String>,
    /// Of each partition the log's first offset, and the one behind the last that is stable.
    pub bounds: BTreeMap<i32, (i64, i64)>,
}

/// What the broker says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BrokerNow {
    /// The cluster's id.
    pub cluster: String,
    /// The topics that exist, of those that were asked for.
    pub topics: BTreeMap<String, TopicNow>,
}

/// How a table's position stands against the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is within its log.
    Ok,
    /// The log begins behind it: what lies between is gone and was not read.
    Gap,
    /// The log ends before it: the log was truncated.
    BeyondEnd,
    /// The topic was recreated under its name.
    Recreated,
    /// The broker has no such topic, or no such partition.
    NoTopic,
    /// The table knows the topic of another cluster only.
    OtherCluster,
    /// A later incarnation, or another cluster, took its place.
    Superseded,
}

impl State {
    /// The word in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Gap => "gap",
            State::BeyondEnd => "beyond_end",
            State::Recreated => "recreated",
            State::NoTopic => "no_topic",
            State::OtherCluster => "other_cluster",
            State::Superseded => "superseded",
        }
    }
}

/// One source partition of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// See [`SourceId`].
    pub source_id: String,
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The next offset to read, by the table.
    pub position: i64,
    /// The log's first offset.
    pub log_start: Option<i64>,
    /// The offset behind the last that is stable.
    pub log_end: Option<i64>,
    /// How far the position is behind the end.
    pub lag: Option<i64>,
    /// The topic's id as the ledger has it.
    pub topic_id: Option<String>,
    /// `None` where the broker was not asked, or did not answer.
    pub state: Option<State>,
}

/// How every position of the table stands; by source and partition. `ids` are the topics' ids as
/// the ledger has them.
pub fn standings(
    view: &View,
    ids: &HashMap<SourceId, String>,
    broker: Option<&BrokerNow>,
) -> Vec<Standing> {
    let mut standings: Vec<Standing> = kafka_partitions(view)
        .filter_map(|(p, at)| standing(view, ids, broker, &p, at))
        .collect();
    standings.sort_by(|a, b| (&a.source_id, a.partition).cmp(&(&b.source_id, b.partition)));
    standings
}

fn standing(
    view: &View,
    ids: &HashMap<SourceId, String>,
    broker: Option<&BrokerNow>,
    partition: &SourcePartition,
    position: i64,
) -> Option<Standing> {
    let source = &partition.source_id;
    let (cluster, topic, _) = source.as_kafka()?;
    let mut standing = Standing {
        source_id: source.to_string(),
        topic: topic.to_owned(),
        partition: partition.partition,
        position,
        log_start: None,
        log_end: None,
        lag: None,
        topic_id: ids.get(source).cloned(),
        state: None,
    };
    let Some(broker) = broker else {
        return Some(standing);
    };
    let is_current = current(view, cluster, topic) == *source;
    if cluster != broker.cluster || !is_current {
        let taken_over = clusters_of(view, topic).contains(&broker.cluster);
        standing.state = Some(match taken_over || !is_current {
            true => State::Superseded,
            false => State::OtherCluster,
        });
        return Some(standing);
    }
    let now = broker.topics.get(topic);
    let bounds = now.and_then(|t| t.bounds.get(&partition.partition));
    let (Some(now), Some((start, end))) = (now, bounds.copied()) else {
        standing.state = Some(State::NoTopic);
        return Some(standing);
    };
    standing.log_start = Some(start);
    standing.log_end = Some(end);
    standing.state = Some(match (&now.id, &standing.topic_id) {
        (Some(id), Some(known)) if id != known => State::Recreated,
        _ if position > end => State::BeyondEnd,
        _ if position < start => State::Gap,
        _ => State::Ok,
    });
    if standing.state != Some(State::Recreated) {
        standing.lag = Some((end - position).max(0));
    }
    Some(standing)
}
