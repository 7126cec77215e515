//! Whether a text gives something away that must not be told.

use super::keys::{fold, words};

/// Shorter words carry no secret, in letters.
const WORD_CHARS_MIN: usize = 4;
/// So many words in a row are no accident.
const PHRASE_WORDS: usize = 5;
/// Telling words of a secret that must be in one answer,
const TOLD_WORDS_MIN: usize = 3;
/// and the share of them.
const TOLD_SHARE: f32 = 0.6;

/// Whether `text` tells `secret`. Words of `known` (the question, what may be told) give nothing away.
pub fn gives_away(text: &str, secret: &str, known: &str) -> bool {
    let (text, secret, known) = (fold(text), fold(secret), fold(known));
    let (text, secret, known) = (list(&text), list(&secret), list(&known));
    let phrase = secret.windows(PHRASE_WORDS).any(|phrase| {
        let in_text = text.windows(PHRASE_WORDS).any(|other| other == phrase);
        in_text && !known.windows(PHRASE_WORDS).any(|other| other == phrase)
    });
    let mut telling: Vec<&str> = secret
        .into_iter()
        .filter(|word| word.chars().count() >= WORD_CHARS_MIN && !known.contains(word))
        .collect();
    telling.sort_unstable();
    telling.dedup();
    let told = telling.iter().filter(|word| text.contains(word)).count();
    phrase || told >= TOLD_WORDS_MIN && told as f32 >= telling.len() as f32 * TOLD_SHARE
}

fn list(text: &str) -> Vec<&str> {
    words(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "Corvin takes the salt and carries it through the old tunnel under the tavern.";
    const KNOWN: &str = "Corvin sells rope. The salt was taken. Mira keeps the tavern.";

    #[test]
    fn a_secret_is_known_by_its_own_words() {
        assert!(gives_away("I carry the salt through the old tunnel under the tavern.", SECRET, KNOWN));
        assert!(gives_away("He takes it and carries it through a tunnel, under your feet.", SECRET, KNOWN));
        assert!(!gives_away("I sell rope, and I do not even like salt.", SECRET, KNOWN));
        assert!(!gives_away("The salt? Ask Mira in the tavern.", SECRET, KNOWN));
        assert!(!gives_away("", SECRET, KNOWN));
    }
}
