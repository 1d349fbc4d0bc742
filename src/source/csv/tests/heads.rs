//! What a file's first lines tell.

use super::*;

fn columns(text: &[u8], dialect: &Dialect) -> Option<Vec<String>> {
    read_all(text, dialect, SMALL, 1).map(|(columns, _)| columns)
}

#[test]
fn headers() {
    let plain = dialect(|_| ());
    let names = |names: &[&str]| Some(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>());
    assert_eq!(columns(b"", &plain), None);
    assert_eq!(columns(b"\n\r\n\n", &plain), None);
    assert_eq!(columns(b"\xEF\xBB\xBF", &plain), None);
    assert_eq!(columns(b"\xEF\xBB\xBFa,b", &plain), names(&["a", "b"]));
    assert_eq!(
        columns(b"\n\"a \"\"b\"\"\",\"\nc\",\n", &plain),
        names(&["a \"b\"", "\nc", ""])
    );
    let skip = dialect(|keys| keys.skip_lines = 2);
    assert_eq!(columns(b"\"x\n\na,b\n", &skip), names(&["a", "b"]));
    assert_eq!(columns(b"x\ny", &skip), None);
    let none = dialect(|keys| {
        keys.header = false;
        keys.columns = vec!["a".to_owned(), "b".to_owned()];
    });
    assert_eq!(columns(b"1,2\n", &none), names(&["a", "b"]));
    assert_eq!(shown(b"1,2\n3,4\n", &none), ["1|2", "3|4"]);
    assert_eq!(columns(b"", &none), names(&["a", "b"]));
}

#[test]
fn a_returned_file_is_known_by_its_first_columns() {
    let text = b"weir_line,weir_field,weir_code,\"weir_message\",a,b\n3,a,wrong_type,x,1,2\n";
    for dialect in [
        dialect(|keys| keys.skip_lines = 1),
        dialect(|keys| {
            keys.header = false;
            keys.columns = vec!["a".to_owned(), "b".to_owned()];
        }),
    ] {
        let opened = CsvFile::open(pieces(text, 1), Packing::Plain, &dialect, SMALL);
        let file = opened.unwrap().unwrap();
        assert!(file.head().is_returned);
        assert_eq!(file.head().columns.len(), 6);
        assert_eq!(shown(text, &dialect), ["3|a|wrong_type|x|1|2"]);
    }
    let other = b"weir_line,weir_field,weir_code,a\n";
    let opened = CsvFile::open(pieces(other, 1), Packing::Plain, &dialect(|_| ()), SMALL);
    assert!(!opened.unwrap().unwrap().head().is_returned);
}

#[test]
fn what_is_no_csv_is_told() {
    let plain = dialect(|_| ());
    assert_eq!(
        refused(b"a,b\"\n", &plain),
        "the header on line 1 is no CSV: a quote stands inside an unquoted cell"
    );
    assert_eq!(
        refused(b"\n\xFF,b\n", &plain),
        "the header on line 2 is no text in UTF-8"
    );
    assert_eq!(
        refused(b"PK\x03\x04", &plain),
        "the file is a ZIP archive, as spreadsheets are; export it as CSV"
    );
    assert_eq!(
        refused(b"\x1F\x8B\x08\0\0", &plain),
        "the file is gzip; its name must end with .gz"
    );
    assert_eq!(
        refused(b"\xFF\xFEa\0", &plain),
        "the file begins with the byte order mark of UTF-16LE, and the dialect says UTF-8"
    );
    let wide = dialect(|keys| keys.encoding = "utf-16".to_owned());
    assert_eq!(
        refused(b"a\0b\0", &wide),
        "the file has no byte order mark, which encoding = \"utf-16\" goes by; set \"utf-16le\" or \"utf-16be\""
    );
    assert_eq!(
        refused(b"\xEF\xBB\xBFa", &wide),
        "the file begins with the byte order mark of UTF-8, and the dialect says UTF-16"
    );
}

#[test]
fn the_source_s_own_error_is_no_fault_of_the_file() {
    let plain = dialect(|_| ());
    for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
        let packed = packing::pack(packing, b"a,b\n1,2\n");
        let pieces = [
            Ok(Bytes::copy_from_slice(&packed[..packed.len() - 1])),
            Err(Error::unreachable("the bucket is away")),
        ];
        let read = || {
            let chunks = Box::new(pieces.into_iter());
            let mut file = CsvFile::open(chunks, packing, &plain, SMALL)?.unwrap();
            while file.next_slice()?.is_some() {}
            Ok(())
        };
        let result: Read<()> = read();
        match result {
            Err(Trouble::Source(error)) => {
                assert_eq!(error.to_string(), "the bucket is away");
                assert!(error.is_outage());
            }
            other => panic!("{packing:?}: {other:?}"),
        }
    }
}

#[test]
fn what_writing_rows_back_needs_is_told() {
    let head = |bytes: &[u8], change: fn(&mut DialectKeys)| {
        let dialect = dialect(change);
        let opened = CsvFile::open(pieces(bytes, 2), Packing::Plain, &dialect, SMALL);
        let head = opened.unwrap().unwrap().head().clone();
        let told = serde_json::to_string(&head).unwrap();
        assert_eq!(serde_json::from_str::<Head>(&told).unwrap(), head);
        (head.header, head.line_end, head.has_mark)
    };
    let usual = |_: &mut DialectKeys| ();
    let text = |text: &str| text.to_owned();
    assert_eq!(
        head(b"\n\"a\",b\r\n1,2\r\n", usual),
        (b"\"a\",b".to_vec(), text("\n"), false)
    );
    assert_eq!(
        head(b"\xEF\xBB\xBFa,b\r\n1,2\n", usual),
        (b"a,b".to_vec(), text("\r\n"), true)
    );
    assert_eq!(
        head(b"a,b\r1,2", usual),
        (b"a,b".to_vec(), text("\r"), false)
    );
    assert_eq!(head(b"a,b", usual), (b"a,b".to_vec(), text("\n"), false));
    assert_eq!(
        head(b"a,b~", |k| k.line_end = "~".to_owned()),
        (b"a,b".to_vec(), text("~"), false)
    );
    assert_eq!(
        head(b"\xFE\xFF\0a\0\n", |k| k.encoding = "utf-16".to_owned()),
        (b"\0a".to_vec(), text("\n"), true)
    );
    assert_eq!(
        head(b"1,2\r\n", |k| {
            k.header = false;
            k.columns = vec!["a".to_owned(), "b".to_owned()];
        }),
        (Vec::new(), text("\r\n"), false)
    );
}
