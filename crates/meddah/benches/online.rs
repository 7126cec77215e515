//! What Meddah adds to a turn that a provider answers: the same made-up provider is asked directly and through
//! the sidecar by as many players at once, each asking now this way, now that. Provider, sidecar and players are
//! three processes that share the machine. Run with `cargo bench -p meddah --bench online`.
//!
//! Through the sidecar a turn has everything: HTTP in and out, memory on disk, the prompt, the ladder, a
//! reservation and its settlement on disk, the parser and the gate. Both ways send a prompt of the same length.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
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
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Players at once.
const AT_ONCE: [usize; 2] = [1, 16];
/// Turns of each player, each way, and those before that are not counted: by then a prompt is at its longest.
const TURNS: usize = 40;
const WARM_UP: usize = 66;
/// Turns of which a full prompt consists.
const PAST_TURNS: usize = 64;
/// The provider sends so many bytes, then rests for so long.
const DRIP: (usize, Duration) = (64, Duration::from_millis(10));
/// Between two turns a player waits up to so long, so that players do not march in step.
const PAUSE_MS_MAX: u64 = 400;

fn main() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[1..] {
        ["provider"] => runtime.block_on(provider()),
        ["sidecar", folder, provider] => runtime.block_on(sidecar(folder, provider)),
        _ => runtime.block_on(measure()),
    }
}

/// Says where it is and serves until its input ends.
fn serve_until_closed(address: &str) {
    println!("{address}");
    std::io::stdout().flush().unwrap();
    std::io::stdin().lines().for_each(drop);
}

async fn provider() {
    let play = Play::case(Dialect::OpenAi, "turn").with(|faults| faults.drip = Some(DRIP));
    let fake = Fake::start(play).await;
    tokio::task::spawn_blocking(move || serve_until_closed(&fake.base_url)).await.unwrap();
}

async fn sidecar(folder: &str, provider: &str) {
    let settings = format!(
        "port = 0\nkeys = \"file\"\nladder = [\"cloud\"]\n[rungs.cloud]\nprovider = \"openai\"\nmodel = \"m\"\nbase_url = \"{provider}\"\n\
         price = {{ input = \"0.01\", output = \"0.01\" }}\n",
    );
    let paths = Paths { data: folder.into() };
    std::fs::write(paths.data.join("meddah.toml"), settings).unwrap();
    let settings = Settings::load(&paths.data, []).unwrap();
    KeyStore::open(&paths, &settings).unwrap().set("openai", &Key::new("sk-bench")).unwrap();
    let store = Arc::new(SqliteStore::open(&paths.timeline()).unwrap());
    let ladders = Ladders::open(&settings, &paths).unwrap();
    let worlds = Arc::new(Worlds::new(vec![hut()]));
    let server =
        Server::bind(Sidecar::new(worlds, Ports::new(ladders, store, LateEmbedder::default()), settings))
            .await
            .unwrap();
    let (port, stop) = (server.port(), CancellationToken::new());
    let serving = TaskTracker::new();
    serving.spawn(server.run(stop.clone()));
    serving.close();
    tokio::task::spawn_blocking(move || serve_until_closed(&format!("http://127.0.0.1:{port}")))
        .await
        .unwrap();
    stop.cancel();
    serving.wait().await;
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

/// A process of this program, and the address that it serves at.
fn start(arguments: &[&str]) -> (Child, String) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut address = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
    (child, address.trim().to_owned())
}

