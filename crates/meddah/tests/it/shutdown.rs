//! An orderly end: turns finish or are cut, and every open stream hears of it.

use std::time::{Duration, Instant};

use futures::future::join_all;
use meddah::sidecar::SHUTDOWN_GRACE;
use meddah::transport;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpSocket;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::client::{Client, KINDS, Kind};
use crate::rig::{PATIENCE, Rig, say, script};

/// Begins a turn, stops the server, and returns how the turn ended as the open stream tells it.
async fn end_of_turn(kind: Kind, delay_ms: u64) -> (Value, Duration) {
    let rig = Rig::start(script(delay_ms, 1)).await;
    let stop = rig.stop.clone();
    let mut client = Client::open(&rig, kind).await;
    client.send(say("r1", "mira")).await;
    client.until(|event| event["type"] == "emotion").await;
    let begun = Instant::now();
    stop.cancel();
    let end = client.until_turn_ended().await;
    if kind != Kind::LongPoll {
        assert_eq!(client.next().await, None, "{kind:?}: the stream ends");
    }
    drop(client);
    rig.stop().await;
    (end, begun.elapsed())
}

#[tokio::test]
async fn short_turns_finish_and_long_ones_are_cut() {
    // A long poll asks anew for every event, which a server that is stopping does not take.
    let streams = KINDS.into_iter().filter(|kind| *kind != Kind::LongPoll);
    let checks = streams.map(async |kind| {
        let (end, _) = end_of_turn(kind, 5).await;
        assert_eq!(end["finish"], "complete", "{kind:?}");
        let (end, took) = end_of_turn(kind, 400).await;
        assert_eq!(end["finish"], "interrupted", "{kind:?}");
        assert!(took < SHUTDOWN_GRACE + Duration::from_secs(3), "{kind:?}: {took:?}");
    });
    join_all(checks).await;
}

#[tokio::test]
async fn an_open_poll_and_a_one_shot_get_their_answers() {
    let rig = Rig::start(script(400, 1)).await;
    let said = json!({"character": "mira", "text": "Good evening!"});
    let session = rig.session().await;
    let poll = format!("/v1/sessions/{session}/events?cursor=1&wait=30");
    let stop = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        rig.stop.cancel();
    };
    let (talked, polled, ()) = tokio::join!(rig.post("/v1/talk", &said), rig.get(&poll), stop);
    assert_eq!((talked.0, &talked.1["finish"]), (200, &json!("interrupted")), "{}", talked.1);
    assert_eq!(polled, (200, json!({"events": [], "cursor": 1})));
    rig.stop().await;
}

#[tokio::test]
async fn readers_that_take_nothing_do_not_hold_up_the_end() {
    let rig = Rig::start(script(0, 1)).await;
    let session = rig.session().await;
    let mut stuck = Vec::new();
    for accept in ["text/event-stream", "application/x-ndjson"] {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap(); // full at once
        let mut stream = socket.connect(([127, 0, 0, 1], rig.port).into()).await.unwrap();
        let request = format!(
            "GET /v1/sessions/{session}/events HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        stuck.push(stream);
    }
    let fill = json!(vec![json!({"type": "x".repeat(40)}); 64]);
    for _ in 0..200 {
        rig.post(&format!("/v1/sessions/{session}/commands"), &fill).await;
    }
    let begun = Instant::now();
    rig.stop().await;
    let took = begun.elapsed();
    assert!(took > Duration::from_millis(1900), "they are not stuck, this test shows nothing: {took:?}");
    assert!(took < Duration::from_secs(6), "{took:?}");
    drop(stuck);
}

#[tokio::test]
async fn serving_announces_itself_and_cleans_up() {
    let rig = Rig::start(script(0, 0)).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runtime.json");
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let serving = tasks.spawn(transport::serve(rig.sidecar.clone(), file.clone(), stop.clone()));
    tasks.close();
    let written = async {
        loop {
            match std::fs::read(&file) {
                Ok(text) => {
                    break serde_json::from_slice::<Value>(&text).expect("it is whole when it is there");
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    let runtime = tokio::time::timeout(PATIENCE, written).await.expect("the file is written");
    assert_eq!((&runtime["ready"], &runtime["protocol"]), (&json!(true), &json!(1)));
    assert_eq!(runtime["pid"], std::process::id());
    assert!(runtime["token"].as_str().unwrap().len() >= 32);
    let address = format!("http://127.0.0.1:{}/v1/health", runtime["port"]);
    assert_eq!(rig.http.get(address).send().await.unwrap().status(), 200);
    stop.cancel();
    serving.await.unwrap().unwrap();
    assert!(!file.exists());
    rig.stop().await;
}
