//! A schema registry with Confluent's REST contract: Apicurio Registry, its state in a folder.
//!
//! It differs from Confluent's own: the level is NONE until it is set, and it has no GUIDs.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::process::Process;
use super::{free_ports, place};

const PATH: &str = "/apis/ccompat/v7";

/// The registry.
#[derive(Debug)]
pub struct Registry {
    folder: PathBuf,
    ports: [u16; 2],
    process: Option<Process>,
}

impl Registry {
    /// Starts one with its data under `folder`.
    pub fn start(folder: &Path) -> Registry {
        let ports = free_ports(2);
        let mut registry = Registry {
            folder: folder.join("registry"),
            ports: [ports[0], ports[1]],
            process: None,
        };
        std::fs::create_dir_all(&registry.folder).expect("a folder");
        registry.restart();
        registry
    }

    /// What a client is given.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}{PATH}", self.ports[0])
    }

    /// Ends it by SIGTERM.
    pub fn stop(&mut self) {
        let process = self.process.take().expect("it runs");
        process.stop(Duration::from_secs(60));
    }

    /// Starts it on its data and ports.
    pub fn restart(&mut self) {
        let entries = std::fs::read_dir(place("registry")).expect("it is installed");
        let jar = entries
            .map(|e| e.expect("an entry").path())
            .find(|p| p.to_string_lossy().ends_with("-runner.jar"))
            .expect("a jar to run");
        let [port, management] = self.ports.map(|p| p.to_string());
        let data = self.folder.join("data");
        let mut command = Command::new("java");
        command
            .args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .arg("-jar")
            .arg(jar)
            .env("QUARKUS_HTTP_HOST", "127.0.0.1")
            .env("QUARKUS_HTTP_PORT", port)
            .env("QUARKUS_MANAGEMENT_HOST", "127.0.0.1")
            .env("QUARKUS_MANAGEMENT_PORT", management)
            .env(
                "REGISTRY_DATASOURCE_URL",
                format!("jdbc:h2:file:{}", data.display()),
            );
        let log = self.folder.join("registry.log");
        let mut process = Process::start("registry", &mut command, &log);
        process.wait_until("serves", Duration::from_secs(90), || {
            matches!(self.asked("GET", "/subjects", None), Some((200, _)))
        });
        self.process = Some(process);
    }

    /// Registers `schema` with what it refers to (name, subject, version); tells its id.
    pub fn register(&self, subject: &str, schema: &Value, refers_to: &[(&str, &str, u32)]) -> u32 {
        let references: Vec<Value> = refers_to
            .iter()
            .map(|(name, subject, version)| json!({"name": name, "subject": subject, "version": version}))
            .collect();
        let body = json!({"schema": schema.to_string(), "references": references});
        let path = format!("/subjects/{subject}/versions");
        let (status, answer) = self.asked("POST", &path, Some(&body)).expect("it answers");
        assert_eq!(status, 200, "{subject}: {answer}");
        u32::try_from(answer["id"].as_u64().expect("an id")).unwrap()
    }

    /// Sets the level of a subject.
    pub fn set_level(&self, subject: &str, level: &str) {
        let body = json!({"compatibility": level});
        let answer = self.asked("PUT", &format!("/config/{subject}"), Some(&body));
        assert!(matches!(answer, Some((200, _))), "{answer:?}");
    }

    /// Status and body of a request; `None` if nobody answers.
    pub fn asked(&self, method: &str, path: &str, body: Option<&Value>) -> Option<(u16, Value)> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut stream = TcpStream::connect(("127.0.0.1", self.ports[0])).ok()?;
        write!(
            stream,
            "{method} {PATH}{path} HTTP/1.0\r\nhost: 127.0.0.1\r\n\
             content-type: application/vnd.schemaregistry.v1+json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        )
        .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, serde_json::from_str(body).unwrap_or_default()))
    }
}
