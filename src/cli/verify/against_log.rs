//! `weir verify --against-log`: the proven positions beside the broker's logs.
//!
//! Owns: which standing is a finding. To be behind the log's end is none: the log is read on.

use std::collections::BTreeSet;

use crate::cli::verify::Proof;
use crate::cli::{connect, positions};
use crate::config::Config;
use crate::error::Result;
use crate::lake::View;
use crate::lake::verify::{Finding, FindingKind, StreamReport};
use crate::model::position::SourcePartition;
use crate::positions::standing::{Standing, State, standings};
use crate::positions::{TableNow, ask_broker, topics_of};
use crate::source::kafka::Cluster;
use crate::store::Store;

/// The configured cluster, once it has answered.
pub(super) async fn connect(config: &Config) -> Result<Cluster> {
    let cluster = connect::cluster(config)?;
    cluster.cluster_id().await?;
    Ok(cluster)
}

/// Adds the broker's side to each proof. The logs are looked at after the proof, so that a position
/// can only be behind what it is held against.
pub(super) async fn compare(store: &Store, cluster: &Cluster, proofs: &mut [Proof]) -> Result<()> {
    let views: Vec<View> = proofs.iter().map(|p| proven(&p.report)).collect();
    let topics: BTreeSet<String> = views.iter().flat_map(topics_of).collect();
    let broker = ask_broker(cluster, topics).await?;
    for (proof, view) in proofs.iter_mut().zip(views) {
        let table = TableNow::read(store, &proof.report.stream).await;
        // A table that cannot be read is a finding of the proof already.
        let ids = table.ok().flatten().unwrap_or_default().ids;
        let log = standings(&view, &ids, Some(&broker));
        let table = crate::lake::layout::data_table(&proof.report.stream);
        let findings = log.iter().filter_map(|s| finding(&table, s));
        proof.report.findings.extend(findings);
        proof.report.ok = proof.report.findings.is_empty();
        proof.log = Some(log);
    }
    Ok(())
}

/// Where the proven ledger ends.
fn proven(report: &StreamReport) -> View {
    let positions = report.sources.iter().map(|s| {
        let partition = SourcePartition {
            source_id: s.source_id.as_str().into(),
            partition: s.partition,
        };
        (partition.app_id(), s.to)
    });
    View {
        version: 0,
        positions: positions.collect(),
    }
}

fn finding(table: &str, s: &Standing) -> Option<Finding> {
    let at = s.position;
    let (start, end) = (s.log_start.unwrap_or(at), s.log_end.unwrap_or(at));
    let (kind, from, to, message) = match s.state? {
        State::Gap => (
            FindingKind::Gap,
            at,
            start,
            "the log begins behind the position: retention took what was not read",
        ),
        State::BeyondEnd => (
            FindingKind::MovedBack,
            end,
            at,
            "the log ends before the position: it was truncated",
        ),
        State::Recreated => (
            FindingKind::MovedBack,
            at,
            at,
            "the broker's topic has another id than the one that was read: it was recreated",
        ),
        State::OtherCluster => (
            FindingKind::Unreadable,
            at,
            at,
            "the broker is of another cluster than the topic was read from",
        ),
        State::Ok | State::NoTopic | State::Superseded => return None,
    };
    let partition = SourcePartition {
        source_id: s.source_id.as_str().into(),
        partition: s.partition,
    };
    Some(
        Finding::new(kind, table)
            .at(&partition, from, to)
            .because(message),
    )
}

/// The standings as a table.
pub(super) fn text(log: &[Standing]) -> String {
    positions::table(log.iter().map(|s| (None, s)))
}
