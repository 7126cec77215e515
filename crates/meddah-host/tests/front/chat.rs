//! Answers: whole, in pieces, while waiting, and when something goes wrong.

use std::time::Duration;

use futures::StreamExt as _;
use meddah_fakes::engine::{EngineShape, Fault};
use meddah_host::quota::Allowance;
use meddah_host::settings::TierEntry;
use meddah_host::storage::{Ended, LedgerPage};
use serde_json::Value;

use crate::host::{PATIENCE, TestHost, events, quick, says, settings, streamed};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_comes_whole_or_in_pieces_and_says_what_is_left() {
    let host = TestHost::start(quick(), settings()).await;
    let token = host.player("free").await;
    let before = host.get(&token, "/v1/me").await["left"]["day"].clone();
    let whole: Value = host.chat(&token, &says("Hello!", 8)).send().await.unwrap().json().await.unwrap();
    assert_eq!(whole["object"], "chat.completion", "{whole}");
    assert!(whole["choices"][0]["message"]["content"].as_str().unwrap().len() > 3, "{whole}");
    let used = whole["usage"]["total_tokens"].as_u64().unwrap();
    let left = &whole["meddah"]["left"]["day"];
    assert_eq!(left["turns"].as_u64().unwrap(), before["turns"].as_u64().unwrap() - 1);
    assert_eq!(left["tokens"].as_u64().unwrap(), before["tokens"].as_u64().unwrap() - used);

    let response = host.chat(&token, &streamed("Hello!", 8)).send().await.unwrap();
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    let body = response.text().await.unwrap();
    assert!(body.ends_with("data: [DONE]\n\n"), "{body}");
    let events = events(&body);
    let last = events.last().unwrap();
    assert!(!last["choices"][0]["finish_reason"].is_null(), "without usage the reason is last: {last}");
    assert_eq!(
        last["meddah"]["left"]["day"]["turns"].as_u64().unwrap(),
        before["turns"].as_u64().unwrap() - 2
    );
    assert_eq!(host.get(&token, "/v1/me").await["left"], last["meddah"]["left"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_is_told_its_place() {
    let shape = EngineShape { slots: 1, token: Duration::from_millis(5), ..quick() };
    let host = TestHost::start(shape, settings()).await;
    let (one, two) = (host.player("free").await, host.player("free").await);
    let first = host.chat(&one, &streamed("Long", 200)).send().await.unwrap();
    let second = host.chat(&two, &streamed("Short", 4)).header("x-meddah-queue", "events");
    let second = second.send().await.unwrap().text().await.unwrap();
    assert!(second.starts_with(": queue {\"position\":1,"), "{second}");
    assert!(second.ends_with("data: [DONE]\n\n"), "{second}");
    first.text().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_is_told_when_little_is_left() {
    let mut few = settings();
    let day = Allowance { turns: Some(11), ..Allowance::default() };
    few.tiers.insert("few".into(), TierEntry { day, ..TierEntry::default() });
    let host = TestHost::start(quick(), few).await;
    let token = host.player("few").await;
    let ask = async |header: &'static str| {
        let asked = host.chat(&token, &streamed("Hello!", 4)).header("x-meddah-queue", header);
        asked.send().await.unwrap().text().await.unwrap()
    };
    for _ in 0..9 {
        assert!(!ask("events").await.contains("near-end"));
    }
    assert!(!ask("nothing").await.contains("near-end"), "who does not ask is not told");
    let said = ask("events").await;
    let first = ": near-end {\"unit\":\"turns\",\"period\":\"day\",\"left\":0,\"of\":11}\n\n";
    assert!(said.starts_with(first), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_player_who_leaves_pays_for_what_was_said_and_frees_the_slot() {
    let shape = EngineShape { slots: 1, token: Duration::from_millis(5), ..quick() };
    let host = TestHost::start(shape, settings()).await;
    let token = host.player("free").await;
    let mut stream = host.chat(&token, &streamed("A long story", 1000)).send().await.unwrap().bytes_stream();
    for _ in 0..5 {
        stream.next().await.unwrap().unwrap();
    }
    drop(stream);
    host.engine.wait_for(PATIENCE, |figures| figures.cancelled == 1).await.unwrap();
    let next = host.chat(&token, &says("Again", 4)).send().await.unwrap();
    assert_eq!(next.status(), 200);
    let ledger = host.host.store.ledger(&LedgerPage { limit: 10, ..LedgerPage::default() }).await.unwrap();
    let ended: Vec<Ended> = ledger.iter().map(|line| line.entry.ended).collect();
    assert_eq!(ended, [Ended::Cut, Ended::Answered]);
    let cut = &ledger[0].entry.amounts;
    assert!(cut.turns == 1 && cut.tokens > 10 && cut.tokens < 500, "{cut:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_fails_costs_nothing_and_tells_nothing_of_itself() {
    let host = TestHost::start(quick(), settings()).await;
    let token = host.player("free").await;
    host.engine.set_fault(Fault::Status(500));
    let response = host.chat(&token, &says("Hello", 4)).send().await.unwrap();
    let (status, body) = (response.status(), response.text().await.unwrap());
    assert!(matches!(status.as_u16(), 502 | 503), "{status} {body}");
    assert!(!body.contains("127.0.0.1") && !body.contains("fake"), "{body}");
    let me = host.get(&token, "/v1/me").await;
    assert_eq!(me["left"], me["limits"], "nothing was charged");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_was_sent_twice_is_answered_once() {
    let host = TestHost::start(quick(), settings()).await;
    let token = host.player("free").await;
    let ask = || host.chat(&token, &says("Hello", 4)).header("idempotency-key", "one").send();
    assert_eq!(ask().await.unwrap().status(), 200);
    assert_eq!(ask().await.unwrap().status(), 400);
    assert_eq!(host.engine.figures().finished, 1);
    let me = host.get(&token, "/v1/me").await;
    assert_eq!(
        me["left"]["day"]["turns"].as_u64().unwrap() + 1,
        me["limits"]["day"]["turns"].as_u64().unwrap()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_under_way_are_finished_when_the_host_stops() {
    let shape = EngineShape { token: Duration::from_millis(5), ..quick() };
    let host = TestHost::start(shape, settings()).await;
    let token = host.player("free").await;
    let response = host.chat(&token, &streamed("A story", 60)).send().await.unwrap();
    let reading = tokio::spawn(response.text());
    host.stop().await;
    let body = reading.await.unwrap().unwrap();
    assert!(body.ends_with("data: [DONE]\n\n") && body.contains("\"meddah\""), "{body}");
}
