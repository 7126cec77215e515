//! What Meddah adds to a turn that a provider answers: the same made-up provider is asked directly and through
//! the sidecar, in turn, by as many players at once. All of it runs in one process, so that clients, provider
//! and sidecar share the cores. Run with `cargo bench -p meddah --bench online`.
//!
//! Through the sidecar a turn has everything: HTTP in and out, memory on disk, the prompt, the ladder, a
//! reservation and its settlement on disk, the parser and the gate.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use meddah::config::Settings;
use meddah::embedder::LateEmbedder;
use meddah::keys::KeyStore;
use meddah::ladders::Ladders;
use meddah::paths::Paths;
use meddah::sidecar::Sidecar;
use meddah::transport::Server;
use meddah::turn::Ports;
use meddah::worlds::Worlds;
use meddah_engine::world::{Character, World};
use meddah_fakes::{Dialect, Fake, Play};
use meddah_inference::Key;
use meddah_store::SqliteStore;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Turns at once.
const AT_ONCE: [usize; 2] = [1, 16];
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
        "port = 0\nkeys = \"file\"\nladder = [\"cloud\"]\n[rungs.cloud]\nprovider = \"openai\"\nmodel = \"m\"\nbase_url = \"{}\"\n\
         price = {{ input = \"0.01\", output = \"0.01\" }}\n",
        fake.base_url
    );
    std::fs::write(folder.path().join("meddah.toml"), settings).unwrap();
    let settings = Settings::load(folder.path(), []).unwrap();
    let paths = Paths { data: folder.path().to_owned() };
    KeyStore::open(&paths, &settings).unwrap().set("openai", &Key::new("sk-bench")).unwrap();
    let store = Arc::new(SqliteStore::open(&paths.timeline()).unwrap());
    let ladders = Ladders::open(&settings, &paths).unwrap();
    let worlds = Arc::new(Worlds::new(vec![hut()]));
    let server = Server::bind(Sidecar::new(
        worlds,
        Ports { ladders, store, embedder: LateEmbedder::default() },
        settings,
    ))
    .await
    .unwrap();
    let (port, stop) = (server.port(), CancellationToken::new());
    let serving = TaskTracker::new();
    serving.spawn(server.run(stop.clone()));
    serving.close();

    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let provider = format!("{}/v1/chat/completions", fake.base_url);
    let sidecar = format!("http://127.0.0.1:{port}/v1/talk");
    for at_once in AT_ONCE {
        let (mut direct, mut through) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS + WARM_UP {
            let asked = (0..at_once).map(|_| ask_directly(&http, &provider));
            let alone = futures::future::join_all(asked).await;
            let asked = (0..at_once).map(|player| ask_through(&http, &sidecar, player));
            let with_us = futures::future::join_all(asked).await;
            if round >= WARM_UP {
                direct.extend(alone);
                through.extend(with_us);
            }
        }
        println!("{at_once} at once, {} of each kind; milliseconds from the request", direct.len());
        report("the first sentence is there", &direct, &through, |heard| heard.sentence);
        report("everything is there (through us: on disk, too)", &direct, &through, |heard| heard.all);
    }
    stop.cancel();
    serving.wait().await;
}

/// When what was there.
struct Heard {
    sentence: Duration,
    all: Duration,
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

async fn ask_directly(http: &reqwest::Client, url: &str) -> Heard {
    let tool =
        json!({"type": "function", "function": {"name": "give_item", "parameters": {"type": "object"}}});
    let body = json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": "An ale!"}],
        "tools": [tool]});
    let request = http.post(url).bearer_auth("sk-bench").json(&body);
    until(request, "[DONE]").await
}

async fn ask_through(http: &reqwest::Client, url: &str, player: usize) -> Heard {
    let actions = json!([{"name": "give_item", "parameters": {"type": "object", "properties": {"item": {"type": "string"}}}}]);
    let body =
        json!({"character": "bran", "player": format!("p{player}"), "text": "An ale!", "actions": actions});
    let request = http.post(url).header("accept", "application/x-ndjson").json(&body);
    until(request, "\"turn_ended\"").await
}

/// The end of the first sentence of the reply.
const SENTENCE: &str = "ale, friend.";

/// Sends the request and reads the answer until it has this text.
async fn until(request: reqwest::RequestBuilder, end: &str) -> Heard {
    let begun = Instant::now();
    let response = request.send().await.unwrap();
    assert!(response.status().is_success(), "{}", response.status());
    let (mut stream, mut text, mut sentence) = (response.bytes_stream(), String::new(), None);
    while !text.contains(end) {
        let bytes = stream.next().await.expect("the answer has an end").unwrap();
        text.push_str(&String::from_utf8_lossy(&bytes));
        if sentence.is_none() && text.contains(SENTENCE) {
            sentence = Some(begun.elapsed());
        }
    }
    assert!(!text.contains("\"error\""), "{text}");
    Heard { sentence: sentence.expect("the sentence is said"), all: begun.elapsed() }
}

fn report(what: &str, direct: &[Heard], through: &[Heard], of: impl Fn(&Heard) -> Duration) {
    let sorted = |heard: &[Heard]| {
        let mut times: Vec<Duration> = heard.iter().map(&of).collect();
        times.sort();
        times
    };
    let (direct, through) = (sorted(direct), sorted(through));
    println!("{what}\n{:>6} {:>10} {:>10} {:>8}", "", "directly", "through us", "added");
    for (name, share) in [("p50", 0.50), ("p90", 0.90), ("p99", 0.99)] {
        let at = |sorted: &[Duration]| {
            sorted[((sorted.len() as f64 * share) as usize).min(sorted.len() - 1)].as_secs_f64() * 1e3
        };
        let (alone, with_us) = (at(&direct), at(&through));
        println!("{name:>6} {alone:>10.2} {with_us:>10.2} {:>8.2}", with_us - alone);
    }
}
