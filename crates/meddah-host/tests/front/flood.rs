//! Light players beside one that floods, over real sockets, and what the simulator says of the same hour.
//!
//! Everything is ten times as fast as in `examples/fairness`: a token takes 2.5 ms, and a light player asks every two
//! seconds.

#[path = "../../examples/fairness/scenario.rs"]
#[allow(dead_code, reason = "the half with ambient talk is for others")]
mod scenario;

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use meddah_fakes::engine::EngineShape;
use meddah_host::plan::{Flood, Length, Order, Outcome, Percentiles, Scenario, simulate};
use meddah_host::player::Class;
use meddah_host::quota::Allowance;
use meddah_host::settings::{HostSettings, TierEntry};
use rand_distr::{Distribution as _, Exp1, StandardNormal};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::SeedableRng as _;
use scenario::{FLOOD, light_players};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::host::{TestHost, settings};

/// Seconds of each of the two runs; 360 at full size.
const SECONDS: &str = "MEDDAH_TEST_FLOOD_SECONDS";
/// From here on the stated bounds are asserted; a few requests on a machine that does much else say less.
const FULL_SECONDS: u64 = 60;
const FASTER: f64 = 10.0;
/// Tokens of each prompt, all of them read.
const PROMPT_TOKENS: u32 = 60;
const READ: Duration = Duration::from_millis(25);

fn scenario(flood: Flood, duration: Duration) -> Scenario {
    let mut scenario = Scenario { flood, duration, ..light_players() };
    scenario.machine.token_ms /= FASTER;
    scenario.machine.prompt_tokens_per_second = f64::from(PROMPT_TOKENS) / READ.as_secs_f64();
    scenario.habits.requests_per_hour *= FASTER;
    scenario.habits.prompt = Length { median: PROMPT_TOKENS.into(), spread: 0.0, max: PROMPT_TOKENS };
    scenario.habits.cached_share = 0.0;
    scenario
}

fn host_settings(scenario: &Scenario) -> HostSettings {
    let mut settings = settings();
    settings.admission = scenario.admission.clone();
    settings.limits.joins_per_hour = 1_000;
    let day = Allowance::default();
    settings.tiers.insert("any".into(), TierEntry { concurrent: 64, day, ..TierEntry::default() });
    settings
}

/// A prompt that no other begins like, and an answer of a drawn length.
fn body(dice: &mut Pcg64Mcg, output: Length) -> Value {
    let deviation: f64 = StandardNormal.sample(dice);
    let tokens = (output.median * (output.spread * deviation).exp()).round().clamp(1.0, output.max.into());
    let text =
        format!("{:0>width$}", ulid::Ulid::new().to_string(), width = 4 * (PROMPT_TOKENS as usize - 4));
    json!({"messages": [{"role": "user", "content": text}], "max_tokens": tokens as u32, "stream": true})
}

/// From asking to the first word.
async fn first_word(request: reqwest::RequestBuilder) -> Duration {
    let asked = Instant::now();
    let mut answer = request.send().await.unwrap().error_for_status().unwrap().bytes_stream();
    let mut first = None;
    while let Some(piece) = answer.next().await {
        let text = String::from_utf8_lossy(&piece.unwrap()).into_owned();
        if first.is_none() && text.contains("\"content\":\"") {
            first = Some(asked.elapsed());
        }
    }
    first.expect("a word")
}

/// The light players' times to the first word, and the share of the slots' time that was used.
async fn measure(scenario: &Scenario) -> (Percentiles, f64) {
    let shape = EngineShape {
        slots: scenario.machine.slots as usize,
        prefill: READ / PROMPT_TOKENS,
        token: Duration::from_secs_f64(scenario.machine.token_ms / 1e3),
        ..EngineShape::default()
    };
    let host = std::sync::Arc::new(TestHost::start(shape, host_settings(scenario)).await);
    let until = tokio::time::Instant::now() + scenario.duration;
    let (mut light, mut flooding) = (JoinSet::new(), JoinSet::new());
    let output = scenario.habits.output;
    for player in 0..scenario.players {
        let (host, token) = (host.clone(), host.player("any").await);
        let mean = 3_600.0 / scenario.habits.requests_per_hour;
        light.spawn(async move {
            let (mut dice, mut asking) = (Pcg64Mcg::seed_from_u64(player.into()), JoinSet::new());
            loop {
                let gap: f64 = Exp1.sample(&mut dice);
                tokio::time::sleep(Duration::from_secs_f64(gap * mean)).await;
                if tokio::time::Instant::now() > until {
                    return asking.join_all().await;
                }
                asking.spawn(first_word(host.chat(&token, &body(&mut dice, output))));
            }
        });
    }
    for _ in 0..scenario.flood.players {
        let token = host.player("any").await;
        for place in 0..scenario.flood.outstanding {
            let (host, token) = (host.clone(), token.clone());
            flooding.spawn(async move {
                let mut dice = Pcg64Mcg::seed_from_u64(u64::from(place) + 1_000);
                loop {
                    first_word(host.chat(&token, &body(&mut dice, output))).await;
                }
            });
        }
    }
    let (mut busy, mut looks) = (0, 0_u64);
    while tokio::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(5)).await;
        busy += host.engine.figures().running;
        looks += 1;
    }
    let times = light.join_all().await.into_iter().flatten().collect();
    flooding.shutdown().await;
    (Percentiles::of(times), busy as f64 / (looks * u64::from(scenario.machine.slots)) as f64)
}

fn told(outcome: &Outcome) -> (Percentiles, f64) {
    (outcome.of(Class::Live).first_token, outcome.utilisation)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn light_players_hardly_notice_a_flood_over_real_sockets() {
    let seconds = std::env::var(SECONDS).map_or(8, |seconds| seconds.parse().unwrap());
    let duration = Duration::from_secs(seconds);
    let (quiet, flooded) = (scenario(Flood::default(), duration), scenario(FLOOD, duration));
    let (alone, _) = measure(&quiet).await;
    let (beside, utilisation) = measure(&flooded).await;
    println!("alone:  measured {alone:?}, simulated {:?}", told(&simulate(&quiet).unwrap()));
    println!(
        "beside: measured {beside:?} {utilisation:.3}, simulated {:?}",
        told(&simulate(&flooded).unwrap())
    );
    // How long a request holds its slot: 25 ms to read, and 97 tokens of 2.5 ms.
    let hold = READ + Duration::from_micros(97 * 2_500);
    // Whoever comes first is served first: what light players would see without a fair queue.
    let first_come = told(&simulate(&Scenario { order: Order::FirstCome, ..flooded }).unwrap()).0;
    assert!(beside.p50 < first_come.p50 / 2, "{:?} of {:?}", beside.p50, first_come.p50);
    if seconds >= FULL_SECONDS {
        let bound = alone.p99 * 3 / 2 + hold;
        assert!(beside.p99 <= bound, "{:?} of {bound:?}", beside.p99);
        assert!(utilisation >= 0.95, "{utilisation}");
    }
}
