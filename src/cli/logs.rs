//! Logs to stderr, as text or JSON lines.
//!
//! Owns: the one subscriber of the process. Does not own: what is logged.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::Log;
use crate::error::Error;

/// Starts the logs of the process; once.
pub fn start(log: &Log) -> Result<(), Error> {
    let filter = EnvFilter::try_new(quiet_libraries(&log.level))
        .map_err(|e| Error::config("the log filter cannot be read; see --log-level").because(e))?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = match log.json {
        true => logs.json().flatten_event(true).try_init(),
        false => logs.with_ansi(std::io::stderr().is_terminal()).try_init(),
    };
    started.map_err(|e| Error::internal("the logs are started already").because(e))
}

/// A filter that names no target is about weir; the table engine logs each step of each commit,
/// and its errors come back to weir, which decides what they mean.
fn quiet_libraries(level: &str) -> String {
    if level.contains("delta_kernel") {
        level.to_owned()
    } else {
        format!("{level},delta_kernel=off,delta_kernel_default_engine=off")
    }
}
