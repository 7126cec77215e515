//! Which actions a model is offered at this moment, and how likely each is before the model has thought.
//!
//! Very small models call an action on almost any sentence. What was said already tells most of it: nothing
//! is asked for in "Who attacked you?". So each action gets a bias, as log-odds that are added to what the
//! model thinks of it, and "nothing" gets one too; the model still decides. Few are offered, and where the
//! words name one item or one target, only that one is left to choose.

use std::cmp::Reverse;
use std::collections::HashSet;

use meddah_protocol::{ActionDeclaration, Scene};
use serde_json::Value;

use super::ActionSet;
use super::language::{Clause, ENGLISH, Group, Lexicon, Mood, Word, find_phrase, stem, words};
use super::mention::narrow;
use super::schema::arguments_schema;

/// Actions that a model is offered at most, "nothing" not counted.
pub const CHOICES_MAX: usize = 6;
/// The id that stands for the player in targets, beside the player's own.
pub const SPEAKER: &str = "player";

/// The verb of the action opens a request: "open the gate".
const ASKED: f32 = 4.0;
/// A longer phrase is surer: "stay close" against "stay".
const ASKED_BY_PHRASE: f32 = 4.5;
/// The verb stands further back in a request.
const ASKED_LATER: f32 = 2.0;
/// A verb that is only near the meaning, or found in the description alone.
const NEAR_SHARE: f32 = 0.6;
/// A thing of the action is named beside its verb.
const THING_NAMED: f32 = 1.0;
/// Something unknown is asked for, and a thing of the action is named.
const THING_ASKED: f32 = 2.0;
/// Something is wanted that the action can give.
const WANTED: f32 = 4.0;
/// A sign of an improper demand, each; within a request it is surer.
const THREAT: f32 = 1.2;
const THREAT_ASKED: f32 = 2.5;
/// The action was ruled out: "don't follow me".
const RULED_OUT: f32 = -3.0;
/// No bias goes beyond this.
const BIAS_MAX: f32 = 6.0;

/// "Nothing", when nothing at all was asked for,
const NOTHING_ASKED: f32 = 4.0;
/// when something was asked for that is no action,
const NOTHING_FITS: f32 = 2.0;
/// when an action might be meant,
const NOTHING_UNSURE: f32 = 0.5;
/// and when one was asked for plainly.
const NOTHING_UNLIKELY: f32 = -1.0;

/// One action on offer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranked {
    /// Its place in the [`ActionSet`].
    pub index: usize,
    /// Log-odds (natural logarithm) for it from the words alone.
    pub bias: f32,
}

/// What a model may choose from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Offer {
    /// The likeliest first, at most [`CHOICES_MAX`].
    pub ranked: Vec<Ranked>,
    /// Log-odds for doing nothing.
    pub nothing_bias: f32,
    text: String,
    speaker: String,
    character: String,
}

impl Offer {
    /// Ranks the actions by what was said, when the speaker's id is [`SPEAKER`].
    pub fn rank(actions: &ActionSet, text: &str, scene: &Scene) -> Offer {
        Offer::rank_between(actions, text, scene, SPEAKER, "")
    }

    /// Ranks the actions by what `speaker` said to `character`; both are ids, as targets are.
    pub fn rank_between(
        actions: &ActionSet,
        text: &str,
        scene: &Scene,
        speaker: &str,
        character: &str,
    ) -> Offer {
        let names = scene.present.iter().map(String::as_str).chain([character]);
        let names: HashSet<String> = names.flat_map(words).map(|word| word.text).collect();
        let all = words(text);
        let judge = ENGLISH.knows(&all).then(|| Judge::new(&ENGLISH, text, &names));
        let eligible = actions.iter().enumerate().filter(|(_, action)| is_eligible(action));
        let mut ranked: Vec<Ranked> = eligible
            .map(|(index, action)| Ranked {
                index,
                bias: judge.as_ref().map_or(0.0, |judge| judge.bias(action)),
            })
            .collect();
        // The order of equals is the game's.
        ranked.sort_by_key(|ranked| Reverse((ranked.bias * 1000.0) as i32));
        let best = ranked.first().map_or(0.0, |ranked| ranked.bias);
        ranked.truncate(CHOICES_MAX);
        Offer {
            ranked,
            nothing_bias: judge.map_or(0.0, |judge| judge.nothing(best)),
            text: text.to_owned(),
            speaker: speaker.to_owned(),
            character: character.to_owned(),
        }
    }

