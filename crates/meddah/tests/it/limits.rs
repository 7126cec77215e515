//! Slow, silent and greedy clients cost themselves something, and nobody else.

use std::time::{Duration, Instant};

use futures::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::client::Lines;
use crate::rig::{PATIENCE, Rig, say, script};

pub async fn connect(rig: &Rig) -> TcpStream {
    TcpStream::connect(("127.0.0.1", rig.port)).await.unwrap()
}

/// Sends bytes as they are and returns the answer, read until the server closes.
pub async fn raw(rig: &Rig, bytes: &[u8]) -> String {
    let mut stream = connect(rig).await;
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer))
        .await
        .expect("the server closes")
        .unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn slow_requests_keep_nobody_waiting() {
    let rig = Rig::start(script(0, 0)).await;
    let mut slow = Vec::new();
    for number in 0..200 {
        let mut stream = connect(&rig).await;
        let part: &[u8] = match number % 3 {
            0 => b"",
            1 => b"POST /v1/talk HTTP/1.1\r\nHost: local",
            _ => b"POST /v1/talk HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{\"tex",
        };
        stream.write_all(part).await.unwrap();
        slow.push(stream);
    }
    let begun = Instant::now();
    let (status, _) = rig.post("/v1/talk", &json!({"character": "mira", "text": "Good evening!"})).await;
    assert_eq!(status, 200);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    rig.stop().await; // also with all of them still open
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let rig = Rig::start(script(0, 0)).await;
    let head = format!("GET /v1/health HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    let mut stream = connect(&rig).await;
    stream.write_all(head.as_bytes()).await.ok(); // it may be cut off before the end
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the server closes").ok();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    assert_eq!(rig.get("/v1/health").await.0, 200);
    rig.stop().await;
}

#[tokio::test]
async fn a_silent_stream_gives_signs_of_life() {
    let rig = Rig::start(script(0, 0)).await;
    let session = rig.session().await;
    let path = rig.url(&format!("/v1/sessions/{session}/events?cursor=1"));
    let begun = Instant::now();
    let mut sse = rig.http.get(&path).header("accept", "text/event-stream").send().await.unwrap();
    let mut lines = rig.http.get(&path).header("accept", "application/x-ndjson").send().await.unwrap();
    let mut socket = crate::client::connect(&rig, "/v1/ws").await;
    let hello = json!({"type": "hello", "session": session, "cursor": 1}).to_string();
    socket.send(Message::text(hello)).await.unwrap();
    let until_ping = async { while !matches!(socket.next().await, Some(Ok(Message::Ping(_)))) {} };
    let all = async { tokio::join!(sse.chunk(), lines.chunk(), until_ping) };
    let (sse, lines, ()) = tokio::time::timeout(PATIENCE, all).await.expect("all of them say something");
    assert_eq!(sse.unwrap().unwrap(), ": still here\n\n");
    assert_eq!(lines.unwrap().unwrap(), "{\"seq\":1,\"type\":\"ping\"}\n");
    assert!(begun.elapsed() >= Duration::from_secs(9), "it is no chatter: {:?}", begun.elapsed());
    let (_, polled) = rig.get(&format!("/v1/sessions/{session}/events?cursor=1")).await;
    assert_eq!(polled["events"], json!([]), "the log does not change");
    drop(socket);
    rig.stop().await;
}

#[tokio::test]
async fn a_reader_that_takes_nothing_stops_nobody() {
    let rig = Rig::start(script(0, 1)).await;
    let session = rig.session().await;
    let mut stuck = connect(&rig).await;
    let request = format!(
        "GET /v1/sessions/{session}/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
    );
    stuck.write_all(request.as_bytes()).await.unwrap();
    let commands = format!("/v1/sessions/{session}/commands");
    let mut cursor = 0;
    for number in 0..40 {
        rig.post(&commands, &say(&format!("r{number}"), "mira")).await;
        let events = rig.until_turn_ended(&session, cursor).await;
        cursor = events.last().unwrap()["seq"].as_u64().unwrap();
    }
    let other = Lines::of_session(&rig, &session, 0, true).await.take(40).await;
    assert_eq!(other.len(), 40);
    rig.stop().await;
    drop(stuck);
}
