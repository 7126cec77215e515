//! Who is let in, and what others learn: nothing.

use futures::future::join_all;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::host::{PATIENCE, TestHost, quick, says, settings};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invite_lets_in_as_many_as_it_says() {
    let host = TestHost::start(quick(), settings()).await;
    let code = host.invite("donor", 2).await;
    let join = || host.client.post(host.url("/v1/join")).json(&json!({"code": code})).send();
    let joined: Value = join().await.unwrap().json().await.unwrap();
    assert_eq!(joined["tier"], "donor");
    assert_eq!(join().await.unwrap().status(), 200);
    let late = join().await.unwrap();
    assert_eq!(late.status(), 403);
    assert!(late.text().await.unwrap().contains("not valid"));
    let page = host.client.get(host.url(&format!("/join/{code}"))).send().await.unwrap();
    assert!(page.text().await.unwrap().contains(&format!("meddah join {}/join/{code}", host.ready.url)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_guessed_and_revoked_tokens_are_refused_alike() {
    let host = TestHost::start(quick(), settings()).await;
    let token = host.player("free").await;
    let (id, _) = token.trim_start_matches("mdh_").split_once('_').unwrap();
    let refusal = async |token: &str| {
        let response = host.chat(token, &says("Hello", 4)).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let guessed = refusal(&format!("mdh_{id}_{}", "0".repeat(52))).await;
    assert_eq!(guessed.0, 401);
    assert_eq!(refusal("mdh_0000_0000").await, guessed);
    assert_eq!(refusal("sk-something").await, guessed);
    host.host.store.revoke_token(id, 1).await.unwrap();
    tokio::time::sleep(meddah_host::front::auth::KNOWN_FOR * 2).await;
    assert_eq!(refusal(&token).await, guessed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_player_sees_its_own_devices_and_no_others() {
    let host = TestHost::start(quick(), settings()).await;
    let (one, two) = (host.player("free").await, host.player("free").await);
    let new =
        host.client.post(host.url("/v1/me/devices")).bearer_auth(&one).json(&json!({"device": "laptop"}));
    let new: Value = new.send().await.unwrap().json().await.unwrap();
    let second = new["token"].as_str().unwrap();
    assert_eq!(host.get(second, "/v1/me").await["player"], host.get(&one, "/v1/me").await["player"]);
    let devices = host.get(&one, "/v1/me/devices").await;
    assert_eq!(devices["devices"].as_array().unwrap().len(), 2);
    let id = devices["devices"][1]["id"].as_str().unwrap();
    let revoke =
        |token: &str| host.client.delete(host.url(&format!("/v1/me/devices/{id}"))).bearer_auth(token).send();
    assert_eq!(revoke(&two).await.unwrap().status(), 404, "another player's device is as good as none");
    assert_eq!(revoke(&one).await.unwrap().status(), 204);
    let export = host.get(&one, "/v1/me/export").await;
    assert_eq!(export["account"]["devices"].as_array().unwrap().len(), 2);
    assert!(!export.to_string().contains("hash"), "{export}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_player_who_is_blocked_or_deleted_gets_nothing() {
    let host = TestHost::start(quick(), settings()).await;
    let token = host.player("free").await;
    let id = host.get(&token, "/v1/me").await["player"].as_str().unwrap().into();
    let blocked = meddah_host::storage::PlayerChange { blocked: Some(true), ..Default::default() };
    host.host.store.change_player(&id, &blocked).await.unwrap();
    tokio::time::sleep(meddah_host::front::auth::KNOWN_FOR * 2).await;
    assert_eq!(host.chat(&token, &says("Hello", 4)).send().await.unwrap().status(), 403);
    let other = host.player("free").await;
    let deleted = host.client.delete(host.url("/v1/me")).bearer_auth(&other).send().await.unwrap();
    assert_eq!(deleted.status(), 204);
    assert_eq!(host.chat(&other, &says("Hello", 4)).send().await.unwrap().status(), 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_are_too_long_or_make_no_sense_are_refused() {
    let mut settings = settings();
    settings.limits.body_bytes = 2_000;
    let host = TestHost::start(quick(), settings).await;
    let token = host.player("free").await;
    let post = |body: Vec<u8>| {
        host.client.post(host.url("/v1/chat/completions")).bearer_auth(&token).body(body).send()
    };
    assert_eq!(post(vec![b' '; 3_000]).await.unwrap().status(), 413);
    for body in ["", "{", "[]", "null", "{\"messages\": 3}", "\u{0}"] {
        let response = post(body.into()).await.unwrap();
        assert_eq!(response.status(), 400, "{body}");
        let error: Value = response.json().await.unwrap();
        assert_eq!(error["error"]["code"], "invalid_request");
    }
    assert_eq!(host.engine.figures().started, 0);
    assert_eq!(host.client.get(host.url("/v1/nothing")).send().await.unwrap().status(), 404);
    assert_eq!(host.client.get(host.url("/v1/join")).send().await.unwrap().status(), 405);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_wrong_tokens_and_joins_of_an_address_are_slowed_down() {
    let mut settings = settings();
    settings.limits.wrong_tokens_per_minute = 3;
    settings.limits.joins_per_hour = 2;
    let host = TestHost::start(quick(), settings).await;
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(host.chat("mdh_0_0", &says("a", 1)).send().await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [401, 401, 401, 429, 429]);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let join = host.client.post(host.url("/v1/join")).json(&json!({"code": "0000-0000-0000-0000"}));
        statuses.push(join.send().await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [403, 403, 429]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_in_messages_never_reach_an_engine() {
    let host = TestHost::start(quick(), settings()).await;
    let token = host.player("free").await;
    let body = json!({"messages": [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": "http://127.0.0.1:1/secret"}}]}]});
    assert_eq!(host.chat(&token, &body).send().await.unwrap().status(), 400);
    assert_eq!(host.engine.figures().started, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operators_port_is_for_programs_of_this_computer() {
    let host = TestHost::start(quick(), settings()).await;
    let ask = |name: &'static str, value: &'static str| {
        host.client.get(host.admin("/status")).header(name, value).send()
    };
    assert_eq!(ask("accept", "*/*").await.unwrap().status(), 200);
    assert_eq!(ask("origin", "https://a.example").await.unwrap().status(), 403);
    assert_eq!(ask("host", "a.example").await.unwrap().status(), 403);
    let metrics = host.client.get(host.admin("/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("meddah_host_slots 4") && metrics.ends_with("# EOF\n"), "{metrics}");
    for path in ["/metrics", "/status", "/state/closed"] {
        assert_eq!(host.client.get(host.url(path)).send().await.unwrap().status(), 404, "not for players");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_cannot_take_all_connections() {
    let mut settings = settings();
    settings.limits.connections_per_address = 3;
    let host = TestHost::start(quick(), settings).await;
    let address = host.ready.url.trim_start_matches("http://").to_owned();
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(TcpStream::connect(&address).await.unwrap());
    }
    let mut open = 0;
    for stream in &mut held {
        stream.write_all(b"GET /v1/health HTTP/1.1\r\nHost: a\r\n\r\n").await.ok();
        let mut byte = [0];
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut byte)).await.unwrap();
        open += usize::from(read.is_ok_and(|read| read == 1));
    }
    assert!((1..=3).contains(&open), "{open}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_guesses_does_not_reach_the_database_and_keeps_no_player_out_who_was_in() {
    let mut settings = settings();
    settings.limits.wrong_tokens_per_minute = 5;
    let host = TestHost::start(quick(), settings).await;
    let (known, late) = (host.player("free").await, host.player("free").await);
    let status = async |token: &str| host.chat(token, &says("a", 1)).send().await.unwrap().status().as_u16();
    for _ in 0..10 {
        assert_eq!(status(&known).await, 200, "who is right is not counted");
        tokio::time::sleep(meddah_host::front::auth::KNOWN_FOR).await;
    }
    let guess = |number: usize| format!("mdh_{number:04}_{}", "0".repeat(52));
    let guesses: Vec<String> = (0..50).map(guess).collect();
    let statuses = join_all(guesses.iter().map(|guess| status(guess))).await;
    let looked_at = statuses.iter().filter(|status| **status == 401).count();
    assert!((1..=6).contains(&looked_at), "one may come back meanwhile: {statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 401 | 429)), "{statuses:?}");
    tokio::time::sleep(meddah_host::front::auth::KNOWN_FOR * 2).await;
    // The database would say that this token is right: it is not asked.
    assert_eq!(status(&late).await, 429);
    assert_eq!(status(&known).await, 200, "it was right before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_player_who_asks_about_itself_again_and_again_is_slowed_down() {
    let mut settings = settings();
    settings.limits.account_per_minute = 3;
    let host = TestHost::start(quick(), settings).await;
    let (token, other) = (host.player("free").await, host.player("free").await);
    for path in ["/v1/me", "/v1/me/devices", "/v1/me/export"] {
        assert!(host.get(&token, path).await["error"].is_null(), "{path}");
    }
    for path in ["/v1/me", "/v1/me/devices", "/v1/me/export"] {
        let error = host.get(&token, path).await["error"].clone();
        assert_eq!(error["code"], "rate_limited", "{path}");
        assert!((1..=20_000).contains(&error["retry_after_ms"].as_u64().unwrap()), "{error}");
    }
    assert!(host.get(&other, "/v1/me").await["error"].is_null());
    assert_eq!(host.chat(&token, &says("a", 1)).send().await.unwrap().status(), 200);
}
