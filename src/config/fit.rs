//! Whether a version of a schema has what a stream's settings name.
//!
//! Owns: the rules between the settings and a field, and a stream at another version
//! ([`Stream::at_version`]). Does not own: where a fault is told (`config::fields`), and what a
//! table can follow (`schema::evolve`).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::keys::nearest_word;
use crate::config::{Bulk, PartitionBy, Stream, UnknownFields, Writer};
use crate::schema::resolve::resolve;
use crate::schema::{Field, Record, Schema, Type};

impl Stream {
    /// The same stream at another version of its schema, with its names and key marks.
    ///
    /// # Errors
    /// What the settings name and the version does not have as they need it: a sentence each, with
    /// the field in front.
    pub fn at_version(&self, schema: &Schema) -> Result<Stream, Vec<String>> {
        let fields = &schema.root.fields;
        let mut faults = Vec::new();
        let mut look = |name: &str, place: &str, fault: &dyn Fn(&Field) -> Option<String>| {
            let found = match fields.iter().find(|f| f.name == name) {
                Some(field) => fault(field),
                None => Some(format!("is named by `{place}` and would be gone")),
            };
            faults.extend(found.map(|fault| format!("{name}: {fault}")));
        };
        for name in &self.primary_key {
            look(name, "primary_key", &|f| key_fault(f).map(str::to_owned));
        }
        if let Some(name) = &self.event_time {
            look(name, "event_time", &|f| time_fault(f).map(str::to_owned));
        }
        for by in &self.partition_by {
            look(by.field(), "partition_by", &|f| {
                partition_fault(fields, f, by)
            });
        }
        for name in self.names.keys() {
            look(name, "names", &|_| None);
        }
        if let Some((one, other)) = same_outside(fields, &self.names) {
            faults.push(format!("{other}: has the name of {one} outside"));
        }
        let reserved = fields.iter().filter(|f| is_reserved(&f.name));
        faults.extend(reserved.map(|f| {
            let name = &f.name;
            format!("{name}: names that begin with _weir_ are kept for the provenance columns")
        }));
        if let Some(writer) = self.topics.as_ref().and_then(|t| t.writer.as_ref()) {
            faults.extend(writer_faults(writer, schema));
        }
        // Not the columns of files: an older version may be in force until the first rows of the one
        // that they are for, and a file that does not fit fails by itself.
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Stream {
            schema: Arc::new(marked(schema, &self.names, &self.primary_key)),
            ..self.clone()
        })
    }
}

/// Why no record of a declared writer can be read with `schema`: a sentence each.
pub(super) fn writer_faults(writer: &Writer, schema: &Schema) -> Vec<String> {
    let faults = resolve(&writer.schema, schema).err().unwrap_or_default();
    let told = faults.iter().map(|fault| {
        let at = fault
            .field
            .as_ref()
            .map(|f| format!("{f}: "))
            .unwrap_or_default();
        format!(
            "records of {} cannot be read with {} version {}: {at}{}",
            writer.name, schema.subject, schema.version, fault.message
        )
    });
    told.collect()
}

impl PartitionBy {
    /// The field that it is of.
    pub fn field(&self) -> &str {
        match self {
            PartitionBy::Field(name) | PartitionBy::Day(name) => name,
        }
    }
}

/// `schema` with outside names and key marks.
pub(super) fn marked(
    schema: &Schema,
    names: &BTreeMap<String, String>,
    primary_key: &[String],
) -> Schema {
    let mut root = Record::clone(&schema.root);
    for field in &mut root.fields {
        if let Some(external) = names.get(&field.name) {
            field.external.clone_from(external);
        }
        field.is_key = primary_key.contains(&field.name);
    }
    Schema {
        root: Arc::new(root),
        ..schema.clone()
    }
}

/// Why `field` cannot be a part of the primary key.
pub(super) fn key_fault(field: &Field) -> Option<&'static str> {
    if field.value.nullable {
        return Some("must be a required field, not null, to be a key");
    }
    if field.default.is_some() {
        return Some("must have no default to be a key: records without it would share one");
    }
    match field.value.ty {
        Type::Float | Type::Double => {
            Some("cannot be a key: floating point numbers have no exact equality")
        }
        Type::Record(_) | Type::Array(_) | Type::Map(_) => {
            Some("cannot be a key: only plain values can")
        }
        _ => None,
    }
}

