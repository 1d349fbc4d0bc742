use std::collections::BTreeMap;
use std::io::Write as _;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use arrow::util::display::array_value_to_string;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::config::dialect::{Dialect, DialectKeys};
use crate::config::{After, OnDuplicate};
use crate::model::job::{Identity, JobId, hex};
use crate::pipeline::bulk::Resume;
use crate::pipeline::bulk::convert::judge::Verdict;
use crate::pipeline::flow::tests::plan;
use crate::pipeline::writers::WriterSource;
use crate::schema::parse::parse;

const SCHEMA: &str = r#"{"type": "record", "name": "R", "fields": [
    {"name": "a", "type": "int"}, {"name": "b", "type": ["null", "string"], "default": null}]}"#;

/// Slices of a few records.
const SMALL: Sizes = Sizes {
    fill: 97,
    slice_bytes: 150,
    slice_records: 7,
};

fn conversion(workers: usize, part_bytes: u64, limits: (f64, u64)) -> Conversion {
    let mut stream = (*plan(1).stream).clone();
    stream.schema = Arc::new(parse("r", 1, SCHEMA, false).unwrap());
    stream.flush.max_rows = u64::MAX;
    stream.flush.max_bytes = u64::MAX;
    Conversion {
        plan: Arc::new(StreamPlan::new(Arc::new(stream), 100, WriterSource::None)),
        bulk: Bulk {
            prefix: "r/".to_owned(),
            after: After::Keep,
            on_duplicate: OnDuplicate::Load,
            max_reject_ratio: limits.0,
            max_rejects: limits.1,
            escape_formulas: false,
            dialect: Arc::new(Dialect::new(&DialectKeys::default()).unwrap()),
            dialect_keys: DialectKeys::default(),
        },
        clock: Clock::system(),
        workers,
        part_bytes,
    }
}

/// A file of `records`, some of them bad in each way.
fn file(seed: u64, records: usize) -> Vec<u8> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut file = b"\xef\xbb\xbfa,b\r\n".to_vec();
    for record in 0..records {
        match rng.random_range(0..40) {
            0 => write!(file, "x{record},no number").unwrap(),
            1 => write!(file, "{record}").unwrap(),
            2 => write!(file, "{record},a \" in it").unwrap(),
            3 => write!(file, "{record},\"quoted\"\" twice\",more").unwrap(),
            4 => file.extend_from_slice(b"1,\xff\xfe"),
            5..=9 => write!(file, "{record},\"two\r\nlines, {record}\"").unwrap(),
            10..=12 => write!(file, "{record},").unwrap(),
            _ => write!(file, "{record},text {record}").unwrap(),
        }
        file.extend_from_slice(if rng.random_bool(0.5) { b"\r\n" } else { b"\n" });
        if rng.random_range(0..30) == 0 {
            file.extend_from_slice(b"\n");
        }
    }
    file
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// All that came of a file.
#[derive(Debug, Default, PartialEq)]
struct Came {
    /// By the record's number.
    rows: BTreeMap<i64, String>,
    rejects: BTreeMap<i64, String>,
    csv: Vec<u8>,
    text: Vec<u8>,
    counts: [u64; 2],
    codes: BTreeMap<RejectCode, u64>,
    ending: Option<Ending>,
    sha256: Option<String>,
}

impl FailedRows for Came {
    fn csv(&mut self, bytes: &[u8]) -> Result<()> {
        self.csv.extend_from_slice(bytes);
        Ok(())
    }

    fn text(&mut self, bytes: &[u8]) -> Result<()> {
        self.text.extend_from_slice(bytes);
        Ok(())
    }
}

/// The rows of a file by their offsets.
fn rows(file: EncodedFile, into: &mut BTreeMap<i64, String>) {
    let bytes = Bytes::from(file.chunks.concat());
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
    for batch in reader.build().unwrap() {
        let batch = batch.unwrap();
        let offsets = batch.column_by_name("_weir_offset").unwrap();
        let offsets = offsets.as_primitive::<Int64Type>();
        let times = ["_weir_ingested_at"];
        for row in 0..batch.num_rows() {
            let schema = batch.schema();
            let cells = schema.fields().iter().zip(batch.columns());
            let cells = cells.filter(|(f, _)| !times.contains(&&**f.name()));
            let cells = cells.map(|(_, c)| array_value_to_string(c, row).unwrap());
            let text = cells.collect::<Vec<_>>().join("|");
            assert_eq!(into.insert(offsets.value(row), text), None);
        }
    }
}

