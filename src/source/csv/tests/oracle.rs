//! Drawn texts, in every dialect: the same as the plain reader says, whatever the buffers' sizes.

use proptest::prelude::*;
use proptest::sample::select;

use super::reference::{Read, Rules};
use super::*;
use crate::config::dialect::LineEnd;

fn rules(dialect: &Dialect) -> Rules {
    Rules {
        delimiter: dialect.delimiter.clone().into_bytes(),
        quote: dialect.quote,
        escape: dialect.escape,
        is_lenient: dialect.lenient,
        line_end: match &dialect.line_end {
            LineEnd::Auto => "auto".to_owned(),
            LineEnd::Lf => "lf".to_owned(),
            LineEnd::Crlf => "crlf".to_owned(),
            LineEnd::Cr => "cr".to_owned(),
            LineEnd::Text(text) => text.clone(),
        },
        comment: dialect.comment.clone().unwrap_or_default().into_bytes(),
        blanks: dialect.blanks().to_vec(),
        skip_lines: usize::try_from(dialect.skip_lines).unwrap(),
        columns: dialect.columns.clone(),
        max: dialect.max_record_bytes,
    }
}

/// What texts are made of.
fn token() -> impl Strategy<Value = &'static [u8]> {
    let often: Vec<&[u8]> = vec![b"\"", b"\"", b",", b"\n", b"\r\n", b"a", b"bc"];
    let rare: Vec<&[u8]> = vec![
        b"\r",
        b"\"\"",
        b"\",\"",
        b"a\",\"\n",
        b"\\",
        b"\\\"",
        b";",
        b"||",
        b"|",
        b"~",
        b"~\n",
        b"#",
        b"//",
        b" ",
        b"\t",
        b"'",
        "é".as_bytes(),
        b"\0",
        b"\xFF",
        b"\x80\x80\x80\x80",
        b"weir_line,weir_field,weir_code,weir_message",
        b"\xEF\xBB\xBF",
    ];
    prop_oneof![3 => select(often), 2 => select(rare)]
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(token(), 0..40).prop_map(|tokens| tokens.concat())
}

fn keys() -> impl Strategy<Value = DialectKeys> {
    let marks = (
        select(vec![",", ",", ";", "||", "é"]),
        select(vec!["\"", "\"", "'", ""]),
        select(vec!["", "", "\\"]),
        select(vec!["strict", "lenient"]),
        select(vec!["auto", "auto", "lf", "crlf", "cr", "~\n", "~", "aa"]),
    );
    let rest = (
        select(vec!["", "", "#", "//", "bc"]),
        any::<bool>(),
        0..3_u64,
        select(vec![1, 3, 8, 20, 1 << 20]),
        select(vec![0, 1, 2]),
    );
    (marks, rest).prop_map(|(marks, rest)| DialectKeys {
        delimiter: marks.0.to_owned(),
        quote: marks.1.to_owned(),
        escape: if marks.1.is_empty() { "" } else { marks.2 }.to_owned(),
        quotes: marks.3.to_owned(),
        line_end: marks.4.to_owned(),
        comment: rest.0.to_owned(),
        trim: rest.1,
        skip_lines: rest.2,
        max_record_bytes: rest.3,
        header: rest.4 == 0,
        columns: ["a", "b"][..rest.4]
            .iter()
            .map(|c| (*c).to_owned())
            .collect(),
        ..DialectKeys::default()
    })
}

/// Each LF as the line end of the dialect.
fn with_ends(text: &[u8], dialect: &Dialect) -> Vec<u8> {
    let end: &[u8] = match &dialect.line_end {
        LineEnd::Auto | LineEnd::Lf => b"\n",
        LineEnd::Crlf => b"\r\n",
        LineEnd::Cr => b"\r",
        LineEnd::Text(text) => text.as_bytes(),
    };
    text.split(|b| *b == b'\n').collect::<Vec<_>>().join(end)
}

fn sizes() -> impl Strategy<Value = Sizes> {
    (1..20_usize, 1..40_usize, 1..5_usize).prop_map(|(fill, slice_bytes, slice_records)| Sizes {
        fill,
        slice_bytes,
        slice_records,
    })
}

/// What a file is refused for, or its header and items and the places between slices.
type Answer = Result<Option<(Head, Vec<Item>, Vec<(usize, Position)>)>, String>;

