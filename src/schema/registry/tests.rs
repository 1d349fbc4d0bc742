//! The client against a registry that behaves as a test says.

mod ids;
mod outages;
mod registrations;
mod subjects;
mod tls;
mod versions;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::pace::Pace;
use super::*;
use crate::clock::{Clock, Tick};
use crate::metrics::Metrics;

/// What the mock answers to a path.
#[derive(Clone)]
pub(super) struct Said {
    status: u16,
    body: String,
    headers: Vec<(&'static str, String)>,
    wait: Duration,
}

pub(super) fn said(status: u16, body: impl ToString) -> Said {
    Said {
        status,
        body: body.to_string(),
        headers: Vec::new(),
        wait: Duration::ZERO,
    }
}

pub(super) fn not_there(code: u32) -> Said {
    said(404, json!({"error_code": code, "message": "not found"}))
}

impl Said {
    fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    fn after(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }
}

#[derive(Default)]
struct Script {
    /// By path and query: what is said in turn; the last one stays.
    paths: HashMap<String, Vec<Said>>,
    /// In place of all paths.
    always: Option<Said>,
    asked: Vec<(String, HeaderMap)>,
}

/// An HTTP server of scripted answers.
#[derive(Clone)]
pub(super) struct Mock {
    script: Arc<Mutex<Script>>,
    address: SocketAddr,
}

impl Mock {
    pub(super) async fn start() -> Mock {
        let script = Arc::<Mutex<Script>>::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new().fallback(answer).with_state(script.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Mock { script, address }
    }

    /// From now on `path` is answered with `answers` in turn, and with the last one for good.
    pub(super) fn says(&self, path: &str, answers: &[Said]) {
        let mut script = self.script.lock();
        script.paths.insert(path.to_owned(), answers.to_vec());
    }

    pub(super) fn always(&self, said: Option<Said>) {
        self.script.lock().always = said;
    }

    pub(super) fn schema(&self, id: u32, text: &str) {
        let schema = json!({"schema": text});
        self.says(&format!("/schemas/ids/{id}"), &[said(200, schema)]);
    }

    /// How often a path was asked for.
    pub(super) fn asked(&self, path: &str) -> usize {
        let script = self.script.lock();
        script.asked.iter().filter(|(p, _)| p == path).count()
    }

    pub(super) fn url(&self) -> Url {
        Url::parse(&format!("http://{}", self.address)).unwrap()
    }

    pub(super) fn settings(&self) -> Settings {
        Settings {
            urls: vec![self.url()],
            auth: Auth::None,
            ca: None,
            identity: None,
            timeout: Duration::from_millis(500),
            cache: None,
        }
    }
}

async fn answer(State(script): State<Arc<Mutex<Script>>>, request: Request) -> Response {
    let path = request.uri().to_string();
    let said = {
        let mut script = script.lock();
        script.asked.push((path.clone(), request.headers().clone()));
        let always = script.always.clone();
        let turn = script.paths.get_mut(&path).and_then(|answers| {
            if answers.len() > 1 {
                Some(answers.remove(0))
            } else {
                answers.first().cloned()
            }
        });
        always.or(turn)
    };
    let said = said.unwrap_or_else(|| {
        said_of_jersey(json!({"error_code": 404, "message": "HTTP 404 Not Found"}))
    });
    #[allow(clippy::disallowed_methods, reason = "the mock is slow in real time")]
    tokio::time::sleep(said.wait).await;
    let status = StatusCode::from_u16(said.status).unwrap();
    let mut response = (status, Body::from(said.body)).into_response();
    for (name, value) in said.headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

/// What a registry says of a path that it does not have.
fn said_of_jersey(body: Value) -> Said {
    said(404, body)
}

pub(super) const PACE: Pace = Pace {
    confirm: Duration::from_millis(50),
    negative: Duration::from_secs(30),
    retry: (Duration::from_millis(20), Duration::from_millis(100)),
};

/// A client, its metrics and its clock.
pub(super) struct Client {
    pub(super) registry: Registry,
    pub(super) metrics: Metrics,
    pub(super) clock: Clock,
}

pub(super) fn client(settings: &Settings) -> Client {
    let metrics = Metrics::new().unwrap();
    let clock = Clock::system();
    let registry = Registry::with_pace(settings, &metrics, clock.clone(), PACE).unwrap();
    Client {
        registry,
        metrics,
        clock,
    }
}

impl Client {
    pub(super) async fn answer(&self, id: u32) -> Lookup {
        let seen = self.clock.tick();
        self.within(self.registry.answer(WriterKey::Id(id), seen))
            .await
    }

    pub(super) fn lookup(&self, id: u32, seen: Tick) -> Lookup {
        self.registry.lookup(WriterKey::Id(id), seen)
    }

    pub(super) async fn within<T>(&self, future: impl Future<Output = T>) -> T {
        let limit = Duration::from_secs(10);
        self.clock
            .timeout(limit, future)
            .await
            .expect("an answer within 10 s")
    }

    /// Waits until the registry is told to be away.
    pub(super) async fn trouble(&self) -> String {
        self.within(async {
            loop {
                match self.registry.trouble() {
                    Some(trouble) => return trouble,
                    None => self.clock.sleep(Duration::from_millis(5)).await,
                }
            }
        })
        .await
    }

    pub(super) fn requests(&self, outcome: &str) -> u64 {
        self.metrics
            .registry_requests
            .with_label_values(&[outcome])
            .get()
    }
}

/// The schema of a known answer.
pub(super) fn known(lookup: Lookup) -> Arc<Registered> {
    match lookup {
        Lookup::Known(schema) => schema,
        other => panic!("known, not {other:?}"),
    }
}

pub(super) fn unknown(lookup: Lookup) -> String {
    match lookup {
        Lookup::Unknown(reason) => reason.to_string(),
        other => panic!("unknown, not {other:?}"),
    }
}

pub(super) const TEXT: &str = r#"{"type":"record","name":"A","fields":[]}"#;
