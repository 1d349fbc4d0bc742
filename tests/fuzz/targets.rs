//! The fuzz targets: each takes any bytes, and panics where weir and a plain reader differ.
//!
//! `tests/fuzz.rs` replays the corpus and draws inputs for some seconds; in `fuzz/` at the top of the
//! tree libFuzzer is led by coverage.

pub mod avro;
pub mod csv;
pub mod framing;
pub mod json;
pub mod schema;

/// A target by its name, which is that of its corpus.
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]) -> Outcome,
}

/// What became of an input, for the figures of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    Accepted,
    Rejected,
    /// Nothing was to be judged.
    Idle,
}

pub const TARGETS: [Target; 5] = [
    Target {
        name: "avro",
        run: avro::run,
    },
    Target {
        name: "csv",
        run: csv::run,
    },
    Target {
        name: "framing",
        run: framing::run,
    },
    Target {
        name: "json",
        run: json::run,
    },
    Target {
        name: "schema",
        run: schema::run,
    },
];

/// The bytes that say how an input is read, and those behind them.
fn head<const N: usize>(input: &[u8]) -> ([u8; N], &[u8]) {
    let mut head = [0; N];
    let length = input.len().min(N);
    head[..length].copy_from_slice(&input[..length]);
    (head, &input[length..])
}
