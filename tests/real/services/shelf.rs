//! An S3 server that holds a bucket in memory, so that a listing costs the same with any number of
//! objects: what is measured is the client. Knows what a bucket of drops is asked: pages of a listing,
//! objects, ranges, puts and deletes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

/// The time of every object.
const TIME: (&str, &str) = ("2026-01-01T00:00:00.000Z", "Thu, 01 Jan 2026 00:00:00 GMT");

/// A bucket, and its server until it is dropped.
#[derive(Debug)]
pub struct Shelf {
    objects: Objects,
    port: u16,
    _runtime: tokio::runtime::Runtime,
}

type Objects = Arc<Mutex<BTreeMap<String, Bytes>>>;

impl Shelf {
    /// An empty bucket.
    pub fn start() -> Shelf {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let objects = Objects::default();
        let app = Router::new().fallback(answer).with_state(objects.clone());
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let port = listener.local_addr().unwrap().port();
        runtime.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Shelf {
            objects,
            port,
            _runtime: runtime,
        }
    }

    /// `http://127.0.0.1:port`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Puts an object.
    pub fn put(&self, key: &str, bytes: impl Into<Bytes>) {
        let bytes = bytes.into();
        self.objects.lock().unwrap().insert(key.to_owned(), bytes);
    }

    /// The objects whose keys begin with `prefix`.
    pub fn under(&self, prefix: &str) -> Vec<(String, Bytes)> {
        let objects = self.objects.lock().unwrap();
        let from = objects.range(prefix.to_owned()..);
        let under = from.take_while(|(key, _)| key.starts_with(prefix));
        under.map(|(key, b)| (key.clone(), b.clone())).collect()
    }
}

fn etag(bytes: &Bytes) -> String {
    let mut hash = DefaultHasher::new();
    bytes.hash(&mut hash);
    format!("\"{:016x}\"", hash.finish())
}

async fn answer(
    State(objects): State<Objects>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path().trim_start_matches('/');
    let key = path.split_once('/').map_or("", |(_bucket, key)| key);
    let key = url::form_urlencoded::parse(format!("k={}", key.replace('+', "%2B")).as_bytes())
        .next()
        .map(|(_, key)| key.into_owned())
        .unwrap_or_default();
    let query: BTreeMap<String, String> =
        url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
    let mut objects = objects.lock().unwrap();
    match (method, key.is_empty()) {
        (Method::GET, true) => page(&objects, &query),
        (Method::POST, true) => {
            let text = String::from_utf8_lossy(&body).into_owned();
            for part in text.split("<Key>").skip(1) {
                objects.remove(part.split("</Key>").next().unwrap());
            }
            (StatusCode::OK, "<DeleteResult></DeleteResult>").into_response()
        }
        (Method::PUT, false) => {
            let creates = headers.contains_key(header::IF_NONE_MATCH);
            if creates && objects.contains_key(&key) {
                return StatusCode::PRECONDITION_FAILED.into_response();
            }
            let etag = etag(&body);
            objects.insert(key, body);
            [(header::ETAG, etag)].into_response()
        }
        (Method::DELETE, false) => {
            objects.remove(&key);
            StatusCode::NO_CONTENT.into_response()
        }
        (Method::GET | Method::HEAD, false) => object(objects.get(&key), &headers),
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

/// A page of a listing, as of ListObjectsV2.
fn page(objects: &BTreeMap<String, Bytes>, query: &BTreeMap<String, String>) -> Response {
    assert!(!query.contains_key("delimiter"), "{query:?}");
    let of = |name: &str| query.get(name).cloned().unwrap_or_default();
    let (prefix, most) = (of("prefix"), of("max-keys").parse().unwrap_or(1000));
    let after = query.get("continuation-token").or(query.get("start-after"));
    let from = match after {
        Some(after) => Excluded(after.clone()),
        None => Included(prefix.clone()),
    };
    let mut under = objects
        .range((from, Unbounded))
        .skip_while(|(key, _)| **key < prefix)
        .take_while(|(key, _)| key.starts_with(&prefix));
    let page: Vec<_> = under.by_ref().take(most).collect();
    let is_truncated = under.next().is_some();
    let mut text = format!(
        "<?xml version=\"1.0\"?><ListBucketResult><KeyCount>{}</KeyCount><IsTruncated>{is_truncated}</IsTruncated>",
        page.len()
    );
    for (key, bytes) in &page {
        let (etag, size) = (etag(bytes), bytes.len());
        let time = TIME.0;
        write!(
            text,
            "<Contents><Key>{key}</Key><LastModified>{time}</LastModified><ETag>{etag}</ETag><Size>{size}</Size></Contents>"
        )
        .unwrap();
    }
    if let Some((last, _)) = page.last().filter(|_| is_truncated) {
        write!(
            text,
            "<NextContinuationToken>{last}</NextContinuationToken>"
        )
        .unwrap();
    }
    text += "</ListBucketResult>";
    text.into_response()
}

/// An object, or a range of it.
fn object(found: Option<&Bytes>, headers: &HeaderMap) -> Response {
    let Some(bytes) = found else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let etag = etag(bytes);
    let header = |name| headers.get(name).map(|v| v.to_str().unwrap().to_owned());
    if header(header::IF_MATCH).is_some_and(|wanted| wanted != etag) {
        return StatusCode::PRECONDITION_FAILED.into_response();
    }
    let common = [
        (header::ETAG, etag),
        (header::LAST_MODIFIED, TIME.1.to_owned()),
    ];
    let Some(range) = header(header::RANGE) else {
        return (common, bytes.clone()).into_response();
    };
    let (from, to) = range
        .strip_prefix("bytes=")
        .unwrap()
        .split_once('-')
        .unwrap();
    let from: usize = from.parse().unwrap();
    let to = to
        .parse()
        .map_or(bytes.len(), |to: usize| bytes.len().min(to + 1));
    let told = format!("bytes {from}-{}/{}", to - 1, bytes.len());
    let part = (
        StatusCode::PARTIAL_CONTENT,
        common,
        [(header::CONTENT_RANGE, told)],
    );
    (part.0, part.1, part.2, bytes.slice(from..to)).into_response()
}
