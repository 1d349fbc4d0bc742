//! A column of long runs: a dictionary of its values and one page of runs, at the cost of a run and
//! not of a row.
//!
//! Owns: the bytes of such a column chunk (Parquet's RLE_DICTIONARY encoding, not compressed), for
//! required columns of 32 and 64 bit integers and of dictionaries of texts.
//! Source: Parquet format, "Encodings" and "Data Pages".

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Date32Type, Int32Type, Int64Type, TimestampMicrosecondType};
use bytes::Bytes;
use parquet::basic::{Compression, Encoding, PageType};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::ByteArray;
use parquet::errors::Result;
use parquet::file::metadata::{ColumnChunkMetaData, PageEncodingStats};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

/// Rows of a bit-packed group.
const GROUP: usize = 8;

/// A column chunk in the making.
#[derive(Debug)]
pub(super) struct RunsWriter {
    column: ColumnDescPtr,
    kind: Kind,
    places: HashMap<Bytes, u32>,
    values: Vec<Bytes>,
    bytes: usize,
    runs: Vec<Run>,
    rows: usize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Int32,
    Int64,
    Text,
}

#[derive(Debug, Clone, Copy)]
struct Run {
    value: u32,
    rows: usize,
}

impl RunsWriter {
    /// A writer of `column`, whose arrays are of `data_type`; `None` if they cannot be written here.
    pub(super) fn new(column: ColumnDescPtr, data_type: &DataType) -> Option<Self> {
        let kind = match data_type {
            DataType::Int32 | DataType::Date32 => Kind::Int32,
            DataType::Int64 | DataType::Timestamp(_, _) => Kind::Int64,
            DataType::Dictionary(key, value)
                if **key == DataType::Int32 && **value == DataType::Utf8 =>
            {
                Kind::Text
            }
            _ => return None,
        };
        (column.max_def_level() == 0 && column.max_rep_level() == 0).then(|| Self {
            column,
            kind,
            places: HashMap::new(),
            values: Vec::new(),
            bytes: 0,
            runs: Vec::new(),
            rows: 0,
        })
    }

    /// Appends an array without nulls.
    pub(super) fn write(&mut self, array: &ArrayRef) {
        match array.data_type() {
            DataType::Int32 => self.integers(array.as_primitive::<Int32Type>().values()),
            DataType::Date32 => self.integers(array.as_primitive::<Date32Type>().values()),
            DataType::Int64 => self.integers(array.as_primitive::<Int64Type>().values()),
            DataType::Timestamp(_, _) => {
                self.integers(array.as_primitive::<TimestampMicrosecondType>().values());
            }
            _ => {
                let texts = array.as_dictionary::<Int32Type>();
                let values = texts.values().as_string::<i32>();
                for run in texts.keys().values().chunk_by(|a, b| a == b) {
                    self.push(values.value(run[0] as usize).as_bytes(), run.len());
                }
            }
        }
    }

    fn integers<T: Plain>(&mut self, values: &[T]) {
        for run in values.chunk_by(|a, b| a == b) {
            self.push(run[0].plain().as_ref(), run.len());
        }
    }

    fn push(&mut self, value: &[u8], rows: usize) {
        self.rows += rows;
        let value = match self.places.get(value) {
            Some(place) => *place,
            None => {
                let place = self.values.len() as u32;
                let value = Bytes::copy_from_slice(value);
                self.bytes += value.len() + 4;
                self.values.push(value.clone());
                self.places.insert(value, place);
                place
            }
        };
        match self.runs.last_mut() {
            Some(last) if last.value == value => last.rows += rows,
            _ => self.runs.push(Run { value, rows }),
        }
    }

    /// Bytes held, about.
    pub(super) fn memory(&self) -> usize {
        self.bytes + self.values.len() * 96 + self.runs.len() * size_of::<Run>()
    }

    /// Bytes of the chunk if it ended now, about.
    pub(super) fn size(&self) -> usize {
        self.bytes + self.runs.len() * 4
    }

