//! An engine over HTTP: what goes through, what is refused, and what has an end.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use meddah_fakes::engine::{EngineShape, FakeEngine, Fault};
use meddah_host::engines::{
    Dialect, Engine as _, EngineError, EngineErrorKind as Kind, EngineRequest, HttpEngine,
    HttpEngineSettings, read,
};
use meddah_inference::Key;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const SECRET: &str = "sk-abcdefghijklmnopqrstuvwxyz";

fn fast() -> EngineShape {
    EngineShape { prefill: Duration::ZERO, token: Duration::from_millis(1), ..EngineShape::default() }
}

fn settings(fake: &FakeEngine) -> HttpEngineSettings {
    let mut settings = HttpEngineSettings::new("a", &fake.base_url);
    settings.limits.first_event = Duration::from_millis(600);
    settings.limits.idle = Duration::from_millis(600);
    settings.limits.whole = Duration::from_secs(3);
    settings
}

fn request(tokens: u32) -> EngineRequest {
    let body = format!(
        r#"{{"model":"fake","messages":[{{"role":"user","content":"Hello there"}}],"max_tokens":{tokens},
            "stream":true,"stream_options":{{"include_usage":true}}}}"#
    );
    EngineRequest { body: body.into(), model: None, cancel: CancellationToken::new() }
}

/// All events, and the error that ended them.
async fn answer(engine: &HttpEngine, request: EngineRequest) -> (Vec<String>, Option<EngineError>) {
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

async fn failure(fake: &FakeEngine, tokens: u32) -> (usize, EngineError) {
    let engine = HttpEngine::new(settings(fake)).expect("an address");
    let (events, error) = answer(&engine, request(tokens)).await;
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
    let moment = Duration::from_millis(200);

    let mut events = engine.chat(request(1000)).await.unwrap().events;
    events.next().await.unwrap().unwrap();
    drop(events);
    fake.wait_for(moment, |figures| figures.cancelled == 1 && figures.running == 0).await.expect("dropped");

    let cancelled = request(1000);
    let mut events = engine.chat(cancelled.clone()).await.unwrap().events;
    events.next().await.unwrap().unwrap();
    cancelled.cancel.cancel();
    let error = loop {
        if let Err(error) = events.next().await.expect("an error before the end") {
            break error;
        }
    };
    assert_eq!(error.kind, Kind::Cancelled);
    // The stream is still held.
    fake.wait_for(moment, |figures| figures.cancelled == 2 && figures.running == 0).await.expect("cancelled");
    drop(events);

    fake.set_fault(Fault::HangBeforeHead);
    let waiting = tokio::time::timeout(Duration::from_millis(100), engine.chat(request(1000))).await;
    assert!(waiting.is_err());
    fake.wait_for(moment, |figures| figures.cancelled == 3 && figures.running == 0)
        .await
        .expect("before the head");
}

#[tokio::test]
async fn a_request_in_the_engines_queue_is_left_too() {
    let fake = FakeEngine::start(EngineShape { slots: 1, token: Duration::from_millis(20), ..fast() }).await;
    let engine = HttpEngine::new(settings(&fake)).unwrap();
    let _first = engine.chat(request(1000)).await.unwrap();
    let second = tokio::time::timeout(Duration::from_millis(100), engine.chat(request(1000))).await;
    assert!(second.is_err());
    let left = |figures: &meddah_fakes::engine::Figures| figures.waiting == 0 && figures.cancelled == 1;
    fake.wait_for(Duration::from_millis(200), left).await.expect("left the queue");
}

#[tokio::test]
async fn every_silence_has_an_end() {
    let fake = FakeEngine::start(fast()).await;
    fake.set_fault(Fault::HangBeforeHead);
    assert_eq!(failure(&fake, 5).await.1.kind, Kind::Timeout);
    fake.set_fault(Fault::HangAfter(3));
    let (events, error) = failure(&fake, 5).await;
    assert_eq!((events, error.kind), (3, Kind::Timeout));
    // A byte every 20 ms is no silence, but an event takes seconds then.
    fake.set_fault(Fault::Drip(1, Duration::from_millis(20)));
    let start = Instant::now();
    let (events, error) = failure(&fake, 5).await;
    assert_eq!((events, error.kind), (0, Kind::Timeout));
    assert!(start.elapsed() < Duration::from_secs(2));
    fake.set_fault(Fault::Endless);
    let (events, error) = failure(&fake, 5).await;
    assert!(events > 100 && error.kind == Kind::Timeout && error.message.contains("3 s"), "{events} {error}");
}

#[tokio::test]
async fn what_makes_no_sense_is_an_error_and_not_memory() {
    let fake = FakeEngine::start(fast()).await;
    fake.set_fault(Fault::Oversized(2 << 20));
    let (events, error) = failure(&fake, 5).await;
    assert_eq!((events, error.kind), (1, Kind::Protocol));
    fake.set_fault(Fault::Noise);
    assert_eq!(failure(&fake, 5).await.1.kind, Kind::Timeout, "noise without an end holds no event");
    fake.set_fault(Fault::CutAfter(2));
    let (events, error) = failure(&fake, 5).await;
    assert_eq!((events, error.kind), (2, Kind::Network));
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
        let error = failure(&fake, 5).await.1;
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
    let error = failure(&fake, 5).await.1;
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
    let start = Instant::now();
    let (_, error) = answer(&engine, request(5)).await;
    let error = error.unwrap();
    assert_eq!(error.kind, Kind::Network, "{error}");
    assert_eq!(engine.probe().await.unwrap_err().kind, Kind::Network);
    assert!(start.elapsed() < Duration::from_secs(5));
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
    limited.limits.probe = Duration::from_millis(200);
    let engine = HttpEngine::new(limited).unwrap();
    let _running = engine.chat(request(1000)).await.unwrap();
    let facts = engine.probe().await.unwrap();
    assert_eq!((facts.dialect, facts.slots, facts.busy), (Dialect::LlamaServer, Some(3), Some(1)));
    assert_eq!((facts.models, facts.context_tokens), (vec!["fake".to_owned()], Some(4096)));
    fake.set_fault(Fault::Frozen);
    assert_eq!(engine.probe().await.unwrap_err().kind, Kind::Timeout);
}
