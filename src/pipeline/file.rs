//! One Parquet file that is being written, in memory, row group by row group.
//!
//! Owns: the writer's settings (zstd, dictionary only where it pays, statistics) and the encoded
//! bytes in chunks. Does not own: which rows go in, where the file goes, Delta's statistics.

use std::collections::HashSet;
use std::hash::Hash;
use std::io::{self, Write};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int32Type, Int64Type, SchemaRef};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;

use crate::error::{Error, Result};

/// Rows of a row group: large enough to compress well, small enough that its buffers stay small
/// against the budget.
const ROW_GROUP_ROWS: usize = 256 * 1024;

/// Encoded bytes are kept in chunks of about this size, so that a growing file is never copied.
const CHUNK_BYTES: usize = 1 << 20;

/// A column is written with a dictionary if a sample has at most one distinct value in this many.
const DICTIONARY_ROWS_PER_VALUE: usize = 8;

/// A Parquet file in the making.
pub struct FileWriter {
    writer: ArrowWriter<Chunks>,
    rows: u64,
}

/// A finished file: its bytes and what Parquet says of them.
#[derive(Debug)]
pub struct EncodedFile {
    /// The bytes, in order.
    pub chunks: Vec<Bytes>,
    /// Their number.
    pub size: u64,
    /// Rows.
    pub rows: u64,
    /// The footer.
    pub metadata: ParquetMetaData,
}

impl FileWriter {
    /// A writer whose settings fit `sample`, its first rows. Columns of dictionary type are
    /// written as their values; the Arrow schema is not embedded.
    pub fn new(schema: SchemaRef, sample: &RecordBatch) -> Result<Self> {
        let options = ArrowWriterOptions::new()
            .with_properties(properties(sample))
            .with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(Chunks::default(), schema, options)
            .map_err(|e| Error::internal("could not begin a Parquet file").because(e))?;
        Ok(Self { writer, rows: 0 })
    }

    /// Appends rows.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.writer
            .write(batch)
            .map_err(|e| Error::internal("could not encode rows as Parquet").because(e))?;
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// Bytes held: encoded ones and the open row group's buffers.
    pub fn memory(&self) -> usize {
        self.writer.inner().size + self.writer.memory_size()
    }

    /// About the size that the file would have if it ended now.
    pub fn size(&self) -> usize {
        self.writer.inner().size + self.writer.in_progress_size()
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Ends the file.
    pub fn finish(mut self) -> Result<EncodedFile> {
        let metadata = self
            .writer
            .finish()
            .map_err(|e| Error::internal("could not end a Parquet file").because(e))?;
        let sink = std::mem::take(self.writer.inner_mut());
        let size = sink.size as u64;
        let mut chunks = sink.full;
        if !sink.open.is_empty() {
            chunks.push(sink.open.into());
        }
        Ok(EncodedFile {
            chunks,
            size,
            rows: self.rows,
            metadata,
        })
    }
}

impl std::fmt::Debug for FileWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileWriter")
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Chunks {
    full: Vec<Bytes>,
    open: Vec<u8>,
    size: usize,
}

impl Write for Chunks {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if !self.open.is_empty() && self.open.len() + buf.len() > CHUNK_BYTES {
            self.full.push(std::mem::take(&mut self.open).into());
        }
        self.open.extend_from_slice(buf);
        self.size += buf.len();
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn properties(sample: &RecordBatch) -> WriterProperties {
    let mut builder = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by(concat!("weir ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_statistics_truncate_length(Some(64))
        .set_offset_index_disabled(true)
        .set_dictionary_enabled(false);
    for (field, column) in sample.schema().fields().iter().zip(sample.columns()) {
        let path = ColumnPath::from(field.name().as_str());
        if dictionary_pays(column) {
            builder = builder.set_column_dictionary_enabled(path, true);
        } else if matches!(
            field.data_type(),
            DataType::Int64 | DataType::Timestamp(_, _)
        ) {
            builder = builder.set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
        }
    }
    builder.build()
}

fn dictionary_pays(column: &ArrayRef) -> bool {
    match column.data_type() {
        DataType::Dictionary(_, _) => true,
        DataType::Utf8 => few(column.as_string::<i32>().iter()),
        DataType::Int32 => few(column.as_primitive::<Int32Type>().iter()),
        DataType::Int64 => few(column.as_primitive::<Int64Type>().iter()),
        _ => false,
    }
}

fn few<T: Eq + Hash>(values: impl ExactSizeIterator<Item = T>) -> bool {
    let limit = values.len() / DICTIONARY_ROWS_PER_VALUE + 1;
    let mut seen = HashSet::new();
    for value in values {
        seen.insert(value);
        if seen.len() > limit {
            return false;
        }
    }
    true
}
