//! How many rejects a job may have.
//!
//! Owns: at which records that is judged, so that the verdict is the same on every run, whatever the
//! slices: the share at 10,000 records, at each doubling, and at the end; the number at each record.

/// The first record count at which the share is judged.
const FIRST_LOOK: u64 = 10_000;

/// The limits, and how far a job is.
#[derive(Debug)]
pub(super) struct Limits {
    ratio: f64,
    most: u64,
    next_look: u64,
    records: u64,
    rejects: u64,
}

/// A limit that was passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Breach {
    /// The records that were judged by then.
    pub(super) records: u64,
    /// What was passed.
    pub(super) reason: String,
}

impl Limits {
    pub(super) fn new(ratio: f64, most: u64) -> Self {
        Self {
            ratio,
            most,
            next_look: FIRST_LOOK,
            records: 0,
            rejects: 0,
        }
    }

    /// Goes on behind so many records, of which so many were rejected; nothing was passed by then.
    pub(super) fn go_on(&mut self, records: u64, rejects: u64) {
        while self.next_look <= records {
            self.next_look *= 2;
        }
        self.records = records;
        self.rejects = rejects;
    }

    /// Takes in the records up to `to`, of which those of `rejects` (ascending, from 0) are rejected.
    pub(super) fn pass(
        &mut self,
        to: u64,
        rejects: impl Iterator<Item = u64>,
    ) -> Result<(), Breach> {
        for record in rejects {
            self.look_before(record)?;
            self.rejects += 1;
            if self.rejects > self.most {
                self.records = record + 1;
                return Err(Breach {
                    records: self.records,
                    reason: format!(
                        "more than {} records are rejected (`bulk.max_rejects`), the last of them record {record}; nothing landed",
                        self.most
                    ),
                });
            }
        }
        self.look_before(to)?;
        self.records = to;
        Ok(())
    }

    /// Judges the share as it is once all records are.
    pub(super) fn end(&self) -> Result<(), Breach> {
        self.judge(self.records, true)
    }

    /// Judges the share at each look that lies at or before record `to`.
    fn look_before(&mut self, to: u64) -> Result<(), Breach> {
        while self.next_look <= to {
            let at = self.next_look;
            self.next_look *= 2;
            self.judge(at, false)?;
        }
        Ok(())
    }

    /// Judges the share behind `records`; `is_all`: there are no more.
    fn judge(&self, records: u64, is_all: bool) -> Result<(), Breach> {
        if self.rejects == 0 || self.rejects as f64 <= self.ratio * records as f64 {
            return Ok(());
        }
        let first = if is_all { "" } else { "the first " };
        Err(Breach {
            records,
            reason: format!(
                "{} of {first}{records} records are rejected, more than bulk.max_reject_ratio = {} allows; nothing landed",
                self.rejects, self.ratio
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The breach of a file in which every `nth` record is rejected, cut into slices of `slice`.
    fn breach(records: u64, nth: u64, slice: u64, ratio: f64, most: u64) -> Option<Breach> {
        let mut limits = Limits::new(ratio, most);
        let mut from = 0;
        while from < records {
            let to = (from + slice).min(records);
            let rejects = (from..to).filter(|n| n % nth == 0);
            if let Err(breach) = limits.pass(to, rejects) {
                return Some(breach);
            }
            from = to;
        }
        limits.end().err()
    }

    #[test]
    fn a_verdict_is_the_same_whatever_the_slices() {
        for (records, nth, ratio, most, at) in [
            (50_000, 2, 0.49, u64::MAX, Some(10_000)),
            (50_000, 2, 0.5, u64::MAX, None),
            (9_999, 1, 0.9, u64::MAX, Some(9_999)),
            (10_000, 1, 0.9, u64::MAX, Some(10_000)),
            (50_000, 10, 1.0, 500, Some(5_001)),
            (50_000, 10, 1.0, 5_000, None),
            (1, 1, 0.0, 1, Some(1)),
        ] {
            let all = [1, 7, 999, 10_000, 16_384, 1 << 20];
            for slice in all {
                let found = breach(records, nth, slice, ratio, most);
                assert_eq!(
                    found.as_ref().map(|b| b.records),
                    at,
                    "{records} {nth} {slice}"
                );
                assert_eq!(found, breach(records, nth, all[0], ratio, most));
            }
        }
    }
}
