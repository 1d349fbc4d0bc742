//! What is in the bucket beside a job: what was given back, and the manifests that name its drop.
//!
//! Owns: looking there. Does not own: what each is (`jobs::results`, `jobs::drops`).

use std::collections::BTreeSet;

use crate::bucket::{listing::Piece, names};
use crate::error::Result;
use crate::jobs::drops::Manifest;
use crate::jobs::known::{KnownJob, KnownJobs, Trace, traces};

/// Manifests that are read to find the one that names a drop.
const MANIFESTS: usize = 64;

/// What a job gave back: keys, in the order of its files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GivenBack {
    /// Rejected rows: `failed.csv`, and those of a manifest's further files.
    pub rows: Vec<String>,
    /// Lines that are no CSV: `failed.txt` likewise.
    pub lines: Vec<String>,
}

impl GivenBack {
    /// Those of `names`, which are in one folder.
    pub fn of(names: impl IntoIterator<Item = String>) -> Self {
        let (mut rows, mut lines) = (BTreeSet::new(), BTreeSet::new());
        for name in names {
            let last = name.rsplit('/').next().unwrap_or_default();
            let Some((place, is_csv)) = place(last) else {
                continue;
            };
            match is_csv {
                true => rows.insert((place, name)),
                false => lines.insert((place, name)),
            };
        }
        let names = |found: BTreeSet<(u32, String)>| found.into_iter().map(|(_, n)| n).collect();
        Self {
            rows: names(rows),
            lines: names(lines),
        }
    }
}

/// The place in its job of the file whose rejects `name` holds, and whether they are rows.
fn place(name: &str) -> Option<(u32, bool)> {
    let (stem, end) = name.strip_prefix("failed")?.split_once('.')?;
    let place = match stem.strip_prefix('-') {
        Some(place) => place.parse().ok()?,
        None if stem.is_empty() => 0,
        None => return None,
    };
    match end {
        "csv" => Some((place, true)),
        "txt" => Some((place, false)),
        _ => None,
    }
}

impl KnownJobs {
    /// What the job gave back, as far as it is in the bucket.
    ///
    /// # Errors
    /// The bucket cannot be reached.
    pub async fn given_back(&self, job: &KnownJob) -> Result<GivenBack> {
        // That of a load is beside its file, whose path is no key.
        let key = job.key.as_ref().filter(|key| !key.starts_with('/'));
        let (Some(bucket), Some(key)) = (&self.bucket, key) else {
            return Ok(GivenBack::default());
        };
        let mut found = Vec::new();
        let each =
            |piece: Piece| found.extend(piece.objects.into_iter().map(|o| o.key.to_string()));
        bucket
            .every(&names::result_folder(key, &job.id), each)
            .await?;
        Ok(GivenBack::of(found))
    }

    /// The manifest that names the drop of `trace`, among those of which a job was made, and that job.
    ///
    /// # Errors
    /// The bucket or the lake cannot be reached.
    pub async fn manifest_of(&self, trace: &Trace) -> Result<Option<KnownJob>> {
        let (Some(bucket), Some(key)) = (&self.bucket, &trace.key) else {
            return Ok(None);
        };
        let bulk = &self.streams[trace.of].bulk;
        let found = traces::list(bucket, &names::results_below(&bulk.prefix)).await?;
        let manifests: BTreeSet<String> = found
            .into_values()
            .map(|(key, _)| key)
            .filter(|key| names::kind(key) == names::Kind::Manifest)
            // Names reach downward only.
            .filter(|manifest| key.starts_with(names::folder(manifest)))
            .collect();
        for manifest in manifests.into_iter().take(MANIFESTS) {
            let Some(text) = bucket.get(&manifest).await? else {
                continue;
            };
            let named = Manifest::read(&manifest, &text, bulk).files;
            if !named.iter().any(|file| **file == **key) {
                continue;
            }
            if let Some((trace, _)) = self.newest(&manifest).await? {
                return Ok(self.read(vec![trace]).await?.pop());
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_back_is_told_by_its_names() {
        let names = [
            "f/job.json",
            "f/failed-10.csv",
            "f/failed.txt",
            "f/failed-2.csv",
            "f/failed.csv",
            "f/failed-x.csv",
            "f/failed.csv.tmp",
            "f/failed2.csv",
        ];
        let given = GivenBack::of(names.map(str::to_owned));
        assert_eq!(
            given.rows,
            ["f/failed.csv", "f/failed-2.csv", "f/failed-10.csv"]
        );
        assert_eq!(given.lines, ["f/failed.txt"]);
    }
}
