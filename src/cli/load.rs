//! `weir load`: bulk jobs for local files, without the daemon.
//!
//! Owns: arguments, progress, the summary, the exit code. Does not own: the jobs (`load`).

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;

use crate::cli::run::runtime;
use crate::cli::{Context, Format, connect, output, streams};
use crate::error::Result;
use crate::load::{Loaded, Loader};
use crate::model::job::{JobDocument, JobState};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The stream
    stream: String,

    /// CSV files, as they are or packed (.gz, .zst); each is a job of its own
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// Where job.json and failed.csv go; _results beside each file without it
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
}

/// What `--format json` writes.
#[derive(Debug, Serialize)]
struct Document {
    ok: bool,
    jobs: Vec<JobDocument>,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode> {
    let config = context.load()?;
    context.arm_fail_point();
    let stream = streams::one(&config, &arguments.stream)?;
    let loaded = runtime()?.block_on(async {
        let store = connect::lake(&config)?;
        let mut loader = Loader::open(&config, store, stream).await?;
        let mut loaded = Vec::with_capacity(arguments.files.len());
        for path in &arguments.files {
            let beside = || path.parent().unwrap_or(Path::new("")).join("_results");
            let results = arguments.results.clone().unwrap_or_else(beside);
            let size = std::fs::metadata(path).map_or(0, |m| m.len());
            let bar = output::bar(&path.display().to_string(), size, "bytes")?;
            let told = bar.clone();
            let job = loader
                .load(path, &results, move |progress| {
                    told.set_position(progress.bytes);
                })
                .await;
            bar.finish_and_clear();
            loaded.push(job?);
        }
        Ok::<_, crate::error::Error>(loaded)
    })?;
    let ok = loaded.iter().all(|l| is_well(&l.job));
    match context.format {
        Format::Json => output::json(&Document {
            ok,
            jobs: loaded.into_iter().map(|l| l.job).collect(),
        })?,
        Format::Table => show(&loaded)?,
    }
    Ok(match ok {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn is_well(job: &JobDocument) -> bool {
    job.state == JobState::JobComplete && job.counts.rejected == 0
}

fn show(loaded: &[Loaded]) -> Result<()> {
    let mut table = output::table(&["file", "state", "records", "accepted", "rejected"]);
    for Loaded { job, .. } in loaded {
        for file in &job.files {
            table.add_row([
                file.key.clone(),
                format!("{:?}", job.state),
                file.records.to_string(),
                output::accepted(file.counts.accepted, job.state),
                file.counts.rejected.to_string(),
            ]);
        }
    }
    output::text_line(&table.to_string())?;
    for Loaded { job, folder } in loaded {
        if let Some(reason) = &job.reason {
            output::text_line(&format!("{}: {reason}", job.files[0].key))?;
        }
        if let Some(rows) = &job.failed_rows {
            output::text_line(&format!("rejected rows, to mend and load: {rows}"))?;
        }
        let lines = folder.join("failed.txt");
        if job.counts.rejected > 0 && lines.exists() {
            output::text_line(&format!("rejected lines: {}", lines.display()))?;
        }
    }
    Ok(())
}
