//! Chats over one WebSocket.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use meddah_fakes::engine::EngineShape;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::host::{PATIENCE, TestHost, events, quick, settings, streamed};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(host: &TestHost, token: &str) -> Result<Socket, String> {
    let url = host.url("/v1/chat/ws").replace("http://", "ws://");
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    let connected = connect_async(request).await;
    connected.map(|(socket, _)| socket).map_err(|error| error.to_string())
}

async fn ask(socket: &mut Socket, frame: Value) {
    socket.send(Message::text(frame.to_string())).await.unwrap();
}

/// The stream of each id, until so many are over.
async fn answers(socket: &mut Socket, number: usize) -> Vec<(String, String)> {
    let mut streams: Vec<(String, String)> = Vec::new();
    while streams.iter().filter(|(_, text)| text.ends_with("data: [DONE]\n\n")).count() < number {
        let frame = tokio::time::timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
        let Message::Text(text) = frame else { continue };
        let (id, piece) = text.split_once('\n').unwrap();
        match streams.iter_mut().find(|(known, _)| known == id) {
            Some((_, text)) => text.push_str(piece),
            None => streams.push((id.to_owned(), piece.to_owned())),
        }
    }
    streams.sort();
    streams
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_answers_come_over_one_connection() {
    let host = TestHost::start(quick(), settings()).await;
    let token = host.player("donor").await;
    let mut socket = connect(&host, &token).await.unwrap();
    for id in ["a", "b"] {
        ask(&mut socket, json!({"id": id, "chat": streamed("Hello", 4), "class": "live"})).await;
    }
    ask(&mut socket, json!({"id": "c", "chat": {"messages": []}})).await;
    socket.send(Message::text("no JSON")).await.unwrap();
    let streams = answers(&mut socket, 4).await;
    let ids: Vec<&str> = streams.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["", "a", "b", "c"]);
    for (id, text) in &streams[1..3] {
        let last = events(text).pop().unwrap();
        assert!(last["meddah"]["left"]["day"]["turns"].is_u64(), "{id}: {text}");
    }
    assert_eq!(events(&streams[0].1)[0]["error"]["code"], "invalid_request");
    assert_eq!(events(&streams[3].1)[0]["error"]["code"], "invalid_request");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancel_and_leaving_free_the_slot() {
    let shape = EngineShape { slots: 1, token: Duration::from_millis(5), ..quick() };
    let host = TestHost::start(shape, settings()).await;
    let token = host.player("free").await;
    let mut socket = connect(&host, &token).await.unwrap();
    ask(&mut socket, json!({"id": "long", "chat": streamed("A story", 900)})).await;
    host.engine.wait_for(PATIENCE, |figures| figures.running == 1).await.unwrap();
    ask(&mut socket, json!({"id": "long", "cancel": true})).await;
    host.engine.wait_for(PATIENCE, |figures| figures.cancelled == 1).await.unwrap();
    ask(&mut socket, json!({"id": "next", "chat": streamed("A story", 900)})).await;
    host.engine.wait_for(PATIENCE, |figures| figures.running == 1).await.unwrap();
    drop(socket);
    host.engine.wait_for(PATIENCE, |figures| figures.cancelled == 2).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_gets_no_connection_and_a_revoked_token_asks_nothing_more() {
    let host = TestHost::start(quick(), settings()).await;
    assert!(connect(&host, "mdh_0_0").await.err().unwrap().contains("401"));
    let token = host.player("free").await;
    let mut socket = connect(&host, &token).await.unwrap();
    let id = token.split('_').nth(1).unwrap();
    host.host.store.revoke_token(id, 1).await.unwrap();
    tokio::time::sleep(meddah_host::front::auth::KNOWN_FOR * 2).await;
    ask(&mut socket, json!({"id": "a", "chat": streamed("Hello", 4)})).await;
    let streams = answers(&mut socket, 1).await;
    assert_eq!(events(&streams[0].1)[0]["error"]["code"], "unauthorized");
}
