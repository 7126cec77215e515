//! How easily a character is moved, and what its mood comes back to: read from the words of its file.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::{EmotionLabel, Pad};

/// How much of the place that the factors of a personality give is the mood at rest. Ours: the traits of a
/// game's characters are drawn thick, and all of it would leave no room for a change.
const HOME_SHARE: f32 = 0.3;
/// How much of the usual feeling of the file is mood at rest.
const USUAL_SHARE: f32 = 0.4;
/// How much a factor of full strength changes how strongly feelings come.
const STRENGTH_SHARE: f32 = 0.3;
/// By what power of two a factor of full strength changes how long unpleasant feelings last.
const LASTING_POWER: f32 = 0.5;
/// Bounds of the factors on strength.
const STRENGTH: (f32, f32) = (0.5, 1.6);

/// A character's temper.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Temperament {
    /// The feeling that shows when nothing else does.
    pub usual: EmotionLabel,
    /// Where the mood comes to rest.
    pub home: Pad,
    factors: Factors,
}

/// The five great factors of personality, each -1 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Factors {
    extraversion: f32,
    agreeableness: f32,
    conscientiousness: f32,
    stability: f32,
    openness: f32,
}

impl Temperament {
    /// From the usual feeling and the traits of a character's file. Of each trait the first known word counts
    /// ("suspicious of strangers"); traits without a known word change nothing, nor do denied ones ("not
    /// very brave").
    pub fn of(usual: EmotionLabel, traits: &[String]) -> Temperament {
        let mut factors = Factors::default();
        for found in traits.iter().filter_map(|text| first_known(text)) {
            factors = factors.plus(found);
        }
        let home = factors.mood().plus(usual.pad(USUAL_SHARE));
        Temperament { usual, home, factors }
    }

    /// How strongly this feeling comes, as a factor. Who is unsteady feels what is unpleasant more, who is
    /// outgoing what is pleasant (R. Larsen and T. Ketelaar, 1991); who is agreeable is slower to anger
    /// (B. Meier and M. Robinson, 2004).
    pub fn strength(&self, label: EmotionLabel) -> f32 {
        let Factors { extraversion, agreeableness, stability, .. } = self.factors;
        let lean = match label {
            EmotionLabel::Anger | EmotionLabel::Contempt => -stability - agreeableness,
            label if is_unpleasant(label) => -stability,
            EmotionLabel::Joy | EmotionLabel::Affection => extraversion,
            _ => 0.0,
        };
        (1.0 + STRENGTH_SHARE * lean).clamp(STRENGTH.0, STRENGTH.1)
    }

    /// How long this feeling lasts, as a factor: unpleasant ones stay with the unsteady (J. Suls and R. Martin,
    /// 2005).
    pub fn lasting(&self, label: EmotionLabel) -> f32 {
        if is_unpleasant(label) { (-LASTING_POWER * self.factors.stability).exp2() } else { 1.0 }
    }
}

fn is_unpleasant(label: EmotionLabel) -> bool {
    label.pad(1.0).pleasure < 0.0
}

impl Factors {
    fn plus(self, other: Factors) -> Factors {
        let sum = |one: f32, other: f32| (one + other).clamp(-1.0, 1.0);
        Factors {
            extraversion: sum(self.extraversion, other.extraversion),
            agreeableness: sum(self.agreeableness, other.agreeableness),
            conscientiousness: sum(self.conscientiousness, other.conscientiousness),
            stability: sum(self.stability, other.stability),
            openness: sum(self.openness, other.openness),
        }
    }

    /// The mood that goes with the factors: the regression of A. Mehrabian, "Analysis of the Big-Five
    /// personality factors in terms of the PAD temperament model" (1996), as ALMA uses it.
    fn mood(self) -> Pad {
        let Factors { extraversion: e, agreeableness: a, conscientiousness: c, stability: s, openness: o } =
            self;
        let pleasure = 0.21 * e + 0.59 * a + 0.19 * s;
        let arousal = 0.15 * o + 0.30 * a - 0.57 * s;
        let dominance = 0.25 * o + 0.17 * c + 0.60 * e - 0.32 * a;
        Pad::default().toward(Pad { pleasure, arousal, dominance }, HOME_SHARE)
    }
}

