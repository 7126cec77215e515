//! The labels of others, and ours: what another program's word means here, and what ours is called there.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::EmotionLabel;

/// How alike a misspelt word and a known one must be (0 to 1, Jaro-Winkler).
const ALIKE_MIN: f64 = 0.9;
/// How many letters a misspelling leaves out or adds at most.
const MISSPELT_BYTES_MAX: usize = 2;
/// Longer texts name no feeling, bytes.
const TEXT_BYTES_MAX: usize = 64;
/// Nor do more words: somebody speaks.
const WORDS_MAX: usize = 4;
/// What says that a feeling is not felt.
const DENIALS: [&str; 6] = ["not", "no", "never", "without", "isn't", "hardly"];

/// A set of labels that other programs use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelSet {
    /// The 28 of GoEmotions (Demszky et al., 2020), which sprite packs use as file names.
    GoEmotions,
    /// The 19 of SPAFF (Coan and Gottman, 2007), as Inworld writes them.
    Spaff,
    /// Ekman's six, and `neutral`.
    Ekman,
    /// The ten that SkyrimNet puts on memories.
    SkyrimNet,
}

impl LabelSet {
    /// All sets.
    pub const ALL: [LabelSet; 4] =
        [LabelSet::GoEmotions, LabelSet::Spaff, LabelSet::Ekman, LabelSet::SkyrimNet];

    /// The words of the set, as it writes them.
    pub fn words(self) -> &'static [&'static str] {
        match self {
            LabelSet::GoEmotions => &GO_EMOTIONS,
            LabelSet::Spaff => &SPAFF,
            LabelSet::Ekman => &EKMAN,
            LabelSet::SkyrimNet => &SKYRIM_NET,
        }
    }

    /// The nearest word of the set.
    pub fn word(self, label: EmotionLabel) -> &'static str {
        match self {
            LabelSet::GoEmotions => label.go_emotions(),
            LabelSet::Spaff => label.spaff(),
            LabelSet::Ekman => label.ekman(),
            LabelSet::SkyrimNet => label.skyrim_net(),
        }
    }
}

const GO_EMOTIONS: [&str; 28] = [
    "admiration",
    "amusement",
    "anger",
    "annoyance",
    "approval",
    "caring",
    "confusion",
    "curiosity",
    "desire",
    "disappointment",
    "disapproval",
    "disgust",
    "embarrassment",
    "excitement",
    "fear",
    "gratitude",
    "grief",
    "joy",
    "love",
    "nervousness",
    "neutral",
    "optimism",
    "pride",
    "realization",
    "relief",
    "remorse",
    "sadness",
    "surprise",
];
const SPAFF: [&str; 19] = [
    "NEUTRAL",
    "DISGUST",
    "CONTEMPT",
    "BELLIGERENCE",
    "DOMINEERING",
    "CRITICISM",
    "ANGER",
    "TENSION",
    "TENSE_HUMOR",
    "DEFENSIVENESS",
    "WHINING",
    "SADNESS",
    "STONEWALLING",
    "INTEREST",
    "VALIDATION",
    "AFFECTION",
    "HUMOR",
    "SURPRISE",
    "JOY",
];
const EKMAN: [&str; 7] = ["anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"];
const SKYRIM_NET: [&str; 10] = [
    "joyful",
    "content",
    "neutral",
    "concerned",
    "fearful",
    "angry",
    "disgusted",
    "surprised",
    "sad",
    "traumatized",
];

/// The label that a word of any of these sets, or an everyday word, comes nearest to: the word itself, else one
/// that it is a form of ("disgusting"), else one that it is a misspelling of. Of a few words it is the first that is
/// known ("quietly furious"), unless they deny it. None if nobody knows it: then nothing was chosen.
pub fn nearest_label(text: &str) -> Option<EmotionLabel> {
    let text = text.trim().to_lowercase();
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    let whole = text.parse().ok();
    let words = || text.split(|c: char| !(c.is_alphanumeric() || matches!(c, '\'' | '_' | '-')));
    let words: Vec<&str> = words().filter(|word| !word.is_empty()).collect();
    if whole.is_some() || words.len() > WORDS_MAX || words.iter().any(|word| DENIALS.contains(word)) {
        return whole;
    }
    words.into_iter().find_map(label_of_word)
}

