//! Encodings: the same rows as in UTF-8, and the bytes as sent.

use encoding_rs::{EUC_KR, Encoding, SHIFT_JIS, WINDOWS_1252};
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// `text` in an encoding of this name.
fn encode(name: &str, text: &str) -> Vec<u8> {
    let units = text.encode_utf16();
    match name {
        "utf-16le" => units.flat_map(u16::to_le_bytes).collect(),
        "utf-16be" => units.flat_map(u16::to_be_bytes).collect(),
        name => {
            let encoding = Encoding::for_label(name.as_bytes()).unwrap();
            let (bytes, _, failed) = encoding.encode(text);
            assert!(!failed, "{text:?} in {name}");
            bytes.into_owned()
        }
    }
}

fn items(bytes: &[u8], encoding: &str, sizes: Sizes, piece: usize) -> Vec<Item> {
    let dialect = dialect(|keys| {
        keys.encoding = encoding.to_owned();
        keys.max_record_bytes = 20;
        keys.delimiter = "|".to_owned();
    });
    let opened = CsvFile::open(pieces(bytes, piece), Packing::Plain, &dialect, sizes);
    let mut file = opened.unwrap().unwrap();
    let head = file.head().clone();
    let (items, ends) = rest(&mut file, &dialect);
    for (before, position) in ends {
        let from = usize::try_from(position.byte).unwrap();
        let chunks = pieces(&bytes[from..], piece);
        let resumed = CsvFile::resume(
            chunks,
            Packing::Plain,
            &dialect,
            sizes,
            head.clone(),
            position,
        );
        assert_eq!(rest(&mut resumed.unwrap(), &dialect).0, items[before..]);
    }
    items
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn rows_and_bytes(
        // 表 and ソ end with the bytes of \ and |-like characters in Shift_JIS
        tokens in prop::collection::vec(
            select(vec!["\"", "|", "\n", "\r\n", "a", "表", "ソ", "bc", "一二三四五六七八"]), 0..40),
        name in select(vec!["utf-16le", "utf-16be", "shift_jis", "euc-kr", "euc-jp", "big5"]),
        fill in 1..30_usize,
        piece in 1..9_usize,
    ) {
        let text = format!("x|y\n{}", tokens.concat());
        let sizes = Sizes { fill, slice_bytes: 16, slice_records: 3 };
        let plain = items(text.as_bytes(), "utf-8", Sizes::default(), usize::MAX);
        let there = items(&encode(name, &text), name, sizes, piece);
        prop_assert_eq!(plain.len(), there.len());
        for (plain, there) in plain.iter().zip(&there) {
            prop_assert_eq!(plain.line, there.line);
            match (&plain.verdict, &there.verdict) {
                (Verdict::Fault(code, Some(_)), Verdict::Fault(other, Some(_))) => {
                    prop_assert_eq!(code, other);
                }
                (plain, there) => prop_assert_eq!(plain, there),
            }
            let raw = encode(name, std::str::from_utf8(&plain.raw).unwrap());
            prop_assert_eq!(&raw, &there.raw);
        }
    }
}

#[test]
fn one_byte_encodings_and_marks() {
    let latin = b"x|y\n\xE9|\x80\n";
    for name in ["latin-1", "latin1", "windows-1252", "ISO-8859-1"] {
        let items = items(latin, name, SMALL, 1);
        assert_eq!(items[0].raw, b"\xE9|\x80");
        let cells = vec![("é".into(), false), ("€".into(), false)];
        assert_eq!(items[0].verdict, Verdict::Cells(cells));
    }
    for (mark, name) in [(b"\xFF\xFE", "utf-16le"), (b"\xFE\xFF", "utf-16be")] {
        let mut bytes = mark.to_vec();
        bytes.extend_from_slice(&encode(name, "x|y\né|😀\n"));
        for declared in ["utf-16", name] {
            let items = items(&bytes, declared, SMALL, 1);
            let cells = vec![("é".into(), false), ("😀".into(), false)];
            assert_eq!(items[0].verdict, Verdict::Cells(cells));
            assert_eq!(items[0].raw, encode(name, "é|😀"));
        }
    }
}

/// A sequence that is none stands in the text as the byte FF; the bytes around it are as sent.
#[test]
fn malformed_sequences() {
    let mut wide = encode("utf-16le", "x|y\n1|");
    wide.extend_from_slice(&[0x00, 0xD8]);
    wide.extend_from_slice(&encode("utf-16le", "\n2|3\r\n4|"));
    wide.extend_from_slice(&[0x00, 0xDC, 0x0A, 0x00, 0x31]);
    let read = items(&wide, "utf-16le", SMALL, 1);
    let cell = |text: &[u8]| (text.to_vec(), false);
    let cells = |cells: &[&[u8]]| Verdict::Cells(cells.iter().map(|c| cell(c)).collect());
    assert_eq!(read[0].verdict, cells(&[b"1", b"\xFF"]));
    assert_eq!(read[0].raw, [0x31, 0, 0x7C, 0, 0, 0xD8]);
    assert_eq!(read[1].verdict, cells(&[b"2", b"3"]));
    assert_eq!(read[1].raw, encode("utf-16le", "2|3"));
    assert_eq!(read[2].verdict, cells(&[b"4", b"\xFF"]));
    assert_eq!(read[3].verdict, cells(&[b"\xFF"]));
    assert_eq!(read[3].raw, [0x31]);
    for (encoding, lead) in [(SHIFT_JIS, 0x81), (EUC_KR, 0x81)] {
        let bytes = [b"x|y\n1|".as_slice(), &[lead], b"\n2|3\n"].concat();
        let read = items(&bytes, encoding.name(), SMALL, 1);
        assert_eq!(
            read[0].verdict,
            cells(&[b"1", b"\xFF"]),
            "{}",
            encoding.name()
        );
        assert_eq!(read[0].raw, [b'1', b'|', lead]);
        assert_eq!(read[1].raw, b"2|3");
    }
    assert_eq!(WINDOWS_1252.name(), "windows-1252");
}
