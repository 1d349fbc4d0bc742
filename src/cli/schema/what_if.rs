//! `weir schema what-if`: what a new version would do to real records.
//!
//! Owns: arguments, showing, the exit code. Does not own: judging (`what_if`).

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::ProgressBar;

use crate::cli::run::{runtime, signals};
use crate::cli::{Context, EXIT_INCOMPLETE, Format, code_of, connect, output, streams};
use crate::clock::Micros;
use crate::config::{Config, Stream, units};
use crate::error::{Error, Kind, Result};
use crate::lake::rejects::RejectsTable;
use crate::pipeline::stream_decoder;
use crate::source::kafka::ScanSettings;
use crate::store::Store;
use crate::what_if::registration::{Candidate, Change, Registration, look};
use crate::what_if::tally::{Group, Sides, Verdicts};
use crate::what_if::{
    Records, Report, Source, from_file, from_rejects, from_topics, ranges, trial_parts,
};

/// Of the memory budget, this part is for fetched messages, as in the daemon.
const FETCHED_SHARE: u64 = 4;

/// Without a message for so long the broker counts as away.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The stream
    stream: String,

    /// The new version's Avro schema
    #[arg(value_name = "NEW.avsc")]
    new: PathBuf,

    /// Judge the stored rejects again, instead of the topics
    #[arg(long, conflicts_with = "last")]
    from_rejects: bool,

    /// Judge the records of a CSV file, read as the stream's [bulk] says, instead of the topics
    #[arg(long, value_name = "CSV", conflicts_with_all = ["last", "from_rejects"])]
    file: Option<PathBuf>,

    /// Only messages of this last while by the broker's time stamps, as in 1h; all without it
    #[arg(long, value_name = "DURATION", value_parser = units::duration)]
    last: Option<Duration>,
}

pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode> {
    let config = context.load()?;
    let stream = streams::one(&config, &arguments.stream)?;
    let text = std::fs::read_to_string(&arguments.new).map_err(|e| {
        Error::config(format!("{} cannot be read", arguments.new.display())).because(e)
    })?;
    let runtime = runtime()?;
    let report = runtime.block_on(report(&config, stream, &text, arguments))?;
    match context.format {
        Format::Json => output::json(&report)?,
        Format::Table => output::text_line(&shown(&report))?,
    }
    Ok(exit_code(&report))
}

/// What was found goes before what was not looked at.
fn exit_code(report: &Report) -> ExitCode {
    let Some(records) = &report.records else {
        return code_of(Kind::Found);
    };
    match (report.ok, records.complete, records.is_stalled) {
        (false, _, _) => code_of(Kind::Found),
        (true, true, _) => ExitCode::SUCCESS,
        (true, false, true) => code_of(Kind::Unreachable),
        (true, false, false) => ExitCode::from(EXIT_INCOMPLETE),
    }
}

async fn report(
    config: &Config,
    stream: &Arc<Stream>,
    text: &str,
    arguments: &Arguments,
) -> Result<Report> {
    let store = connect::lake(config)?;
    let Candidate {
        registration,
        name,
        stream: new,
    } = look(config, &store, stream, text).await?;
    let records = match &new {
        None => None,
        Some(new) if arguments.from_rejects => Some(of_rejects(config, &store, stream, new).await?),
        Some(new) if arguments.file.is_some() => {
            Some(of_file(arguments.file.clone(), stream, new).await?)
        }
        Some(new) => Some(of_topics(config, stream, new, arguments.last).await?),
    };
    let worse = records.as_ref().is_none_or(|r| r.verdicts.worse > 0);
    Ok(Report {
        ok: registration.accepted && !worse,
        stream: stream.name.clone(),
        in_force: format!("{}/{}", stream.schema.subject, stream.schema.version),
        new: name,
        registration,
        records,
    })
}

async fn of_topics(
    config: &Config,
    stream: &Stream,
    new: &Stream,
    last: Option<Duration>,
) -> Result<Records> {
    let kafka = config.kafka.clone();
    let settings = ScanSettings {
        kafka: kafka.ok_or_else(|| Error::config("there is no [kafka] in the settings"))?,
        instance: config.instance.clone(),
        queue_bytes: config.memory_budget / FETCHED_SHARE,
        header: stream_decoder::header(stream),
        patience: PATIENCE,
    };
    let trial = trial_parts(config, stream, PATIENCE)?;
    let since = last.map(|last| before(trial.clock.now(), last));
    let stop = asked_to_stop()?;
    let ranges = ranges(&settings, stream, since).await?;
    let positions = ranges
        .iter()
        .map(|r| u64::try_from(r.to - r.from).unwrap_or(0));
    let bar = output::bar(&stream.name, positions.sum(), "positions")?;
    let read = bar.clone();
    let records = from_topics(
        settings,
        &trial,
        ranges,
        stream,
        new,
        move |positions| read.inc(positions),
        move || stop.load(Ordering::Relaxed),
    )
    .await;
    bar.finish_and_clear();
    records
}

async fn of_file(path: Option<PathBuf>, stream: &Stream, new: &Stream) -> Result<Records> {
    let path = path.unwrap_or_default();
    let stop = asked_to_stop()?;
    let size = std::fs::metadata(&path).map_or(0, |m| m.len());
    let bar = output::bar(&stream.name, size, "bytes")?;
    let (told, in_force, new) = (bar.clone(), stream.clone(), new.clone());
    let records = tokio::task::spawn_blocking(move || {
        let each = |bytes| told.inc(bytes);
        from_file(&path, &in_force, &new, each, || {
            stop.load(Ordering::Relaxed)
        })
    });
    let records = records
        .await
        .map_err(|e| Error::internal("reading the file died").because(e))?;
    bar.finish_and_clear();
    records
}

