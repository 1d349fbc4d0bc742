//! A bulk job for a local file, without the daemon.
//!
//! Owns: the file as a drop, where its result goes, and the course of the job in this process. Does
//! not own: reading, judging and the record of the commit (`pipeline::bulk`), showing (`cli::load`).

mod folder;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::config::{Bulk, Config, Stream};
use crate::error::{Error, Result};
use crate::fail_point;
use crate::lake::delta::DeltaTable;
use crate::lake::jobs::{LandedJobs, files_of};
use crate::lake::{DataFile, LakeTable, ReadyBatch};
use crate::model::job::{Identity, JobCounts, JobDocument, JobFile, JobId, JobState};
use crate::model::ledger::{JobRecord, RejectsFile};
use crate::pipeline::bulk::duplicates::{Candidate, Seen};
use crate::pipeline::bulk::land::{ReadFile, ReadJob, batch};
use crate::pipeline::bulk::{Conversion, Dropped, Ending, Outcome, Part, Progress, convert};
use crate::pipeline::commit::{Committer, Landing};
use crate::pipeline::in_force;
use crate::pipeline::plan::{StreamPlan, table_spec};
use crate::pipeline::status::StatusBoard;
use crate::pipeline::trail;
use crate::pipeline::upload::Uploader;
use crate::pipeline::writers::WriterSource;
use crate::shutdown::{self, Shutdown};
use crate::source::csv::Packing;
use crate::source::csv::chunks::FileChunks;
use crate::store::Store;

pub use folder::ResultFolder;

/// Times that a job is read again because a newer schema version came into force.
const READ_AGAIN: u32 = 3;

/// Bytes that the open files of a load hold before they are uploaded.
const PART_BYTES: u64 = 128 << 20;

/// Loads files into one stream.
#[derive(Debug)]
pub struct Loader {
    stream: Arc<Stream>,
    bulk: Bulk,
    instance: String,
    /// The stream at the configured version.
    plan: Arc<StreamPlan>,
    store: Store,
    table: Arc<dyn LakeTable>,
    committer: Committer,
    landed: LandedJobs,
    clock: Clock,
    shutdown: Shutdown,
}

/// A job that was loaded, and where its result is.
#[derive(Debug)]
pub struct Loaded {
    /// What is told of it.
    pub job: JobDocument,
    /// The folder of `job.json` and `failed.csv`.
    pub folder: PathBuf,
}

impl Loader {
    /// Opens the tables of `stream`, which are created if they are not there.
    ///
    /// # Errors
    /// The lake cannot be reached, or its table is not weir's.
    pub async fn open(config: &Config, store: Store, stream: &Arc<Stream>) -> Result<Self> {
        let bulk = stream.bulk.clone().ok_or_else(|| {
            Error::config(format!(
                "the stream {} has no [bulk], which says how its files are written; an empty one is RFC 4180",
                stream.name
            ))
        })?;
        let clock = Clock::system();
        let (_, shutdown) = shutdown::channel();
        let spec = table_spec(stream);
        let table =
            DeltaTable::open_or_create(&store, &stream.name, &config.instance, spec).await?;
        let table: Arc<dyn LakeTable> = Arc::new(table);
        let seed = u64::from(std::process::id());
        let mut landed = LandedJobs::default();
        landed.look(&store, &stream.name).await?;
        Ok(Self {
            bulk,
            instance: config.instance.clone(),
            plan: Arc::new(StreamPlan::new(
                stream.clone(),
                config.max_raw,
                WriterSource::None,
            )),
            committer: Committer::new(table.clone(), clock.clone(), shutdown.clone(), seed),
            stream: stream.clone(),
            store,
            table,
            landed,
            clock,
            shutdown,
        })
    }

    /// Loads one file; its result goes below `results`. Blocks nothing but its own threads.
    ///
    /// # Errors
    /// The file cannot be read, the lake cannot be reached, or the result cannot be written. The
    /// job's own faults are no errors: they stand in what is told of it.
    pub async fn load(
        &mut self,
        path: &Path,
        results: &Path,
        told: impl Fn(Progress) + Send + Sync + 'static,
    ) -> Result<Loaded> {
        let drop = LocalFile::look(path, &self.stream.name)?;
        let folder = ResultFolder::make(results, &drop.name, &drop.job)?;
        let mut document = self.begun(&drop);
        if self.find_what_landed(&mut document).await? {
            self.finish(&mut document, JobState::JobComplete);
            folder.recover(&mut document)?;
            return Ok(Loaded {
                job: document,
                folder: folder.path().to_owned(),
            });
        }
        let told = Arc::new(told);
        let mut tries = 0;
        loop {
            tries += 1;
            let told = told.clone();
            match self.once(&drop, &folder, &mut document, told).await? {
                Some(state) => {
                    self.finish(&mut document, state);
                    folder.end(&mut document)?;
                    return Ok(Loaded {
                        job: document,
                        folder: folder.path().to_owned(),
                    });
                }
                None if tries == READ_AGAIN => {
                    return Err(Error::refused(
                        "newer schema versions came into force while the file was read, again and again; run it once more",
                    ));
                }
                None => {}
            }
        }
    }

