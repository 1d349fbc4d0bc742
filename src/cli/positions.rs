//! `weir positions`: where each partition stands, and the way out of `stopped`.
//!
//! Owns: arguments and showing. Does not own: the judgements and commits (`positions`).

use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;
use serde::Serialize;

use crate::cli::run::runtime;
use crate::cli::{Context, Format, connect, numbers, output, streams};
use crate::clock::Clock;
use crate::config::{Config, Stream};
use crate::error::{Error, Result};
use crate::pipeline::assignment::Topics;
use crate::positions::change::{self, Change, Known};
use crate::positions::standing::{Standing, standings};
use crate::positions::{Changed, Operator, TableNow, ask_broker, topics_of};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Where each partition stands, by the table and against the broker's log
    Show {
        /// The streams; all where none is named
        #[arg(value_name = "STREAM")]
        streams: Vec<String>,

        /// Do not ask the broker
        #[arg(long)]
        offline: bool,
    },
    /// Takes a topic that was recreated, truncated, or moved to another cluster as a new source
    Accept {
        /// The stream
        stream: String,
        /// The topic
        topic: String,
    },
    /// Moves a position forward; what it passes over is written down as lost
    Set {
        /// The stream
        stream: String,
        /// The topic, and its partition; all partitions where none is named
        #[arg(value_name = "TOPIC[:PARTITION]", value_parser = place)]
        place: Place,
        /// The next offset to read
        #[arg(value_parser = numbers::whole::<i64>)]
        offset: i64,
        /// Why; goes into the ledger
        #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
        reason: String,
    },
}

/// A topic, or one partition of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    topic: String,
    partition: Option<i32>,
}

