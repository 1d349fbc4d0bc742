//! `weir check`: a checklist, with every problem at once.
//!
//! Owns: the checks' order, their form and the exit code. Does not own: the rules (`config`,
//! `schema`, `lake`).

mod broker;
mod registry;

use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;

use crate::bucket::Bucket;
use crate::cli::run::runtime;
use crate::cli::{Context, Format, code_of, output};
use crate::clock::Clock;
use crate::config::schemas::Refused;
use crate::config::{self, Ask, Config, Problems, Stream, TopicSelect};
use crate::error::{Error, Kind, Result};
use crate::lake::delta::DeltaTable;
use crate::lake::protocol::schema_in_force;
use crate::lake::{View, layout};
use crate::pipeline::plan::table_spec;
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
    /// What kind of fault it is; decides the exit code.
    #[serde(skip)]
    fault: Option<Kind>,
}

impl Check {
    fn new(name: impl Into<String>, found: Result<String>) -> Self {
        let (message, fault) = match found {
            Ok(message) => (message, None),
            Err(error) => (error.to_string(), Some(error.kind())),
        };
        Self {
            name: name.into(),
            ok: fault.is_none(),
            message,
            fault,
        }
    }
}

/// The whole checklist.
#[derive(Debug, Serialize)]
struct Report {
    ok: bool,
    checks: Vec<Check>,
    problems: Vec<config::Problem>,
}

impl Report {
    fn new(checks: Vec<Check>, problems: Vec<config::Problem>) -> Self {
        Self {
            ok: checks.iter().all(|c| c.ok),
            checks,
            problems,
        }
    }

