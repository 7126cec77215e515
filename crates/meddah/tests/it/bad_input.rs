//! Whatever is sent, the answer is our own error with help, and the next request works.

use futures::SinkExt as _;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Client, Kind, connect, next_text};
use crate::rig::{Rig, answer, check_error, script};

async fn send(rig: &Rig, path: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
    answer(rig.http.post(rig.url(path)).body(body)).await
}

#[tokio::test]
async fn bodies_that_make_no_sense() {
    let rig = Rig::start(script(0, 0)).await;
    let session = rig.session().await;
    for path in ["/v1/talk", "/v1/sessions", &format!("/v1/sessions/{session}/commands")] {
        for bytes in [1024 * 1024 + 1, 10 * 1024 * 1024] {
            check_error(&send(&rig, path, vec![b' '; bytes]).await, 413, "too_large");
        }
        let broken = send(&rig, path, "{\n  \"text\": \"He said \"hi\"\"}").await;
        check_error(&broken, 400, "invalid_request");
        assert!(broken.1["error"]["message"].as_str().unwrap().contains("line 2 column 21"), "{}", broken.1);
        for bytes in [&b"{\"text\":\"\xff\xfe\"}"[..], b"", b"null", b"7", b"\"text\"", &[b'['; 70_000]] {
            let answer = send(&rig, path, bytes.to_vec()).await;
            match answer.0 {
                // A command that is none is answered in the list, like any other.
                200 => assert_eq!(answer.1["accepted"][0]["error"]["code"], "invalid_request"),
                _ => check_error(&answer, 400, "invalid_request"),
            }
        }
    }
    assert_eq!(rig.get("/v1/health").await.0, 200);
    rig.stop().await;
}

#[tokio::test]
async fn talks_that_cannot_be_answered() {
    let rig = Rig::start(script(0, 0)).await;
    let cases = [
        (json!({"character": "mira"}), 400, "invalid_request"),
        (json!({"character": "mira", "text": " "}), 400, "invalid_request"),
        (json!({"character": "mira", "text": 7}), 400, "invalid_request"),
        (json!({"character": "mira", "text": "x".repeat(20_000)}), 413, "too_large"),
        (json!({"character": "nobody", "text": "Hm?"}), 404, "unknown_character"),
        (json!({"character": "", "text": "Hm?"}), 400, "invalid_request"),
        (json!({"world": "moon", "character": "mira", "text": "Hm?"}), 404, "unknown_world"),
        (json!({"character": "m".repeat(300), "text": "Hm?"}), 400, "invalid_request"),
        (json!({"character": "mira", "text": "Hm?", "req_id": "r".repeat(300)}), 400, "invalid_request"),
        (json!({"character": "mira", "text": "Hm?", "player": "p".repeat(300)}), 400, "invalid_request"),
        (json!({"character": "mira", "text": "Hm?", "player": 5}), 400, "invalid_request"),
    ];
    for (said, status, code) in cases {
        let answer = rig.post("/v1/talk", &said).await;
        assert_eq!(answer.0, status, "{said} {}", answer.1);
        check_error(&answer, status, code);
    }
    assert!(rig.model.seen().is_empty());
    rig.stop().await;
}

