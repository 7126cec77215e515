//! What of a model's text was said by somebody.
//!
//! Whisper learned from subtitles: it writes sounds in brackets, thanks for watching where it is silent, and sometimes
//! says the same again and again.

use crate::ffi::Understood;

/// A phrase that is said more often than this in a row is said once.
const REPEATS_MAX: usize = 3;
/// Words of the longest phrase that is looked for.
const PHRASE_WORDS_MAX: usize = 16;
/// A model that finds silence more probable than this, and is unsure of its words, has heard none.
const NO_SPEECH_MAX: f32 = 0.6;
/// Mean logarithm of the probability of a token, from which on words are unsure.
const CONFIDENCE_MIN: f32 = -1.0;
/// What subtitles say where nobody speaks, in lower case.
const OF_SILENCE: [&str; 7] = [
    "you",
    "thank you.",
    "thanks for watching!",
    "thank you for watching!",
    "thank you for watching.",
    "bye.",
    "subtitles by the amara.org community",
];
/// Such a text is believed if the model is at least so sure that somebody speaks.
const NO_SPEECH_OF_SILENCE_MAX: f32 = 0.3;
/// Signs around what is no speech.
const AROUND: [(char, char); 4] = [('[', ']'), ('(', ')'), ('*', '*'), ('♪', '♪')];

/// The words of this text that somebody said.
pub fn of(understood: &Understood) -> String {
    if !is_speech(understood) {
        return String::new();
    }
    without_loops(&without_noises(&understood.text))
}

fn is_speech(understood: &Understood) -> bool {
    let text = understood.text.trim().to_lowercase();
    if OF_SILENCE.contains(&text.as_str()) && understood.no_speech > NO_SPEECH_OF_SILENCE_MAX {
        return false;
    }
    understood.no_speech <= NO_SPEECH_MAX || understood.confidence >= CONFIDENCE_MIN
}

/// Without `[BLANK_AUDIO]`, `(wind blowing)` and the like, and with single blanks.
fn without_noises(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let inside = &rest[letter.len_utf8()..];
        let close = AROUND.iter().find(|(open, _)| *open == letter).map(|(_, close)| *close);
        if let Some(close) = close {
            // What is never closed goes to the end.
            rest = inside.split_once(close).map_or("", |(_, after)| after);
        } else {
            kept.push(letter);
            rest = inside;
        }
    }
    // Told names as what was said before, the model may go on with a comma.
    let words: Vec<&str> = kept.trim_start_matches([',', ';', '.', ' ']).split_whitespace().collect();
    let said = words.iter().any(|word| word.chars().any(char::is_alphanumeric));
    if said { words.join(" ") } else { String::new() }
}

/// A phrase that goes on and on, once.
fn without_loops(text: &str) -> String {
    let mut words: Vec<&str> = text.split(' ').collect();
    for length in 1..=PHRASE_WORDS_MAX.min(words.len() / (REPEATS_MAX + 1)) {
        let mut place = 0;
        while place + length <= words.len() {
            let same = |at: usize| {
                let phrase = words.get(at..at + length);
                phrase.is_some_and(|phrase| alike(phrase, &words[place..place + length]))
            };
            let repeats = 1 + (1..).take_while(|&more| same(place + more * length)).count();
            if repeats > REPEATS_MAX {
                words.drain(place + length..place + repeats * length);
            }
            place += 1;
        }
    }
    words.join(" ")
}

fn alike(left: &[&str], right: &[&str]) -> bool {
    let letters = |word: &str| -> String {
        word.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    left.iter().zip(right).all(|(left, right)| letters(left) == letters(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str, no_speech: f32, confidence: f32) -> Understood {
        Understood { text: text.into(), no_speech, confidence }
    }

    #[test]
    fn noises_are_not_said() {
        for (written, said) in [
            (" [BLANK_AUDIO]", ""),
            (" Hello. (wind blowing) Who is there?", "Hello. Who is there?"),
            ("*coughs* Sorry.", "Sorry."),
            ("♪ la la ♪", ""),
            ("Wait [inaud", "Wait"),
            (" ...", ""),
            ("It costs 5 (five)", "It costs 5"),
            (", The road is long.", "The road is long."),
        ] {
            assert_eq!(of(&text(written, 0.0, -0.1)), said, "{written}");
        }
    }

    #[test]
    fn a_phrase_that_goes_on_is_said_once() {
        let again = "I see. I see. I see. I see. I see. Go on.";
        assert_eq!(of(&text(again, 0.0, -0.1)), "I see. Go on.");
        assert_eq!(of(&text("No, no, no!", 0.0, -0.1)), "No, no, no!");
        assert_eq!(of(&text(&"ha ".repeat(100), 0.0, -0.1)), "ha");
    }

    #[test]
    fn silence_is_no_thanks() {
        assert_eq!(of(&text(" Thank you.", 0.5, -0.3)), "");
        assert_eq!(of(&text(" Thank you.", 0.05, -0.3)), "Thank you.");
        assert_eq!(of(&text(" Whatever this is.", 0.9, -1.5)), "");
        assert_eq!(of(&text(" A whisper.", 0.9, -0.3)), "A whisper.");
    }
}
