//! What is measured: each phase prepares its input once and then runs any number of times.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema as ArrowSchema;
use weir::clock::{Micros, Tick};
use weir::model::ledger::Cut;
use weir::model::position::{SourceId, SourcePartition};
use weir::model::raw::{RawBlock, RawMessage};
use weir::pipeline::batch::{Moment, OpenBatch};
use weir::pipeline::budget::Budget;
use weir::pipeline::decode::Judged;
use weir::pipeline::decode::columns::Columns;
use weir::pipeline::file::FileWriter;
use weir::pipeline::partition::Run;
use weir::pipeline::plan::StreamPlan;
use weir::pipeline::provenance::{self, Provenance};
use weir::pipeline::writers::WriterSource;

use crate::event::Events;
use crate::{avro, csv, floor, ready, setup};

/// A phase's work, ready to run.
pub type Measured = Box<dyn FnMut()>;

/// One line of the report.
pub struct Phase {
    /// Its name.
    pub name: &'static str,
    /// The phases whose sum is its floor.
    pub floor: &'static [&'static str],
    /// Makes the work over so many events.
    pub prepare: fn(usize) -> Measured,
}

const PARSE: &str = "floor: serde_json";
const WRITE: &str = "floor: ArrowWriter";
const BY_HAND: &str = "floor: Avro by hand";
const SPLIT: &str = "floor: CSV by hand";

/// All of them.
pub const PHASES: [Phase; 12] = [
    Phase {
        name: "UTF-8 check",
        floor: &[],
        prepare: utf8,
    },
    Phase {
        name: PARSE,
        floor: &[],
        prepare: floor_parse,
    },
    Phase {
        name: WRITE,
        floor: &[],
        prepare: floor_write,
    },
    Phase {
        name: "ArrowWriter by default",
        floor: &[],
        prepare: floor_write_by_default,
    },
    Phase {
        name: "decode",
        floor: &[PARSE],
        prepare: decode,
    },
    Phase {
        name: BY_HAND,
        floor: &[],
        prepare: floor_avro,
    },
    Phase {
        name: "decode Avro",
        floor: &[BY_HAND],
        prepare: decode_avro,
    },
    Phase {
        name: SPLIT,
        floor: &[],
        prepare: floor_csv,
    },
    Phase {
        name: "tokenize CSV",
        floor: &[],
        prepare: tokenize_csv,
    },
    Phase {
        name: "decode CSV",
        floor: &[SPLIT],
        prepare: decode_csv,
    },
    Phase {
        name: "encode",
        floor: &[WRITE],
        prepare: encode,
    },
    Phase {
        name: "both, as a lane",
        floor: &[PARSE, WRITE],
        prepare: both,
    },
];

/// Bytes of a block, as in `source::kafka`.
const BLOCK_BYTES: usize = 1 << 20;

const SEED: u64 = 1;
const NOW: Micros = Micros(1_772_000_000_000_000);

/// The one frame below which valgrind counts.
#[inline(never)]
pub fn measured(work: &mut Measured) {
    work();
}

fn utf8(records: usize) -> Measured {
    let events = Events::generate(SEED, records);
    Box::new(move || {
        for message in events.iter() {
            black_box(std::str::from_utf8(message).is_ok());
        }
    })
}

fn floor_parse(records: usize) -> Measured {
    let events = Events::generate(SEED, records);
    Box::new(move || floor::parse(events.iter()))
}

fn floor_write(records: usize) -> Measured {
    let batches = ready::columns(&Events::generate(SEED, records));
    Box::new(move || {
        black_box(floor::write(&batches));
    })
}

fn floor_write_by_default(records: usize) -> Measured {
    let batches = ready::columns(&Events::generate(SEED, records));
    Box::new(move || {
        black_box(floor::write_by_default(&batches));
    })
}

fn decode(records: usize) -> Measured {
    let events = Events::generate(SEED, records);
    let schema = ready::schema();
    let mut decoder = ready::decoder(&schema);
    let mut columns = Columns::new(&schema);
    let mut judged = Judged::default();
    Box::new(move || {
        let mut accepted = 0;
        for message in events.iter() {
            decoder.decode(message, &mut columns, &mut judged);
            accepted += judged.accepted.len();
            if columns.rows() >= ready::CHUNK_ROWS {
                black_box(columns.finish());
            }
        }
        black_box(columns.finish());
        assert_eq!(accepted, events.len(), "every event conforms");
    })
}

fn floor_avro(records: usize) -> Measured {
    let data = avro::data(&Events::generate(SEED, records));
    let mut columns = avro::ByHand::default();
    Box::new(move || {
        for datum in data.iter() {
            columns.decode(datum).expect("every event conforms");
            if columns.rows() >= ready::CHUNK_ROWS {
                black_box(columns.finish());
            }
        }
        black_box(columns.finish());
    })
}

fn decode_avro(records: usize) -> Measured {
    let data = avro::data(&Events::generate(SEED, records));
    let schema = ready::schema();
    let mut decoder = avro::decoder(&schema);
    let mut columns = Columns::new(&schema);
    let mut judged = Judged::default();
    Box::new(move || {
        let mut accepted = 0;
        for datum in data.iter() {
            decoder.decode(datum, &mut columns, &mut judged);
            accepted += judged.accepted.len();
            if columns.rows() >= ready::CHUNK_ROWS {
                black_box(columns.finish());
            }
        }
        black_box(columns.finish());
        assert_eq!(accepted, data.len(), "every event conforms");
    })
}

