use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::config::schemas::Refused;
use crate::model::job::{JobDocument, JobId, JobState};
use crate::pipeline::status::SchemaStatus;
use crate::shutdown::{self, Phase, Trigger};
use crate::source::kafka::TopicPartition;

struct Server {
    address: SocketAddr,
    metrics: Metrics,
    status: StatusBoard,
    trigger: Trigger,
    jobs: JobBoard,
}

impl Server {
    async fn start() -> Self {
        let (trigger, shutdown) = shutdown::channel();
        let (metrics, status) = (Metrics::new().unwrap(), StatusBoard::default());
        let jobs = JobBoard::default();
        let address = serve(
            ([127, 0, 0, 1], 0).into(),
            "test".to_owned(),
            metrics.clone(),
            status.clone(),
            jobs.clone(),
            shutdown,
        )
        .await
        .unwrap();
        Self {
            address,
            metrics,
            status,
            trigger,
            jobs,
        }
    }

    /// Status, content type and body.
    async fn ask(&self, method: &str, path: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let content = head
            .lines()
            .find_map(|line| line.strip_prefix("content-type: "))
            .unwrap_or_default();
        let code = head.split(' ').nth(1).unwrap().parse().unwrap();
        (code, content.to_owned(), body.to_owned())
    }

    async fn json(&self, path: &str) -> (u16, Value) {
        let (code, content, body) = self.ask("GET", path).await;
        assert_eq!(content, "application/json", "{path}: {body}");
        (code, serde_json::from_str(&body).unwrap())
    }
}

fn partition(number: i32) -> TopicPartition {
    TopicPartition {
        topic: "orders".into(),
        partition: number,
    }
}

#[tokio::test]
async fn ready_while_every_partition_is_read() {
    let server = Server::start().await;
    let reasons = async || {
        let (code, body) = server.json("/readyz").await;
        let list: Vec<String> = serde_json::from_value(body["reasons"].clone()).unwrap();
        assert_eq!(body["ready"], Value::from(list.is_empty()));
        assert_eq!(code, if list.is_empty() { 200 } else { 503 });
        let (_, status) = server.json("/api/v1/status").await;
        assert_eq!(status["reasons"], body["reasons"]);
        assert_eq!(status["ready"], body["ready"]);
        list
    };
    server.status.add_stream("s");
    assert_eq!(reasons().await, [""; 0]);
    let board = &server.status;
    board.set_state("s", &partition(0), PartitionState::Running, None);
    assert_eq!(reasons().await, [""; 0]);
    board.set_state("s", &partition(1), PartitionState::Waiting, None);
    let why = Some("retention took the offsets [1, 2)".to_owned());
    board.set_state("s", &partition(2), PartitionState::Stopped, why);
    board.set_broker(false, "refused");
    assert_eq!(
        reasons().await,
        [
            "no broker can be reached: refused",
            "s: orders [1] is waiting: its position is being settled",
            "s: orders [2] is stopped: retention took the offsets [1, 2)",
        ]
    );
    board.set_broker(true, "");
    // back pressure is no fault
    board.set_state("s", &partition(0), PartitionState::Paused, None);
    board.set_state("s", &partition(1), PartitionState::Running, None);
    board.forget("s", &partition(2));
    assert_eq!(reasons().await, [""; 0]);
    board.set_held("s", Some("its table is of another schema".to_owned()));
    assert_eq!(reasons().await, ["s: its table is of another schema"]);
    let (_, stream) = server.json("/api/v1/streams/s").await;
    assert_eq!(stream["held"], "its table is of another schema");
    board.set_held("s", None);
    assert_eq!(reasons().await, [""; 0]);
}

