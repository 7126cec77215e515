//! What a character knows about just what is being talked about.
//!
//! All that a character knows stands at the beginning of the prompt, and by the time it answers, a very small
//! model has lost sight of it. The one sentence that the talk touches most is told once more, right before
//! the player's words.

use super::character::Character;
use super::keys::{FoldedText, PreparedKey, fold, key_match, words};

/// A shorter word does not say what is being talked about.
const WORD_CHARS_MIN: usize = 3;

/// The sentence of `knows` that shares the rarest words with the talk; `None` if none shares a word that sets it
/// apart from the others.
pub fn reminder<'c>(character: &'c Character, recent_text: &str) -> Option<&'c str> {
    let facts: Vec<&str> = character.knows.iter().map(|fact| fact.text.as_str()).collect();
    closest_of(&facts, recent_text, |_| true).map(|place| facts[place])
}

/// The place of the line that is about what is said now; `None` if none shares a telling word with it.
pub fn closest(lines: &[&str], text: &str) -> Option<usize> {
    closest_of(lines, text, |word| word.chars().count() > WORD_CHARS_MIN && !SMALL_TALK.contains(&word))
}

/// Words that tell nothing of what a line is about.
const SMALL_TALK: [&str; 34] = [
    "what", "where", "when", "which", "your", "yours", "have", "does", "that", "this", "these", "with",
    "here", "there", "about", "know", "would", "could", "should", "will", "like", "tell", "from", "they",
    "them", "then", "were", "been", "good", "well", "much", "many", "said", "please",
];

fn closest_of(facts: &[&str], text: &str, tells: impl Fn(&str) -> bool) -> Option<usize> {
    let text = FoldedText::new(text);
    let all: Vec<Vec<String>> = facts.iter().map(|fact| shared(&text, fact)).collect();
    let told_in = |word: &String| all.iter().filter(|shared| shared.contains(word)).count();
    // Counted over the shared words alone: a word that is in half of the facts tells none of them apart.
    let common_from = facts.len() / 2 + 1;
    let weight = |word: &String| {
        let count = told_in(word);
        let common = facts.len() > 1 && count >= common_from;
        if common || !tells(word) { 0.0 } else { 1.0 / count as f32 }
    };
    let scored =
        all.iter().enumerate().map(|(place, shared)| (shared.iter().map(weight).sum::<f32>(), place));
    // The first of equals: authors write what matters most first.
    let best = scored.rev().max_by(|(left, _), (right, _)| left.total_cmp(right));
    best.filter(|(score, _)| *score > 0.0).map(|(_, place)| place)
}

/// The words of a fact that are said in the talk, each once.
fn shared(text: &FoldedText, fact: &str) -> Vec<String> {
    let mut shared: Vec<String> = Vec::new();
    for word in words(&fold(fact)) {
        let counts = word.chars().count() >= WORD_CHARS_MIN && !shared.iter().any(|known| known == word);
        if counts && key_match(text, &PreparedKey::new(word)).is_some() {
            shared.push(word.to_owned());
        }
    }
    shared
}

#[cfg(test)]
mod tests {
    use super::super::character::Fact;
    use super::*;

    fn check(said: &str, expected: Option<&str>) {
        let facts = [
            "A bed costs two coppers a night, with porridge in the morning.",
            "The stew today is eel and barley. Osk cooks it.",
            "Corvin pays in old silver coins and never says where he gets them.",
            "The cellar door sticks. The key hangs behind the bar.",
        ];
        let knows = facts.map(Fact::from).to_vec();
        let character = Character { knows, ..Character::default() };
        let found = reminder(&character, said);
        match expected {
            Some(part) => assert!(found.is_some_and(|fact| fact.contains(part)), "{said}: {found:?}"),
            None => assert_eq!(found, None, "{said}"),
        }
    }

    #[test]
    fn the_sentence_that_the_talk_is_about_is_found() {
        check("How much is a bed?", Some("two coppers"));
        check("What is the stew today?", Some("eel"));
        check("Where do I find the keys of the cellar?", Some("behind the bar"));
        check("Who is Corvin?", Some("old silver"));
    }

    #[test]
    fn an_earlier_line_is_found_by_what_it_is_about() {
        let lines = ["Good evening.", "My dog is called Rex.", "What do you know about the bell?"];
        assert_eq!(closest(&lines, "What was my dog called?"), Some(1));
        assert_eq!(closest(&lines, "Where is the bell?"), Some(2));
        assert_eq!(closest(&lines, "What do you like?"), None);
        assert_eq!(closest(&[], "What do you like?"), None);
    }

    #[test]
    fn talk_about_nothing_known_brings_nothing_up() {
        check("Good evening. Who are you?", None);
        check("", None);
        check("the", None);
        assert_eq!(reminder(&Character::default(), "How much is a bed?"), None);
    }
}
