//! Quotas: what is left counts down, and nothing goes beyond.

use meddah_host::quota::Allowance;
use meddah_host::settings::TierEntry;
use meddah_host::storage::{LedgerPage, ServerState};
use serde_json::Value;

use crate::host::{TestHost, quick, says, settings, streamed};

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
