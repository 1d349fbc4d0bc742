//! A running instance of weir, as far as it can be seen from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::services::process::Process;
use crate::services::within;
use crate::world::{SOON, STREAM};

/// A running instance.
#[derive(Debug)]
pub struct Weir {
    /// The process.
    pub process: Process,
    port: u16,
}

impl Weir {
    /// The instance that `process` is, serving HTTP at `port`.
    pub fn new(process: Process, port: u16) -> Weir {
        Weir { process, port }
    }

    /// Status and body of a GET; `None` while nobody listens.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, body.to_owned()))
    }

    /// The position of each partition of the usual topic that it holds.
    pub fn positions(&self) -> BTreeMap<i32, i64> {
        let list = self.partitions();
        let positions = list.iter().filter_map(|p| {
            let number = i32::try_from(p["partition"].as_i64()?).ok()?;
            Some((number, p["position"].as_i64()?))
        });
        positions.collect()
    }

    /// What `/api/v1/streams/…` tells of the partitions.
    pub fn partitions(&self) -> Vec<Value> {
        let Some((200, body)) = self.get(&format!("/api/v1/streams/{STREAM}")) else {
            return Vec::new();
        };
        let body: Value = serde_json::from_str(&body).unwrap_or_default();
        body["partitions"].as_array().cloned().unwrap_or_default()
    }

    /// The value of a metric, summed over its series that hold all of `labels`.
    pub fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let (_, text) = self.get("/metrics").unwrap_or_default();
        let series = text.lines().filter(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|r| r.starts_with(['{', ' ']))
                && labels.iter().all(|label| line.contains(label))
        });
        series
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// SIGTERM, once it can take it; it has to drain and end with 0.
    pub fn stop(mut self) {
        let listens = within(SOON, || {
            self.assert_alive();
            self.get("/livez")
        });
        assert!(listens.is_some(), "nobody listens");
        let status = self.process.stop(SOON);
        assert!(status.success(), "a stopped instance ended with {status}");
    }
    /// True if it is ready, and else the reasons; not ready and no reasons while nobody listens.
    pub fn ready(&self) -> (bool, Vec<String>) {
        let Some((status, body)) = self.get("/readyz") else {
            return (false, Vec::new());
        };
        let body: Value = serde_json::from_str(&body).unwrap_or_default();
        let ready = body["ready"] == json!(true);
        assert_eq!(
            ready,
            status == 200,
            "/readyz contradicts itself: {status} {body}"
        );
        let reasons = body["reasons"].as_array().cloned().unwrap_or_default();
        let texts = reasons.iter().filter_map(|r| r.as_str().map(str::to_owned));
        (ready, texts.collect())
    }

    /// Waits until it is ready.
    pub fn wait_ready(&mut self) {
        let mut told = Vec::new();
        let ready = within(SOON, || {
            self.assert_alive();
            let (ready, reasons) = self.ready();
            told = reasons;
            ready.then_some(())
        });
        assert!(ready.is_some(), "not ready in the end: {told:#?}");
    }

    /// Waits until a reason for not being ready has all of `words` in it; returns that reason.
    pub fn wait_reason(&mut self, words: &[&str]) -> String {
        let mut told = BTreeSet::new();
        let found = within(SOON, || {
            self.assert_alive();
            let (_, reasons) = self.ready();
            told.extend(reasons.clone());
            let fits = |reason: &String| words.iter().all(|word| reason.contains(word));
            reasons.into_iter().find(fits)
        });
        found.unwrap_or_else(|| panic!("/readyz never told of {words:?}, but of {told:#?}"))
    }

    /// Memory that it has and had at most since its start, in KiB.
    pub fn resident_kib(&self) -> (u64, u64) {
        let path = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(path).unwrap();
        let field = |name: &str| -> u64 {
            let line = status.lines().find_map(|l| l.strip_prefix(name)).unwrap();
            line.trim().trim_end_matches(" kB").parse().unwrap()
        };
        (field("VmRSS:"), field("VmHWM:"))
    }

    /// Panics if it has ended.
    pub fn assert_alive(&mut self) {
        if let Some(status) = self.process.ended() {
            panic!("{} ended with {status}", self.process.name());
        }
    }
}
