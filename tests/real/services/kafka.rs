//! Apache Kafka: one node or three, each broker and controller.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::process::Process;
use super::{free_ports, in_repository, place};

const START: Duration = Duration::from_secs(90);

/// A cluster; its nodes are numbered from 0.
#[derive(Debug)]
pub struct Kafka {
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    folder: PathBuf,
    port: u16,
    process: Option<Process>,
}

impl Kafka {
    /// Starts `count` nodes with their data under `folder`.
    pub fn start(folder: &Path, count: usize) -> Kafka {
        let ports = free_ports(2 * count);
        let voters: Vec<String> = (0..count)
            .map(|n| format!("{}@127.0.0.1:{}", n + 1, ports[2 * n + 1]))
            .collect();
        let template = in_repository("tests/services/kafka/server.properties");
        let template = std::fs::read_to_string(template).expect("the settings are there");
        let copies = count.to_string();
        let in_sync = count.div_ceil(2).to_string();
        let mut nodes = Vec::new();
        for n in 0..count {
            let folder = folder.join(format!("kafka-{n}"));
            std::fs::create_dir_all(&folder).expect("a folder");
            let settings = template
                .replace("@NODE@", &(n + 1).to_string())
                .replace("@VOTERS@", &voters.join(","))
                .replace("@PORT@", &ports[2 * n].to_string())
                .replace("@CONTROLLER@", &ports[2 * n + 1].to_string())
                .replace("@DIR@", &folder.display().to_string())
                .replace("@COPIES@", &copies)
                .replace("@IN_SYNC@", &in_sync);
            std::fs::write(folder.join("server.properties"), settings).expect("written");
            format(&folder);
            nodes.push(Node {
                folder,
                port: ports[2 * n],
                process: None,
            });
        }
        let mut kafka = Kafka { nodes };
        kafka.nodes.iter_mut().for_each(Node::spawn);
        (0..count).for_each(|n| kafka.nodes[n].wait_up(0));
        kafka
    }

    /// The bootstrap list.
    pub fn brokers(&self) -> String {
        let addresses = self.nodes.iter().map(|n| format!("127.0.0.1:{}", n.port));
        addresses.collect::<Vec<_>>().join(",")
    }

    /// Where a node keeps its partitions.
    pub fn data(&self, node: usize) -> PathBuf {
        self.nodes[node].folder.join("data")
    }

    /// Ends a node by SIGTERM.
    pub fn stop(&mut self, node: usize) {
        let process = self.nodes[node].process.take().expect("it runs");
        process.stop(Duration::from_secs(60));
    }

    /// Ends a node by SIGKILL.
    pub fn kill(&mut self, node: usize) {
        self.nodes[node].process.take().expect("it runs").kill();
    }

    /// Starts a node that was ended, with its data and port.
    pub fn restart(&mut self, node: usize) {
        let node = &mut self.nodes[node];
        let starts = node.starts();
        node.spawn();
        node.wait_up(starts);
    }
}

impl Node {
    fn spawn(&mut self) {
        let mut java = java("-Xmx512m");
        java.arg("kafka.Kafka")
            .arg(self.folder.join("server.properties"));
        let log = self.folder.join("kafka.log");
        self.process = Some(Process::start("kafka", &mut java, &log));
    }

    fn starts(&self) -> usize {
        let log = std::fs::read_to_string(self.folder.join("kafka.log")).unwrap_or_default();
        log.matches("Kafka Server started").count()
    }

    fn wait_up(&mut self, starts_before: usize) {
        let mut process = self.process.take().expect("it was started");
        let port = self.port;
        process.wait_until("serves", START, || {
            self.starts() > starts_before && TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        self.process = Some(process);
    }
}

fn java(heap: &str) -> Command {
    let log = in_repository("tests/services/kafka/log4j2.properties");
    let mut command = Command::new("java");
    command
        .args([heap, "-XX:+UseSerialGC", "-XX:-UsePerfData"])
        .arg(format!("-Dlog4j2.configurationFile=file:{}", log.display()))
        .arg("-cp")
        .arg(place("kafka").join("*"));
    command
}

fn format(folder: &Path) {
    let output = java("-Xmx128m")
        .args(["kafka.tools.StorageTool", "format", "-t"])
        .arg("d2VpcnRlc3RjbHVzdGVyAA")
        .arg("-c")
        .arg(folder.join("server.properties"))
        .output()
        .expect("java is there");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "Kafka's storage: {text}");
}
