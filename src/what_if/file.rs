//! Records of a CSV file, as `weir load` would read it.
//!
//! Owns: judging each record by both versions. Does not own: CSV (`source::csv`, `decode::csv`).

use std::path::Path;
use std::sync::Arc;

use crate::config::dialect::{Dialect, DialectKeys};
use crate::config::{Bulk, Stream};
use crate::error::{Error, Kind, Result};
use crate::pipeline::decode::columns::Columns;
use crate::pipeline::decode::csv::CsvDecoder;
use crate::pipeline::decode::csv::header::Layout;
use crate::pipeline::decode::{ElementReject, Judged};
use crate::source::csv::chunks::FileChunks;
use crate::source::csv::slice::Slice;
use crate::source::csv::{CsvFile, Head, Packing, Sizes, Trouble};
use crate::what_if::tally::{Place, Tally};
use crate::what_if::{Records, Source};

/// Judges the records of a file. `each` is told how many bytes they took, and `stop` is asked whether to end
/// early. Blocks.
///
/// # Errors
/// The file cannot be read, or its header fails the job by a version.
pub fn from_file(
    path: &Path,
    in_force: &Stream,
    new: &Stream,
    mut each: impl FnMut(u64),
    stop: impl Fn() -> bool,
) -> Result<Records> {
    let dialect = dialect(in_force.bulk.as_ref())?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let chunks = Box::new(FileChunks::open(path)?);
    let opened = CsvFile::open(chunks, Packing::of(&name), &dialect, Sizes::default());
    let mut tally = Tally::default();
    let mut stopped = false;
    if let Some(mut file) = opened.map_err(|trouble| told(path, trouble))? {
        let mut judges = [
            Judge::new(in_force, &dialect, file.head())?,
            Judge::new(new, &dialect, file.head())?,
        ];
        let source = path.display().to_string();
        while let Some(slice) = file.next_slice().map_err(|trouble| told(path, trouble))? {
            if stop() {
                stopped = true;
                break;
            }
            judge(&slice, &source, &mut judges, &mut tally);
            each(slice.end().byte - slice.begin().byte);
        }
    }
    Ok(Records {
        source: Source::File,
        complete: !stopped,
        partitions: Vec::new(),
        verdicts: tally.finish(),
        is_stalled: false,
    })
}

/// How the stream's files are written.
fn dialect(bulk: Option<&Bulk>) -> Result<Arc<Dialect>> {
    match bulk {
        Some(bulk) => Ok(bulk.dialect.clone()),
        None => Dialect::new(&DialectKeys::default())
            .map(Arc::new)
            .map_err(|_| Error::internal("the default dialect is refused")),
    }
}

fn told(path: &Path, trouble: Trouble) -> Error {
    match trouble {
        Trouble::Source(error) => error,
        Trouble::File(reason) => Error::new(Kind::Found, format!("{}: {reason}", path.display())),
    }
}

/// A judge by one version.
struct Judge {
    decoder: CsvDecoder,
    columns: Columns,
    judged: Judged,
    /// The verdict on one record.
    one: Judged,
}

impl Judge {
    fn new(stream: &Stream, dialect: &Dialect, head: &Head) -> Result<Self> {
        let (schema, unknown) = (&stream.schema, stream.unknown_fields);
        let layout = Layout::new(schema, head, unknown).map_err(|problems| {
            let message = format!(
                "by {}/{} the file fails as a whole, since its header does not fit: {problems}",
                schema.subject, schema.version
            );
            Error::new(Kind::Found, message)
        })?;
        Ok(Self {
            decoder: CsvDecoder::new(schema, dialect, layout, unknown),
            columns: Columns::new(schema),
            judged: Judged::default(),
            one: Judged::default(),
        })
    }

    fn decode(&mut self, slice: &Slice) {
        self.decoder
            .decode(slice, &mut self.columns, &mut self.judged);
        self.columns.roll_back(0);
    }

    /// The verdict on the record at `index`; `next` is the place of the next reject.
    fn of(&mut self, index: u32, next: &mut usize) -> &Judged {
        self.one.clear();
        match self.judged.rejects.get(*next) {
            Some(reject) if reject.index == index => {
                *next += 1;
                self.one.rejects.push(ElementReject {
                    index: 0,
                    raw: reject.raw.clone(),
                    fault: reject.fault.clone(),
                });
            }
            _ => self.one.accepted.push(0),
        }
        &self.one
    }
}

fn judge(slice: &Slice, source: &str, judges: &mut [Judge; 2], tally: &mut Tally) {
    let [in_force, new] = judges;
    in_force.decode(slice);
    new.decode(slice);
    let base = slice.begin().record;
    let (mut at, mut new_at) = (0, 0);
    for (index, number) in (0_u32..).zip(base..slice.end().record) {
        let place = Place {
            source,
            partition: 0,
            offset: i64::try_from(number).unwrap_or(i64::MAX),
            index: 0,
        };
        tally.add(
            in_force.of(index, &mut at),
            new.of(index, &mut new_at),
            place,
        );
    }
}
