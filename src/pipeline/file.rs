//! One Parquet file that is being written, in memory, row group by row group.
//!
//! Owns: the writer's settings (zstd, dictionary only where it pays, statistics) and the encoded
//! bytes in chunks. Pages are compressed in `file::pages`. Weir's own columns, of which a block's rows share the values, are written run by
//! run (`file::runs`). Does not own: which rows go in, where the file goes, Delta's statistics.

mod pages;
mod runs;

use std::collections::HashSet;
use std::hash::Hash;
use std::io::{self, Write};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int32Type, Int64Type, SchemaRef, TimestampMicrosecondType};
use bytes::Bytes;
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression, Encoding};
use parquet::errors::Result as Encoded;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;

use crate::error::{Error, Result};
use crate::pipeline::file::pages::{Pages, PagesFactory};
use crate::pipeline::file::runs::RunsWriter;

/// Rows of a row group: large enough to compress well, small enough that its buffers stay small
/// against the budget.
const ROW_GROUP_ROWS: usize = 256 * 1024;

/// Bytes of a page before compression. Each column of an open file holds one page.
const PAGE_BYTES: usize = 256 * 1024;

/// Encoded bytes are kept in chunks of about this size, so that a growing file is never copied.
const CHUNK_BYTES: usize = 1 << 20;

/// Rows that are looked at to decide how a column is written.
const SAMPLE_ROWS: usize = 2048;

/// A column is written with a dictionary if a sample has at most one distinct value in this many.
const DICTIONARY_ROWS_PER_VALUE: usize = 8;

/// What the names of the columns that weir adds begin with.
const OWN_PREFIX: &str = "_weir_";

/// Rows of a run, on average over a sample, from which a column is written run by run.
const ROWS_PER_RUN: usize = 64;

/// A Parquet file in the making.
pub struct FileWriter {
    file: SerializedFileWriter<Chunks>,
    groups: ArrowRowGroupWriterFactory,
    pages: Arc<PagesFactory>,
    schema: SchemaRef,
    open: Option<RowGroup>,
    rows: u64,
}

/// A row group in the making.
struct RowGroup {
    /// For each field of the schema.
    columns: Vec<ColumnWriters>,
    rows: usize,
}

/// The writers of a field.
enum ColumnWriters {
    /// One for each leaf.
    Encoded(Vec<LeafWriter>),
    Runs(Box<RunsWriter>),
}

