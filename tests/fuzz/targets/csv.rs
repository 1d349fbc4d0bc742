//! The CSV reader: a dialect and sizes by the first bytes, then a text.
//!
//! Of the flags 1 takes the rest as the file itself; else the rest are the choices by which a text is
//! drawn, and 2 keeps LF in it where the dialect has another line end. Cells, rejects, lines and
//! numbers have to be those of the plain reader, whole and in pieces, and from the end of each slice
//! on. In encodings beside UTF-8 the bytes of each record as sent have to mean its text.

use bytes::Bytes;
use encoding_rs::{DecoderResult, Encoding, UTF_8};
use weir::config::dialect::{Dialect, DialectKeys};
use weir::source::csv::slice::{Position, Slice, unescape};
use weir::source::csv::{CsvFile, Head, Packing, Sizes, Trouble};

use super::{Outcome, head};
use crate::choices::{Choices, edit};
use crate::reference::csv::{Item, Read, Rules, Verdict, read};

const MOST_TEXT: usize = 4096;

const ENCODINGS: [&str; 9] = [
    "utf-8",
    "utf-16le",
    "utf-16be",
    "windows-1252",
    "shift_jis",
    "iso-8859-15",
    "euc-jp",
    "big5",
    "euc-kr",
];

const TOKENS: [&str; 32] = [
    "a",
    "\"",
    "\"",
    ",",
    ",",
    "\n",
    "\n",
    "\r\n",
    "\r",
    "bc",
    "\"\"",
    "\",\"",
    "a\",\"\n",
    "\\",
    "\\\"",
    ";",
    "||",
    "|",
    "~",
    "~\n",
    "#",
    "//",
    " ",
    "\t",
    "'",
    "é",
    "表",
    "\0",
    "\u{FEFF}",
    "weir_line,weir_field,weir_code,weir_message",
    "0123456789",
    "\n\n",
];

pub fn run(input: &[u8]) -> Outcome {
    let ([flags, encoding, fill, slice, records, piece], rest) = head(input);
    let (marks, rest) = head::<12>(rest);
    let mut choices = Choices::of(&marks);
    let keys = keys(&mut choices, encoding);
    let Ok(dialect) = Dialect::new(&keys) else {
        return Outcome::Idle;
    };
    let encoding = encoding_of(&keys);
    let end = match keys.line_end.as_str() {
        "crlf" => "\r\n",
        "cr" => "\r",
        "~" | "~\n" | "aa" => keys.line_end.as_str(),
        _ => "\n",
    };
    let end = if flags & 2 == 0 { end } else { "\n" };
    let mut file = match flags & 1 {
        0 => drawn(rest, encoding, end),
        _ => rest.to_vec(),
    };
    file.truncate(MOST_TEXT);
    let sizes = Sizes {
        fill: 1 + usize::from(fill),
        slice_bytes: 1 + usize::from(slice),
        slice_records: 1 + usize::from(records) % 16,
    };
    let whole = answer(&file, &dialect, encoding, Sizes::default(), usize::MAX);
    let parts = answer(&file, &dialect, encoding, sizes, 1 + usize::from(piece));
    let told = || format!("{keys:?}\n{sizes:?}\n{:?}", String::from_utf8_lossy(&file));
    let (bare, parts) = (whole.map(|a| a.read), parts);
    let parts_read = parts.as_ref().map(|a| a.read.clone());
    assert_eq!(bare, parts_read, "whole and in pieces\n{}", told());
    let Some(parts) = parts else {
        return Outcome::Idle;
    };
    let text = text_of(&file, encoding);
    let mut plain = read(&text, &rules(&keys, &dialect));
    if let (Read::File(_, items), false) = (&mut plain, encoding == UTF_8) {
        // weir's is that of the bytes as sent
        for item in items {
            if let Verdict::Fault(_, length) = &mut item.verdict {
                *length = None;
            }
        }
    }
    assert_eq!(parts.read, plain, "weir and the plain reader\n{}", told());
    let Read::File(_, items) = &parts.read else {
        return Outcome::Rejected;
    };
    for (before, position) in parts.ends {
        let from = usize::try_from(position.byte).unwrap();
        let chunks = pieces(&file[from..], 7);
        let head = parts.head.clone().unwrap();
        let resumed = CsvFile::resume(chunks, Packing::Plain, &dialect, sizes, head, position);
        let (rest, _) = rest_of(&mut resumed.unwrap(), &dialect, encoding);
        assert_eq!(rest, items[before..], "from {position:?}\n{}", told());
    }
    let is_row = |item: &Item| matches!(item.verdict, Verdict::Cells(_));
    match items.iter().all(is_row) {
        true => Outcome::Accepted,
        false => Outcome::Rejected,
    }
}

