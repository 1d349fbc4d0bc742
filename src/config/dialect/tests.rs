use super::*;

fn problems(change: impl FnOnce(&mut DialectKeys)) -> Vec<String> {
    let mut keys = DialectKeys::default();
    change(&mut keys);
    match Dialect::new(&keys) {
        Ok(_) => Vec::new(),
        Err(problems) => problems
            .into_iter()
            .map(|p| format!("{} {}", p.key, p.message))
            .collect(),
    }
}

fn text(key: fn(&mut DialectKeys) -> &mut String, value: &str) -> Vec<String> {
    problems(|keys| value.clone_into(key(keys)))
}

#[test]
fn the_usual_one_is_rfc_4180() {
    let dialect = Dialect::new(&DialectKeys::default()).unwrap();
    assert_eq!(dialect.delimiter, ",");
    assert_eq!(dialect.quote, Some(b'"'));
    assert_eq!(dialect.escape, None);
    assert!(!dialect.lenient && !dialect.trim);
    assert_eq!(dialect.line_end, LineEnd::Auto);
    assert_eq!(dialect.encoding, TextEncoding::Utf8);
    assert_eq!(dialect.columns, None);
    assert_eq!(dialect.max_record_bytes, 1 << 20);
}

#[test]
fn values_alone() {
    assert_eq!(
        text(|k| &mut k.delimiter, ""),
        ["delimiter must not be empty; one or more characters"]
    );
    for word in ["tab", "comma", "\\t", "0x1f"] {
        assert_eq!(
            text(|k| &mut k.delimiter, word),
            [
                "delimiter is a word: write the characters themselves, a tab as \"\\t\" in double quotes"
            ]
        );
    }
    for delimiter in ["\t", "||", "::", "x"] {
        assert_eq!(text(|k| &mut k.delimiter, delimiter), Vec::<String>::new());
    }
    for quote in ["''", "é", "a", " ", "\n"] {
        assert_eq!(
            text(|k| &mut k.quote, quote),
            [
                "quote must be one ASCII character that is no letter, digit, blank or line end, or \"\""
            ]
        );
    }
    assert_eq!(
        text(|k| &mut k.quotes, "loose"),
        ["quotes must be \"strict\" or \"lenient\""]
    );
    assert_eq!(
        text(|k| &mut k.line_end, ""),
        ["line_end must not be empty; auto, lf, crlf, cr or another text"]
    );
    assert_eq!(
        text(|k| &mut k.decimal, ";"),
        ["decimal must be \".\" or \",\""]
    );
    assert_eq!(
        text(|k| &mut k.encoding, "utf-9"),
        [
            "encoding is no known encoding; as in utf-8, utf-16, windows-1252, latin1, iso-8859-15, shift_jis"
        ]
    );
    assert_eq!(
        text(|k| &mut k.encoding, "iso-2022-jp"),
        [
            "encoding cannot be read from the middle of a file, which a resumed job has to; convert the files to utf-8"
        ]
    );
    for label in ["gbk", "gb18030"] {
        assert_eq!(
            text(|k| &mut k.encoding, label),
            [
                "encoding does not tell which bytes a character was where a sequence is malformed, so that a row could not be given back as it was sent; convert the files to utf-8"
            ]
        );
    }
    for label in [
        "utf-8",
        "UTF-16",
        "latin-1",
        "latin1",
        "windows-1252",
        "big5",
    ] {
        assert_eq!(text(|k| &mut k.encoding, label), Vec::<String>::new());
    }
    for size in [0, (256 << 20) + 1] {
        assert_eq!(
            problems(|k| k.max_record_bytes = size),
            ["max_record_bytes must be from 1B to 256MiB"]
        );
    }
}

