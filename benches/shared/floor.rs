//! What the same work costs in the libraries alone: the figures that weir is held against.
//!
//! Its settings are written out here and do not follow weir's, so that the floor stands still.

use std::hint::black_box;
use std::io::{self, Write};

use arrow::array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::event::Event;

/// Parses each message into a plain struct.
pub fn parse<'a>(messages: impl Iterator<Item = &'a [u8]>) {
    for message in messages {
        let event: Event<'_> = serde_json::from_slice(message).expect("the events are well made");
        black_box(event);
    }
}

/// Writes the batches as one Parquet file with zstd-1; returns its size. A dictionary stands only
/// where it pays, as someone would set it who knows the data.
pub fn write(batches: &[RecordBatch]) -> usize {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_max_row_group_row_count(Some(256 * 1024))
        .set_dictionary_enabled(false);
    for name in ["category", "country"] {
        properties = properties.set_column_dictionary_enabled(ColumnPath::from(name), true);
    }
    for name in ["number", "created_at"] {
        properties =
            properties.set_column_encoding(ColumnPath::from(name), Encoding::DELTA_BINARY_PACKED);
    }
    write_with(batches, properties.build())
}

/// The same with the library's own choice of encodings.
pub fn write_by_default(batches: &[RecordBatch]) -> usize {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .build();
    write_with(batches, properties)
}

fn write_with(batches: &[RecordBatch], properties: WriterProperties) -> usize {
    let schema = batches[0].schema();
    let mut writer = ArrowWriter::try_new(Counted::default(), schema, Some(properties))
        .expect("the schema is plain");
    for batch in batches {
        writer.write(batch).expect("the rows are plain");
    }
    writer.finish().expect("the file ends");
    writer.inner().bytes
}

/// Keeps the file in memory, as a daemon has to until it is uploaded.
#[derive(Default)]
struct Counted {
    chunks: Vec<Vec<u8>>,
    bytes: usize,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes += bytes.len();
        self.chunks.push(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
