use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;

use super::*;
use crate::config::Secret;

const CONTENT: &[u8] = b"id\n1\n";

/// The answers of a store that holds one object.
#[derive(Clone, Copy)]
struct Answers {
    /// To a listing, but for the object's key.
    list: fn(&str) -> String,
    /// What the headers of the object say.
    etag: &'static str,
    /// What a request for one version has to name.
    if_match: &'static str,
    key: &'static str,
}

async fn answer(State(answers): State<Answers>, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default();
    if query.contains("list") {
        return (answers.list)(answers.key).into_response();
    }
    let mut headers = HeaderMap::new();
    let said = [
        ("etag", answers.etag),
        ("last-modified", "Thu, 01 Jul 2021 10:44:59 GMT"),
    ];
    for (name, value) in said {
        headers.insert(name, value.parse().unwrap());
    }
    if request.method() == Method::HEAD {
        headers.insert("content-length", CONTENT.len().into());
        return (headers, ()).into_response();
    }
    match request.headers().get("if-match") {
        Some(asked) if asked == answers.if_match => {
            let range = format!("bytes 0-{}/{}", CONTENT.len() - 1, CONTENT.len());
            headers.insert("content-range", range.parse().unwrap());
            (StatusCode::PARTIAL_CONTENT, headers, CONTENT).into_response()
        }
        _ => StatusCode::PRECONDITION_FAILED.into_response(),
    }
}

/// The bucket `url` at a server with these answers.
async fn bucket(url: &str, options: &[(&str, &str)], answers: Answers) -> Bucket {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().fallback(answer).with_state(answers);
    tokio::spawn(async move { axum::serve(listener, app).await });
    let mut options: std::collections::BTreeMap<String, Secret> = options
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Secret((*value).to_owned())))
        .collect();
    options.insert("endpoint".to_owned(), Secret(endpoint));
    options.insert("allow_http".to_owned(), Secret("true".to_owned()));
    options.insert("skip_signature".to_owned(), Secret("true".to_owned()));
    let settings = config::Bucket {
        url: url.parse().unwrap(),
        options,
        poll: Duration::from_secs(5),
        settle: Duration::from_secs(5),
    };
    Bucket::open(&settings, None).unwrap()
}

fn azure(key: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Prefix>r/</Prefix><Blobs><Blob>
        <Name>{key}</Name><Properties><Last-Modified>Thu, 01 Jul 2021 10:44:59 GMT</Last-Modified>
        <Etag>0x8D93C7D4629C227</Etag><Content-Length>5</Content-Length>
        <Content-Type>text/csv</Content-Type></Properties></Blob></Blobs>
        <NextMarker /></EnumerationResults>"#
    )
}

fn s3(key: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><Contents><Key>{key}</Key>
        <LastModified>2021-07-01T10:44:59.987Z</LastModified><ETag>"9b2cf5"</ETag><Size>5</Size>
        </Contents></ListBucketResult>"#
    )
}

/// A drop is the one object, whether it is listed or asked for, and is read in that version.
async fn is_one_object(bucket: &Bucket, key: &str, etag: &str) {
    let mut listing = bucket.list("r/", None);
    let mut listed = listing.next().await.unwrap().unwrap().objects;
    let listed = listed.pop().unwrap();
    let found = bucket.look(key).await.unwrap().unwrap();
    assert_eq!(listed, found);
    assert_eq!(listed.drop_identity(), found.drop_identity());
    assert_eq!(listed.etag.as_deref(), Some(etag));
    let mut chunks = bucket.chunks(&listed, 0).unwrap();
    let read = tokio::task::spawn_blocking(move || chunks.next_chunk());
    assert_eq!(read.await.unwrap().unwrap().unwrap(), CONTENT);
}

#[tokio::test]
async fn an_etag_is_the_same_quoted_and_unquoted() {
    for key in ["r/a.csv", "r/a.job.json"] {
        let answers = Answers {
            list: azure,
            etag: "\"0x8D93C7D4629C227\"",
            if_match: "\"0x8D93C7D4629C227\"",
            key,
        };
        let bucket = bucket("az://drops", &[("account_name", "a")], answers).await;
        is_one_object(&bucket, key, "0x8D93C7D4629C227").await;
    }
}

#[tokio::test]
async fn a_time_is_the_same_with_and_without_a_fraction() {
    for key in ["r/a.csv", "r/a.job.json"] {
        let answers = Answers {
            list: s3,
            etag: "\"9b2cf5\"",
            if_match: "\"9b2cf5\"",
            key,
        };
        let bucket = bucket("s3://drops", &[("region", "r")], answers).await;
        is_one_object(&bucket, key, "9b2cf5").await;
    }
}

#[test]
fn an_etag_has_one_text() {
    for etag in ["x", "\"x\"", "W/\"x\""] {
        assert_eq!(opaque(etag), "x");
    }
    assert_eq!(opaque("W/x"), "W/x");
    assert_eq!(opaque("\"\""), "");
}

#[tokio::test]
async fn a_drop_is_passed_over_whose_results_would_have_names_that_are_too_long() {
    let key = |parts: usize| -> &'static str {
        format!("r/{}.csv", vec!["x".repeat(230); parts].join("/")).leak()
    };
    for (key, is_taken) in [(key(4), true), (key(5), false)] {
        let answers = Answers {
            list: s3,
            etag: "\"9b2cf5\"",
            if_match: "\"9b2cf5\"",
            key,
        };
        let bucket = bucket("s3://drops", &[("region", "r")], answers).await;
        let piece = bucket.list("r/", None).next().await.unwrap().unwrap();
        assert_eq!(piece.objects.len(), usize::from(is_taken), "{key}");
        let too_long: Vec<&str> = piece.too_long.iter().map(|key| &**key).collect();
        assert_eq!(too_long, if is_taken { vec![] } else { vec![key] });
    }
}

#[tokio::test]
async fn a_local_file_is_passed_over_whose_results_would_have_paths_that_are_too_long() {
    let folder = tempfile::tempdir().unwrap();
    let settings = config::Bucket {
        url: url::Url::from_directory_path(folder.path()).unwrap(),
        options: Default::default(),
        poll: Duration::from_secs(5),
        settle: Duration::from_secs(5),
    };
    let bucket = Bucket::open(&settings, None).unwrap();
    let root = folder.path().canonicalize().unwrap();
    let mut deep = root.join("r");
    while deep.as_os_str().len() < 3800 {
        deep.push("x".repeat(200));
    }
    std::fs::create_dir_all(&deep).unwrap();
    let name = |length: usize| format!("{}.csv", "y".repeat(length - 4));
    let left = 4095 - deep.as_os_str().len() - 1;
    for length in [left.min(240), 5] {
        std::fs::write(deep.join(name(length)), "x").unwrap();
    }
    let piece = bucket.list("r/", None).next().await.unwrap().unwrap();
    let shortest = piece.objects.iter().map(|object| object.key.len()).min();
    let longest = piece.too_long.iter().map(|key| key.len()).max();
    assert!(longest > shortest, "{shortest:?} {longest:?}");
    // What is taken can be reported on.
    for object in &piece.objects {
        let id = crate::model::job::JobId::of("r", &object.key, &object.identity(), 0);
        let document = names::job_document(&object.key, &id);
        bucket
            .put(&document, Bytes::from_static(b"{}"))
            .await
            .unwrap();
    }
}
