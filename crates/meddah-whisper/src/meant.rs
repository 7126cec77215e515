//! Names of the scene that the model heard as something else: `your work` for Yorrick, `revenge` for Ravenna.
//!
//! Where some words sound a little like a name, the model is asked how probable it finds the sentence with the name
//! instead. Whoever is there is spoken of more often than a model that knows nothing of the scene can know, so the name
//! is taken if it is not much less probable.

use std::ops::Range;

/// Shorter names sound like too much else.
const LETTERS_MIN: usize = 4;
/// Words that one name may be heard as.
const WORDS_MAX: usize = 3;
/// How much of a name may sound different, of all of it.
const DIFFERENT_MAX: f64 = 0.45;
/// Sentences that are looked at for each name; each costs a tenth of what understanding it did.
const CANDIDATES_MAX: usize = 6;
/// Names that are found in one utterance.
const NAMES_MAX: usize = 3;
/// How much less probable the sentence may be with the name, as a difference of logarithms.
const LESS_PROBABLE: f64 = 8.0;
/// What was heard has at least so many of a name's sounds, of all of them.
const SHORTER_MAX: f64 = 0.6;

/// The text with names where they were meant; `score` is the logarithm of the probability of a text.
pub fn names(mut text: String, names: &[String], mut score: impl FnMut(&str) -> Option<f64>) -> String {
    let names: Vec<&str> = names
        .iter()
        .flat_map(|name| name.split_whitespace())
        .filter(|name| name.chars().count() >= LETTERS_MIN && name.starts_with(char::is_uppercase))
        .collect();
    for _ in 0..NAMES_MAX {
        let candidates = candidates(&text, &names);
        if candidates.is_empty() {
            break;
        }
        let Some(heard) = score(&text) else { break };
        let scored = candidates.into_iter().filter_map(|text| Some((score(&text)?, text)));
        let best = scored.max_by(|left, right| left.0.total_cmp(&right.0));
        match best {
            Some((meant, with_name)) if meant >= heard - LESS_PROBABLE => text = with_name,
            _ => break,
        }
    }
    text
}

/// The text with one name more, likeliest first.
fn candidates(text: &str, names: &[&str]) -> Vec<String> {
    let words: Vec<&str> = text.split(' ').collect();
    let mut found: Vec<(f64, String)> = Vec::new();
    for first in 0..words.len() {
        for last in first..words.len().min(first + WORDS_MAX) {
            let span = &words[first..=last];
            let within_a_sentence =
                span[..span.len() - 1].iter().all(|word| !word.ends_with(['.', '!', '?', ',']));
            if !within_a_sentence || span.iter().any(|word| names.contains(&letters(word))) {
                break;
            }
            let heard = sounds(&span.iter().map(|word| letters(word)).collect::<String>());
            for name in names {
                let name_sounds = sounds(name);
                let is_long_enough = heard.len() as f64 >= name_sounds.len() as f64 * SHORTER_MAX;
                let different = difference(&heard, &name_sounds);
                if is_long_enough && different <= DIFFERENT_MAX {
                    found.push((different, with_name(&words, first..last + 1, name)));
                }
            }
        }
    }
    found.sort_by(|left, right| left.0.total_cmp(&right.0));
    found.truncate(CANDIDATES_MAX);
    found.into_iter().map(|(_, text)| text).collect()
}

/// A word without the marks around it, and without what is behind an apostrophe.
fn letters(word: &str) -> &str {
    let begin = word.find(char::is_alphabetic).unwrap_or(word.len());
    let body = &word[begin..];
    &body[..body.find(|letter: char| !letter.is_alphabetic()).unwrap_or(body.len())]
}

/// The words with a name instead of these, and the marks around them.
fn with_name(words: &[&str], span: Range<usize>, name: &str) -> String {
    let (first, last) = (words[span.start], words[span.end - 1]);
    let before = &first[..first.find(char::is_alphabetic).unwrap_or(0)];
    let begin = last.find(char::is_alphabetic).unwrap_or(last.len());
    let after = &last[begin + letters(last).len()..];
    let meant = format!("{before}{name}{after}");
    let parts = words[..span.start].iter().copied().chain([meant.as_str()]);
    parts.chain(words[span.end..].iter().copied()).collect::<Vec<_>>().join(" ")
}