/// Why `field` cannot be the event's time.
pub(super) fn time_fault(field: &Field) -> Option<&'static str> {
    if !is_time(&field.value.ty) {
        Some("must be a date or a timestamp")
    } else if field.value.nullable {
        Some("must be a required field, not null")
    } else {
        None
    }
}

/// Why `field`, one of `fields`, cannot make a partition column.
pub(super) fn partition_fault(fields: &[Field], field: &Field, by: &PartitionBy) -> Option<String> {
    match by {
        PartitionBy::Field(_) => (!can_partition(&field.value.ty)).then(|| {
            "must be a boolean, int, long, string, enum, uuid or date to be a partition column; day(field) takes timestamps".to_owned()
        }),
        PartitionBy::Day(name) => {
            if !has_day(&field.value.ty) {
                return Some(
                    "must be of a timestamp; a date is a partition column as it is".to_owned(),
                );
            }
            let column = format!("{name}_day");
            fields
                .iter()
                .any(|f| f.name.eq_ignore_ascii_case(&column))
                .then(|| format!("would add the column {column}, which is a field already"))
        }
    }
}

/// Two fields that have one name outside, and could not be told apart.
pub(super) fn same_outside<'a>(
    fields: &'a [Field],
    names: &'a BTreeMap<String, String>,
) -> Option<(&'a str, &'a str)> {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    fields.iter().find_map(|field| {
        let outside = names.get(&field.name).unwrap_or(&field.name);
        let other = seen.insert(outside, &field.name)?;
        Some((other, field.name.as_str()))
    })
}

/// Why files without a header, whose columns the settings name, could not be read by `schema`: a
/// sentence each.
pub(super) fn column_faults(
    bulk: &Bulk,
    schema: &Schema,
    unknown: UnknownFields,
) -> impl Iterator<Item = String> {
    let mut faults = Vec::new();
    let fields = &schema.root.fields;
    if let Some(columns) = &bulk.dialect.columns {
        let names = || fields.iter().map(|f| f.external.as_str());
        let strange = columns.iter().filter(|c| !names().any(|n| n == c.as_str()));
        if unknown == UnknownFields::Reject {
            faults.extend(strange.map(|column| match nearest_word(column, names()) {
                Some(near) => {
                    format!(
                        "names {column:?}, which is no field of the schema; did you mean {near:?}?"
                    )
                }
                None => format!("names {column:?}, which is no field of the schema"),
            }));
        }
        let missing = fields.iter().filter(|f| !columns.contains(&f.external));
        let missing = missing.filter(|f| f.is_required());
        let missing: Vec<String> = missing.map(|f| format!("{:?}", f.external)).collect();
        if !missing.is_empty() {
            let missing = missing.join(", ");
            faults.push(format!(
                "does not name {missing}, which the schema requires"
            ));
        }
    }
    faults.into_iter()
}

/// `_weir_…` is for the provenance columns.
pub(super) fn is_reserved(name: &str) -> bool {
    name.to_ascii_lowercase().starts_with("_weir_")
}

fn is_time(ty: &Type) -> bool {
    matches!(
        ty,
        Type::Date | Type::TimestampNanos | Type::LocalTimestampNanos
    ) || has_day(ty)
}

/// Timestamps that land as such, so that they have a day.
fn has_day(ty: &Type) -> bool {
    matches!(
        ty,
        Type::TimestampMillis
            | Type::TimestampMicros
            | Type::LocalTimestampMillis
            | Type::LocalTimestampMicros
    )
}

fn can_partition(ty: &Type) -> bool {
    matches!(
        ty,
        Type::Boolean
            | Type::Int
            | Type::Long
            | Type::String
            | Type::Enum(_)
            | Type::Uuid
            | Type::UuidFixed { .. }
            | Type::Date
    )
}

#[cfg(test)]
mod tests;
