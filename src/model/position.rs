//! Where records come from, and how far each source partition is settled.
//!
//! A *position* is the next offset to read. Ranges are half-open. What exactly once means, for a
//! partition whose table position is `p` and a batch that claims `[from, to)` of it:
//!
//! | case | verdict |
//! | --- | --- |
//! | `p == from` | the batch follows on: it may be committed |
//! | `p == to`, and the batch's id is in the log | it is committed already: nothing is to be done |
//! | anything else | another writer moved the partition: fenced, the whole batch is dropped |
//!
//! A batch mixes the rows of several partitions in one file, so it is judged as a whole
//! (`lake::protocol`).

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Tells apart what only shares a name: `kafka:<cluster id>:<topic>`, with `#2`, `#3` once a
/// recreated topic was accepted as a new one, or `bulk:<job id>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceId(Arc<str>);

impl SourceId {
    /// The id of a topic of a cluster; `incarnation` counts from 1 and shows from 2 on.
    pub fn kafka(cluster_id: &str, topic: &str, incarnation: u32) -> Self {
        if incarnation <= 1 {
            Self(format!("kafka:{cluster_id}:{topic}").into())
        } else {
            Self(format!("kafka:{cluster_id}:{topic}#{incarnation}").into())
        }
    }

    /// The id of a bulk job.
    pub fn bulk(job_id: &str) -> Self {
        Self(format!("bulk:{job_id}").into())
    }

    /// Its text, as in `_weir_source_id`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Cluster id, topic and incarnation (from 1) of a Kafka source; `None` for another.
    /// Topic names cannot hold `:` or `#`, cluster ids hold no `:`.
    pub fn as_kafka(&self) -> Option<(&str, &str, u32)> {
        let (cluster, topic) = self.0.strip_prefix("kafka:")?.split_once(':')?;
        match topic.split_once('#') {
            None => Some((cluster, topic, 1)),
            Some((topic, incarnation)) => Some((cluster, topic, incarnation.parse().ok()?)),
        }
    }

    /// The id that the topic gets when it is accepted as a new one; `None` for another source.
    pub fn next_incarnation(&self) -> Option<Self> {
        let (cluster, topic, incarnation) = self.as_kafka()?;
        Some(Self::kafka(cluster, topic, incarnation.checked_add(1)?))
    }
}

impl From<&str> for SourceId {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A partition of a source: the unit of order, and of exactly once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourcePartition {
    /// The source.
    pub source_id: SourceId,
    /// Kafka's partition number; for bulk the file's place in its job.
    pub partition: i32,
}

impl SourcePartition {
    /// The application id of the partition's `txn` action in the DLO: `<source id>:<partition>`.
    pub fn app_id(&self) -> String {
        format!("{}:{}", self.source_id, self.partition)
    }

    /// The partition that an application id names; `None` for weir's other ids.
    pub fn from_app_id(app_id: &str) -> Option<Self> {
        let (source_id, partition) = app_id.rsplit_once(':')?;
        if !source_id.starts_with("kafka:") && !source_id.starts_with("bulk:") {
            return None;
        }
        Some(Self {
            source_id: source_id.into(),
            partition: partition.parse().ok()?,
        })
    }
}

impl fmt::Display for SourcePartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source_id, self.partition)
    }
}

/// The application id whose version is the stream's schema version in force (DLO).
pub const APP_ID_SCHEMA: &str = "weir:schema";

/// The application id whose version is the DLO's version that the rejects table has followed to.
pub const APP_ID_DATA: &str = "weir:data";

/// Appends `[from, to)` to `ranges`, joined with the last one where they touch.
/// Empty ranges are left out. `from` must not be below the last range's end.
pub fn push_range(ranges: &mut Vec<[i64; 2]>, from: i64, to: i64) {
    if from >= to {
        return;
    }
    match ranges.last_mut() {
        Some(last) if last[1] == from => last[1] = to,
        last => {
            debug_assert!(last.is_none_or(|l| l[1] < from), "ranges come in order");
            ranges.push([from, to]);
        }
    }
}