/// Roughly the sounds of letters.
fn sounds(word: &str) -> Vec<char> {
    let mut word = word.to_lowercase();
    for (written, spoken) in [
        ("ph", "f"),
        ("ck", "k"),
        ("qu", "kw"),
        ("x", "ks"),
        ("wh", "w"),
        ("gh", "g"),
        ("tch", "ch"),
        ("dge", "j"),
        ("ce", "se"),
        ("ci", "si"),
        ("c", "k"),
        ("q", "k"),
        ("ks", "ks"),
    ] {
        word = word.replace(written, spoken);
    }
    let word = word.strip_suffix('e').unwrap_or(&word);
    let mut sounds: Vec<char> = word.chars().collect();
    sounds.dedup();
    sounds
}

/// How different sounds are, of the longer of both; 0 is the same.
fn difference(heard: &[char], name: &[char]) -> f64 {
    let mut row: Vec<f64> = Vec::with_capacity(name.len() + 1);
    row.push(0.0);
    for sound in name {
        row.push(row.last().copied().unwrap_or(0.0) + missing(*sound));
    }
    for sound in heard {
        let mut diagonal = row[0];
        row[0] += missing(*sound);
        for (place, other) in name.iter().enumerate() {
            let across = diagonal + instead(*sound, *other);
            diagonal = row[place + 1];
            row[place + 1] = across.min(diagonal + missing(*sound)).min(row[place] + missing(*other));
        }
    }
    row.last().copied().unwrap_or(0.0) / heard.len().max(name.len()).max(1) as f64
}

/// What it costs that a sound is not there.
fn missing(sound: char) -> f64 {
    match sound {
        'a' | 'e' | 'i' | 'o' | 'u' | 'y' | 'h' | 'w' => 0.5,
        _ => 1.0,
    }
}

/// What it costs that another sound is there: less for those that are made in nearly the same way.
fn instead(one: char, other: char) -> f64 {
    const ALIKE: [&str; 9] = ["aeiouy", "bpfv", "dt", "gkj", "szcj", "mn", "lr", "vw", "td"];
    match () {
        () if one == other => 0.0,
        () if ALIKE.iter().any(|alike| alike.contains(one) && alike.contains(other)) => 0.35,
        () => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_name_is_taken_where_it_is_nearly_as_probable_as_what_was_heard() {
        let heard = "I met your work on the road.";
        let meant = "I met Yorrick on the road.";
        let with = |less: f64| {
            let score = |text: &str| match text {
                _ if text == heard => Some(-10.0),
                _ if text == meant => Some(-10.0 - less),
                _ => Some(-100.0),
            };
            names(heard.into(), &told(&["Yorrick"]), score)
        };
        assert_eq!(with(LESS_PROBABLE - 1.0), meant);
        assert_eq!(with(LESS_PROBABLE + 1.0), heard);
        assert_eq!(names(heard.into(), &told(&["Yorrick"]), |_| None), heard);
    }

    #[test]
    fn the_model_is_asked_only_where_something_sounds_alike() {
        let told = told(&["Yorrick", "Ravenna", "Mira", "the innkeeper", "Tor"]);
        let asked = |text: &str| {
            let mut asked = 0;
            names(text.into(), &told, |_| {
                asked += 1;
                Some(-1.0)
            });
            asked
        };
        assert_eq!(asked(""), 0);
        assert_eq!(asked("Good evening, the stew is hot."), 0);
        assert_eq!(asked("Ravenna and Yorrick are here."), 0, "they are there already");
    }

    #[test]
    fn marks_around_a_name_stay() {
        for (heard, meant) in [
            ("Is it \"revenge's\" gate?", "Is it \"Ravenna's\" gate?"),
            ("Have you been to Raven Ah?", "Have you been to Ravenna?"),
        ] {
            let score = |text: &str| Some(if text == meant { 0.0 } else { -9.0 });
            assert_eq!(names(heard.into(), &told(&["Ravenna"]), score), meant);
        }
    }
}
