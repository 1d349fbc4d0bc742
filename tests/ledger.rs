//! A DLO with many finished bulk jobs: its log stays short, every job is known, the proof holds, and
//! neither a commit nor a start pays for the jobs before it.
//!
//! | variable | is | default |
//! | --- | --- | --- |
//! | `WEIR_TEST_JOBS` | jobs; with it upkeep is that of the daemon, else it comes more often | 150 |
//! | `WEIR_TEST_LAKE` | an empty folder for the lake, which is left behind for other readers | one that is removed |
//!
//! `WEIR_TEST_JOBS=100000 cargo test --release --test ledger -- --nocapture` prints what a commit
//! costs then, beside a table of 10 jobs in the same run, and what a start does.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "a test ends by a panic, and shares files with another"
)]

#[path = "lake_contract/batch.rs"]
mod batch;

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use object_store::ObjectStore as _;
use object_store::path::Path;
use url::Url;
use weir::clock::{Clock, Micros};
use weir::lake::delta::DeltaTable;
use weir::lake::jobs::LandedJobs;
use weir::lake::verify::verify;
use weir::lake::{LakeTable, ReadyBatch, layout};
use weir::model::job::{Identity, JobId, hex};
use weir::model::ledger::{CommitRecord, Cut, JobRecord, RangeRecord};
use weir::model::position::{SourceId, SourcePartition};
use weir::pipeline::commit::{Committer, Landing};
use weir::shutdown;
use weir::store::{self, Store};

/// One of so many jobs has a row, with its file.
const FILE_EVERY: u64 = 10;

/// Commits of either table that are measured.
const ROUNDS: u64 = 40;

/// How often upkeep does what: checkpoint, checksum; fold, and what stays.
type Upkeep = (u64, u64, usize, u64);

/// Upkeep where there are few jobs.
const OFTEN: Upkeep = (10, 4, 40, 30);

/// Upkeep that is always in the way.
const ALWAYS: Upkeep = (4, 2, 8, 12);

/// A DLO that jobs land in, as the daemon lands them.
struct Dlo {
    store: Store,
    stream: &'static str,
    table: Arc<DeltaTable>,
    committer: Committer,
    _trigger: shutdown::Trigger,
}

impl Dlo {
    async fn open(store: &Store, stream: &'static str, upkeep: Option<Upkeep>) -> Self {
        let table = DeltaTable::open_or_create(store, stream, "test", batch::spec());
        let mut table = table.await.unwrap();
        if let Some((checkpoint, checksum, fold, keep)) = upkeep {
            table = table
                .with_upkeep_every(checkpoint, checksum)
                .with_fold_every(fold, keep);
        }
        let table = Arc::new(table);
        let (trigger, stop) = shutdown::channel();
        // Of the time of the files.
        let clock = Clock::manual(Micros(1_700_000_000_000_000));
        let committer = Committer::new(table.clone(), clock, stop, 1);
        committer.know_schema(1, "{}");
        Self {
            store: store.clone(),
            stream,
            table,
            committer,
            _trigger: trigger,
        }
    }

    /// Lands job `n`; returns what the commit took, without upkeep, which nobody waits for.
    async fn finish(&self, n: u64, with_row: bool) -> Cost {
        let ready = self.job(n, with_row).await;
        let before = Cost::so_far();
        let landing = self.committer.land(&ready).await;
        assert!(matches!(landing, Landing::Committed { .. }), "{landing:?}");
        self.table.follow_rejects().await.unwrap();
        let cost = Cost::since(&before);
        self.table.upkeep().await.unwrap();
        cost
    }

    async fn job(&self, n: u64, with_row: bool) -> ReadyBatch {
        let job = job_id(self.stream, n);
        let source = SourceId::bulk(job.as_str());
        let mut files = Vec::new();
        if with_row {
            let table = layout::data_table(self.stream);
            let schema = batch::spec().schema;
            let file = batch::upload(&self.store, &table, &schema, source.as_str(), &[(0, 0)]);
            files.extend(file.await.unwrap());
        }
        let partition = SourcePartition {
            source_id: source,
            partition: 0,
        };
        let rows = i64::from(with_row);
        let range = RangeRecord {
            to: rows,
            read: rows,
            accepted: rows,
            ..RangeRecord::starting_point(&key(n), &partition, 0)
        };
        let record = CommitRecord {
            batch: job.batch(),
            cut: Some(Cut::End),
            job: Some(JobRecord {
                id: job.as_str().to_owned(),
                key: key(n),
                identity: identity(n).as_str().to_owned(),
                files: Vec::new(),
                sha256: content(n),
            }),
            ..batch::record(vec![range], Vec::new())
        };
        ReadyBatch::new(record, files)
    }