async fn of_rejects(
    config: &Config,
    store: &Store,
    stream: &Stream,
    new: &Stream,
) -> Result<Records> {
    let trial = trial_parts(config, stream, PATIENCE)?;
    let table = RejectsTable::open(store, &stream.name).await?;
    let bar: ProgressBar = output::bar(&stream.name, table.rows(), "rejects")?;
    let stop = asked_to_stop()?;
    let records = from_rejects(
        &table,
        stream,
        new,
        &trial,
        || bar.inc(1),
        || stop.load(Ordering::Relaxed),
    )
    .await;
    bar.finish_and_clear();
    records
}

/// Milliseconds since the epoch, so long before `now`.
fn before(now: Micros, last: Duration) -> i64 {
    let last = i64::try_from(last.as_millis()).unwrap_or(i64::MAX);
    (now.0 / 1000).saturating_sub(last).max(0)
}

/// True once the user wants the report of what was read until then.
fn asked_to_stop() -> Result<Arc<AtomicBool>> {
    let [mut term, mut int] = signals()?;
    let asked = Arc::new(AtomicBool::new(false));
    let told = asked.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        told.store(true, Ordering::Relaxed);
    });
    Ok(asked)
}

fn shown(report: &Report) -> String {
    let mut text = vec![format!(
        "stream {}: {} beside {}, which is in force",
        report.stream, report.new, report.in_force
    )];
    text.extend(of_registration(&report.registration));
    match &report.records {
        Some(records) => text.extend(of_records(records)),
        None => text.push("no record can be judged by it".to_owned()),
    }
    text.join("\n")
}

fn of_registration(registration: &Registration) -> Vec<String> {
    let verdict = match registration.accepted {
        true => "would be accepted",
        false => "would be refused",
    };
    let mut lines = vec![format!("registration, {}: {verdict}", registration.level)];
    lines.extend(registration.reasons.iter().map(|r| format!("  {r}")));
    if registration.table.is_none() && !registration.columns.is_empty() {
        lines.push("  there is no table yet; beside one of the version in force:".to_owned());
    }
    lines.extend(registration.columns.iter().map(|column| {
        let change = match column.change {
            Change::Added => "is added; older rows hold null",
            Change::Nullable => "may be null from then on",
            Change::NotWritten => "stays; newer rows hold null",
        };
        format!("  column {} {}: {change}", column.name, column.delta)
    }));
    lines
}

fn of_records(records: &Records) -> Vec<String> {
    let verdicts = &records.verdicts;
    let what = match records.source {
        Source::Topics => "messages",
        Source::Rejects => "stored rejects",
        Source::File => "records of the file",
    };
    let mut lines = vec![format!("{} {what}", verdicts.messages)];
    let skipped = verdicts.skipped.iter();
    lines.extend(skipped.map(|(code, count)| format!("  {count} of them no record: {code}")));
    let left = verdicts.not_judged.iter();
    lines.extend(left.map(|(reason, count)| format!("  {count} of them not judged: {reason}")));
    let mut table = output::table(&["records", "in force", "new"]);
    let (now, new) = (&verdicts.in_force, &verdicts.new);
    for (name, now, new) in [
        ("accepted", now.accepted, new.accepted),
        ("rejected", now.rejected, new.rejected),
    ] {
        table.add_row([name.to_owned(), now.to_string(), new.to_string()]);
    }
    output::align_numbers(&mut table, [1, 2]);
    lines.push(table.trim_fmt());
    lines.push(format!(
        "{} that pass now would be rejected; {} that are rejected now would pass",
        verdicts.worse, verdicts.better
    ));
    if !verdicts.groups.is_empty() {
        lines.push(of_groups(verdicts));
    }
    let gone: i64 = records.partitions.iter().map(|p| p.gone).sum();
    if gone > 0 {
        lines.push(format!("{gone} positions were gone before they were read"));
    }
    if !records.complete {
        lines.push(incomplete(records));
    }
    lines
}

fn of_groups(verdicts: &Verdicts) -> String {
    let header = [
        "in force", "new", "newly", "code", "field", "example", "rule",
    ];
    let mut table = output::table(&header);
    let counts = |s: &Sides| [s.in_force, s.new, s.newly].map(|n| n.to_string());
    for group in &verdicts.groups {
        let Group {
            code,
            field,
            sides,
            message,
            example,
        } = group;
        let [in_force, new, newly] = counts(sides);
        table.add_row([
            in_force,
            new,
            newly,
            (*code).to_owned(),
            output::escaped(field.as_deref().unwrap_or_default().as_bytes()),
            output::place(
                &example.source,
                example.partition,
                example.offset,
                example.index,
            ),
            output::escaped(message.as_bytes()),
        ]);
    }
    for (code, sides) in &verdicts.more {
        let [in_force, new, newly] = counts(sides);
        table.add_row([in_force.as_str(), &new, &newly, code, "(further fields)"]);
    }
    output::align_numbers(&mut table, 0..3);
    table.trim_fmt()
}

fn incomplete(records: &Records) -> String {
    let why = match records.is_stalled {
        true => "the broker gave nothing more",
        false => "it was asked to stop",
    };
    let left: i64 = records.partitions.iter().map(|p| p.to - p.read_to).sum();
    let left = match records.source {
        Source::Topics => format!("; {left} positions were not read"),
        Source::Rejects | Source::File => String::new(),
    };
    format!("INCOMPLETE: {why}{left}")
}
