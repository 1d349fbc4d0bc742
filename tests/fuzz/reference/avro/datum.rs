//! A datum as it was written (specification, "Binary Encoding"), with the first flaw that it has.

use weir::model::reject::RejectCode;

use super::super::schema::{Form, Schema};
use super::super::{Step, path};

/// A datum as it was written.
#[derive(Debug)]
pub enum Tree {
    Null,
    Boolean(bool),
    Long(i64),
    Float(f32),
    Double(f64),
    Bytes(Vec<u8>),
    Text(String),
    Symbol(String),
    Record(Vec<Tree>),
    Array(Vec<Tree>),
    Map(Vec<(String, Tree)>),
    Branch(usize, Box<Tree>),
}

/// Items that are read.
const MOST_ITEMS: u64 = 20_000;

pub enum Wrong {
    Flaw(RejectCode, String),
    TooMany,
}

pub struct Reading<'a> {
    schema: &'a Schema,
    datum: &'a [u8],
    at: usize,
    items: u64,
    /// Those that take no bytes.
    nothings: u64,
    /// Where the value stands that is being read.
    steps: Vec<Step>,
}

type Got<T> = Result<T, Wrong>;

impl<'a> Reading<'a> {
    /// A whole datum.
    pub fn tree(schema: &'a Schema, datum: &'a [u8]) -> Got<Tree> {
        let mut reading = Self {
            schema,
            datum,
            at: 0,
            items: 0,
            nothings: 0,
            steps: Vec::new(),
        };
        let tree = reading.value(schema.root, 0)?;
        match reading.at == datum.len() {
            true => Ok(tree),
            false => reading.flaw(RejectCode::TrailingBytes),
        }
    }

    fn flaw<T>(&self, code: RejectCode) -> Got<T> {
        Err(Wrong::Flaw(code, path(&self.steps)))
    }

    fn invalid<T>(&self) -> Got<T> {
        self.flaw(RejectCode::InvalidAvro)
    }

    fn take(&mut self, count: u64) -> Got<Vec<u8>> {
        let left = &self.datum[self.at..];
        if count > left.len() as u64 {
            return self.invalid();
        }
        let taken = left[..count as usize].to_vec();
        self.at += taken.len();
        Ok(taken)
    }

    fn byte(&mut self) -> Got<u8> {
        Ok(self.take(1)?[0])
    }

    fn array<const N: usize>(&mut self) -> Got<[u8; N]> {
        let taken = self.take(N as u64)?;
        Ok(std::array::from_fn(|at| taken[at]))
    }