    /// Commits, and all files, in the log.
    async fn log(&self) -> (u64, u64) {
        let folder = Path::from(format!("{}/_delta_log", layout::data_table(self.stream)));
        let objects = self.store.objects();
        let all = objects.list(Some(&folder)).map_ok(|meta| meta.location);
        let all: Vec<Path> = all.try_collect().await.unwrap();
        let commits = all.iter().filter_map(|path| path.filename());
        let commits = commits.filter(|name| layout::commit_version(name).is_some());
        (commits.count() as u64, all.len() as u64)
    }
}

fn key(n: u64) -> String {
    format!("orders/2026/11/part-{n:08}.csv")
}

fn identity(n: u64) -> Identity {
    Identity::etag(&format!("etag-{n:032}"))
}

fn job_id(stream: &str, n: u64) -> JobId {
    JobId::of(stream, &key(n), &identity(n), 0)
}

/// A hash as long as one.
fn content(n: u64) -> String {
    hex(&[&[7; 24], n.to_be_bytes().as_slice()].concat())
}

/// CPU of the process's threads, and wall time.
#[derive(Debug, Clone, Copy)]
struct Cost {
    cpu: Duration,
    at: Instant,
    wall: Duration,
}

impl Cost {
    fn so_far() -> Self {
        let threads = fs::read_dir("/proc/self/task").unwrap();
        let cpu = threads.filter_map(|thread| {
            let text = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        });
        Self {
            cpu: Duration::from_nanos(cpu.sum()),
            at: Instant::now(),
            wall: Duration::ZERO,
        }
    }

    fn since(before: &Self) -> Self {
        let now = Self::so_far();
        Self {
            cpu: now.cpu.saturating_sub(before.cpu),
            wall: now.at - before.at,
            ..now
        }
    }
}

/// A lake in a new folder, or in that of `WEIR_TEST_LAKE`, which is left behind.
fn lake() -> (Store, Option<tempfile::TempDir>) {
    let (path, keep) = match std::env::var_os("WEIR_TEST_LAKE") {
        Some(path) => (path.into(), None),
        None => {
            let folder = tempfile::tempdir().unwrap();
            (folder.path().to_owned(), Some(folder))
        }
    };
    let url = Url::from_directory_path(path).unwrap();
    (store::open(&url, &BTreeMap::new(), false).unwrap(), keep)
}

/// The median of each.
fn median(costs: &[Cost]) -> (Duration, Duration) {
    let middle = |of: fn(&Cost) -> Duration| {
        let mut all: Vec<Duration> = costs.iter().map(of).collect();
        all.sort_unstable();
        all[all.len() / 2]
    };
    (middle(|cost| cost.cpu), middle(|cost| cost.wall))
}

