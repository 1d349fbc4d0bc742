//! The vacuum, as the design has it: a commit of its own first, then the files.

use std::collections::HashSet;

use weir::clock::Micros;
use weir::lake::{Answer, Commit, LakeTable};
use weir::model::ledger::Role;

use crate::bugs::Bug;
use crate::instance::record;
use crate::table::SimTable;
use crate::world::{RETENTION, Shared, World, give_way, pause};

/// Removes old files that no commit names, until the world is calm.
pub async fn vacuum(world: Shared) {
    let table = SimTable::new(world.clone());
    let bug = world.lock().bug;
    while !world.lock().calm {
        give_way(&world).await;
        if !world.lock().mishap(100) {
            continue;
        }
        // Before the commit: however long the vacuum freezes after it, a file that was young
        // enough to be committed then is not taken.
        let mut now = world.lock().clock.now();
        if bug != Bug::VacuumWithoutCommit && !fence(&world, &table).await {
            continue;
        }
        pause(&world).await;
        if bug == Bug::VacuumLateClock {
            now = world.lock().clock.now();
        }
        let oldest = Micros(now.0 - RETENTION.as_micros() as i64);
        let orphans = orphans(&world.lock(), oldest);
        for path in orphans {
            pause(&world).await;
            let mut world = world.lock();
            world.store.remove(&path);
            world.vacuumed += 1;
        }
    }
}

/// Files from before `oldest` that no commit names. What the data's commits name is also spared
/// where the rejects table has not followed yet.
fn orphans(world: &World, oldest: Micros) -> Vec<String> {
    let data = world.log.iter().flat_map(|commit| &commit.files);
    let mut named: HashSet<&str> = data.map(|file| file.path.as_str()).collect();
    if world.bug == Bug::VacuumForgetsRejects {
        let followed = world.follows.iter().flat_map(|follow| &follow.files);
        named.extend(followed.map(String::as_str));
    } else {
        let rejects = world.log.iter().flat_map(|commit| &commit.record.rejects);
        named.extend(rejects.map(|file| file.path.as_str()));
    }
    let old = world.store.iter().filter(|(_, stored)| stored.at < oldest);
    let paths = old.map(|(path, _)| path);
    paths
        .filter(|path| !named.contains(path.as_str()))
        .cloned()
        .collect()
}

/// A commit of the vacuum's own, with which every put in flight conflicts.
async fn fence(world: &Shared, table: &SimTable) -> bool {
    let Ok(view) = table.view().await else {
        return false;
    };
    let batch = world.lock().new_id();
    let commit = Commit {
        record: record(batch, Role::Maintain, None),
        files: Vec::new(),
        positions: Vec::new(),
        schema: None,
    };
    let answer = table.try_commit(view.version + 1, &commit).await;
    matches!(answer, Answer::Committed(_))
}