fn dropped(bytes: &[u8], packing: Packing, before: JobCounts, resume: Option<Resume>) -> Dropped {
    let from = match (&resume, packing) {
        (Some(resume), Packing::Plain) => resume.position.byte as usize,
        _ => 0,
    };
    let pieces: Vec<_> = bytes[from..].chunks(333).collect();
    let pieces: Vec<_> = pieces
        .iter()
        .map(|p| Ok(Bytes::copy_from_slice(p)))
        .collect();
    Dropped {
        job: JobId::of("s", "k", &Identity::etag("e"), 0),
        key: "k".into(),
        place: 3,
        packing,
        modified_ms: 5,
        chunks: Box::new(pieces.into_iter()),
        before,
        is_last: true,
        has_header: false,
        resume,
    }
}

/// Converts a file; with `stops` the call ends after each part, and another one goes on.
fn came(
    conversion: &Conversion,
    bytes: &[u8],
    packing: Packing,
    sizes: Sizes,
    stops: bool,
) -> (Came, usize) {
    let mut came = Came::default();
    let mut before = JobCounts::default();
    let mut resume: Option<Resume> = None;
    let mut parts = 0;
    loop {
        let mut drop = dropped(bytes, packing, before, resume.take());
        drop.has_header = !came.csv.is_empty();
        let mut emitted = Vec::new();
        let mut emit = |part| {
            emitted.push(part);
            match stops {
                true => Err(Error::unreachable("stopped")),
                false => Ok(()),
            }
        };
        let out = Out {
            failed: &mut came,
            emit: &mut emit,
            told: &mut |_| {},
        };
        let outcome = convert_by(conversion, sizes, drop, out);
        parts += emitted.len();
        for part in emitted {
            before.accepted += part.counts.accepted;
            before.rejected += part.counts.rejected;
            for (code, count) in part.codes {
                *came.codes.entry(code).or_default() += count;
            }
            let data: u64 = part.data.iter().map(|(_, file)| file.rows).sum();
            let rejects: u64 = part.rejects.iter().map(|file| file.rows).sum();
            assert_eq!(
                (data, rejects),
                (part.counts.accepted, part.counts.rejected)
            );
            part.data
                .into_iter()
                .for_each(|(_, file)| rows(file, &mut came.rows));
            part.rejects
                .into_iter()
                .for_each(|file| rows(file, &mut came.rejects));
            // As it is staged.
            let text = serde_json::to_string(&(part.head, part.to, part.hash)).unwrap();
            let (head, position, hash) = serde_json::from_str(&text).unwrap();
            resume = Some(Resume {
                head,
                position,
                hash,
            });
        }
        match outcome {
            Ok(outcome) => {
                let Outcome {
                    ending,
                    sha256,
                    counts,
                    ..
                } = outcome;
                if stops {
                    before.accepted += counts.accepted;
                    before.rejected += counts.rejected;
                } else if ending == Ending::Read {
                    assert_eq!(before, counts);
                }
                came.counts = match stops {
                    true => [before.accepted, before.rejected],
                    false => [counts.accepted, counts.rejected],
                };
                if ending != Ending::Read {
                    // What parts there were is for nothing, and depends on the workers' pace.
                    came.rows.clear();
                    came.rejects.clear();
                    came.codes.clear();
                }
                (came.ending, came.sha256) = (Some(ending), sha256);
                return (came, parts);
            }
            Err(error) => assert!(stops && error.to_string().contains("stopped"), "{error}"),
        }
    }
}

const NO_LIMITS: (f64, u64) = (1.0, u64::MAX);

