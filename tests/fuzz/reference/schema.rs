//! Avro schemas by the specification ("Schema Declaration"), as a list of types.
//!
//! What the specification does not settle, or lets a reader pass over, makes a schema `odd`: weir
//! may then refuse it or not, but where it accepts it, the columns are these.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::is_name;
use super::text::{self, Node, Tree};

pub struct Schema {
    pub types: Vec<Type>,
    pub root: usize,
    pub odd: Option<&'static str>,
}

pub struct Type {
    pub form: Form,
    /// Empty where there is none, or none that belongs to the form.
    pub logical: String,
    pub precision: u64,
    pub scale: u64,
    /// Full name, empty for a type without one.
    pub name: String,
    pub aliases: Vec<String>,
    /// Bytes that a value takes at least; a type that is named within itself counts 0 there.
    pub least: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Form {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Fixed(u64),
    Enum(Vec<String>, Option<String>),
    Record(Vec<Field>),
    Array(usize),
    Map(usize),
    Union(Vec<usize>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    pub name: String,
    pub aliases: Vec<String>,
    pub ty: usize,
    pub default: Option<Json>,
}

/// An error is the rest of a sentence.
pub type Read<T> = Result<T, &'static str>;

/// Reads a schema's text.
pub fn read(text: &str) -> Read<Schema> {
    // serde_json, which weir reads with, goes 127 levels deep
    let node = text::read(text, 127).map_err(|_| "is no JSON")?;
    let mut reader = Reader {
        text,
        types: Vec::new(),
        names: BTreeMap::new(),
        odd: None,
    };
    let root = reader.schema(&node, "")?;
    Ok(Schema {
        types: reader.types,
        root,
        odd: reader.odd,
    })
}

struct Reader<'a> {
    text: &'a str,
    types: Vec<Type>,
    names: BTreeMap<String, usize>,
    odd: Option<&'static str>,
}

type Members = [(String, Node)];

fn primitive(name: &str) -> Option<(Form, u64)> {
    Some(match name {
        "null" => (Form::Null, 0),
        "boolean" => (Form::Boolean, 1),
        "int" => (Form::Int, 1),
        "long" => (Form::Long, 1),
        "float" => (Form::Float, 4),
        "double" => (Form::Double, 8),
        "bytes" => (Form::Bytes, 1),
        "string" => (Form::String, 1),
        _ => return None,
    })
}

fn qualified(name: &str, space: &str) -> String {
    match name.contains('.') || space.is_empty() {
        true => name.to_owned(),
        false => format!("{space}.{name}"),
    }
}

impl Reader<'_> {
    fn odd(&mut self, why: &'static str) {
        self.odd.get_or_insert(why);
    }

    fn add(&mut self, form: Form, least: u64) -> usize {
        self.types.push(Type {
            form,
            logical: String::new(),
            precision: 0,
            scale: 0,
            name: String::new(),
            aliases: Vec::new(),
            least,
        });
        self.types.len() - 1
    }

    fn schema(&mut self, node: &Node, space: &str) -> Read<usize> {
        match &node.tree {
            Tree::Text(name) => self.by_name(name, space),
            Tree::Array(branches) => self.union(branches, space),
            Tree::Object(members) => self.object(members, space),
            _ => Err("is neither a name nor an object nor an array"),
        }
    }

    fn by_name(&mut self, name: &str, space: &str) -> Read<usize> {
        if let Some((form, least)) = primitive(name) {
            return Ok(self.add(form, least));
        }
        let known = self.names.get(&qualified(name, space));
        known.copied().ok_or("names a type that is not known")
    }

    fn union(&mut self, nodes: &[Node], space: &str) -> Read<usize> {
        let mut branches = Vec::new();
        let mut kinds = Vec::new();
        for node in nodes {
            let branch = self.schema(node, space)?;
            let ty = &self.types[branch];
            let kind = match (&ty.form, ty.name.as_str()) {
                (Form::Union(_), _) => return Err("has a union within a union"),
                (Form::Array(_), _) => "array".to_owned(),
                (Form::Map(_), _) => "map".to_owned(),
                (form, "") => format!("{form:?}"),
                (_, name) => format!("the type {name}"),
            };
            if kinds.contains(&kind) {
                return Err("holds a branch twice");
            }
            kinds.push(kind);
            branches.push(branch);
        }
        let least = branches.iter().map(|b| self.types[*b].least).min();
        let least = least.ok_or("is a union without branches")?;
        Ok(self.add(Form::Union(branches), least + 1))
    }

