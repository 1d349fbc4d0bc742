//! An S3 server (versitygw over a local folder), with one bucket.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::process::Process;
use super::{free_ports, place, python};

/// Key and secret of the only account.
pub const KEYS: (&str, &str) = ("weirtest", "weirtest-secret");

/// The bucket.
pub const BUCKET: &str = "lake";

/// The server.
#[derive(Debug)]
pub struct S3 {
    folder: PathBuf,
    port: u16,
    process: Option<Process>,
}

impl S3 {
    /// Starts a server with its data under `folder`, and makes the bucket.
    pub fn start(folder: &Path) -> S3 {
        let mut server = S3 {
            folder: folder.join("s3"),
            port: free_ports(1)[0],
            process: None,
        };
        std::fs::create_dir_all(&server.folder).expect("a folder");
        server.restart();
        let arguments = [
            server.endpoint(),
            KEYS.0.into(),
            KEYS.1.into(),
            BUCKET.into(),
        ];
        let output = python("bucket.py", &arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "no bucket: {errors}");
        server
    }

    /// `http://127.0.0.1:port`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends it by SIGKILL.
    pub fn kill(&mut self) {
        self.process.take().expect("it runs").kill();
    }

    /// Starts it on its data and port.
    pub fn restart(&mut self) {
        let address = format!("127.0.0.1:{}", self.port);
        let mut command = Command::new(place("versitygw"));
        command
            .env("ROOT_ACCESS_KEY", KEYS.0)
            .env("ROOT_SECRET_KEY", KEYS.1)
            .args(["--port", &address, "--region", "us-east-1", "--quiet"])
            .arg("posix")
            .arg(&self.folder);
        let log = self.folder.with_extension("log");
        let mut process = Process::start("versitygw", &mut command, &log);
        process.wait_until("serves", Duration::from_secs(30), || {
            TcpStream::connect(&address).is_ok()
        });
        self.process = Some(process);
    }
}
