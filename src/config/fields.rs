//! What a stream says of its schema's fields: keys, event time, partitions, outside names.
//!
//! Owns: reading them, and telling what does not fit with its place. Does not own: the rules
//! (`config::fit`), the schema itself.

use std::collections::BTreeMap;

use crate::config::PartitionBy;
use crate::config::section::{Section, Text};
use crate::config::{fit, keys};
use crate::schema::{Field, Schema};

/// The stream's fields, as far as they are right.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    pub(crate) primary_key: Vec<String>,
    pub(crate) event_time: Option<String>,
    pub(crate) partition_by: Vec<PartitionBy>,
    pub(crate) names: BTreeMap<String, String>,
}

impl Fields {
    /// `schema` with outside names and key marks.
    pub(crate) fn apply(&self, schema: &Schema) -> Schema {
        fit::marked(schema, &self.names, &self.primary_key)
    }
}

/// Reads and judges them. Without a schema, only their form.
pub(crate) fn read(root: &Section<'_>, schema: Option<&Schema>) -> Fields {
    let judge = Judge { root, schema };
    let fields = Fields {
        primary_key: judge.primary_key(),
        event_time: judge.event_time(),
        partition_by: judge.partition_by(),
        names: judge.names(),
    };
    judge.reserved_names();
    fields
}

struct Judge<'a> {
    root: &'a Section<'a>,
    schema: Option<&'a Schema>,
}

impl Judge<'_> {
    fn problem(&self, text: &Text, key: &str, message: impl Into<String>) {
        self.root.problem_at(&text.at, key, message);
    }

    /// The field that `text` names; reports one that is not there.
    fn field(&self, key: &str, text: &Text, name: &str) -> Option<&Field> {
        let fields = &self.schema?.root.fields;
        let found = fields.iter().find(|f| f.name == name);
        if found.is_none() {
            let names = fields.iter().map(|f| f.name.as_str());
            let mut message = format!("{} is no field of the schema", text.shown());
            if let Some(near) = keys::nearest_word(name, names) {
                message.push_str(&format!("; did you mean `{near}`?"));
            }
            self.problem(text, key, message);
        }
        found
    }

    fn primary_key(&self) -> Vec<String> {
        let key = "primary_key";
        if !self.root.has(key) {
            self.root.problem(key, "is required, as in [\"order_id\"]");
            return Vec::new();
        }
        let texts = self.root.texts(key).unwrap_or_default();
        if texts.is_empty() {
            self.root.problem(key, "must name a field");
        }
        let mut names: Vec<String> = Vec::with_capacity(texts.len());
        for text in texts {
            if names.contains(&text.text) {
                self.problem(&text, key, format!("{} stands twice", text.shown()));
                continue;
            }
            if let Some(fault) = self.field(key, &text, &text.text).and_then(fit::key_fault) {
                self.problem(&text, key, format!("{} {fault}", text.shown()));
            }
            names.push(text.text);
        }
        names
    }

    fn event_time(&self) -> Option<String> {
        let key = "event_time";
        let text = self.root.text(key)?;
        if let Some(fault) = self.field(key, &text, &text.text).and_then(fit::time_fault) {
            self.problem(&text, key, format!("{} {fault}", text.shown()));
        }
        Some(text.text)
    }

    fn partition_by(&self) -> Vec<PartitionBy> {
        let key = "partition_by";
        let mut partitions: Vec<PartitionBy> = Vec::new();
        for text in self.root.texts(key).unwrap_or_default() {
            let Some(partition) = parse_partition(&text.text) else {
                let message = format!("{} is neither a field nor day(field)", text.shown());
                self.problem(&text, key, message);
                continue;
            };
            if partitions.contains(&partition) {
                self.problem(&text, key, format!("{} stands twice", text.shown()));
                continue;
            }
            if let Some(fault) = self.partition_fault(&text, &partition) {
                self.problem(&text, key, format!("{} {fault}", text.shown()));
            }
            partitions.push(partition);
        }
        if let Some(schema) = self.schema {
            let columns = schema.root.fields.len();
            let whole = partitions
                .iter()
                .filter(|p| matches!(p, PartitionBy::Field(_)))
                .count();
            if columns > 0 && whole >= columns {
                self.root
                    .problem(key, "must leave a field that is no partition column");
            }
        }
        partitions
    }

    fn partition_fault(&self, text: &Text, partition: &PartitionBy) -> Option<String> {
        let field = self.field("partition_by", text, partition.field())?;
        fit::partition_fault(&self.schema?.root.fields, field, partition)
    }

    fn names(&self) -> BTreeMap<String, String> {
        let section = self.root.section("names");
        let mut names = BTreeMap::new();
        for (name, text) in section.free_texts() {
            if let Some(schema) = self.schema
                && !schema.root.fields.iter().any(|f| f.name == name)
            {
                let known = schema.root.fields.iter().map(|f| f.name.as_str());
                let near = keys::nearest_word(&name, known)
                    .map(|near| format!("; did you mean `{near}`?"))
                    .unwrap_or_default();
                section.problem_at(&text.at, &name, format!("is no field of the schema{near}"));
            } else if text.text.is_empty() {
                section.problem_at(&text.at, &name, "must not be empty");
            }
            names.insert(name, text.text);
        }
        self.outside_names_differ(&section, &names);
        names
    }

    /// Two fields of one name outside could not be told apart.
    fn outside_names_differ(&self, section: &Section<'_>, names: &BTreeMap<String, String>) {
        let Some(schema) = self.schema else { return };
        if let Some((other, field)) = fit::same_outside(&schema.root.fields, names) {
            let key = match names.contains_key(field) {
                true => field,
                false => other,
            };
            section.problem(
                key,
                format!("gives the fields `{other}` and `{field}` the same name outside"),
            );
        }
    }

    /// `_weir_…` is for the provenance columns.
    fn reserved_names(&self) {
        let Some(schema) = self.schema else { return };
        for field in &schema.root.fields {
            if fit::is_reserved(&field.name) {
                self.root.problem(
                    "schema",
                    format!(
                        "has the field `{}`; names that begin with _weir_ are kept for the provenance columns",
                        field.name
                    ),
                );
            }
        }
    }
}

fn parse_partition(text: &str) -> Option<PartitionBy> {
    if let Some(name) = text.strip_prefix("day(").and_then(|t| t.strip_suffix(')')) {
        return is_field_name(name.trim()).then(|| PartitionBy::Day(name.trim().to_owned()));
    }
    is_field_name(text).then(|| PartitionBy::Field(text.to_owned()))
}

fn is_field_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
