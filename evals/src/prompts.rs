//! How well a model talks in character with the prompts that it is given.
//!
//! `cargo run --release -p evals -- prompts MODEL.gguf [--seeds N] [--character ID] [--show]` holds the talks of
//! `evals/prompts.toml`, each with several seeds, and counts: expected words in the answer, a character that gives
//! itself away as a model, words for the player, names in front of a line, replies that break off, replies that say
//! again what was said, pieces of the prompt read aloud, answers that no model gave, and the wait for the first line.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use meddah::session::Session;
use meddah::sidecar::Sidecar;
use meddah::tavern;
use meddah_engine::world::Character;
use meddah_protocol::{EventKind, Hello, Player, TalkRequest};
use serde::Deserialize;
use serde_json::Value;

use crate::rig;

const SEEDS: i64 = 2;
const PLAYER: &str = "Traveller";

#[derive(Deserialize)]
struct Evaluation {
    talk: Vec<Talk>,
    /// Characters that the tavern does not have.
    #[serde(default)]
    form: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Talk {
    character: String,
    questions: Vec<Question>,
}

#[derive(Deserialize)]
struct Question {
    ask: String,
    #[serde(default)]
    any: Vec<String>,
}

#[derive(Default)]
struct Score {
    turns: usize,
    asked: usize,
    answered: usize,
    gave_away: usize,
    for_player: usize,
    broken_off: usize,
    said_again: usize,
    canned: usize,
    read_aloud: usize,
    words: usize,
    first_line_ms: Vec<f64>,
    prompt_tokens: usize,
    cached_tokens: usize,
}

/// What no character says. A list of its own: what is measured must not measure itself.
const GIVE_AWAYS: &[&str] = &[
    "language model",
    "as an ai",
    "an ai ",
    "assist you",
    "assistant",
    "here to help you with",
    "how can i help you today",
    "feel free to ask",
    "roleplay",
    "role-play",
    "the user",
    "the player",
    "the character",
    "in the game",
    "[",
    "]",
    "mood:",
    "does:",
    "says:",
];

/// What only a prompt says.
const READ_ALOUD: &[&str] = &[
    "you remember",
    "you answered",
    "said to you",
    "earlier, ",
    "you talk with",
    "you know:",
    "answer in one",
];

/// Runs the evaluation.
pub(crate) fn run(arguments: impl Iterator<Item = String>) -> anyhow::Result<()> {
    tokio::runtime::Runtime::new()?.block_on(evaluate(arguments))
}

async fn evaluate(arguments: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let mut arguments = arguments.peekable();
    let model = arguments.next().context("say which model: a GGUF file")?;
    let (mut seeds, mut only, mut shown) = (SEEDS, None, false);
    while let Some(flag) = arguments.next() {
        match flag.as_str() {
            "--seeds" => seeds = arguments.next().context("how many seeds")?.parse()?,
            "--character" => only = arguments.next(),
            "--show" => shown = true,
            other => anyhow::bail!("unknown flag {other}"),
        }
    }
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/prompts.toml"))?;
    let evaluation: Evaluation = toml::from_str(&text)?;
    let mut all = Score::default();
    for seed in 1..=seeds {
        let sidecar = rig::sidecar(&model, tavern::world(), |settings| settings.turn.seed = seed)?;
        for (id, form) in &evaluation.form {
            let character = Character::from_json(id, form.clone())?;
            sidecar.worlds.put_character("tavern", id, character.to_json())?;
        }
        for (place, talk) in evaluation.talk.iter().enumerate() {
            if only.as_ref().is_some_and(|only| *only != talk.character) {
                continue;
            }
            let player = format!("p{seed}-{place}");
            let score = hold(&sidecar, talk, player, shown).await?;
            all.add(score);
        }
        sidecar.ports.ladders.shutdown().await;
    }
    all.print();
    Ok(())
}

async fn hold(sidecar: &Arc<Sidecar>, talk: &Talk, player: String, shown: bool) -> anyhow::Result<Score> {
    let player = Player { id: player, name: PLAYER.into() };
    let hello = Hello { world: "tavern".into(), player, ..Hello::default() };
    let session = sidecar.open_session(hello).await?;
    let mut score = Score::default();
    let mut before: Vec<String> = Vec::new();
    for question in &talk.questions {
        let reply = ask(&session, &talk.character, &question.ask, &mut score).await?;
        score.judge(question, &reply, &before);
        if shown {
            let right = question.any.is_empty()
                || question.any.iter().any(|any| reply.to_lowercase().contains(any.as_str()));
            rig::show(&format!(
                "{} {:8} {:50} {reply}",
                if right { "ok  " } else { "MISS" },
                talk.character,
                question.ask
            ));
        }
        before.push(reply);
    }
    sidecar.close_session(&session.id).await?;
    Ok(score)
}

async fn ask(
    session: &Arc<Session>,
    character: &str,
    text: &str,
    score: &mut Score,
) -> anyhow::Result<String> {
    let request = TalkRequest { character: character.into(), text: text.into(), ..TalkRequest::default() };
    let start = Instant::now();
    let accepted = session.talk(request).await?;
    let turn = accepted.turn.context("no turn")?;
    let events = session.ended(&turn).await?;
    let mut reply = Vec::new();
    for event in events {
        match event.kind {
            EventKind::Line { text, line, .. } => {
                if line == 0 {
                    score.first_line_ms.push(start.elapsed().as_secs_f64() * 1e3);
                }
                reply.push(text);
            }
            EventKind::TurnEnded { timing, usage, .. } => {
                score.canned += usize::from(timing.model == "canned" || usage.completion_tokens == 0);
                score.prompt_tokens += usage.prompt_tokens as usize;
                score.cached_tokens += usage.cached_tokens as usize;
                if let Some(first) = score.first_line_ms.last_mut() {
                    *first = timing.first_line_ms.unwrap_or(*first);
                }
            }
            _ => {}
        }
    }
    Ok(reply.join(" "))
}

impl Score {
    fn judge(&mut self, question: &Question, reply: &str, before: &[String]) {
        let lower = reply.to_lowercase();
        self.turns += 1;
        self.words += reply.split_whitespace().count();
        if !question.any.is_empty() {
            self.asked += 1;
            self.answered += usize::from(question.any.iter().any(|any| lower.contains(any.as_str())));
        }
        self.gave_away += usize::from(GIVE_AWAYS.iter().any(|phrase| lower.contains(phrase)));
        self.read_aloud += usize::from(READ_ALOUD.iter().any(|phrase| lower.contains(phrase)));
        let names = [format!("{PLAYER}:"), format!("{PLAYER} says"), "you say,".into(), "you reply".into()];
        self.for_player += usize::from(names.iter().any(|name| lower.contains(&name.to_lowercase())));
        let ends = reply.trim_end_matches(['"', '”', '*', ')']).ends_with(['.', '!', '?', '…']);
        self.broken_off += usize::from(!ends || reply.ends_with('…'));
        let again = before.iter().any(|earlier| earlier.to_lowercase() == lower);
        self.said_again += usize::from(again);
    }

