//! One seed: polls the tasks in random order, and crashes, freezes and moves them about.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use rand::Rng;
use weir::model::position::APP_ID_SCHEMA;

use crate::bugs::Bug;
use crate::instance::instance;
use crate::laws;
use crate::operator::operator;
use crate::vacuum::vacuum;
use crate::world::{Shared, World};

/// Steps with mishaps.
const WILD_STEPS: u64 = 400;
/// Steps by which all must have settled.
const STEPS_MAX: u64 = 4_000;
const SCHEMAS_MAX: u32 = 3;

/// How often what happened in a run; for the check that everything does.
pub type Seen = BTreeMap<&'static str, u64>;

struct Task {
    future: Option<Pin<Box<dyn Future<Output = ()>>>>,
    who: Who,
    frozen_until: u64,
}

#[derive(Clone, Copy)]
enum Who {
    Instance(usize),
    Vacuum,
    Operator,
}

impl Task {
    fn new(world: &Shared, who: Who) -> Self {
        let world = world.clone();
        let future: Pin<Box<dyn Future<Output = ()>>> = match who {
            Who::Instance(id) => Box::pin(instance(world, id)),
            Who::Vacuum => Box::pin(vacuum(world)),
            Who::Operator => Box::pin(operator(world)),
        };
        Self {
            future: Some(future),
            who,
            frozen_until: 0,
        }
    }
}

/// Runs a seed to its end and holds it against the laws.
pub fn run(seed: u64, bug: Bug) -> Result<Seen, String> {
    let world = Arc::new(Mutex::new(World::new(seed, bug)));
    let instances = world.lock().rng.random_range(2..=3);
    let all = (0..instances).map(Who::Instance);
    let all = all.chain([Who::Vacuum, Who::Operator]);
    let mut tasks: Vec<Task> = all.map(|who| Task::new(&world, who)).collect();
    let mut seen = Seen::new();
    let mut steps = 0;
    while tasks.iter().any(|task| task.future.is_some()) {
        steps += 1;
        if steps > STEPS_MAX {
            return Err("it does not come to an end".to_owned());
        }
        pass_time(&world, steps, instances, &mut seen);
        let chosen = world.lock().rng.random_range(0..tasks.len());
        let task = &mut tasks[chosen];
        if steps < WILD_STEPS {
            upset(&world, task, steps, &mut seen);
            if task.frozen_until > steps {
                continue;
            }
        }
        let Some(future) = &mut task.future else {
            continue;
        };
        let mut context = Context::from_waker(Waker::noop());
        if future.as_mut().poll(&mut context).is_ready() {
            task.future = None;
        }
    }
    let world = world.lock();
    laws::check(&world)?;
    let positions = world.log.iter().flat_map(|commit| &commit.positions);
    let raised = positions.filter(|(id, _)| id == APP_ID_SCHEMA).count();
    seen.insert("schema raised", raised as u64);
    seen.insert("file vacuumed", world.vacuumed);
    seen.insert("job done", world.jobs_done.len() as u64);
    seen.extend(&world.landings);
    Ok(seen)
}

/// What goes on without the instances: time, producers, the group, puts on their way.
fn pass_time(world: &Shared, step: u64, instances: usize, seen: &mut Seen) {
    let mut world = world.lock();
    let world = &mut *world;
    world.step = step;
    let pause_ms = world.rng.random_range(0..1_000);
    world.clock.advance(Duration::from_millis(pause_ms));
    let before = (world.log.len(), world.follows.len());
    world.arrive(step >= WILD_STEPS);
    *seen.entry("late put landed").or_default() += (world.log.len() - before.0) as u64;
    *seen.entry("late follow landed").or_default() += (world.follows.len() - before.1) as u64;
    if step == WILD_STEPS {
        world.calm = true;
        // Every partition has one owner again.
        for owners in &mut world.owners {
            *owners = 1 << world.rng.random_range(0..instances);
        }
    }
    let partition = world.rng.random_range(0..world.ends.len());
    if world.mishap(60) {
        world.ends[partition] += world.rng.random_range(1..4);
    }
    if world.mishap(25) {
        let new = 1 << world.rng.random_range(0..instances);
        // The old owner may not know yet.
        let old = world.owners[partition];
        let keeps = world.rng.random_bool(0.4);
        world.owners[partition] = if keeps { old | new } else { new };
    }
    if world.mishap(8) && world.newest_schema < SCHEMAS_MAX {
        world.newest_schema += 1;
    }
    if world.mishap(10) {
        let pause_s = world.rng.random_range(20..150);
        world.clock.advance(Duration::from_secs(pause_s));
    }
}

/// Crashes or freezes a task where it stands.
fn upset(world: &Shared, task: &mut Task, step: u64, seen: &mut Seen) {
    let (crashes, freezes) = {
        let mut world = world.lock();
        (world.mishap(12), world.mishap(12))
    };
    if crashes {
        *seen.entry("crash").or_default() += 1;
        task.future = None;
        *task = Task::new(world, task.who);
    }
    if freezes {
        *seen.entry("freeze").or_default() += 1;
        let steps = world.lock().rng.random_range(5..120);
        task.frozen_until = step + steps;
    }
}
