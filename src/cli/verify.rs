//! `weir verify`: the proof that every position is accounted for once, shown.
//!
//! Owns: the form of the result. Does not own: the proof (`lake::verify`).

mod against_log;

use std::process::ExitCode;
use std::sync::Arc;

use comfy_table::Table;
use serde::Serialize;

use crate::cli::run::runtime;
use crate::cli::{Context, Format, connect, output, streams};
use crate::error::Result;
use crate::lake::verify::{Finding, FindingKind, NO_TABLE, Step, StreamReport, verify};
use crate::positions::standing::Standing;
use crate::store::Store;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The streams; all where none is named
    #[arg(value_name = "STREAM")]
    streams: Vec<String>,

    /// Compare the positions with the broker's logs, too
    #[arg(long)]
    against_log: bool,
}

/// What `--format json` writes.
#[derive(Debug, Serialize)]
struct Document {
    ok: bool,
    streams: Vec<Proof>,
}

#[derive(Debug, Serialize)]
struct Proof {
    #[serde(flatten)]
    report: StreamReport,
    /// With `--against-log`.
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<Vec<Standing>>,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode> {
    let config = context.load()?;
    let streams = streams::named(&config, &arguments.streams)?;
    runtime()?.block_on(async {
        let broker = match arguments.against_log {
            // Before a proof that may take long.
            true => Some(against_log::connect(&config).await?),
            false => None,
        };
        let store = connect::lake(&config)?;
        let mut proofs = Vec::with_capacity(streams.len());
        for stream in &streams {
            let report = prove(&store, &stream.name).await?;
            proofs.push(Proof { report, log: None });
        }
        let compared = match &broker {
            Some(cluster) => against_log::compare(&store, cluster, &mut proofs).await,
            None => Ok(()),
        };
        let document = Document {
            ok: proofs.iter().all(|p| p.report.ok),
            streams: proofs,
        };
        match context.format {
            Format::Json => output::json(&document)?,
            Format::Table => document.show()?,
        }
        match (document.ok, compared) {
            (true, compared) => compared.map(|()| ExitCode::SUCCESS),
            (false, Ok(())) => Ok(ExitCode::FAILURE),
            // What was found stands, whatever the broker would have said.
            (false, Err(error)) => {
                output::complain(&error);
                Ok(ExitCode::FAILURE)
            }
        }
    })
}

/// The proof of one stream, with a bar while it goes on.
pub(crate) async fn prove(store: &Store, stream: &str) -> Result<StreamReport> {
    let bar = output::bar(stream, 0, "rows")?;
    let told = bar.clone();
    let report = verify(
        store,
        stream,
        Arc::new(move |step| match step {
            Step::Expect(rows) => told.inc_length(rows),
            Step::Read(rows) => {
                told.inc(rows);
                // Rows of the rejects table are read, and expected by nobody.
                if told.length().is_some_and(|all| all < told.position()) {
                    told.set_length(told.position());
                }
            }
        }),
    )
    .await;
    bar.finish_and_clear();
    report
}

impl Document {
    fn show(&self) -> Result<()> {
        for proof in &self.streams {
            output::text_line(&text(&proof.report))?;
            if let Some(log) = &proof.log {
                output::text_line(&format!("against the log:\n{}", against_log::text(log)))?;
            }
        }
        Ok(())
    }
}

/// The table of a stream's partitions, and each finding as a line.
pub(crate) fn text(report: &StreamReport) -> String {
    let mut text = format!("stream {}: {}", report.stream, outcome(report));
    if !report.sources.is_empty() {
        text.push_str(&format!("\n{}", sources(report).trim_fmt()));
    }
    for finding in &report.findings {
        text.push_str(&format!("\n{}", line(finding)));
    }
    text
}

/// The proof's outcome in a few words.
pub(crate) fn outcome(report: &StreamReport) -> String {
    let read: i64 = report.sources.iter().map(|s| s.read).sum();
    let is_table_less =
        |finding: &Finding| finding.kind == FindingKind::Unreadable && finding.message == NO_TABLE;
    match report.findings.len() {
        2 if report.findings.iter().all(is_table_less) => {
            format!(
                "NOT proven: nothing has landed in {} yet, or its tables are gone",
                report.stream
            )
        }
        0 => format!("proven, {read} positions read, each accounted for once"),
        1 => "NOT proven, 1 finding".to_owned(),
        n => format!("NOT proven, {n} findings"),
    }
}

fn sources(report: &StreamReport) -> Table {
    let mut table = output::table(&[
        "source",
        "partition",
        "from",
        "to",
        "read",
        "accepted",
        "rejected",
        "skipped",
        "holes",
        "lost",
    ]);
    for s in &report.sources {
        let mut row = vec![output::escaped(s.source_id.as_bytes())];
        row.push(s.partition.to_string());
        let numbers = [
            s.from, s.to, s.read, s.accepted, s.rejected, s.skipped, s.holes, s.lost,
        ];
        row.extend(numbers.map(|n| n.to_string()));
        table.add_row(row);
    }
    output::align_numbers(&mut table, 1..10);
    table
}

/// A finding: kind, place, positions, message.
fn line(finding: &Finding) -> String {
    let mut line = format!("{}: {}", finding.kind.as_str(), finding.table);
    if let Some(file) = &finding.file {
        line.push_str(&format!("/{file}"));
    }
    if let (Some(source), Some(partition)) = (&finding.source_id, finding.partition) {
        line.push_str(&format!(" {source}:{partition}"));
    }
    match (finding.from, finding.to) {
        (Some(from), Some(to)) if from < to => line.push_str(&format!(" [{from}, {to})")),
        (Some(from), _) => line.push_str(&format!(" at {from}")),
        _ => {}
    }
    line.push_str(&format!(": {}", finding.message));
    output::escaped(line.as_bytes())
}
