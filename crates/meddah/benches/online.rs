//! What Meddah adds to a turn that a provider answers: the same made-up provider is asked directly and through
//! the sidecar, in turn, by as many players at once. Run with `cargo bench -p meddah --bench online`.
//!
//! Through the sidecar a turn has everything: HTTP in and out, memory on disk, the prompt, the ladder, a
//! reservation and its settlement on disk, the parser and the gate.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use meddah::config::Settings;
use meddah::ladders::Ladders;
use meddah::paths::Paths;
use meddah::sidecar::Sidecar;
use meddah::transport::Server;
use meddah::turn::Ports;
use meddah::worlds::Worlds;
use meddah_engine::world::{Character, World};
use meddah_fakes::{Dialect, Fake, Play};
use meddah_store::SqliteStore;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Turns at once.
const AT_ONCE: usize = 16;
/// Rounds of each kind, and those before that are not counted.
const ROUNDS: usize = 60;
const WARM_UP: usize = 5;
/// The provider sends so many bytes, then rests for so long.
const DRIP: (usize, Duration) = (256, Duration::from_millis(8));

fn main() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    let folder = tempfile::tempdir().unwrap();
    let play = Play::case(Dialect::OpenAi, "turn").with(|faults| faults.drip = Some(DRIP));
    let fake = Fake::start(play).await;
    let settings = format!(
        "port = 0\nladder = [\"cloud\"]\n[rungs.cloud]\nprovider = \"openai\"\nmodel = \"m\"\nbase_url = \"{}\"\n\
         price = {{ input = \"0.01\", output = \"0.01\" }}\n",
        fake.base_url
    );
    std::fs::write(folder.path().join("meddah.toml"), settings).unwrap();
    let settings = Settings::load(folder.path(), []).unwrap();
    let paths = Paths { data: folder.path().to_owned() };
    let store = Arc::new(SqliteStore::open(&paths.timeline()).unwrap());
    let ladders = Ladders::open(&settings, &paths).unwrap();
    let worlds = Arc::new(Worlds::new(vec![hut()]));
    let server = Server::bind(Sidecar::new(worlds, Ports { ladders, store }, settings)).await.unwrap();
    let (port, stop) = (server.port(), CancellationToken::new());
    let serving = TaskTracker::new();
    serving.spawn(server.run(stop.clone()));
    serving.close();

    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let provider = format!("{}/chat/completions", fake.base_url);
    let sidecar = format!("http://127.0.0.1:{port}/v1/talk");
    let (mut direct, mut through) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS + WARM_UP {
        let asked = (0..AT_ONCE).map(|_| ask_directly(&http, &provider));
        let alone = futures::future::join_all(asked).await;
        let asked = (0..AT_ONCE).map(|player| ask_through(&http, &sidecar, player));
        let with_us = futures::future::join_all(asked).await;
        if round >= WARM_UP {
            direct.extend(alone);
            through.extend(with_us);
        }
    }
    stop.cancel();
    serving.wait().await;
    report(direct, through);
}

fn hut() -> World {
    let bran = json!({"name": "Bran", "description": "Bran keeps the inn."});
    World {
        id: "hut".into(),
        name: "The Hut".into(),
        language: "en".into(),
        characters: [("bran".to_owned(), Character::from_json("bran", bran).unwrap())].into(),
        ..World::default()
    }
}

async fn ask_directly(http: &reqwest::Client, url: &str) -> Duration {
    let tool =
        json!({"type": "function", "function": {"name": "give_item", "parameters": {"type": "object"}}});
    let body = json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": "An ale!"}],
        "tools": [tool]});
    let request = http.post(url).bearer_auth("sk-bench").json(&body);
    until(request, "[DONE]").await
}

async fn ask_through(http: &reqwest::Client, url: &str, player: usize) -> Duration {
    let actions = json!([{"name": "give_item", "parameters": {"type": "object", "properties": {"item": {"type": "string"}}}}]);
    let body =
        json!({"character": "bran", "player": format!("p{player}"), "text": "An ale!", "actions": actions});
    let request = http.post(url).header("accept", "application/x-ndjson").json(&body);
    until(request, "\"turn_ended\"").await
}

/// Sends the request and reads the answer until it has this text.
async fn until(request: reqwest::RequestBuilder, end: &str) -> Duration {
    let begun = Instant::now();
    let response = request.send().await.unwrap();
    assert!(response.status().is_success(), "{}", response.status());
    let (mut stream, mut text) = (response.bytes_stream(), String::new());
    while !text.contains(end) {
        let bytes = stream.next().await.expect("the answer has an end").unwrap();
        text.push_str(&String::from_utf8_lossy(&bytes));
    }
    assert!(!text.contains("\"error\""), "{text}");
    begun.elapsed()
}

fn report(mut direct: Vec<Duration>, mut through: Vec<Duration>) {
    direct.sort();
    through.sort();
    println!(
        "{AT_ONCE} turns at once, {} of each kind, milliseconds from request to the end of the reply",
        direct.len()
    );
    println!("{:>6} {:>10} {:>10} {:>8}", "", "directly", "through us", "added");
    for (name, share) in [("p50", 0.50), ("p90", 0.90), ("p99", 0.99)] {
        let at = |sorted: &[Duration]| {
            sorted[((sorted.len() as f64 * share) as usize).min(sorted.len() - 1)].as_secs_f64() * 1e3
        };
        let (alone, with_us) = (at(&direct), at(&through));
        println!("{name:>6} {alone:>10.2} {with_us:>10.2} {:>8.2}", with_us - alone);
    }
}
