//! A file's columns against the schema, judged before the first record.
//!
//! Owns: which cell is which field. Names are compared as they are; their order is free.

use std::collections::HashMap;
use std::fmt;

use crate::config::UnknownFields;
use crate::config::keys::nearest_word;
use crate::schema::{Field, Schema};
use crate::source::csv::{Head, RETURNED};

/// More problems than these are counted only.
const SHOWN: usize = 10;

/// Longer names are shown by their beginning, and nothing near them is looked for.
const LONG_NAME: usize = 100;

/// Which field each cell of a record is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// For each cell its field's place in the schema; `None` for one that is passed over.
    pub(super) fields: Vec<Option<usize>>,
    /// True if a field has no column.
    pub(super) has_absent: bool,
}

/// Every reason why columns do not fit a schema. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderProblems(Vec<String>);

impl fmt::Display for HeaderProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.0[..self.0.len().min(SHOWN)];
        f.write_str(&shown.join("; "))?;
        match self.0.len() - shown.len() {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl Layout {
    /// Where the fields of `schema` stand in a file with this head.
    pub fn new(
        schema: &Schema,
        head: &Head,
        unknown: UnknownFields,
    ) -> Result<Self, HeaderProblems> {
        let fields = &schema.root.fields;
        let known = fields.iter().enumerate();
        let known: HashMap<&str, usize> = known.map(|(at, f)| (f.external.as_str(), at)).collect();
        let ignored = if head.is_returned { RETURNED.len() } else { 0 };
        let delimiter = other_delimiter(&head.columns[ignored..]);
        // Of a header that is one name by another delimiter, no name is near.
        let near = delimiter.as_ref().map_or(fields.as_slice(), |_| &[]);
        let mut problems = Vec::new();
        let mut is_half_returned = false;
        let mut columns: Vec<Option<usize>> = vec![None; fields.len()];
        let mut places = vec![None; head.columns.len()];
        for (at, name) in head.columns.iter().enumerate().skip(ignored) {
            let Some(place) = known.get(name.as_str()).copied() else {
                let rejects = unknown == UnknownFields::Reject;
                if rejects && RETURNED.contains(&name.as_str()) {
                    is_half_returned = true;
                } else if rejects && problems.len() < SHOWN {
                    problems.push(unknown_column(at + 1, name, near));
                } else if rejects {
                    problems.push(String::new());
                }
                continue;
            };
            if let Some(before) = columns[place] {
                problems.push(format!(
                    "columns {} and {} are both {}",
                    before + 1,
                    at + 1,
                    shown(name)
                ));
            }
            columns[place] = Some(at);
            places[at] = Some(place);
        }
        let absent = || fields.iter().zip(&columns).filter(|(_, c)| c.is_none());
        let missing = absent().map(|(field, _)| field);
        let missing = missing.filter(|f| f.is_required());
        problems.extend(missing_columns(missing));
        if is_half_returned {
            let words = "keep all four weir_ columns in front, or remove all";
            problems.insert(0, words.to_owned());
        }
        if !problems.is_empty() {
            problems.splice(0..0, delimiter);
            return Err(HeaderProblems(problems));
        }
        let has_absent = absent().next().is_some();
        Ok(Self {
            fields: places,
            has_absent,
        })
    }
}

fn missing_columns<'a>(fields: impl Iterator<Item = &'a Field>) -> Option<String> {
    let names: Vec<String> = fields.map(|f| format!("{:?}", f.external)).collect();
    let shown = names[..names.len().min(SHOWN)].join(", ");
    Some(match names.len() {
        0 => return None,
        1 => format!("there is no column {shown}, which the schema requires"),
        2..=SHOWN => format!("there are no columns {shown}, which the schema requires"),
        all => format!(
            "there are no columns {shown} and {} more, which the schema requires",
            all - SHOWN
        ),
    })
}

fn unknown_column(number: usize, name: &str, fields: &[Field]) -> String {
    if name.is_empty() {
        return format!("column {number} has no name");
    }
    let told = format!(
        "column {number}, {}, is no field of the schema",
        shown(name)
    );
    if name.len() > LONG_NAME {
        return told;
    }
    if let Some(field) = fields.iter().find(|f| f.name == name) {
        return format!("{told}; [names] calls that field {:?}", field.external);
    }
    let names = || fields.iter().map(|f| f.external.as_str());
    let same = names().find(|n| n.eq_ignore_ascii_case(name.trim()));
    match same.or_else(|| nearest_word(name, names())) {
        Some(near) => format!("{told}; did you mean {near:?}?"),
        None => told,
    }
}

fn shown(name: &str) -> String {
    match name.char_indices().nth(LONG_NAME) {
        Some((end, _)) => format!("{:?}…", &name[..end]),
        None => format!("{name:?}"),
    }
}

/// What a header of one column hints at.
fn other_delimiter(columns: &[String]) -> Option<String> {
    let [one] = columns else {
        return None;
    };
    let mark = one.chars().find(|c| matches!(c, ',' | ';' | '\t' | '|'))?;
    Some(format!("is the delimiter {mark:?}?"))
}
