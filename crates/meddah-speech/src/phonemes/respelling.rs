//! Respellings, as newspapers give them: `DOH-vah-keen`. Syllables with hyphens, the stressed one in capitals.
//!
//! Unlike in a name, every group of letters has one sound here, wherever it stands.

use super::letter_to_sound;
use super::symbols::{PRIMARY_STRESS, is_vowel, phones};

/// Groups whose sound differs from that in a name. What is not here is read by the rules for names.
#[rustfmt::skip] // a table
const VOWELS: [(&str, &str); 22] = [
    ("igh", "aɪ"), ("eye", "aɪ"), ("air", "ɛɹ"), ("eer", "ɪɹ"), ("oor", "ʊɹ"), ("ah", "ɑː"), ("ar", "ɑːɹ"),
    ("aw", "ɔː"), ("ay", "eɪ"), ("ee", "iː"), ("eh", "ɛ"), ("er", "ɜː"), ("ih", "ɪ"), ("oh", "oʊ"),
    ("oo", "uː"), ("or", "ɔːɹ"), ("ow", "aʊ"), ("oy", "ɔɪ"), ("uh", "ə"), ("ur", "ɜː"), ("ye", "aɪ"),
    ("a", "æ"),
];

/// One word as sounds; without a vowel where there is none.
pub fn pronounce(word: &str) -> String {
    let syllables: Vec<&str> = word.split('-').filter(|syllable| !syllable.is_empty()).collect();
    let capitals =
        |syllable: &&str| syllable.len() > 1 && !syllable.contains(|sign: char| sign.is_lowercase());
    let stressed = syllables.iter().position(capitals).unwrap_or(0);
    let mut ipa = String::new();
    for (place, syllable) in syllables.iter().enumerate() {
        let sounds = sounds(&syllable.to_lowercase());
        let marked = place == stressed;
        ipa.push_str(&if marked { before_vowel(&sounds) } else { sounds });
    }
    ipa
}

/// The consonants around the vowel are read by the rules for names.
fn sounds(syllable: &str) -> String {
    let found = VOWELS.iter().find_map(|(letters, sound)| Some((syllable.find(letters)?, *letters, *sound)));
    let plain = |letters: &str| {
        if letters.is_empty() { String::new() } else { letter_to_sound::sounds(letters) }
    };
    match found {
        Some((place, letters, sound)) => {
            format!("{}{sound}{}", plain(&syllable[..place]), plain(&syllable[place + letters.len()..]))
        }
        None => plain(syllable),
    }
}

fn before_vowel(ipa: &str) -> String {
    let mut marked = String::new();
    let mut open = true;
    for phone in phones(ipa) {
        if open && phone.ipa.starts_with(is_vowel) {
            marked.push(PRIMARY_STRESS);
            open = false;
        }
        marked.push_str(phone.ipa);
    }
    marked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syllables_sound_as_they_are_written() {
        for (respelling, ipa) in [
            ("DOH-vah-keen", "dˈoʊvɑːkiːn"),
            ("doh-vah-KEEN", "doʊvɑːkˈiːn"),
            ("WITE-run", "wˈaɪtɹʌn"),
            ("nerk", "nˈɜːk"),
            ("EYE-lah", "ˈaɪlɑː"),
            ("throh-GAHR", "θɹoʊɡˈɑːɹ"),
            ("nrk", "nɹk"),
        ] {
            assert_eq!(pronounce(respelling), ipa, "{respelling}");
        }
    }
}
