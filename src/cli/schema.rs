//! `weir schema`: what a stream's schema becomes.
//!
//! Owns: showing. Does not own: the mapping and the rules (`schema`).

mod what_if;

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use crate::cli::{Context, Format, code_of, output, streams};
use crate::config::{self, Stream};
use crate::error::{Error, Kind};
use crate::pipeline::plan::table_spec;
use crate::schema::{Field, names};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Whether all versions of a stream's subject can be read as the level asks
    Check {
        /// The subject; all that streams name if left out
        subject: Option<String>,
    },
    /// A stream's fields and what they become
    Show {
        /// The stream
        stream: String,
    },
    /// What a new version would do to real records, and what registration would say
    WhatIf(what_if::Arguments),
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Error> {
    match &arguments.command {
        Command::Check { subject } => check(context, subject.as_deref()),
        Command::Show { stream } => show(context, stream),
        Command::WhatIf(arguments) => what_if::run(context, arguments),
    }
}

/// Each subject is judged by itself: what is wrong with one is a finding, not a fault of the
/// settings.
fn check(context: &Context, subject: Option<&str>) -> Result<ExitCode, Error> {
    let mut subjects = config::subjects(&context.config, &context.environment)?;
    subjects.retain(|s| subject.is_none_or(|wanted| wanted == s.name));
    if subjects.is_empty() {
        return Err(Error::config(
            "no stream has that subject; name one that a stream has",
        ));
    }
    let ok = subjects.iter().all(|s| s.faults.is_empty());
    match context.format {
        Format::Json => output::json(&json!({ "ok": ok, "subjects": subjects }))?,
        Format::Table => {
            let mut table = output::table(&["subject", "versions", "level", "found"]);
            for subject in &subjects {
                let versions: Vec<String> =
                    subject.versions.iter().map(ToString::to_string).collect();
                let found = match subject.faults.len() {
                    0 => "compatible".to_owned(),
                    1 => "1 fault".to_owned(),
                    more => format!("{more} faults"),
                };
                table.add_row([
                    subject.name.clone(),
                    versions.join(", "),
                    output::escaped(subject.level.as_deref().unwrap_or_default().as_bytes()),
                    found,
                ]);
            }
            output::text_line(&table.trim_fmt())?;
            for fault in subjects.iter().flat_map(|s| &s.faults) {
                output::text_line(fault)?;
            }
        }
    }
    Ok(match ok {
        true => ExitCode::SUCCESS,
        false => code_of(Kind::Found),
    })
}

fn show(context: &Context, name: &str) -> Result<ExitCode, Error> {
    let config = context.load()?;
    let stream = streams::one(&config, name)?;
    match context.format {
        Format::Json => output::json(&document(stream))?,
        Format::Table => output::text_line(&columns(stream).trim_fmt())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A column of the DLO and, where a field of the schema becomes it, that field.
struct Shown<'a> {
    column: &'a arrow::datatypes::Field,
    field: Option<&'a Field>,
}

/// Every column, in the table's order.
fn shown<'a>(stream: &'a Stream, columns: &'a arrow::datatypes::Schema) -> Vec<Shown<'a>> {
    let fields = &stream.schema.root.fields;
    columns
        .fields()
        .iter()
        .map(|column| Shown {
            column,
            field: fields.iter().find(|f| f.name == *column.name()),
        })
        .collect()
}

fn columns(stream: &Stream) -> comfy_table::Table {
    let spec = table_spec(stream);
    let mut table = output::table(&["column", "name outside", "avro", "arrow", "delta", ""]);
    for Shown { column, field } in shown(stream, &spec.schema) {
        let mut marks = Vec::new();
        marks.extend(field.is_some_and(|f| f.is_key).then_some("key"));
        marks.extend((!column.is_nullable()).then_some("not null"));
        marks.extend(
            spec.partition_columns
                .contains(column.name())
                .then_some("partition"),
        );
        table.add_row([
            column.name().as_str(),
            field.map_or("", |f| f.external.as_str()),
            &field.map_or(String::new(), |f| names::avro(&f.value)),
            &column.data_type().to_string(),
            &names::delta(column.data_type()),
            &marks.join(", "),
        ]);
    }
    table
}

fn document(stream: &Stream) -> serde_json::Value {
    let spec = table_spec(stream);
    let columns: Vec<serde_json::Value> = shown(stream, &spec.schema)
        .into_iter()
        .map(|Shown { column, field }| {
            json!({
                "name": column.name(),
                "external": field.map(|f| &f.external),
                "avro": field.map(|f| names::avro(&f.value)),
                "arrow": column.data_type().to_string(),
                "delta": names::delta(column.data_type()),
                "nullable": column.is_nullable(),
                "key": field.is_some_and(|f| f.is_key),
                "partition": spec.partition_columns.contains(column.name()),
            })
        })
        .collect();
    json!({
        "stream": stream.name,
        "subject": stream.schema.subject,
        "version": stream.schema.version,
        "columns": columns,
    })
}