#[test]
fn what_cannot_go_together() {
    let one = |change: fn(&mut DialectKeys)| {
        let found = problems(change);
        assert_eq!(found.len(), 1, "{found:?}");
        found.concat()
    };
    assert_eq!(
        one(|k| k.delimiter = "\"".to_owned()),
        "delimiter holds the quote; the two must differ"
    );
    assert_eq!(
        one(|k| {
            k.delimiter = "\\".to_owned();
            k.escape = "\\".to_owned();
        }),
        "delimiter holds the escape; the two must differ"
    );
    assert_eq!(
        one(|k| k.delimiter = "|\n".to_owned()),
        "delimiter shares a character with the line end; the two must differ in all"
    );
    assert_eq!(
        one(|k| {
            k.delimiter = "||".to_owned();
            k.line_end = "|~".to_owned();
        }),
        "delimiter shares a character with the line end; the two must differ in all"
    );
    assert_eq!(
        one(|k| {
            k.quote = String::new();
            k.escape = "\\".to_owned();
        }),
        "escape stands before quotes within quotes, and quote is \"\"; remove it, or set a quote"
    );
    assert_eq!(
        one(|k| {
            k.trim = true;
            k.delimiter = " ".to_owned();
        }),
        "trim takes away spaces around cells, and the delimiter holds one; set it to false"
    );
    assert_eq!(
        one(|k| k.comment = ",#".to_owned()),
        "comment begins with the delimiter, as a record with an empty first cell does"
    );
    assert_eq!(
        one(|k| k.comment = "#\n".to_owned()),
        "comment holds a character of the line end"
    );
    assert_eq!(
        one(|k| k.columns = vec!["a".to_owned()]),
        "columns is for files without a header; set header = false, or remove it"
    );
    assert_eq!(
        one(|k| k.header = false),
        "columns must name the columns in their order, since header = false"
    );
    assert_eq!(
        one(|k| {
            k.header = false;
            k.columns = vec!["a".to_owned(), "a".to_owned()];
        }),
        "columns names \"a\" twice"
    );
    assert_eq!(
        one(|k| {
            k.decimal = ",".to_owned();
            k.quote = String::new();
        }),
        "decimal is the delimiter, and without quotes no cell can hold it"
    );
    for token in ["a,b", "a\n", "\"NA\""] {
        let found = problems(|k| k.null = vec![token.to_owned()]);
        assert_eq!(
            found,
            [format!(
                "null holds {token:?}, which no unquoted cell of this dialect can be"
            )]
        );
    }
    // every problem at once
    let found = problems(|k| {
        k.delimiter = String::new();
        k.quotes = String::new();
        k.header = false;
    });
    assert_eq!(found.len(), 3);
}

#[test]
fn an_escape_that_is_the_quote_doubles_it() {
    let mut keys = DialectKeys::default();
    keys.escape.clone_from(&keys.quote);
    assert_eq!(Dialect::new(&keys).unwrap().escape, None);
}

fn date(format: &str) -> Result<DateFormat, String> {
    DateFormat::new(format)
}

#[test]
fn forms_of_dates() {
    let days = date("%d.%m.%Y").unwrap();
    let told = |text: &str| days.parse(text.as_bytes()).map(|d| d.to_string());
    assert_eq!(told("03.02.2024"), Some("2024-02-03".to_owned()));
    assert_eq!(told("30.02.2024"), None);
    assert_eq!(told("2024-02-03"), None);
    assert_eq!(told("03.02.2024x"), None);
    assert!(date("%d. %b %y").is_ok());
    for format in ["%d.%m", "%H:%M", "plain"] {
        assert_eq!(
            date(format).unwrap_err(),
            "does not tell year, month and day; as in \"%d.%m.%Y\"",
            "{format}"
        );
    }
    assert!(date("%!").unwrap_err().starts_with("is no strftime format"));
}

#[test]
fn forms_of_timestamps() {
    let told = |format: &str, text: &str| {
        let format = TimestampFormat::new(format).unwrap();
        (format.has_zone(), format.parse(text.as_bytes()))
    };
    let plain = "%d/%m/%Y %H:%M:%S%.f";
    assert_eq!(
        told(plain, "01/01/1970 00:00:01.5"),
        (false, Some((1, 500_000_000)))
    );
    assert_eq!(told(plain, "31/12/1969 23:59:59"), (false, Some((-1, 0))));
    assert_eq!(told(plain, "31/12/1969 23:59:60"), (false, None));
    assert_eq!(
        told("%Y%m%d%H%M%S", "19600101000059").1,
        Some((-315_619_141, 0))
    );
    assert_eq!(told("%Y%m%d%H%M%S", "19600101000060").1, None);
    assert_eq!(
        told("%Y-%m-%d %H:%M", "1970-01-02 00:01").1,
        Some((86_460, 0))
    );
    assert_eq!(
        told("%Y-%m-%dT%H:%M:%S%z", "1970-01-01T02:00:00+0200"),
        (true, Some((0, 0)))
    );
    assert_eq!(told("%s", "12"), (true, Some((12, 0))));
    assert_eq!(told("%s", "-1"), (true, Some((-1, 0))));
    assert_eq!(
        TimestampFormat::new("%Y-%m-%d").unwrap_err(),
        "does not tell date, hour and minute; as in \"%Y-%m-%d %H:%M:%S\""
    );
    assert!(TimestampFormat::new("%Y-%m-%d %H:%M %Q").is_err());
}
