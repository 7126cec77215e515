//! Whom words are meant for: whether a name that was called is the listener's, whether it is only reported, supposed or
//! denied, and whether the speaker threatens or somebody else.

use std::collections::HashSet;

use serde::Deserialize;

use crate::action::{Phrase, Word, find_phrase};

/// A denial reaches so many words far.
const NEGATION_REACH: usize = 4;
/// A denial this near before a verb of saying denies all that is said: "I never said that …".
const SAID_REACH: usize = 3;
/// A call of at most so many words means the listener: "Filthy liar!"
const CALL_WORDS_MAX: usize = 3;
/// So many words may stand between "you" and what they are called.
const NAME_REACH: usize = 5;
/// And so many between what they are called and "you": "a fool such as you".
const NAME_BACK_REACH: usize = 3;
/// What opens a clause, "if" or "could you", is among so many words.
const OPENING_WORDS: usize = 2;

/// The small words of a language that tell it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Grammar {
    /// Words for the listener,
    you: HashSet<String>,
    /// and those among them for what is theirs.
    yours: HashSet<String>,
    /// Words for the speaker.
    speaker: HashSet<String>,
    /// Words for anybody else whose doing it may be.
    others: HashSet<String>,
    /// Words that make a short call one about somebody or something else.
    not_called: HashSet<String>,
    /// Forms of "to be" behind "you".
    copula: HashSet<String>,
    /// Words behind which a name is no longer the listener's: "you have a dog".
    apart: HashSet<String>,
    /// Words that tie a name to a "you" behind it: "a fool like you".
    tied: HashSet<String>,
    negation: HashSet<String>,
    /// What takes the denial from a negation before it: "not only".
    not_denying: HashSet<String>,
    /// Denials that hold for a whole clause.
    nobody: HashSet<String>,
    question: HashSet<String>,
    /// What a relative clause begins with.
    relative: HashSet<String>,
    /// What opens a request.
    request: HashSet<String>,
    /// What opens what is only thought of.
    supposing: HashSet<String>,
    /// Verbs of saying and thinking, every form.
    saying: HashSet<String>,
    /// Ways of speaking that do not mean what their words do.
    idioms: Vec<String>,
}

/// A place in a clause: its first word, and how many.
pub(super) type Place = (usize, usize);

fn any(words: &[Word], of: &HashSet<String>) -> bool {
    words.iter().any(|word| of.contains(&word.text))
}

impl Grammar {
    pub(super) fn idioms(&self) -> &[String] {
        &self.idioms
    }

    pub(super) fn is_you(&self, word: &Word) -> bool {
        self.you.contains(&word.text)
    }

    fn opens(&self, clause: &[Word], with: &HashSet<String>) -> bool {
        let is_told =
            clause.first().is_some_and(|word| self.is_you(word) || self.speaker.contains(&word.text));
        !is_told && any(&clause[..clause.len().min(OPENING_WORDS)], with)
    }

    pub(super) fn asks(&self, clause: &[Word]) -> bool {
        self.opens(clause, &self.question)
    }

    /// "Could you …", "Please …".
    pub(super) fn requests(&self, clause: &[Word]) -> bool {
        self.opens(clause, &self.request)
    }

    /// "If you …", "Suppose you …".
    pub(super) fn supposes(&self, clause: &[Word]) -> bool {
        self.opens(clause, &self.supposing)
    }

    /// "He says you are …": somebody else's words.
    pub(super) fn reports(&self, clause: &[Word]) -> bool {
        let said = clause.iter().position(|word| self.saying.contains(&word.text));
        said.is_some_and(|said| {
            let (before, after) = clause.split_at(said);
            any(before, &self.others) && !any(clause, &self.speaker) && any(after, &self.you)
        })
    }

    /// Whether the listener is addressed at all.
    pub(super) fn addresses(&self, clause: &[Word]) -> bool {
        any(clause, &self.you) || self.calls(clause)
    }

    fn calls(&self, clause: &[Word]) -> bool {
        clause.len() <= CALL_WORDS_MAX && !any(clause, &self.not_called)
    }

    /// Whether what is done here is not the speaker's doing: "Did he hurt you?", "the dragon that burned your village".
    pub(super) fn is_of_another(&self, clause: &[Word], place: Place) -> bool {
        let before = &clause[..place.0];
        let is_relative = before.last().is_some_and(|word| self.relative.contains(&word.text));
        let asked = self.asks(clause) || self.requests(clause);
        is_relative || !any(clause, &self.speaker) && (asked || any(before, &self.others))
    }

    /// Whether a name at this place is what the listener is called.
    pub(super) fn is_called(&self, clause: &[Word], (start, len): Place) -> bool {
        let (before, after) = (&clause[..start], &clause[start + len..]);
        let you = |word: &Word| self.is_you(word) && !self.yours.contains(&word.text);
        let is_you = before.iter().rposition(you).is_some_and(|you| {
            let between = &before[you + 1..];
            between.len() <= NAME_REACH && !any(between, &self.apart)
        });
        // "Your brother is a fool" is meant for the listener too.
        let is_yours = before.iter().rposition(|word| self.yours.contains(&word.text)).is_some_and(|yours| {
            let between = &before[yours + 1..];
            let is = between.iter().position(|word| self.copula.contains(&word.text));
            is.is_some_and(|is| between.len() <= NAME_REACH && !any(&between[is + 1..], &self.apart))
        });
        let like_you = after.iter().take(NAME_BACK_REACH).position(you);
        let is_like_you =
            like_you.is_some_and(|you| after[..you].iter().all(|word| self.tied.contains(&word.text)));
        is_you || is_yours || is_like_you || self.calls(clause)
    }

    /// Whether what stands at this place is denied.
    pub(super) fn is_denied(&self, clause: &[Word], place: usize) -> bool {
        let denials = (0..place).filter(|at| {
            let next = clause.get(at + 1);
            self.negation.contains(&clause[*at].text)
                && !next.is_some_and(|next| self.not_denying.contains(&next.text))
        });
        any(&clause[..place], &self.nobody)
            || denials.into_iter().any(|at| {
                let said = &clause[at + 1..place.min(at + 1 + SAID_REACH)];
                place - at <= NEGATION_REACH || any(said, &self.saying)
            })
    }
}

/// The longest of the phrases in the words that stands where it means what it says; `fits` may refuse places.
pub(super) fn longest(
    words: &[Word],
    phrases: &[Phrase],
    idioms: &[Place],
    fits: impl Fn(Place) -> bool,
) -> Option<Place> {
    let apart = |(start, len): &Place| idioms.iter().all(|(at, of)| start + len <= *at || at + of <= *start);
    let places = phrases.iter().filter_map(|phrase| find_phrase(words, phrase));
    places.filter(apart).filter(|place| fits(*place)).max_by_key(|(_, len)| *len)
}