fn place(text: &str) -> std::result::Result<Place, String> {
    let (topic, partition) = match text.split_once(':') {
        None => (text, None),
        Some((topic, number)) => match number.parse::<i32>() {
            Ok(number) if number >= 0 => (topic, Some(number)),
            _ => return Err(format!("{number} is no partition; orders:3 names one")),
        },
    };
    Ok(Place {
        topic: topic.to_owned(),
        partition,
    })
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode> {
    let config = context.load()?;
    match &arguments.command {
        Command::Show { streams, offline } => {
            let streams = streams::named(&config, streams)?;
            runtime()?.block_on(show(context, &config, &streams, *offline))
        }
        Command::Accept { stream, topic } => {
            let judge = |known: Known<'_>| change::accept(topic, known);
            runtime()?.block_on(land(context, &config, stream, topic, judge))
        }
        Command::Set {
            stream,
            place,
            offset,
            reason,
        } => {
            let Place { topic, partition } = place;
            let judge = |known: Known<'_>| change::set(topic, *partition, *offset, reason, known);
            runtime()?.block_on(land(context, &config, stream, topic, judge))
        }
    }
}

#[derive(Debug, Serialize)]
struct StreamPositions {
    stream: String,
    positions: Vec<Standing>,
}

async fn show(
    context: &Context,
    config: &Config,
    streams: &[Arc<Stream>],
    offline: bool,
) -> Result<ExitCode> {
    let store = connect::lake(config)?;
    let mut tables = Vec::with_capacity(streams.len());
    for stream in streams {
        let table = TableNow::read(&store, &stream.name).await?;
        tables.push((&stream.name, table.unwrap_or_default()));
    }
    let broker = match offline || config.kafka.is_none() {
        true => None,
        false => {
            let topics = tables.iter().flat_map(|(_, t)| topics_of(&t.view));
            match ask_broker(&connect::cluster(config)?, topics.collect()).await {
                Ok(broker) => Some(broker),
                Err(error) if error.is_outage() => {
                    output::notice(&format!("weir: {error}; the table's side only is shown"));
                    None
                }
                Err(error) => return Err(error),
            }
        }
    };
    let shown: Vec<StreamPositions> = tables
        .into_iter()
        .map(|(stream, table)| StreamPositions {
            stream: stream.clone(),
            positions: standings(&table.view, &table.ids, broker.as_ref()),
        })
        .collect();
    match context.format {
        Format::Json => output::json(&serde_json::json!({
            "cluster": broker.map(|b| b.cluster),
            "streams": shown,
        }))?,
        Format::Table => output::text_line(&text(&shown))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn text(streams: &[StreamPositions]) -> String {
    let all = streams.iter().flat_map(|s| {
        let name = Some(s.stream.as_str());
        s.positions.iter().map(move |p| (name, p))
    });
    let mut lines = Vec::new();
    if streams.iter().any(|s| !s.positions.is_empty()) {
        lines.push(table(all));
    }
    for stream in streams.iter().filter(|s| s.positions.is_empty()) {
        lines.push(format!("stream {} has no position yet", stream.stream));
    }
    lines.join("\n")
}

/// Standings as a table, with their stream where there is one.
pub(crate) fn table<'a>(
    standings: impl Iterator<Item = (Option<&'a str>, &'a Standing)>,
) -> String {
    let header = [
        "stream",
        "topic",
        "partition",
        "position",
        "log start",
        "log end",
        "lag",
        "state",
        "source",
    ];
    let mut standings = standings.peekable();
    let skipped = usize::from(standings.peek().is_some_and(|(stream, _)| stream.is_none()));
    let mut table = output::table(&header[skipped..]);
    let number = |n: Option<i64>| n.map_or_else(String::new, |n| n.to_string());
    for (stream, s) in standings {
        let row = [
            stream.unwrap_or_default().to_owned(),
            output::escaped(s.topic.as_bytes()),
            s.partition.to_string(),
            s.position.to_string(),
            number(s.log_start),
            number(s.log_end),
            number(s.lag),
            s.state.map_or("", |state| state.as_str()).to_owned(),
            output::escaped(s.source_id.as_bytes()),
        ];
        table.add_row(row.into_iter().skip(skipped));
    }
    output::align_numbers(&mut table, 2 - skipped..7 - skipped);
    table.trim_fmt()
}

async fn land(
    context: &Context,
    config: &Config,
    stream: &str,
    topic: &str,
    judge: impl Fn(Known<'_>) -> Result<Change>,
) -> Result<ExitCode> {
    let stream = streams::one(config, stream)?;
    if !Topics::of(stream)?.include(topic) {
        return Err(Error::config(format!(
            "topic {topic} does not feed stream {}; [topics] of the stream says which do",
            stream.name
        )));
    }
    let store = connect::lake(config)?;
    let cluster = connect::cluster(config)?;
    let operator =
        Operator::open(&store, stream, cluster, &config.instance, Clock::system()).await?;
    let changed = operator.change(topic, judge).await?;
    match context.format {
        Format::Json => output::json(&document(&stream.name, &changed))?,
        Format::Table => output::text_line(&told(&stream.name, &changed))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn document(stream: &str, changed: &Changed) -> serde_json::Value {
    let ranges: Vec<serde_json::Value> = changed
        .change
        .ranges
        .iter()
        .map(|r| {
            serde_json::json!({
                "source_id": r.source_id,
                "partition": r.partition,
                "from": r.from,
                "to": r.to,
                "lost": r.lost,
                "topic_id": r.topic_id,
            })
        })
        .collect();
    serde_json::json!({
        "stream": stream,
        "version": changed.version,
        "reason": changed.change.reason,
        "ranges": ranges,
    })
}

fn told(stream: &str, changed: &Changed) -> String {
    let mut table = output::table(&["source", "partition", "from", "to", "lost"]);
    for r in &changed.change.ranges {
        table.add_row([
            output::escaped(r.source_id.as_str().as_bytes()),
            r.partition.to_string(),
            r.from.to_string(),
            r.to.to_string(),
            r.lost.to_string(),
        ]);
    }
    output::align_numbers(&mut table, 1..5);
    format!(
        "stream {stream}, commit {}: {}\n{}\na running instance goes on from there by itself",
        changed.version,
        output::escaped(changed.change.reason.as_bytes()),
        table.trim_fmt()
    )
}
