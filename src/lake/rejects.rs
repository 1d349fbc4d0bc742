//! Reading rejects back, for people.
//!
//! Owns: the rows of the files that the rejects table's log names, grouped or one by one, in bounded
//! memory. Does not own: how they are shown, and whether they are all there (`lake::verify`).

mod groups;
mod row;

use futures::{StreamExt, TryStreamExt};
use parquet::arrow::arrow_reader::{RowSelection, RowSelector};

use crate::error::{Error, Kind, Result};
use crate::lake::columns::OpenFile;
use crate::lake::failure::Failure;
use crate::lake::layout;
use crate::lake::state::{LiveFile, TableState};
use crate::store::Store;

use groups::Grouping;
use row::{Rows, WholeRows};

pub use groups::{Group, Groups};
pub use row::{At, Reject};

/// Files that are read side by side for a grouping.
const PARALLEL: usize = 4;

/// Rows that are held with their bytes; each may have as many as `rejects.max_raw`.
const ROWS_WITH_BYTES: usize = 4;

/// A rejects table at one version.
#[derive(Debug)]
pub struct RejectsTable {
    store: Store,
    table: String,
    /// As the log has them, newest commit first.
    files: Vec<LiveFile>,
}

/// Which rejects are meant; what is `None` is not looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The reason code.
    pub code: Option<String>,
    /// The whole path of the field.
    pub field: Option<String>,
    /// Topic, or key of the dropped file.
    pub source: Option<String>,
    /// The partition.
    pub partition: Option<i32>,
    /// The offset.
    pub offset: Option<i64>,
}

impl RejectsTable {
    /// The rejects table of `stream` as it is now.
    ///
    /// # Errors
    /// The store cannot be reached; there is no such table, or it cannot be read (`Found`).
    pub async fn open(store: &Store, stream: &str) -> Result<Self> {
        let table = layout::rejects_table(stream);
        let files = async {
            let state = TableState::load(store, &table, None).await?;
            state.files().await
        };
        let files = files
            .await
            .map_err(|failure| unreadable(failure, &table, "the table"))?;
        Ok(Self {
            store: store.clone(),
            table,
            files,
        })
    }

    /// Files of the table.
    pub fn files(&self) -> usize {
        self.files.len()
    }

    /// Rows of the table, as far as its log tells.
    pub fn rows(&self) -> u64 {
        self.files.iter().filter_map(|f| f.rows).sum()
    }

    /// The rejects by code and field. `each` is told of every file that was read.
    ///
    /// # Errors
    /// The store cannot be reached, or a file is not what it should be (`Found`).
    pub async fn groups(&self, each: impl Fn()) -> Result<Groups> {
        let mut parts = futures::stream::iter(self.files.clone())
            .map(|file| self.group(file))
            .buffer_unordered(PARALLEL);
        let mut all = Grouping::default();
        while let Some(part) = parts.try_next().await? {
            all.merge(part);
            each();
        }
        Ok(all.finish())
    }

    async fn group(&self, file: LiveFile) -> Result<Grouping> {
        let mut grouping = Grouping::default();
        let read = async {
            let mut batches = self.open_file(&file).await?.read(Rows::COLUMNS, None)?;
            while let Some(batch) = batches.try_next().await? {
                let rows = Rows::of(&batch)?;
                for row in 0..batch.num_rows() {
                    grouping.add(rows.code(row), rows.field(row), rows.message(row), || {
                        rows.at(row)
                    });
                }
            }
            Ok(())
        };
        read.await
            .map_err(|failure| unreadable(failure, &self.table, &file.path))?;
        Ok(grouping)
    }

