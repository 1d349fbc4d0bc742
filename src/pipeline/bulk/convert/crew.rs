//! The threads that judge slices and encode what is accepted.
//!
//! Owns: who gets which slice, how much each of them has in hand, and that one that dies is found
//! out. They run at a lower priority than the threads of streams, as does the one that reads. Does not
//! own: the order of what comes back (`course`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::{Builder, JoinHandle};

use crate::error::{Error, Result};
use crate::pipeline::bulk::convert::judge::{Held, Judge, Verdict};
use crate::pipeline::open_files::Ended;
use crate::source::csv::slice::Slice;

/// Slices that a worker has in hand: one it works on, and the next.
const IN_HAND: usize = 2;

/// What is added to a thread's niceness.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// The workers of one file.
#[derive(Debug)]
pub(super) struct Crew {
    workers: Vec<Worker>,
    replies: Receiver<Reply>,
    stopped: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Worker {
    /// Taken to end the thread.
    queue: Option<SyncSender<Task>>,
    thread: Option<JoinHandle<()>>,
    slices: usize,
    held: Held,
}

/// A task, with its place in the order of all.
#[derive(Debug)]
enum Task {
    Slice(u64, Slice),
    End(u64),
}

#[derive(Debug)]
struct Reply {
    worker: usize,
    done: Done,
}

/// What a worker has done.
#[derive(Debug)]
pub(super) enum Done {
    /// The slice of this place.
    Judged(u64, Result<Verdict>),
    /// Its files, for the part that ends at this place.
    Ended(u64, Result<Ended>),
    /// It died.
    Died,
}

impl Crew {
    /// A thread for each judge.
    pub(super) fn start(judges: Vec<Judge>) -> Result<Self> {
        let stopped = Arc::new(AtomicBool::new(false));
        // A worker owes a reply for each task, and at most one for its death: no reply ever waits.
        let (sender, replies) = sync_channel(judges.len() * (IN_HAND + 2));
        let mut crew = Self {
            workers: Vec::new(),
            replies,
            stopped,
        };
        for (number, judge) in judges.into_iter().enumerate() {
            let (queue, tasks) = sync_channel(IN_HAND + 1);
            let thread = Thread {
                worker: number,
                judge,
                tasks,
                replies: sender.clone(),
                stopped: crew.stopped.clone(),
            };
            let spawned = Builder::new()
                .name(format!("weir-csv-{number}"))
                .spawn(move || thread.work());
            let thread = spawned.map_err(no_thread)?;
            crew.workers.push(Worker {
                queue: Some(queue),
                thread: Some(thread),
                slices: 0,
                held: Held::default(),
            });
        }
        Ok(crew)
    }

    /// Workers.
    pub(super) fn len(&self) -> usize {
        self.workers.len()
    }

    /// True if one of them takes a slice.
    pub(super) fn takes(&self) -> bool {
        self.workers.iter().any(|worker| worker.slices < IN_HAND)
    }

    /// Hands a slice to the one that has the least in hand.
    pub(super) fn slice(&mut self, place: u64, slice: Slice) -> Result<()> {
        let least = self.workers.iter_mut().min_by_key(|worker| worker.slices);
        let worker = least.ok_or_else(died)?;
        worker.slices += 1;
        worker.hand(Task::Slice(place, slice))
    }

    /// Tells all to end their files behind what they have in hand.
    pub(super) fn end(&mut self, place: u64) -> Result<()> {
        let mut workers = self.workers.iter();
        workers.try_for_each(|worker| worker.hand(Task::End(place)))
    }

    /// What one of them has done; `None` if none has, and `waits` is false.
    pub(super) fn done(&mut self, waits: bool) -> Result<Option<Done>> {
        let reply = match self.replies.try_recv() {
            Ok(reply) => reply,
            Err(TryRecvError::Empty) if !waits => return Ok(None),
            Err(_) => self.replies.recv().map_err(|_| died())?,
        };
        let worker = &mut self.workers[reply.worker];
        match &reply.done {
            Done::Judged(_, verdict) => {
                worker.slices -= 1;
                if let Ok(verdict) = verdict {
                    worker.held = verdict.held;
                }
            }
            Done::Ended(_, _) => worker.held = Held::default(),
            Done::Died => return Err(died()),
        }
        Ok(Some(reply.done))
    }

    /// What their open files hold: bytes of all, rows and bytes of the largest.
    pub(super) fn held(&self) -> Held {
        let all = || self.workers.iter().map(|worker| worker.held);
        Held {
            bytes: all().map(|held| held.bytes).sum(),
            most_rows: all().map(|held| held.most_rows).max().unwrap_or(0),
            most_bytes: all().map(|held| held.most_bytes).max().unwrap_or(0),
        }
    }
}

impl Worker {
    fn hand(&self, task: Task) -> Result<()> {
        let queue = self.queue.as_ref().ok_or_else(died)?;
        queue.send(task).map_err(|_| died())
    }
}

impl Drop for Crew {
    /// What they have in hand is of no use any more.
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        for worker in &mut self.workers {
            worker.queue = None;
        }
        let threads = self.workers.iter_mut().filter_map(|w| w.thread.take());
        for thread in threads {
            // That it died was told.
            let _ = thread.join();
        }
    }
}

pub(super) fn no_thread(error: std::io::Error) -> Error {
    Error::internal("could not start a thread").because(error)
}

pub(super) fn died() -> Error {
    Error::internal("a thread that reads a CSV file died")
}

/// Lowers the priority of this thread below that of streams.
pub(super) fn yield_to_streams() {
    // Without it streams share the processors evenly with this thread, which harms no result.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(NICENESS);
}

/// What a worker's thread has.
struct Thread {
    worker: usize,
    judge: Judge,
    tasks: Receiver<Task>,
    replies: SyncSender<Reply>,
    stopped: Arc<AtomicBool>,
}

impl Thread {
    fn work(mut self) {
        let _death = Death {
            worker: self.worker,
            replies: self.replies.clone(),
        };
        yield_to_streams();
        while let Ok(task) = self.tasks.recv() {
            if self.stopped.load(Ordering::Relaxed) {
                return;
            }
            let done = match task {
                Task::Slice(place, slice) => Done::Judged(place, self.judge.judge(&slice)),
                Task::End(place) => Done::Ended(place, self.judge.end()),
            };
            let worker = self.worker;
            if self.replies.send(Reply { worker, done }).is_err() {
                return;
            }
        }
    }
}

/// Tells of a thread that panicked.
struct Death {
    worker: usize,
    replies: SyncSender<Reply>,
}

impl Drop for Death {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let (worker, done) = (self.worker, Done::Died);
            // Nobody listens any more if that fails.
            let _ = self.replies.send(Reply { worker, done });
        }
    }
}
