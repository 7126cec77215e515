//! Quotas: what is left counts down, and nothing goes beyond.

use std::time::Duration;

use futures::future::join;
use meddah_fakes::engine::EngineShape;
use meddah_host::quota::Allowance;
use meddah_host::settings::TierEntry;
use meddah_host::storage::{Ended, LedgerPage, ServerState};
use serde_json::Value;

use crate::host::{PATIENCE, TestHost, events, quick, says, settings, streamed};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_race_passes_a_quota() {
    let mut settings = settings();
    let day = Allowance { turns: Some(25), ..Allowance::default() };
    settings.tiers.insert("few".into(), TierEntry { concurrent: 50, day, ..TierEntry::default() });
    let host = TestHost::start(quick(), settings).await;
    let token = host.player("few").await;
    let asks = (0..60).map(|_| async {
        let response = host.chat(&token, &streamed("Hello", 2)).send().await.unwrap();
        let status = response.status().as_u16();
        response.text().await.unwrap();
        status
    });
    let statuses = futures::future::join_all(asks).await;
    let answered = statuses.iter().filter(|status| **status == 200).count();
    assert!(
        answered <= 25 && statuses.iter().all(|status| matches!(status, 200 | 429 | 503)),
        "{statuses:?}"
    );
    let ledger = host.host.store.ledger(&LedgerPage { limit: 100, ..LedgerPage::default() }).await.unwrap();
    let turns: u64 = ledger.iter().map(|line| line.entry.amounts.turns).sum();
    assert_eq!(turns, answered as u64, "what was answered is in the ledger");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_nothing_left_is_told_when_to_come_back() {
    let mut settings = settings();
    let day = Allowance { turns: Some(1), ..Allowance::default() };
    settings.tiers.insert("one".into(), TierEntry { day, ..TierEntry::default() });
    let host = TestHost::start(quick(), settings).await;
    let token = host.player("one").await;
    let first: Value = host.chat(&token, &says("Hello", 2)).send().await.unwrap().json().await.unwrap();
    assert_eq!(first["meddah"]["left"]["day"]["turns"], 0);
    let second = host.chat(&token, &says("Hello", 2)).send().await.unwrap();
    assert_eq!(
        (second.status().as_u16(), &second.headers()["x-should-retry"]),
        (429, &"false".parse().unwrap())
    );
    let error: Value = second.json().await.unwrap();
    assert_eq!(
        (&error["error"]["code"], &error["error"]["type"]),
        (&"quota".into(), &"insufficient_quota".into())
    );
    assert!(error["error"]["retry_after_ms"].as_u64().unwrap() > 0, "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_used_is_remembered_by_the_next_start() {
    let host = TestHost::start(quick(), settings()).await;
    let token = host.player("free").await;
    host.chat(&token, &says("Hello", 4)).send().await.unwrap().text().await.unwrap();
    let before = host.get(&token, "/v1/me").await;
    let (folder, engine) = host.stop().await;
    let again = TestHost::start_in(folder, engine, settings()).await;
    assert_eq!(again.get(&token, "/v1/me").await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_kill_switch_holds_at_once() {
    let host = TestHost::start(quick(), settings()).await;
    let token = host.player("free").await;
    let switch = |state: &str| host.client.post(host.admin(&format!("/state/{state}"))).send();
    assert_eq!(switch("closed").await.unwrap().status(), 200);
    let refused = host.chat(&token, &says("Hello", 4)).send().await.unwrap();
    assert_eq!(refused.status(), 503);
    assert_eq!(host.host.store.state().await.unwrap(), ServerState::Closed);
    assert_eq!(switch("open").await.unwrap().status(), 200);
    assert_eq!(host.chat(&token, &says("Hello", 4)).send().await.unwrap().status(), 200);
    assert_eq!(host.engine.figures().finished, 1);
}

/// Answers that take about a minute, if nobody ends them.
fn slow() -> EngineShape {
    EngineShape { slots: 2, token: Duration::from_millis(60), ..quick() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_breaks_answers_off_and_settles_what_was_said() {
    let host = TestHost::start(slow(), settings()).await;
    let (one, two, three) = (host.player("free").await, host.player("free").await, host.player("free").await);
    let switch = |state: &str| host.client.post(host.admin(&format!("/state/{state}"))).send();
    let streamed_one = host.chat(&one, &streamed("A story", 1_000)).send().await.unwrap();
    let close = async {
        host.engine.wait_for(PATIENCE, |figures| figures.running == 2).await.unwrap();
        while host.host.gate.figures().of(meddah_host::player::Class::Live).waiting == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await; // some words of each
        switch("closed").await.unwrap()
    };
    let whole = async { host.chat(&two, &says("A story", 1_000)).send().await.unwrap() };
    let waiting = async {
        host.engine.wait_for(PATIENCE, |figures| figures.running == 2).await.unwrap();
        host.chat(&three, &says("A story", 1_000)).send().await.unwrap()
    };
    let ((whole, waiting), closed) = join(join(whole, waiting), close).await;
    assert_eq!(
        (closed.status(), whole.status(), waiting.status()),
        (200.try_into().unwrap(), 503.try_into().unwrap(), 503.try_into().unwrap())
    );
    let body = streamed_one.text().await.unwrap();
    let last = events(&body).pop().unwrap();
    assert_eq!(last["error"]["code"], "shutting_down", "{last}");
    assert!(body.ends_with("data: [DONE]\n\n"), "{body}");
    host.engine.wait_for(PATIENCE, |figures| figures.running == 0 && figures.cancelled == 2).await.unwrap();
    let settled = async {
        while host.host.book.figures() != (0, 0) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, settled).await.unwrap();
    let ledger = host.host.store.ledger(&LedgerPage { limit: 10, ..LedgerPage::default() }).await.unwrap();
    let cut: Vec<u64> = ledger
        .iter()
        .filter(|line| line.entry.ended == Ended::Cut)
        .map(|line| line.entry.amounts.tokens)
        .collect();
    assert!(cut.len() == 2 && cut.iter().all(|tokens| (10..900).contains(tokens)), "{ledger:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn draining_lets_answers_finish_and_begins_none() {
    let host = TestHost::start(EngineShape { token: Duration::from_millis(10), ..quick() }, settings()).await;
    let token = host.player("free").await;
    let answer = host.chat(&token, &streamed("A story", 40)).send().await.unwrap();
    let drain = host.client.post(host.admin("/state/draining")).send().await.unwrap();
    assert_eq!(drain.status(), 200);
    let refused = host.chat(&token, &says("Hello", 4)).send().await.unwrap();
    assert_eq!(refused.status(), 503);
    let refused: Value = refused.json().await.unwrap();
    assert!(refused["error"]["retry_after_ms"].as_u64().unwrap() > 0, "{refused}");
    let body = answer.text().await.unwrap();
    assert!(body.contains("\"meddah\"") && !body.contains("\"error\""), "{body}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_before_the_first_word_has_still_used_the_prompt() {
    let shape = EngineShape { prefill: Duration::from_secs(1), ..quick() };
    let host = TestHost::start(shape, settings()).await;
    let token = host.player("free").await;
    let asking = host.chat(&token, &streamed("Hello", 4)).timeout(Duration::from_millis(300)).send();
    assert!(asking.await.is_err());
    host.engine.wait_for(PATIENCE, |figures| figures.cancelled == 1).await.unwrap();
    let left = async {
        loop {
            let me = host.get(&token, "/v1/me").await;
            if me["left"] != me["limits"] {
                return me;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let me = tokio::time::timeout(PATIENCE, left).await.unwrap();
    assert_eq!(me["left"]["day"]["turns"], me["limits"]["day"]["turns"], "but it is no turn: {me}");
}
