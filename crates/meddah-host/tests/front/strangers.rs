//! What strangers and odd programs send: nothing breaks, nothing is told, nothing grows.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::host::{PATIENCE, TestHost, quick, says, settings};

/// Sends bytes, and gives what comes back until the host ends the connection or has answered `answers` times.
async fn raw(host: &TestHost, bytes: &[u8], answers: usize) -> String {
    let mut stream = TcpStream::connect(host.ready.url.trim_start_matches("http://")).await.unwrap();
    stream.write_all(bytes).await.ok(); // it may be refused before all of it is sent
    let mut read = Vec::new();
    let reading = async {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            read.extend_from_slice(&buffer[..count]);
            if String::from_utf8_lossy(&read).matches("HTTP/1.1 ").count() >= answers {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("an answer or an end");
    String::from_utf8_lossy(&read).into_owned()
}

/// Still answers, and what it said is nobody's business but its own.
async fn is_well(host: &TestHost, said: &str) {
    for secret in ["127.0.0.1", "/tmp", "SELECT", "sqlite", "panicked", ".rs:"] {
        assert!(!said.contains(secret), "{secret} in {said}");
    }
    assert!(!said.contains("HTTP/1.1 500"), "{said}");
    assert_eq!(host.client.get(host.url("/v1/health")).send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_bytes_get_a_refusal_or_nothing() {
    let host = TestHost::start(quick(), settings()).await;
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n", "a".repeat(64 * 1024));
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "A: b\r\n".repeat(500));
    let odd: [&[u8]; 9] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x05\x01\x05\x00\x00\x00\x02\xff\xff\xff\xff\xff",
        b"\0\0\0\0\r\n\r\n",
        b"GET http://169.254.169.254/latest HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"POST /v1/join HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/join HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n",
        long.as_bytes(),
        many.as_bytes(),
    ];
    for bytes in odd {
        let said = raw(&host, bytes, 1).await;
        assert!(!said.contains("HTTP/1.1 200"), "{said}");
        is_well(&host, &said).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelined_requests_are_answered_in_order_and_100_continue_is_not_wasted() {
    let host = TestHost::start(quick(), settings()).await;
    let two = raw(
        &host,
        b"GET /v1/health HTTP/1.1\r\nHost: a\r\n\r\nGET /v1/nothing HTTP/1.1\r\nHost: a\r\n\r\n",
        2,
    )
    .await;
    let statuses: Vec<&str> = two.match_indices("HTTP/1.1 ").map(|(at, _)| &two[at + 9..at + 12]).collect();
    assert_eq!(statuses, ["200", "404"], "{two}");
    let head =
        "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 100000\r\n";
    let stranger = raw(&host, format!("{head}\r\n").as_bytes(), 1).await;
    assert!(stranger.starts_with("HTTP/1.1 401"), "a stranger's body is not asked for: {stranger}");
    let token = host.player("free").await;
    let player = raw(&host, format!("{head}Authorization: Bearer {token}\r\n\r\n").as_bytes(), 1).await;
    assert!(player.starts_with("HTTP/1.1 100"), "{player}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_that_is_meant_to_hurt_is_refused() {
    let host = TestHost::start(quick(), settings()).await;
    let token = host.player("free").await;
    let message = r#"{"role": "user", "content": "a"}"#;
    let deep = |start: &str, end: &str| format!("{}1{}", start.repeat(30_000), end.repeat(30_000));
    let bodies: Vec<Vec<u8>> = vec![
        deep("[", "]").into(),
        format!(r#"{{"messages": [{message}], "tools": {}}}"#, deep("[", "]")).into(),
        format!(r#"{{"messages": [{message}], "response_format": {}}}"#, deep(r#"{"a":"#, "}")).into(),
        format!(r#"{{"messages": [{{"role": "user", "content": {}}}]}}"#, deep("[", "]")).into(),
        format!(r#"{{"messages": [{message}], "max_tokens": 1e400}}"#).into(),
        format!(r#"{{"messages": [{message}], "max_tokens": -1}}"#).into(),
        format!(r#"{{"messages": [{message}], "max_tokens": {}}}"#, "9".repeat(10_000)).into(),
        br#"{"messages": [{"content": "nice", "content": "other"}]}"#.to_vec(),
        b"{\"messages\": [{\"content\": \"\xff\xfe\"}]}".to_vec(),
        br#"{"messages": [{"content": "\ud800"}]}"#.to_vec(),
        vec![0; 1_000],
    ];
    for body in bodies {
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        let post = host.client.post(host.url("/v1/chat/completions")).bearer_auth(&token).body(body);
        let response = post.send().await.unwrap();
        assert_eq!(response.status(), 400, "{shown}");
        is_well(&host, &response.text().await.unwrap()).await;
    }
    assert_eq!(host.engine.figures().started, 0, "no engine saw any of it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_with_letters_that_databases_refuse_hold_up_nothing() {
    let host = TestHost::start(quick(), settings()).await;
    let code = host.invite("free", 1).await;
    let join = json!({"code": code, "name": "Mi\u{0}ra\n", "device": "\u{0}"});
    let joined: Value =
        host.client.post(host.url("/v1/join")).json(&join).send().await.unwrap().json().await.unwrap();
    let token = joined["token"].as_str().unwrap();
    assert_eq!(host.get(token, "/v1/me").await["name"], "Mira");
    let mut body = says("Hello", 4);
    body["model"] = "a\u{0}b\u{1b}[2J".into();
    let answered: Value = host.chat(token, &body).send().await.unwrap().json().await.unwrap();
    assert!(answered["meddah"]["left"].is_object(), "it is in the ledger: {answered}");
    let page = meddah_host::storage::LedgerPage { limit: 1, ..Default::default() };
    assert_eq!(host.host.store.ledger(&page).await.unwrap()[0].entry.model, "ab[2J");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_cannot_be_added_and_revoked_for_ever() {
    let mut settings = settings();
    settings.limits.joins_per_hour = 4;
    let host = TestHost::start(quick(), settings).await;
    let token = host.player("free").await;
    let mut statuses = Vec::new();
    for _ in 0..5 {
        let add = host.client.post(host.url("/v1/me/devices")).bearer_auth(&token).json(&json!({}));
        statuses.push(add.send().await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paths_that_are_no_text_are_refused_as_everything_else() {
    let host = TestHost::start(quick(), settings()).await;
    let token = host.player("free").await;
    for id in ["%FF%FE", "%00", "..%2F..%2Fetc%2Fpasswd", "'%20OR%201=1", "%0d%0aSet-Cookie:a=b"] {
        let delete = host.client.delete(host.url(&format!("/v1/me/devices/{id}"))).bearer_auth(&token);
        let response = delete.send().await.unwrap();
        assert!(matches!(response.status().as_u16(), 400 | 404), "{id}: {}", response.status());
        assert!(response.headers().get("set-cookie").is_none());
        let body: Value = response.json().await.unwrap();
        assert!(body["error"]["code"].is_string(), "{id}: {body}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_in_a_header_counts_only_if_the_operator_says_so() {
    for (header, expected) in [("", [401, 401, 429]), ("x-forwarded-for", [401, 401, 401])] {
        let mut settings = settings();
        settings.client_address_header = header.into();
        settings.limits.wrong_tokens_per_minute = 2;
        let host = TestHost::start(quick(), settings).await;
        let mut statuses = Vec::new();
        for place in 1..=3 {
            let ask =
                host.chat("mdh_0_0", &says("a", 1)).header("x-forwarded-for", format!("192.0.2.{place}"));
            statuses.push(ask.send().await.unwrap().status().as_u16());
        }
        assert_eq!(statuses, expected, "{header}");
        // What stands before the last one, the player may have written.
        let spoofed = host.chat("mdh_0_0", &says("a", 1)).header("x-forwarded-for", "203.0.113.1, 192.0.2.1");
        let again = spoofed.send().await.unwrap().status().as_u16();
        assert_eq!(again, if header.is_empty() { 429 } else { 401 });
        let spoofed = host.chat("mdh_0_0", &says("a", 1)).header("x-forwarded-for", "203.0.113.2, 192.0.2.1");
        assert_eq!(spoofed.send().await.unwrap().status(), 429, "{header}");
    }
}
