//! The files of a job, read and staged part by part.
//!
//! Owns: where reading begins, what is uploaded and staged when, and that a file that changed while
//! it was read is no drop. Does not own: the judgement (`pipeline::bulk`).

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::bucket::Object;
use crate::config::Bulk;
use crate::error::{Error, Result};
use crate::fail_point;
use crate::jobs::parts::{self, StagedPart};
use crate::jobs::work::{Halt, Step, TELL, Wanted, Work};
use crate::model::job::{JobCounts, JobState};
use crate::pipeline::budget::Stage;
use crate::pipeline::bulk::{
    Conversion, Dropped, Ending, FailedRows, Outcome, Part, Resume, convert,
};
use crate::pipeline::plan::StreamPlan;
use crate::source::csv::Packing;
use crate::source::csv::chunks::Chunks;

/// Bytes of rejected rows that are held until they are staged.
const PIECE: usize = 4 << 20;

/// What comes of a conversion, in order.
enum Cut {
    Csv(Vec<u8>),
    Text(Vec<u8>),
    Part(Box<Part>),
}

/// What was judged before a call.
#[derive(Clone, Copy)]
struct Before {
    job: JobCounts,
    file: JobCounts,
}

/// What is told of a file that is being read.
struct Shown {
    place: usize,
    before: Before,
    judged: Arc<Mutex<JobCounts>>,
}

/// Pieces of rejected rows that no part names yet.
#[derive(Default)]
struct Pieces {
    csv: Vec<String>,
    text: Vec<String>,
}

impl Work {
    /// Reads every file to its end; the hashes of their contents.
    pub(super) async fn read(&mut self, plan: &Arc<StreamPlan>) -> Step<Vec<String>> {
        let files = self.job.files.clone();
        let mut hashes = Vec::with_capacity(files.len());
        let mut nothing = Vec::new();
        for (place, file) in files.iter().enumerate() {
            let mine = self.parts.iter().filter(|part| part.file == place);
            if let Some(sha256) = mine.filter_map(|part| part.sha256.clone()).next_back() {
                hashes.push(sha256);
                continue;
            }
            let outcome = self.read_file(place, file, plan).await?;
            match outcome.ending {
                Ending::Read => {}
                Ending::Nothing(reason) => nothing.push(reason),
                Ending::Failed(reason) => {
                    return Err(Halt::Over(
                        JobState::Failed,
                        of_file(&files, place, &reason),
                    ));
                }
            }
            let sha256 = outcome
                .sha256
                .ok_or_else(|| Error::internal("a file that was read has no hash"))?;
            if files.len() > 1 {
                self.close(place, &sha256).await?;
            }
            hashes.push(sha256);
        }
        if parts::counts(self.parts.iter()) == JobCounts::default() {
            let reason = nothing.pop();
            let reason = reason.unwrap_or_else(|| "there is no record in it".to_owned());
            return Err(Halt::Over(JobState::JobComplete, reason));
        }
        Ok(hashes)
    }

