//! Memories without a model: the most telling sentences, as they were said.
//!
//! Turning "I will bring you ten silver" into the third person goes wrong easily ("you", "my", "here"), so a
//! sentence stays in quotation marks behind who said it to whom. The patterns of facts are English; in other
//! languages the summary alone is kept.

use std::collections::HashMap;

use super::material::{Being, Material, Moment, Said};
use super::words::{one_line, sentences, telling, words};
use super::{FACT_CHARS_MAX, FACTS_MAX, Fact, Kept, importance};

/// Sentences of what was said that a summary holds.
const PICKED_MAX: usize = 3;
/// Shorter sentences tell nothing ("Yes, of course.").
const WORDS_MIN: usize = 3;
/// A place that is described at length stays out of the sentence.
const PLACE_CHARS_MAX: usize = 60;

/// What makes a sentence worth keeping, and how much beside the rarity of its words.
const NAME_WEIGHT: f32 = 0.8;
const NUMBER_WEIGHT: f32 = 0.8;
const FACT_WEIGHT: f32 = 1.2;
const FROM_OTHERS_WEIGHT: f32 = 0.3;
const QUESTION_WEIGHT: f32 = -1.0;

/// What a sentence begins or goes on with, and which fact about its speaker that is. The first that fits
/// counts.
const PATTERNS: &[(&str, &str)] = &[
    ("i will kill", "threat"),
    ("i'll kill", "threat"),
    ("or else", "threat"),
    ("you will regret", "threat"),
    ("you'll regret", "threat"),
    ("my name is ", "name"),
    ("i am called ", "name"),
    ("i'm called ", "name"),
    ("call me ", "name"),
    ("i live ", "home"),
    ("i come from ", "home"),
    ("i am from ", "home"),
    ("i'm from ", "home"),
    ("i work as ", "job"),
    ("i work for ", "job"),
    ("i like ", "likes"),
    ("i love ", "likes"),
    ("i prefer ", "likes"),
    ("i hate ", "dislikes"),
    ("i don't like ", "dislikes"),
    ("i do not like ", "dislikes"),
    ("i promise", "promised"),
    ("i swear", "promised"),
    ("i owe ", "owes"),
    ("you owe ", "owes"),
    ("i will ", "promised"),
    ("i'll ", "promised"),
    ("i shall ", "promised"),
    ("i have a ", "has"),
    ("i have the ", "has"),
];

const NUMBERS: &[&str] = &[
    "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "twelve", "twenty", "dozen",
    "hundred", "thousand", "midnight", "noon", "tomorrow", "tonight",
];

/// A sentence that may be kept.
struct Sentence<'a> {
    /// Who said it to whom; absent for what happened.
    said: Option<&'a Said>,
    text: &'a str,
    fact: Option<(&'static str, &'static str)>,
}

/// The most telling sentences as a summary, and the facts among them. `english` says whether the talk was.
pub fn extract(material: &Material, english: bool) -> Kept {
    let all = split(material, english);
    let mut appears: HashMap<String, f32> = HashMap::new();
    for word in all.iter().flat_map(|sentence| telling(sentence.text)) {
        *appears.entry(word).or_default() += 1.0;
    }
    let mut scored: Vec<(f32, usize)> = all
        .iter()
        .enumerate()
        .filter(|(_, sentence)| words(sentence.text).len() >= WORDS_MIN)
        .map(|(place, sentence)| (score(sentence, material, &appears), place))
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut picked: Vec<usize> = scored.into_iter().take(PICKED_MAX).map(|(_, place)| place).collect();
    picked.sort_unstable();
    let mut told = beginning(material, english);
    told.extend(picked.into_iter().map(|place| retold(&all[place], &material.who, english)));
    let summary = told.join(" ");
    Kept { summary, facts: facts(&all, material) }
}

fn split(material: &Material, english: bool) -> Vec<Sentence<'_>> {
    let mut all = Vec::new();
    for moment in &material.moments {
        let (said, text) = match moment {
            Moment::Said(said) => (Some(said), said.text.as_str()),
            Moment::Happened(text) => (None, text.as_str()),
        };
        for text in sentences(text) {
            let fact = said.filter(|_| english && !text.ends_with('?')).and_then(|_| pattern(text));
            all.push(Sentence { said, text, fact });
        }
    }
    all
}