async fn measure() {
    let folder = tempfile::tempdir().unwrap();
    let (mut provider, provider_url) = start(&["provider"]);
    let (mut sidecar, sidecar_url) = start(&["sidecar", folder.path().to_str().unwrap(), &provider_url]);
    let players = Players {
        http: reqwest::Client::builder().no_proxy().build().unwrap(),
        provider: format!("{provider_url}/v1/chat/completions"),
        sidecar: format!("{sidecar_url}/v1/talk"),
    };
    for at_once in AT_ONCE {
        let cpu = cpu_ms(sidecar.id());
        let playing = (0..at_once).map(|player| players.play(format!("p{at_once}-{player}")));
        let heard: Vec<[Vec<Heard>; 2]> = futures::future::join_all(playing).await;
        let turns = (at_once * (WARM_UP + TURNS)) as f64;
        let (direct, through): (Vec<_>, Vec<_>) = heard.into_iter().map(|[d, t]| (d, t)).unzip();
        let (direct, through) = (direct.concat(), through.concat());
        println!("{at_once} at once, {} turns each way; milliseconds from the request", direct.len());
        report("the first sentence is known", &direct, &through, |heard| heard.sentence);
        report("everything is there (through us: written down, too)", &direct, &through, |heard| heard.all);
        if let (Some(before), Some(after)) = (cpu, cpu_ms(sidecar.id())) {
            println!("the sidecar's processor time: {:.2} ms a turn", (after - before) / turns);
        }
    }
    for child in [&mut sidecar, &mut provider] {
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}

/// Rests for so long, to the microsecond. A timer of the runtime ends on a whole millisecond of its own clock, and so do
/// the provider's: all requests would come at the same place between two of the provider's ticks, and what is added
/// would seem to be whole milliseconds.
async fn pause(pause: Duration) {
    tokio::time::sleep(pause.saturating_sub(Duration::from_millis(2))).await;
    let rest = Duration::from_micros(u64::from(pause.subsec_micros() % 1000));
    tokio::task::spawn_blocking(move || std::thread::sleep(rest)).await.unwrap();
}

/// Processor time that a process has taken, where the system tells.
fn cpu_ms(process: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let ticks: f64 = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some(ticks * 10.0) // Linux counts in hundredths of a second
}

/// When what was there.
#[derive(Clone)]
struct Heard {
    sentence: Duration,
    all: Duration,
}

struct Players {
    http: reqwest::Client,
    provider: String,
    sidecar: String,
}

impl Players {
    /// One player's turns: those asked directly, and those through the sidecar.
    async fn play(&self, name: String) -> [Vec<Heard>; 2] {
        let mut seed = name.bytes().fold(7_u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
        let mut heard = [Vec::new(), Vec::new()];
        for turn in 0..WARM_UP + TURNS {
            for way in [turn % 2, 1 - turn % 2] {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let counts = turn >= WARM_UP;
                if counts {
                    pause(Duration::from_micros((seed >> 33) % (PAUSE_MS_MAX * 1000))).await;
                }
                match way {
                    0 if counts => heard[0].push(self.ask_directly().await),
                    0 => {}
                    _ => {
                        let through = self.ask_through(&name).await;
                        if counts {
                            heard[1].push(through);
                        }
                    }
                }
            }
        }
        heard
    }

    async fn ask_directly(&self) -> Heard {
        let tool =
            json!({"type": "function", "function": {"name": "give_item", "parameters": {"type": "object"}}});
        let past = (0..PAST_TURNS).flat_map(|_| {
            let answer = "Mood: cheerful\nSays: Here is your ale, friend. Grüße! 🍺";
            [
                json!({"role": "user", "content": "Ann: An ale!"}),
                json!({"role": "assistant", "content": answer}),
            ]
        });
        let messages: Vec<Value> = past.chain([json!({"role": "user", "content": "An ale!"})]).collect();
        let body = json!({"model": "m", "stream": true, "messages": messages, "tools": [tool]});
        let request = self.http.post(&self.provider).bearer_auth("sk-bench").json(&body);
        // A sentence is known to be over when the next one begins, and that when its frame is whole.
        until(request, "🍺\"},\"finish_reason\":null}]}\n\n", "[DONE]").await
    }

    async fn ask_through(&self, player: &str) -> Heard {
        let item = json!({"type": "object", "properties": {"item": {"type": "string"}}});
        let actions = json!([{"name": "give_item", "parameters": item}]);
        let body = json!({"character": "bran", "player": player, "text": "An ale!", "actions": actions});
        let request = self.http.post(&self.sidecar).header("accept", "application/x-ndjson").json(&body);
        until(request, "ale, friend.", "\"turn_ended\"").await
    }
}

/// Sends the request and reads the answer until it has both texts.
async fn until(request: reqwest::RequestBuilder, sentence_end: &str, end: &str) -> Heard {
    let begun = Instant::now();
    let response = request.send().await.unwrap();
    assert!(response.status().is_success(), "{}", response.status());
    let (mut stream, mut text, mut sentence) = (response.bytes_stream(), String::new(), None);
    while !text.contains(end) {
        let bytes = stream.next().await.expect("the answer has an end").unwrap();
        text.push_str(&String::from_utf8_lossy(&bytes));
        if sentence.is_none() && text.contains(sentence_end) {
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