    /// What has to be mended goes before what may be waited for.
    fn code(&self) -> ExitCode {
        let faults = || self.checks.iter().filter_map(|c| c.fault);
        let first = faults()
            .find(|k| *k == Kind::Config)
            .or_else(|| faults().find(|k| *k != Kind::Unreachable))
            .or_else(|| faults().next());
        first.map_or(ExitCode::SUCCESS, code_of)
    }
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode> {
    let ask = match arguments.offline {
        true => Ask::Never,
        false => Ask::Once,
    };
    let report = match config::load_with(&context.config, &context.environment, ask) {
        Ok(config) => {
            let mut checks = of_config(&config);
            if !arguments.offline {
                checks.extend(runtime()?.block_on(of_network(&config)));
            }
            Report::new(checks, Vec::new())
        }
        Err(problems) => of_problems(&problems),
    };
    match context.format {
        Format::Json => output::json(&report)?,
        Format::Table => show(&report)?,
    }
    Ok(report.code())
}

fn of_config(config: &Config) -> Vec<Check> {
    let bucket = config.bucket.as_ref();
    let bucket = bucket.map_or_else(String::new, |bucket| format!(", bucket {}", bucket.url));
    let mut checks = vec![Check::new(
        "configuration",
        Ok(format!(
            "instance {}, {} streams, lake {}{bucket}",
            config.instance,
            config.streams.len(),
            config.lake.url
        )),
    )];
    for stream in &config.streams {
        let topics = match stream.topics.as_ref().map(|t| &t.select) {
            Some(TopicSelect::Names(names)) => format!("topics {}", names.join(", ")),
            Some(TopicSelect::Pattern(pattern)) => format!("topics {pattern}"),
            None => "no topics".to_owned(),
        };
        let files = match &stream.bulk {
            Some(bulk) if config.bucket.is_some() => format!(", files below {}", bulk.prefix),
            _ => String::new(),
        };
        checks.push(Check::new(
            format!("stream {}", stream.name),
            Ok(format!(
                "schema {}/{} with {} fields, {topics}{files}",
                stream.schema.subject,
                stream.schema.version,
                stream.schema.root.fields.len()
            )),
        ));
        if let Some(refused) = config.refused.get(&stream.name) {
            checks.push(refusal(stream, refused));
        }
    }
    checks
}

/// A version that a start goes on without.
fn refusal(stream: &Stream, refused: &Refused) -> Check {
    let version = refused.version.map_or(String::new(), |v| format!(" {v}"));
    let found = format!(
        "version{version} is refused, and weir run would go on without it: {}",
        refused.reasons.join("; ")
    );
    Check::new(
        format!("schema {}", stream.schema.subject),
        Err(Error::new(Kind::Found, found)),
    )
}

async fn of_network(config: &Config) -> Vec<Check> {
    let (mut checks, bucket, broker, registry) = tokio::join!(
        of_lake(config),
        of_bucket(config),
        broker::checks(config),
        registry::checks(config)
    );
    checks.extend(bucket);
    checks.extend(broker);
    checks.extend(registry);
    checks
}

/// How long a store may take to answer.
const DEADLINE: Duration = Duration::from_secs(30);

/// Whether the lake keeps the promise that commits are built on, and whether the tables fit.
async fn of_lake(config: &Config) -> Vec<Check> {
    let store = match store::open(&config.lake.url, &config.lake.options, config.lake.fsync) {
        Ok(store) => store,
        Err(error) => return vec![Check::new("lake", Err(error))],
    };
    let clock = Clock::system();
    let away = || Err(away("lake"));
    let probe = clock.timeout(DEADLINE, store.probe_conditional_put()).await;
    let probe = probe
        .unwrap_or_else(away)
        .map(|()| "can be written, and refuses to overwrite".to_owned());
    let mut checks = vec![Check::new("lake", probe)];
    // A store that is away is told once.
    if checks.iter().all(|c| c.ok) {
        for stream in &config.streams {
            let spec = table_spec(stream);
            let there = DeltaTable::look(&store, &stream.name, &spec);
            let there = clock.timeout(DEADLINE, there).await;
            let there = there.unwrap_or_else(|| away().map(|()| None));
            let found = there.map(|view| match view {
                Some(view) => fits(stream, &view),
                None => "is not there yet; weir run creates it".to_owned(),
            });
            let name = format!("table {}", layout::data_table(&stream.name));
            checks.push(Check::new(name, found));
        }
    }
    checks
}

/// Whether drops can be seen, and results written beside them.
async fn of_bucket(config: &Config) -> Option<Check> {
    let settings = config.bucket.as_ref()?;
    let probe = async {
        let bucket = Bucket::open(settings, None)?;
        bucket.probe(&config.instance).await
    };
    let clock = Clock::system();
    let probed = clock.timeout(DEADLINE, probe).await;
    let probed = probed.unwrap_or_else(|| Err(away("bulk")));
    let found = probed.map(|()| format!("{} can be listed and written", settings.url));
    Some(Check::new("bucket", found))
}

/// That the store of this section of the settings says nothing.
fn away(section: &str) -> Error {
    Error::unreachable(format!(
        "the store did not answer in {} s; check `{section}.url` and `{section}.options`",
        DEADLINE.as_secs()
    ))
}

/// That the table fits, and which schema version it is at.
fn fits(stream: &Stream, view: &View) -> String {
    let fits = format!("at version {}, and the stream's rows fit", view.version);
    let newest = stream.schema.version;
    match schema_in_force(view) {
        Some(table) if table > newest => format!(
            "{fits}; schema version {table} is in force, and goes before {newest}, which is configured"
        ),
        Some(table) => format!("{fits}; schema version {table} is in force"),
        None => fits,
    }
}

fn of_problems(problems: &Problems) -> Report {
    if problems.are_outages() {
        // The registry is all that the configuration asks.
        let found = "what a stream's schema is read from does not answer, and there is no copy";
        let check = Check::new("registry", Err(Error::unreachable(found)));
        return Report::new(vec![check], problems.iter().cloned().collect());
    }
    let word = match problems.count() {
        1 => "problem",
        _ => "problems",
    };
    let mut files: Vec<&str> = problems.iter().map(|p| p.file.as_str()).collect();
    files.dedup();
    let found = format!("{}: {} {word}", files.join(", "), problems.count());
    let check = Check::new("configuration", Err(Error::config(found)));
    Report::new(vec![check], problems.iter().cloned().collect())
}

fn show(report: &Report) -> Result<()> {
    let mut table = output::table(&["", "check", "found"]);
    for check in &report.checks {
        let mark = match check.ok {
            true => "ok",
            false => "FAULT",
        };
        table.add_row([
            mark.to_owned(),
            check.name.clone(),
            output::escaped(check.message.as_bytes()),
        ]);
    }
    output::text_line(&table.trim_fmt())?;
    for problem in &report.problems {
        output::text_line(&problem.to_string())?;
    }
    Ok(())
}