    /// Reads one file from where its last part ends.
    async fn read_file(
        &mut self,
        place: usize,
        file: &Object,
        plan: &Arc<StreamPlan>,
    ) -> Step<Outcome> {
        let before = Before {
            job: parts::counts(self.parts.iter()),
            file: parts::counts(self.parts.iter().filter(|part| part.file == place)),
        };
        let last = self.parts.iter().rfind(|part| part.file == place);
        let resume = last.map(StagedPart::resume);
        let was_begun = resume.is_some();
        let looked = self.shared.clock.tick();
        let share = self.shared.share();
        let _charge = self.shared.budget.charge(Stage::Bulk, 2 * share);
        let (sender, mut cuts) = mpsc::channel(1);
        let dropped = match self.dropped(place, file, before.job, resume) {
            Ok(dropped) => dropped,
            Err(error) => return Err(self.why_not_read(file, error).await),
        };
        let conversion = Conversion {
            plan: plan.clone(),
            bulk: self.rules(),
            clock: self.shared.clock.clone(),
            workers: self.shared.workers,
            part_bytes: share,
        };
        let judged = Arc::new(Mutex::new(JobCounts::default()));
        let converting = self.convert(place, before, judged.clone(), conversion, dropped, sender);
        let mut pieces = Pieces::default();
        let shown = Shown {
            place,
            before,
            judged,
        };
        let staged = self.stage_all(plan, &shown, &mut cuts, &mut pieces).await;
        // Nobody takes what comes now, so that the conversion ends.
        drop(cuts);
        let converted = converting.await;
        let converted = converted.map_err(|e| Error::internal("reading a drop died").because(e))?;
        self.halted()?;
        staged?;
        let mut outcome = match converted {
            Ok(outcome) => outcome,
            Err(error) => return Err(self.why_not_read(file, error).await),
        };
        if file.etag.is_none() {
            self.is_unchanged(file).await?;
        }
        if let Ending::Failed(_) = &outcome.ending {
            if outcome.counts == JobCounts::default() && !was_begun {
                self.look_for_newer(plan, looked).await?;
            }
            self.add(place, before, outcome.counts);
            self.keep_unstaged(place, pieces);
        } else if was_begun && matches!(outcome.ending, Ending::Nothing(_)) {
            outcome.ending = Ending::Read;
        }
        Ok(outcome)
    }

    fn dropped(
        &self,
        place: usize,
        file: &Object,
        before: JobCounts,
        resume: Option<Resume>,
    ) -> Result<Dropped> {
        let packing = Packing::of(&file.key);
        let from = match &resume {
            Some(resume) if packing == Packing::Plain => resume.position.byte,
            _ => 0,
        };
        let mut mine = self.parts.iter().filter(|part| part.file == place);
        let has_header = mine.any(|part| !part.csv.is_empty());
        Ok(Dropped {
            job: self.job.id.clone(),
            key: file.key.clone(),
            place: i32::try_from(place).unwrap_or(i32::MAX),
            packing,
            modified_ms: file.modified_ms(),
            chunks: Box::new(Stoppable {
                chunks: self.shared.bucket.chunks(file, from)?,
                wanted: self.wanted.clone(),
            }),
            before,
            is_last: place + 1 == self.job.files.len(),
            resume,
            has_header,
        })
    }

    /// The stream's rules for files, with the manifest's dialect.
    pub(super) fn rules(&self) -> Bulk {
        let mut bulk = self.shared.bulk.clone();
        if let Some(dialect) = &self.job.dialect {
            bulk.dialect = dialect.clone();
        }
        bulk
    }

    /// Starts the conversion on a thread of its own.
    fn convert(
        &self,
        place: usize,
        before: Before,
        judged: Arc<Mutex<JobCounts>>,
        conversion: Conversion,
        dropped: Dropped,
        sender: mpsc::Sender<Cut>,
    ) -> JoinHandle<Result<Outcome>> {
        let (board, mut document) = (self.shared.board.clone(), self.document.clone());
        tokio::task::spawn_blocking(move || {
            let mut rows = Rows {
                open: Arc::default(),
                sender: sender.clone(),
            };
            let open = rows.clone();
            let emit = |part| {
                open.hand_on()?;
                send(&sender, Cut::Part(Box::new(part)))
            };
            let outcome = convert(&conversion, dropped, &mut rows, emit, |progress| {
                *judged.lock() = progress.counts;
                let file = &mut document.files[place];
                file.counts = [before.file, progress.counts].into_iter().sum();
                file.records = file.counts.accepted + file.counts.rejected;
                document.counts = [before.job, progress.counts].into_iter().sum();
                board.set(&document);
            })?;
            rows.hand_on()?;
            Ok(outcome)
        })
    }

