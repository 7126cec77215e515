//! Players who leave at any moment.

use std::time::{Duration, Instant};

use meddah_fakes::engine::EngineShape;
use meddah_host::player::Class;
use meddah_host::quota::Allowance;
use meddah_host::settings::TierEntry;
use meddah_host::storage::Ended;

use crate::host::{TestHost, quick, says, settings, streamed};

/// 2,000 at full size.
const COUNT: &str = "MEDDAH_TEST_DISCONNECTS";
/// An answer takes about so long.
const ANSWER: Duration = Duration::from_millis(60);
/// A slot has to be free after so long, on a machine that does much else. The aim is 200 ms.
const FREE_MAX: Duration = Duration::from_secs(5);

/// Nobody waits, nobody runs, neither here nor there, and all is written.
async fn is_idle(host: &TestHost) -> Duration {
    let since = Instant::now();
    loop {
        let figures = host.host.gate.figures();
        let of = figures.of(Class::Live);
        let engine = host.engine.figures();
        if of.waiting + of.running + engine.running + engine.waiting == 0 {
            return since.elapsed();
        }
        assert!(since.elapsed() < FREE_MAX, "{of:?} {engine:?}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_leaves_is_settled_once_and_frees_the_slot() {
    let count: u64 = std::env::var(COUNT).map_or(200, |count| count.parse().unwrap());
    let many =
        Allowance { turns: Some(u64::MAX >> 20), tokens: Some(u64::MAX >> 20), ..Allowance::default() };
    let mut settings = settings();
    settings.tiers.insert("many".into(), TierEntry { day: many, ..TierEntry::default() });
    let shape =
        EngineShape { prefill: Duration::from_micros(500), token: Duration::from_millis(1), ..quick() };
    let host = TestHost::start(shape, settings).await;
    let token = host.player("many").await;
    let mut freed = Vec::new();
    for round in 0..count {
        // Steps of the golden ratio: spread over the whole of an answer, and the same in each run.
        let moment = ANSWER.mul_f64((round as f64 * 0.618_033_988_75).fract() * 1.2);
        let body = if round % 2 == 0 { streamed("A story", 50) } else { says("A story", 50) };
        let answer = async { host.chat(&token, &body).send().await.unwrap().text().await.unwrap() };
        tokio::time::timeout(moment, answer).await.ok();
        freed.push(is_idle(&host).await);
    }
    let ledger = host.ledger().await;
    let ended = |kind: Ended| ledger.iter().filter(|line| line.entry.ended == kind).count() as u64;
    let engine = host.engine.figures();
    let (answered, cut) = (ended(Ended::Answered), ended(Ended::Cut));
    assert!(answered <= engine.finished && answered + cut >= engine.started, "{answered} {cut} {engine:?}");
    assert_eq!(engine.cancelled + engine.finished, engine.started, "{engine:?}");
    assert!(engine.cancelled > count / 4 && ledger.len() as u64 <= count, "{engine:?}");
    let mut requests: Vec<String> = ledger.iter().map(|line| line.entry.request.to_string()).collect();
    requests.sort_unstable();
    requests.dedup();
    assert_eq!(requests.len(), ledger.len(), "each once");
    let me = host.get(&token, "/v1/me").await;
    for unit in ["turns", "tokens"] {
        let [left, limit] = [&me["left"], &me["limits"]].map(|of| of["day"][unit].as_u64().unwrap());
        let sum: u64 = ledger
            .iter()
            .map(|line| if unit == "turns" { line.entry.amounts.turns } else { line.entry.amounts.tokens })
            .sum();
        assert_eq!(limit - left, sum, "{unit}");
    }
    freed.sort_unstable();
    let at = |share: usize| freed[(freed.len() - 1) * share / 100];
    println!("free after p50 {:?}, p99 {:?}, at most {:?}; {engine:?}", at(50), at(99), at(100));
}