    /// Tells of a job that is in the ledger already what that does; false if it is not there.
    async fn find_what_landed(&self, document: &mut JobDocument) -> Result<bool> {
        let Some(landed) = self.landed.by_id(document.id.as_str()) else {
            return Ok(false);
        };
        let files = files_of(&self.store, &self.stream.name, &[landed]).await?;
        for (told, landed) in document.files.iter_mut().zip(files.values().flatten()) {
            (told.records, told.counts) = (landed.records, landed.counts);
        }
        document.counts = files.values().flatten().map(|file| file.counts).sum();
        document.reason = Some(format!(
            "this very file landed before, at version {} of the table; nothing is loaded twice",
            landed.version
        ));
        Ok(true)
    }

    /// Reads and lands the file by the version in force; `None` if a newer one came meanwhile.
    async fn once(
        &mut self,
        drop: &LocalFile,
        folder: &ResultFolder,
        document: &mut JobDocument,
        told: Arc<impl Fn(Progress) + Send + Sync + 'static>,
    ) -> Result<Option<JobState>> {
        let plan = in_force::plan(&*self.table, &self.plan).await?;
        let schema = plan.schema();
        self.committer
            .know_schema(schema.version, schema.text.clone());
        let (outcome, files, rejects) = self.read(&plan, drop, folder, told).await?;
        let counts = outcome.counts;
        document.files[0].records = outcome.records;
        document.files[0].counts = counts;
        document.counts = counts;
        drop.is_unchanged()?;
        let sha256 = match (outcome.ending, outcome.sha256) {
            (Ending::Failed(reason), _) => {
                document.reason = Some(reason);
                return Ok(Some(JobState::Failed));
            }
            (Ending::Nothing(reason), _) => {
                document.reason = Some(reason);
                return Ok(Some(JobState::JobComplete));
            }
            (Ending::Read, Some(sha256)) => sha256,
            (Ending::Read, None) => {
                return Err(Error::internal("a file that was read has no hash"));
            }
        };
        let read = ReadJob {
            job: &drop.job,
            key: &drop.key,
            identity: &drop.identity,
            sha256: sha256.clone(),
            files: vec![ReadFile {
                key: &drop.key,
                records: outcome.records,
                counts,
            }],
            own_files: Vec::new(),
        };
        let ready = batch(&plan, &self.instance, &read, files, rejects);
        let candidate = Candidate {
            id: drop.job.as_str(),
            key: &drop.key,
            sha256: &sha256,
            files: &[],
            policy: self.bulk.on_duplicate,
        };
        self.land(&candidate, &ready, folder, document).await
    }

    /// Lands what was read; `None` if it is to be read again.
    async fn land(
        &mut self,
        candidate: &Candidate<'_>,
        ready: &ReadyBatch,
        folder: &ResultFolder,
        document: &mut JobDocument,
    ) -> Result<Option<JobState>> {
        loop {
            self.landed.look(&self.store, &self.stream.name).await?;
            // By another process that loads the same file; by the same rules the same rows came back.
            let counts = document.counts;
            if self.find_what_landed(document).await? {
                if document.counts != counts {
                    folder.forget_rows()?;
                }
                return Ok(Some(JobState::JobComplete));
            }
            document.reason = match candidate.seen(&self.landed) {
                Seen::New => None,
                Seen::Flagged(reason) => Some(reason),
                Seen::Before(reason) | Seen::Partly(reason) => {
                    document.reason = Some(reason);
                    document.counts = JobCounts::default();
                    document.files[0].counts = JobCounts::default();
                    document.files[0].records = 0;
                    folder.forget_rows()?;
                    return Ok(Some(JobState::JobComplete));
                }
            };
            let known = self.landed.newest().unwrap_or(0);
            let is_flagged = document.reason.is_some();
            let refuse = |other: &JobRecord| candidate.meets(other, is_flagged);
            match self.committer.land_job(ready, known, &refuse).await {
                Landing::Committed { .. } | Landing::AlreadyCommitted { .. } => {
                    // The process may end behind this.
                    fail_point::pass("after_job");
                    let _ = trail::follow(&self.table, &self.stream.name).await.await;
                    return Ok(Some(JobState::JobComplete));
                }
                // What it met is in the ledger now, and the look says what it is beside it.
                Landing::Duplicate { .. } => {}
                Landing::SchemaBehind { .. } | Landing::UploadAgain => return Ok(None),
                Landing::Fenced { .. } => {
                    return Err(Error::internal("a job has no position to be fenced by"));
                }
                Landing::GaveUp(error) => return Err(error),
            }
        }
    }