fn resident_mib() -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.unwrap().trim().trim_end_matches(" kB").trim();
    kib.parse::<u64>().unwrap() / 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_ledger_costs_neither_commits_nor_starts() {
    let (store, _folder) = lake();
    let wanted = std::env::var("WEIR_TEST_JOBS").ok();
    let jobs: u64 = wanted.as_ref().map_or(150, |text| text.parse().unwrap());

    let upkeep = wanted.is_none().then_some(OFTEN);
    let many = Dlo::open(&store, "many", upkeep).await;
    let began = Instant::now();
    for n in 0..jobs {
        many.finish(n, n % FILE_EVERY == 0).await;
    }
    let (commits, files) = many.log().await;
    println!(
        "{jobs} jobs landed in {:?}; the log has {commits} commits and {files} files",
        began.elapsed()
    );

    let few = Dlo::open(&store, "few", upkeep).await;
    for n in 0..10 {
        few.finish(n, false).await;
    }
    let (mut costs_few, mut costs_many) = (Vec::new(), Vec::new());
    for n in 0..ROUNDS {
        costs_few.push(few.finish(10 + n, false).await);
        costs_many.push(many.finish(jobs + n, false).await);
    }
    let (few, now) = (median(&costs_few), median(&costs_many));
    let ratio = now.0.as_secs_f64() / few.0.as_secs_f64();
    println!("a commit at 10 jobs: CPU {:?}, {:?}", few.0, few.1);
    println!(
        "a commit at {jobs} jobs: CPU {:?}, {:?}; ratio of CPU {ratio:.2}",
        now.0, now.1
    );

    let total = jobs + ROUNDS;
    let start = starts(&store, total).await;
    let (checkpoint, _, fold, keep) = match wanted {
        Some(_) => (100, 16, 1000, 300),
        None => OFTEN,
    };
    let (commits, files) = many.log().await;
    let most = fold as u64 + keep + 2 * checkpoint;
    assert!(
        commits <= most && files <= 2 * most,
        "{commits} commits, {files} files"
    );
    if jobs >= 100_000 && !cfg!(debug_assertions) {
        assert!(ratio <= 1.5, "{ratio}");
        assert!(start < Duration::from_secs(5), "{start:?}");
    }
    let began = Instant::now();
    let report = verify(&store, "many", Arc::new(|_| {})).await.unwrap();
    println!("verified in {:?}", began.elapsed());
    assert!(report.ok, "{:#?}", report.findings);
    assert_eq!(report.sources.len() as u64, total);
}

/// Opens the table as a start does; returns what it took. Every job is known.
async fn starts(store: &Store, total: u64) -> Duration {
    let (began, before) = (Instant::now(), resident_mib());
    let table = DeltaTable::open_or_create(store, "many", "test", batch::spec()).await;
    let table = table.unwrap();
    let opened = began.elapsed();
    let mut landed = LandedJobs::default();
    landed.look(store, "many").await.unwrap();
    let took = began.elapsed();
    println!(
        "a start takes {took:?}: the table {opened:?}, its jobs {:?}",
        took - opened
    );
    println!(
        "memory grew by {} MiB",
        resident_mib().saturating_sub(before)
    );
    let again = Instant::now();
    landed.look(store, "many").await.unwrap();
    println!("a look without news takes {:?}", again.elapsed());

    assert_eq!(landed.len() as u64, total);
    assert_eq!(landed.newest(), Some(table.view().await.unwrap().version));
    for n in 0..total {
        let id = job_id("many", n);
        let job = landed.by_id(id.as_str()).unwrap();
        assert_eq!(
            (job.id().as_str(), &*job.key),
            (id.as_str(), key(n).as_str())
        );
        assert_eq!(landed.same_drop(&key(n), &content(n)), Some(job));
    }
    took
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_and_instances_are_not_disturbed_by_folds() {
    let folder = tempfile::tempdir().unwrap();
    let url = Url::from_directory_path(folder.path()).unwrap();
    let store = store::open(&url, &BTreeMap::new(), false).unwrap();
    let jobs = 200;
    let mut instances = Vec::new();
    for part in 0..2 {
        let dlo = Dlo::open(&store, "many", Some(ALWAYS)).await;
        instances.push(tokio::spawn(async move {
            for n in (part..jobs).step_by(2) {
                dlo.finish(n, n % FILE_EVERY < 2).await;
            }
        }));
    }
    let mut kept_up = LandedJobs::default();
    let mut looks = 0;
    while !instances.iter().all(|instance| instance.is_finished()) {
        let before = kept_up.len();
        kept_up.look(&store, "many").await.unwrap();
        let mut fresh = LandedJobs::default();
        fresh.look(&store, "many").await.unwrap();
        assert!(before <= kept_up.len() && kept_up.len() <= fresh.len());
        let report = verify(&store, "many", Arc::new(|_| {})).await.unwrap();
        assert!(report.ok, "{:#?}", report.findings);
        looks += 1;
    }
    for instance in instances {
        instance.await.unwrap();
    }
    println!("{looks} looks while {jobs} jobs landed");
    kept_up.look(&store, "many").await.unwrap();
    assert_eq!(kept_up.len() as u64, jobs);
}