fn answer(bytes: &[u8], dialect: &Dialect, sizes: Sizes, piece: usize) -> Answer {
    let opened = CsvFile::open(pieces(bytes, piece), Packing::Plain, dialect, sizes);
    match opened {
        Err(Trouble::File(reason)) => Err(reason),
        Err(Trouble::Source(error)) => panic!("{error}"),
        Ok(None) => Ok(None),
        Ok(Some(mut file)) => {
            let (items, ends) = rest(&mut file, dialect);
            Ok(Some((file.head().clone(), items, ends)))
        }
    }
}

fn check(bytes: &[u8], dialect: &Dialect, sizes: Sizes, piece: usize) -> Result<(), TestCaseError> {
    let whole = answer(bytes, dialect, Sizes::default(), usize::MAX);
    let parts = answer(bytes, dialect, sizes, piece);
    let plain = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    match (whole, parts) {
        (Ok(Some((head, items, _))), Ok(Some((parts_head, parts, ends)))) => {
            prop_assert_eq!(&head, &parts_head);
            prop_assert_eq!(&items, &parts);
            let read = reference::read(plain, &rules(dialect));
            prop_assert_eq!(Read::File(head.columns.clone(), items.clone()), read);
            for (before, position) in ends {
                let byte = usize::try_from(position.byte).unwrap();
                let mut file = CsvFile::resume(
                    pieces(&bytes[byte..], piece),
                    Packing::Plain,
                    dialect,
                    sizes,
                    head.clone(),
                    position,
                )
                .unwrap();
                prop_assert_eq!(&rest(&mut file, dialect).0, &items[before..]);
            }
        }
        (Ok(None), Ok(None)) => {
            prop_assert_eq!(reference::read(plain, &rules(dialect)), Read::Empty)
        }
        (Err(whole), Err(parts)) => {
            prop_assert_eq!(whole, parts);
            prop_assert_eq!(reference::read(plain, &rules(dialect)), Read::NoHeader);
        }
        (whole, parts) => prop_assert!(false, "{:?} and {:?}", whole, parts),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6000, max_global_rejects: 100_000, ..ProptestConfig::default() })]

    #[test]
    fn drawn_texts(
        text in text(), keys in keys(), own_ends in any::<bool>(), sizes in sizes(),
        piece in 1..20_usize,
    ) {
        let dialect = Dialect::new(&keys);
        prop_assume!(dialect.is_ok());
        let dialect = dialect.unwrap();
        let text = if own_ends { with_ends(&text, &dialect) } else { text };
        check(&text, &dialect, sizes, piece)?;
    }
}

/// Every text of up to seven of the characters that matter.
#[test]
fn all_short_texts() {
    const LETTERS: [u8; 5] = *b"\",\n\ra";
    for quotes in ["strict", "lenient"] {
        let dialect = dialect(|keys| {
            keys.quotes = quotes.to_owned();
            keys.header = false;
            keys.columns = vec!["a".to_owned(), "b".to_owned()];
            keys.max_record_bytes = 4;
        });
        for length in 0..=7 {
            for number in 0..LETTERS.len().pow(length) {
                let letter = |place| LETTERS[number / LETTERS.len().pow(place) % LETTERS.len()];
                let text: Vec<u8> = (0..length).map(letter).collect();
                let (_, items) = read_all(&text, &dialect, SMALL, 1).unwrap();
                let read = reference::read(&text, &rules(&dialect));
                let columns = dialect.columns.clone().unwrap();
                let told = String::from_utf8_lossy(&text);
                assert_eq!(Read::File(columns, items), read, "{told:?}");
            }
        }
    }
}

/// Each line opens a quote that is open at the end of each of the others: looked at one by one, as
/// far as a record may reach, this would take hours.
#[test]
fn open_quotes_cost_no_more_than_other_text() {
    let dialect = dialect(|keys| {
        keys.quotes = "lenient".to_owned();
        keys.header = false;
        keys.columns = vec!["a".to_owned(), "b".to_owned()];
    });
    let text = b"a\",\"\n".repeat(400_000);
    let (_, items) = read_all(&text, &dialect, Sizes::default(), 1 << 16).unwrap();
    assert_eq!(items.len(), 400_000);
    let is_fault = |item: &Item| item.verdict == Verdict::Fault("csv_syntax", None);
    assert!(items.iter().all(is_fault));
}
