//! One question to the registry over HTTP.
//!
//! Owns: the connection (TLS, credentials, timeouts, redirects), the URLs in turn, and which status
//! is an answer, which an outage. Does not own: what is asked (`contract`), and trying again
//! (`lookup`). No message holds a credential, or anything that a server sent but its error code.

use std::error::Error as StdError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use prometheus::IntCounterVec;
use reqwest::header::{ACCEPT, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Identity, Response, StatusCode};
use serde::Deserialize;
use url::Url;

use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::metrics::Metrics;
use crate::schema::registry::pace::ANSWER_BYTES;
use crate::schema::registry::{Auth, Away, Settings};

/// Most redirects of one request, all to the same server.
const REDIRECTS: usize = 5;

/// What a registry answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The body.
    Found(Vec<u8>),
    /// The registry does not have it, in so many words: its error code.
    NotThere(u32),
    /// It is longer than any schema may be.
    TooLong,
}

/// The client.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    urls: Vec<Url>,
    auth: Auth,
    timeout: Duration,
    /// The URL that is asked first: the last one that answered.
    first: AtomicUsize,
    requests: IntCounterVec,
    clock: Clock,
}

impl Client {
    pub(super) fn new(settings: &Settings, metrics: &Metrics, clock: Clock) -> Result<Self> {
        let wrong =
            |what: &str, e: reqwest::Error| Error::config(format!("{what}: {}", root_cause(&e)));
        let mut http = reqwest::Client::builder()
            .timeout(settings.timeout)
            .connect_timeout(settings.timeout)
            .redirect(Policy::custom(stay_there))
            .referer(false)
            .no_proxy()
            .user_agent(concat!("weir/", env!("CARGO_PKG_VERSION")));
        if let Some(pem) = &settings.ca {
            let certificates = Certificate::from_pem_bundle(pem)
                .map_err(|e| wrong("the file of `registry.ca` holds no certificates in PEM", e))?;
            if certificates.is_empty() {
                return Err(Error::config(
                    "the file of `registry.ca` holds no certificate",
                ));
            }
            http = http.tls_certs_only(certificates);
        }
        if let Some(identity) = &settings.identity {
            let identity = Identity::from_pem(&identity.pem).map_err(|_| {
                Error::config(
                    "`registry.cert` and `registry.key` hold no certificate with its key in PEM",
                )
            })?;
            http = http.identity(identity);
        }
        let http = http
            .build()
            .map_err(|e| wrong("the registry's client cannot be built", e))?;
        Ok(Self {
            http,
            urls: settings.urls.clone(),
            auth: settings.auth.clone(),
            timeout: settings.timeout,
            first: AtomicUsize::new(0),
            requests: metrics.registry_requests.clone(),
            clock,
        })
    }

