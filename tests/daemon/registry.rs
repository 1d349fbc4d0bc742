//! A schema registry of few words: what a test says that it answers.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use serde_json::json;

/// A registry, on a thread that ends with the process.
pub(crate) struct Registry {
    pub(crate) url: String,
    answers: Arc<Mutex<Vec<(String, String)>>>,
}

impl Registry {
    /// Knows nothing yet.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let registry = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            answers: Arc::default(),
        };
        let answers = registry.answers.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let first = lines
                    .next()
                    .unwrap_or(Ok(String::new()))
                    .unwrap_or_default();
                let _ = lines.find(|line| line.as_ref().is_ok_and(String::is_empty));
                let path = first.split(' ').nth(1).unwrap_or_default();
                let answers = answers.lock().unwrap();
                let (status, body) = match answers.iter().rfind(|(known, _)| known == path) {
                    Some((_, body)) => ("200 OK", body.as_str()),
                    None => ("404 Not Found", r#"{"error_code": 40401}"#),
                };
                let length = body.len();
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                );
            }
        });
        registry
    }

    /// From now on `subject` has these versions, from 1, and is held to `level`.
    pub(crate) fn put(&self, subject: &str, level: &str, versions: &[&str]) {
        let mut answers = self.answers.lock().unwrap();
        let mut say = |path: String, body: String| answers.push((path, body));
        for (number, text) in (1..).zip(versions) {
            let body = json!({ "version": number, "id": number, "schema": text }).to_string();
            say(
                format!("/subjects/{subject}/versions/{number}"),
                body.clone(),
            );
            say(format!("/subjects/{subject}/versions/latest"), body);
        }
        let numbers: Vec<usize> = (1..=versions.len()).collect();
        say(
            format!("/subjects/{subject}/versions"),
            json!(numbers).to_string(),
        );
        let level = json!({ "compatibilityLevel": level }).to_string();
        say(format!("/config/{subject}?defaultToGlobal=true"), level);
    }
}
