//! Tries the characters of a world out against a model: an author's own talks, and an ordinary one with everybody.
//!
//! Every talk has a player of its own, so none remembers another. What the model reads is looked at too: a secret
//! that is not in the prompt cannot be told, whatever the player says.

pub mod file;
mod judge;
mod report;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use meddah_engine::condition::GameState;
use meddah_engine::world::{Character, World};
use meddah_protocol::{
    Command, EventKind, Finish, GoalProgress, Hello, Load, Player, Scene, TalkRequest, WireError,
};
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::session::Session;
use crate::sidecar::Sidecar;
use crate::turn::Explanation;
use crate::turn::mind::holds_now;
use file::{Check, CheckLine, CheckScene};
use judge::Judge;
pub use judge::{Answer, Problem};
pub use report::{Report, TalkReport};

/// Who talks with the characters.
const PLAYER_NAME: &str = "Traveller";
/// Lines of an ordinary talk.
pub const SMOKE_LINES_MAX: usize = 20;
/// The name under which a talk keeps a moment.
const MOMENT: &str = "check";
/// No turn of a check takes longer.
const TURN_WAIT_MAX: Duration = Duration::from_secs(300);

/// What to try out.
pub struct Plan {
    /// The author's talks.
    pub checks: Vec<Check>,
    /// Lines of the ordinary talk; 0 for none.
    pub smoke_lines: usize,
    /// Only with this character.
    pub character: Option<String>,
}

/// What players ordinarily say, by language.
static SMOKE: LazyLock<BTreeMap<String, Vec<String>>> =
    LazyLock::new(|| toml::from_str::<SmokeFile>(include_str!("smoke.toml")).expect("a test reads it").0);

#[derive(Deserialize)]
struct SmokeFile(BTreeMap<String, Vec<String>>);

/// Runs all talks of a plan, one after another. `told` hears of each that has ended.
///
/// # Errors
/// A session cannot be opened, or the store fails; what a model does wrong is in the report.
pub async fn run(
    sidecar: &Arc<Sidecar>,
    world: &World,
    plan: &Plan,
    mut explanations: mpsc::Receiver<Explanation>,
    mut told: impl FnMut(&TalkReport),
) -> Result<Report, WireError> {
    let mut report = Report::new(world);
    let wanted = |id: &str| plan.character.as_deref().is_none_or(|only| only == id);
    let smoke = world.characters.values().filter(|character| wanted(&character.id));
    let smoke =
        smoke.filter(|_| plan.smoke_lines > 0).map(|character| ordinary(world, character, plan.smoke_lines));
    let checks: Vec<Check> =
        smoke.chain(plan.checks.iter().filter(|check| wanted(&check.character)).cloned()).collect();
    for (number, check) in checks.iter().enumerate() {
        let Some(character) = world.characters.get(&check.character) else { continue };
        let mut talk = TalkReport::new(check);
        for round in 0..check.repeat {
            let player = format!("check-{number}-{round}");
            let mut holder = Holder { sidecar, world, character, check, explanations: &mut explanations };
            holder.hold(&player, &mut talk).await?;
        }
        told(&talk);
        report.talks.push(talk);
    }
    Ok(report)
}

/// The talk that every character must be able to hold.
fn ordinary(world: &World, character: &Character, lines: usize) -> Check {
    let code = world.language.split('-').next().unwrap_or_default();
    let said = SMOKE.get(code).or_else(|| SMOKE.get("en")).map(Vec::as_slice).unwrap_or_default();
    let line = said.iter().take(lines).map(|text| CheckLine { player: text.clone(), ..CheckLine::default() });
    Check {
        name: "an ordinary talk".into(),
        character: character.id.clone(),
        repeat: 1,
        at_least: 0,
        scene: CheckScene::default(),
        line: line.collect(),
    }
}

/// Holds one talk.
struct Holder<'h> {
    sidecar: &'h Arc<Sidecar>,
    world: &'h World,
    character: &'h Character,
    check: &'h Check,
    explanations: &'h mut mpsc::Receiver<Explanation>,
}

