//! The second pass: commits whose files were rewritten since (compaction), and the files that
//! hold their rows now.
//!
//! Owns: reading such rows in windows of positions, so that memory does not go with the table; and
//! finding rows that no commit accounts for.

use std::collections::HashSet;
use std::sync::Arc;

use futures::StreamExt;

use crate::error::Result;
use crate::lake::columns::OpenFile;
use crate::lake::failure::Failure;
use crate::lake::ledger::Ledger;
use crate::lake::state::TableState;
use crate::lake::verify::group::{Group, Span};
use crate::lake::verify::report::{Finding, FindingKind};
use crate::lake::verify::rows::{FileToRead, RowCheck};
use crate::lake::verify::{Audit, file_id};

/// Positions of a window.
const WINDOW: i64 = 4_000_000;

/// A live file that no commit with ranges added.
#[derive(Debug)]
struct Shared {
    path: String,
    size: i64,
    rows: i64,
    bounds: Vec<Option<(i64, i64)>>,
    matched: i64,
}

/// Reads the rows of the groups that the first pass left out.
pub(super) async fn check(audit: &mut Audit) -> Result<()> {
    if audit.deferred.is_empty() && audit.live.values().all(|live| live.owned) {
        return Ok(());
    }
    let mut shared = shared_files(audit).await?;
    let mut window: Vec<Arc<Group>> = Vec::new();
    let mut seen = HashSet::new();
    let ledger: Ledger = audit.ledger.clone();
    let mut entries = ledger.entries(audit.newest);
    while let Some(entry) = entries.next().await {
        let Some(mut group) = Group::of(entry?) else {
            continue;
        };
        if !audit.deferred.contains(&group.first) {
            continue;
        }
        for unit in &mut group.units {
            let live = &audit.live;
            unit.files.retain(|file| {
                let id = file_id(&file.path);
                live.contains_key(&id) && seen.insert(id)
            });
        }
        window.push(Arc::new(group));
        let positions: i64 = window.iter().map(|g| g.positions()).sum();
        if positions >= WINDOW {
            check_window(audit, &mut shared, std::mem::take(&mut window)).await?;
        }
    }
    if !window.is_empty() {
        check_window(audit, &mut shared, window).await?;
    }
    for file in shared.iter().filter(|f| f.matched != f.rows) {
        audit.findings.push(
            Finding::new(FindingKind::CountMismatch, &audit.table)
                .of_file(&file.path)
                .because(format!(
                    "the file has {} rows, of which the ledger accounts for {}",
                    file.rows, file.matched
                )),
        );
    }
    Ok(())
}

async fn shared_files(audit: &mut Audit) -> Result<Vec<Shared>> {
    let live = std::mem::take(&mut audit.live);
    let listed = async {
        let state = TableState::load(&audit.store, &audit.table, Some(audit.newest)).await?;
        state
            .fold_files((live, Vec::new()), |(live, shared), file| {
                if live.get(&file_id(&file.path)).is_some_and(|l| !l.owned) {
                    shared.push((file.path, file.size));
                }
            })
            .await
    };
    let paths = match listed.await {
        Ok((live, paths)) => {
            audit.live = live;
            paths
        }
        Err(failure) => {
            let message = failure.found()?;
            audit
                .findings
                .push(Finding::new(FindingKind::Unreadable, &audit.table).because(message));
            Vec::new()
        }
    };
    let mut shared = Vec::with_capacity(paths.len());
    for (path, size) in paths {
        let whole = format!("{}/{path}", audit.table);
        match OpenFile::open(&audit.store.objects(), &whole, size).await {
            Ok(open) => shared.push(Shared {
                rows: open.rows(),
                bounds: open.bounds("_weir_offset"),
                path,
                size,
                matched: 0,
            }),
            Err(Failure::Away(error)) => return Err(error),
            Err(failure) => {
                let kind = match &failure {
                    Failure::Missing(_) => FindingKind::MissingFile,
                    _ => FindingKind::Unreadable,
                };
                let finding = Finding::new(kind, &audit.table).of_file(&path);
                audit.findings.push(finding.because(failure.found()?));
            }
        }
    }
    Ok(shared)
}

async fn check_window(
    audit: &mut Audit,
    shared: &mut [Shared],
    window: Vec<Arc<Group>>,
) -> Result<()> {
    let mut rows = RowCheck::new(audit.store.objects(), &audit.stream, audit.progress.clone());
    for group in &window {
        audit.tallies.open_parts(group, 1);
        let whole: Vec<Span> = group
            .ranges
            .iter()
            .enumerate()
            .map(|(range, r)| Span {
                range,
                from: r.from,
                to: r.to,
            })
            .collect();
        rows.expect(group, &whole);
        for unit in &group.units {
            for file in &unit.files {
                rows.read(FileToRead {
                    is_rejects: false,
                    path: file.path.clone(),
                    size: file.size,
                    rows: file.rows,
                    shared: None,
                })
                .await?;
            }
            for file in &unit.rejects {
                rows.read(FileToRead {
                    is_rejects: true,
                    path: file.path.clone(),
                    size: file.size,
                    rows: Some(file.rows),
                    shared: None,
                })
                .await?;
            }
        }
    }
    let ranges = window.iter().flat_map(|g| &g.ranges);
    let spans: Vec<(i64, i64)> = ranges.map(|r| (r.from, r.to)).collect();
    let overlaps = |bounds: &Option<(i64, i64)>| match bounds {
        Some((min, max)) => spans.iter().any(|(from, to)| from <= max && min < to),
        None => true,
    };
    for (at, file) in shared.iter().enumerate() {
        let groups: Vec<usize> = (0..file.bounds.len())
            .filter(|group| file.bounds.get(*group).is_some_and(&overlaps))
            .collect();
        if groups.is_empty() {
            continue;
        }
        rows.read(FileToRead {
            is_rejects: false,
            path: file.path.clone(),
            size: file.size,
            rows: None,
            shared: Some((at, groups)),
        })
        .await?;
    }
    let mut outcome = rows.finish();
    outcome.groups = window.iter().map(|g| g.first).collect();
    for (at, matched) in std::mem::take(&mut outcome.matched) {
        if let Some(file) = shared.get_mut(at) {
            file.matched += matched;
        }
    }
    audit
        .tallies
        .absorb(&audit.stream, outcome, &mut audit.findings);
    Ok(())
}