    /// Uploads and stages what the conversion makes, until it ends.
    async fn stage_all(
        &mut self,
        plan: &Arc<StreamPlan>,
        shown: &Shown,
        cuts: &mut mpsc::Receiver<Cut>,
        pieces: &mut Pieces,
    ) -> Step<()> {
        loop {
            let cut = self.shared.clock.timeout(TELL, cuts.recv()).await;
            self.halted()?;
            match cut {
                Some(Some(Cut::Csv(rows))) => pieces.csv.push(self.piece(rows, "csv").await?),
                Some(Some(Cut::Text(rows))) => pieces.text.push(self.piece(rows, "txt").await?),
                Some(Some(Cut::Part(part))) => {
                    self.stage(plan, shown.place, *part, std::mem::take(pieces))
                        .await?;
                }
                Some(None) => return Ok(()),
                None => {}
            }
            if self.shared.clock.tick().since(self.told) >= TELL {
                // What is told runs ahead of what is staged.
                let judged = *shown.judged.lock();
                self.add(shown.place, shown.before, judged);
                self.tell().await;
                self.count();
            }
        }
    }

    async fn piece(&self, rows: Vec<u8>, extension: &str) -> Step<String> {
        let rows = Bytes::from(rows);
        let progress = &self.progress;
        self.patiently(|| progress.put_piece(rows.clone(), extension))
            .await
    }

    /// Uploads a part's files and stages it.
    async fn stage(
        &mut self,
        plan: &Arc<StreamPlan>,
        place: usize,
        part: Part,
        pieces: Pieces,
    ) -> Step<()> {
        let before = self.parts.iter().rfind(|part| part.file == place);
        let from = before.map_or_else(Default::default, |before| before.to);
        let mut staged = StagedPart::new(&self.shared.instance, place, part.head, from, part.to);
        staged.hash = part.hash;
        staged.counts = part.counts;
        let codes = part.codes.iter();
        staged.codes = codes.map(|(c, n)| (c.as_str().to_owned(), *n)).collect();
        (staged.csv, staged.text) = (pieces.csv, pieces.text);
        let uploader = &self.shared.uploader;
        let plan = plan.as_ref();
        let uploaded = uploader.upload(plan, part.data, part.rejects).await;
        let uploaded = uploaded.ok_or(Halt::Left)?;
        (staged.data, staged.rejects) = (uploaded.files, uploaded.rejects);
        self.put(staged).await
    }

    /// Stages a part; somebody else's in its place means that the job is theirs.
    async fn put(&mut self, part: StagedPart) -> Step<()> {
        self.halted()?;
        let text = part.text()?;
        let number = u32::try_from(self.parts.len()).unwrap_or(u32::MAX);
        let progress = self.progress.clone();
        let is_ours = self
            .patiently(|| progress.put(number, text.clone()))
            .await?;
        if !is_ours {
            tracing::warn!(stream = self.shared.stream(), job = %self.job.id, "another instance works on the job; it is left to it");
            return Err(Halt::Left);
        }
        tracing::debug!(job = %self.job.id, number, record = part.to.record, "part staged");
        self.parts.push(part);
        self.count();
        fail_point::pass("after_part");
        Ok(())
    }

    /// Stages that a file was read to its end.
    async fn close(&mut self, place: usize, sha256: &str) -> Step<()> {
        let last = self.parts.iter().rfind(|part| part.file == place);
        let Some(last) = last else {
            return Ok(());
        };
        let mut end = StagedPart::new(
            &self.shared.instance,
            place,
            last.head.clone(),
            last.to,
            last.to,
        );
        end.sha256 = Some(sha256.to_owned());
        self.put(end).await
    }

    /// Rows that were rejected before the job failed: they are given back, though no part names them.
    fn keep_unstaged(&mut self, place: usize, pieces: Pieces) {
        let last = self.parts.last();
        let (head, to) = last.map_or_else(Default::default, |l| (l.head.clone(), l.to));
        let mut part = StagedPart::new(&self.shared.instance, place, head, to, to);
        (part.csv, part.text) = (pieces.csv, pieces.text);
        self.parts.push(part);
    }

