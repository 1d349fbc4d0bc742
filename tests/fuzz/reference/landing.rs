//! What of a schema lands: its columns in Delta's words, and defaults as cells.

use serde_json::{Value as Json, json};

use super::schema::{Field, Form, Read, Schema, Type};
use super::values::{self, Told};

impl Schema {
    /// The type that a reader's value has beside null, and whether null is one.
    pub fn landing(&self, ty: usize) -> Read<(usize, bool)> {
        let Form::Union(branches) = &self.types[ty].form else {
            return Ok((ty, false));
        };
        let is_null = |b: &&usize| self.types[**b].form == Form::Null;
        let others: Vec<&usize> = branches.iter().filter(|b| !is_null(b)).collect();
        match others.as_slice() {
            [one] => Ok((**one, branches.len() > 1)),
            _ => Err("has no column for a union"),
        }
    }

    pub fn fields(&self, record: usize) -> &[Field] {
        match &self.types[record].form {
            Form::Record(fields) => fields,
            _ => &[],
        }
    }

    /// Name, Delta's type and whether null is a value, for each column of the root record.
    pub fn columns(&self, nanos_as_long: bool) -> Read<Vec<(String, String, bool)>> {
        if !matches!(self.types[self.root].form, Form::Record(_)) {
            return Err("is no record at its top");
        }
        let mut columns = Columns {
            schema: self,
            nanos_as_long,
            fields: 0,
            open: Vec::new(),
        };
        columns.record(self.root)
    }
}

struct Columns<'a> {
    schema: &'a Schema,
    nanos_as_long: bool,
    fields: usize,
    /// Records, arrays and maps around a value.
    open: Vec<usize>,
}

impl Columns<'_> {
    fn enter(&mut self, ty: usize) -> Read<()> {
        if self.open.contains(&ty) {
            return Err("holds itself");
        }
        if self.open.len() >= 64 {
            return Err("nests more than 64 levels");
        }
        self.open.push(ty);
        Ok(())
    }

    fn record(&mut self, ty: usize) -> Read<Vec<(String, String, bool)>> {
        self.enter(ty)?;
        let mut columns = Vec::new();
        let mut lower = Vec::new();
        for field in self.schema.fields(ty) {
            self.fields += 1;
            if self.fields > 10_000 {
                return Err("has more than 10,000 fields");
            }
            let folded = field.name.to_lowercase();
            if lower.contains(&folded) {
                return Err("has fields that differ in case only");
            }
            lower.push(folded);
            let (name, nullable) = self.value(field.ty)?;
            if let Some(default) = &field.default {
                self.schema
                    .default_cell(field.ty, default)
                    .ok_or("has a default that is none of its type")?;
            }
            columns.push((field.name.clone(), name, nullable));
        }
        self.open.pop();
        match columns.is_empty() {
            true => Err("has a record without fields"),
            false => Ok(columns),
        }
    }

    fn value(&mut self, ty: usize) -> Read<(String, bool)> {
        let (ty, nullable) = self.schema.landing(ty)?;
        Ok((self.ty(ty)?, nullable))
    }

    fn part(&mut self, ty: usize) -> Read<String> {
        let (name, nullable) = self.value(ty)?;
        Ok(match nullable {
            true => name,
            false => format!("{name} not null"),
        })
    }

    fn ty(&mut self, ty: usize) -> Read<String> {
        let of = &self.schema.types[ty];
        let plain = match (&of.form, of.logical.as_str()) {
            (Form::Record(_), _) => {
                let members: Vec<String> = self
                    .record(ty)?
                    .into_iter()
                    .map(|(name, ty, nullable)| {
                        let required = if nullable { "" } else { " not null" };
                        format!("{name}: {ty}{required}")
                    })
                    .collect();
                return Ok(format!("struct<{}>", members.join(", ")));
            }
            (Form::Array(items), _) => {
                self.enter(ty)?;
                let items = self.part(*items)?;
                self.open.pop();
                return Ok(format!("array<{items}>"));
            }
            (Form::Map(values), _) => {
                self.enter(ty)?;
                let values = self.part(*values)?;
                self.open.pop();
                return Ok(format!("map<string, {values}>"));
            }
            (_, "decimal") if of.precision <= 38 => {
                return Ok(format!("decimal({},{})", of.precision, of.scale));
            }
            (_, "decimal") => return Err("has a decimal of more than 38 digits"),
            (_, "big-decimal" | "duration") => return Err("has no column for a logical type"),
            (_, "uuid") | (Form::Enum(..) | Form::String, _) => "string",
            (_, "date") => "date",
            (_, "timestamp-millis" | "timestamp-micros") => "timestamp",
            (_, "local-timestamp-millis" | "local-timestamp-micros") => "timestamp_ntz",
            (_, "timestamp-nanos" | "local-timestamp-nanos") if !self.nanos_as_long => {
                return Err("has no column for nanoseconds");
            }
            (Form::Long, _) | (Form::Int, "time-millis") => "long",
            (Form::Int, _) => "integer",
            (Form::Boolean, _) => "boolean",
            (Form::Float, _) => "float",
            (Form::Double, _) => "double",
            (Form::Bytes | Form::Fixed(_), _) => "binary",
            (Form::Null | Form::Union(_), _) => return Err("has no column for null alone"),
        };
        Ok(plain.to_owned())
    }
}

