//! Goals that go on when something happens, and characters that speak first because of them.
//!
//! It is done while a command is carried out, so that what is said next already meets the new state. Whatever
//! changes is an entry of the timeline; only who has spoken first in this meeting is of the session, and looked up in
//! the timeline once when the game has loaded another time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use meddah_engine::action::TARGET;
use meddah_engine::goal::{self, GoalProgress, GoalStates, Moment};
use meddah_engine::timeline::EntryKind;
use meddah_engine::world::{Character, Goal, GoalOutcome, PLAYER_ID};
use meddah_protocol::{ErrorCode, EventKind, Scene, WireError};
use meddah_store::EntryFilter;
use serde_json::Value;

use super::events::EventOrigin;
use super::{Call, Session};
use crate::turn::Cause;
use crate::turn::mind::holds_now;

/// Characters whose goals one command can move.
const PURSUERS_MAX: usize = 64;

/// Entries that one meeting may take: further back, another time was loaded into another meeting.
const MEETING_ENTRIES_MAX: usize = 64;

/// Who has spoken first, and when somebody last did.
#[derive(Default)]
pub(super) struct Encounters {
    spoke: BTreeMap<String, BTreeSet<String>>,
    last: Option<Instant>,
    /// Another time was loaded: the meeting of then goes on.
    loaded: bool,
    /// Actions called by goals so far.
    calls: u64,
}

impl Encounters {
    /// Everybody meets as they did at the time that was loaded.
    pub fn load(&mut self) {
        (self.spoke, self.last, self.loaded) = (BTreeMap::new(), None, true);
    }
}

impl Session {
    /// The goals of these characters go on with what the moment brings.
    pub(super) async fn pursue(&self, who: &[String], moment: Moment<'_>) -> Result<(), WireError> {
        let world = self.world()?;
        let pursuers = who.iter().filter_map(|id| world.characters.get(id));
        for character in pursuers.filter(|character| !character.goal.is_empty()).take(PURSUERS_MAX) {
            let (before, state) = self.goals_of(character).await?;
            let step = goal::step(character, &before, &state, &moment);
            if step.states == before {
                continue;
            }
            let changes = step.changes;
            let kind = EntryKind::Goals(step.states);
            self.append(kind, Some(&character.id), vec![character.id.clone()]).await?;
            for (goal, progress) in changes {
                let is_reached = progress == GoalProgress::Reached;
                let text = goal.then.event.clone().filter(|_| is_reached);
                let event = EventKind::Goal { goal: goal.id.clone(), progress, text };
                self.events.push(&of_no_turn(character), event);
                if is_reached {
                    self.reach(character, &goal.then).await?;
                }
            }
        }
        Ok(())
    }

    async fn goals_of(
        &self,
        character: &Character,
    ) -> Result<(GoalStates, meddah_engine::condition::GameState), WireError> {
        let scene = self.state().scene.clone();
        let holds =
            holds_now(&*self.ports.store, &self.timeline(), &scene, character, &self.player.id).await?;
        Ok((holds.goals, holds.state))
    }

    /// What follows from a goal that was reached: an action of the character, and what everybody notices.
    async fn reach(&self, character: &Character, outcome: &GoalOutcome) -> Result<(), WireError> {
        let mut witnesses = self.state().scene.present.clone();
        if !witnesses.contains(&character.id) {
            witnesses.push(character.id.clone());
        }
        if let Some(name) = &outcome.action
            && self.act(character, name, outcome)
        {
            let text = format!("{} did {name}.", character.name);
            self.append(EntryKind::Event { text }, None, witnesses.clone()).await?;
        }
        if let Some(text) = &outcome.event {
            self.append(EntryKind::Event { text: text.clone() }, None, witnesses).await?;
        }
        Ok(())
    }

