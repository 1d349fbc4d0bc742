//! `weir jobs show`: one job, as it stands or until it ends.

use std::process::ExitCode;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use indicatif::ProgressBar;
use serde::Serialize;

use crate::cli::jobs::meant::{Meant, find};
use crate::cli::jobs::to_the_second;
use crate::cli::{Context, Format, output};
use crate::clock::{Clock, Tick};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::jobs::known::{GivenBack, KnownJob, ToldBy};
use crate::model::job::JobState;

/// How often a job that is watched is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// How long a job may wait for an instance before that is told.
const UNBEGUN: Duration = Duration::from_secs(30);

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The job's id, or the key of its drop: of several jobs the newest is shown
    #[arg(value_name = "JOB-or-KEY", value_parser = NonEmptyStringValueParser::new())]
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
            let given = meant.jobs.given_back(&job).await?;
            let by = manifest(&meant, &job).await?;
            output::text_line(&text(&job, &given, by.as_ref()))?;
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

/// The job of the manifest that names a drop of which nothing was made.
async fn manifest(meant: &Meant, job: &KnownJob) -> Result<Option<KnownJob>> {
    match job.told_by {
        ToldBy::Drop => meant.jobs.manifest_of(&meant.trace).await,
        _ => Ok(None),
    }
}

/// Waits for the job's end.
async fn watch(meant: &mut Meant) -> Result<KnownJob> {
    let clock = Clock::system();
    let line = output::line("records")?;
    let mut waits = Waits::from(clock.tick());
    let mut by = None;
    let job = loop {
        let job = meant.read().await?;
        tell(&line, &job);
        if by.is_none() {
            // It is looked for once: a listing each time would be dear.
            by = Some(manifest(meant, &job).await?);
        }
        let manifest = by.iter().flatten().next();
        let reason = reason(&job, manifest.filter(|_| job.told_by == ToldBy::Drop));
        for words in waits.words(&job, reason, clock.tick()) {
            line.suspend(|| output::notice(&words));
        }
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

/// What is told of a job that is waited for.
#[derive(Debug)]
struct Waits {
    since: Tick,
    reason: Option<String>,
    /// True once nobody's beginning it was told, or somebody did.
    is_seen_to: bool,
}

impl Waits {
    fn from(now: Tick) -> Self {
        Self {
            since: now,
            reason: None,
            is_seen_to: false,
        }
    }

    /// What is new: the reason why it waits, and once that nobody begins it.
    fn words(&mut self, job: &KnownJob, reason: Option<String>, now: Tick) -> Vec<String> {
        let mut words = Vec::new();
        if job.is_over() {
            return words;
        }
        if let Some(reason) = reason.filter(|reason| self.reason.as_ref() != Some(reason)) {
            words.push(output::escaped(reason.as_bytes()));
            self.reason = Some(reason);
        }
        match job.state {
            JobState::UploadComplete if now.since(self.since) < UNBEGUN => {}
            JobState::UploadComplete if !self.is_seen_to => {
                let seconds = UNBEGUN.as_secs();
                words.push(format!(
                    "no instance has begun it in {seconds} s; is `weir run` running?"
                ));
                self.is_seen_to = true;
            }
            JobState::UploadComplete => {}
            // Somebody sees to it.
            _ => self.is_seen_to = true,
        }
        words
    }
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

fn text(job: &KnownJob, given: &GivenBack, manifest: Option<&KnownJob>) -> String {
    let mut lines = Vec::new();
    let mut add = |name: &str, value: String| lines.push(format!("{name:<9} {value}"));
    add("job", job.id.to_string());
    add("stream", job.stream.clone());
    if let Some(key) = &job.key {
        add("drop", output::escaped(key.as_bytes()));
    }
    add("state", format!("{}{}", state(job), note(job)));
    if let Some(reason) = reason(job, manifest) {
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
    for (what, keys) in [
        ("to mend and drop again:", &given.rows),
        ("rejected lines:", &given.lines),
    ] {
        for key in keys {
            lines.push(format!("{what} {}", output::escaped(key.as_bytes())));
        }
    }
    if !job.files.is_empty() {
        lines.push(files(job));
    }
    lines.join("\n")
}

/// What the state was told by, where that is not the job's own word.
fn note(job: &KnownJob) -> &'static str {
    let is_load = job.key.as_ref().is_some_and(|key| key.starts_with('/'));
    match job.told_by {
        ToldBy::Ledger if is_load => " (by the ledger; job.json is where `weir load` put it)",
        ToldBy::Ledger if job.reason.is_none() => " (by the ledger; its job.json is lost)",
        ToldBy::Claim => " (by its claim; there is no job.json yet)",
        ToldBy::Ledger | ToldBy::Result | ToldBy::Drop => "",
    }
}

fn reason(job: &KnownJob, manifest: Option<&KnownJob>) -> Option<String> {
    let Some(manifest) = manifest else {
        return job.reason.clone();
    };
    let key = manifest.key.as_deref().unwrap_or_default();
    let state = manifest.state.as_str();
    let id = &manifest.id;
    Some(format!("the manifest {key} names it (job {id}, {state})"))
}

fn files(job: &KnownJob) -> String {
    let mut table = output::table(&["file", "bytes", "records", "accepted", "rejected"]);
    for file in &job.files {
        table.add_row([
            output::escaped(file.key.as_bytes()),
            // The ledger has no size of it.
            match job.told_by {
                ToldBy::Ledger => String::new(),
                _ => file.size.to_string(),
            },
            file.records.to_string(),
            output::accepted(file.counts.accepted, job.state),
            file.counts.rejected.to_string(),
        ]);
    }
    output::align_numbers(&mut table, 1..5);
    table.trim_fmt()
}

#[cfg(test)]
mod tests;
