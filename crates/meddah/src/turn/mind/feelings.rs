//! How the character feels and how it stands to whom it talks with, before anybody thinks: the last states on
//! this line of time, with what it noticed and the time that passed since then.

use std::time::Duration;

use meddah_engine::emotion::appraise::Appraisal;
use meddah_engine::emotion::{self, Emotion, EmotionLabel, Moment, Pad, Temperament};
use meddah_engine::prompt::Past;
use meddah_engine::relationship::{self, Bond};
use meddah_engine::timeline::{Entry, EntryKind};
use meddah_engine::world::PLAYER_ID;
use meddah_store::StoredEntry;

use super::state::Kept;
use crate::turn::{Cause, Turn, now_ms};

/// Events since the last state that still count, the newest.
const EVENTS_MAX: usize = 16;
/// From this intensity on (0 to 1) a feeling is told to whoever thinks.
const TOLD_INTENSITY: f32 = 0.3;
/// How far a mood must have gone from where it rests to be told.
const TOLD_MOOD: f32 = 0.2;
/// A sentence that was told so few turns ago is not told again.
const TOLD_AGAIN_TURNS: usize = 3;

/// The character's heart.
#[derive(Clone, Debug, Default)]
pub(in crate::turn) struct Feelings {
    /// How it is made.
    pub temperament: Temperament,
    /// How it feels right before this turn.
    pub now: Emotion,
    /// What brought that about, in its own view.
    pub why: Option<String>,
    /// What is answered, as it strikes the character.
    pub words: Appraisal,
    /// How it stands to whom it talks with.
    pub bond: Standing,
}

/// How the character stands to somebody.
#[derive(Clone, Debug, Default)]
pub(in crate::turn) struct Standing {
    /// Their id,
    pub toward: String,
    /// and name.
    pub name: String,
    /// As the game knows it.
    pub known: Bond,
    /// Right before this turn.
    pub now: Bond,
    /// As the story began.
    pub home: Bond,
    /// What moved it most since the game was told,
    pub why: Option<String>,
    /// and by how much.
    pub moved_by: f32,
}

/// Reads the heart. `witnessed` is what the character perceived of late, oldest first.
pub(super) fn before(turn: &Turn, kept: &Kept, witnessed: &[StoredEntry]) -> Feelings {
    let usual: EmotionLabel = turn.character.mood.parse().unwrap_or_default();
    let temperament = Temperament::of(usual, &turn.character.personality);
    let mut feelings = Feelings { temperament, ..Feelings::default() };
    feelings.follow_emotion(turn, kept.emotion.as_ref(), witnessed);
    feelings.follow_bond(turn, kept.bond.as_ref(), witnessed);
    feelings.words = match &turn.cause {
        Cause::Said { text, .. } => Appraisal::of_words(text, turn.spoken_language()),
        Cause::Happened { text, .. } => appraise_event(turn, text),
    };
    feelings
}

impl Feelings {
    /// From the last state through what happened since to this moment.
    fn follow_emotion(&mut self, turn: &Turn, last: Option<&StoredEntry>, witnessed: &[StoredEntry]) {
        self.now = Emotion::at_rest(&self.temperament);
        let mut then = None;
        if let Some((state, why)) = last.and_then(|last| emotion_of(&last.entry)) {
            (self.now, self.why) = (state, why);
            then = last.map(|last| moment(&last.entry));
        }
        for (entry, found) in happened_since(turn, last, witnessed) {
            let at = moment(entry);
            let label = found.label();
            self.now =
                emotion::step(&self.now, &self.temperament, label, found.strength(), passed(turn, then, at));
            if label != EmotionLabel::Neutral {
                self.why = found.deed().map(|deed| deed.told(turn.partner_name()));
            }
            then = Some(at);
        }
        let now = Moment { game_time: turn.scene.game_time, wall_time_ms: now_ms() };
        self.now = emotion::decay(&self.now, &self.temperament, passed(turn, then, now));
        if !self.now.stirs() {
            self.why = None;
        }
    }

    /// The same for the bond with whom the character talks.
    fn follow_bond(&mut self, turn: &Turn, last: Option<&StoredEntry>, witnessed: &[StoredEntry]) {
        let home = home(turn);
        let mut standing = Standing {
            toward: turn.partner().to_owned(),
            name: turn.partner_name().to_owned(),
            known: home,
            now: home,
            home,
            why: None,
            moved_by: 0.0,
        };
        let mut then = None;
        if let Some(bond) = last.and_then(|last| bond_of(&last.entry)) {
            (standing.known, standing.now) = (bond, bond);
            then = last.map(|last| moment(&last.entry));
        }
        for (entry, found) in happened_since(turn, last, witnessed) {
            let at = moment(entry);
            standing.now = standing.now.rested(&home, passed(turn, then, at));
            if let Some(deed) = found.deeds().iter().find(|deed| !deed.bond.is_none()) {
                let moved = standing.now.moved(deed.bond.scaled(deed.share));
                let by = moved.since(&standing.now).size();
                standing.now = moved;
                if by >= standing.moved_by {
                    (standing.why, standing.moved_by) = (Some(deed.told(&standing.name)), by);
                }
            }
            then = Some(at);
        }
        let now = Moment { game_time: turn.scene.game_time, wall_time_ms: now_ms() };
        standing.now = standing.now.rested(&home, passed(turn, then, now));
        self.bond = standing;
    }