    /// An action that a goal calls goes through the same gate as one that a model chooses.
    fn act(&self, character: &Character, name: &str, outcome: &GoalOutcome) -> bool {
        let mut arguments = outcome.arguments.clone();
        if let Some(target) = &outcome.target {
            let target = if target == PLAYER_ID { &self.player.id } else { target };
            arguments.insert(TARGET.to_owned(), target.clone().into());
        }
        let arguments = (!arguments.is_empty()).then_some(Value::Object(arguments));
        let mut state = self.state();
        let action = match state.actions.admit(name, arguments) {
            Ok(action) => action,
            Err(refusal) => {
                drop(state);
                let message = format!("a goal of {:?} calls an action: {refusal}", character.id);
                let error = WireError::new(ErrorCode::InvalidRequest, message).with_help(
                    "Declare the action before the goal is reached, or correct the goal's `then`.",
                );
                self.emit(crate::wire::notice("goal_action_refused", error));
                return false;
            }
        };
        state.encounters.calls += 1;
        let call_id = format!("g{}.c1", state.encounters.calls);
        let call = Call { id: call_id.clone(), character: character.id.clone(), action: action.name.clone() };
        state.expect_result(call);
        drop(state);
        self.events.push(
            &of_no_turn(character),
            EventKind::Action {
                call_id,
                name: action.name,
                arguments: action.arguments,
                target: action.target,
                needs_result: action.needs_result,
            },
        );
        true
    }

    /// Somebody who is there with the player begins to talk, if a goal says so: once for each goal in a meeting,
    /// not while anybody thinks, and not too soon after the last time.
    pub(super) async fn speak_first(self: &Arc<Self>, now: Instant) -> Result<(), WireError> {
        let scene = {
            let mut state = self.state();
            let scene = state.scene.clone();
            state.encounters.spoke.retain(|id, _| scene.present.contains(id));
            let pause = Duration::from_millis(self.settings.speak_first_pause_ms);
            let too_soon = state.encounters.last.is_some_and(|last| now.duration_since(last) < pause);
            let others_talk = !state.running.is_empty() || state.chain_runs();
            if too_soon || others_talk || !self.player_is_in(&scene) {
                return Ok(());
            }
            scene
        };
        let world = self.world()?;
        let there = || scene.present.iter().filter_map(|id| world.characters.get(id));
        if std::mem::take(&mut self.state().encounters.loaded) {
            for character in there() {
                let spoke = self.spoke_of_late(character).await?;
                self.state().encounters.spoke.insert(character.id.clone(), spoke);
            }
        }
        for character in there() {
            let Some(goal) = self.wants_to_speak(character).await? else { continue };
            let text = self.opening(goal);
            let cause = Cause::Happened { text, witnesses: scene.present.clone() };
            self.begin_turn(&character.id, cause, "", self.terms(now), None).await?;
            let mut state = self.state();
            state.encounters.last = Some(now);
            state.encounters.spoke.entry(character.id.clone()).or_default().insert(goal.id.clone());
            return Ok(());
        }
        Ok(())
    }

    /// How a goal makes its character speak, as the character notices it.
    fn opening(&self, goal: &Goal) -> String {
        match goal.opening.is_empty() {
            true => format!("{} is here. You speak first.", self.player.name),
            false => goal.opening.clone(),
        }
    }

    /// The goals for which a character spoke first of late, by the timeline.
    async fn spoke_of_late(&self, character: &Character) -> Result<BTreeSet<String>, WireError> {
        let goals: Vec<&Goal> = character.goal.iter().filter(|goal| goal.speak_first).collect();
        if goals.is_empty() {
            return Ok(BTreeSet::new());
        }
        let perceived = EntryFilter::PerceivedBy(character.id.clone());
        let recent = self.ports.store.recent(&self.timeline(), perceived, MEETING_ENTRIES_MAX, None).await?;
        let opened = |text: &str| {
            recent.iter().any(|stored| match &stored.entry.kind {
                EntryKind::Turn(turn) => turn.speaker.is_empty() && turn.text == text,
                _ => false,
            })
        };
        let spoke = goals.into_iter().filter(|goal| opened(&self.opening(goal)));
        Ok(spoke.map(|goal| goal.id.clone()).collect())
    }

    /// The goal for which a character would speak first, and has not yet in this meeting.
    async fn wants_to_speak<'c>(&self, character: &'c Character) -> Result<Option<&'c Goal>, WireError> {
        if !character.goal.iter().any(|goal| goal.speak_first) {
            return Ok(None);
        }
        let (states, _) = self.goals_of(character).await?;
        let state = self.state();
        let spoke = state.encounters.spoke.get(&character.id);
        let fresh = |goal: &&Goal| goal.speak_first && !spoke.is_some_and(|spoke| spoke.contains(&goal.id));
        Ok(states.active(&character.goal).into_iter().find(fresh))
    }

    fn player_is_in(&self, scene: &Scene) -> bool {
        scene.present.iter().any(|id| *id == self.player.id || id == PLAYER_ID)
    }
}

fn of_no_turn(character: &Character) -> EventOrigin {
    EventOrigin { character: Some(character.id.clone()), ..EventOrigin::default() }
}
