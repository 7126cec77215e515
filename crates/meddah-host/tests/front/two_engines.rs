//! A host in front of two engines, one of which goes wrong, and its players.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures::future::join_all;
use meddah_fakes::engine::{EngineShape, FakeEngine};
use meddah_host::engines::{EngineState, HttpEngineSettings};
use meddah_host::player::Class;
use meddah_host::quota::Allowance;
use meddah_host::settings::{EngineEntry, TierEntry};
use meddah_host::storage::LedgerLine;
use serde_json::{Value, json};

use crate::host::{PATIENCE, TestHost, events, http, settings};

/// Players at once, and what each asks for one after the other. There are eight slots.
pub const PLAYERS: usize = 12;
const REQUESTS: usize = 3;
pub const TOKENS: u32 = 20;
/// An engine may be silent for so long, before the first event and from one to the next.
pub const SILENCE: Duration = Duration::from_secs(3);
/// What a chat template and the request take beside the bytes of messages, as the host counts it.
const OVERHEAD_TOKENS: u64 = 64 + 2 * 16;

/// A host in front of two engines. The one of [`TestHost`] goes wrong.
pub struct Rig {
    pub host: TestHost,
    pub sound: FakeEngine,
    pub players: Vec<String>,
}

/// How a request ended.
#[derive(Debug)]
pub struct Told {
    pub took: Duration,
    pub words: u64,
    pub error: Option<Value>,
}

pub fn shape() -> EngineShape {
    EngineShape {
        slots: 4,
        prefill: Duration::ZERO,
        token: Duration::from_millis(2),
        ..EngineShape::default()
    }
}

pub fn body(player: usize, tokens: u32) -> Value {
    json!({"model": "", "messages": [{"role": "system", "content": format!("You are number {player}.")},
        {"role": "user", "content": "A story, please."}], "max_tokens": tokens, "stream": true})
}

/// The most that it may cost, in tokens. In millionths of a dollar it is twice as much at the prices of
/// [`Rig::start`]: one for a token of the prompt, or two if it is written into a cache, and two for one of the answer.
pub fn reserved(player: usize, tokens: u32) -> u64 {
    let prompt = body(player, tokens)["messages"].to_string().len() as u64 + OVERHEAD_TOKENS;
    prompt + u64::from(tokens)
}

pub fn is_within(line: &LedgerLine, reserved: u64) -> bool {
    line.entry.amounts.tokens <= reserved && line.entry.amounts.micro <= 2 * reserved
}

impl Rig {
    pub async fn start(shape: EngineShape) -> Rig {
        let (bad, sound) = (FakeEngine::start(shape.clone()).await, FakeEngine::start(shape).await);
        let engine = |name: &str, fake: &FakeEngine| {
            let mut settings = HttpEngineSettings::new(name, &fake.base_url);
            settings.limits.first_event = SILENCE;
            settings.limits.idle = SILENCE;
            http(settings)
        };
        let engines = vec![engine("bad", &bad), engine("sound", &sound)];
        let mut settings = settings();
        let price = |name: &str| EngineEntry {
            name: name.into(),
            input_price: "1.00".into(),
            output_price: "2.00".into(),
            ..EngineEntry::default()
        };
        settings.engines = vec![price("bad"), price("sound")];
        settings.limits.joins_per_hour = 1_000;
        let day =
            Allowance { turns: Some(1 << 30), tokens: Some(1 << 40), micro: Some(1 << 40), speech_ms: None };
        settings.tiers.insert("any".into(), TierEntry { concurrent: 64, day, ..TierEntry::default() });
        let folder = tempfile::tempdir().unwrap();
        let host = TestHost::start_before(folder, bad, engines, settings).await;
        let mut slots = host.host.pool.slots();
        tokio::time::timeout(PATIENCE, slots.wait_for(|slots| *slots == 8)).await.unwrap().unwrap();
        let mut players = Vec::new();
        for _ in 0..PLAYERS {
            players.push(host.player("any").await);
        }
        Rig { host, sound, players }
    }