fn label_of_word(word: &str) -> Option<EmotionLabel> {
    if let Ok(label) = word.parse() {
        return Some(label);
    }
    let stem = stem(word);
    if let Some((_, label)) = STEMS.iter().find(|(known, _)| *known == stem) {
        return Some(*label);
    }
    let near = |known: &str| known.len().abs_diff(word.len()) <= MISSPELT_BYTES_MAX;
    let known = EmotionLabel::known_words().filter(|(known, _)| near(known));
    let scored = known.map(|(known, label)| (strsim::jaro_winkler(word, known), label));
    let best = scored.filter(|(score, _)| *score >= ALIKE_MIN).max_by(|one, other| one.0.total_cmp(&other.0));
    best.map(|(_, label)| label)
}

fn stem(word: &str) -> String {
    crate::action::stem(word)
}

/// Stems that lead to one label only.
static STEMS: LazyLock<Vec<(String, EmotionLabel)>> = LazyLock::new(|| {
    let all: Vec<(String, EmotionLabel)> =
        EmotionLabel::known_words().map(|(word, label)| (stem(word), label)).collect();
    let unsure: HashSet<&String> = all
        .iter()
        .filter(|(stem, label)| all.iter().any(|(other, meant)| other == stem && meant != label))
        .map(|(stem, _)| stem)
        .collect();
    all.iter().filter(|(stem, _)| !unsure.contains(stem)).cloned().collect()
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_every_set_is_known_and_ours_lead_into_each() {
        for set in LabelSet::ALL {
            for word in set.words() {
                assert!(word.parse::<EmotionLabel>().is_ok(), "{set:?}: {word}");
            }
            for label in EmotionLabel::ALL {
                assert!(set.words().contains(&set.word(label)), "{set:?}: {label}");
            }
        }
    }

    #[test]
    fn what_a_set_can_tell_apart_survives_the_way_there_and_back() {
        for label in EmotionLabel::ALL {
            for set in [LabelSet::GoEmotions, LabelSet::Spaff] {
                assert_eq!(set.word(label).parse(), Ok(label), "{set:?}");
            }
            // Coarser sets keep at least the side.
            for set in [LabelSet::Ekman, LabelSet::SkyrimNet] {
                let back: EmotionLabel = set.word(label).parse().unwrap();
                let (there, here) = (back.pad(1.0).pleasure, label.pad(1.0).pleasure);
                assert!(there * here >= 0.0, "{set:?}: {label} became {back}");
            }
        }
    }

    #[test]
    fn unknown_words_find_the_nearest() {
        for (word, label) in [
            ("Disgusting", Some(EmotionLabel::Disgust)),
            ("surprising", Some(EmotionLabel::Surprise)),
            ("angery", Some(EmotionLabel::Anger)),
            ("hapiness", Some(EmotionLabel::Joy)),
            ("TENSE_HUMOR", Some(EmotionLabel::Joy)),
            ("traumatized", Some(EmotionLabel::Sadness)),
            ("furious", Some(EmotionLabel::Anger)),
            ("Gratitude", Some(EmotionLabel::Affection)),
            ("amusement", Some(EmotionLabel::Joy)),
            ("quietly furious", Some(EmotionLabel::Anger)),
            ("**angry** (at you)", Some(EmotionLabel::Anger)),
            ("a bit sad", Some(EmotionLabel::Sadness)),
            ("taken aback", Some(EmotionLabel::Surprise)),
            ("calm", Some(EmotionLabel::Neutral)),
            ("not angry", None),
            ("hungry", None),
            ("angrybird", None),
            ("I am angry with all of you", None),
            ("floccinaucinihil", None),
            ("", None),
            ("?!", None),
        ] {
            assert_eq!(nearest_label(word), label, "{word}");
        }
        assert_eq!(nearest_label(&"anger".repeat(100)), None);
    }

    #[test]
    fn a_word_means_one_label() {
        let mut known: Vec<_> = EmotionLabel::known_words().collect();
        known.sort_unstable();
        known.dedup();
        for pair in known.windows(2) {
            assert_ne!(pair[0].0, pair[1].0);
        }
    }
}
