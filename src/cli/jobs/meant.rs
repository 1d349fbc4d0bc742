//! The job that a command line means.
//!
//! Owns: finding it by its id or by its drop's key, and the error where there is none. Does not own: which
//! of a drop's jobs is the newest (`jobs::known`).

use crate::bucket::{Bucket, names};
use crate::cli::jobs::open;
use crate::cli::output;
use crate::config::Config;
use crate::config::keys::nearest_word;
use crate::error::{Error, Result};
use crate::jobs::known::{KnownJob, KnownJobs, Trace, is_id};

/// A job that was found.
pub(super) struct Meant {
    pub(super) jobs: KnownJobs,
    pub(super) trace: Trace,
    /// How many jobs there are of its key.
    pub(super) of_key: usize,
}

/// The job with this id, or the newest of this key.
pub(super) async fn find(config: &Config, job_or_key: &str) -> Result<Meant> {
    let jobs = open(config, None).await?;
    if is_id(job_or_key)
        && let Some(trace) = jobs.by_id(job_or_key).await?
    {
        return Ok(Meant {
            jobs,
            trace,
            of_key: 1,
        });
    }
    match jobs.newest(job_or_key).await? {
        Some((trace, of_key)) => Ok(Meant {
            jobs,
            trace,
            of_key,
        }),
        None => Err(unknown(config, &jobs, job_or_key).await?),
    }
}

impl Meant {
    /// The job as it stands.
    pub(super) async fn read(&self) -> Result<KnownJob> {
        let mut known = self.jobs.read(vec![self.trace.clone()]).await?;
        known
            .pop()
            .ok_or_else(|| Error::internal("a job that was found is not known"))
    }
}

/// That there is no such job, and what may have been meant.
async fn unknown(config: &Config, jobs: &KnownJobs, wanted: &str) -> Result<Error> {
    let mut message = format!("there is no job {}", output::escaped(wanted.as_bytes()));
    if is_id(wanted) {
        message.push_str("; weir jobs list shows those that there are");
        return Ok(Error::config(message));
    }
    let prefixes = config.streams.iter().filter_map(|s| s.bulk.as_ref());
    let prefixes: Vec<&str> = prefixes.map(|bulk| bulk.prefix.as_str()).collect();
    if prefixes.is_empty() {
        message.push_str(": no stream has [bulk], which is what takes files");
        return Ok(Error::config(message));
    }
    message.push_str(", and no drop of that key");
    if let Some(bucket) = jobs.bucket() {
        message.push_str(&format!("; keys are relative to {}", bucket.url()));
    }
    let traces = jobs.all().await?;
    let known: Vec<&str> = traces.iter().filter_map(|t| t.key.as_deref()).collect();
    let meant = inside(jobs.bucket(), wanted, &prefixes).or_else(|| namesake(wanted, &known));
    let is_taken = prefixes.iter().any(|prefix| wanted.starts_with(prefix));
    let hint = match (meant.or_else(|| near(wanted, &known)), is_taken) {
        (None, false) => untaken(wanted, &prefixes),
        (Some(key), _) => format!("did you mean {}?", output::escaped(key.as_bytes())),
        (None, true) => "weir jobs list shows the jobs that there are".to_owned(),
    };
    message.push_str(&format!("; {hint}"));
    Ok(Error::config(message))
}

/// The key in a path or URL that leads into the bucket.
fn inside<'a>(bucket: Option<&Bucket>, wanted: &'a str, prefixes: &[&str]) -> Option<&'a str> {
    if let Some(bucket) = bucket {
        let url = bucket.url().as_str().trim_end_matches('/');
        let path = bucket.url().path().trim_end_matches('/');
        let rest = wanted
            .strip_prefix(url)
            .or_else(|| wanted.strip_prefix(path));
        if let Some(key) = rest.and_then(|rest| rest.strip_prefix('/')) {
            return Some(key);
        }
    }
    let mut folders = wanted.match_indices('/').map(|(at, _)| &wanted[at + 1..]);
    let named = prefixes.iter().filter(|prefix| !prefix.is_empty());
    folders.find(|key| named.clone().any(|prefix| key.starts_with(prefix)))
}

/// The known key that has the same name in another folder.
fn namesake<'a>(wanted: &str, known: &[&'a str]) -> Option<&'a str> {
    let name = |key: &str| names::folder(key).len();
    let last = &wanted[name(wanted)..];
    let mut same = known.iter().filter(|key| key[name(key)..] == *last);
    same.next().copied()
}

/// The known key that is but a slip away.
fn near<'a>(wanted: &str, known: &[&'a str]) -> Option<&'a str> {
    let slips = (wanted.chars().count() / 8).max(2);
    let near = nearest_word(wanted, known.iter().copied())?;
    (strsim::damerau_levenshtein(wanted, near) <= slips).then_some(near)
}

/// That no stream takes a key, and which prefix it may be about.
fn untaken(wanted: &str, prefixes: &[&str]) -> String {
    let all = || format!("the prefixes are {}", prefixes.join(", "));
    let Some((folder, _)) = wanted.split_once('/') else {
        return format!("no stream takes what is in no folder; {}", all());
    };
    let shown = output::escaped(folder.as_bytes());
    let hint = match nearest_word(&format!("{folder}/"), prefixes.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None => all(),
    };
    format!("no stream takes {shown}/; {hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_named() {
        let known = ["orders/slow.csv", "orders/a.csv", "returns/b.csv"];
        for (wanted, nearest) in [
            ("slow.csv", Some("orders/slow.csv")),
            ("orders/slo.csv", Some("orders/slow.csv")),
            ("return/b.csv", Some("returns/b.csv")),
            ("orders/other.csv", None),
            ("something else", None),
        ] {
            let found = namesake(wanted, &known).or_else(|| near(wanted, &known));
            assert_eq!(found, nearest, "{wanted}");
        }
    }

    #[test]
    fn a_path_into_the_bucket_has_a_key() {
        let prefixes = ["orders/", "returns/", ""];
        for (wanted, key) in [
            ("drop/orders/x.csv", Some("orders/x.csv")),
            ("/var/lib/drop/returns/x.csv", Some("returns/x.csv")),
            ("drop/orders/returns/x.csv", Some("orders/returns/x.csv")),
            ("orders/x.csv", None),
            ("x.csv", None),
        ] {
            assert_eq!(inside(None, wanted, &prefixes), key, "{wanted}");
        }
    }

    #[test]
    fn a_prefix_that_no_stream_has_is_told_with_the_nearest() {
        let prefixes = ["orders/", "returns/"];
        for (wanted, told) in [
            (
                "return/x.csv",
                "no stream takes return/; did you mean returns/?",
            ),
            (
                "x.csv",
                "no stream takes what is in no folder; the prefixes are orders/, returns/",
            ),
            (
                "elsewhere/x.csv",
                "no stream takes elsewhere/; the prefixes are orders/, returns/",
            ),
        ] {
            assert_eq!(untaken(wanted, &prefixes), told);
        }
    }
}
