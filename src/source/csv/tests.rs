mod encodings;
mod heads;
mod oracle;
mod packing;
#[path = "../../../tests/fuzz/reference/csv.rs"]
#[allow(
    unreachable_pub,
    missing_docs,
    reason = "it is shared with the fuzz targets"
)]
mod reference;
mod rows;
mod spectrum;

use bytes::Bytes;

use reference::{Item, Verdict};

use super::slice::{Position, Slice, unescape};
use super::*;
use crate::config::dialect::{Dialect, DialectKeys};
use crate::model::reject::RejectCode;

/// Sizes so small that everything lies across their borders.
const SMALL: Sizes = Sizes {
    fill: 1,
    slice_bytes: 1,
    slice_records: 1,
};

fn dialect(change: impl FnOnce(&mut DialectKeys)) -> Dialect {
    let mut keys = DialectKeys::default();
    change(&mut keys);
    Dialect::new(&keys).unwrap()
}

/// `bytes` in pieces of `piece`.
fn pieces(bytes: &[u8], piece: usize) -> Box<dyn chunks::Chunks> {
    let pieces: Vec<_> = bytes
        .chunks(piece.max(1))
        .map(|p| Ok(Bytes::copy_from_slice(p)))
        .collect();
    Box::new(pieces.into_iter())
}

fn items_of(slice: &Slice, dialect: &Dialect, items: &mut Vec<Item>) {
    let mut raws = slice.raws();
    let mut faults = slice.faults().iter();
    for (index, record) in slice.records().iter().enumerate() {
        let verdict = if record.is_fault() {
            let fault = faults.next().unwrap();
            assert_eq!(fault.index as usize, index);
            let length = fault.cut.as_ref().map(|c| c.length as usize);
            Verdict::Fault(fault.code.as_str(), length)
        } else {
            let cells = slice.cells(index).iter();
            let cells = cells.map(|cell| {
                let text = &slice.text()[cell.range()];
                let mut plain = Vec::new();
                if cell.escaped {
                    unescape(dialect, text, &mut plain);
                } else {
                    plain.extend_from_slice(text);
                }
                (plain, cell.quoted)
            });
            Verdict::Cells(cells.collect())
        };
        items.push(Item {
            number: slice.begin().record + index as u64,
            line: record.line,
            raw: raws.of(index).to_vec(),
            verdict,
        });
    }
    assert!(faults.next().is_none());
}

/// All that is left of `file`, and the slices' ends with the number of items before them.
fn rest(file: &mut CsvFile, dialect: &Dialect) -> (Vec<Item>, Vec<(usize, Position)>) {
    let mut items = Vec::new();
    let mut ends = Vec::new();
    while let Some(slice) = file.next_slice().unwrap() {
        items_of(&slice, dialect, &mut items);
        ends.push((items.len(), slice.end()));
    }
    (items, ends)
}

/// Everything in a file, the header first; `None` without one.
fn read_all(
    bytes: &[u8],
    dialect: &Dialect,
    sizes: Sizes,
    piece: usize,
) -> Option<(Vec<String>, Vec<Item>)> {
    let opened = CsvFile::open(pieces(bytes, piece), Packing::Plain, dialect, sizes);
    let mut file = opened.unwrap()?;
    let columns = file.head().columns.clone();
    Some((columns, rest(&mut file, dialect).0))
}

/// Why a file is refused.
fn refused(bytes: &[u8], dialect: &Dialect) -> String {
    match CsvFile::open(pieces(bytes, 3), Packing::Plain, dialect, SMALL) {
        Err(Trouble::File(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

/// Rows as people write them down: cells between bars, quoted ones in quotes; faults as codes.
fn shown(bytes: &[u8], dialect: &Dialect) -> Vec<String> {
    let (_, items) = read_all(bytes, dialect, Sizes::default(), 1 << 20).unwrap();
    let small = read_all(bytes, dialect, SMALL, 1).unwrap().1;
    assert_eq!(items, small);
    items
        .iter()
        .map(|item| match &item.verdict {
            Verdict::Cells(cells) => {
                let cells = cells.iter().map(|(text, quoted)| {
                    let text = String::from_utf8_lossy(text);
                    match quoted {
                        true => format!("{text:?}"),
                        false => text.into_owned(),
                    }
                });
                cells.collect::<Vec<_>>().join("|")
            }
            Verdict::Fault(code, _) => {
                format!(
                    "{code}:{}:{}",
                    item.line,
                    String::from_utf8_lossy(&item.raw)
                )
            }
        })
        .collect()
}
