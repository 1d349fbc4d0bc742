//! Columns that rows are appended to, and taken back from.
//!
//! Owns: the builders. A row is rolled back by cutting every column to the rows before it; nothing
//! has to be remembered for that. Arrow's types are those of `schema::arrow`.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
    Int32Array, Int64Array, ListArray, MapArray, StringArray, StructArray,
    TimestampMicrosecondArray,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, Fields};

use crate::schema::Schema;
use crate::schema::arrow::arrow_fields;

/// Bytes that one column of texts may hold; Arrow's offsets end at `i32::MAX`.
pub const MAX_COLUMN_BYTES: usize = 1 << 30;

/// The columns of a schema's fields.
#[derive(Debug)]
pub struct Columns {
    pub(crate) columns: Vec<Column>,
    rows: usize,
}

impl Columns {
    /// Empty columns.
    pub fn new(schema: &Schema) -> Self {
        let fields = arrow_fields(&schema.root);
        Self {
            columns: fields.iter().map(Column::new).collect(),
            rows: 0,
        }
    }

    /// Rows that were appended and not taken.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes held.
    pub fn memory(&self) -> usize {
        self.columns.iter().map(Column::memory).sum()
    }

    /// Takes the columns, in the schema's order.
    pub fn finish(&mut self) -> Vec<ArrayRef> {
        self.rows = 0;
        self.columns.iter_mut().map(Column::finish).collect()
    }

    pub(crate) fn accept_row(&mut self) {
        self.rows += 1;
    }

    pub(crate) fn roll_back(&mut self, rows: usize) {
        self.rows = rows;
        for column in &mut self.columns {
            column.truncate(rows);
        }
    }
}

/// One column.
#[derive(Debug)]
pub(crate) struct Column {
    data_type: DataType,
    nullable: bool,
    /// One for each value where the column is nullable, else empty.
    valid: Vec<bool>,
    nulls: usize,
    pub(crate) values: Values,
}

/// The values of a column, with a placeholder for each null.
#[derive(Debug)]
pub(crate) enum Values {
    Bool(Vec<bool>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    I128(Vec<i128>),
    /// Texts and bytes: offsets begin with 0.
    Bytes {
        offsets: Vec<i32>,
        data: Vec<u8>,
    },
    Struct {
        fields: Vec<Column>,
        rows: usize,
    },
    List {
        offsets: Vec<i32>,
        items: Box<Column>,
    },
    Map {
        offsets: Vec<i32>,
        keys: Box<Column>,
        values: Box<Column>,
    },
}

impl Column {
    fn new(field: &Field) -> Self {
        let values = match field.data_type() {
            DataType::Boolean => Values::Bool(Vec::new()),
            DataType::Int32 | DataType::Date32 => Values::I32(Vec::new()),
            DataType::Float32 => Values::F32(Vec::new()),
            DataType::Float64 => Values::F64(Vec::new()),
            DataType::Decimal128(_, _) => Values::I128(Vec::new()),
            DataType::Utf8 | DataType::Binary => Values::Bytes {
                offsets: vec![0],
                data: Vec::new(),
            },
            DataType::Struct(fields) => Values::Struct {
                fields: fields.iter().map(|f| Column::new(f)).collect(),
                rows: 0,
            },
            DataType::List(item) => Values::List {
                offsets: vec![0],
                items: Box::new(Column::new(item)),
            },
            DataType::Map(entries, _) => {
                let DataType::Struct(parts) = entries.data_type() else {
                    unreachable!("a map's entries are a struct");
                };
                Values::Map {
                    offsets: vec![0],
                    keys: Box::new(Column::new(&parts[0])),
                    values: Box::new(Column::new(&parts[1])),
                }
            }
            // Int64 and timestamps; `schema::arrow` makes no other.
            _ => Values::I64(Vec::new()),
        };
        Self {
            data_type: field.data_type().clone(),
            nullable: field.is_nullable(),
            valid: Vec::new(),
            nulls: 0,
            values,
        }
    }

