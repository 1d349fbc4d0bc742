//! A column's finished pages, compressed with the one compressor of the thread.
//!
//! Owns: the bytes of a column chunk between its encoder and the file. Parquet's writer would hold a
//! compressor and a decompressor for each open column, 0.7 MiB together, which is more than the
//! column's data where many streams are open; here the encoder leaves its pages as they are.
//! Source: Parquet format, `PageHeader` in `parquet.thrift`; Thrift, "Compact protocol".

use std::cell::RefCell;
use std::io::Cursor;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use parquet::arrow::arrow_writer::{
    ArrowColumnChunk, PageKey, PageStore, PageStoreArgs, PageStoreFactory,
};
use parquet::basic::{Compression, ZstdLevel};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::{ParquetError, Result};

use crate::pipeline::file::runs::varint;

/// What a field of type `i32` begins with that stands one behind the field before it.
const NEXT_I32: u8 = 0x15;

/// `PageType.DICTIONARY_PAGE`.
const DICTIONARY_PAGE: u64 = 2;

thread_local! {
    static COMPRESSOR: RefCell<Option<Compressor>> = const { RefCell::new(None) };
}

/// How pages are compressed.
pub(super) fn compression() -> Compression {
    Compression::ZSTD(ZstdLevel::default())
}

/// The pages of one column chunk. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Pages(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    /// Header and body of the dictionary page, if there is one.
    dictionary: Vec<Bytes>,
    /// Headers and bodies of the data pages.
    data: Vec<Bytes>,
    /// The header of a page whose body comes next.
    header: Option<PageHeader>,
    /// Bytes that came in, and bytes that are held.
    raw: usize,
    held: usize,
}

/// A serialized `PageHeader` of an uncompressed page.
#[derive(Debug)]
struct PageHeader {
    page_type: u64,
    bytes: Bytes,
    /// Where the field `compressed_page_size` stands; half-open.
    size: std::ops::Range<usize>,
}

struct Compressor {
    zstd: zstd::bulk::Compressor<'static>,
    out: Vec<u8>,
}

impl Pages {
    /// Bytes held.
    pub(super) fn memory(&self) -> usize {
        self.0.lock().held
    }

    /// How much smaller the finished pages became.
    pub(super) fn saved(&self) -> usize {
        let held = self.0.lock();
        held.raw.saturating_sub(held.held)
    }

    /// Ends `chunk`, whose pages these are: its bytes, and what the row group has to know of it.
    pub(super) fn close(&self, chunk: &ArrowColumnChunk) -> Result<(Bytes, ColumnCloseResult)> {
        let mut held = self.0.lock();
        let close = chunk.close();
        let dictionary: usize = held.dictionary.iter().map(Bytes::len).sum();
        let metadata = close.metadata.clone().into_builder();
        let metadata = metadata
            .set_compression(compression())
            .set_total_compressed_size(held.held as i64)
            .set_dictionary_page_offset((dictionary > 0).then_some(0))
            .set_data_page_offset(dictionary as i64);
        let mut bytes = Vec::with_capacity(held.held);
        let data = std::mem::take(&mut held.data);
        for page in std::mem::take(&mut held.dictionary).into_iter().chain(data) {
            bytes.extend_from_slice(&page);
        }
        let close = ColumnCloseResult {
            bytes_written: held.held as u64,
            rows_written: close.rows_written,
            metadata: metadata.build()?,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        Ok((bytes.into(), close))
    }
}

impl Held {
    fn put(&mut self, bytes: Bytes) -> Result<()> {
        self.raw += bytes.len();
        let Some(header) = self.header.take() else {
            self.header = Some(PageHeader::parse(bytes)?);
            return Ok(());
        };
        let body = compressed(&bytes)?;
        let header_bytes = header.with_size(body.len());
        self.held += header_bytes.len() + body.len();
        let pages = match header.page_type {
            DICTIONARY_PAGE => &mut self.dictionary,
            _ => &mut self.data,
        };
        pages.extend([header_bytes, body]);
        Ok(())
    }
}

impl PageStore for Pages {
    fn put(&mut self, value: Bytes) -> Result<PageKey> {
        self.0.lock().put(value)?;
        // A chunk is taken as a whole, by `Pages::close`.
        Ok(PageKey::new(0))
    }

    fn take(&mut self, _key: PageKey) -> Result<Bytes> {
        Err(ParquetError::General(
            "a chunk's pages are taken as a whole".to_owned(),
        ))
    }

    fn memory_size(&self) -> usize {
        self.memory()
    }
}

impl PageHeader {
    /// `PageHeader` begins with `type`, `uncompressed_page_size` and `compressed_page_size`.
    fn parse(bytes: Bytes) -> Result<Self> {
        let mut at = 0;
        let mut next = || {
            let begins = bytes.get(at) == Some(&NEXT_I32);
            let (value, length) = begins.then(|| read_varint(&bytes[at + 1..])).flatten()?;
            at += 1 + length;
            Some((value, at - length..at))
        };
        let fields = (next(), next(), next());
        let (Some((page_type, _)), Some(_), Some((_, size))) = fields else {
            return Err(ParquetError::General(
                "a page's header is not of the form that is expected".to_owned(),
            ));
        };
        Ok(Self {
            page_type: page_type / 2,
            bytes,
            size,
        })
    }

    /// The header of the same page with a body of `size` bytes.
    fn with_size(&self, size: usize) -> Bytes {
        let mut bytes = Vec::with_capacity(self.bytes.len() + 5);
        bytes.extend_from_slice(&self.bytes[..self.size.start]);
        // Thrift's integers are zigzag, which doubles what is not negative.
        varint(size * 2, &mut bytes);
        bytes.extend_from_slice(&self.bytes[self.size.end..]);
        bytes.into()
    }
}

/// A varint at the begin of `bytes`, and how long it is.
fn read_varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0;
    for (at, byte) in bytes.iter().enumerate().take(9) {
        value |= u64::from(byte & 0x7f) << (at * 7);
        if byte & 0x80 == 0 {
            return Some((value, at + 1));
        }
    }
    None
}

fn compressed(page: &[u8]) -> Result<Bytes> {
    COMPRESSOR.with_borrow_mut(|held| {
        let compressor = match held {
            Some(compressor) => compressor,
            None => held.insert(Compressor {
                zstd: zstd::bulk::Compressor::new(ZstdLevel::default().compression_level())?,
                out: Vec::new(),
            }),
        };
        compressor.out.clear();
        compressor
            .out
            .reserve(zstd::zstd_safe::compress_bound(page.len()));
        let mut out = Cursor::new(&mut compressor.out);
        compressor.zstd.compress_to_buffer(page, &mut out)?;
        Ok(Bytes::copy_from_slice(&compressor.out))
    })
}

/// Makes the [`Pages`] of each column of a row group, and keeps hold of them.
#[derive(Debug, Default)]
pub(super) struct PagesFactory(Mutex<Vec<Pages>>);

impl PagesFactory {
    /// The pages of the columns that were made since the last call, in order.
    pub(super) fn take(&self) -> Vec<Pages> {
        std::mem::take(&mut *self.0.lock())
    }
}

impl PageStoreFactory for PagesFactory {
    fn create(&self, _args: &PageStoreArgs<'_>) -> Result<Box<dyn PageStore>> {
        let pages = Pages::default();
        self.0.lock().push(pages.clone());
        Ok(Box::new(pages))
    }
}