    /// Asks for `path` below the URLs, one after another until one answers.
    pub(super) async fn get(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> std::result::Result<Answer, Away> {
        let first = self.first.load(Ordering::Relaxed);
        let mut troubles: Vec<Away> = Vec::new();
        for turn in 0..self.urls.len() {
            let at = (first + turn) % self.urls.len();
            let Some(base) = self.urls.get(at) else {
                continue;
            };
            let (outcome, answer) = self.ask(base, path, query).await;
            self.requests.with_label_values(&[outcome]).inc();
            match answer {
                Ok(answer) => {
                    // Another one is asked whether it does not have it either.
                    let next = at + usize::from(matches!(answer, Answer::NotThere(_)));
                    self.first.store(next, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(mut away) => {
                    away.reason = format!("{} {}", place(base), away.reason);
                    troubles.push(away);
                }
            }
        }
        Err(together(troubles))
    }

    /// The metric's outcome, and the answer.
    async fn ask(
        &self,
        base: &Url,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> (&'static str, std::result::Result<Answer, Away>) {
        let request = self.http.get(url_of(base, path, query)).header(
            ACCEPT,
            "application/vnd.schemaregistry.v1+json, application/json",
        );
        let request = match &self.auth {
            Auth::None => request,
            Auth::Basic { username, password } => request.basic_auth(username, Some(&password.0)),
            Auth::Bearer(token) => request.bearer_auth(&token.0),
        };
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return ("unreachable", Err(self.not_reached(&error))),
        };
        let status = response.status();
        let retry_after = self.retry_after(&response);
        let body = match body(response).await {
            Ok(body) => body,
            Err(error) => return ("unreachable", Err(self.not_reached(&error))),
        };
        let (outcome, mut answer) = judged(status, body);
        if let Err(away) = &mut answer {
            away.retry_after = retry_after;
        }
        (outcome, answer)
    }

    fn not_reached(&self, error: &reqwest::Error) -> Away {
        Away::new(if error.is_timeout() {
            format!("does not answer within {} ms", self.timeout.as_millis())
        } else if error.is_redirect() {
            "sends elsewhere (a redirect), which is not followed to another server; set `registry.url` to where it is".to_owned()
        } else {
            format!("cannot be reached: {}", root_cause(error))
        })
    }

    /// `Retry-After`, as seconds or as a date.
    fn retry_after(&self, response: &Response) -> Option<Duration> {
        let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim();
        if let Ok(seconds) = text.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
        let wait_us = date.as_microsecond().saturating_sub(self.clock.now().0);
        Some(Duration::from_micros(u64::try_from(wait_us).unwrap_or(0)))
    }
}

/// Which status is what. Only a code of the registry's own contract says that something is not
/// there: a proxy in front of one that is away answers 404 too.
fn judged(
    status: StatusCode,
    body: Option<Vec<u8>>,
) -> (&'static str, std::result::Result<Answer, Away>) {
    let failed = |reason: String| ("failed", Err(Away::new(reason)));
    let code = body.as_deref().and_then(error_code);
    match (status, body) {
        (StatusCode::OK, Some(body)) => ("ok", Ok(Answer::Found(body))),
        (StatusCode::OK, None) => ("ok", Ok(Answer::TooLong)),
        (StatusCode::NOT_FOUND, _) => match code {
            Some(code @ 40_400..=40_499) => ("not_found", Ok(Answer::NotThere(code))),
            _ => {
                let mut away =
                    Away::new("answers 404 without a registry's error code; check `registry.url`");
                away.no_such_path = true;
                ("failed", Err(away))
            }
        },
        (StatusCode::UNAUTHORIZED, _) => (
            "denied",
            Err(Away::new(
                "does not know the credentials (401); check `registry.username`, `registry.password` or `registry.token`",
            )),
        ),
        (StatusCode::FORBIDDEN, _) => (
            "denied",
            Err(Away::new(
                "refuses the credentials (403); let them read its schemas and subjects",
            )),
        ),
        (StatusCode::TOO_MANY_REQUESTS, _) => {
            ("limited", Err(Away::new("asks for fewer requests (429)")))
        }
        (status, _) => failed(match code {
            Some(code) => format!("answers {} with the error code {code}", status.as_u16()),
            None => format!("answers {}", status.as_u16()),
        }),
    }
}

fn error_code(body: &[u8]) -> Option<u32> {
    #[derive(Deserialize)]
    struct Fault {
        error_code: u32,
    }
    serde_json::from_slice::<Fault>(body)
        .ok()
        .map(|f| f.error_code)
}

/// The body; `None` if it is too long. Nothing inflates here: the client knows no compression.
async fn body(mut response: Response) -> reqwest::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > ANSWER_BYTES {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// Follows a redirect only within the same server: elsewhere the credentials are not known, and
/// nobody configured it.
fn stay_there(attempt: reqwest::redirect::Attempt<'_>) -> reqwest::redirect::Action {
    let same = attempt
        .previous()
        .first()
        .is_some_and(|first| first.origin() == attempt.url().origin());
    match same && attempt.previous().len() <= REDIRECTS {
        true => attempt.follow(),
        false => attempt.error("a redirect to another server, or too many"),
    }
}

/// `base` with `path` and `query` behind it, each encoded.
fn url_of(base: &Url, path: &[&str], query: &[(&str, &str)]) -> Url {
    let mut url = base.clone();
    // A URL that has no path was refused by the configuration.
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    url
}

/// Host and port, for messages.
fn place(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// What several servers said, as one outage: the longest wait that any of them asked for.
fn together(troubles: Vec<Away>) -> Away {
    let reasons: Vec<&str> = troubles.iter().map(|t| t.reason.as_str()).collect();
    Away {
        reason: reasons.join("; "),
        retry_after: troubles.iter().filter_map(|t| t.retry_after).max(),
        // What one of them lacks, another that is away may have.
        no_such_path: troubles.iter().all(|t| t.no_such_path),
    }
}

/// The innermost cause: the ones around it name the URL, and say little.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn StdError = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    match cause.downcast_ref::<reqwest::Error>() {
        // No cause beneath: what it would say is the URL.
        Some(_) => "the request failed".to_owned(),
        None => cause.to_string(),
    }
}
