//! Drawn values, as a cell and as JSON: the same verdicts, the same rows.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::pipeline::decode::json::{JsonDecoder, JsonOptions};

const TYPES: [&str; 13] = [
    r#""int""#,
    r#""long""#,
    r#""float""#,
    r#""double""#,
    r#""string""#,
    r#""bytes""#,
    r#"{"type":"bytes","logicalType":"decimal","precision":6,"scale":2}"#,
    r#"{"type":"int","logicalType":"date"}"#,
    r#"{"type":"int","logicalType":"time-millis"}"#,
    r#"{"type":"long","logicalType":"timestamp-micros"}"#,
    r#"{"type":"long","logicalType":"local-timestamp-millis"}"#,
    r#"{"type":"enum","name":"E","symbols":["A","B"]}"#,
    r#"{"type":"string","logicalType":"uuid"}"#,
];

/// Numbers of JSON's form, of which JSON takes the bare text.
const NUMERIC: usize = 4;

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        "-?(0|[1-9][0-9]{0,19})",
        "-?(0|[1-9][0-9]{0,9})\\.[0-9]{1,12}",
        "-?[1-9](\\.[0-9]{1,4})?[eE][+-]?[0-9]{1,3}",
        "[0-9]{4}-[01][0-9]-[0-3][0-9]",
        "[0-2][0-9]:[0-5][0-9]:[0-6][0-9](\\.[0-9]{1,7})?",
        "[0-9]{4}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-5][0-9]:[0-6][0-9](\\.[0-9]{1,7})?(Z|[+-][0-2][0-9]:00)?",
        "[A-C]",
        "[A-Za-z0-9+/]{4}(=|==)?",
        "[0-9a-fA-F]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        "[a-z\",\n\r é0]{1,8}",
        select(vec![
            "".to_owned(),
            "AAE=".to_owned(),
            "1e400".to_owned(),
            "1e-400".to_owned()
        ]),
    ]
}

fn is_json_number(text: &str) -> bool {
    crate::pipeline::decode::text::is_number(text.as_bytes())
}

/// `ok` or the code.
fn json(schema: &Schema, message: &str) -> (String, Vec<ArrayRef>) {
    let options = JsonOptions {
        unknown_fields: UnknownFields::Reject,
        envelope: false,
        max_message_bytes: 1 << 20,
        max_records_per_message: 1,
    };
    let mut columns = Columns::new(schema);
    let mut judged = Judged::default();
    JsonDecoder::new(schema, options).decode(message.as_bytes(), &mut columns, &mut judged);
    let verdict = match judged.rejects.first() {
        None => "ok".to_owned(),
        Some(reject) => format!(
            "2: {}@{}: {}",
            reject.fault.code,
            reject.fault.field.as_deref().unwrap_or("-"),
            reject.fault.message
        ),
    };
    (verdict, columns.finish())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn same_verdicts(ty in 0..TYPES.len(), text in texts(), nullable in any::<bool>()) {
        let own = TYPES[ty];
        let ty_text = if nullable { format!(r#"["null",{own}]"#) } else { own.to_owned() };
        let schema = schema(&format!(r#"{{"name":"a","type":{ty_text}}},{{"name":"z","type":"int"}}"#));
        let cell = text.replace('"', "\"\"");
        let file = format!("a,z\n\"{cell}\",1\n");
        let sizes = Sizes::default();
        let usual = dialect(|_| ());
        let (arrays, verdicts) =
            decoded(file.as_bytes(), &schema, &usual, sizes, UnknownFields::Reject).unwrap();
        prop_assert_eq!(verdicts.len(), 1);
        if ty < NUMERIC && !is_json_number(&text) {
            // what is no number is syntax in JSON, and a text of the wrong type in a cell
            prop_assert!(verdicts[0].starts_with("2: wrong_type@a"), "{}", verdicts[0]);
        } else {
            let value = if ty < NUMERIC { text.clone() } else { serde_json::Value::from(text).to_string() };
            let (verdict, expected) = json(&schema, &format!(r#"{{"a":{value},"z":1}}"#));
            prop_assert_eq!(&verdicts[0], &verdict);
            prop_assert_eq!(batch(&schema, arrays), batch(&schema, expected));
        }
    }
}
