//! The oracle: the four laws of the ledger, and that what was said of a batch is true.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use uuid::Uuid;
use weir::model::ledger::RangeRecord;
use weir::model::position::{APP_ID_SCHEMA, SourceId, SourcePartition};

use crate::world::{Held, World};

type Check = Result<(), String>;

macro_rules! holds {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}

pub fn check(world: &World) -> Check {
    if let Some(fault) = &world.fault {
        return Err(fault.clone());
    }
    batches(world)?;
    schemas(world)?;
    let ranges = ranges(world)?;
    rows(world, &ranges)?;
    rejects(world)?;
    completeness(world, &ranges)
}

/// A batch id is in the log at most once, and what was said of it is so.
fn batches(world: &World) -> Check {
    let mut ids: HashSet<Uuid> = HashSet::new();
    for commit in &world.log {
        let batch = commit.record.batch;
        holds!(ids.insert(batch), "batch {batch} is in the log twice");
    }
    for (batch, in_log) in &world.said {
        let is = ids.contains(batch);
        holds!(
            is == *in_log,
            "batch {batch}: said {in_log}, in the log {is}"
        );
    }
    Ok(())
}

/// No commit below the version in force, and no version in force without its text.
fn schemas(world: &World) -> Check {
    let mut in_force = 0;
    for (i, commit) in world.log.iter().enumerate() {
        let raised = commit.positions.iter().find(|(id, _)| id == APP_ID_SCHEMA);
        if let Some((_, version)) = raised {
            holds!(*version >= in_force, "version {} lowers the schema", i + 1);
            let text = world.schemas.contains(&(*version as u32));
            holds!(text, "schema {version} is in force without its text");
            in_force = *version;
        }
        if let Some(schema) = commit.record.schema {
            let schema = i64::from(schema);
            holds!(
                schema == in_force,
                "version {}: schema {schema}, in force {in_force}",
                i + 1
            );
        }
    }
    Ok(())
}

/// The names of a topic's incarnations are so far apart.
const INCARNATION: i32 = 100;

/// A source's name: the partition, with its incarnation, or the job's number below zero.
fn source(range: &RangeRecord) -> i32 {
    if let Some((_, _, incarnation)) = range.source_id.as_kafka() {
        return range.partition + INCARNATION * (incarnation as i32 - 1);
    }
    let id = range.source_id.as_str().strip_prefix("bulk:");
    id.and_then(|id| id.parse().ok())
        .expect("a job's id is a number")
}

/// The ranges with the schema they were decoded with, after laws 1 and 2.
fn ranges(world: &World) -> Result<BTreeMap<i32, Vec<(u32, RangeRecord)>>, String> {
    let mut all: BTreeMap<i32, Vec<(u32, RangeRecord)>> = BTreeMap::new();
    for (i, commit) in world.log.iter().enumerate() {
        for range in &commit.record.ranges {
            let (version, name) = (i + 1, source(range));
            let of_source = all.entry(name).or_default();
            let (from, to) = (range.from, range.to);
            match of_source.last() {
                Some((_, last)) => {
                    let end = last.to;
                    holds!(
                        end == from,
                        "version {version}: {name} at {end} goes on at {from}"
                    );
                }
                None if name >= 0 => {
                    holds!(
                        from == to,
                        "version {version}: {name} has no starting point"
                    );
                }
                None => {}
            }
            let counted = range.read + range.holes + range.lost;
            holds!(
                to - from == counted,
                "version {version}: [{from}, {to}) counts {counted}"
            );
            of_source.push((commit.record.schema.unwrap_or(0), range.clone()));
        }
    }
    for (app_id, position) in &world.positions {
        let Some(partition) = SourcePartition::from_app_id(app_id) else {
            continue;
        };
        let name = source(&RangeRecord::starting_point("t", &partition, 0));
        let end = all
            .get(&name)
            .and_then(|ranges| ranges.last())
            .map(|(_, last)| last.to);
        holds!(
            end == Some(*position),
            "position {position} of {app_id}, ranges end at {end:?}"
        );
    }
    Ok(all)
}

