//! `weir completions SHELL`.
//!
//! Owns: nothing but the call; `clap_complete` makes them from the commands.

use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::{CommandLine, output};
use crate::error::Error;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    let mut script = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut CommandLine::command(),
        "weir",
        &mut script,
    );
    output::bytes(&script)?;
    Ok(ExitCode::SUCCESS)
}
