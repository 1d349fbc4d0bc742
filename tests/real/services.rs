//! The parts around weir: installed once, started on free ports of 127.0.0.1, ended by process id.

#[path = "services/kafka.rs"]
pub mod kafka;
#[path = "services/process.rs"]
pub mod process;
#[path = "services/proxy.rs"]
pub mod proxy;
#[path = "services/registry.rs"]
pub mod registry;
#[path = "services/s3.rs"]
pub mod s3;
#[path = "services/shelf.rs"]
pub mod shelf;

use std::collections::HashMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A file of the repository.
pub fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Where a part is, as `tests/services/install.sh` tells it; the first call installs.
pub fn place(name: &str) -> PathBuf {
    static PLACES: OnceLock<HashMap<String, PathBuf>> = OnceLock::new();
    let places = PLACES.get_or_init(|| {
        let script = in_repository("tests/services/install.sh");
        let output = Command::new(&script).output().expect("the script starts");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {errors}", script.display());
        let lines = text.lines().filter_map(|line| line.split_once('\t'));
        lines
            .map(|(name, place)| (name.to_owned(), PathBuf::from(place)))
            .collect()
    });
    places[name].clone()
}

/// `count` ports that were free a moment ago.
pub fn free_ports(count: usize) -> Vec<u16> {
    let listeners: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind("127.0.0.1:0").expect("a port is free"))
        .collect();
    let ports = listeners.iter().map(|l| l.local_addr().unwrap().port());
    ports.collect()
}

/// Waits until `check` answers; the test fails with `what` after `limit`.
pub fn wait_for<T>(what: &str, limit: Duration, check: impl FnMut() -> Option<T>) -> T {
    within(limit, check).unwrap_or_else(|| panic!("not within {limit:?}: {what}"))
}

/// What `check` answers within `limit`, if it does.
pub fn within<T>(limit: Duration, mut check: impl FnMut() -> Option<T>) -> Option<T> {
    let begin = Instant::now();
    loop {
        let answer = check();
        if answer.is_some() || begin.elapsed() >= limit {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Runs a script of `tests/real` in the installed Python; returns its output, whatever it ended with.
pub fn python(script: &str, arguments: &[String]) -> std::process::Output {
    python_command(script, arguments)
        .output()
        .expect("Python starts")
}

/// The same, not yet started.
pub fn python_command(script: &str, arguments: &[String]) -> Command {
    let mut command = Command::new(place("python"));
    command
        .arg(in_repository("tests/real").join(script))
        .args(arguments);
    command
}
