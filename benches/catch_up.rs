//! Catching up: a topic of generated events on a real broker, landed by the release binary from its
//! start to its last offset; beside it the floor, measured in the same run.
//!
//! `cargo bench --features real-services --bench catch_up -- --records 5000000`
//! (tests/README.md says what the real services need). The floor is librdkafka alone consuming the
//! same topic with the same settings, `serde_json` into a plain struct, and `ArrowWriter` of ready
//! columns.
//!
//! | argument | means |
//! | --- | --- |
//! | `--records N` | events, 2,000,000 if not given |
//! | `--streams N` | streams, each with a topic of its own, 1 if not given |
//! | `--partitions N` | partitions of each topic, 4 if not given |
//! | `--budget SIZE` | `memory.budget`, `256MiB` if not given |
//! | `--section TOML` | further sections of `weir.toml` |
//! | `--folder DIR` | where broker and lake keep their data; a temporary folder if not given |
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::print_stdout,
    dead_code,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a bench waits in real time, prints, ends at the first thing that is wrong, and shares files with another"
)]

#[path = "catch_up/daemon.rs"]
mod daemon;
#[path = "shared/event.rs"]
mod event;
#[path = "shared/floor.rs"]
mod floor;
#[path = "catch_up/lake.rs"]
mod lake;
#[path = "shared/ready.rs"]
mod ready;
#[path = "../tests/real/services.rs"]
mod services;
#[path = "shared/setup.rs"]
mod setup;
#[path = "catch_up/topic.rs"]
mod topic;
#[path = "shared/usage.rs"]
mod usage;

use std::path::PathBuf;

use crate::services::kafka::Kafka;

/// What is asked for.
struct Plan {
    records: usize,
    streams: usize,
    partitions: i32,
    budget: String,
    section: String,
}

impl Plan {
    fn topics(&self) -> Vec<String> {
        let number = |n| format!("{}-{n}", setup::STREAM);
        (0..self.streams).map(number).collect()
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| {
        let at = arguments.iter().position(|a| a == name)?;
        arguments.get(at + 1).cloned()
    };
    let number = |name: &str, usual: usize| {
        value(name).map_or(usual, |text| text.parse().expect("a number"))
    };
    let plan = Plan {
        records: number("--records", 2_000_000),
        streams: number("--streams", 1),
        partitions: i32::try_from(number("--partitions", 4)).expect("a number of partitions"),
        budget: value("--budget").unwrap_or_else(|| "256MiB".to_owned()),
        section: value("--section").unwrap_or_default(),
    };
    if let Some(brokers) = value("--consume") {
        // The child of `floor::consume`, so that its CPU is told apart from all else.
        return topic::consume(&brokers, &plan);
    }
    match value("--folder") {
        Some(folder) => run(&plan, PathBuf::from(folder)),
        None => {
            let folder = tempfile::tempdir().expect("a folder");
            run(&plan, folder.path().to_path_buf());
        }
    }
}

fn run(plan: &Plan, folder: PathBuf) {
    std::fs::create_dir_all(&folder).expect("a folder");
    let kafka = Kafka::start(&folder, 1);
    let brokers = kafka.brokers();
    let bytes = topic::fill(&brokers, plan);
    println!(
        "{} events of {} bytes on average, {} × {} partitions, budget {}\n",
        plan.records,
        bytes / plan.records,
        plan.streams,
        plan.partitions,
        plan.budget
    );
    let consumed = topic::consumed_by_child(&brokers, plan);
    let (parsed, written) = library_calls(plan.records.min(500_000));
    let landed = daemon::land(&folder, &brokers, plan);
    let files = lake::files(&folder.join("lake"));

    println!("{:<34} {:>12} {:>12}", "", "records/s", "CPU µs/rec");
    let line = |name: &str, rate: Option<f64>, cpu: f64| {
        let rate = rate.map_or("-".to_owned(), |r| format!("{r:.0}"));
        println!("{name:<34} {rate:>12} {cpu:>12.3}");
    };
    line("floor: librdkafka", Some(consumed.rate), consumed.cpu);
    line("floor: serde_json", None, parsed);
    line("floor: ArrowWriter", None, written);
    let floor = consumed.cpu + parsed + written;
    line("floor", None, floor);
    line("weir run", Some(landed.rate), landed.cpu);
    println!(
        "\nCPU against the floor: × {:.2} (aim: at most 1.35)",
        landed.cpu / floor
    );
    println!(
        "user {:.3} µs, system {:.3} µs; by thread, µs/record:",
        landed.user, landed.system
    );
    for (thread, cpu) in &landed.threads {
        println!("  {thread:<16} {cpu:>8.3}");
    }
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    println!(
        "peak memory: {:.0} MiB (librdkafka alone: {:.0} MiB)",
        mib(landed.peak),
        mib(consumed.peak)
    );
    println!("files in the order of their commits:");
    for file in &files {
        println!(
            "  {:<14} {:>9} rows {:>8.1} MiB",
            file.stream,
            file.rows,
            mib(file.bytes)
        );
    }
    let rows: u64 = files.iter().map(|f| f.rows).sum();
    assert_eq!(rows, plan.records as u64, "every event is a row");
}

/// CPU µs per record of parsing and of writing.
fn library_calls(records: usize) -> (f64, f64) {
    let events = event::Events::generate(1, records);
    let batches = ready::columns(&events);
    let per_record = |usage: usage::Usage| usage.cpu.as_secs_f64() * 1e6 / records as f64;
    let median = |work: &dyn Fn()| {
        let mut figures: Vec<f64> = (0..5).map(|_| per_record(usage::of_thread(work))).collect();
        figures.sort_by(f64::total_cmp);
        figures[2]
    };
    (
        median(&|| floor::parse(events.iter())),
        median(&|| {
            std::hint::black_box(floor::write(&batches));
        }),
    )
}
