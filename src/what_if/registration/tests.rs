use super::*;
use crate::schema::arrow::arrow_fields;

fn columns(fields: &str) -> Fields {
    let text = format!(r#"{{"type": "record", "name": "R", "fields": [{fields}]}}"#);
    arrow_fields(&parse::parse("r", 1, &text, false).unwrap().root).into()
}

#[test]
fn columns_are_added_relaxed_and_left() {
    let a = r#"{"name": "a", "type": "int"}"#;
    let have = columns(&format!(
        r#"{a}, {{"name": "b", "type": "string"}}, {{"name": "c", "type": "long"}}"#
    ));
    let want = columns(&format!(
        r#"{a}, {{"name": "d", "type": ["null", "double"]}}, {{"name": "b", "type": ["null", "string"]}}"#
    ));
    let told: Vec<_> = changes(&have, &want)
        .into_iter()
        .map(|c| (c.name, c.delta, c.change))
        .collect();
    let wanted = [
        ("d", "double", Change::Added),
        ("b", "string", Change::Nullable),
        ("c", "long", Change::NotWritten),
    ];
    assert_eq!(
        told,
        wanted.map(|(name, delta, change)| (name.to_owned(), delta.to_owned(), change))
    );
    assert_eq!(changes(&want, &want), []);
}
