//! A server on the loopback address that behaves as badly as a test asks for.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What a client asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    /// Path and query.
    pub path: String,
    /// First byte of `Range: bytes=N-`.
    pub from: Option<usize>,
    /// `If-Range`.
    pub if_range: Option<String>,
}

/// What it gets.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Status line and headers, without the empty line.
    pub head: String,
    /// Sent after the head, then the connection is closed.
    pub body: Vec<u8>,
    /// Sent in pieces of so many bytes with a pause before each.
    pub slow: Option<(usize, Duration)>,
}

/// A whole file with a length.
pub fn whole(body: &[u8], headers: &str) -> Answer {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{headers}", body.len());
    Answer { head, body: body.to_vec(), slow: None }
}

/// An honest server of one version of a file.
pub fn honest(asked: &Asked, file: &[u8], etag: &str) -> Answer {
    let same = asked.if_range.as_deref().is_none_or(|wanted| wanted == etag);
    match asked.from {
        Some(from) if same && from < file.len() => Answer {
            head: format!(
                "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nContent-Range: bytes {from}-{}/{}\r\nETag: {etag}",
                file.len() - from,
                file.len() - 1,
                file.len()
            ),
            body: file[from..].to_vec(),
            slow: None,
        },
        Some(_) if same => Answer {
            head: format!(
                "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\nContent-Range: bytes */{}",
                file.len()
            ),
            ..Answer::default()
        },
        _ => whole(file, &format!("ETag: {etag}")),
    }
}

impl Answer {
    /// Cut after so many bytes of the body.
    pub fn cut(mut self, count: usize) -> Answer {
        self.body.truncate(count);
        self
    }
}

/// A running server; it ends with the test process.
pub struct Server {
    /// Its address without a path.
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// Answers the n-th request with `script(n, request)`.
    pub fn start(script: impl Fn(usize, &Asked) -> Answer + Send + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let log = asked.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let Some(request) = read_request(&stream) else { continue };
                let number = {
                    let mut log = log.lock().unwrap();
                    log.push(request.clone());
                    log.len() - 1
                };
                let answer = script(number, &request);
                // One after the other would let a slow answer block the next connection.
                thread::spawn(move || send(stream, &answer));
            }
        });
        Server { url, asked }
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn read_request(stream: &TcpStream) -> Option<Asked> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let mut asked = Asked { path: lines.next()?.split(' ').nth(1)?.to_owned(), ..Asked::default() };
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ")?;
        match name.to_ascii_lowercase().as_str() {
            "range" => asked.from = value.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok(),
            "if-range" => asked.if_range = Some(value.to_owned()),
            _ => {}
        }
    }
    Some(asked)
}

fn send(mut stream: TcpStream, answer: &Answer) {
    let head = format!("{}\r\nConnection: close\r\n\r\n", answer.head.trim_end());
    let (size, pause) = answer.slow.unwrap_or((usize::MAX, Duration::ZERO));
    let mut send = || {
        stream.write_all(head.as_bytes())?;
        for piece in answer.body.chunks(size) {
            thread::sleep(pause);
            stream.write_all(piece)?;
        }
        stream.flush()
    };
    send().ok(); // the client left
}
