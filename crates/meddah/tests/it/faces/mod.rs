//! The faces as mods meet them: a real server, every face on a free port, a model that is a double.

mod audio;
mod characters;
mod embeddings;
mod mods;
mod troubles;

use std::collections::BTreeMap;
use std::sync::Arc;

use meddah::config::Settings;
use meddah::embedder::LateEmbedder;
use meddah::ladders::Ladders;
use meddah::sidecar::Sidecar;
use meddah::transport::Server;
use meddah::turn::Ports;
use meddah::voice::Voices;
use meddah::worlds::Worlds;
use meddah_engine::world::{Character, World};
use meddah_inference::ChatModel;
use meddah_inference::scripted::{Script, ScriptedModel, ScriptedReply};
use meddah_speech::{ScriptedListener, ScriptedSpeech, TextToSpeech};
use meddah_store::SqliteStore;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::rig::{PATIENCE, http_client};

/// A running sidecar with its faces open.
struct Faces {
    ports: BTreeMap<String, u16>,
    http: reqwest::Client,
    stop: CancellationToken,
    running: TaskTracker,
}

/// What is kept of spoken lines.
const VOICE_BYTES: usize = 8 << 20;

impl Faces {
    async fn start(model: Arc<dyn ChatModel>) -> Faces {
        Faces::with_worlds(model, Worlds::new(vec![tavern()])).await
    }

    async fn with_worlds(model: Arc<dyn ChatModel>, worlds: Worlds) -> Faces {
        Faces::open(model, worlds, LateEmbedder::default()).await
    }

    async fn open(model: Arc<dyn ChatModel>, worlds: Worlds, embedder: LateEmbedder) -> Faces {
        let store = Arc::new(SqliteStore::in_memory().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::load(folder.path(), []).unwrap();
        settings.port = 0;
        settings.faces = ["openai:0", "player2:0", "ollama:0", "koboldcpp:0"].map(str::to_owned).into();
        let voice: Arc<dyn TextToSpeech> = Arc::new(ScriptedSpeech::default());
        let ports = Ports::new(Ladders::single(model), store, embedder)
            .with_voices(Voices::new(voice, VOICE_BYTES))
            .with_ears(Arc::new(ScriptedListener::hearing("good evening")));
        let sidecar = Sidecar::new(Arc::new(worlds), ports, settings);
        let server = Server::bind(sidecar).await.unwrap();
        let ready = serde_json::to_value(server.ready()).unwrap();
        let faces = ready["faces"].as_array().unwrap().iter();
        let ports = faces.map(|face| {
            assert_eq!(face["state"], "open");
            (face["name"].as_str().unwrap().to_owned(), face["port"].as_u64().unwrap() as u16)
        });
        let (ports, stop, running) = (ports.collect(), CancellationToken::new(), TaskTracker::new());
        running.spawn(server.run(stop.clone()));
        running.close();
        Faces { ports, http: http_client(), stop, running }
    }

    fn url(&self, face: &str, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.ports[face])
    }

    fn post(&self, face: &str, path: &str) -> reqwest::RequestBuilder {
        self.http.post(self.url(face, path))
    }

    fn get(&self, face: &str, path: &str) -> reqwest::RequestBuilder {
        self.http.get(self.url(face, path))
    }

    /// Ends the server in order; it has to come to an end.
    async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.running.wait()).await.expect("the server ends");
    }
}

/// Status and text of an answer.
async fn text(request: reqwest::RequestBuilder) -> (u16, String) {
    let response = tokio::time::timeout(PATIENCE, request.send()).await.expect("an answer comes").unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

/// The words of a whole chat completion.
fn words(reply: &Value) -> &str {
    reply["choices"][0]["message"]["content"].as_str().unwrap_or_else(|| panic!("no words in {reply}"))
}

/// The words of a streamed one, read line by line as mods do.
fn streamed_words(text: &str) -> String {
    let data = text.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
    let chunks = data.map(|data| serde_json::from_str::<Value>(data).unwrap());
    chunks.filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str().map(str::to_owned)).collect()
}

fn model() -> Arc<ScriptedModel> {
    let when = |when: &str, text: &str, decide: &[(&str, &str)]| ScriptedReply {
        when: when.into(),
        text: text.into(),
        decide: decide.iter().map(|(name, choice)| ((*name).into(), (*choice).into())).collect(),
        ..ScriptedReply::default()
    };
    let reply = vec![
        when("door", "Come in, then.", &[("emotion", "joy"), ("action", "open_door")]),
        when("", "Welcome to the Lantern.", &[("emotion", "joy")]),
    ];
    Arc::new(ScriptedModel::new(Script { reply, chunk_chars: 5, delay_ms: 0 }))
}

fn tavern() -> World {
    let character = |id: &str, name: &str| {
        let value = json!({"name": name, "description": "Keeps an inn."});
        (id.to_owned(), Character::from_json(id, value).unwrap())
    };
    World {
        id: "tavern".into(),
        name: "The Lantern".into(),
        language: "en".into(),
        narration: true,
        characters: [character("mira", "Mira"), character("borin", "Borin")].into(),
        ..World::default()
    }
}
