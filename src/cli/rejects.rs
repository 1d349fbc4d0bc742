//! `weir rejects`: what was not accepted, and why.
//!
//! Owns: arguments and showing. Does not own: reading (`lake::rejects`).

use std::process::ExitCode;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Subcommand;
use serde::Serialize;
use serde_json::{Value, json};

use crate::cli::run::runtime;
use crate::cli::{Context, Format, connect, numbers, output, streams};
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::lake::layout;
use crate::lake::ledger::Ledger;
use crate::lake::rejects::{At, Filter, Groups, Reject, RejectsTable};
use crate::model::reject::RejectCode;

/// Bytes of a record that a table for people shows.
const SHOWN_BYTES: usize = 4096;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// How many there are of each code and field, with one example each
    List {
        /// The stream
        stream: String,
    },
    /// Single rejects, with the record's bytes; those of the newest commit first
    Show(Show),
}

#[derive(Debug, clap::Args)]
struct Show {
    /// The stream
    stream: String,

    /// Only this reason code (docs/reject-codes.md)
    #[arg(long)]
    code: Option<String>,

    /// Only this path of a field, as `list` shows it
    #[arg(long)]
    field: Option<String>,

    /// Only of this topic
    #[arg(long)]
    topic: Option<String>,

    /// Only of this partition
    #[arg(long, value_parser = numbers::whole::<i32>)]
    partition: Option<i32>,

    /// Only of the message at this offset
    #[arg(long, value_parser = numbers::whole::<i64>)]
    offset: Option<i64>,

    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = numbers::whole::<u64>)]
    limit: u64,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode> {
    match &arguments.command {
        Command::List { stream } => list(context, stream),
        Command::Show(arguments) => show(context, arguments),
    }
}

/// The rejects table of a stream, which is there once the stream was started.
async fn open(config: &Config, stream: &str) -> Result<RejectsTable> {
    let store = connect::lake(config)?;
    let opened = RejectsTable::open(&store, stream).await;
    if opened.is_err() {
        let objects = store.objects();
        let mut versions = Vec::new();
        for table in [layout::data_table(stream), layout::rejects_table(stream)] {
            versions.push(Ledger::open(&objects, &table).await?.newest());
        }
        if versions.iter().all(Option::is_none) {
            return Err(Error::new(
                Kind::Found,
                format!("nothing has landed in {stream} yet: there is no table"),
            ));
        }
    }
    opened
}

fn list(context: &Context, name: &str) -> Result<ExitCode> {
    let config = context.load()?;
    let stream = streams::one(&config, name)?;
    let groups = runtime()?.block_on(async {
        let table = open(&config, &stream.name).await?;
        let bar = output::bar(&stream.name, table.files() as u64, "files")?;
        let groups = table.groups(|| bar.inc(1)).await;
        bar.finish_and_clear();
        groups
    })?;
    match context.format {
        Format::Json => {
            #[derive(Serialize)]
            struct Document<'a> {
                stream: &'a str,
                #[serde(flatten)]
                groups: Groups,
            }
            let stream = &stream.name;
            output::json(&Document { stream, groups })?;
        }
        Format::Table => output::text_line(&text_of_groups(&groups))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show(context: &Context, arguments: &Show) -> Result<ExitCode> {
    let config = context.load()?;
    let stream = &streams::one(&config, &arguments.stream)?.name;
    if let Some(code) = &arguments.code {
        let known = || RejectCode::ALL.iter().map(|c| c.as_str());
        if !known().any(|k| k == code) {
            return Err(streams::unknown("reject code", code, known(), "codes"));
        }
    }
    let filter = Filter {
        code: arguments.code.clone(),
        field: arguments.field.clone(),
        source: arguments.topic.clone(),
        partition: arguments.partition,
        offset: arguments.offset,
    };
    runtime()?.block_on(async {
        let table = open(&config, stream).await?;
        match context.format {
            Format::Json => {
                let mut list = output::JsonList::begin(&[("stream", stream)], "rejects")?;
                table
                    .find(&filter, arguments.limit, |r| list.push(&document(&r)))
                    .await?;
                list.end()?;
            }
            Format::Table => {
                let each = |r: Reject| output::text_line(&text(&r));
                if table.find(&filter, arguments.limit, each).await? == 0 {
                    output::text_line("no such reject")?;
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// The groups as a table.
pub(crate) fn text_of_groups(groups: &Groups) -> String {
    if groups.total == 0 {
        return "no rejects".to_owned();
    }
    let mut table = output::table(&["count", "code", "field", "first", "last", "example", "rule"]);
    for group in &groups.groups {
        table.add_row([
            group.count.to_string(),
            group.code.clone(),
            output::escaped(group.field.as_deref().unwrap_or_default().as_bytes()),
            to_the_second(&group.first),
            to_the_second(&group.last),
            place(&group.example),
            output::escaped(group.message.as_bytes()),
        ]);
    }
    for (code, count) in &groups.more {
        table.add_row([&count.to_string(), code, "(further fields)"]);
    }
    output::align_numbers(&mut table, [0]);
    format!("{}\n{} rejects", table.trim_fmt(), groups.total)
}

/// A time without its fraction.
fn to_the_second(time: &str) -> String {
    match time.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => time.to_owned(),
    }
}

fn place(at: &At) -> String {
    output::place(&at.source, at.partition, at.offset, at.index)
}

fn text(reject: &Reject) -> String {
    let mut lines = vec![format!("{}  {}", place(&reject.at), reject.code)];
    let mut add = |name: &str, value: String| lines.push(format!("  {name:<9} {value}"));
    if let Some(field) = &reject.field {
        add("field", output::escaped(field.as_bytes()));
    }
    add("rule", output::escaped(reject.message.as_bytes()));
    let writer = reject.writer_schema.as_deref();
    let writer = writer.map_or_else(String::new, |w| format!(", written with {w}"));
    add(
        "schema",
        output::escaped(format!("{}{writer}", reject.schema).as_bytes()),
    );
    let time = reject.source_time;
    let time = time.map_or_else(String::new, |t| format!("sent {t}, "));
    let read = crate::clock::Micros(reject.at.ingested_us);
    add("time", format!("{time}read {read}"));
    if let Some(line) = reject.line {
        add("line", line.to_string());
    }
    if let Some(key) = &reject.key {
        add("key", shown(key));
    }
    add("raw", shown(&reject.raw));
    lines.join("\n")
}

/// The beginning of some bytes.
fn shown(bytes: &[u8]) -> String {
    match bytes.get(..SHOWN_BYTES) {
        Some(beginning) if bytes.len() > SHOWN_BYTES => format!(
            "{} … of {} bytes; --format json has all that is kept",
            output::escaped(beginning),
            bytes.len()
        ),
        _ => output::escaped(bytes),
    }
}

fn document(reject: &Reject) -> Value {
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
    let key = reject.key.as_deref();
    json!({
        "source": reject.at.source,
        "source_id": reject.at.source_id,
        "partition": reject.at.partition,
        "offset": reject.at.offset,
        "index": reject.at.index,
        "code": reject.code,
        "field": reject.field,
        "message": reject.message,
        "raw": STANDARD.encode(&reject.raw),
        "raw_text": text(&reject.raw),
        "key": key.map(|k| STANDARD.encode(k)),
        "key_text": key.and_then(text),
        "source_time": reject.source_time.map(|t| t.to_string()),
        "ingested_at": crate::clock::Micros(reject.at.ingested_us).to_string(),
        "line": reject.line,
        "schema": reject.schema,
        "writer_schema": reject.writer_schema,
    })
}
