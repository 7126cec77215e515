//! How often a real model, through the whole of Meddah, takes the right action.
//!
//! `cargo run --release -p evals -- actions MODEL.gguf [--split held_out] [--case TEXT]`
//! reads `evals/actions.toml`, gives each case a session and a player of its own, declares the case's
//! actions, says its sentence, and compares the first `action` event with what was expected. Every emitted
//! action is checked once more by a schema validator that shares no code with the gate.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use meddah::sidecar::Sidecar;
use meddah::tavern;
use meddah_engine::world::Character;
use meddah_protocol::{ActionDeclaration, EventKind, Hello, Player, Scene, TalkRequest};
use serde::Deserialize;
use serde_json::Value;

use crate::rig::{self, show};

#[derive(Deserialize)]
struct Evaluation {
    /// Named lists of actions.
    set: BTreeMap<String, Vec<ActionDeclaration>>,
    case: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    utterance: String,
    role: String,
    actions: String,
    expected: String,
    #[serde(default)]
    target: Option<String>,
    #[serde(default)]
    arguments: BTreeMap<String, Value>,
    split: String,
}

#[derive(Default)]
struct Score {
    cases: usize,
    right: usize,
    wanted: usize,
    wanted_right: usize,
    nothing: usize,
    nothing_right: usize,
    details: usize,
    details_right: usize,
    emitted: usize,
    admissible: usize,
    first_line_ms: Vec<f64>,
}

/// Runs the evaluation.
pub(crate) fn run(arguments: impl Iterator<Item = String>) -> anyhow::Result<()> {
    tokio::runtime::Runtime::new()?.block_on(evaluate(arguments))
}

async fn evaluate(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let model = arguments.next().context("say which model: a GGUF file")?;
    let mut only = BTreeMap::new();
    while let (Some(flag), Some(value)) = (arguments.next(), arguments.next()) {
        only.insert(flag, value);
    }
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/actions.toml"))?;
    let evaluation: Evaluation = toml::from_str(&text)?;
    let sidecar = rig::sidecar(&model, tavern::world(), |settings| settings.turn.reply_tokens_max = 24)?;

    let mut scores: BTreeMap<String, Score> = BTreeMap::new();
    for (number, case) in evaluation.case.iter().enumerate() {
        let other_split = only.get("--split").is_some_and(|split| *split != case.split);
        if other_split || only.get("--case").is_some_and(|part| !case.utterance.contains(part.as_str())) {
            continue;
        }
        let actions = evaluation.set.get(&case.actions).context("a case names an unknown set of actions")?;
        let score = scores.entry(case.split.clone()).or_default();
        run_case(&sidecar, number, case, actions, score).await?;
    }
    for (split, score) in &scores {
        print_score(split, score);
    }
    sidecar.ports.ladders.shutdown().await;
    Ok(())
}

async fn run_case(
    sidecar: &Arc<Sidecar>,
    number: usize,
    case: &Case,
    actions: &[ActionDeclaration],
    score: &mut Score,
) -> anyhow::Result<()> {
    let id = format!("role_{}", case.role.replace(' ', "_"));
    let character = Character {
        id: id.clone(),
        name: "Robin".into(),
        role: case.role.clone(),
        mood: "neutral".into(),
        description: format!("Robin is the {} here and helps people who ask politely.", case.role),
        ..Character::default()
    };
    sidecar.worlds.put_character("tavern", &id, character.to_json())?;
    let player = Player { id: format!("p{number}"), name: "Traveller".into() };
    let hello = Hello { world: "tavern".into(), player, ..Hello::default() };
    let session = sidecar.open_session(hello).await?;
    let request = TalkRequest {
        character: id,
        text: case.utterance.clone(),
        scene: Some(Scene::default()),
        actions: Some(actions.to_vec()),
        ..TalkRequest::default()
    };
    let start = Instant::now();
    let accepted = session.talk(request).await?;
    let events = session.ended(accepted.turn.as_deref().unwrap_or_default()).await?;
    let mut called = None;
    for event in &events {
        match &event.kind {
            EventKind::Line { line: 0, .. } => score.first_line_ms.push(start.elapsed().as_secs_f64() * 1e3),
            EventKind::Action { name, arguments, target, .. } => {
                score.emitted += 1;
                score.admissible += usize::from(independent_check(actions, name, arguments, target));
                called.get_or_insert((name.clone(), Value::Object(arguments.clone()), target.clone()));
            }
            EventKind::TurnEnded { error: Some(error), .. } => anyhow::bail!("{}", error.message),
            _ => {}
        }
    }
    sidecar.close_session(&session.id).await?;
    judge(case, called, score);
    Ok(())
}

fn judge(case: &Case, called: Option<(String, Value, Option<String>)>, score: &mut Score) {
    let name = called.as_ref().map_or("nothing", |(name, ..)| name.as_str());
    let right = name == case.expected;
    score.cases += 1;
    score.right += usize::from(right);
    if case.expected == "nothing" {
        score.nothing += 1;
        score.nothing_right += usize::from(right);
    } else {
        score.wanted += 1;
        score.wanted_right += usize::from(right);
    }
    let mut detail = String::new();
    if let (true, Some((_, arguments, target))) = (right, &called) {
        let expected = case.arguments.iter().all(|(key, value)| arguments.get(key) == Some(value));
        let fits = expected && (case.target.is_none() || case.target == *target);
        if case.target.is_some() || !case.arguments.is_empty() {
            score.details += 1;
            score.details_right += usize::from(fits);
        }
        detail = format!("{arguments} {}", target.as_deref().unwrap_or_default());
    }
    show(&format!(
        "{} {:10} {:12} got {:12} {:?} {detail}",
        if right { "ok  " } else { "MISS" },
        case.split,
        case.expected,
        name,
        case.utterance,
    ));
}

fn independent_check(
    actions: &[ActionDeclaration],
    name: &str,
    arguments: &serde_json::Map<String, Value>,
    target: &Option<String>,
) -> bool {
    let Some(action) = actions.iter().find(|action| action.name == name) else { return false };
    let valid = action
        .parameters
        .as_ref()
        .is_none_or(|schema| jsonschema::is_valid(schema, &Value::Object(arguments.clone())));
    let target_listed = match (&action.targets, target) {
        (Some(listed), Some(target)) => listed.contains(target),
        (Some(_), None) => false,
        (None, target) => target.is_none(),
    };
    valid && target_listed
}

fn print_score(split: &str, score: &Score) {
    let share = |part: usize, whole: usize| {
        format!("{part}/{whole} ({:.0} %)", 100.0 * part as f64 / whole.max(1) as f64)
    };
    let mut waits = score.first_line_ms.clone();
    waits.sort_by(f64::total_cmp);
    show(&format!(
        "{split}: right {} · action wanted {} · nothing wanted {} · arguments and target right {} · emitted actions \
         admissible {} · first line p50 {:.0} ms",
        share(score.right, score.cases),
        share(score.wanted_right, score.wanted),
        share(score.nothing_right, score.nothing),
        share(score.details_right, score.details),
        share(score.admissible, score.emitted),
        waits.get(waits.len() / 2).copied().unwrap_or_default(),
    ));
}