#[test]
fn what_comes_of_a_file_is_the_same_whatever_its_parts() {
    for (seed, records, limits) in [
        (1, 0, NO_LIMITS),
        (2, 1, NO_LIMITS),
        (3, 1_500, NO_LIMITS),
        (4, 1_500, (1.0, 90)),
        (5, 1_500, (0.05, u64::MAX)),
        (6, 10_300, (0.05, u64::MAX)),
    ] {
        let plain = file(seed, records);
        let serial = conversion(1, u64::MAX, limits);
        let (whole, parts) = came(&serial, &plain, Packing::Plain, Sizes::default(), false);
        assert_eq!(parts, usize::from(whole.ending == Some(Ending::Read)));
        if whole.ending == Some(Ending::Read) {
            assert_eq!(
                whole.rows.len() + whole.rejects.len(),
                records,
                "seed {seed}"
            );
            assert_eq!(whole.sha256, Some(sha256(&plain)));
        }
        let packed = gzip(&plain);
        for (bytes, packing) in [(&plain, Packing::Plain), (&packed, Packing::Gzip)] {
            let told = format!("seed {seed}, {packing:?}");
            for workers in [1, 3] {
                let small = conversion(workers, 1, limits);
                let (all, _) = came(&small, bytes, packing, SMALL, false);
                same(&all, &whole, bytes, &told);
                if records <= 1_500 {
                    let (all, parts) = came(&small, bytes, packing, SMALL, true);
                    assert!(parts >= records / 300, "{told}: {parts} parts");
                    same(&all, &whole, bytes, &told);
                }
            }
        }
    }
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    hex(&sha2::Sha256::digest(bytes))
}

fn same(came: &Came, whole: &Came, bytes: &[u8], told: &str) {
    let hash = whole.sha256.as_ref().map(|_| sha256(bytes));
    assert_eq!(came.sha256, hash, "{told}");
    assert_eq!(came.ending, whole.ending, "{told}");
    assert_eq!(came.counts, whole.counts, "{told}");
    assert_eq!(came.codes, whole.codes, "{told}");
    assert!(came.csv == whole.csv, "{told}: failed.csv");
    assert!(came.text == whole.text, "{told}: failed.txt");
    assert!(came.rows == whole.rows, "{told}: rows");
    assert!(came.rejects == whole.rejects, "{told}: rejects");
}

#[test]
fn a_limit_counts_what_the_job_judged_before() {
    let bytes = b"a,b\nx,1\n2,2\n";
    let before = JobCounts {
        accepted: 9_995,
        rejected: 4,
        skipped: 0,
    };
    let run = |limits, is_last| {
        let mut drop = dropped(bytes, Packing::Plain, before, None);
        drop.is_last = is_last;
        let mut came = Came::default();
        let out = Out {
            failed: &mut came,
            emit: &mut |_| Ok(()),
            told: &mut |_| {},
        };
        convert_by(&conversion(1, 1, limits), SMALL, drop, out).unwrap()
    };
    let failed = run((1.0, 4), false);
    assert!(matches!(&failed.ending, Ending::Failed(r) if r.contains("more than 4 records")));
    assert_eq!(failed.records, 1);
    let failed = run((0.0004, u64::MAX), false);
    assert!(matches!(&failed.ending, Ending::Failed(r) if r.contains("5 of the first 10000")));
    assert_eq!(run((0.0006, u64::MAX), true).ending, Ending::Read);
    // The share is judged at 10,000 records, and at the end of the last file only.
    let before = JobCounts {
        accepted: 1,
        ..before
    };
    for (is_last, fails) in [(false, false), (true, true)] {
        for bytes in [&b"a,b\n"[..], b""] {
            let mut drop = dropped(bytes, Packing::Plain, before, None);
            drop.is_last = is_last;
            let out = Out {
                failed: &mut Came::default(),
                emit: &mut |_| Ok(()),
                told: &mut |_| {},
            };
            let outcome = convert_by(&conversion(1, 1, (0.5, 10)), SMALL, drop, out).unwrap();
            assert_eq!(matches!(outcome.ending, Ending::Failed(_)), fails);
        }
    }
}

