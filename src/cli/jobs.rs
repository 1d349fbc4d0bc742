//! `weir jobs`: bulk jobs, with or without a daemon at hand.
//!
//! Owns: arguments, the list, the exit codes; `meant` finds the job that is meant, `show` shows one, `ask`
//! asks for what the daemons do. Does not own: what is known of a job (`jobs::known`).

mod ask;
mod meant;
mod show;

use std::process::ExitCode;

use clap::builder::NonEmptyStringValueParser;
use clap::{Subcommand, ValueEnum};
use serde::Serialize;

use crate::bucket::Bucket;
use crate::cli::run::runtime;
use crate::cli::{Context, Format, connect, numbers, output, streams};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::jobs::known::{KnownJob, KnownJobs};
use crate::model::job::JobState;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The jobs that landed, ended, or are under way, the newest first
    List(List),
    /// One job: its state, its counts, and where its rejected rows are
    Show(show::Arguments),
    /// Ends a job that has not ended; it lands nothing
    Abort {
        /// The job's id, or the key of its drop
        #[arg(value_name = "JOB-or-KEY", value_parser = NonEmptyStringValueParser::new())]
        job: String,
    },
    /// Reads a failed or aborted job's drop again
    Retry(ask::Retrying),
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only of this stream
    #[arg(long)]
    stream: Option<String>,

    /// Only in this state
    #[arg(long, value_enum, ignore_case = true)]
    state: Option<StateName>,

    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = numbers::whole::<usize>)]
    limit: usize,
}

/// The states by their names in `job.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
enum StateName {
    Open,
    UploadComplete,
    InProgress,
    JobComplete,
    Failed,
    Aborted,
}

impl StateName {
    fn state(self) -> JobState {
        match self {
            StateName::Open => JobState::Open,
            StateName::UploadComplete => JobState::UploadComplete,
            StateName::InProgress => JobState::InProgress,
            StateName::JobComplete => JobState::JobComplete,
            StateName::Failed => JobState::Failed,
            StateName::Aborted => JobState::Aborted,
        }
    }
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode> {
    let config = context.load()?;
    runtime()?.block_on(async {
        match &arguments.command {
            Command::List(arguments) => list(context, &config, arguments).await,
            Command::Show(arguments) => show::run(context, &config, arguments).await,
            Command::Abort { job } => ask::abort(context, &config, job).await,
            Command::Retry(arguments) => ask::retry(context, &config, arguments).await,
        }
    })
}

/// The jobs of the configured streams that take files, or of the one named.
async fn open(config: &Config, stream: Option<&str>) -> Result<KnownJobs> {
    let streams = match stream {
        Some(name) => vec![streams::one(config, name)?.clone()],
        None => config.streams.clone(),
    };
    if let (Some(name), [only]) = (stream, streams.as_slice())
        && only.bulk.is_none()
    {
        return Err(Error::config(format!(
            "the stream {name} has no [bulk]: it takes no files, and has no jobs"
        )));
    }
    let bucket = config.bucket.as_ref();
    let bucket = bucket
        .map(|bucket| Bucket::open(bucket, None))
        .transpose()?;
    let mut jobs = KnownJobs::of(&connect::lake(config)?, bucket, &streams);
    jobs.look().await?;
    Ok(jobs)
}

/// What `weir jobs list --format json` writes.
#[derive(Debug, Serialize)]
struct Document {
    jobs: Vec<KnownJob>,
    /// True if there are others, which were not looked at.
    more: bool,
}

/// Jobs that are read at a time where only some of them are wanted.
const BATCH: usize = 64;

async fn list(context: &Context, config: &Config, arguments: &List) -> Result<ExitCode> {
    let known = open(config, arguments.stream.as_deref()).await?;
    let mut traces = known.all().await?.into_iter();
    let mut jobs = Vec::new();
    while jobs.len() < arguments.limit && traces.len() > 0 {
        let most = match arguments.state {
            Some(_) => BATCH,
            None => arguments.limit - jobs.len(),
        };
        let batch = known.read(traces.by_ref().take(most).collect()).await?;
        let state = arguments.state.map(StateName::state);
        jobs.extend(
            batch
                .into_iter()
                .filter(|job| state.is_none_or(|s| s == job.state)),
        );
    }
    let more = traces.len() > 0 || jobs.len() > arguments.limit;
    jobs.truncate(arguments.limit);
    match context.format {
        Format::Json => output::json(&Document { jobs, more })?,
        Format::Table if jobs.is_empty() => output::text_line(none(config))?,
        Format::Table => output::text_line(&text(&jobs, more))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn none(config: &Config) -> &'static str {
    match config.streams.iter().any(|stream| stream.bulk.is_some()) {
        true => "no jobs",
        false => "no jobs: no stream has [bulk], which is what takes files",
    }
}

fn text(jobs: &[KnownJob], more: bool) -> String {
    let mut table = output::table(&[
        "job", "stream", "state", "accepted", "rejected", "created", "drop",
    ]);
    for job in jobs {
        table.add_row([
            job.id.to_string(),
            job.stream.clone(),
            show::state(job),
            output::accepted(job.counts.accepted, job.state),
            job.counts.rejected.to_string(),
            to_the_second(job.created_at.as_deref().unwrap_or_default()),
            output::escaped(job.key.as_deref().unwrap_or_default().as_bytes()),
        ]);
    }
    output::align_numbers(&mut table, 3..5);
    match more {
        true => format!("{}\nand more; --limit N shows them", table.trim_fmt()),
        false => table.trim_fmt(),
    }
}

/// A time without its fraction.
fn to_the_second(time: &str) -> String {
    match time.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => time.to_owned(),
    }
}
