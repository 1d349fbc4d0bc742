use serde_json::json;

use super::*;

fn inlined_json(text: Value, references: &[Value]) -> Value {
    let references: Vec<Arc<str>> = references.iter().map(|r| r.to_string().into()).collect();
    let inlined = inlined(&text.to_string(), &references).unwrap();
    serde_json::from_str(&inlined).unwrap()
}

fn record(name: &str, fields: &[(&str, Value)]) -> Value {
    let fields: Vec<Value> = fields
        .iter()
        .map(|(name, ty)| json!({"name": name, "type": ty}))
        .collect();
    json!({"type": "record", "name": name, "fields": fields})
}

#[test]
fn a_text_without_references_is_left_as_it_is() {
    let text = "{\"type\" : \"int\"}  ";
    assert_eq!(&*inlined(text, &[]).unwrap(), text);
}

#[test]
fn a_definition_stands_where_its_name_stands_first() {
    let text = record(
        "x.Root",
        &[("a", json!("y.A")), ("b", json!(["null", "y.A"]))],
    );
    let reference = json!({"type": "record", "name": "A", "namespace": "y", "doc": "kept",
        "fields": [{"name": "c", "type": "int", "default": 7}]});
    let got = inlined_json(text, std::slice::from_ref(&reference));
    assert_eq!(got["fields"][0]["type"], reference);
    assert_eq!(got["fields"][1]["type"], json!(["null", "y.A"]));
}

#[test]
fn references_may_refer_and_share_what_they_define() {
    let text = record(
        "Root",
        &[("a", json!("A")), ("b", json!("B")), ("e", json!("E"))],
    );
    let inner = json!({"type": "enum", "name": "E", "symbols": ["S"]});
    let a = record("A", &[("e", json!("E"))]);
    let b = record(
        "B",
        &[
            ("e", inner.clone()),
            ("l", json!({"type": "array", "items": "A"})),
        ],
    );
    let got = inlined_json(text, &[inner, a, b]);
    assert_eq!(
        got["fields"][0]["type"]["fields"][0]["type"]["symbols"],
        json!(["S"])
    );
    assert_eq!(got["fields"][1]["type"]["fields"][0]["type"], "E");
    assert_eq!(got["fields"][1]["type"]["fields"][1]["type"]["items"], "A");
    assert_eq!(got["fields"][2]["type"], "E");
    assert!(apache_avro::Schema::parse_str(&got.to_string()).is_ok());
}

#[test]
fn a_name_without_namespace_keeps_none() {
    let text = json!({"type": "record", "name": "Root", "namespace": "n", "fields": [
        {"name": "a", "type": "m.A"}]});
    let reference = json!({"type": "record", "name": "m.A", "fields": [
        {"name": "own", "type": {"type": "fixed", "name": "F", "size": 2}}]});
    let got = inlined_json(text, &[reference]);
    let a = &got["fields"][0]["type"];
    assert_eq!(names(a, "n").unwrap(), ("m.A".to_owned(), "m".to_owned()));
    let f = &a["fields"][0]["type"];
    assert_eq!(names(f, "m").unwrap().0, "m.F");
}

#[test]
fn a_name_of_nobody_is_left_for_the_reader_to_judge() {
    let text = record("Root", &[("a", json!("nobody.A"))]);
    let got = inlined_json(text.clone(), &[record("Other", &[("a", json!("int"))])]);
    assert_eq!(got, text);
}

#[test]
fn references_without_end_are_refused() {
    // Each is as deep as a text may be, and refers to the next.
    let references: Vec<Arc<str>> = (0..50)
        .map(|i| {
            let mut ty = json!(format!("R{}", i + 1));
            for _ in 0..20 {
                ty = json!({"type": "array", "items": ty});
            }
            record(&format!("R{i}"), &[("f", ty)]).to_string().into()
        })
        .collect();
    let text = record("Root", &[("f", json!("R0"))]).to_string();
    assert!(
        inlined(&text, &references)
            .unwrap_err()
            .contains("too deep")
    );
    assert!(inlined("{", &references).is_err());
    assert!(inlined(&text, &["[".into()]).is_err());
}
