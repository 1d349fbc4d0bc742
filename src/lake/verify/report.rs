//! What a proof says: the counts of each source partition, and what does not hold.
//!
//! Owns: the form of `weir verify --format json`.

use serde::Serialize;

use crate::model::position::SourcePartition;

/// Findings of one kind that are told one by one; beyond it they are counted.
const MAX_OF_KIND: u64 = 1000;

/// What does not hold. A closed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// Positions that no range covers.
    Gap,
    /// Positions that two ranges cover.
    Overlap,
    /// A position or record that was read and has no row.
    MissingRow,
    /// A record with two rows.
    DuplicateRow,
    /// Counts that do not add up, or rows that no count covers.
    CountMismatch,
    /// A file that the log names and the store does not have, or that a log should name.
    MissingFile,
    /// A file that is added twice.
    DuplicateAdd,
    /// A position that is not where the ledger ends.
    MovedBack,
    /// A table, log or file that cannot be read as what it should be.
    Unreadable,
}

impl FindingKind {
    /// Every kind.
    pub const ALL: [FindingKind; 9] = [
        FindingKind::Gap,
        FindingKind::Overlap,
        FindingKind::MissingRow,
        FindingKind::DuplicateRow,
        FindingKind::CountMismatch,
        FindingKind::MissingFile,
        FindingKind::DuplicateAdd,
        FindingKind::MovedBack,
        FindingKind::Unreadable,
    ];

    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            FindingKind::Gap => "gap",
            FindingKind::Overlap => "overlap",
            FindingKind::MissingRow => "missing_row",
            FindingKind::DuplicateRow => "duplicate_row",
            FindingKind::CountMismatch => "count_mismatch",
            FindingKind::MissingFile => "missing_file",
            FindingKind::DuplicateAdd => "duplicate_add",
            FindingKind::MovedBack => "moved_back",
            FindingKind::Unreadable => "unreadable",
        }
    }
}

/// One thing that does not hold, with what it is about as far as that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// The table's folder.
    pub table: String,
    /// The source.
    pub source_id: Option<String>,
    /// Its partition.
    pub partition: Option<i32>,
    /// First position.
    pub from: Option<i64>,
    /// The position after the last one.
    pub to: Option<i64>,
    /// A file, relative to the table.
    pub file: Option<String>,
    /// For people.
    pub message: String,
}

impl Finding {
    /// A finding about `table`.
    pub fn new(kind: FindingKind, table: &str) -> Self {
        Self {
            kind,
            table: table.to_owned(),
            source_id: None,
            partition: None,
            from: None,
            to: None,
            file: None,
            message: String::new(),
        }
    }

    /// About positions `[from, to)` of a partition.
    #[must_use]
    pub fn at(mut self, partition: &SourcePartition, from: i64, to: i64) -> Self {
        self.source_id = Some(partition.source_id.to_string());
        self.partition = Some(partition.partition);
        self.from = Some(from);
        self.to = Some(to);
        self
    }

    /// About a file.
    #[must_use]
    pub fn of_file(mut self, file: &str) -> Self {
        self.file = Some(file.to_owned());
        self
    }

    /// Says it for people.
    #[must_use]
    pub fn because(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }
}

/// Findings in the order in which they were found; a flood of one kind is counted, not kept.
#[derive(Debug, Default)]
pub struct Findings {
    kept: Vec<Finding>,
    counts: [u64; FindingKind::ALL.len()],
}

impl Findings {
    /// Adds one.
    pub fn push(&mut self, finding: Finding) {
        let count = &mut self.counts[finding.kind as usize];
        *count += 1;
        if *count <= MAX_OF_KIND {
            self.kept.push(finding);
        }
    }

    /// Adds those of another part.
    pub fn extend(&mut self, findings: Findings) {
        for (kind, n) in FindingKind::ALL.iter().zip(findings.counts) {
            let kept = findings.kept.iter().filter(|f| f.kind == *kind).count() as u64;
            self.counts[*kind as usize] += n - kept;
        }
        for finding in findings.kept {
            self.push(finding);
        }
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    fn finish(mut self, table: &str) -> Vec<Finding> {
        for kind in FindingKind::ALL {
            let kept = self.kept.iter().filter(|f| f.kind == kind).count() as u64;
            let more = self.counts[kind as usize] - kept;
            if more > 0 {
                self.kept.push(
                    Finding::new(kind, table).because(format!("and {more} more of this kind")),
                );
            }
        }
        self.kept
    }
}

/// The ledger's sums of one source partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct SourceReport {
    pub source_id: String,
    pub partition: i32,
    pub from: i64,
    pub to: i64,
    pub read: i64,
    pub holes: i64,
    pub lost: i64,
    pub accepted: i64,
    pub rejected: i64,
    pub skipped: i64,
}

/// The proof of one stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StreamReport {
    /// The stream.
    pub stream: String,
    /// True without findings.
    pub ok: bool,
    /// By source and partition.
    pub sources: Vec<SourceReport>,
    /// What does not hold.
    pub findings: Vec<Finding>,
}

impl StreamReport {
    /// The report of `stream`.
    pub fn new(stream: &str, sources: Vec<SourceReport>, findings: Findings) -> Self {
        let table = crate::lake::layout::data_table(stream);
        Self {
            stream: stream.to_owned(),
            ok: findings.is_empty(),
            sources,
            findings: findings.finish(&table),
        }
    }
}

/// The document of `weir verify`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// True if every stream is.
    pub ok: bool,
    /// By name.
    pub streams: Vec<StreamReport>,
}

impl Report {
    /// The report of several streams.
    pub fn new(streams: Vec<StreamReport>) -> Self {
        Self {
            ok: streams.iter().all(|s| s.ok),
            streams,
        }
    }
}
