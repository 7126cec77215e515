//! Names of the scene, spelled as they are, where the model wrote them by ear.
//!
//! A small model that was told a name still writes `Whiteron` for `Whiterun`. A word is taken for a name if it sounds
//! nearly like it, is spelled a little like it, and has a capital letter that is not only that of a sentence: what the
//! model takes for an ordinary word stays one.

use std::collections::BTreeSet;

/// Shorter names sound like too much else.
const LETTERS_MIN: usize = 4;
/// How alike sounds have to be, 1 is equal; more at the beginning of a sentence, where every word has a capital letter,
/// and where a name was heard as two words.
const SOUND_MIN: f64 = 0.8;
const SOUND_MIN_UNSURE: f64 = 0.85;
/// How alike the letters have to be.
const LETTERS_ALIKE_MIN: f64 = 0.55;

/// The text with names as these are spelled.
pub fn spelled(text: &str, names: &[String]) -> String {
    let names: BTreeSet<&str> = names.iter().flat_map(|name| name.split_whitespace()).collect();
    let is_name = |word: &&&str| word.chars().count() >= LETTERS_MIN && word.starts_with(char::is_uppercase);
    let names: Vec<&str> = names.iter().filter(is_name).copied().collect();
    let words: Vec<&str> = text.split(' ').collect();
    let (mut spelled, mut place) = (Vec::with_capacity(words.len()), 0);
    while let Some(word) = words.get(place) {
        let begins = place == 0 || words[place - 1].ends_with(['.', '!', '?']);
        let is_whole = names.contains(word) || word.ends_with(|letter: char| !letter.is_alphabetic());
        let pair = words.get(place + 1).filter(|_| !is_whole);
        let pair = pair.map(|next| format!("{word}{next}"));
        if let Some(name) = like(word, &names, if begins { SOUND_MIN_UNSURE } else { SOUND_MIN }) {
            spelled.push(name);
        } else if let Some(name) = pair.and_then(|pair| like(&pair, &names, SOUND_MIN_UNSURE)) {
            spelled.push(name);
            place += 1;
        } else {
            spelled.push((*word).to_owned());
        }
        place += 1;
    }
    spelled.join(" ")
}

/// The word as the name that it sounds most like, with the marks around it.
fn like(word: &str, names: &[&str], sound_min: f64) -> Option<String> {
    let begin = word.find(char::is_alphabetic)?;
    let body = &word[begin..];
    let end = body.find(|letter: char| !letter.is_alphabetic()).unwrap_or(body.len());
    let (heard, after) = body.split_at(end);
    if !heard.starts_with(char::is_uppercase) || heard.chars().count() < LETTERS_MIN || names.contains(&heard)
    {
        return None;
    }
    let sound_of_word = sound(heard);
    let alike = |name: &&&str| -> f64 {
        let letters = strsim::normalized_levenshtein(&heard.to_lowercase(), &name.to_lowercase());
        let sounds = strsim::normalized_damerau_levenshtein(&sound_of_word, &sound(name));
        if letters >= LETTERS_ALIKE_MIN && sounds >= sound_min { sounds + letters } else { 0.0 }
    };
    let best = names.iter().max_by(|left, right| alike(left).total_cmp(&alike(right)))?;
    (alike(&best) > 0.0).then(|| format!("{}{best}{after}", &word[..begin]))
}

/// Roughly how letters sound: vowels are one, what sounds alike is one, what is silent is none.
fn sound(word: &str) -> String {
    let word = word.to_lowercase();
    let word =
        word.strip_suffix('e').unwrap_or(&word).replace("ph", "f").replace("ck", "k").replace("qu", "kw");
    let mut sound = String::new();
    for (place, letter) in word.chars().enumerate() {
        let letter = match letter {
            'e' | 'i' | 'o' | 'u' | 'y' => 'a',
            'c' | 'q' => 'k',
            'z' => 's',
            'h' if place > 0 => continue,
            other => other,
        };
        if !sound.ends_with(letter) {
            sound.push(letter);
        }
    }
    sound
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(names: &[&str], text: &str) -> String {
        spelled(text, &names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_name_that_was_written_by_ear_gets_its_spelling() {
        let names = ["Whiterun", "Elandra", "Morgath", "Quillmere", "Grimhold", "Orrin", "Castle Brann"];
        for (heard, spelled) in [
            ("The road to Whiteron is not safe.", "The road to Whiterun is not safe."),
            ("Aleandra asked me.", "Elandra asked me."),
            ("Is it \"Quilmer\", then?", "Is it \"Quillmere\", then?"),
            ("That is Morgoth's horse.", "That is Morgath's horse."),
            ("A place called Grim Holt.", "A place called Grimhold."),
            ("I met Orin in Castle Bran.", "I met Orrin in Castle Brann."),
        ] {
            assert_eq!(with(&names, heard), spelled);
        }
    }

    #[test]
    fn what_is_no_name_stays_what_it_is() {
        let names = ["Mira", "Wulfe", "Aron", "Sander", "Marian", "Tor", "the innkeeper"];
        for text in [
            "",
            "The wolf and the miller went home.",
            "Mary and her mirror.",
            "Erin saw the Moor, and the Tower.",
            "Sand is in the innkeeper's eyes.",
            "Mira is here. Mirror or not.",
        ] {
            assert_eq!(with(&names, text), text);
        }
    }
}