/// Laws 3 and 4: each position once, in the right table; each named file is there.
fn rows(world: &World, ranges: &BTreeMap<i32, Vec<(u32, RangeRecord)>>) -> Check {
    let mut found: HashMap<(i32, i64), Held> = HashMap::new();
    for commit in &world.log {
        let data = commit.files.iter().map(|file| (&file.path, Held::Row));
        let rejects = commit.record.rejects.iter();
        let rejects = rejects.map(|file| (&file.path, Held::Reject));
        for (path, held) in data.chain(rejects) {
            let Some(stored) = world.store.get(path) else {
                return Err(format!("file {path} is named and missing"));
            };
            for row in &stored.rows {
                let twice = found.insert(*row, held);
                holds!(twice.is_none(), "{row:?} is there twice");
            }
        }
    }
    for (name, ranges) in ranges {
        for (schema, range) in ranges {
            let count = settle(*name, *schema, range, &mut found)?;
            let said = (range.accepted, range.rejected, range.skipped, range.holes);
            holds!(count == said, "{name} {range:?}: found {count:?}");
        }
    }
    holds!(found.is_empty(), "rows outside of all ranges: {found:?}");
    Ok(())
}

/// Takes the rows of a range out of `found`, and counts rows, rejects, skips and holes.
fn settle(
    name: i32,
    schema: u32,
    range: &RangeRecord,
    found: &mut HashMap<(i32, i64), Held>,
) -> Result<(i64, i64, i64, i64), String> {
    // The log of a topic that was accepted goes on, so a position is the same in each incarnation.
    let name = if name < 0 { name } else { name % INCARNATION };
    let mut count = (0, 0, 0, 0);
    if range.lost > 0 {
        let whole = range.lost == range.to - range.from;
        holds!(whole, "{name} {range:?} is lost in part");
        return Ok(count);
    }
    let within =
        |ranges: &[[i64; 2]], at| ranges.iter().any(|[from, to]| (*from..*to).contains(&at));
    for offset in range.from..range.to {
        let row = found.remove(&(name, offset));
        let skipped = range
            .skip_ranges
            .values()
            .any(|ranges| within(ranges, offset));
        let hole = within(&range.hole_ranges, offset);
        let times = u32::from(row.is_some()) + u32::from(skipped) + u32::from(hole);
        holds!(times == 1, "{name} {offset} is accounted for {times} times");
        let held = match (row, skipped) {
            (Some(held), _) => held,
            (None, true) => Held::Skip,
            (None, false) => Held::Hole,
        };
        let right = if name < 0 {
            Held::Row
        } else {
            World::held(name, offset, schema)
        };
        holds!(
            held == right,
            "{name} {offset} is {held:?} and should be {right:?}"
        );
        match held {
            Held::Row => count.0 += 1,
            Held::Reject => count.1 += 1,
            Held::Skip => count.2 += 1,
            Held::Hole => count.3 += 1,
        }
    }
    Ok(count)
}

/// The rejects table holds exactly what the data's commits name, up to its `weir:data`.
fn rejects(world: &World) -> Check {
    let mut files: BTreeSet<&str> = BTreeSet::new();
    let mut data = 0;
    for follow in &world.follows {
        holds!(
            follow.data > data,
            "the rejects table follows to {data} and {}",
            follow.data
        );
        holds!(
            follow.data <= world.log.len() as u64,
            "the rejects table leads"
        );
        let commits = &world.log[data as usize..follow.data as usize];
        let named = commits.iter().flat_map(|commit| &commit.record.rejects);
        let named: BTreeSet<&str> = named.map(|file| file.path.as_str()).collect();
        let added: BTreeSet<&str> = follow.files.iter().map(String::as_str).collect();
        holds!(
            named == added,
            "the data names {named:?}, the rejects table added {added:?}"
        );
        for path in added {
            holds!(files.insert(path), "rejects file {path} is added twice");
        }
        data = follow.data;
    }
    Ok(())
}

/// Nothing is left behind once all has settled.
fn completeness(world: &World, ranges: &BTreeMap<i32, Vec<(u32, RangeRecord)>>) -> Check {
    for (n, end) in world.ends.iter().enumerate() {
        let of_partition =
            |(name, _): &(&i32, &Vec<_>)| **name >= 0 && **name % INCARNATION == n as i32;
        let newest = ranges.iter().rfind(of_partition);
        let last = newest.and_then(|(_, ranges)| ranges.last());
        let settled = last.map(|(_, range)| range.to);
        holds!(
            settled == Some(*end),
            "partition {n} ends at {end}, settled to {settled:?}"
        );
    }
    for job in &world.jobs_done {
        let source_id = SourceId::bulk(&job.to_string());
        let times = ranges.get(job).map_or(0, Vec::len);
        holds!(
            times == 1,
            "job {source_id} is done and landed {times} times"
        );
    }
    // A vacuum's own commit may come last; it names nothing that is to be followed.
    let data = world.follows.last().map_or(0, |follow| follow.data);
    let mut behind = world.log[data as usize..].iter();
    let follows = behind.all(|commit| commit.record.rejects.is_empty());
    holds!(follows, "the rejects table stays at {data}");
    Ok(())
}
