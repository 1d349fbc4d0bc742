//! The weir process: reads the command line and the environment, does the command, and answers
//! with an exit code. What a command does is in `cli`.

use std::process::ExitCode;

/// librdkafka's messages are allocated on one thread and freed on another, and Parquet's pages grow
/// and go by the megabyte: the C library's allocator keeps half as much again as is in use, which no
/// budget sees. This one gives it back, and is put in the C library's place for librdkafka too.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let environment = weir::cli::environment(std::env::vars_os());
    match weir::cli::parse(std::env::args_os()) {
        Ok(command_line) => weir::cli::run(command_line, environment),
        Err(usage) => usage.show(),
    }
}