#[test]
fn a_file_that_breaks_off_keeps_what_stood_before() {
    // Far more than what is looked at for line ends.
    let packed = gzip(&file(9, 9_000));
    let cut = &packed[..packed.len() / 2];
    let serial = conversion(1, u64::MAX, NO_LIMITS);
    let (one, _) = came(&serial, cut, Packing::Gzip, SMALL, false);
    let (other, _) = came(
        &conversion(4, 1, NO_LIMITS),
        cut,
        Packing::Gzip,
        SMALL,
        false,
    );
    assert!(matches!(&one.ending, Some(Ending::Failed(r)) if r.contains("truncated")));
    assert!(one.counts[0] > 100, "{:?}", one.counts);
    assert_eq!(one.sha256, None);
    same(&other, &one, cut, "truncated");
}

#[test]
fn a_part_that_is_not_taken_ends_the_call() {
    let bytes = file(10, 500);
    let mut handed = 0;
    let mut emit = |_| {
        handed += 1;
        Err(Error::unreachable("full"))
    };
    let out = Out {
        failed: &mut Came::default(),
        emit: &mut emit,
        told: &mut |_| {},
    };
    let drop = dropped(&bytes, Packing::Plain, JobCounts::default(), None);
    let error = convert_by(&conversion(2, 1, NO_LIMITS), SMALL, drop, out).unwrap_err();
    assert!(error.to_string().contains("full"), "{error}");
    assert_eq!(handed, 1);
}

#[test]
fn a_worker_that_dies_is_an_error() {
    let conversion = conversion(2, 1, NO_LIMITS);
    let dialect = &conversion.bulk.dialect;
    let chunks = vec![Ok(Bytes::from_static(b"a,b\n1,2\n"))];
    let opened = CsvFile::open(Box::new(chunks.into_iter()), Packing::Plain, dialect, SMALL);
    let mut file = opened.unwrap().unwrap();
    let stream = &conversion.plan.stream;
    let layout = Layout::new(&stream.schema, file.head(), stream.unknown_fields).unwrap();
    let drop = dropped(b"", Packing::Plain, JobCounts::default(), None);
    // A plan of one field beside a layout of two: an index beyond the columns.
    let narrow = Conversion {
        plan: plan(1),
        ..conversion.clone()
    };
    let mut crew = crew(&narrow, &drop, file.head(), &layout).unwrap();
    crew.slice(0, file.next_slice().unwrap().unwrap()).unwrap();
    let error = crew.done(true).unwrap_err();
    assert!(error.to_string().contains("died"), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn reading_yields_to_the_caller() {
    let niceness = || rustix::process::getpriority_process(None).unwrap();
    let mine = niceness();
    let mut theirs = None;
    let drop = dropped(b"a,b\n1,2\n", Packing::Plain, JobCounts::default(), None);
    let emit = |_| {
        theirs = Some(niceness());
        Ok(())
    };
    let all = conversion(1, u64::MAX, NO_LIMITS);
    convert(&all, drop, &mut Came::default(), emit, |_| {}).unwrap();
    assert_eq!(theirs, Some((mine + 10).min(19)));
    assert_eq!(niceness(), mine);
}

#[test]
fn what_panics_on_the_way_is_an_error() {
    let drop = dropped(b"a,b\n1,2\n", Packing::Plain, JobCounts::default(), None);
    let all = conversion(1, u64::MAX, NO_LIMITS);
    let emit = |_| panic!("as the test wants it");
    let error = convert(&all, drop, &mut Came::default(), emit, |_| {}).unwrap_err();
    assert!(error.to_string().contains("died"), "{error}");
}

#[test]
fn rows_before_a_record_are_cut_exactly() {
    use crate::pipeline::bulk::convert::judge::RejectedRow;
    let row = |record, csv_to, text_to| RejectedRow {
        record,
        code: RejectCode::WrongType,
        csv_to,
        text_to,
    };
    let verdict = Verdict {
        rejects: vec![row(5, 2, 0), row(7, 2, 3), row(8, 6, 3)],
        csv: b"aabbbb".to_vec(),
        text: b"ccc".to_vec(),
        ..Verdict::default()
    };
    for (to, rejects, csv, text) in [(5, 0, 0, 0), (6, 1, 2, 0), (8, 2, 2, 3), (9, 3, 6, 3)] {
        let before = verdict.before(to);
        assert_eq!(
            (before.0.len(), before.1.len(), before.2.len()),
            (rejects, csv, text)
        );
    }
}
