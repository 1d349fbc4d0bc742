//! One verdict a message, always the same one: which fault goes first.

use super::*;

/// Levels of arrays within a field, closed.
fn nested(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

fn fields() -> Schema {
    schema(
        r#"{"name":"a","type":"int"},{"name":"b","type":"int"},
           {"name":"r","type":["null",{"type":"record","name":"N","fields":[{"name":"x","type":"int"},{"name":"y","type":"int"}]}]}"#,
    )
}

#[test]
fn the_message_goes_before_its_fields() {
    let schema = fields();
    let small = JsonOptions {
        max_message_bytes: 16,
        ..options(false)
    };
    let cases: [(&[u8], &str); 6] = [
        (b"{\"a\":1,\"b\":2  }", "ok"),
        (b"{\"a\":1,\"b\":2   }", "ok"),
        (b"{\"a\":1,\"b\":2    }", "too_large"),
        // size, then encoding, then syntax, then fields
        (b"{\"a\":\xff,\"b\":2    }", "too_large"),
        (b"{\"a\":\xff]", "invalid_utf8"),
        (b"{\"a\":\"x\",]", "invalid_json"),
    ];
    for (message, want) in cases {
        let got = verdict_of(&schema, small, message);
        assert_eq!(got, want, "{}", String::from_utf8_lossy(message));
    }
    let deep = format!(r#"{{"a":"x","z":{}}}"#, nested(64));
    let cases = [
        (r#"{"a":"x","b":1"#, "invalid_json"),
        (r#"{"a":"x"}}"#, "invalid_json"),
        (r#"{"z":1}{"#, "invalid_json"),
        (r#"{"a":1,"a":2,"b":01}"#, "invalid_json"),
        (r#"{"a":1,"b":2,"z":"\ud800"}"#, "invalid_json"),
        (deep.as_str(), "too_deep"),
    ];
    for (message, want) in cases {
        let got = verdict_of(&schema, options(false), message.as_bytes());
        assert_eq!(got, want, "{message}");
    }
}

#[test]
fn fields_go_in_the_order_of_the_message() {
    let schema = fields();
    let cases = [
        (r#"{"a":"x","b":"y"}"#, "wrong_type@a"),
        (r#"{"b":"y","a":"x"}"#, "wrong_type@b"),
        (r#"{"z":1,"b":"y"}"#, "unknown_field@z"),
        (r#"{"b":"y","z":1}"#, "wrong_type@b"),
        (r#"{"a":1,"a":"x","b":null}"#, "duplicate_field@a"),
        (r#"{"a":1,"b":null,"a":2}"#, "null_value@b"),
        // what is missing is known when its record ends, in the schema's order
        ("{}", "missing_field@a"),
        (r#"{"r":null}"#, "missing_field@a"),
        (r#"{"a":1}"#, "missing_field@b"),
        (r#"{"z":1}"#, "unknown_field@z"),
        (r#"{"r":{"y":1},"a":"x"}"#, "missing_field@r.x"),
        (r#"{"r":{},"z":1}"#, "missing_field@r.x"),
        (r#"{"a":"x","r":{}}"#, "wrong_type@a"),
    ];
    for (message, want) in cases {
        let got = verdict_of(&schema, options(false), message.as_bytes());
        assert_eq!(got, want, "{message}");
    }
}

#[test]
fn depth_is_counted_to_the_level() {
    let schema = schema(r#"{"name":"a","type":["null","int"]}"#);
    let ignoring = JsonOptions {
        unknown_fields: UnknownFields::Ignore,
        ..options(false)
    };
    // the message itself is the first level
    let at_the_limit = format!(r#"{{"z":{}}}"#, nested(63));
    let beyond = format!(r#"{{"z":{}}}"#, nested(64));
    let objects = format!(r#"{{"z":{}1{}}}"#, r#"{"":"#.repeat(64), "}".repeat(64));
    let bomb = "[".repeat(100_000);
    let other_bomb = r#"[{"":"#.repeat(50_000);
    let cases = [
        (at_the_limit.as_str(), "ok"),
        (&beyond, "too_deep"),
        (&objects, "too_deep"),
        (&bomb, "too_deep"),
        (&other_bomb, "too_deep"),
    ];
    for (message, want) in cases {
        let got = verdict_of(&schema, ignoring, message.as_bytes());
        assert_eq!(got, want, "{}…", &message[..message.len().min(40)]);
    }
}

#[test]
fn unknown_fields_by_the_stream() {
    let schema = schema(r#"{"name":"a","type":"int"}"#);
    let ignoring = JsonOptions {
        unknown_fields: UnknownFields::Ignore,
        ..options(false)
    };
    let cases = [
        (r#"{"z":{"y":[1,"2"]},"a":1}"#, "unknown_field@z", "ok"),
        (r#"{"a":1,"Z":null}"#, "unknown_field@Z", "ok"),
        (r#"{"A":1}"#, "unknown_field@A", "missing_field@a"),
        (r#"{"a":1,"z":{"y":}}"#, "invalid_json", "invalid_json"),
        (r#"{"a":1,"z":"\ud800"}"#, "invalid_json", "invalid_json"),
        (r#"{"a":1,"z":01}"#, "invalid_json", "invalid_json"),
        (
            r#"{"a":1,"z":1,"a":2}"#,
            "unknown_field@z",
            "duplicate_field@a",
        ),
    ];
    for (message, rejecting, ignored) in cases {
        let got = verdict_of(&schema, options(false), message.as_bytes());
        assert_eq!(got, rejecting, "{message}");
        let got = verdict_of(&schema, ignoring, message.as_bytes());
        assert_eq!(got, ignored, "{message}");
    }
}

#[test]
fn an_envelope_is_judged_as_a_message_first() {
    let schema = schema(r#"{"name":"a","type":"int"}"#);
    let cases = [
        (r#"{"data":[{"a":1}]}"#, "ok"),
        (r#" { "data" : [ { "a" : 1 } ] } "#, "ok"),
        (r#"{"d\u0061ta":[{"a":1}]}"#, "ok"),
        ("{}", "invalid_envelope"),
        (r#"{"data":null}"#, "invalid_envelope"),
        (r#"{"data":"x"}"#, "invalid_envelope"),
        (r#"{"data":{"a":1}}"#, "invalid_envelope"),
        (r#"{"Data":[{"a":1}]}"#, "invalid_envelope"),
        (r#"{"data":[{"a":1}],"data":[]}"#, "invalid_envelope"),
        (r#"{"x":1,"data":[{"a":1}]}"#, "invalid_envelope"),
        (r#"[{"a":1}]"#, "invalid_envelope"),
        (r#"{"a":1}"#, "invalid_envelope"),
        ("null", "invalid_envelope"),
        // syntax anywhere goes first
        (r#"{"x":1,"data":[}"#, "invalid_json"),
        (r#"{"data":[{"a":"x"},]}"#, "invalid_json"),
        (r#"{"data":[{"a":"x"}]}{"#, "invalid_json"),
        (
            r#"{"data":[{"a":1},{"a":1},{"a":1},{"a":1},]}"#,
            "invalid_json",
        ),
        ("", "invalid_json"),
        // one record each
        (r#"{"data":[{}]}"#, "missing_field@a"),
        (r#"{"data":[null]}"#, "wrong_type"),
        (r#"{"data":[[]]}"#, "wrong_type"),
        (r#"{"data":[{"a":1,"a":1}]}"#, "duplicate_field@a"),
    ];
    for (message, want) in cases {
        let got = verdict_of(&schema, options(true), message.as_bytes());
        assert_eq!(got, want, "{message}");
    }
}

#[test]
fn bytes_of_a_reject_are_those_that_came() {
    let schema = schema(r#"{"name":"a","type":"int"}"#);
    let mut columns = Columns::new(&schema);
    let mut judged = Judged::default();
    let mut decoder = JsonDecoder::new(&schema, options(false));
    for message in [" {\"a\":\"x\"} ", "{\"a\":", "", "\u{feff}{\"a\":1}"] {
        decoder.decode(message.as_bytes(), &mut columns, &mut judged);
        let [one] = judged.rejects.as_slice() else {
            panic!("{message}: {judged:?}");
        };
        assert_eq!((one.index, one.raw.clone()), (0, 0..message.len()));
    }
    let message = r#"{"data":[ {"a":"x"} , {"a":1},{"a": 2.0 }]}"#;
    let mut decoder = JsonDecoder::new(&schema, options(true));
    decoder.decode(message.as_bytes(), &mut columns, &mut judged);
    let raw: Vec<(u32, &str)> = judged
        .rejects
        .iter()
        .map(|r| (r.index, &message[r.raw.clone()]))
        .collect();
    assert_eq!(raw, [(0, r#"{"a":"x"}"#), (2, r#"{"a": 2.0 }"#)]);
    assert_eq!(judged.accepted, [1]);
}

#[test]
fn a_message_names_no_value() {
    let canary = "canary7f3a";
    let schema = schema(
        r#"{"name":"i","type":["null","int"]},{"name":"s","type":["null",{"type":"enum","name":"E","symbols":["A"]}]},
           {"name":"t","type":["null",{"type":"long","logicalType":"timestamp-millis"}]},
           {"name":"d","type":["null",{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}]},
           {"name":"b","type":["null","bytes"]}"#,
    );
    let mut decoder = JsonDecoder::new(&schema, options(false));
    let mut columns = Columns::new(&schema);
    let mut judged = Judged::default();
    for field in ["i", "s", "t", "d", "b"] {
        let message = format!(r#"{{"{field}":"{canary}"}}"#);
        decoder.decode(message.as_bytes(), &mut columns, &mut judged);
        let [one] = judged.rejects.as_slice() else {
            panic!("{message}: {judged:?}");
        };
        assert!(!one.fault.message.contains(canary), "{:?}", one.fault);
    }
}

/// Each key is held against all before it: in time that goes with their number, not its square.
#[test]
fn a_map_of_many_keys_is_judged_in_reasonable_time() {
    let schema = schema(r#"{"name":"m","type":{"type":"map","values":"int"}}"#);
    let wide = JsonOptions {
        max_message_bytes: 1 << 24,
        ..options(false)
    };
    let keys: Vec<String> = (0..300_000).map(|n| format!("\"{n}\":{n}")).collect();
    let keys = keys.join(",");
    let message = |last: &str| format!("{{\"m\":{{{keys}{last}}}}}");
    assert_eq!(verdict_of(&schema, wide, message("").as_bytes()), "ok");
    assert_eq!(
        verdict_of(&schema, wide, message(",\"7\":0").as_bytes()),
        "duplicate_field@m[\"7\"]"
    );
}
