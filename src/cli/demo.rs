//! `weir demo`: the main job on embedded parts, from events to tables.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::app::{App, Parts, table_spec};
use crate::cli::run::runtime;
use crate::cli::{Context, Format, output};
use crate::clock::Clock;
use crate::config::{self, Config, Log};
use crate::error::{Error, Result};
use crate::http;
use crate::lake::delta::DeltaTable;
use crate::lake::rejects::{RejectRow, one_of_each_code};
use crate::lake::{LakeTable, layout};
use crate::metrics::Metrics;
use crate::model::ledger::RejectsFile;
use crate::pipeline::status::StatusBoard;
use crate::shutdown::{self, Phase};
use crate::source::kafka::DemoBroker;
use crate::store;

const STREAM: &str = "orders";
const PARTITIONS: i32 = 4;
const SCHEMA: &str = include_str!("../../config/schemas/orders/1.avsc");

/// One event in this many is bad.
const BAD_EVERY: u64 = 100;

/// How long the events may take to land.
const DEADLINE: Duration = Duration::from_secs(120);

/// Options of `weir demo`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Where settings and tables go [default: a new folder among the temporary ones]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,

    /// Events to send
    #[arg(long, value_name = "N", default_value_t = 40_000, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    events: u64,

    /// Go on serving /metrics and /api until SIGINT or SIGTERM
    #[arg(long)]
    serve: bool,
}

/// What the ledger says of the demo's stream.
#[derive(Debug, Default, serde::Serialize)]
struct Totals {
    stream: String,
    read: i64,
    accepted: i64,
    rejected: i64,
    skipped: i64,
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
    let dir = match &arguments.dir {
        Some(dir) => dir.clone(),
        None => std::env::temp_dir().join(format!("weir-demo-{}", std::process::id())),
    };
    let broker = DemoBroker::start(STREAM, PARTITIONS)?;
    let config = write_config(&dir, &broker.address())?;
    let (trigger, shutdown) = shutdown::channel();
    let parts = Parts {
        clock: Clock::system(),
        metrics: Metrics::new()?,
        status: StatusBoard::default(),
        shutdown: shutdown.clone(),
    };
    if arguments.serve {
        let address = http::serve(
            config.http_listen,
            config.instance.clone(),
            parts.metrics.clone(),
            parts.status.clone(),
            shutdown.clone(),
        )
        .await?;
        output::notice(&format!("serving http://{address}/metrics"));
    }
    let bar = ProgressBar::new(arguments.events).with_style(
        ProgressStyle::with_template("{msg:>9} {bar:40} {pos}/{len} records, {per_sec}")
            .map_err(|e| Error::internal("the progress bar is malformed").because(e))?,
    );
    bar.set_message("sending");
    broker.send((0..arguments.events).map(event))?;
    bar.set_message("landing");
    let (clock, metrics) = (parts.clock.clone(), parts.metrics.clone());
    let app = App::start(&config, parts).await?;
    let landed = async {
        loop {
            let judged: u64 = ["accepted", "rejected", "skipped"]
                .iter()
                .map(|o| {
                    metrics
                        .records
                        .with_label_values(&[STREAM, "kafka", o])
                        .get()
                })
                .sum();
            bar.set_position(judged);
            if judged >= arguments.events {
                return;
            }
            clock.sleep(Duration::from_millis(50)).await;
        }
    };
    if clock.timeout(DEADLINE, landed).await.is_none() {
        return Err(Error::unreachable("the events did not land in time"));
    }
    bar.finish_and_clear();
    let shown = show(context, &config, &dir).await;
    if arguments.serve && shown.is_ok() {
        output::notice("press Ctrl-C to end");
        tokio::signal::ctrl_c()
            .await
            .map_err(|e| Error::internal("signals cannot be watched").because(e))?;
    }
    trigger.advance(Phase::Draining);
    app.drained().await?;
    shown.map(|()| ExitCode::SUCCESS)
}

/// The settings of the demo, written as a user would write them.
fn write_config(dir: &Path, brokers: &str) -> Result<Config> {
    let lake = dir.join("lake");
    let lake = std::path::absolute(&lake)
        .ok()
        .and_then(|l| url::Url::from_directory_path(l).ok())
        .ok_or_else(|| Error::config(format!("{} is no folder name", lake.display())))?;
    let lake = lake.as_str().trim_end_matches('/');
    let settings = format!(
        "[kafka]\nbrokers = \"{brokers}\"\ngroup = \"weir-demo\"\n\n[lake]\nurl = \"{lake}\"\n\n\
         [flush]\nmax_age = \"1s\"\n"
    );
    let stream = "source = \"demo\"\nobject = \"orders\"\ncategory = \"engagement\"\n\
                  schema = { subject = \"orders\" }\nprimary_key = [\"order_id\"]\n\
                  event_time = \"created_at\"\n\n[topics]\nnames = [\"orders\"]\nformat = \"json\"\n";
    for (name, text) in [
        ("config/weir.toml", settings.as_str()),
        ("config/streams/orders.toml", stream),
        ("config/schemas/orders/1.avsc", SCHEMA),
    ] {
        let path = dir.join(name);
        let written = path
            .parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| std::fs::write(&path, text));
        written
            .map_err(|e| Error::config(format!("cannot write {}", path.display())).because(e))?;
    }
    Ok(config::load(
        &dir.join("config/weir.toml"),
        &Default::default(),
    )?)
}

