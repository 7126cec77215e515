//! Clients that are slow, greedy, silent or broken: others are served, nothing is held for ever, and what was reserved
//! is settled.

use std::time::{Duration, Instant};

use futures::future::join_all;
use meddah_fakes::engine::EngineShape;
use meddah_host::player::Class;
use meddah_host::settings::{HostSettings, TierEntry};
use meddah_host::storage::Ended;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::host::{PATIENCE, TestHost, quick, says, settings, streamed};
use crate::raw::{chat_head, connect, connect_narrow, drip, rest, socket_head};

/// Slow clients at once.
const SLOW: usize = 40;
/// Connections that say nothing, where the system lets a program have so many.
const IDLE: usize = 2_000;

/// Clients are given up after a second, on a machine that does much else.
fn hasty() -> HostSettings {
    let mut settings = settings();
    let limits = &mut settings.limits;
    (limits.head_ms, limits.body_ms, limits.stall_ms) = (1_000, 1_000, 1_000);
    settings
}

async fn is_served(host: &TestHost, token: &str) {
    let answer = host.chat(token, &says("Hello", 4)).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let answer: Value = answer.json().await.unwrap();
    assert!(answer["meddah"]["left"].is_object(), "{answer}");
}

/// Nobody has a slot or waits for one, and nothing is reserved.
fn holds_nothing(host: &TestHost) {
    let figures = host.host.gate.figures();
    let live = figures.of(Class::Live);
    assert_eq!((live.waiting, live.running, host.host.book.figures()), (0, 0, (0, 0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_heads_and_bodies_hold_nothing_and_come_to_an_end() {
    let host = TestHost::start(quick(), hasty()).await;
    let (slow, other) = (host.player("free").await, host.player("free").await);
    let (body, head) = (streamed("Hello", 4).to_string(), chat_head(&slow, 900));
    let heads = join_all((0..SLOW).map(async |_| drip(connect(&host).await, head.as_bytes()).await));
    let bodies = join_all((0..SLOW).map(async |_| {
        let mut stream = connect(&host).await;
        stream.write_all(head.as_bytes()).await.unwrap();
        drip(stream, body.as_bytes()).await
    }));
    let served = async {
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            holds_nothing(&host);
            is_served(&host, &other).await;
        }
    };
    let (heads, bodies, ()) = futures::join!(heads, bodies, served);
    assert!(heads.iter().all(|said| said.is_empty() || said.starts_with("HTTP/1.1 408")), "{heads:?}");
    for said in bodies {
        assert!(said.starts_with("HTTP/1.1 504") || said.starts_with("HTTP/1.1 408"), "{said}");
        assert!(said.contains("the body took too long to come"), "{said}");
    }
    assert_eq!(host.ledger().await.len(), 10, "those of the other player");
}

/// An answer of many megabytes, as fast as can be, from one slot.
async fn long_answers() -> TestHost {
    let mut settings = hasty();
    settings.limits.output_tokens = 200_000;
    settings.tiers.insert("any".into(), TierEntry::default());
    TestHost::start(
        EngineShape { slots: 1, token: Duration::ZERO, context_tokens: 1 << 20, ..quick() },
        settings,
    )
    .await
}

/// The slot is free for others, and what was sent is paid, once.
async fn is_given_up(host: &TestHost) {
    let other = host.player("any").await;
    is_served(host, &other).await;
    host.engine.wait_for(PATIENCE, |figures| figures.cancelled == 1 && figures.running == 0).await.unwrap();
    let ledger = host.ledger().await;
    let ended: Vec<Ended> = ledger.iter().map(|line| line.entry.ended).collect();
    assert_eq!(ended, [Ended::Cut, Ended::Answered]);
    assert!(ledger[0].entry.amounts.tokens > 100 && ledger[0].entry.amounts.turns == 1, "{ledger:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_reads_a_stream_is_given_up() {
    let host = long_answers().await;
    let token = host.player("any").await;
    let body = streamed("A story", 200_000).to_string();
    let mut stream = connect_narrow(&host).await;
    stream.write_all(format!("{}{body}", chat_head(&token, body.len())).as_bytes()).await.unwrap();
    host.engine.wait_for(PATIENCE, |figures| figures.running == 1).await.unwrap();
    is_given_up(&host).await;
    drop(stream); // it was open all the time
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_reads_a_websocket_is_given_up() {
    let host = long_answers().await;
    let token = host.player("any").await;
    let mut stream = connect_narrow(&host).await;
    stream.write_all(format!("{}\r\n", socket_head(&token)).as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 101");
    let ask = json!({"id": "a", "chat": streamed("A story", 200_000)}).to_string();
    stream.write_all(&frame(0x81, ask.as_bytes())).await.unwrap();
    host.engine.wait_for(PATIENCE, |figures| figures.running == 1).await.unwrap();
    is_given_up(&host).await;
    drop(stream);
}

/// A frame of a client (RFC 6455, section 5.2), with a mask of zeros. The first byte says what it is: 0x81 is a whole
/// text, 0x01 the beginning of one, and 0x00 a piece of it that is not the last.
fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [&[kind, 0x80 | 126], &length[..], &[0; 4], payload].concat()
}

/// Both ends of each are open files of this program, which has others, too.
fn idle_max() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let open_files = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next()?.parse().ok());
    IDLE.min(open_files.unwrap_or(256_usize).saturating_sub(200) / 2)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_who_say_nothing_keep_nobody_out() {
    let mut settings = settings();
    settings.limits.connections_per_address = IDLE + 100;
    let host = TestHost::start(quick(), settings).await;
    let token = host.player("free").await;
    let mut idle = Vec::new();
    for _ in 0..idle_max() {
        idle.push(connect(&host).await);
    }
    for stream in idle.iter_mut().step_by(2) {
        stream.write_all(b"GET /v1/he").await.unwrap();
    }
    let (asked, client) = (Instant::now(), reqwest::Client::new());
    for _ in 0..5 {
        is_served(&host, &token).await;
        let health = client.get(host.url("/v1/health")).send().await.unwrap();
        assert_eq!(health.status(), 200, "a new connection, too");
    }
    assert!(asked.elapsed() < PATIENCE / 2, "{:?}", asked.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_finds_all_connections_taken_waits_until_silent_ones_are_closed() {
    let mut settings = hasty();
    settings.limits.connections = 20;
    let host = TestHost::start(quick(), settings).await;
    let mut idle = Vec::new();
    for _ in 0..20 {
        idle.push(connect(&host).await);
    }
    let client = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
    assert_eq!(client.get(host.url("/v1/health")).send().await.unwrap().status(), 200);
}

async fn is_open(host: &TestHost) -> Option<TcpStream> {
    let mut stream = connect(host).await;
    stream.write_all(b"GET /v1/health HTTP/1.1\r\nHost: a\r\n\r\n").await.ok();
    let read = tokio::time::timeout(PATIENCE, stream.read(&mut [0])).await.unwrap();
    read.is_ok_and(|read| read == 1).then_some(stream)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn websockets_count_among_the_connections_of_an_address() {
    let mut settings = settings();
    settings.limits.connections_per_address = 4;
    let host = TestHost::start(quick(), settings).await;
    let token = host.player("free").await; // its connection is kept
    let mut sockets = Vec::new();
    for _ in 0..3 {
        let mut stream = connect(&host).await;
        stream.write_all(format!("{}\r\n", socket_head(&token)).as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 101");
        sockets.push(stream);
    }
    assert!(is_open(&host).await.is_none());
    drop(sockets);
    let free = async {
        while is_open(&host).await.is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, free).await.expect("their places are free again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_handshake_is_no_websocket() {
    let host = TestHost::start(quick(), hasty()).await;
    let token = host.player("free").await;
    let head = socket_head(&token);
    let halves = [
        head.clone(),                                                                // and then silence
        format!("{}\r\n", head.replace("Sec-WebSocket-Key", "X-Key")),               // no key
        format!("{}\r\n", head.replace("Version: 13", "Version: 7")),                // a version of the past
        format!("{}\r\n", head.replace("Connection: Upgrade", "Connection: close")), // it does not want to
    ];
    for half in halves {
        let mut stream = connect(&host).await;
        stream.write_all(half.as_bytes()).await.unwrap();
        let said = rest(&mut stream).await;
        assert!(!said.starts_with("HTTP/1.1 101") && !said.starts_with("HTTP/1.1 5"), "{half} {said}");
        assert!(!said.contains("127.0.0.1") && !said.contains(".rs"), "{said}");
    }
    is_served(&host, &token).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_in_endless_pieces_is_not_gathered() {
    let host = TestHost::start(quick(), settings()).await;
    let token = host.player("free").await;
    let mut stream = connect(&host).await;
    stream.write_all(format!("{}\r\n", socket_head(&token)).as_bytes()).await.unwrap();
    let piece = [b' '; 16 * 1024];
    stream.write_all(&frame(0x01, &piece)).await.unwrap();
    let mut pieces = 0;
    let sending = async {
        while stream.write_all(&frame(0x00, &piece)).await.is_ok() {
            pieces += 1;
        }
    };
    tokio::time::timeout(PATIENCE, sending).await.expect("it hangs up");
    // What it takes, and what the system keeps on both sides meanwhile.
    assert!(pieces * piece.len() < 32 << 20, "{pieces}");
    holds_nothing(&host);
    is_served(&host, &token).await;
    assert_eq!(host.engine.figures().started, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_without_end_is_refused_before_its_end() {
    let host = TestHost::start(quick(), settings()).await;
    let token = host.player("free").await;
    let mut stream = connect(&host).await;
    let head = chat_head(&token, 0).replace("Content-Length: 0", "Transfer-Encoding: chunked");
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let (mut reading, mut writing) = stream.split();
    let sending = async {
        while writing.write_all(chunk.as_bytes()).await.is_ok() {}
        std::future::pending::<()>().await;
    };
    let said = tokio::select! {
        said = rest(&mut reading) => said,
        () = sending => unreachable!("it does not end"),
    };
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 413"), "{said}");
    is_served(&host, &token).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelined_chats_are_answered_one_after_the_other() {
    const CHATS: usize = 20;
    let host = TestHost::start(quick(), settings()).await;
    let token = host.player("free").await;
    let body = says("Hello", 2).to_string();
    let chat = format!("{}{body}", chat_head(&token, body.len()));
    let last = chat.replacen("Host: a", "Host: a\r\nConnection: close", 1);
    let mut stream = connect(&host).await;
    stream.write_all(format!("{}{last}", chat.repeat(CHATS - 1)).as_bytes()).await.unwrap();
    let said = rest(&mut stream).await;
    assert_eq!(said.matches("HTTP/1.1 200").count(), CHATS, "{said}");
    assert!(host.ledger().await.iter().all(|line| line.entry.ended == Ended::Answered));
    // The same without waiting for any answer: who leaves is not worked for any more.
    let mut stream = connect(&host).await;
    stream.write_all(chat.repeat(CHATS).as_bytes()).await.unwrap();
    drop(stream);
    is_served(&host, &token).await;
    let lines = host.ledger().await.len();
    assert!((CHATS + 1..=2 * CHATS + 1).contains(&lines), "{lines}");
    holds_nothing(&host);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_length_that_is_not_true_starts_nothing() {
    let host = TestHost::start(quick(), hasty()).await;
    let token = host.player("free").await;
    let body = says("Hello", 2).to_string();
    for length in [body.len() * 2, body.len() / 2, 1] {
        let mut stream = connect(&host).await;
        stream.write_all(format!("{}{body}", chat_head(&token, length)).as_bytes()).await.unwrap();
        if length > body.len() {
            stream.shutdown().await.unwrap();
        }
        let said = rest(&mut stream).await;
        assert!(!said.contains("HTTP/1.1 200") && !said.contains("HTTP/1.1 5"), "{length}: {said}");
    }
    holds_nothing(&host);
    assert_eq!((host.engine.figures().started, host.ledger().await.len()), (0, 0));
    is_served(&host, &token).await;
}