    /// Values, nulls included.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        match &self.values {
            Values::Bool(v) => v.len(),
            Values::I32(v) => v.len(),
            Values::I64(v) => v.len(),
            Values::F32(v) => v.len(),
            Values::F64(v) => v.len(),
            Values::I128(v) => v.len(),
            Values::Bytes { offsets, .. }
            | Values::List { offsets, .. }
            | Values::Map { offsets, .. } => offsets.len() - 1,
            Values::Struct { rows, .. } => *rows,
        }
    }

    /// To be called after a value that is not null was appended.
    #[inline]
    pub(crate) fn mark_valid(&mut self) {
        if self.nullable {
            self.valid.push(true);
        }
    }

    /// Appends a null; the column must be nullable.
    pub(crate) fn push_null(&mut self) {
        self.push_placeholder();
        self.valid.push(false);
        self.nulls += 1;
    }

    fn push_placeholder(&mut self) {
        match &mut self.values {
            Values::Bool(v) => v.push(false),
            Values::I32(v) => v.push(0),
            Values::I64(v) => v.push(0),
            Values::F32(v) => v.push(0.0),
            Values::F64(v) => v.push(0.0),
            Values::I128(v) => v.push(0),
            Values::Bytes { offsets, .. }
            | Values::List { offsets, .. }
            | Values::Map { offsets, .. } => {
                let last = offsets.last().copied().unwrap_or(0);
                offsets.push(last);
            }
            Values::Struct { fields, rows } => {
                for field in fields {
                    field.push_placeholder();
                    if field.nullable {
                        field.valid.push(false);
                        field.nulls += 1;
                    }
                }
                *rows += 1;
            }
        }
    }

    /// Cuts the column to its first `len` values.
    pub(crate) fn truncate(&mut self, len: usize) {
        if self.len() <= len
            && !matches!(
                self.values,
                Values::Struct { .. }
                    | Values::List { .. }
                    | Values::Map { .. }
                    | Values::Bytes { .. }
            )
        {
            self.cut_validity(len);
            return;
        }
        match &mut self.values {
            Values::Bool(v) => v.truncate(len),
            Values::I32(v) => v.truncate(len),
            Values::I64(v) => v.truncate(len),
            Values::F32(v) => v.truncate(len),
            Values::F64(v) => v.truncate(len),
            Values::I128(v) => v.truncate(len),
            Values::Bytes { offsets, data } => {
                offsets.truncate(len + 1);
                data.truncate(end(offsets));
            }
            Values::List { offsets, items } => {
                offsets.truncate(len + 1);
                items.truncate(end(offsets));
            }
            Values::Map {
                offsets,
                keys,
                values,
            } => {
                offsets.truncate(len + 1);
                keys.truncate(end(offsets));
                values.truncate(end(offsets));
            }
            Values::Struct { fields, rows } => {
                *rows = (*rows).min(len);
                for field in fields {
                    field.truncate(*rows);
                }
            }
        }
        self.cut_validity(len);
    }

    fn cut_validity(&mut self, len: usize) {
        while self.valid.len() > len {
            if self.valid.pop() == Some(false) {
                self.nulls -= 1;
            }
        }
    }

    fn memory(&self) -> usize {
        self.valid.capacity()
            + match &self.values {
                Values::Bool(v) => v.capacity(),
                Values::I32(v) => v.capacity() * 4,
                Values::I64(v) => v.capacity() * 8,
                Values::F32(v) => v.capacity() * 4,
                Values::F64(v) => v.capacity() * 8,
                Values::I128(v) => v.capacity() * 16,
                Values::Bytes { offsets, data } => offsets.capacity() * 4 + data.capacity(),
                Values::Struct { fields, .. } => fields.iter().map(Column::memory).sum(),
                Values::List { offsets, items } => offsets.capacity() * 4 + items.memory(),
                Values::Map {
                    offsets,
                    keys,
                    values,
                } => offsets.capacity() * 4 + keys.memory() + values.memory(),
            }
    }

    fn finish(&mut self) -> ArrayRef {
        let valid = std::mem::take(&mut self.valid);
        let nulls = (std::mem::take(&mut self.nulls) > 0)
            .then(|| NullBuffer::new(BooleanBuffer::from(valid)));
        match &mut self.values {
            Values::Bool(v) => Arc::new(BooleanArray::new(BooleanBuffer::from(take(v)), nulls)),
            Values::I32(v) if self.data_type == DataType::Date32 => {
                Arc::new(Date32Array::new(take(v).into(), nulls))
            }
            Values::I32(v) => Arc::new(Int32Array::new(take(v).into(), nulls)),
            Values::I64(v) => match &self.data_type {
                DataType::Timestamp(_, zone) => Arc::new(
                    TimestampMicrosecondArray::new(take(v).into(), nulls)
                        .with_timezone_opt(zone.clone()),
                ),
                _ => Arc::new(Int64Array::new(take(v).into(), nulls)),
            },
            Values::F32(v) => Arc::new(Float32Array::new(take(v).into(), nulls)),
            Values::F64(v) => Arc::new(Float64Array::new(take(v).into(), nulls)),
            Values::I128(v) => Arc::new(
                Decimal128Array::new(take(v).into(), nulls).with_data_type(self.data_type.clone()),
            ),
            Values::Bytes { offsets, data } => {
                let offsets = take_offsets(offsets);
                let data = Buffer::from_vec(take(data));
                if self.data_type == DataType::Utf8 {
                    // Every text was checked to be UTF-8 with its message.
                    Arc::new(StringArray::new(offsets, data, nulls))
                } else {
                    Arc::new(BinaryArray::new(offsets, data, nulls))
                }
            }
            Values::Struct { fields, rows } => {
                let rows = std::mem::take(rows);
                let names: Fields = struct_fields(&self.data_type);
                let arrays = fields.iter_mut().map(Column::finish).collect();
                if names.is_empty() {
                    Arc::new(StructArray::new_empty_fields(rows, nulls))
                } else {
                    Arc::new(StructArray::new(names, arrays, nulls))
                }
            }
            Values::List { offsets, items } => {
                let DataType::List(field) = &self.data_type else {
                    unreachable!("a list column has a list type");
                };
                let offsets = take_offsets(offsets);
                Arc::new(ListArray::new(
                    field.clone(),
                    offsets,
                    items.finish(),
                    nulls,
                ))
            }
            Values::Map {
                offsets,
                keys,
                values,
            } => {
                let DataType::Map(field, sorted) = &self.data_type else {
                    unreachable!("a map column has a map type");
                };
                let parts = struct_fields(field.data_type());
                let entries = StructArray::new(parts, vec![keys.finish(), values.finish()], None);
                let offsets = take_offsets(offsets);
                Arc::new(MapArray::new(
                    field.clone(),
                    offsets,
                    entries,
                    nulls,
                    *sorted,
                ))
            }
        }
    }
}

/// The offset behind so many bytes or items; `None` beyond [`MAX_COLUMN_BYTES`].
#[inline]
pub(crate) fn offset(length: usize) -> Option<i32> {
    if length > MAX_COLUMN_BYTES {
        return None;
    }
    i32::try_from(length).ok()
}

fn end(offsets: &[i32]) -> usize {
    offsets.last().map_or(0, |o| *o as usize)
}

/// Takes a vector and leaves one that has room for as much again.
fn take<T>(v: &mut Vec<T>) -> Vec<T> {
    let room = v.len();
    std::mem::replace(v, Vec::with_capacity(room))
}

fn take_offsets(offsets: &mut Vec<i32>) -> OffsetBuffer<i32> {
    let taken = take(offsets);
    offsets.push(0);
    OffsetBuffer::new(ScalarBuffer::from(taken))
}

fn struct_fields(data_type: &DataType) -> Fields {
    match data_type {
        DataType::Struct(fields) => fields.clone(),
        _ => Fields::empty(),
    }
}