fn floor_csv(records: usize) -> Measured {
    let file = csv::file(&Events::generate(SEED, records));
    Box::new(move || assert_eq!(csv::by_hand(&file), records))
}

fn tokenize_csv(records: usize) -> Measured {
    let file = csv::file(&Events::generate(SEED, records));
    let dialect = csv::dialect();
    Box::new(move || {
        let mut file = csv::open(&file, &dialect);
        let mut seen = 0;
        while let Some(slice) = file.next_slice().expect("the file is well made") {
            seen += black_box(slice).records().len();
        }
        assert_eq!(seen, records);
    })
}

fn decode_csv(records: usize) -> Measured {
    let file = csv::file(&Events::generate(SEED, records));
    let dialect = csv::dialect();
    let schema = ready::schema();
    let mut columns = Columns::new(&schema);
    let mut judged = Judged::default();
    Box::new(move || {
        let mut file = csv::open(&file, &dialect);
        let mut decoder = csv::decoder(&schema, &dialect, &file);
        let mut accepted = 0;
        while let Some(slice) = file.next_slice().expect("the file is well made") {
            decoder.decode(&slice, &mut columns, &mut judged);
            accepted += judged.accepted.len();
            if columns.rows() >= ready::CHUNK_ROWS {
                black_box(columns.finish());
            }
        }
        black_box(columns.finish());
        assert_eq!(accepted, records, "every event conforms");
    })
}

/// The events as columns, followed by their provenance.
fn with_provenance(records: usize) -> Vec<RecordBatch> {
    let mut provenance = Provenance::default();
    let run = run(0);
    let mut offset = 0;
    let mut batches = ready::columns(&Events::generate(SEED, records));
    for batch in &mut batches {
        provenance.begin(&run);
        for _ in 0..batch.num_rows() {
            provenance.push(offset, 0, NOW);
            offset += 1;
        }
        let mut arrays = batch.columns().to_vec();
        arrays.extend(provenance.finish().expect("the columns fit"));
        let mut fields = batch.schema().fields().to_vec();
        fields.extend(provenance::fields().into_iter().map(Arc::new));
        let fields = Arc::new(ArrowSchema::new(fields));
        *batch = RecordBatch::try_new(fields, arrays).expect("they fit");
    }
    batches
}

fn encode(records: usize) -> Measured {
    let batches = with_provenance(records);
    Box::new(move || {
        let mut writer =
            FileWriter::new(batches[0].schema(), &batches[0]).expect("the schema is plain");
        for batch in &batches {
            writer.write(batch).expect("the rows are plain");
        }
        black_box(writer.finish().expect("the file ends"));
    })
}

fn run(partition: i32) -> Arc<Run> {
    let source = SourcePartition {
        source_id: SourceId::kafka("MkU3OEVBNTcwNTJENDM2Qk", setup::STREAM, 1),
        partition,
    };
    Arc::new(Run::new(0, setup::STREAM.into(), source, None, 1, 1))
}

/// Blocks of four partitions in turn, as the consumer hands them on.
fn blocks(events: &Events) -> Vec<(Arc<Run>, RawBlock)> {
    let runs: Vec<Arc<Run>> = (0..4).map(run).collect();
    let mut nexts = [0_i64; 4];
    let mut blocks = Vec::new();
    let mut messages = events.iter().peekable();
    while messages.peek().is_some() {
        let at = blocks.len() % runs.len();
        let next = &mut nexts[at];
        let mut block = RawBlock {
            from: *next,
            ..RawBlock::default()
        };
        while block.arena.len() < BLOCK_BYTES {
            let Some(message) = messages.next() else {
                break;
            };
            let value = block.push_bytes(message);
            block.messages.push(RawMessage {
                offset: *next,
                timestamp_ms: NOW.0 / 1000,
                key: None,
                value: Some(value),
            });
            *next += 1;
        }
        block.to = *next;
        blocks.push((runs[at].clone(), block));
    }
    blocks
}

fn both(records: usize) -> Measured {
    let blocks = blocks(&Events::generate(SEED, records));
    let folder = tempfile::tempdir().expect("a folder");
    let streams = [setup::STREAM.to_owned()];
    let path = setup::write(folder.path(), "127.0.0.1:1", "", &streams);
    let config = match weir::config::load(&path, &BTreeMap::new()) {
        Ok(config) => config,
        Err(problems) => panic!("the bench's configuration is refused: {problems}"),
    };
    let plan = Arc::new(StreamPlan::new(
        config.streams[0].clone(),
        config.max_raw,
        WriterSource::None,
    ));
    let budget = Budget::new(config.memory_budget);
    let moment = Moment {
        seen: Tick::default(),
        looked: Tick(Duration::MAX),
        now: NOW,
        at: Tick::default(),
    };
    Box::new(move || {
        let mut batch = OpenBatch::new(plan.clone(), &budget);
        for (run, block) in &blocks {
            let taken = batch.append(run, block, 0, moment);
            taken.expect("the blocks follow on each other");
            if let Some(cut) = batch.due(Tick::default()) {
                black_box(batch.cut(cut, &budget).expect("the batch ends"));
            }
        }
        black_box(batch.cut(Cut::End, &budget).expect("the batch ends"));
    })
}