    fn add(&mut self, other: Score) {
        self.turns += other.turns;
        self.asked += other.asked;
        self.answered += other.answered;
        self.gave_away += other.gave_away;
        self.for_player += other.for_player;
        self.broken_off += other.broken_off;
        self.said_again += other.said_again;
        self.canned += other.canned;
        self.read_aloud += other.read_aloud;
        self.words += other.words;
        self.prompt_tokens += other.prompt_tokens;
        self.cached_tokens += other.cached_tokens;
        self.first_line_ms.extend(other.first_line_ms);
    }

    fn print(&mut self) {
        self.first_line_ms.sort_by(f64::total_cmp);
        rig::show(&format!(
            "turns {} · expected words {}/{} ({:.0} %) · gave itself away {} · spoke for the player {} · broke off {} · \
             said again {} · read the prompt aloud {} · canned {} · words a reply {:.1} · first line p50 {:.0} ms · prompt read before {:.0} %",
            self.turns,
            self.answered,
            self.asked,
            100.0 * self.answered as f64 / self.asked.max(1) as f64,
            self.gave_away,
            self.for_player,
            self.broken_off,
            self.said_again,
            self.read_aloud,
            self.canned,
            self.words as f64 / self.turns.max(1) as f64,
            self.first_line_ms.get(self.first_line_ms.len() / 2).copied().unwrap_or_default(),
            100.0 * self.cached_tokens as f64 / self.prompt_tokens.max(1) as f64,
        ));
    }
}
