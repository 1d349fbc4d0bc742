//! Every metric: names, help texts and label sets, all in this file.
//!
//! Labels come from closed or configured sets only (stream, topic, partition, code), never from
//! data. Stages call these once a batch or block, never once a record. `docs/metrics.md` lists them.

use prometheus::{
    Encoder, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

use crate::error::{Error, Result};

/// The states of `weir_partition_state`.
pub const PARTITION_STATES: [&str; 4] = ["running", "paused", "waiting", "stopped"];

/// What the build was made from, where it was told.
pub const REVISION: &str = match option_env!("WEIR_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

/// All metrics of the process.
#[derive(Debug, Clone)]
#[allow(missing_docs)] // the help texts below say it
pub struct Metrics {
    registry: Registry,
    pub records: IntCounterVec,
    pub rejects: IntCounterVec,
    pub source_bytes: IntCounterVec,
    pub lag_records: IntGaugeVec,
    pub lag_seconds: GaugeVec,
    pub visible_delay_seconds: HistogramVec,
    pub committed_position: IntGaugeVec,
    pub partition_state: IntGaugeVec,
    pub gap_records: IntCounterVec,
    pub files: IntCounterVec,
    pub file_bytes: HistogramVec,
    pub commit_seconds: HistogramVec,
    pub commits: IntCounterVec,
    pub memory_bytes: IntGaugeVec,
    pub memory_budget_bytes: IntGauge,
    pub store_requests: IntCounterVec,
    pub store_request_seconds: HistogramVec,
    pub registry_requests: IntCounterVec,
    pub kafka_errors: IntCounterVec,
    pub schema_refused: IntGaugeVec,
    pub jobs: IntGaugeVec,
    pub build_info: IntGaugeVec,
}

impl Metrics {
    /// All metrics, registered in a registry of their own.
    pub fn new() -> Result<Self> {
        Self::build().map_err(|e| Error::internal("could not register the metrics").because(e))
    }

    fn build() -> prometheus::Result<Self> {
        let r = Registry::new();
        #[cfg(target_os = "linux")]
        r.register(Box::new(
            prometheus::process_collector::ProcessCollector::for_self(),
        ))?;
        let partition = &["stream", "topic", "partition"];
        let metrics = Self {
            records: counter(
                &r,
                "weir_records_total",
                "Records judged, by outcome",
                &["stream", "source", "outcome"],
            )?,
            rejects: counter(
                &r,
                "weir_rejects_total",
                "Records rejected, by reason code",
                &["stream", "code"],
            )?,
            source_bytes: counter(
                &r,
                "weir_source_bytes_total",
                "Bytes of keys and values read from the source",
                &["stream", "source"],
            )?,
            lag_records: gauge(
                &r,
                "weir_lag_records",
                "Last stable offset less the position up to which the partition is settled",
                partition,
            )?,
            lag_seconds: {
                let g = GaugeVec::new(
                    Opts::new(
                        "weir_lag_seconds",
                        "Age of the last settled message while there is lag, else 0",
                    ),
                    partition,
                )?;
                r.register(Box::new(g.clone()))?;
                g
            },
            visible_delay_seconds: histogram(
                &r,
                "weir_visible_delay_seconds",
                "From the broker's time stamp of a batch's oldest message to its commit",
                &["stream"],
                &[
                    0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 300.0, 3600.0,
                ],
            )?,
            committed_position: gauge(
                &r,
                "weir_committed_position",
                "Next offset after the last commit",
                partition,
            )?,
            partition_state: gauge(
                &r,
                "weir_partition_state",
                "1 for the state that the partition is in",
                &["stream", "topic", "partition", "state"],
            )?,
            gap_records: counter(
                &r,
                "weir_gap_records_total",
                "Positions that retention took before they were read",
                partition,
            )?,
            files: counter(
                &r,
                "weir_files_total",
                "Data files committed, by the reason why the batch was cut",
                &["stream", "cut"],
            )?,
            file_bytes: histogram(
                &r,
                "weir_file_bytes",
                "Size of the data files",
                &["stream"],
                &[1e4, 1e5, 1e6, 4e6, 1.6e7, 3.2e7, 6.4e7, 1.28e8, 2.56e8],
            )?,
            commit_seconds: histogram(
                &r,
                "weir_commit_seconds",
                "Time of a commit, conflicts included",
                &["stream"],
                &[
                    0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0,
                ],
            )?,
            commits: counter(
                &r,
                "weir_commits_total",
                "Commits to the DLO, by outcome",
                &["stream", "outcome"],
            )?,
            memory_bytes: gauge(
                &r,
                "weir_memory_bytes",
                "Bytes held against the budget",
                &["stage"],
            )?,
            memory_budget_bytes: {
                let g = IntGauge::new("weir_memory_budget_bytes", "The memory budget")?;
                r.register(Box::new(g.clone()))?;
                g
            },
            store_requests: counter(
                &r,
                "weir_store_requests_total",
                "Requests to object stores, by outcome",
                &["store", "op", "outcome"],
            )?,
            store_request_seconds: histogram(
                &r,
                "weir_store_request_seconds",
                "Time of a request to an object store",
                &["store", "op", "outcome"],
                &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0],
            )?,
            registry_requests: counter(
                &r,
                "weir_registry_requests_total",
                "Requests to the schema registry, by outcome",
                &["outcome"],
            )?,
            kafka_errors: counter(
                &r,
                "weir_kafka_errors_total",
                "Errors of the Kafka client, by kind",
                &["kind"],
            )?,
            schema_refused: gauge(
                &r,
                "weir_schema_refused",
                "1 while a newer schema version is refused and the one in force goes on",
                &["stream"],
            )?,
            jobs: gauge(
                &r,
                "weir_jobs",
                "Bulk jobs that this instance knows, by state; ended ones since it started",
                &["stream", "state"],
            )?,
            build_info: gauge(
                &r,
                "weir_build_info",
                "1, labelled with the build",
                &["version", "revision"],
            )?,
            registry: r,
        };
        metrics
            .build_info
            .with_label_values(&[env!("CARGO_PKG_VERSION"), REVISION])
            .set(1);
        Ok(metrics)
    }

    /// The exposition in Prometheus' text format.
    pub fn render(&self) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        TextEncoder::new()
            .encode(&self.registry.gather(), &mut text)
            .map_err(|e| Error::internal("could not render the metrics").because(e))?;
        Ok(text)
    }

    /// Sets the state of a partition: 1 for `state`, 0 for the others.
    pub fn set_partition_state(&self, stream: &str, topic: &str, partition: i32, state: &str) {
        let partition = partition.to_string();
        for other in PARTITION_STATES {
            self.partition_state
                .with_label_values(&[stream, topic, partition.as_str(), other])
                .set(i64::from(other == state));
        }
    }

    /// Removes the series of a partition that was given up.
    pub fn forget_partition(&self, stream: &str, topic: &str, partition: i32) {
        let partition = partition.to_string();
        let labels = [stream, topic, partition.as_str()];
        // A series that was never made cannot be removed: nothing to tell.
        let _ = self.lag_records.remove_label_values(&labels);
        let _ = self.lag_seconds.remove_label_values(&labels);
        let _ = self.committed_position.remove_label_values(&labels);
        for state in PARTITION_STATES {
            let _ = self.partition_state.remove_label_values(&[
                stream,
                topic,
                partition.as_str(),
                state,
            ]);
        }
    }
}

