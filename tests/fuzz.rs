//! The fuzz targets, without a fuzzer: the corpus is replayed, and inputs are drawn from it for some
//! seconds. `fuzz/run` leads the same targets by coverage.
//!
//! `WEIR_FUZZ_SECONDS=60` draws for so long in all, `WEIR_TEST_SEED=n` from that seed; a failure
//! writes its input down and says where.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::unwrap_used,
    unreachable_pub
)]

mod fuzz {
    pub mod cells;
    pub mod choices;
    pub mod draw;
    pub mod reference;
    pub mod targets;
}
use fuzz::{cells, choices, draw, reference, targets};

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use choices::{Choices, edit};
use targets::{Outcome, TARGETS, Target};

/// What one input may take, and the whole process.
const MOST_TIME: Duration = Duration::from_secs(10);
const MOST_MEMORY: u64 = 2 << 30;

fn corpus(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    let folder = folder.join(target.name);
    let entries =
        std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: PathBuf| (path.clone(), std::fs::read(path).unwrap());
    paths.into_iter().map(read).collect()
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// The most memory that the process has held, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// Runs one input; where it fails, the input is written down.
fn held(target: &Target, input: &[u8]) -> Outcome {
    let begin = Instant::now();
    let result = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    let outcome = result.unwrap_or_else(|_| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let path = folder.join(format!("{}-finding", target.name));
        std::fs::write(&path, input).unwrap();
        panic!(
            "{}: the input is in {}; with its mending it belongs in tests/fuzz/corpus/{}",
            target.name,
            path.display(),
            target.name
        )
    });
    assert!(
        begin.elapsed() < MOST_TIME,
        "{}: {:?} for {input:?}",
        target.name,
        begin.elapsed()
    );
    outcome
}

#[test]
fn what_was_found_before_stays_mended() {
    let mut found = Vec::new();
    for target in &TARGETS {
        for (path, input) in corpus(target) {
            if catch_unwind(AssertUnwindSafe(|| held(target, &input))).is_err() {
                found.push(path);
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// An input of the corpus, or none of it, with changes.
fn input(corpus: &[(PathBuf, Vec<u8>)], choices: &mut Choices<'_>) -> Vec<u8> {
    match choices.below(4) {
        0 => {
            let mut input = corpus[choices.below(corpus.len())].1.clone();
            edit(&mut input, choices);
            input
        }
        _ => {
            let most = [64, 400, 2000][choices.below(3)];
            let mut input = choices.bytes(most);
            // few schemas, which are kept, and each of them more often
            if choices.chance(192) {
                input.iter_mut().skip(1).take(3).for_each(|byte| *byte = 0);
            }
            input
        }
    }
}

/// The targets in turn, until the time is over.
fn draw_for(time: Duration, seed: u64) -> BTreeMap<(&'static str, Outcome), u64> {
    let corpora: Vec<_> = TARGETS.iter().map(corpus).collect();
    let mut figures = BTreeMap::new();
    let end = Instant::now() + time;
    let mut choices = Choices::seeded(seed);
    loop {
        for (target, corpus) in TARGETS.iter().zip(&corpora) {
            for _ in 0..20 {
                let input = input(corpus, &mut choices);
                *figures
                    .entry((target.name, held(target, &input)))
                    .or_default() += 1;
            }
        }
        if Instant::now() > end {
            return figures;
        }
    }
}

#[test]
fn drawn_inputs_are_judged_as_by_the_plain_readers() {
    let seconds = number("WEIR_FUZZ_SECONDS").unwrap_or(5);
    let seed = number("WEIR_TEST_SEED").unwrap_or_else(rand::random);
    println!("WEIR_TEST_SEED={seed} for {seconds} s");
    let figures = draw_for(Duration::from_secs(seconds), seed);
    for ((target, outcome), count) in &figures {
        println!("{target:8} {outcome:?}: {count}");
    }
    // draws are no good if nothing of a kind is among them, unless they are few
    for target in &TARGETS {
        let of = |outcome| figures.get(&(target.name, outcome)).copied().unwrap_or(0);
        let (accepted, rejected) = (of(Outcome::Accepted), of(Outcome::Rejected));
        let few = accepted + rejected < 500;
        assert!(few || accepted > 0 && rejected > 0, "{}", target.name);
    }
    if let Some(peak) = peak_memory() {
        println!("at most {} MiB", peak >> 20);
        assert!(peak < MOST_MEMORY, "{peak} bytes");
    }
}
