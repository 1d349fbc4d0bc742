//! HTTP: metrics, health, status. Loopback by default.
//!
//! Owns: the routes. It only reads what the stages wrote.

use std::net::SocketAddr;

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;

use crate::error::{Error, Result};
use crate::jobs::board::JobBoard;
use crate::metrics::{Metrics, REVISION};
use crate::pipeline::status::{PartitionState, PartitionStatus, Status, StatusBoard};
use crate::shutdown::Shutdown;

#[derive(Debug, Clone)]
struct Shared {
    metrics: Metrics,
    status: StatusBoard,
    jobs: JobBoard,
    instance: String,
    shutdown: Shutdown,
}

/// Serves as long as the runtime lives, so that a stop can be watched while it drains. Returns the
/// address that is listened on.
///
/// # Errors
/// The address cannot be bound.
pub async fn serve(
    listen: SocketAddr,
    instance: String,
    metrics: Metrics,
    status: StatusBoard,
    jobs: JobBoard,
    shutdown: Shutdown,
) -> Result<SocketAddr> {
    let listener = tokio::net::TcpListener::bind(listen).await.map_err(|e| {
        Error::config(format!("cannot listen on {listen} ([http] listen)")).because(e)
    })?;
    let address = listener
        .local_addr()
        .map_err(|e| Error::internal("the listener has no address").because(e))?;
    let shared = Shared {
        metrics,
        status,
        jobs,
        instance,
        shutdown,
    };
    let routes = routes(shared);
    tokio::spawn(async move {
        let served = axum::serve(listener, routes).await;
        if let Err(error) = served {
            tracing::error!(%error, "HTTP ended");
        }
    });
    Ok(address)
}

fn routes(shared: Shared) -> Router {
    Router::new()
        .route("/metrics", get(metrics_text))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/api/v1/status", get(status))
        .route("/api/v1/streams", get(streams))
        .route("/api/v1/streams/{name}", get(stream))
        .route("/api/v1/jobs", get(jobs))
        .route("/api/v1/jobs/{id}", get(job))
        .fallback(|| async { fault(StatusCode::NOT_FOUND, "there is nothing at this path") })
        .method_not_allowed_fallback(|| async {
            fault(StatusCode::METHOD_NOT_ALLOWED, "this path is for GET only")
        })
        .with_state(shared)
}

fn fault(code: StatusCode, message: &str) -> Response {
    (code, Json(json!({ "error": message }))).into_response()
}

