//! The proof that every position is accounted for once, from the lake alone.
//!
//! Owns: the four laws (`docs/delivery.md`), held against one stream's tables at one version of the
//! DLO, and what is found. Does not own: showing it (`cli::verify`).
//!
//! The way of a proof: the rejects table's state is read first and the DLO's version pinned after
//! it, so that the rejects table cannot lead. The ledger is read in order, a commit at a time; laws
//! 1 and 2 need the records only. For laws 3 and 4 a commit's files are read (provenance columns
//! only) and its rows marked in bitmaps over the commit's positions, a few commits side by side.
//! Memory goes with the largest commit, at a bit a position, with the records of the newest commits,
//! which may leave the log before they are come to, and 50 bytes for each live file; not with the
//! table's rows. Files that another commit rewrote are read in a second pass, in windows
//! of positions.

mod coverage;
mod group;
mod laws;
mod rejects;
mod report;
mod rewritten;
mod rows;
mod tally;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::StreamExt;
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;

use crate::error::{Error, Result};
use crate::lake::failure::Failure;
use crate::lake::layout;
use crate::lake::ledger::{Entry, Ledger, OPENINGS_MAX, folded_meanwhile};
use crate::lake::state::{LiveFile, TableState};
use crate::model::position::APP_ID_DATA;
use crate::store::Store;

use group::{Group, Unit};
use laws::Laws;
use rejects::RejectsTable;
use rows::Outcome;
use tally::Tallies;

pub use report::{Finding, FindingKind, Findings, Report, SourceReport, StreamReport};

/// What is found of a table that is not there.
pub const NO_TABLE: &str = "there is no table here, or its log is gone";

/// Commits whose rows are read side by side.
const PARALLEL: usize = 4;

/// The newest commits of the log are read at the beginning: more than upkeep leaves in it.
const COMMITS_HELD: usize = 2_000;

/// How a proof goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// So many more rows will be read, by the tables' statistics.
    Expect(u64),
    /// So many more rows were read.
    Read(u64),
}

/// Told of each step; called from several tasks.
pub type Progress = Arc<dyn Fn(Step) + Send + Sync>;

/// A live file of the DLO.
#[derive(Debug, Clone, Copy)]
struct Live {
    /// True once a commit with ranges was found to have added it.
    owned: bool,
}

/// Proves the four laws for `stream` as its tables stand now.
///
/// # Errors
/// The store cannot be reached. What does not hold is a finding in the report.
pub async fn verify(store: &Store, stream: &str, progress: Progress) -> Result<StreamReport> {
    for _ in 0..OPENINGS_MAX {
        let before = Extent::of(store, stream).await?;
        let proof = prove(store, stream, progress.clone()).await?;
        match proof {
            Some(report) if report.ok => return Ok(report),
            // What was read may have left the log just then.
            Some(report) if before == Extent::of(store, stream).await? => return Ok(report),
            Some(_) | None => {}
        }
    }
    Err(folded_meanwhile(&layout::data_table(stream)))
}

/// Where the logs of a stream's tables begin.
#[derive(PartialEq)]
struct Extent([Option<u64>; 3]);

impl Extent {
    async fn of(store: &Store, stream: &str) -> Result<Self> {
        let objects = store.objects();
        let data = Ledger::open(&objects, &layout::data_table(stream)).await?;
        let rejects = Ledger::open(&objects, &layout::rejects_table(stream)).await?;
        let first = |ledger: &Ledger| ledger.logged(u64::MAX).next();
        Ok(Self([data.folded(), first(&data), first(&rejects)]))
    }
}

