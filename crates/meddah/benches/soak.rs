//! Eight characters talk aloud at once, and players cut in at random: memory, tasks and order over time.
//!
//! `cargo bench --workspace --bench soak -- MINUTES [VOICE_FOLDER]`. Without a folder the robotic voice speaks. The model
//! is scripted, for what is watched here is what lies around it. Fails where sound comes out of order, after a cut, or
//! where a turn does not end exactly once.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench stops where something is not as it has to be, and prints a table"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use meddah::config::Settings;
use meddah::embedder::LateEmbedder;
use meddah::ladders::Ladders;
use meddah::sidecar::Sidecar;
use meddah::turn::Ports;
use meddah::voice::Voices;
use meddah::worlds::Worlds;
use meddah_engine::world::{Character, World};
use meddah_inference::scripted::{Script, ScriptedModel, ScriptedReply};
use meddah_protocol::{Capabilities, Command, Event, EventKind, Finish, Hello, Player, Say};
use meddah_speech::LocalSpeech;
use meddah_store::SqliteStore;
use tokio::task::JoinSet;

const CHARACTERS: usize = 8;
/// What is kept of spoken lines.
const SPOKEN_BYTES: usize = 16 << 20;
/// A turn that takes longer hangs.
const TURN_MAX: Duration = Duration::from_secs(60);
/// How often a turn is cut, of ten.
const CUTS_OF_TEN: u64 = 4;
const LINES: &[&str] = &[
    "The road to Nargothil is long. You should rest before you go. The cider is good tonight.",
    "I have seen winters that you have only heard of! Sit down, traveller.",
    "Hm. That is a question for the ferryman, and he sleeps.",
];

#[derive(Default)]
struct Counts {
    turns: AtomicUsize,
    cut: AtomicUsize,
    sounds: AtomicUsize,
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let minutes: f64 = arguments.next().map_or(0.5, |minutes| minutes.parse().expect("MINUTES is a number"));
    let folder = arguments.next().map(PathBuf::from);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(run(Duration::from_secs_f64(minutes * 60.0), folder));
}

async fn run(time: Duration, folder: Option<PathBuf>) {
    let empty = tempfile::tempdir().unwrap();
    let voices = folder.unwrap_or_else(|| empty.path().to_owned());
    let sidecar = sidecar(empty.path(), voices);
    let counts = Arc::<Counts>::default();
    let metrics = tokio::runtime::Handle::current().metrics();
    let began = Instant::now();
    let mut players = JoinSet::new();
    for place in 0..CHARACTERS {
        players.spawn(player(sidecar.clone(), place, began + time, counts.clone()));
    }
    println!(
        "| minute | turns | cut | sounds | memory MB | spoken kept MB | tasks |\n|---|---|---|---|---|---|---|"
    );
    let mut look = tokio::time::interval((time / 12).max(Duration::from_secs(5)));
    look.tick().await;
    loop {
        tokio::select! {
            _ = look.tick() => show(&sidecar, &counts, began, metrics.num_alive_tasks()),
            ended = players.join_next() => match ended {
                Some(player) => player.expect("a player found nothing out of order"),
                None => break,
            },
        }
    }
    show(&sidecar, &counts, began, metrics.num_alive_tasks());
    sidecar.shutdown().await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    println!("after shutdown: {} tasks", metrics.num_alive_tasks());
}

fn sidecar(data: &std::path::Path, voices: PathBuf) -> Arc<Sidecar> {
    let reply = |text: &&str| ScriptedReply { text: (*text).into(), ..ScriptedReply::default() };
    let script = Script { delay_ms: 15, chunk_chars: 4, reply: LINES.iter().map(reply).collect() };
    let character = |place: usize| {
        let id = format!("c{place}");
        let value =
            serde_json::json!({"name": format!("Person {place}"), "description": "Lives in a village."});
        (id.clone(), Character::from_json(&id, value).unwrap())
    };
    let world = World {
        id: "village".into(),
        name: "Village".into(),
        language: "en".into(),
        characters: (0..CHARACTERS).map(character).collect(),
        ..World::default()
    };
    let model = Arc::new(ScriptedModel::new(script));
    let store = Arc::new(SqliteStore::open(&data.join("talks.sqlite3")).unwrap());
    let speech = Arc::new(LocalSpeech::new(voices, 1).unwrap());
    let ports = Ports::new(Ladders::single(model), store, LateEmbedder::default())
        .with_voices(Voices::new(speech, SPOKEN_BYTES));
    Sidecar::new(Arc::new(Worlds::new(vec![world])), ports, Settings::load(data, []).unwrap())
}