impl Schema {
    /// A default as a cell (specification, "Complex Types"); `None` if it is no value of the type.
    pub fn default_cell(&self, ty: usize, default: &Json) -> Option<Json> {
        let (ty, nullable) = self.landing(ty).ok()?;
        if default.is_null() {
            return nullable.then_some(Json::Null);
        }
        let of = &self.types[ty];
        match &of.form {
            Form::Record(fields) => {
                let given = default.as_object()?;
                let member = |f: &Field| {
                    let member = given.get(&f.name).or(f.default.as_ref())?;
                    self.default_cell(f.ty, member)
                };
                fields.iter().map(member).collect()
            }
            Form::Array(items) => {
                let given = default.as_array()?.iter();
                given.map(|item| self.default_cell(*items, item)).collect()
            }
            Form::Map(values) => {
                let entry = |(key, item): (&String, &Json)| {
                    Some(json!([key, self.default_cell(*values, item)?]))
                };
                default.as_object()?.iter().map(entry).collect()
            }
            Form::Enum(symbols, _) => {
                let symbol = default.as_str()?.to_owned();
                symbols.contains(&symbol).then(|| json!(symbol))
            }
            Form::Boolean => default.is_boolean().then(|| default.clone()),
            Form::Float => {
                let value = default.as_f64()? as f32;
                value.is_finite().then(|| values::float_cell(value))
            }
            Form::Double => Some(values::double_cell(default.as_f64()?)),
            Form::Int => {
                let value = default.as_i64()?;
                i32::try_from(value).ok()?;
                counted(value, of).ok()
            }
            Form::Long => counted(default.as_i64()?, of).ok(),
            Form::String => {
                let text = default.as_str()?;
                (of.logical != "uuid" || values::is_uuid(text)).then(|| default.clone())
            }
            Form::Bytes | Form::Fixed(_) => {
                let chars = default.as_str()?.chars();
                let bytes: Vec<u8> = chars.map(|c| u8::try_from(c).ok()).collect::<Option<_>>()?;
                if let Form::Fixed(size) = of.form
                    && size != bytes.len() as u64
                {
                    return None;
                }
                match of.logical.as_str() {
                    "decimal" => values::binary_decimal(&bytes, of.precision)
                        .map(Json::from)
                        .ok(),
                    "uuid" => Some(values::uuid_cell(&bytes)),
                    _ => Some(json!(values::hex(&bytes))),
                }
            }
            Form::Null | Form::Union(_) => None,
        }
    }
}

/// An int or a long as the cell of what it counts.
pub fn counted(value: i64, of: &Type) -> Told<Json> {
    const MILLIS: i64 = 1_000;
    const MICROS: i64 = 1_000_000;
    const NANOS: i64 = 1_000_000_000;
    let told = match of.logical.as_str() {
        "date" => values::check_date(value),
        "time-millis" => values::check_time(value, MILLIS),
        "time-micros" => values::check_time(value, MICROS),
        // Delta's timestamps are in microseconds
        "timestamp-millis" | "local-timestamp-millis" => {
            values::check_instant(i128::from(value), MILLIS).map(|v| v * 1000)
        }
        "timestamp-micros" | "local-timestamp-micros" => {
            values::check_instant(i128::from(value), MICROS)
        }
        "timestamp-nanos" | "local-timestamp-nanos" => {
            values::check_instant(i128::from(value), NANOS)
        }
        _ => Ok(value),
    };
    told.map(Json::from)
}
