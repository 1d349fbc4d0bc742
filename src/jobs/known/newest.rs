//! Which of a drop's jobs is the newest.
//!
//! Owns: their order. Of a job whose result is lost nobody knows when it was found: it counts from when it
//! landed.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::error::Result;
use crate::jobs::known::{KnownJob, KnownJobs, ToldBy, Trace};
use crate::lake::jobs;

/// Sorts the jobs of one drop: how far nothing was made of it yet, when it was found (nanoseconds since
/// the epoch), and the table's version that it landed by.
type Age = (u8, Option<i128>, u64);

impl KnownJobs {
    /// The newest job of the drop `key`, and how many there are.
    ///
    /// # Errors
    /// The bucket or the lake cannot be reached.
    pub async fn newest(&self, key: &str) -> Result<Option<(Trace, usize)>> {
        let traces = self.of_key(key).await?;
        let count = traces.len();
        let known = self.read(traces.clone()).await?;
        let mut times = HashMap::new();
        let mut newest: Option<(Age, Trace)> = None;
        for (trace, job) in traces.into_iter().zip(&known) {
            let age = self.age(&trace, job, &mut times).await?;
            if newest.as_ref().is_none_or(|(other, _)| age > *other) {
                newest = Some((age, trace));
            }
        }
        Ok(newest.map(|(_, trace)| (trace, count)))
    }

    async fn age(
        &self,
        trace: &Trace,
        job: &KnownJob,
        times: &mut HashMap<usize, HashMap<u64, i128>>,
    ) -> Result<Age> {
        let made = match job.told_by {
            ToldBy::Drop => 2,
            ToldBy::Claim => 1,
            ToldBy::Result | ToldBy::Ledger => 0,
        };
        let version = self.landed(trace).map_or(0, |landed| landed.version);
        let created = job.created_at.as_ref();
        let created = created.and_then(|time| time.parse::<jiff::Timestamp>().ok());
        let time = match created {
            Some(created) => Some(created.as_nanosecond()),
            None if version > 0 => {
                let times = match times.entry(trace.of) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(unknown) => {
                        unknown.insert(jobs::times(&self.store, self.stream(trace)).await?)
                    }
                };
                // What left the log landed before all that is in it.
                let first = || times.values().min();
                times.get(&version).or_else(first).copied()
            }
            None => None,
        };
        Ok((made, time, version))
    }
}
