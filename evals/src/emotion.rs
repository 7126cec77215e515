//! How often the expected feeling is found for what is said to a character: by the table of words alone, by a
//! model alone, and by both together.
//!
//! `cargo run --release -p evals -- emotion [MODEL.gguf] [--split NAME] [--weights 0,1,2] [--show]`
//! reads `evals/emotion.toml` and `emotion_more.toml`, or `evals/emotion_unseen.toml` for `--split unseen`, which is to be measured rarely
//! and is never shown. Each line is said to the same character by a stranger in a session of his own.
//! A label counts as right if it is the expected one or one of the alternatives; the figure is the mean F1 of the
//! ten labels.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use meddah::sidecar::Sidecar;
use meddah_engine::emotion::EmotionLabel;
use meddah_engine::emotion::appraise::Appraisal;
use meddah_engine::world::{Character, World};
use meddah_protocol::{EventKind, Hello, Player, TalkRequest};
use serde::Deserialize;

use crate::rig::{self, show};

/// Lines that nothing is fitted on. They are not for looking at.
const UNSEEN: &str = "unseen";

#[derive(Deserialize)]
struct Evaluation {
    line: Vec<Line>,
}

/// Something that is said, and what its listener is expected to feel.
#[derive(Deserialize)]
pub(crate) struct Line {
    pub text: String,
    pub feels: EmotionLabel,
    #[serde(default)]
    pub also: Vec<EmotionLabel>,
    pub split: String,
}

/// Right and wrong guesses of one label.
#[derive(Clone, Copy, Default)]
struct Count {
    hit: f64,
    missed: f64,
    wrong: f64,
}

#[derive(Default)]
pub(crate) struct Score {
    by_label: [Count; 10],
    lines: usize,
    right: usize,
}

/// What is asked for on the command line.
struct Asked {
    model: Option<String>,
    split: Option<String>,
    weights: Vec<f32>,
    show: bool,
}

/// Runs the evaluation.
pub(crate) fn run(arguments: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let asked = read(arguments)?;
    let file = if asked.split.as_deref() == Some(UNSEEN) { "emotion_unseen.toml" } else { "emotion.toml" };
    let mut all = lines(file)?;
    if file == "emotion.toml" {
        all.extend(lines("emotion_more.toml")?);
    }
    let wanted = |line: &&Line| asked.split.as_ref().is_none_or(|split| *split == line.split);
    let lines: Vec<&Line> = all.iter().filter(wanted).collect();

    let by_words = |line: &&Line| Appraisal::of_words(&line.text, "en").label();
    lines.iter().take(1).map(by_words).for_each(drop); // the tables are read once
    let begun = std::time::Instant::now();
    let alone: Vec<EmotionLabel> = lines.iter().map(by_words).collect();
    let each_us = begun.elapsed().as_secs_f64() * 1e6 / lines.len().max(1) as f64;
    show(&format!("words take {each_us:.0} us a line"));
    report("words alone", &lines, &alone, asked.show);
    if let Some(model) = &asked.model {
        let runtime = tokio::runtime::Runtime::new()?;
        for weight in &asked.weights {
            let guesses = runtime.block_on(felt_with(model, *weight, &lines))?;
            let name =
                if *weight == 0.0 { "model alone".to_owned() } else { format!("both, words x{weight}") };
            report(&name, &lines, &guesses, asked.show);
        }
    }
    Ok(())
}

/// The lines of one of the files.
pub(crate) fn lines(file: &str) -> anyhow::Result<Vec<Line>> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let evaluation: Evaluation = toml::from_str(&std::fs::read_to_string(path)?)?;
    Ok(evaluation.line)
}

fn read(arguments: impl Iterator<Item = String>) -> anyhow::Result<Asked> {
    let mut asked = Asked { model: None, split: None, weights: vec![0.0, 1.0], show: false };
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--show" => asked.show = true,
            "--split" => asked.split = Some(arguments.next().context("say which split")?),
            "--weights" => {
                let list = arguments.next().context("say which weights")?;
                asked.weights = list.split(',').map(str::parse).collect::<Result<_, _>>()?;
            }
            _ => asked.model = Some(argument),
        }
    }
    Ok(asked)
}

