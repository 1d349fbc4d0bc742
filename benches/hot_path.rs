//! The hot path alone: messages into columns, columns into a Parquet file, and both as a lane does
//! it; beside each the floor, measured in the same run.
//!
//! `cargo bench --bench hot_path` prints CPU time, memory and ratios. With `-- --instructions` it
//! counts instructions under valgrind instead, which repeat to a fraction of a percent on a busy
//! machine, and holds them against `benches/instructions.txt`.
//!
//! | argument | means |
//! | --- | --- |
//! | `--records N` | events, 200,000 if not given (20,000 under valgrind) |
//! | `--rounds N` | measurements of which the median is shown, 5 if not given |
//! | `--once PHASE` | runs one phase once, for a profiler |
//! | `--instructions` | counts instructions, and fails if a phase needs more than was written down |
//! | `--write` | with it, writes them down |
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::print_stdout,
    dead_code,
    unreachable_pub,
    reason = "a bench measures, prints, ends at the first thing that is wrong, and shares files with another"
)]

#[path = "hot_path/avro.rs"]
mod avro;
#[path = "hot_path/csv.rs"]
mod csv;
#[path = "shared/event.rs"]
mod event;
#[path = "shared/floor.rs"]
mod floor;
#[path = "hot_path/instructions.rs"]
mod instructions;
#[path = "hot_path/phases.rs"]
mod phases;
#[path = "shared/ready.rs"]
mod ready;
#[path = "shared/setup.rs"]
mod setup;
#[path = "shared/usage.rs"]
mod usage;

use std::time::Duration;

use crate::phases::{Measured, PHASES, Phase};
use crate::usage::Usage;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_set = |name: &str| arguments.iter().any(|a| a == name);
    let value = |name: &str| {
        let at = arguments.iter().position(|a| a == name)?;
        arguments.get(at + 1)
    };
    let count = |name: &str, usual: usize| {
        value(name).map_or(usual, |text| text.parse().expect("a number"))
    };
    if is_set("--instructions") {
        let records = count("--records", 20_000);
        return instructions::compare(records, is_set("--write"));
    }
    let records = count("--records", 200_000);
    if let Some(name) = value("--once") {
        let phase = PHASES.iter().find(|p| p.name == name);
        let phase = phase.unwrap_or_else(|| panic!("no phase is called {name}"));
        let mut work = (phase.prepare)(records);
        let usage = usage::of_thread(|| phases::measured(&mut work));
        return println!("{}", usage.peak_growth);
    }
    report(records, count("--rounds", 5));
}

fn report(records: usize, rounds: usize) {
    let events = event::Events::generate(1, records);
    println!(
        "{records} events of {} bytes on average, one thread, median of {rounds} rounds\n",
        events.bytes() / records
    );
    drop(events);
    let mut works: Vec<Measured> = PHASES.iter().map(|p| (p.prepare)(records)).collect();
    let mut usages: Vec<Vec<Usage>> = vec![Vec::new(); works.len()];
    for _ in 0..rounds {
        for (work, usages) in works.iter_mut().zip(&mut usages) {
            usages.push(usage::of_thread(|| phases::measured(work)));
        }
    }
    let medians: Vec<Usage> = usages.into_iter().map(median).collect();
    println!(
        "{:<26} {:>12} {:>12} {:>10} {:>9}",
        "", "records/s", "CPU µs/rec", "peak MiB", "floor"
    );
    for (phase, usage) in PHASES.iter().zip(&medians) {
        let per_record = |cpu: Duration| cpu.as_secs_f64() * 1e6 / records as f64;
        println!(
            "{:<26} {:>12.0} {:>12.3} {:>10.1} {:>9}",
            phase.name,
            records as f64 / usage.wall.as_secs_f64(),
            per_record(usage.cpu),
            peak_growth(phase, records) / f64::from(1 << 20),
            ratio(phase, &medians, usage.cpu),
        );
    }
    println!("\npeak: memory beyond the phase's input");
    println!("floor: CPU against the library calls alone, in the same run");
}

/// What the process holds at most beyond a phase's input, in bytes; measured in a process of its
/// own, since memory that was freed before hides what is taken again.
fn peak_growth(phase: &Phase, records: usize) -> f64 {
    let program = std::env::current_exe().expect("it runs");
    let output = std::process::Command::new(program)
        .args(["--once", phase.name, "--records", &records.to_string()])
        .output()
        .expect("it runs again");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().expect("a number of bytes")
}

fn ratio(phase: &Phase, medians: &[Usage], cpu: Duration) -> String {
    let of = |name: &str| {
        let at = PHASES.iter().position(|p| p.name == name);
        medians[at.expect("the floor is a phase")].cpu
    };
    if phase.floor.is_empty() {
        return "-".to_owned();
    }
    let floor: Duration = phase.floor.iter().map(|name| of(name)).sum();
    format!("× {:.2}", cpu.as_secs_f64() / floor.as_secs_f64())
}

fn median(mut usages: Vec<Usage>) -> Usage {
    usages.sort_by_key(|u| u.cpu);
    usages[usages.len() / 2]
}