    /// Zigzag in groups of seven bits, of so many bits in all.
    fn varint(&mut self, bits: u32) -> Got<i64> {
        let mut value = 0_u128;
        for place in 0..bits.div_ceil(7) {
            let byte = self.byte()?;
            value |= u128::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                let half = (value / 2) as i64;
                return match value >> bits {
                    0 if value.is_multiple_of(2) => Ok(half),
                    0 => Ok(-half - 1),
                    _ => self.invalid(),
                };
            }
        }
        self.invalid()
    }

    fn length(&mut self) -> Got<u64> {
        match u64::try_from(self.varint(64)?) {
            Ok(length) => Ok(length),
            Err(_) => self.invalid(),
        }
    }

    fn index(&mut self, count: usize) -> Got<usize> {
        match self.length()? {
            index if index < count as u64 => Ok(index as usize),
            _ => self.invalid(),
        }
    }

    fn bytes(&mut self) -> Got<Vec<u8>> {
        let length = self.length()?;
        self.take(length)
    }

    fn text(&mut self) -> Got<String> {
        match String::from_utf8(self.bytes()?) {
            Ok(text) => Ok(text),
            Err(_) => self.flaw(RejectCode::InvalidUtf8),
        }
    }

    /// `depth` records, arrays and maps stand around it.
    fn value(&mut self, ty: usize, depth: usize) -> Got<Tree> {
        let of = &self.schema.types[ty];
        let has_parts = matches!(of.form, Form::Record(_) | Form::Array(_) | Form::Map(_));
        if has_parts && depth == 64 {
            return self.flaw(RejectCode::TooDeep);
        }
        Ok(match &of.form {
            Form::Null => Tree::Null,
            Form::Boolean => match self.byte()? {
                bit @ 0..=1 => Tree::Boolean(bit == 1),
                _ => return self.invalid(),
            },
            Form::Int => Tree::Long(self.varint(32)?),
            Form::Long => Tree::Long(self.varint(64)?),
            Form::Float => Tree::Float(f32::from_le_bytes(self.array()?)),
            Form::Double => Tree::Double(f64::from_le_bytes(self.array()?)),
            Form::Bytes => Tree::Bytes(self.bytes()?),
            Form::String => Tree::Text(self.text()?),
            Form::Fixed(size) => Tree::Bytes(self.take(*size)?),
            Form::Enum(symbols, _) => {
                let at = self.index(symbols.len())?;
                Tree::Symbol(symbols[at].clone())
            }
            Form::Union(branches) => {
                let at = self.index(branches.len())?;
                Tree::Branch(at, Box::new(self.value(branches[at], depth)?))
            }
            Form::Record(fields) => {
                let mut values = Vec::new();
                for field in fields {
                    self.steps.push(Step::Name(field.name.clone()));
                    values.push(self.value(field.ty, depth + 1)?);
                    self.steps.pop();
                }
                Tree::Record(values)
            }
            Form::Array(items) => Tree::Array(self.array_items(*items, depth)?),
            Form::Map(values) => Tree::Map(self.entries(*values, depth)?),
        })
    }

    fn array_items(&mut self, ty: usize, depth: usize) -> Got<Vec<Tree>> {
        let mut items = Vec::new();
        while let Some((count, end)) = self.block(self.schema.types[ty].least)? {
            for _ in 0..count {
                self.steps.push(Step::Index(items.len()));
                items.push(self.value(ty, depth + 1)?);
                self.steps.pop();
            }
            self.leave(end)?;
        }
        Ok(items)
    }

    fn entries(&mut self, ty: usize, depth: usize) -> Got<Vec<(String, Tree)>> {
        let mut entries = Vec::new();
        while let Some((count, end)) = self.block(self.schema.types[ty].least + 1)? {
            for _ in 0..count {
                let key = self.text()?;
                self.steps.push(Step::Key(key.clone()));
                entries.push((key, self.value(ty, depth + 1)?));
                self.steps.pop();
            }
            self.leave(end)?;
        }
        Ok(entries)
    }

    /// Items of a block and where it has to end. A block cannot hold more items than its bytes
    /// allow, and says so before its first item.
    fn block(&mut self, least: u64) -> Got<Option<(u64, Option<usize>)>> {
        let count = self.varint(64)?;
        if count == 0 {
            return Ok(None);
        }
        let mut end = None;
        if count < 0 {
            let size = self.length()?;
            if size > (self.datum.len() - self.at) as u64 {
                return self.invalid();
            }
            end = Some(self.at + size as usize);
        }
        let count = count.unsigned_abs();
        let left = (self.datum.len() - self.at) as u128;
        if u128::from(count) * u128::from(least) > left {
            return self.invalid();
        }
        if least == 0 {
            // such items count 32 bytes, of 32 MiB and 16 times the datum's
            self.nothings = self.nothings.saturating_add(count);
            if self.nothings > (1 << 20) + self.datum.len() as u64 / 2 {
                return self.flaw(RejectCode::TooLarge);
            }
        }
        self.items = self.items.saturating_add(count);
        match self.items > MOST_ITEMS {
            true => Err(Wrong::TooMany),
            false => Ok(Some((count, end))),
        }
    }

    fn leave(&self, end: Option<usize>) -> Got<()> {
        match end.is_none_or(|end| end == self.at) {
            true => Ok(()),
            false => self.invalid(),
        }
    }
}