/// Talks with one character until it is time.
async fn player(sidecar: Arc<Sidecar>, place: usize, until: Instant, counts: Arc<Counts>) {
    let capabilities = Capabilities {
        audio: vec!["pcm".into()],
        audio_parts: place.is_multiple_of(2),
        visemes: true,
        ..Capabilities::default()
    };
    let id = format!("p{place}");
    let player = Player { id: id.clone(), name: id };
    let session = sidecar.open_session(Hello { player, capabilities, ..Hello::default() }).await.unwrap();
    let (mut cursor, mut chance) = (session.events.cursor(), 0x9e37_79b9_7f4a_7c15_u64 ^ place as u64);
    while Instant::now() < until {
        let say = Say { to: format!("c{place}"), text: "What do you say?".into(), ..Say::default() };
        let turn = session.command(Command::Say(say)).await.unwrap().turn.unwrap();
        let cut_after =
            (draw(&mut chance) % 10 < CUTS_OF_TEN).then(|| Duration::from_millis(draw(&mut chance) % 1500));
        let (begun, mut cut_at, mut events) = (Instant::now(), None, Vec::new());
        while !ended(&events, &turn) {
            assert!(begun.elapsed() < TURN_MAX, "a turn of {turn} hangs");
            let wait = match (cut_after, cut_at) {
                (Some(after), None) => after.saturating_sub(begun.elapsed()),
                _ => Duration::from_secs(1),
            };
            let new = session.events.wait_after(cursor, wait).await.unwrap();
            cursor = new.last().map_or(cursor, |event| event.seq);
            events.extend(new);
            if cut_at.is_none() && cut_after.is_some_and(|after| begun.elapsed() >= after) {
                session.command(Command::Interrupt { turn: Some(turn.clone()) }).await.unwrap();
                cut_at = Some(session.events.cursor());
            }
        }
        check(&events, &turn, cut_at, &counts);
    }
    sidecar.close_session(&session.id).await.unwrap();
}

fn ended(events: &[Event], turn: &str) -> bool {
    let of_turn = |event: &Event| event.turn.as_deref() == Some(turn);
    events.iter().any(|event| of_turn(event) && matches!(event.kind, EventKind::TurnEnded { .. }))
}

fn check(events: &[Event], turn: &str, cut_at: Option<u64>, counts: &Counts) {
    let of_turn: Vec<&Event> = events.iter().filter(|event| event.turn.as_deref() == Some(turn)).collect();
    let mut last: Option<(u32, Option<u32>)> = None;
    let mut lines = BTreeMap::new();
    let mut ends = Vec::new();
    for event in of_turn {
        match &event.kind {
            EventKind::Line { line, .. } => drop(lines.insert(*line, event.seq)),
            EventKind::Audio(audio) => {
                counts.sounds.fetch_add(1, Ordering::Relaxed);
                assert!(lines.contains_key(&audio.line), "{turn}: sound before its line");
                assert!(last.is_none_or(|last| last < (audio.line, audio.part)), "{turn}: out of order");
                assert!(cut_at.is_none_or(|cut| event.seq <= cut), "{turn}: sound after the cut");
                last = Some((audio.line, audio.part));
            }
            EventKind::TurnEnded { finish, .. } => ends.push(*finish),
            _ => {}
        }
    }
    assert_eq!(ends.len(), 1, "{turn} ended {} times", ends.len());
    counts.turns.fetch_add(1, Ordering::Relaxed);
    if ends[0] == Finish::Interrupted {
        counts.cut.fetch_add(1, Ordering::Relaxed);
    }
}

/// The next number of a row that looks like chance.
fn draw(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

fn show(sidecar: &Sidecar, counts: &Counts, began: Instant, tasks: usize) {
    let of = |count: &AtomicUsize| count.load(Ordering::Relaxed);
    println!(
        "| {:.1} | {} | {} | {} | {:.0} | {:.1} | {tasks} |",
        began.elapsed().as_secs_f64() / 60.0,
        of(&counts.turns),
        of(&counts.cut),
        of(&counts.sounds),
        memory_mb(),
        sidecar.ports.voices.spoken.bytes() as f64 / f64::from(1 << 20),
    );
}

/// What this process has in memory, MB; nothing where the system does not say.
fn memory_mb() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let resident: f64 = pages.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(f64::NAN);
    resident * 4096.0 / f64::from(1 << 20)
}
