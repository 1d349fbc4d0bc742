//! Every name in the lake, built and parsed here and nowhere else.

use uuid::Uuid;

/// Folder of a stream's DLO.
pub fn data_table(stream: &str) -> String {
    format!("{stream}__dll")
}

/// Folder of a stream's rejects table.
pub fn rejects_table(stream: &str) -> String {
    format!("{stream}__rejects")
}

/// A new file of a table: `<column>=<value>/…/<uuid>.parquet`. Letters, digits, `-` and `_` of a
/// value stand as they are and other bytes as `_XX`, so that no store or URI encodes the path
/// again; null is Hive's word for it.
pub fn data_file(values: &[(String, Option<String>)], id: Uuid) -> String {
    let mut path = String::new();
    for (column, value) in values {
        encode(column, &mut path);
        path.push('=');
        match value {
            Some(value) if !value.is_empty() => encode(value, &mut path),
            _ => path.push_str("__HIVE_DEFAULT_PARTITION__"),
        }
        path.push('/');
    }
    path.push_str(&format!("{id}.parquet"));
    path
}

fn encode(text: &str, out: &mut String) {
    // Long values are cut: the log holds the value, the folder is for people.
    for byte in text.bytes().take(60) {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => out.push(char::from(byte)),
            _ => out.push_str(&format!("_{byte:02X}")),
        }
    }
}

/// A commit of a table, relative to the table.
pub fn commit(version: u64) -> String {
    format!("_delta_log/{version:020}.json")
}

/// The version of a commit by its file name; `None` for checkpoints and checksums.
pub fn commit_version(file_name: &str) -> Option<u64> {
    let digits = file_name.strip_suffix(".json")?;
    (digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit()))
        .then(|| digits.parse().ok())
        .flatten()
}

/// The version of a checkpoint that is one file, by its file name.
pub fn checkpoint_version(file_name: &str) -> Option<u64> {
    let digits = file_name.strip_suffix(".checkpoint.parquet")?;
    commit_version(&format!("{digits}.json"))
}

/// The version of a checkpoint of any form, or of a checksum, by its file name: what a log can do
/// without once it begins behind it.
pub fn derived_version(file_name: &str) -> Option<u64> {
    let (digits, rest) = file_name.split_once('.')?;
    let is_checkpoint =
        rest.starts_with("checkpoint.") && (rest.ends_with(".parquet") || rest.ends_with(".json"));
    (is_checkpoint || rest == "crc")
        .then(|| commit_version(&format!("{digits}.json")))
        .flatten()
}

/// The text of a schema version, relative to the DLO.
pub fn schema_text(version: u32) -> String {
    format!("_weir/schemas/{version}.avsc")
}

/// Folder of the jobs that are under way, relative to the DLO.
pub const JOBS_FOLDER: &str = "_weir/jobs";

/// Folder of a job that is under way, relative to the DLO, without a slash behind it.
pub fn job_folder(job: &str) -> String {
    format!("{JOBS_FOLDER}/{job}")
}

/// Folder of the folded ledger, relative to the DLO.
pub const LEDGER_FOLDER: &str = "_weir/ledger";

/// A segment of the folded ledger, relative to the DLO: commit versions, both inclusive.
pub fn ledger_segment(from: u64, to: u64) -> String {
    format!("{LEDGER_FOLDER}/{from}-{to}.json")
}

/// First and last version of a segment by its file name.
pub fn ledger_segment_versions(file_name: &str) -> Option<(u64, u64)> {
    let (from, to) = file_name.strip_suffix(".json")?.split_once('-')?;
    let (from, to) = (from.parse().ok()?, to.parse().ok()?);
    (from <= to).then_some((from, to))
}
