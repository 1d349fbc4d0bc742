//! `weir demo`: the main job on embedded parts, from events to tables, with the proof.
//!
//! Owns: the order of what is shown. Does not own: anything that `weir run` would not do too.

mod events;
mod history;
mod setup;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use indicatif::ProgressBar;
use serde_json::json;

use crate::app::{App, Parts};
use crate::bucket::names;
use crate::cli::run::{runtime, signals, watch_signals};
use crate::cli::{Context, EXIT_INCOMPLETE, Format, connect, numbers, output, rejects, verify};
use crate::clock::Clock;
use crate::config::{Config, Log};
use crate::error::{Error, Result};
use crate::http;
use crate::jobs::board::JobBoard;
use crate::jobs::known::GivenBack;
use crate::lake::layout;
use crate::lake::rejects::{Groups, RejectsTable};
use crate::lake::verify::{SourceReport, StreamReport};
use crate::metrics::Metrics;
use crate::model::job::{JobDocument, JobState};
use crate::pipeline::status::StatusBoard;
use crate::shutdown::{self, Phase, Shutdown};
use crate::source::kafka::DemoBroker;
use crate::store::Store;

const STREAM: &str = "orders";
const PARTITIONS: i32 = 4;

/// How long the events may take to land.
const DEADLINE: Duration = Duration::from_secs(120);

/// Options of `weir demo`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Where settings and tables go [default: a new folder among the temporary ones]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,

    #[arg(long, help = most_events(), value_name = "N", default_value_t = 40_000, value_parser = events)]
    events: u64,

    /// Go on serving /metrics and /api until SIGINT or SIGTERM
    #[arg(long)]
    serve: bool,
}

fn most_events() -> String {
    let most = events::max_events(PARTITIONS);
    format!("Events to send; the demo's broker keeps no more than {most}")
}

fn events(text: &str) -> std::result::Result<u64, String> {
    numbers::within(text, &(1..=events::max_events(PARTITIONS)))
}

/// Lands sample events and shows what became of them.
pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<ExitCode> {
    crate::cli::start_logs(&Log {
        level: context
            .log_level
            .clone()
            .unwrap_or_else(|| "error".to_owned()),
        json: false,
    })?;
    runtime()?.block_on(demo(context, arguments))
}

async fn demo(context: &Context, arguments: &Arguments) -> Result<ExitCode> {
    let dir = setup::folder(arguments.dir.as_deref())?;
    let broker = DemoBroker::start(STREAM, PARTITIONS)?;
    let address = broker.address();
    output::notice(&format!(
        "a broker in this process at {address}, with the topic {STREAM} of {PARTITIONS} partitions"
    ));
    let config = setup::write(&dir, &address, &context.environment)?;
    output::notice(&format!("settings and lake in {}", dir.display()));
    let (trigger, mut stop) = shutdown::channel();
    let metrics = Metrics::new()?;
    let parts = Parts {
        clock: Clock::system(),
        status: StatusBoard::default(),
        jobs: JobBoard::new(metrics.clone()),
        metrics,
        shutdown: stop.clone(),
        look_again: tokio::sync::watch::channel(0).1,
    };
    let store = connect::lake(&config)?;
    let (clock, jobs) = (parts.clock.clone(), parts.jobs.clone());
    if arguments.serve {
        serve(&config, &parts).await?;
        let (signals, grace) = (signals()?, config.shutdown_grace);
        tokio::spawn(watch_signals(signals, trigger, clock.clone(), grace));
        let app = send_and_start(&broker, arguments.events, &config, parts).await?;
        let outcome = Outcome::of(&store, &clock, &dir, jobs.all()).await?;
        let shown = outcome.show(context)?;
        output::notice("press Ctrl-C to end");
        stop.reached(Phase::Draining).await;
        tokio::select! {
            drained = app.drained() => drained.map(|()| shown),
            () = stop.reached(Phase::Abandoned) => Ok(ExitCode::from(EXIT_INCOMPLETE)),
        }
    } else {
        let app = send_and_start(&broker, arguments.events, &config, parts).await?;
        trigger.advance(Phase::Draining);
        app.drained().await?;
        let outcome = Outcome::of(&store, &clock, &dir, jobs.all()).await?;
        outcome.show(context)
    }
}