fn keys(choices: &mut Choices<'_>, encoding: u8) -> DialectKeys {
    let quote = choices.pick(&["\"", "\"", "'", ""]);
    let escape = choices.pick(&["", "", "\\"]);
    let columns = choices.below(3);
    DialectKeys {
        delimiter: choices.pick(&[",", ",", ";", "||", "é"]).to_owned(),
        quote: quote.to_owned(),
        escape: if quote.is_empty() { "" } else { escape }.to_owned(),
        quotes: choices.pick(&["strict", "lenient"]).to_owned(),
        line_end: choices
            .pick(&["auto", "auto", "lf", "crlf", "cr", "~\n", "~", "aa"])
            .to_owned(),
        encoding: ENCODINGS[usize::from(encoding) % ENCODINGS.len()].to_owned(),
        comment: choices.pick(&["", "", "#", "//", "bc"]).to_owned(),
        trim: choices.chance(64),
        skip_lines: choices.below(3) as u64,
        max_record_bytes: [1 << 20, 1, 3, 8, 20, 200][choices.below(6)],
        header: columns == 0,
        columns: ["a", "b"][..columns]
            .iter()
            .map(|c| (*c).to_owned())
            .collect(),
        ..DialectKeys::default()
    }
}

fn encoding_of(keys: &DialectKeys) -> &'static Encoding {
    Encoding::for_label(keys.encoding.as_bytes()).unwrap()
}

fn rules(keys: &DialectKeys, dialect: &Dialect) -> Rules {
    let one = |text: &str| text.bytes().next();
    Rules {
        delimiter: keys.delimiter.clone().into_bytes(),
        quote: one(&keys.quote),
        escape: one(&keys.escape),
        is_lenient: keys.quotes == "lenient",
        line_end: keys.line_end.clone(),
        comment: keys.comment.clone().into_bytes(),
        blanks: dialect.blanks().to_vec(),
        skip_lines: keys.skip_lines as usize,
        columns: (!keys.header).then(|| keys.columns.clone()),
        max: keys.max_record_bytes as usize,
    }
}

/// A text by choices, as a file in `encoding`, changed here and there.
fn drawn(choices: &[u8], encoding: &'static Encoding, end: &str) -> Vec<u8> {
    let mut choices = Choices::of(choices);
    let mut text = String::new();
    let is_changed = choices.chance(64);
    while !choices.is_spent() && text.len() < MOST_TEXT && !(is_changed && choices.chance(4)) {
        text.push_str(TOKENS[choices.below(TOKENS.len())]);
    }
    let mut file = encoded(&text.replace('\n', end), encoding);
    if is_changed {
        edit(&mut file, &mut choices);
    }
    file
}

fn encoded(text: &str, encoding: &'static Encoding) -> Vec<u8> {
    let units = text.encode_utf16();
    match encoding.name() {
        "UTF-16LE" => units.flat_map(u16::to_le_bytes).collect(),
        "UTF-16BE" => units.flat_map(u16::to_be_bytes).collect(),
        _ => encoding.encode(text).0.into_owned(),
    }
}

/// The text of a whole file; a malformed sequence is the byte FF.
fn text_of(file: &[u8], encoding: &'static Encoding) -> Vec<u8> {
    let mark = match Encoding::for_bom(file) {
        Some((marked, length)) if marked == encoding => length,
        _ => 0,
    };
    if encoding == UTF_8 {
        return file[mark..].to_vec();
    }
    decoded(&file[mark..], encoding)
}

