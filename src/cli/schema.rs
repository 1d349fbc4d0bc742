//! `weir schema`: what a stream's schema becomes.
//!
//! Owns: showing. Does not own: the mapping and the rules (`schema`).

use std::process::ExitCode;

use clap::Subcommand;

use crate::cli::{Context, Format, output, streams};
use crate::config::Stream;
use crate::error::Error;
use crate::schema::Field;

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
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Error> {
    match &arguments.command {
        Command::Check { subject } => check(context, subject.as_deref()),
        Command::Show { stream } => show(context, stream),
    }
}

/// Loading judges every version of every subject, so what loads is compatible; what does not is
/// an error that names the versions.
fn check(context: &Context, subject: Option<&str>) -> Result<ExitCode, Error> {
    let config = context.load()?;
    let mut subjects: Vec<(&str, u32)> = config
        .streams
        .iter()
        .map(|s| (s.schema.subject.as_str(), s.schema.version))
        .filter(|(name, _)| subject.is_none_or(|wanted| wanted == *name))
        .collect();
    subjects.sort_unstable();
    subjects.dedup();
    if subjects.is_empty() {
        return Err(Error::config(
            "no stream has that subject; name one that a stream has",
        ));
    }
    match context.format {
        Format::Json => {
            let subjects: Vec<serde_json::Value> = subjects
                .iter()
                .map(|(name, newest)| serde_json::json!({"subject": name, "newest": newest}))
                .collect();
            output::json(&serde_json::json!({"ok": true, "subjects": subjects}))?;
        }
        Format::Table => {
            let mut table = output::table(&["subject", "newest version", "found"]);
            for (name, newest) in subjects {
                table.add_row([name, &newest.to_string(), "compatible"]);
            }
            output::text_line(&table.trim_fmt())?;
        }
    }
    Ok(ExitCode::SUCCESS)
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

fn columns(stream: &Stream) -> comfy_table::Table {
    let mut table = output::table(&["field", "name outside", "avro", "arrow", "null", "key"]);
    for field in &stream.schema.root.fields {
        table.add_row([
            field.name.as_str(),
            field.external.as_str(),
            &avro(field),
            &arrow(field),
            word(field.value.nullable),
            word(field.is_key),
        ]);
    }
    table
}

fn word(yes: bool) -> &'static str {
    match yes {
        true => "yes",
        false => "",
    }
}

fn avro(field: &Field) -> String {
    format!("{:?}", field.value.ty)
}

fn arrow(field: &Field) -> String {
    crate::schema::arrow::data_type(&field.value.ty).to_string()
}

fn document(stream: &Stream) -> serde_json::Value {
    let fields: Vec<serde_json::Value> = stream
        .schema
        .root
        .fields
        .iter()
        .map(|field| {
            serde_json::json!({
                "name": field.name,
                "external": field.external,
                "avro": avro(field),
                "arrow": arrow(field),
                "nullable": field.value.nullable,
                "key": field.is_key,
            })
        })
        .collect();
    serde_json::json!({
        "stream": stream.name,
        "subject": stream.schema.subject,
        "version": stream.schema.version,
        "fields": fields,
    })
}
