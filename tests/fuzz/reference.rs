//! Slow, plain readers that share nothing with weir's: one for JSON's syntax, one for schemas, one
//! for values in text, one for Avro data, one for JSON messages and one for CSV. They read into trees, copy what
//! they like, and follow the rules' own words: Avro's specification 1.12, RFC 8259, and weir's rules
//! on values and on the order of verdicts.

pub mod avro;
pub mod csv;
pub mod landing;
pub mod message;
pub mod schema;
pub mod text;
pub mod values;

use serde_json::Value as Json;
use weir::model::reject::RejectCode;

/// What is wrong: the code, and the field's path, empty for the whole record.
pub type Fault = (RejectCode, String);

/// A step of a path.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    Name(String),
    Index(usize),
    Key(String),
}

/// `address.lines[2]`, `attrs["a b"]`.
pub fn path(steps: &[Step]) -> String {
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Name(name) if is_name(name) => {
                let point = if path.is_empty() { "" } else { "." };
                path = format!("{path}{point}{name}");
            }
            Step::Index(at) => path = format!("{path}[{at}]"),
            Step::Name(name) | Step::Key(name) => {
                path = format!("{path}[{}]", Json::from(name.as_str()));
            }
        }
    }
    path
}

/// Avro's names: a letter or `_`, then letters, digits and `_`.
pub fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.chars().enumerate().all(|(at, c)| match c {
            'a'..='z' | 'A'..='Z' | '_' => true,
            '0'..='9' => at > 0,
            _ => false,
        })
}
