//! The jobs that nobody here works on yet, the oldest drop first.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::bucket::settle::Settling;
use crate::clock::Tick;
use crate::jobs::drops::{JobDrop, Manifest};
use crate::model::job::{Identity, JobId};

/// A job that nobody here works on yet.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) job: JobDrop,
    /// Of a manifest, its files.
    pub(super) gathering: Option<Gathering>,
    /// Not before then.
    pub(super) after: Tick,
    /// Tries that failed.
    pub(super) failures: u32,
    /// True once its `job.json` was looked at.
    pub(super) is_checked: bool,
    /// True if it is run whatever its `job.json` says.
    pub(super) is_again: bool,
}

/// The files of a manifest, as they come.
#[derive(Debug)]
pub(super) struct Gathering {
    pub(super) manifest: Arc<Manifest>,
    pub(super) settling: Settling,
    /// Those that held still.
    pub(super) still: HashMap<Arc<str>, Identity>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Queue {
    jobs: HashMap<JobId, Waiting>,
    /// Those whose `job.json` was looked at, and the others.
    checked: BTreeSet<Place>,
    fresh: BTreeSet<Place>,
}

/// A place in the order.
type Place = (i128, Arc<str>, JobId);

impl Waiting {
    fn place(&self) -> Place {
        let JobDrop {
            modified_ns,
            key,
            id,
            ..
        } = &self.job;
        (*modified_ns, key.clone(), id.clone())
    }
}

impl Queue {
    pub(super) fn insert(&mut self, waiting: Waiting) {
        self.order(waiting.is_checked).insert(waiting.place());
        self.jobs.insert(waiting.job.id.clone(), waiting);
    }

    pub(super) fn remove(&mut self, job: &JobId) -> Option<Waiting> {
        let waiting = self.jobs.remove(job)?;
        self.order(waiting.is_checked).remove(&waiting.place());
        Some(waiting)
    }

    pub(super) fn get(&self, job: &JobId) -> Option<&Waiting> {
        self.jobs.get(job)
    }

    fn order(&mut self, is_checked: bool) -> &mut BTreeSet<Place> {
        match is_checked {
            true => &mut self.checked,
            false => &mut self.fresh,
        }
    }

    pub(super) fn contains(&self, job: &JobId) -> bool {
        self.jobs.contains_key(job)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Waiting> {
        self.jobs.values()
    }

    /// Those that were looked at, or the others, in their order.
    pub(super) fn in_order(&self, is_checked: bool) -> impl Iterator<Item = (&JobId, &Waiting)> {
        let order = match is_checked {
            true => &self.checked,
            false => &self.fresh,
        };
        let ids = order.iter().map(|(_, _, id)| id);
        ids.filter_map(|id| Some((id, self.jobs.get(id)?)))
    }

    /// Takes out the files by themselves that have one of these keys.
    pub(super) fn drop_files(&mut self, keys: &[Arc<str>]) -> Vec<JobId> {
        let of_keys = self
            .jobs
            .iter()
            .filter(|(_, waiting)| waiting.gathering.is_none() && keys.contains(&waiting.job.key));
        let ids: Vec<JobId> = of_keys.map(|(id, _)| id.clone()).collect();
        for id in &ids {
            self.remove(id);
        }
        ids
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bucket::Object;

    #[test]
    fn the_files_that_a_manifest_takes_are_told() {
        let mut queue = Queue::default();
        let object = |key: &str| Object {
            key: key.into(),
            size: 1,
            etag: Some(key.to_owned()),
            modified_ns: 0,
        };
        let drop = |key: &str| JobDrop::of_file("s", object(key), 0);
        for key in ["a.csv", "b.csv", "c.csv"] {
            queue.insert(Waiting {
                job: drop(key),
                gathering: None,
                after: Tick::default(),
                failures: 0,
                is_checked: key == "a.csv",
                is_again: false,
            });
        }
        let mut taken = queue.drop_files(&["a.csv".into(), "c.csv".into(), "d.csv".into()]);
        taken.sort();
        let mut files = [drop("a.csv").id, drop("c.csv").id];
        files.sort();
        assert_eq!(taken, files);
        assert!(queue.in_order(true).next().is_none());
        assert!(queue.in_order(false).all(|(id, _)| *id == drop("b.csv").id));
        assert!(queue.contains(&drop("b.csv").id));
    }
}