/// Sends the events, starts what `weir run` would start, and waits until all have landed or a stop
/// is asked for.
async fn send_and_start(
    broker: &DemoBroker,
    events: u64,
    config: &Config,
    parts: Parts,
) -> Result<App> {
    output::notice(&format!(
        "sending {events} events, one in a hundred bad, and landing them"
    ));
    let bar = output::bar("sending", events, "records")?;
    broker.send((0..events).map(events::event).inspect(|_| bar.inc(1)))?;
    bar.reset();
    bar.set_message("landing");
    let (clock, metrics) = (parts.clock.clone(), parts.metrics.clone());
    let jobs = parts.jobs.clone();
    let mut stop = parts.shutdown.clone();
    let app = App::start(config, parts).await?;
    tokio::select! {
        landed = landed(&clock, &metrics, events, &bar) => landed?,
        () = stop.reached(Phase::Draining) => {}
    }
    bar.finish_and_clear();
    let rows = history::ROWS;
    output::notice(&format!(
        "loading the CSV file of {rows} rows that was dropped in a bucket"
    ));
    let bar = output::bar("loading", rows, "records")?;
    tokio::select! {
        loaded = loaded(&clock, &jobs, &bar) => loaded?,
        () = stop.reached(Phase::Draining) => {}
    }
    bar.finish_and_clear();
    Ok(app)
}

async fn serve(config: &Config, parts: &Parts) -> Result<()> {
    let shutdown: Shutdown = parts.shutdown.clone();
    let address = http::serve(
        config.http_listen,
        config.instance.clone(),
        parts.metrics.clone(),
        parts.status.clone(),
        parts.jobs.clone(),
        shutdown,
    )
    .await?;
    output::notice(&format!("serving http://{address}/metrics"));
    Ok(())
}

/// Waits until all events are judged and committed.
async fn landed(clock: &Clock, metrics: &Metrics, events: u64, bar: &ProgressBar) -> Result<()> {
    let judged = || -> u64 {
        let of = |outcome| {
            metrics
                .records
                .with_label_values(&[STREAM, "kafka", outcome])
        };
        ["accepted", "rejected", "skipped"]
            .map(|o| of(o).get())
            .iter()
            .sum()
    };
    let all = async {
        while judged() < events {
            bar.set_position(judged());
            clock.sleep(Duration::from_millis(50)).await;
        }
    };
    clock.timeout(DEADLINE, all).await.ok_or_else(|| {
        Error::unreachable(format!(
            "{} of {events} events landed in {} s; --log-level info shows more",
            judged(),
            DEADLINE.as_secs()
        ))
    })
}

/// Waits until the job of the CSV file is at its end.
async fn loaded(clock: &Clock, jobs: &JobBoard, bar: &ProgressBar) -> Result<()> {
    let ended = async {
        loop {
            let jobs = jobs.all();
            let records = jobs.iter().flat_map(|job| &job.files);
            bar.set_position(records.map(|file| file.records).sum());
            if !jobs.is_empty() && jobs.iter().all(|job| job.state.is_final()) {
                return;
            }
            clock.sleep(Duration::from_millis(50)).await;
        }
    };
    clock.timeout(DEADLINE, ended).await.ok_or_else(|| {
        let seconds = DEADLINE.as_secs();
        Error::unreachable(format!(
            "the CSV file was not loaded in {seconds} s; --log-level info shows more"
        ))
    })
}

/// What became of the events and the file, as the lake tells it.
struct Outcome {
    report: StreamReport,
    rejects: Groups,
    jobs: Vec<JobDocument>,
    given: GivenBack,
    data_table: PathBuf,
    rejects_table: PathBuf,
}

impl Outcome {
    async fn of(store: &Store, clock: &Clock, dir: &Path, jobs: Vec<JobDocument>) -> Result<Self> {
        output::notice(
            "proving from the tables alone that each event and row is accounted for once",
        );
        let report = verify::prove(store, STREAM).await?;
        let rejected = sum(&report, |s| s.rejected);
        // The rejects table follows a commit, and a running demo may just be about to.
        let followed = async {
            loop {
                let rejects = RejectsTable::open(store, STREAM)
                    .await?
                    .groups(|| ())
                    .await?;
                if i64::try_from(rejects.total).is_ok_and(|total| total >= rejected) {
                    return Ok::<_, Error>(rejects);
                }
                clock.sleep(Duration::from_millis(100)).await;
            }
        };
        let rejects = clock.timeout(DEADLINE, followed).await.ok_or_else(|| {
            Error::unreachable("the rejects table did not follow the data in time")
        })??;
        let lake = dir.join("lake");
        Ok(Self {
            report,
            rejects,
            given: given_back(&dir.join("drop"), &jobs),
            jobs,
            data_table: lake.join(layout::data_table(STREAM)),
            rejects_table: lake.join(layout::rejects_table(STREAM)),
        })
    }

