//! The operator: moves positions forward, and accepts the topic as a new one, by the real landing
//! of changes.

use std::sync::Arc;

use rand::Rng;
use weir::error::{Error, Result};
use weir::lake::View;
use weir::model::ledger::RangeRecord;
use weir::positions::change::{Change, Known, set};
use weir::positions::land;
use weir::positions::standing::{BrokerNow, TopicNow};

use crate::bugs::{Bug, blind};
use crate::instance::{committer, newest_incarnation, partition};
use crate::table::SimTable;
use crate::world::{Shared, World, give_way};

/// Changes something now and then, until the world is calm.
pub async fn operator(world: Shared) {
    let table = Arc::new(SimTable::new(world.clone()));
    let (mut committer, _trigger) = committer(&world, &table);
    if world.lock().bug == Bug::OperatorIsNotJudged {
        committer = committer.with_judge(blind);
    }
    while !world.lock().calm {
        give_way(&world).await;
        let accepts = {
            let mut world = world.lock();
            if !world.mishap(150) {
                continue;
            }
            world.rng.random_bool(0.4)
        };
        let judged = async |view: &View| match accepts {
            true => accept(&world.lock(), view),
            false => pass_over(&mut world.lock(), view),
        };
        let fresh = || world.lock().new_id();
        // What is refused, or not answered, is tried another time.
        if land(&committer, "operator", fresh, judged).await.is_ok() {
            let what = if accepts {
                "topic accepted"
            } else {
                "position set"
            };
            *world.lock().landings.entry(what).or_default() += 1;
        }
    }
}

/// Moves one partition a little forward.
fn pass_over(world: &mut World, view: &View) -> Result<Change> {
    let n = world.rng.random_range(0..world.ends.len()) as i32;
    let source = partition(newest_incarnation(view), n);
    let at = view.positions.get(&source.app_id()).copied();
    let offset = at.unwrap_or(0) + world.rng.random_range(1..3);
    let bounds = (0..).zip(world.ends.iter().map(|end| (0, *end)));
    let topic = TopicNow {
        id: None,
        bounds: bounds.collect(),
    };
    let broker = BrokerNow {
        cluster: "c".to_owned(),
        topics: [("t".to_owned(), topic)].into(),
    };
    let known = Known {
        view,
        ids: &Default::default(),
        broker: &broker,
    };
    set("t", Some(n), offset, "not wanted", known)
}

/// A new incarnation in the form that `change::accept` gives it. It goes on where the old one ends,
/// so that a position that both settle would be there twice.
fn accept(world: &World, view: &View) -> Result<Change> {
    let old = newest_incarnation(view);
    let point =
        |incarnation, n, at| RangeRecord::starting_point("t", &partition(incarnation, n), at);
    let numbers = 0..world.ends.len() as i32;
    let at = |n| view.positions.get(&partition(old, n).app_id()).copied();
    if numbers.clone().all(|n| at(n).is_none()) {
        return Err(Error::refused("nothing to accept"));
    }
    let ends = numbers.clone().filter_map(|n| match world.bug {
        Bug::AcceptForgetsNewPartitions => Some(point(old, n, at(n)?)),
        _ => Some(point(old, n, at(n).unwrap_or(0))),
    });
    let starts = numbers
        .clone()
        .map(|n| point(old + 1, n, at(n).unwrap_or(0)));
    Ok(Change {
        ranges: ends.chain(starts).collect(),
        reason: "accepted".to_owned(),
    })
}
