//! A Delta table on local disk, read without weir: the log's JSON and the files that it names.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

/// Every action of a table's log, in order.
pub(crate) fn actions(table: &Path) -> Vec<Value> {
    let mut names: Vec<_> = std::fs::read_dir(table.join("_delta_log"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .collect();
    names.sort();
    let texts = names
        .iter()
        .map(|name| std::fs::read_to_string(name).unwrap());
    texts
        .flat_map(|text| {
            let actions = text.lines().map(|line| serde_json::from_str(line).unwrap());
            actions.collect::<Vec<Value>>()
        })
        .collect()
}

/// The files that a table's log adds, by their path in its folder.
pub(crate) fn files(table: &Path) -> Vec<String> {
    let mut files = BTreeSet::new();
    for action in actions(table) {
        if let Some(path) = action["add"]["path"].as_str() {
            assert!(files.insert(path.to_owned()), "{path} is added twice");
        }
    }
    files.into_iter().collect()
}

/// All rows of a table.
pub(crate) fn rows(table: &Path) -> Vec<RecordBatch> {
    files(table)
        .iter()
        .flat_map(|path| {
            // paths are URL-encoded where they hold more than letters; none here does
            let file = File::open(table.join(path)).unwrap();
            ParquetRecordBatchReaderBuilder::try_new(file)
                .unwrap()
                .build()
                .unwrap()
                .map(|batch| batch.unwrap())
                .collect::<Vec<_>>()
        })
        .collect()
}
