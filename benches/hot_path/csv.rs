//! The events as one CSV file, weir's reader of it, and one that is written by hand for just these
//! columns: the floor.
//!
//! The floor splits by `memchr` and parses each cell with the standard library into a plain struct,
//! as the floor of JSON does. It keeps the time stamp as text and knows no reject.

use std::hint::black_box;

use bytes::Bytes;
use weir::config::UnknownFields;
use weir::config::dialect::{Dialect, DialectKeys};
use weir::pipeline::decode::csv::CsvDecoder;
use weir::pipeline::decode::csv::header::Layout;
use weir::schema::Schema;
use weir::source::csv::{CsvFile, Packing, Sizes};

use crate::event::{Event, Events};

const HEADER: &str = "id,number,category,amount,country,created_at,active,note\n";

/// Bytes of the pieces that the file comes in.
const PIECE: usize = 1 << 18;

/// The same events; each eighth note stands in quotes.
pub fn file(events: &Events) -> Bytes {
    let mut text = HEADER.to_owned();
    for (n, message) in events.iter().enumerate() {
        let event: Event<'_> = serde_json::from_slice(message).expect("the events are well made");
        let quote = if n % 8 == 0 { "\"" } else { "" };
        text.push_str(&format!(
            "{},{},{},{},{},{},{},{quote}{}{quote}\n",
            event.id,
            event.number,
            event.category,
            event.amount,
            event.country,
            event.created_at,
            event.active,
            event.note
        ));
    }
    text.into()
}

/// The usual dialect.
pub fn dialect() -> Dialect {
    Dialect::new(&DialectKeys::default()).expect("the usual dialect is one")
}

/// The file, ready to be read.
pub fn open(file: &Bytes, dialect: &Dialect) -> CsvFile {
    let file = file.clone();
    let pieces = (0..file.len()).step_by(PIECE);
    let pieces = pieces.map(move |from| Ok(file.slice(from..file.len().min(from + PIECE))));
    let opened = CsvFile::open(Box::new(pieces), Packing::Plain, dialect, Sizes::default());
    opened
        .expect("the file is well made")
        .expect("it is not empty")
}

/// A decoder of the file's records.
pub fn decoder(schema: &Schema, dialect: &Dialect, file: &CsvFile) -> CsvDecoder {
    let unknown = UnknownFields::Reject;
    let layout = Layout::new(schema, file.head(), unknown).expect("the header fits");
    CsvDecoder::new(schema, dialect, layout, unknown)
}

/// Reads the file by hand; returns its records.
pub fn by_hand(file: &[u8]) -> usize {
    let text = simdutf8::basic::from_utf8(file).expect("it is UTF-8");
    let mut rest = &text[HEADER.len()..];
    let mut records = 0;
    while let Some(end) = memchr::memchr(b'\n', rest.as_bytes()) {
        let mut line = &rest[..end];
        rest = &rest[end + 1..];
        let mut cell = || {
            let (cell, behind) = match line.strip_prefix('"') {
                Some(quoted) => {
                    let close = memchr::memchr(b'"', quoted.as_bytes()).expect("it closes");
                    (&quoted[..close], quoted[close + 1..].get(1..))
                }
                None => match memchr::memchr(b',', line.as_bytes()) {
                    Some(comma) => (&line[..comma], line.get(comma + 1..)),
                    None => (line, None),
                },
            };
            line = behind.unwrap_or_default();
            cell
        };
        black_box(Event {
            id: cell(),
            number: cell().parse().expect("a number"),
            category: cell(),
            amount: cell().parse().expect("a number"),
            country: cell(),
            created_at: cell(),
            active: cell() == "true",
            note: cell(),
        });
        records += 1;
    }
    records
}
