//! Hosts as processes: killed in the middle of their work, and with a database that goes away.

#![allow(clippy::print_stdout, reason = "figures are for people who ask with --nocapture")]
#![allow(clippy::unwrap_used, reason = "what fails in a test fails the test")]

mod support;

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use meddah_fakes::engine::{EngineShape, FakeEngine};
use meddah_host::player::PlayerId;
use serde_json::{Value, json};
use support::{Dice, day, ledger, number, open};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

/// Everything of a test waits at most so long: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// The example `host_process`.
struct Process {
    child: Child,
    url: String,
    code: String,
}

impl Process {
    async fn start(data: &std::path::Path, engine: &FakeEngine, place: &str, turns: u64) -> Process {
        let tests = std::env::current_exe().unwrap();
        let folder = tests.parent().and_then(std::path::Path::parent).unwrap().join("examples");
        let program = folder.join(format!("host_process{}", std::env::consts::EXE_SUFFIX));
        assert!(program.exists(), "`cargo build -p meddah-host --examples` makes {}", program.display());
        let mut command = Command::new(program);
        command.arg(data).arg(&engine.base_url).args(["--turns", &turns.to_string()]);
        if let Some(address) = place.strip_prefix("postgres:") {
            command.args(["--database", address]);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let text = |field: &str| ready[field].as_str().unwrap().to_owned();
        Process { url: text("url"), code: text("code"), child }
    }

    /// A new player and its token.
    async fn join(&self, client: &reqwest::Client) -> (PlayerId, String) {
        let join = client.post(format!("{}/v1/join", self.url)).json(&json!({"code": self.code}));
        let joined: Value = join.send().await.unwrap().error_for_status().unwrap().json().await.unwrap();
        (joined["player"].as_str().unwrap().into(), joined["token"].as_str().unwrap().to_owned())
    }

    /// As `kill -9` does.
    async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

fn client() -> reqwest::Client {
    rustls::crypto::ring::default_provider().install_default().ok(); // the first one stays
    reqwest::Client::builder().timeout(PATIENCE).build().unwrap()
}

/// Names every request; it is the model that it asks for, which the ledger keeps.
static NEXT: AtomicU64 = AtomicU64::new(0);

fn request(stream: bool) -> (String, Value) {
    let name = format!("request-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let message = json!({"role": "user", "content": "Hello"});
    let body = json!({"model": name, "messages": [message], "max_tokens": 8, "stream": stream});
    (name, body)
}

async fn fake() -> FakeEngine {
    let (prefill, token) = (Duration::ZERO, Duration::from_micros(500));
    FakeEngine::start(EngineShape { slots: 16, prefill, token, ..EngineShape::default() }).await
}

/// Asks again and again, until the host is gone. Gives the requests whose answer was received to its end.
async fn ask_until_gone(client: reqwest::Client, url: String, token: String) -> Vec<String> {
    let mut received = Vec::new();
    loop {
        let (name, body) = request(received.len() % 2 == 0);
        let ask = client.post(format!("{url}/v1/chat/completions")).bearer_auth(&token).json(&body);
        let answer = async { ask.send().await?.error_for_status()?.text().await };
        match answer.await {
            Ok(text) if text.contains("\"left\":{") => received.push(name),
            Ok(text) => panic!("an answer without what is left: {text}"),
            Err(error) if error.is_status() => tokio::time::sleep(Duration::from_millis(5)).await, // no slots yet
            Err(_) => return received,
        }
    }
}

async fn killed_again_and_again(place: &str) {
    let (folder, engine) = (tempfile::tempdir().unwrap(), fake().await);
    let data = match place.strip_prefix("sqlite:") {
        Some(file) => std::path::Path::new(file).parent().unwrap(),
        None => folder.path(),
    };
    let mut dice = Dice::new(7);
    let (mut players, mut received) = (Vec::new(), Vec::new());
    for _ in 0..number("MEDDAH_TEST_HOST_KILLS", 5) {
        let process = Process::start(data, &engine, place, u64::MAX >> 20).await;
        let client = client();
        if players.is_empty() {
            for _ in 0..4 {
                players.push(process.join(&client).await);
            }
        }
        let mut asking = JoinSet::new();
        for place in 0..16 {
            let token = players[place % players.len()].1.clone();
            asking.spawn(ask_until_gone(client.clone(), process.url.clone(), token));
        }
        tokio::time::sleep(Duration::from_millis(400 + dice.roll(400))).await;
        process.kill().await;
        received.extend(asking.join_all().await.into_iter().flatten());
    }
    check(place, &received, &players).await;
}

/// What was received is in the ledger, nothing is there twice, and the sums of the windows are those of the ledger.
async fn check(place: &str, received: &[String], players: &[(PlayerId, String)]) {
    let store = open(place).await;
    let ledger = ledger(&store).await;
    let mut times: HashMap<&str, u32> = HashMap::new();
    for line in &ledger {
        *times.entry(&line.entry.model).or_default() += 1;
    }
    assert!(!received.is_empty(), "nothing was answered");
    for name in received {
        assert_eq!(times.get(name.as_str()), Some(&1), "{name} was received");
    }
    assert!(times.values().all(|times| *times == 1), "{times:?}");
    for (player, _) in players {
        let lines = ledger.iter().filter(|line| line.entry.player.as_ref() == Some(player));
        let (turns, tokens) = lines.fold((0, 0), |(turns, tokens), line| {
            (turns + line.entry.amounts.turns, tokens + line.entry.amounts.tokens)
        });
        let (used, _) = day(&store, Some(player)).await;
        assert_eq!((used.turns, used.tokens), (turns, tokens));
    }
    println!("{} answers received, {} lines in the ledger", received.len(), ledger.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_outlives_a_kill_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    killed_again_and_again(&support::sqlite_place(&folder)).await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_outlives_a_kill_on_postgres() {
    if let Some(place) = support::postgres_place().await {
        killed_again_and_again(&place).await;
    }
}

/// One request; whether it was answered, or the status of a clean refusal.
#[cfg(unix)]
async fn ask_once(client: &reqwest::Client, url: &str, token: &str) -> (String, u16) {
    let (name, body) = request(false);
    let ask = client.post(format!("{url}/v1/chat/completions")).bearer_auth(token).json(&body);
    let response = ask.send().await.unwrap();
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap();
    match status {
        200 => {}
        503 | 504 => assert!(body["error"]["retry_after_ms"].as_u64() > Some(0), "{body}"),
        429 => assert!(body["error"]["code"].is_string(), "{body}"),
        other => panic!("{other}: {body}"),
    }
    let body = body.to_string();
    for secret in ["host=", "postgres", "connection", "SELECT", "/tmp"] {
        assert!(!body.to_lowercase().contains(secret), "{secret} in {body}");
    }
    (name, status)
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_comes_back_has_lost_nothing_and_no_race_of_two_hosts_passes_a_quota() {
    use meddah_host::storage::suite::PostgresServer;
    use secrecy::ExposeSecret as _;
    let Some(server) = PostgresServer::start().map(Arc::new) else { return };
    let place = format!("postgres:{}", server.new_database().await.address.expose_secret());
    let quota = number("MEDDAH_TEST_HOST_TURNS", 400);
    let (folder, engine) = (tempfile::tempdir().unwrap(), fake().await);
    let one = Process::start(folder.path(), &engine, &place, quota).await;
    let two = Process::start(folder.path(), &engine, &place, quota).await;
    let client = client();
    let player = one.join(&client).await;
    let urls = [one.url.clone(), two.url.clone()];
    let asking = |count: usize| {
        let asks = (0..count).map(|place| ask_once(&client, &urls[place % 2], &player.1));
        futures::future::join_all(asks)
    };
    // Away and back in the middle of requests.
    let mut all = asking(8).await;
    let away = server.clone();
    let (during, ()) = tokio::join!(asking(64), async {
        tokio::task::spawn_blocking(move || away.stop()).await.unwrap();
    });
    all.extend(during);
    let without = asking(16).await;
    assert!(
        without.iter().all(|(_, status)| *status != 200),
        "nothing is given without a ledger: {without:?}"
    );
    let back = server.clone();
    tokio::task::spawn_blocking(move || back.start_again()).await.unwrap();
    let works = async {
        for url in &urls {
            loop {
                let (name, status) = ask_once(&client, url, &player.1).await;
                all.push((name, status));
                if status == 200 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    };
    tokio::time::timeout(PATIENCE, works).await.expect("it works again");
    for _ in 0..number("MEDDAH_TEST_HOST_RACES", 1_000).div_ceil(100) {
        all.extend(asking(100).await);
    }
    drop((one, two));
    let store = open(&place).await;
    let lines = ledger(&store).await;
    let turns: u64 = lines.iter().map(|line| line.entry.amounts.turns).sum();
    assert!(turns <= quota, "{turns} of {quota}");
    let answered: Vec<&String> =
        all.iter().filter(|(_, status)| *status == 200).map(|(name, _)| name).collect();
    assert!(answered.len() as u64 <= quota, "{} of {quota}", answered.len());
    for name in &answered {
        let times = lines.iter().filter(|line| line.entry.model == **name).count();
        assert!(times <= 1, "{name} is there {times} times");
    }
    println!("{} asked, {} answered, {turns} turns of {quota} in the ledger", all.len(), answered.len());
}