fn pattern(text: &str) -> Option<(&'static str, &'static str)> {
    let lower = text.to_lowercase().replace('’', "'");
    let at_word =
        |place: usize| lower[..place].chars().next_back().is_none_or(|before| !before.is_alphanumeric());
    PATTERNS.iter().copied().find(|(begin, _)| lower.match_indices(begin).any(|(place, _)| at_word(place)))
}

fn score(sentence: &Sentence<'_>, material: &Material, appears: &HashMap<String, f32>) -> f32 {
    let all_words = words(sentence.text);
    let rarity: f32 = telling(sentence.text).iter().map(|word| 1.0 / appears.get(word).unwrap_or(&1.0)).sum();
    let mut score = rarity / (all_words.len() as f32).sqrt();
    // A name in the middle of a sentence, in scripts with capitals.
    let inner = sentence.text.split_whitespace().skip(1);
    let mut names = inner.filter(|word| word.len() > 1 && word.starts_with(char::is_uppercase));
    score += if names.any(|word| !word.starts_with("I'")) { NAME_WEIGHT } else { 0.0 };
    let is_number =
        |word: &String| NUMBERS.contains(&word.as_str()) || word.chars().any(|c| c.is_ascii_digit());
    score += if all_words.iter().any(is_number) { NUMBER_WEIGHT } else { 0.0 };
    score += if sentence.fact.is_some() { FACT_WEIGHT } else { 0.0 };
    score += if sentence.text.ends_with('?') { QUESTION_WEIGHT } else { 0.0 };
    let from_others = sentence.said.is_none_or(|said| said.by.id != material.who.id);
    score + if from_others { FROM_OTHERS_WEIGHT } else { 0.0 }
}

/// Whom the character was with, and where.
fn beginning(material: &Material, english: bool) -> Vec<String> {
    let others: Vec<&str> = material.others().into_iter().map(|other| other.name.as_str()).collect();
    if !english || others.is_empty() {
        return Vec::new();
    }
    let names = match &others[..] {
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
        [] => return Vec::new(),
    };
    let short = material.place.as_deref().filter(|place| place.chars().count() <= PLACE_CHARS_MAX);
    let place = short.map(|place| place.trim_end_matches('.'));
    let place = place.map(|place| match place.strip_prefix("The ") {
        Some(rest) => format!(" at the {rest}"),
        None => format!(" at {place}"),
    });
    vec![format!("I talked with {names}{}.", place.unwrap_or_default())]
}

/// A sentence with who said it, in the first person of who remembers.
fn retold(sentence: &Sentence<'_>, who: &Being, english: bool) -> String {
    let text = one_line(sentence.text, FACT_CHARS_MAX);
    let Some(said) = sentence.said else { return text };
    if !english {
        return format!("{}: “{text}”", said.by.name);
    }
    let own = said.by.id == who.id;
    let to = if said.to.id == who.id { "me" } else { said.to.name.as_str() };
    match (own, to.is_empty()) {
        (true, true) => format!("I said: “{text}”"),
        (true, false) => format!("I told {to}: “{text}”"),
        (false, true) => format!("{} said: “{text}”", said.by.name),
        (false, false) => format!("{} told {to}: “{text}”", said.by.name),
    }
}

fn facts(all: &[Sentence<'_>], material: &Material) -> Vec<Fact> {
    let mut facts: Vec<Fact> = Vec::new();
    for sentence in all {
        let (Some(said), Some((begin, relation))) = (sentence.said, sentence.fact) else { continue };
        // What a character says of itself is in its file; what it promises is news.
        if said.by.id == material.who.id && relation != "promised" {
            continue;
        }
        let mut about = vec![said.by.id.clone()];
        about.extend(object(sentence.text, begin, relation));
        let text = retold(sentence, &material.who, true);
        if facts.len() < FACTS_MAX && !facts.iter().any(|fact| fact.text == text) {
            facts.push(Fact { text, relation: relation.to_owned(), about, importance: importance(relation) });
        }
    }
    facts
}

/// What is liked or not, so that a change of mind is noticed.
fn object(text: &str, begin: &str, relation: &str) -> Option<String> {
    if !matches!(relation, "likes" | "dislikes") {
        return None;
    }
    let lower = text.to_lowercase().replace('’', "'");
    let (_, rest) = lower.split_once(begin)?;
    let object = rest.trim_matches(|c: char| !c.is_alphanumeric());
    (!object.is_empty()).then(|| object.chars().take(40).collect())
}