    /// Passes the first `limit` rejects that `filter` means to `each`, newest commit first and in
    /// the order of each file. Returns how many there were.
    ///
    /// # Errors
    /// As [`RejectsTable::groups`], and what `each` answers.
    pub async fn find(
        &self,
        filter: &Filter,
        limit: u64,
        mut each: impl FnMut(Reject) -> Result<()>,
    ) -> Result<u64> {
        let mut found = 0;
        for file in &self.files {
            if found == limit {
                break;
            }
            let chosen = self
                .choose(file, filter, limit - found)
                .await
                .map_err(|failure| unreadable(failure, &self.table, &file.path))?;
            if chosen.is_empty() {
                continue;
            }
            found += chosen.len() as u64;
            self.pass(file, &chosen, &mut each).await?;
        }
        Ok(found)
    }

    /// Numbers of the first `limit` rows of `file` that `filter` means, ascending.
    async fn choose(
        &self,
        file: &LiveFile,
        filter: &Filter,
        limit: u64,
    ) -> Result<Vec<usize>, Failure> {
        let open = self.open_file(file).await?;
        if let Some(offset) = filter.offset {
            let may_hold = |bounds: &Option<(i64, i64)>| {
                bounds.is_none_or(|(least, most)| (least..=most).contains(&offset))
            };
            if !open.bounds(Rows::OFFSET).iter().any(may_hold) {
                return Ok(Vec::new());
            }
        }
        let mut chosen = Vec::new();
        let mut before = 0;
        let mut batches = open.read(Rows::COLUMNS, None)?;
        while let Some(batch) = batches.try_next().await? {
            let rows = Rows::of(&batch)?;
            for row in 0..batch.num_rows() {
                if filter.means(&rows, row) {
                    chosen.push(before + row);
                    if chosen.len() as u64 == limit {
                        return Ok(chosen);
                    }
                }
            }
            before += batch.num_rows();
        }
        Ok(chosen)
    }

    /// Passes the rows of `file` that have these numbers.
    async fn pass(
        &self,
        file: &LiveFile,
        rows: &[usize],
        each: &mut impl FnMut(Reject) -> Result<()>,
    ) -> Result<()> {
        let broken = |failure: Failure| unreadable(failure, &self.table, &file.path);
        let open = self.open_file(file).await.map_err(broken)?;
        let mut batches = open
            .with_batches_of(ROWS_WITH_BYTES)
            .select(WholeRows::COLUMNS, selection(rows))
            .map_err(broken)?;
        while let Some(batch) = batches.try_next().await.map_err(|e| broken(e.into()))? {
            let rows = WholeRows::of(&batch).map_err(broken)?;
            for row in 0..batch.num_rows() {
                each(rows.reject(row))?;
            }
        }
        Ok(())
    }

    async fn open_file(&self, file: &LiveFile) -> Result<OpenFile, Failure> {
        let path = format!("{}/{}", self.table, file.path);
        OpenFile::open(&self.store.objects(), &path, file.size).await
    }
}

impl Filter {
    fn means(&self, rows: &Rows<'_>, row: usize) -> bool {
        let is = |wanted: &Option<String>, there: Option<&str>| {
            wanted.as_deref().is_none_or(|w| there == Some(w))
        };
        self.offset.is_none_or(|o| o == rows.offset(row))
            && self.partition.is_none_or(|p| p == rows.partition(row))
            && is(&self.code, Some(rows.code(row)))
            && is(&self.field, rows.field(row))
            && is(&self.source, Some(rows.source(row)))
    }
}

/// The rows with these numbers, ascending.
fn selection(rows: &[usize]) -> RowSelection {
    let mut selectors = Vec::with_capacity(rows.len() * 2);
    let mut at = 0;
    for row in rows {
        if *row > at {
            selectors.push(RowSelector::skip(row - at));
        }
        selectors.push(RowSelector::select(1));
        at = row + 1;
    }
    selectors.into()
}

fn unreadable(failure: Failure, table: &str, what: &str) -> Error {
    match failure {
        Failure::Away(error) => error,
        Failure::Missing(text) | Failure::Broken(text) => Error::new(
            Kind::Found,
            format!("{table}: {what} cannot be read: {text}; weir verify tells what is wrong"),
        ),
    }
}