    pub async fn ask(&self, player: usize, tokens: u32) -> Told {
        let asked = Instant::now();
        let response = self.host.chat(&self.players[player], &body(player, tokens)).send().await.unwrap();
        let (status, said) = (response.status(), response.text().await.unwrap());
        let took = asked.elapsed();
        for secret in ["127.0.0.1", "bad", "sound", "fake"] {
            let of_a_machine = said.matches(secret).count() > said.matches("\"model\":\"fake\"").count();
            assert!(!of_a_machine, "{secret} in {said}");
        }
        if status != 200 {
            let error: Value = serde_json::from_str(&said).unwrap();
            return Told { took, words: 0, error: Some(error["error"].clone()) };
        }
        assert!(said.ends_with("data: [DONE]\n\n"), "{said}");
        let mut events = events(&said);
        let words = events.iter().filter(|event| event["choices"][0]["delta"]["content"].is_string());
        let (words, last) = (words.count() as u64, events.pop().unwrap());
        let error = last.get("error").cloned();
        assert!(error.is_some() || last["meddah"]["left"]["day"]["turns"].is_u64(), "{said}");
        Told { took, words, error }
    }

    /// Everybody asks a few times, one thing after the other.
    pub async fn everybody(&self) -> Vec<Told> {
        let one = async |player| {
            let mut told = Vec::new();
            for _ in 0..REQUESTS {
                told.push(self.ask(player, TOKENS).await);
            }
            told
        };
        join_all((0..PLAYERS).map(one)).await.into_iter().flatten().collect()
    }

    pub fn state(&self, engine: usize) -> EngineState {
        self.host.host.pool.states().swap_remove(engine)
    }

    pub async fn wait_for(&self, what: &str, wanted: impl Fn(&Rig) -> bool) {
        let waiting = async {
            while !wanted(self) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(waited.is_ok(), "{what}: {:?}", self.host.host.pool.states());
    }

    /// Nobody waits and nobody runs: not in the host, not in an engine, not in what the host thinks of an engine.
    pub async fn wait_until_idle(&self) {
        self.wait_for("idle", |rig| {
            let figures = rig.host.host.gate.figures();
            let of = figures.of(Class::Live);
            let engines = [rig.host.engine.figures(), rig.sound.figures()];
            let states = rig.host.host.pool.states();
            of.waiting + of.running == 0
                && engines.iter().all(|engine| engine.running + engine.waiting == 0)
                && states.iter().all(|state| state.running + state.lingering == 0)
        })
        .await;
    }

    /// Each request stands in the ledger once, and what players have left is what they had but for that.
    pub async fn settled_once(&self, requests: usize) -> Vec<LedgerLine> {
        let ledger = self.host.ledger().await;
        let mut ids: Vec<String> = ledger.iter().map(|line| line.entry.request.to_string()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!((ids.len(), ledger.len()), (requests, requests));
        let mut used: HashMap<String, u64> = HashMap::new();
        for line in &ledger {
            let player = line.entry.player.as_ref().unwrap().to_string();
            *used.entry(player).or_default() += line.entry.amounts.tokens;
        }
        for token in &self.players {
            let me = self.host.get(token, "/v1/me").await;
            let [left, limit] = [&me["left"], &me["limits"]].map(|of| of["day"]["tokens"].as_u64().unwrap());
            assert_eq!(limit - left, used.remove(me["player"].as_str().unwrap()).unwrap_or(0), "{me}");
        }
        ledger
    }
}

/// What a player is told who met a fault: plain, and with what to do.
pub fn is_clean(error: &Value) -> bool {
    let words = ["code", "message", "help"]
        .iter()
        .all(|key| error[*key].as_str().is_some_and(|text| !text.is_empty()));
    words && error["retryable"] == true
}