/// What the first known word of a trait says.
fn first_known(text: &str) -> Option<Factors> {
    const DENIALS: [&str; 5] = ["not", "never", "hardly", "no", "without"];
    let text = text.to_lowercase();
    let words = text.split(|c: char| !(c.is_alphanumeric() || c == '-')).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.collect();
    for (place, word) in words.iter().enumerate() {
        if DENIALS.contains(word) {
            return None;
        }
        let joined = words.get(place + 1).map(|next| format!("{word}-{next}"));
        let found = joined.and_then(|joined| WORDS.get(joined.as_str())).or_else(|| WORDS.get(*word));
        if let Some(found) = found {
            return Some(*found);
        }
    }
    None
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TraitsFile {
    extraversion: Poles,
    agreeableness: Poles,
    conscientiousness: Poles,
    stability: Poles,
    openness: Poles,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Poles {
    high: Vec<String>,
    low: Vec<String>,
}

static WORDS: LazyLock<HashMap<String, Factors>> = LazyLock::new(|| {
    let file: TraitsFile = toml::from_str(include_str!("traits.toml"))
        .expect("traits.toml is part of the program and read by its tests");
    let mut words: HashMap<String, Factors> = HashMap::new();
    let mut add = |poles: Poles, at: fn(f32) -> Factors| {
        let high = poles.high.into_iter().map(|word| (word, at(1.0)));
        for (word, factors) in high.chain(poles.low.into_iter().map(|word| (word, at(-1.0)))) {
            let known = words.entry(word).or_default();
            *known = known.plus(factors);
        }
    };
    add(file.extraversion, |extraversion| Factors { extraversion, ..Factors::default() });
    add(file.agreeableness, |agreeableness| Factors { agreeableness, ..Factors::default() });
    add(file.conscientiousness, |conscientiousness| Factors { conscientiousness, ..Factors::default() });
    add(file.stability, |stability| Factors { stability, ..Factors::default() });
    add(file.openness, |openness| Factors { openness, ..Factors::default() });
    words
});

#[cfg(test)]
mod tests {
    use super::*;

    fn with(traits: &[&str]) -> Temperament {
        Temperament::of(
            EmotionLabel::Neutral,
            &traits.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>(),
        )
    }

    #[test]
    fn a_hot_tempered_one_is_angry_more_and_longer_than_a_calm_one() {
        let (hot, calm) = (with(&["hot-tempered"]), with(&["calm", "patient"]));
        assert!(hot.strength(EmotionLabel::Anger) > 1.3, "{}", hot.strength(EmotionLabel::Anger));
        assert!(calm.strength(EmotionLabel::Anger) < 0.7, "{}", calm.strength(EmotionLabel::Anger));
        assert!(hot.lasting(EmotionLabel::Anger) > calm.lasting(EmotionLabel::Anger));
        assert_eq!(hot.lasting(EmotionLabel::Joy), 1.0);
    }

    #[test]
    fn a_cheerful_one_rests_in_a_good_mood_and_a_grumpy_one_in_a_bad_one() {
        assert!(with(&["cheerful"]).home.pleasure > 0.1);
        assert!(with(&["Grumpy"]).home.pleasure < -0.1);
        assert!(with(&["cheerful"]).strength(EmotionLabel::Joy) > 1.0);
    }

    #[test]
    fn unknown_and_denied_words_do_nothing() {
        assert_eq!(with(&["left-handed", "owns a boat", "not calm", "never brave"]), Temperament::default());
        assert_eq!(with(&["hot tempered"]), with(&["hot-tempered"]));
        assert_eq!(with(&["suspicious of strangers"]), with(&["suspicious"]));
    }

    #[test]
    fn the_table_is_in_small_letters_and_no_word_stands_on_both_sides() {
        let file: TraitsFile = toml::from_str(include_str!("traits.toml")).unwrap();
        for poles in
            [file.extraversion, file.agreeableness, file.conscientiousness, file.stability, file.openness]
        {
            assert!(poles.high.iter().all(|word| !poles.low.contains(word)));
            assert!(poles.high.iter().chain(&poles.low).all(|word| *word == word.trim().to_lowercase()));
        }
    }

    #[test]
    fn any_number_of_traits_stays_within_bounds() {
        let all: Vec<String> = WORDS.keys().cloned().collect();
        for usual in EmotionLabel::ALL {
            let temperament = Temperament::of(usual, &all);
            assert_eq!(temperament.home, temperament.home.tame());
            assert!((STRENGTH.0..=STRENGTH.1).contains(&temperament.strength(EmotionLabel::Anger)));
        }
    }
}
