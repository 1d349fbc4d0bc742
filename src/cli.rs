//! The command line: arguments in, documents on stdout, logs on stderr, an exit code.
//!
//! Owns: the commands' names, options and exit codes; one file for each command below it.
//! Does not own: what a command does beyond reading arguments and showing results.
//! Here, and only here, weir prints.

mod check;
mod completions;
mod connect;
mod demo;
mod jobs;
mod load;
mod logs;
mod numbers;
mod output;
mod positions;
mod rejects;
mod run;
mod schema;
mod streams;
mod verify;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::config::{self, Config};
use crate::error::{Error, Kind};
use crate::fail_point;

pub use logs::start as start_logs;

/// Lands Kafka topics and dropped CSV files in Delta tables: every record checked, nothing lost, nothing doubled.
#[derive(Debug, Parser)]
#[command(name = "weir", version, propagate_version = true)]
pub struct CommandLine {
    /// The settings; streams/ and schemas/ stand beside it
    #[arg(
        long,
        short,
        global = true,
        value_name = "PATH",
        env = "WEIR_CONFIG",
        default_value = "config/weir.toml"
    )]
    config: PathBuf,

    /// What goes to stdout
    #[arg(long, global = true, value_enum, default_value_t = Format::Table)]
    format: Format,

    /// A log filter, as in "info,weir::source=debug"; goes before [log] of the settings
    #[arg(long, global = true, value_name = "FILTER")]
    log_level: Option<String>,

    #[command(subcommand)]
    command: Command,
}

/// The form of a command's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables for people.
    Table,
    /// One JSON document.
    Json,
}

/// The exit code of a stop without a complete drain.
pub(crate) const EXIT_INCOMPLETE: u8 = 4;

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the daemon until SIGTERM or SIGINT
    Run(run::Arguments),
    /// The main job on embedded parts: a broker in the process, a lake and a bucket in a local folder
    Demo(demo::Arguments),
    /// Checks configuration, schemas and the lake; every problem at once
    Check(check::Arguments),
    /// Proves from the lake that every position is accounted for once
    Verify(verify::Arguments),
    /// Loads CSV files into a stream, each as one job: whole or not at all
    Load(load::Arguments),
    /// Bulk jobs: what became of files that were dropped or loaded
    Jobs(jobs::Arguments),
    /// What was rejected, by reason, and the records themselves
    Rejects(rejects::Arguments),
    /// Where each partition stands, and the way out of stopped
    Positions(positions::Arguments),
    /// Compatibility of schema versions, and the columns of a stream
    Schema(schema::Arguments),
    /// Completions for a shell, to stdout
    Completions(completions::Arguments),
}

/// What every command is given.
#[derive(Debug)]
pub struct Context {
    /// Path of `weir.toml`.
    pub config: PathBuf,
    /// The form of the result.
    pub format: Format,
    /// `--log-level`.
    pub log_level: Option<String>,
    /// The environment.
    pub environment: BTreeMap<String, String>,
}

impl Context {
    /// Reads the configuration and starts the logs as it says, `--log-level` first.
    pub fn load(&self) -> Result<Config, Error> {
        let mut config = config::load(&self.config, &self.environment)?;
        if let Some(level) = &self.log_level {
            config.log.level.clone_from(level);
        }
        start_logs(&config.log)?;
        for note in &config.notes {
            tracing::warn!("{note}");
        }
        Ok(config)
    }

    /// Arms the fail point that a test asks for.
    fn arm_fail_point(&self) {
        if let Some(spec) = self.environment.get("WEIR_FAIL_POINT")
            && !fail_point::arm(spec)
        {
            tracing::warn!(
                "WEIR_FAIL_POINT is set, and this build has no fail points or it names none"
            );
        }
    }
}

/// A command line that cannot be followed, or that asks for help only.
#[derive(Debug)]
pub struct Usage(clap::Error);

impl Usage {
    /// Shows it; 2 for a fault, 0 for help and version.
    pub fn show(self) -> ExitCode {
        // where neither stream can be written there is nobody to tell
        let _ = self.0.print();
        exit_code(self.0.exit_code())
    }
}

/// The environment as text; variables that are no UTF-8 are left out.
pub fn environment(
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> BTreeMap<String, String> {
    variables
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Reads the command line.
pub fn parse(arguments: impl Iterator<Item = OsString>) -> Result<CommandLine, Usage> {
    CommandLine::try_parse_from(arguments).map_err(Usage)
}

/// Does what the command line says.
pub fn run(command_line: CommandLine, environment: BTreeMap<String, String>) -> ExitCode {
    let context = Context {
        config: command_line.config,
        format: command_line.format,
        log_level: command_line.log_level,
        environment,
    };
    let done = match command_line.command {
        Command::Run(_) => run::run(&context),
        Command::Demo(arguments) => demo::run(&context, &arguments),
        Command::Check(arguments) => check::run(&context, &arguments),
        Command::Verify(arguments) => verify::run(&context, &arguments),
        Command::Load(arguments) => load::run(&context, &arguments),
        Command::Jobs(arguments) => jobs::run(&context, &arguments),
        Command::Rejects(arguments) => rejects::run(&context, &arguments),
        Command::Positions(arguments) => positions::run(&context, &arguments),
        Command::Schema(arguments) => schema::run(&context, &arguments),
        Command::Completions(arguments) => completions::run(&arguments),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            output::complain(&error);
            code_of(error.kind())
        }
    }
}

/// The exit code of a failure.
pub fn code_of(kind: Kind) -> ExitCode {
    match kind {
        Kind::Config => ExitCode::from(2),
        Kind::Unreachable => ExitCode::from(3),
        Kind::Found | Kind::Refused | Kind::Internal => ExitCode::from(1),
    }
}

fn exit_code(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(2))
}

#[cfg(test)]
mod tests;