/// One pass; `None` if commits left the log before they were read.
async fn prove(store: &Store, stream: &str, progress: Progress) -> Result<Option<StreamReport>> {
    let objects = store.objects();
    let mut findings = Findings::default();
    let table = layout::data_table(stream);
    let rejects = RejectsTable::read(store, stream, &mut findings).await?;
    let mut ledger = Ledger::open(&objects, &table).await?;
    // Reading the rows takes its time, in which the log goes on and is folded.
    if !ledger.hold(COMMITS_HELD).await? {
        return Ok(None);
    }
    let Some(newest) = ledger.newest() else {
        findings.push(Finding::new(FindingKind::Unreadable, &table).because(NO_TABLE));
        return Ok(Some(StreamReport::new(stream, Vec::new(), findings)));
    };
    let audit = Audit {
        store: store.clone(),
        stream: stream.to_owned(),
        table,
        newest,
        ledger,
        live: HashMap::new(),
        has_live: false,
        added: HashSet::new(),
        laws: Laws::default(),
        rejects,
        tallies: Tallies::default(),
        deferred: HashSet::new(),
        findings,
        progress,
    };
    audit.run().await
}

/// A short name for a path: the first half of its SHA-256.
fn file_id(path: &str) -> u128 {
    let digest = Sha256::digest(path.as_bytes());
    digest
        .iter()
        .take(16)
        .fold(0, |id, byte| (id << 8) | u128::from(*byte))
}

#[derive(Default)]
struct LiveFiles {
    files: HashMap<u128, Live>,
    rows: u64,
    with_deletions: Vec<String>,
}

impl LiveFiles {
    fn push(&mut self, file: LiveFile) {
        self.rows += file.rows.unwrap_or(0);
        self.files
            .insert(file_id(&file.path), Live { owned: false });
        if file.has_deletions {
            self.with_deletions.push(file.path);
        }
    }
}

struct Audit {
    store: Store,
    stream: String,
    table: String,
    newest: u64,
    ledger: Ledger,
    /// By [`file_id`].
    live: HashMap<u128, Live>,
    /// False if the table's state cannot be read; only the records are judged then.
    has_live: bool,
    /// Files that a commit added and none removed since.
    added: HashSet<u128>,
    laws: Laws,
    rejects: RejectsTable,
    tallies: Tallies,
    /// First versions of the groups whose rows are read in the second pass.
    deferred: HashSet<u64>,
    findings: Findings,
    progress: Progress,
}

impl Audit {
    async fn run(mut self) -> Result<Option<StreamReport>> {
        let positions = self.load_state().await?;
        let mut tasks: JoinSet<Result<Outcome>> = JoinSet::new();
        let mut entries = self.ledger.entries(self.newest);
        while let Some(entry) = entries.next().await {
            let entry = entry?;
            if matches!(entry, Entry::Left { .. }) {
                return Ok(None);
            }
            for unit in self.judge(entry) {
                while tasks.len() >= PARALLEL {
                    self.absorb_next(&mut tasks).await?;
                }
                let (objects, stream) = (self.store.objects(), self.stream.clone());
                let progress = self.progress.clone();
                tasks.spawn(rows::check(objects, stream, unit, progress));
            }
        }
        while !tasks.is_empty() {
            self.absorb_next(&mut tasks).await?;
        }
        if self.has_live {
            rewritten::check(&mut self).await?;
        }
        self.rejects.close(self.newest, &mut self.findings);
        if let Some(positions) = positions {
            self.laws.close(&self.table, &positions, &mut self.findings);
        }
        let sources = self.laws.sources();
        let report = StreamReport::new(&self.stream, sources, self.findings);
        Ok(Some(report))
    }

    /// Reads the live files; returns the positions that readers of the table see.
    async fn load_state(&mut self) -> Result<Option<HashMap<String, i64>>> {
        let loaded = async {
            let state = TableState::load(&self.store, &self.table, Some(self.newest)).await?;
            let positions = state.positions().await?;
            let live = state
                .fold_files(LiveFiles::default(), LiveFiles::push)
                .await?;
            Ok::<_, Failure>((positions, live))
        };
        match loaded.await {
            Ok((positions, live)) => {
                self.live = live.files;
                self.has_live = true;
                (self.progress)(Step::Expect(live.rows));
                for path in live.with_deletions {
                    self.findings.push(
                        Finding::new(FindingKind::Unreadable, &self.table)
                            .of_file(&path)
                            .because("a deletion vector hides rows of it; weir writes none"),
                    );
                }
                Ok(Some(positions))
            }
            Err(failure) => {
                let message = failure.found()?;
                self.findings
                    .push(
                        Finding::new(FindingKind::Unreadable, &self.table).because(format!(
                            "the table cannot be read at version {}: {message}",
                            self.newest
                        )),
                    );
                Ok(None)
            }
        }
    }

