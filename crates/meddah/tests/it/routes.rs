//! Every route of the contract, once as it is meant.

use futures::SinkExt as _;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Client, Kind, Lines, connect, next_text};
use crate::rig::{Rig, answer, check_error, say, script, types};

#[tokio::test]
async fn health_says_what_runs() {
    let rig = Rig::start(script(0, 0)).await;
    let (status, health) = rig.get("/v1/health").await;
    assert_eq!(status, 200);
    assert_eq!(health["name"], "meddah");
    assert_eq!((&health["protocol"], &health["ready"]), (&json!(1), &json!(true)));
    assert_eq!(health["ladder"], json!([{"name": "scripted", "kind": "scripted", "state": "ready"}]));
    rig.stop().await;
}

#[tokio::test]
async fn a_talk_is_one_request_and_one_whole_answer() {
    let rig = Rig::start(script(0, 7)).await;
    let said = json!({"world": "tavern", "character": "mira", "player": {"id": "p1", "name": "Ayla"},
        "text": "Good evening!", "events": [{"text": "It rains."}], "timeout_ms": u64::MAX});
    let (status, reply) = rig.post("/v1/talk", &said).await;
    assert_eq!((status, &reply["finish"]), (200, &json!("complete")), "{reply}");
    assert_eq!(reply["text"], "Welcome to the Lantern. Sit down by the fire. What will it be?");
    assert_eq!(reply["lines"].as_array().unwrap().len(), 3);
    assert_eq!(reply["emotion"]["label"], "joy");
    assert!(reply["timing"]["total_ms"].as_f64().unwrap() > 0.0);
    let texts: Vec<String> =
        rig.model.seen()[0].messages.iter().map(|message| message.text.clone()).collect();
    assert!(texts.iter().any(|text| text.contains("It rains.")), "{texts:?}");
    rig.stop().await;
}

