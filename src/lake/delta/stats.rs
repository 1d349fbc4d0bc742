//! Delta's file statistics, from what Parquet knows of a finished file.
//!
//! Source: Delta protocol, "Per-file Statistics". Columns whose bounds would be inexact in JSON
//! (binary, nested) are left out, and so are floats: Parquet's bounds pass over NaN, which readers of
//! Delta take for the greatest value and would skip. Strings are cut at 32 characters, the upper bound rounded up.

use arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use jiff::Timestamp;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::statistics::Statistics;
use serde_json::{Map, Value, json};

const STRING_PREFIX: usize = 32;

/// The statistics JSON of a file with columns named as in `schema`.
pub fn from_parquet(metadata: &ParquetMetaData, schema: &SchemaRef) -> String {
    let (mut min, mut max, mut nulls) = (Map::new(), Map::new(), Map::new());
    let descriptor = metadata.file_metadata().schema_descr();
    for at in 0..descriptor.num_columns() {
        let column = descriptor.column(at);
        let [name] = column.path().parts() else {
            continue;
        };
        let Ok(field) = schema.field_with_name(name) else {
            continue;
        };
        let statistics: Option<Vec<&Statistics>> = metadata
            .row_groups()
            .iter()
            .map(|group| group.column(at).statistics())
            .collect();
        let Some(statistics) = statistics else {
            continue;
        };
        let count: Option<u64> = statistics.iter().map(|s| s.null_count_opt()).sum();
        if let Some(count) = count {
            nulls.insert(name.clone(), count.into());
        }
        if let Some((low, high)) = bounds(&statistics, field.data_type()) {
            min.insert(name.clone(), low);
            max.insert(name.clone(), high);
        }
    }
    json!({
        "numRecords": metadata.file_metadata().num_rows(),
        "minValues": min,
        "maxValues": max,
        "nullCount": nulls,
    })
    .to_string()
}

fn bounds(statistics: &[&Statistics], data_type: &DataType) -> Option<(Value, Value)> {
    let mut low: Option<Bound> = None;
    let mut high: Option<Bound> = None;
    for s in statistics {
        if s.min_bytes_opt().is_none() {
            // A row group of nulls only has no bounds.
            continue;
        }
        let (min, max) = bound(s)?;
        if low.as_ref().is_none_or(|l| min.less(l)) {
            low = Some(min);
        }
        if high.as_ref().is_none_or(|h| h.less(&max)) {
            high = Some(max);
        }
    }
    Some((low?.lower(data_type)?, high?.upper(data_type)?))
}

enum Bound {
    Integer(i64),
    Text(String),
}

fn bound(statistics: &Statistics) -> Option<(Bound, Bound)> {
    Some(match statistics {
        Statistics::Int32(s) => (
            Bound::Integer((*s.min_opt()?).into()),
            Bound::Integer((*s.max_opt()?).into()),
        ),
        Statistics::Int64(s) => (Bound::Integer(*s.min_opt()?), Bound::Integer(*s.max_opt()?)),
        Statistics::ByteArray(s) => (
            Bound::Text(std::str::from_utf8(s.min_opt()?.data()).ok()?.to_owned()),
            Bound::Text(std::str::from_utf8(s.max_opt()?.data()).ok()?.to_owned()),
        ),
        _ => return None,
    })
}

impl Bound {
    fn less(&self, other: &Bound) -> bool {
        match (self, other) {
            (Bound::Integer(a), Bound::Integer(b)) => a < b,
            (Bound::Text(a), Bound::Text(b)) => a < b,
            _ => false,
        }
    }

    fn lower(self, data_type: &DataType) -> Option<Value> {
        match self {
            Bound::Text(text) if *data_type == DataType::Utf8 => {
                Some(text.chars().take(STRING_PREFIX).collect::<String>().into())
            }
            other => other.number(data_type, 0),
        }
    }

    fn upper(self, data_type: &DataType) -> Option<Value> {
        match self {
            Bound::Text(text) if *data_type == DataType::Utf8 => {
                if text.chars().count() <= STRING_PREFIX {
                    return Some(text.into());
                }
                let mut cut: String = text.chars().take(STRING_PREFIX).collect();
                // Above every text with this prefix.
                cut.push(char::MAX);
                Some(cut.into())
            }
            other => other.number(data_type, 1),
        }
    }

    /// `round` milliseconds are added where the unit is coarser than the value.
    fn number(self, data_type: &DataType, round: i64) -> Option<Value> {
        match (self, data_type) {
            (Bound::Integer(n), DataType::Int32 | DataType::Int64) => Some(n.into()),
            (Bound::Integer(n), DataType::Date32) => {
                let at = Timestamp::from_second(n.checked_mul(86_400)?).ok()?;
                Some(at.strftime("%Y-%m-%d").to_string().into())
            }
            (Bound::Integer(n), DataType::Timestamp(TimeUnit::Microsecond, zone)) => {
                let exact = n % 1000 == 0;
                let ms = n.div_euclid(1000) + if exact { 0 } else { round };
                let at = Timestamp::from_millisecond(ms).ok()?;
                let form = if zone.is_some() {
                    "%Y-%m-%dT%H:%M:%S%.3fZ"
                } else {
                    "%Y-%m-%dT%H:%M:%S%.3f"
                };
                Some(at.strftime(form).to_string().into())
            }
            _ => None,
        }
    }
}
