//! The release binary, from its start until every offset is settled.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::services::process::Process;
use crate::services::{free_ports, wait_for};
use crate::{Plan, setup, usage};

/// The longest that landing may take.
const LIMIT: Duration = Duration::from_secs(1800);

/// What landing took.
pub struct Landed {
    /// Records a second, from the start of the process until the last commit.
    pub rate: f64,
    /// CPU µs a record, of which in user and in system.
    pub cpu: f64,
    #[allow(missing_docs)]
    pub user: f64,
    #[allow(missing_docs)]
    pub system: f64,
    /// The same by kind of thread, most first.
    pub threads: Vec<(String, f64)>,
    /// Highest memory, in bytes.
    pub peak: u64,
}

/// Runs the daemon over the topics.
pub fn land(folder: &Path, brokers: &str, plan: &Plan) -> Landed {
    let port = free_ports(1)[0];
    let sections = format!(
        "[memory]\nbudget = \"{}\"\n[http]\nlisten = \"127.0.0.1:{port}\"\n{}\n",
        plan.budget, plan.section
    );
    let config = setup::write(folder, brokers, &sections, &plan.topics());
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.arg("--config").arg(config).arg("run");
    let log = folder.join("weir.log");
    let begin = Instant::now();
    let mut process = Process::start("weir", &mut command, &log);
    let id = process.id().to_string();
    wait_for("every offset is settled", LIMIT, || {
        if let Some(status) = process.ended() {
            panic!("weir ended with {status}: {}", process.printed());
        }
        let settled: i64 = plan.topics().iter().map(|t| settled(port, t)).sum();
        (settled >= plan.records as i64).then_some(())
    });
    let wall = begin.elapsed().as_secs_f64();
    let (user, system) = usage::process_cpu(&id);
    let per_record = |cpu: Duration| cpu.as_secs_f64() * 1e6 / plan.records as f64;
    let landed = Landed {
        rate: plan.records as f64 / wall,
        cpu: per_record(user + system),
        user: per_record(user),
        system: per_record(system),
        threads: threads(&id)
            .into_iter()
            .map(|(name, cpu)| (name, per_record(cpu)))
            .collect(),
        peak: usage::peak_memory(&id),
    };
    let status = process.stop(Duration::from_secs(60));
    assert!(status.success(), "weir ended with {status}");
    landed
}

/// How many offsets of a stream's topic are settled.
fn settled(port: u16, stream: &str) -> i64 {
    let Some(body) = get(port, &format!("/api/v1/streams/{stream}")) else {
        return 0;
    };
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    let partitions = body["partitions"].as_array().cloned().unwrap_or_default();
    let positions = partitions.iter().filter_map(|p| p["position"].as_i64());
    positions.sum()
}

fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.contains(" 200 ").then(|| body.to_owned())
}

/// CPU by the names of a process's threads, numbers left out.
fn threads(process: &str) -> Vec<(String, Duration)> {
    let mut sums: BTreeMap<String, Duration> = BTreeMap::new();
    for task in fs::read_dir(format!("/proc/{process}/task")).unwrap() {
        let task = task.unwrap().path();
        let name = fs::read_to_string(task.join("comm")).unwrap_or_default();
        let name = name.trim().trim_end_matches(|c: char| c.is_ascii_digit());
        let thread = format!("{process}/task/{}", task.file_name().unwrap().display());
        let (user, system) = usage::process_cpu(&thread);
        *sums.entry(name.to_owned()).or_default() += user + system;
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by_key(|(_, cpu)| std::cmp::Reverse(*cpu));
    sums
}
