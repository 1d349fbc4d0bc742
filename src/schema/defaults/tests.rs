use super::fits;
use crate::schema::parse::parse;

fn accepted(ty: &str, default: &str) -> bool {
    let text = format!(
        r#"{{"type": "record", "name": "R", "fields": [{{"name": "a", "type": {ty}, "default": {default}}}]}}"#
    );
    parse("r", 1, &text, false).is_ok()
}

#[test]
fn each_rule_on_both_sides_of_its_line() {
    let fixed = r#"{"type": "fixed", "name": "F", "size": 2}"#;
    let decimal = r#"{"type": "bytes", "logicalType": "decimal", "precision": 2, "scale": 0}"#;
    let date = r#"{"type": "int", "logicalType": "date"}"#;
    let time = r#"{"type": "int", "logicalType": "time-millis"}"#;
    let stamp = r#"{"type": "long", "logicalType": "timestamp-millis"}"#;
    let local = r#"{"type": "long", "logicalType": "local-timestamp-micros"}"#;
    let uuid = r#"{"type": "string", "logicalType": "uuid"}"#;
    let list = r#"{"type": "array", "items": {"type": "fixed", "name": "F", "size": 2}}"#;
    let map = r#"{"type": "map", "values": "float"}"#;
    let record = r#"{"type": "record", "name": "N", "fields": [{"name": "f", "type": {"type": "fixed", "name": "F", "size": 2}}]}"#;
    let cases = [
        ("\"int\"", "2147483647", true),
        ("\"int\"", "2147483648", false),
        ("\"float\"", "3.4e38", true),
        ("\"float\"", "1e300", false),
        ("\"double\"", "1e300", true),
        ("\"bytes\"", r#""\u00ff""#, true),
        ("\"bytes\"", r#""\u0100""#, false),
        (r#"["null", "int"]"#, "null", true),
        (r#"["null", "int"]"#, "5", true),
        (fixed, r#""ab""#, true),
        (fixed, r#""abc""#, false),
        // two characters are two bytes, whatever they take in UTF-8
        (fixed, r#""\u00ff\u0080""#, true),
        (fixed, r#""\u00ff""#, false),
        (decimal, r#""\u0063""#, true),
        (decimal, r#""\u0064""#, false),
        (decimal, r#""\u009d""#, true),
        (decimal, r#""\u009c""#, false),
        (decimal, r#""""#, false),
        (date, "2932896", true),
        (date, "2932897", false),
        (date, "-719162", true),
        (date, "-719163", false),
        (time, "86399999", true),
        (time, "86400000", false),
        (time, "-1", false),
        (stamp, "253402300799999", true),
        (stamp, "253402300800000", false),
        (local, "-62135596800000000", true),
        (local, "-62135596800000001", false),
        (uuid, r#""0190b2b2-0000-7000-8000-00000000000A""#, true),
        (uuid, r#""0190b2b2000070008000000000000000""#, false),
        (list, r#"["ab", "cd"]"#, true),
        (list, r#"["ab", "c"]"#, false),
        (map, r#"{"k": 1.5}"#, true),
        (map, r#"{"k": 1e300}"#, false),
        (record, r#"{"f": "ab"}"#, true),
        (record, r#"{"f": "a"}"#, false),
    ];
    for (ty, default, good) in cases {
        assert_eq!(accepted(ty, default), good, "{default} for {ty}");
    }
}

#[test]
fn digits_are_counted_beyond_sixteen_bytes() {
    assert!(fits(&[[0].as_slice(), &[0; 15], &[9]].concat(), 1));
    assert!(fits(&[0xff; 20], 1));
    assert!(!fits(&[[1].as_slice(), &[0; 16]].concat(), 38));
    // the sign byte says positive, and the next sixteen would say negative
    assert!(!fits(&[[0].as_slice(), &[0xff; 16]].concat(), 38));
}