    /// Ends the chunk: its bytes, and what the row group has to know of it.
    pub(super) fn close(self) -> Result<(Bytes, ColumnCloseResult)> {
        let mut sink = TrackedWrite::new(Vec::new());
        let mut pages = SerializedPageWriter::new(&mut sink);
        let values = self.dictionary();
        let dictionary = pages.write_page(CompressedPage::new(
            Page::DictionaryPage {
                num_values: self.values.len() as u32,
                encoding: Encoding::PLAIN,
                is_sorted: false,
                buf: values.clone(),
            },
            values.len(),
        ))?;
        let indices = self.indices();
        let data = pages.write_page(CompressedPage::new(
            Page::DataPage {
                num_values: self.rows as u32,
                encoding: Encoding::RLE_DICTIONARY,
                def_level_encoding: Encoding::RLE,
                rep_level_encoding: Encoding::RLE,
                statistics: None,
                buf: indices.clone(),
            },
            indices.len(),
        ))?;
        pages.close()?;
        let page = |page_type, encoding| PageEncodingStats {
            page_type,
            encoding,
            count: 1,
        };
        let mut metadata = ColumnChunkMetaData::builder(self.column.clone())
            .set_compression(Compression::UNCOMPRESSED)
            .set_encodings(vec![
                Encoding::PLAIN,
                Encoding::RLE,
                Encoding::RLE_DICTIONARY,
            ])
            .set_page_encoding_stats(vec![
                page(PageType::DICTIONARY_PAGE, Encoding::PLAIN),
                page(PageType::DATA_PAGE, Encoding::RLE_DICTIONARY),
            ])
            .set_num_values(self.rows as i64)
            .set_total_compressed_size((dictionary.compressed_size + data.compressed_size) as i64)
            .set_total_uncompressed_size(
                (dictionary.uncompressed_size + data.uncompressed_size) as i64,
            )
            .set_dictionary_page_offset(Some(dictionary.offset as i64))
            .set_data_page_offset(data.offset as i64);
        if let Some(statistics) = self.statistics() {
            metadata = metadata.set_statistics(statistics);
        }
        let bytes = Bytes::from(sink.into_inner()?);
        let close = ColumnCloseResult {
            bytes_written: bytes.len() as u64,
            rows_written: self.rows as u64,
            metadata: metadata.build()?,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        Ok((bytes, close))
    }

    /// The values in PLAIN encoding.
    fn dictionary(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.bytes);
        for value in &self.values {
            if self.kind == Kind::Text {
                out.extend_from_slice(&(value.len() as u32).to_le_bytes());
            }
            out.extend_from_slice(value);
        }
        out.into()
    }

    /// The width of an index, then runs and bit-packed groups.
    fn indices(&self) -> Bytes {
        let last = self.values.len().saturating_sub(1) as u32;
        let width = (u32::BITS - last.leading_zeros()).max(1) as usize;
        let mut out = vec![width as u8];
        // Rows of runs that are too short, and what fills their last group.
        let mut short: Vec<u32> = Vec::new();
        for run in &self.runs {
            let mut rows = run.rows;
            if !short.is_empty() || rows < GROUP {
                let fill = rows.min(short.len().next_multiple_of(GROUP) - short.len());
                let taken = if rows - fill < GROUP { rows } else { fill };
                short.extend(std::iter::repeat_n(run.value, taken));
                rows -= taken;
            }
            if rows > 0 {
                pack(&mut short, width, &mut out);
                varint(rows * 2, &mut out);
                out.extend_from_slice(&run.value.to_le_bytes()[..width.div_ceil(8)]);
            }
        }
        pack(&mut short, width, &mut out);
        out.into()
    }

    fn statistics(&self) -> Option<Statistics> {
        let integers = || self.values.iter().map(|v| integer(v));
        Some(match self.kind {
            Kind::Int32 => Statistics::int32(
                Some(integers().min()? as i32),
                Some(integers().max()? as i32),
                None,
                Some(0),
                false,
            ),
            Kind::Int64 => Statistics::int64(
                Some(integers().min()?),
                Some(integers().max()?),
                None,
                Some(0),
                false,
            ),
            Kind::Text => Statistics::byte_array(
                Some(ByteArray::from(self.values.iter().min()?.clone())),
                Some(ByteArray::from(self.values.iter().max()?.clone())),
                None,
                Some(0),
                false,
            ),
        })
    }
}

/// Bit-packs `short` in whole groups, the lowest bits first, and empties it.
fn pack(short: &mut Vec<u32>, width: usize, out: &mut Vec<u8>) {
    if short.is_empty() {
        return;
    }
    short.resize(short.len().next_multiple_of(GROUP), 0);
    varint(short.len() / GROUP * 2 + 1, out);
    let (mut bits, mut held) = (0_u64, 0);
    for value in short.drain(..) {
        bits |= u64::from(value) << held;
        held += width;
        while held >= 8 {
            out.push(bits as u8);
            bits >>= 8;
            held -= 8;
        }
    }
}

/// Appends an unsigned varint, seven bits a byte, the lowest first.
pub(super) fn varint(mut value: usize, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// An integer that [`Plain`] wrote.
fn integer(bytes: &[u8]) -> i64 {
    match (<[u8; 4]>::try_from(bytes), <[u8; 8]>::try_from(bytes)) {
        (Ok(bytes), _) => i32::from_le_bytes(bytes).into(),
        (_, Ok(bytes)) => i64::from_le_bytes(bytes),
        _ => 0,
    }
}

/// An integer in PLAIN encoding.
trait Plain: PartialEq {
    type Bytes: AsRef<[u8]>;
    fn plain(&self) -> Self::Bytes;
}

impl Plain for i32 {
    type Bytes = [u8; 4];
    fn plain(&self) -> [u8; 4] {
        self.to_le_bytes()
    }
}

impl Plain for i64 {
    type Bytes = [u8; 8];
    fn plain(&self) -> [u8; 8] {
        self.to_le_bytes()
    }
}
