//! Instructions per record, counted by valgrind's callgrind, and held against those written down.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::phases::PHASES;

/// A phase may need so much more than was written down: what another machine's instruction set or
/// another build of the libraries may change.
const TOLERANCE: f64 = 1.03;

/// Counts each phase over `records` events; fails if one needs more than was written down, or
/// writes the counts down.
pub fn compare(records: usize, write: bool) {
    let known = known();
    let mut text = String::new();
    let mut worse = Vec::new();
    println!("{:<26} {:>12} {:>12}", "", "instructions", "written down");
    for phase in &PHASES {
        let count = count(phase.name, records) / records as u64;
        let before = known.get(phase.name).copied();
        let shown = before.map_or("-".to_owned(), |b| b.to_string());
        println!("{:<26} {count:>12} {shown:>12}", phase.name);
        // Writing to a text does not fail.
        let _ = writeln!(text, "{}\t{count}", phase.name);
        if before.is_some_and(|b| count as f64 > b as f64 * TOLERANCE) {
            worse.push(phase.name);
        }
    }
    println!("\nper record, over {records} events");
    if write {
        fs::write(place(), text).expect("it can be written");
    } else {
        assert!(
            worse.is_empty(),
            "{worse:?} need more than was written down in {}",
            place().display()
        );
    }
}

fn place() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.txt")
}

fn known() -> BTreeMap<String, u64> {
    let text = fs::read_to_string(place()).unwrap_or_default();
    let lines = text.lines().filter_map(|line| line.split_once('\t'));
    lines
        .map(|(name, count)| (name.to_owned(), count.parse().expect("a number")))
        .collect()
}

fn count(phase: &str, records: usize) -> u64 {
    let program = std::env::current_exe().expect("it runs");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--toggle-collect=*phases::measured*")
        .arg(program)
        .args(["--once", phase, "--records", &records.to_string()])
        .output()
        .expect("valgrind is installed (Debian: valgrind)");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{phase}: {text}");
    let line = text.lines().find_map(|l| l.split_once("Collected : "));
    let count = line.and_then(|(_, n)| n.trim().parse().ok());
    count.unwrap_or_else(|| panic!("valgrind tells no count: {text}"))
}