    /// The schema of [`arguments_schema`], with choices left out that the words decide: where they name
    /// exactly one of the listed items or targets, only that one remains.
    pub fn arguments_schema(&self, action: &ActionDeclaration) -> Option<Value> {
        let mut schema = arguments_schema(action)?;
        narrow(&mut schema, &self.text, &self.speaker, &self.character);
        Some(schema)
    }

    /// What the words alone would choose; `None` is "nothing".
    pub fn likeliest(&self) -> Option<usize> {
        let best = self.ranked.first()?;
        (best.bias > self.nothing_bias).then_some(best.index)
    }
}

/// An action whose targets are all gone cannot be done now.
fn is_eligible(action: &ActionDeclaration) -> bool {
    action.targets.as_ref().is_none_or(|targets| !targets.is_empty())
}

/// What was said, read once for all actions.
struct Judge<'a> {
    lexicon: &'a Lexicon,
    clauses: Vec<Clause>,
    thankful: bool,
}

/// How an action is spoken of.
struct Concept<'a> {
    own_verb: String,
    /// The first word of the description, which is a verb in most.
    described_verb: String,
    groups: Vec<&'a Group>,
    things: HashSet<String>,
}

impl<'a> Judge<'a> {
    fn new(lexicon: &'a Lexicon, text: &str, names: &HashSet<String>) -> Judge<'a> {
        let clauses = lexicon.clauses(text, names);
        let thankful =
            words(text).iter().any(|word| matches!(word.text.as_str(), "please" | "thanks" | "thank"));
        Judge { lexicon, clauses, thankful }
    }

    fn bias(&self, action: &ActionDeclaration) -> f32 {
        let concept = self.concept(action);
        let scores = self.clauses.iter().map(|clause| self.score(&concept, clause));
        let (mut asked, mut ruled_out) = (0.0_f32, false);
        for score in scores {
            asked = asked.max(score);
            ruled_out |= score < 0.0;
        }
        let threats: f32 = concept.groups.iter().map(|group| self.threats(group)).sum();
        let bias = if ruled_out && asked < ASKED { RULED_OUT } else { asked + threats };
        bias.clamp(-BIAS_MAX, BIAS_MAX)
    }

    fn nothing(&self, best: f32) -> f32 {
        if best >= ASKED * NEAR_SHARE + THING_NAMED {
            NOTHING_UNLIKELY
        } else if best >= ASKED_LATER {
            NOTHING_UNSURE
        } else if self.clauses.iter().any(asks_unknown) {
            NOTHING_FITS
        } else {
            NOTHING_ASKED
        }
    }

    /// The groups of the first word of the name that has any, and the words for what the action is about.
    fn concept(&self, action: &ActionDeclaration) -> Concept<'a> {
        let name = words(&action.name.replace(['_', '-', '.'], " "));
        let groups_of = |word: &Word| -> Vec<&'a Group> {
            let is = |phrase: &Vec<Option<String>>| matches!(phrase.as_slice(), [Some(stem)] if *stem == word.stem);
            self.lexicon.groups.iter().filter(|group| group.verbs.iter().any(is)).collect()
        };
        let verb = name.iter().position(|word| !groups_of(word).is_empty()).unwrap_or(0);
        let described = words(&action.description).into_iter().next();
        let mut groups = name.get(verb).map(groups_of).unwrap_or_default();
        if groups.is_empty() {
            groups = described.as_ref().map(groups_of).unwrap_or_default();
        }
        let rest = name.iter().enumerate().filter(|(index, _)| *index != verb).map(|(_, word)| word.clone());
        let things =
            rest.chain(listed_words(action)).filter(|word| !self.lexicon.ordinary.contains(&word.text));
        Concept {
            own_verb: name.get(verb).map(|word| word.stem.clone()).unwrap_or_default(),
            described_verb: described.map(|word| word.stem).unwrap_or_default(),
            groups,
            things: things.map(|word| word.stem).collect(),
        }
    }

    fn score(&self, concept: &Concept<'_>, clause: &Clause) -> f32 {
        let named = clause.words.iter().any(|word| concept.things.contains(&word.stem));
        let thing = if named { THING_NAMED } else { 0.0 };
        let sign = concept.groups.iter().flat_map(|group| &group.signs);
        let signed = sign.into_iter().any(|sign| find_phrase(&clause.words, sign).is_some());
        if signed && !matches!(clause.mood, Mood::Negated | Mood::Statement) {
            return ASKED;
        }
        let verb = self.verb(concept, clause);
        match clause.mood {
            Mood::Request => match verb {
                Some((place, _)) if self.lexicon.is_negated(&clause.words, place) => RULED_OUT,
                Some((_, strength)) => strength + thing,
                None if self.thankful && named => self.desired(concept, named),
                // "Apples grow well here" begins with the thing and asks for nothing.
                None if named && !concept.things.contains(&clause.words[0].stem) => THING_ASKED,
                None => 0.0,
            },
            Mood::Desire => self.desired(concept, named).max(match verb {
                Some((_, strength)) if concept.groups.iter().any(|group| group.answers_desire) => strength,
                _ => 0.0,
            }),
            Mood::Negated if verb.is_some() => RULED_OUT,
            Mood::Statement if self.thankful && named && clause.words.len() <= 4 => {
                self.desired(concept, named)
            }
            _ => 0.0,
        }
    }

    fn desired(&self, concept: &Concept<'_>, named: bool) -> f32 {
        let gives = concept.groups.iter().any(|group| group.answers_desire);
        if gives && named { WANTED } else { 0.0 }
    }

    /// Where the action's verb stands in the clause, and how much it says.
    fn verb(&self, concept: &Concept<'_>, clause: &Clause) -> Option<(usize, f32)> {
        let own = vec![Some(concept.own_verb.clone())];
        let verbs = concept.groups.iter().flat_map(|group| &group.verbs).chain([&own]);
        let described = vec![Some(concept.described_verb.clone())];
        let near = concept.groups.iter().flat_map(|group| &group.near).chain([&described]);
        let found = verbs.map(|verb| (verb, 1.0)).chain(near.map(|verb| (verb, NEAR_SHARE)));
        let strengths = found.filter_map(|(verb, share)| {
            let (place, len) = find_phrase(&clause.words, verb)?;
            let strength = match (place, len) {
                (0..=2, 1) if place == 0 || clause.cued => ASKED,
                (0..=1, len) if len > 1 => ASKED_BY_PHRASE,
                _ => ASKED_LATER,
            };
            Some((place, strength * share))
        });
        strengths.max_by(|left, right| left.1.total_cmp(&right.1))
    }

    fn threats(&self, group: &Group) -> f32 {
        let of_clause = |clause: &Clause| {
            let said = |phrase: &&Vec<Option<String>>| find_phrase(&clause.words, phrase).is_some();
            let count = group.threats.iter().filter(said).count() as f32;
            let asked = matches!(clause.mood, Mood::Request | Mood::Desire);
            count * if asked { THREAT_ASKED } else { THREAT }
        };
        self.clauses.iter().map(of_clause).sum()
    }
}

/// Something is asked for in words that the table does not know. Two words at least: "Evening!" is none.
fn asks_unknown(clause: &Clause) -> bool {
    clause.cued || (clause.mood == Mood::Request && clause.words.len() > 1)
}

/// The words of the values and targets that an action lists.
fn listed_words(action: &ActionDeclaration) -> Vec<Word> {
    let properties = action.parameters.as_ref().and_then(|schema| schema.get("properties"));
    let values = properties.and_then(Value::as_object).into_iter().flat_map(|map| map.values());
    let listed = values.filter_map(|property| property.get("enum")?.as_array()).flatten();
    let texts = listed.filter_map(Value::as_str).map(str::to_owned);
    let targets = action.targets.iter().flatten().cloned();
    texts.chain(targets).flat_map(|text| words(&text.replace(['_', '-'], " "))).collect()
}

/// Kept here so that the names of things and the words for them are compared the same way.
pub(super) fn stems(text: &str) -> Vec<String> {
    words(&text.replace(['_', '-'], " ")).iter().map(|word| stem(&word.text)).collect()
}
