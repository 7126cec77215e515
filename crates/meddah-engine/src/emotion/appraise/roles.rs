//! Who did it and to whom, in a sentence about what happened: "Ann hit Mira", "Mira was robbed by Ann", "Ann killed the
//! wolf that bit Mira".

use std::collections::HashSet;

use serde::Deserialize;

use super::aim::Place;
use super::lexicon::Act;
use crate::action::{Word, plain_words};

/// A passive's form of "to be" stands so near before its verb,
const PASSIVE_REACH: usize = 2;
/// and its doer so near behind "by".
const AGENT_REACH: usize = 3;
/// Who is hit stands so near behind the verb, if no word such as "at" leads there.
const OBJECT_REACH: usize = 2;

/// The small words of sentences about what happened.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Telling {
    /// Forms of "to be" of a passive.
    passive: HashSet<String>,
    /// What leads to a passive's doer.
    agent: HashSet<String>,
    /// What begins another clause.
    clause: HashSet<String>,
    /// Those of them that speak of whom was named right before.
    relative: HashSet<String>,
    /// What does so if its subject follows at once: "and Mira laughed".
    and: HashSet<String>,
    /// Prepositions behind which nobody is who it was done to.
    aside: HashSet<String>,
    /// Prepositions that lead to who it was done to,
    toward: HashSet<String>,
    /// and those that lead to a place as well: "kicked the ball to Mira".
    perhaps_toward: HashSet<String>,
    /// Words for somebody named before.
    them: HashSet<String>,
    /// Words of names that say nothing of who it is.
    article: HashSet<String>,
}

/// Who did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doer {
    Speaker,
    Listener,
    Another,
}

/// The two who count, as words.
pub(super) struct Cast {
    speaker: Vec<String>,
    listener: Vec<String>,
}

impl Cast {
    pub(super) fn new(telling: &Telling, speaker: &str, listener: &str) -> Cast {
        let bare = |name: &str| {
            let words = plain_words(name).into_iter();
            words.skip_while(|word| telling.article.contains(word)).collect::<Vec<_>>()
        };
        // A listener is known by the first word of the name.
        Cast { speaker: bare(speaker), listener: bare(listener).into_iter().take(1).collect() }
    }

    fn at(name: &[String], words: &[Word], place: usize) -> bool {
        let found = words.get(place..place + name.len());
        !name.is_empty()
            && found.is_some_and(|found| {
                let own = |word: &Word| word.text.trim_end_matches("'s").to_owned();
                found.iter().map(own).eq(name.iter().cloned())
            })
    }

    fn who(&self, words: &[Word], place: usize) -> Option<Doer> {
        match () {
            () if Cast::at(&self.speaker, words, place) => Some(Doer::Speaker),
            () if Cast::at(&self.listener, words, place) => Some(Doer::Listener),
            () => None,
        }
    }

    fn who_before(&self, words: &[Word], end: usize) -> Option<Doer> {
        let starts = [&self.speaker, &self.listener].map(|name| end.checked_sub(name.len()));
        starts.into_iter().flatten().find_map(|start| self.who(words, start))
    }
}

impl Telling {
    /// Who did what stands at this place.
    pub(super) fn doer(&self, cast: &Cast, words: &[Word], (start, len): Place) -> Doer {
        if self.is_passive(words, start) {
            let behind = &words[start + len..];
            let by = behind.iter().position(|word| self.agent.contains(&word.text));
            let agent = by.and_then(|by| (by + 1..=by + AGENT_REACH).find_map(|at| cast.who(behind, at)));
            return agent.unwrap_or(Doer::Another);
        }
        let owns = |at: usize| words[at].text.ends_with("'s");
        let from = self.clause_start(words, start);
        let named = (from..start).filter(|at| !owns(*at)).find_map(|at| cast.who(words, at));
        // "Ann, who was angry, hit Mira"
        let relative = from.checked_sub(1).filter(|at| self.relative.contains(&words[*at].text));
        let antecedent = relative.and_then(|at| cast.who_before(words, at));
        named.or(antecedent).unwrap_or(Doer::Another)
    }

    /// Whether the act at this place was done to the listener.
    pub(super) fn is_victim(
        &self,
        cast: &Cast,
        words: &[Word],
        (start, len): Place,
        act: &Act,
        is_you: impl Fn(&Word) -> bool,
    ) -> bool {
        let meant =
            |words: &[Word], at: usize| is_you(&words[at]) || cast.who(words, at) == Some(Doer::Listener);
        let before = &words[self.clause_start(words, start)..start];
        let named_before = (0..before.len()).any(|at| meant(before, at));
        if self.is_passive(words, start) {
            return named_before;
        }
        let behind = &words[start + len..];
        let behind = &behind[..self.clause_end(cast, behind)];
        let Some(at) = (0..behind.len()).find(|at| meant(behind, *at)) else {
            return named_before && behind.first().is_some_and(|word| self.them.contains(&word.text));
        };
        let leads = |word: &Word| {
            [&self.aside, &self.toward, &self.perhaps_toward].iter().any(|of| of.contains(&word.text))
        };
        match behind[..at].iter().rposition(leads) {
            _ if !act.is_unkind() => true,
            None => !act.at_once || at <= OBJECT_REACH,
            Some(lead) if self.aside.contains(&behind[lead].text) => false,
            Some(lead) => !act.at_once || lead == 0 || self.toward.contains(&behind[lead].text),
        }
    }

    fn is_passive(&self, words: &[Word], start: usize) -> bool {
        words[start.saturating_sub(PASSIVE_REACH)..start].iter().any(|word| self.passive.contains(&word.text))
    }

    fn clause_start(&self, words: &[Word], before: usize) -> usize {
        words[..before].iter().rposition(|word| self.clause.contains(&word.text)).map_or(0, |at| at + 1)
    }

    fn clause_end(&self, cast: &Cast, words: &[Word]) -> usize {
        let leads = |at: usize| {
            words
                .get(at)
                .is_some_and(|word| !self.aside.contains(&word.text) && !self.toward.contains(&word.text))
        };
        let ends = |at: &usize| {
            let word = &words[*at].text;
            // "and Mira laughed", but not "and Mira" or "and Mira with a stick"
            let joins = self.and.contains(word) && cast.who(words, at + 1).is_some() && leads(at + 2);
            self.clause.contains(word) || joins
        };
        (0..words.len()).find(ends).unwrap_or(words.len())
    }
}