fn decoded(bytes: &[u8], encoding: &'static Encoding) -> Vec<u8> {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut text = vec![0; bytes.len() * 4 + 64];
    let (mut at, mut made) = (0, 0);
    loop {
        let (result, read, written) =
            decoder.decode_to_utf8_without_replacement(&bytes[at..], &mut text[made..], true);
        at += read;
        made += written;
        match result {
            DecoderResult::InputEmpty => break,
            DecoderResult::OutputFull => panic!("the room is enough"),
            DecoderResult::Malformed(..) => {
                text[made] = 0xFF;
                made += 1;
            }
        }
    }
    text.truncate(made);
    text
}

/// What weir says of a file.
struct Answer {
    read: Read,
    head: Option<Head>,
    /// The slices' ends, with the number of items before each.
    ends: Vec<(usize, Position)>,
}

fn pieces(bytes: &[u8], piece: usize) -> Box<dyn weir::source::csv::chunks::Chunks> {
    let pieces = bytes.chunks(piece).map(|p| Ok(Bytes::copy_from_slice(p)));
    let pieces: Vec<_> = pieces.collect();
    Box::new(pieces.into_iter())
}

/// `None` where the file is refused for its first bytes.
fn answer(
    bytes: &[u8],
    dialect: &Dialect,
    encoding: &'static Encoding,
    sizes: Sizes,
    piece: usize,
) -> Option<Answer> {
    let opened = CsvFile::open(pieces(bytes, piece), Packing::Plain, dialect, sizes);
    let bare = |read| Answer {
        read,
        head: None,
        ends: Vec::new(),
    };
    match opened {
        Err(Trouble::Source(error)) => panic!("{error}"),
        Err(Trouble::File(reason)) if reason.starts_with("the header") => {
            Some(bare(Read::NoHeader))
        }
        Err(Trouble::File(_)) => None,
        Ok(None) => Some(bare(Read::Empty)),
        Ok(Some(mut file)) => {
            let (items, ends) = rest_of(&mut file, dialect, encoding);
            let head = file.head().clone();
            Some(Answer {
                read: Read::File(head.columns.clone(), items),
                head: Some(head),
                ends,
            })
        }
    }
}

fn rest_of(
    file: &mut CsvFile,
    dialect: &Dialect,
    encoding: &'static Encoding,
) -> (Vec<Item>, Vec<(usize, Position)>) {
    let mut items = Vec::new();
    let mut ends = Vec::new();
    while let Some(slice) = file.next_slice().unwrap() {
        items_of(&slice, dialect, encoding, &mut items);
        ends.push((items.len(), slice.end()));
    }
    (items, ends)
}

fn items_of(slice: &Slice, dialect: &Dialect, encoding: &'static Encoding, items: &mut Vec<Item>) {
    let mut raws = slice.raws();
    let mut faults = slice.faults().iter();
    for (index, record) in slice.records().iter().enumerate() {
        let text = &slice.text()[record.range()];
        let raw = raws.of(index);
        let cut;
        let verdict = if record.is_fault() {
            let fault = faults.next().unwrap();
            assert_eq!(fault.index as usize, index);
            cut = fault.cut.as_ref().map(|cut| cut.length as usize);
            Verdict::Fault(fault.code.as_str(), cut.filter(|_| encoding == UTF_8))
        } else {
            cut = None;
            let cells = slice.cells(index).iter().map(|cell| {
                let mut plain = Vec::new();
                let text = &slice.text()[cell.range()];
                match cell.escaped {
                    true => unescape(dialect, text, &mut plain),
                    false => plain.extend_from_slice(text),
                }
                (plain, cell.quoted)
            });
            Verdict::Cells(cells.collect())
        };
        if encoding == UTF_8 {
            assert_eq!(raw, text);
        } else if cut.is_none() {
            // what is malformed may be told in another way before a line's end than at the file's
            let mut line = decoded(&[raw, &encoded("\n", encoding)].concat(), encoding);
            line.pop();
            let is_meant = line == text || decoded(raw, encoding) == text;
            assert!(is_meant, "{raw:?} in {}: {text:?}", encoding.name());
        }
        items.push(Item {
            number: slice.begin().record + index as u64,
            line: record.line,
            raw: text.to_vec(),
            verdict,
        });
    }
    assert!(faults.next().is_none());
}
