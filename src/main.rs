//! The weir process: reads the command line and the environment, does the command, and answers
//! with an exit code. What a command does is in `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let environment = weir::cli::environment(std::env::vars_os());
    match weir::cli::parse(std::env::args_os()) {
        Ok(command_line) => weir::cli::run(command_line, environment),
        Err(usage) => usage.show(),
    }
}