fn pick(words: [&'static str; 4], n: u64) -> &'static str {
    words[(n % 4) as usize]
}

/// The n-th sample event; one in a hundred is bad, in one of ten ways.
fn event(n: u64) -> (String, Option<Vec<u8>>) {
    let id = format!("o-{n:06}");
    let amount = format!("{}.{:02}", n * 7919 % 900 + 1, n * 31 % 100);
    let mut order = json!({
        "order_id": id,
        "customer_id": n * 2_654_435_761 % 1_000_000,
        "category": pick(["books", "music", "garden", "toys"], n),
        "amount": amount,
        "currency": pick(["EUR", "USD", "GBP", "SEK"], n / 3),
        "created_at": format!("2026-03-{:02}T{:02}:{:02}:{:02}.{:06}Z", n % 28 + 1, n % 24, n % 60, n / 7 % 60, n % 1_000_000),
        "gift": n.is_multiple_of(5),
        "note": "left at the door, ring twice and wait for the neighbour",
    });
    if n % BAD_EVERY != 17 {
        return (id, Some(order.to_string().into_bytes()));
    }
    match n / BAD_EVERY % 10 {
        0 => order["amount"] = json!("12.345"),
        1 => order["customer_id"] = json!("42"),
        2 => order["currency"] = json!("DOGE"),
        3 => order["created_at"] = json!("2026-02-30T00:00:00Z"),
        4 => order["order_id"] = json!(null),
        5 => order["colour"] = json!("red"),
        6 => {
            order.as_object_mut().map(|o| o.remove("amount"));
        }
        7 => return (id, Some(order.to_string().into_bytes()[..40].to_vec())),
        8 => return (id, Some(b"{\"order_id\":\"\xff\"}".to_vec())),
        _ => return (id, None),
    }
    (id, Some(order.to_string().into_bytes()))
}

async fn show(context: &Context, config: &Config, dir: &Path) -> Result<()> {
    let store = store::open(&config.lake.url, &config.lake.options, config.lake.fsync)?;
    let stream = config
        .streams
        .first()
        .ok_or_else(|| Error::internal("the demo has no stream"))?;
    let table =
        DeltaTable::open_or_create(&store, STREAM, &config.instance, table_spec(stream)).await?;
    let mut totals = Totals {
        stream: STREAM.to_owned(),
        ..Totals::default()
    };
    let mut files: Vec<RejectsFile> = Vec::new();
    for (_, record) in table.records_since(0).await? {
        let Some(record) = record else { continue };
        for range in &record.ranges {
            totals.read += range.read;
            totals.accepted += range.accepted;
            totals.rejected += range.rejected;
            totals.skipped += range.skipped;
        }
        files.extend(record.rejects);
    }
    let samples = one_of_each_code(&store, STREAM, &files).await?;
    let lake = dir.join("lake");
    let data = lake.join(layout::data_table(STREAM));
    let rejects = lake.join(layout::rejects_table(STREAM));
    match context.format {
        Format::Json => output::json(&json!({
            "streams": [totals], "rejects": samples, "data": data, "rejects_table": rejects,
        })),
        Format::Table => output::text_line(&text(&totals, &samples, &data, &rejects)?),
    }
}

fn text(totals: &Totals, samples: &[RejectRow], data: &Path, rejects: &Path) -> Result<String> {
    let mut streams = output::table(&["stream", "read", "accepted", "rejected", "skipped"]);
    streams.add_row([
        totals.stream.clone(),
        totals.read.to_string(),
        totals.accepted.to_string(),
        totals.rejected.to_string(),
        totals.skipped.to_string(),
    ]);
    let mut reasons = output::table(&["code", "field", "at", "rule"]);
    for row in samples {
        reasons.add_row([
            row.code.clone(),
            row.field.clone().unwrap_or_default(),
            format!("{} [{}] {}", row.source, row.partition, row.offset),
            row.message.clone(),
        ]);
    }
    let (data, rejects) = (data.display(), rejects.display());
    let mut text = format!("{streams}\n\none reject of each reason:\n{reasons}\n");
    write!(
        text,
        "\nthe tables:\n  {data}\n  {rejects}\n\nread them (pip install polars deltalake duckdb):\n  \
         python3 -c 'import polars as pl; print(pl.read_delta(\"{data}\"))'\n  \
         python3 -c 'import duckdb, deltalake; t = deltalake.DeltaTable(\"{rejects}\").to_pyarrow_table(); \
         print(duckdb.sql(\"select code, field, count(*) from t group by all order by 3 desc\"))'"
    )
    .map_err(|e| Error::internal("the result cannot be written").because(e))?;
    Ok(text)
}
