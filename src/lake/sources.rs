//! The Kafka sources that a table's positions name.
//!
//! Owns: which incarnation of a topic is the current one, and which clusters a topic is known of.
//! Does not own: what follows from either (`pipeline::assignment`, `positions`).

use std::collections::{BTreeMap, BTreeSet};

use crate::lake::View;
use crate::model::position::{SourceId, SourcePartition};

/// Every Kafka partition that has a position in the table.
pub fn kafka_partitions(view: &View) -> impl Iterator<Item = (SourcePartition, i64)> {
    view.positions.iter().filter_map(|(id, at)| {
        let partition = SourcePartition::from_app_id(id)?;
        partition.source_id.as_kafka()?;
        Some((partition, *at))
    })
}

/// The source that is read of `topic` of `cluster`: its newest incarnation in the table; the first
/// where the table has none.
pub fn current(view: &View, cluster: &str, topic: &str) -> SourceId {
    let newest = kafka_partitions(view)
        .filter_map(|(p, _)| match p.source_id.as_kafka() {
            Some((c, t, incarnation)) if c == cluster && t == topic => Some(incarnation),
            _ => None,
        })
        .max();
    SourceId::kafka(cluster, topic, newest.unwrap_or(1))
}

/// The positions of `source`, by partition.
pub fn positions_of(view: &View, source: &SourceId) -> BTreeMap<i32, i64> {
    kafka_partitions(view)
        .filter(|(p, _)| p.source_id == *source)
        .map(|(p, at)| (p.partition, at))
        .collect()
}

/// The clusters of which the table knows `topic`.
pub fn clusters_of(view: &View, topic: &str) -> BTreeSet<String> {
    kafka_partitions(view)
        .filter_map(|(p, _)| match p.source_id.as_kafka() {
            Some((cluster, t, _)) if t == topic => Some(cluster.to_owned()),
            _ => None,
        })
        .collect()
}