#[tokio::test]
async fn routes_that_lead_nowhere() {
    let rig = Rig::start(script(0, 0)).await;
    let session = rig.session().await;
    let huge = "x".repeat(2000);
    for (path, status, code) in [
        ("/", 404, "not_found"),
        ("/v1/nothing", 404, "not_found"),
        ("/v1/talk", 405, "invalid_request"),
        ("/v1/ws", 400, "invalid_request"),
        ("/v1/sessions/s0/events", 404, "unknown_session"),
        (&format!("/v1/sessions/{huge}/events"), 404, "unknown_session"),
        (&format!("/v1/sessions/{session}/events?cursor=99"), 410, "cursor_expired"),
        (&format!("/v1/sessions/{session}/events?cursor=-1"), 400, "invalid_request"),
        (&format!("/v1/sessions/{session}/events?wait=soon"), 400, "invalid_request"),
        ("/v1/worlds/moon/characters", 404, "unknown_world"),
        ("/v1/worlds/tavern/characters/nobody", 404, "unknown_character"),
        (&format!("/v1/worlds/tavern/characters/{huge}"), 404, "unknown_character"),
        ("/v1/worlds/tavern/characters/%ff", 400, "invalid_request"),
        ("/v1/worlds/tavern/lore/..%2F..%2Fx", 404, "not_found"),
    ] {
        let answer = rig.get(path).await;
        assert_eq!(answer.0, status, "{path} {}", answer.1);
        check_error(&answer, status, code);
    }
    let wrong = rig.http.get(rig.url("/v1/talk")).send().await.unwrap();
    assert_eq!(wrong.headers()["allow"], "POST");
    let put = rig.put(&format!("/v1/worlds/tavern/characters/{huge}"), &json!({"name": "X"})).await;
    check_error(&put, 400, "invalid_request");
    let misspelt = rig.put("/v1/worlds/tavern/characters/x", &json!({"name": "X", "gaols": []})).await;
    check_error(&misspelt, 400, "invalid_request");
    assert!(misspelt.1["error"]["help"].as_str().unwrap().contains("goals"), "{}", misspelt.1);
    rig.stop().await;
}

#[tokio::test]
async fn too_many_commands_at_once() {
    let rig = Rig::start(script(0, 0)).await;
    let session = rig.session().await;
    let path = format!("/v1/sessions/{session}/commands");
    let pings = |count: usize| json!(vec![json!({"type": "ping"}); count]);
    check_error(&rig.post(&path, &pings(65)).await, 413, "too_large");
    assert_eq!(rig.post(&path, &pings(64)).await.0, 200);
    assert_eq!(rig.post(&path, &json!([])).await.0, 200);
    rig.stop().await;
}

#[tokio::test]
async fn websockets_that_do_not_begin_with_hello() {
    let rig = Rig::start(script(0, 0)).await;
    for (first, code) in [
        (Message::text("{"), "invalid_request"),
        (Message::text("{\"type\":\"ping\"}"), "invalid_request"),
        (Message::text("{\"type\":\"sing\"}"), "unknown_command"),
        (Message::binary(vec![1, 2]), "invalid_request"),
        (Message::text("{\"type\":\"hello\",\"world\":\"moon\"}"), "unknown_world"),
        (Message::text("{\"type\":\"hello\",\"session\":\"s0\",\"cursor\":1}"), "unknown_session"),
    ] {
        let mut socket = connect(&rig, "/v1/ws").await;
        socket.send(first).await.unwrap();
        let error = next_text(&mut socket).await.unwrap();
        assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!(code)));
        assert!(!error["help"].as_str().unwrap().is_empty());
        assert_eq!(next_text(&mut socket).await, None);
    }
    rig.stop().await;
}

#[tokio::test]
async fn a_websocket_survives_frames_that_make_no_sense() {
    let rig = Rig::start(script(0, 0)).await;
    let mut client = Client::open(&rig, Kind::WebSocket).await;
    for (command, code) in [
        (json!("x".repeat(2 * 1024 * 1024)), "too_large"),
        (json!({"type": "sing"}), "unknown_command"),
        (json!({"type": "hello"}), "invalid_request"),
        (json!(7), "invalid_request"),
        (json!({"type": "say", "req_id": "r1", "to": "mira"}), "invalid_request"),
    ] {
        client.send(command).await;
        let error = client.next().await.unwrap();
        assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!(code)), "{error}");
    }
    assert_eq!(client.seen.last().unwrap()["req_id"], "r1");
    client.send(crate::rig::say("r2", "mira")).await;
    client.until_turn_ended().await;
    drop(client);
    rig.stop().await;
}
