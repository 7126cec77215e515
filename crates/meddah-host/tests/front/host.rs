//! A host for a test: a folder, an engine, a port, and players.

use std::sync::Arc;
use std::time::Duration;

use meddah_fakes::engine::{EngineShape, FakeEngine};
use meddah_host::engines::{Engine, EngineSettings, HttpEngine, HttpEngineSettings};
use meddah_host::front::Host;
use meddah_host::front::join::new_invite;
use meddah_host::server::{Engines, Opening, Ready, Server};
use meddah_host::settings::HostSettings;
use meddah_host::storage::{LedgerLine, LedgerPage, PAGE_MAX, Pepper};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Everything of a test waits at most so long: the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(30);
pub const PEPPER: &[u8] = b"the pepper of a test";

pub struct TestHost {
    pub ready: Ready,
    pub host: Arc<Host>,
    pub engine: FakeEngine,
    pub client: reqwest::Client,
    folder: Option<tempfile::TempDir>,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

/// An engine that answers at once.
pub fn quick() -> EngineShape {
    EngineShape {
        slots: 4,
        prefill: Duration::ZERO,
        token: Duration::from_micros(200),
        ..EngineShape::default()
    }
}

pub fn http(settings: HttpEngineSettings) -> (Arc<dyn Engine>, EngineSettings) {
    (Arc::new(HttpEngine::new(settings).unwrap()), EngineSettings::default())
}

pub fn settings() -> HostSettings {
    let mut settings = HostSettings::defaults();
    settings.listen = ([127, 0, 0, 1], 0).into();
    settings.admin_listen = ([127, 0, 0, 1], 0).into();
    settings.limits.account_per_minute = 100_000; // tests ask again and again
    settings
}

impl TestHost {
    pub async fn start(shape: EngineShape, settings: HostSettings) -> TestHost {
        TestHost::start_in(tempfile::tempdir().unwrap(), FakeEngine::start(shape).await, settings).await
    }

    pub async fn start_in(folder: tempfile::TempDir, engine: FakeEngine, settings: HostSettings) -> TestHost {
        let engines = vec![http(HttpEngineSettings::new("fake", &engine.base_url))];
        TestHost::start_before(folder, engine, engines, settings).await
    }

    /// In front of any engines; `engine` is one of them, or none.
    pub async fn start_before(
        folder: tempfile::TempDir,
        engine: FakeEngine,
        engines: Engines,
        settings: HostSettings,
    ) -> TestHost {
        rustls::crypto::ring::default_provider().install_default().ok();
        let (data, pepper) = (folder.path().to_owned(), Pepper::new(PEPPER.to_vec()).unwrap());
        let opening = Opening { settings, data, pepper, engines };
        let stop = CancellationToken::new();
        let server = Server::open(opening, stop.clone()).await.unwrap();
        let (ready, host) = (server.ready(), server.host().clone());
        let running = tokio::spawn(server.run());
        let client =
            reqwest::Client::builder().danger_accept_invalid_certs(true).timeout(PATIENCE).build().unwrap();
        let started = TestHost { ready, host, engine, client, folder: Some(folder), stop, running };
        started.wait_for_slots().await;
        started
    }

    /// The whole ledger, once nothing is open and all is written.
    pub async fn ledger(&self) -> Vec<LedgerLine> {
        let settled = async {
            while self.host.book.figures() != (0, 0) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, settled).await.expect("everything is settled");
        let mut page = LedgerPage { limit: PAGE_MAX, ..LedgerPage::default() };
        let mut all = Vec::new();
        loop {
            let lines = self.host.store.ledger(&page).await.unwrap();
            let Some(last) = lines.last() else { return all };
            page.after = last.seq;
            all.extend(lines);
        }
    }

    async fn wait_for_slots(&self) {
        let mut slots = self.host.pool.slots();
        tokio::time::timeout(PATIENCE, slots.wait_for(|slots| *slots > 0)).await.unwrap().unwrap();
        // The gate hears of it a moment later.
        let waiting = async {
            while self.host.gate.figures().slots == 0 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap();
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.ready.url)
    }

    pub fn admin(&self, path: &str) -> String {
        format!("http://{}{path}", self.ready.admin)
    }

    /// A link for so many players.
    pub async fn invite(&self, tier: &str, uses: u32) -> String {
        let pepper = Pepper::new(PEPPER.to_vec()).unwrap();
        let (code, invite) = new_invite(&pepper, tier, uses, None, "").unwrap();
        self.host.store.add_invite(&invite).await.unwrap();
        code.expose().to_string()
    }

    /// A player who is in; its token.
    pub async fn player(&self, tier: &str) -> String {
        let code = self.invite(tier, 1).await;
        let joined = self.client.post(self.url("/v1/join")).json(&json!({"code": code, "device": "test"}));
        let joined: Value = joined.send().await.unwrap().error_for_status().unwrap().json().await.unwrap();
        joined["token"].as_str().unwrap().to_owned()
    }

    pub fn chat(&self, token: &str, body: &Value) -> reqwest::RequestBuilder {
        self.client.post(self.url("/v1/chat/completions")).bearer_auth(token).json(body)
    }

    pub async fn get(&self, token: &str, path: &str) -> Value {
        self.client.get(self.url(path)).bearer_auth(token).send().await.unwrap().json().await.unwrap()
    }

    /// Stops in order and gives the folder and the engine back, for another start.
    pub async fn stop(mut self) -> (tempfile::TempDir, FakeEngine) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, &mut self.running).await.unwrap().unwrap();
        (self.folder.take().unwrap(), self.engine)
    }
}

/// A request of a player.
pub fn says(text: &str, tokens: u32) -> Value {
    json!({"model": "", "messages": [{"role": "system", "content": "You are Mira."},
        {"role": "user", "content": text}], "max_tokens": tokens})
}

/// The same, piece by piece.
pub fn streamed(text: &str, tokens: u32) -> Value {
    let mut body = says(text, tokens);
    body["stream"] = true.into();
    body
}

/// The JSON of a stream's events.
pub fn events(body: &str) -> Vec<Value> {
    let data = body.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
    data.map(|data| serde_json::from_str(data).unwrap()).collect()
}
