//! A sentence as the numbers that a voice reads, and which sound each of them belongs to.
//!
//! A voice gives every sign a length of its own: stress marks, blanks and spaces too. For a mouth they are part of
//! the sound beside them, so that the lengths of all sounds together are exactly the length of the audio.

use std::ops::Range;

use super::config::Config;
use crate::phonemes::Item;
use crate::phonemes::symbols::{Phone, phones};

/// A sound of the sentence, or a silence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sound {
    /// Empty for a silence.
    pub ipa: String,
    /// Of which word of the text it is.
    pub word: Option<Range<usize>>,
}

/// What a voice reads.
#[derive(Clone, Debug, Default)]
pub struct Signs {
    /// The voice's numbers.
    pub ids: Vec<i32>,
    /// For each number, the place in `sounds`.
    pub owners: Vec<usize>,
    /// In order.
    pub sounds: Vec<Sound>,
}

/// Signs that some voices lack, and what comes nearest.
const NEAREST: [(char, &str); 12] = [
    ('g', "ɡ"),
    ('r', "ɹ"),
    ('ɹ', "r"),
    ('ɚ', "əɹ"),
    ('ɝ', "ɜː"),
    ('ɜ', "ə"),
    ('ɐ', "ə"),
    ('ᵻ', "ɪ"),
    ('ᵊ', "ə"),
    ('ɾ', "t"),
    ('ʌ', "ə"),
    ('ɑ', "a"),
];

impl Signs {
    /// Reads a sentence.
    pub fn of(sentence: &[Item], config: &Config) -> Signs {
        let mut signs = Signs::default();
        signs.begin_sound(Sound::default());
        signs.push(config, "^");
        for item in sentence {
            match item {
                Item::Word { bytes, ipa } => signs.word(config, ipa, bytes),
                Item::Pause(pause) => {
                    signs.begin_sound(Sound::default());
                    signs.push(config, pause.encode_utf8(&mut [0; 4]));
                }
            }
        }
        if signs.sounds.last().is_some_and(|sound| !sound.ipa.is_empty()) {
            signs.begin_sound(Sound::default());
        }
        signs.extend(config.ids("$"));
        signs
    }

    fn word(&mut self, config: &Config, ipa: &str, bytes: &Range<usize>) {
        // The gap between words belongs to what came before.
        if self.sounds.len() > 1 {
            self.push(config, " ");
        }
        let phones = phones(ipa);
        let mut begun = 0;
        for (place, sign) in ipa.char_indices() {
            // A mark of stress stands before its sound and belongs to it.
            let owner = phones.iter().rposition(|phone| phone.begin <= place).unwrap_or(0);
            let owner = owner + usize::from(ends_before(&phones[owner..], place));
            while begun <= owner && begun < phones.len() {
                let ipa = phones[begun].ipa.to_owned();
                self.begin_sound(Sound { ipa, word: Some(bytes.clone()) });
                begun += 1;
            }
            self.push_nearest(config, sign);
        }
    }

    fn begin_sound(&mut self, sound: Sound) {
        self.sounds.push(sound);
    }

    fn push_nearest(&mut self, config: &Config, sign: char) {
        if config.ids(sign.encode_utf8(&mut [0; 4])).is_some() {
            return self.push(config, sign.encode_utf8(&mut [0; 4]));
        }
        let nearest = NEAREST.iter().find(|(lacking, _)| *lacking == sign);
        for near in nearest.map_or("", |(_, near)| near).chars() {
            self.push(config, near.encode_utf8(&mut [0; 4]));
        }
    }

    /// A sign and the blank behind it, as the voice was trained.
    fn push(&mut self, config: &Config, sign: &str) {
        if let Some(ids) = config.ids(sign) {
            self.extend(Some(ids));
            self.extend(config.ids("_"));
        }
    }

    fn extend(&mut self, ids: Option<&[i32]>) {
        let owner = self.sounds.len().saturating_sub(1);
        for id in ids.unwrap_or_default() {
            self.ids.push(*id);
            self.owners.push(owner);
        }
    }

    /// How long each sound is, from how long each sign is.
    pub fn lengths(&self, of_signs: &[f32]) -> Vec<f32> {
        let mut lengths = vec![0.0; self.sounds.len()];
        for (owner, length) in self.owners.iter().zip(of_signs) {
            lengths[*owner] += length;
        }
        lengths
    }
}

/// Whether the first of these sounds is over before this place and another one follows.
fn ends_before(phones: &[Phone<'_>], place: usize) -> bool {
    phones.len() > 1 && phones.first().is_some_and(|phone| phone.begin + phone.ipa.len() <= place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        let signs = "_^$ .aeɪbktʃˈː";
        let map: serde_json::Map<_, _> =
            signs.chars().enumerate().map(|(id, sign)| (sign.to_string(), serde_json::json!([id]))).collect();
        serde_json::from_value(serde_json::json!({"audio": {"sample_rate": 22050}, "phoneme_id_map": map}))
            .unwrap()
    }

    #[test]
    fn every_sign_belongs_to_a_sound() {
        let sentence = [
            Item::Word { bytes: 0..3, ipa: "kˈeɪ".into() },
            Item::Word { bytes: 4..6, ipa: "tʃɚ".into() },
            Item::Pause('.'),
        ];
        let signs = Signs::of(&sentence, &config());
        let sounds: Vec<&str> = signs.sounds.iter().map(|sound| sound.ipa.as_str()).collect();
        assert_eq!(sounds, ["", "k", "eɪ", "tʃ", "ɚ", ""]);
        assert_eq!(signs.sounds[3].word, Some(4..6));
        // ^_ k_ ˈ_ e_ ɪ_ space_ t_ ʃ_ (nothing is near ɚ here) ._ $
        assert_eq!(signs.owners, [0, 0, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 5, 5, 5]);
        assert_eq!(signs.ids.len(), signs.owners.len());
        assert_eq!((signs.ids[0], signs.ids[signs.ids.len() - 1]), (1, 2));
        let lengths = signs.lengths(&vec![1.0; signs.ids.len()]);
        assert_eq!(lengths.iter().sum::<f32>(), signs.ids.len() as f32);
    }

    #[test]
    fn a_vowel_that_the_voice_lacks_is_replaced_by_the_nearest() {
        let signs = Signs::of(&[Item::Word { bytes: 0..1, ipa: "ɑː".into() }], &config());
        assert!(signs.ids.contains(&5), "{:?}", signs.ids);
    }
}
