//! `weir run`: the daemon, until SIGTERM or SIGINT.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::app::{App, Parts};
use crate::cli::{Context, EXIT_INCOMPLETE, output};
use crate::clock::Clock;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::http;
use crate::jobs::board::JobBoard;
use crate::metrics::Metrics;
use crate::pipeline::status::StatusBoard;
use crate::shutdown::{self, Phase, Trigger};

/// `weir run` takes nothing of its own.
#[derive(Debug, Args)]
pub(super) struct Arguments {}

/// Runs until a signal; a second one, or the end of the grace period, leaves at once.
pub(super) fn run(context: &Context) -> Result<ExitCode> {
    let config = load(context)?;
    context.arm_fail_point();
    let runtime = runtime()?;
    let code = runtime.block_on(serve(config));
    // What is still under way, such as a request to a store that hangs, ends with the process: a
    // runtime that is dropped would wait for it, or tear it from under whoever waits for it.
    std::mem::forget(runtime);
    code
}

/// How long until a configuration that needs a registry that is away is read again.
const AGAIN: Duration = Duration::from_secs(2);

/// The configuration, once what it needs is there. Nothing is bound or logged by then, so the wait
/// is told on stderr, and a signal ends it at once.
fn load(context: &Context) -> Result<Config> {
    let mut told = String::new();
    loop {
        match context.load() {
            Err(error) if error.is_outage() => {
                let message = error.to_string();
                if message != told {
                    output::complain(&error);
                    output::notice("waiting for it");
                    told = message;
                }
                Clock::system().park(AGAIN);
            }
            loaded => return loaded,
        }
    }
}

/// The runtime of a command that does I/O.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::internal("could not start the runtime").because(e))
}

async fn serve(config: Config) -> Result<ExitCode> {
    let (trigger, shutdown) = shutdown::channel();
    // Before anything is seen of this process, so that whoever sees it can stop it.
    let signals = signals()?;
    let metrics = Metrics::new()?;
    let parts = Parts {
        clock: Clock::system(),
        status: StatusBoard::default(),
        jobs: JobBoard::new(metrics.clone()),
        metrics,
        shutdown: shutdown.clone(),
        look_again: look_again()?,
    };
    let address = http::serve(
        config.http_listen,
        config.instance.clone(),
        parts.metrics.clone(),
        parts.status.clone(),
        parts.jobs.clone(),
        shutdown.clone(),
    )
    .await?;
    tracing::info!(instance = %config.instance, %address, streams = config.streams.len(), "weir starts");
    let clock = parts.clock.clone();
    let mut stop = shutdown.clone();
    tokio::spawn(watch_signals(
        signals,
        trigger,
        clock.clone(),
        config.shutdown_grace,
    ));
    let app = App::start(&config, parts).await?;
    stop.reached(Phase::Draining).await;
    tracing::info!("stopping: flushing what was read");
    tokio::select! {
        drained = app.drained() => {
            drained?;
            tracing::info!("stopped; everything that was read is committed");
            Ok(ExitCode::SUCCESS)
        }
        () = stop.reached(Phase::Abandoned) => {
            tracing::warn!("stopped without a complete drain; what was not committed is read again");
            Ok(ExitCode::from(EXIT_INCOMPLETE))
        }
    }
}

/// SIGTERM and SIGINT, which end the process no more from now on.
pub(super) fn signals() -> Result<[Signal; 2]> {
    let watch =
        |kind| signal(kind).map_err(|e| Error::internal("signals cannot be watched").because(e));
    Ok([
        watch(SignalKind::terminate())?,
        watch(SignalKind::interrupt())?,
    ])
}

/// Changes with each SIGHUP, which ends the process no more from now on.
fn look_again() -> Result<watch::Receiver<u64>> {
    let mut hangups = signal(SignalKind::hangup())
        .map_err(|e| Error::internal("signals cannot be watched").because(e))?;
    let (count, again) = watch::channel(0);
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            tracing::info!("SIGHUP: looking for newer schema versions");
            count.send_modify(|n| *n += 1);
        }
    });
    Ok(again)
}

/// Turns them into the phases of a stop.
pub(super) async fn watch_signals(
    [mut term, mut int]: [Signal; 2],
    trigger: Trigger,
    clock: Clock,
    grace: std::time::Duration,
) {
    let mut next = async || {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
    };
    next().await;
    trigger.advance(Phase::Draining);
    // A second signal or the end of the grace period, whichever comes first.
    let _ = clock.timeout(grace, next()).await;
    trigger.advance(Phase::Abandoned);
    // The trigger lives as long as the process, so that its watchers never see it gone.
    std::future::pending::<()>().await;
}
