//! A schema with what it refers to, as one text that stands alone.
//!
//! Owns: putting definitions of other texts where they are first named. Does not own: judging
//! either text (`schema::parse`, `schema::writer`).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value;

/// Most levels that the text may have in the end: what reads JSON goes no deeper.
const MAX_LEVELS: usize = 120;

/// The types that are no names.
const BUILT_IN: [&str; 14] = [
    "null", "boolean", "int", "long", "float", "double", "bytes", "string", "record", "error",
    "enum", "fixed", "array", "map",
];

/// True if `name` is a type of Avro's own.
pub(super) fn is_built_in(name: &str) -> bool {
    BUILT_IN.contains(&name)
}

/// `text`, with each type of `references` that it names defined where it is named first. As it is
/// where there are no references.
///
/// # Errors
/// A text that is no JSON, or nests too deep.
pub fn inlined(text: &str, references: &[Arc<str>]) -> Result<Arc<str>, String> {
    if references.is_empty() {
        return Ok(text.into());
    }
    let mut definitions = HashMap::new();
    for reference in references {
        collect(&json(reference)?, "", &mut definitions, 0)?;
    }
    let mut walk = Walk {
        definitions,
        seen: HashSet::new(),
    };
    let schema = walk.schema(&json(text)?, "", false, 0)?;
    Ok(schema.to_string().into())
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|_| "is no JSON".to_owned())
}

fn deeper(levels: usize) -> Result<usize, String> {
    match levels < MAX_LEVELS {
        true => Ok(levels + 1),
        false => Err("nests too deep with what it refers to".to_owned()),
    }
}

/// The full name of a definition, and the namespace of what is in it.
pub(super) fn names(definition: &Value, around: &str) -> Option<(String, String)> {
    let name = definition.get("name")?.as_str()?;
    let namespace = match name.rsplit_once('.') {
        Some((namespace, _)) => namespace,
        None => definition
            .get("namespace")
            .and_then(Value::as_str)
            .unwrap_or(around),
    };
    let simple = name.rsplit('.').next().unwrap_or(name);
    Some((qualified(simple, namespace), namespace.to_owned()))
}

/// The full name that `name` stands for within a namespace.
pub(super) fn qualified(name: &str, namespace: &str) -> String {
    match name.contains('.') || namespace.is_empty() {
        true => name.to_owned(),
        false => format!("{namespace}.{name}"),
    }
}

/// True for a definition of a name.
pub(super) fn is_named(schema: &Value) -> bool {
    let kind = schema.get("type").and_then(Value::as_str);
    matches!(kind, Some("record" | "error" | "enum" | "fixed"))
}

/// Every definition in `schema` by its full name, with the namespace around it.
fn collect(
    schema: &Value,
    around: &str,
    found: &mut HashMap<String, (Value, String)>,
    levels: usize,
) -> Result<(), String> {
    let levels = deeper(levels)?;
    if let Value::Array(branches) = schema {
        return branches
            .iter()
            .try_for_each(|branch| collect(branch, around, found, levels));
    }
    let mut inside = around.to_owned();
    if is_named(schema)
        && let Some((name, namespace)) = names(schema, around)
    {
        found
            .entry(name)
            .or_insert_with(|| (schema.clone(), around.to_owned()));
        inside = namespace;
    }
    for key in ["type", "items", "values"] {
        if let Some(part @ (Value::Object(_) | Value::Array(_))) = schema.get(key) {
            collect(part, &inside, found, levels)?;
        }
    }
    let fields = schema.get("fields").and_then(Value::as_array);
    fields
        .into_iter()
        .flatten()
        .filter_map(|field| field.get("type"))
        .try_for_each(|part| collect(part, &inside, found, levels))
}

struct Walk {
    definitions: HashMap<String, (Value, String)>,
    /// Names that are defined by now.
    seen: HashSet<String>,
}

impl Walk {
    /// `schema` with definitions in place of names that it does not define itself. `foreign`: it
    /// comes from a reference, so that what is defined already is only named.
    fn schema(
        &mut self,
        schema: &Value,
        around: &str,
        foreign: bool,
        levels: usize,
    ) -> Result<Value, String> {
        let levels = deeper(levels)?;
        match schema {
            Value::String(name) if !is_built_in(name) => self.name(name, around, levels),
            Value::Array(branches) => branches
                .iter()
                .map(|branch| self.schema(branch, around, foreign, levels))
                .collect::<Result<Vec<Value>, _>>()
                .map(Value::Array),
            Value::Object(_) => self.object(schema, around, foreign, levels),
            other => Ok(other.clone()),
        }
    }

    fn name(&mut self, name: &str, around: &str, levels: usize) -> Result<Value, String> {
        let full = qualified(name, around);
        if self.seen.contains(&full) {
            return Ok(Value::String(full));
        }
        match self.definitions.get(&full).cloned() {
            Some((definition, around)) => self.schema(&definition, &around, true, levels),
            // Whoever reads the text says that it is not defined.
            None => Ok(Value::String(name.to_owned())),
        }
    }

    fn object(
        &mut self,
        schema: &Value,
        around: &str,
        foreign: bool,
        levels: usize,
    ) -> Result<Value, String> {
        let mut object = schema.clone();
        let mut inside = around.to_owned();
        if is_named(schema)
            && let Some((name, namespace)) = names(schema, around)
        {
            if foreign && self.seen.contains(&name) {
                return Ok(Value::String(name));
            }
            if foreign {
                // What was around it is not around it here.
                object["namespace"] = Value::String(namespace.clone());
            }
            self.seen.insert(name);
            inside = namespace;
        }
        for key in ["type", "items", "values"] {
            if let Some(part) = schema.get(key) {
                object[key] = self.schema(part, &inside, foreign, levels)?;
            }
        }
        if let Some(fields) = object.get_mut("fields").and_then(Value::as_array_mut) {
            for field in fields {
                if let Some(part) = field.get("type").cloned() {
                    field["type"] = self.schema(&part, &inside, foreign, levels)?;
                }
            }
        }
        Ok(object)
    }
}

#[cfg(test)]
mod tests;
