//! The jobs that this instance knows, for whoever asks.
//!
//! Owns: the picture of each, and the gauge of how many are in which state. What ended is kept in a
//! bounded number.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::metrics::Metrics;
use crate::model::job::{JobDocument, JobId, JobState};

/// Ended jobs that are kept.
const ENDED: usize = 1000;

/// The board. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct JobBoard(Arc<Mutex<Board>>);

#[derive(Debug, Default)]
struct Board {
    metrics: Option<Metrics>,
    jobs: HashMap<JobId, JobDocument>,
    /// In the order in which they ended.
    ended: VecDeque<JobId>,
    /// Why drops cannot be looked for, by stream.
    troubles: BTreeMap<String, String>,
}

impl JobBoard {
    /// A board that tells `metrics` too.
    pub fn new(metrics: Metrics) -> Self {
        Self(Arc::new(Mutex::new(Board {
            metrics: Some(metrics),
            ..Board::default()
        })))
    }

    /// A job is as `document` says.
    pub fn set(&self, document: &JobDocument) {
        let mut board = self.0.lock();
        let before = board.jobs.insert(document.id.clone(), document.clone());
        let was = before.map(|before| before.state);
        if was != Some(document.state) {
            board.count(&document.stream, was, Some(document.state));
        }
        match (
            was.is_some_and(JobState::is_final),
            document.state.is_final(),
        ) {
            (false, true) => board.end(&document.id),
            // It is tried again.
            (true, false) => board.ended.retain(|ended| *ended != document.id),
            _ => {}
        }
    }

    /// A job that has not ended is this instance's business no more.
    pub fn forget(&self, id: &JobId) {
        let mut board = self.0.lock();
        if board.jobs.get(id).is_some_and(|job| !job.state.is_final()) {
            board.remove(id);
        }
    }

    /// Why the drops of a stream cannot be looked for; `None` once they can.
    pub fn set_trouble(&self, stream: &str, trouble: Option<String>) {
        let mut board = self.0.lock();
        match trouble {
            Some(trouble) => drop(board.troubles.insert(stream.to_owned(), trouble)),
            None => drop(board.troubles.remove(stream)),
        }
    }

    /// The streams whose drops cannot be looked for, and why.
    pub fn troubles(&self) -> BTreeMap<String, String> {
        self.0.lock().troubles.clone()
    }

    /// A job by its id.
    pub fn get(&self, id: &str) -> Option<JobDocument> {
        self.0.lock().jobs.get(&JobId::from_text(id)).cloned()
    }

    /// All, the newest first.
    pub fn all(&self) -> Vec<JobDocument> {
        let mut jobs: Vec<JobDocument> = self.0.lock().jobs.values().cloned().collect();
        jobs.sort_by(|a, b| (&b.created_at, &b.id).cmp(&(&a.created_at, &a.id)));
        jobs
    }
}

impl Board {
    /// A job came to its end; the one that did first is forgotten for it, and still counts: the gauge
    /// is watched for a further failure.
    fn end(&mut self, id: &JobId) {
        self.ended.push_back(id.clone());
        if self.ended.len() > ENDED
            && let Some(oldest) = self.ended.pop_front()
        {
            self.jobs.remove(&oldest);
        }
    }

    fn remove(&mut self, id: &JobId) {
        if let Some(document) = self.jobs.remove(id) {
            self.count(&document.stream, Some(document.state), None);
        }
    }

    fn count(&self, stream: &str, from: Option<JobState>, to: Option<JobState>) {
        let Some(metrics) = &self.metrics else {
            return;
        };
        let gauge = |state: JobState| metrics.jobs.with_label_values(&[stream, state.as_str()]);
        if let Some(from) = from {
            gauge(from).dec();
        }
        if let Some(to) = to {
            gauge(to).inc();
        }
    }
}

#[cfg(test)]
mod tests;
