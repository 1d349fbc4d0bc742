//! Rejects by code and field.
//!
//! Owns: counting, first and last, one example of each group; a bound on groups.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::lake::rejects::row::At;

/// Groups that are told one by one. A path can hold a map's key or an array's index, so data decides
/// how many there are; what is beyond is counted by code.
const MAX_GROUPS: usize = 1000;

/// Rejects of one code and field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// The reason code.
    pub code: String,
    /// Path of the field; `None` when the whole record is meant.
    pub field: Option<String>,
    /// How many.
    pub count: u64,
    /// Ingestion time of the first, RFC 3339.
    pub first: String,
    /// Ingestion time of the last, RFC 3339.
    pub last: String,
    /// The rule, as the example tells it.
    pub message: String,
    /// The newest one.
    pub example: At,
}

/// All groups, the largest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Groups {
    /// Rejects.
    pub total: u64,
    /// At most 1,000.
    pub groups: Vec<Group>,
    /// Code → rejects of further fields.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub more: BTreeMap<String, u64>,
}

#[derive(Debug)]
struct Sum {
    count: u64,
    first: i64,
    message: String,
    example: At,
}

/// Groups in the making.
#[derive(Debug, Default)]
pub(super) struct Grouping {
    sums: BTreeMap<(String, Option<String>), Sum>,
    more: BTreeMap<String, u64>,
}

impl Grouping {
    /// Adds one reject.
    pub(super) fn add(
        &mut self,
        code: &str,
        field: Option<&str>,
        message: &str,
        at: impl FnOnce() -> At,
    ) {
        let at = at();
        let sum = Sum {
            count: 1,
            first: at.ingested_us,
            message: message.to_owned(),
            example: at,
        };
        self.put((code.to_owned(), field.map(str::to_owned)), sum);
    }

    /// Adds the groups of another part.
    pub(super) fn merge(&mut self, other: Grouping) {
        for (key, sum) in other.sums {
            self.put(key, sum);
        }
        for (code, count) in other.more {
            *self.more.entry(code).or_default() += count;
        }
    }

    fn put(&mut self, key: (String, Option<String>), sum: Sum) {
        if let Some(there) = self.sums.get_mut(&key) {
            there.absorb(sum);
        } else if self.sums.len() < MAX_GROUPS {
            self.sums.insert(key, sum);
        } else {
            *self.more.entry(key.0).or_default() += sum.count;
        }
    }

    pub(super) fn finish(self) -> Groups {
        let mut groups: Vec<Group> = self
            .sums
            .into_iter()
            .map(|((code, field), sum)| Group {
                code,
                field,
                count: sum.count,
                first: crate::clock::Micros(sum.first).to_string(),
                last: crate::clock::Micros(sum.example.ingested_us).to_string(),
                message: sum.message,
                example: sum.example,
            })
            .collect();
        // Stable, so that equal counts stay in the order of code and field.
        groups.sort_by_key(|group| std::cmp::Reverse(group.count));
        let more: u64 = self.more.values().sum();
        Groups {
            total: groups.iter().map(|g| g.count).sum::<u64>() + more,
            groups,
            more: self.more,
        }
    }
}

impl Sum {
    fn absorb(&mut self, other: Sum) {
        self.count += other.count;
        self.first = self.first.min(other.first);
        if other.example > self.example {
            self.example = other.example;
            self.message = other.message;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: i64) -> At {
        At {
            ingested_us: offset * 1_000_000,
            source: "t".to_owned(),
            source_id: "kafka:c:t".to_owned(),
            partition: 0,
            offset,
            index: 0,
        }
    }

    #[test]
    fn groups_are_counted_with_their_newest_example() {
        let mut left = Grouping::default();
        let mut right = Grouping::default();
        for offset in [7, 3, 5] {
            let half = if offset == 5 { &mut right } else { &mut left };
            half.add("wrong_type", Some("a"), &offset.to_string(), || at(offset));
        }
        right.add("invalid_json", None, "m", || at(9));
        left.merge(right);
        let groups = left.finish();
        assert_eq!(groups.total, 4);
        let first = &groups.groups[0];
        assert_eq!((first.count, first.message.as_str()), (3, "7"));
        assert_eq!(first.example.offset, 7);
        assert_eq!(first.first, "1970-01-01T00:00:03Z");
        assert_eq!(first.last, "1970-01-01T00:00:07Z");
        assert_eq!(groups.groups[1].field, None);
    }

    #[test]
    fn fields_beyond_the_bound_are_counted_by_code() {
        let mut grouping = Grouping::default();
        for n in 0..1500 {
            grouping.add("null_value", Some(&format!("m[{n}]")), "m", || at(n));
        }
        let groups = grouping.finish();
        assert_eq!(groups.groups.len(), MAX_GROUPS);
        assert_eq!(groups.more["null_value"], 500);
        assert_eq!(groups.total, 1500);
    }
}