    /// Reads the file on a thread of its own, and uploads what is cut meanwhile.
    async fn read(
        &self,
        plan: &Arc<StreamPlan>,
        drop: &LocalFile,
        folder: &ResultFolder,
        told: Arc<impl Fn(Progress) + Send + Sync + 'static>,
    ) -> Result<(Outcome, Vec<DataFile>, Vec<RejectsFile>)> {
        let conversion = Conversion {
            plan: plan.clone(),
            bulk: self.bulk.clone(),
            clock: self.clock.clone(),
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            part_bytes: PART_BYTES,
        };
        let dropped = drop.open()?;
        let mut rows = folder.rows()?;
        // One batch of files is uploaded while the next is made.
        let (sender, mut cut) = mpsc::channel::<Part>(1);
        let converting = tokio::task::spawn_blocking(move || {
            let emit = |part| {
                let sent = sender.blocking_send(part);
                sent.map_err(|_| Error::unreachable("the upload ended"))
            };
            let outcome = convert(&conversion, dropped, &mut rows, emit, |p| told(p));
            rows.flush().and(outcome)
        });
        let uploader = Uploader {
            store: self.store.clone(),
            stream: self.stream.name.clone(),
            clock: self.clock.clone(),
            shutdown: self.shutdown.clone(),
            status: StatusBoard::default(),
        };
        let (mut files, mut rejects) = (Vec::new(), Vec::new());
        while let Some(part) = cut.recv().await {
            let uploaded = uploader.upload(plan, part.data, part.rejects).await;
            let uploaded =
                uploaded.ok_or_else(|| Error::unreachable("the upload was abandoned"))?;
            files.extend(uploaded.files);
            rejects.extend(uploaded.rejects);
        }
        let outcome = converting
            .await
            .map_err(|e| Error::internal("reading the file died").because(e))??;
        Ok((outcome, files, rejects))
    }

    fn begun(&self, drop: &LocalFile) -> JobDocument {
        let now = self.clock.now().to_string();
        let file = JobFile::unread(&drop.key, None, drop.size);
        JobDocument {
            state: JobState::InProgress,
            started_at: Some(now.clone()),
            ..JobDocument::new(&drop.job, &self.stream.name, vec![file], now)
        }
    }

    fn finish(&self, document: &mut JobDocument, state: JobState) {
        document.state = state;
        document.finished_at = Some(self.clock.now().to_string());
    }
}

/// A file that is to be loaded.
#[derive(Debug)]
struct LocalFile {
    path: PathBuf,
    /// Its last part.
    name: String,
    key: Arc<str>,
    size: u64,
    modified_ns: i128,
    identity: Identity,
    job: JobId,
}

impl LocalFile {
    fn look(path: &Path, stream: &str) -> Result<Self> {
        let unread = |e: std::io::Error| {
            Error::config(format!("{} cannot be read", path.display())).because(e)
        };
        let path = std::fs::canonicalize(path).map_err(unread)?;
        let metadata = std::fs::metadata(&path).map_err(unread)?;
        if !metadata.is_file() {
            return Err(Error::config(format!("{} is no file", path.display())));
        }
        let (size, modified_ns) = standing(&metadata);
        let key: Arc<str> = path.to_string_lossy().into();
        let identity = Identity::size_and_time(size, modified_ns);
        Ok(Self {
            name: path
                .file_name()
                .map(|n| n.to_string_lossy().into_owned())
                .unwrap_or_default(),
            job: JobId::of(stream, &key, &identity, 0),
            path,
            key,
            size,
            modified_ns,
            identity,
        })
    }

    fn open(&self) -> Result<Dropped> {
        Ok(Dropped {
            job: self.job.clone(),
            key: self.key.clone(),
            place: 0,
            packing: Packing::of(&self.name),
            modified_ms: i64::try_from(self.modified_ns / 1_000_000).unwrap_or(-1),
            chunks: Box::new(FileChunks::open(&self.path)?),
            before: JobCounts::default(),
            is_last: true,
            has_header: false,
            resume: None,
        })
    }

    /// A file that was written to while it was read is no drop: half of each would land.
    fn is_unchanged(&self) -> Result<()> {
        let now = std::fs::metadata(&self.path).map(|m| standing(&m));
        match now {
            Ok(now) if now == (self.size, self.modified_ns) => Ok(()),
            _ => Err(Error::refused(format!(
                "{} changed while it was read; nothing of it landed, run it again once it holds still",
                self.path.display()
            ))),
        }
    }
}

/// Size, and time of the last change in nanoseconds since the epoch.
fn standing(metadata: &std::fs::Metadata) -> (u64, i128) {
    let modified = metadata.modified().ok();
    let since = modified.and_then(|m| m.duration_since(UNIX_EPOCH).ok());
    let ns = since.map_or(0, |s| i128::try_from(s.as_nanos()).unwrap_or(i128::MAX));
    (metadata.len(), ns)
}
