use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::config::dialect::DialectKeys;
use crate::source::csv::{CsvFile, Packing, Sizes};

/// `failed.csv` of a file of which every record is rejected.
fn failed(keys: DialectKeys, file: &[u8], escape_formulas: bool) -> Vec<u8> {
    let dialect = Arc::new(Dialect::new(&keys).unwrap());
    let chunks = Box::new(vec![Ok(Bytes::copy_from_slice(file))].into_iter());
    let opened = CsvFile::open(chunks, Packing::Plain, &dialect, Sizes::default());
    let mut file = opened.unwrap().unwrap();
    let writer = FailedWriter::new(&dialect, file.head(), escape_formulas);
    let mut out = writer.header();
    let fault = Fault {
        code: RejectCode::WrongType,
        field: Some("a".to_owned()),
        message: "a \"x\", b".to_owned(),
    };
    while let Some(slice) = file.next_slice().unwrap() {
        let mut raws = slice.raws();
        for index in 0..slice.records().len() {
            let row = FailedRow {
                line: slice.records()[index].line,
                fault: &fault,
                raw: raws.of(index),
                slice: &slice,
                index,
            };
            writer.row(row, &mut out);
        }
    }
    out
}

fn text(keys: DialectKeys, file: &str) -> String {
    String::from_utf8(failed(keys, file.as_bytes(), false)).unwrap()
}

#[test]
fn rows_stay_as_they_were_sent() {
    assert_eq!(
        text(DialectKeys::default(), "a,\"b c\"\r\n x ,\"1\n2\"\r\n"),
        "weir_line,weir_field,weir_code,weir_message,a,\"b c\"\r\n\
         2,a,wrong_type,\"a \"\"x\"\", b\", x ,\"1\n2\"\r\n"
    );
    let keys = DialectKeys {
        delimiter: ";".to_owned(),
        quote: String::new(),
        line_end: "crlf".to_owned(),
        ..DialectKeys::default()
    };
    assert_eq!(
        text(keys, "a;b\r\n\"x;2\r\n"),
        "weir_line;weir_field;weir_code;weir_message;a;b\r\n2;a;wrong_type;a \"x\", b;\"x;2\r\n"
    );
    let keys = DialectKeys {
        escape: "\\".to_owned(),
        ..DialectKeys::default()
    };
    assert_eq!(
        text(keys, "a,b\n\"x\\\"\",2\n"),
        "weir_line,weir_field,weir_code,weir_message,a,b\n2,a,wrong_type,\"a \\\"x\\\", b\",\"x\\\"\",2\n"
    );
}

#[test]
fn what_comes_back_again_has_the_four_columns_once() {
    let first = text(DialectKeys::default(), "a,b\n1,\"x, y\"\n");
    assert_eq!(
        first,
        "weir_line,weir_field,weir_code,weir_message,a,b\n2,a,wrong_type,\"a \"\"x\"\", b\",1,\"x, y\"\n"
    );
    assert_eq!(text(DialectKeys::default(), &first), first);
}

#[test]
fn other_encodings_stay_what_they_are() {
    let keys = DialectKeys {
        encoding: "latin1".to_owned(),
        ..DialectKeys::default()
    };
    let out = failed(keys, b"a,\xe9\n\xfc,2\n", false);
    let wanted =
        b"weir_line,weir_field,weir_code,weir_message,a,\xe9\n2,a,wrong_type,\"a \"\"x\"\", b\",\xfc,2\n";
    assert_eq!(out, wanted);
    let keys = DialectKeys {
        encoding: "utf-16".to_owned(),
        ..DialectKeys::default()
    };
    let utf16 = |text: &str| -> Vec<u8> {
        let units = std::iter::once(0xfeff).chain(text.encode_utf16());
        units.flat_map(u16::to_be_bytes).collect()
    };
    let out = failed(keys.clone(), &utf16("a,ü\n1,2\n"), false);
    let head = "weir_line,weir_field,weir_code,weir_message,a,ü\n";
    let wanted = format!("{head}2,a,wrong_type,\"a \"\"x\"\", b\",1,2\n");
    assert_eq!(out, utf16(&wanted));
    // And can be read again.
    assert_eq!(failed(keys, &out, false), out);
}

#[test]
fn formulas_are_marked_where_that_is_asked_for() {
    let file = b"a,b,c\n=1+1,-5,\"@x\"\n+a,'=,1\n";
    let out = failed(DialectKeys::default(), file, true);
    let out = String::from_utf8(out).unwrap();
    let rows: Vec<&str> = out.lines().skip(1).collect();
    assert!(rows[0].ends_with(",'=1+1,-5,\"'@x\""), "{out}");
    assert!(rows[1].ends_with(",'+a,'=,1"), "{out}");
}

#[test]
fn what_comes_back_again_is_as_it_was_sent() {
    let keys = DialectKeys {
        trim: true,
        ..DialectKeys::default()
    };
    // Blanks in front of the first own cell, and a row that is not of ours: it has too few cells.
    let head = "weir_line,weir_field,weir_code,weir_message,a,b\n";
    let file = format!("{head}2,a,wrong_type,\"x, y\" , 1 ,\" 2\"\n3,4\n\"5\",6,7,8\n");
    let front = |line: u32| format!("{line},a,wrong_type,\"a \"\"x\"\", b\",");
    let wanted = format!(
        "{head}{} 1 ,\" 2\"\n{}3,4\n{}\"5\",6,7,8\n",
        front(2),
        front(3),
        front(4)
    );
    assert_eq!(text(keys, &file), wanted);
}

#[test]
fn bytes_that_are_no_text_stay_beside_those_that_are() {
    let keys = DialectKeys {
        encoding: "shift_jis".to_owned(),
        ..DialectKeys::default()
    };
    // A katakana, and a byte that is none of the encoding.
    let head = b"weir_line,weir_field,weir_code,weir_message,a,b\n";
    let row = b"2,a,wrong_type,\"a \"\"x\"\", b\",\x83\x41\xff,=\x83\x41\n";
    let file = [&head[..], row].concat();
    assert_eq!(failed(keys.clone(), &file, false), file);
    let marked = b"2,a,wrong_type,\"a \"\"x\"\", b\",\x83\x41\xff,'=\x83\x41\n";
    assert_eq!(failed(keys, &file, true), [&head[..], marked].concat());
}
