use proptest::prelude::*;

use super::*;

fn close(left: f32, right: f32) -> bool {
    (left - right).abs() < 1e-4
}

#[test]
fn the_rows_stand_in_the_order_of_the_labels() {
    for label in EmotionLabel::ALL {
        let json = serde_json::to_string(&label).unwrap();
        assert_eq!(json, format!("{:?}", label.name()));
        assert_eq!(label.name().parse(), Ok(label));
        assert_eq!(label.adjective().parse(), Ok(label));
        assert_eq!(adjective(label.name()), Some(label.adjective()));
    }
}

#[test]
fn no_word_means_two_emotions() {
    let words = EmotionLabel::ALL.map(|label| [label.adjective(), label.name()]);
    let mut words: Vec<&str> = words.concat();
    words.sort_unstable();
    let count = words.len();
    words.dedup();
    assert_eq!(words.len(), count);
}

#[test]
fn words_of_other_label_sets_are_understood() {
    for (word, label) in [
        ("amusement", EmotionLabel::Joy),
        ("BELLIGERENCE", EmotionLabel::Anger),
        ("Tense humor", EmotionLabel::Joy),
        ("nervousness", EmotionLabel::Fear),
        ("happiness", EmotionLabel::Joy),
    ] {
        assert_eq!(word.parse(), Ok(label), "{word}");
    }
    let unknown = "hungry".parse::<EmotionLabel>().unwrap_err();
    assert!(unknown.help().contains("neutral, joy"), "{}", unknown.help());
}

#[test]
fn every_label_survives_the_way_through_goemotions_spaff_and_ekman() {
    for label in EmotionLabel::ALL {
        assert_eq!(label.go_emotions().parse(), Ok(label));
        assert_eq!(label.spaff().parse(), Ok(label));
        assert!(label.ekman().parse::<EmotionLabel>().is_ok());
    }
}

#[test]
fn labels_lie_apart() {
    for one in EmotionLabel::ALL {
        for other in EmotionLabel::ALL {
            let (a, b) = (one.pad(1.0), other.pad(1.0));
            let distance = ((a.pleasure - b.pleasure).powi(2)
                + (a.arousal - b.arousal).powi(2)
                + (a.dominance - b.dominance).powi(2))
            .sqrt();
            assert!(one == other || distance > 0.15, "{one} and {other} are {distance} apart");
        }
    }
}

#[test]
fn anger_fades_to_the_usual_mood_by_half_lives() {
    let usual = Emotion::usual(EmotionLabel::Joy);
    let angry = step(&usual, &usual, EmotionLabel::Anger, 1.0, Duration::ZERO);
    assert_eq!(angry.label, EmotionLabel::Anger);
    assert!(angry.mood.pleasure < -0.4);
    let later = decay(&angry, &usual, Duration::from_secs_f32(HALF_LIFE_S));
    assert!(close(later.intensity, 0.5), "{later:?}");
    let middle = (angry.mood.pleasure + usual.mood.pleasure) / 2.0;
    assert!(close(later.mood.pleasure, middle), "{later:?}");
    let evening = decay(&angry, &usual, Duration::from_secs(3600));
    assert_eq!(evening.label, EmotionLabel::Joy);
    assert!(close(evening.mood.pleasure, usual.mood.pleasure));
}

#[test]
fn a_neutral_remark_does_not_end_a_quarrel() {
    let usual = Emotion::default();
    let angry = step(&usual, &usual, EmotionLabel::Anger, 0.9, Duration::ZERO);
    let after = step(&angry, &usual, EmotionLabel::Neutral, 1.0, Duration::from_secs(2));
    assert_eq!(after.label, EmotionLabel::Anger);
    assert!(after.intensity < angry.intensity);
}

#[test]
fn the_wire_form_is_flat() {
    let json = serde_json::to_value(Emotion::usual(EmotionLabel::Fear)).unwrap();
    let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["label", "intensity", "pleasure", "arousal", "dominance"]);
    let back: Emotion = serde_json::from_value(json).unwrap();
    assert_eq!(back, Emotion::usual(EmotionLabel::Fear));
}

fn any_label() -> impl Strategy<Value = EmotionLabel> {
    (0..EmotionLabel::ALL.len()).prop_map(|index| EmotionLabel::ALL[index])
}

proptest! {
    #[test]
    fn moods_stay_in_their_cube(
        usual in any_label(),
        steps in prop::collection::vec((any_label(), prop::num::f32::ANY, 0u64..1_000_000), 1..40),
    ) {
        let baseline = Emotion::usual(usual);
        let mut now = baseline;
        for (label, intensity, elapsed_s) in steps {
            now = step(&now, &baseline, label, intensity, Duration::from_secs(elapsed_s));
            prop_assert!((0.0..=1.0).contains(&now.intensity), "{now:?}");
            for axis in [now.mood.pleasure, now.mood.arousal, now.mood.dominance] {
                prop_assert!((-1.0..=1.0).contains(&axis), "{now:?}");
            }
        }
    }

    #[test]
    fn two_waits_are_one_long_wait(first in 0u32..600, second in 0u32..600) {
        let baseline = Emotion::usual(EmotionLabel::Joy);
        let start = step(&baseline, &baseline, EmotionLabel::Sadness, 0.8, Duration::ZERO);
        let wait = |emotion: &Emotion, s: u32| decay(emotion, &baseline, Duration::from_secs(s.into()));
        let twice = wait(&wait(&start, first), second);
        let once = wait(&start, first + second);
        prop_assert!((twice.mood.pleasure - once.mood.pleasure).abs() < 1e-3);
        prop_assert_eq!(twice.label, once.label);
    }
}
