//! What was done by saying something: an insult, thanks, a threat, a gift, bad news, read from a table of words.
//!
//! It stands in where no model decides (a service, a line of the character's file), leans a small model's
//! decision the right way, and tells the bond between two what happened between them. What no phrase of that table
//! covers, single words still lean to a feeling ([`leaning`]): they name it, and say nothing of what was done.
//! A language without a table says nothing at all.

mod aim;
pub mod leaning;
mod lexicon;
mod roles;

use crate::relationship::Change;

use super::EmotionLabel;
use leaning::Leanings;
use lexicon::{Act, Lexicon};
use roles::Doer;

/// What counts as an emotion when code alone decides: less is neutral.
const ALONE_MIN: f32 = 1.0;
/// An exclamation is felt a little more.
const EXCLAIMED: f32 = 1.15;
/// Feelings over what happens around one, beside what one is told.
const WITNESSED_SHARE: f32 = 0.8;

/// What one thing that was said or happened means to a listener.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Appraisal {
    /// Log-odds by label from the acts, in the order of [`EmotionLabel::ALL`]; neutral stays 0.
    scores: [f32; 10],
    /// The same from single words.
    leans: [f32; 10],
    /// How strongly it is felt, 0 to 1.
    strength: f32,
    /// What was done, the weightiest first.
    deeds: Vec<Deed>,
}

/// Something that was done.
#[derive(Clone, Debug, PartialEq)]
pub struct Deed {
    /// Its name in the table: `insult`.
    pub name: &'static str,
    /// How much of it, 0 to 1.
    pub share: f32,
    /// What it does to how the listener stands to whoever did it, at full strength.
    pub bond: Change,
    weight: f32,
    why: &'static str,
}

impl Deed {
    /// What happened, as half a sentence in the listener's view: "Ann insulted you".
    pub fn told(&self, who: &str) -> String {
        self.why.replace("{who}", who)
    }
}

impl Appraisal {
    /// What `text`, said to the listener, does.
    pub fn of_words(text: &str, language: &str) -> Appraisal {
        let mut found = Appraisal::of_acts(text, language);
        if let Some(leanings) = Lexicon::of(language).and_then(|lexicon| Leanings::of(lexicon.language())) {
            found.leans[1..].copy_from_slice(&leanings.score(text));
        }
        found
    }

    /// The same without what single words lean to.
    pub fn of_acts(text: &str, language: &str) -> Appraisal {
        let Some(lexicon) = Lexicon::of(language) else { return Appraisal::default() };
        let mut found = Appraisal::default();
        for clause in lexicon.clauses(text) {
            let asked = text.contains('?') && lexicon.asks(&clause);
            for (act, negated) in lexicon.acts_in(&clause) {
                let share = if asked { act.asked } else { 1.0 };
                match (negated, act.negated.as_deref().and_then(|name| lexicon.act(name))) {
                    (false, _) => found.add(act, share),
                    (true, Some(opposite)) => found.add(opposite, share),
                    (true, None) => {}
                }
            }
        }
        if text.contains('!') {
            found.strength = (found.strength * EXCLAIMED).min(1.0);
        }
        found.sorted()
    }

    /// What an event does to somebody who noticed it. `doer` is the name of who may have done it to the listener,
    /// `listener` the listener's own; other people's doings to each other weigh less.
    pub fn of_event(text: &str, language: &str, doer: &str, listener: &str) -> Appraisal {
        let Some(lexicon) = Lexicon::of(language) else { return Appraisal::default() };
        let concerns = lexicon.mentions(text, listener) || lexicon.mentions(text, "you");
        let mut found = Appraisal::default();
        for (act, by, to_listener) in lexicon.acts_in_event(text, doer, listener) {
            if act.is_unkind() && by == Doer::Listener {
                continue; // what the listener did to others is no wrong done to it
            }
            let near = if act.is_unkind() { to_listener } else { concerns };
            let mut deed = found.weighed(act, if near { 1.0 } else { WITNESSED_SHARE });
            if !(by == Doer::Speaker && to_listener) {
                (deed.bond, deed.why) = (Change::default(), "of what happened");
            }
            found.put(deed);
        }
        found.sorted()
    }

    /// Log-odds for a label.
    pub fn score(&self, label: EmotionLabel) -> f32 {
        self.scores[label as usize] + self.leans[label as usize]
    }

    /// The label that fits best without anybody else's opinion.
    pub fn label(&self) -> EmotionLabel {
        let best = EmotionLabel::ALL
            .into_iter()
            .max_by(|one, other| self.score(*one).total_cmp(&self.score(*other)));
        best.filter(|label| self.score(*label) >= ALONE_MIN).unwrap_or_default()
    }

    /// How strongly what was done is felt, 0 to 1.
    pub fn strength(&self) -> f32 {
        self.strength
    }

    /// The weightiest thing that was done.
    pub fn deed(&self) -> Option<&Deed> {
        self.deeds.first()
    }

    /// All that was done, the weightiest first.
    pub fn deeds(&self) -> &[Deed] {
        &self.deeds
    }

    /// Whether what was done explains that this is felt.
    pub fn explains(&self, label: EmotionLabel) -> bool {
        self.scores[label as usize] >= ALONE_MIN
    }

    fn add(&mut self, act: &'static Act, share: f32) {
        let deed = self.weighed(act, share);
        self.put(deed);
    }

    /// Counts what an act makes likelier. The same act twice counts once.
    fn weighed(&mut self, act: &'static Act, share: f32) -> Deed {
        let known = self.deeds.iter().any(|deed| deed.name == act.name);
        if !known {
            for (label, score) in &act.feel {
                self.scores[*label as usize] += score * share;
            }
            self.strength = self.strength.max(act.strength * share);
        }
        Deed { name: &act.name, share, bond: act.bond, weight: act.weight() * share, why: &act.why }
    }

    fn put(&mut self, deed: Deed) {
        if !self.deeds.iter().any(|known| known.name == deed.name) {
            self.deeds.push(deed);
        }
    }

    fn sorted(mut self) -> Appraisal {
        self.deeds.sort_by(|one, other| other.weight.total_cmp(&one.weight));
        self
    }
}

#[cfg(test)]
mod deeds;
#[cfg(test)]
mod tests;