#[tokio::test]
async fn a_talk_needs_no_content_type_no_keep_alive_and_no_http_1_1() {
    let rig = Rig::start(script(0, 0)).await;
    let body = r#"{"character":"mira","text":"Good evening!"}"#;
    let bare = rig.http.post(rig.url("/v1/talk")).body(body);
    assert_eq!(answer(bare).await.0, 200);
    let marked = rig.http.post(rig.url("/v1/talk")).header("content-type", "text/plain");
    assert_eq!(answer(marked.body(format!("\u{feff}{body}"))).await.0, 200);

    let request = format!("POST /v1/talk HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let answer = crate::limits::raw(&rig, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
    assert!(answer.contains("\"finish\":\"complete\""), "{answer}");
    rig.stop().await;
}

#[tokio::test]
async fn commands_are_answered_one_by_one() {
    let rig = Rig::start(script(0, 0)).await;
    let session = rig.session().await;
    let list = json!([
        {"type": "scene", "place": "the inn", "present": ["mira"]},
        {"type": "sing"},
        say("r1", "mira"),
        {"type": "say", "req_id": "r2", "to": "nobody", "text": "Hm?"},
    ]);
    let (status, answer) = rig.post(&format!("/v1/sessions/{session}/commands"), &list).await;
    assert_eq!(status, 200);
    let accepted = answer["accepted"].as_array().unwrap();
    assert_eq!(accepted[0], json!({"type": "scene"}));
    assert_eq!(accepted[1]["error"]["code"], "unknown_command");
    assert_eq!(accepted[2], json!({"type": "say", "req_id": "r1", "turn": "t1"}));
    assert_eq!(accepted[3]["error"]["code"], "unknown_character");
    assert!(answer["cursor"].is_u64());

    let events = rig.until_turn_ended(&session, 0).await;
    let errors: Vec<&Value> = events.iter().filter(|event| event["type"] == "error").collect();
    assert_eq!(errors.len(), 2, "{events:?}");
    assert_eq!((&errors[1]["code"], &errors[1]["req_id"]), (&json!("unknown_character"), &json!("r2")));
    assert!(errors[0]["help"].as_str().unwrap().contains("say"));
    rig.stop().await;
}

#[tokio::test]
async fn a_poll_waits_for_the_first_event_and_no_longer_than_asked() {
    let rig = Rig::start(script(0, 0)).await;
    let session = rig.session().await;
    let events = format!("/v1/sessions/{session}/events");
    let (_, first) = rig.get(&events).await;
    assert_eq!(types(first["events"].as_array().unwrap()), ["ready"]);
    let begun = std::time::Instant::now();
    let (status, none) = rig.get(&format!("{events}?cursor=1&wait=0.3")).await;
    assert_eq!((status, none), (200, json!({"events": [], "cursor": 1})));
    assert!(begun.elapsed().as_millis() >= 290);

    let commands = format!("/v1/sessions/{session}/commands");
    let (poll, command) = (format!("{events}?cursor=1&wait=20"), json!({"type": "ping"}));
    let ((_, ping), _) = tokio::join!(rig.get(&poll), rig.post(&commands, &command));
    assert_eq!(ping["events"], json!([{"seq": 2, "type": "ping"}]));
    assert_eq!(ping["cursor"], 2);
    rig.stop().await;
}

#[tokio::test]
async fn a_stream_goes_on_where_it_broke_off() {
    let rig = Rig::start(script(0, 0)).await;
    let session = rig.session().await;
    rig.post(&format!("/v1/sessions/{session}/commands"), &say("r1", "mira")).await;
    let all = rig.until_turn_ended(&session, 0).await;

    let by_cursor = Lines::of_session(&rig, &session, 3, false).await.take(all.len() - 3).await;
    assert_eq!(by_cursor, all[3..]);
    let address = rig.url(&format!("/v1/sessions/{session}/events?cursor=0"));
    let again = rig.http.get(address).header("last-event-id", "5");
    assert_eq!(Lines::of(again, true).await.take(all.len() - 5).await, all[5..]);
    rig.stop().await;
}

#[tokio::test]
async fn an_ended_session_is_gone_and_its_readers_are_let_go() {
    let rig = Rig::start(script(0, 0)).await;
    let mut client = Client::open(&rig, Kind::Sse).await;
    let path = format!("/v1/sessions/{}", client.session);
    assert_eq!(rig.delete(&path).await.0, 200);
    assert_eq!(client.next().await, None);
    check_error(&rig.delete(&path).await, 404, "unknown_session");
    check_error(&rig.get(&format!("{path}/events")).await, 404, "unknown_session");
    rig.stop().await;
}

#[tokio::test]
async fn characters_and_lore_change_while_the_game_runs() {
    let rig = Rig::start(script(0, 0)).await;
    let path = "/v1/worlds/tavern/characters/J%C3%B3n%20x";
    let (status, put) = rig.put(path, &json!({"name": "Jón", "role": "fisher"})).await;
    assert_eq!((status, &put["id"], &put["name"]), (200, &json!("Jón x"), &json!("Jón")), "{put}");
    assert_eq!(rig.get(path).await.1, put);
    let (_, list) = rig.get("/v1/worlds/tavern/characters").await;
    let ids: Vec<&Value> = list["characters"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert_eq!(ids, ["Jón x", "borin", "mira"]);
    let (status, reply) = rig.post("/v1/talk", &json!({"character": "Jón x", "text": "Hello!"})).await;
    assert_eq!((status, &reply["character"]), (200, &json!("Jón x")), "{reply}");
    assert_eq!(rig.delete(path).await.0, 200);
    check_error(&rig.get(path).await, 404, "unknown_character");

    let lore = "/v1/worlds/tavern/lore/mill";
    check_error(&rig.get(lore).await, 404, "not_found");
    let (status, put) = rig.put(lore, &json!({"text": "It burned down.", "keys": ["mill"]})).await;
    assert_eq!((status, &put["id"]), (200, &json!("mill")), "{put}");
    assert_eq!(rig.get(lore).await.1, put);
    assert_eq!(rig.delete(lore).await.0, 200);
    check_error(&rig.put(lore, &json!({"text": "No keys."})).await, 400, "invalid_request");

    assert_eq!(rig.put("/v1/worlds/harbour/characters/ada", &json!({"name": "Ada"})).await.0, 200);
    let said = json!({"world": "harbour", "character": "ada", "text": "Hello!"});
    assert_eq!(rig.post("/v1/talk", &said).await.0, 200);
    rig.stop().await;
}

#[tokio::test]
async fn a_websocket_takes_up_a_session_again() {
    let rig = Rig::start(script(0, 0)).await;
    let mut client = Client::open(&rig, Kind::WebSocket).await;
    client.send(json!([{"type": "scene", "place": "the inn"}, say("r1", "mira")])).await;
    let end = client.until_turn_ended().await;
    let (session, all) = (client.session.clone(), client.seen.clone());
    drop(client);

    let mut socket = connect(&rig, "/v1/ws").await;
    let hello = json!({"type": "hello", "session": session, "cursor": 4});
    socket.send(Message::text(hello.to_string())).await.unwrap();
    let ready = next_text(&mut socket).await.unwrap();
    assert_eq!(ready, json!({"seq": 4, "type": "ready", "session": session, "protocol": 1}));
    for expected in &all[4..] {
        assert_eq!(&next_text(&mut socket).await.unwrap(), expected);
    }
    assert_eq!(all.last(), Some(&end));
    socket.send(Message::binary(vec![0; 8])).await.unwrap();
    let refused = next_text(&mut socket).await.unwrap();
    assert_eq!((&refused["type"], &refused["code"]), (&json!("error"), &json!("invalid_request")));
    assert!(refused["help"].as_str().is_some_and(|help| help.contains("listen")), "{refused}");
    drop(socket);
    rig.stop().await;
}
