//! `weir jobs show`: one job, as it stands or until it ends.

use std::process::ExitCode;
use std::time::Duration;

use indicatif::ProgressBar;
use serde::Serialize;

use crate::cli::jobs::{Meant, find, to_the_second};
use crate::cli::{Context, Format, output};
use crate::clock::Clock;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::jobs::known::{KnownJob, ToldBy};
use crate::model::job::JobState;

/// How often a job that is watched is looked at.
const LOOK: Duration = Duration::from_millis(500);

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The job's id, or the key of its drop: of several jobs the newest is shown
    #[arg(value_name = "JOB-or-KEY")]
    job: String,

    /// Wait for its end; exit code 1 if it failed, was aborted or has rejected rows
    #[arg(long)]
    watch: bool,
}

/// What `--format json` writes.
#[derive(Debug, Serialize)]
struct Document<'a> {
    job: &'a KnownJob,
    /// Jobs of its key; 1 where the job was named by its id.
    jobs_of_key: usize,
}

pub(super) async fn run(
    context: &Context,
    config: &Config,
    arguments: &Arguments,
) -> Result<ExitCode> {
    let mut meant = find(config, &arguments.job).await?;
    let job = match arguments.watch {
        true => watch(&mut meant).await?,
        false => meant.read().await?,
    };
    match context.format {
        Format::Json => output::json(&Document {
            job: &job,
            jobs_of_key: meant.of_key,
        })?,
        Format::Table => {
            output::text_line(&text(&job))?;
            if meant.of_key > 1 {
                output::text_line(&format!("the newest of {} jobs of this drop", meant.of_key))?;
            }
        }
    }
    let is_well = job.state == JobState::JobComplete && job.counts.rejected == 0;
    Ok(match arguments.watch && !is_well {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

/// Waits for the job's end.
async fn watch(meant: &mut Meant) -> Result<KnownJob> {
    let clock = Clock::system();
    let line = output::line("records")?;
    let job = loop {
        let job = meant.read().await?;
        tell(&line, &job);
        meant.trace.key.clone_from(&job.key);
        if job.is_over() {
            break job;
        }
        if job.told_by == ToldBy::Drop {
            is_there(meant).await?;
        }
        clock.sleep(LOOK).await;
        meant.jobs.look().await?;
    };
    line.finish_and_clear();
    Ok(job)
}

fn tell(line: &ProgressBar, job: &KnownJob) {
    line.set_message(match job.counts.rejected {
        0 => state(job),
        rejected => format!("{}, {rejected} rejected", state(job)),
    });
    line.set_position(job.counts.accepted + job.counts.rejected);
    line.tick();
}

/// A drop that went away before it was begun is waited for in vain.
async fn is_there(meant: &Meant) -> Result<()> {
    let key = meant.trace.key.as_deref().unwrap_or_default();
    let traces = meant.jobs.of_key(key).await?;
    match traces.iter().any(|trace| trace.id == meant.trace.id) {
        true => Ok(()),
        false => Err(Error::refused(format!(
            "{} went away or changed before the job was begun",
            output::escaped(key.as_bytes())
        ))),
    }
}

/// The state, with what an operator asked for.
pub(super) fn state(job: &KnownJob) -> String {
    let state = job.state.as_str();
    match job.asked {
        Some(asked) => format!("{state} ({asked} asked for)"),
        None => state.to_owned(),
    }
}

fn text(job: &KnownJob) -> String {
    let mut lines = Vec::new();
    let mut add = |name: &str, value: String| lines.push(format!("{name:<9} {value}"));
    add("job", job.id.to_string());
    add("stream", job.stream.clone());
    if let Some(key) = &job.key {
        add("drop", output::escaped(key.as_bytes()));
    }
    let note = match job.told_by {
        ToldBy::Ledger => ", as the ledger tells; there is no job.json that says so",
        ToldBy::Claim => ", as its claim tells; there is no job.json yet",
        ToldBy::Result | ToldBy::Drop => "",
    };
    add("state", format!("{}{note}", state(job)));
    if let Some(reason) = &job.reason {
        add("reason", output::escaped(reason.as_bytes()));
    }
    for (name, time) in [
        ("created", &job.created_at),
        ("started", &job.started_at),
        ("finished", &job.finished_at),
    ] {
        if let Some(time) = time {
            add(name, to_the_second(time));
        }
    }
    if let Some(rows) = &job.failed_rows {
        add("to mend", output::escaped(rows.as_bytes()));
    }
    if !job.files.is_empty() {
        let mut table = output::table(&["file", "bytes", "records", "accepted", "rejected"]);
        for file in &job.files {
            let numbers = [
                file.size,
                file.records,
                file.counts.accepted,
                file.counts.rejected,
            ];
            let mut row = vec![output::escaped(file.key.as_bytes())];
            row.extend(numbers.map(|n| n.to_string()));
            table.add_row(row);
        }
        output::align_numbers(&mut table, 1..5);
        lines.push(table.trim_fmt());
    }
    lines.join("\n")
}
