//! Syntax: hand-made texts on both sides of RFC 8259's line, and single-byte mutations of a whole
//! message, held against `serde_json`.

use super::*;

const ACCEPTED: &[&str] = &[
    "0",
    "-0",
    "-1",
    "123",
    "1.0",
    "-0.0",
    "0.1e1",
    "0e0",
    "0e+1",
    "0E-1",
    "1e0000",
    "1E+2",
    "123e45",
    "1e999999",
    "-1e-999999",
    "123456789012345678901234567890",
    "\"\"",
    "\"a\"",
    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
    "\"\\u0000\"",
    "\"\\u00e9\\uFFFF\\ufDd0\"",
    "\"\\uD834\\udd1e\"",
    "\"\\\\u0000\"",
    "\"\u{7f}\u{80}\u{2028}\u{10ffff}\"",
    "\" \"",
    "true",
    "false",
    "null",
    "[]",
    "[ ]",
    "[1]",
    "[1 , 2]",
    "[\n1\r\n,\t2 ]",
    "[[], {}, \"\", 0, null]",
    "{}",
    "{ }",
    "{\"\":0}",
    "{\"a\":{\"a\":{\"a\":[]}}}",
    "{\"a\" : 1 , \"b\" : 2}",
    "{\"\\u0000\":1}",
    "{\"\u{1f600}\":1}",
];

const REFUSED: &[&str] = &[
    "",
    " ",
    "-",
    "+1",
    "++1",
    "--1",
    "- 1",
    "01",
    "-01",
    "00",
    "1.",
    "-1.",
    ".1",
    "-.1",
    "1.e1",
    "1e",
    "1e+",
    "1eE2",
    "1e1.5",
    "1.2.3",
    "0x1",
    "1_000",
    "1,000",
    "1a",
    "1-2",
    "NaN",
    "nan",
    "Infinity",
    "-Infinity",
    "inf",
    "\u{ff11}",
    "True",
    "TRUE",
    "tru",
    "truee",
    "nul",
    "nulll",
    "undefined",
    "a",
    "'a'",
    "\"",
    "\"a",
    "a\"",
    "\"\\\"",
    "\"\\a\"",
    "\"\\x00\"",
    "\"\\0\"",
    "\"\\'\"",
    "\"\\u\"",
    "\"\\u1\"",
    "\"\\u12\"",
    "\"\\u123\"",
    "\"\\u123g\"",
    "\"\\U1234\"",
    "\"\\ud800\"",
    "\"\\ud800\\u\"",
    "\"\\ud800\\ud800\"",
    "\"\\ud800\\n\"",
    "\"\\udc00\"",
    "\"\\udc00\\ud800\"",
    "\"\t\"",
    "\"\n\"",
    "\"\0\"",
    "\"\u{1f}\"",
    "\"a\"\"b\"",
    "[",
    "]",
    "[1",
    "[1,",
    "[1,]",
    "[,1]",
    "[,]",
    "[1,,2]",
    "[1 2]",
    "[1:2]",
    "[1;2]",
    "[1}",
    "(1)",
    "[\u{b}1]",
    "[\u{c}1]",
    "[\u{a0}1]",
    "[\u{feff}1]",
    "[1]]",
    "[1],",
    "[1]x",
    "{",
    "}",
    "{\"a\"",
    "{\"a\":",
    "{\"a\":1",
    "{\"a\":1,",
    "{\"a\":1,}",
    "{,\"a\":1}",
    "{\"a\" 1}",
    "{\"a\"::1}",
    "{\"a\"=1}",
    "{\"a\",1}",
    "{a:1}",
    "{'a':1}",
    "{1:1}",
    "{null:1}",
    "{[]:1}",
    "{\"a\":1 \"b\":2}",
    "{\"a\":1,,\"b\":2}",
    "{\"a\":1]",
    "{\"a\":}",
    "{:1}",
    "{\"\\ud800\":1}",
    "{\"a\":1}/**/",
    "{\"a\":1}//",
    "{\"a\":1}#",
    "/**/1",
    "1 2",
    "1\0",
    "\u{0}1",
    "<a/>",
    "*",
    "\\u0031",
];

