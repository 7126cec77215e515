//! A running sidecar for one test.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use meddah::config::Settings;
use meddah::embedder::LateEmbedder;
use meddah::ladders::Ladders;
use meddah::sidecar::Sidecar;
use meddah::transport::Server;
use meddah::turn::Ports;
use meddah::voice::Voices;
use meddah::worlds::Worlds;
use meddah_engine::prompt;
use meddah_engine::world::{Character, World};
use meddah_inference::scripted::{Script, ScriptedModel, ScriptedReply};
use meddah_speech::SpeechToText;
use meddah_store::SqliteStore;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// No wait of a test is longer; a test that hangs fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Rig {
    pub port: u16,
    pub token: String,
    pub sidecar: Arc<Sidecar>,
    pub model: Arc<ScriptedModel>,
    pub http: reqwest::Client,
    pub stop: CancellationToken,
    running: TaskTracker,
}

impl Rig {
    pub async fn start(script: Script) -> Rig {
        Rig::with(script, |_| {}).await
    }

    pub async fn with(script: Script, change: impl FnOnce(&mut Settings)) -> Rig {
        let store = SqliteStore::in_memory().unwrap();
        let folder = tempfile::tempdir().unwrap();
        Rig::run(script, change, folder.path(), store, Worlds::new(vec![tavern()]), |ports| ports).await
    }

    /// A sidecar with a voice.
    pub async fn speaking(script: Script, voices: Voices) -> Rig {
        Rig::run_in_memory(script, |ports| ports.with_voices(voices)).await
    }

    /// A sidecar with a voice and ears.
    pub async fn hearing(script: Script, voices: Voices, ears: Arc<dyn SpeechToText>) -> Rig {
        Rig::run_in_memory(script, |ports| ports.with_voices(voices).with_ears(ears)).await
    }

    async fn run_in_memory(script: Script, more: impl FnOnce(Ports) -> Ports) -> Rig {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::in_memory().unwrap();
        Rig::run(script, |_| {}, folder.path(), store, Worlds::new(vec![tavern()]), more).await
    }

    /// A sidecar that finds in `folder` what an earlier one left there.
    pub async fn in_folder_with(
        script: Script,
        change: impl FnOnce(&mut Settings),
        folder: &Path,
        more: impl FnOnce(Ports) -> Ports,
    ) -> Rig {
        let store = SqliteStore::open(&folder.join("timeline.sqlite3")).unwrap();
        let worlds = Worlds::new(vec![tavern()]).with_overlay(folder.join("worlds")).unwrap();
        Rig::run(script, change, folder, store, worlds, more).await
    }

    async fn run(
        script: Script,
        change: impl FnOnce(&mut Settings),
        folder: &Path,
        store: SqliteStore,
        worlds: Worlds,
        more: impl FnOnce(Ports) -> Ports,
    ) -> Rig {
        let model = Arc::new(ScriptedModel::new(script));
        let store = Arc::new(store);
        let mut settings = Settings::load(folder, []).unwrap();
        settings.port = 0;
        change(&mut settings);
        let ports = more(Ports::new(Ladders::single(model.clone()), store, LateEmbedder::default()));
        let sidecar = Sidecar::new(Arc::new(worlds), ports, settings);
        let server = Server::bind(sidecar.clone()).await.unwrap();
        let (port, token, stop) = (server.port(), server.token().to_owned(), CancellationToken::new());
        let running = TaskTracker::new();
        running.spawn(server.run(stop.clone()));
        running.close();
        Rig { port, token, sidecar, model, http: http_client(), stop, running }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Ends the server in order; it has to come to an end.
    pub async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.running.wait()).await.expect("the server ends");
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.http.get(self.url(path))).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        answer(self.http.post(self.url(path)).json(body)).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> (u16, Value) {
        answer(self.http.put(self.url(path)).json(body)).await
    }

    pub async fn delete(&self, path: &str) -> (u16, Value) {
        answer(self.http.delete(self.url(path))).await
    }

    /// Opens a session and returns its id.
    pub async fn session(&self) -> String {
        let (status, body) = self.post("/v1/sessions", &json!({"player": "Ayla"})).await;
        assert_eq!(status, 200, "{body}");
        body["session"].as_str().unwrap().to_owned()
    }

    /// Polls until a turn has ended; returns all events since `cursor`.
    pub async fn until_turn_ended(&self, session: &str, mut cursor: u64) -> Vec<Value> {
        let mut all = Vec::new();
        let ended = async {
            loop {
                let (status, body) =
                    self.get(&format!("/v1/sessions/{session}/events?cursor={cursor}&wait=5")).await;
                assert_eq!(status, 200, "{body}");
                cursor = body["cursor"].as_u64().unwrap();
                all.extend(body["events"].as_array().unwrap().iter().cloned());
                if all.iter().any(|event| event["type"] == "turn_ended") {
                    break;
                }
            }
        };
        tokio::time::timeout(PATIENCE, ended).await.expect("the turn ends");
        all
    }
}

pub fn http_client() -> reqwest::Client {
    // Downloads of models bring TLS along, which asks for its algorithms even where nothing is encrypted.
    rustls::crypto::ring::default_provider().install_default().ok(); // the first test of a process does it
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// Status and JSON body; a body that is not JSON fails the test.
pub async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = tokio::time::timeout(PATIENCE, request.send()).await.expect("an answer comes").unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {status} {text:?}")))
}

/// Every error has the same shape, and help.
pub fn check_error(answer: &(u16, Value), status: u16, code: &str) {
    let (found, body) = answer;
    let error = &body["error"];
    assert_eq!((*found, error["code"].as_str()), (status, Some(code)), "{body}");
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{body}");
    assert!(error["help"].as_str().is_some_and(|help| !help.is_empty()), "{body}");
    assert!(error["retryable"].is_boolean(), "{body}");
}

fn tavern() -> World {
    let character = |id: &str, name: &str| {
        let value = json!({"name": name, "description": "Keeps an inn.", "fallback_lines": ["Hm."]});
        (id.to_owned(), Character::from_json(id, value).unwrap())
    };
    World {
        id: "tavern".into(),
        name: "The Lantern".into(),
        language: "en".into(),
        narration: true,
        seconds_per_time_unit: Some(60.0), // of the game's clock, for those tests that set it
        characters: [character("mira", "Mira"), character("borin", "Borin")].into(),
        ..World::default()
    }
}

/// Three sentences, a feeling, and an action if there is one to choose.
pub fn script(delay_ms: u64, chunk_chars: usize) -> Script {
    let reply = ScriptedReply {
        text: "Welcome to the Lantern. Sit down by the fire. What will it be?".into(),
        decide: [
            (prompt::EMOTION_DECISION.to_owned(), "joy".to_owned()),
            (prompt::ACTION_DECISION.to_owned(), "open_door".to_owned()),
        ]
        .into(),
        ..ScriptedReply::default()
    };
    Script { delay_ms, chunk_chars, reply: vec![reply] }
}

pub fn door() -> Value {
    json!([{"name": "open_door", "description": "Opens the cellar door."}])
}

pub fn say(req_id: &str, to: &str) -> Value {
    json!({"type": "say", "req_id": req_id, "to": to, "text": "Good evening!", "actions": door()})
}

pub fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

/// What the player hears or the game carries out.
pub fn is_heard(event: &Value) -> bool {
    matches!(event["type"].as_str(), Some("line" | "action" | "audio" | "delta" | "emotion"))
}