    /// What whoever thinks is told of it: at most two plain sentences, none while nothing stands out or it was
    /// told a moment ago.
    pub(super) fn told(&self, past: &Past<'_>) -> Vec<String> {
        let stance = relationship::stance(&self.bond.now, &self.bond.home, &self.bond.name);
        self.mood_told()
            .into_iter()
            .chain(stance)
            .filter(|text| !past.told_within(TOLD_AGAIN_TURNS, text))
            .collect()
    }

    fn mood_told(&self) -> Option<String> {
        let Emotion { label, intensity, mood } = self.now;
        if label != EmotionLabel::Neutral && intensity >= TOLD_INTENSITY {
            let adjective = label.adjective();
            return Some(match &self.why {
                Some(why) => format!("You are still {adjective} because {why}."),
                None => format!("You are still {adjective}."),
            });
        }
        let moved = mood.pleasure - self.temperament.home.pleasure;
        match moved {
            moved if moved <= -TOLD_MOOD => Some("You are in a bad mood.".to_owned()),
            moved if moved >= TOLD_MOOD => Some("You are in a good mood.".to_owned()),
            _ => None,
        }
    }

    /// How warm the character's heart is toward whom it talks with, -1 to 1: 0 for a stranger on a calm day.
    pub fn warmth(&self) -> f32 {
        let Bond { trust, affection, .. } = self.bond.now;
        let stirred = if self.now.stirs() {
            match self.now.label {
                EmotionLabel::Anger | EmotionLabel::Contempt | EmotionLabel::Disgust => -self.now.intensity,
                EmotionLabel::Affection | EmotionLabel::Joy => self.now.intensity * 0.5,
                _ => 0.0,
            }
        } else {
            0.0
        };
        (0.6 * affection + 0.4 * trust + 0.6 * stirred).clamp(-1.0, 1.0)
    }
}

/// What the character noticed since a state was written, appraised; the oldest first.
fn happened_since<'e>(
    turn: &Turn,
    last: Option<&StoredEntry>,
    witnessed: &'e [StoredEntry],
) -> Vec<(&'e Entry, Appraisal)> {
    let since = last.map_or(0, |last| last.cursor.seq);
    let newer = witnessed.iter().rev().filter(|stored| stored.cursor.seq > since);
    let happened = newer.filter_map(|stored| {
        let text = match &stored.entry.kind {
            EntryKind::Event { text } => text,
            EntryKind::ActionResult { result, .. }
                if stored.entry.character.as_deref() == Some(turn.character.id.as_str()) =>
            {
                result.text.as_ref()?
            }
            _ => return None,
        };
        Some((&*stored.entry, appraise_event(turn, text)))
    });
    let mut happened: Vec<_> = happened.take(EVENTS_MAX).collect();
    happened.reverse();
    happened
}

fn appraise_event(turn: &Turn, text: &str) -> Appraisal {
    Appraisal::of_event(text, turn.spoken_language(), turn.partner_name(), &turn.character.name)
}

/// How the character's file says that it stands to whom it talks with.
fn home(turn: &Turn) -> Bond {
    let id = if turn.partner() == turn.player.id { PLAYER_ID } else { turn.partner() };
    turn.character.relationships.get(id).map(|relationship| relationship.bond).unwrap_or_default()
}

fn passed(turn: &Turn, then: Option<Moment>, now: Moment) -> Duration {
    then.map_or(Duration::ZERO, |then| emotion::elapsed(then, now, turn.world.seconds_per_time_unit))
}

fn moment(entry: &Entry) -> Moment {
    Moment { game_time: entry.game_time, wall_time_ms: entry.wall_time_ms }
}

fn emotion_of(entry: &Entry) -> Option<(Emotion, Option<String>)> {
    let EntryKind::Emotion { label, intensity, pleasure, arousal, dominance, why } = &entry.kind else {
        return None;
    };
    let mood = Pad { pleasure: *pleasure, arousal: *arousal, dominance: *dominance };
    let label = emotion::nearest_label(label).unwrap_or_default(); // written by another version, perhaps
    Some((Emotion { label, intensity: *intensity, mood }.tame(), why.clone()))
}

fn bond_of(entry: &Entry) -> Option<Bond> {
    let EntryKind::Relationship { trust, respect, familiarity, affection, sated, .. } = entry.kind else {
        return None;
    };
    Some(Bond { trust, respect, familiarity, affection, sated }.tame())
}
