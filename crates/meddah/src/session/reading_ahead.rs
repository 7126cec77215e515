//! While a pause of the player may be the end of what they say, the model thinks up what it would answer then.
//!
//! To wait for that end takes longer than to understand the words, and the model has nothing to do meanwhile. The turn
//! that would answer is composed and thought up ([`turn::read_ahead`]); it begins nowhere, and leaves no trace if it does not
//! come.

use std::time::Instant;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use meddah_protocol::Say;
use meddah_speech::Transcript;

use super::commands::checked_scene;
use super::open_microphone::Between;
use super::{Session, character_of};
use crate::config::TurnSettings;
use crate::turn::{self, Cause, Turn};

/// What the player may have said, and the reading of what that asks. Dropped, nothing is read on.
pub(super) struct Guess<'s> {
    session: &'s Session,
    pub between: &'s Between,
    text: String,
    reading: Option<BoxFuture<'s, ()>>,
}

impl<'s> Guess<'s> {
    /// Nothing is known.
    pub fn new(session: &'s Session, between: &'s Between) -> Guess<'s> {
        Guess { session, between, text: String::new(), reading: None }
    }

    /// What was understood makes a guess, keeps it or ends it. `say` is how it will be said.
    pub fn follow(&mut self, understood: &Transcript, say: &Say) {
        let is_known = understood.may_be_all && understood.text == self.text;
        if is_known {
            return;
        }
        self.give_up();
        if understood.may_be_all && !understood.is_final {
            self.text.clone_from(&understood.text);
            let say = Say { text: self.text.clone(), ..say.clone() };
            self.reading = Some(self.session.read_ahead(say).boxed());
        }
    }

    /// It was not all.
    fn give_up(&mut self) {
        self.text.clear();
        self.reading = None;
    }

    /// Reads until that is done, or until the player goes on; for ever if there is nothing to read. What was read to
    /// its end is still known if they add nothing that is understood.
    pub async fn read(&mut self) {
        let Some(reading) = &mut self.reading else { return std::future::pending().await };
        tokio::select! {
            biased;
            () = self.between.goes_on() => self.give_up(),
            () = reading => self.reading = None,
        }
    }

    /// Reads what is left.
    pub async fn read_out(mut self) {
        if self.reading.is_some() {
            self.read().await;
        }
    }
}

impl Session {
    async fn read_ahead(&self, say: Say) {
        if let Some(turn) = self.turn_to_come(say) {
            turn::read_ahead(&turn, &self.ports).await;
        }
    }

    /// The turn that would answer this. Where the game changes the moment with the same words, it is not known yet.
    fn turn_to_come(&self, say: Say) -> Option<Turn> {
        let world = self.world().ok()?;
        let (speaker, speaker_name) = self.speaker(say.from).ok()?;
        let first = self.addressed(&say.to, &say.text, &speaker).ok()?.into_iter().next()?;
        let character = character_of(&world, &first).ok()?.clone();
        let scene = say.scene.map(checked_scene).transpose().ok()?;
        let (id, moment) = {
            let state = self.state();
            let is_here = scene.is_none_or(|scene| scene == state.scene);
            let is_declared = say.actions.is_none() || say.actions == state.declared;
            (is_here && is_declared).then(|| (state.next_turn(), state.moment()))?
        };
        let cause = Cause::Said { speaker, speaker_name, text: say.text };
        let turn = self.turn(&id, (world, character), cause, moment, self.terms(Instant::now()));
        // Whoever looks on sees the turns that come.
        let settings = TurnSettings { explain: None, ..turn.settings };
        Some(Turn { settings, ..turn })
    }
}