    /// Puts what was judged of a file that failed into the document.
    fn add(&mut self, place: usize, before: Before, counts: JobCounts) {
        let file = &mut self.document.files[place];
        file.counts = [before.file, counts].into_iter().sum();
        file.records = file.counts.accepted + file.counts.rejected;
        self.document.counts = [before.job, counts].into_iter().sum();
    }

    /// A header may be of a newer version than is known: whoever fails a file has looked for newer
    /// ones after it was there.
    async fn look_for_newer(&self, plan: &Arc<StreamPlan>, seen: crate::clock::Tick) -> Step<()> {
        let flow = &self.shared.flow;
        let looked = flow.looked_since(seen);
        self.shared.clock.timeout(LOOK, looked).await;
        match flow.is_in_force(plan) {
            true => Ok(()),
            false => Err(Halt::Again),
        }
    }

    /// What an error of reading means.
    async fn why_not_read(&self, file: &Object, error: Error) -> Halt {
        match self.is_unchanged(file).await {
            Ok(()) => Halt::Failed(error),
            Err(halt) => halt,
        }
    }

    /// A file that changed while it was read is no drop: half of each would land.
    async fn is_unchanged(&self, file: &Object) -> Step<()> {
        let bucket = &self.shared.bucket;
        let now = self.patiently(|| bucket.look(&file.key)).await?;
        let failed = |what: &str| {
            let reason = format!("{} {what}", file.key);
            Err(Halt::Over(JobState::Failed, reason))
        };
        match now {
            None => failed("was deleted while it was read"),
            Some(now) if now.identity() != file.identity() => {
                failed("changed while it was read; what is there now is a job of its own")
            }
            Some(_) => Ok(()),
        }
    }
}

/// How long a failed header waits for a look at newer schema versions.
const LOOK: std::time::Duration = std::time::Duration::from_secs(15);

/// A reason, with the file where there are several.
fn of_file(files: &[Object], place: usize, reason: &str) -> String {
    match files {
        [_] => reason.to_owned(),
        _ => format!("{}: {reason}", files[place].key),
    }
}

fn send(sender: &mpsc::Sender<Cut>, cut: Cut) -> Result<()> {
    let sent = sender.blocking_send(cut);
    sent.map_err(|_| Error::unreachable("nobody takes the job's parts any more"))
}

/// Rejected rows on their way, in pieces.
#[derive(Clone)]
struct Rows {
    open: Arc<Mutex<OpenRows>>,
    sender: mpsc::Sender<Cut>,
}

#[derive(Default)]
struct OpenRows {
    csv: Vec<u8>,
    text: Vec<u8>,
}

impl Rows {
    fn hand_on(&self) -> Result<()> {
        let OpenRows { csv, text } = std::mem::take(&mut *self.open.lock());
        if !csv.is_empty() {
            send(&self.sender, Cut::Csv(csv))?;
        }
        if !text.is_empty() {
            send(&self.sender, Cut::Text(text))?;
        }
        Ok(())
    }

    fn take(&self, bytes: &[u8], into: fn(&mut OpenRows) -> &mut Vec<u8>) -> Result<()> {
        let held = {
            let mut open = self.open.lock();
            let rows = into(&mut open);
            rows.extend_from_slice(bytes);
            rows.len()
        };
        match held >= PIECE {
            true => self.hand_on(),
            false => Ok(()),
        }
    }
}

impl FailedRows for Rows {
    fn csv(&mut self, bytes: &[u8]) -> Result<()> {
        self.take(bytes, |open| &mut open.csv)
    }

    fn text(&mut self, bytes: &[u8]) -> Result<()> {
        self.take(bytes, |open| &mut open.text)
    }
}

/// Bytes that end when the work has to.
struct Stoppable {
    chunks: Box<dyn Chunks>,
    wanted: watch::Receiver<Wanted>,
}

impl Chunks for Stoppable {
    fn next_chunk(&mut self) -> Result<Option<Bytes>> {
        match *self.wanted.borrow() {
            Wanted::Work => self.chunks.next_chunk(),
            _ => Err(Error::unreachable("the work on the job has to stop")),
        }
    }
}
