//! `weir run` as a process, watched over HTTP.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::weir::Folder;

/// The longest time in which anything is expected to happen.
const SOON: Duration = Duration::from_secs(90);

pub(crate) struct Running {
    child: Child,
    port: u16,
    log: PathBuf,
}

impl Running {
    /// Starts the daemon of this folder; its log is the file `log` there.
    pub(crate) fn start(folder: &Folder) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .unwrap()
            .port();
        let log = folder.path("log");
        let child = folder
            .command()
            .arg("run")
            .env("WEIR__HTTP__LISTEN", format!("127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self { child, port, log }
    }

    /// Waits until `what` is there; fails, with the log, when the daemon ends or time is up.
    pub(crate) fn wait<T>(&mut self, what: &str, mut there: impl FnMut(&Self) -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = there(self) {
                return found;
            }
            let ended = self.child.try_wait().unwrap();
            if ended.is_some() || began.elapsed() > SOON {
                let log = std::fs::read_to_string(&self.log).unwrap_or_default();
                panic!("{what}: not there; ended: {ended:?}; its log:\n{log}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until each partition of the stream is settled up to its end: (partition, end).
    pub(crate) fn wait_settled(&mut self, stream: &str, ends: &[(i64, i64)]) {
        self.wait(&format!("{stream} at {ends:?}"), |daemon| {
            let told = daemon.json(&format!("/api/v1/streams/{stream}"))?;
            let partitions = told["partitions"].as_array()?;
            let there = |(number, end): &(i64, i64)| {
                let at = partitions.iter().find(|p| p["partition"] == *number);
                at.and_then(|p| p["position"].as_i64()) == Some(*end)
            };
            ends.iter().all(there).then_some(())
        });
    }

    pub(crate) fn json(&self, path: &str) -> Option<Value> {
        serde_json::from_str(&self.get(path)?).ok()
    }

    /// The body of a GET; `None` while nobody listens.
    pub(crate) fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer.split_once("\r\n\r\n")?.1.to_owned())
    }

    /// The most that it ever held in memory, in bytes.
    pub(crate) fn peak_rss(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .and_then(|rest| rest.trim().strip_suffix("kB"))
            .unwrap();
        peak.trim().parse::<u64>().unwrap() * 1024
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.signal("-TERM");
        self.ended()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = std::process::Command::new("kill")
            .args([signal, &pid])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Waits until it has ended by itself.
    fn ended(&mut self) -> ExitStatus {
        let began = Instant::now();
        while began.elapsed() < SOON {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it did not end: {}", self.log());
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // it may have ended already
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