async fn felt_with(model: &str, words_weight: f32, lines: &[&Line]) -> anyhow::Result<Vec<EmotionLabel>> {
    let robin = Character {
        id: "robin".into(),
        name: "Robin".into(),
        role: "innkeeper".into(),
        mood: "neutral".into(),
        description: "Robin is the innkeeper here.".into(),
        ..Character::default()
    };
    let world = World {
        id: "town".into(),
        name: "A small town".into(),
        language: "en".into(),
        characters: BTreeMap::from([("robin".to_owned(), robin)]),
        ..World::default()
    };
    let sidecar = rig::sidecar(model, world, |settings| {
        settings.turn.reply_tokens_max = 1; // the feeling comes before the words
        settings.turn.words_weight = words_weight;
    })?;
    let mut guesses = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        guesses.push(felt(&sidecar, number, line).await?);
    }
    sidecar.ports.ladders.shutdown().await;
    Ok(guesses)
}

async fn felt(sidecar: &Arc<Sidecar>, number: usize, line: &Line) -> anyhow::Result<EmotionLabel> {
    let player = Player { id: format!("p{number}"), name: "Traveller".into() };
    let hello = Hello { world: "town".into(), player, ..Hello::default() };
    let session = sidecar.open_session(hello).await?;
    let request =
        TalkRequest { character: "robin".into(), text: line.text.clone(), ..TalkRequest::default() };
    let accepted = session.talk(request).await?;
    let events = session.ended(accepted.turn.as_deref().unwrap_or_default()).await?;
    sidecar.close_session(&session.id).await?;
    for event in &events {
        match &event.kind {
            EventKind::Emotion { label, .. } => return Ok(label.parse()?),
            EventKind::TurnEnded { error: Some(error), .. } => anyhow::bail!("{}", error.message),
            _ => {}
        }
    }
    Ok(EmotionLabel::Neutral)
}

fn report(name: &str, lines: &[&Line], guesses: &[EmotionLabel], shown: bool) {
    let mut splits: Vec<&str> = lines.iter().map(|line| line.split.as_str()).collect();
    splits.sort_unstable();
    splits.dedup();
    for split in splits {
        let mut score = Score::default();
        for (line, guess) in lines.iter().zip(guesses).filter(|(line, _)| line.split == split) {
            let right = score.count(line, *guess);
            if shown && !right && split != UNSEEN {
                show(&format!("  {:9} not {:9} {:?}", guess.name(), line.feels.name(), line.text));
            }
        }
        show(&format!(
            "{split}: {name}: macro-F1 {:.2}, right {}/{} ({:.0} %){}",
            score.macro_f1(),
            score.right,
            score.lines,
            100.0 * score.share_right(),
            score.by_label(),
        ));
    }
}

impl Score {
    pub(crate) fn count(&mut self, line: &Line, guess: EmotionLabel) -> bool {
        let right = guess == line.feels || line.also.contains(&guess);
        self.lines += 1;
        self.right += usize::from(right);
        if right {
            self.by_label[line.feels as usize].hit += 1.0;
        } else {
            self.by_label[line.feels as usize].missed += 1.0;
            self.by_label[guess as usize].wrong += 1.0;
        }
        right
    }

    pub(crate) fn macro_f1(&self) -> f64 {
        self.by_label.iter().map(Count::f1).sum::<f64>() / self.by_label.len() as f64
    }

    pub(crate) fn share_right(&self) -> f64 {
        self.right as f64 / self.lines.max(1) as f64
    }

    fn by_label(&self) -> String {
        let each = EmotionLabel::ALL.iter().zip(&self.by_label);
        each.map(|(label, count)| format!(" {} {:.2}", label.name(), count.f1())).collect()
    }
}

impl Count {
    fn f1(&self) -> f64 {
        let all = 2.0 * self.hit + self.missed + self.wrong;
        if all == 0.0 { 0.0 } else { 2.0 * self.hit / all }
    }
}