#[tokio::test]
async fn a_stream_tells_of_its_partitions_and_records() {
    let server = Server::start().await;
    server.status.add_stream("s");
    server.status.add_stream("t");
    for (number, position, end) in [(0, 10, 25), (1, 7, 7)] {
        let p = partition(number);
        server
            .status
            .set_state("s", &p, PartitionState::Running, None);
        server.status.set_position("s", &p, position, end);
    }
    let accepted = ["s", "kafka", "accepted"];
    server
        .metrics
        .records
        .with_label_values(&accepted)
        .inc_by(12);
    let (code, s) = server.json("/api/v1/streams/s").await;
    assert_eq!(code, 200);
    let want = json!({
        "stream": "s", "held": null, "lag_records": 15, "accepted": 12, "rejected": 0, "skipped": 0,
        "schema": null,
        "partitions": [
            { "topic": "orders", "partition": 0, "state": "running", "position": 10, "end": 25 },
            { "topic": "orders", "partition": 1, "state": "running", "position": 7, "end": 7 },
        ],
    });
    assert_eq!(s, want);
    let (_, all) = server.json("/api/v1/streams").await;
    assert_eq!(all["streams"][0], want);
    assert_eq!(all["streams"][1]["stream"], "t");
    assert_eq!(all["streams"][1]["partitions"], json!([]));
    let (_, status) = server.json("/api/v1/status").await;
    assert_eq!(status["streams"], 2);
    assert_eq!(status["instance"], "test");
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn a_refused_version_is_a_warning_and_leaves_the_instance_ready() {
    let server = Server::start().await;
    server.status.add_stream("s");
    let refused = Refused {
        version: Some(3),
        reasons: vec!["a: is integer there".to_owned(), "b: is gone".to_owned()],
    };
    let schema = SchemaStatus {
        subject: "orders".to_owned(),
        version: 2,
        refused: None,
    };
    server.status.set_schema("s", schema);
    let (_, told) = server.json("/api/v1/streams/s").await;
    assert_eq!(
        told["schema"],
        json!({ "subject": "orders", "version": 2 }),
        "{told}"
    );
    server.status.set_refused("s", Some(refused));
    let (code, ready) = server.json("/readyz").await;
    assert_eq!((code, &ready["ready"]), (200, &json!(true)));
    let warning =
        "s: schema version 3 is refused, and version 2 goes on: a: is integer there; b: is gone";
    assert_eq!(ready["warnings"], json!([warning]));
    let (_, told) = server.json("/api/v1/streams/s").await;
    assert_eq!(told["schema"]["refused"]["version"], 3);
    server.status.set_refused("s", None);
    let (_, ready) = server.json("/readyz").await;
    assert_eq!(ready["warnings"], json!([]));
}

#[tokio::test]
async fn what_is_not_there_is_told_as_json() {
    let server = Server::start().await;
    for path in [
        "/",
        "/nothing",
        "/api/v1/streams/none",
        "/api/v2/status",
        "/metrics/",
    ] {
        let (code, body) = server.json(path).await;
        assert_eq!(code, 404, "{path}");
        assert!(body["error"].is_string(), "{path}: {body}");
    }
    for path in ["/metrics", "/readyz", "/api/v1/streams"] {
        let (code, content, _) = server.ask("POST", path).await;
        assert_eq!(
            (code, content.as_str()),
            (405, "application/json"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn metrics_are_in_the_text_format() {
    let server = Server::start().await;
    server
        .metrics
        .set_partition_state("s", "orders", 3, "stopped");
    let (code, content, text) = server.ask("GET", "/metrics").await;
    assert_eq!((code, content.as_str()), (200, "text/plain; version=0.0.4"));
    let series = |state: &str| {
        format!(
            "weir_partition_state{{partition=\"3\",state=\"{state}\",stream=\"s\",topic=\"orders\"}}"
        )
    };
    assert!(
        text.contains(&format!("{} 1\n", series("stopped"))),
        "{text}"
    );
    assert!(
        text.contains(&format!("{} 0\n", series("running"))),
        "{text}"
    );
    let build = format!(
        "weir_build_info{{revision=\"{REVISION}\",version=\"{}\"}} 1\n",
        env!("CARGO_PKG_VERSION")
    );
    assert!(text.contains(&build), "{text}");
    server.metrics.forget_partition("s", "orders", 3);
    let (_, _, text) = server.ask("GET", "/metrics").await;
    assert!(!text.contains("topic=\"orders\""), "{text}");
}

#[tokio::test]
async fn alive_until_the_end_and_not_ready_while_stopping() {
    let server = Server::start().await;
    assert_eq!(server.ask("GET", "/livez").await.0, 200);
    server.trigger.advance(Phase::Draining);
    assert_eq!(server.ask("GET", "/livez").await.0, 200);
    let (code, body) = server.json("/readyz").await;
    assert_eq!((code, &body["reasons"]), (503, &json!(["stopping"])));
    assert_eq!(server.json("/api/v1/status").await.1["stopping"], true);
}

#[tokio::test]
async fn an_address_that_is_taken_is_a_fault_of_the_settings() {
    let server = Server::start().await;
    let (_trigger, shutdown) = shutdown::channel();
    let again = serve(
        server.address,
        "test".to_owned(),
        server.metrics.clone(),
        server.status.clone(),
        JobBoard::default(),
        shutdown,
    );
    let error = again.await.unwrap_err();
    assert_eq!(error.kind(), crate::error::Kind::Config);
    assert!(error.to_string().contains("[http] listen"), "{error}");
}

#[tokio::test]
async fn jobs_are_chosen_by_stream_and_by_state_in_any_case() {
    let server = Server::start().await;
    let id = JobId::from_text("0a");
    let job = JobDocument {
        state: JobState::Failed,
        ..JobDocument::new(&id, "s", Vec::new(), String::new())
    };
    server.jobs.set(&job);
    for (asked, count) in [
        ("", 1),
        ("?state=Failed", 1),
        ("?state=failed&stream=s", 1),
        ("?state=Aborted", 0),
        ("?stream=t", 0),
    ] {
        let (code, shown) = server.json(&format!("/api/v1/jobs{asked}")).await;
        assert_eq!(code, 200);
        assert_eq!(shown["jobs"].as_array().unwrap().len(), count, "{asked}");
    }
}
