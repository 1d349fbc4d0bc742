//! A stop ends in time, whatever the store does.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::broker::Broker;
use crate::running::Running;
use crate::weir::Folder;

const SCHEMA: &str = r#"{"type": "record", "name": "E", "fields": [{"name": "a", "type": "int"}]}"#;

#[test]
fn a_store_that_never_answers_does_not_hold_the_process() {
    let broker = Broker::start(&[("t", 1)]);
    let folder = Folder::events(&broker.address(), &["t"]);
    folder.write("schemas/events/1.avsc", SCHEMA);
    // Connections are taken by the system, and nobody reads from them.
    let store = TcpListener::bind("127.0.0.1:0").unwrap();
    store.set_nonblocking(true).unwrap();
    let settings = folder.read("weir.toml");
    let lake = folder.path("lake");
    let options = format!(
        "[lake.options]\naws_endpoint = \"http://{}\"\naws_allow_http = \"true\"\n\
         aws_access_key_id = \"k\"\naws_secret_access_key = \"s\"\naws_region = \"r\"\n",
        store.local_addr().unwrap()
    );
    let settings = settings
        .replace("[lake.options]\n", &options)
        .replace(&format!("file://{}", lake.display()), "s3://bucket/lake")
        .replace("grace = \"25s\"", "grace = \"1s\"");
    folder.write("weir.toml", &settings);
    let mut daemon = Running::start(&folder);
    let asked = daemon.wait("a request to the store", |_| store.accept().ok());
    let began = Instant::now();
    let status = daemon.stop();
    let took = began.elapsed();
    let log = folder.read("log");
    // Nothing was read that would have to be committed.
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(!log.contains("panicked"), "{log}");
    assert!(took < Duration::from_secs(8), "it took {took:?}");
    drop(asked);
}
