//! Several answer one line, and characters talk among themselves.
//!
//! Both are turns that follow a first one, each like any other: through the same gate, in the lane of its character,
//! written down for those who hear it. Their words may come from one call for all of them (`short_scene.rs`). A chain of turns keeps the scene that it began in, so two of them in different
//! places do not mix. It ends when its turns are used up, when a line asks for no answer, when nobody is left to
//! speak, and as soon as the player speaks to those in it or cuts in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use meddah_engine::action::ActionSet;
use meddah_protocol::{EventKind, Finish, Scene};
use tokio_util::sync::CancellationToken;

use super::{Session, scene};
use crate::turn::{CANNED, Cause, Written};

/// Chains of one session at a time.
const CHAINS_MAX: usize = 8;
/// After so many turns a line that is no question may be the last word.
const LAST_WORD_AFTER: u32 = 2;

/// The moment that a turn belongs to.
#[derive(Clone)]
pub(super) struct Moment {
    pub scene: Scene,
    pub actions: Arc<ActionSet>,
    /// What the character says in it, if that is written already.
    pub written: Option<Written>,
}

/// A chain that runs.
pub(super) struct Chain {
    /// Who may speak in it.
    there: Vec<String>,
    cancel: CancellationToken,
}

impl Chain {
    pub(super) fn runs(&self) -> bool {
        !self.cancel.is_cancelled()
    }
}

/// What follows a first turn.
pub(super) enum Follow {
    /// These answer the same line.
    Answers(Vec<String>),
    /// Those who are there go on, in up to so many turns.
    Talk(u32),
}

/// The line that was said last.
struct Last {
    speaker: String,
    name: String,
    text: String,
}

impl Session {
    /// Lets others speak after `turn`, in which `first` answered `cause`.
    pub(super) fn follow(
        self: &Arc<Self>,
        turn: String,
        first: &str,
        cause: Cause,
        moment: Moment,
        follow: Follow,
    ) {
        let there = self.who_may_speak(first, &moment.scene, &follow);
        let cancel = self.closing.child_token();
        {
            let mut state = self.state();
            state.chains.retain(Chain::runs);
            let rests = matches!(follow, Follow::Talk(_)) && self.rest(&state.last_among, &there);
            if there.len() < 2 || state.chains.len() >= CHAINS_MAX || rests {
                return;
            }
            state.chains.push(Chain { there: there.clone(), cancel: cancel.clone() });
        }
        let (session, first) = (self.clone(), first.to_owned());
        self.tasks.spawn(async move {
            let talk = async {
                match follow {
                    Follow::Answers(others) => session.answer_too(turn, others, cause, &moment).await,
                    Follow::Talk(turns) => session.go_on(turn, first, &there, turns, &moment).await,
                }
            };
            tokio::select! {
                biased;
                () = cancel.cancelled() => {}
                _ = talk => {}
            }
            cancel.cancel();
        });
    }

    /// Ends the chains that these people are part of: somebody else has the word now.
    pub(super) fn end_chains(&self, people: impl Fn(&str) -> bool) {
        let state = self.state();
        for chain in state.chains.iter().filter(|chain| chain.there.iter().any(|id| people(id))) {
            chain.cancel.cancel();
        }
    }

    fn who_may_speak(&self, first: &str, scene: &Scene, follow: &Follow) -> Vec<String> {
        let mut there = vec![first.to_owned()];
        match follow {
            Follow::Answers(others) => there.extend(others.iter().cloned()),
            Follow::Talk(_) => {
                let hears = |id: &&String| scene.hearing.is_empty() || scene.hearing.contains(*id);
                let Ok(world) = self.world() else { return there };
                let known = |id: &&String| world.characters.contains_key(id.as_str()) && id.as_str() != first;
                there.extend(scene.present.iter().filter(known).filter(hears).cloned());
                there.truncate(scene::ANSWERS_MAX);
            }
        }
        there
    }

    /// One of them has talked like this a moment ago.
    fn rest(&self, last: &BTreeMap<String, Instant>, there: &[String]) -> bool {
        let cooldown = Duration::from_millis(self.scenes.cooldown_ms);
        there.iter().filter_map(|id| last.get(id)).any(|last| last.elapsed() < cooldown)
    }

    /// One after another, so that each hears those before.
    async fn answer_too(
        self: &Arc<Self>,
        mut turn: String,
        others: Vec<String>,
        cause: Cause,
        moment: &Moment,
    ) -> Option<()> {
        for id in others {
            self.line_of(&turn).await?;
            turn = self.next_turn(&id, cause.clone(), moment).await?;
        }
        Some(())
    }

    async fn go_on(
        self: &Arc<Self>,
        mut turn: String,
        mut speaker: String,
        there: &[String],
        turns: u32,
        moment: &Moment,
    ) -> Option<()> {
        let mut before = String::new();
        let mut scene = None;
        let turns = turns.min(self.scenes.turns_max);
        for number in 1..=turns {
            let said = self.line_of(&turn).await?;
            if number > LAST_WORD_AFTER && !said.contains(['?', '？', '؟']) {
                return None;
            }
            let world = self.world().ok()?;
            if number == 1 {
                scene = self.short_scene(there, &speaker, turns, moment).await;
            }
            let (next, written) = match &mut scene {
                Some(lines) => lines.pop_front().map(|(who, written)| (who, Some(written)))?,
                None => (scene::who_goes_on(&world, there, &speaker, &before, &said)?.to_owned(), None),
            };
            let name = world.characters.get(&speaker)?.name.clone();
            let last = Last { speaker, name, text: said };
            (before, speaker) = (last.speaker.clone(), next.clone());
            self.state().last_among.insert(next.clone(), Instant::now());
            self.state().last_among.insert(last.speaker.clone(), Instant::now());
            let cause = Cause::Said { speaker: last.speaker, speaker_name: last.name, text: last.text };
            turn = self.next_turn(&next, cause, &Moment { written, ..moment.clone() }).await?;
        }
        Some(())
    }

    /// What was said in a turn, once it has ended; none if it was cut, failed, or nothing was said by a mind.
    async fn line_of(&self, turn: &str) -> Option<String> {
        let events = self.ended(turn).await.ok()?;
        let ended = events.into_iter().find_map(|event| match event.kind {
            EventKind::TurnEnded { finish, text, timing, .. } => Some((finish, text, timing.model)),
            _ => None,
        });
        let (finish, text, model) = ended?;
        let spoke = finish == Finish::Complete && model != CANNED && !text.trim().is_empty();
        spoke.then_some(text)
    }

    async fn next_turn(self: &Arc<Self>, character: &str, cause: Cause, moment: &Moment) -> Option<String> {
        tokio::time::sleep(Duration::from_millis(self.scenes.pause_ms)).await;
        if self.tasks.is_closed() {
            return None;
        }
        let now = self.terms(Instant::now());
        let accepted = self.begin_turn(character, cause, "", now, Some(moment.clone())).await.ok()?;
        accepted.turn
    }
}
