//! Logs to stderr, as text or JSON lines.
//!
//! Owns: the one subscriber of the process. Does not own: what is logged.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::Log;
use crate::error::Error;

/// Starts the logs of the process; once.
pub fn start(log: &Log) -> Result<(), Error> {
    let filter = EnvFilter::try_new(&log.level)
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
