//! What a turn does to the character's heart: what it feels now, and how it stands to whom it talks with.

use meddah_engine::emotion::{self, Emotion, EmotionLabel, Shown};
use meddah_engine::relationship::{Bond, Change, Level};
use meddah_engine::timeline::EntryKind;
use meddah_protocol::EventKind;
use serde_json::{Map, Value};

use super::Cause;
use super::mind::Feelings;

/// How strongly a chosen feeling is felt that the words do not explain; the label says what, code how much.
const FELT_INTENSITY: f32 = 0.5;
/// A change smaller than this is not listed as one.
const LISTED_CHANGE: f32 = 0.005;

/// What is felt in a turn.
#[derive(Clone, Debug)]
pub(super) struct Felt {
    pub state: Emotion,
    pub shown: Shown,
    pub why: Option<String>,
}

/// How the character stands to somebody after the turn.
#[derive(Clone, Debug)]
pub(super) struct Moved {
    pub toward: String,
    pub bond: Bond,
    pub change: Change,
    pub why: Option<String>,
    /// The word for it is another one now.
    pub new_level: bool,
}

impl Felt {
    /// After `label` was chosen, by a model or by the words alone.
    pub fn after(feelings: &Feelings, label: EmotionLabel) -> Felt {
        let explained = feelings.words.explains(label);
        let intensity = if explained { feelings.words.strength() } else { FELT_INTENSITY };
        let (before, temperament) = (&feelings.now, &feelings.temperament);
        let state = emotion::step(before, temperament, label, intensity, std::time::Duration::ZERO).rounded();
        let why = match (label, explained) {
            (EmotionLabel::Neutral, _) => feelings.why.clone(),
            (_, true) => feelings.words.deed().map(|deed| deed.told(&feelings.bond.name)),
            _ => None,
        };
        Felt { state, shown: state.shown(temperament), why }
    }

    pub fn event(&self) -> EventKind {
        let Shown { label, intensity, place } = self.shown;
        EventKind::Emotion {
            label: label.name().to_owned(),
            intensity,
            pleasure: place.pleasure,
            arousal: place.arousal,
            dominance: place.dominance,
        }
    }

    pub fn entry(&self) -> EntryKind {
        let Emotion { label, intensity, mood } = self.state;
        EntryKind::Emotion {
            label: label.name().to_owned(),
            intensity,
            pleasure: mood.pleasure,
            arousal: mood.arousal,
            dominance: mood.dominance,
            why: self.why.clone(),
        }
    }
}

impl Moved {
    /// After the turn's words (or event) were taken as `label`.
    pub fn after(feelings: &Feelings, cause: &Cause, label: EmotionLabel) -> Moved {
        let standing = &feelings.bond;
        let said = matches!(cause, Cause::Said { .. });
        let deed = feelings.words.deeds().iter().find(|deed| !deed.bond.is_none());
        let pleasure = label.pad(1.0).pleasure;
        let mut bond = standing.now;
        if said {
            bond = bond.talked();
        }
        if said || deed.is_some() {
            bond = bond.felt(deed.map(|deed| deed.bond.scaled(deed.share)), pleasure);
        }
        let bond = bond.rounded();
        // What moved it most: a greeting is not the reason after a theft.
        let by = bond.since(&standing.now).size();
        let told = deed.map(|deed| deed.told(&standing.name));
        let earlier = standing.why.clone().filter(|_| told.is_none() || by < standing.moved_by);
        let why = earlier.or(told);
        Moved {
            toward: standing.toward.clone(),
            bond,
            change: bond.since(&standing.known),
            why,
            new_level: Level::of(&bond) != Level::of(&standing.known),
        }
    }

    /// What the game is told, if it is worth it.
    pub fn event(&self) -> Option<EventKind> {
        if !self.change.is_noticeable() && !self.new_level {
            return None;
        }
        let listed = self.change.axes().into_iter().filter(|(_, by)| by.abs() >= LISTED_CHANGE);
        let round = |by: f32| (f64::from(by) * 1e4).round() / 1e4;
        let changed: Map<String, Value> =
            listed.map(|(axis, by)| (axis.to_owned(), Value::from(round(by)))).collect();
        let Bond { trust, respect, familiarity, affection, .. } = self.bond;
        let (toward, why) = (self.toward.clone(), self.why.clone());
        Some(EventKind::Relationship { toward, trust, respect, familiarity, affection, changed, why })
    }

    /// What the timeline keeps; none if nothing moved.
    pub fn entry(&self) -> Option<EntryKind> {
        let Bond { trust, respect, familiarity, affection, sated } = self.bond;
        let (toward, why) = (self.toward.clone(), self.why.clone());
        (!self.change.is_none()).then_some(EntryKind::Relationship {
            toward,
            trust,
            respect,
            familiarity,
            affection,
            sated,
            why,
        })
    }
}
