//! The rejects table against what the DLO's commits name.
//!
//! Owns: that it holds each named file once and no other, as far as it says that it followed.
//! Does not own: the rows of those files (`rows`).

use std::collections::{HashMap, HashSet};

use futures::StreamExt;

use crate::error::Result;
use crate::lake::failure::Failure;
use crate::lake::layout;
use crate::lake::ledger::commit::LoggedCommit;
use crate::lake::ledger::{Entry, Ledger};
use crate::lake::state::TableState;
use crate::lake::verify::report::{Finding, FindingKind, Findings};
use crate::lake::verify::{NO_TABLE, file_id, followed};
use crate::model::ledger::{RejectsFile, Role};
use crate::model::position::APP_ID_DATA;
use crate::store::Store;

/// The rejects table's state.
#[derive(Debug)]
pub(super) struct RejectsTable {
    table: String,
    data_table: String,
    /// Its live files, by id; true once a commit of the DLO was found to name it.
    live: HashMap<u128, InTable>,
    named: HashSet<u128>,
    /// The DLO's version that it says to have followed to; `None` if it cannot be read.
    followed: Option<i64>,
}

#[derive(Debug)]
struct InTable {
    path: String,
    size: i64,
    is_named: bool,
}

impl RejectsTable {
    /// Reads the state of `stream`'s rejects table, and judges its own log.
    pub(super) async fn read(store: &Store, stream: &str, findings: &mut Findings) -> Result<Self> {
        let mut this = Self {
            table: layout::rejects_table(stream),
            data_table: layout::data_table(stream),
            live: HashMap::new(),
            named: HashSet::new(),
            followed: None,
        };
        let ledger = Ledger::open(&store.objects(), &this.table).await?;
        let Some(newest) = ledger.newest() else {
            findings.push(Finding::new(FindingKind::Unreadable, &this.table).because(NO_TABLE));
            return Ok(this);
        };
        let state = async {
            let state = TableState::load(store, &this.table, Some(newest)).await?;
            let positions = state.positions().await?;
            Ok::<_, Failure>((followed(&positions), state.files().await?))
        };
        match state.await {
            Ok((followed, files)) => {
                this.followed = Some(followed);
                this.live = files
                    .into_iter()
                    .map(|file| {
                        let id = file_id(&file.path);
                        let (path, size, is_named) = (file.path, file.size, false);
                        (
                            id,
                            InTable {
                                path,
                                size,
                                is_named,
                            },
                        )
                    })
                    .collect();
            }
            Err(failure) => {
                let message = failure.found()?;
                findings.push(
                    Finding::new(FindingKind::Unreadable, &this.table)
                        .because(format!("the table cannot be read: {message}")),
                );
            }
        }
        this.judge_log(&ledger, newest, findings).await?;
        Ok(this)
    }

    async fn judge_log(&self, ledger: &Ledger, newest: u64, findings: &mut Findings) -> Result<()> {
        let mut added = HashSet::new();
        let mut at = 0;
        let mut entries = ledger.entries(newest);
        while let Some(entry) = entries.next().await {
            match entry? {
                Entry::Commit(commit) => self.judge_commit(&commit, &mut added, &mut at, findings),
                Entry::Broken { path, message } => findings.push(
                    Finding::new(FindingKind::Unreadable, &self.table)
                        .of_file(&path)
                        .because(message),
                ),
                // Its older commits may leave the log: their files are in the checkpoint, and what
                // they named is in the DLO's ledger. What stands below a gap is read by nobody.
                Entry::Gone { .. } | Entry::Left { .. } => {
                    added.clear();
                    at = 0;
                }
                Entry::Segment(_) => {}
            }
        }
        Ok(())
    }

    fn judge_commit(
        &self,
        commit: &LoggedCommit,
        added: &mut HashSet<u128>,
        at: &mut i64,
        findings: &mut Findings,
    ) {
        let finding = |kind, file: &str, message: String| {
            Finding::new(kind, &self.table)
                .of_file(file)
                .because(message)
        };
        let place = layout::commit(commit.version);
        for path in &commit.removed {
            added.remove(&file_id(path));
        }
        for file in &commit.files {
            if !added.insert(file_id(&file.path)) {
                findings.push(finding(
                    FindingKind::DuplicateAdd,
                    &file.path,
                    format!(
                        "commit {} adds the file, and it was added before",
                        commit.version
                    ),
                ));
            }
        }
        let follows = commit
            .record
            .as_ref()
            .is_some_and(|r| r.role == Role::Rejects);
        let is_empty =
            commit.files.is_empty() && commit.removed.is_empty() && !commit.changes_table;
        let changes_nothing = is_empty && commit.record.is_none();
        // Through many commits without rejects it follows by its position alone.
        let moves = |(id, to): &(String, i64)| id == APP_ID_DATA && *to > *at;
        let moves = commit.positions.iter().any(moves);
        if (follows && commit.files.is_empty() && !moves) || changes_nothing {
            findings.push(finding(
                FindingKind::MissingFile,
                &place,
                format!(
                    "commit {} adds no file and does not move weir:data; a commit to the rejects table does one of them",
                    commit.version
                ),
            ));
        }
        for (_, position) in commit.positions.iter().filter(|(id, _)| id == APP_ID_DATA) {
            if position < at {
                findings.push(finding(
                    FindingKind::MovedBack,
                    &place,
                    format!("weir:data goes back from {at} to {position}"),
                ));
            }
            *at = *position;
        }
    }

    /// Commit `version` of the DLO names `file`.
    pub(super) fn named(&mut self, version: u64, file: &RejectsFile, findings: &mut Findings) {
        let id = file_id(&file.path);
        if !self.named.insert(id) {
            findings.push(
                Finding::new(FindingKind::DuplicateAdd, &self.data_table)
                    .of_file(&file.path)
                    .because(format!(
                        "commit {version} names the rejects file, and it was named before"
                    )),
            );
        }
        let Some(followed) = self.followed else {
            return;
        };
        match self.live.get_mut(&id) {
            Some(there) => {
                there.is_named = true;
                if there.size != file.size {
                    findings.push(
                        Finding::new(FindingKind::CountMismatch, &self.table)
                            .of_file(&file.path)
                            .because(format!(
                                "the rejects table says {} bytes, and commit {version} of the DLO {}",
                                there.size, file.size
                            )),
                    );
                }
            }
            None if i64::try_from(version).is_ok_and(|v| v <= followed) => findings.push(
                Finding::new(FindingKind::MissingFile, &self.table)
                    .of_file(&file.path)
                    .because(format!(
                        "weir:data says that the rejects table followed to version {followed}, and the file that commit {version} names is not in it"
                    )),
            ),
            // The table trails, as it may.
            None => {}
        }
    }

    /// Once every commit of the DLO up to `newest` was seen: nothing may be left.
    pub(super) fn close(&self, newest: u64, findings: &mut Findings) {
        if let Some(followed) = self.followed
            && i64::try_from(newest).is_ok_and(|newest| followed > newest)
        {
            findings.push(
                Finding::new(FindingKind::MovedBack, &self.data_table).because(format!(
                    "the rejects table followed to version {followed}, and the DLO is at {newest}"
                )),
            );
        }
        for file in self.live.values().filter(|file| !file.is_named) {
            findings.push(
                Finding::new(FindingKind::CountMismatch, &self.table)
                    .of_file(&file.path)
                    .because("no commit of the DLO names the file"),
            );
        }
    }
}
