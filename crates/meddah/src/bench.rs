//! Measurements: our own share of a turn with a model that takes no time, and the model by itself.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use meddah_inference::ModelError;
use meddah_inference::scripted::{Script, ScriptedModel, ScriptedReply};
use meddah_llama::LocalConfig;
use meddah_llama::bench::{self as llama_bench, BenchPlan, BenchReport, Figure};
use meddah_protocol::{EventKind, Hello, TalkRequest};
use meddah_store::SqliteStore;
use serde::Serialize;

use crate::config::Settings;
use crate::embedder::LateEmbedder;
use crate::ladders::Ladders;
use crate::sidecar::Sidecar;
use crate::tavern;
use crate::turn::Ports;
use crate::worlds::Worlds;

/// Everything that `meddah bench` measures.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Our own share of a turn.
    pub own: OwnShare,
    /// The model; absent with `--own`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<BenchReport>,
}

/// From the command to the first line, and to the end of the turn, with a model that answers at once and a
/// store on disk. Milliseconds.
#[derive(Debug, Serialize)]
pub struct OwnShare {
    /// Turns measured, after a tenth as many to warm up.
    pub turns: usize,
    /// To the first line.
    pub first_line_ms: Spread,
    /// To `turn_ended`, with the turn safely on disk.
    pub total_ms: Spread,
}

/// Percentiles.
#[derive(Debug, Serialize)]
pub struct Spread {
    /// Half are faster.
    pub p50: f64,
    /// One in a hundred is slower.
    pub p99: f64,
    /// The slowest.
    pub max: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Spread {
        values.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = (values.len() as f64 * share).ceil() as usize;
            values.get(place.saturating_sub(1)).copied().unwrap_or_default()
        };
        Spread { p50: at(0.5), p99: at(0.99), max: at(1.0) }
    }
}

/// The reply that the scripted model gives: two lines, an emotion, an action.
const SCRIPTED_REPLY: &str = "Good evening to you. The ale is fresh and the fire is warm.";
/// How long one scripted turn may take before the measurement is given up.
const TURN_WAIT_MAX: Duration = Duration::from_secs(30);

/// Measures our own share over this many turns.
pub async fn own_share(settings: &Settings, turns: usize) -> anyhow::Result<OwnShare> {
    let folder = std::env::temp_dir().join(format!("meddah-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).context("cannot create a folder for the measurement")?;
    let result = measure(settings, turns, &folder).await;
    std::fs::remove_dir_all(&folder).ok(); // the system clears its temporary folder too
    result
}

async fn measure(settings: &Settings, turns: usize, folder: &std::path::Path) -> anyhow::Result<OwnShare> {
    let reply = ScriptedReply { text: SCRIPTED_REPLY.into(), ..ScriptedReply::default() };
    let model = ScriptedModel::new(Script { chunk_chars: 4, reply: vec![reply], ..Script::default() });
    let store = SqliteStore::open(&folder.join("bench.sqlite3"))?;
    let world = tavern::world();
    let character = tavern::first_character(&world).context("the built-in world is empty")?.id.clone();
    let worlds = Arc::new(Worlds::new(vec![world]));
    let embedder = LateEmbedder::default();
    let ports = Ports::new(Ladders::single(Arc::new(model)), Arc::new(store), embedder);
    let sidecar = Sidecar::new(worlds, ports, settings.clone());
    let session = sidecar.open_session(Hello::default()).await?;
    let (mut first_line, mut total) = (Vec::new(), Vec::new());
    let warm_up = turns / 10;
    for number in 0..turns + warm_up {
        let text = format!("Good evening, number {number}. What is there to eat tonight?");
        let request = TalkRequest { character: character.clone(), text, ..TalkRequest::default() };
        let start = Instant::now();
        let mut cursor = session.events.cursor();
        let accepted = session.talk(request).await?;
        let mut line_ms = None;
        'turn: loop {
            let events = session.events.wait_after(cursor, TURN_WAIT_MAX).await?;
            anyhow::ensure!(!events.is_empty(), "a scripted turn did not end");
            for event in events {
                cursor = event.seq;
                match event.kind {
                    EventKind::Line { .. } => {
                        line_ms.get_or_insert(start.elapsed().as_secs_f64() * 1e3);
                    }
                    EventKind::TurnEnded { .. } if event.turn == accepted.turn => break 'turn,
                    _ => {}
                }
            }
        }
        if number >= warm_up {
            first_line.push(line_ms.context("a scripted turn had no line")?);
            total.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    sidecar.shutdown().await;
    Ok(OwnShare { turns, first_line_ms: Spread::of(first_line), total_ms: Spread::of(total) })
}

/// Measures the model in a process of its own, at the priority of ordinary programs so that the figures
/// compare with llama.cpp's own bench. `quick` takes seconds instead of minutes.
pub async fn model(config: LocalConfig, quick: bool) -> Result<BenchReport, ModelError> {
    let scratch = std::env::temp_dir();
    let plan = if quick { BenchPlan::quick(scratch) } else { BenchPlan::full(scratch) };
    llama_bench::run(&LocalConfig { background: false, ..config }, &plan).await
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let OwnShare { turns, first_line_ms, total_ms } = &self.own;
        writeln!(f, "our own share of a turn ({turns} turns, a model that takes no time)")?;
        let row = |spread: &Spread| {
            format!("p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms", spread.p50, spread.p99, spread.max)
        };
        writeln!(f, "  to the first line      {}", row(first_line_ms))?;
        write!(f, "  to the end, on disk    {}", row(total_ms))?;
        match &self.model {
            Some(model) => write_model(model, f),
            None => Ok(()),
        }
    }
}

fn write_model(report: &BenchReport, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let row = |figure: &Figure| format!("{:8.1} (± {:.1})", figure.mean, figure.deviation);
    let wait = |figure: &Figure| {
        format!("{:8.0} ms (median of {:.0} to {:.0})", figure.median, figure.min, figure.max)
    };
    let cold = report.cold_first_token_ms.median.max(f64::MIN_POSITIVE);
    let share = |figure: &Figure| format!("{}, {:.1} % of cold", wait(figure), 100.0 * figure.median / cold);
    write!(
        f,
        "\n{}, {} threads, loaded in {} ms, {} MiB resident",
        report.model, report.threads, report.load_ms, report.worker_resident_mb
    )?;
    write!(f, "\n  reading, tokens/s               {}", row(&report.prompt_tokens_per_s))?;
    write!(f, "\n  writing, tokens/s               {}", row(&report.decode_tokens_per_s))?;
    write!(f, "\n  writing a reply, sampled        {}", row(&report.reply_tokens_per_s))?;
    write!(f, "\n  the same under a JSON schema    {}", row(&report.schema_tokens_per_s))?;
    write!(
        f,
        "\n  first token, a new character    {} ({} tokens of prompt)",
        wait(&report.cold_first_token_ms),
        report.character_prompt_tokens
    )?;
    write!(f, "\n  first token, state in memory    {}", share(&report.memory_first_token_ms))?;
    write!(f, "\n  first token, state on disk      {}", share(&report.disk_first_token_ms))?;
    write!(f, "\n  state of a character            {:8.1} MB", report.state_bytes_per_character as f64 / 1e6)
}
