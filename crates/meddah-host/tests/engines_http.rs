//! An engine over HTTP: what goes through, what is refused, and what has an end.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::serve::ListenerExt as _;
use futures::StreamExt as _;
use meddah_fakes::engine::{EngineShape, FakeEngine, Fault, Figures};
use meddah_host::engines::{
    Dialect, Engine as _, EngineError, EngineErrorKind as Kind, EngineRequest, EventStream, HttpEngine,
    HttpEngineSettings, read,
};
use meddah_inference::Key;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const SECRET: &str = "sk-abcdefghijklmnopqrstuvwxyz";

fn fast() -> EngineShape {
    EngineShape { prefill: Duration::ZERO, token: Duration::from_millis(1), ..EngineShape::default() }
}

fn settings(fake: &FakeEngine) -> HttpEngineSettings {
    HttpEngineSettings::new("a", &fake.base_url)
}

/// For tests of silence: an engine that is well must still be faster than this on a machine with other work.
fn hasty(fake: &FakeEngine) -> HttpEngineSettings {
    let mut settings = settings(fake);
    settings.limits.first_event = Duration::from_millis(1500);
    settings.limits.idle = Duration::from_millis(1500);
    settings.limits.whole = Duration::from_secs(5);
    settings
}

fn request(tokens: u32) -> EngineRequest {
    let body = format!(
        r#"{{"model":"fake","messages":[{{"role":"user","content":"Hello there"}}],"max_tokens":{tokens},
            "stream":true,"stream_options":{{"include_usage":true}}}}"#
    );
    EngineRequest { body: body.into(), model: None, affinity: 0, cancel: CancellationToken::new() }
}

/// All events, and the error that ended them.
async fn answer(engine: &HttpEngine, request: EngineRequest) -> (Vec<String>, Option<EngineError>) {
    tokio::time::timeout(Duration::from_secs(20), read_all(engine, request)).await.expect("it has an end")
}

async fn read_all(engine: &HttpEngine, request: EngineRequest) -> (Vec<String>, Option<EngineError>) {
    let mut events = match engine.chat(request).await {
        Ok(reply) => reply.events,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let mut all = Vec::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => all.push(String::from_utf8(event.to_vec()).expect("UTF-8")),
            Err(error) => {
                assert!(events.next().await.is_none(), "an error is the end");
                return (all, Some(error));
            }
        }
    }
    (all, None)
}

async fn failure(settings: HttpEngineSettings) -> (usize, EngineError) {
    let engine = HttpEngine::new(settings).expect("an address");
    let (events, error) = answer(&engine, request(5)).await;
    (events.len(), error.expect("an error"))
}

