//! Some columns of one Parquet file in the store, read as a stream of batches.
//!
//! Owns: opening a file of a known size, projecting it. Does not own: which files there are.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, TryFutureExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, RowSelection};
use parquet::arrow::async_reader::{
    AsyncFileReader, ParquetRecordBatchStream, ParquetRecordBatchStreamBuilder,
};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::statistics::Statistics;

use crate::lake::failure::Failure;

/// Rows of a batch, unless another number is asked for.
const BATCH_ROWS: usize = 8192;

/// A Parquet file in the store.
#[derive(Debug, Clone)]
pub struct ObjectFile {
    objects: Arc<dyn ObjectStore>,
    path: Path,
    size: u64,
}

/// A file whose footer is read.
pub struct OpenFile {
    builder: ParquetRecordBatchStreamBuilder<ObjectFile>,
}

impl OpenFile {
    /// Opens the file at `path`, which has to have `size` bytes.
    ///
    /// # Errors
    /// See [`Failure`]; another size is `Broken`.
    pub async fn open(
        objects: &Arc<dyn ObjectStore>,
        path: &str,
        size: i64,
    ) -> Result<Self, Failure> {
        let path = Path::from(path);
        let there = objects.head(&path).await?.size;
        if i64::try_from(there) != Ok(size) {
            return Err(Failure::Broken(format!(
                "{path} has {there} bytes, and the log says {size}"
            )));
        }
        let file = ObjectFile {
            objects: objects.clone(),
            path,
            size: there,
        };
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let builder = ParquetRecordBatchStreamBuilder::new_with_options(file, options)
            .await?
            .with_batch_size(BATCH_ROWS);
        Ok(Self { builder })
    }

    /// Reads in batches of `rows`, for columns whose values may be large.
    #[must_use]
    pub fn with_batches_of(mut self, rows: usize) -> Self {
        self.builder = self.builder.with_batch_size(rows);
        self
    }

    /// Rows.
    pub fn rows(&self) -> i64 {
        self.builder.metadata().file_metadata().num_rows()
    }

    /// Least and greatest value of a long column in each row group; `None` where unknown.
    pub fn bounds(&self, column: &str) -> Vec<Option<(i64, i64)>> {
        self.builder
            .metadata()
            .row_groups()
            .iter()
            .map(|group| {
                let chunk = group
                    .columns()
                    .iter()
                    .find(|c| c.column_path().parts() == [column])?;
                match chunk.statistics()? {
                    Statistics::Int64(s) => Some((*s.min_opt()?, *s.max_opt()?)),
                    _ => None,
                }
            })
            .collect()
    }

    /// Reads `columns` of the row groups that are named (all with `None`).
    ///
    /// # Errors
    /// A column is not there: `Broken`.
    pub fn read(
        self,
        columns: &[&str],
        groups: Option<Vec<usize>>,
    ) -> Result<ParquetRecordBatchStream<ObjectFile>, Failure> {
        let descriptor = self.builder.parquet_schema();
        for column in columns {
            let there = descriptor
                .root_schema()
                .get_fields()
                .iter()
                .any(|field| field.name() == *column);
            if !there {
                return Err(Failure::Broken(format!("there is no column {column}")));
            }
        }
        let mask = ProjectionMask::columns(descriptor, columns.iter().copied());
        let mut builder = self.builder.with_projection(mask);
        if let Some(groups) = groups {
            builder = builder.with_row_groups(groups);
        }
        Ok(builder.build()?)
    }

    /// As [`OpenFile::read`], of the rows that `selection` names.
    ///
    /// # Errors
    /// A column is not there: `Broken`.
    pub fn select(
        mut self,
        columns: &[&str],
        selection: RowSelection,
    ) -> Result<ParquetRecordBatchStream<ObjectFile>, Failure> {
        self.builder = self.builder.with_row_selection(selection);
        self.read(columns, None)
    }
}

impl std::fmt::Debug for OpenFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenFile")
            .field("rows", &self.rows())
            .finish_non_exhaustive()
    }
}

fn outside(error: object_store::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

impl AsyncFileReader for ObjectFile {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        self.objects
            .get_range(&self.path, range)
            .map_err(outside)
            .boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        async move {
            self.objects
                .get_ranges(&self.path, &ranges)
                .await
                .map_err(outside)
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        async move {
            let size = self.size;
            let metadata = ParquetMetaDataReader::new()
                .with_arrow_reader_options(options)
                .with_prefetch_hint(Some(64 * 1024))
                .load_and_finish(&mut *self, size)
                .await?;
            Ok(Arc::new(metadata))
        }
        .boxed()
    }
}
