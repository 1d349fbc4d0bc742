//! Arrow's arrays as the cells that the plain readers speak of.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type,
    TimestampMicrosecondType,
};
use serde_json::{Value as Json, json};

use crate::reference::values::{double_cell, float_cell, hex};

/// The value of `array` at a place.
pub fn cell(array: &dyn Array, at: usize) -> Json {
    if array.is_null(at) {
        return Json::Null;
    }
    match array.data_type() {
        DataType::Boolean => json!(array.as_boolean().value(at)),
        DataType::Int32 => json!(array.as_primitive::<Int32Type>().value(at)),
        DataType::Date32 => json!(array.as_primitive::<Date32Type>().value(at)),
        DataType::Int64 => json!(array.as_primitive::<Int64Type>().value(at)),
        DataType::Timestamp(_, _) => {
            json!(array.as_primitive::<TimestampMicrosecondType>().value(at))
        }
        DataType::Float32 => float_cell(array.as_primitive::<Float32Type>().value(at)),
        DataType::Float64 => double_cell(array.as_primitive::<Float64Type>().value(at)),
        DataType::Decimal128(_, _) => {
            json!(array.as_primitive::<Decimal128Type>().value(at).to_string())
        }
        DataType::Utf8 => json!(array.as_string::<i32>().value(at)),
        DataType::Binary => json!(hex(array.as_binary::<i32>().value(at))),
        DataType::Struct(_) => {
            let columns = array.as_struct().columns();
            columns.iter().map(|column| cell(column, at)).collect()
        }
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(at);
            (0..items.len()).map(|i| cell(&items, i)).collect()
        }
        DataType::Map(_, _) => {
            let entries = array.as_map().value(at);
            let side = |n: usize, i: usize| cell(entries.column(n), i);
            (0..entries.len())
                .map(|i| json!([side(0, i), side(1, i)]))
                .collect()
        }
        other => panic!("no column is of {other}"),
    }
}

/// The cells of a row.
pub fn row(arrays: &[arrow::array::ArrayRef], at: usize) -> Vec<Json> {
    arrays.iter().map(|array| cell(array, at)).collect()
}