fn counter(
    r: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> prometheus::Result<IntCounterVec> {
    let c = IntCounterVec::new(Opts::new(name, help), labels)?;
    r.register(Box::new(c.clone()))?;
    Ok(c)
}

fn gauge(r: &Registry, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntGaugeVec> {
    let g = IntGaugeVec::new(Opts::new(name, help), labels)?;
    r.register(Box::new(g.clone()))?;
    Ok(g)
}

fn histogram(
    r: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
    buckets: &[f64],
) -> prometheus::Result<HistogramVec> {
    let h = HistogramVec::new(
        HistogramOpts::new(name, help).buckets(buckets.to_vec()),
        labels,
    )?;
    r.register(Box::new(h.clone()))?;
    Ok(h)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_in_the_docs_and_the_other_way_round() {
        let docs = include_str!("../docs/metrics.md");
        let source = include_str!("metrics.rs");
        let names = |text: &str, quote: char| -> std::collections::BTreeSet<String> {
            text.split(quote)
                .filter(|t| t.starts_with("weir_"))
                .map(str::to_owned)
                .collect()
        };
        let code: std::collections::BTreeSet<String> = names(source, '"')
            .into_iter()
            .filter(|n| n.len() > "weir_".len())
            .collect();
        assert_eq!(names(docs, '`'), code);
        assert!(Metrics::new().unwrap().render().is_ok());
    }
}