#[tokio::test]
async fn events_come_as_they_were_sent_and_connections_are_kept() {
    let fake = FakeEngine::start(fast()).await;
    let engine = HttpEngine::new(settings(&fake)).unwrap();
    for _ in 0..20 {
        let (events, error) = answer(&engine, request(6)).await;
        assert!(error.is_none());
        // The role, six words, the reason of the end, the usage; the end itself is no event.
        assert_eq!(events.len(), 9);
        assert!(events[1].starts_with(r#"{"id":"chatcmpl-"#) && events[1].ends_with("}]}"), "{}", events[1]);
        let usage = read(events[8].as_bytes()).unwrap().usage.unwrap();
        assert_eq!((usage.prompt_tokens, usage.completion_tokens), (7, 6));
    }
    let figures = fake.figures();
    assert_eq!((figures.finished, figures.cancelled), (20, 0));
    assert!(figures.connections <= 2, "{figures:?}");
}

#[tokio::test]
async fn a_body_that_ends_shortly_after_its_last_event_leaves_the_connection_whole() {
    let stream = || {
        futures::stream::unfold(0, async |place| {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let bytes = ["data: {}\n\n", "data: [DONE]\n\n"].get(place).copied()?;
            Some((Ok::<_, Infallible>(bytes), place + 1))
        })
    };
    let chat = axum::routing::post(async move || {
        ([("content-type", "text/event-stream")], axum::body::Body::from_stream(stream()))
    });
    let router = axum::Router::new().route("/v1/chat/completions", chat);
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let listener = listener.tap_io(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    let end = CancellationToken::new();
    let (ended, _end) = (end.clone(), end.drop_guard());
    TaskTracker::new()
        .spawn(async move { ended.run_until_cancelled(axum::serve(listener, router).into_future()).await });
    let engine = HttpEngine::new(HttpEngineSettings::new("a", format!("http://{address}"))).unwrap();
    for _ in 0..20 {
        assert_eq!(answer(&engine, request(1)).await.0, ["{}"]);
    }
    // All but those that a busy machine was late for.
    assert!(connections.load(Ordering::SeqCst) <= 10, "{connections:?}");
}

#[tokio::test]
async fn a_kept_connection_that_the_engine_hung_up_is_not_used_again() {
    const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 24\r\n\r\n\
                          data: {}\n\ndata: [DONE]\n\n";
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (end, connections) = (CancellationToken::new(), Arc::new(AtomicUsize::new(0)));
    let (ended, counted, _end) = (end.clone(), connections.clone(), end.drop_guard());
    let serve = async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::SeqCst);
            let mut asked = Vec::new();
            while !asked.ends_with(b"}}") {
                assert_ne!(stream.read_buf(&mut asked).await.unwrap(), 0);
            }
            stream.write_all(ANSWER.as_bytes()).await.unwrap();
            // And hangs up.
        }
    };
    TaskTracker::new().spawn(async move { ended.run_until_cancelled(serve).await });
    let engine = HttpEngine::new(HttpEngineSettings::new("a", format!("http://{address}"))).unwrap();
    for asked in 1..=5 {
        let (events, error) = answer(&engine, request(1)).await;
        assert!(events == ["{}"] && error.is_none(), "{events:?} {error:?}");
        assert_eq!(connections.load(Ordering::SeqCst), asked);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn the_model_and_further_fields_are_the_settings() {
    let fake = FakeEngine::start(fast()).await;
    let extra = serde_json::from_str(r#"{"max_tokens":3}"#).unwrap();
    let engine =
        HttpEngine::new(HttpEngineSettings { model: Some("other".into()), extra, ..settings(&fake) })
            .unwrap();
    let (events, _) = answer(&engine, request(50)).await;
    assert_eq!(events.len(), 1 + 3 + 2);
    assert!(engine.serves("anything", &engine.probe().await.unwrap()));
}

#[tokio::test]
async fn a_reply_that_is_dropped_or_cancelled_stops_the_engine_within_a_moment() {
    let fake = FakeEngine::start(EngineShape { token: Duration::from_millis(20), ..fast() }).await;
    let engine = HttpEngine::new(settings(&fake)).unwrap();
    let is_quick = async |way: Way| {
        // A machine with other work may be late once, but not every time.
        for _ in 0..5 {
            let before = fake.figures().cancelled;
            let held = begin_and_leave(&fake, &engine, way).await;
            let left = |figures: &Figures| figures.cancelled == before + 1 && figures.running == 0;
            if fake.wait_for(Duration::from_millis(200), left).await.is_ok() {
                return true;
            }
            drop(held);
            fake.wait_for(Duration::from_secs(20), left).await.expect("it stops at last");
        }
        false
    };
    assert!(is_quick(Way::Drop).await && is_quick(Way::Cancel).await);
    fake.set_fault(Fault::HangBeforeHead);
    assert!(is_quick(Way::BeforeTheHead).await);
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Drop,
    Cancel,
    BeforeTheHead,
}

/// Gives back the stream, where it is not dropping it that stops the engine.
async fn begin_and_leave(fake: &FakeEngine, engine: &HttpEngine, way: Way) -> Option<EventStream> {
    let request = request(1000);
    if way == Way::BeforeTheHead {
        tokio::select! {
            _ = engine.chat(request) => panic!("it hangs"),
            there = fake.wait_for(Duration::from_secs(20), |figures| figures.running == 1) => assert!(there.is_ok()),
        }
        return None;
    }
    let mut events = engine.chat(request.clone()).await.expect("an answer").events;
    events.next().await.expect("an event").expect("no error");
    if way == Way::Drop {
        return None;
    }
    request.cancel.cancel();
    loop {
        if let Err(error) = events.next().await.expect("an error before the end") {
            assert_eq!(error.kind, Kind::Cancelled);
            return Some(events);
        }
    }
}

#[tokio::test]
async fn a_request_in_the_engines_queue_is_left_too() {
    let fake = FakeEngine::start(EngineShape { slots: 1, token: Duration::from_millis(20), ..fast() }).await;
    let engine = HttpEngine::new(settings(&fake)).unwrap();
    let _first = engine.chat(request(1000)).await.unwrap();
    let second = engine.chat(request(1000));
    let waiting = fake.wait_for(Duration::from_secs(20), |figures| figures.waiting == 1);
    tokio::select! {
        _ = second => panic!("there is no slot"),
        waiting = waiting => assert!(waiting.is_ok()),
    }
    let left = |figures: &Figures| figures.waiting == 0 && figures.cancelled == 1;
    fake.wait_for(Duration::from_secs(20), left).await.expect("left the queue");
}

#[tokio::test]
async fn every_silence_has_an_end() {
    let fake = FakeEngine::start(fast()).await;
    fake.set_fault(Fault::HangBeforeHead);
    assert_eq!(failure(hasty(&fake)).await.1.kind, Kind::Timeout);
    fake.set_fault(Fault::HangAfter(3));
    let (events, error) = failure(hasty(&fake)).await;
    assert_eq!((events, error.kind), (3, Kind::Timeout));
    // A byte every 50 ms is no silence, but an event takes seconds then.
    fake.set_fault(Fault::Drip(1, Duration::from_millis(50)));
    let start = Instant::now();
    let (events, error) = failure(hasty(&fake)).await;
    assert_eq!((events, error.kind), (0, Kind::Timeout));
    assert!(start.elapsed() < Duration::from_secs(4));
    fake.set_fault(Fault::Endless);
    let (events, error) = failure(hasty(&fake)).await;
    assert!(events > 100 && error.kind == Kind::Timeout && error.message.contains("5 s"), "{events} {error}");
}

#[tokio::test]
async fn what_makes_no_sense_is_an_error_and_not_memory() {
    let fake = FakeEngine::start(fast()).await;
    fake.set_fault(Fault::Oversized(2 << 20));
    let (events, error) = failure(settings(&fake)).await;
    assert_eq!((events, error.kind), (1, Kind::Protocol));
    fake.set_fault(Fault::Noise);
    assert_eq!(failure(hasty(&fake)).await.1.kind, Kind::Timeout, "noise without an end holds no event");
    fake.set_fault(Fault::CutAfter(2));
    let (events, error) = failure(settings(&fake)).await;
    assert_eq!((events, error.kind), (2, Kind::Network));
}

#[tokio::test]
async fn a_head_without_measure_is_an_error() {
    let chat = axum::routing::post(async || ([("x-long", "x".repeat(300 << 10))], "never read"));
    let router = axum::Router::new().route("/v1/chat/completions", chat);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let end = CancellationToken::new();
    let (ended, _end) = (end.clone(), end.drop_guard());
    TaskTracker::new()
        .spawn(async move { ended.run_until_cancelled(axum::serve(listener, router).into_future()).await });
    let engine = HttpEngine::new(HttpEngineSettings::new("a", format!("http://{address}"))).unwrap();
    assert_eq!(answer(&engine, request(1)).await.1.unwrap().kind, Kind::Protocol);
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let fake = FakeEngine::start(EngineShape { context_tokens: 64, ..fast() }).await;
    for (status, kind) in [
        (400, Kind::BadRequest),
        (401, Kind::Unauthorized),
        (402, Kind::Quota),
        (404, Kind::NotFound),
        (429, Kind::RateLimited),
        (500, Kind::Overloaded),
        (503, Kind::Overloaded),
        (504, Kind::Timeout),
    ] {
        fake.set_fault(Fault::Status(status));
        let error = failure(settings(&fake)).await.1;
        assert_eq!(error.kind, kind, "{status}: {error}");
        assert!(!error.help.is_empty() && error.message.len() < 500);
    }
    fake.clear_fault();
    let engine = HttpEngine::new(settings(&fake)).unwrap();
    let long = format!(r#"{{"messages":[{{"content":"{}"}}],"stream":true}}"#, "x".repeat(999));
    let (_, error) = answer(&engine, EngineRequest { body: long.into(), ..request(5) }).await;
    assert_eq!(error.unwrap().kind, Kind::ContextFull);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let fake = FakeEngine::start(fast()).await;
    fake.set_fault(Fault::Redirect);
    let error = failure(settings(&fake)).await.1;
    assert_eq!(error.kind, Kind::NotFound);
    assert!(error.help.contains("127.0.0.1"), "{}", error.help);
}

#[tokio::test]
async fn a_key_goes_only_where_it_should_and_into_no_message() {
    let fake = FakeEngine::start(EngineShape { key: Some("another".into()), ..fast() }).await;
    let with_key = |base_url: &str| {
        let key = Some(Key::new(SECRET));
        HttpEngine::new(HttpEngineSettings { key, base_url: base_url.into(), ..settings(&fake) })
    };
    let engine = with_key(&fake.base_url).unwrap();
    // This engine repeats the key that it was sent.
    let (_, error) = answer(&engine, request(5)).await;
    let error = error.unwrap();
    assert_eq!(error.kind, Kind::Unauthorized);
    assert!(error.message.contains("***") && !format!("{error:?}").contains("sk-"), "{error:?}");
    assert!(
        !format!("{:?}", HttpEngineSettings { key: Some(Key::new(SECRET)), ..settings(&fake) })
            .contains("sk-")
    );
    assert_eq!(with_key("http://engine.example.com").err().unwrap().kind, Kind::BadRequest);

    let right = FakeEngine::start(EngineShape { key: Some(SECRET.into()), ..fast() }).await;
    assert!(answer(&with_key(&right.base_url).unwrap(), request(5)).await.1.is_none());
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_known_at_once() {
    let fake = FakeEngine::start(fast()).await;
    let engine = Arc::new(HttpEngine::new(settings(&fake)).unwrap());
    fake.stop().await;
    let (_, error) = answer(&engine, request(5)).await;
    let error = error.unwrap();
    assert_eq!(error.kind, Kind::Network, "{error}");
    assert_eq!(engine.probe().await.unwrap_err().kind, Kind::Network);
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_not_taken() {
    let play = meddah_fakes::Play::case(meddah_fakes::Dialect::OpenAi, "turn");
    let fake = meddah_fakes::Fake::start_tls(play).await;
    let engine = HttpEngine::new(HttpEngineSettings::new("a", &fake.base_url)).unwrap();
    let (_, error) = answer(&engine, request(5)).await;
    let error = error.unwrap();
    assert_eq!(error.kind, Kind::Network);
    assert!(error.message.contains("cannot prove who it is"), "{error}");
}

#[tokio::test]
async fn llama_server_is_found_out_and_frozen_ones_are_given_up() {
    let fake = FakeEngine::start(EngineShape { slots: 3, context_tokens: 4096, ..fast() }).await;
    let mut limited = settings(&fake);
    limited.limits.probe = Duration::from_secs(3);
    let engine = HttpEngine::new(limited).unwrap();
    let _running = engine.chat(request(1000)).await.unwrap();
    let facts = engine.probe().await.unwrap();
    assert_eq!((facts.dialect, facts.slots, facts.busy), (Dialect::LlamaServer, Some(3), Some(1)));
    assert_eq!((facts.models, facts.context_tokens), (vec!["fake".to_owned()], Some(4096)));
    fake.set_fault(Fault::Frozen);
    assert_eq!(engine.probe().await.unwrap_err().kind, Kind::Timeout);
}
