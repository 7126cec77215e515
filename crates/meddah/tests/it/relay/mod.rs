//! The relay faces as the mods meet them: their order of messages, their JSON joined from text, a new HTTP
//! connection per call.

mod aloud;
mod baldursgate;
mod bannerlord;
mod skyrim;

use std::path::Path;

use futures::{SinkExt as _, StreamExt as _};
use meddah::turn::Ports;
use meddah_inference::scripted::Script;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use crate::client::Socket;
use crate::rig::{PATIENCE, Rig};

/// A sidecar with faces, each on a free port.
pub async fn start(script: Script, faces: &[&str], folder: &Path) -> (Rig, Vec<u16>) {
    start_with(script, faces, folder, |ports| ports).await
}

/// The same with a voice or ears.
pub async fn start_with(
    script: Script,
    faces: &[&str],
    folder: &Path,
    more: impl FnOnce(Ports) -> Ports,
) -> (Rig, Vec<u16>) {
    let faces: Vec<String> = faces.iter().map(|face| format!("{face}:0")).collect();
    let rig = Rig::in_folder_with(script, |settings| settings.faces = faces, folder, more).await;
    let (_, health) = rig.get("/v1/health").await;
    let ports = health["faces"].as_array().unwrap().iter();
    let ports = ports.map(|face| u16::try_from(face["port"].as_u64().unwrap()).unwrap()).collect();
    (rig, ports)
}

/// One HTTP call on a connection of its own. Like the HTTP client of .NET Framework, it asks whether the body is
/// wanted before it sends it.
pub async fn call(port: u16, method: &str, path: &str, body: &str) -> (u16, Value) {
    let exchange = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let kind = if body.is_empty() { "text/plain" } else { "application/json" };
        let expect = if body.is_empty() { "" } else { "Expect: 100-continue\r\n" };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: {kind}; charset=utf-8\r\n\
             Content-Length: {}\r\n{expect}Connection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        if !body.is_empty() {
            let mut first = [0; 25]; // "HTTP/1.1 100 Continue" and an empty line
            stream.read_exact(&mut first).await.unwrap();
            if first.starts_with(b"HTTP/1.1 100") {
                stream.write_all(body.as_bytes()).await.unwrap();
            } else {
                answer.push_str(std::str::from_utf8(&first).unwrap()); // not wanted
            }
        }
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let answer = tokio::time::timeout(PATIENCE, exchange).await.expect("an answer comes");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or_else(|_| body.into()))
}

/// The WebSocket of a mod.
pub struct Link {
    socket: Socket,
}

impl Link {
    pub async fn open(port: u16, path: &str) -> Link {
        let (socket, _) = connect_async(format!("ws://127.0.0.1:{port}{path}")).await.unwrap();
        Link { socket }
    }

    /// Sends text as it is.
    pub async fn send(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// Sends sound.
    pub async fn send_sound(&mut self, bytes: Vec<u8>) {
        self.socket.send(Message::binary(bytes)).await.unwrap();
    }

    /// The next message; a connection that ends fails the test.
    pub async fn next(&mut self) -> Value {
        let next = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    other => panic!("the connection ended: {other:?}"),
                }
            }
        };
        tokio::time::timeout(PATIENCE, next).await.expect("a message comes")
    }

    /// Vanishes without a word.
    pub fn vanish(self) {
        drop(self.socket);
    }

    pub async fn close(mut self) {
        self.socket.close(None).await.ok(); // the server may have gone first
    }
}

/// All that the model was shown for the newest answer.
pub fn shown(rig: &Rig) -> String {
    let seen = rig.model.seen();
    let last = seen.last().expect("the model was asked");
    last.messages.iter().map(|message| message.text.clone() + "\n").collect()
}
