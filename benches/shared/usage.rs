//! What a piece of work used, as Linux tells it in `/proc`.

use std::fs;
use std::time::{Duration, Instant};

/// CPU, wall time and the highest memory of a piece of work.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// CPU of the thread.
    pub cpu: Duration,
    /// Wall time.
    pub wall: Duration,
    /// The process's highest resident memory meanwhile, in bytes, above what it held before.
    pub peak_growth: u64,
}

/// Runs `work` on this thread.
pub fn of_thread(work: impl FnOnce()) -> Usage {
    reset_peak();
    let before = status_bytes("self", "VmRSS:");
    let (cpu, wall) = (thread_cpu(), Instant::now());
    work();
    Usage {
        wall: wall.elapsed(),
        cpu: thread_cpu() - cpu,
        peak_growth: status_bytes("self", "VmHWM:").saturating_sub(before),
    }
}

/// CPU time of this thread so far.
fn thread_cpu() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells it");
    let nanos = text.split(' ').next().and_then(|n| n.parse().ok());
    Duration::from_nanos(nanos.expect("a number stands first"))
}

/// User and system CPU time of a process so far, ended threads included, to a hundredth of a
/// second.
pub fn process_cpu(process: &str) -> (Duration, Duration) {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).expect("the process lives");
    // The name of the program stands in brackets and may hold anything.
    let fields = text.rsplit(')').next().unwrap_or_default();
    let mut ticks = fields.split_whitespace().skip(11).map(|t| {
        let ticks: u64 = t.parse().expect("a number");
        // Linux tells ticks of a hundredth of a second to every program.
        Duration::from_millis(ticks * 10)
    });
    let user = ticks.next().expect("user time");
    (user, ticks.next().expect("system time"))
}

/// The highest resident memory of a process so far, in bytes.
pub fn peak_memory(process: &str) -> u64 {
    status_bytes(process, "VmHWM:")
}

/// Lets the peak of this process begin again at what it holds now.
pub fn reset_peak() {
    fs::write("/proc/self/clear_refs", "5").expect("Linux resets the peak");
}

fn status_bytes(process: &str, key: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{process}/status")).expect("the process lives");
    let line = text.lines().find_map(|l| l.strip_prefix(key));
    let kib = line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.expect("the line is there") * 1024
}
