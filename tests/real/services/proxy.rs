//! A proxy in front of the S3 server that does to requests what networks and stores do.
//!
//! One request a connection: the server's answer ends with its connection, whatever its framing.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// What befalls a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// It passes.
    None,
    /// It is answered with 503 SlowDown and does not reach the server.
    Unavailable,
    /// The server has done it, and answers with 500.
    DoneAndFailed,
    /// The server has done it, and the connection ends without an answer.
    DoneAndCut,
    /// The server has done it; its answer comes after this time.
    DoneAndLate(Duration),
    /// It reaches the server after this time, when its sender may have given up.
    Late(Duration),
}

/// A request, as far as a rule may look at it.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET`, `PUT`, …
    pub method: String,
    /// Path and query.
    pub path: String,
}

impl Request {
    /// True for the put of a commit to the DLO's log.
    pub fn is_commit(&self) -> bool {
        let log = self.path.split_once("__dll/_delta_log/");
        let name = log.and_then(|(_, name)| name.strip_suffix(".json"));
        self.method == "PUT" && name.is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()))
    }
}

type Rule = Box<dyn FnMut(&Request) -> Fault + Send>;

/// The proxy.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    upstream: u16,
    rule: Mutex<Rule>,
    told: Mutex<Vec<(Request, Fault)>>,
    ended: AtomicBool,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl Proxy {
    /// In front of a port of 127.0.0.1; lets everything pass.
    pub fn start(upstream: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared {
            upstream,
            rule: Mutex::new(Box::new(|_| Fault::None)),
            told: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let state = shared.clone();
        let thread = std::thread::spawn(move || {
            for client in listener.incoming() {
                if state.ended.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(client), state) = (client, state.clone()) else {
                    continue;
                };
                // An error is a broken connection, and that is for its two ends to tell.
                std::thread::spawn(move || drop(state.serve(client)));
            }
        });
        Proxy {
            port,
            shared,
            thread: Some(thread),
        }
    }

    /// `http://127.0.0.1:port`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// From now on `rule` says what befalls each request.
    pub fn set(&self, rule: impl FnMut(&Request) -> Fault + Send + 'static) {
        *self.shared.rule.lock().unwrap() = Box::new(rule);
    }

    /// Everything passes again.
    pub fn heal(&self) {
        self.set(|_| Fault::None);
    }

    /// The requests that something befell so far.
    pub fn befallen(&self) -> Vec<(Request, Fault)> {
        self.shared.told.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the listener up.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn serve(&self, mut client: TcpStream) -> std::io::Result<()> {
        let Some((head, body)) = read_request(&mut client)? else {
            return Ok(());
        };
        let request = parse(&head);
        let fault = (self.rule.lock().unwrap())(&request);
        if fault != Fault::None {
            self.told.lock().unwrap().push((request, fault));
        }
        if fault == Fault::Unavailable {
            return answer(&mut client, "503 Service Unavailable", "SlowDown");
        }
        if let Fault::Late(time) = fault {
            std::thread::sleep(time);
        }
        let done = self.forward(&head, &body)?;
        match fault {
            Fault::DoneAndCut => return client.shutdown(Shutdown::Both),
            Fault::DoneAndFailed => {
                return answer(&mut client, "500 Internal Server Error", "InternalError");
            }
            Fault::DoneAndLate(time) => std::thread::sleep(time),
            Fault::None | Fault::Unavailable | Fault::Late(_) => {}
        }
        client.write_all(&done)
    }

    /// The server's whole answer.
    fn forward(&self, head: &str, body: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut server = TcpStream::connect(("127.0.0.1", self.upstream))?;
        let head = head.trim_end_matches("\r\n");
        server.write_all(format!("{head}\r\nConnection: close\r\n\r\n").as_bytes())?;
        server.write_all(body)?;
        let mut done = Vec::new();
        server.read_to_end(&mut done)?;
        Ok(done)
    }
}

/// Head and body of a request; nothing if the connection ends before it begins.
fn read_request(client: &mut TcpStream) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 64 * 1024]);
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        match client.read(&mut piece)? {
            0 => return Ok(None),
            n => bytes.extend_from_slice(&piece[..n]),
        }
    };
    let mut body = bytes.split_off(end);
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let length = header(&head, "content-length").map_or(0, |n| n.parse().unwrap_or(0));
    while body.len() < length {
        match client.read(&mut piece)? {
            0 => return Ok(None),
            n => body.extend_from_slice(&piece[..n]),
        }
    }
    Ok(Some((head, body)))
}

fn parse(head: &str) -> Request {
    let mut words = head.split(' ');
    Request {
        method: words.next().unwrap_or_default().to_owned(),
        path: words.next().unwrap_or_default().to_owned(),
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn answer(client: &mut TcpStream, status: &str, code: &str) -> std::io::Result<()> {
    let body = format!("<Error><Code>{code}</Code><Message>planted</Message></Error>");
    let length = body.len();
    client.write_all(
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{body}"
        )
        .as_bytes(),
    )
}