    fn show(&self, context: &Context) -> Result<ExitCode> {
        match context.format {
            Format::Json => output::json(&self.document())?,
            Format::Table => output::text_line(&self.text())?,
        }
        Ok(match self.is_well() {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        })
    }

    fn is_well(&self) -> bool {
        let mut jobs = self.jobs.iter();
        self.report.ok && jobs.all(|job| job.state == JobState::JobComplete)
    }

    fn totals(&self) -> [i64; 4] {
        [
            sum(&self.report, |s| s.read),
            sum(&self.report, |s| s.accepted),
            sum(&self.report, |s| s.rejected),
            sum(&self.report, |s| s.skipped),
        ]
    }

    fn document(&self) -> serde_json::Value {
        let [read, accepted, rejected, skipped] = self.totals();
        json!({
            "ok": self.is_well(),
            "streams": [{
                "stream": STREAM, "read": read, "accepted": accepted, "rejected": rejected,
                "skipped": skipped,
            }],
            "jobs": self.jobs,
            "rejects": self.rejects.groups,
            "verify": {"ok": self.report.ok, "streams": [self.report]},
            "data": self.data_table,
            "rejects_table": self.rejects_table,
        })
    }

    fn text(&self) -> String {
        let mut streams = output::table(&["stream", "read", "accepted", "rejected", "skipped"]);
        let mut row = vec![STREAM.to_owned()];
        row.extend(self.totals().map(|n| n.to_string()));
        streams.add_row(row);
        output::align_numbers(&mut streams, 1..5);
        let streams = streams.trim_fmt();
        let jobs = self.text_of_jobs();
        let rejects = rejects::text_of_groups(&self.rejects);
        let proof = verify::text(&self.report);
        let (data, rejected) = (self.data_table.display(), self.rejects_table.display());
        format!(
            "{streams}\n\nof which by the dropped CSV file:\n{jobs}\n\nrejects by reason:\n{rejects}\n\nweir verify: {proof}\n\n\
             the tables:\n  {data}\n  {rejected}\n\n\
             read them (pip install polars deltalake duckdb pyarrow):\n  \
             python3 -c 'import polars as pl; print(pl.scan_delta(\"{data}\").group_by(\"category\").agg(pl.len(), pl.sum(\"amount\")).collect())'\n  \
             python3 -c 'import duckdb, deltalake; t = deltalake.DeltaTable(\"{rejected}\").to_pyarrow_dataset(); \
             print(duckdb.sql(\"select code, field, count(*) from t group by all order by 3 desc\"))'"
        )
    }
}

/// The paths of what `jobs` gave back in a local bucket.
fn given_back(bucket: &Path, jobs: &[JobDocument]) -> GivenBack {
    let folders = jobs.iter().filter_map(|job| {
        let key = &job.files.first()?.key;
        Some(bucket.join(names::result_folder(key, &job.id)))
    });
    let entries = folders.flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten());
    let paths = entries.flatten().map(|entry| entry.path());
    GivenBack::of(paths.map(|path| path.display().to_string()))
}

impl Outcome {
    fn text_of_jobs(&self) -> String {
        let mut table = output::table(&["drop", "state", "records", "accepted", "rejected"]);
        let mut rows = String::new();
        for job in &self.jobs {
            for file in &job.files {
                table.add_row([
                    file.key.clone(),
                    job.state.as_str().to_owned(),
                    file.records.to_string(),
                    file.counts.accepted.to_string(),
                    file.counts.rejected.to_string(),
                ]);
            }
        }
        for (what, names) in [
            ("to mend and drop again", &self.given.rows),
            ("rejected lines", &self.given.lines),
        ] {
            for name in names {
                rows.push_str(&format!("\n{what}: {name}"));
            }
        }
        output::align_numbers(&mut table, 2..5);
        format!("{}{rows}", table.trim_fmt())
    }
}

fn sum(report: &StreamReport, of: impl Fn(&SourceReport) -> i64) -> i64 {
    report.sources.iter().map(of).sum()
}