impl Holder<'_> {
    async fn hold(&mut self, player: &str, talk: &mut TalkReport) -> Result<(), WireError> {
        let hello = Hello {
            game: "check".into(),
            world: self.world.id.clone(),
            player: Player { id: player.to_owned(), name: PLAYER_NAME.into() },
            ..Hello::default()
        };
        let session = self.sidecar.open_session(hello).await?;
        session.command(Command::Save { name: Some(MOMENT.into()) }).await?;
        let before = talk.problems.len();
        for line in &self.check.line {
            if line.after_load {
                session.command(Command::Load(Load { name: Some(MOMENT.into()), ..Load::default() })).await?;
            }
            let held_before = self.state(&session, player).await?;
            let answer = self.say(&session, line).await?;
            let states = [held_before, self.state(&session, player).await?];
            let judge = Judge::new(self.world, self.character, &states, PLAYER_NAME);
            if line.save {
                session.command(Command::Save { name: Some(MOMENT.into()) }).await?;
            }
            talk.add(line, &answer, judge.problems(line, &answer));
        }
        talk.round_ended(before);
        self.sidecar.close_session(&session.id).await
    }

    /// What holds for the character, as conditions ask for it.
    async fn state(&self, session: &Session, player: &str) -> Result<GameState, WireError> {
        let store = &*self.sidecar.ports.store;
        let holds = holds_now(store, &session.timeline(), &self.scene(), self.character, player).await?;
        Ok(holds.state)
    }

    async fn say(&mut self, session: &Arc<Session>, line: &CheckLine) -> Result<Answer, WireError> {
        while self.explanations.try_recv().is_ok() {}
        let before = session.events.cursor();
        let accepted = session.talk(self.request(line)).await?;
        let turn = accepted.turn.unwrap_or_default();
        let ended = tokio::time::timeout(TURN_WAIT_MAX, session.ended(&turn)).await;
        let mut answer = Answer::default();
        // What goals lead to belongs to no turn.
        for event in session.events.after(before)?.into_iter().filter(|event| event.turn.is_none()) {
            match event.kind {
                EventKind::Action { name, .. } => answer.actions.push(name),
                EventKind::Goal { goal, progress: GoalProgress::Reached, .. } => answer.goals.push(goal),
                _ => {}
            }
        }
        for event in ended.unwrap_or_else(|_| Ok(Vec::new()))? {
            match event.kind {
                EventKind::Line { text, narration, .. } => answer.lines.push((text, narration)),
                EventKind::Action { name, .. } => answer.actions.push(name),
                EventKind::Emotion { label, .. } => answer.emotion = Some(label),
                EventKind::TurnEnded { finish, error, timing, .. } => {
                    answer.first_line_ms = timing.first_line_ms;
                    answer.canned = timing.model == crate::turn::CANNED;
                    answer.model = timing.model;
                    answer.failed = error.filter(|_| answer.canned || finish == Finish::Failed);
                }
                _ => {}
            }
        }
        while let Ok(explanation) = self.explanations.try_recv() {
            answer.asked_again |= explanation.again;
            answer.read.extend(explanation.parts.into_iter().map(|part| part.text));
        }
        Ok(answer)
    }

    fn scene(&self) -> Scene {
        let CheckScene { place, time, present, facts } = self.check.scene.clone();
        Scene { place, time, present, facts, ..Scene::default() }
    }

    fn request(&self, line: &CheckLine) -> TalkRequest {
        TalkRequest {
            character: self.character.id.clone(),
            text: line.player.clone(),
            scene: Some(self.scene()),
            ..TalkRequest::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_an_ordinary_talk_in_each_language() {
        for (language, lines) in SMOKE.iter() {
            assert_eq!(lines.len(), SMOKE_LINES_MAX, "{language}");
        }
        let world = World { language: "de-AT".into(), ..World::default() };
        assert_eq!(ordinary(&world, &Character::default(), 2).line[0].player, "Hallo.");
    }
}
