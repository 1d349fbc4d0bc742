//! HTTP: metrics, health, status. Loopback by default.
//!
//! Owns: the routes. It only reads what the stages wrote.

use std::net::SocketAddr;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use crate::error::{Error, Result};
use crate::metrics::Metrics;
use crate::pipeline::status::{PartitionState, StatusBoard};
use crate::shutdown::{Phase, Shutdown};

#[derive(Debug, Clone)]
struct Shared {
    metrics: Metrics,
    status: StatusBoard,
    instance: String,
    shutdown: Shutdown,
}

/// Serves until the stop begins. Returns the address that is listened on.
///
/// # Errors
/// The address cannot be bound.
pub async fn serve(
    listen: SocketAddr,
    instance: String,
    metrics: Metrics,
    status: StatusBoard,
    shutdown: Shutdown,
) -> Result<SocketAddr> {
    let listener = tokio::net::TcpListener::bind(listen).await.map_err(|e| {
        Error::config(format!("cannot listen on {listen} ([http] listen)")).because(e)
    })?;
    let address = listener
        .local_addr()
        .map_err(|e| Error::internal("the listener has no address").because(e))?;
    let mut stop = shutdown.clone();
    let shared = Shared {
        metrics,
        status,
        instance,
        shutdown,
    };
    let routes = Router::new()
        .route("/metrics", get(metrics_text))
        .route("/livez", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .route("/api/v1/status", get(status_json))
        .route("/api/v1/streams", get(streams))
        .route("/api/v1/streams/{name}", get(stream))
        .with_state(shared);
    tokio::spawn(async move {
        let served = axum::serve(listener, routes)
            .with_graceful_shutdown(async move { stop.reached(Phase::Draining).await })
            .await;
        if let Err(error) = served {
            tracing::error!(%error, "HTTP ended");
        }
    });
    Ok(address)
}

async fn metrics_text(State(shared): State<Shared>) -> Response {
    match shared.metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// 503 while stopping, while no broker can be reached, or while a partition waits or is stopped.
async fn ready(State(shared): State<Shared>) -> Response {
    let picture = shared.status.picture();
    let mut reasons = Vec::new();
    if shared.shutdown.is_stopping() {
        reasons.push("stopping".to_owned());
    }
    if let Some(message) = &picture.broker_down {
        reasons.push(format!("no broker can be reached: {message}"));
    }
    for (stream, partitions) in &picture.streams {
        for p in partitions {
            if p.state != PartitionState::Running {
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
    }
    let code = if reasons.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = json!({ "ready": reasons.is_empty(), "reasons": reasons });
    (code, Json(body)).into_response()
}

async fn status_json(State(shared): State<Shared>) -> Response {
    let picture = shared.status.picture();
    Json(json!({
        "instance": shared.instance,
        "version": env!("CARGO_PKG_VERSION"),
        "stopping": shared.shutdown.is_stopping(),
        "broker_down": picture.broker_down,
        "streams": picture.streams.len(),
    }))
    .into_response()
}

async fn streams(State(shared): State<Shared>) -> Response {
    let list: Vec<_> = shared
        .status
        .picture()
        .streams
        .into_iter()
        .map(|(name, partitions)| json!({ "stream": name, "partitions": partitions }))
        .collect();
    Json(json!({ "streams": list })).into_response()
}

async fn stream(State(shared): State<Shared>, Path(name): Path<String>) -> Response {
    match shared.status.picture().streams.remove(&name) {
        Some(partitions) => {
            Json(json!({ "stream": name, "partitions": partitions })).into_response()
        }
        None => (
            StatusCode::NOT_FOUND,
            Json(json!({ "error": "no such stream" })),
        )
            .into_response(),
    }
}