/// Three places for a value: where the schema has no such field, below one, and as the message.
#[test]
fn texts_on_both_sides_of_the_line() {
    let schema = schema(r#"{"name":"zz","type":["null","int"],"default":null}"#);
    let ignoring = JsonOptions {
        unknown_fields: UnknownFields::Ignore,
        ..options(false)
    };
    for (texts, valid) in [(ACCEPTED, true), (REFUSED, false)] {
        for text in texts {
            let field = format!(r#"{{"x":{text}}}"#);
            let nested = format!(r#"{{"x":[{{"y":{text}}}],"zz":1}}"#);
            for message in [&field, &nested] {
                let got = verdict_of(&schema, ignoring, message.as_bytes());
                let want = if valid { "ok" } else { "invalid_json" };
                // closing what the text opened may make it whole again
                if !valid && is_json(message) {
                    continue;
                }
                assert_eq!(got, want, "{message:?}");
            }
            let got = verdict_of(&schema, ignoring, text.as_bytes());
            assert_eq!(got != "invalid_json", valid, "{text:?} alone: {got}");
        }
    }
}

#[test]
fn encodings_that_are_not_utf8() {
    let schema = schema(r#"{"name":"a","type":"string"}"#);
    let utf16 = |text: &str, bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    };
    let message = r#"{"a":"é"}"#;
    let cases: [(Vec<u8>, &str); 12] = [
        (message.into(), "ok"),
        (utf16(message, u16::to_le_bytes), "invalid_utf8"),
        (utf16(message, u16::to_be_bytes), "invalid_utf8"),
        (
            utf16(&format!("\u{feff}{message}"), u16::to_le_bytes),
            "invalid_utf8",
        ),
        // in plain ASCII, UTF-16 is UTF-8 with NULs
        (utf16(r#"{"a":"e"}"#, u16::to_le_bytes), "invalid_json"),
        (b"{\"a\":\"\xe9\"}".to_vec(), "invalid_utf8"),
        // overlong, surrogate, beyond Unicode, cut short
        (b"{\"a\":\"\xc0\xaf\"}".to_vec(), "invalid_utf8"),
        (b"{\"a\":\"\xed\xa0\x80\"}".to_vec(), "invalid_utf8"),
        (b"{\"a\":\"\xf4\x90\x80\x80\"}".to_vec(), "invalid_utf8"),
        (b"{\"a\":\"\xf0\x9f\x98\"}".to_vec(), "invalid_utf8"),
        (b"{\"a\":\"x\"}\xff".to_vec(), "invalid_utf8"),
        (b"\xef\xbb\xbf{\"a\":\"x\"}".to_vec(), "invalid_json"),
    ];
    for (message, want) in cases {
        let got = verdict_of(&schema, options(false), &message);
        assert_eq!(got, want, "{message:x?}");
    }
}

/// By `serde_json`: numbers of any size and precision are JSON.
fn is_json(text: &str) -> bool {
    if serde_json::from_str::<&serde_json::value::RawValue>(text).is_err() {
        return false;
    }
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(_) => true,
        Err(error) => error.to_string().starts_with("number out of range"),
    }
}

#[test]
fn each_mutation_of_a_byte_is_judged_as_serde_json_does() {
    let schema = schema(
        r#"{"name":"s","type":"string"},{"name":"n","type":"double"},{"name":"b","type":["null","boolean"]},
           {"name":"l","type":{"type":"array","items":{"type":"map","values":"long"}}}"#,
    );
    let ignoring = JsonOptions {
        unknown_fields: UnknownFields::Ignore,
        ..options(false)
    };
    let message = r#"{"s":"a\n\u00e9\ud83d\ude00","n":-1.5e+3,"x":[null,{"y":""}],"b":true,"l":[{"k":-12}, {}]}"#;
    let bytes = b"\"\\{}[],:0-.eE+ut \n\t\x01a/";
    let mut judged = 0;
    let mut held = |text: Vec<u8>| {
        let Ok(text) = String::from_utf8(text) else {
            return;
        };
        let got = verdict_of(&schema, ignoring, text.as_bytes());
        assert_eq!(got != "invalid_json", is_json(&text), "{text:?}: {got}");
        judged += 1;
    };
    for at in 0..message.len() {
        let whole = message.as_bytes();
        held(whole[..at].to_vec());
        held([&whole[..at], &whole[at + 1..]].concat());
        for byte in bytes {
            held([&whole[..at], &[*byte], &whole[at..]].concat());
            held([&whole[..at], &[*byte], &whole[at + 1..]].concat());
        }
    }
    assert!(judged > 4000, "{judged}");
}