/// The writer of a leaf column, and where its finished pages are.
struct LeafWriter {
    encoder: ArrowColumnWriter,
    pages: Pages,
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
        let begin = || {
            let parquet = ArrowSchemaConverter::new().convert(&schema)?;
            let properties = Arc::new(properties(sample));
            SerializedFileWriter::new(Chunks::default(), parquet.root_schema_ptr(), properties)
        };
        let file =
            begin().map_err(|e| Error::internal("could not begin a Parquet file").because(e))?;
        let pages = Arc::new(PagesFactory::default());
        let groups = ArrowRowGroupWriterFactory::new(&file, schema.clone());
        Ok(Self {
            groups: groups.with_page_store_factory(pages.clone()),
            pages,
            file,
            schema,
            open: None,
            rows: 0,
        })
    }

    /// Appends rows.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.encode(batch)
            .map_err(|e| Error::internal("could not encode rows as Parquet").because(e))?;
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    fn encode(&mut self, batch: &RecordBatch) -> Encoded<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let group = match &mut self.open {
            Some(group) => group,
            None => {
                let group = RowGroup::new(&self.file, &self.groups, &self.pages, batch)?;
                self.open.insert(group)
            }
        };
        group.write(&self.schema, batch)?;
        if group.rows >= ROW_GROUP_ROWS {
            self.end_row_group()?;
        }
        Ok(())
    }

    fn end_row_group(&mut self) -> Encoded<()> {
        let Some(group) = self.open.take() else {
            return Ok(());
        };
        let mut out = self.file.next_row_group()?;
        for column in group.columns {
            match column {
                ColumnWriters::Encoded(leaves) => {
                    for leaf in leaves {
                        let chunk = leaf.encoder.close()?;
                        let (bytes, close) = leaf.pages.close(&chunk)?;
                        out.append_column(&bytes, close)?;
                    }
                }
                ColumnWriters::Runs(runs) => {
                    let (bytes, close) = runs.close()?;
                    out.append_column(&bytes, close)?;
                }
            }
        }
        out.close()?;
        Ok(())
    }

    /// Bytes held: encoded ones and the open row group's buffers.
    pub fn memory(&self) -> usize {
        self.file.inner().size + self.open.as_ref().map_or(0, RowGroup::memory)
    }

    /// About the size that the file would have if it ended now.
    pub fn size(&self) -> usize {
        self.file.inner().size + self.open.as_ref().map_or(0, RowGroup::size)
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Ends the file.
    pub fn finish(mut self) -> Result<EncodedFile> {
        let metadata = self
            .end_row_group()
            .and_then(|()| self.file.finish())
            .map_err(|e| Error::internal("could not end a Parquet file").because(e))?;
        let sink = std::mem::take(self.file.inner_mut());
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

impl RowGroup {
    /// The next row group of `file`; `sample` is its first rows.
    fn new(
        file: &SerializedFileWriter<Chunks>,
        groups: &ArrowRowGroupWriterFactory,
        pages: &PagesFactory,
        sample: &RecordBatch,
    ) -> Encoded<Self> {
        let encoders = groups.create_column_writers(file.flushed_row_groups().len())?;
        let leaves = encoders.into_iter().zip(pages.take());
        let mut leaves = leaves
            .map(|(encoder, pages)| LeafWriter { encoder, pages })
            .enumerate()
            .peekable();
        let mut columns = Vec::new();
        for (at, field) in sample.schema_ref().fields().iter().enumerate() {
            let parquet = file.schema_descr();
            let mut own = Vec::new();
            let mut runs = None;
            while let Some((leaf, writer)) =
                leaves.next_if(|(leaf, _)| parquet.get_column_root_idx(*leaf) == at)
            {
                if field.name().starts_with(OWN_PREFIX) && has_long_runs(sample.column(at)) {
                    runs = RunsWriter::new(parquet.column(leaf), field.data_type());
                }
                own.push(writer);
            }
            columns.push(match runs {
                Some(runs) => ColumnWriters::Runs(Box::new(runs)),
                None => ColumnWriters::Encoded(own),
            });
        }
        Ok(Self { columns, rows: 0 })
    }

    fn write(&mut self, schema: &SchemaRef, batch: &RecordBatch) -> Encoded<()> {
        let fields = schema.fields().iter().zip(batch.columns());
        for (writers, (field, array)) in self.columns.iter_mut().zip(fields) {
            match writers {
                ColumnWriters::Encoded(writers) => {
                    for (writer, leaf) in writers.iter_mut().zip(compute_leaves(field, array)?) {
                        writer.encoder.write(&leaf)?;
                    }
                }
                ColumnWriters::Runs(runs) => runs.write(array),
            }
        }
        self.rows += batch.num_rows();
        Ok(())
    }

    fn sum(&self, leaf: fn(&LeafWriter) -> usize, runs: fn(&RunsWriter) -> usize) -> usize {
        self.columns
            .iter()
            .map(|writers| match writers {
                ColumnWriters::Encoded(writers) => writers.iter().map(leaf).sum(),
                ColumnWriters::Runs(of) => runs(of),
            })
            .sum()
    }

    fn memory(&self) -> usize {
        self.sum(|column| column.encoder.memory_size(), RunsWriter::memory)
    }

    fn size(&self) -> usize {
        let leaf = |column: &LeafWriter| {
            let before = column.encoder.get_estimated_total_bytes();
            before.saturating_sub(column.pages.saved())
        };
        self.sum(leaf, RunsWriter::size)
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
        // `file::pages` compresses.
        .set_compression(Compression::UNCOMPRESSED)
        .set_data_page_size_limit(PAGE_BYTES)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_statistics_truncate_length(Some(64))
        .set_offset_index_disabled(true)
        .set_dictionary_enabled(false);
    let sample = sample.slice(0, sample.num_rows().min(SAMPLE_ROWS));
    for (field, column) in sample.schema().fields().iter().zip(sample.columns()) {
        let path = ColumnPath::from(field.name().as_str());
        if dictionary_pays(column) {
            builder = builder.set_column_dictionary_enabled(path, true);
        } else if let Some(encoding) = encoding(field.data_type()) {
            builder = builder.set_column_encoding(path, encoding);
        }
    }
    builder.build()
}

/// The encoding of a column without a dictionary, where PLAIN is not the best: lengths apart from
/// texts are packed, and texts without lengths between them take zstd less time.
fn encoding(data_type: &DataType) -> Option<Encoding> {
    match data_type {
        DataType::Int64 | DataType::Timestamp(_, _) => Some(Encoding::DELTA_BINARY_PACKED),
        DataType::Utf8 | DataType::Binary => Some(Encoding::DELTA_LENGTH_BYTE_ARRAY),
        _ => None,
    }
}

/// True for a column of long runs, of a type that is written run by run.
fn has_long_runs(column: &ArrayRef) -> bool {
    fn few<T: PartialEq>(values: &[T]) -> bool {
        let runs = values.chunk_by(|a, b| a == b).count();
        runs <= values.len() / ROWS_PER_RUN + 1
    }
    match column.data_type() {
        DataType::Dictionary(_, _) => few(column.as_dictionary::<Int32Type>().keys().values()),
        DataType::Int32 => few(column.as_primitive::<Int32Type>().values()),
        DataType::Int64 => few(column.as_primitive::<Int64Type>().values()),
        DataType::Timestamp(_, _) => {
            few(column.as_primitive::<TimestampMicrosecondType>().values())
        }
        _ => false,
    }
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

/// A record batch, or the internal error that columns and schema differ.
pub(super) fn record_batch(schema: &SchemaRef, columns: Vec<ArrayRef>) -> Result<RecordBatch> {
    RecordBatch::try_new(schema.clone(), columns)
        .map_err(|e| Error::internal("decoded columns do not fit their schema").because(e))
}

#[cfg(test)]
mod tests;
