use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::time::Duration;

use super::*;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::schema::parse::parse;
use crate::schema::registry::{Auth, Settings};

const SCHEMA: &str =
    r#"{"type": "record", "name": "R", "fields": [{"name": "n", "type": "long"}]}"#;

/// A registry that answers paths as `answer` does, and knows nothing else, on a thread that ends with
/// the process; and the paths that it was asked for.
pub(in crate::pipeline) fn scripted(
    answer: impl Fn(&str) -> Option<String> + Send + 'static,
    clock: &Clock,
) -> (Registry, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let paths = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let path = lines.next().unwrap_or_default();
            lines.find(String::is_empty);
            let path = path.split(' ').nth(1).unwrap_or_default().to_owned();
            let found = answer(&path);
            paths.lock().push(path);
            let status = if found.is_some() { "200 OK" } else { "404 X" };
            let body = found.unwrap_or_else(|| r#"{"error_code": 40403}"#.to_owned());
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    let settings = Settings {
        urls: vec![url::Url::parse(&url).unwrap()],
        auth: Auth::None,
        ca: None,
        identity: None,
        timeout: Duration::from_secs(5),
        cache: None,
    };
    let registry = Registry::start(&settings, &Metrics::new().unwrap(), clock.clone());
    (registry.unwrap(), asked)
}

#[tokio::test]
async fn an_id_that_is_told_needs_no_further_question() {
    let clock = Clock::system();
    let schema = serde_json::json!({ "schema": SCHEMA }).to_string();
    let subjects = r#"[{"subject": "t-value", "version": 1}]"#;
    let answer = move |path: &str| match path {
        "/schemas/ids/7" => Some(schema.clone()),
        "/schemas/ids/7/versions" => Some(subjects.to_owned()),
        _ => None,
    };
    let (registry, asked) = scripted(answer, &clock);
    let reader = Arc::new(parse("r", 1, SCHEMA, false).unwrap());
    let source = WriterSource::Registry {
        registry,
        subject: Some("t-value".to_owned()),
    };
    let writers = Writers::new(source, reader);
    let wait = writers.answer(Writer::Key(WriterKey::Id(7)), "t", clock.tick());
    clock.timeout(Duration::from_secs(30), wait).await.unwrap();
    assert_eq!(*asked.lock(), ["/schemas/ids/7", "/schemas/ids/7/versions"]);
}

#[test]
fn a_subject_is_the_streams_own_or_has_a_strategys_name() {
    let is = |subject| is_named_for(subject, "mine", "orders", Some("com.acme.Order"));
    for taken in [
        "mine",
        "orders-value",
        "com.acme.Order",
        "orders-com.acme.Order",
        ":.context:orders-value",
    ] {
        assert!(is(taken), "{taken}");
    }
    for other in [
        "orders",
        "orders-key",
        "orders2-value",
        "com.acme.Payment",
        "orders-com.acme.Payment",
        "payments-com.acme.Order",
        "Mine",
    ] {
        assert!(!is(other), "{other}");
    }
    assert!(is_named_for("x", ":.context:x", "t", None));
    assert!(!is_named_for("orders-", "x", "orders", None));
}
