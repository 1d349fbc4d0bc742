//! `weir check`: a checklist, with every problem at once.
//!
//! Owns: the checks' order and their form. Does not own: the rules (`config`, `schema`).

use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;

use crate::cli::{Context, Format, code_of, output};
use crate::clock::Clock;
use crate::config::{self, Config, Problems, TopicSelect};
use crate::error::{Error, Kind};
use crate::store;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only what needs no network: configuration and schemas
    #[arg(long)]
    offline: bool,
}

/// One line of the checklist.
#[derive(Debug, Serialize)]
struct Check {
    name: String,
    ok: bool,
    message: String,
}

/// The whole checklist.
#[derive(Debug, Serialize)]
struct Report {
    ok: bool,
    checks: Vec<Check>,
    problems: Vec<config::Problem>,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode, Error> {
    let (report, code) = match config::load(&context.config, &context.environment) {
        Ok(config) => {
            let mut report = of_config(&config);
            let mut code = ExitCode::SUCCESS;
            if !arguments.offline {
                let found = probe_lake(&config)?;
                report.ok = found.is_ok();
                let message = match found {
                    Ok(()) => "can be written, and refuses to overwrite".to_owned(),
                    Err(error) => {
                        code = code_of(error.kind());
                        error.to_string()
                    }
                };
                report.checks.push(Check {
                    name: "lake".to_owned(),
                    ok: report.ok,
                    message,
                });
            }
            (report, code)
        }
        Err(problems) => (of_problems(context, &problems), code_of(Kind::Config)),
    };
    match context.format {
        Format::Json => output::json(&report)?,
        Format::Table => show(&report)?,
    }
    Ok(code)
}

/// How long the lake may take to answer.
const DEADLINE: Duration = Duration::from_secs(30);

/// Whether the lake keeps the promise that commits are built on; the outer error is the host's.
fn probe_lake(config: &Config) -> Result<Result<(), Error>, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::internal("the runtime cannot be started").because(e))?;
    Ok(runtime.block_on(async {
        let store = store::open(&config.lake.url, &config.lake.options, config.lake.fsync)?;
        Clock::system()
            .timeout(DEADLINE, store.probe_conditional_put())
            .await
            .unwrap_or_else(|| {
                Err(Error::unreachable(
                    "the lake did not answer in 30 s; check `lake.url` and `lake.options`",
                ))
            })
    }))
}

fn of_config(config: &Config) -> Report {
    let mut checks = vec![Check {
        name: "configuration".to_owned(),
        ok: true,
        message: format!(
            "instance {}, {} streams, lake {}",
            config.instance,
            config.streams.len(),
            config.lake.url
        ),
    }];
    for stream in &config.streams {
        let topics = match stream.topics.as_ref().map(|t| &t.select) {
            Some(TopicSelect::Names(names)) => format!("topics {}", names.join(", ")),
            Some(TopicSelect::Pattern(pattern)) => format!("topics {pattern}"),
            None => "no topics".to_owned(),
        };
        checks.push(Check {
            name: format!("stream {}", stream.name),
            ok: true,
            message: format!(
                "schema {}/{} with {} fields, {topics}",
                stream.schema.subject,
                stream.schema.version,
                stream.schema.root.fields.len()
            ),
        });
    }
    Report {
        ok: true,
        checks,
        problems: Vec::new(),
    }
}

fn of_problems(context: &Context, problems: &Problems) -> Report {
    let word = match problems.count() {
        1 => "problem",
        _ => "problems",
    };
    Report {
        ok: false,
        checks: vec![Check {
            name: "configuration".to_owned(),
            ok: false,
            message: format!("{}: {} {word}", context.config.display(), problems.count()),
        }],
        problems: problems.iter().cloned().collect(),
    }
}

fn show(report: &Report) -> Result<(), Error> {
    let mut table = output::table(&["", "check", "found"]);
    for check in &report.checks {
        let mark = match check.ok {
            true => "ok",
            false => "FAULT",
        };
        table.add_row([mark, &check.name, &check.message]);
    }
    output::text_line(&table.trim_fmt())?;
    for problem in &report.problems {
        output::text_line(&problem.to_string())?;
    }
    Ok(())
}