async fn metrics_text(State(shared): State<Shared>) -> Response {
    match shared.metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => fault(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

/// 503 while stopping, while no broker can be reached, while the lake's store does not answer, or
/// while a partition waits or is stopped.
async fn ready(State(shared): State<Shared>) -> Response {
    let picture = shared.status.picture();
    let reasons = shared.reasons(&picture);
    let code = match reasons.is_empty() {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    let warnings = warnings(&picture);
    let body = json!({ "ready": reasons.is_empty(), "reasons": reasons, "warnings": warnings });
    (code, Json(body)).into_response()
}

async fn status(State(shared): State<Shared>) -> Response {
    let picture = shared.status.picture();
    let reasons = shared.reasons(&picture);
    Json(json!({
        "instance": shared.instance,
        "version": env!("CARGO_PKG_VERSION"),
        "revision": REVISION,
        "ready": reasons.is_empty(),
        "reasons": reasons,
        "warnings": warnings(&picture),
        "stopping": shared.shutdown.is_stopping(),
        "broker_down": picture.broker_down,
        "lake_down": picture.lake_down,
        "bulk_down": picture.bulk_down,
        "registry_down": picture.registry_down,
        "streams": picture.streams.len(),
    }))
    .into_response()
}

async fn streams(State(shared): State<Shared>) -> Response {
    let picture = shared.status.picture();
    let list: Vec<_> = picture
        .streams
        .iter()
        .map(|(name, partitions)| shared.told(name, &picture, partitions))
        .collect();
    Json(json!({ "streams": list })).into_response()
}

async fn stream(State(shared): State<Shared>, Path(name): Path<String>) -> Response {
    let picture = shared.status.picture();
    match picture.streams.get(&name) {
        Some(partitions) => Json(shared.told(&name, &picture, partitions)).into_response(),
        None => fault(StatusCode::NOT_FOUND, "there is no such stream"),
    }
}

/// Which jobs are asked for.
#[derive(Debug, Deserialize)]
struct OfJobs {
    stream: Option<String>,
    state: Option<String>,
}

/// The jobs that this instance knows, the newest first.
async fn jobs(State(shared): State<Shared>, Query(asked): Query<OfJobs>) -> Response {
    let jobs = shared.jobs.all().into_iter().filter(|job| {
        let OfJobs { stream, state } = &asked;
        stream.as_ref().is_none_or(|stream| *stream == job.stream)
            && state
                .as_ref()
                .is_none_or(|state| state.eq_ignore_ascii_case(job.state.as_str()))
    });
    let jobs: Vec<_> = jobs.collect();
    Json(json!({ "jobs": jobs })).into_response()
}

async fn job(State(shared): State<Shared>, Path(id): Path<String>) -> Response {
    match shared.jobs.get(&id) {
        Some(job) => Json(job).into_response(),
        None => fault(StatusCode::NOT_FOUND, "this instance knows no such job"),
    }
}

/// What an operator should know of although the data flows.
fn warnings(picture: &Status) -> Vec<String> {
    let refused = picture.schemas.iter().filter_map(|(stream, schema)| {
        let refused = schema.refused.as_ref()?;
        let what = match refused.version {
            Some(version) => format!("schema version {version} is refused"),
            None => "newer schema versions cannot be read".to_owned(),
        };
        let (in_force, reasons) = (schema.version, refused.reasons.join("; "));
        Some(format!(
            "{stream}: {what}, and version {in_force} goes on: {reasons}"
        ))
    });
    let registry = picture.registry_down.iter();
    let registry = registry.map(|why| format!("the schema registry is away {why}"));
    refused.chain(registry).collect()
}

impl Shared {
    /// Why the instance is not ready; nothing if it is.
    fn reasons(&self, picture: &Status) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.shutdown.is_stopping() {
            reasons.push("stopping".to_owned());
        }
        if let Some(message) = &picture.broker_down {
            reasons.push(format!("no broker can be reached: {message}"));
        }
        if let Some(trouble) = &picture.lake_down {
            reasons.push(format!(
                "the lake's store does not answer as it should: {trouble}"
            ));
        }
        if let Some(trouble) = &picture.bulk_down {
            reasons.push(format!(
                "the bucket's store does not answer as it should: {trouble}"
            ));
        }
        for (stream, trouble) in self.jobs.troubles() {
            reasons.push(format!("{stream}: drops cannot be looked for: {trouble}"));
        }
        for (stream, reason) in &picture.held {
            reasons.push(format!("{stream}: {reason}"));
        }
        for (stream, partitions) in &picture.streams {
            let needs = |p: &&PartitionStatus| {
                matches!(p.state, PartitionState::Waiting | PartitionState::Stopped)
            };
            for p in partitions.iter().filter(needs) {
                let why = p
                    .reason
                    .as_deref()
                    .unwrap_or("its position is being settled");
                reasons.push(format!(
                    "{stream}: {} [{}] is {}: {why}",
                    p.topic,
                    p.partition,
                    p.state.as_str()
                ));
            }
        }
        reasons
    }

    /// A stream: what this process judged of it, and the partitions that it holds.
    fn told(
        &self,
        name: &str,
        picture: &Status,
        partitions: &[PartitionStatus],
    ) -> serde_json::Value {
        let count = |outcome: &str| {
            let of = |source| {
                let labels = [name, source, outcome];
                self.metrics.records.with_label_values(&labels).get()
            };
            of("kafka") + of("bulk")
        };
        let lag: i64 = partitions
            .iter()
            .filter_map(|p| Some((p.end? - p.position?).max(0)))
            .sum();
        json!({
            "stream": name,
            "held": picture.held.get(name),
            "schema": picture.schemas.get(name),
            "lag_records": lag,
            "accepted": count("accepted"),
            "rejected": count("rejected"),
            "skipped": count("skipped"),
            "partitions": partitions,
        })
    }
}

#[cfg(test)]
mod tests;