    /// Judges the records of one part of the ledger; returns the units whose rows are to be read.
    fn judge(&mut self, entry: Entry) -> Vec<Unit> {
        match &entry {
            Entry::Gone { from, to } => {
                self.findings.push(
                    Finding::new(FindingKind::MissingFile, &self.table)
                        .of_file(&layout::commit(*from))
                        .because(format!(
                            "commits {from} to {to} are neither in the log nor in a segment of the ledger"
                        )),
                );
            }
            Entry::Broken { path, message } => {
                self.findings.push(
                    Finding::new(FindingKind::Unreadable, &self.table)
                        .of_file(path)
                        .because(message.as_str()),
                );
            }
            Entry::Commit(_) | Entry::Segment(_) | Entry::Left { .. } => {}
        }
        let commit = match &entry {
            Entry::Commit(commit) => Some((commit.version, commit.positions.clone())),
            _ => None,
        };
        let Some(group) = Group::of(entry) else {
            return Vec::new();
        };
        for range in &group.ranges {
            self.laws
                .range(&self.table, group.name(), range, &mut self.findings);
        }
        if let Some((version, positions)) = commit {
            self.laws.positions(
                &self.table,
                version,
                &group.ranges,
                &positions,
                &mut self.findings,
            );
        }
        if let Some(message) = &group.fault {
            self.findings.push(
                Finding::new(FindingKind::Unreadable, &self.table)
                    .of_file(&group.path())
                    .because(message.as_str()),
            );
        }
        self.claim_files(group)
    }

    /// Says of each file that `group` names whether it is live, named twice, or rewritten since.
    fn claim_files(&mut self, mut group: Group) -> Vec<Unit> {
        let mut rewritten = false;
        let has_ranges = !group.ranges.is_empty();
        for unit in &mut group.units {
            for path in &unit.removed {
                self.added.remove(&file_id(path));
            }
            let (table, version) = (&self.table, unit.version);
            let (added, live, findings) = (&mut self.added, &mut self.live, &mut self.findings);
            unit.files.retain(|file| {
                let id = file_id(&file.path);
                if !added.insert(id) {
                    findings.push(
                        Finding::new(FindingKind::DuplicateAdd, table)
                            .of_file(&file.path)
                            .because(format!(
                                "commit {version} adds the file, and it was added before"
                            )),
                    );
                    return false;
                }
                match live.get_mut(&id) {
                    Some(there) if has_ranges => {
                        there.owned = true;
                        true
                    }
                    Some(_) => false,
                    None => {
                        rewritten |= has_ranges;
                        false
                    }
                }
            });
            for file in &unit.rejects {
                self.rejects.named(unit.version, file, &mut self.findings);
            }
        }
        if !has_ranges || !self.has_live {
            return Vec::new();
        }
        if rewritten {
            self.deferred.insert(group.first);
            return Vec::new();
        }
        let group = Arc::new(group);
        self.tallies.open(&group);
        Unit::all(&group)
    }

    async fn absorb_next(&mut self, tasks: &mut JoinSet<Result<Outcome>>) -> Result<()> {
        let Some(done) = tasks.join_next().await else {
            return Ok(());
        };
        let outcome =
            done.map_err(|e| Error::internal("reading the rows of a commit died").because(e))??;
        self.tallies
            .absorb(&self.stream, outcome, &mut self.findings);
        Ok(())
    }
}

/// The position of the DLO that the rejects table follows to, by its `txn` actions.
fn followed(positions: &HashMap<String, i64>) -> i64 {
    positions.get(APP_ID_DATA).copied().unwrap_or(0)
}
