//! `weir jobs abort` and `retry`: what the daemons are asked for.
//!
//! Owns: which requests make sense. Does not own: following them (`jobs::watch`, `jobs::look`).

use std::process::ExitCode;

use clap::builder::NonEmptyStringValueParser;
use serde_json::json;

use crate::cli::jobs::meant::{Meant, find};
use crate::cli::{Context, Format, output};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::jobs::known::KnownJob;
use crate::lake::claims::Retry;
use crate::model::job::{Identity, JobId, JobState};

#[derive(Debug, clap::Args)]
pub(super) struct Retrying {
    /// The job's id, or the key of its drop
    #[arg(value_name = "JOB-or-KEY", value_parser = NonEmptyStringValueParser::new())]
    job: String,

    /// Load a drop that landed once more, all of its rows, as another job
    #[arg(long)]
    reload: bool,
}

/// Times that one drop may be loaded again.
const MOST_RELOADS: u32 = 10_000;

/// Asks for the end of a job.
pub(super) async fn abort(context: &Context, config: &Config, job: &str) -> Result<ExitCode> {
    let meant = find(config, job).await?;
    let known = meant.read().await?;
    let id = &known.id;
    if let Some(landed) = meant.jobs.landed(&meant.trace) {
        return Err(Error::refused(format!(
            "the job {id} landed at version {} of the table; what landed is not taken back",
            landed.version
        )));
    }
    if known.state.is_final() {
        return Err(Error::refused(format!(
            "the job {id} is at its end: it is {}",
            known.state.as_str()
        )));
    }
    has_bucket(&meant)?;
    meant.jobs.claims(&meant.trace).ask_abort(id).await?;
    let follows = "the instance that works on it ends it, or the next one that starts";
    asked(context, &known, id, "abort", follows)
}

/// Asks for a job once more.
pub(super) async fn retry(
    context: &Context,
    config: &Config,
    arguments: &Retrying,
) -> Result<ExitCode> {
    let meant = find(config, &arguments.job).await?;
    let known = meant.read().await?;
    let id = &known.id;
    if !known.state.is_final() {
        return Err(Error::refused(format!(
            "the job {id} has not ended: it is {}",
            known.state.as_str()
        )));
    }
    has_bucket(&meant)?;
    let (key, identity) = drop_of(&meant, &known).await?;
    let stream = meant.jobs.stream(&meant.trace);
    let of = |reload| JobId::of(stream, &key, &identity, reload);
    let is_this = |reload: &u32| of(*reload) == *id;
    let Some(mut reload) = (0..MOST_RELOADS).find(is_this) else {
        return Err(Error::refused(format!(
            "{} changed since: what is there now is a job of its own, {}",
            output::escaped(key.as_bytes()),
            of(0)
        )));
    };
    if known.state == JobState::JobComplete && !arguments.reload {
        return Err(Error::refused(format!(
            "the job {id} is complete; --reload loads all of its rows once more"
        )));
    }
    if arguments.reload {
        let is_free = |reload: &u32| meant.jobs.has_landed(&meant.trace, &of(*reload)).is_none();
        reload = (1..MOST_RELOADS)
            .find(is_free)
            .ok_or_else(|| Error::refused(format!("the drop was loaded {MOST_RELOADS} times")))?;
    }
    let new = of(reload);
    let retry = Retry {
        key,
        identity,
        reload,
    };
    meant
        .jobs
        .claims(&meant.trace)
        .ask_retry(&new, &retry)
        .await?;
    let follows = format!(
        "an instance that runs reads the drop again, or the next one that starts; watch it with `weir jobs show {new} --watch`"
    );
    asked(context, &known, &new, "retry", &follows)
}

/// The daemons that follow a request watch the bucket.
fn has_bucket(meant: &Meant) -> Result<()> {
    match meant.jobs.bucket() {
        Some(_) => Ok(()),
        None => Err(Error::config(
            "there is no [bulk] in weir.toml, and nobody watches for what is asked; weir load loads files",
        )),
    }
}

/// The drop of a job as it is in the bucket now.
async fn drop_of(meant: &Meant, known: &KnownJob) -> Result<(String, Identity)> {
    let gone = |key: &str| {
        let key = output::escaped(key.as_bytes());
        Error::refused(format!("{key} is not in the bucket; drop it again"))
    };
    let key = known.key.clone().unwrap_or_default();
    let object = meant.jobs.drop_at(&key).await?;
    let object = object.ok_or_else(|| gone(&key))?;
    Ok((key, object.drop_identity()))
}

/// Shows what was asked for.
fn asked(
    context: &Context,
    known: &KnownJob,
    job: &JobId,
    what: &str,
    follows: &str,
) -> Result<ExitCode> {
    match context.format {
        Format::Json => output::json(&json!({
            "job": job, "stream": known.stream, "key": known.key, "asked": what,
        }))?,
        Format::Table => output::text_line(&format!("job {job}: {what} asked for; {follows}"))?,
    }
    Ok(ExitCode::SUCCESS)
}
