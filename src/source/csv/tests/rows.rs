//! Rows on both sides of each rule.

use super::*;

fn two() -> Dialect {
    dialect(|_| ())
}

fn with(change: impl FnOnce(&mut DialectKeys)) -> Dialect {
    dialect(change)
}

/// The rows behind a header of two columns.
fn rows(text: &str, dialect: &Dialect) -> Vec<String> {
    let header = format!("a{}b\n", dialect.delimiter);
    shown(format!("{header}{text}").as_bytes(), dialect)
}

#[test]
fn quotes() {
    let cases: &[(&str, &[&str])] = &[
        ("1,2\n", &["1|2"]),
        ("1,2", &["1|2"]),
        ("1,2\r\n3,4\n", &["1|2", "3|4"]),
        ("1,\n", &["1|"]),
        (",\n", &["|"]),
        ("\"\",\"\"\n", &[r#"""|"""#]),
        ("\"a,b\",c\n", &[r#""a,b"|c"#]),
        ("\"a\nb\",c\n1,2\n", &[r#""a\nb"|c"#, "1|2"]),
        ("\"a\r\nb\",\"c\r\"\n", &[r#""a\r\nb"|"c\r""#]),
        ("\"a \"\"b\"\"\",c\n", &[r#""a \"b\""|c"#]),
        ("\"\"\"\",x\n", &[r#""\""|x"#]),
        ("a\"b,c\n1,2\n", &["csv_syntax:2:a\"b,c", "1|2"]),
        ("\"a\"b,c\n1,2\n", &["csv_syntax:2:\"a\"b,c", "1|2"]),
        ("\"a\" ,c\n", &["csv_syntax:2:\"a\" ,c"]),
        (" \"a\",c\n", &["csv_syntax:2: \"a\",c"]),
        // never closed: its first line only
        (
            "1,2\n\"a,b\n3,4\n5,6",
            &["1|2", "csv_syntax:3:\"a,b", "3|4", "5|6"],
        ),
        ("\"", &["csv_syntax:2:\""]),
        ("\"\n", &["csv_syntax:2:\""]),
        // open, then text behind the closing quote, two lines on
        (
            "\"a\n1,2\n\"b,c\n3,4\n",
            &["csv_syntax:2:\"a", "1|2", "csv_syntax:4:\"b,c", "3|4"],
        ),
        // two stray quotes that balance are one record
        ("1,\"a\n2,b\"\n3,c\n", &[r#"1|"a\n2,b""#, "3|c"]),
        ("1,2\r3,4\n5,6\n", &["csv_syntax:2:1,2\r3,4", "5|6"]),
        ("1,2\r\r\n5,6\n", &["csv_syntax:2:1,2\r", "5|6"]),
        ("1,2\r", &["csv_syntax:2:1,2\r"]),
        ("1\0,\0\n", &["1\0|\0"]),
        ("\n\r\n1,2\n\n", &["1|2"]),
        ("1\n1,2,3\n", &["1", "1|2|3"]),
    ];
    for (text, expected) in cases {
        assert_eq!(rows(text, &two()), *expected, "{text:?}");
    }
}

#[test]
fn lenient_and_escaped() {
    let lenient = with(|keys| keys.quotes = "lenient".to_owned());
    assert_eq!(rows("5\" disk,\"x\"\n", &lenient), ["5\" disk|\"x\""]);
    assert_eq!(rows("\"x\"y,z\n", &lenient), ["csv_syntax:2:\"x\"y,z"]);
    let escaped = with(|keys| keys.escape = "\\".to_owned());
    assert_eq!(
        rows("\"a\\\"b\",\"c\\\\\"\n\"\\n\",\\\"\n", &escaped),
        [r#""a\"b"|"c\\""#, "csv_syntax:3:\"\\n\",\\\""]
    );
    assert_eq!(
        rows("\"a\"\"b\",c\n", &escaped),
        ["csv_syntax:2:\"a\"\"b\",c"]
    );
    let same = with(|keys| keys.escape = "\"".to_owned());
    assert_eq!(rows("\"a\"\"b\",c\n", &same), [r#""a\"b"|c"#]);
    let none = with(|keys| keys.quote = String::new());
    assert_eq!(rows("\"a,b\"\n", &none), ["\"a|b\""]);
}

#[test]
fn delimiters_blanks_comments_and_line_ends() {
    let tab = with(|keys| {
        keys.delimiter = "\t".to_owned();
        keys.trim = true;
    });
    assert_eq!(rows(" 1 \t 2\n \t\n  \n", &tab), ["1|2", "|"]);
    let long = with(|keys| keys.delimiter = "||".to_owned());
    assert_eq!(rows("1|2||\"3||4\"\n", &long), ["1|2|\"3||4\""]);
    let trim = with(|keys| keys.trim = true);
    assert_eq!(rows("\t 1 , \" 2 \" \n", &trim), ["1|\" 2 \""]);
    let comment = with(|keys| keys.comment = "#".to_owned());
    assert_eq!(rows("#1,2\n 1,#2\n#\"\n", &comment), [" 1|#2"]);
    let lf = with(|keys| keys.line_end = "lf".to_owned());
    assert_eq!(rows("1,2\r\n", &lf), ["1|2\r"]);
    let crlf = with(|keys| keys.line_end = "crlf".to_owned());
    assert_eq!(shown(b"a,b\r\n1,\n2\r3\r\n4,5", &crlf), ["1|\n2\r3", "4|5"]);
    let other = with(|keys| keys.line_end = "~\n".to_owned());
    assert_eq!(shown(b"a,b~\n1,2\n~3~\n", &other), ["1|2\n~3"]);
    let cr = with(|keys| keys.line_end = "cr".to_owned());
    assert_eq!(shown(b"a,b\r1,2\n\r", &cr), ["1|2\n"]);
}

#[test]
fn returns_alone_end_lines_where_no_line_feed_is() {
    assert_eq!(
        shown(b"a,b\r1,2\r\r3,\"4\r5\"\r", &two()),
        ["1|2", "3|\"4\\r5\""]
    );
    // the last byte that is looked at is a CR, and an LF follows
    let mut text = b"a,".to_vec();
    text.resize((1 << 16) - 1, b'b');
    text.extend_from_slice(b"\r\n1,2\r\n");
    assert_eq!(shown(&text, &two()), ["1|2"]);
    // an LF behind what is looked at is a character
    let mut text = b"a,b\r".to_vec();
    text.resize(1 << 16, b'c');
    text.extend_from_slice(b"\n,2\r");
    let rows = shown(&text, &two());
    assert!(rows[0].ends_with("c\n|2"));
}

#[test]
fn one_column() {
    assert_eq!(shown(b"a\n1\n\n2\n\n", &two()), ["1", "", "2", ""]);
    assert_eq!(shown(b"\n\na\n\n", &two()), [""]);
}

#[test]
fn limits() {
    let small = with(|keys| keys.max_record_bytes = 8);
    let rows = shown(
        b"a,b\n1234,678\n1234,6789\n\"12\n45\",\n\"12\n456\",\n1,2\n",
        &small,
    );
    assert_eq!(
        rows,
        [
            "1234|678",
            "too_large:3:1234,678",
            r#""12\n45"|"#,
            "csv_syntax:6:\"12",
            "csv_syntax:7:456\",",
            "1|2"
        ]
    );
    // the header is no exception
    assert_eq!(
        refused(b"123456789,1\n", &small),
        "the header on line 1 is no CSV: the line is longer than max_record_bytes"
    );
}

#[test]
fn a_line_of_any_length_takes_no_memory() {
    let dialect = with(|keys| keys.max_record_bytes = 1000);
    let line = b"x\xFF".repeat(2_000_000);
    let mut text = b"a,b\n1,2\n".to_vec();
    text.extend_from_slice(&line);
    text.extend_from_slice(b"\r\n3,4\n");
    let opened = CsvFile::open(
        pieces(&text, 10_000),
        Packing::Plain,
        &dialect,
        Sizes::default(),
    );
    let mut file = opened.unwrap().unwrap();
    let slice = file.next_slice().unwrap().unwrap();
    assert!(slice.memory() < 1 << 20, "{}", slice.memory());
    assert_eq!(slice.records().len(), 3);
    let fault = &slice.faults()[0];
    assert_eq!(slice.raws().of(1), &line[..1000]);
    let cut = fault.cut.as_ref().unwrap();
    assert_eq!(cut.length, 4_000_000);
    let digest = sha2::Digest::finalize(<sha2::Sha256 as sha2::Digest>::new_with_prefix(&line));
    let hex: String = digest.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(cut.sha256, hex);
    assert_eq!(slice.end().byte, text.len() as u64);
    assert_eq!(slice.end().line, 5);
}

/// A line of delimiters has no more cells than are of use.
#[test]
fn cells_without_end() {
    for delimiter in [",", "||"] {
        for quoted in ["", "\"\""] {
            let dialect = with(|keys| keys.delimiter = delimiter.to_owned());
            let row = format!("{quoted}{}", delimiter.repeat(200_000));
            let text = format!("a{delimiter}b\n{row}\n1{delimiter}2\n");
            let sizes = Sizes::default();
            let (_, items) = read_all(text.as_bytes(), &dialect, sizes, usize::MAX).unwrap();
            let cells = |at: usize| match &items[at].verdict {
                Verdict::Cells(cells) => cells.len(),
                fault => panic!("{fault:?}"),
            };
            assert_eq!((cells(0), cells(1)), (slice::MOST_CELLS, 2));
            assert_eq!(
                refused(format!("{row}\n").as_bytes(), &dialect),
                "the header on line 1 is no CSV: it has 65,536 columns or more"
            );
        }
    }
}