    fn member<'n>(&self, members: &'n Members, name: &str) -> Option<&'n Node> {
        let found = members.iter().rev().find(|(n, _)| n == name);
        found.map(|(_, node)| node)
    }

    fn no_doubles(&mut self, members: &Members) {
        let is_double = |(at, (name, _)): (usize, &(String, Node))| {
            members[..at].iter().any(|(before, _)| before == name)
        };
        if members.iter().enumerate().any(is_double) {
            self.odd("an attribute stands twice");
        }
    }

    fn string<'n>(&mut self, members: &'n Members, name: &str) -> Read<Option<&'n str>> {
        match self.member(members, name) {
            None => Ok(None),
            Some(Node {
                tree: Tree::Null, ..
            }) => {
                self.odd("an attribute that is null");
                Ok(None)
            }
            Some(Node {
                tree: Tree::Text(text),
                ..
            }) => Ok(Some(text)),
            Some(_) => Err("has an attribute that is no string"),
        }
    }

    fn strings(&self, members: &Members, name: &str) -> Read<Option<Vec<String>>> {
        let Some(node) = self.member(members, name) else {
            return Ok(None);
        };
        let Tree::Array(items) = &node.tree else {
            return Err("has an attribute that is no array");
        };
        let text = |item: &Node| match &item.tree {
            Tree::Text(text) => Ok(text.clone()),
            _ => Err("has an item that is no string"),
        };
        items.iter().map(text).collect::<Read<_>>().map(Some)
    }

    fn object(&mut self, members: &Members, space: &str) -> Read<usize> {
        self.no_doubles(members);
        let ty = self.member(members, "type").ok_or("has no type")?;
        let Tree::Text(kind) = &ty.tree else {
            let known = self.types.len();
            let id = self.schema(ty, space)?;
            if self.member(members, "logicalType").is_some() {
                self.odd("a logical type stands around a schema");
                // what is only named, or has one of its own, keeps what it means
                if id >= known && self.types[id].logical.is_empty() {
                    self.logical(id, members);
                }
            }
            return Ok(id);
        };
        match kind.as_str() {
            "record" | "error" => self.record(members, space, kind),
            "enum" => self.symbols(members, space),
            "fixed" => self.fixed(members, space),
            "array" => {
                let items = self.member(members, "items").ok_or("has no items")?;
                let items = self.schema(items, space)?;
                let id = self.add(Form::Array(items), 1);
                self.no_logical(members);
                Ok(id)
            }
            "map" => {
                let values = self.member(members, "values").ok_or("has no values")?;
                let values = self.schema(values, space)?;
                let id = self.add(Form::Map(values), 1);
                self.no_logical(members);
                Ok(id)
            }
            name => {
                let id = self.by_name(name, space)?;
                match self.types[id].name.is_empty() {
                    true => self.logical(id, members),
                    false => self.odd("an object stands around a name"),
                }
                Ok(id)
            }
        }
    }

    fn no_logical(&mut self, members: &Members) {
        if self.member(members, "logicalType").is_some() {
            self.odd("a logical type where none belongs");
        }
    }

    /// The full name and the namespace within.
    fn define(&mut self, members: &Members, space: &str) -> Read<(String, String)> {
        let name = self.string(members, "name")?.ok_or("has no name")?;
        let own = self.string(members, "namespace")?.unwrap_or(space);
        let full = qualified(name, own);
        if !full.split('.').all(is_name) {
            return Err("has a name that is none");
        }
        let own = full.rsplit_once('.').map_or("", |(space, _)| space);
        let last = full.rsplit('.').next().unwrap_or_default();
        if primitive(last).is_some()
            || ["record", "error", "enum", "fixed", "array", "map"].contains(&last)
        {
            self.odd("a type has the name of one of Avro's own");
        }
        if full.len() > 512 {
            self.odd("a long name");
        }
        if self.names.contains_key(&full) {
            return Err("defines a name twice");
        }
        Ok((full.clone(), own.to_owned()))
    }

    fn aliases(&mut self, members: &Members, space: &str) -> Vec<String> {
        let Ok(aliases) = self.strings(members, "aliases") else {
            self.odd("aliases that are no strings");
            return Vec::new();
        };
        let aliases: Vec<String> = aliases
            .unwrap_or_default()
            .iter()
            .map(|alias| qualified(alias, space))
            .collect();
        if aliases.iter().any(|a| !a.split('.').all(is_name)) {
            self.odd("an alias that is no name");
        }
        aliases
    }

    fn record(&mut self, members: &Members, space: &str, kind: &str) -> Read<usize> {
        if kind == "error" {
            self.odd("an error");
        }
        let (name, own) = self.define(members, space)?;
        let aliases = self.aliases(members, &own);
        let id = self.add(Form::Record(Vec::new()), 0);
        self.types[id].name.clone_from(&name);
        self.types[id].aliases = aliases;
        self.names.insert(name, id);
        let fields = self.member(members, "fields").ok_or("has no fields")?;
        let Tree::Array(nodes) = &fields.tree else {
            return Err("has fields that are no array");
        };
        let mut fields: Vec<Field> = Vec::new();
        for node in nodes {
            let field = self.field(node, &own)?;
            if fields.iter().any(|f| f.name == field.name) {
                return Err("declares a field twice");
            }
            fields.push(field);
        }
        let is_name = |alias: &String| fields.iter().any(|f| f.name == *alias);
        if fields.iter().flat_map(|f| &f.aliases).any(is_name) {
            self.odd("a field's alias that is another's name");
        }
        let least = fields.iter().map(|f| self.types[f.ty].least);
        self.types[id].least = least.fold(0, u64::saturating_add);
        self.types[id].form = Form::Record(fields);
        self.no_logical(members);
        Ok(id)
    }

    fn field(&mut self, node: &Node, space: &str) -> Read<Field> {
        let Tree::Object(members) = &node.tree else {
            return Err("has a field that is no object");
        };
        self.no_doubles(members);
        let name = self.string(members, "name")?.ok_or("has no name")?;
        if !is_name(name) {
            return Err("has a field's name that is none");
        }
        if name.len() > 512 {
            self.odd("a long name");
        }
        let ty = self.member(members, "type").ok_or("has no type")?;
        let ty = self.schema(ty, space)?;
        // an alias of a field has no namespace
        let aliases = self.aliases(members, "");
        let default = self.member(members, "default");
        let text = default.map(|node| &self.text[node.at.clone()]);
        let default = text.map(serde_json::from_str).transpose();
        for (name, node) in members {
            if name == "order"
                && !matches!(&node.tree, Tree::Text(o) if ["ascending", "descending", "ignore"].contains(&o.as_str()))
            {
                self.odd("an order that is none");
            }
        }
        Ok(Field {
            name: name.to_owned(),
            aliases,
            ty,
            default: default.map_err(|_| "has a number that is too large")?,
        })
    }

    fn symbols(&mut self, members: &Members, space: &str) -> Read<usize> {
        let (name, own) = self.define(members, space)?;
        let aliases = self.aliases(members, &own);
        let symbols = self.strings(members, "symbols")?.ok_or("has no symbols")?;
        for (at, symbol) in symbols.iter().enumerate() {
            if !is_name(symbol) || symbols[..at].contains(symbol) {
                return Err("has a symbol that is none, or stands twice");
            }
            if symbol.len() > 512 {
                self.odd("a long name");
            }
        }
        let default = match self.string(members, "default") {
            Ok(default) => default.map(str::to_owned),
            Err(_) => {
                self.odd("an enum's default that is no string");
                None
            }
        };
        if symbols.is_empty() || default.as_ref().is_some_and(|d| !symbols.contains(d)) {
            self.odd("an enum without symbols, or a default that is none of them");
        }
        let id = self.add(Form::Enum(symbols, default), 1);
        self.types[id].name.clone_from(&name);
        self.types[id].aliases = aliases;
        self.names.insert(name, id);
        self.no_logical(members);
        Ok(id)
    }

    fn fixed(&mut self, members: &Members, space: &str) -> Read<usize> {
        let (name, own) = self.define(members, space)?;
        let aliases = self.aliases(members, &own);
        let size = self.member(members, "size").ok_or("has no size")?;
        let size = match &size.tree {
            Tree::Number(number) => number
                .parse::<u64>()
                .map_err(|_| "has a size that is none")?,
            _ => return Err("has a size that is no number"),
        };
        if size > 16 << 20 {
            self.odd("a large fixed");
        }
        let id = self.add(Form::Fixed(size), size);
        self.types[id].name.clone_from(&name);
        self.types[id].aliases = aliases;
        self.names.insert(name, id);
        self.logical(id, members);
        Ok(id)
    }

    /// A logical type that does not belong to the form, or is no such one, is none.
    fn logical(&mut self, id: usize, members: &Members) {
        let logical = match self.string(members, "logicalType") {
            Ok(None) => return,
            Ok(Some(logical)) => logical.to_owned(),
            Err(_) => return self.odd("a logical type that is no string"),
        };
        let form = self.types[id].form.clone();
        match (logical.as_str(), form) {
            ("decimal", Form::Bytes | Form::Fixed(_)) => {
                let digits = |name, missing| match self.member(members, name).map(|n| &n.tree) {
                    None => missing,
                    Some(Tree::Number(number)) => number.parse::<u64>().ok(),
                    Some(_) => None,
                };
                let (precision, scale) = (digits("precision", None), digits("scale", Some(0)));
                let (Some(precision @ 1..), Some(scale)) = (precision, scale) else {
                    return;
                };
                if scale > precision {
                    return;
                }
                self.types[id].precision = precision;
                self.types[id].scale = scale;
            }
            ("uuid", Form::Bytes) => return self.odd("a uuid on bytes"),
            ("big-decimal", Form::Bytes)
            | ("uuid", Form::String | Form::Fixed(16))
            | ("duration", Form::Fixed(12))
            | ("date" | "time-millis", Form::Int)
            | (
                "time-micros"
                | "timestamp-millis"
                | "timestamp-micros"
                | "timestamp-nanos"
                | "local-timestamp-millis"
                | "local-timestamp-micros"
                | "local-timestamp-nanos",
                Form::Long,
            ) => {}
            _ => return,
        }
        self.types[id].logical = logical;
    }
}
